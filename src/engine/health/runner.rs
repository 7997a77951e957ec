//! Looks at many things at a time: so many of each workspace and service, each no longer than its time, and nothing that
//! somebody else is looking at (M-H2).
//!
//! What hangs holds up its own place and no other: places that come free are filled again within some milliseconds, in one
//! statement for all of them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;
use uuid::Uuid;

use crate::engine::apply::Interrupt;
use crate::engine::credentials::{Finding, Outcome as Found, Subject};
use crate::engine::state::{StateError, StateErrorKind};
use crate::kinds::credential::Service;
use crate::model::health::CheckedService;
use crate::model::{Clock, Digest};

use super::round::{Claimed, Round};
use super::{
    Answer, Check, CheckKey, HealthStore, Labels, Prober, ServiceSettings, Settings, Stage, Target, Work,
    host, version,
};

/// How long places that come free are gathered before they are filled again.
const GATHERED_FOR: Duration = Duration::from_millis(20);

/// How long what is under way may take after a signal.
const GRACE: Duration = Duration::from_secs(5);

/// Whether a result with these labels falls into a maintenance window.
pub type InMaintenance<'a> = dyn Fn(&Labels, DateTime<Utc>) -> bool + 'a;

/// What is to be looked at, and how.
pub struct Request<'a> {
    /// What is to be looked at.
    pub targets: Vec<Target>,
    /// How.
    pub settings: &'a Settings,
    /// Tells the time of results.
    pub clock: &'a dyn Clock,
    /// Who looks: of one process, and no other.
    pub who: &'a str,
    /// Makes the ids of results.
    pub new_id: fn() -> Uuid,
    /// Whether a result with these labels falls into a maintenance window (M-S5).
    pub in_maintenance: &'a InMaintenance<'a>,
    /// Whether only what is due is looked at, though everything is named: what was looked at a moment ago is not, and is not
    /// missed either.
    pub only_due: bool,
    /// The providers of whose tenants all are looked at, so that what is true of all of them is true of the provider (M-S9).
    pub whole: &'a [Service],
}

/// Hears what is looked at.
pub trait Progress {
    /// A look began.
    fn began(&self, name: &str);
    /// A look ended.
    fn ended(&self, name: &str);
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was found.
    pub checks: Vec<Check>,
    /// What was kept of it.
    pub recorded: Vec<CheckKey>,
    /// How many results say something else than the ones before them, or count towards it.
    pub changed: usize,
    /// What somebody else was looking at.
    pub busy: Vec<CheckKey>,
    /// Providers of which nothing could be reached, with how many tenants were asked about.
    pub down: Vec<(Service, usize)>,
    /// How many things were not looked at, because of a signal or because the store failed.
    pub left_out: usize,
    /// Why results could not be kept.
    pub failure: Option<StateError>,
}

