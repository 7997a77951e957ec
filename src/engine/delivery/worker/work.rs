//! What a worker knows: what is under way, what came of it, when to look again. It decides, and asks nobody.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use uuid::Uuid;

use crate::engine::delivery::judge::{broken_off, released};
use crate::engine::delivery::notices;
use crate::engine::delivery::outbox::{Claim, Claimed, Record, Wanted};
use crate::engine::{StateError, StateErrorKind};

use super::{Delivered, Settings};

/// A message that is under way.
pub(super) struct Flight {
    pub(super) claim: Arc<Claim>,
    pub(super) taken: Instant,
    /// Set once the attempt begins.
    pub(super) began: OnceLock<(DateTime<Utc>, Instant)>,
    /// It is not to begin any more.
    pub(super) is_halted: AtomicBool,
}

/// What a worker knows.
pub(super) struct Work<'s> {
    settings: &'s Settings,
    /// Of these notifications only, and of what tells that they did not get through.
    only: Option<Vec<Uuid>>,
    flights: HashMap<Uuid, Arc<Flight>>,
    /// Per channel, by workspace and name.
    busy: HashMap<(String, String), usize>,
    landed: Vec<Record>,
    /// What is being recorded, and since when it could not be.
    batch: Option<(Arc<Vec<Record>>, Option<Instant>)>,
    is_recording: bool,
    /// Each by itself: together the database did not take them.
    singly: Vec<Record>,
    /// Whether there was nothing to take, and nothing has happened since that may have changed that.
    is_exhausted: bool,
    looks_again: Option<Instant>,
    records_again: Option<Instant>,
    outages: u32,
    /// When what was taken last was asked for: its lease began after that, whenever the answer came.
    asked: Option<Instant>,
    /// When what is under way is broken off.
    deadline: Option<Instant>,
    /// When nothing is waited for any more.
    end: Option<Instant>,
    /// What was done.
    pub(super) done: Delivered,
}

/// How much of the time that is left to a worker which is to stop is for the record of what it breaks off.
const RECORDING: Duration = Duration::from_secs(1);

/// For how long a worker without a next time to wake sleeps: something else will wake it.
const FAR: Duration = Duration::from_secs(3600);

impl<'s> Work<'s> {
    pub(super) fn new(settings: &'s Settings) -> Self {
        Self {
            settings,
            only: settings.only.clone(),
            flights: HashMap::new(),
            busy: HashMap::new(),
            landed: Vec::new(),
            batch: None,
            is_recording: false,
            singly: Vec::new(),
            is_exhausted: false,
            looks_again: None,
            records_again: None,
            outages: 0,
            asked: None,
            deadline: None,
            end: None,
            done: Delivered::default(),
        }
    }

    const fn is_stopping(&self) -> bool {
        self.deadline.is_some() || self.done.error.is_some()
    }

    /// What is recorded next. What lands while that happens is recorded together, after it.
    pub(super) fn batch(&mut self) -> Option<Arc<Vec<Record>>> {
        if self.is_recording || self.records_again.is_some() {
            return None;
        }
        if self.batch.is_none() {
            let records = match self.singly.pop() {
                Some(one) => vec![one],
                None => std::mem::take(&mut self.landed),
            };
            self.batch = (!records.is_empty()).then(|| (Arc::new(records), None));
        }
        let (records, _) = self.batch.as_ref()?;
        self.is_recording = true;
        Some(Arc::clone(records))
    }

