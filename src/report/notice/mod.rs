//! A message in the form of each channel: mail as text and HTML, Slack blocks, the body of a webhook, a line of a log.
//!
//! Every form says what is wrong, where, since when, until when, what to do and with which command. Values come from manifests
//! and providers: each form escapes them for what reads it, cuts what is too long for its channel, says how much was cut, and
//! stays well-formed while it does (M-T2, M-D17). Who sends it, and where to, is not known here.

pub mod console;
mod fit;
pub mod html;
pub mod schema;
pub mod slack;
pub mod text;
pub mod webhook;

use crate::alerts::notice::{Notice, instant};
use crate::alerts::wording::HELD_BACK;
use crate::alerts::{Event, Item, Message, Topic, template};
use crate::kinds::alert_rule::AlertSeverity;
use crate::kinds::notification_channel::Template;
use crate::report::clean;

pub use fit::cut;

/// The most characters of a title.
const MOST_TITLE: usize = 300;

/// The most characters of any other single line.
const MOST_LINE: usize = 1_000;

/// In messages of so many items each has the command that acknowledges it.
const MOST_ACKNOWLEDGED: usize = 5;

/// The most characters of the text below the title.
const MOST_TEXT: usize = 8_000;

/// A message in words, before any form.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    /// The message on its way.
    pub notice: Notice<'a>,
    /// The title with its marks, on one line: `[CRITICAL] 2 credentials expire soon`.
    pub title: String,
    /// The text below it; it may have several lines, and may be empty.
    pub text: String,
    /// What of it stands above the items where those are listed: what they do not say themselves.
    pub lead: String,
    /// Whether items are listed below the text. A body of the channel's own lists what it wants to.
    pub lists_items: bool,
}

impl<'a> Words<'a> {
    /// The words for a message: the channel's own, where it has some, and the usual ones otherwise. A template that cannot be
    /// rendered for this message does not keep it back: the usual words are used, and say so.
    #[must_use]
    pub fn new(notice: Notice<'a>, template: Option<&Template>) -> Self {
        let (mut title, mut body, mut trouble) = (None, None, None);
        match template.map(|template| template::render(template, &notice)) {
            None => {}
            Some(Ok(rendered)) => (title, body) = (rendered.title, rendered.body),
            Some(Err(problem)) => {
                trouble = Some(format!(
                    "The channel's own words could not be used: in `template.{}`, {}.",
                    problem.field, problem.what
                ));
            }
        }
        let lists_items = body.is_none();
        let title = title.unwrap_or_else(|| notice.message.title.clone());
        let is_of_items = lists_items && tells_of_items(notice.message);
        let text = lines(&body.unwrap_or_else(|| notice.message.text.clone()));
        let mut paragraphs = Vec::new();
        // Both times are those of every attempt: a receiver that knows a repeated one by its id wants the same words (M-D9).
        if let Some(since) = notice.late_since {
            paragraphs.push(format!(
                "This message is late: it is of {}, and had not been sent by {}.",
                instant(notice.message.at),
                instant(since)
            ));
        }
        let mut lead = paragraphs.clone();
        if is_of_items {
            lead.extend((notice.message.event == Event::Flapping).then(|| HELD_BACK.to_owned()));
        } else {
            lead.push(text.clone());
        }
        paragraphs.push(text);
        let joined = |mut paragraphs: Vec<String>| {
            paragraphs.extend(trouble.clone());
            paragraphs.retain(|paragraph| !paragraph.is_empty());
            cut(&paragraphs.join("\n\n"), MOST_TEXT)
        };
        let marks: String = marks(&notice).iter().map(|mark| format!("[{mark}] ")).collect();
        Self {
            notice,
            title: cut(&format!("{marks}{}", line(&title)), MOST_TITLE),
            text: joined(paragraphs),
            lead: joined(lead),
            lists_items,
        }
    }

