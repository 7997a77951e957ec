//! `analytics`: what was done with synthex, how often it failed and how long it took.

use chrono::Utc;
use clap::{Args, Subcommand};

use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::report::usage::{Chart, NoPeriod, Period};

mod report;
mod upkeep;

/// See what commands were run, how often they failed and how long they took
///
/// Every command that works on a database is recorded in that database: its name, how it ended
/// and how long it took. Nothing is sent anywhere else. `analytics: false` in the project file,
/// `SYNTHEX_ANALYTICS=off` and `DO_NOT_TRACK=1` switch it off.
#[derive(Debug, Subcommand)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  synthex analytics report --period 7d\n  synthex analytics commands --top 10\n  synthex analytics errors --period 24h\n  synthex analytics performance --command \"tenant tenants create\""
)]
pub enum AnalyticsCommand {
    Report(ReportArgs),
    Commands(CommandsArgs),
    Errors(ErrorsArgs),
    Performance(PerformanceArgs),
    RollUp(RollUpArgs),
    Prune(PruneArgs),
}

/// Which time is reported on.
#[derive(Clone, Debug, Args)]
pub struct PeriodArgs {
    /// The time before now: `24h`, `7d`, `4w`. Default: 7d
    #[arg(long, value_name = "TIME", conflicts_with_all = ["from", "to"], allow_hyphen_values = true)]
    pub period: Option<String>,
    /// From this date or time on, in UTC
    #[arg(long, value_name = "DATE")]
    pub from: Option<String>,
    /// Until this date or time, which is not part of it. Default: now
    #[arg(long, value_name = "DATE")]
    pub to: Option<String>,
    /// Only what was done for this workspace; the same as `--workspace`
    #[arg(long, value_name = "NAME", conflicts_with = "workspace")]
    pub workspace_id: Option<String>,
}

/// Sum up a period: totals, commands, services, workspaces, errors and times
///
/// Days that `synthex analytics roll-up` has summed are read from their sums. The figures are the same,
/// percentiles too.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex analytics report --period 7d\n  synthex analytics report --period 30d --workspace-id anz-smb\n  synthex analytics report --from 2026-11-01 --to 2026-12-01 --format json"
)]
pub struct ReportArgs {
    #[command(flatten)]
    pub period: PeriodArgs,
}

/// List commands, the most used first, with how long they took
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex analytics commands --top 10\n  synthex analytics commands --period 24h --format json"
)]
pub struct CommandsArgs {
    /// Show at most this many
    #[arg(long, visible_alias = "limit", value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    pub top: u16,
    #[command(flatten)]
    pub period: PeriodArgs,
}

/// List errors, the most frequent first
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex analytics errors --period 7d\n  synthex analytics errors --period 24h --format json"
)]
pub struct ErrorsArgs {
    /// Show at most this many
    #[arg(long, visible_alias = "limit", value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    pub top: u16,
    #[command(flatten)]
    pub period: PeriodArgs,
}

/// Show how long a command took, or all of them: average and percentiles
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex analytics performance\n  synthex analytics performance --command \"tenant tenants create\" --period 30d"
)]
pub struct PerformanceArgs {
    /// The command, without its arguments
    #[arg(long, value_name = "COMMAND")]
    pub command: Option<String>,
    #[command(flatten)]
    pub period: PeriodArgs,
}

/// Sum the metrics of whole days, so that reports on long periods are quick
///
/// Days that are summed already are left alone. A metric that arrives late takes the sum of its day away; it is
/// made again the next time.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  synthex analytics roll-up")]
pub struct RollUpArgs {}

/// Drop the metrics of old months; the sums of their days stay
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex analytics prune --older-than 400d --dry-run\n  synthex analytics prune --older-than 400d --yes"
)]
pub struct PruneArgs {
    /// Months that ended longer ago than this; at least 31d
    #[arg(long, value_name = "TIME", default_value = "400d")]
    pub older_than: String,
    /// Do not ask; needed where there is no terminal to ask on
    #[arg(short, long)]
    pub yes: bool,
    /// Show what would be dropped and stop
    #[arg(long)]
    pub dry_run: bool,
}

/// Runs `analytics`.
///
/// # Errors
/// Wrong usage, or problems of the database.
pub async fn analytics(context: &Context, command: &AnalyticsCommand) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    match command {
        AnalyticsCommand::Report(args) => report::report(context, args).await,
        AnalyticsCommand::Commands(args) => report::commands(context, args).await,
        AnalyticsCommand::Errors(args) => report::errors(context, args).await,
        AnalyticsCommand::Performance(args) => report::performance(context, args).await,
        AnalyticsCommand::RollUp(_) => upkeep::roll_up(context).await,
        AnalyticsCommand::Prune(args) => upkeep::prune(context, args).await,
    }
}

/// The period that the options mean.
fn period(context: &Context, args: &PeriodArgs) -> Result<Period, CliError> {
    let now: chrono::DateTime<Utc> = context.clock.now();
    let period = match &args.period {
        Some(period) => Period::last(period, now),
        None if args.from.is_none() && args.to.is_none() => Period::last("7d", now),
        None => Period::between(args.from.as_deref(), args.to.as_deref(), now),
    };
    period.map_err(refused)
}

fn refused(error: NoPeriod) -> CliError {
    CliError::usage(error.what).why(error.why).help(error.help)
}

fn chart(context: &Context) -> Chart {
    if context.environment.draws_charts() { Chart::Drawn } else { Chart::No }
}
