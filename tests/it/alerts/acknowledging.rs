//! M-L5 and the lists: who knows of what.

use super::{USUAL, Watch};

const AT: &str = "2031-06-25T09:00:00Z";

#[test]
fn an_alert_has_the_fields_that_programs_read() {
    let watch = Watch::new("alerts_fields", USUAL);
    watch.check(AT, &[]);
    let alert = watch.alert(AT);
    for (field, expected) in [
        ("workspaceId", "w"),
        ("tenantId", "T1"),
        ("service", "shopify"),
        ("severity", "warning"),
        ("type", "expiring_7d"),
        ("expiresAt", "2031-06-30T00:00:00Z"),
        ("sentAt", AT),
        ("since", AT),
        ("status", "firing"),
        ("rule", "expiry"),
        ("threshold", "7d"),
        ("title", "The Shopify credential c1 of T1 expires in 5 days"),
        ("command", "synthex tenant credentials verify c1 --workspace w"),
    ] {
        assert_eq!(alert[field], expected, "{field}: {alert:#}");
    }
    assert_eq!(alert["daysUntilExpiry"], 5);
    assert_eq!(alert["acknowledged"], false);
    assert_eq!(alert["mutedBy"], serde_json::json!([]));
    assert!(
        alert["message"].as_str().unwrap().contains("2031-06-30 00:00:00 UTC (2031-06-30 10:00 AEST)"),
        "{alert:#}"
    );
    // Days pass though nothing is written.
    assert_eq!(
        watch.alert("2031-06-27T09:00:00Z")["title"],
        "The Shopify credential c1 of T1 expires in 3 days"
    );
    for (args, count) in [
        (&["--firing"][..], 1),
        (&["--unacknowledged"], 1),
        (&["--acknowledged"], 0),
        (&["--resolved"], 0),
        (&["--unrouted"], 0),
        (&["--severity", "critical"], 0),
        (&["--severity", "critical,warning"], 1),
        (&["-l", "tenant=T1,service=shopify"], 1),
        (&["-l", "tenant!=T1"], 0),
        (&["--rule", "expiry"], 1),
    ] {
        assert_eq!(watch.list(AT, args).len(), count, "{args:?}");
    }
    let id = alert["id"].as_str().unwrap();
    let shown = watch.estate.run(&["alerts", "show", id, "--as-of", AT]).ok();
    shown.stdout_has("expires in 5 days").stdout_has("7d told").stdout_has("30d superseded");
    let found = watch.estate.run(&["alerts", "show", &id[..13], "--format", "json"]).ok().json();
    assert_eq!(found["alert"]["thresholds"].as_array().unwrap().len(), 2);
    watch.estate.run(&["alerts", "show", "ffffffff"]).code(3).stderr_has("no alert ffffffff");
    let listed = watch.estate.run(&["alerts", "list", "--as-of", AT]).ok();
    listed.stdout_has(&id[24..]).stdout_has("warning").stderr_has("1 alert.");
}

#[test]
fn who_knows_is_kept_and_nobody_is_reminded() {
    let watch = Watch::new("alerts_ack", "{when: {credentialExpiry: {}}, channels: [box], reminder: 1h}");
    watch.check(AT, &[]);
    watch.check("2031-06-25T10:00:00Z", &[]);
    assert_eq!(watch.told().len(), 2);
    let id = watch.alert(AT)["id"].as_str().unwrap().to_owned();
    let acknowledge = |args: &[&str]| {
        let all: Vec<&str> = [
            "alerts",
            "acknowledge",
            "--alert-id",
            &id,
            "--as-of",
            "2031-06-25T10:00:00Z",
            "--format",
            "json",
        ]
        .iter()
        .chain(args)
        .copied()
        .collect();
        watch.estate.run(&all)
    };
    let dry = acknowledge(&["--comment", "on it", "--dry-run"]).ok().json();
    assert_eq!((&dry["dryRun"], &dry["changed"]), (&true.into(), &false.into()), "{dry:#}");
    assert_eq!(dry["alert"]["comment"], "on it");
    assert_eq!(watch.alert(AT)["acknowledged"], false, "nothing was written");
    let first = acknowledge(&["--comment", "on it", "--until", "4h"]).ok().json();
    assert_eq!(
        (&first["changed"], &first["alert"]["acknowledged"]),
        (&true.into(), &true.into()),
        "{first:#}"
    );
    assert_eq!(first["alert"]["acknowledgedUntil"], "2031-06-25T14:00:00Z");
    let second = acknowledge(&["--comment", "on it", "--until", "4h"]).ok().json();
    assert_eq!(second["changed"], false);
    assert_eq!(acknowledge(&[]).ok().json()["alert"]["comment"], "on it");
    assert_eq!(watch.list("2031-06-25T11:00:00Z", &["--acknowledged"]).len(), 1);
    watch.check("2031-06-25T13:59:59Z", &[]);
    assert_eq!(watch.told().len(), 2);
    // It is over when its time has come, whether or not somebody has evaluated since.
    for (args, before, after) in [("--firing", 0, 1), ("--unacknowledged", 0, 1), ("--acknowledged", 1, 0)] {
        assert_eq!(watch.list("2031-06-25T13:59:59Z", &[args]).len(), before, "{args}");
        assert_eq!(watch.list("2031-06-25T14:00:00Z", &[args]).len(), after, "{args}");
    }
    watch.check("2031-06-25T14:00:00Z", &[]);
    assert_eq!(watch.told().len(), 3);
    assert_eq!(watch.alert("2031-06-25T14:00:00Z")["acknowledged"], false);
    acknowledge(&["--until", "2031-06-25T09:00:00Z"]).code(3);
    acknowledge(&["--until", "soon"]).code(3);
    // A date is a moment too, and one that is past is refused as such.
    let past = acknowledge(&["--until", "2020-01-01"]).code(3);
    assert!(past.json()["error"].to_string().contains("has passed"), "{:#}", past.json());
    // Its end is told although it is acknowledged, and then there is nothing to acknowledge.
    acknowledge(&[]).ok();
    watch.expires("2032-06-30T00:00:00Z");
    watch.check("2031-06-25T15:00:00Z", &[]);
    assert_eq!(watch.told().len(), 4);
    let refused = acknowledge(&[]).code(5);
    assert!(refused.json()["error"].to_string().contains("over"), "{:#}", refused.json());
}

