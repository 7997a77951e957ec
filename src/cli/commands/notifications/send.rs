//! `notify send`: a message that a person writes.

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::alerts::{Event, Message, Topic};
use crate::cli::args::{Format, YesArgs};
use crate::cli::context::{Context, new_id};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::outbox::{self, Post, Round};
use crate::cli::preferences;
use crate::cli::signals::Signals;
use crate::engine::delivery::NewNotification;
use crate::engine::delivery::channel::targets;
use crate::kinds::alert_rule::AlertSeverity;
use crate::kinds::notification_channel::NotificationChannelSpec;
use crate::report::clean::clean;
use crate::report::time::instant;
use crate::store::Listed;
use crate::store::outbox::{ChannelStanding, ListedNotification};

use super::{naming, shown};

/// Send a message through channels
///
/// It is queued first and sent then, so that nothing is lost where a receiver does not answer: what may get through later waits
/// for `synthex notify deliver`, which is to be run. What never will is told through the channel's fallback at once. Exits
/// with 0 when it got through everywhere, with 7 where it did not get through everywhere, and with 8 where it got through
/// nowhere, whatever fallbacks took.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex notify send --title \"Maintenance at 22:00\" --message \"Checkout is down for ten minutes.\" --channel ops-slack\n  synthex notify send --type system_error --severity critical --title \"Import stopped\" --message \"See the log.\" --channel ops-slack,ops-mail\n  synthex notify send --title Hello --message World --channel ops-mail --dry-run"
)]
pub struct SendArgs {
    /// What sort of thing it tells
    #[arg(long = "type", value_name = "TYPE", default_value = "message", value_parser = Topic::ALL.map(Topic::code))]
    pub topic: String,
    /// What it says, in one line of at most 1000 characters
    #[arg(long, value_name = "TEXT")]
    pub title: String,
    /// What it says, in at most 4000 characters
    #[arg(long, value_name = "TEXT")]
    pub message: String,
    /// The channels, by name, separated by commas
    #[arg(long, value_name = "NAME", required = true, value_delimiter = ',')]
    pub channel: Vec<String>,
    /// How urgent it is
    #[arg(long, value_name = "SEVERITY", default_value = "info", value_parser = ["info", "warning", "critical"])]
    pub severity: String,
    /// Queue it, and leave it to `synthex notify deliver` to send it
    #[arg(long)]
    pub queue: bool,
    /// Say to whom it would be sent and stop
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub yes: YesArgs,
}

/// The longest title and the longest message, in characters: those of the table.
const MOST_TITLE: usize = 1000;
const MOST_MESSAGE: usize = 4000;

/// The title as it is told. What is wrong with the words is said without repeating them: they may be long.
fn title(args: &SendArgs) -> Result<&str, CliError> {
    let title = args.title.trim();
    let wrong = |what: String| Err(CliError::usage(what));
    let long = |count: usize, most: usize| format!("has {count} characters, and may have {most}");
    let (characters, of_message) = (title.chars().count(), args.message.chars().count());
    if title.is_empty() {
        wrong("the title is empty".to_owned())
    } else if title.contains(['\r', '\n', '\0']) {
        wrong("the title must be one line".to_owned())
    } else if characters > MOST_TITLE {
        wrong(format!("the title {}", long(characters, MOST_TITLE)))
    } else if of_message > MOST_MESSAGE {
        wrong(format!("the message {}", long(of_message, MOST_MESSAGE)))
    } else {
        Ok(title)
    }
}

/// Runs `notify send`.
///
/// # Errors
/// A channel is not there, or the database does not answer.
pub async fn send(context: &Context, args: &SendArgs) -> Result<ExitStatus, CliError> {
    let signals = Signals::listen()?;
    let title = title(args)?;
    let workspace = workspace(context)?;
    let mut post = Post::open(context, "notify send", Some(&workspace)).await?;
    let chosen = naming::chosen(&mut post, &args.channel).await?;
    let now = context.clock.now();
    if args.dry_run {
        let standings = post.connection.channel_standings(Some(&workspace), now).await?;
        post.connection.close().await;
        dry_run(context, &chosen, &standings);
        return Ok(ExitStatus::Success);
    }
    let id = new_id();
    let notification = NewNotification {
        id,
        message: Message {
            topic: Topic::ALL.into_iter().find(|topic| topic.code() == args.topic).unwrap_or(Topic::Message),
            event: Event::Message,
            severity: AlertSeverity::from_code(&args.severity).unwrap_or(AlertSeverity::Info),
            workspace: workspace.clone(),
            title: title.to_owned(),
            text: args.message.clone(),
            rule: None,
            items: Vec::new(),
            at: now,
        },
        channels: chosen.iter().map(|row| row.key.name.to_string()).collect(),
        alerts: Vec::new(),
        ordering_key: String::new(),
        not_before: now,
        replay_of: None,
        created_by: context.actor(),
    };
    post.connection.enqueue_notifications(Some(&workspace), &[notification], now).await?;
    if args.queue {
        let queued = shown::by_ids(&mut post, &[id]).await?;
        post.connection.close().await;
        return Ok(say_queued(context, &queued));
    }
    deliver_now(context, post, &[id], None, &signals).await
}

