//! The arguments. The doc comments are the help texts, and the command reference in `docs/` is made from them.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::text::duration_seconds;

use super::commands;

/// Declare e-commerce tenants in git, review the plan, converge PostgreSQL.
///
/// Where no database is named, synthex runs a PostgreSQL of its own beside the project.
/// Wherever PostgreSQL's server programs are installed, this works at once:
///
///   synthex init shop --market ANZ_SMB --region AU-SE1
///   cd shop
///   synthex plan
///   synthex apply
#[derive(Debug, Parser)]
#[command(
    name = "synthex",
    version,
    verbatim_doc_comment,
    max_term_width = 110,
    subcommand_required = false,
    after_help = "Exit status: 0 done or nothing to do, 1 error, 2 changes (--detailed-exitcode), 3 usage or manifest, \
4 lease held, 5 refused by a guard, 6 stale plan, 7 partly applied, 8 database unreachable or refusing, 130/143 interrupted.\n\n\
More: `synthex explain` for kinds and fields, `synthex explain exit-codes`, `synthex explain environment`."
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// `--yes` of commands that change something and ask nothing, so that who gives it everywhere need not know which do.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct YesArgs {
    /// Accepted as by every command that changes something; this one does not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// A project file, or a folder or file of manifests; repeatable. Default: the nearest `synthex.yaml` upward
    #[arg(short, long = "file", value_name = "PATH", global = true, help_heading = "Global options")]
    pub files: Vec<PathBuf>,
    /// Where the database is: postgresql://USER@HOST:PORT/DATABASE. Wins over the environment and the project file
    #[arg(long, value_name = "URL", global = true, help_heading = "Global options", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Use the embedded PostgreSQL, whatever the environment and the project say
    #[arg(long, global = true, conflicts_with = "database_url", help_heading = "Global options")]
    pub embedded: bool,
    /// How many seconds any one answer of the database may take
    #[arg(
        long,
        value_name = "SECONDS",
        global = true,
        env = "SYNTHEX_DATABASE_TIMEOUT",
        default_value_t = 30,
        value_parser = timeout,
        help_heading = "Global options"
    )]
    pub database_timeout: u64,
    /// The environment of the project file whose variables, overlays and database count
    #[arg(
        short,
        long,
        value_name = "NAME",
        global = true,
        env = "SYNTHEX_ENVIRONMENT",
        help_heading = "Global options"
    )]
    pub environment: Option<String>,
    /// Only this workspace: what is outside it is neither shown nor changed
    #[arg(short, long, value_name = "NAME", global = true, help_heading = "Global options")]
    pub workspace: Option<String>,
    /// The time to take for now, RFC 3339 or a date in UTC: for tests, and for what will be true next week
    #[arg(long, value_name = "TIME", global = true, value_parser = instant, help_heading = "Global options")]
    pub as_of: Option<DateTime<Utc>>,
    /// How results are written to standard output
    #[arg(long, value_enum, default_value_t = Format::Human, global = true, help_heading = "Global options")]
    pub format: Format,
    /// When to use colour
    #[arg(long, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN", global = true, help_heading = "Global options")]
    pub color: ColorChoice,
    /// Say less: no notes and no progress on standard error
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    pub quiet: bool,
    /// Log more to standard error: -v what is done, -vv why, -vvv everything
    #[arg(short, long, action = clap::ArgAction::Count, global = true, help_heading = "Global options")]
    pub verbose: u8,
    /// How logs are written
    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT", global = true, help_heading = "Global options")]
    pub log_format: LogFormat,
    /// Where `watch` sends traces of what it does, as OTLP over HTTP: a collector such as http://127.0.0.1:4318. Default: the
    /// variable OTEL_EXPORTER_OTLP_ENDPOINT; without it, nowhere
    #[cfg(feature = "otel")]
    #[arg(long, value_name = "URL", global = true, help_heading = "Global options")]
    pub otlp_endpoint: Option<String>,
}

/// Reads a moment, RFC 3339 or a date in UTC.
///
/// # Errors
/// It is none.
pub fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    instant(text)
}

/// A moment, as people name one that is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So long from now on.
    In(TimeDelta),
    /// Then.
    At(DateTime<Utc>),
}

