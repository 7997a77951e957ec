//! Expiry: each threshold once for each secret, through jumps of the clock, and everything that ends it.

use super::*;
use crate::kinds::alert_rule::AlertSeverity;

/// What was told from `left` before an expiry on, with one evaluation at each of these times before it.
#[track_caller]
fn told_at(lefts: &[TimeDelta]) -> Vec<String> {
    let mut world = World::new().expiring().credential("c1", Some(lefts[0]));
    let expires_at = world.facts.credentials[0].expires_at.unwrap();
    let mut types = Vec::new();
    for left in lefts {
        world.now = expires_at - *left;
        for telling in world.run().tellings {
            if telling.message.event == Event::Firing {
                types.push(world.facts.open[0].type_code());
            }
        }
    }
    types
}

#[test]
fn each_threshold_is_told_once() {
    let days: Vec<TimeDelta> = (-1..=40).rev().map(TimeDelta::days).collect();
    assert_eq!(told_at(&days), ["expiring_30d", "expiring_7d", "expiring_1d", "expired"]);
    let hours: Vec<TimeDelta> = (-30..=900).rev().map(TimeDelta::hours).collect();
    assert_eq!(told_at(&hours), ["expiring_30d", "expiring_7d", "expiring_1d", "expired"]);
    // Every day at the same hour, an hour after the credential expires.
    let odd: Vec<TimeDelta> = (-2..=40).rev().map(|day| DAY * day - HOUR).collect();
    assert_eq!(told_at(&odd), ["expiring_30d", "expiring_7d", "expiring_1d", "expired"]);
}

#[test]
fn after_a_long_sleep_only_the_tightest_is_told() {
    assert_eq!(told_at(&[DAY * 31, DAY * 6]), ["expiring_7d"]);
    assert_eq!(told_at(&[DAY * 8, -DAY * 2]), ["expiring_30d", "expired"]);
    assert_eq!(told_at(&[HOUR]), ["expiring_1d"]);
}

#[test]
fn a_clock_that_jumps_repeats_nothing() {
    let (hour, month, year) = (HOUR, DAY * 30, DAY * 365);
    // Back by an hour on the edge, forward and back by a month, forward and back by a year.
    assert_eq!(told_at(&[DAY * 7, DAY * 7 + hour, DAY * 7]), ["expiring_7d"]);
    assert_eq!(
        told_at(&[DAY * 40, DAY * 40 - month, DAY * 40, DAY * 8, DAY * 6]),
        ["expiring_30d", "expiring_7d"]
    );
    assert_eq!(told_at(&[DAY * 40, DAY * 40 - year, DAY * 40, DAY * 6, -DAY]), ["expired"]);
}

#[test]
fn wider_thresholds_are_kept_as_superseded() {
    let mut world = World::new().expiring().credential("c1", Some(DAY * 3));
    let outcome = world.run();
    let rows: Vec<(&str, bool)> =
        outcome.thresholds.iter().map(|row| (row.threshold.as_str(), row.is_told)).collect();
    assert_eq!(rows, [("30d", false), ("7d", true)]);
    assert_eq!(said(&outcome), ["firing: The Shopify credential c1 of T1 expires in 3 days"]);
    assert_eq!(outcome.tellings[0].message.severity, AlertSeverity::Warning);
    let item = &outcome.tellings[0].message.items[0];
    assert_eq!(item.expires_local.as_deref(), Some("2026-06-04 19:00 AEST"));
    assert_eq!(item.command.as_deref(), Some("synthex tenant credentials verify c1 --workspace w"));
    assert!(outcome.tellings[0].message.text.contains("at 2026-06-04 09:00:00 UTC (2026-06-04 19:00 AEST)"));
}

