//! When results in a row change how something stands (M-L2): bad ones make it bad after the failure threshold, good ones make
//! it good again after the success threshold, and what could not be found out does neither.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use super::health::HealthStatus;

/// How many results in a row it takes, and how often they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How many bad results in a row make it bad.
    pub failure_threshold: i64,
    /// How many good ones make it good again.
    pub success_threshold: i64,
    /// How often it is looked at.
    pub interval: TimeDelta,
}

/// How something stands, with the counters that decide when that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// How it stands, once enough results in a row said so.
    pub status: HealthStatus,
    /// Since when.
    pub since: DateTime<Utc>,
    /// What the last result said.
    pub last_status: HealthStatus,
    /// What it found, as a stable word.
    pub last_code: String,
    /// How many results in a row were degraded or worse.
    pub failures: i64,
    /// How many results in a row were healthy.
    pub successes: i64,
    /// How many results in a row were unhealthy; below zero, how many were not.
    pub severe: i64,
    /// When the last result was found.
    pub checked_at: DateTime<Utc>,
}

/// What a result says, as far as it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// How it stood.
    pub status: HealthStatus,
    /// What was found, as a stable word.
    pub code: &'static str,
    /// Whether an unknown one counts as a failure: nothing answered.
    pub is_failure: bool,
}

/// Results in a row that would change how something stands, and are not enough yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// How many there are.
    pub results: i64,
    /// How many it takes.
    pub needed: i64,
    /// What they say, in a word.
    pub what: &'static str,
}

/// `2 of 3 bad results in a row`.
impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { results, needed, what } = self;
        write!(f, "{results} of {needed} {what} results in a row")
    }
}

impl Settled {
    /// How far it is on the way to another state.
    #[must_use]
    pub fn pending(&self, patience: &Patience) -> Option<Pending> {
        let Patience { failure_threshold, success_threshold, .. } = *patience;
        let better = if self.successes > 0 { "good" } else { "better" };
        let (results, needed, what) = match self.status {
            HealthStatus::Healthy | HealthStatus::Unknown => (self.failures, failure_threshold, "bad"),
            HealthStatus::Degraded if self.severe > 0 => (self.severe, failure_threshold, "unhealthy"),
            HealthStatus::Degraded => (self.successes, success_threshold, "good"),
            HealthStatus::Unhealthy => (-self.severe, success_threshold, better),
        };
        (0 < results && results < needed).then_some(Pending { results, needed, what })
    }

    /// Whether so much time went by that this is the first look after a gap (M-H13): what was counted before it is of another
    /// time, and full thresholds must be met again.
    #[must_use]
    pub fn is_after_a_gap(&self, at: DateTime<Utc>, interval: TimeDelta) -> bool {
        at - self.checked_at > interval * 2
    }
}

/// What the result is taken to say, and how it stands then. Something that does not answer is unknown at first, and unhealthy
/// once the failure threshold is met (M-H4).
#[must_use]
pub fn settle(
    before: Option<&Settled>,
    found: Found,
    at: DateTime<Utc>,
    patience: &Patience,
) -> (HealthStatus, Settled) {
    let mut settled = before.cloned().unwrap_or(Settled {
        status: HealthStatus::Unknown,
        since: at,
        last_status: HealthStatus::Unknown,
        last_code: String::new(),
        failures: 0,
        successes: 0,
        severe: 0,
        checked_at: at,
    });
    if settled.is_after_a_gap(at, patience.interval) {
        (settled.failures, settled.successes, settled.severe) = (0, 0, 0);
    }
    let counts_as = match found.status {
        HealthStatus::Unknown if found.is_failure => HealthStatus::Unhealthy,
        other => other,
    };
    count(&mut settled, counts_as);
    let is_enough = settled.failures >= patience.failure_threshold;
    let said = if found.status == HealthStatus::Unknown && found.is_failure && is_enough {
        counts_as
    } else {
        found.status
    };
    let next = stands(&settled, counts_as, patience);
    if next != settled.status {
        (settled.status, settled.since) = (next, at);
    }
    settled.last_status = said;
    found.code.clone_into(&mut settled.last_code);
    settled.checked_at = at;
    (said, settled)
}

