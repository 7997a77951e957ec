//! Silences and maintenance windows: what is muted lives on, and is told when it is not muted any more, if it still stands.

use super::*;

fn frozen() -> World {
    World::new().rule("shops", json!({"when": {"healthStatus": {}}, "reminder": "never"})).shop(
        "T1",
        HealthStatus::Unhealthy,
        "shop_frozen",
    )
}

fn silence(world: &mut World, name: &str, rest: Value) {
    let mut spec = json!({
        "matchers": ["tenant=T1"], "startsAt": world.now, "createdBy": "ana", "comment": "known",
    });
    spec.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    world.facts.silences.retain(|(own, _)| own != name);
    world.facts.silences.push((name.to_owned(), serde_json::from_value(spec).unwrap()));
}

fn window(world: &mut World, at: &str, duration: &str) {
    let spec = json!({"every": {"day": 1}, "at": at, "duration": duration, "comment": "work"});
    world.facts.windows = vec![("nightly".to_owned(), serde_json::from_value(spec).unwrap())];
}

#[test]
fn a_muted_alert_changes_and_nobody_is_told() {
    let mut world = World::new().expiring().credential("c1", Some(DAY * 5));
    silence(&mut world, "s", json!({"duration": "5d"}));
    assert_eq!(world.after(TimeDelta::zero()), Vec::<String>::new());
    assert_eq!(world.alert().status, AlertStatus::Firing);
    assert_eq!(world.alert().muted_by, ["silence/s"]);
    let now = world.now;
    assert_eq!(world.alert().muted_since, Some(now));
    world.after(DAY * 4);
    assert_eq!(world.alert().threshold.as_deref(), Some("1d"));
    // The silence ends while it stands: one message, of what is so now.
    assert_eq!(world.after(DAY), ["firing: The Shopify credential c1 of T1 expired just now"]);
    assert_eq!(world.alert().muted_by, Vec::<String>::new());
    let superseded = world.facts.thresholds.iter().filter(|row| !row.is_told).count();
    assert_eq!(superseded, 3);
}

#[test]
fn what_is_over_while_it_is_muted_is_not_told() {
    let mut world = frozen();
    silence(&mut world, "s", json!({"duration": "2h"}));
    world.after(TimeDelta::zero());
    world.set_shop("T1", HealthStatus::Healthy, "ok");
    assert_eq!(world.after(HOUR), Vec::<String>::new());
    assert_eq!(world.after(HOUR * 2), Vec::<String>::new());
    assert_eq!(world.facts.ended.len(), 1);
    // The same of one that was told before.
    let mut world = frozen();
    world.run();
    silence(&mut world, "s", json!({"duration": "2h"}));
    world.after(TimeDelta::zero());
    world.set_shop("T1", HealthStatus::Healthy, "ok");
    assert_eq!(world.after(HOUR), Vec::<String>::new());
    assert_eq!(world.after(HOUR * 2), Vec::<String>::new());
}

#[test]
fn one_message_after_a_silence_and_none_after_a_window() {
    let mut world = frozen();
    world.run();
    silence(&mut world, "s", json!({"duration": "1h"}));
    assert_eq!(world.after(TimeDelta::zero()), Vec::<String>::new());
    assert_eq!(world.after(HOUR), ["reminder: Still so: Shopify of T1 is unhealthy"]);
    // From nine on it was told; the window is open from eleven to one.
    let mut world = frozen();
    window(&mut world, "11:00", "2h");
    assert_eq!(world.after(TimeDelta::zero()).len(), 1);
    assert_eq!(world.after(HOUR * 2), Vec::<String>::new());
    assert_eq!(world.alert().muted_by, ["window/nightly"]);
    assert_eq!(world.after(HOUR * 2), Vec::<String>::new());
    assert_eq!(world.alert().muted_by, Vec::<String>::new());
    // Unless the reminder is due.
    let mut world = frozen();
    world.set_rule("shops", json!({"when": {"healthStatus": {}}, "reminder": "3h"}));
    window(&mut world, "11:00", "2h");
    world.run();
    assert_eq!(world.after(HOUR * 3), Vec::<String>::new());
    assert_eq!(world.after(HOUR).len(), 1);
    // What fires in a window is told after it.
    let mut world = frozen();
    window(&mut world, "08:00", "2h");
    assert_eq!(world.after(TimeDelta::zero()), Vec::<String>::new());
    assert_eq!(world.after(HOUR), ["firing: Shopify of T1 is unhealthy"]);
}

#[test]
fn until_resolved_tells_the_end_and_mutes_no_later_alert() {
    let mut world = frozen();
    world.run();
    silence(&mut world, "s", json!({"untilResolved": true}));
    assert_eq!(world.after(DAY), Vec::<String>::new());
    world.set_shop("T1", HealthStatus::Healthy, "ok");
    assert_eq!(world.after(HOUR), ["resolved: Shopify of T1 is well again"]);
    world.set_shop("T1", HealthStatus::Unhealthy, "shop_frozen");
    assert_eq!(world.after(HOUR), ["firing: Shopify of T1 is unhealthy"]);
}

