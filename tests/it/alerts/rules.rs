//! Rules that change or go, what none covers, and the options of `check-now`.

use serde_json::json;

use super::{USUAL, Watch};
use crate::support::project::workspace_yaml;

const AT: &str = "2031-06-25T09:00:00Z";

#[test]
fn a_rule_that_goes_ends_its_alerts_once() {
    let watch = Watch::new("alerts_rule_gone", USUAL);
    watch.check(AT, &[]);
    watch.estate.project.remove("manifests/expiry.yaml");
    watch.apply();
    let found = watch.check(AT, &[]);
    assert_eq!(found["summary"]["resolved"], 1, "{found:#}");
    assert_eq!(found["changes"][0]["alert"]["resolveReason"], "rule_removed");
    assert_eq!(watch.told().len(), 2);
    watch.check(AT, &[]);
    assert_eq!(watch.told().len(), 2);
}

#[test]
fn a_rule_that_changes_ends_what_it_no_longer_means() {
    let watch = Watch::new("alerts_rule_changed", USUAL);
    watch.check(AT, &[]);
    watch.estate.edit(
        "expiry.yaml",
        "reminder: never",
        "reminder: never, severity: critical, description: new",
    );
    watch.apply();
    watch.check(AT, &[]);
    assert_eq!(watch.told().len(), 1);
    watch.estate.edit("expiry.yaml", "reminder: never", "reminder: never, selector: {tenants: [T2]}");
    watch.apply();
    let found = watch.check(AT, &[]);
    assert_eq!(found["changes"][0]["alert"]["resolveReason"], "rule_changed", "{found:#}");
    assert_eq!(watch.told().len(), 2);
}

#[test]
fn what_no_rule_covers_is_kept_and_counted() {
    let watch = Watch::without_rules("alerts_unrouted");
    watch.apply();
    watch.health("T2", "unhealthy", "shop_frozen");
    let at = "2031-07-01T00:00:00Z";
    let found = watch.check(at, &[]);
    assert_eq!((&found["unroutedTotal"], &found["summary"]["unrouted"]), (&json!(2), &json!(2)), "{found:#}");
    let found = watch.check(at, &[]);
    assert_eq!((&found["unroutedTotal"], &found["summary"]["unrouted"]), (&json!(2), &json!(0)), "{found:#}");
    assert_eq!(watch.told().len(), 0);
    let alerts = watch.list(at, &["--unrouted"]);
    assert_eq!(alerts.len(), 2);
    assert!(
        alerts.iter().all(|alert| alert["rule"].is_null() && alert["status"] == "unrouted"),
        "{alerts:#?}"
    );
    watch
        .estate
        .run(&["alerts", "check-now", "--yes", "--as-of", at])
        .ok()
        .stdout_has("2 covered by no rule");
    let id = alerts[0]["id"].as_str().unwrap();
    watch
        .estate
        .run(&["alerts", "acknowledge", "--alert-id", id, "--as-of", at])
        .code(5)
        .stderr_has("no rule covers");
    watch.estate.declare("AlertRule", "expiry", USUAL);
    watch.apply();
    let found = watch.check(at, &[]);
    assert_eq!(found["unroutedTotal"], 1, "{found:#}");
    assert_eq!(watch.told(), ["firing The Shopify credential c1 of T1 expired 1 day ago"]);
}

#[test]
fn an_alert_that_waits_for_its_group_fires_once_and_is_told_later() {
    let rule = "{when: {credentialExpiry: {}}, channels: [box], reminder: never, grouping: {by: [tenant], wait: 10m}}";
    let watch = Watch::new("alerts_told", rule);
    let of = |found: &serde_json::Value| {
        let summary = &found["summary"];
        json!([summary["fired"], summary["waiting"], summary["told"]])
    };
    assert_eq!(of(&watch.check("2031-06-25T09:00:00Z", &[])), json!([1, 1, 0]));
    let dry = ["alerts", "check-now", "--dry-run", "--as-of", "2031-06-25T09:10:00Z"];
    watch.estate.run(&dry).ok().stdout_has("told").stdout_has("1 message would be").nowhere("fired");
    let found = watch.check("2031-06-25T09:10:00Z", &[]);
    assert_eq!(of(&found), json!([0, 0, 1]));
    let told = found["changes"].as_array().unwrap().iter().find(|change| change["happening"] == "told");
    assert_eq!(told.unwrap()["channels"], json!(["box"]));
    assert_eq!(watch.told().len(), 1);
}

