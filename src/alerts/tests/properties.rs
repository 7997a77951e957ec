//! What holds of any sequence of events. [`World::run`] itself checks after each evaluation that transitions are legal, that no
//! alert is open twice, and that the same again does nothing.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use HealthStatus::{Degraded, Healthy, Unhealthy, Unknown};

/// What happens between two evaluations.
#[derive(Clone, Debug)]
enum Happens {
    Time(i64),
    Expires(usize, i64),
    Revoked(usize, bool),
    Fails(usize, i64),
    Suspended(bool),
    Shop(usize, u8),
    Silence(i64, bool),
    NoSilence,
    Rule(u8),
    Acknowledged(usize),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (-7_200_i64..3_000_000).prop_map(Happens::Time),
        4 => (1_i64..30_000).prop_map(Happens::Time),
        2 => (0..3_usize, -1_000_000_i64..4_000_000).prop_map(|(one, left)| Happens::Expires(one, left)),
        1 => (0..3_usize, any::<bool>()).prop_map(|(one, is)| Happens::Revoked(one, is)),
        1 => (0..3_usize, 0..5_i64).prop_map(|(one, count)| Happens::Fails(one, count)),
        1 => any::<bool>().prop_map(Happens::Suspended),
        4 => (0..3_usize, 0..4_u8).prop_map(|(one, status)| Happens::Shop(one, status)),
        1 => (60_i64..200_000, any::<bool>()).prop_map(|(length, until)| Happens::Silence(length, until)),
        1 => Just(Happens::NoSilence),
        1 => (0..7_u8).prop_map(Happens::Rule),
        1 => (0..4_usize).prop_map(Happens::Acknowledged),
    ]
}

fn begin() -> World {
    let mut world = World::new()
        .expiring()
        .credential("c1", Some(DAY * 3))
        .credential("c2", None)
        .credential("c3", Some(DAY * 40));
    world.facts.credentials[1].renews_itself = true;
    world.facts.credentials[2].tenant = "T2".to_owned();
    let flapping = json!({"changes": 3, "window": "2h"});
    let grouping = json!({"by": ["service"], "wait": "1m"});
    world.set_rule("shops", json!({"when": {"healthStatus": {"for": "5m"}}, "flapping": flapping}));
    world.set_rule("grouped", json!({"when": {"healthStatus": {"statuses": ["degraded", "unhealthy"], "failureThreshold": 2}}, "grouping": grouping}));
    world
}