#[test]
fn a_silence_matches_what_it_says() {
    let mut world = frozen();
    silence(&mut world, "s", json!({"duration": "1h", "matchers": ["tenant=T1", "severity=critical"]}));
    assert_eq!(world.after(TimeDelta::zero()).len(), 1);
    let mut world = frozen();
    silence(
        &mut world,
        "s",
        json!({"duration": "1h", "matchers": ["label.tier=gold", "market=~\"ANZ_.*\"", "kind=health_status"]}),
    );
    assert_eq!(world.after(TimeDelta::zero()), Vec::<String>::new());
}

#[test]
fn two_silences_one_after_the_other_are_one() {
    let mut world = frozen();
    silence(&mut world, "one", json!({"duration": "2h"}));
    world.run();
    world.now += HOUR;
    silence(&mut world, "two", json!({"duration": "2h"}));
    world.after(TimeDelta::zero());
    assert_eq!(world.alert().muted_by, ["silence/one", "silence/two"]);
    assert_eq!(world.after(HOUR), Vec::<String>::new());
    assert_eq!(world.after(HOUR), ["firing: Shopify of T1 is unhealthy"]);
}

#[test]
fn the_end_of_what_was_told_is_told_in_a_window_and_under_an_inhibition() {
    // Told at nine, well at noon, while the window is open.
    let mut world = frozen();
    window(&mut world, "11:00", "2h");
    assert_eq!(world.after(TimeDelta::zero()).len(), 1);
    assert_eq!(world.after(HOUR * 2), Vec::<String>::new());
    world.set_shop("T1", HealthStatus::Healthy, "ok");
    assert_eq!(world.after(HOUR), ["resolved: Shopify of T1 is well again"]);
    // Of what began in the window, nobody hears.
    let mut world = frozen();
    window(&mut world, "08:00", "4h");
    assert_eq!(world.after(TimeDelta::zero()), Vec::<String>::new());
    world.set_shop("T1", HealthStatus::Healthy, "ok");
    assert_eq!(world.after(HOUR), Vec::<String>::new());
    // A silence asks for nothing at all, whatever else mutes it.
    let mut world = frozen();
    window(&mut world, "11:00", "2h");
    world.run();
    silence(&mut world, "s", json!({"duration": "1d"}));
    world.after(HOUR * 2);
    assert_eq!(world.alert().muted_by, ["silence/s", "window/nightly"]);
    world.set_shop("T1", HealthStatus::Healthy, "ok");
    assert_eq!(world.after(HOUR), Vec::<String>::new());
    // The same while the database is down.
    let mut world = frozen();
    world.run();
    world.set_shop("", HealthStatus::Unhealthy, "no_answer");
    let database = world.facts.health.last_mut().unwrap();
    (database.service, database.tenant) = (CheckedService::Database, None);
    assert_eq!(world.after(HOUR), ["firing: The database is unhealthy"]);
    world.set_shop("T1", HealthStatus::Healthy, "ok");
    assert_eq!(world.after(HOUR), ["resolved: Shopify of T1 is well again"]);
}

#[test]
fn a_silence_until_resolved_counts_anew_under_a_name_used_before() {
    let mut world = frozen();
    silence(&mut world, "s", json!({"untilResolved": true}));
    assert_eq!(world.after(HOUR), Vec::<String>::new());
    world.set_shop("T1", HealthStatus::Healthy, "ok");
    assert_eq!(world.after(HOUR), Vec::<String>::new());
    world.now += DAY * 30;
    world.set_shop("T1", HealthStatus::Unhealthy, "shop_frozen");
    silence(&mut world, "s", json!({"untilResolved": true}));
    assert_eq!(world.after(HOUR), Vec::<String>::new());
    assert_eq!(world.alert().muted_by, ["silence/s"]);
}

#[test]
fn what_was_never_raised_ends_no_silence() {
    let mut world = frozen();
    world.set_rule("shops", json!({"when": {"healthStatus": {"for": "2h"}}, "reminder": "never"}));
    silence(&mut world, "s", json!({"untilResolved": true}));
    world.after(HOUR);
    assert_eq!(world.alert().status, AlertStatus::Pending);
    world.set_shop("T1", HealthStatus::Healthy, "ok");
    world.after(HOUR);
    world.set_shop("T1", HealthStatus::Unhealthy, "shop_frozen");
    assert_eq!(world.after(HOUR * 3), Vec::<String>::new());
    assert_eq!((world.alert().status, world.alert().muted_by.len()), (AlertStatus::Firing, 1));
}
