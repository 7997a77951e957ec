//! A worker: takes what is due, sends it, records what came of it; all three at the same time, so that a receiver that does
//! not answer holds up nothing but its own channel (M-D10).
//!
//! What it took is its own while the lease lasts. It begins no attempt that the lease may not outlive, and what it did not
//! record in time is another's (M-D2): then the receiver gets the same delivery id twice.

mod work;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{Fuse, FusedFuture as _, FutureExt as _};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::Instant;
use uuid::Uuid;

use crate::engine::{Interrupt, StateError};
use crate::kinds::notification_channel::ChannelType;
use crate::model::Clock;

use super::channel::timeout;
use super::judge::{Timing, judged, ready, released};
use super::outbox::{Fate, Outbox, Record};
use super::{Envelope, Failure, Sender, Sent};
use work::{Flight, Work};

/// How long it may take to prepare an attempt: to read secrets, for one.
const PREPARATION: Duration = Duration::from_secs(5);

/// How a worker works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who it is: host and process.
    pub worker: String,
    /// Of these notifications only.
    pub only: Option<Vec<Uuid>>,
    /// How many messages are under way at a time.
    pub most: usize,
    /// How many of them through one channel.
    pub most_per_channel: usize,
    /// How long what it took is its own. More than the longest timeout of a channel.
    pub lease: Duration,
    /// How long what is under way may take once it is to stop (M-D18).
    pub grace: Duration,
    /// Where between -20 % and +20 % a wait lies, from -1 to 1, by delivery and attempt (M-D4).
    pub jitter: fn(Uuid, i64) -> f64,
    /// How often it looks again once nothing is due; `None` to be done then.
    pub poll: Option<Duration>,
    /// Whether it looks again only while something is under way, and is done once nothing is, though something may wait for
    /// its time or for its channel's rate.
    pub ends_when_idle: bool,
}

impl Settings {
    /// The usual settings, of a worker that is done when nothing is due.
    #[must_use]
    pub fn new(worker: String) -> Self {
        Self {
            worker,
            only: None,
            most: 256,
            most_per_channel: 64,
            lease: Duration::from_secs(60),
            grace: Duration::from_secs(5),
            jitter: super::judge::spread,
            poll: None,
            ends_when_idle: false,
        }
    }
}

/// How many deliveries came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Got through.
    pub sent: u64,
    /// Did not, and are tried again.
    pub retrying: u64,
    /// Never will.
    pub failed: u64,
    /// Were tried often enough.
    pub dead: u64,
    /// Were not sent, with a reason.
    pub suppressed: u64,
    /// Were given back.
    pub released: u64,
    /// Somebody else had taken them meanwhile, or they could not be recorded.
    pub lost: u64,
}

impl Counts {
    /// How many did not get through.
    #[must_use]
    pub const fn missed(&self) -> u64 {
        self.retrying + self.failed + self.dead + self.lost
    }

    /// Adds others.
    pub const fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.retrying += other.retrying;
        self.failed += other.failed;
        self.dead += other.dead;
        self.suppressed += other.suppressed;
        self.released += other.released;
        self.lost += other.lost;
    }

    const fn count(&mut self, fate: &Fate) {
        match fate {
            Fate::Sent => self.sent += 1,
            Fate::Retrying(_) => self.retrying += 1,
            Fate::Failed => self.failed += 1,
            Fate::Dead => self.dead += 1,
            Fate::Suppressed => self.suppressed += 1,
            Fate::Released => self.released += 1,
        }
    }
}

/// What a worker did.
#[derive(Debug, Default)]
pub struct Delivered {
    /// What came of it.
    pub counts: Counts,
    /// Why it ended early.
    pub error: Option<StateError>,
    /// Whether it was told to stop.
    pub is_interrupted: bool,
    /// Where it ended although something only waits for its channel's rate: how long that takes (M-D13).
    pub next_slot: Option<Duration>,
}

