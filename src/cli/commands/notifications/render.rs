//! `notify render`: what a message looks like in the form of a channel (M-T3). Nothing is sent.

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use serde_json::json;
use uuid::Uuid;

use crate::alerts::notice::sample;
use crate::alerts::{Event, Message, Notice};
use crate::cli::args::Format;
use crate::cli::commands::channels::Known;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::preferences;
use crate::kinds::notification_channel::{ChannelType, Template};
use crate::report::notice::{Words, console, html, slack, text, webhook};

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
    /// A notification that is stored, instead of a made-up one
    #[arg(long, value_name = "ID")]
    pub notification_id: Option<Uuid>,
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
        let known = Known::read(context, "notify render", false).await?;
        if let Some(id) = args.notification_id {
            message = stored(context, &known, id).await?;
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
    sample(event, now)
}

async fn stored(context: &Context, known: &Known, id: Uuid) -> Result<Message, CliError> {
    let workspace = preferences::workspace(context)?.map(|choice| choice.name);
    let mut connection = known.options.connect().await?;
    let found = connection.stored_message(workspace.as_deref(), id).await;
    connection.close().await;
    let (workspace, content) = found?.ok_or_else(|| {
        CliError::usage(format!("there is no notification {id}")).help(
            "look at what is there: synthex notify list; or leave out --notification-id for a made-up one",
        )
    })?;
    let message: Message = serde_json::from_value(content).map_err(|error| {
        CliError::other(format!("notification {id} cannot be shown"), error.to_string())
            .help("it was written by another version of synthex: use that one")
    })?;
    Ok(Message { workspace, ..message })
}
