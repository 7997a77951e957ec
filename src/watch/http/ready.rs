//! Whether a replica is alive, and whether it is ready (M-H14): decided from what is known, with the moment as a parameter.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::vitals::{About, Mark, Role, Seen};

/// A driver that was not heard of for so long hangs.
const SILENT: Duration = Duration::from_secs(30);

/// A database that did not answer for so long is away.
const AWAY: Duration = Duration::from_secs(30);

/// A database that refused for so long what a replica lives by does so for longer: by then the lease is lost.
const REFUSING: Duration = Duration::from_secs(10);

/// One thing that must be so, and why it is or is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// What was looked at.
    pub check: &'static str,
    /// Whether it is as it must be.
    pub ok: bool,
    /// Why, for people.
    pub why: String,
}

/// Whether the driver's loop is alive.
pub(super) fn alive(seen: &Seen, now: Instant) -> Check {
    let age = now.saturating_duration_since(seen.beat);
    Check {
        check: "driver",
        ok: age <= SILENT,
        why: if age <= SILENT {
            "its loop runs".to_owned()
        } else {
            format!("its loop was not heard of for {} s", age.as_secs())
        },
    }
}

/// Everything that a ready replica needs.
pub(super) fn checks(about: &About, seen: &Seen, now: Instant) -> Vec<Check> {
    vec![alive(seen, now), role(seen), database(seen, now), cycle(about, seen, now)]
}

fn role(seen: &Seen) -> Check {
    if let Some(why) = &seen.ending {
        return Check { check: "role", ok: false, why: why.clone() };
    }
    let (ok, why) = match seen.role {
        Role::Starting => (false, "it does not know yet whether it leads"),
        Role::Leader => (true, "it leads"),
        Role::Standby => (true, "it waits to take over"),
        Role::Observer => (true, "it observes"),
    };
    Check { check: "role", ok, why: why.to_owned() }
}

fn database(seen: &Seen, now: Instant) -> Check {
    let ok = is_up(seen, now);
    let failure = seen.database_failure.as_ref().map(|(what, _)| what.as_str());
    if let Some((what, age)) = refusal(seen, now) {
        let why = format!("{what}; that has been so for {} s", age.as_secs());
        return Check { check: "database", ok: false, why };
    }
    let why = match (seen.answered, failure) {
        (Some(mark), None) => format!("it answered {} s ago", age(mark, now).as_secs()),
        (Some(mark), Some(what)) if ok => format!(
            "it answered {} s ago; since then: {what}, which counts once it lasts {} s",
            age(mark, now).as_secs(),
            AWAY.as_secs()
        ),
        (Some(mark), Some(what)) => format!("{what}; it last answered {} s ago", age(mark, now).as_secs()),
        (None, Some(what)) => format!("{what}; it has never answered"),
        (None, None) => "it was not asked yet".to_owned(),
    };
    Check { check: "database", ok, why }
}

/// Whether the database answered lately, and takes what the replica lives by.
pub(super) fn is_up(seen: &Seen, now: Instant) -> bool {
    seen.answered.is_some_and(|mark| age(mark, now) <= AWAY) && refusal(seen, now).is_none()
}

/// What the database refuses, and for how long, once that is long enough to count.
pub(super) fn refusal(seen: &Seen, now: Instant) -> Option<(&str, Duration)> {
    let (what, since) = seen.refusal.as_ref()?;
    let age = now.saturating_duration_since(*since);
    (age >= REFUSING).then_some((what.as_str(), age))
}

fn cycle(about: &About, seen: &Seen, now: Instant) -> Check {
    let most = about.interval * 2;
    let problem = |with: &str| {
        seen.cycle_problem.as_ref().map_or(String::new(), |problem| format!("; {with}: {problem}"))
    };
    let (ok, why) = match seen.cycle {
        None => (false, format!("none is complete yet{}", problem("the last one failed"))),
        Some(mark) => {
            let age = age(mark, now);
            let ok = age <= most;
            let (age, most) = (age.as_secs(), most.as_secs());
            if ok {
                let problem = problem("not all is well");
                (true, format!("the last one was complete {age} s ago, at most {most} s are good{problem}"))
            } else {
                let problem = problem("since then");
                (false, format!("none was complete for {age} s, at most {most} s are good{problem}"))
            }
        }
    };
    Check { check: "cycle", ok, why }
}