#[test]
fn a_dry_run_writes_nothing() {
    let watch = Watch::new("alerts_dry", USUAL);
    let found = watch.check(AT, &["--dry-run"]);
    assert_eq!((&found["dryRun"], &found["summary"]["fired"]), (&json!(true), &json!(1)), "{found:#}");
    assert_eq!(found["messages"][0]["channels"], json!(["box"]));
    let written = "select (select count(*) from synthex.alerts) + (select count(*) from synthex.notifications) \
         + (select count(*) from synthex.alert_thresholds) + (select count(*) from synthex.alert_evaluations)";
    assert_eq!(watch.estate.database.query_one_i64(written), 0);
    watch
        .estate
        .run(&["alerts", "check-now", "--yes", "--dry-run", "--as-of", AT])
        .ok()
        .stdout_has("nothing was written");
}

#[test]
fn one_rule_and_the_schedule() {
    let watch = Watch::new("alerts_one_rule", USUAL);
    watch.estate.declare("AlertRule", "second", USUAL);
    watch.apply();
    watch.check(AT, &["--rule", "second"]);
    assert_eq!(watch.told().len(), 1);
    let wrong = watch.estate.run(&["alerts", "check-now", "--yes", "--rule", "secnd", "--as-of", AT]).code(3);
    wrong.stderr_has("did you mean `second`");
    // At nine: the second was evaluated then, the first never was.
    let found = watch.check(AT, &["--due"]);
    assert_eq!(found["summary"]["fired"], 1, "{found:#}");
    watch.expires("2031-07-20T00:00:00Z");
    watch.check("2031-06-26T08:59:59Z", &["--due"]);
    let firing = |watch: &Watch| watch.told().iter().filter(|text| text.starts_with("firing")).count();
    assert_eq!(firing(&watch), 2);
    watch.check("2031-06-26T09:00:00Z", &["--due"]);
    assert_eq!(firing(&watch), 4);
}

#[test]
fn what_is_queued_can_be_delivered_at_once() {
    let watch = Watch::new("alerts_deliver", USUAL);
    let found = watch.check(AT, &["--deliver"]);
    assert_eq!(found["delivered"]["sent"], 1, "{found:#}");
    assert_eq!(watch.estate.database.query_one_i64("select count(*) from synthex.inbox_items"), 1);
}

#[test]
fn the_ends_that_differ_from_channel_to_channel_are_all_delivered_at_once() {
    let watch = Watch::without_rules("alerts_deliver_mixed");
    watch.estate.declare("NotificationChannel", "log", "{type: console}");
    // Nobody listens there, so it waits to be tried again.
    let hook = "{type: webhook, webhook: {url: 'http://127.0.0.1:9/'}, fallback: log, delivery: {retry: [1h]}, \
         network: {allowCidrs: [127.0.0.0/8], allowPorts: [9], allowInsecure: true}}";
    watch.estate.declare("NotificationChannel", "hook", hook);
    watch.estate.declare(
        "AlertRule",
        "expiry",
        "{when: {credentialExpiry: {}}, channels: [box, hook], reminder: never}",
    );
    watch.apply();
    let run = |at: &str| {
        watch.estate.run(&["alerts", "check-now", "--yes", "--as-of", at, "--deliver", "--format", "json"])
    };
    run(AT).code(7);
    watch.expires("2032-06-30T00:00:00Z");
    // The inbox is told the end, the webhook both; that one fails for good now, and the fallback is told.
    watch.estate.edit("hook.yaml", "retry: [1h]", "retry: []");
    watch.apply();
    run("2031-06-25T12:00:00Z").code(7).stdout_has("\"dead\": 1");
    let states = "select string_agg(concat_ws(' ', d.channel, n.event, d.state), ', ' order by d.seq) \
         from synthex.notification_deliveries d join synthex.notifications n on n.id = d.notification";
    let states = watch.estate.value(states).unwrap();
    for expected in [
        "box firing sent",
        "hook firing cancelled",
        "box resolved sent",
        "hook fired_and_resolved dead",
        "log delivery_failed sent",
    ] {
        assert!(states.contains(expected), "{expected}: {states}");
    }
    assert!(!states.contains("pending"), "{states}");
}

