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

#[test]
fn what_a_rule_on_health_or_usage_no_longer_means_is_no_recovery() {
    use HealthStatus::{Degraded, Healthy, Unhealthy};
    let rule = |world: &mut World, statuses: &[&str]| {
        world.set_rule(
            "shops",
            json!({"when": {"healthStatus": {"statuses": statuses}}, "reminder": "never"}),
        );
    };
    let reason = |world: &World| world.facts.ended.last().unwrap().resolve_reason.unwrap().code();
    let mut world = World::new().shop("T1", Unhealthy, "shop_frozen");
    rule(&mut world, &["degraded", "unhealthy"]);
    world.run();
    // It is degraded by now, and that is kept.
    world.set_shop("T1", Degraded, "plan_paused");
    assert_eq!(world.after(HOUR), Vec::<String>::new());
    rule(&mut world, &["unhealthy"]);
    assert_eq!(world.after(HOUR), ["resolved: Shopify of T1 is no longer what the rule watches"]);
    assert_eq!(reason(&world), "rule_changed");
    // Without another rule, what is merely degraded is not unhealthy any more.
    world.set_shop("T1", Unhealthy, "shop_frozen");
    world.run();
    world.set_shop("T1", Degraded, "plan_paused");
    world.after(HOUR);
    assert_eq!(reason(&world), "recovered");
    // What is well is well, whatever became of the rule.
    rule(&mut world, &["degraded"]);
    world.after(HOUR);
    rule(&mut world, &["unhealthy"]);
    world.set_shop("T1", Healthy, "ok");
    world.after(HOUR);
    assert_eq!(reason(&world), "recovered");

    let usage = |world: &mut World, above: i64, window: &str, count: i64| {
        let usage = json!({"metric": "api-call", "above": above, "window": window});
        world.set_rule("shops", json!({"when": {"usageThreshold": usage}, "reminder": "never"}));
        world.facts.usage = [("shops".to_owned(), count)].into();
        world.after(HOUR);
    };
    let mut world = World::new();
    for (above, window, count, expected) in
        [(100, "24h", 50, "rule_changed"), (10, "1h", 5, "rule_changed"), (10, "24h", 5, "recovered")]
    {
        usage(&mut world, 10, "24h", 50);
        assert_eq!(world.facts.open.len(), 1);
        usage(&mut world, above, window, count);
        assert_eq!(reason(&world), expected, "{above} {window} {count}");
    }
    // What counts is what the rule said last.
    for (above, count) in [(10, 50), (20, 50), (20, 15)] {
        usage(&mut world, above, "24h", count);
    }
    assert_eq!(reason(&world), "recovered");
}

#[test]
fn a_threshold_that_a_rule_loses_makes_nothing_worse() {
    use crate::alerts::life::{Acknowledgement, acknowledge};
    let rule = |world: &mut World, thresholds: &[&str]| {
        world.set_rule("expiry", json!({"when": {"credentialExpiry": {"thresholds": thresholds}}}));
    };
    let mut world = World::new().credential("c1", Some(DAY * 5));
    rule(&mut world, &["7d", "1d"]);
    assert_eq!(world.after(TimeDelta::zero()).len(), 1);
    let said = Acknowledgement { by: "ana".to_owned(), comment: None, until: None };
    let (now, alert) = (world.now, world.alert());
    *alert = acknowledge(alert, &said, now).unwrap().unwrap();
    for thresholds in [&["30d", "1d"][..], &["50%", "30d", "1d"], &["1w", "1d"]] {
        rule(&mut world, thresholds);
        assert_eq!(world.after(HOUR), Vec::<String>::new(), "{thresholds:?}");
        assert_eq!(world.alert().status, AlertStatus::Acknowledged, "{thresholds:?}");
        assert_eq!(world.alert().severity, AlertSeverity::Warning, "{thresholds:?}");
    }
    // A tighter one is news as ever.
    assert_eq!(world.after(DAY * 4), ["firing: The Shopify credential c1 of T1 expires in 21 hours"]);
    assert_eq!(world.alert().status, AlertStatus::Firing);
}

#[test]
fn a_clock_that_was_ahead_holds_nothing_back() {
    let year = DAY * 365;
    let ahead = |world: &mut World| {
        world.now += year;
        world.run();
        world.now -= year;
        world.run();
    };
    // Reminders.
    let mut world = World::new().rule("shops", json!({"when": {"healthStatus": {}}, "reminder": "1h"})).shop(
        "T1",
        HealthStatus::Unhealthy,
        "shop_frozen",
    );
    world.run();
    ahead(&mut world);
    assert_eq!(world.after(HOUR - TimeDelta::seconds(1)), Vec::<String>::new());
    assert_eq!(world.after(TimeDelta::seconds(1)), ["reminder: Still so: Shopify of T1 is unhealthy"]);
    // What comes and goes, and is quiet.
    let flapping = json!({"changes": 2, "window": "1h"});
    let mut world = World::new()
        .rule("shops", json!({"when": {"healthStatus": {}}, "flapping": flapping, "reminder": "never"}));
    world.now += year;
    for status in [HealthStatus::Unhealthy, HealthStatus::Healthy, HealthStatus::Unhealthy] {
        world.set_shop("T1", status, "x");
        world.run();
    }
    assert!(world.alert().is_flapping);
    world.now -= year;
    assert_eq!(world.after(TimeDelta::zero()), Vec::<String>::new());
    assert_eq!(world.after(HOUR).len(), 1);
    assert!(!world.alert().is_flapping);
    // How long something lasts.
    let mut world = World::new().rule("shops", json!({"when": {"healthStatus": {"for": "1h"}}}));
    world.now += year;
    world.set_shop("T1", HealthStatus::Unhealthy, "shop_frozen");
    world.run();
    world.now -= year;
    assert_eq!(world.after(TimeDelta::zero()), Vec::<String>::new());
    assert_eq!(world.after(HOUR).len(), 1);
}
