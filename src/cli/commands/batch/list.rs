//! `batch list`: what the operators' commands did.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::records::Records;
use crate::engine::OperationStatus;
use crate::plan::planner::COMMAND_OWNER;
use crate::plan::record::Recorded;
use crate::report::history as text;
use crate::store::history::Wanted;

/// List the operations of commands, newest first
///
/// Each command that changes declared state is one operation: its number is what `batch show` and `batch rollback` take. The
/// applies of projects are in `synthex history`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex batch list\n  synthex batch list --limit 5\n  synthex batch list --status failed\n  synthex batch list --command \"batch tenants update\"\n  synthex batch list --all --format json | jq '.operations[].revision'"
)]
pub struct BatchListArgs {
    /// Also the applies of projects
    #[arg(long)]
    pub all: bool,
    /// Only those that ended like this
    #[arg(long, value_name = "STATUS", value_parser = STATUSES)]
    pub status: Option<String>,
    /// Only those of this command; its first words are enough: `batch tenants`
    #[arg(long, value_name = "COMMAND")]
    pub command: Option<String>,
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

/// How an operation can have ended.
const STATUSES: [&str; 5] = [
    OperationStatus::Applied.code(),
    OperationStatus::PartlyApplied.code(),
    OperationStatus::Failed.code(),
    OperationStatus::Refused.code(),
    OperationStatus::Interrupted.code(),
];

/// Runs `batch list`.
///
/// # Errors
/// Problems of the database.
pub async fn list(context: &Context, args: &BatchListArgs) -> Result<ExitStatus, CliError> {
    let mut records = Records::open(context, "batch list").await?;
    let mut found: Vec<Recorded> = Vec::new();
    for place in records.places.iter().filter(|_| records.installed) {
        if let Some(place) = place {
            records.connection.enter(place).await?;
        }
        let wanted = Wanted {
            project: (!args.all).then(|| COMMAND_OWNER.to_owned()),
            workspace: place.clone(),
            status: args.status.clone(),
            command: args.command.as_deref().map(|words| words.trim().to_owned()),
            limit: Some(i64::from(args.limit) + 1),
            ..Wanted::default()
        };
        found.append(&mut records.connection.operations(&wanted).await?);
    }
    records.connection.close().await;
    found.sort_by_key(|operation| std::cmp::Reverse(operation.revision));
    found.dedup_by_key(|operation| operation.revision);
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    if context.global.format == Format::Json {
        let operations: Vec<Value> = found.iter().map(operation_json).collect();
        context.printer.json(&json!({"format_version": "1.0", "operations": operations}));
    } else if !found.is_empty() {
        context.printer.result(&text::operations(&found, context.clock.now(), &context.printer.stdout));
    }
    if found.is_empty() {
        let is_filtered = args.status.is_some() || args.command.is_some();
        context.printer.note(if is_filtered {
            "No operation is like that; `synthex batch list` without --status and --command shows all."
        } else {
            "No command has changed anything yet; `synthex history` shows what projects applied."
        });
    } else if more {
        context.printer.note(&format!("The newest {limit} are shown; --limit shows more."));
    }
    Ok(ExitStatus::Success)
}

/// An operation in the shape of batches.
#[must_use]
pub fn operation_json(operation: &Recorded) -> Value {
    let done: i64 = operation.counts.iter().sum();
    let missed = operation.failed + operation.skipped;
    json!({
        "id": operation.id,
        "revision": operation.revision,
        "project": operation.project,
        "command": operation.command,
        "actor": operation.actor,
        "host": operation.host,
        "status": operation.status,
        "note": operation.note,
        "total": done + missed,
        "successCount": done,
        "failureCount": missed,
        "startedAt": operation.started_at,
        "finishedAt": operation.finished_at,
        "duration": (operation.finished_at - operation.started_at).num_milliseconds().max(0),
    })
}
