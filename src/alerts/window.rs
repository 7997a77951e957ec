//! Maintenance windows: times that come again, in a zone of their own, through changes of the clocks (M-S4).

use std::str::FromStr as _;

use chrono::{
    DateTime, Datelike as _, Days, NaiveDate, NaiveTime, Offset as _, TimeDelta, TimeZone as _, Utc,
};
use chrono_tz::Tz;

use crate::kinds::maintenance_window::{MaintenanceWindowSpec, Recurrence};
use crate::model::text::duration_seconds;

/// When a window is open: from the first moment on, and not at the last any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// When it opens.
    pub starts: DateTime<Utc>,
    /// When it closes.
    pub ends: DateTime<Utc>,
}

/// A window is at most a week long, and zones are less than a day apart from UTC.
const DAYS_BACK: u64 = 9;

/// The opening that a moment falls into.
#[must_use]
pub fn opening(window: &MaintenanceWindowSpec, now: DateTime<Utc>) -> Option<Opening> {
    let parts = Parts::of(window)?;
    let today = now.with_timezone(&parts.zone).date_naive();
    let first = today.checked_sub_days(Days::new(DAYS_BACK))?;
    let dates = first.iter_days().take(usize::try_from(DAYS_BACK).ok()? + 2);
    // Not from the back: these days run on without end, and their back is the day before the first.
    dates
        .filter_map(|date| parts.on(date))
        .filter(|opening| opening.starts <= now && now < opening.ends)
        .max_by_key(|opening| opening.starts)
}

/// The first opening that begins after a moment, within ten years.
#[must_use]
pub fn next_opening(window: &MaintenanceWindowSpec, now: DateTime<Utc>) -> Option<Opening> {
    let parts = Parts::of(window)?;
    let from = window.from.map_or(now, |from| from.max(now));
    let first = from.with_timezone(&parts.zone).date_naive().checked_sub_days(Days::new(2))?;
    first.iter_days().take(3_660).filter_map(|date| parts.on(date)).find(|opening| opening.starts > now)
}

struct Parts<'a> {
    window: &'a MaintenanceWindowSpec,
    zone: Tz,
    at: NaiveTime,
    lasting: TimeDelta,
}

impl<'a> Parts<'a> {
    /// `None` for what validation refuses: it is never open.
    fn of(window: &'a MaintenanceWindowSpec) -> Option<Self> {
        Some(Self {
            window,
            zone: Tz::from_str(&window.time_zone).ok()?,
            at: NaiveTime::parse_from_str(&window.at, "%H:%M").ok()?,
            lasting: TimeDelta::try_seconds(duration_seconds(&window.duration)?)?,
        })
    }

    /// The opening that begins on a day of the window's zone.
    fn on(&self, date: NaiveDate) -> Option<Opening> {
        if !begins_on(&self.window.every, date) {
            return None;
        }
        let starts = instant(self.zone, date, self.at)?;
        // It lasts so long by any clock, also where the clocks are put forward or back meanwhile.
        let opening = Opening { starts, ends: starts.checked_add_signed(self.lasting)? };
        self.within_validity(opening)
    }

    /// What is left of an opening between `from` and `until`.
    fn within_validity(&self, opening: Opening) -> Option<Opening> {
        let starts = self.window.from.map_or(opening.starts, |from| from.max(opening.starts));
        let ends = self.window.until.map_or(opening.ends, |until| until.min(opening.ends));
        (starts < ends).then_some(Opening { starts, ends })
    }
}

/// Whether a window begins on a day.
fn begins_on(every: &Recurrence, date: NaiveDate) -> bool {
    match every {
        Recurrence::Day(step) => {
            let epoch = NaiveDate::default();
            *step > 0 && date.signed_duration_since(epoch).num_days().rem_euclid(*step) == 0
        }
        Recurrence::Week(days) => days.iter().any(|day| day.chrono() == date.weekday()),
        Recurrence::Month(days) => {
            let is_last = date.succ_opt().is_none_or(|next| next.month() != date.month());
            days.iter().any(|day| *day == i64::from(date.day()) || (*day == -1 && is_last))
        }
    }
}