#[test]
fn what_becomes_worse_is_to_be_acknowledged_anew() {
    let watch = Watch::new("alerts_worse", USUAL);
    watch.check(AT, &[]);
    let id = watch.alert(AT)["id"].as_str().unwrap().to_owned();
    watch
        .estate
        .run(&["alerts", "acknowledge", "--alert-id", &id, "--as-of", AT])
        .ok()
        .stdout_has("Acknowledged by");
    watch.check("2031-06-28T09:00:00Z", &[]);
    assert_eq!(watch.told().len(), 1);
    watch.check("2031-06-29T09:00:00Z", &[]);
    assert_eq!(watch.told().len(), 2);
    assert_eq!(watch.alert("2031-06-29T09:00:00Z")["status"], "firing");
}

#[test]
fn the_database_refuses_what_does_not_happen_in_a_life() {
    let watch = Watch::new("alerts_illegal", USUAL);
    watch.check(AT, &[]);
    let attempt = |sql: &str| watch.estate.database.try_sql_as("synthex", sql);
    assert!(attempt("update synthex.alerts set status = 'pending'").is_err());
    assert!(attempt("update synthex.alerts set status = 'acknowledged'").is_err());
    let double = "insert into synthex.alerts select (jsonb_populate_record(a, jsonb_build_object('id', gen_random_uuid()))).* from synthex.alerts as a";
    assert!(attempt(double).is_err());
    watch.expires("2032-06-30T00:00:00Z");
    watch.check(AT, &[]);
    assert!(attempt("update synthex.alerts set status = 'firing', resolved_at = null").is_err());
    attempt(double).unwrap();
}

#[test]
fn lists_are_cut_by_labels_and_who_gives_yes_everywhere_is_not_refused() {
    let watch = Watch::new(
        "alerts_labels",
        "{when: {credentialExpiry: {}}, channels: [box], grouping: {by: [tenant], wait: 1s}}",
    );
    watch.estate.edit("T2.yaml", "workspace: w\n", "workspace: w\n  labels: {tier: gold}\n");
    watch.estate.declare(
        "Credential",
        "c2",
        "{tenant: T2, service: shopify, secretRef: {env: C2}, expiresAt: 2031-06-30T00:00:00Z}",
    );
    watch.estate.edit("expiry.yaml", "workspace: w", "workspace: w, labels: {team: payments}");
    watch.apply();
    watch.check(AT, &[]);
    watch.check("2031-06-25T09:00:01Z", &["--deliver"]);
    watch
        .estate
        .run(&["notify", "send", "--title", "Hello", "--message", "World", "--channel", "box", "-y"])
        .ok();
    let count = |args: &[&str], of: &str| {
        let all = [args, &["--format", "json"]].concat();
        watch.estate.run(&all).ok().json()[of].as_array().unwrap().len()
    };
    let told = |args: &[&str]| count(&[&["notify", "list"], args].concat(), "notifications");
    assert_eq!(told(&[]), 3);
    assert_eq!(told(&["-l", "tenant=T1"]), 1);
    assert_eq!(told(&["-l", "tier=gold"]), 1);
    assert_eq!(told(&["-l", "tier=gold", "--status", "dead"]), 0);
    assert_eq!(told(&["-l", "service=shopify"]), 2, "what people send is about nothing");
    assert_eq!(told(&["-l", "tier=silver"]), 0);
    assert_eq!(told(&["-l", "service=shopify", "--limit", "1"]), 1);
    // Also of what is over.
    watch.expires("2032-06-30T00:00:00Z");
    watch.check("2031-06-25T10:00:00Z", &[]);
    assert_eq!(told(&["-l", "tenant=T1"]), 2);
    watch.estate.run(&["notify", "list", "-l", "a b"]).code(3);
    let rules = |args: &[&str]| count(&[&["alerts", "rules", "list"], args].concat(), "rules");
    assert_eq!((rules(&[]), rules(&["-l", "team=payments"]), rules(&["-l", "team=x"])), (1, 1, 0));
    watch
        .estate
        .run(&["alerts", "rules", "list", "-l", "team=x"])
        .ok()
        .stderr_has("None of 1 rules is selected");
    let silences =
        |args: &[&str]| count(&[&["alerts", "silences", "list", "--all-states"], args].concat(), "silences");
    assert_eq!((silences(&[]), silences(&["-l", "team!=x"]), silences(&["-l", "team=x"])), (1, 1, 0));
    let id = watch.list(AT, &["-l", "tier=gold"])[0]["id"].as_str().unwrap().to_owned();
    watch.estate.run(&["alerts", "acknowledge", "--alert-id", &id, "--yes", "--as-of", AT]).ok();
}
