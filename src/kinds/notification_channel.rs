//! `NotificationChannel`: a way to reach people, with its secrets by reference.

mod check;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::kind::{Reference, SpecProblem, Table, admit};
use crate::model::secret::SecretRef;
use crate::model::text::{DURATION_PATTERN, Text, is_false};
use crate::model::{Column, Kind, Resource, Scope, SqlType};

/// The kind.
pub static KIND: Kind = Kind {
    name: "NotificationChannel",
    slug: "channel",
    rank: 6,
    scope: Scope::Workspace,
    about: "A way to reach people: e-mail, Slack, a webhook, the console, or the in-app inbox.",
    table: Some(Table {
        name: "notification_channels",
        columns: &[
            Column::new("type", "type", SqlType::Text),
            Column::new("description", "description", SqlType::Text),
            Column::new("email", "email", SqlType::Json),
            Column::new("slack", "slack", SqlType::Json),
            Column::new("webhook", "webhook", SqlType::Json),
            Column::new("rate_limit_per_minute", "rateLimitPerMinute", SqlType::Integer),
            Column::new("fallback", "fallback", SqlType::Text).naming("NotificationChannel"),
            Column::new("send_resolved", "sendResolved", SqlType::Bool),
            Column { absent: Some("true"), ..Column::new("enabled", "enabled", SqlType::Bool) },
            Column::new("in_app", "inApp", SqlType::Json),
            Column::new("network", "network", SqlType::Json),
            Column::new("delivery", "delivery", SqlType::Json),
            Column::new("template", "template", SqlType::Json),
        ],
    }),
    texts: &[],
    hides_values: true,
    mentions: &["NotificationChannel"],
    part_of: None,
    external_ids: &[],
    schema: |generator| NotificationChannelSpec::json_schema(generator),
    admit: admit::<NotificationChannelSpec>,
};

/// What a channel declares: a type, and the block of that name where the type has one.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NotificationChannelSpec {
    /// The kind of channel.
    #[serde(rename = "type")]
    pub channel_type: ChannelType,
    /// Who is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub description: Option<String>,
    /// For type `email`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailChannel>,
    /// For type `slack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<SlackChannel>,
    /// For type `webhook`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookChannel>,
    /// For type `in-app`: whose inboxes it fills. Left out, one that everybody shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_app: Option<InAppChannel>,
    /// Whether it is used. What would go through a channel that is not is kept and marked as suppressed.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub enabled: bool,
    /// Which addresses may be called. Left out, only those of the public internet, over TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// How patiently messages are delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// The words of messages, where they are to be others than the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
    /// The most messages sent through this channel in a minute.
    #[serde(
        default,
        deserialize_with = "crate::model::text::optional_whole",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = 1, max = 10_000))]
    pub rate_limit_per_minute: Option<i64>,
    /// The channel, of the same workspace, that takes a message this one could not deliver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = crate::model::key::NAME_PATTERN))]
    pub fallback: Option<String>,
    /// Whether the end of an alert is announced too.
    #[serde(default = "yes")]
    pub send_resolved: bool,
    /// Kept in the database; while it is set there, no plan deletes the channel.
    #[serde(default, skip_serializing_if = "is_false")]
    pub protect: bool,
}

const fn yes() -> bool {
    true
}

fn is_true(flag: &bool) -> bool {
    *flag
}

/// Whose inboxes an in-app channel fills.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InAppChannel {
    /// The recipients, by any name that they ask for their inbox with.
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 254)))]
    pub recipients: Vec<String>,
}

/// Which addresses a channel may call. The guard is the same in `validate`, `channels test` and delivery (M-W8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Network {
    /// Subnets that are not public and may be called all the same, such as `10.20.0.0/16`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 64)))]
    pub allow_cidrs: Vec<String>,
    /// Ports that may be called besides the usual ones: 80, 443, 8080, 8443 by HTTP, 25, 465, 587, 2525 by SMTP.
    #[serde(
        default,
        deserialize_with = "crate::model::text::whole_list",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(length(max = 50), inner(range(min = 1, max = 65_535)))]
    pub allow_ports: Vec<i64>,
    /// Whether it may be called without TLS.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_insecure: bool,
    /// A file of certificates (PEM) that are trusted besides those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub ca_file: Option<String>,
}

