//! Health: how often and for how long, unknown results, things that come and go, and outages of a whole provider.

use super::*;
use crate::model::streak::{Found, Patience, Settled, settle};
use HealthStatus::{Degraded, Healthy, Unhealthy, Unknown};

fn shops(when: Value) -> World {
    World::new().rule("shops", json!({"when": {"healthStatus": when}, "reminder": "never"}))
}

/// Results one after the other, a minute apart, and what is told at each.
#[track_caller]
fn check(when: Value, results: &[(HealthStatus, &str)]) {
    let mut world = shops(when).shop("T1", Healthy, "ok");
    let patience = Patience { failure_threshold: 3, success_threshold: 2, interval: HOUR };
    let mut settled: Option<Settled> = None;
    // One that is well is looked at first.
    for (number, (status, expected)) in [(Healthy, "")].iter().chain(results).enumerate() {
        let at = world.now + TimeDelta::minutes(1);
        let found = Found { status: *status, code: "ok", is_failure: false };
        let next = settle(settled.as_ref(), found, at, &patience).1;
        let fact = &mut world.facts.health[0];
        (fact.status, fact.since, fact.last_status) = (next.status, next.since, next.last_status);
        (fact.failures, fact.successes, fact.severe) = (next.failures, next.successes, next.severe);
        settled = Some(next);
        let said = world.after(TimeDelta::minutes(1));
        let event = said.first().map_or("", |text| text.split(':').next().unwrap());
        assert_eq!(event, *expected, "result {number}: {said:?}");
    }
}

#[test]
fn so_many_in_a_row() {
    let (bad, good) = ((Unhealthy, ""), (Healthy, ""));
    check(json!({}), &[bad, bad, (Unhealthy, "firing"), bad, good, (Healthy, "resolved"), good]);
    check(json!({"failureThreshold": 2}), &[bad, (Unhealthy, "firing"), bad, good, (Healthy, "resolved")]);
    check(
        json!({"failureThreshold": 1, "successThreshold": 3}),
        &[(Unhealthy, "firing"), good, good, (Healthy, "resolved")],
    );
    check(json!({"failureThreshold": 2}), &[bad, good, bad, good, bad, (Unhealthy, "firing")]);
}

#[test]
fn what_is_unknown_neither_advances_nor_ends() {
    let (bad, unknown) = ((Unhealthy, ""), (Unknown, ""));
    check(
        json!({"failureThreshold": 2}),
        &[
            bad,
            unknown,
            unknown,
            (Unhealthy, "firing"),
            unknown,
            (Healthy, ""),
            unknown,
            (Healthy, "resolved"),
        ],
    );
    check(json!({}), &[unknown, unknown, unknown, unknown, bad, bad, (Unhealthy, "firing"), unknown]);
}

#[test]
fn a_rule_counts_only_results_that_it_names() {
    let (bad, slow, good) = ((Unhealthy, ""), (Degraded, ""), (Healthy, ""));
    let unhealthy = json!({"failureThreshold": 3});
    check(unhealthy.clone(), &[slow, slow, bad, bad, (Unhealthy, "firing")]);
    check(unhealthy, &[bad, bad, (Unhealthy, "firing"), slow, (Degraded, "resolved")]);
    let degraded = json!({"failureThreshold": 2, "statuses": ["degraded"]});
    check(degraded.clone(), &[bad, bad, slow, (Degraded, "firing"), bad, (Unhealthy, "resolved")]);
    check(degraded, &[slow, good, slow, bad, slow, (Degraded, "firing"), good, (Healthy, "resolved")]);
    let both = json!({"failureThreshold": 3, "statuses": ["degraded", "unhealthy"]});
    check(both, &[slow, slow, (Unhealthy, "firing"), slow, good, slow, good, (Healthy, "resolved")]);
}

#[test]
fn a_rule_that_names_unknown_looks_at_the_last_result() {
    let (bad, unknown, good) = ((Unhealthy, ""), (Unknown, ""), (Healthy, ""));
    let fires = (Unknown, "firing");
    check(json!({"statuses": ["unknown"]}), &[good, fires, unknown, (Healthy, "resolved"), good]);
    check(json!({"statuses": ["unknown"], "for": "2m"}), &[unknown, good, unknown, unknown, fires]);
    check(
        json!({"statuses": ["unknown", "unhealthy"], "failureThreshold": 2}),
        &[bad, fires, bad, good, (Healthy, "resolved")],
    );
    // Of what is looked at for the first time, nobody can say that it is unknown.
    let mut world = shops(json!({"statuses": ["unknown"]})).shop("T1", Unknown, "never_checked");
    assert_eq!(world.after(HOUR), Vec::<String>::new());
    assert_eq!(world.facts.open.len(), 0);
}

#[test]
fn what_is_said_is_what_the_rule_looked_at() {
    let mut world = shops(json!({"failureThreshold": 1})).shop("T1", Healthy, "shop_frozen");
    world.facts.health[0].last_status = Unhealthy;
    (world.facts.health[0].failures, world.facts.health[0].severe) = (1, 1);
    assert_eq!(world.after(HOUR), ["firing: Shopify of T1 is unhealthy"]);
}

#[test]
fn for_so_long() {
    let (bad, good) = ((Unhealthy, ""), (Healthy, ""));
    check(json!({"failureThreshold": 1, "for": "3m"}), &[bad, bad, bad, (Unhealthy, "firing")]);
    check(
        json!({"failureThreshold": 1, "successThreshold": 1, "for": "3m"}),
        &[bad, bad, good, bad, bad, bad, (Unhealthy, "firing")],
    );
}