#[test]
fn a_rule_that_is_deleted_for_good_has_its_ends_told() {
    let watch = Watch::new("alerts_permanent", USUAL);
    watch.check(AT, &["--deliver"]);
    watch
        .estate
        .database
        .sql("set synthex.engine = 'on'; delete from synthex.alert_rules where name = 'expiry'");
    let found = watch.check("2031-06-25T12:00:00Z", &["--deliver"]);
    assert_eq!(found["delivered"]["sent"], 1, "{found:#}");
    let ended = watch.told().iter().filter(|text| text.starts_with("resolved")).count();
    assert_eq!(ended, 1);
    assert_eq!(watch.estate.database.query_one_i64("select count(*) from synthex.inbox_items"), 2);
}

#[test]
fn a_rule_that_somebody_broke_by_hand_holds_up_no_other() {
    let watch = Watch::new("alerts_broken", USUAL);
    watch.estate.declare("AlertRule", "second", USUAL);
    watch.apply();
    watch.check(AT, &[]);
    assert_eq!(watch.told().len(), 2);
    watch
        .estate
        .database
        .sql("update synthex.alert_rules set condition = '{\"moon\": {}}' where name = 'second'");
    let found = watch.check("2031-06-29T09:00:00Z", &[]);
    assert_eq!(found["unreadable"], json!([{"workspaceId": "w", "what": "rule second"}]), "{found:#}");
    // Its alert stays as it is, and the other rule goes on.
    assert_eq!(watch.told().len(), 3);
    assert_eq!(watch.list(AT, &["--firing"]).len(), 2);
}

#[test]
fn what_belongs_to_a_workspace_that_is_deleted_is_over_and_nobody_is_told() {
    let watch = Watch::new("alerts_no_workspace", USUAL);
    watch.check(AT, &["--deliver"]);
    assert_eq!(watch.told().len(), 1);
    for name in ["w", "T1", "T2", "T3", "shops", "c1", "c2", "box", "hush", "night", "often", "expiry"] {
        watch.estate.project.remove(&format!("manifests/{name}.yaml"));
    }
    let file = watch.estate.project.read("synthex.yaml").replace("workspace: w, ", "");
    watch.estate.project.write("synthex.yaml", file);
    watch.estate.project.write("manifests/v.yaml", workspace_yaml("v"));
    watch.apply();
    let found = |args: &[&str]| {
        watch.check("2031-06-26T09:00:00Z", args);
        let sql = "select status || ' ' || coalesce(resolve_reason, '') from synthex.alerts";
        watch.estate.value(sql).unwrap()
    };
    assert_eq!(found(&["--dry-run"]), "firing ");
    assert_eq!(found(&[]), "resolved removed");
    assert_eq!(watch.told().len(), 1);
}

#[test]
fn what_a_rule_on_health_no_longer_means_is_no_recovery() {
    let rule = "{when: {healthStatus: {statuses: [degraded, unhealthy]}}, channels: [box], reminder: never}";
    let watch = Watch::new("alerts_statuses_changed", rule);
    watch.health("T1", "unhealthy", "shop_frozen");
    watch.check(AT, &["--deliver"]);
    watch.health("T1", "degraded", "plan_paused");
    watch.check("2031-06-25T10:00:00Z", &["--deliver"]);
    watch.estate.edit("expiry.yaml", "degraded, ", "");
    let plan = watch.estate.run(&["plan", "--as-of", "2031-06-25T11:00:00Z"]);
    plan.stdout_has("would be over: rule/w/expiry").stdout_has("(rule_changed)");
    watch.apply();
    let found = watch.check("2031-06-25T11:00:00Z", &[]);
    assert_eq!(found["changes"][0]["alert"]["resolveReason"], "rule_changed", "{found:#}");
    assert_eq!(watch.told()[1..], ["resolved Shopify of T1 is no longer what the rule watches"]);
}

