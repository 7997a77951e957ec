//! `lease list`: who holds which lease, and who waits for it.

use serde_json::json;

use crate::cli::args::Format;
use crate::cli::commands::place;
use crate::cli::context::Context;
use crate::cli::database;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::project;
use crate::engine::{HeldLease, LeaseEntry, StateReader as _, Waiter};
use crate::report;
use crate::store;

use super::is_known;

/// Runs `lease list`.
pub(super) async fn list(context: &Context) -> Result<ExitStatus, CliError> {
    let (source, found) = place(context)?;
    let Some(options) = database::existing(context, &source, "lease list").await? else {
        return say(context, None);
    };
    let mut connection = options.connect().await?;
    let workspace = context.global.workspace.as_deref();
    let confined = connection.is_installed().await? && connection.is_confined().await?;
    let entries = match (&found, workspace) {
        (Some(found), None) if confined => {
            // Row-level security shows this role one workspace at a time, so each declared one is asked for.
            let mut entries = Vec::new();
            for name in project::declared_workspaces(&project::load_valid(found)?.0.entries) {
                entries.extend(store::leases(&mut connection, Some(&name)).await?.unwrap_or_default());
            }
            Some(entries)
        }
        _ => store::leases(&mut connection, workspace).await?,
    };
    if let (Some(name), Some([])) = (workspace, entries.as_deref())
        && let Some(known) = store::known_workspaces(&mut connection).await?
        && !confined
    {
        is_known(name, &known)?;
    }
    connection.close().await;
    say(context, entries)
}

/// Says who holds which; `None` where synthex is not installed.
fn say(context: &Context, entries: Option<Vec<LeaseEntry>>) -> Result<ExitStatus, CliError> {
    if context.global.format == Format::Json {
        let installed = entries.is_some();
        let leases = entries.unwrap_or_default();
        context.printer.json(&json!({"format_version": "1.0", "installed": installed, "leases": leases}));
        return Ok(ExitStatus::Success);
    }
    match entries.as_deref() {
        None => context.printer.note("synthex is not installed in this database, so there are no leases."),
        Some([]) => context.printer.note(&match &context.global.workspace {
            Some(name) => format!("Nobody holds the lease of workspace `{name}`."),
            None => "Nobody holds a lease.".to_owned(),
        }),
        Some(entries) => context.printer.result(&shown(context, entries)),
    }
    Ok(ExitStatus::Success)
}

/// The table; columns that would be empty are left out.
fn shown(context: &Context, entries: &[LeaseEntry]) -> String {
    const HEADERS: [&str; 8] =
        ["WORKSPACE", "HOLDER", "SINCE", "EXPIRES", "REASON", "COMMIT", "RUN", "WAITING"];
    let rows: Vec<Vec<String>> = entries.iter().map(cells).collect();
    let wanted = |column: usize| column < 4 || rows.iter().any(|row| row[column] != "-");
    let columns: Vec<usize> = (0..HEADERS.len()).filter(|column| wanted(*column)).collect();
    let headers: Vec<&str> = columns.iter().map(|column| HEADERS[*column]).collect();
    let rows = rows.iter().map(|row| columns.iter().map(|column| row[*column].clone()).collect()).collect();
    report::table::table(&headers, rows, &context.printer.stdout)
}

fn cells(entry: &LeaseEntry) -> Vec<String> {
    let waiting: Vec<String> = entry.waiting.iter().map(Waiter::who).collect();
    let held = |text: fn(&HeldLease) -> Option<String>| {
        entry.held.as_ref().and_then(text).unwrap_or_else(|| "-".to_owned())
    };
    vec![
        entry.workspace.clone(),
        held(|lease| Some(lease.who())),
        held(|lease| Some(report::time::instant(lease.since, lease.now))),
        held(|lease| Some(report::time::until(lease.expires_at, lease.now))),
        held(|lease| lease.reason.clone()),
        held(|lease| lease.commit.as_ref().map(|commit| commit.chars().take(12).collect())),
        held(|lease| lease.run_url.clone()),
        if waiting.is_empty() { "-".to_owned() } else { waiting.join(", ") },
    ]
}
