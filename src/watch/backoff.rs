//! What failed is tried again later, and later still: each resource by its own count, and a plan that failed as a whole by its
//! own (R65). A success ends it, and so does another revision of the manifests, which may have mended it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::engine::watching::BackOff;
use crate::model::{Digest, ResourceKey};

use super::driver::varied;

/// After the first failure.
const FIRST: Duration = Duration::from_secs(5);

/// After any number of failures.
const MOST: Duration = Duration::from_secs(600);

/// By how much that varies, as a share.
const JITTER: f64 = 0.2;

/// How long a message is kept.
const MOST_ERROR: usize = 500;

/// What waits after a failure.
#[derive(Clone, Debug, Default)]
pub struct BackOffs(BTreeMap<ResourceKey, BackOff>);

impl BackOffs {
    /// As it is in the books.
    #[must_use]
    pub fn new(all: Vec<BackOff>) -> Self {
        Self(all.into_iter().map(|own| (own.key.clone(), own)).collect())
    }

    /// Whether a resource is not to be tried yet.
    #[must_use]
    pub fn waits(&self, key: &ResourceKey, revision: Option<&str>, now: DateTime<Utc>) -> Option<&BackOff> {
        self.0.get(key).filter(|own| own.revision.as_deref() == revision && is_ahead(own.next_at, now))
    }

    /// Notes that a resource failed. Returns what is to be written.
    pub fn fail(
        &mut self,
        key: &ResourceKey,
        error: &str,
        revision: Option<&str>,
        now: DateTime<Utc>,
    ) -> BackOff {
        let before = self.0.get(key).filter(|own| own.revision.as_deref() == revision);
        let failures = before.map_or(0, |own| own.failures).saturating_add(1);
        let back_off = BackOff {
            key: key.clone(),
            failures,
            error: error.chars().take(MOST_ERROR).collect(),
            failed_at: now,
            next_at: now + wait(&key.to_string(), failures),
            revision: revision.map(str::to_owned),
        };
        self.0.insert(key.clone(), back_off.clone());
        back_off
    }

    /// Keeps only what still fails. Returns what waits no more.
    pub fn keep(&mut self, still_fails: impl Fn(&ResourceKey) -> bool) -> Vec<ResourceKey> {
        let recovered: Vec<ResourceKey> = self.0.keys().filter(|key| !still_fails(key)).cloned().collect();
        recovered.iter().for_each(|key| {
            self.0.remove(key);
        });
        recovered
    }

    /// Has all of them tried at once: the clock was set back, and what was near by it is far away now (S7).
    pub fn hasten(&mut self, now: DateTime<Utc>) {
        self.0.values_mut().for_each(|own| own.next_at = own.next_at.min(now));
    }

    /// When the next of them is tried again, of those that still wait.
    #[must_use]
    pub fn next(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.0.values().filter(|own| is_ahead(own.next_at, now)).map(|own| own.next_at).min()
    }

    /// What has waited long enough.
    pub fn due(&self, now: DateTime<Utc>) -> impl Iterator<Item = &BackOff> {
        self.0.values().filter(move |own| !is_ahead(own.next_at, now))
    }

    /// What waits, by workspace and key.
    pub fn all(&self) -> impl Iterator<Item = &BackOff> {
        self.0.values()
    }
}

/// How often everything failed in a row, and when it is tried again. It is in no books: who takes over tries at once.
#[derive(Clone, Debug, Default)]
pub struct Attempts {
    failures: i32,
    next_at: Option<DateTime<Utc>>,
    revision: Option<String>,
}

impl Attempts {
    /// Notes that everything failed. Returns when it is tried again; `seed` tells those that failed together apart.
    pub fn fail(&mut self, seed: &str, revision: Option<&str>, now: DateTime<Utc>) -> DateTime<Utc> {
        if self.revision.as_deref() != revision {
            *self = Self { revision: revision.map(str::to_owned), ..Self::default() };
        }
        self.failures = self.failures.saturating_add(1);
        let next_at = now + wait(seed, self.failures);
        self.next_at = Some(next_at);
        next_at
    }

    /// Until when nothing is to be tried, if not now.
    #[must_use]
    pub fn waits(&self, revision: Option<&str>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.next_at.filter(|next_at| self.revision.as_deref() == revision && is_ahead(*next_at, now))
    }

    /// How often it failed in a row.
    #[must_use]
    pub const fn failures(&self) -> i32 {
        self.failures
    }
}

