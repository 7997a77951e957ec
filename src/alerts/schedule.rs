//! When a rule looks for new alerts: a cron expression of five fields in a zone. A run that was missed is made up for once
//! (M-E4). A time that the clocks skip comes at the first moment after; of one that comes twice, the first counts.

use std::str::FromStr as _;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

/// When a schedule comes next after a moment; `None` where it never does, such as on 30 February, or cannot be read.
#[must_use]
pub fn next(schedule: &str, zone: &str, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let cron = croner::Cron::from_str(schedule).ok()?;
    let zone = Tz::from_str(zone).ok()?;
    let found = cron.find_next_occurrence(&after.with_timezone(&zone), false).ok()?;
    Some(found.with_timezone(&Utc))
}

/// Whether a rule is to be evaluated: it never was, its schedule came since, or the clock was put back behind the last time.
#[must_use]
pub fn is_due(schedule: &str, zone: &str, last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    match last {
        None => true,
        // Otherwise a clock that was a year ahead for a minute would stop the rule for a year.
        Some(last) if last > now => true,
        Some(last) => next(schedule, zone, last).is_some_and(|due| due <= now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[track_caller]
    fn check(schedule: &str, zone: &str, after: &str, expected: Option<&str>) {
        assert_eq!(next(schedule, zone, time(after)), expected.map(time), "{schedule} {zone} {after}");
    }

    #[test]
    fn the_zone_decides() {
        check("0 9 * * *", "UTC", "2026-03-01T08:59:59Z", Some("2026-03-01T09:00:00Z"));
        check("0 9 * * *", "UTC", "2026-03-01T09:00:00Z", Some("2026-03-02T09:00:00Z"));
        check("0 9 * * *", "Australia/Sydney", "2026-03-01T00:00:00Z", Some("2026-03-01T22:00:00Z"));
        check("0 9 * * *", "Australia/Sydney", "2026-07-01T00:00:00Z", Some("2026-07-01T23:00:00Z"));
        check("*/15 * * * *", "UTC", "2026-03-01T08:59:59Z", Some("2026-03-01T09:00:00Z"));
        check("0 0 29 2 *", "UTC", "2026-03-01T00:00:00Z", Some("2028-02-29T00:00:00Z"));
    }

    #[test]
    fn a_skipped_time_comes_right_after_and_a_doubled_one_once() {
        // New York skips 02:00 to 03:00 on 2026-03-08, and has 01:00 to 02:00 twice on 2026-11-01.
        check("30 2 * * *", "America/New_York", "2026-03-08T05:00:00Z", Some("2026-03-08T07:00:00Z"));
        check("30 1 * * *", "America/New_York", "2026-11-01T04:00:00Z", Some("2026-11-01T05:30:00Z"));
        check("30 1 * * *", "America/New_York", "2026-11-01T05:30:00Z", Some("2026-11-02T06:30:00Z"));
    }

    #[test]
    fn what_never_comes_is_never_due_again() {
        check("0 0 30 2 *", "UTC", "2026-03-01T00:00:00Z", None);
        check("nonsense", "UTC", "2026-03-01T00:00:00Z", None);
        check("0 9 * * *", "Mars/Olympus", "2026-03-01T00:00:00Z", None);
        assert!(!is_due(
            "0 0 30 2 *",
            "UTC",
            Some(time("2026-01-01T00:00:00Z")),
            time("2036-01-01T00:00:00Z")
        ));
    }

    #[test]
    fn a_missed_run_is_made_up_for_once() {
        let due = |last: &str, now: &str| is_due("0 9 * * *", "UTC", Some(time(last)), time(now));
        assert!(is_due("0 9 * * *", "UTC", None, time("2026-03-01T00:00:00Z")));
        assert!(!due("2026-03-01T09:00:00Z", "2026-03-02T08:59:59Z"));
        assert!(due("2026-03-01T09:00:00Z", "2026-03-02T09:00:00Z"));
        assert!(due("2026-03-01T09:00:00Z", "2026-03-12T15:00:00Z"));
        assert!(!due("2026-03-12T15:00:00Z", "2026-03-12T16:00:00Z"));
        assert!(due("2027-03-12T15:00:00Z", "2026-03-12T16:00:00Z"));
    }
}
