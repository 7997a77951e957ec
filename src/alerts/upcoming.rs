//! When something can happen next in a workspace, so that a controller looks then and leaves it alone until then.
//!
//! Only what time alone brings is counted: schedules, reminders, groups that wait, `for`, acknowledgements and silences that
//! end, windows that open and close, thresholds of credentials whose alert is open, and the quiet after coming and going.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::kinds::alert_rule::Condition;
use crate::model::text::duration_seconds;

use super::alert::{Alert, AlertKind, AlertStatus};
use super::facts::{CredentialFact, Facts, Outcome, RuleFact};
use super::threshold::Thresholds;
use super::{grouping, schedule, window};

/// What is to come in a workspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Upcoming {
    /// The first moment at which time alone may change something; `None` where it never does.
    pub at: Option<DateTime<Utc>>,
    /// Whether an alert of a rule is pending or raised.
    pub is_open: bool,
}

/// What is to come once an outcome is written.
#[must_use]
pub fn upcoming(facts: &Facts, outcome: &Outcome, now: DateTime<Utc>) -> Upcoming {
    let mut first = First { now, at: None };
    let active: HashMap<&str, &RuleFact> = facts
        .rules
        .iter()
        .filter(|rule| rule.spec.enabled && !rule.is_deleted)
        .map(|rule| (rule.name.as_str(), rule))
        .collect();
    for rule in active.values() {
        first.add(schedule::next(&rule.spec.schedule, &rule.spec.time_zone, now));
    }
    let changed: HashMap<Uuid, &Alert> = outcome.updates.iter().map(|alert| (alert.id, alert)).collect();
    let open: Vec<(&Alert, &RuleFact)> = facts
        .open
        .iter()
        .map(|alert| changed.get(&alert.id).copied().unwrap_or(alert))
        .chain(&outcome.inserts)
        .filter(|alert| alert.status != AlertStatus::Resolved)
        .filter_map(|alert| Some((alert, *active.get(alert.rule.as_deref()?)?)))
        .collect();
    let is_open = !open.is_empty();
    for (alert, rule) in &open {
        of_alert(alert, rule, &mut first);
    }
    of_thresholds(facts, &open, &mut first);
    let groups: HashMap<(&str, &str), Option<DateTime<Utc>>> = facts
        .groups
        .iter()
        .chain(&outcome.groups)
        .map(|row| ((row.rule.as_str(), row.key.as_str()), row.due_at))
        .collect();
    groups.into_values().for_each(|due_at| first.add(due_at));
    // What mutes matters only where there is something to be muted.
    if is_open {
        for (_, silence) in &facts.silences {
            first.add(Some(silence.starts_at));
            first.add(silence.ends());
        }
        for (_, spec) in &facts.windows {
            first.add(window::opening(spec, now).map(|opening| opening.ends));
            first.add(window::next_opening(spec, now).map(|opening| opening.starts));
        }
    }
    Upcoming { at: first.at, is_open }
}

/// The first moment after now.
struct First {
    now: DateTime<Utc>,
    at: Option<DateTime<Utc>>,
}

impl First {
    fn add(&mut self, at: Option<DateTime<Utc>>) {
        let at = at.filter(|at| *at > self.now);
        self.at = [self.at, at].into_iter().flatten().min();
    }
}

fn length(text: Option<&str>) -> Option<TimeDelta> {
    text.and_then(duration_seconds).and_then(TimeDelta::try_seconds)
}

/// What time alone does to an alert.
fn of_alert(alert: &Alert, rule: &RuleFact, first: &mut First) {
    let after = |at: Option<DateTime<Utc>>, length: Option<TimeDelta>| at?.checked_add_signed(length?);
    match alert.status {
        AlertStatus::Pending => {
            if let Condition::HealthStatus(watched) = &rule.spec.when {
                first.add(after(Some(alert.started_at), length(watched.lasting.as_deref())));
            }
        }
        AlertStatus::Firing if alert.muted_by.is_empty() && !alert.is_flapping => {
            let interval = grouping::reminder(&rule.spec, alert, first.now);
            first.add(after(alert.notified_at.or(alert.fired_at), interval));
        }
        AlertStatus::Acknowledged => first.add(alert.ack_until),
        _ => {}
    }
    if alert.is_flapping {
        let window = rule.spec.flapping.as_ref().map(|flapping| flapping.window.as_str());
        first.add(after(alert.transitions.last().copied(), length(window)));
    }
}