fn do_it(world: &mut World, what: &Happens) {
    match what {
        Happens::Time(seconds) => world.now += TimeDelta::seconds(*seconds),
        Happens::Expires(one, left) => {
            world.facts.credentials[*one].expires_at = Some(world.now + TimeDelta::seconds(*left));
        }
        Happens::Revoked(one, is) => world.facts.credentials[*one].is_revoked = *is,
        Happens::Fails(one, count) => world.facts.credentials[*one].renewal_failures = *count,
        Happens::Suspended(is) => world.facts.tenants.get_mut("T1").unwrap().is_suspended = *is,
        Happens::Shop(one, status) => {
            let status = [Healthy, Unknown, Degraded, Unhealthy][usize::from(*status)];
            world.set_shop(
                ["T1", "T2", "T3"][*one],
                status,
                if *one == 2 { "shop_frozen" } else { "unreachable" },
            );
        }
        Happens::Silence(seconds, is_until_resolved) => {
            let mut spec = json!({"matchers": ["tenant=~\"T[12]\""], "startsAt": world.now, "createdBy": "a", "comment": "b"});
            if *is_until_resolved {
                spec["untilResolved"] = json!(true);
            } else {
                spec["endsAt"] = json!(world.now + TimeDelta::seconds(*seconds));
            }
            world.facts.silences = vec![(format!("s{seconds}"), serde_json::from_value(spec).unwrap())];
        }
        Happens::NoSilence => world.facts.silences.clear(),
        Happens::Rule(0) => {
            world.set_rule("expiry", json!({"when": {"credentialExpiry": {"thresholds": ["2d", "-1d"]}}}));
        }
        Happens::Rule(1) => world.set_rule(
            "expiry",
            json!({"when": {"credentialExpiry": {"requireExpiry": true}}, "reminder": "1h"}),
        ),
        Happens::Rule(2) => {
            world.set_rule("expiry", json!({"when": {"credentialExpiry": {}}, "enabled": false}));
        }
        Happens::Rule(3) => world
            .set_rule("expiry", json!({"when": {"credentialExpiry": {"thresholds": ["50%", "expired"]}}})),
        Happens::Rule(4) => {
            world.set_rule("shops", json!({"when": {"healthStatus": {"statuses": ["degraded", "unknown"]}}}));
        }
        Happens::Rule(5) => {
            world.facts.rules.iter_mut().for_each(|rule| rule.is_deleted ^= rule.name == "shops");
        }
        Happens::Rule(_) => world.set_rule("expiry", json!({"when": {"credentialExpiry": {}}})),
        Happens::Acknowledged(one) => {
            let now = world.now;
            if let Some(alert) = world.facts.open.get_mut(*one) {
                let said = crate::alerts::life::Acknowledgement {
                    by: "ana".to_owned(),
                    comment: None,
                    until: Some(now + HOUR),
                };
                if let Ok(Some(next)) = crate::alerts::life::acknowledge(alert, &said, now) {
                    assert!(alert.status.may_become(next.status));
                    *alert = next;
                }
            }
        }
    }
}

/// What an outcome says, without the order of what has none.
fn essence(outcome: &Outcome) -> Vec<String> {
    let mut lines = vec![format!("{:#?}", outcome.tellings), format!("{:#?}", outcome.changes.len())];
    for alert in outcome.inserts.iter().chain(&outcome.updates) {
        lines.push(format!("{alert:#?}"));
    }
    for row in &outcome.thresholds {
        lines.push(format!("{row:?}"));
    }
    lines.sort();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_is_legal_and_quiet(events in prop::collection::vec(happens(), 1..40)) {
        let mut world = begin();
        let mut told: BTreeMap<_, DateTime<Utc>> = BTreeMap::new();
        for event in std::iter::once(&Happens::Time(0)).chain(&events) {
            do_it(&mut world, event);
            let outcome = world.run();
            // Of one credential, rule, secret and threshold, no two messages of firing within a day (M-E8), unless people were
            // told meanwhile that somebody ended it.
            for (rule, credential) in &outcome.rearmed {
                told.retain(|key: &(Option<String>, Option<uuid::Uuid>, _, _), _| {
                    (key.0.as_deref(), key.1) != (Some(rule), Some(*credential))
                });
            }
            for telling in outcome.tellings.iter().filter(|telling| telling.message.event == Event::Firing) {
                for alert in &telling.alerts {
                    let alert = world.facts.open.iter().find(|own| own.id == *alert).unwrap();
                    if alert.kind == crate::alerts::AlertKind::CredentialExpiry {
                        let (rule, threshold) = (alert.rule.clone(), alert.threshold.clone());
                        let key = (rule, alert.subject_id, alert.generation.clone(), threshold);
                        let last = told.insert(key, world.now);
                        prop_assert!(last.is_none_or(|last| world.now - last >= DAY), "{last:?} {alert:#?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_order_of_facts_does_not_matter(events in prop::collection::vec(happens(), 1..20)) {
        let mut world = begin();
        for event in &events {
            do_it(&mut world, event);
            let mut turned = world.clone();
            turned.facts.credentials.reverse();
            turned.facts.rules.reverse();
            turned.facts.health.reverse();
            turned.facts.open.reverse();
            turned.facts.ended.reverse();
            turned.facts.thresholds.reverse();
            turned.facts.groups.reverse();
            let (one, other) = (world.run(), turned.run());
            prop_assert_eq!(essence(&one), essence(&other));
        }
    }
}