#[test]
fn a_time_to_come_is_for_looking_unless_somebody_says_so() {
    let watch = Watch::new("alerts_future", USUAL);
    let run = |more: &[&str]| {
        let words = ["alerts", "check-now", "--as-of", "2031-06-25"];
        watch.estate.run(&[&words[..], more].concat())
    };
    run(&[]).code(3).stderr_has("2031-06-25 00:00 UTC is to come").stderr_has("--dry-run");
    assert_eq!(watch.estate.database.query_one_i64("select count(*) from synthex.alerts"), 0);
    run(&["--dry-run"]).ok().stdout_has("c1 of T1");
    run(&["--yes"]).ok().stdout_has("c1 of T1");
    assert_eq!(watch.told().len(), 1);
}

#[test]
fn what_waits_from_before_is_delivered_too() {
    let watch = Watch::new("alerts_waits", USUAL);
    watch.check("2031-06-25T00:00:00Z", &[]);
    let sent = "select count(*) from synthex.notification_deliveries where state = 'sent'";
    assert_eq!(watch.estate.database.query_one_i64(sent), 0);
    let found = watch.check("2031-06-25T01:00:00Z", &["--deliver"]);
    assert_eq!(found["delivered"]["sent"], 1, "{found:#}");
    assert_eq!(watch.estate.database.query_one_i64(sent), 1);
}

#[test]
fn what_people_ended_themselves_is_told_again_when_they_bring_it_back() {
    let watch = Watch::new("alerts_back", USUAL);
    watch.check("2031-06-25T00:00:00Z", &["--deliver"]);
    watch.estate.edit("T1.yaml", "status: active", "status: suspended");
    watch.apply();
    watch.check("2031-06-25T01:00:00Z", &["--deliver"]);
    watch.estate.edit("T1.yaml", "status: suspended", "status: active");
    watch.apply();
    watch.check("2031-06-25T02:00:00Z", &["--deliver"]);
    watch.check("2031-06-25T03:00:00Z", &["--deliver"]);
    let told = watch.told();
    let events: Vec<&str> = told.iter().map(|told| told.split(' ').next().unwrap()).collect();
    assert_eq!(events, ["firing", "resolved", "firing"], "{told:#?}");
    // The same with the rule.
    watch.estate.edit("expiry.yaml", "reminder: never", "reminder: never, enabled: false");
    watch.apply();
    watch.check("2031-06-25T04:00:00Z", &["--deliver"]);
    watch.estate.edit("expiry.yaml", ", enabled: false", "");
    watch.apply();
    watch.check("2031-06-25T05:00:00Z", &["--deliver"]);
    assert_eq!(watch.told().len(), 5);
}

#[test]
fn what_nobody_is_told_is_no_success() {
    let watch = Watch::without_rules("alerts_untold");
    watch.estate.declare("NotificationChannel", "box", "{type: in-app, enabled: false}");
    watch.estate.declare("AlertRule", "expiry", USUAL);
    watch.apply();
    let words = ["alerts", "check-now", "--yes", "--as-of", "2031-06-25"];
    let said = watch.estate.run(&[&words[..], &["--deliver", "--format", "json"]].concat()).code(7);
    let said = said.stderr_has("1 message is not told through channel `box` of `w`");
    let untold = &said.json()["untold"][0];
    assert_eq!((&untold["channel"], &untold["messages"]), (&json!("box"), &json!(1)), "{untold:#}");
}

#[test]
fn commands_in_messages_name_the_environment_that_they_need() {
    let watch = Watch::without_rules("alerts_environment");
    watch.estate.declare("NotificationChannel", "log", "{type: console}");
    watch.estate.declare("AlertRule", "expiry", "{when: {credentialExpiry: {}}, channels: [log]}");
    let project = watch.estate.project.read("synthex.yaml");
    let environments = project.replace("spec: {", "spec: {environments: {prod: {}, staging: {}}, ");
    watch.estate.project.write("synthex.yaml", environments);
    watch.estate.run(&["-e", "prod", "apply", "--yes"]).ok();
    let words = ["-e", "prod", "alerts", "check-now", "--yes", "--deliver", "--as-of", "2031-06-25"];
    let said = watch.estate.run(&words).ok();
    said.stdout_has("synthex tenant credentials verify c1 --workspace w -e prod")
        .stdout_has("--workspace w -e prod");
}
