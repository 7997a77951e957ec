//! What is said of a paused workspace, in one sentence: in plans without the time that it is now, so that two plans of the
//! same thing are the same to the byte.

use chrono::{DateTime, Utc};

use crate::plan::pauses::Pause;

use super::clean::clean;
use super::time;

/// What is said of it wherever a plan would change something.
#[must_use]
pub fn sentence(workspace: &str, pause: &Pause) -> String {
    format!("workspace `{workspace}` is {}; `watch` leaves it alone", words(pause, None))
}

/// The same, with how long it still is.
#[must_use]
pub fn sentence_now(workspace: &str, pause: &Pause, now: DateTime<Utc>) -> String {
    format!("workspace `{workspace}` is {}; `watch` leaves it alone", words(pause, Some(now)))
}

/// `paused by eva@box until 2026-11-30 13:00:00 UTC: INC-12`; with `now`, how soon that is stands behind it.
#[must_use]
pub fn words(pause: &Pause, now: Option<DateTime<Utc>>) -> String {
    let Pause { reason, who, since: _, until, declared: _ } = pause;
    format!("paused by {} {}: {}", clean(who), ending(*until, now), clean(reason))
}

/// `until 2026-11-30 13:00:00 UTC`, or `until somebody resumes it`.
#[must_use]
pub fn ending(until: Option<DateTime<Utc>>, now: Option<DateTime<Utc>>) -> String {
    match (until, now) {
        (None, _) => "until somebody resumes it".to_owned(),
        (Some(until), None) => format!("until {}", until.format("%Y-%m-%d %H:%M:%S UTC")),
        (Some(until), Some(now)) => format!("until {}", time::until(until, now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_says_until_when_and_a_person_also_how_soon_that_is() {
        let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let mut pause = Pause {
            reason: "INC-12".to_owned(),
            who: "eva@box".to_owned(),
            since: None,
            until: Some(time("2026-11-30T13:00:00Z")),
            declared: false,
        };
        let plain = "workspace `w` is paused by eva@box until 2026-11-30 13:00:00 UTC: INC-12; `watch` leaves it alone";
        assert_eq!(sentence("w", &pause), plain);
        assert_eq!(
            sentence_now("w", &pause, time("2026-11-30T10:00:00Z")),
            plain.replace("UTC:", "UTC (in 3 hours):")
        );
        pause.until = None;
        assert_eq!(words(&pause, None), "paused by eva@box until somebody resumes it: INC-12");
    }
}