fn age(mark: Mark, now: Instant) -> Duration {
    now.saturating_duration_since(mark.instant)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::super::vitals::Vitals;
    use super::*;

    fn vitals() -> Vitals {
        Vitals::new(About {
            replica: uuid::Uuid::nil(),
            host: "here".to_owned(),
            version: "0",
            project: "p".to_owned(),
            environment: String::new(),
            mode: "enforce",
            interval: Duration::from_secs(60),
            started_at: DateTime::<Utc>::default(),
        })
    }

    /// The names of the checks that fail after so many seconds.
    fn failing(vitals: &Vitals, seconds: u64) -> Vec<&'static str> {
        let now = Instant::now() + Duration::from_secs(seconds);
        let all = checks(&vitals.about, &vitals.seen(), now);
        all.into_iter().filter(|check| !check.ok).map(|check| check.check).collect()
    }

    #[test]
    fn one_that_has_just_begun_is_alive_and_not_ready() {
        assert_eq!(failing(&vitals(), 0), ["role", "database", "cycle"]);
    }

    #[test]
    fn silence_is_noticed_one_after_the_other() {
        let (vitals, now) = (vitals(), DateTime::<Utc>::default());
        vitals.set_role(Role::Standby);
        vitals.database_answered(now);
        vitals.cycle_done(now);
        assert_eq!(failing(&vitals, 0), [""; 0]);
        assert_eq!(failing(&vitals, 29), [""; 0]);
        assert_eq!(failing(&vitals, 32), ["driver", "database"]);
        assert_eq!(failing(&vitals, 119), ["driver", "database"]);
        assert_eq!(failing(&vitals, 122), ["driver", "database", "cycle"]);
        vitals.database_failed("the network is down", now);
        assert_eq!(failing(&vitals, 0), [""; 0], "one failure within 30 s is no reason");
        vitals.ending("it was asked to stop");
        assert_eq!(failing(&vitals, 0), ["role"]);
    }

    /// What a check says after so many seconds.
    #[track_caller]
    fn says(vitals: &Vitals, seconds: u64, check: &str, ok: bool, why: &str) {
        let now = Instant::now() + Duration::from_secs(seconds);
        let found = checks(&vitals.about, &vitals.seen(), now).into_iter().find(|own| own.check == check);
        let found = found.unwrap();
        assert_eq!((found.ok, found.why.as_str()), (ok, why));
    }

    #[test]
    fn what_is_said_agrees_with_whether_it_is_good() {
        let (vitals, now) = (vitals(), DateTime::<Utc>::default());
        vitals.set_cycle_problem(Some("the database cannot be reached".to_owned()));
        let never = "none is complete yet; the last one failed: the database cannot be reached";
        says(&vitals, 0, "cycle", false, never);
        vitals.cycle_done(now);
        vitals.set_cycle_problem(Some("the newest manifests cannot be used".to_owned()));
        let bad = "the last one was complete 0 s ago, at most 120 s are good; not all is well: the newest manifests cannot be used";
        says(&vitals, 0, "cycle", true, bad);
        let late = "none was complete for 130 s, at most 120 s are good; since then: the newest manifests cannot be used";
        says(&vitals, 130, "cycle", false, late);
        vitals.set_cycle_problem(None);
        says(&vitals, 0, "cycle", true, "the last one was complete 0 s ago, at most 120 s are good");
        vitals.database_answered(now);
        vitals.database_failed("the database cannot be reached", now);
        let once = "it answered 5 s ago; since then: the database cannot be reached, which counts once it lasts 30 s";
        says(&vitals, 5, "database", true, once);
        let away = "the database cannot be reached; it last answered 40 s ago";
        says(&vitals, 40, "database", false, away);
    }

    #[test]
    fn one_that_answers_and_takes_no_writes_is_noticed_too() {
        let (vitals, now) = (vitals(), DateTime::<Utc>::default());
        vitals.set_role(Role::Leader);
        vitals.cycle_done(now);
        vitals.database_refused("its disk is full");
        vitals.database_answered(now);
        assert_eq!(failing(&vitals, 9), [""; 0]);
        assert_eq!(failing(&vitals, 11), ["database"]);
        vitals.database_refused("its disk is still full");
        let check = database(&vitals.seen(), Instant::now() + Duration::from_secs(11));
        assert_eq!(check.why, "its disk is still full; that has been so for 11 s");
        vitals.database_accepted();
        assert_eq!(failing(&vitals, 11), [""; 0]);
    }
}