/// Looks at everything, and keeps what is found.
pub async fn run(
    prober: &impl Prober,
    store: &impl HealthStore,
    interrupt: &impl Interrupt,
    progress: &impl Progress,
    request: Request<'_>,
) -> Outcome {
    let (settings, clock) = (request.settings, request.clock);
    let mut round = Round::new(store, request);
    let mut running = FuturesUnordered::new();
    let mut stop = std::pin::pin!(interrupt.requested());
    let mut deadline: Option<Instant> = None;
    loop {
        round.save().await;
        if deadline.is_none() {
            for claimed in round.fill().await {
                progress.began(&claimed.target.name());
                running.push(look(prober, claimed, settings, clock));
            }
        }
        if running.is_empty() {
            if deadline.is_some() || round.is_done() {
                break;
            }
            continue;
        }
        let mut until: Option<Instant> = None;
        // Until something has ended, and then a moment for others.
        while !running.is_empty() {
            let wake = [until, deadline].into_iter().flatten().min();
            let pause = async {
                match wake {
                    Some(wake) => tokio::time::sleep_until(wake).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = &mut stop, if deadline.is_none() => deadline = Some(Instant::now() + GRACE),
                ended = running.next() => {
                    if let Some((claimed, checks)) = ended {
                        progress.ended(&claimed.target.name());
                        round.ended(&claimed, checks);
                    }
                    until = until.or(Some(Instant::now() + GATHERED_FOR));
                }
                () = pause => break,
            }
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            break;
        }
    }
    round.left_under_way(running.len());
    drop(running);
    round.finish(deadline.is_some()).await
}

/// How long after a look the next one is due: the interval, a tenth longer or shorter, so that not everything is due at once.
/// `key` is the first one of what is looked at together, which so stays together.
pub(super) fn jittered(interval: TimeDelta, key: &CheckKey) -> TimeDelta {
    let digest = Digest::of(key.to_string().as_bytes());
    let permille = i32::from(u16::from_le_bytes([digest.as_bytes()[0], digest.as_bytes()[1]]) % 1_001);
    let tenth = interval / 10;
    interval - tenth + tenth * 2 * permille / 1000
}

/// How long a target may take at most.
pub(super) fn patience(target: &Target, settings: &Settings) -> Duration {
    let group = target.group();
    let timeout = settings.of(&group.0, group.1).timeout;
    match &target.work {
        // The secret, an access token, the question, and the quotas, each within its time.
        Work::Ask(asked) => timeout * 4 * u32::try_from(asked.credentials.len()).unwrap_or(u32::MAX).max(1),
        _ => timeout * 2,
    }
}

async fn look(
    prober: &impl Prober,
    claimed: Claimed,
    settings: &Settings,
    clock: &dyn Clock,
) -> (Claimed, Vec<Check>) {
    let Some(key) = claimed.keys.first().cloned() else { return (claimed, Vec::new()) };
    let group = claimed.target.group();
    let own = settings.of(&group.0, group.1);
    let before = claimed.before.get(&key).map(|before| before.last_code.as_str());
    let checks = match &claimed.target.work {
        Work::Database => {
            let facts = prober.database(own.timeout);
            let late = |_| {
                let what = "the database did not answer in time";
                Err(StateError::new(StateErrorKind::Unreachable, what))
            };
            let facts = tokio::time::timeout(own.timeout, facts).await.unwrap_or_else(late);
            vec![host::of_database(key, facts, before, clock.now())]
        }
        Work::Disk => vec![of_space(key, own, prober.disk(), before, clock).await],
        Work::Memory => vec![of_space(key, own, prober.memory(), before, clock).await],
        Work::Version(version) => vec![version::check(version, clock.now())],
        Work::Expiry(counts) => vec![host::of_expiry(key, counts, clock.now())],
        Work::Ask(asked) => {
            let wants_quota = claimed.keys.iter().any(|key| key.service == CheckedService::Quotas);
            let mut answers = Vec::new();
            for subject in &asked.credentials {
                answers.push(ask(prober, subject, wants_quota, own.timeout).await);
            }
            let limits = &settings.of(&group.0, CheckedService::Quotas).limits;
            asked.judge(&answers, &claimed.keys, limits, clock.now())
        }
    };
    (claimed, checks)
}

async fn of_space(
    key: CheckKey,
    settings: &ServiceSettings,
    space: impl Future<Output = Result<super::Space, String>>,
    before: Option<&str>,
    clock: &dyn Clock,
) -> Check {
    let late = |_| Err("the system did not answer in time".to_owned());
    let space = tokio::time::timeout(settings.timeout, space).await.unwrap_or_else(late);
    host::of_space(key, space, &settings.limits, before, clock.now())
}

/// Asks. Whoever asks keeps to the limit at each step; this is for one who does not.
async fn ask(prober: &impl Prober, subject: &Subject, wants_quota: bool, limit: Duration) -> Answer {
    let last = limit * 4;
    tokio::time::timeout(last, prober.ask(subject, wants_quota, limit)).await.unwrap_or_else(|_| Answer {
        is_late: true,
        latency: last,
        ..Answer::of(Finding::new(Found::Unreachable, "there was no answer in time"), Stage::Secret)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jitter_is_a_tenth_at_most_and_spreads() {
        let seconds = |number: u32| {
            let key = CheckKey::new("w", CheckedService::Shopify, format!("T{number}"));
            jittered(TimeDelta::minutes(10), &key).num_seconds()
        };
        let all: Vec<i64> = (0..500).map(seconds).collect();
        assert!(all.iter().all(|one| (540..=660).contains(one)), "{all:?}");
        let early = all.iter().filter(|one| **one < 600).count();
        assert!((200..300).contains(&early), "{early} of 500 are early");
        assert_eq!(seconds(7), seconds(7));
    }
}
