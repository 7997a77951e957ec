//! One attempt to get one message through one channel to one target, and what came of it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::alerts::Message;
use crate::kinds::notification_channel::NotificationChannelSpec;

/// What is to be sent, and how.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    /// The delivery: receivers know an attempt that is repeated by it (M-D9).
    pub delivery: Uuid,
    /// The workspace of the channel.
    pub workspace: &'a str,
    /// The channel's name.
    pub channel: &'a str,
    /// What it declares.
    pub spec: &'a NotificationChannelSpec,
    /// To whom: a mail address, a recipient of an inbox; empty where the channel has one target.
    pub target: &'a str,
    /// What is told.
    pub message: &'a Message,
    /// Since when it is so old that it says that it is late, where it is (M-D14).
    pub late_since: Option<DateTime<Utc>>,
    /// How long an answer is waited for (M-W9).
    pub timeout: Duration,
    /// When the attempt is made.
    pub now: DateTime<Utc>,
}

/// It got through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The status of the answer, where there is one.
    pub status: Option<u16>,
    /// The start of the answer, at most 2 KiB, without what is secret.
    pub response: Option<String>,
    /// How long the receiver has us wait before the next message, where it says so though it took this one.
    pub wait: Option<Duration>,
}

/// It did not get through, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A stable word: `timeout`, `rate_limited`, `invalid_payload`, `no_starttls`.
    pub code: &'static str,
    /// Why, in one line; nothing secret in it.
    pub what: String,
    /// Whether no later attempt can succeed.
    pub is_permanent: bool,
    /// The status of the answer, where there is one.
    pub status: Option<u16>,
    /// The start of the answer, at most 2 KiB, without what is secret.
    pub response: Option<String>,
    /// How long the receiver asks us to wait (M-D5).
    pub retry_after: Option<Duration>,
    /// Whether that is meant for everything that goes through the channel.
    pub pauses_channel: bool,
    /// Whether the receiver is gone, so that nothing is sent until the channel's manifest changes (M-D6).
    pub disables_channel: bool,
}

impl Failure {
    /// A failure that a later attempt may mend.
    pub fn transient(code: &'static str, what: impl Into<String>) -> Self {
        Self {
            code,
            what: what.into(),
            is_permanent: false,
            status: None,
            response: None,
            retry_after: None,
            pauses_channel: false,
            disables_channel: false,
        }
    }

    /// A failure that stays.
    pub fn permanent(code: &'static str, what: impl Into<String>) -> Self {
        Self { is_permanent: true, ..Self::transient(code, what) }
    }
}

/// Sends through channels that are reached over a network, or written to. The inbox is written by the store, in the
/// transaction that records the delivery.
pub trait Sender {
    /// Makes one attempt. It does not wait for a turn, does not repeat, and records nothing.
    ///
    /// # Errors
    /// It did not get through, as far as is known.
    async fn send(&self, envelope: &Envelope<'_>) -> Result<Sent, Failure>;
}
