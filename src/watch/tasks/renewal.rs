//! When a credential is renewed by itself: ahead of its end, and again after a failure.
//!
//! Two things can end: the access token of a Shopify pair, which lives for an hour, and what renews it, such as a refresh
//! token of 90 days. Whichever is first due counts. The lead is a fifth of a life, so that a renewal that fails has time to
//! be tried again before anything stops working: 12 minutes of an hour, and 7 days of 90. An access token of Google is kept
//! nowhere, so its end is nobody's concern: an exchange only shows that the grant lives.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::watch::varied;

/// Which part of a life is the lead: one in so many.
pub const SHARE: i32 = 5;

/// The shortest lead.
pub const LEAST_LEAD: TimeDelta = TimeDelta::minutes(10);

/// The longest lead.
pub const MOST_LEAD: TimeDelta = TimeDelta::days(7);

/// After how long a credential is renewed of which nobody knows when it ends. Google ends a grant that is not used for six
/// months, and a refresh token of Shopify lives for 90 days.
pub const UNKNOWN_LIFE: TimeDelta = TimeDelta::days(30);

/// How long a pair is left alone after it was renewed, whatever is said of its end.
pub const PAUSE: TimeDelta = TimeDelta::minutes(10);

/// The same for a grant that an exchange does not prolong: its end stays near, and still it is not asked about all the time.
pub const EXCHANGE_PAUSE: TimeDelta = TimeDelta::days(1);

/// The shortest wait after a failure. It doubles with each failure that follows.
pub const LEAST_WAIT: Duration = Duration::from_secs(60);

/// The longest wait after a failure.
pub const MOST_WAIT: Duration = Duration::from_secs(3600);

/// By how much waits differ, so that credentials that failed together are not tried again together.
const JITTER: f64 = 0.1;

/// What is known of a credential that renews itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Whether a renewal gives a new pair, which is saved; otherwise it is an exchange.
    pub gives_a_pair: bool,
    /// When the access token ends.
    pub access_ends: Option<DateTime<Utc>>,
    /// When the credential ends unless a person does something.
    pub ends: Option<DateTime<Utc>>,
    /// When it was issued, as far as is known.
    pub issued_at: DateTime<Utc>,
    /// When it was last renewed.
    pub renewed_at: Option<DateTime<Utc>>,
    /// When that was last tried.
    pub tried_at: Option<DateTime<Utc>>,
    /// How often that failed since it last did not.
    pub failures: i64,
}

/// How long before its end something is renewed that lives so long. Where nobody knows for how long, the shortest.
#[must_use]
pub fn lead(life: Option<TimeDelta>) -> TimeDelta {
    life.map_or(LEAST_LEAD, |life| (life / SHARE).clamp(LEAST_LEAD, MOST_LEAD))
}

/// How long to wait after so many failures in a row, from a minute to an hour; always the same for the same seed.
#[must_use]
pub fn wait(failures: i64, seed: u64) -> Duration {
    let doublings = u32::try_from(failures.clamp(1, 16) - 1).unwrap_or_default();
    // What is made shorter by the jitter is no shorter than the shortest.
    let (least, most) = (LEAST_WAIT.div_f64(1.0 - JITTER), MOST_WAIT.div_f64(1.0 + JITTER));
    varied(least.saturating_mul(1 << doublings).min(most), JITTER, seed ^ failures.unsigned_abs())
}

/// When it is renewed next.
#[must_use]
pub fn due_at(known: &Known, seed: u64) -> DateTime<Utc> {
    let Known { gives_a_pair, access_ends, ends, issued_at, renewed_at, tried_at, failures } = *known;
    if failures > 0
        && let Some(tried) = tried_at
    {
        return later(tried, TimeDelta::from_std(wait(failures, seed)).unwrap_or_default());
    }
    let before =
        |end: DateTime<Utc>, begin: Option<DateTime<Utc>>| later(end, -lead(begin.map(|begin| end - begin)));
    let access = access_ends.filter(|_| gives_a_pair).map(|end| before(end, renewed_at));
    let whole = ends.map(|end| before(end, Some(issued_at)));
    let unknown = || renewed_at.map(|renewed| later(renewed, UNKNOWN_LIFE));
    // What nobody knows anything about is renewed at once: what comes back says when it ends.
    let due = access.into_iter().chain(whole).min().or_else(unknown).unwrap_or(DateTime::<Utc>::MIN_UTC);
    let pause = if gives_a_pair { PAUSE } else { EXCHANGE_PAUSE };
    renewed_at.map_or(due, |renewed| due.max(later(renewed, pause)))
}

