//! Delivery: what is queued goes through its channel at least once, and as seldom as can be more often (M-D1 to M-D18).
//!
//! Rows come first, delivery second: a notification is queued in the transaction that changes what it tells. It knows neither
//! SQL nor HTTP: those are behind the traits here.

pub mod channel;
mod ids;
mod judge;
mod notices;
mod outbox;
pub mod resolving;
mod sending;
mod worker;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::alerts::Message;

pub use channel::{Channel, Why};
pub use ids::derived_id;
pub use judge::spread;
pub use notices::notices;
pub use outbox::{Attempt, Claim, Claimed, Fate, Outbox, Record, Wanted};
pub use sending::{Envelope, Failure, Sender, Sent};
pub use worker::{Counts, Delivered, Settings, deliver};

/// A notification to be queued.
#[derive(Clone, Debug)]
pub struct NewNotification {
    /// Its id, made by whoever writes it.
    pub id: Uuid,
    /// What it says. Its workspace is that of the channels.
    pub message: Message,
    /// The channels, by name. One that is missing, deleted or switched off gets a delivery that is `suppressed`, with why.
    /// Of the event `resolved`, it goes through those through which a firing message of one of `alerts` went out or is still
    /// queued, named here or not, and which send the end of alerts; what is still queued is replaced by one message of both
    /// (M-L7, M-L8).
    pub channels: Vec<String>,
    /// The alerts it tells of.
    pub alerts: Vec<Uuid>,
    /// Deliveries of one channel and target with the same key go out in their order (M-D13); with an empty one, in any.
    pub ordering_key: String,
    /// Not to be sent before.
    pub not_before: DateTime<Utc>,
    /// The notification that it repeats, because somebody asked for it.
    pub replay_of: Option<Uuid>,
    /// Who wrote it: `alerts`, or user@host.
    pub created_by: String,
}