/// Sends notifications that are queued, and says what became of them; of these deliveries, where some are named.
pub(super) async fn deliver_now(
    context: &Context,
    mut post: Post,
    ids: &[Uuid],
    only: Option<&[Uuid]>,
    signals: &Signals,
) -> Result<ExitStatus, CliError> {
    let began = context.clock.now();
    let mut found = worked(context, &mut post, ids, signals).await?;
    found.retain(|notification| ids.contains(&notification.id));
    let in_place = match signals.status() {
        None => in_place(context, &mut post, ids, began, signals).await?,
        Some(_) => Vec::new(),
    };
    post.connection.close().await;
    let json = |all: &[ListedNotification]| all.iter().map(shown::notification_json).collect::<Vec<_>>();
    let document =
        json!({"format_version": "1.0", "notifications": json(&found), "fallbacks": json(&in_place)});
    let is_meant = |id: &Uuid| only.is_none_or(|only| only.contains(id));
    let deliveries: Vec<_> = found
        .iter()
        .flat_map(|notification| &notification.deliveries)
        .filter(|delivery| is_meant(&delivery.id))
        .collect();
    let status = shown::outcome(context, document, &deliveries, &in_place);
    let all = || deliveries.iter().copied().chain(in_place.iter().flat_map(|told| &told.deliveries));
    let waiting = all().filter(|own| matches!(own.state.as_str(), "pending" | "retrying")).count();
    if waiting > 0 {
        let waits = if waiting == 1 { "waits" } else { "wait" };
        context
            .printer
            .note(&format!("{waiting} {waits}: `synthex notify deliver` sends it when it is due."));
    }
    for notification in &found {
        context.printer.note(&format!("More: synthex notify show {}", notification.id));
    }
    Ok(signals.status().unwrap_or(status))
}

/// Sends what is due of notifications, and reads what became of them.
async fn worked(
    context: &Context,
    post: &mut Post,
    ids: &[Uuid],
    signals: &Signals,
) -> Result<Vec<ListedNotification>, CliError> {
    let round = Round { only: Some(ids.to_vec()), ..Round::default() };
    let delivered = outbox::work(context, post, &round, signals).await?;
    if let Some(error) = delivered.error {
        return Err(CliError::from(error).help("what was queued stays so; `synthex notify deliver` sends it"));
    }
    shown::settled(post, ids).await
}

/// What is told through fallbacks, since these did not get through: sent too, as nobody else may be there to do it.
async fn in_place(
    context: &Context,
    post: &mut Post,
    ids: &[Uuid],
    began: DateTime<Utc>,
    signals: &Signals,
) -> Result<Vec<ListedNotification>, CliError> {
    // PostgreSQL keeps microseconds.
    let began = DateTime::from_timestamp_micros(began.timestamp_micros()).unwrap_or(began);
    let mut told = Vec::new();
    for scope in post.scopes.clone() {
        told.append(&mut post.connection.told_in_place(scope.as_deref(), ids, began).await?);
    }
    if told.is_empty() {
        return Ok(Vec::new());
    }
    worked(context, post, &told, signals).await
}

/// Says that notifications are queued.
pub(super) fn say_queued(context: &Context, queued: &[ListedNotification]) -> ExitStatus {
    if context.global.format == Format::Json {
        let notifications: Vec<Value> = queued.iter().map(shown::notification_json).collect();
        context.printer.json(&json!({"format_version": "1.0", "notifications": notifications}));
    } else {
        for notification in queued {
            context.printer.result(&format!(
                "Queued {}: {}.\n",
                notification.id,
                shown::summary(notification)
            ));
        }
        context.printer.note("`synthex notify deliver` sends what is queued.");
    }
    ExitStatus::Success
}

/// The workspace whose channels are meant.
fn workspace(context: &Context) -> Result<String, CliError> {
    if let Some(choice) = preferences::workspace(context)? {
        return Ok(choice.name);
    }
    let (_, found) = crate::cli::commands::place(context)?;
    found.and_then(|found| found.project.spec.workspace.clone()).ok_or_else(|| {
        CliError::usage("no workspace is named")
            .why("channels belong to a workspace")
            .help("name one with --workspace, or choose one with `synthex tenant workspace set-active`")
    })
}

fn dry_run(context: &Context, chosen: &[Listed], standings: &[ChannelStanding]) {
    let mut channels = Vec::new();
    let mut lines = String::new();
    for row in chosen {
        let name = &*row.key.name;
        let spec = serde_json::from_value::<NotificationChannelSpec>(row.canonical["spec"].clone()).ok();
        let (is_on, targets) = match &spec {
            Some(spec) => (spec.enabled, targets(spec)),
            None => (false, Vec::new()),
        };
        let standing = standings.iter().find(|standing| standing.channel == name);
        let gone = standing.and_then(|standing| standing.gone.as_deref());
        let paused = standing.and_then(|standing| standing.paused_until);
        let whom = targets.iter().filter(|target| !target.is_empty()).cloned().collect::<Vec<_>>().join(", ");
        let when = paused.map_or_else(String::new, |until| {
            format!(", not before {}: its receiver asked for a pause", instant(until, context.clock.now()))
        });
        lines.push_str(&match (is_on, gone, whom.as_str()) {
            (false, _, _) => format!("{name}: would not be sent, since the channel is switched off\n"),
            (true, Some(said), _) => format!(
                "{name}: would not be sent, since the channel is disabled until its manifest changes, or for an hour: {}\n",
                clean(said)
            ),
            (true, None, "") => format!("{name}: would be sent{when}\n"),
            (true, None, whom) => format!("{name}: would be sent to {whom}{when}\n"),
        });
        channels.push(json!({
            "channel": name,
            "enabled": is_on,
            "disabled": gone,
            "pausedUntil": paused,
            "targets": targets,
        }));
    }
    if context.global.format == Format::Json {
        context.printer.json(&json!({"format_version": "1.0", "dryRun": true, "channels": channels}));
    } else {
        context.printer.result(&lines);
    }
}
