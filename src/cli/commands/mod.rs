//! The commands, one file each.

pub mod adopt;
pub mod alerts;
pub mod analytics;
pub mod apply;
pub mod batch;
pub mod blame;
pub mod channels;
pub mod check;
pub mod ci;
pub mod completions;
pub mod credentials;
pub mod db;
pub mod doctor;
pub mod drift;
pub mod explain;
mod explain_layers;
pub mod export;
pub mod health;
pub mod history;
pub mod import;
pub mod init;
pub mod lease;
pub mod notifications;
pub mod pause;
pub mod plan;
pub mod render;
mod render_diff;
pub mod restore;
pub mod resume;
pub mod rollback;
pub mod schema;
pub mod state;
pub mod templates;
pub mod tenant;
pub mod unmanaged;
pub mod validate;
pub mod watch;

use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::engine::StateReader as _;
use crate::files;
use crate::model::KindRef;
use crate::report;
use crate::store::{self, Listed};

use super::args::Command;
use super::context::Context;
use super::database::{self, Source};
use super::error::{CliError, ExitStatus};
use super::project::{self, Found};

/// A guard that a project need not have on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ExtraGuard {
    /// A deletion and a creation that look like one resource under a new name
    Rename,
}

/// Runs a command.
///
/// # Errors
/// Whatever the command reports.
pub async fn run(context: &Context, command: Option<Command>) -> Result<ExitStatus, CliError> {
    match command {
        None => Ok(welcome(context)),
        Some(Command::Init(args)) => init::init(context, &args),
        Some(Command::Validate(args)) => validate::validate(context, &args),
        Some(Command::Render(args)) => render::render(context, &args),
        Some(Command::Plan(args)) => plan::plan(context, &args).await,
        Some(Command::Apply(args)) => apply::apply(context, &args).await,
        Some(Command::Ci(command)) => Box::pin(ci::ci(context, &command)).await,
        Some(Command::History(args)) => history::history(context, &args).await,
        Some(Command::Blame(args)) => blame::blame(context, &args).await,
        Some(Command::Rollback(args)) => rollback::rollback(context, &args).await,
        Some(Command::Restore(args)) => Box::pin(restore::restore(context, &args)).await,
        Some(Command::Drift(args)) => drift::drift(context, &args).await,
        Some(Command::Watch(args)) => Box::pin(watch::watch(context, &args)).await,
        Some(Command::Export(args)) => export::export(context, &args).await,
        Some(Command::Import(args)) => import::import(context, &args),
        Some(Command::Unmanaged(args)) => unmanaged::unmanaged(context, &args).await,
        Some(Command::Adopt(args)) => Box::pin(adopt::adopt(context, &args)).await,
        Some(Command::Schema(args)) => schema::schema(context, &args),
        Some(Command::Explain(args)) => explain::explain(context, &args),
        Some(Command::Db(command)) => db::db(context, &command).await,
        Some(Command::State(command)) => state::state(context, &command).await,
        Some(Command::Tenant(command)) => Box::pin(tenant::tenant(context, &command)).await,
        Some(Command::Batch(command)) => Box::pin(batch::batch(context, &command)).await,
        Some(Command::Templates(command)) => Box::pin(templates::templates(context, &command)).await,
        Some(Command::Channels(command)) => Box::pin(channels::channels(context, &command)).await,
        Some(Command::Health(command)) => Box::pin(health::health(context, &command)).await,
        Some(Command::Notify(command)) => Box::pin(notifications::notify(context, &command)).await,
        Some(Command::Check(command)) => check::check(context, &command),
        Some(Command::Lease(command)) => lease::lease(context, &command).await,
        Some(Command::Pause(args)) => pause::pause(context, &args).await,
        Some(Command::Resume(args)) => resume::resume(context, &args).await,
        Some(Command::Doctor(args)) => Box::pin(doctor::doctor(context, &args)).await,
        Some(Command::Alerts(command)) => Box::pin(alerts::alerts(context, &command)).await,
        Some(Command::Analytics(command)) => Box::pin(analytics::analytics(context, &command)).await,
        Some(Command::Completions(args)) => completions::completions(context, &args),
    }
}

