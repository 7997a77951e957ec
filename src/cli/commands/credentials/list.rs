//! `tenant credentials list` and `expiring`.

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use serde_json::{Value, json};

use crate::alerts::expiry::{self, Standing};
use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::model::text::duration_seconds;
use crate::report;

use super::{Estate, Filter, FilterArgs, Item};

/// List credentials, and how they stand
///
/// What is known of the expiry is what the secret said when it was last read, or else what is declared. Revoked credentials
/// are hidden unless `--all` or `--status revoked` is given.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant credentials list\n  synthex tenant credentials list --service shopify --status expired\n  synthex tenant credentials list --all -l tier=gold --format json"
)]
pub struct ListArgs {
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Show revoked credentials too
    #[arg(long)]
    pub all: bool,
    /// Show at most this many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}

/// List the credentials that expire soon, those that expired first
///
/// A credential counts when no more than that time is left, to the second; what has expired counts too. Revoked ones do not.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant credentials expiring\n  synthex tenant credentials expiring --within 7d --detailed-exitcode\n  synthex tenant credentials expiring --within 30d --as-of 2026-12-24 --format json"
)]
pub struct ExpiringArgs {
    /// How soon: `12h`, `30d`
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = within)]
    pub within: TimeDelta,
    /// Exit with 2 where there are some
    #[arg(long)]
    pub detailed_exitcode: bool,
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Show at most this many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}

fn within(text: &str) -> Result<TimeDelta, String> {
    let zero = matches!(text, "0" | "0d" | "0h" | "0s").then_some(0);
    let seconds = zero.or_else(|| duration_seconds(text));
    seconds
        .filter(|seconds| *seconds <= 3_650 * 86_400)
        .and_then(TimeDelta::try_seconds)
        .ok_or("write a time such as 12h, 7d or 30d; at most 3650d".to_owned())
}

/// Runs `tenant credentials list`.
///
/// # Errors
/// Wrong usage, or the database does not answer.
pub async fn list(context: &Context, args: &ListArgs) -> Result<ExitStatus, CliError> {
    let estate = Estate::open(context, "tenant credentials list").await?;
    let (is_installed, total) = (estate.is_installed, estate.items.len());
    let mut items = estate.filtered(&Filter::new(&args.filter))?;
    let is_asked_for = args.all || args.filter.status.as_deref() == Some(Standing::Revoked.code());
    let before = items.len();
    if !is_asked_for {
        items.retain(|item| item.standing != Standing::Revoked);
    }
    let hidden = before - items.len();
    show(context, &mut items, args.limit, hidden);
    if context.global.format == Format::Human && items.is_empty() {
        context.printer.note(&match total {
            _ if !is_installed => crate::cli::listing::NOTHING_APPLIED.to_owned(),
            0 => "There are no credentials: declare some and run `synthex apply`.".to_owned(),
            1 => "The one credential is not selected.".to_owned(),
            _ => format!("None of the {total} credentials is selected."),
        });
    }
    if hidden > 0 {
        context.printer.note(&format!("{hidden} revoked and hidden; --all shows them."));
    }
    Ok(ExitStatus::Success)
}

/// Runs `tenant credentials expiring`.
///
/// # Errors
/// Wrong usage, or the database does not answer.
pub async fn expiring(context: &Context, args: &ExpiringArgs) -> Result<ExitStatus, CliError> {
    let estate = Estate::open(context, "tenant credentials expiring").await?;
    let now = context.clock.now();
    let mut items = estate.filtered(&Filter::new(&args.filter))?;
    items.retain(|item| {
        item.standing != Standing::Revoked
            && item.expires_at.is_some_and(|at| expiry::is_crossed(at, args.within, now))
    });
    items.sort_by(|left, right| (left.expires_at, &left.row.key).cmp(&(right.expires_at, &right.row.key)));
    let any = !items.is_empty();
    show(context, &mut items, args.limit, 0);
    if !any && context.global.format == Format::Human {
        let days = args.within.num_days();
        let time =
            if days > 0 { format!("{days} days") } else { format!("{} hours", args.within.num_hours()) };
        context.printer.note(&format!("No credential expires within {time}."));
    }
    Ok(if args.detailed_exitcode && any { ExitStatus::Changes } else { ExitStatus::Success })
}

fn show(context: &Context, items: &mut Vec<Item>, limit: Option<u64>, hidden: usize) {
    let now = context.clock.now();
    let total = items.len();
    items.truncate(limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX));
    if context.global.format == Format::Json {
        let shown: Vec<Value> = items.iter().map(|item| item.json(now)).collect();
        context.printer.json(&json!({
            "format_version": "1.0", "total": total, "hidden": hidden, "credentials": shown,
        }));
        return;
    }
    if items.is_empty() {
        return;
    }
    let headers =
        ["CREDENTIAL", "WORKSPACE", "TENANT", "SERVICE", "STATUS", "EXPIRES", "VERIFIED", "RENEWAL"];
    let rows = items.iter().map(|item| row(item, now)).collect();
    context.printer.result(&report::table::table(&headers, rows, &context.printer.stdout));
    if items.len() < total {
        context.printer.note(&format!("{} of {total} credentials shown.", items.len()));
    }
}

fn row(item: &Item, now: DateTime<Utc>) -> Vec<String> {
    let expires = item.expires_at.map_or_else(
        || "-".to_owned(),
        |at| format!("{} ({})", at.format("%Y-%m-%d %H:%M UTC"), expiry::words(at, now)),
    );
    let verified = match (&item.status.verify_outcome, item.status.last_verified_at) {
        (Some(outcome), Some(at)) => format!("{outcome}, {}", report::time::relative(at, now)),
        _ => "never".to_owned(),
    };
    let renewal = match (item.text("renewal"), &item.status.last_renewal_error) {
        ("" | "none", _) => "by hand".to_owned(),
        (how, None) => how.to_owned(),
        (how, Some(_)) => {
            format!("{how}, failed ({})", item.status.renewal_outcome.as_deref().unwrap_or("error"))
        }
    };
    vec![
        item.row.key.name.to_string(),
        item.row.key.workspace.to_string(),
        item.tenant().to_owned(),
        item.service().to_owned(),
        item.standing.code().to_owned(),
        expires,
        verified,
        renewal,
    ]
}
