//! `notify deliver`: works through the outbox.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::missed::Missed;
use crate::cli::outbox::{self, Post, Round};
use crate::cli::signals::Signals;
use crate::model::text::duration_seconds;
use crate::report;
use crate::report::time::coming;
use crate::store::outbox::Waiting;

/// Deliver what is due
///
/// Sends what is queued until nothing is due, and then waits for more; with --once it is done then. Any number of these may
/// run at the same time: no message is sent by two. Ctrl-C lets what is under way finish, for five seconds at most, and
/// gives the rest back. What fails for good or is dead is said on standard error as it happens; with -v also what is tried
/// again, and what got through. Exits with 7 where something did not get through.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex notify deliver --once\n  synthex notify deliver --dry-run\n  synthex notify deliver -w anz-smb"
)]
pub struct DeliverArgs {
    /// Stop when nothing is due
    #[arg(long)]
    pub once: bool,
    /// How long what is being sent is this worker's own; after that, others send it: `60s`, `5m`
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = lease)]
    pub lease: Duration,
    /// Say what is due and stop
    #[arg(long)]
    pub dry_run: bool,
}

fn lease(text: &str) -> Result<Duration, String> {
    let seconds = duration_seconds(text).filter(|seconds| (1..=3600).contains(seconds));
    let seconds = seconds.ok_or_else(|| "write a time from 1s to 1h".to_owned())?;
    Ok(Duration::from_secs(seconds.unsigned_abs()))
}

/// How often it is looked for more.
const POLL: Duration = Duration::from_secs(1);

/// Runs `notify deliver`.
///
/// # Errors
/// The database does not answer.
pub async fn deliver(context: &Context, args: &DeliverArgs) -> Result<ExitStatus, CliError> {
    let signals = Signals::listen()?;
    let mut post = Post::open(context, "notify deliver", context.global.workspace.as_deref()).await?;
    if args.dry_run {
        let mut waiting = Vec::new();
        for scope in post.scopes.clone() {
            waiting.append(&mut post.connection.waiting(scope.as_deref(), context.clock.now()).await?);
        }
        post.connection.close().await;
        say(context, &waiting);
        return Ok(ExitStatus::Success);
    }
    let round = Round { only: None, lease: Some(args.lease), poll: (!args.once).then_some(POLL) };
    let delivered = outbox::work(context, &post, &round, &signals).await?;
    post.connection.close().await;
    let counts = &delivered.counts;
    let mut document = json!({"format_version": "1.0"});
    document["counts"] = outbox::counts_json(counts);
    document["missed"] = delivered.missed.iter().map(Missed::json).collect();
    let text = match outbox::counts_text(counts) {
        text if text.is_empty() => "Nothing was due.\n".to_owned(),
        text => format!("{text}.\n"),
    };
    if let Some(error) = delivered.error {
        let mut error = CliError::from(error);
        error.outcome = Some(Box::new(document));
        if context.global.format != Format::Json {
            context.printer.result(&text);
        }
        return Err(error);
    }
    if context.global.format == Format::Json {
        context.printer.json(&document);
    } else {
        context.printer.result(&text);
        advise(context, &delivered.missed);
    }
    if let Some(status) = signals.status() {
        return Ok(status);
    }
    Ok(if counts.missed() == 0 { ExitStatus::Success } else { ExitStatus::Partly })
}

/// What to type about what did not get through.
fn advise(context: &Context, missed: &[Missed]) {
    let mut notifications: Vec<Uuid> = missed.iter().map(|missed| missed.notification).collect();
    notifications.sort_unstable();
    notifications.dedup();
    match notifications.as_slice() {
        [] => {}
        [one] => context.printer.note(&format!(
            "More: synthex notify show {one}\nTry it again: synthex notify retry --notification-id {one}"
        )),
        [.., newest] => context.printer.note(&format!(
            "See what did not get through: synthex notify list --status failed,dead,suppressed\n\
             Try one again: synthex notify retry --notification-id {newest}"
        )),
    }
}

fn say(context: &Context, waiting: &[Waiting]) {
    if context.global.format == Format::Json {
        let channels: Vec<Value> = waiting
            .iter()
            .map(|own| {
                json!({
                    "workspaceId": own.workspace,
                    "channel": own.channel,
                    "due": own.due,
                    "later": own.later,
                    "sending": own.sending,
                    "nextAt": own.next_at,
                    "pausedUntil": own.paused_until,
                })
            })
            .collect();
        context.printer.json(&json!({"format_version": "1.0", "dryRun": true, "channels": channels}));
        return;
    }
    if waiting.is_empty() {
        context.printer.note("Nothing waits.");
        return;
    }
    let now = context.clock.now();
    let headers = ["WORKSPACE", "CHANNEL", "DUE", "LATER", "SENDING", "NEXT", "PAUSED"];
    let time = |at: Option<chrono::DateTime<chrono::Utc>>| at.map_or(String::new(), |at| coming(at, now));
    let rows = waiting.iter().map(|own| {
        vec![
            own.workspace.clone(),
            own.channel.clone(),
            own.due.to_string(),
            own.later.to_string(),
            own.sending.to_string(),
            time(own.next_at),
            time(own.paused_until),
        ]
    });
    context.printer.result(&report::table::table(&headers, rows.collect(), &context.printer.stdout));
}
