//! What is said of each workspace (R69): from how it stands now, and from what was said before. The time of a condition is that of
//! its last change of status; another reason or message leaves it as it is.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::engine::watching::{Condition, ConditionStatus, ConditionType};

/// How many resources a message names.
const NAMED: usize = 3;

/// How long a message may be.
const MOST_MESSAGE: usize = 900;

/// How the health of a workspace stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthCounts {
    /// How many are well.
    pub healthy: i64,
    /// How many are not quite.
    pub degraded: i64,
    /// How many are not.
    pub unhealthy: i64,
    /// Of how many nobody knows.
    pub unknown: i64,
    /// The first of the worst, in words.
    pub example: Option<String>,
}

/// How a workspace stands.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// How many resources are not as declared, and stay so for now.
    pub pending: usize,
    /// How many of them were changed by something other than synthex.
    pub drifted: usize,
    /// What could not be brought to what is declared: the resource, and why.
    pub failing: Vec<String>,
    /// Whether something failed so often that it will hardly mend itself.
    pub is_stuck: bool,
    /// What is set back again and again, in words.
    pub flapping: Vec<String>,
    /// Whether some of that is not corrected any more.
    pub is_left_alone: bool,
    /// Why it is left alone altogether, in words.
    pub paused: Option<String>,
    /// How what is looked at in it stands; `None` where nothing is.
    pub health: Option<HealthCounts>,
}

/// How the whole project stands.
#[derive(Clone, Debug, Default)]
pub struct Outlook {
    /// The revision of the manifests that counts.
    pub revision: Option<String>,
    /// Why the newest revision cannot be used.
    pub problem: Option<String>,
    /// Whether that is because nobody can be asked for it.
    pub is_unreachable: bool,
    /// Why the revision is not put in force: somebody rolled it back.
    pub held: Option<String>,
    /// What guards refuse: then nothing of the plan is done.
    pub refused: Vec<String>,
    /// Why the changes could not be made at all.
    pub failure: Option<String>,
    /// Whether nothing is corrected, and only said.
    pub only_observes: bool,
}

/// What is said of a workspace now, in the order of the types.
#[must_use]
pub fn of(workspace: &str, standing: &Standing, outlook: &Outlook, now: DateTime<Utc>) -> Vec<Condition> {
    let condition = |of, status, reason: &str, message: String| Condition {
        workspace: workspace.to_owned(),
        of,
        status,
        reason: reason.to_owned(),
        message: message.chars().take(MOST_MESSAGE).collect(),
        revision: outlook.revision.clone(),
        since: now,
    };
    let (synced, why, words) = synced(standing, outlook);
    let (ready, because, said) = match (&outlook.problem, synced) {
        (Some(problem), _) if outlook.is_unreachable => {
            (ConditionStatus::False, "SourceUnreachable", problem.clone())
        }
        (Some(problem), _) => (ConditionStatus::False, "InvalidManifest", problem.clone()),
        (None, ConditionStatus::True) => (ConditionStatus::True, "Reconciled", words.clone()),
        (None, status) => (status, why, words.clone()),
    };
    let (healthy, health_reason, health_words) = healthy(standing.health.as_ref());
    let (stalled, stall_reason, stall_words) = stalled(standing, outlook);
    let flaps = !standing.flapping.is_empty();
    let flap_reason = match (flaps, standing.is_left_alone) {
        (false, _) => "Calm",
        (true, false) => "TwoWriters",
        (true, true) => "CorrectionStopped",
    };
    let flap_words =
        if flaps { some(&standing.flapping) } else { "nobody overwrites what is declared".to_owned() };
    let (paused, pause_reason, pause_words) = match &standing.paused {
        Some(words) => (true, "Paused", words.clone()),
        None => (false, "Running", "it is reconciled".to_owned()),
    };
    vec![
        condition(ConditionType::Ready, ready, because, said),
        condition(ConditionType::Synced, synced, why, words),
        condition(ConditionType::Healthy, healthy, health_reason, health_words),
        condition(ConditionType::Paused, paused.into(), pause_reason, pause_words),
        condition(ConditionType::Flapping, flaps.into(), flap_reason, flap_words),
        condition(ConditionType::Stalled, stalled.into(), stall_reason, stall_words),
    ]
}