fn later(at: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    at.checked_add_signed(by).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn fresh() -> Known {
        Known {
            gives_a_pair: true,
            access_ends: None,
            ends: None,
            issued_at: time("2026-01-01T00:00:00Z"),
            renewed_at: None,
            tried_at: None,
            failures: 0,
        }
    }

    #[track_caller]
    fn check(known: Known, due: &str) {
        assert_eq!(due_at(&known, 1), time(due));
    }

    #[test]
    fn a_fifth_of_a_life_between_ten_minutes_and_seven_days() {
        assert_eq!(lead(Some(TimeDelta::hours(1))), TimeDelta::minutes(12));
        assert_eq!(lead(Some(TimeDelta::days(90))), TimeDelta::days(7));
        assert_eq!(lead(Some(TimeDelta::days(10))), TimeDelta::days(2));
        for short in [None, Some(TimeDelta::minutes(5)), Some(TimeDelta::days(-3))] {
            assert_eq!(lead(short), TimeDelta::minutes(10), "{short:?}");
        }
    }

    #[test]
    fn the_first_end_of_a_pair_counts() {
        let pair = Known {
            access_ends: Some(time("2026-03-01T13:00:00Z")),
            ends: Some(time("2026-05-30T12:00:00Z")),
            issued_at: time("2026-03-01T12:00:00Z"),
            renewed_at: Some(time("2026-03-01T12:00:00Z")),
            ..fresh()
        };
        check(pair, "2026-03-01T12:48:00Z");
        check(Known { access_ends: None, ..pair }, "2026-05-23T12:00:00Z");
        check(Known { gives_a_pair: false, ..pair }, "2026-05-23T12:00:00Z");
        // Nobody knows when a pair began that was never renewed.
        check(Known { renewed_at: None, ..pair }, "2026-03-01T12:50:00Z");
    }

    #[test]
    fn what_nobody_knows_is_renewed_at_once_and_then_every_month() {
        assert_eq!(due_at(&fresh(), 1), DateTime::<Utc>::MIN_UTC);
        let renewed_at = Some(time("2026-03-01T12:00:00Z"));
        check(Known { renewed_at, ..fresh() }, "2026-03-31T12:00:00Z");
    }

    #[test]
    fn what_stays_near_its_end_is_not_asked_about_all_the_time() {
        let renewed_at = Some(time("2026-03-01T12:00:00Z"));
        let near = Known { renewed_at, ends: Some(time("2026-03-01T12:05:00Z")), ..fresh() };
        check(near, "2026-03-01T12:10:00Z");
        check(Known { gives_a_pair: false, ..near }, "2026-03-02T12:00:00Z");
    }

    #[test]
    fn failures_are_tried_again_from_a_minute_to_an_hour_later() {
        for seed in 0..200 {
            for failures in 1..40 {
                let wait = wait(failures, seed);
                assert!((LEAST_WAIT..=MOST_WAIT).contains(&wait), "{failures} {wait:?}");
            }
            assert!(wait(1, seed) < Duration::from_secs(90) && wait(12, seed) > Duration::from_secs(40 * 60));
            assert!(wait(3, seed) < wait(5, seed));
        }
        assert_ne!(wait(3, 1), wait(3, 2), "those that failed together come back apart");
        let tried = time("2026-03-01T12:00:00Z");
        let failed = Known { failures: 1, tried_at: Some(tried), ends: Some(tried), ..fresh() };
        let waits = due_at(&failed, 7) - tried;
        assert!(waits >= TimeDelta::seconds(60) && waits < TimeDelta::seconds(90), "{waits}");
    }
}
