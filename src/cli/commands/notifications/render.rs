//! `notify render`: what a message looks like in the form of a channel (M-T3). Nothing is sent.

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::alerts::notice::sample;
use crate::alerts::{AlertKind, Event, Item, Message, Notice, Topic, wording};
use crate::cli::args::Format;
use crate::cli::commands::channels::Known;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::outbox::Post;
use crate::cli::preferences;
use crate::kinds::notification_channel::{ChannelType, Template};
use crate::report::notice::{Words, console, html, slack, text, webhook};

use super::naming::{self, IdStart};
use super::shown;

/// Show what a message looks like in the form of a channel
///
/// Without --notification-id a made-up message is shown. With --channel it has the words of that channel, and its form; without
/// it, no database is needed. What is shown is what is sent; nothing is sent.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex notify render --as slack\n  synthex notify render --channel ops-mail --as html > mail.html\n  synthex notify render --event resolved --late\n  synthex notify render --notification-id 01985e3c-7d5a-7c3e-9d5e-0d6a3a3b2f10 --channel hooks"
)]
pub struct RenderArgs {
    /// With the words and in the form of this channel
    #[arg(long, value_name = "NAME")]
    pub channel: Option<String>,
    /// In this form
    #[arg(long = "as", value_name = "FORM", value_enum)]
    pub form: Option<Form>,
    /// A notification that is stored, instead of a made-up one; of its id the first characters are enough
    #[arg(long, value_name = "ID", value_parser = naming::id)]
    pub notification_id: Option<IdStart>,
    /// What happened, in a made-up message
    #[arg(long, value_name = "EVENT", default_value = "firing", value_parser = Event::ALL.map(Event::code), conflicts_with = "notification_id")]
    pub event: String,
    /// As it is when it is sent late
    #[arg(long)]
    pub late: bool,
}

/// A form of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Plain text, as in a mail
    Text,
    /// HTML, as in a mail
    Html,
    /// Slack's Block Kit
    Slack,
    /// The body of a webhook
    Webhook,
    /// One line of a log
    Console,
}

impl Form {
    const fn code(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Html => "html",
            Self::Slack => "slack",
            Self::Webhook => "webhook",
            Self::Console => "console",
        }
    }

    fn of(channel_type: ChannelType) -> Self {
        match channel_type {
            ChannelType::Email | ChannelType::InApp => Self::Text,
            ChannelType::Slack => Self::Slack,
            ChannelType::Webhook => Self::Webhook,
            ChannelType::Console => Self::Console,
        }
    }

    fn render(self, words: &Words<'_>) -> String {
        let pretty = |value: &serde_json::Value| format!("{value:#}\n");
        match self {
            Self::Text => text::body(words),
            Self::Html => html::page(words),
            Self::Slack => pretty(&slack::payload(words)),
            Self::Webhook => pretty(&webhook::payload(words)),
            Self::Console => format!("{}\n", console::text(words)),
        }
    }
}

/// Runs `notify render`.
///
/// # Errors
/// The channel or the notification is not there, or the database does not answer.
pub async fn render(context: &Context, args: &RenderArgs) -> Result<ExitStatus, CliError> {
    let now = context.clock.now();
    let mut message = made_up(&args.event, now);
    let (mut workspace, mut template, mut usual) = (message.workspace.clone(), None::<Template>, Form::Text);
    if args.channel.is_some() || args.notification_id.is_some() {
        let known = Known::read_one(context, "notify render").await?;
        if let Some(id) = &args.notification_id {
            message = stored(context, id).await?;
            workspace.clone_from(&message.workspace);
        }
        if let Some(name) = &args.channel {
            let channel = known.one(name)?;
            workspace = channel.row.key.workspace.to_string();
            if let Ok(spec) = &channel.spec {
                template.clone_from(&spec.template);
                usual = Form::of(spec.channel_type);
            }
        }
    }
    let notice = Notice {
        message: &message,
        workspace: &workspace,
        channel: args.channel.as_deref().unwrap_or("sample"),
        late_since: args.late.then_some(now),
        environment: context.global.environment.as_deref().filter(|name| !name.is_empty()),
    };
    let words = Words::new(notice, template.as_ref());
    let form = args.form.unwrap_or(usual);
    if context.global.format == Format::Json {
        context.printer.json(&json!({
            "format_version": "1.0",
            "channel": args.channel,
            "workspaceId": workspace,
            "as": form.code(),
            "title": words.title,
            "rendered": form.render(&words),
        }));
    } else {
        context.printer.result(&form.render(&words));
    }
    Ok(ExitStatus::Success)
}

fn made_up(event: &str, now: DateTime<Utc>) -> Message {
    let event = Event::ALL.into_iter().find(|known| known.code() == event).unwrap_or(Event::Firing);
    let sample = sample(event, now);
    let is_over = matches!(event, Event::Resolved | Event::FiredAndResolved);
    match event {
        Event::Firing | Event::Test | Event::Message => sample,
        Event::DeliveryFailed => Message {
            topic: Topic::SystemError,
            title: format!("Not delivered through `ops-slack`: {}", sample.title),
            text: format!(
                "Channel `ops-slack` did not take this (8 attempts, timeout): hooks.slack.com did not answer in time\n\n{}",
                sample.text
            ),
            ..sample
        },
        // Worded as alerts are.
        Event::Resolved | Event::FiredAndResolved | Event::Reminder | Event::Flapping => {
            let told = if is_over { Event::Resolved } else { event };
            let items =
                sample.items.into_iter().map(|item| if is_over { over(item) } else { item }).collect();
            let rule = sample.rule.as_deref().unwrap_or_default();
            let kind = AlertKind::CredentialExpiry;
            let message = wording::message(told, kind, &sample.workspace, rule, items, now);
            Message { event, ..message }
        }
    }
}

/// What a credential is told as once another one is in its place.
fn over(item: Item) -> Item {
    let credential = item.what.split(" expires ").next().unwrap_or_default();
    Item {
        what: format!("{credential} was replaced"),
        why: None,
        remedy: None,
        command: None,
        expires_at: None,
        ..item
    }
}

async fn stored(context: &Context, start: &IdStart) -> Result<Message, CliError> {
    let active = preferences::workspace(context)?.map(|choice| choice.name);
    let mut post = Post::open(context, "notify render", active.as_deref()).await?;
    let id = naming::notification(&mut post, start).await?;
    let found = shown::by_ids(&mut post, &[id]).await?.pop();
    post.connection.close().await;
    let found = found.ok_or_else(|| {
        CliError::usage(format!("there is no notification {id} any more")).help("it was removed meanwhile")
    })?;
    let message: Message = serde_json::from_value(found.content).map_err(|error| {
        CliError::other(format!("notification {id} cannot be shown"), error.to_string())
            .help("it was written by another version of synthex: use that one")
    })?;
    Ok(Message { workspace: found.workspace, ..message })
}