    /// The items that are listed.
    #[must_use]
    pub fn items(&self) -> &'a [Item] {
        if self.lists_items { &self.notice.message.items } else { &[] }
    }

    /// Where it comes from, in one line.
    #[must_use]
    pub fn origin(&self) -> String {
        let message = self.notice.message;
        let rule = message.rule.as_deref().map(|rule| format!(", rule {}", line(rule))).unwrap_or_default();
        format!(
            "Workspace {}{rule}, channel {}. Written {} by synthex.",
            line(self.notice.workspace),
            line(self.notice.channel),
            instant(message.at)
        )
    }

    /// The lines about an item, each with its name: where, since when, until when, why, what to do, with which command. They are
    /// the same for every attempt.
    #[must_use]
    pub fn facts(&self, item: &Item) -> Vec<(&'static str, String)> {
        let message = self.notice.message;
        let is_over = matches!(message.event, Event::Resolved | Event::FiredAndResolved);
        let mut facts = Vec::new();
        let tenant = match (&item.tenant, &item.tenant_name) {
            (Some(id), Some(name)) => Some(format!("{name} ({id})")),
            (Some(id), None) => Some(id.clone()),
            (None, name) => name.clone(),
        };
        let about: Vec<&str> =
            [&item.service, &item.subject].into_iter().filter_map(|part| part.as_deref()).collect();
        let expires = item.expires_at.map(|at| match &item.expires_local {
            Some(local) => format!("{} ({local})", instant(at)),
            None => instant(at),
        });
        let has_expired = item.expires_at.is_some_and(|at| at <= message.at);
        let knows = matches!(message.event, Event::Firing | Event::Reminder | Event::DeliveryFailed)
            && message.items.len() <= MOST_ACKNOWLEDGED;
        let acknowledge = item.alert.filter(|_| knows).map(|alert| {
            let command =
                format!("synthex alerts acknowledge --alert-id {alert} --workspace {}", message.workspace);
            self.notice.command(&command)
        });
        let mut push = |name, value: Option<String>| facts.extend(value.map(|value| (name, line(&value))));
        push("Tenant", tenant);
        push("About", (!about.is_empty()).then(|| about.join(", ")));
        let since = match message.topic {
            _ if is_over => "It began",
            Topic::HealthAlert => "Since",
            _ => "Alert since",
        };
        push(since, item.since.map(instant));
        push(if has_expired { "Expired" } else { "Expires" }, expires);
        push("Why", item.why.clone());
        push("To do", item.remedy.clone());
        push("Command", item.command.as_deref().map(|command| self.notice.command(command)));
        push("Acknowledge", acknowledge);
        facts
    }

    /// What is said where not all items are listed.
    #[must_use]
    pub fn cut_items(&self, listed: usize) -> Option<String> {
        let left = self.items().len() - listed.min(self.items().len());
        (left > 0).then(|| {
            let command = format!("synthex alerts list --workspace {}", line(self.notice.workspace));
            let command = self.notice.command(&command);
            format!("{left} more of {} not listed here: {command}", self.items().len())
        })
    }
}

/// What is marked in front of the title.
fn marks(notice: &Notice<'_>) -> Vec<String> {
    let mut marks = Vec::new();
    if notice.late_since.is_some() {
        marks.push("LATE".to_owned());
    }
    let (event, severity) = (notice.message.event, notice.message.severity);
    if !matches!(event, Event::Firing | Event::Message) {
        marks.push(event.code().replace('_', " ").to_uppercase());
    }
    // What is over or made up is not urgent; what a person says is marked where they say that it is.
    let is_urgent = match event {
        Event::Resolved | Event::FiredAndResolved | Event::Test => false,
        Event::Message => severity > AlertSeverity::Info,
        _ => true,
    };
    if is_urgent {
        marks.push(severity.code().to_uppercase());
    }
    marks
}

/// Whether the text of a message says nothing but what its items say.
fn tells_of_items(message: &Message) -> bool {
    let is_of_alerts = !matches!(message.event, Event::DeliveryFailed | Event::Test | Event::Message);
    is_of_alerts && message.rule.is_some() && !message.items.is_empty()
}

/// Whether a fact is something to run.
fn is_command(name: &str) -> bool {
    matches!(name, "Command" | "Acknowledge")
}

/// A value on one line, with nothing in it that moves a cursor or hides from the eye, and not endless.
#[must_use]
pub fn line(text: &str) -> String {
    let one = text.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&clean::clean(&one), MOST_LINE)
}

/// The same for a text whose line breaks stay.
#[must_use]
pub fn lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| clean::clean(line.trim_end()).into_owned()).collect();
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests;
