//! Silences and maintenance windows that are declared.

use super::Watch;

const RULE: &str = "{when: {healthStatus: {}}, channels: [box], reminder: never}";

#[test]
fn a_muted_alert_is_shown_and_not_told_until_the_silence_ends() {
    let watch = Watch::new("alerts_silence", RULE);
    watch.estate.declare(
        "Silence",
        "known",
        "{matchers: ['tenant=T1'], startsAt: 2031-01-01T00:00:00Z, duration: 2h, createdBy: ana, comment: the shop moves}",
    );
    watch.apply();
    watch.health("T1", "unhealthy", "shop_frozen");
    let found = watch.check("2031-01-01T00:30:00Z", &[]);
    assert_eq!(found["summary"]["muted"], 1, "{found:#}");
    assert_eq!(watch.told().len(), 0);
    let alert = watch.alert("2031-01-01T00:30:00Z");
    assert_eq!(
        (&alert["status"], &alert["mutedBy"]),
        (&"firing".into(), &serde_json::json!(["silence/known"]))
    );
    assert_eq!(alert["sentAt"], serde_json::Value::Null);
    assert_eq!(
        watch.estate.database.query_one_i64("select count(*) from synthex.notification_deliveries"),
        0
    );
    watch.check("2031-01-01T01:59:59Z", &[]);
    assert_eq!(watch.told().len(), 0);
    watch.check("2031-01-01T02:00:00Z", &[]);
    assert_eq!(watch.told(), ["firing Shopify of T1 is unhealthy"]);
    watch.check("2031-01-01T03:00:00Z", &[]);
    assert_eq!(watch.told().len(), 1);
}

#[test]
fn what_is_over_meanwhile_is_not_told() {
    let watch = Watch::new("alerts_silence_over", RULE);
    watch.estate.declare(
        "Silence",
        "known",
        "{matchers: ['tenant=T1'], startsAt: 2031-01-01T00:00:00Z, duration: 2h, createdBy: ana, comment: the shop moves}",
    );
    watch.apply();
    watch.health("T1", "unhealthy", "shop_frozen");
    watch.check("2031-01-01T00:30:00Z", &[]);
    watch.health("T1", "healthy", "ok");
    watch.check("2031-01-01T01:00:00Z", &[]);
    watch.check("2031-01-01T03:00:00Z", &[]);
    assert_eq!(watch.told().len(), 0);
    assert_eq!(watch.list("2031-01-01T03:00:00Z", &["--resolved"]).len(), 1);
}

#[test]
fn until_resolved_ends_with_its_alert() {
    let watch = Watch::new("alerts_until", RULE);
    watch.health("T1", "unhealthy", "shop_frozen");
    watch.check("2031-01-01T00:00:00Z", &[]);
    watch.estate.declare(
        "Silence",
        "known",
        "{matchers: ['tenant=T1'], startsAt: 2031-01-01T00:00:00Z, untilResolved: true, createdBy: ana, comment: the shop moves}",
    );
    watch.apply();
    watch.check("2031-01-01T05:00:00Z", &[]);
    watch.health("T1", "healthy", "ok");
    watch.check("2031-01-01T06:00:00Z", &[]);
    watch.health("T1", "unhealthy", "shop_frozen");
    watch.check("2031-01-01T07:00:00Z", &[]);
    let events: Vec<String> =
        watch.told().iter().map(|text| text.split(' ').next().unwrap().to_owned()).collect();
    // What was still queued when it was over is one message of both.
    assert!(
        events == ["firing", "fired_and_resolved", "firing"] || events == ["firing", "resolved", "firing"],
        "{events:?}"
    );
}

#[test]
fn a_window_mutes_in_its_own_zone_and_tells_nothing_at_its_end() {
    let watch = Watch::new("alerts_window", RULE);
    watch.estate.declare(
        "MaintenanceWindow",
        "nightly",
        "{every: {day: 1}, at: '02:30', duration: 1h, timeZone: Australia/Sydney, comment: work}",
    );
    watch.apply();
    watch.health("T1", "unhealthy", "shop_frozen");
    // In summer, half past two in Sydney is half past three in the afternoon of the day before in UTC.
    watch.check("2031-01-01T15:30:00Z", &[]);
    assert_eq!(watch.told().len(), 0);
    assert_eq!(watch.alert("2031-01-01T15:30:00Z")["mutedBy"][0], "window/nightly");
    watch.check("2031-01-01T16:30:00Z", &[]);
    assert_eq!(watch.told().len(), 1);
    watch.check("2031-01-02T15:30:00Z", &[]);
    watch.check("2031-01-02T16:30:00Z", &[]);
    assert_eq!(watch.told().len(), 1);
}

