//! Rules that change, go, or are not there; schedules; groups; usage.

use super::*;
use crate::kinds::alert_rule::AlertSeverity;

fn one() -> World {
    World::new().expiring().credential("c1", Some(DAY * 5))
}

#[test]
fn a_new_urgency_or_channel_tells_nothing_new() {
    let mut world = one();
    world.run();
    let severities = json!({"7d": "critical"});
    world.set_rule(
        "expiry",
        json!({"when": {"credentialExpiry": {"severities": severities}}, "channels": ["chat"], "description": "new"}),
    );
    assert_eq!(world.after(HOUR), Vec::<String>::new());
    assert_eq!(world.alert().severity, AlertSeverity::Critical);
}

#[test]
fn what_a_rule_no_longer_means_is_over_once() {
    type Change = fn(&mut World);
    let cases: [(Change, &str); 6] = [
        (
            |world| world.set_rule("expiry", json!({"when": {"credentialExpiry": {"thresholds": ["1d"]}}})),
            "rule_changed",
        ),
        (
            |world| {
                world.set_rule(
                    "expiry",
                    json!({"when": {"credentialExpiry": {}}, "selector": {"tenants": ["T2"]}}),
                );
            },
            "rule_changed",
        ),
        (
            |world| world.set_rule("expiry", json!({"when": {"credentialExpiry": {}}, "enabled": false})),
            "rule_changed",
        ),
        (|world| world.set_rule("expiry", json!({"when": {"healthStatus": {}}})), "rule_changed"),
        (|world| world.facts.rules[0].is_deleted = true, "rule_removed"),
        (|world| world.facts.rules.clear(), "rule_removed"),
    ];
    for (number, (change, reason)) in cases.into_iter().enumerate() {
        let mut world = one();
        world.run();
        change(&mut world);
        assert_eq!(world.after(HOUR).len(), 1, "{number}");
        assert_eq!(world.facts.ended[0].resolve_reason.unwrap().code(), reason, "{number}");
        assert_eq!(world.after(HOUR), Vec::<String>::new(), "{number}");
    }
}

#[test]
fn what_no_rule_covers_is_kept_and_not_told() {
    let mut world = World::new().credential("c1", Some(-DAY)).credential("c2", Some(DAY));
    world = world.shop("T1", HealthStatus::Unhealthy, "shop_frozen");
    let outcome = world.run();
    assert_eq!((outcome.unrouted, outcome.tellings.len()), (2, 0));
    assert!(
        world.facts.open.iter().all(|alert| alert.status == AlertStatus::Unrouted && alert.rule.is_none())
    );
    // Once a rule covers it, it is told by that one.
    world.set_rule("expiry", json!({"when": {"credentialExpiry": {}}}));
    world.now += HOUR;
    let outcome = world.run();
    assert_eq!((outcome.unrouted, outcome.tellings.len()), (1, 1));
    world.set_shop("T1", HealthStatus::Healthy, "ok");
    assert_eq!(world.after(HOUR), Vec::<String>::new());
    assert_eq!(world.run().unrouted, 0);
}

#[test]
fn a_rule_that_is_off_covers_nothing() {
    let mut world = World::new().credential("c1", Some(-DAY));
    world.set_rule("off", json!({"when": {"credentialExpiry": {}}, "enabled": false}));
    world.set_rule("other", json!({"when": {"credentialExpiry": {}}, "selector": {"tenants": ["T2"]}}));
    assert_eq!(world.run().unrouted, 1);
}

#[test]
fn new_alerts_wait_for_the_schedule_and_ends_do_not() {
    let mut world = one();
    world.facts.scope = Scope::Due;
    // A rule that was never evaluated is due.
    assert_eq!(world.after(TimeDelta::zero()).len(), 1);
    let mut world = world.credential("c2", Some(DAY * 5));
    assert_eq!(world.after(HOUR), Vec::<String>::new());
    world.facts.credentials[0].expires_at = Some(world.now + DAY * 100);
    assert_eq!(world.after(HOUR).len(), 1);
    assert_eq!(world.facts.open.len(), 0);
    // At nine on the next day.
    assert_eq!(world.after(HOUR * 21), Vec::<String>::new());
    assert_eq!(world.after(HOUR).len(), 1);
}

#[test]
fn one_rule_by_itself_leaves_the_others_alone() {
    let mut world = one();
    world.set_rule("second", json!({"when": {"credentialExpiry": {}}}));
    world.facts.scope = Scope::Only("second".to_owned());
    let outcome = world.run();
    assert_eq!(outcome.tellings.len(), 1);
    assert_eq!(outcome.tellings[0].message.rule.as_deref(), Some("second"));
    assert_eq!(outcome.evaluations.len(), 1);
    world.facts.scope = Scope::All;
    assert_eq!(world.after(HOUR).len(), 1);
    world.facts.scope = Scope::Only("second".to_owned());
    world.facts.credentials[0].is_revoked = true;
    assert_eq!(world.after(HOUR).len(), 1);
    assert_eq!(world.alert().rule.as_deref(), Some("expiry"));
}