#[test]
fn the_last_instant_is_expired() {
    let mut world = World::new().expiring().credential("c1", Some(TimeDelta::zero()));
    assert_eq!(world.after(TimeDelta::zero()), ["firing: The Shopify credential c1 of T1 expired just now"]);
    assert_eq!(world.alert().type_code(), "expired");
    // It stays so, and is told again every day.
    assert_eq!(world.after(HOUR * 23), Vec::<String>::new());
    assert_eq!(world.after(HOUR), ["reminder: Still so: the Shopify credential c1 of T1 expired 1 day ago"]);
    assert_eq!(world.alert().reminders, 1);
    assert_eq!(world.after(DAY).len(), 1);
}

#[test]
fn what_is_renewed_starts_anew() {
    let mut world = World::new().expiring().credential("c1", Some(DAY * 5));
    world.run();
    let first = world.alert().id;
    world.facts.credentials[0].expires_at = Some(world.now + DAY * 365);
    assert_eq!(world.after(HOUR), ["resolved: The Shopify credential c1 of T1 was replaced"]);
    assert_eq!(world.facts.open.len(), 0);
    assert_eq!(world.after(DAY * 340).len(), 1);
    assert_ne!(world.alert().id, first);
    // One that expires soon itself ends one alert and begins another.
    world.facts.credentials[0].expires_at = Some(world.now + DAY * 6);
    assert_eq!(
        world.after(HOUR),
        [
            "resolved: The Shopify credential c1 of T1 was replaced",
            "firing: The Shopify credential c1 of T1 expires in 6 days"
        ]
    );
    // Another secret with the same expiry is another secret.
    world.facts.credentials[0].secret_version = "2".to_owned();
    assert_eq!(world.after(HOUR).len(), 2);
}

#[test]
fn an_expiry_that_flaps_is_told_once_a_day_for_each_value() {
    let mut world = World::new().expiring().credential("c1", Some(DAY * 5));
    let (one, other) = (world.now + DAY * 5, world.now + DAY * 6);
    for round in 0..20 {
        world.facts.credentials[0].expires_at = Some(if round % 2 == 0 { one } else { other });
        world.after(HOUR);
    }
    assert_eq!(count(&world.told, Event::Firing), 2);
    // What stands for a day after all is told again.
    world.after(HOUR * 24);
    assert_eq!(count(&world.told, Event::Firing), 3);
}

#[test]
fn what_is_suspended_revoked_or_gone_is_over() {
    type Change = fn(&mut World);
    let cases: [(Change, &str); 5] = [
        (|world| world.facts.tenants.get_mut("T1").unwrap().is_suspended = true, "suspended"),
        (|world| world.facts.tenants.get_mut("T1").unwrap().is_deleted = true, "removed"),
        (|world| world.facts.credentials[0].is_revoked = true, "revoked"),
        (|world| world.facts.credentials[0].is_deleted = true, "removed"),
        (|world| world.facts.credentials.clear(), "removed"),
    ];
    for (change, reason) in cases {
        let mut world = World::new().expiring().credential("c1", Some(DAY * 5));
        change(&mut world);
        world.run();
        assert_eq!(world.facts.open.len(), 0, "{reason}");
        let mut world = World::new().expiring().credential("c1", Some(DAY * 5));
        world.run();
        change(&mut world);
        assert_eq!(world.after(HOUR).len(), 1, "{reason}");
        assert_eq!(world.facts.ended[0].resolve_reason.unwrap().code(), reason);
    }
}

#[test]
fn an_unknown_expiry_is_told_only_where_it_is_wanted() {
    let mut world = World::new().expiring().credential("c1", None);
    assert_eq!(world.after(HOUR), Vec::<String>::new());
    world.set_rule(
        "expiry",
        json!({"when": {"credentialExpiry": {"requireExpiry": true}}, "severity": "info"}),
    );
    assert_eq!(world.after(HOUR), ["firing: Nobody knows when the Shopify credential c1 of T1 expires"]);
    assert_eq!(world.alert().severity, AlertSeverity::Info);
    world.facts.credentials[0].expires_at = Some(world.now + DAY * 90);
    assert_eq!(world.after(HOUR), ["resolved: The Shopify credential c1 of T1 has a known expiry"]);
}

