//! `db`: the database behind a project: what is installed, and the embedded server.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::database::{self, Source};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::project;
use crate::engine::StateWriter as _;
use crate::files;
#[cfg(unix)]
use crate::store::embedded;
use crate::store::{MigrationState, Writer, migration_state};

mod prune;

/// Look at the database, migrate it, remove what is old, start and stop the embedded one
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  synthex db status\n  psql \"$(synthex db url)\"\n  synthex db stop\n  synthex db migrate --dry-run\n  synthex db prune --dry-run"
)]
pub enum DbCommand {
    /// Show which database is meant, whether it answers, and what is installed in it
    ///
    /// Changes nothing and starts nothing.
    #[command(
        after_help = "Examples:\n  synthex db status\n  synthex db status --embedded\n  synthex db status --format json"
    )]
    Status(StatusArgs),
    /// Start the embedded PostgreSQL
    ///
    /// Hardly ever needed: a command that uses it starts it. It goes on running when the command ends.
    #[command(after_help = "Examples:\n  synthex db start\n  synthex db start --embedded")]
    Start(StartArgs),
    /// Stop the embedded PostgreSQL; its data stays
    ///
    /// Open transactions are rolled back. The next command that needs it starts it again.
    #[command(
        after_help = "Examples:\n  synthex db stop\n  synthex db stop -f examples/quickstart --embedded"
    )]
    Stop(StopArgs),
    /// Print the database's URL, starting the embedded PostgreSQL if need be
    ///
    /// The URL is printed as it is, with the password if it holds one.
    #[command(
        after_help = "Examples:\n  psql \"$(synthex db url)\"\n  pg_dump \"$(synthex db url)\" > backup.sql"
    )]
    Url(UrlArgs),
    /// Install or upgrade the schema synthex
    ///
    /// `apply` does this too. Needs CREATE on the database at first, and the role that owns the schema from then on.
    #[command(after_help = "Examples:\n  synthex db migrate --dry-run\n  synthex db migrate")]
    Migrate(MigrateArgs),
    #[command(
        after_help = "Examples:\n  synthex db prune --dry-run\n  synthex db prune --yes\n  synthex db prune --yes --format json"
    )]
    Prune(prune::PruneArgs),
}

/// Options of `db status`.
#[derive(Debug, Args)]
pub struct StatusArgs {}
/// Options of `db start`.
#[derive(Debug, Args)]
pub struct StartArgs {}
/// Options of `db stop`.
#[derive(Debug, Args)]
pub struct StopArgs {}
/// Options of `db url`.
#[derive(Debug, Args)]
pub struct UrlArgs {}
/// Options of `db migrate`.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Show what would be installed and stop
    #[arg(long)]
    pub dry_run: bool,
}

/// Runs `db`.
///
/// # Errors
/// Problems of the project file or of the database.
pub async fn db(context: &Context, command: &DbCommand) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    match command {
        DbCommand::Status(_) => status(context).await,
        DbCommand::Start(_) => start(context).await,
        DbCommand::Stop(_) => stop(context).await,
        DbCommand::Url(_) => url(context).await,
        DbCommand::Migrate(args) => migrate(context, args).await,
        DbCommand::Prune(args) => prune::prune(context, args).await,
    }
}

/// The database that the options mean. Without a project, that of the working directory.
fn source(context: &Context) -> Result<Source, CliError> {
    let named = !context.global.files.is_empty();
    match files::find_project(&PathBuf::from(".")) {
        None if !named => database::source(context, None, &context.directory),
        _ => {
            let found = project::find(context)?;
            database::source(context, Some(&found.project), &found.folder)
        }
    }
}

fn embedded_root(context: &Context) -> Result<PathBuf, CliError> {
    match source(context)? {
        Source::Embedded { root } => Ok(root),
        Source::Named { by, .. } => Err(CliError::usage("the database is not an embedded one")
            .why(format!("it is named by {by}"))
            .help("add --embedded to mean the embedded one")),
    }
}

async fn start(context: &Context) -> Result<ExitStatus, CliError> {
    let root = embedded_root(context)?;
    let options = database::open(context, &Source::Embedded { root }, "db").await?;
    show(context, &json!({"running": true, "url": options.url()}), &format!("Running: {}\n", options.url()));
    Ok(ExitStatus::Success)
}

#[cfg(unix)]
async fn stop(context: &Context) -> Result<ExitStatus, CliError> {
    let root = embedded_root(context)?;
    let was_running = embedded::stop(&database::embedded_config(context, &root)).await?;
    let text = if was_running {
        "Stopped the embedded PostgreSQL.\n"
    } else {
        "The embedded PostgreSQL is not running.\n"
    };
    show(context, &json!({"running": false, "was_running": was_running}), text);
    Ok(ExitStatus::Success)
}