    /// What is asked for next. A channel that has half of what it may have under way waits, so that what is taken at a time
    /// is worth a question.
    pub(super) fn wanted(&mut self, now: DateTime<Utc>) -> Option<Wanted> {
        let room = self.settings.most.saturating_sub(self.flights.len());
        if self.is_stopping()
            || self.is_exhausted
            || self.looks_again.is_some()
            || room < self.settings.most.div_ceil(4)
        {
            return None;
        }
        let half = self.settings.most_per_channel / 2;
        let busy =
            self.busy.iter().filter(|(_, flying)| **flying > half).map(|(key, _)| key.clone()).collect();
        self.asked = Some(Instant::now());
        Some(Wanted {
            worker: self.settings.worker.clone(),
            only: self.only.clone(),
            most: room,
            most_per_channel: self.settings.most_per_channel.div_ceil(2),
            busy,
            lease: self.settings.lease,
            now,
        })
    }

    /// Whether there is nothing more to do; asked when nothing is under way.
    pub(super) fn is_done(&self) -> bool {
        let is_empty = self.landed.is_empty() && self.batch.is_none() && self.singly.is_empty();
        let waits_for_nothing = self.looks_again.is_none() || self.settings.ends_when_idle;
        let looks_no_more = self.is_stopping() || (self.is_exhausted && waits_for_nothing);
        is_empty && looks_no_more
    }

    pub(super) fn wakes_at(&self) -> Instant {
        let times = [self.looks_again, self.records_again, self.deadline, self.end];
        times.into_iter().flatten().min().unwrap_or_else(|| Instant::now() + FAR)
    }

    pub(super) fn is_past_end(&self) -> bool {
        self.end.is_some_and(|end| end <= Instant::now())
    }

