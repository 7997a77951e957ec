//! `health check`: looks now, keeps what is found, and says with the exit code how things stand.

use clap::Args;

use crate::cli::args::Format;
use crate::cli::commands::{only_human_or_json, place};
use crate::cli::context::{Context, host_name, new_id};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::progress::ProgressMode;
use crate::cli::providing::{self, SecretSources};
use crate::cli::signals::Signals;
use crate::engine::health::{
    CheckKey, HealthStore, Labels, NoStore, OF_TENANTS, Outcome, Request, Scope, Target, Work, overall, run,
};
use crate::kinds::credential::Service;
use crate::model::health::{CheckedService, HealthStatus};
use crate::providers::Providers;
use crate::report::health::{HealthReport, sort};
use crate::store::health::HealthBook;

use super::probing::{Database, Looking, is_of_database};
use super::reading::{self, Job, Remaining};
use super::showing::{Watching, exit_status, line_of, said_how_many};
use super::{GONE_AFTER, STATUSES, ServiceArg, statuses};

/// Look now, keep what is found, and exit with how things stand
///
/// Asks each shop and merchant account one harmless question with each of its credentials. Whether it can be reached, whether it
/// takes the credential and what is left of its quotas are results of their own. What is found is kept in the database, where
/// `health report` and alerts read it.
///
/// Exits with 0 when all is healthy, 1 for degraded, 2 for unhealthy, 3 where something could not be found out. A database that
/// cannot be reached is a result too. With `--due` that is said of what was due; where nothing was, it exits with 0.
/// Where the tenants that are selected are none, what was meant is not known to be well: 3.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex health check\n  synthex health check --service database --service disk\n  synthex health check --service shopify -l tier=gold --format json\n  synthex health check --service google-merchant --tenant-id SMB_CLIENT_001 --dry-run\n  synthex health check --status degraded,unhealthy\n  synthex health check --due"
)]
pub struct CheckArgs {
    /// What to look at; repeatable. Left out, everything. A provider brings whether it takes its credentials, and its quotas
    #[arg(long, value_enum, value_name = "SERVICE")]
    pub service: Vec<ServiceArg>,
    /// Only this tenant; repeatable
    #[arg(long, value_name = "TENANT", value_delimiter = ',')]
    pub tenant_id: Vec<String>,
    /// Only tenants whose labels fit, or fields where there is no such label: `tier=gold,market in (ANZ_SMB)`
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Show only what was found to be like this; repeatable. The exit code, the overall status and the counts are of everything
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = STATUSES)]
    pub status: Vec<String>,
    /// Show at most this many, the worst first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Only what is due: last looked at longer ago than its interval, which a `HealthCheck` sets (15 minutes otherwise, a tenth
    /// more or less). For a job that runs every minute
    #[arg(long, conflicts_with = "dry_run")]
    pub due: bool,
    /// Look, and keep nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How progress is shown on standard error
    #[arg(long, value_enum, default_value_t = ProgressMode::Auto, value_name = "HOW")]
    pub progress: ProgressMode,
}

/// Runs `health check`.
///
/// # Errors
/// Wrong usage, or a tenant that is unknown.
pub async fn check(context: &Context, args: &CheckArgs) -> Result<ExitStatus, CliError> {
    only_human_or_json(context)?;
    let named: Vec<CheckedService> = args.service.iter().map(|service| (*service).into()).collect();
    let scope = Scope::named(&named);
    let providers = providing::providers(context)?;
    let signals = Signals::listen()?;
    let host = host_name();
    let reading = match reading::read(context, args, &scope, &host).await {
        Err(error) if is_of_database(&error) => {
            return Ok(without_database(context, args, &scope, &providers, &signals, error).await);
        }
        reading => reading?,
    };
    for note in &reading.notes {
        context.printer.note(note);
    }
    let unkept = if args.dry_run { Some("--dry-run") } else { reading.unkept };
    let book = match unkept {
        Some(_) => None,
        None => match reading.options.connect().await {
            Ok(connection) => Some(HealthBook::new(connection)),
            Err(error) => {
                let error = error.into();
                return Ok(without_database(context, args, &scope, &providers, &signals, error).await);
            }
        },
    };
    let looking = Looking {
        secrets: SecretSources::new(context, reading.folder.as_deref(), &providers),
        providers: &providers,
        database: Database::At(reading.options.clone()),
        folder: context.directory.join(reading.folder.as_deref().unwrap_or(std::path::Path::new("."))),
    };
    let is_of_nobody = reading.job.is_of_nobody;
    let outcome = match &book {
        Some(book) => {
            let outcome = looked(context, args, &looking, book, &signals, reading.job).await;
            forget(context, book, reading.remaining.as_ref(), &outcome).await;
            outcome
        }
        None => looked(context, args, &looking, &NoStore, &signals, reading.job).await,
    };
    if let Some(book) = book {
        book.close().await;
    }
    Ok(finish(context, args, &signals, outcome, unkept, is_of_nobody))
}

