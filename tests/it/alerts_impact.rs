//! What a plan says it would do to alerts: at a moment, beside the plan and not in it.

use serde_json::{Value, json};

use crate::support::estate::Estate;
use crate::support::project::tenant_yaml;

/// `c1` expires on 2031-06-30, and the rule `expiry` tells it seven days before.
const EIGHT_DAYS_BEFORE: &str = "2031-06-22T00:00:00Z";
const FIVE_DAYS_BEFORE: &str = "2031-06-25T00:00:00Z";

fn impact(estate: &Estate, as_of: &str, more: &[&str]) -> Value {
    let plan = estate.run(&[&["plan", "--format", "json", "--as-of", as_of], more].concat());
    let plan: Value = serde_json::from_str(&plan.stdout).expect("JSON");
    plan["alert_impact"].clone()
}

/// `effect about (why) through`, one text for each alert.
fn lines(impact: &Value) -> Vec<String> {
    let line = |one: &Value| {
        let text = |name: &str| one[name].as_str().unwrap_or("-").to_owned();
        format!("{} {} {} {} {}", text("effect"), text("rule"), text("about"), text("why"), one["channels"])
    };
    impact["alerts"].as_array().map(|all| all.iter().map(line).collect()).unwrap_or_default()
}

#[test]
fn what_would_fire_is_known_before_it_is_applied() {
    let estate = Estate::applied("impact_fire");
    assert_eq!(impact(&estate, EIGHT_DAYS_BEFORE, &[]), Value::Null, "nothing changes");
    estate.declare_tenant("T9", &[]);
    assert_eq!(impact(&estate, EIGHT_DAYS_BEFORE, &[]), Value::Null, "a new tenant has no alerts");
    estate.project.remove("manifests/T9.yaml");
    // A wider threshold than any rule had looks at credentials that no rule looked at.
    estate.edit("expiry.yaml", "[7d, expired]", "[30d, expired]");
    let found = impact(&estate, EIGHT_DAYS_BEFORE, &[]);
    assert_eq!(lines(&found), [r#"fire expiry credential c1 of T1 - ["chat","log"]"#]);
    assert_eq!((&found["counts"], &found["more"]), (&json!({"fire": 1}), &json!(0)));
    assert_eq!((&found["as_of"], &found["time_dependent"]), (&json!(EIGHT_DAYS_BEFORE), &json!(true)));
    let shown = estate.run(&["plan", "--as-of", EIGHT_DAYS_BEFORE]).ok();
    shown
        .stdout_has("Alert impact (as of 2031-06-22 00:00 UTC; it depends on the time): 1 would fire\n")
        .stdout_has("would fire: rule/w/expiry, credential c1 of T1, info, through chat, log");
    estate
        .run(&["plan", "--as-of", EIGHT_DAYS_BEFORE, "--format", "markdown"])
        .ok()
        .stdout_has("would fire: `rule/w/expiry`");
    // It depends on the time, and the plan does not.
    let digest = |as_of: &str| estate.plan(&["--as-of", as_of])["digest"].clone();
    assert_eq!(impact(&estate, "2031-01-01", &[]), Value::Null);
    assert_eq!(digest("2031-01-01"), digest(EIGHT_DAYS_BEFORE));
    estate.run(&["plan", "--as-of", "2031-01-01"]).ok().nowhere("Alert impact");
    // What a credential declares counts as well, and so does one that is new.
    estate.edit("expiry.yaml", "[30d, expired]", "[7d, expired]");
    estate.edit("c1.yaml", "2031-06-30", "2031-06-24");
    estate.declare(
        "Credential",
        "c3",
        "{tenant: T3, service: shopify, secretRef: {env: C3}, expiresAt: 2031-06-01T00:00:00Z}",
    );
    assert_eq!(
        lines(&impact(&estate, EIGHT_DAYS_BEFORE, &[])),
        [
            r#"fire expiry credential c1 of T1 - ["chat","log"]"#,
            r#"fire expiry credential c3 of T3 - ["chat","log"]"#
        ]
    );
    // A role that may not read alerts gets its plan, and is told.
    let role = estate.database.create_role("planner", "secret");
    estate.database.sql(&format!(
        "grant usage on schema synthex to \"{role}\"; grant select on all tables in schema synthex to \"{role}\"; \
         revoke select on synthex.alerts from \"{role}\""
    ));
    let url = estate.database.url_as(&role);
    estate.synthex_at(&url, &["plan"]).run().ok().stdout_has("what this would do to alerts is not known");
}

#[test]
fn what_would_be_over_muted_or_told_to_nobody_is_known_before_it_is_applied() {
    let estate = Estate::applied("impact_end");
    let at = FIVE_DAYS_BEFORE;
    estate.run(&["alerts", "check-now", "--yes", "--as-of", at]).ok();
    let open = "select count(*) from synthex.alerts where status = 'firing'";
    assert_eq!(estate.database.query_one_i64(open), 1);
    let through = r#"["chat","log"]"#;
    let check = |file: &str, from: &str, to: &str, expected: &str| {
        let before = estate.project.read(&format!("manifests/{file}"));
        estate.edit(file, from, to);
        assert_eq!(lines(&impact(&estate, at, &[])), [expected], "{from} -> {to}");
        estate.project.write(&format!("manifests/{file}"), before);
    };
    check(
        "expiry.yaml",
        "[7d, expired]",
        "[3d, expired]",
        &format!("resolve expiry credential c1 of T1 rule_changed {through}"),
    );
    check(
        "c1.yaml",
        "2031-06-30",
        "2032-06-30",
        &format!("resolve expiry credential c1 of T1 renewed {through}"),
    );
    check(
        "T1.yaml",
        "status: active",
        "status: suspended",
        &format!("resolve expiry credential c1 of T1 suspended {through}"),
    );
    check(
        "hush.yaml",
        "[label.away=yes], startsAt: 2031-01-01T00:00:00Z, duration: 4h",
        "[tenant=T1], startsAt: 2031-06-24T00:00:00Z, duration: 1w",
        &format!("mute expiry credential c1 of T1 muted by silence/hush {through}"),
    );
    // What no message says is nothing to be told of (M-M2).
    let before = estate.project.read("manifests/expiry.yaml");
    estate.edit("expiry.yaml", "reminder: 24h", "reminder: 12h, description: other words");
    assert_eq!(impact(&estate, at, &[]), Value::Null);
    estate.project.write("manifests/expiry.yaml", before);
    // What is told already and would be told again: by a slip in a date, for one.
    check(
        "c1.yaml",
        "2031-06-30",
        "2031-06-24",
        &format!(
            "retell expiry credential c1 of T1 it expires at another time, or its secret is another {through}"
        ),
    );
    check(
        "expiry.yaml",
        "[7d, expired]",
        "[7d, 6d, expired]",
        &format!("retell expiry credential c1 of T1 it would be worse {through}"),
    );
    // The rule goes, and then its channels are off.
    let rule = estate.project.read("manifests/expiry.yaml");
    estate.project.remove("manifests/expiry.yaml");
    assert_eq!(
        lines(&impact(&estate, at, &["--prune"])),
        [format!("resolve expiry credential c1 of T1 rule_removed {through}")]
    );
    estate.project.write("manifests/expiry.yaml", rule);
    estate.edit("log.yaml", "type: console", "type: console, enabled: false");
    assert_eq!(impact(&estate, at, &[]), Value::Null, "one of two is still there");
    estate.edit("chat.yaml", "fallback: log", "fallback: log, enabled: false");
    assert_eq!(
        lines(&impact(&estate, at, &[])),
        [format!("orphan expiry credential c1 of T1 its channels are switched off {through}")]
    );
    // It was asked, and nothing was written.
    assert_eq!(estate.database.query_one_i64(open), 1);
}

#[test]
fn a_tenant_that_comes_back_or_is_new_counts_and_one_of_which_nothing_is_known_does_not() {
    let estate = Estate::new("impact_tenants");
    estate.edit(
        "expiry.yaml",
        "channels: [chat, log]",
        "channels: [log], selector: {matchLabels: {tier: gold}}",
    );
    let labelled = |name: &str, tier: &str| {
        let file = format!("manifests/{name}.yaml");
        estate.project.write(
            &file,
            tenant_yaml(name, "w")
                .replace("workspace: w\n", &format!("workspace: w\n  labels: {{tier: {tier}}}\n")),
        );
    };
    labelled("T1", "gold");
    estate.edit("T1.yaml", "status: active", "status: suspended");
    estate.apply().ok();
    let at = FIVE_DAYS_BEFORE;
    let fires = |credential: &str| format!(r#"fire expiry credential {credential} - ["log"]"#);
    // It is suspended, and is not any more.
    estate.edit("T1.yaml", "status: suspended", "status: active");
    assert_eq!(lines(&impact(&estate, at, &[])), [fires("c1 of T1")]);
    // By what it is labelled then.
    labelled("T1", "silver");
    assert_eq!(impact(&estate, at, &[]), Value::Null, "no rule looks at it before it expires");
    assert_eq!(impact(&estate, "2031-07-01", &[])["counts"], json!({"orphan": 1}));
    labelled("T1", "gold");
    estate.apply().ok();
    // A new one, and its credential, by its labels.
    labelled("T8", "gold");
    estate.declare(
        "Credential",
        "c8",
        "{tenant: T8, service: shopify, secretRef: {env: C8}, expiresAt: 2031-06-26T00:00:00Z}",
    );
    assert_eq!(lines(&impact(&estate, at, &[])), [fires("c8 of T8")]);
    estate.project.remove("manifests/c8.yaml");
    assert_eq!(impact(&estate, at, &[]), Value::Null);
    // Of T3 there is nothing that could be an alert.
    labelled("T3", "gold");
    assert_eq!(impact(&estate, at, &[]), Value::Null);
}

#[test]
fn the_first_plan_of_all_says_what_would_fire() {
    let estate = Estate::new("impact_first");
    let found = impact(&estate, EIGHT_DAYS_BEFORE, &[]);
    assert_eq!(found, Value::Null, "nothing is due");
    let found = impact(&estate, FIVE_DAYS_BEFORE, &[]);
    assert_eq!(lines(&found), [r#"fire expiry credential c1 of T1 - ["chat","log"]"#]);
    // As it was said, so it comes.
    estate.apply().ok();
    estate.run(&["alerts", "check-now", "--yes", "--as-of", FIVE_DAYS_BEFORE]).ok().stdout_has("c1 of T1");
}