/// How patiently messages are delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delivery {
    /// How long is waited after each failed attempt, none shorter than the one before. After the last one the message is
    /// dead. Left out: 5s, 5m, 30m, 2h, 5h, 10h, 10h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20), inner(regex(pattern = DURATION_PATTERN)))]
    pub retry: Option<Vec<String>>,
    /// The longest that a receiver may have us wait (Retry-After). Left out, an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = DURATION_PATTERN))]
    pub max_retry_after: Option<String>,
    /// From which age on a message says that it is late. Left out, a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = DURATION_PATTERN))]
    pub max_age: Option<String>,
    /// How long an answer is waited for, at most 30 seconds. Left out, 15 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = DURATION_PATTERN))]
    pub timeout: Option<String>,
}

/// The words of messages, as MiniJinja templates. What can be used in them is in `docs/channels.md`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Template {
    /// The title, in one line: the subject of a mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    pub title: Option<String>,
    /// The text below the title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 10_000))]
    pub body: Option<String>,
}

/// A kind of channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelType {
    /// E-mail by SMTP, SendGrid or Resend.
    Email,
    /// A Slack incoming webhook.
    Slack,
    /// A signed webhook (Standard Webhooks).
    Webhook,
    /// The log of the controller.
    Console,
    /// The inbox kept in the database.
    InApp,
}

/// How mail is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EmailTransport {
    /// A mail server.
    Smtp,
    /// The SendGrid API.
    Sendgrid,
    /// The Resend API.
    Resend,
}

/// An e-mail channel.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmailChannel {
    /// How mail is sent.
    pub transport: EmailTransport,
    /// The sender's address.
    #[schemars(email, length(max = 254))]
    pub from: String,
    /// The recipients' addresses.
    #[schemars(length(min = 1, max = 50), inner(email, length(max = 254)))]
    pub to: Vec<String>,
    /// SMTP: the mail server's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub host: Option<String>,
    /// SMTP: the mail server's port. Left out, 587 with STARTTLS.
    #[serde(
        default,
        deserialize_with = "crate::model::text::optional_whole",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<i64>,
    /// SMTP: how the connection is encrypted. Left out, from the start on port 465, and by STARTTLS on all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// SMTP: the user to log in as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 254))]
    pub username: Option<Text>,
    /// SMTP: where the password is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
    /// SendGrid and Resend: where the API key is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretRef>,
}

/// How a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// From the start.
    Tls,
    /// After STARTTLS, without which nothing is sent.
    Starttls,
    /// Not at all; needs `network.allowInsecure`, and no password is sent.
    None,
}

/// A Slack channel.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SlackChannel {
    /// Where the incoming webhook's URL is kept. The URL is itself a secret.
    pub webhook_url: SecretRef,
}

/// A webhook.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookChannel {
    /// The address that messages are posted to, `https` (or `http`).
    #[schemars(url, length(max = 2000), regex(pattern = r"^https?://[^@\s]+$"))]
    pub url: String,
    /// Where the signing secret is kept (`whsec_...`, Standard Webhooks).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_secret: Option<SecretRef>,
    /// The signing secret before this one. While it overlaps, messages carry both signatures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_secret: Option<PreviousSecret>,
}

/// A signing secret that is being replaced.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreviousSecret {
    /// Where it is kept.
    pub secret: SecretRef,
    /// Until when messages are signed with it too.
    pub until: DateTime<Utc>,
}

impl Resource for NotificationChannelSpec {
    fn normalise(&mut self) {
        // PostgreSQL keeps microseconds.
        let micros = |at: DateTime<Utc>| DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at);
        if let Some(previous) = self.webhook.as_mut().and_then(|webhook| webhook.previous_secret.as_mut()) {
            previous.until = micros(previous.until);
        }
    }

    fn check(&self, problems: &mut Vec<SpecProblem>) {
        check::check(self, problems);
    }

    fn references(&self) -> Vec<Reference> {
        self.fallback
            .iter()
            .map(|name| Reference {
                pointer: "/fallback".to_owned(),
                kind: "NotificationChannel",
                name: name.clone(),
            })
            .collect()
    }

    fn protect(&self) -> bool {
        self.protect
    }
}