fn count(settled: &mut Settled, status: HealthStatus) {
    match status {
        HealthStatus::Unknown => return,
        HealthStatus::Healthy => (settled.failures, settled.successes) = (0, settled.successes + 1),
        HealthStatus::Degraded | HealthStatus::Unhealthy => {
            (settled.failures, settled.successes) = (settled.failures + 1, 0);
        }
    }
    settled.severe =
        if status == HealthStatus::Unhealthy { settled.severe.max(0) + 1 } else { settled.severe.min(0) - 1 };
}

/// Two questions with a threshold each way: whether it is unhealthy, and whether it is degraded at least.
fn stands(settled: &Settled, status: HealthStatus, patience: &Patience) -> HealthStatus {
    let Patience { failure_threshold, success_threshold, .. } = *patience;
    if status == HealthStatus::Unknown {
        return settled.status;
    }
    let was_unhealthy = settled.status == HealthStatus::Unhealthy;
    let is_unhealthy =
        settled.severe >= failure_threshold || was_unhealthy && -settled.severe < success_threshold;
    if is_unhealthy {
        return HealthStatus::Unhealthy;
    }
    let was_bad = was_unhealthy || settled.status == HealthStatus::Degraded;
    if settled.failures >= failure_threshold || was_bad && settled.successes < success_threshold {
        return HealthStatus::Degraded;
    }
    match (settled.status, status) {
        // The first look that finds all well says so: there is no trouble to be sure of.
        (_, HealthStatus::Healthy) => HealthStatus::Healthy,
        (before, _) => before,
    }
}