#[test]
fn the_end_of_what_was_told_is_told_in_a_window_and_while_the_database_is_down() {
    let watch = Watch::new("alerts_end_muted", RULE);
    watch.estate.declare(
        "MaintenanceWindow",
        "nightly",
        "{matchers: ['tenant=T1'], every: {day: 1}, at: '22:00', duration: 2h, comment: work}",
    );
    watch.apply();
    for tenant in ["T1", "T2"] {
        watch.health(tenant, "unhealthy", "shop_frozen");
    }
    watch.check("2031-01-01T21:00:00Z", &["--deliver"]);
    watch.health("T1", "healthy", "ok");
    watch.check("2031-01-01T23:00:00Z", &["--deliver"]);
    assert_eq!(watch.told()[1..], ["resolved Shopify of T1 is well again"]);
    watch.estate.database.sql(
        "insert into synthex.health_status (workspace, service, status, since, last_status, code, message, checked_at) \
         values ('', 'database', 'unhealthy', '2031-01-01Z', 'unhealthy', 'no_answer', 'no', now())",
    );
    watch.check("2031-01-02T01:00:00Z", &["--deliver"]);
    watch.health("T2", "healthy", "ok");
    watch.check("2031-01-02T02:00:00Z", &["--deliver"]);
    assert_eq!(
        watch.told()[2..],
        ["firing The database is unhealthy", "resolved Shopify of T2 is well again"]
    );
}

#[test]
fn until_resolved_counts_anew_under_a_name_used_before() {
    let watch = Watch::new("alerts_until_again", RULE);
    let silence = |since: &str| {
        watch.estate.declare(
            "Silence",
            "known",
            &format!("{{matchers: ['tenant=T1'], startsAt: {since}, untilResolved: true, createdBy: ana, comment: it moves}}"),
        );
        watch.apply();
    };
    silence("2031-01-01T00:00:00Z");
    watch.health("T1", "unhealthy", "shop_frozen");
    watch.check("2031-01-01T01:00:00Z", &[]);
    watch.health("T1", "healthy", "ok");
    watch.check("2031-01-01T02:00:00Z", &[]);
    silence("2031-02-01T00:00:00Z");
    watch.health("T1", "unhealthy", "shop_frozen");
    watch.check("2031-02-01T01:00:00Z", &[]);
    assert_eq!(watch.alert("2031-02-01T01:00:00Z")["mutedBy"][0], "silence/known");
    assert_eq!(watch.told(), Vec::<String>::new());
    // Once that one is over, a later alert is told; and what is only pending ends no silence.
    watch.health("T1", "healthy", "ok");
    watch.check("2031-02-01T02:00:00Z", &[]);
    watch.health("T1", "unhealthy", "shop_frozen");
    watch.check("2031-02-01T03:00:00Z", &[]);
    assert_eq!(watch.told(), ["firing Shopify of T1 is unhealthy"]);
    watch.health("T1", "healthy", "ok");
    watch.check("2031-02-01T04:00:00Z", &["--deliver"]);
    silence("2031-03-01T00:00:00Z");
    let mut rule = RULE.replace("{healthStatus: {}}", "{healthStatus: {for: 2h, failureThreshold: 1}}");
    watch.estate.declare("AlertRule", "expiry", &rule);
    watch.apply();
    watch.health("T1", "healthy", "shop_frozen");
    watch
        .estate
        .database
        .sql("update synthex.health_status set last_status = 'unhealthy', failures = 1, severe = 1");
    watch.check("2031-03-01T01:00:00Z", &[]);
    assert_eq!(watch.alert("2031-03-01T01:00:00Z")["status"], "pending");
    watch.estate.database.sql(
        "update synthex.health_status set last_status = 'healthy', failures = 0, successes = 2, severe = -2",
    );
    watch.check("2031-03-01T01:30:00Z", &[]);
    assert_eq!(watch.list("2031-03-01T01:30:00Z", &[]).len(), 0);
    rule = RULE.to_owned();
    watch.estate.declare("AlertRule", "expiry", &rule);
    watch.apply();
    watch.health("T1", "unhealthy", "shop_frozen");
    watch.check("2031-03-01T02:00:00Z", &[]);
    assert_eq!(watch.alert("2031-03-01T02:00:00Z")["mutedBy"][0], "silence/known");
}
