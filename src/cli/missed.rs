//! What does not get through, said as it happens: whoever runs a worker sees it without looking into the outbox.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::engine::StateError;
use crate::engine::delivery::{Claimed, Fate, Outbox, Record, Wanted};
use crate::report::clean::clean;
use crate::store::outbox::OutboxStore;

/// The most that is remembered: a worker may run for months.
const MOST: usize = 1000;

/// A delivery that did not get through, and is not tried again by itself.
#[derive(Clone, Debug)]
pub struct Missed {
    /// The delivery.
    pub delivery: Uuid,
    /// What it would have told.
    pub notification: Uuid,
    /// The workspace of its channel.
    pub workspace: String,
    /// The channel.
    pub channel: String,
    /// To whom.
    pub target: String,
    /// The title of what it would have told.
    pub title: String,
    /// `failed`, `dead` or `suppressed`.
    pub state: &'static str,
    /// What it came to, in a word.
    pub code: &'static str,
    /// The same for people.
    pub why: Option<String>,
}

impl Missed {
    fn of(record: &Record) -> Self {
        let claim = &record.claim;
        Self {
            delivery: claim.delivery,
            notification: claim.notification,
            workspace: claim.channel.workspace.clone(),
            channel: claim.channel.name.clone(),
            target: claim.target.clone(),
            title: claim.message.as_ref().map(|message| message.title.clone()).unwrap_or_default(),
            state: record.fate.code(),
            code: record.code,
            why: record.why.clone(),
        }
    }

    /// The same for JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "id": self.delivery,
            "notificationId": self.notification,
            "workspaceId": self.workspace,
            "channel": self.channel,
            "target": self.target,
            "title": self.title,
            "state": self.state,
            "code": self.code,
            "error": self.why,
        })
    }
}

/// An outbox that is watched for what does not get through.
#[derive(Debug)]
pub struct Watched {
    store: OutboxStore,
    is_said: bool,
    missed: Mutex<Vec<Missed>>,
}

impl Watched {
    /// Watches an outbox, and says what does not get through where it is to be said.
    #[must_use]
    pub fn new(store: OutboxStore, is_said: bool) -> Self {
        Self { store, is_said, missed: Mutex::default() }
    }

    /// How long until something may be sent; zero where something may be now, `None` where nothing waits.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn ahead(&self, now: DateTime<Utc>) -> Result<Option<Duration>, StateError> {
        self.store.ahead(now).await
    }

    /// Says goodbye; returns what did not get through.
    pub async fn close(self) -> Vec<Missed> {
        self.store.close().await;
        self.missed.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, record: &Record) {
        let one = Missed::of(record);
        if self.is_said {
            say(record, &one);
        }
        if matches!(record.fate, Fate::Failed | Fate::Dead | Fate::Suppressed) {
            let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
            if missed.len() < MOST {
                missed.push(one);
            }
        }
    }
}

/// A line that reads alone.
fn say(record: &Record, missed: &Missed) {
    let to = if missed.target.is_empty() { String::new() } else { format!(" to {}", missed.target) };
    let what = clean(&format!("`{}`{to}, \"{}\"", missed.channel, missed.title)).into_owned();
    let why = missed.why.as_deref().map(|why| format!(": {}", clean(why))).unwrap_or_default();
    let (code, delivery, notification) = (missed.code, missed.delivery, missed.notification);
    match record.fate {
        Fate::Failed | Fate::Dead => {
            tracing::warn!(%delivery, %notification, code, "not delivered through {what}: {}{why}", missed.state);
        }
        // What is over needs nobody.
        Fate::Suppressed if missed.code != "over" => {
            tracing::warn!(%delivery, %notification, code, "not sent through {what}{why}");
        }
        Fate::Retrying(at) => {
            let at = at.format("%H:%M:%S UTC");
            tracing::info!(%delivery, %notification, code, "not yet delivered through {what}, tried again at {at}{why}");
        }
        Fate::Sent => tracing::info!(%delivery, %notification, "delivered through {what}"),
        Fate::Suppressed | Fate::Released => {}
    }
}

impl Outbox for Watched {
    async fn claim(&self, wanted: Wanted) -> Result<Claimed, StateError> {
        self.store.claim(wanted).await
    }

    async fn record(
        &self,
        records: Arc<Vec<Record>>,
        now: DateTime<Utc>,
    ) -> Result<HashSet<Uuid>, StateError> {
        let counted = self.store.record(Arc::clone(&records), now).await?;
        for record in records.iter().filter(|record| counted.contains(&record.claim.delivery)) {
            self.hear(record);
        }
        Ok(counted)
    }
}
