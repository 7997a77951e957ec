//! Alerts on health and usage.

use super::Watch;

const RULE: &str = "{when: {healthStatus: {}}, channels: [box], reminder: never}";

#[test]
fn what_is_unhealthy_is_told_and_so_is_its_end() {
    let watch = Watch::new("alerts_health", RULE);
    watch.health("T1", "degraded", "plan_paused");
    watch.health("T2", "unknown", "unreachable");
    watch.health("T3", "unhealthy", "shop_frozen");
    watch.check("2031-01-02T00:00:00Z", &["--deliver"]);
    assert_eq!(watch.told(), ["firing Shopify of T3 is unhealthy"]);
    let alert = watch.alert("2031-01-02T00:00:00Z");
    assert!(alert["message"].as_str().unwrap().contains("it said shop_frozen"), "{alert:#}");
    // What cannot be found out ends nothing.
    watch.health("T3", "unknown", "unreachable");
    watch.check("2031-01-02T01:00:00Z", &[]);
    assert_eq!(watch.told().len(), 1);
    watch.health("T3", "healthy", "ok");
    watch.check("2031-01-02T02:00:00Z", &[]);
    assert_eq!(watch.told()[1], "resolved Shopify of T3 is well again");
}

#[test]
fn a_provider_that_answers_for_nobody_is_one_alert() {
    let watch = Watch::new("alerts_outage", RULE);
    for tenant in ["T1", "T2", "T3"] {
        watch.health(tenant, "unhealthy", "unreachable");
    }
    watch.check("2031-01-02T00:00:00Z", &["--deliver"]);
    assert_eq!(watch.told(), ["firing The Shopify API does not answer for 3 of 3 tenants"]);
    let alerts = watch.list("2031-01-02T00:00:00Z", &[]);
    assert_eq!(alerts.iter().filter(|alert| alert["mutedBy"][0] == "inhibition/shopify").count(), 3);
    for tenant in ["T1", "T2", "T3"] {
        watch.health(tenant, "healthy", "ok");
    }
    watch.check("2031-01-02T01:00:00Z", &[]);
    assert_eq!(watch.told()[1..], ["resolved The Shopify API answers again"]);
    assert_eq!(watch.list("2031-01-02T01:00:00Z", &[]).len(), 0);
}

#[test]
fn an_outage_is_one_message_at_its_onset_and_one_at_its_end() {
    let watch = Watch::new("alerts_outage_whole", RULE);
    let (all, lost) = (["T1", "T2", "T3"], ("unknown", "unreachable"));
    watch.looked(&all, "healthy", lost, 2, 0);
    watch.check("2031-01-02T00:00:00Z", &["--deliver"]);
    assert_eq!(watch.list("2031-01-02T00:00:00Z", &[]).len(), 0);
    // In the middle of the third run one has settled, and nobody is told of it by itself.
    watch.looked(&["T1"], "unhealthy", ("unhealthy", "unreachable"), 3, 0);
    watch.check("2031-01-02T00:15:00Z", &["--deliver"]);
    assert_eq!(watch.told(), Vec::<String>::new());
    let alerts = watch.list("2031-01-02T00:15:00Z", &[]);
    assert!(alerts.iter().any(|alert| alert["mutedBy"][0] == "inhibition/shopify"), "{alerts:#?}");
    watch.looked(&["T2", "T3"], "unhealthy", ("unhealthy", "unreachable"), 3, 0);
    watch.check("2031-01-02T00:16:00Z", &["--deliver"]);
    assert_eq!(watch.told(), ["firing The Shopify API does not answer for 3 of 3 tenants"]);
    // After one good result of each nothing has settled, after the second one of two the outage is over.
    watch.looked(&all, "unhealthy", ("healthy", "ok"), 0, 1);
    watch.check("2031-01-02T00:30:00Z", &["--deliver"]);
    assert_eq!(watch.told().len(), 1);
    watch.looked(&["T1", "T2"], "healthy", ("healthy", "ok"), 0, 2);
    watch.check("2031-01-02T00:45:00Z", &["--deliver"]);
    assert_eq!(watch.told()[1..], ["resolved The Shopify API answers again"]);
    // The last one is still muted, and shows a trouble of its own then.
    assert_eq!(watch.alert("2031-01-02T00:45:00Z")["mutedBy"][0], "inhibition/shopify");
    watch.looked(&["T3"], "unhealthy", ("unhealthy", "shop_frozen"), 1, 0);
    watch.check("2031-01-02T01:00:00Z", &["--deliver"]);
    assert_eq!(watch.told()[2..], ["firing Shopify of T3 is unhealthy"]);
}