impl Moment {
    /// The moment, told from now.
    #[must_use]
    pub fn after(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::In(length) => now.checked_add_signed(length).unwrap_or(DateTime::<Utc>::MAX_UTC),
            Self::At(at) => at,
        }
    }

    /// Whether it was written out.
    #[must_use]
    pub const fn is_exact(self) -> bool {
        matches!(self, Self::At(_))
    }
}

/// Reads a moment that is to come: an instant, a date, or how long it is from now.
///
/// # Errors
/// It is none of these.
pub fn moment_or_length(text: &str) -> Result<Moment, String> {
    let length = duration_seconds(text).and_then(TimeDelta::try_seconds).map(Moment::In);
    let at = || instant(text).ok().map(Moment::At);
    length.or_else(at).ok_or_else(|| "write 2026-12-31T09:00:00Z, 2026-12-31, or 4h from now on".to_owned())
}

fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    let date = || text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|at| at.and_utc());
    let instant = DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc));
    instant.or_else(date).ok_or("write 2026-12-31T09:00:00Z or 2026-12-31".to_owned())
}

fn timeout(text: &str) -> Result<u64, String> {
    let seconds = text.parse().ok().filter(|seconds| (1..=3_600).contains(seconds));
    seconds.ok_or("write seconds, from 1 to 3600, here and in SYNTHEX_DATABASE_TIMEOUT".to_owned())
}

/// Reads how long to wait for something: seconds, or a number with its unit.
///
/// # Errors
/// It is neither, or longer than a day.
pub fn waiting_time(text: &str) -> Result<Duration, String> {
    let plain = text.parse().ok();
    let zero = (text == "0s").then_some(0);
    let seconds = plain.or(zero).or_else(|| duration_seconds(text)?.try_into().ok());
    let seconds = seconds.filter(|seconds: &u64| *seconds <= 86_400);
    seconds
        .map(Duration::from_secs)
        .ok_or("write seconds, or a time such as 60s, 5m or 1h; at most 24h".to_owned())
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Human,
    /// JSON, also when the command fails
    Json,
    /// Markdown, for a comment or an issue
    Markdown,
    /// SARIF 2.1.0, of `validate` only
    Sarif,
    /// Annotations of a GitHub workflow, of `validate` only
    Github,
    /// JUnit's XML, of `health report` only
    Junit,
    /// Prometheus' text format, of `health report` only
    Prometheus,
}

/// When colour is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line of text each
    Text,
    /// A line of JSON each
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    Init(commands::init::InitArgs),
    Validate(commands::validate::ValidateArgs),
    Render(commands::render::RenderArgs),
    Plan(commands::plan::PlanArgs),
    Apply(commands::apply::ApplyArgs),
    #[command(subcommand)]
    Ci(commands::ci::CiCommand),
    History(commands::history::HistoryArgs),
    Blame(commands::blame::BlameArgs),
    Rollback(commands::rollback::RollbackArgs),
    Restore(commands::restore::RestoreArgs),
    Drift(commands::drift::DriftArgs),
    Watch(commands::watch::WatchArgs),
    Export(commands::export::ExportArgs),
    Import(commands::import::ImportArgs),
    Unmanaged(commands::unmanaged::UnmanagedArgs),
    Adopt(commands::adopt::AdoptArgs),
    Schema(commands::schema::SchemaArgs),
    Explain(commands::explain::ExplainArgs),
    #[command(subcommand)]
    Db(commands::db::DbCommand),
    #[command(subcommand)]
    State(commands::state::StateCommand),
    #[command(subcommand)]
    Batch(commands::batch::BatchCommand),
    #[command(subcommand)]
    Tenant(commands::tenant::TenantCommand),
    #[command(subcommand)]
    Templates(commands::templates::TemplatesCommand),
    #[command(subcommand)]
    Channels(commands::channels::ChannelsCommand),
    #[command(subcommand)]
    Notify(commands::notifications::NotifyCommand),
    #[command(subcommand)]
    Check(commands::check::CheckCommand),
    #[command(subcommand)]
    Lease(commands::lease::LeaseCommand),
    Pause(commands::pause::PauseArgs),
    Resume(commands::resume::ResumeArgs),
    Doctor(commands::doctor::DoctorArgs),
    #[command(subcommand)]
    Health(commands::health::HealthCommand),
    #[command(subcommand)]
    Alerts(commands::alerts::AlertsCommand),
    #[command(subcommand)]
    Analytics(commands::analytics::AnalyticsCommand),
    Completions(commands::completions::CompletionsArgs),
}
