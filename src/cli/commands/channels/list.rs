//! `channels list`: the channels, whom they reach, and what they fall back to.

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::selecting;
use crate::report;
use crate::report::time::coming;

use super::{Channel, Known};

/// Show the notification channels
///
/// Secrets are not shown: of a webhook only the host, of Slack nothing. A channel whose receiver is gone is disabled until its
/// manifest changes, for an hour, or until something of it is tried again (`synthex notify retry`); one whose receiver asked for
/// a pause waits.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex channels list\n  synthex channels list --all-workspaces --format json"
)]
pub struct ChannelsListArgs {
    /// Only channels whose labels fit: `tier=gold,team in (a,b),!legacy`
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Those of all workspaces
    #[arg(long)]
    pub all_workspaces: bool,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

/// Runs `channels list`.
pub(super) async fn list(context: &Context, args: &ChannelsListArgs) -> Result<ExitStatus, CliError> {
    let selection = selecting::labels(args.selector.as_deref())?;
    let mut known = Known::read(context, "channels list", args.all_workspaces).await?;
    known.channels.retain(|channel| selection.matches_labels(&channel.row.canonical));
    let total = known.channels.len();
    known.channels.truncate(args.limit.map_or(usize::MAX, |limit| limit as usize));
    if context.global.format == Format::Json {
        let channels: Vec<Value> = known.channels.iter().map(channel_json).collect();
        context.printer.json(&json!({
            "format_version": "1.0",
            "installed": known.is_installed,
            "total": total,
            "channels": channels,
        }));
        return Ok(ExitStatus::Success);
    }
    if known.channels.is_empty() {
        context.printer.note(match &args.selector {
            Some(_) => "No channel has labels that fit.",
            None => "There are no channels: declare a NotificationChannel and apply it.",
        });
        return Ok(ExitStatus::Success);
    }
    let headers = ["CHANNEL", "WORKSPACE", "TYPE", "ENABLED", "REACHES", "FALLBACK"];
    let rows = known.channels.iter().map(|channel| {
        let spec = channel.spec.as_ref().ok();
        vec![
            channel.row.key.name.to_string(),
            channel.row.key.workspace.to_string(),
            channel.type_code().to_owned(),
            enabled(channel, context.clock.now()),
            channel.reaches(),
            spec.and_then(|spec| spec.fallback.clone()).unwrap_or_else(|| "-".to_owned()),
        ]
    });
    context.printer.result(&report::table::table(&headers, rows.collect(), &context.printer.stdout));
    if total > known.channels.len() {
        context.printer.note(&format!("{} of {total} are shown.", known.channels.len()));
    }
    Ok(ExitStatus::Success)
}

/// Whether it is used, and if not, why; what its receiver asked for or said counts too.
fn enabled(channel: &Channel, now: DateTime<Utc>) -> String {
    match (&channel.spec, channel.gone(), channel.paused_until()) {
        (Err(_), _, _) => "?".to_owned(),
        (Ok(spec), _, _) if !spec.enabled => "no".to_owned(),
        (Ok(_), Some(said), _) => format!("disabled: {said}"),
        (Ok(_), None, Some(until)) => format!("paused: {}", coming(until, now)),
        (Ok(_), None, None) => "yes".to_owned(),
    }
}

fn channel_json(channel: &Channel) -> Value {
    let spec = channel.spec.as_ref().ok();
    json!({
        "channel": &*channel.row.key.name,
        "workspaceId": &*channel.row.key.workspace,
        "type": channel.type_code(),
        "enabled": spec.map(|spec| spec.enabled),
        "disabled": channel.gone(),
        "pausedUntil": channel.paused_until(),
        "reaches": channel.reaches(),
        "fallback": spec.and_then(|spec| spec.fallback.clone()),
        "sendResolved": spec.map(|spec| spec.send_resolved),
        "owner": channel.row.owner,
    })
}
