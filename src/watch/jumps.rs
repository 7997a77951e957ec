//! Notices a clock that was set back: what was put off by it until a time that was near is far away then (S7).

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// What is less than this is a clock that is being corrected, and puts nothing off for long.
const LEAST: TimeDelta = TimeDelta::minutes(1);

/// What the two clocks of the machine said last: the one that nobody can set, and the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jumps(Option<(Instant, DateTime<Utc>)>);

impl Jumps {
    /// Whether the clock was set back by a minute or more since this was last asked.
    pub fn went_back(&mut self, instant: Instant, now: DateTime<Utc>) -> bool {
        let before = self.0.replace((instant, now));
        before.is_some_and(|(then, was)| {
            let passed = TimeDelta::from_std(instant.saturating_duration_since(then)).unwrap_or_default();
            was.checked_add_signed(passed).is_some_and(|expected| expected - now >= LEAST)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_a_clock_that_was_set_back_is_noticed() {
        let (begun, at) = (Instant::now(), |text: &str| text.parse::<DateTime<Utc>>().unwrap());
        let mut jumps = Jumps::default();
        let mut after =
            |seconds: u64, now: &str| jumps.went_back(begun + Duration::from_secs(seconds), at(now));
        assert!(!after(0, "2027-03-28T00:59:00Z"), "nothing is known yet");
        assert!(!after(60, "2027-03-28T01:00:00Z"), "summer time begins in London, and no clock is set");
        assert!(!after(120, "2027-03-28T01:00:30Z"), "it was a little fast");
        assert!(!after(180, "2028-02-29T00:00:00Z"), "forwards");
        assert!(after(240, "2028-02-28T23:01:00Z"), "an hour back");
        assert!(!after(300, "2028-02-28T23:02:00Z"), "and on from there");
        assert!(!after(360, "2038-01-19T03:14:08Z"));
        assert!(after(420, "2028-02-28T23:04:00Z"), "all the way back");
    }
}
