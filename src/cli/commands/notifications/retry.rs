//! `notify retry`: has what did not get through tried again (M-D12).

use chrono::TimeDelta;
use clap::Args;
use serde_json::json;
use uuid::Uuid;

use crate::cli::args::Format;
use crate::cli::context::{Context, new_id};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::listing::active;
use crate::cli::outbox::Post;
use crate::cli::signals::Signals;
use crate::model::text::duration_seconds;
use crate::store::outbox::{ListedDelivery, Which};

use super::naming::{self, IdStart};
use super::{send, shown};

/// Have what did not get through tried again
///
/// Only what failed is repeated: the channels and recipients that a message reached do not get it twice. It keeps its id, so
/// that receivers who got it after all know it again; with --as-new it gets a new one. A channel that was paused or
/// disabled is used again. Who had it tried again, and when, is on record.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex notify retry --notification-id 019ac3f0-7d2e-7c11-9a55-0d8f3b6a1c42\n  synthex notify retry --channel ops-slack --since 2h\n  synthex notify retry --channel ops-slack --since 1d --dry-run",
    override_usage = "synthex notify retry [OPTIONS] <--notification-id <ID>|--delivery-id <ID>|--channel <NAME> --since <TIME>>",
    group = clap::ArgGroup::new("which").required(true).args(["notification_id", "delivery_id", "channel"])
)]
pub struct RetryArgs {
    /// The failed deliveries of this notification; of an id its first characters are enough
    #[arg(long, value_name = "ID", value_parser = naming::id)]
    pub notification_id: Option<IdStart>,
    /// This delivery
    #[arg(long, value_name = "ID", value_parser = naming::id)]
    pub delivery_id: Option<IdStart>,
    /// The failed deliveries of this channel; needs --since
    #[arg(long, value_name = "NAME", requires = "since")]
    pub channel: Option<String>,
    /// With --channel, and needed there: those that were queued in the last `2h` or `1d`
    #[arg(long, value_name = "TIME", requires = "channel", conflicts_with_all = ["notification_id", "delivery_id"], value_parser = since)]
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
}

fn since(text: &str) -> Result<i64, String> {
    duration_seconds(text).ok_or_else(|| "write a number with its unit, such as 30m, 2h or 1d".to_owned())
}

async fn which(context: &Context, args: &RetryArgs, post: &mut Post) -> Result<Which, CliError> {
    match (&args.notification_id, &args.delivery_id, &args.channel) {
        (Some(id), None, None) => Ok(Which::Notification(naming::notification(post, id).await?)),
        (None, Some(id), None) => Ok(Which::Delivery(naming::delivery(post, id).await?)),
        (None, None, Some(channel)) => {
            naming::must_be_channel(post, channel).await?;
            let age = TimeDelta::try_seconds(args.since.unwrap_or_default()).unwrap_or_default();
            let workspace = active(context, false)?.map(|choice| choice.name);
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
    // Whose ids are meant is said; whose channels are, may be the active one.
    let active = match args.channel {
        Some(_) => active(context, false)?.map(|choice| choice.name),
        None => context.global.workspace.clone(),
    };
    let mut post = Post::open(context, "notify retry", active.as_deref()).await?;
    let which = which(context, args, &mut post).await?;
    let mut found: Vec<(Option<String>, Vec<ListedDelivery>)> = Vec::new();
    for scope in post.scopes.clone() {
        let deliveries = post.connection.repeatable(scope.as_deref(), &which, args.as_new).await?;
        found.push((scope, deliveries));
    }
    if found.iter().all(|(_, deliveries)| deliveries.is_empty()) {
        post.connection.close().await;
        nothing(context);
        return Ok(ExitStatus::Success);
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

/// Nothing can be tried again: all there is got through.
fn nothing(context: &Context) {
    if context.global.format == Format::Json {
        context.printer.json(&json!({"format_version": "1.0", "notifications": []}));
    }
    context.printer.note("There is nothing to try again: what there is got through, or is on its way.");
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