/// The worst of what is not muted; unknown is worse than healthy and better than degraded, since it is no trouble yet and no
/// good news either (M-H1). Of nothing, nothing is known.
pub fn overall(statuses: impl IntoIterator<Item = (HealthStatus, bool)>) -> HealthStatus {
    let mut is_any = false;
    let heard = statuses.into_iter().inspect(|_| is_any = true).filter(|(_, is_muted)| !is_muted);
    let worst = heard.map(|(status, _)| status).max();
    worst.unwrap_or(if is_any { HealthStatus::Healthy } else { HealthStatus::Unknown })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + minutes * 60, 0).unwrap()
    }

    const PATIENCE: Patience =
        Patience { failure_threshold: 3, success_threshold: 2, interval: TimeDelta::minutes(15) };

    fn found(letter: char) -> Found {
        let (status, is_failure) = match letter {
            'h' => (HealthStatus::Healthy, false),
            'd' => (HealthStatus::Degraded, false),
            'u' => (HealthStatus::Unhealthy, false),
            '?' => (HealthStatus::Unknown, false),
            'x' => (HealthStatus::Unknown, true),
            other => panic!("{other}"),
        };
        Found { status, code: "what", is_failure }
    }

    fn letter(status: HealthStatus) -> char {
        match status {
            HealthStatus::Healthy => 'h',
            HealthStatus::Degraded => 'd',
            HealthStatus::Unhealthy => 'u',
            HealthStatus::Unknown => '?',
        }
    }

    /// Results a quarter of an hour apart, how it stands after each, and what each is taken to say.
    #[track_caller]
    fn check(results: &str, stands: &str, said: &str) {
        let mut before: Option<Settled> = None;
        let (mut stood, mut took) = (String::new(), String::new());
        for (index, result) in results.chars().enumerate() {
            let at = time(15 * i64::try_from(index).unwrap());
            let (status, settled) = settle(before.as_ref(), found(result), at, &PATIENCE);
            stood.push(letter(settled.status));
            took.push(letter(status));
            before = Some(settled);
        }
        assert_eq!((stood.as_str(), took.as_str()), (stands, said), "{results}");
    }

    #[test]
    fn three_bad_ones_make_it_bad_and_two_good_ones_good() {
        check("huuu", "hhhu", "huuu");
        check("uuu", "??u", "uuu");
        check("uuuhh", "??uuh", "uuuhh");
        check("uuuhuhh", "??uuuuh", "uuuhuhh");
        check("huuhuu", "hhhhhh", "huuhuu");
        check("h", "h", "h");
    }

    #[test]
    fn degraded_and_unhealthy_are_counted_apart() {
        check("hddd", "hhhd", "hddd");
        check("hduu", "hhhd", "hduu");
        check("hduuu", "hhhdu", "hduuu");
        check("ddudduu", "??ddddd", "ddudduu");
        check("uuuddhh", "??uuddh", "uuuddhh");
    }

    #[test]
    fn unknown_neither_advances_nor_resets() {
        check("huu?u", "hhhhu", "huu?u");
        check("uuuh?h", "??uuuh", "uuuh?h");
        check("????", "????", "????");
    }

    #[test]
    fn what_does_not_answer_is_unknown_first_and_then_unhealthy() {
        check("hxxx", "hhhu", "h??u");
        check("xxxx", "??uu", "??uu");
        check("xxhx", "??hh", "??h?");
        check("ux?x", "???u", "u??u");
    }

    #[test]
    fn it_is_said_how_far_it_is_on_the_way_to_another_state() {
        for (results, expected) in [
            ("h", ""),
            ("u", "1 of 3 bad results in a row"),
            ("hud", "2 of 3 bad results in a row"),
            ("hu?", "1 of 3 bad results in a row"),
            ("huuu", ""),
            ("hduu", "2 of 3 unhealthy results in a row"),
            ("hddd", ""),
            ("hdddh", "1 of 2 good results in a row"),
            ("uuuh", "1 of 2 good results in a row"),
            ("uuud", "1 of 2 better results in a row"),
            ("uuuhh", ""),
        ] {
            let settled =
                results.chars().enumerate().fold(None, |before: Option<Settled>, (index, result)| {
                    let at = time(15 * i64::try_from(index).unwrap());
                    Some(settle(before.as_ref(), found(result), at, &PATIENCE).1)
                });
            let said = settled.unwrap().pending(&PATIENCE).map(|pending| pending.to_string());
            assert_eq!(said.unwrap_or_default(), expected, "{results}");
        }
    }

    #[test]
    fn after_a_gap_full_thresholds_must_be_met_again() {
        let run = |gap: i64| {
            let mut settled = settle(None, found('h'), time(0), &PATIENCE).1;
            for (result, at) in [('u', 15), ('u', 30), ('u', 30 + gap), ('u', 45 + gap), ('u', 60 + gap)] {
                settled = settle(Some(&settled), found(result), time(at), &PATIENCE).1;
                if at == 30 + gap {
                    assert_eq!(settled.status == HealthStatus::Unhealthy, gap <= 30, "{gap}");
                }
            }
            settled.status
        };
        assert_eq!(run(30), HealthStatus::Unhealthy);
        assert_eq!(run(31), HealthStatus::Unhealthy);
        // It stands as it stood meanwhile, and one good result is not enough for another state either.
        let mut settled = settle(None, found('u'), time(0), &PATIENCE).1;
        for at in [15, 30] {
            settled = settle(Some(&settled), found('u'), time(at), &PATIENCE).1;
        }
        settled = settle(Some(&settled), found('h'), time(45), &PATIENCE).1;
        settled = settle(Some(&settled), found('h'), time(45 + 31), &PATIENCE).1;
        assert_eq!((settled.status, settled.successes), (HealthStatus::Unhealthy, 1));
    }

    #[test]
    fn since_changes_with_the_state_and_not_with_each_result() {
        let mut settled = settle(None, found('h'), time(0), &PATIENCE).1;
        for (result, at, since) in [('u', 15, 0), ('u', 30, 0), ('u', 45, 45), ('u', 60, 45)] {
            settled = settle(Some(&settled), found(result), time(at), &PATIENCE).1;
            assert_eq!(settled.since, time(since));
        }
    }

    #[test]
    fn the_whole_is_as_bad_as_its_worst_part_that_is_not_muted() {
        use HealthStatus::{Degraded, Healthy, Unhealthy, Unknown};
        let of = |statuses: &[(HealthStatus, bool)]| overall(statuses.iter().copied());
        assert_eq!(of(&[(Healthy, false), (Degraded, false), (Unknown, false)]), Degraded);
        assert_eq!(of(&[(Healthy, false), (Unhealthy, true)]), Healthy);
        assert_eq!(of(&[(Unhealthy, true)]), Healthy);
        assert_eq!(of(&[(Healthy, false), (Unknown, false)]), Unknown);
        assert_eq!(of(&[]), Unknown);
    }
}