#[test]
fn what_renews_itself_is_told_when_it_cannot() {
    let mut world = World::new().expiring().credential("c1", None);
    world.facts.credentials[0].renews_itself = true;
    for (failures, told) in [(1, 0), (2, 0), (3, 1), (4, 0), (1, 0)] {
        world.facts.credentials[0].renewal_failures = failures;
        world.facts.credentials[0].renewal_error = Some("invalid_grant".to_owned());
        assert_eq!(world.after(HOUR).len(), told, "{failures}");
    }
    let item = &world.told[0].message.items[0];
    assert_eq!(item.what, "The Shopify credential c1 of T1 could not be renewed 3 times in a row");
    assert_eq!(item.why.as_deref(), Some("invalid_grant"));
    assert_eq!(item.command.as_deref(), Some("synthex tenant credentials renew c1 --workspace w"));
    world.facts.credentials[0].renewal_failures = 0;
    assert_eq!(world.after(HOUR), ["resolved: The Shopify credential c1 of T1 renews itself again"]);
}

#[test]
fn many_that_cross_at_once_are_one_message() {
    let mut world = World::new().expiring();
    for day in 1..=20 {
        world = world.credential(&format!("c{day}"), Some(DAY * day - HOUR));
    }
    let outcome = world.run();
    assert_eq!(
        said(&outcome),
        ["firing: 20 credential alerts (1 critical, 6 warning, 13 info) in w, by rule expiry"]
    );
    let message = &outcome.tellings[0].message;
    assert_eq!(message.items.len(), 20);
    assert_eq!(message.items[0].what, "The Shopify credential c1 of T1 expires in 23 hours");
    assert!(message.text.ends_with("and 10 more"), "{}", message.text);
    assert_eq!(outcome.inserts.len(), 20);
}

#[test]
fn acknowledged_alerts_are_not_repeated_until_they_become_worse() {
    use crate::alerts::life::{Acknowledgement, NotAcknowledged, acknowledge};
    let mut world = World::new()
        .rule("expiry", json!({"when": {"credentialExpiry": {}}, "reminder": "1h"}))
        .credential("c1", Some(DAY * 5));
    world.run();
    assert_eq!(world.after(HOUR).len(), 1);
    let said = Acknowledgement { by: "ana".to_owned(), comment: Some("on it".to_owned()), until: None };
    let (now, alert) = (world.now, world.alert());
    *alert = acknowledge(alert, &said, now).unwrap().unwrap();
    assert_eq!(acknowledge(alert, &said, now), Ok(None));
    assert_eq!(acknowledge(alert, &Acknowledgement { comment: None, ..said.clone() }, now), Ok(None));
    assert_eq!(world.after(DAY * 2), Vec::<String>::new());
    // A tighter threshold is something else than what was known.
    assert_eq!(world.after(DAY * 2), ["firing: The Shopify credential c1 of T1 expires in 23 hours"]);
    assert_eq!(world.alert().status, AlertStatus::Firing);
    assert_eq!(world.alert().acknowledged_by, None);
    // Until a time: then reminders go on.
    let (now, alert) = (world.now, world.alert());
    let until = Acknowledgement { until: Some(now + HOUR * 3), ..said.clone() };
    *alert = acknowledge(alert, &until, now).unwrap().unwrap();
    assert_eq!(world.after(HOUR * 2), Vec::<String>::new());
    assert_eq!(world.after(HOUR).len(), 1);
    // Its end is told, acknowledged or not.
    let (now, alert) = (world.now, world.alert());
    *alert = acknowledge(alert, &said, now).unwrap().unwrap();
    world.facts.credentials[0].expires_at = Some(world.now + DAY * 100);
    assert_eq!(world.after(HOUR).len(), 1);
    let over = world.facts.ended.last().unwrap();
    assert_eq!(over.acknowledged_by.as_deref(), Some("ana"));
    assert_eq!(acknowledge(over, &said, world.now), Err(NotAcknowledged::Over));
}