/// What to type next, for somebody who has typed nothing yet.
fn welcome(context: &Context) -> ExitStatus {
    context.printer.result(
        "synthex declares e-commerce tenants in git and converges PostgreSQL.\n\
         \n\
         \x20 synthex init shop --market ANZ_SMB --region AU-SE1   a project to start from, in ./shop\n\
         \x20 cd shop\n\
         \x20 synthex validate                                     check the manifests; needs no database\n\
         \x20 synthex plan                                         what would change, and why\n\
         \x20 synthex apply                                        make it so\n\
         \x20 synthex tenant tenants list                          look at the result\n\
         \n\
         More: synthex --help, synthex explain Tenant\n",
    );
    ExitStatus::Success
}

/// Refuses the formats that only `validate` or `plan` has.
fn only_human_or_json(context: &Context) -> Result<(), CliError> {
    use super::args::Format;
    match context.global.format {
        Format::Human | Format::Json => Ok(()),
        Format::Markdown | Format::Sarif | Format::Github | Format::Junit | Format::Prometheus => {
            Err(CliError::usage("this command has no such format")
                .help("use --format human or --format json"))
        }
    }
}

/// The living rows of a kind, and whether synthex is installed where they would be.
struct Rows {
    installed: bool,
    rows: Vec<Listed>,
}

/// The living rows of a kind in the database that the options mean.
async fn listed(context: &Context, kind: KindRef) -> Result<Rows, CliError> {
    let (source, found) = place(context)?;
    let options = database::open(context, &source, "list").await?;
    let mut connection = options.connect().await?;
    let workspace = context.global.workspace.as_deref();
    let installed = connection.is_installed().await?;
    if installed && workspace.is_some() {
        connection.begin_reading().await?;
        project::must_know_workspace(context, &mut connection, found.as_ref()).await?;
        connection.rollback().await?;
    }
    let confined = installed && connection.is_confined().await?;
    let rows = if let (true, None, Some(found)) = (confined, workspace, &found) {
        // Row-level security shows this role one workspace at a time, so each declared one is asked for.
        let mut rows = Vec::new();
        for name in project::declared_workspaces(&project::load_valid(found)?.0.entries) {
            rows.append(&mut store::list(&mut connection, kind, Some(&name)).await?);
        }
        rows
    } else {
        store::list(&mut connection, kind, workspace).await?
    };
    connection.close().await;
    Ok(Rows { installed, rows })
}

/// The database to look at: the project's, or without a project the one that is named.
pub fn place(context: &Context) -> Result<(Source, Option<Found>), CliError> {
    let is_outside = context.global.files.is_empty() && files::find_project(Path::new(".")).is_none();
    if is_outside {
        let source = database::source(context, None, &context.directory)?;
        // No embedded one is made in a folder that has no project.
        if matches!(source, Source::Named { .. }) {
            return Ok((source, None));
        }
    }
    let found = project::find(context).map_err(|mut error| {
        if let Some(help) = error.diagnostics.iter_mut().filter_map(|problem| problem.help.as_mut()).next()
            && is_outside
        {
            help.push_str("; without a project, name a database with --database-url or SYNTHEX_DATABASE_URL");
        }
        error
    })?;
    Ok((database::source(context, Some(&found.project), &found.folder)?, Some(found)))
}

/// A row in full, for people.
fn details(row: &Listed, now: DateTime<Utc>) -> String {
    let mut lines = vec![("workspace".to_owned(), row.key.workspace.to_string())];
    for part in ["spec", "labels"] {
        let prefix = if part == "labels" { "labels." } else { "" };
        for (name, value) in row.canonical.get(part).and_then(Value::as_object).into_iter().flatten() {
            match value {
                Value::Object(map) => {
                    lines.extend(
                        map.iter().map(|(key, value)| {
                            (format!("{prefix}{name}.{key}"), report::clean::value(value))
                        }),
                    );
                }
                value => lines.push((format!("{prefix}{name}"), report::clean::value(value))),
            }
        }
    }
    let time = |at| report::time::instant(at, now);
    lines.push(("owner".to_owned(), row.owner.clone().unwrap_or_else(|| "nobody".to_owned())));
    lines.push(("revision".to_owned(), row.revision.to_string()));
    lines.push(("created".to_owned(), time(row.created_at)));
    lines.push(("updated".to_owned(), time(row.updated_at)));
    if let (Some(at), Some(by)) = (row.touched_at, &row.touched_by) {
        lines.push(("changed".to_owned(), format!("outside of synthex by role {by} at {}", time(at))));
    }
    let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let body: String = lines.iter().map(|(name, value)| format!("  {name:<width$}  {value}\n")).collect();
    format!("{}\n{body}", row.key)
}
