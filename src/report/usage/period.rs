//! The period of a report: from an instant on, until an instant that is not part of it.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::model::text::duration_seconds;

/// A period, half open, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// From then on.
    pub start: DateTime<Utc>,
    /// Until then.
    pub end: DateTime<Utc>,
}

/// Why something is no period that can be reported on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPeriod {
    /// What is wrong.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do.
    pub help: String,
}

impl NoPeriod {
    fn new(what: impl Into<String>, why: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into(), help: help.into() }
    }
}

const HELP: &str = "write a number and one of m, h, d, w, such as 24h, 7d or 4w; at most 3650d";

impl Period {
    /// The time before now: `7d`, `24h`, `4w`.
    ///
    /// # Errors
    /// It is no such time, or none at all.
    pub fn last(text: &str, now: DateTime<Utc>) -> Result<Self, NoPeriod> {
        let what = format!("`{text}` is no period");
        let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        if let Some(seconds) = duration_seconds(text) {
            let start = TimeDelta::try_seconds(seconds).and_then(|length| now.checked_sub_signed(length));
            return start
                .map(|start| Self { start, end: now })
                .ok_or_else(|| NoPeriod::new(what, "it begins before there was time", HELP));
        }
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && digits.bytes().all(|byte| byte == b'0') {
            return Err(NoPeriod::new(what, "nothing can have happened in a time of 0", HELP));
        }
        if is_number && digits.len() == text.len() {
            return Err(NoPeriod::new(what, "it has no unit", format!("did you mean {text}d?")));
        }
        if text.starts_with("--") {
            return Err(NoPeriod::new(what, "it is an option: the time in front of it is missing", HELP));
        }
        if text.starts_with(['-', '+']) {
            let why = "a period is the time before now, and has no sign";
            return Err(NoPeriod::new(what, why, HELP));
        }
        Err(NoPeriod::new(what, "it is not a number with its unit, or too long", HELP))
    }

    /// From a date or time on, until a date or time. Where one is left out, until now, or from the first metric on.
    ///
    /// # Errors
    /// One of them is neither, the end is not behind the start, or they are in the future.
    pub fn between(from: Option<&str>, to: Option<&str>, now: DateTime<Utc>) -> Result<Self, NoPeriod> {
        let start = from.map_or(Ok(DateTime::UNIX_EPOCH), |text| instant("--from", text))?;
        let end = to.map_or(Ok(now), |text| instant("--to", text))?;
        let shown = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        if start >= now {
            let what = format!("the period begins in the future, at {}", shown(start));
            return Err(NoPeriod::new(what, format!("it is {} now", shown(now)), "name an earlier --from"));
        }
        let tonight = now
            .date_naive()
            .checked_add_days(Days::new(1))
            .unwrap_or(NaiveDate::MAX)
            .and_time(NaiveTime::MIN);
        if end > tonight.and_utc() {
            let what = format!("the period ends in the future, at {}", shown(end));
            return Err(NoPeriod::new(
                what,
                format!("it is {} now", shown(now)),
                "leave --to out: it is now",
            ));
        }
        if end <= start {
            let what = format!("the period ends at {}, where it begins or earlier", shown(end));
            return Err(NoPeriod::new(
                what,
                format!("it begins at {}, and the end is not part of it", shown(start)),
                "name a later --to; a date means its first instant, in UTC",
            ));
        }
        Ok(Self { start, end })
    }

    /// `start`, `end` and the time zone of both.
    #[must_use]
    pub fn json(&self) -> Value {
        let shown = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        json!({"start": shown(self.start), "end": shown(self.end), "timeZone": "UTC"})
    }

    /// For people.
    #[must_use]
    pub fn shown(&self) -> String {
        let shown = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S").to_string();
        format!("{} to {} UTC", shown(self.start), shown(self.end))
    }
}

fn instant(option: &str, text: &str) -> Result<DateTime<Utc>, NoPeriod> {
    let date = || text.parse::<NaiveDate>().ok().map(|date| date.and_time(NaiveTime::MIN).and_utc());
    let instant = DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc));
    instant.or_else(date).ok_or_else(|| {
        NoPeriod::new(
            format!("{option} `{text}` is neither a date nor a time"),
            "dates are in UTC, year first",
            "write 2026-12-31 or 2026-12-31T09:00:00Z",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    const NOW: &str = "2026-03-10T12:00:00Z";

    #[test]
    fn a_period_is_the_time_before_now() {
        for (text, start) in [
            ("24h", "2026-03-09T12:00:00Z"),
            ("7d", "2026-03-03T12:00:00Z"),
            ("4w", "2026-02-10T12:00:00Z"),
            ("90m", "2026-03-10T10:30:00Z"),
        ] {
            let expected = Period { start: at(start), end: at(NOW) };
            assert_eq!(Period::last(text, at(NOW)), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_period_is_refused_with_advice() {
        for (text, why) in [
            ("0", "0"),
            ("0d", "0"),
            ("000h", "0"),
            ("7", "no unit"),
            ("-7d", "sign"),
            ("+7d", "sign"),
            ("--embedded", "is missing"),
            ("7y", "not a number"),
            ("", "not a number"),
            ("week", "not a number"),
            ("1.5d", "not a number"),
            ("99999d", "too long"),
            ("７d", "not a number"),
        ] {
            let refused = Period::last(text, at(NOW)).unwrap_err();
            assert!(refused.why.contains(why), "{text}: {refused:?}");
        }
    }

    #[test]
    fn dates_are_first_instants_and_the_end_is_not_part_of_it() {
        let period = Period::between(Some("2026-03-01"), Some("2026-03-08"), at(NOW)).unwrap();
        assert_eq!(period, Period { start: at("2026-03-01T00:00:00Z"), end: at("2026-03-08T00:00:00Z") });
        let open = Period::between(Some("2026-03-01T10:00:00+02:00"), None, at(NOW)).unwrap();
        assert_eq!(open, Period { start: at("2026-03-01T08:00:00Z"), end: at(NOW) });
        // All of today, although it is not over.
        assert!(Period::between(None, Some("2026-03-11"), at(NOW)).is_ok());
        for (from, to, words) in [
            (Some("2026-03-11"), None, "begins in the future"),
            (Some(NOW), None, "begins in the future"),
            (None, Some("2026-03-12"), "ends in the future"),
            (Some("2026-03-02"), Some("2026-03-02"), "where it begins"),
            (Some("2026-03-02"), Some("2026-03-01"), "where it begins"),
            (Some("02.03.2026"), None, "neither a date"),
            (None, Some("2026-02-30"), "neither a date"),
        ] {
            let refused = Period::between(from, to, at(NOW)).unwrap_err();
            assert!(refused.what.contains(words), "{from:?} {to:?}: {refused:?}");
        }
    }
}