#[test]
fn what_is_pending_is_over_without_a_word() {
    let mut world = shops(json!({"for": "10m"})).shop("T1", Unhealthy, "shop_frozen");
    world.run();
    assert_eq!(world.alert().status, AlertStatus::Pending);
    world.set_shop("T1", Healthy, "ok");
    assert_eq!(world.after(HOUR), Vec::<String>::new());
    assert_eq!(world.facts.open.len(), 0);
    // What was so while nobody looked has lasted as long.
    world.set_shop("T1", Unhealthy, "shop_frozen");
    assert_eq!(world.after(HOUR).len(), 1);
}

#[test]
fn only_the_states_and_checks_that_the_rule_names() {
    let mut world = shops(json!({"statuses": ["degraded", "unhealthy"], "checks": ["shopify"]})).shop(
        "T1",
        Degraded,
        "plan_paused",
    );
    assert_eq!(world.after(HOUR), ["firing: Shopify of T1 is degraded"]);
    world.set_shop("T1", Unhealthy, "shop_frozen");
    assert_eq!(world.after(HOUR), Vec::<String>::new());
    world.facts.health[0].service = CheckedService::Quotas;
    assert_eq!(world.after(HOUR).len(), 1);
    assert_eq!(world.facts.ended[0].resolve_reason.unwrap().code(), "removed");
    let mut world = shops(json!({"checks": ["quotas"]})).shop("T1", Unhealthy, "used_up");
    assert_eq!(world.after(HOUR), Vec::<String>::new());
    let mut world = shops(json!({"statuses": ["unknown"]})).shop("T1", Unknown, "unreachable");
    assert_eq!(world.after(HOUR), ["firing: Shopify of T1 is unknown"]);
}

#[test]
fn what_belongs_to_no_tenant_is_for_rules_that_select_none() {
    let mut world = shops(json!({}));
    world.set_rule("gold", json!({"when": {"healthStatus": {}}, "selector": {"tenants": ["*"]}}));
    world = world.shop("", Unhealthy, "no_answer");
    world.facts.health[0].service = CheckedService::Database;
    world.facts.health[0].tenant = None;
    assert_eq!(world.after(HOUR), ["firing: The database is unhealthy"]);
    assert_eq!(world.alert().rule.as_deref(), Some("shops"));
    assert_eq!(world.alert().labels["check"], "database");
}

#[test]
fn what_comes_and_goes_is_told_once_more_and_then_when_it_is_quiet() {
    let flapping = json!({"changes": 4, "window": "1h"});
    let mut world = World::new()
        .rule("shops", json!({"when": {"healthStatus": {}}, "flapping": flapping, "reminder": "never"}));
    let mut said = Vec::new();
    let minute = TimeDelta::minutes(1);
    for round in 0..12 {
        world.set_shop("T1", if round % 2 == 0 { Unhealthy } else { Healthy }, "x");
        said.extend(world.after(minute * 5).iter().map(|text| text.split(':').next().unwrap().to_owned()));
    }
    assert_eq!(said, ["firing", "resolved", "firing", "resolved", "flapping"]);
    assert!(world.alert().is_flapping);
    // It ends well: that is told once it was quiet for the window.
    assert_eq!(world.after(minute * 59), Vec::<String>::new());
    assert_eq!(world.after(minute), ["resolved: Shopify of T1 is well again"]);
    assert_eq!(world.facts.open.len(), 0);
}

#[test]
fn what_comes_and_goes_and_stays_bad_is_told_when_it_is_quiet() {
    let flapping = json!({"changes": 2, "window": "1h"});
    let mut world = World::new()
        .rule("shops", json!({"when": {"healthStatus": {}}, "flapping": flapping, "reminder": "never"}));
    for status in [Unhealthy, Healthy, Unhealthy] {
        world.set_shop("T1", status, "x");
        world.after(HOUR / 12);
    }
    assert_eq!(count(&world.told, Event::Flapping), 1);
    assert_eq!(world.after(HOUR), ["reminder: Still so: Shopify of T1 is unhealthy"]);
    assert!(!world.alert().is_flapping);
    // Without a guard, everything is told.
    let mut world = shops(json!({}));
    for round in 0..12 {
        world.set_shop("T1", if round % 2 == 0 { Unhealthy } else { Healthy }, "x");
        assert_eq!(world.after(HOUR / 12).len(), 1);
    }
}

#[test]
fn a_database_that_is_down_explains_other_checks_and_not_itself() {
    let mut world = shops(json!({})).shop("T1", Unhealthy, "shop_frozen").shop("", Unhealthy, "no_answer");
    world.facts.health[1].service = CheckedService::Database;
    world.facts.health[1].tenant = None;
    assert_eq!(world.after(HOUR), ["firing: The database is unhealthy"]);
    world.facts.health[1].status = Healthy;
    world.facts.health[1].last_status = Healthy;
    assert_eq!(
        world.after(HOUR),
        ["resolved: The database is well again", "firing: Shopify of T1 is unhealthy"]
    );
    // Where nobody is told of the database, nothing is held back because of it.
    let mut world = shops(json!({"checks": ["shopify"]})).shop("T1", Unhealthy, "shop_frozen").shop(
        "",
        Unhealthy,
        "no_answer",
    );
    world.facts.health[1].service = CheckedService::Database;
    world.facts.health[1].tenant = None;
    assert_eq!(world.after(HOUR), ["firing: Shopify of T1 is unhealthy"]);
}