#[test]
fn a_rule_that_names_unknown_looks_at_the_last_result() {
    let rule = "{when: {healthStatus: {statuses: [unknown]}}, channels: [box], reminder: never}";
    let watch = Watch::new("alerts_unknown", rule);
    watch.looked(&["T1"], "healthy", ("unknown", "not_asked"), 0, 5);
    watch.looked(&["T2"], "unknown", ("unknown", "never_checked"), 0, 0);
    watch.check("2031-01-02T00:00:00Z", &["--deliver"]);
    assert_eq!(watch.told(), ["firing Shopify of T1 is unknown"]);
    watch.looked(&["T1"], "healthy", ("healthy", "ok"), 0, 6);
    watch.check("2031-01-02T00:15:00Z", &[]);
    assert_eq!(watch.told()[1..], ["resolved Shopify of T1 is well again"]);
}

#[test]
fn a_rule_counts_only_results_that_it_names() {
    let rule = "{when: {healthStatus: {failureThreshold: 2}}, channels: [box], reminder: never}";
    let watch = Watch::new("alerts_counted", rule);
    let set = |status: &str, failures: i64, severe: i64| {
        watch.looked(&["T1"], "healthy", (status, "shop_frozen"), failures, 0);
        watch.estate.database.sql(&format!("update synthex.health_status set severe = {severe}"));
    };
    set("degraded", 2, -4);
    watch.check("2031-01-02T00:00:00Z", &[]);
    set("unhealthy", 3, 1);
    watch.check("2031-01-02T00:15:00Z", &[]);
    assert_eq!(watch.told(), Vec::<String>::new());
    set("unhealthy", 4, 2);
    watch.check("2031-01-02T00:30:00Z", &["--deliver"]);
    assert_eq!(watch.told(), ["firing Shopify of T1 is unhealthy"]);
    set("degraded", 6, -2);
    watch.check("2031-01-02T00:45:00Z", &[]);
    assert_eq!(watch.told()[1..], ["resolved Shopify of T1 is well again"]);
}

#[test]
fn usage_above_a_limit() {
    let watch = Watch::new(
        "alerts_usage",
        "{when: {usageThreshold: {metric: api-call, above: 2, window: 1h}}, channels: [box]}",
    );
    watch.estate.database.sql(
        "insert into synthex.usage_metrics (id, recorded_at, workspace, actor, metric_type, metric_name, service, outcome) \
         select gen_random_uuid(), at::timestamptz, workspace, 'a', type, 'x', 'shopify', 'succeeded' from (values \
         ('2031-01-01T00:00:00Z', 'w', 'api_call'), ('2031-01-01T00:10:00Z', 'w', 'api_call'), ('2031-01-01T00:59:59Z', 'w', 'api_call'), \
         ('2031-01-01T00:30:00Z', 'v', 'api_call'), ('2031-01-01T00:30:00Z', 'w', 'error')) as t (at, workspace, type)",
    );
    // The end of the window does not count, its beginning does.
    watch.check("2031-01-01T00:59:59Z", &[]);
    assert_eq!(watch.told().len(), 0);
    watch.check("2031-01-01T01:00:00Z", &["--deliver"]);
    assert_eq!(watch.told(), ["firing 3 API calls in 1h, more than 2"]);
    watch.check("2031-01-01T01:00:01Z", &[]);
    assert_eq!(watch.told()[1], "resolved The number of API calls is within its limit again");
}

#[test]
fn what_is_new_does_not_wait_for_a_message_about_another_tenant() {
    let watch = Watch::without_rules("alerts_apart");
    // Nobody listens there, so what is sent waits to be tried again.
    let hook = "{type: webhook, webhook: {url: 'http://127.0.0.1:9/'}, delivery: {retry: [5h]}, \
         network: {allowCidrs: [127.0.0.0/8], allowPorts: [9], allowInsecure: true}}";
    watch.estate.declare("NotificationChannel", "hook", hook);
    watch.estate.declare(
        "AlertRule",
        "health",
        "{when: {healthStatus: {}}, channels: [hook], reminder: never}",
    );
    watch.apply();
    let run = |at: &str| {
        watch
            .estate
            .run(&["alerts", "check-now", "--yes", "--as-of", at, "--deliver", "--format", "json"])
            .code(7);
    };
    watch.health("T3", "unhealthy", "shop_frozen");
    run("2031-01-02T00:00:00Z");
    watch.health("T2", "unhealthy", "shop_frozen");
    run("2031-01-02T00:10:00Z");
    let tried =
        "select string_agg(state || ' ' || attempts, ', ' order by seq) from synthex.notification_deliveries";
    assert_eq!(watch.estate.value(tried).as_deref(), Some("retrying 1, retrying 1"));
}