#[cfg(not(unix))]
async fn stop(context: &Context) -> Result<ExitStatus, CliError> {
    let _ = embedded_root(context)?;
    show(
        context,
        &json!({"running": false, "was_running": false}),
        "There is no embedded PostgreSQL on this system.\n",
    );
    Ok(ExitStatus::Success)
}

async fn url(context: &Context) -> Result<ExitStatus, CliError> {
    let source = source(context)?;
    let options = database::open(context, &source, "db").await?;
    show(context, &json!({"url": options.url()}), &format!("{}\n", options.url()));
    Ok(ExitStatus::Success)
}

async fn migrate(context: &Context, args: &MigrateArgs) -> Result<ExitStatus, CliError> {
    let source = source(context)?;
    let options = database::open(context, &source, "db migrate").await?;
    let mut connection = options.connect().await?;
    connection.begin_reading().await?;
    let state = migration_state(&mut connection).await?;
    connection.close().await;
    let pending = state.pending.clone();
    if !args.dry_run && !pending.is_empty() {
        Writer::open(options).await?.migrate().await?;
    }
    let text = match (pending.as_slice(), args.dry_run) {
        ([], _) => "The schema is up to date.\n".to_owned(),
        (list, true) => format!("Would install:\n  {}\n", list.join("\n  ")),
        (list, false) => format!("Installed:\n  {}\n", list.join("\n  ")),
    };
    show(context, &json!({"installed": !args.dry_run, "migrations": pending}), &text);
    Ok(ExitStatus::Success)
}

async fn status(context: &Context) -> Result<ExitStatus, CliError> {
    let source = source(context)?;
    let mut lines = Vec::new();
    let mut value = json!({});
    let running = match &source {
        Source::Named { by, .. } => {
            lines.push(("database", format!("named by {by}")));
            value["source"] = json!(by);
            true
        }
        Source::Embedded { root } => {
            value["source"] = json!("embedded");
            embedded_status(context, root, &mut lines, &mut value).await
        }
    };
    if running {
        let options = database::open(context, &source, "db status").await?;
        let mut connection = options.connect().await?;
        connection.begin_reading().await?;
        let version = connection.server_version().await?;
        let state = migration_state(&mut connection).await?;
        connection.close().await;
        lines.push(("connected to", options.shown()));
        lines.push(("server", format!("PostgreSQL {version}")));
        lines.push(("schema", schema_words(&state)));
        value["server_version"] = json!(version);
        value["schema"] =
            json!({"installed": state.installed, "known": state.known, "pending": state.pending});
    }
    value["running"] = json!(running);
    let text: String = lines.iter().map(|(name, value)| format!("{name:<13} {value}\n")).collect();
    show(context, &value, &text);
    Ok(ExitStatus::Success)
}

fn schema_words(state: &MigrationState) -> String {
    match (state.installed, state.pending.len()) {
        (0, _) => "not installed (apply installs it)".to_owned(),
        (installed, 0) => format!("migration {installed}, up to date"),
        (installed, pending) => format!("migration {installed}, {pending} pending (apply installs them)"),
    }
}

#[cfg(unix)]
async fn embedded_status(
    context: &Context,
    root: &std::path::Path,
    lines: &mut Vec<(&'static str, String)>,
    value: &mut Value,
) -> bool {
    use embedded::State;
    let status = embedded::status(&database::embedded_config(context, root)).await;
    let (word, running) = match &status.state {
        State::NotInitialised => {
            ("not created yet (the first command that needs it creates it)".to_owned(), false)
        }
        State::Stopped => ("stopped (the next command that needs it starts it)".to_owned(), false),
        State::Busy { pid, message } => {
            (format!("busy (pid {pid}): {}", message.as_deref().unwrap_or("it starts or stops")), false)
        }
        State::Running { pid, .. } => {
            (pid.map_or("running".to_owned(), |pid| format!("running (pid {pid})")), true)
        }
    };
    lines.push(("database", "embedded".to_owned()));
    lines.push(("state", word.clone()));
    lines.push(("data", format!("{} ({} MiB)", status.data_dir.display(), status.data_bytes >> 20)));
    lines.push(("log", status.log_file.display().to_string()));
    value["state"] = json!(word);
    value["data"] = json!({"path": status.data_dir, "bytes": status.data_bytes});
    value["log"] = json!(status.log_file);
    running
}

#[cfg(not(unix))]
async fn embedded_status(
    _: &Context,
    _: &std::path::Path,
    lines: &mut Vec<(&'static str, String)>,
    _: &mut Value,
) -> bool {
    lines.push(("database", "embedded, which this system does not have".to_owned()));
    false
}

fn show(context: &Context, value: &Value, text: &str) {
    match context.global.format {
        Format::Json => context.printer.json(value),
        _ => context.printer.result(text),
    }
}
