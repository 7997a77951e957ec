//! How long a credential still works. Instants are compared, never calendar days (M-E2): a credential whose last second
//! has come is expired (M-E3), and the day with no day left counts like any other.

use chrono::{DateTime, TimeDelta, Utc};

/// From how many days on a credential is said to expire soon.
pub const SOON_DAYS: i64 = 7;

/// How a credential stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It stopped working, as far as is known.
    Expired,
    /// It works for seven days more, or less.
    ExpiringSoon,
    /// It works for longer, or nobody knows for how long.
    Active,
    /// It is declared not to be used any more.
    Revoked,
}

impl Standing {
    /// Every standing, in the order in which they need somebody.
    pub const ALL: [Self; 4] = [Self::Expired, Self::ExpiringSoon, Self::Active, Self::Revoked];

    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::ExpiringSoon => "expiring_soon",
            Self::Active => "active",
            Self::Revoked => "revoked",
        }
    }

    /// The standing of a credential that stops working then.
    #[must_use]
    pub fn of(is_revoked: bool, expires_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Self {
        match expires_at {
            _ if is_revoked => Self::Revoked,
            Some(at) if is_crossed(at, TimeDelta::zero(), now) => Self::Expired,
            Some(at) if is_crossed(at, TimeDelta::days(SOON_DAYS), now) => Self::ExpiringSoon,
            Some(_) | None => Self::Active,
        }
    }
}

/// Whether no more than this is left; exactly as much counts (M-E2). A threshold below zero is crossed that long after.
#[must_use]
pub fn is_crossed(expires_at: DateTime<Utc>, threshold: TimeDelta, now: DateTime<Utc>) -> bool {
    expires_at.signed_duration_since(now) <= threshold
}

/// The days that are left, a begun one counted whole (M-E12): 4 days and 23 hours are 5. Below zero for what expired at least
/// a day ago.
#[must_use]
pub fn days_left(expires_at: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    let (day, left) = (86_400, seconds_left(expires_at, now));
    left.div_euclid(day) + i64::from(left.rem_euclid(day) > 0)
}

/// The seconds that are left, a begun one counted whole: while any time is left, nothing has expired.
fn seconds_left(expires_at: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    let left = expires_at.signed_duration_since(now);
    left.num_seconds() + i64::from(left.subsec_nanos() > 0)
}

/// How long is left, for people: `in 5 days`, and hours where it is the last day (M-E12); `expired 3 hours ago`.
#[must_use]
pub fn words(expires_at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let left = seconds_left(expires_at, now);
    let count = |number: i64, unit: &str| format!("{number} {unit}{}", if number == 1 { "" } else { "s" });
    // What is left is rounded up, what is gone is rounded down: neither is said to be more than it is.
    let up = |unit: i64| left.div_euclid(unit) + i64::from(left.rem_euclid(unit) > 0);
    match left {
        1..=3_600 => format!("in {}", count(up(60), "minute")),
        3_601..=86_400 => format!("in {}", count(up(3_600), "hour")),
        86_401.. => format!("in {}", count(up(86_400), "day")),
        -59..=0 => "expired just now".to_owned(),
        -3_599..=-60 => format!("expired {} ago", count(-left / 60, "minute")),
        -86_399..=-3_600 => format!("expired {} ago", count(-left / 3_600, "hour")),
        _ => format!("expired {} ago", count(-left / 86_400, "day")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    const NOW: &str = "2026-03-01T12:00:00Z";

    #[track_caller]
    fn check(expires_at: &str, standing: Standing, days: i64, said: &str) {
        let (at, now) = (time(expires_at), time(NOW));
        assert_eq!(Standing::of(false, Some(at), now), standing, "{expires_at}");
        assert_eq!(days_left(at, now), days, "{expires_at}");
        assert_eq!(words(at, now), said, "{expires_at}");
    }

    #[test]
    fn the_last_second_is_expired_and_the_day_with_none_left_is_not_skipped() {
        check("2026-03-01T12:00:00Z", Standing::Expired, 0, "expired just now");
        check("2026-03-01T12:00:01Z", Standing::ExpiringSoon, 1, "in 1 minute");
        check("2026-03-01T23:59:59Z", Standing::ExpiringSoon, 1, "in 12 hours");
        check("2026-03-01T11:59:59Z", Standing::Expired, 0, "expired just now");
        check("2026-03-01T09:00:00Z", Standing::Expired, 0, "expired 3 hours ago");
        check("2026-02-28T12:00:00Z", Standing::Expired, -1, "expired 1 day ago");
        check("2026-02-26T00:00:00Z", Standing::Expired, -3, "expired 3 days ago");
    }

    #[test]
    fn days_are_rounded_up_and_the_last_day_reads_hours() {
        check("2026-03-06T11:00:00Z", Standing::ExpiringSoon, 5, "in 5 days");
        check("2026-03-02T12:00:00Z", Standing::ExpiringSoon, 1, "in 24 hours");
        check("2026-03-02T12:00:01Z", Standing::ExpiringSoon, 2, "in 2 days");
        check("2026-03-01T12:30:01Z", Standing::ExpiringSoon, 1, "in 31 minutes");
        check("2026-03-01T13:00:01Z", Standing::ExpiringSoon, 1, "in 2 hours");
    }

    #[test]
    fn a_part_of_a_second_is_time_that_is_left() {
        check("2026-03-01T12:00:00.5Z", Standing::ExpiringSoon, 1, "in 1 minute");
        check("2026-03-01T12:00:00.000001Z", Standing::ExpiringSoon, 1, "in 1 minute");
        check("2026-03-05T12:00:00.5Z", Standing::ExpiringSoon, 5, "in 5 days");
        check("2026-03-01T13:00:00.5Z", Standing::ExpiringSoon, 1, "in 2 hours");
        check("2026-03-01T11:59:59.5Z", Standing::Expired, 0, "expired just now");
        check("2026-03-01T11:58:59.5Z", Standing::Expired, 0, "expired 1 minute ago");
    }

    #[test]
    fn exactly_seven_days_are_soon_and_a_second_more_is_not() {
        check("2026-03-08T12:00:00Z", Standing::ExpiringSoon, 7, "in 7 days");
        check("2026-03-08T12:00:01Z", Standing::Active, 8, "in 8 days");
    }

    #[test]
    fn what_is_revoked_does_not_expire_and_what_never_expires_is_active() {
        let now = time(NOW);
        assert_eq!(Standing::of(true, Some(time("2020-01-01T00:00:00Z")), now), Standing::Revoked);
        assert_eq!(Standing::of(false, None, now), Standing::Active);
    }

    #[test]
    fn a_threshold_that_is_exactly_met_is_crossed() {
        let (now, at) = (time(NOW), time("2026-03-31T12:00:00Z"));
        assert!(is_crossed(at, TimeDelta::days(30), now));
        assert!(!is_crossed(at, TimeDelta::days(30), now - TimeDelta::milliseconds(1)));
        assert!(is_crossed(at, TimeDelta::days(-1), at + TimeDelta::days(1)));
        assert!(!is_crossed(at, TimeDelta::days(-1), at));
    }

    #[test]
    fn a_daily_run_sees_every_day_down_to_none() {
        let at = time("2026-03-31T09:30:00Z");
        let seen: Vec<i64> =
            (0..5).map(|day| days_left(at, time("2026-03-28T09:00:00Z") + TimeDelta::days(day))).collect();
        assert_eq!(seen, [4, 3, 2, 1, 0]);
    }
}
