//! What people are told: which things, since when, what to do, and the command that does it. Each channel makes its own form
//! of it; nothing here knows HTML, Slack or a mail server.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::kinds::alert_rule::AlertSeverity;

/// What sort of thing a notification tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// A credential expires, expired, or cannot be renewed.
    CredentialExpiry,
    /// Something that is looked at does not stand well.
    HealthAlert,
    /// Something was used too much.
    UsageThreshold,
    /// Synthex itself cannot do its work: a delivery failed.
    SystemError,
    /// A person sent it.
    Message,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 5] =
        [Self::CredentialExpiry, Self::HealthAlert, Self::UsageThreshold, Self::SystemError, Self::Message];

    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::CredentialExpiry => "credential_expiry",
            Self::HealthAlert => "health_alert",
            Self::UsageThreshold => "usage_threshold",
            Self::SystemError => "system_error",
            Self::Message => "message",
        }
    }
}

/// What happened to what a notification tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It began, or became worse.
    Firing,
    /// It is over.
    Resolved,
    /// It began and was over before anybody was told (M-L7).
    FiredAndResolved,
    /// It still stands.
    Reminder,
    /// It comes and goes, and is not told again until it is quiet (M-L11).
    Flapping,
    /// A message did not get through a channel (M-D11).
    DeliveryFailed,
    /// Nothing: a channel is tried.
    Test,
    /// A person sent it.
    Message,
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 8] = [
        Self::Firing,
        Self::Resolved,
        Self::FiredAndResolved,
        Self::Reminder,
        Self::Flapping,
        Self::DeliveryFailed,
        Self::Test,
        Self::Message,
    ];

    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
            Self::FiredAndResolved => "fired_and_resolved",
            Self::Reminder => "reminder",
            Self::Flapping => "flapping",
            Self::DeliveryFailed => "delivery_failed",
            Self::Test => "test",
            Self::Message => "message",
        }
    }
}

/// What people are told. Every text may hold whatever a manifest or a provider said: channels escape it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// What sort of thing it tells.
    pub topic: Topic,
    /// What happened.
    pub event: Event,
    /// How urgent it is: as much as the most urgent item.
    pub severity: AlertSeverity,
    /// The workspace.
    pub workspace: String,
    /// What it says, in one line.
    pub title: String,
    /// What it says, in a few lines.
    pub text: String,
    /// The rule whose alerts it tells of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What it tells of, the most urgent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// When it was written.
    pub at: DateTime<Utc>,
}

/// One thing that a message tells of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<Uuid>,
    /// How urgent it is.
    pub severity: AlertSeverity,
    /// What is wrong, in one line: `The Shopify credential shop-a of SMB_001 expires in 5 days`.
    pub what: String,
    /// The tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The tenant's display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_name: Option<String>,
    /// The service: `shopify`, `google-merchant`, `database`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The credential, check or metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// When it expires, or expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// The same where the tenant is, with the zone: `2026-12-31 11:00 AEDT` (M-E12).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_local: Option<String>,
    /// Why, or what was found: one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What to do, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The command that does it, or shows more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}