/// Delivers what is due, until nothing is, or for ever where the settings say so, or until it is told to stop. A database
/// that is away ends it, unless it works for ever: then it waits for it.
pub async fn deliver(
    outbox: &impl Outbox,
    sender: &impl Sender,
    clock: &dyn Clock,
    interrupt: &impl Interrupt,
    settings: &Settings,
) -> Delivered {
    let mut work = Work::new(settings);
    let mut flying = FuturesUnordered::new();
    let mut claiming = std::pin::pin!(Fuse::terminated());
    let mut recording = std::pin::pin!(Fuse::terminated());
    let mut stop = std::pin::pin!(interrupt.requested().fuse());
    loop {
        if recording.is_terminated()
            && let Some(batch) = work.batch()
        {
            recording.set(outbox.record(batch, clock.now()).fuse());
        }
        if claiming.is_terminated()
            && let Some(wanted) = work.wanted(clock.now())
        {
            claiming.set(outbox.claim(wanted).fuse());
        }
        let is_idle = claiming.is_terminated() && recording.is_terminated() && flying.is_empty();
        if is_idle && work.is_done() {
            break;
        }
        let wake = work.wakes_at();
        tokio::select! {
            biased;
            () = &mut stop => work.stop(),
            recorded = &mut recording, if !recording.is_terminated() => work.recorded(recorded, clock.now()),
            Some(record) = flying.next(), if !flying.is_empty() => work.landed(record),
            claimed = &mut claiming, if !claiming.is_terminated() => {
                for flight in work.claimed(claimed) {
                    flying.push(fly(flight, sender, clock, settings));
                }
            }
            () = tokio::time::sleep_until(wake) => {
                if work.is_past_end() {
                    // What was asked of a database that does not answer, and is not recorded, ends with its lease.
                    work.give_up();
                    break;
                }
                if work.is_past_deadline() {
                    flying.clear();
                    work.break_off(clock.now());
                }
                work.awake();
            }
        }
    }
    work.done
}

/// How long the whole of an attempt may take, with what is read for it before, so that the lease outlives it; and how long of
/// that an answer is waited for. The second ends first: who waits for the answer knows what its silence means.
fn limits(timeout: Duration, lease: Duration) -> (Duration, Duration) {
    let whole = (timeout + PREPARATION).min(lease.mul_f64(0.75));
    (whole, timeout.min(whole - PREPARATION.min(whole / 5)))
}

/// Sends one message, and says what follows from that.
async fn fly(flight: Arc<Flight>, sender: &impl Sender, clock: &dyn Clock, settings: &Settings) -> Record {
    let claim = &flight.claim;
    let what = match ready(claim, clock.now()) {
        Ok(what) => what,
        Err(record) => return *record,
    };
    if !claim.wait.is_zero() {
        tokio::time::sleep(claim.wait).await;
    }
    let (limit, patience) = limits(timeout(what.spec), settings.lease);
    if flight.is_halted.load(Ordering::Relaxed) || flight.taken.elapsed() + limit > settings.lease {
        return released(claim);
    }
    let (began_at, began) = *flight.began.get_or_init(|| (clock.now(), Instant::now()));
    let envelope = Envelope {
        delivery: claim.delivery,
        workspace: &claim.channel.workspace,
        channel: &claim.channel.name,
        spec: what.spec,
        target: &claim.target,
        message: what.message,
        late_since: what.late_since,
        timeout: patience,
        now: began_at,
    };
    let outcome = match what.spec.channel_type {
        // The store writes its row when it records that it was sent.
        ChannelType::InApp => Ok(Sent::default()),
        _ => tokio::time::timeout(limit, sender.send(&envelope)).await.unwrap_or_else(|_| {
            Err(Failure::transient("timeout", format!("there was no answer for {} s", limit.as_secs())))
        }),
    };
    let latency = began.elapsed();
    tracing::debug!(
        delivery = %claim.delivery,
        channel = claim.channel.name,
        attempt = claim.attempt,
        code = outcome.as_ref().map_or_else(|failure| failure.code, |_| "ok"),
        latency_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
        "an attempt was made"
    );
    let chance = (settings.jitter)(claim.delivery, claim.attempt);
    judged(claim, &what, outcome, &Timing { began_at, latency, now: clock.now(), chance })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_noticed_before_the_attempt_is_over_and_the_lease_outlives_both() {
        let limits = |timeout, lease| {
            let (whole, patience) = limits(Duration::from_secs(timeout), Duration::from_secs(lease));
            (whole.as_secs_f64(), patience.as_secs_f64())
        };
        assert_eq!(limits(15, 60), (20.0, 15.0));
        assert_eq!(limits(30, 60), (35.0, 30.0));
        assert_eq!(limits(15, 20), (15.0, 12.0));
        assert_eq!(limits(1, 1), (0.75, 0.6));
    }
}
