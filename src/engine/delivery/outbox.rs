//! What a worker asks of the outbox. The store implements it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::alerts::Message;
use crate::engine::StateError;

use super::Channel;

/// A queue of deliveries that several workers take from.
pub trait Outbox {
    /// Takes deliveries that are due, so that no other worker sends them while the lease lasts. What a worker took that is
    /// gone is due again (M-D2).
    ///
    /// # Errors
    /// Whatever the database reports; nothing was taken.
    async fn claim(&self, wanted: Wanted) -> Result<Claimed, StateError>;

    /// Records what came of deliveries, all of it or nothing, and says which of them counted: what somebody else has taken
    /// meanwhile is not touched.
    ///
    /// # Errors
    /// Whatever the database reports; nothing was recorded, or it is not known. Recording it again is harmless.
    async fn record(
        &self,
        records: Arc<Vec<Record>>,
        now: DateTime<Utc>,
    ) -> Result<HashSet<Uuid>, StateError>;
}

/// What a worker asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Who asks.
    pub worker: String,
    /// Of these notifications only.
    pub only: Option<Vec<Uuid>>,
    /// At most so many.
    pub most: usize,
    /// At most so many of one channel.
    pub most_per_channel: usize,
    /// None of these channels, by workspace and name.
    pub busy: Vec<(String, String)>,
    /// How long they are ours, by the clock of the database.
    pub lease: Duration,
    /// What is due by then.
    pub now: DateTime<Utc>,
}

/// What a worker gets.
#[derive(Clone, Debug, Default)]
pub struct Claimed {
    /// What it is to send.
    pub claims: Vec<Claim>,
    /// Where there is none: how long until something may be sent that only waits for its channel's rate (M-D13).
    pub next_slot: Option<Duration>,
}

/// A delivery that is ours for a while.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The delivery.
    pub delivery: Uuid,
    /// Says to the outbox that it was us, and not somebody who took it later.
    pub token: i64,
    /// Which attempt this is, from 1.
    pub attempt: i64,
    /// How many workers in a row were gone while they sent it, since there was an answer, or somebody had it tried again.
    pub lost: i64,
    /// What it delivers.
    pub notification: Uuid,
    /// The same, as it is told, shared by all its deliveries; `Err` with why, where it cannot be read.
    pub message: Result<Arc<Message>, String>,
    /// Through which channel.
    pub channel: Arc<Channel>,
    /// To whom.
    pub target: String,
    /// What keeps its order.
    pub ordering_key: String,
    /// Whether it stands in for one that did not get through.
    pub is_fallback: bool,
    /// When the notification was written.
    pub created_at: DateTime<Utc>,
    /// Whether all alerts that it tells of are over.
    pub are_over: bool,
    /// How long to wait before it is sent, by the channel's rate.
    pub wait: Duration,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It got through.
    Sent,
    /// It is tried again, not before then.
    Retrying(DateTime<Utc>),
    /// It will never get through.
    Failed,
    /// It was tried as often as its channel's schedule says.
    Dead,
    /// It is not sent.
    Suppressed,
    /// It was not tried, and waits as before.
    Released,
}

impl Fate {
    /// The word for the state, as the outbox keeps it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Retrying(_) => "retrying",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Suppressed => "suppressed",
            Self::Released => "released",
        }
    }

    /// Whether nothing more happens to it by itself.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Sent | Self::Failed | Self::Dead | Self::Suppressed)
    }
}

/// An attempt that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// How long it took.
    pub latency: Duration,
    /// `sent`, `transient` or `permanent`.
    pub outcome: &'static str,
    /// The status of the answer.
    pub status: Option<u16>,
    /// The start of the answer, at most 2 KiB.
    pub response: Option<String>,
}

/// What came of a claim.
#[derive(Clone, Debug)]
pub struct Record {
    /// The claim.
    pub claim: Arc<Claim>,
    /// What became of it.
    pub fate: Fate,
    /// A stable word for why; `ok` where it got through.
    pub code: &'static str,
    /// The same for people.
    pub why: Option<String>,
    /// The attempt, where one was made.
    pub attempt: Option<Attempt>,
    /// Nothing goes through the channel before then (M-D5).
    pub paused_until: Option<DateTime<Utc>>,
    /// How long the receiver has us wait before the next message, though it took this one (M-D13).
    pub wait: Option<Duration>,
    /// What the receiver said where it is gone, so that the channel is not used for a while (M-D6).
    pub gone: Option<String>,
    /// The title and the text of the inbox's row, where that is the channel.
    pub inbox: Option<(String, String)>,
    /// The fallback of its channel that is told that it did not get through (M-D11).
    pub fallback: Option<String>,
}
