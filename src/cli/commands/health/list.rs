//! `health list` and `health history`: how things stand, thing by thing, and what was found when.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::args::Format;
use crate::cli::commands::only_human_or_json;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::engine::health::CheckKey;
use crate::model::health::HealthStatus;
use crate::report::health::{HealthReport, sort};
use crate::report::{table, time};
use crate::store::health::KeptResult;
use crate::store::health_report::ResultFilter;

use super::choosing::{self, ChosenTenants};
use super::report::{Place, Wanted, nothing, open, read};
use super::showing::said_how_many;
use super::{STATUSES, ServiceArg, statuses};

/// List how everything stands, the worst first
///
/// Unlike `health report` it exits with 0 however things stand.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex health list\n  synthex health list --status unhealthy --format json\n  synthex health list --service shopify --tenant-id SMB_CLIENT_001\n  synthex health list -l tier=gold"
)]
pub struct ListArgs {
    /// Only these services; repeatable
    #[arg(long, value_enum, value_name = "SERVICE")]
    pub service: Vec<ServiceArg>,
    /// Only what stands like this; repeatable. The overall status and the counts are of all, however it stands
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = STATUSES)]
    pub status: Vec<String>,
    /// Only what is about this tenant
    #[arg(long, value_name = "TENANT")]
    pub tenant_id: Option<String>,
    /// Only what is about tenants whose labels fit, or fields where there is no such label: `tier=gold,market in (ANZ_SMB)`
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Show at most this many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}

/// List what was found when, the newest first
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex health history --service database\n  synthex health history --service shopify --subject SMB_CLIENT_001 --status unhealthy --limit 100\n  synthex health history --format json"
)]
pub struct HistoryArgs {
    /// Only this service
    #[arg(long, value_enum, value_name = "SERVICE")]
    pub service: Option<ServiceArg>,
    /// Only of this: a tenant, a credential, `shopify/TENANT` for a quota
    #[arg(long, value_name = "SUBJECT")]
    pub subject: Option<String>,
    /// Only results like this
    #[arg(long, value_name = "STATUS", value_parser = STATUSES)]
    pub status: Option<String>,
    /// Only what is about tenants whose labels fit, or fields where there is no such label: `tier=gold,market in (ANZ_SMB)`; of
    /// things that are still looked at
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Show at most this many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
}

/// Runs `health list`.
///
/// # Errors
/// Wrong usage, or the database does not answer.
pub async fn list(context: &Context, args: &ListArgs) -> Result<ExitStatus, CliError> {
    only_human_or_json(context)?;
    let selection = choosing::selection(args.selector.as_deref())?;
    let wanted = Wanted { selection, ..Wanted::default() };
    let (mut lines, place) = read(context, "health list", &wanted, &args.service).await?;
    let all = lines.len();
    lines.retain(|line| args.tenant_id.is_none() || line.tenant == args.tenant_id);
    sort(&mut lines);
    let now = context.clock.now();
    let limit = args.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let overall = crate::engine::health::overall(lines.iter().map(|line| (line.status, line.maintenance)));
    let report = HealthReport {
        overall,
        timestamp: now,
        period: None,
        excludes_maintenance: false,
        is_recorded: None,
        only: statuses(&args.status),
        lines,
    };
    if context.global.format == Format::Json {
        context.printer.json(&report.json(limit));
    } else if report.lines.is_empty() && all == 0 && args.selector.is_some() {
        context.printer.note("No check is about tenants with these labels.");
    } else if report.lines.is_empty() && all > 0 {
        context.printer.note(&format!("None of {all} checks is selected."));
    } else if report.lines.is_empty() {
        nothing(context, place);
    } else {
        context.printer.result(&report.text(limit, &context.printer.stdout));
        said_how_many(context, &report, limit);
    }
    Ok(ExitStatus::Success)
}

/// Runs `health history`.
///
/// # Errors
/// Wrong usage, or the database does not answer.
pub async fn history(context: &Context, args: &HistoryArgs) -> Result<ExitStatus, CliError> {
    only_human_or_json(context)?;
    let selection = choosing::selection(args.selector.as_deref())?;
    let opened = open(context, "health history").await?;
    let place = opened.as_ref().err().copied().unwrap_or(Place::There);
    let (mut results, mut is_any) = (Vec::<KeptResult>::new(), false);
    if let Ok((mut connection, scopes)) = opened {
        for scope in &scopes {
            let chosen = match &selection {
                Some(selection) => {
                    Some(ChosenTenants::read(&mut connection, scope.as_deref(), selection).await?)
                }
                None => None,
            };
            let filter = ResultFilter {
                workspace: scope.as_deref(),
                service: args.service.map(Into::into),
                subject: args.subject.as_deref(),
                status: args.status.as_deref().and_then(HealthStatus::from_code),
                tenants: chosen.as_ref().map(ChosenTenants::columns),
                limit: args.limit.into(),
            };
            connection.begin_reading().await?;
            if let Some(name) = scope {
                connection.enter(name).await?;
            }
            results.append(&mut connection.health_results(&filter).await?);
            if results.is_empty() && !is_any {
                let any = ResultFilter { workspace: scope.as_deref(), limit: 1, ..ResultFilter::default() };
                is_any = !connection.health_results(&any).await?.is_empty();
            }
            connection.rollback().await?;
        }
        connection.close().await;
    }
    results.sort_by_key(|result| std::cmp::Reverse((result.checked_at, result.id)));
    results.dedup_by(|left, right| left.id == right.id);
    results.truncate(usize::try_from(args.limit).unwrap_or(usize::MAX));
    if context.global.format == Format::Json {
        let results: Vec<Value> = results.iter().map(json_of).collect();
        context.printer.json(&json!({
            "format_version": "1.0",
            "timestamp": context.clock.now(),
            "total": results.len(),
            "results": results,
        }));
        return Ok(ExitStatus::Success);
    }
    if results.is_empty() && is_any {
        context
            .printer
            .note("No result that is kept is of this: `synthex health list` shows what is looked at.");
        return Ok(ExitStatus::Success);
    }
    if results.is_empty() {
        nothing(context, place);
        return Ok(ExitStatus::Success);
    }
    let now = context.clock.now();
    let rows = results.iter().map(|result| {
        let muted = if result.maintenance { " (maintenance)" } else { "" };
        vec![
            time::instant(result.checked_at, now),
            result.key.to_string(),
            format!("{}{muted}", result.status.code()),
            result.code.clone(),
            result.latency_ms.map_or("-".to_owned(), |took| format!("{took} ms")),
            result.message.clone(),
        ]
    });
    let headers = ["WHEN", "CHECK", "STATUS", "CODE", "TIME", "WHAT WAS FOUND"];
    context.printer.result(&table::table(&headers, rows.collect(), &context.printer.stdout));
    Ok(ExitStatus::Success)
}

fn json_of(result: &KeptResult) -> Value {
    let CheckKey { workspace, service, subject } = &result.key;
    json!({
        "id": result.id,
        "name": result.key.to_string(),
        "service": service.code(),
        "workspaceId": workspace,
        "subject": subject,
        "status": result.status.code(),
        "code": result.code,
        "message": result.message,
        "lastChecked": result.checked_at,
        "responseTime": result.latency_ms,
        "maintenance": result.maintenance,
        "metadata": result.evidence,
    })
}
