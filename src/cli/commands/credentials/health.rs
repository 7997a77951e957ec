//! `tenant credentials health`: how all of them stand, and what to do next.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use crate::alerts::expiry::Standing;
use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::desk::some;
use crate::cli::error::{CliError, ExitStatus};
use crate::engine::credentials::Outcome;
use crate::report;

use super::{Estate, Filter, FilterArgs, Item};

/// Count credentials by service and status, and say what to do next
///
/// Nobody is asked: it tells what is declared, and what `verify` and `renew` last found.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant credentials health\n  synthex tenant credentials health --service shopify --format json"
)]
pub struct HealthArgs {
    #[command(flatten)]
    pub filter: FilterArgs,
}

/// Something to do, for some credentials.
struct Recommendation {
    code: &'static str,
    what: String,
    command: String,
    names: Vec<String>,
}

/// Runs `tenant credentials health`.
///
/// # Errors
/// Wrong usage, or the database does not answer.
pub async fn health(context: &Context, args: &HealthArgs) -> Result<ExitStatus, CliError> {
    let estate = Estate::open(context, "tenant credentials health").await?;
    let items = estate.filtered(&Filter::new(&args.filter))?;
    let recommendations = recommendations(&items);
    let count = |standing: Standing, service: Option<&str>| {
        let fits =
            |item: &&Item| item.standing == standing && service.is_none_or(|one| item.service() == one);
        items.iter().filter(fits).count()
    };
    let mut services: BTreeMap<&str, usize> = BTreeMap::new();
    for item in &items {
        *services.entry(item.service()).or_default() += 1;
    }
    if context.global.format == Format::Json {
        let by_status = |service: Option<&str>| -> Value {
            Standing::ALL.iter().map(|one| (one.code().to_owned(), json!(count(*one, service)))).collect()
        };
        let by_service: Value = services
            .iter()
            .map(|(service, total)| {
                ((*service).to_owned(), json!({"total": total, "byStatus": by_status(Some(service))}))
            })
            .collect();
        let mut verdicts: BTreeMap<&str, usize> = BTreeMap::new();
        for item in &items {
            *verdicts.entry(item.status.verify_verdict.as_deref().unwrap_or("never")).or_default() += 1;
        }
        let advice = recommendations.iter().map(|one| {
            json!({"code": one.code, "message": one.what, "command": one.command, "credentials": one.names})
        });
        context.printer.json(&json!({
            "format_version": "1.0",
            "timestamp": context.clock.now(),
            "total": items.len(),
            "byStatus": by_status(None),
            "byService": by_service,
            "byVerdict": verdicts,
            "recommendations": advice.collect::<Vec<_>>(),
        }));
        return Ok(ExitStatus::Success);
    }
    if items.is_empty() {
        context.printer.note("There are no credentials to tell of.");
        return Ok(ExitStatus::Success);
    }
    let headers = ["SERVICE", "TOTAL", "EXPIRED", "EXPIRING SOON", "ACTIVE", "REVOKED"];
    let line = |name: &str, total: usize, service: Option<&str>| {
        let counts = Standing::ALL.iter().map(|standing| count(*standing, service).to_string());
        [name.to_owned(), total.to_string()].into_iter().chain(counts).collect::<Vec<_>>()
    };
    let mut rows: Vec<Vec<String>> =
        services.iter().map(|(service, total)| line(service, *total, Some(service))).collect();
    if rows.len() > 1 {
        rows.push(line("all", items.len(), None));
    }
    let mut text = report::table::table(&headers, rows, &context.printer.stdout);
    if recommendations.is_empty() {
        text.push_str("\nNothing needs to be done.\n");
    } else {
        text.push_str("\nWhat to do:\n");
    }
    for one in &recommendations {
        text.push_str(&format!("  {}: {}\n    {}\n", one.what, some(one.names.iter()), one.command));
    }
    context.printer.result(&text);
    Ok(ExitStatus::Success)
}

/// What to do, the most urgent first.
fn recommendations(items: &[Item]) -> Vec<Recommendation> {
    let living: Vec<&Item> = items.iter().filter(|item| item.standing != Standing::Revoked).collect();
    let renews = |item: &Item| !matches!(item.text("renewal"), "" | "none");
    let last = |item: &Item| item.status.verify_outcome.as_deref().and_then(Outcome::named);
    type Rule<'r> = (&'static str, &'static str, &'static str, &'r dyn Fn(&Item) -> bool);
    let rules: [Rule<'_>; 9] = [
        (
            "renewal_failed",
            "Could not be renewed",
            "read why: synthex tenant credentials list; `invalid_grant` takes a new authorisation by the merchant",
            &|item| item.status.last_renewal_error.is_some(),
        ),
        (
            "expired_renewable",
            "Expired, and can be renewed",
            "synthex tenant credentials renew --status expired",
            &|item| {
                item.standing == Standing::Expired && renews(item) && item.status.last_renewal_error.is_none()
            },
        ),
        (
            "expired",
            "Expired, and renewed by hand",
            "store a new secret and declare its expiresAt, or: synthex tenant credentials cleanup",
            &|item| item.standing == Standing::Expired && !renews(item),
        ),
        (
            "invalid",
            "Refused when last verified",
            "read why: synthex tenant credentials verify --all",
            &|item| last(item).is_some_and(Outcome::is_refused),
        ),
        (
            "unreadable",
            "The secret could not be read when last verified",
            "read why, and mend it: synthex tenant credentials verify --all",
            &|item| last(item).is_some_and(Outcome::is_unread),
        ),
        (
            "expiring_soon_renewable",
            "Expiring within 7 days, and can be renewed",
            "synthex tenant credentials renew --status expiring_soon",
            &|item| item.standing == Standing::ExpiringSoon && renews(item),
        ),
        (
            "expiring_soon",
            "Expiring within 7 days, and renewed by hand",
            "store new secrets, and declare their expiresAt",
            &|item| item.standing == Standing::ExpiringSoon && !renews(item),
        ),
        ("never_verified", "Never verified", "synthex tenant credentials verify --all", &|item| {
            item.status.last_verified_at.is_none()
        }),
        (
            "expiry_unknown",
            "No known expiry",
            "declare expiresAt, or renewal, so that somebody is told in time",
            &|item| item.expires_at.is_none() && !renews(item),
        ),
    ];
    let mut all = Vec::new();
    for (code, words, command, applies) in rules {
        let names: Vec<String> =
            living.iter().filter(|item| applies(item)).map(|item| item.row.key.name.to_string()).collect();
        if !names.is_empty() {
            let what = format!("{words} ({})", names.len());
            all.push(Recommendation { code, what, command: command.to_owned(), names });
        }
    }
    all
}
