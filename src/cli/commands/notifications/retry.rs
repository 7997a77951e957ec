//! `notify retry`: has what did not get through tried again (M-D12).

use chrono::TimeDelta;
use clap::Args;
use serde_json::json;
use uuid::Uuid;

use crate::cli::args::{Format, YesArgs};
use crate::cli::context::{Context, new_id};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::outbox::Post;
use crate::cli::signals::Signals;
use crate::model::text::duration_seconds;
use crate::store::outbox::{ListedDelivery, Which};

use super::{send, show, shown};

/// Have what did not get through tried again
///
/// Only what failed is repeated: the channels and recipients that a message reached do not get it twice. It keeps its id, so
/// that receivers who got it after all know it again; with --as-new it gets a new one. A channel that was paused or
/// disabled is used again. Who had it tried again, and when, is on record.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex notify retry --notification-id 019ac3f0-7d2e-7c11-9a55-0d8f3b6a1c42\n  synthex notify retry --channel ops-slack --since 2h\n  synthex notify retry --channel ops-slack --since 1d --dry-run",
    group = clap::ArgGroup::new("which").required(true).args(["notification_id", "delivery_id", "channel"])
)]
pub struct RetryArgs {
    /// The failed deliveries of this notification
    #[arg(long, value_name = "ID")]
    pub notification_id: Option<Uuid>,
    /// This delivery
    #[arg(long, value_name = "ID")]
    pub delivery_id: Option<Uuid>,
    /// The failed deliveries of this channel
    #[arg(long, value_name = "NAME", requires = "since")]
    pub channel: Option<String>,
    /// With --channel: those that were queued since then, such as `2h` or `1d`
    #[arg(long, value_name = "TIME", requires = "channel", value_parser = since)]
    pub since: Option<i64>,
    /// Send the same once more under new ids, as something new
    #[arg(long)]
    pub as_new: bool,
    /// Queue it, and leave it to others to send it
    #[arg(long)]
    pub queue: bool,
    /// Say what would be tried again and stop
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub yes: YesArgs,
}

fn since(text: &str) -> Result<i64, String> {
    duration_seconds(text).ok_or_else(|| "write a number with its unit, such as 30m, 2h or 1d".to_owned())
}

fn which(context: &Context, args: &RetryArgs) -> Result<Which, CliError> {
    match (args.notification_id, args.delivery_id, &args.channel) {
        (Some(id), None, None) => Ok(Which::Notification(id)),
        (None, Some(id), None) => Ok(Which::Delivery(id)),
        (None, None, Some(channel)) => {
            let age = TimeDelta::try_seconds(args.since.unwrap_or_default()).unwrap_or_default();
            let workspace = crate::cli::listing::active(context, false)?.map(|choice| choice.name);
            let since = context.clock.now() - age;
            Ok(Which::Channel { workspace, channel: channel.clone(), since })
        }
        _ => Err(CliError::usage("what is to be tried again is not said")
            .help("name one of --notification-id, --delivery-id and --channel")),
    }
}

/// Runs `notify retry`.
///
/// # Errors
/// There is no such thing, or the database does not answer.
pub async fn retry(context: &Context, args: &RetryArgs) -> Result<ExitStatus, CliError> {
    let signals = Signals::listen()?;
    let which = which(context, args)?;
    let mut post = Post::open(context, "notify retry", context.global.workspace.as_deref()).await?;
    let mut found: Vec<(Option<String>, Vec<ListedDelivery>)> = Vec::new();
    for scope in post.scopes.clone() {
        let deliveries = post.connection.repeatable(scope.as_deref(), &which, args.as_new).await?;
        found.push((scope, deliveries));
    }
    if found.iter().all(|(_, deliveries)| deliveries.is_empty()) {
        return nothing(context, &mut post, &which).await;
    }
    if args.dry_run {
        say(context, found.iter().flat_map(|(_, deliveries)| deliveries));
        return Ok(ExitStatus::Success);
    }
    let (now, actor) = (context.clock.now(), context.actor());
    let mut ids: Vec<Uuid> = Vec::new();
    let mut retried: Vec<Uuid> = Vec::new();
    for (scope, deliveries) in &found {
        let own: Vec<Uuid> = deliveries.iter().map(|delivery| delivery.id).collect();
        if args.as_new {
            let new = post.connection.send_as_new(scope.as_deref(), deliveries, &actor, now, new_id).await?;
            ids.extend(new);
        } else {
            post.connection.try_again(scope.as_deref(), &own, &actor, now).await?;
            ids.extend(deliveries.iter().map(|delivery| delivery.notification));
            retried.extend(own);
        }
    }
    ids.sort_unstable();
    ids.dedup();
    if args.queue {
        let queued = shown::by_ids(&mut post, &ids).await?;
        post.connection.close().await;
        return Ok(send::say_queued(context, &queued));
    }
    let only = (!args.as_new).then_some(retried.as_slice());
    send::deliver_now(context, post, &ids, only, &signals).await
}

/// Nothing can be tried again: because there is nothing, or because all of it got through.
async fn nothing(context: &Context, post: &mut Post, which: &Which) -> Result<ExitStatus, CliError> {
    let id = match which {
        Which::Notification(id) | Which::Delivery(id) => Some(*id),
        Which::Channel { .. } => None,
    };
    if let Some(id) = id
        && show::find(post, id).await?.is_none()
    {
        return Err(shown::unknown(id));
    }
    if context.global.format == Format::Json {
        context.printer.json(&json!({"format_version": "1.0", "notifications": []}));
    }
    context.printer.note("There is nothing to try again: what there is got through, or is on its way.");
    Ok(ExitStatus::Success)
}

fn say<'d>(context: &Context, deliveries: impl Iterator<Item = &'d ListedDelivery>) {
    let deliveries: Vec<&ListedDelivery> = deliveries.collect();
    if context.global.format == Format::Json {
        let deliveries: Vec<_> = deliveries
            .iter()
            .map(|delivery| {
                let mut value = shown::delivery_json(delivery);
                value["notificationId"] = json!(delivery.notification);
                value
            })
            .collect();
        context.printer.json(&json!({"format_version": "1.0", "dryRun": true, "deliveries": deliveries}));
        return;
    }
    let now = context.clock.now();
    let text: String = deliveries
        .iter()
        .map(|own| format!("{} {}: {}\n", own.notification, shown::way(own), shown::standing(own, now)))
        .collect();
    context.printer.result(&format!("{text}{} would be tried again.\n", deliveries.len()));
}