#[test]
fn a_group_waits_for_others_and_its_end_does_not() {
    let grouping = json!({"by": ["tenant"], "wait": "30s", "interval": "5m"});
    let mut world = World::new()
        .rule("shops", json!({"when": {"healthStatus": {}}, "grouping": grouping, "reminder": "never"}))
        .shop("T1", HealthStatus::Unhealthy, "shop_frozen");
    let second = TimeDelta::seconds(1);
    assert_eq!(world.after(TimeDelta::zero()), Vec::<String>::new());
    world.facts.health[0].subject = "T1".to_owned();
    assert_eq!(world.after(second * 29), Vec::<String>::new());
    assert_eq!(world.after(second), ["firing: Shopify of T1 is unhealthy"]);
    world.set_shop("T1", HealthStatus::Healthy, "ok");
    assert_eq!(world.after(second), ["resolved: Shopify of T1 is well again"]);
    world.set_shop("T1", HealthStatus::Unhealthy, "shop_frozen");
    assert_eq!(world.after(second), Vec::<String>::new());
    assert_eq!(world.after(second * 297), Vec::<String>::new());
    assert_eq!(world.after(second), ["firing: Shopify of T1 is unhealthy"]);
    // What is over before its group was told is not told at all.
    world.set_shop("T2", HealthStatus::Unhealthy, "shop_frozen");
    world.after(second);
    world.set_shop("T2", HealthStatus::Healthy, "ok");
    assert_eq!(world.after(second), Vec::<String>::new());
    assert_eq!(world.after(second * 60), Vec::<String>::new());
    assert!(world.facts.groups.iter().all(|group| group.due_at.is_none()), "{:?}", world.facts.groups);
}

#[test]
fn reminders_come_exactly_at_their_interval() {
    let mut world = World::new().rule("shops", json!({"when": {"healthStatus": {}}, "reminder": "1h"})).shop(
        "T1",
        HealthStatus::Unhealthy,
        "shop_frozen",
    );
    world.run();
    for _ in 0..3 {
        assert_eq!(world.after(HOUR - TimeDelta::microseconds(1)), Vec::<String>::new());
        assert_eq!(
            world.after(TimeDelta::microseconds(1)),
            ["reminder: Still so: Shopify of T1 is unhealthy"]
        );
    }
    world.set_rule("shops", json!({"when": {"healthStatus": {}}, "reminder": "never"}));
    assert_eq!(world.after(DAY * 30), Vec::<String>::new());
    world.set_rule("shops", json!({"when": {"healthStatus": {}}}));
    world.now = world.alert().notified_at.unwrap();
    assert_eq!(world.after(HOUR * 4 - TimeDelta::microseconds(1)), Vec::<String>::new());
    assert_eq!(world.after(TimeDelta::microseconds(1)).len(), 1);
}

#[test]
fn usage_above_its_limit() {
    let usage = json!({"metric": "api-call", "above": 100, "window": "24h"});
    let mut world = World::new().rule("calls", json!({"when": {"usageThreshold": usage}}));
    for (count, told) in [
        (None, ""),
        (Some(100), ""),
        (Some(101), "firing: 101 API calls in 24h, more than 100"),
        (Some(150), ""),
        (None, ""),
        (Some(100), "resolved: The number of API calls is within its limit again"),
    ] {
        world.facts.usage = count.map(|count| ("calls".to_owned(), count)).into_iter().collect();
        assert_eq!(world.after(HOUR).concat(), told, "{count:?}");
    }
}

#[test]
fn a_group_key_that_changes_leaves_nothing_waiting() {
    let grouping = json!({"by": ["severity"], "wait": "1h"});
    let mut world = World::new()
        .rule("expiry", json!({"when": {"credentialExpiry": {}}, "grouping": grouping}))
        .credential("c1", Some(DAY * 7 + HOUR / 2));
    assert_eq!(world.after(TimeDelta::zero()), Vec::<String>::new());
    // It becomes more urgent while it waits, and is told by the group it is in then.
    assert_eq!(world.after(HOUR / 2), Vec::<String>::new());
    assert_eq!(world.after(HOUR).len(), 1);
    assert!(world.facts.groups.iter().all(|group| group.due_at.is_none()), "{:?}", world.facts.groups);
}