    pub(super) fn is_past_deadline(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    pub(super) fn awake(&mut self) {
        let now = Instant::now();
        if self.looks_again.is_some_and(|at| at <= now) {
            self.looks_again = None;
            self.is_exhausted = false;
        }
        if self.records_again.is_some_and(|at| at <= now) {
            self.records_again = None;
        }
    }

    pub(super) fn stop(&mut self) {
        self.done.is_interrupted = true;
        let end = Instant::now() + self.settings.grace;
        self.end = Some(end);
        self.deadline = Some(end - RECORDING.min(self.settings.grace / 2));
        self.looks_again = None;
        for flight in self.flights.values() {
            flight.is_halted.store(true, Ordering::Relaxed);
        }
    }

    /// The deadline is over: what has not landed is given back.
    pub(super) fn break_off(&mut self, now: DateTime<Utc>) {
        for (_, flight) in self.flights.drain() {
            self.landed.push(match flight.began.get() {
                Some((began_at, began)) => broken_off(&flight.claim, *began_at, began.elapsed(), now),
                None => released(&flight.claim),
            });
        }
        self.busy.clear();
        // What remains is for the record of it.
        self.deadline = Some(Instant::now() + FAR);
    }

    /// There is no more time: what was not recorded is not.
    pub(super) fn give_up(&mut self) {
        let unrecorded = self.batch.take().map_or(0, |(records, _)| records.len());
        let lost = unrecorded + self.landed.len() + self.singly.len() + self.flights.len();
        self.done.counts.lost += lost as u64;
        if lost > 0 {
            tracing::warn!(
                lost,
                "the database did not answer in time; what was taken is others' once its lease is over"
            );
        }
    }

    pub(super) fn claimed(&mut self, claimed: Result<Claimed, StateError>) -> Vec<Arc<Flight>> {
        let claimed = match claimed {
            Ok(claimed) => claimed,
            Err(error) => {
                self.failed(error);
                return Vec::new();
            }
        };
        self.outages = 0;
        if claimed.claims.is_empty() {
            self.is_exhausted = true;
            self.done.next_slot = claimed.next_slot;
            let wait = match (claimed.next_slot, self.settings.poll) {
                (Some(slot), Some(poll)) => Some(slot.min(poll)),
                (slot, poll) => slot.or(poll),
            };
            self.looks_again = wait.filter(|_| !self.is_stopping()).map(|wait| Instant::now() + wait);
        }
        let taken = self.asked.take().unwrap_or_else(Instant::now);
        let mut flights = Vec::with_capacity(claimed.claims.len());
        for claim in claimed.claims {
            let key = (claim.channel.workspace.clone(), claim.channel.name.clone());
            *self.busy.entry(key).or_default() += 1;
            let flight = Arc::new(Flight {
                claim: Arc::new(claim),
                taken,
                began: OnceLock::new(),
                is_halted: AtomicBool::new(self.is_stopping()),
            });
            self.flights.insert(flight.claim.delivery, Arc::clone(&flight));
            flights.push(flight);
        }
        flights
    }

    /// The outbox could not be asked.
    fn failed(&mut self, error: StateError) {
        let waits = self.settings.poll.is_some()
            && !self.settings.ends_when_idle
            && error.kind == StateErrorKind::Unreachable;
        if !waits {
            self.done.error.get_or_insert(error);
            return;
        }
        tracing::warn!(%error, "the outbox cannot be read; it is tried again");
        self.looks_again = Some(Instant::now() + back_off(self.outages));
        self.outages = self.outages.saturating_add(1);
    }

    pub(super) fn landed(&mut self, record: Record) {
        let claim = &record.claim;
        self.flights.remove(&claim.delivery);
        let channel = &claim.channel;
        if let Some(flying) = self.busy.get_mut(&(channel.workspace.clone(), channel.name.clone())) {
            *flying = flying.saturating_sub(1);
        }
        if record.paused_until.is_some() || record.gone.is_some() {
            let same = |flight: &&Arc<Flight>| {
                flight.claim.channel.name == channel.name
                    && flight.claim.channel.workspace == channel.workspace
            };
            for flight in self.flights.values().filter(same) {
                flight.is_halted.store(true, Ordering::Relaxed);
            }
        }
        self.landed.push(record);
    }

    pub(super) fn recorded(&mut self, outcome: Result<HashSet<Uuid>, StateError>, now: DateTime<Utc>) {
        self.is_recording = false;
        let Some((records, since)) = self.batch.take() else { return };
        match outcome {
            Ok(counted) => {
                self.outages = 0;
                if let Some(only) = &mut self.only {
                    let counts = |record: &&Record| counted.contains(&record.claim.delivery);
                    only.extend(notices(records.iter().filter(counts), now).iter().map(|notice| notice.id));
                }
                for record in records.iter() {
                    if counted.contains(&record.claim.delivery) {
                        self.done.counts.count(&record.fate);
                    } else {
                        tracing::warn!(delivery = %record.claim.delivery, "somebody else has taken it meanwhile");
                        self.done.counts.lost += 1;
                    }
                }
                // What waited for one of these may be sent now.
                if self.looks_again.is_none() || self.settings.poll.is_some() {
                    self.is_exhausted = false;
                    self.looks_again = None;
                }
            }
            Err(error) if error.kind != StateErrorKind::Unreachable && records.len() > 1 => {
                tracing::warn!(%error, "what came of deliveries is recorded one by one");
                self.singly.extend(records.iter().cloned());
            }
            Err(error) => {
                let since = since.unwrap_or_else(Instant::now);
                // Once the lease is over, others have it; and who is to stop does not wait that long.
                let patience =
                    if self.deadline.is_some() { self.settings.grace } else { self.settings.lease };
                if error.kind == StateErrorKind::Unreachable && since.elapsed() < patience {
                    tracing::warn!(%error, "what came of deliveries is recorded later");
                    self.batch = Some((records, Some(since)));
                    self.records_again = Some(Instant::now() + back_off(self.outages));
                    self.outages = self.outages.saturating_add(1);
                } else {
                    tracing::error!(%error, "what came of deliveries is not recorded; they are sent again");
                    self.done.counts.lost += records.len() as u64;
                    self.done.error.get_or_insert(error);
                }
            }
        }
    }
}

/// How long to wait before the database is asked again.
fn back_off(outages: u32) -> Duration {
    Duration::from_millis(200 << outages.min(4)).min(Duration::from_secs(3))
}
