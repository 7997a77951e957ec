//! `notify cancel`: takes back what was not sent yet.

use clap::Args;
use serde_json::json;
use uuid::Uuid;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::outbox::Post;
use crate::model::clock::{Clock as _, SystemClock};
use crate::store::outbox::ListedDelivery;

use super::naming::{self, IdStart};
use super::shown;

/// Take back a notification that was not sent yet
///
/// What waits, or is to be tried again, is not sent any more. What was sent stays so. What a worker is sending at this moment
/// cannot be stopped: exits with 5, and says until when the worker has it; one that died has it until then too, and after
/// that it can be taken back.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex notify cancel 019ac3f0-7d2e-7c11-9a55-0d8f3b6a1c42\n  synthex notify cancel 019ac3f0-7d2e-7c11-9a55-0d8f3b6a1c42 --dry-run"
)]
pub struct CancelArgs {
    /// The notification, or one of its deliveries
    ///
    /// The first characters of its id are enough, where no other begins with them.
    #[arg(value_name = "ID", value_parser = naming::id)]
    pub id: IdStart,
    /// Say what would be taken back and stop
    #[arg(long)]
    pub dry_run: bool,
}

/// Runs `notify cancel`.
///
/// # Errors
/// There is no such notification, or the database does not answer.
pub async fn cancel(context: &Context, args: &CancelArgs) -> Result<ExitStatus, CliError> {
    let mut post = Post::open(context, "notify cancel", context.global.workspace.as_deref()).await?;
    let (notification, delivery) = naming::either(&mut post, &args.id).await?;
    let meant = |own: &&ListedDelivery| delivery.is_none_or(|id| id == own.id);
    let open: Vec<Uuid> = notification
        .deliveries
        .iter()
        .filter(meant)
        .filter(|own| is_open(own) || own.state == "sending")
        .map(|own| own.id)
        .collect();
    let mut cancelled = 0;
    if !args.dry_run && !open.is_empty() {
        for scope in post.scopes.clone() {
            let (now, actor) = (context.clock.now(), context.actor());
            cancelled += post.connection.cancel_deliveries(scope.as_deref(), &open, &actor, now).await?;
        }
    }
    let after = shown::by_ids(&mut post, &[notification.id]).await?.pop().unwrap_or(notification);
    post.connection.close().await;
    if args.dry_run {
        cancelled = after.deliveries.iter().filter(meant).filter(|own| is_open(own)).count() as u64;
    }
    let flying: Vec<&ListedDelivery> =
        after.deliveries.iter().filter(meant).filter(|own| is_held(own)).collect();
    if let (0, Some(first)) = (cancelled, flying.first()) {
        return Err(being_sent(first));
    }
    let status = if flying.is_empty() { ExitStatus::Success } else { ExitStatus::Partly };
    if context.global.format == Format::Json {
        context.printer.json(&json!({
            "format_version": "1.0",
            "dryRun": args.dry_run,
            "cancelled": cancelled,
            "notification": shown::notification_json(&after),
        }));
        return Ok(status);
    }
    let text = match (cancelled, args.dry_run) {
        (0, _) => format!("There is nothing to take back: {}.\n", shown::summary(&after)),
        (many, true) => format!("{many} would be taken back.\n"),
        (many, false) => format!("{many} taken back: {}.\n", shown::summary(&after)),
    };
    context.printer.result(&text);
    for own in flying {
        context.printer.note(&format!("{}: {}", shown::way(own), until(own)));
    }
    Ok(status)
}

/// Whether it waits. What a worker had whose time is over waits too: the worker is gone.
fn is_open(delivery: &ListedDelivery) -> bool {
    match delivery.state.as_str() {
        "pending" | "retrying" => true,
        "sending" => !is_held(delivery),
        _ => false,
    }
}

/// Whether a worker has it, whose time is not over.
fn is_held(delivery: &ListedDelivery) -> bool {
    // The time of a lease is real, whatever --as-of says.
    delivery.state == "sending" && delivery.leased_until.is_some_and(|until| until > SystemClock.now())
}

fn until(delivery: &ListedDelivery) -> String {
    let until =
        delivery.leased_until.map_or_else(String::new, |at| format!(" until {}", at.format("%H:%M:%S UTC")));
    format!("a worker is sending it, and has it{until}")
}

fn being_sent(delivery: &ListedDelivery) -> CliError {
    let what = format!("{} is being sent, and cannot be taken back now", shown::way(delivery));
    CliError::new(ExitStatus::Refused, "being-sent", what).why(until(delivery)).help(
        "look again then: it was sent, or can be taken back, also where the worker died: synthex notify cancel ID",
    )
}
