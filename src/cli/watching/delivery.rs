//! Delivers notifications: what is due, until nothing is. Replicas share the outbox; what is under way when the controller stops
//! is finished or given back (M-D18).

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use serde_json::json;
use tokio::time::Instant;

use crate::cli::error::CliError;
use crate::cli::missed::Watched;
use crate::cli::outbox::counts_json;
use crate::cli::sending::{self, Sender};
use crate::engine::StateError;
use crate::engine::delivery::{Counts, Delivered, Settings, deliver};
use crate::store::outbox::OutboxStore;
use crate::watch::{Ran, Stop, Task, TaskFailure};

use super::Station;

/// How often it looks again while something is under way, so that what hangs holds up nothing that is queued meanwhile.
const POLL: Duration = Duration::from_millis(500);

/// How often it takes a whole look while something waits: what was put off by a clock that was ahead waits no longer then.
const WHOLE: Duration = Duration::from_secs(300);

/// Delivers notifications.
pub struct DeliveryTask<'c> {
    station: &'c Station<'c>,
    outbox: Watched,
    sender: Sender<'c>,
    settings: Settings,
    looked: Option<Instant>,
    total: Counts,
}

impl<'c> DeliveryTask<'c> {
    /// Not connected yet.
    ///
    /// # Errors
    /// A variable of the environment that says where messages go is wrong.
    pub fn new(station: &'c Station<'c>) -> Result<Self, CliError> {
        let environment = Some(station.environment.clone()).filter(|name| !name.is_empty());
        let holder = station.context.holder("deliver");
        Ok(Self {
            station,
            outbox: Watched::new(OutboxStore::new(station.options.clone().left_in(None), None), true),
            sender: sending::sender_in(station.context, Some(station.folder.clone()), environment)?,
            settings: Settings {
                poll: Some(POLL),
                ends_when_idle: true,
                ..Settings::new(format!("{}:{}:{}", holder.host, holder.pid, station.replica))
            },
            looked: None,
            total: Counts::default(),
        })
    }

    /// Whether something is due, and when it is where nothing is.
    async fn look(&mut self, now: DateTime<Utc>) -> Result<(bool, Option<Duration>), StateError> {
        let ahead = self.outbox.ahead(now).await?;
        let is_due = |wait: &Duration| wait.is_zero();
        let is_long = self.looked.is_none_or(|at| at.elapsed() >= WHOLE);
        Ok((ahead.as_ref().is_some_and(|wait| is_due(wait) || is_long), ahead))
    }

    async fn round(&mut self, stop: &Stop) -> Result<(Delivered, Option<Duration>), StateError> {
        let clock = &*self.station.context.clock;
        let (is_due, next) = self.look(clock.now()).await?;
        if !is_due || stop.is_requested() {
            return Ok((Delivered::default(), next));
        }
        self.looked = Some(Instant::now());
        let delivered = Box::pin(deliver(&self.outbox, &self.sender, clock, stop, &self.settings)).await;
        self.total.add(&delivered.counts);
        self.station.vitals.delivered(&delivered.counts);
        if stop.is_requested() || delivered.error.is_some() {
            return Ok((delivered, None));
        }
        let (_, next) = self.look(clock.now()).await?;
        // What is due and was left waits for its channel's rate, or for one that goes before it and is tried later.
        let has_sent = delivered.counts != Counts::default();
        let next = match (next, delivered.next_slot) {
            (Some(next), slot) if next.is_zero() => slot.or(has_sent.then_some(POLL)),
            (next, slot) => [next, slot].into_iter().flatten().min(),
        };
        Ok((delivered, next))
    }
}

impl Task for DeliveryTask<'_> {
    fn run<'a>(&'a mut self, stop: &'a Stop) -> LocalBoxFuture<'a, Ran> {
        async move {
            let (delivered, again) = match self.round(stop).await {
                Ok(done) => done,
                Err(error) => return Ran::failed(TaskFailure::from(&error)),
            };
            Ran {
                status: json!({
                    "delivered": counts_json(&delivered.counts),
                    "total": counts_json(&self.total),
                    "nextInSeconds": again.map(|again| again.as_secs_f64()),
                }),
                failure: delivered.error.as_ref().map(TaskFailure::from),
                again,
                wakes: Vec::new(),
            }
        }
        .boxed_local()
    }
}
