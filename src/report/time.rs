//! Instants for people: in UTC, with how long ago or how soon beside it.

use chrono::{DateTime, Utc};

/// `2026-11-23 04:34:36 UTC (3 hours ago)`.
#[must_use]
pub fn instant(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{} ({})", at.format("%Y-%m-%d %H:%M:%S UTC"), relative(at, now))
}

/// `3 hours ago`, `in 2 days`, `just now`: the largest unit that fits, rounded down.
#[must_use]
pub fn relative(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    const UNITS: [(u64, &str); 5] =
        [(365 * 86_400, "year"), (30 * 86_400, "month"), (86_400, "day"), (3_600, "hour"), (60, "minute")];
    let distance = (at - now).num_seconds();
    let seconds = distance.unsigned_abs();
    let (count, unit) = match UNITS.iter().find(|(length, _)| seconds >= *length) {
        Some((length, unit)) => (seconds / length, *unit),
        // Clocks of two machines differ by this much.
        None if seconds < 5 => return "just now".to_owned(),
        None => (seconds, "second"),
    };
    let plural = if count == 1 { "" } else { "s" };
    if distance < 0 { format!("{count} {unit}{plural} ago") } else { format!("in {count} {unit}{plural}") }
}

/// [`relative`] of what is still to come, to the second: `in 2 seconds`; `now` once it is due.
#[must_use]
pub fn coming(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match (at - now).num_milliseconds() {
        ..=0 => "now".to_owned(),
        1..=1000 => "in 1 second".to_owned(),
        milliseconds @ 1001..5000 => format!("in {} seconds", (milliseconds + 999) / 1000),
        _ => relative(at, now),
    }
}

/// An end that is to come, with how long that still is in its two largest units, so that little of it is cut off:
/// `2026-11-23 08:34:36 UTC (in 3 hours 59 minutes)`; `now` once it is there.
#[must_use]
pub fn until(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{} ({})", at.format("%Y-%m-%d %H:%M:%S UTC"), remaining(at, now))
}

fn remaining(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    const UNITS: [(i64, &str); 4] = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let milliseconds = (at - now).num_milliseconds();
    let seconds = milliseconds / 1000 + i64::from(milliseconds % 1000 > 0);
    if milliseconds <= 0 {
        return "now".to_owned();
    }
    if seconds >= 365 * 86_400 {
        return relative(at, now);
    }
    let counted = |count: i64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    let place = UNITS.iter().position(|(length, _)| seconds >= *length).unwrap_or(UNITS.len() - 1);
    let (length, unit) = UNITS[place];
    let mut words = format!("in {}", counted(seconds / length, unit));
    if let Some((length, unit)) = UNITS.get(place + 1).map(|(next, unit)| (seconds % length / next, unit))
        && length > 0
    {
        words.push_str(&format!(" {}", counted(length, unit)));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_in_two_units() {
        let now: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().unwrap();
        let left = |milliseconds| remaining(now + chrono::TimeDelta::milliseconds(milliseconds), now);
        assert_eq!(left(-1), "now");
        assert_eq!(left(300), "in 1 second");
        assert_eq!(left(4_000), "in 4 seconds");
        assert_eq!(left(90_000), "in 1 minute 30 seconds");
        assert_eq!(left(4 * 3_600_000), "in 4 hours");
        assert_eq!(left(4 * 3_600_000 - 1_500), "in 3 hours 59 minutes");
        assert_eq!(left(25 * 3_600_000), "in 1 day 1 hour");
        assert_eq!(left(800 * 86_400_000), "in 2 years");
        assert_eq!(
            until(now + chrono::TimeDelta::seconds(61), now),
            "2026-03-01 12:01:01 UTC (in 1 minute 1 second)"
        );
    }

    #[test]
    fn what_is_to_come_is_not_just_now() {
        let now: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().unwrap();
        let coming = |milliseconds| super::coming(now + chrono::TimeDelta::milliseconds(milliseconds), now);
        assert_eq!(coming(-60_000), "now");
        assert_eq!(coming(300), "in 1 second");
        assert_eq!(coming(1900), "in 2 seconds");
        assert_eq!(coming(5000), "in 5 seconds");
        assert_eq!(coming(61_000), "in 1 minute");
    }

    #[track_caller]
    fn check(at: &str, expected: &str) {
        let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(relative(time(at), time("2026-03-01T12:00:00Z")), expected, "{at}");
    }

    #[test]
    fn the_largest_unit_that_fits_is_shown() {
        check("2026-03-01T12:00:00Z", "just now");
        check("2026-03-01T12:00:04Z", "just now");
        check("2026-03-01T11:59:55Z", "5 seconds ago");
        check("2026-03-01T11:59:00Z", "1 minute ago");
        check("2026-03-01T11:00:01Z", "59 minutes ago");
        check("2026-03-01T09:00:00Z", "3 hours ago");
        check("2026-03-03T12:00:00Z", "in 2 days");
        check("2026-01-30T12:00:00Z", "1 month ago");
        check("2027-03-01T12:00:00Z", "in 1 year");
        check("0001-01-01T00:00:00Z", "2026 years ago");
    }

    #[test]
    fn the_instant_itself_is_in_utc() {
        let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(
            instant(time("2026-03-01T14:00:00+02:00"), time("2026-03-01T12:30:00Z")),
            "2026-03-01 12:00:00 UTC (30 minutes ago)"
        );
    }
}
