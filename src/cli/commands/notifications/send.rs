//! `notify send`: a message that a person writes.

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
use crate::kinds::notification_channel::{self, NotificationChannelSpec};
use crate::model::diagnostic::did_you_mean;
use crate::store::{self, Listed};

use super::shown;

/// Send a message through channels
///
/// It is queued first and sent then, so that nothing is lost where a receiver does not answer: what does not get through is
/// tried again by `synthex notify deliver` and by the controller. Exits with 0 when it got through everywhere, with 7
/// where it did not get through everywhere, and with 8 where it got through nowhere.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex notify send --title \"Maintenance at 22:00\" --message \"Checkout is down for ten minutes.\" --channel ops-slack\n  synthex notify send --type system_error --severity critical --title \"Import stopped\" --message \"See the log.\" --channel ops-slack,ops-mail\n  synthex notify send --title Hello --message World --channel ops-mail --dry-run"
)]
pub struct SendArgs {
    /// What sort of thing it tells
    #[arg(long = "type", value_name = "TYPE", default_value = "message", value_parser = Topic::ALL.map(Topic::code))]
    pub topic: String,
    /// What it says, in one line
    #[arg(long, value_name = "TEXT", value_parser = line)]
    pub title: String,
    /// What it says
    #[arg(long, value_name = "TEXT", value_parser = text)]
    pub message: String,
    /// The channels, by name, separated by commas
    #[arg(long, value_name = "NAME", required = true, value_delimiter = ',')]
    pub channel: Vec<String>,
    /// How urgent it is
    #[arg(long, value_name = "SEVERITY", default_value = "info", value_parser = ["info", "warning", "critical"])]
    pub severity: String,
    /// Queue it, and leave it to others to send it
    #[arg(long)]
    pub queue: bool,
    /// Say to whom it would be sent and stop
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub yes: YesArgs,
}

fn line(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is empty".to_owned()),
        text if text.chars().count() > 1000 => Err("it is longer than 1000 characters".to_owned()),
        text if text.contains(['\r', '\n', '\0']) => Err("it must be one line".to_owned()),
        text => Ok(text.to_owned()),
    }
}

fn text(text: &str) -> Result<String, String> {
    if text.chars().count() > 4000 {
        return Err("it is longer than 4000 characters".to_owned());
    }
    Ok(text.to_owned())
}

/// Runs `notify send`.
///
/// # Errors
/// A channel is not there, or the database does not answer.
pub async fn send(context: &Context, args: &SendArgs) -> Result<ExitStatus, CliError> {
    let signals = Signals::listen()?;
    let workspace = workspace(context)?;
    let mut post = Post::open(context, "notify send", Some(&workspace)).await?;
    let known = store::list(&mut post.connection, &notification_channel::KIND, Some(&workspace)).await?;
    let chosen = chosen(&known, &args.channel, &workspace)?;
    if args.dry_run {
        dry_run(context, &chosen);
        return Ok(ExitStatus::Success);
    }
    let now = context.clock.now();
    let id = new_id();
    let notification = NewNotification {
        id,
        message: Message {
            topic: Topic::ALL.into_iter().find(|topic| topic.code() == args.topic).unwrap_or(Topic::Message),
            event: Event::Message,
            severity: AlertSeverity::from_code(&args.severity).unwrap_or(AlertSeverity::Info),
            workspace: workspace.clone(),
            title: args.title.clone(),
            text: args.message.clone(),
            rule: None,
            items: Vec::new(),
            at: now,
        },
        channels: args.channel.clone(),
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
    let round = Round { only: Some(ids.to_vec()), ..Round::default() };
    let delivered = outbox::work(context, &post, &round, signals).await?;
    if let Some(error) = delivered.error {
        return Err(CliError::from(error).help("what was queued stays so; `synthex notify deliver` sends it"));
    }
    let found = shown::settled(&mut post, ids).await?;
    post.connection.close().await;
    let document = json!({
        "format_version": "1.0",
        "notifications": found.iter().map(shown::notification_json).collect::<Vec<_>>(),
    });
    let is_meant = |id: &Uuid| only.is_none_or(|only| only.contains(id));
    let deliveries: Vec<_> = found
        .iter()
        .flat_map(|notification| &notification.deliveries)
        .filter(|delivery| is_meant(&delivery.id))
        .collect();
    let status = shown::outcome(context, document, &deliveries);
    for notification in &found {
        context.printer.note(&format!("More: synthex notify show {}", notification.id));
    }
    Ok(signals.status().unwrap_or(status))
}

/// Says that notifications are queued.
pub(super) fn say_queued(
    context: &Context,
    queued: &[crate::store::outbox::ListedNotification],
) -> ExitStatus {
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

fn chosen<'k>(known: &'k [Listed], names: &[String], workspace: &str) -> Result<Vec<&'k Listed>, CliError> {
    names
        .iter()
        .map(|name| {
            known.iter().find(|row| *row.key.name == **name).ok_or_else(|| {
                let all = || known.iter().map(|row| &*row.key.name);
                let help = match did_you_mean(name, all()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if known.is_empty() => "declare a NotificationChannel and apply it".to_owned(),
                    None => format!("the channels are {}", all().collect::<Vec<_>>().join(", ")),
                };
                CliError::usage(format!("there is no channel `{name}` in workspace `{workspace}`")).help(help)
            })
        })
        .collect()
}

fn dry_run(context: &Context, chosen: &[&Listed]) {
    let mut channels = Vec::new();
    let mut lines = String::new();
    for row in chosen {
        let name = &*row.key.name;
        let spec = serde_json::from_value::<NotificationChannelSpec>(row.canonical["spec"].clone()).ok();
        let (is_on, targets) = match &spec {
            Some(spec) => (spec.enabled, targets(spec)),
            None => (false, Vec::new()),
        };
        let whom = targets.iter().filter(|target| !target.is_empty()).cloned().collect::<Vec<_>>().join(", ");
        lines.push_str(&match (is_on, whom.as_str()) {
            (false, _) => format!("{name}: would not be sent, since the channel is switched off\n"),
            (true, "") => format!("{name}: would be sent\n"),
            (true, whom) => format!("{name}: would be sent to {whom}\n"),
        });
        channels.push(json!({"channel": name, "enabled": is_on, "targets": targets}));
    }
    if context.global.format == Format::Json {
        context.printer.json(&json!({"format_version": "1.0", "dryRun": true, "channels": channels}));
    } else {
        context.printer.result(&lines);
    }
}