/// What is no longer there is forgotten, so that a shop that is gone is not unhealthy for ever.
async fn forget(context: &Context, book: &HealthBook, remaining: Option<&Remaining>, outcome: &Outcome) {
    let Some(Remaining { workspaces, keys }) = remaining else { return };
    if outcome.left_out > 0 || outcome.failure.is_some() {
        return;
    }
    let since = context.clock.now() - GONE_AFTER;
    if let Err(error) = book.forget(workspaces, &OF_TENANTS, keys, since).await {
        tracing::debug!(%error, "what is gone was not forgotten");
    }
}

async fn looked(
    context: &Context,
    args: &CheckArgs,
    looking: &Looking<'_>,
    store: &impl HealthStore,
    signals: &Signals,
    job: Job,
) -> Outcome {
    let Job { settings, windows, targets, is_whole, is_of_nobody: _ } = job;
    let is_whole = is_whole && !args.due;
    let whole: &[Service] = if is_whole { &[Service::Shopify, Service::GoogleMerchant] } else { &[] };
    let who = format!("{} {}", context.actor(), new_id());
    let watching = Watching::new(context, args.progress, targets.len());
    let in_maintenance = |labels: &Labels, at| windows.cover(labels, at);
    let request = Request {
        targets,
        settings: &settings,
        clock: &*context.clock,
        who: &who,
        new_id,
        in_maintenance: &in_maintenance,
        only_due: args.due,
        whole,
    };
    let outcome = watching.while_it_lasts(run(looking, store, signals, &watching, request)).await;
    watching.finish();
    outcome
}

/// Without a database neither tenants nor credentials are known: that is the result.
async fn without_database(
    context: &Context,
    args: &CheckArgs,
    scope: &Scope,
    providers: &Providers,
    signals: &Signals,
    error: CliError,
) -> ExitStatus {
    let mut targets = reading::general(scope, &host_name());
    if !scope.has(CheckedService::Database) {
        targets.push(Target::of(CheckKey::new("", CheckedService::Database, ""), Work::Database));
    }
    if scope.needs_tenants() || scope.has_expiry {
        context
            .printer
            .note("Tenants and credentials are in the database: without it, no provider was asked.");
    }
    let folder = place(context).ok().and_then(|(_, found)| found).map(|found| found.folder);
    let looking = Looking {
        secrets: SecretSources::new(context, folder.as_deref(), providers),
        providers,
        database: Database::failed(error),
        folder: context.directory.join(folder.as_deref().unwrap_or(std::path::Path::new("."))),
    };
    let job = Job { targets, ..Job::default() };
    let outcome = looked(context, args, &looking, &NoStore, signals, job).await;
    finish(context, args, signals, outcome, Some("the database cannot be reached"), false)
}

/// Shows what was found, and says how it stands.
fn finish(
    context: &Context,
    args: &CheckArgs,
    signals: &Signals,
    outcome: Outcome,
    unkept: Option<&str>,
    is_of_nobody: bool,
) -> ExitStatus {
    let Outcome { checks, busy, down, left_out, failure, .. } = outcome;
    let overall = overall(checks.iter().map(|check| (check.status, check.maintenance)));
    // What was left out is not known to be well.
    let is_all = busy.is_empty() && left_out == 0 && failure.is_none() && !is_of_nobody;
    let overall = if is_all { overall } else { overall.max(HealthStatus::Unknown) };
    let mut lines: Vec<_> = checks.iter().map(line_of).collect();
    sort(&mut lines);
    let report = HealthReport {
        overall,
        timestamp: context.clock.now(),
        period: None,
        excludes_maintenance: false,
        is_recorded: Some(unkept.is_none() && failure.is_none()),
        only: statuses(&args.status),
        lines,
    };
    let limit = args.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    if context.global.format == Format::Json {
        context.printer.json(&report.json(limit));
    } else if report.lines.is_empty() {
        context.printer.note(if args.due { "Nothing is due." } else { "Nothing was looked at." });
    } else {
        context.printer.result(&report.text(limit, &context.printer.stdout));
        said_how_many(context, &report, limit);
    }
    for (provider, asked) in down {
        let name = match provider {
            Service::Shopify => "Shopify",
            Service::GoogleMerchant => "the Merchant API",
        };
        context.printer.note(&format!(
            "Nothing of {name} could be reached ({asked} asked): look at the network, the proxy and its status page first."
        ));
    }
    if let Some(why) = unkept {
        context.printer.note(&format!("What was found is not kept: {why}."));
    }
    if let Some(error) = failure {
        let why = error.why.map_or(String::new(), |why| format!(" ({why})"));
        context.printer.note(&format!("What was found is not kept: {}{why}.", error.what));
    }
    if !busy.is_empty() {
        let names = crate::cli::desk::some(busy.iter().map(ToString::to_string).collect::<Vec<_>>().iter());
        context
            .printer
            .note(&format!("Another process is looking at these now, so they were left out: {names}."));
    }
    if left_out > 0 {
        context.printer.note(&format!("{left_out} were not looked at."));
    }
    // That nothing is due says nothing of how things stand, and is nothing to be told of every minute.
    let is_idle = args.due && is_all && checks.is_empty();
    signals.status().unwrap_or_else(|| if is_idle { ExitStatus::Success } else { exit_status(overall) })
}