/// A time of day as an instant. One that the clocks skip is that much later: it is taken by the offset from before. Of one that
/// comes twice, the first counts.
fn instant(zone: Tz, date: NaiveDate, at: NaiveTime) -> Option<DateTime<Utc>> {
    let local = date.and_time(at);
    if let Some(found) = zone.from_local_datetime(&local).earliest() {
        return Some(found.with_timezone(&Utc));
    }
    // Clocks skip an hour as a rule, and once skipped a day (Pacific/Apia, 2011-12-30).
    (1..=30).find_map(|hours| {
        let before = local.checked_sub_signed(TimeDelta::hours(hours))?;
        let offset = zone.from_local_datetime(&before).latest()?.offset().fix();
        let shift = TimeDelta::seconds(i64::from(offset.local_minus_utc()));
        Some(local.checked_sub_signed(shift)?.and_utc())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::maintenance_window::Weekday;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn window(every: Recurrence, at: &str, duration: &str, zone: &str) -> MaintenanceWindowSpec {
        MaintenanceWindowSpec {
            matchers: Vec::new(),
            every,
            at: at.to_owned(),
            duration: duration.to_owned(),
            time_zone: zone.to_owned(),
            from: None,
            until: None,
            comment: "work".to_owned(),
            protect: false,
        }
    }

    /// The opening at its start, one moment before it, and at its end.
    #[track_caller]
    fn check(window: &MaintenanceWindowSpec, starts: &str, ends: &str) {
        let expected = Opening { starts: time(starts), ends: time(ends) };
        let moment = TimeDelta::microseconds(1);
        assert_eq!(opening(window, expected.starts), Some(expected));
        assert_eq!(opening(window, expected.ends - moment), Some(expected));
        assert_ne!(opening(window, expected.starts - moment), Some(expected));
        assert_ne!(opening(window, expected.ends), Some(expected));
        assert_eq!(next_opening(window, expected.starts - moment), Some(expected));
    }

    fn daily(at: &str, duration: &str, zone: &str) -> MaintenanceWindowSpec {
        window(Recurrence::Day(1), at, duration, zone)
    }

    #[test]
    fn a_time_that_the_clocks_skip_is_that_much_later() {
        // Sydney: 2026-10-04 02:00 is 03:00. Half past two is half past three by the new clock.
        check(&daily("02:30", "1h", "Australia/Sydney"), "2026-10-03T16:30:00Z", "2026-10-03T17:30:00Z");
        // London: 2026-03-29 01:00 is 02:00.
        check(&daily("01:30", "1h", "Europe/London"), "2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z");
        // New York: 2026-03-08 02:00 is 03:00.
        check(&daily("02:00", "2h", "America/New_York"), "2026-03-08T07:00:00Z", "2026-03-08T09:00:00Z");
        // Auckland: 2026-09-27 02:00 is 03:00.
        check(&daily("02:59", "1h", "Pacific/Auckland"), "2026-09-26T14:59:00Z", "2026-09-26T15:59:00Z");
        // A whole day is skipped: Apia has no 2011-12-30.
        check(&daily("12:00", "1h", "Pacific/Apia"), "2011-12-30T22:00:00Z", "2011-12-30T23:00:00Z");
    }

    #[test]
    fn of_a_time_that_comes_twice_the_first_counts() {
        // Sydney: 2026-04-05 03:00 is 02:00 again.
        check(&daily("02:30", "30m", "Australia/Sydney"), "2026-04-04T15:30:00Z", "2026-04-04T16:00:00Z");
        assert_eq!(opening(&daily("02:30", "30m", "Australia/Sydney"), time("2026-04-04T16:30:00Z")), None);
        // London: 2026-10-25 02:00 is 01:00 again.
        check(&daily("01:30", "30m", "Europe/London"), "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z");
        // New York: 2026-11-01 02:00 is 01:00 again.
        check(&daily("01:00", "1h", "America/New_York"), "2026-11-01T05:00:00Z", "2026-11-01T06:00:00Z");
        // Auckland: 2026-04-05 03:00 is 02:00 again.
        check(&daily("02:00", "1h", "Pacific/Auckland"), "2026-04-04T13:00:00Z", "2026-04-04T14:00:00Z");
    }

    #[test]
    fn it_lasts_as_long_as_it_says_while_the_clocks_change() {
        check(&daily("00:00", "6h", "Australia/Sydney"), "2026-10-03T14:00:00Z", "2026-10-03T20:00:00Z");
        check(&daily("00:00", "6h", "Europe/London"), "2026-10-24T23:00:00Z", "2026-10-25T05:00:00Z");
    }

    #[test]
    fn it_may_go_past_midnight_and_last_a_week() {
        let weekly = window(Recurrence::Week(vec![Weekday::Saturday]), "22:30", "4h", "Australia/Sydney");
        check(&weekly, "2026-01-10T11:30:00Z", "2026-01-10T15:30:00Z");
        assert_eq!(opening(&weekly, time("2026-01-11T12:00:00Z")), None);
        let long = window(Recurrence::Week(vec![Weekday::Monday]), "00:00", "7d", "UTC");
        check(&long, "2026-01-05T00:00:00Z", "2026-01-12T00:00:00Z");
        assert!(opening(&long, time("2026-01-12T00:00:00Z")).is_some());
    }

    #[test]
    fn months_have_ends_and_leap_days() {
        let last = window(Recurrence::Month(vec![-1]), "23:00", "2h", "UTC");
        check(&last, "2026-02-28T23:00:00Z", "2026-03-01T01:00:00Z");
        check(&last, "2028-02-29T23:00:00Z", "2028-03-01T01:00:00Z");
        check(&last, "2026-12-31T23:00:00Z", "2027-01-01T01:00:00Z");
        assert_eq!(opening(&last, time("2028-02-28T23:30:00Z")), None);
        let thirty_first = window(Recurrence::Month(vec![31]), "00:00", "1h", "UTC");
        assert_eq!(
            next_opening(&thirty_first, time("2026-03-31T00:00:00Z")).unwrap().starts,
            time("2026-05-31T00:00:00Z")
        );
        let leap = window(Recurrence::Month(vec![29]), "00:00", "1h", "UTC");
        assert_eq!(opening(&leap, time("2026-02-28T00:30:00Z")), None);
        check(&leap, "2028-02-29T00:00:00Z", "2028-02-29T01:00:00Z");
    }

    #[test]
    fn every_other_day_is_counted_from_1970() {
        let other = window(Recurrence::Day(2), "10:00", "1h", "UTC");
        check(&other, "1970-01-03T10:00:00Z", "1970-01-03T11:00:00Z");
        assert_eq!(opening(&other, time("1970-01-02T10:30:00Z")), None);
        check(&other, "1969-12-30T10:00:00Z", "1969-12-30T11:00:00Z");
    }

    #[test]
    fn it_counts_from_and_until() {
        let mut bounded = daily("10:00", "2h", "UTC");
        bounded.from = Some(time("2026-01-02T11:00:00Z"));
        bounded.until = Some(time("2026-01-03T10:30:00Z"));
        assert_eq!(opening(&bounded, time("2026-01-02T10:30:00Z")), None);
        check(&bounded, "2026-01-02T11:00:00Z", "2026-01-02T12:00:00Z");
        check(&bounded, "2026-01-03T10:00:00Z", "2026-01-03T10:30:00Z");
        assert_eq!(next_opening(&bounded, time("2026-01-03T10:00:00Z")), None);
    }

    #[test]
    fn what_cannot_be_read_is_never_open() {
        for broken in
            [daily("25:00", "1h", "UTC"), daily("10:00", "x", "UTC"), daily("10:00", "1h", "Mars/Olympus")]
        {
            assert_eq!(opening(&broken, time("2026-01-01T10:30:00Z")), None);
            assert_eq!(next_opening(&broken, time("2026-01-01T10:30:00Z")), None);
        }
    }
}