type Said = (ConditionStatus, &'static str, String);

fn synced(standing: &Standing, outlook: &Outlook) -> Said {
    use ConditionStatus::{False, True, Unknown};
    if let (None, Some(problem)) = (&outlook.revision, &outlook.problem) {
        return (Unknown, "NoRevision", format!("no revision of the manifests can be used: {problem}"));
    }
    if standing.pending == 0 {
        return (True, "Synced", "the database says what is declared".to_owned());
    }
    let count = match standing.pending {
        1 => "1 resource is not as declared".to_owned(),
        all => format!("{all} resources are not as declared"),
    };
    let because = |reason, why: &str| (False, reason, format!("{count}: {why}"));
    if let Some(paused) = &standing.paused {
        return because("Paused", paused);
    }
    if let Some(held) = &outlook.held {
        return because("RolledBack", held);
    }
    if !outlook.refused.is_empty() {
        return because("Refused", &some(&outlook.refused));
    }
    if let Some(failure) = &outlook.failure {
        return because("ApplyFailed", failure);
    }
    if !standing.failing.is_empty() {
        return because("ApplyFailed", &some(&standing.failing));
    }
    if standing.is_left_alone {
        return because("CorrectionStopped", &some(&standing.flapping));
    }
    if outlook.only_observes {
        let why = match standing.drifted {
            0 => "this controller only observes".to_owned(),
            drifted => format!("{drifted} changed by hand; this controller only observes"),
        };
        return because("OutOfSync", &why);
    }
    because("OutOfSync", "they are being brought to what is declared")
}

fn healthy(health: Option<&HealthCounts>) -> Said {
    use ConditionStatus::{False, True, Unknown};
    let Some(health) = health else {
        return (Unknown, "NotChecked", "nothing is looked at yet".to_owned());
    };
    let HealthCounts { healthy, degraded, unhealthy, unknown, example } = health;
    let example = example.as_ref().map_or(String::new(), |example| format!(": {example}"));
    let checks = match healthy + degraded + unhealthy + unknown {
        1 => "1 check".to_owned(),
        all => format!("{all} checks"),
    };
    let also = match unknown {
        0 => String::new(),
        1 => "; of 1 nobody knows".to_owned(),
        unknown => format!("; of {unknown} nobody knows"),
    };
    if *unhealthy > 0 {
        (False, "Unhealthy", format!("{unhealthy} of {checks} unhealthy{also}{example}"))
    } else if *degraded > 0 {
        (False, "Degraded", format!("{degraded} of {checks} degraded{also}{example}"))
    } else if *healthy > 0 && *unknown > 0 {
        (True, "Healthy", format!("{healthy} of {checks} well{also}"))
    } else if *healthy > 0 {
        (True, "Healthy", format!("{checks}, all well"))
    } else {
        (Unknown, "NotChecked", format!("nobody knows of {checks} how it stands"))
    }
}

fn stalled(standing: &Standing, outlook: &Outlook) -> (bool, &'static str, String) {
    if let Some(problem) = outlook.problem.as_ref().filter(|_| !outlook.is_unreachable) {
        return (true, "InvalidManifest", format!("the manifests must be corrected: {problem}"));
    }
    if standing.pending > 0 && standing.paused.is_none() {
        if let Some(held) = &outlook.held {
            return (true, "RolledBack", held.clone());
        }
        if !outlook.refused.is_empty() {
            return (true, "Refused", some(&outlook.refused));
        }
        if standing.is_left_alone {
            return (true, "CorrectionStopped", some(&standing.flapping));
        }
        if standing.is_stuck {
            return (true, "FailsAgainAndAgain", some(&standing.failing));
        }
    }
    (false, "Progressing", "nothing waits for somebody".to_owned())
}

/// The first of them, and how many more there are.
fn some(all: &[String]) -> String {
    let named = all.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
    if all.len() > NAMED { format!("{named}; and {} more", all.len() - NAMED) } else { named }
}

/// What was said, by workspace and type.
#[derive(Clone, Debug, Default)]
pub struct Conditions(BTreeMap<(String, ConditionType), Condition>);

impl Conditions {
    /// As it is in the books.
    #[must_use]
    pub fn new(all: Vec<Condition>) -> Self {
        Self(all.into_iter().map(|own| ((own.workspace.clone(), own.of), own)).collect())
    }

    /// Takes in what is said now. Returns what is to be written: what differs from what was said.
    pub fn say(&mut self, now: Vec<Condition>) -> Vec<Condition> {
        let mut changed = Vec::new();
        for mut condition in now {
            let key = (condition.workspace.clone(), condition.of);
            if let Some(before) = self.0.get(&key) {
                if before.status == condition.status {
                    condition.since = before.since;
                }
                if *before == condition {
                    continue;
                }
            }
            self.0.insert(key, condition.clone());
            changed.push(condition);
        }
        changed
    }

    /// Forgets workspaces that are not among these. Returns which.
    pub fn keep(&mut self, workspaces: &[String]) -> Vec<String> {
        let mut gone: Vec<String> = self
            .0
            .keys()
            .map(|(workspace, _)| workspace)
            .filter(|own| !workspaces.contains(own))
            .cloned()
            .collect();
        gone.dedup();
        self.0.retain(|(workspace, _), _| !gone.contains(workspace));
        gone
    }

    /// All that is said.
    pub fn all(&self) -> impl Iterator<Item = &Condition> {
        self.0.values()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, workspace: &str, of: ConditionType) -> Option<&Condition> {
        self.0.get(&(workspace.to_owned(), of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u32) -> DateTime<Utc> {
        format!("2026-11-30T12:{minute:02}:00Z").parse().unwrap()
    }

    fn outlook() -> Outlook {
        Outlook { revision: Some("r1".to_owned()), ..Outlook::default() }
    }

    #[track_caller]
    fn check(standing: &Standing, outlook: &Outlook, expect: &str) {
        let said: Vec<String> = of("w", standing, outlook, at(0))
            .into_iter()
            .map(|own| format!("{}={}:{}", own.of.code(), own.status.code(), own.reason))
            .collect();
        assert_eq!(said.join(" "), expect);
    }

    #[test]
    fn what_is_said() {
        let well = "Ready=True:Reconciled Synced=True:Synced Healthy=Unknown:NotChecked Paused=False:Running \
                    Flapping=False:Calm Stalled=False:Progressing";
        check(&Standing::default(), &outlook(), well);
        let bad = Outlook { problem: Some("tenants.yaml:3:1".to_owned()), ..outlook() };
        check(
            &Standing::default(),
            &bad,
            "Ready=False:InvalidManifest Synced=True:Synced Healthy=Unknown:NotChecked Paused=False:Running \
             Flapping=False:Calm Stalled=True:InvalidManifest",
        );
        let away = Outlook { is_unreachable: true, ..bad };
        check(
            &Standing::default(),
            &away,
            "Ready=False:SourceUnreachable Synced=True:Synced Healthy=Unknown:NotChecked Paused=False:Running \
             Flapping=False:Calm Stalled=False:Progressing",
        );
        let pending = Standing { pending: 2, drifted: 1, ..Standing::default() };
        let refused = Outlook { refused: vec!["too many deletions".to_owned()], ..outlook() };
        check(
            &pending,
            &refused,
            "Ready=False:Refused Synced=False:Refused Healthy=Unknown:NotChecked Paused=False:Running \
             Flapping=False:Calm Stalled=True:Refused",
        );
        let paused = Standing { paused: Some("INC-12".to_owned()), ..pending.clone() };
        check(
            &paused,
            &refused,
            "Ready=False:Paused Synced=False:Paused Healthy=Unknown:NotChecked Paused=True:Paused \
             Flapping=False:Calm Stalled=False:Progressing",
        );
        let left = Standing {
            flapping: vec!["x".to_owned()],
            is_left_alone: true,
            health: Some(HealthCounts { healthy: 3, unhealthy: 1, ..HealthCounts::default() }),
            ..pending
        };
        check(
            &left,
            &outlook(),
            "Ready=False:CorrectionStopped Synced=False:CorrectionStopped Healthy=False:Unhealthy Paused=False:Running \
             Flapping=True:CorrectionStopped Stalled=True:CorrectionStopped",
        );
    }

    #[test]
    fn health_is_said_in_whole_sentences_and_hides_nothing() {
        let says = |healthy, degraded, unhealthy, unknown| {
            let example = (degraded + unhealthy > 0).then(|| "shopify T1: no answer".to_owned());
            let counts = HealthCounts { healthy, degraded, unhealthy, unknown, example };
            let (status, reason, words) = super::healthy(Some(&counts));
            format!("{} {reason}: {words}", status.code())
        };
        assert_eq!(says(1, 0, 0, 0), "True Healthy: 1 check, all well");
        assert_eq!(says(5, 0, 0, 0), "True Healthy: 5 checks, all well");
        assert_eq!(says(5, 0, 0, 2), "True Healthy: 5 of 7 checks well; of 2 nobody knows");
        assert_eq!(says(0, 0, 0, 2), "Unknown NotChecked: nobody knows of 2 checks how it stands");
        assert_eq!(
            says(3, 1, 0, 1),
            "False Degraded: 1 of 5 checks degraded; of 1 nobody knows: shopify T1: no answer"
        );
        assert_eq!(says(3, 0, 2, 0), "False Unhealthy: 2 of 5 checks unhealthy: shopify T1: no answer");
    }

    #[test]
    fn the_time_is_that_of_the_status() {
        let mut all = Conditions::default();
        assert_eq!(all.say(of("w", &Standing::default(), &outlook(), at(0))).len(), 6);
        assert!(all.say(of("w", &Standing::default(), &outlook(), at(1))).is_empty());
        let failing =
            |error: &str| Standing { pending: 1, failing: vec![error.to_owned()], ..Standing::default() };
        let changed = all.say(of("w", &failing("no"), &outlook(), at(2)));
        assert_eq!(changed.iter().map(|own| own.of.code()).collect::<Vec<_>>(), ["Ready", "Synced"]);
        let changed = all.say(of("w", &failing("never"), &outlook(), at(3)));
        assert!(changed.iter().all(|own| own.since == at(2)), "{changed:?}");
        assert_eq!(changed.len(), 2);
        assert_eq!(all.get("w", ConditionType::Healthy).unwrap().since, at(0));
        assert_eq!(all.keep(&["x".to_owned()]), ["w"]);
        assert_eq!(all.all().count(), 0);
    }
}