/// Whether that is still to come. A time further ahead than any wait was set by a clock that was wrong (S7).
fn is_ahead(next_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let most = TimeDelta::from_std(MOST.mul_f64(1.0 + JITTER)).unwrap_or(TimeDelta::minutes(12));
    next_at > now && next_at <= now + most
}

/// How long to wait after so many failures in a row: five seconds, twice that, and so on up to ten minutes; a little less or
/// more, by `seed`, so that what failed together is not tried again together for ever.
fn wait(seed: &str, failures: i32) -> TimeDelta {
    let doublings = u32::try_from(failures.clamp(1, 16) - 1).unwrap_or_default();
    let time = FIRST.saturating_mul(2_u32.saturating_pow(doublings)).min(MOST);
    let digest = Digest::of(seed.as_bytes());
    let number = digest.as_bytes().iter().take(8).fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
    TimeDelta::from_std(varied(time, JITTER, number.wrapping_add(u64::from(doublings))))
        .unwrap_or(TimeDelta::minutes(10))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;

    fn key(name: &str) -> ResourceKey {
        ResourceKey::new(&kinds::tenant::KIND, "w".into(), name)
    }

    fn now() -> DateTime<Utc> {
        "2026-11-30T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_wait_doubles_up_to_ten_minutes() {
        let mut all = BackOffs::default();
        let mut waits = Vec::new();
        for _ in 0..12 {
            let failed = all.fail(&key("a"), "no", Some("r1"), now());
            waits.push((failed.next_at - now()).num_milliseconds());
        }
        let within = |ms: i64, seconds: i64| (seconds * 800..=seconds * 1200).contains(&ms);
        for (wait, seconds) in waits.iter().zip([5, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600, 600]) {
            assert!(within(*wait, seconds), "{wait} ms, about {seconds} s");
        }
    }

    #[test]
    fn another_revision_or_a_success_begins_anew() {
        let mut all = BackOffs::default();
        all.fail(&key("a"), "no", Some("r1"), now());
        all.fail(&key("a"), "no", Some("r1"), now());
        all.fail(&key("b"), "no", Some("r1"), now());
        assert!(all.waits(&key("a"), Some("r1"), now()).is_some());
        assert!(all.waits(&key("a"), Some("r1"), now() + TimeDelta::seconds(13)).is_none());
        assert!(all.waits(&key("a"), Some("r2"), now()).is_none());
        assert_eq!(all.fail(&key("a"), "no", Some("r2"), now()).failures, 1);
        assert_eq!(all.keep(|own| *own == key("a")), [key("b")]);
        assert!(all.waits(&key("b"), Some("r1"), now()).is_none());
        assert_eq!(all.next(now()), Some(all.all().next().unwrap().next_at));
        assert_eq!(all.due(now() + TimeDelta::minutes(1)).count(), 1);
        assert_eq!(all.next(now() + TimeDelta::minutes(1)), None);
        // The clock was a year ahead when it failed.
        let behind = now() - TimeDelta::days(365);
        assert!(all.waits(&key("a"), Some("r2"), behind).is_none());
        assert_eq!(all.due(behind).count(), 1);
    }

    #[test]
    fn what_fails_as_a_whole_waits_too_and_another_revision_begins_anew() {
        let mut attempts = Attempts::default();
        assert_eq!(attempts.waits(None, now()), None);
        let waits: Vec<i64> =
            (0..9).map(|_| (attempts.fail("a", Some("r1"), now()) - now()).num_seconds()).collect();
        assert!(waits.windows(2).all(|two| two[0] < two[1] || two[0] >= 480), "{waits:?}");
        assert!((4..=6).contains(&waits[0]) && (480..=720).contains(&waits[8]), "{waits:?}");
        assert_eq!(attempts.failures(), 9);
        assert!(attempts.waits(Some("r1"), now()).is_some());
        assert_eq!(attempts.waits(Some("r1"), now() + TimeDelta::minutes(13)), None);
        assert_eq!(attempts.waits(Some("r2"), now()), None);
        attempts.fail("a", Some("r2"), now());
        assert_eq!(attempts.failures(), 1);
        // The clock was a day ahead when it failed.
        assert_eq!(attempts.waits(Some("r2"), now() - TimeDelta::days(1)), None);
    }

    #[test]
    fn what_failed_together_is_not_tried_again_together() {
        let mut all = BackOffs::default();
        let mut times: Vec<_> =
            (0..50).map(|number| all.fail(&key(&format!("t{number}")), "no", None, now()).next_at).collect();
        times.sort_unstable();
        times.dedup();
        assert!(times.len() > 40, "{}", times.len());
    }
}