/// A tighter threshold of an alert that is open is told when it is crossed, whatever the schedule says.
fn of_thresholds(facts: &Facts, open: &[(&Alert, &RuleFact)], first: &mut First) {
    let expiring: Vec<_> =
        open.iter().filter(|(alert, _)| alert.kind == AlertKind::CredentialExpiry).collect();
    if expiring.is_empty() {
        return;
    }
    let credentials: HashMap<Uuid, &CredentialFact> =
        facts.credentials.iter().map(|credential| (credential.id, credential)).collect();
    let mut thresholds: HashMap<&str, Thresholds> = HashMap::new();
    for (alert, rule) in expiring {
        let Condition::CredentialExpiry(expiry) = &rule.spec.when else { continue };
        let Some(credential) = alert.subject_id.and_then(|id| credentials.get(&id)) else { continue };
        let Some(expires_at) = credential.expires_at else { continue };
        let own = thresholds.entry(rule.name.as_str()).or_insert_with(|| Thresholds::of(expiry));
        own.moments(expires_at, credential.issued_at).for_each(|at| first.add(Some(at)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::alerts::tests::{DAY, HOUR, World, time};
    use crate::model::health::HealthStatus;

    /// Evaluates, and says when something can happen next.
    #[track_caller]
    fn next(world: &mut World) -> Upcoming {
        let facts = world.facts.clone();
        let outcome = world.run();
        let found = upcoming(&facts, &outcome, world.now);
        // What was written says the same.
        assert_eq!(upcoming(&world.facts, &Outcome::default(), world.now), found);
        found
    }

    #[track_caller]
    fn check(world: &mut World, at: Option<&str>, is_open: bool) {
        assert_eq!(next(world), Upcoming { at: at.map(time), is_open });
    }

    fn down(rule: serde_json::Value) -> World {
        let mut rule = rule;
        rule["schedule"] = json!("0 9 1 1 *");
        World::new().rule("down", rule).shop("T1", HealthStatus::Unhealthy, "shop_frozen")
    }

    #[test]
    fn without_anything_open_only_schedules_count() {
        check(&mut World::new(), None, false);
        check(&mut World::new().expiring(), Some("2026-06-02T09:00:00Z"), false);
        let off = json!({"when": {"credentialExpiry": {}}, "enabled": false});
        check(&mut World::new().rule("off", off), None, false);
        let mut hourly = World::new()
            .expiring()
            .rule("often", json!({"when": {"credentialExpiry": {}}, "schedule": "*/15 * * * *"}));
        check(&mut hourly, Some("2026-06-01T09:15:00Z"), false);
    }

    #[test]
    fn a_tighter_threshold_is_met_to_the_second() {
        let mut world = World::new()
            .rule("expiry", json!({"when": {"credentialExpiry": {}}, "schedule": "0 9 1 1 *"}))
            .credential("c1", Some(DAY * 20 + HOUR));
        check(&mut world, Some("2026-06-14T10:00:00Z"), true);
        world.now = time("2026-06-14T10:00:00Z");
        check(&mut world, Some("2026-06-20T10:00:00Z"), true);
    }

    #[test]
    fn reminders_groups_and_for_have_their_moments() {
        let when = json!({"healthStatus": {"statuses": ["unhealthy"]}});
        let mut world = down(json!({"when": when, "reminder": "2h"}));
        check(&mut world, Some("2026-06-01T11:00:00Z"), true);
        let mut world = down(json!({"when": when, "reminder": "never"}));
        check(&mut world, Some("2027-01-01T09:00:00Z"), true);
        let mut world = down(json!({"when": when, "reminder": "2h", "grouping": {"wait": "40s"}}));
        check(&mut world, Some("2026-06-01T09:00:40Z"), true);
        let lasting = json!({"healthStatus": {"statuses": ["unhealthy"], "for": "10m"}});
        check(&mut down(json!({"when": lasting})), Some("2026-06-01T09:10:00Z"), true);
    }

    #[test]
    fn what_mutes_counts_while_something_is_open() {
        let when = json!({"healthStatus": {"statuses": ["unhealthy"]}});
        let mut world = down(json!({"when": when, "reminder": "never"}));
        let silence = json!({"matchers": ["tenant=T1"], "startsAt": "2026-06-01T08:00:00Z", "duration": "90m",
            "createdBy": "a", "comment": "b"});
        world.facts.silences.push(("hush".to_owned(), serde_json::from_value(silence).unwrap()));
        check(&mut world, Some("2026-06-01T09:30:00Z"), true);
        let mut quiet = World::new().expiring();
        quiet.facts.silences = world.facts.silences.clone();
        check(&mut quiet, Some("2026-06-02T09:00:00Z"), false);
        let window = json!({"matchers": ["tenant=T1"], "every": {"day": 1}, "at": "09:10", "duration": "1h", "comment": "b"});
        world.facts.silences.clear();
        world.facts.windows.push(("work".to_owned(), serde_json::from_value(window).unwrap()));
        check(&mut world, Some("2026-06-01T09:10:00Z"), true);
        world.now = time("2026-06-01T09:20:00Z");
        check(&mut world, Some("2026-06-01T10:10:00Z"), true);
    }

    #[test]
    fn an_acknowledgement_ends() {
        let when = json!({"healthStatus": {"statuses": ["unhealthy"]}});
        let mut world = down(json!({"when": when, "reminder": "2h"}));
        world.run();
        let until = time("2026-06-01T15:00:00Z");
        let alert = world.alert();
        alert.status = AlertStatus::Acknowledged;
        (alert.acknowledged_at, alert.ack_until) = (alert.fired_at, Some(until));
        check(&mut world, Some("2026-06-01T15:00:00Z"), true);
    }
}
