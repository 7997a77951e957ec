//! When a workspace is evaluated again.

use chrono::{DateTime, TimeDelta, Utc};

use crate::alerts::Upcoming;

/// While something is open it is looked at this often, whatever else is said: usage goes down with time alone.
const WHILE_OPEN: TimeDelta = TimeDelta::minutes(15);

/// Everything is looked at once a day.
pub const AT_LEAST: TimeDelta = TimeDelta::days(1);

/// After a failure it is tried again after this time, then after twice as long, and so on.
const FIRST_RETRY: TimeDelta = TimeDelta::seconds(30);

/// But no later than this.
const LAST_RETRY: TimeDelta = TimeDelta::minutes(15);

/// When a workspace is due again that was evaluated.
#[must_use]
pub fn due_again(upcoming: Upcoming, now: DateTime<Utc>) -> DateTime<Utc> {
    let latest = now + if upcoming.is_open { WHILE_OPEN } else { AT_LEAST };
    // A moment that has just come is not waited for any more, and not asked for again and again either.
    upcoming.at.map_or(latest, |at| at.clamp(now + TimeDelta::seconds(1), latest))
}

/// When a workspace is due again that could not be evaluated, so many times in a row.
#[must_use]
pub fn due_after_failures(failures: u32, now: DateTime<Utc>) -> DateTime<Utc> {
    let doubled = FIRST_RETRY * (1_i32 << failures.saturating_sub(1).min(10));
    now + doubled.min(LAST_RETRY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-06-01T08:59:00Z".parse().unwrap()
    }

    #[track_caller]
    fn check(at: Option<TimeDelta>, is_open: bool, expected: TimeDelta) {
        let upcoming = Upcoming { at: at.map(|at| now() + at), is_open };
        assert_eq!(due_again(upcoming, now()) - now(), expected);
    }

    #[test]
    fn the_next_moment_counts_within_a_bound() {
        check(Some(TimeDelta::minutes(1)), false, TimeDelta::minutes(1));
        check(Some(TimeDelta::hours(3)), false, TimeDelta::hours(3));
        check(Some(TimeDelta::hours(3)), true, TimeDelta::minutes(15));
        check(Some(TimeDelta::days(30)), false, TimeDelta::days(1));
        check(None, false, TimeDelta::days(1));
        check(None, true, TimeDelta::minutes(15));
        check(Some(TimeDelta::milliseconds(3)), true, TimeDelta::seconds(1));
    }

    #[test]
    fn what_fails_again_and_again_is_tried_less_and_less() {
        let seconds = |failures| (due_after_failures(failures, now()) - now()).num_seconds();
        assert_eq!([1, 2, 3, 5, 6, 40, u32::MAX].map(seconds), [30, 60, 120, 480, 900, 900, 900]);
    }
}
