//! What an operator types at the desk: parts of ids, names with a slip, the order of lists, when rules are due.

use serde_json::json;

use super::{USUAL, Watch};

const AT: &str = "2031-06-25T09:00:00Z";

/// Two alerts of one evaluation, whose ids begin alike.
fn two(hint: &str) -> Watch {
    let watch = Watch::new(hint, USUAL);
    watch.estate.declare(
        "Credential",
        "c2",
        "{tenant: T2, service: shopify, secretRef: {env: C2}, expiresAt: 2031-07-01T00:00:00Z}",
    );
    watch.apply();
    watch.check(AT, &[]);
    watch
}

#[test]
fn an_alert_is_named_by_the_end_of_its_id() {
    let watch = two("desk_ids");
    let alerts = watch.list(AT, &[]);
    let ids: Vec<&str> = alerts.iter().map(|alert| alert["id"].as_str().unwrap()).collect();
    let run = |args: &[&str]| watch.estate.run(&[&["alerts"], args, &["--as-of", AT]].concat());
    assert_eq!(ids[0][..13], ids[1][..13], "made in one evaluation");
    // What the list shows can be typed.
    let mut listed = run(&["list"]).ok();
    for id in &ids {
        listed = listed.stdout_has(&id[24..]);
        run(&["show", &id[24..]]).ok().stdout_has(id);
        run(&["show", "--alert-id", &id[28..]]).ok().stdout_has(id);
    }
    // What begins both names neither, and says which there are.
    for command in ["show", "acknowledge"] {
        let unclear = run(&[command, &ids[0][..8]]).code(3);
        unclear.stderr_has("more than one alert").stderr_has("credential c1 of T1").stderr_has(&ids[1][24..]);
        run(&[command]).code(3);
        run(&[command, ids[0], "--alert-id", ids[0]]).code(3);
    }
    run(&["acknowledge", &ids[0][24..].to_uppercase()]).ok().stdout_has("Acknowledged by");
    run(&["acknowledge", "--alert-id", &ids[1][24..]]).ok().stdout_has("Acknowledged by");
    assert_eq!(watch.list(AT, &["--acknowledged"]).len(), 2);
    run(&["acknowledge", "ffffffff"]).code(3).stderr_has("no alert ffffffff");
}

#[test]
fn a_slip_in_what_is_listed_is_no_good_news() {
    let watch = two("desk_slips");
    let list = |args: &[&str]| watch.estate.run(&[&["alerts", "list", "--as-of", AT], args].concat());
    list(&["--rule", "expiri"])
        .code(3)
        .stderr_has("no alert rule `expiri`")
        .stderr_has("did you mean `expiry`?");
    list(&["-l", "tennant=T1"]).code(3).stderr_has("did you mean `tenant`?");
    list(&["-l", "severity=crit"]).code(3).stderr_has("no alert has the severity `crit`");
    list(&["-l", "tier=gold"]).code(3).stderr_has("no alert and no tenant has a label `tier`");
    // A label that a tenant has, and an alert has not, is none.
    watch.estate.project.write(
        "manifests/T3.yaml",
        watch
            .estate
            .project
            .read("manifests/T3.yaml")
            .replace("name: T3", "name: T3\n  labels: {tier: gold}"),
    );
    watch.apply();
    list(&["-l", "tier=gold"]).ok().stderr_has("There is no such alert.");
    list(&["-l", "label.tier=gold,tenant!=T1"]).ok();
    list(&["--all"]).ok().stderr_has("2 alerts.");
    list(&["--all-workspaces"]).ok().stderr_has("2 alerts.");
    for what in ["rules", "silences"] {
        for all in ["--all", "--all-workspaces"] {
            watch.estate.run(&["alerts", what, "list", all]).ok();
        }
    }
    // A rule that is gone has alerts still.
    watch.estate.project.remove("manifests/expiry.yaml");
    watch.apply();
    list(&["--rule", "expiry"]).ok().stdout_has("c1");
}

#[test]
fn the_most_urgent_alerts_come_first_and_not_all_of_thousands() {
    let watch = Watch::new("desk_order", USUAL);
    watch.estate.database.sql(
        "insert into synthex.alerts (id, workspace, rule, kind, fingerprint, severity, status, title, message, started_at, fired_at, \
         changed_at, expires_at, muted_by, subject) select gen_random_uuid(), 'w', 'expiry', 'credential_expiry', \
         sha256(n::text::bytea), 'warning', 'firing', 't', 'm', '2031-06-01Z', '2031-06-01Z', '2031-06-01Z', \
         '2031-07-01Z'::timestamptz + make_interval(days => 100 - n), case when n = 60 then array['silence/s'] else '{}' end, \
         'c' || n from generate_series(1, 60) n",
    );
    let subjects: Vec<String> =
        watch.list(AT, &[]).iter().map(|alert| alert["subject"].as_str().unwrap().to_owned()).collect();
    // Programs get all of them; what expires first is first, and what is muted is last.
    let mut expected: Vec<String> = (1..60).rev().map(|number| format!("c{number}")).collect();
    expected.push("c60".to_owned());
    assert_eq!(subjects, expected);
    let cut: Vec<serde_json::Value> = watch.list(AT, &["--limit", "2", "-l", "tenant!=T9"]);
    assert_eq!(json!([cut[0]["subject"], cut[1]["subject"]]), json!(["c59", "c58"]));
    let listed = watch.estate.run(&["alerts", "list", "--as-of", AT]).ok();
    let listed = listed.stderr_has("60 alerts, 10 more than are shown: --limit 60 shows all.");
    assert_eq!(listed.stdout.matches("firing").count(), 50, "{}", listed.stdout);
}

#[test]
fn when_a_rule_is_due_is_shown() {
    let watch = Watch::new("desk_due", USUAL);
    let rule = |at: &str| {
        let found = watch.estate.run(&["alerts", "rules", "list", "--as-of", at, "--format", "json"]).ok();
        let rule = found.json()["rules"][0].clone();
        json!([rule["lastEvaluatedAt"], rule["nextDueAt"]])
    };
    assert_eq!(rule(AT), json!([null, AT]));
    watch.check(AT, &["--due"]);
    assert_eq!(rule("2031-06-25T10:00:00Z"), json!([AT, "2031-06-26T09:00:00Z"]));
    let listed = watch.estate.run(&["alerts", "rules", "list", "--as-of", "2031-06-25T10:00:00Z"]).ok();
    listed.stdout_has("in 23 hours").stdout_has("threshold");
    watch
        .estate
        .run(&["alerts", "check-now", "--yes", "--due", "--as-of", "2031-06-25T10:00:00Z"])
        .ok()
        .stdout_has("No rule was due");
    watch.estate.run(&["alerts", "rules", "list", "--as-of", "2031-06-26T10:00:00Z"]).ok().stdout_has("due");
}

#[test]
fn what_a_tighter_threshold_tells_is_counted_and_not_listed() {
    let watch = Watch::new("desk_superseded", USUAL);
    let outcome = watch.estate.run(&["alerts", "check-now", "--yes", "--as-of", AT]).ok();
    let outcome = outcome.stdout_has("1 fired, 1 superseded; 1 message queued.");
    assert_eq!(outcome.stdout.matches("superseded").count(), 1, "{}", outcome.stdout);
}

#[test]
fn two_workspaces_with_one_name_of_a_rule() {
    let watch = Watch::new("desk_workspaces", USUAL);
    let project = &watch.estate.project;
    let of_v = |text: String| text.replace("workspace: w", "workspace: v");
    project.write("manifests/v.yaml", project.read("manifests/w.yaml").replace("name: w", "name: v"));
    for name in ["box", "expiry"] {
        project.write(
            &format!("manifests/v-{name}.yaml"),
            of_v(project.read(&format!("manifests/{name}.yaml"))),
        );
    }
    watch.apply();
    let run = |args: &[&str]| watch.estate.run(args);
    let wrong = run(&["alerts", "check-now", "--yes", "--rule", "nothing-like-it"]).code(3);
    wrong.stderr_has("the rules are expiry\n");
    // What is made without a workspace is found again without one.
    let create = ["alerts", "rules", "create", "--type", "expired", "--channel", "box", "--yes"];
    run(&create).ok();
    run(&[&create[..], &["-w", "v"]].concat()).ok();
    run(&["alerts", "rules", "delete", "expired", "--yes"]).ok().stdout_has("rule/w/expired");
    run(&["alerts", "rules", "delete", "expird", "--yes"]).code(3).stderr_has("did you mean `expired`?");
    run(&["alerts", "rules", "delete", "nothing", "--yes"]).code(3).stderr_has("synthex alerts rules list");
    run(&["alerts", "silences", "expire", "nothing", "--yes"])
        .code(3)
        .stderr_has("synthex alerts silences list");
}

#[test]
fn lists_of_a_database_without_synthex_say_that_nothing_was_applied() {
    let watch = Watch::without_rules("desk_nothing");
    let nothing = "Nothing was applied to this database yet: run `synthex apply`.";
    for list in [
        &["alerts", "list"][..],
        &["alerts", "rules", "list"],
        &["alerts", "silences", "list"],
        &["health", "list"],
        &["health", "history"],
    ] {
        watch.estate.run(list).ok().stderr_has(nothing);
        let found = watch.estate.run(&[list, &["--format", "json"]].concat()).ok().json();
        assert_eq!(found["total"], 0, "{list:?}: {found:#}");
    }
    // Of nothing, nothing is known.
    watch.estate.run(&["health", "report"]).code(3).stderr_has(nothing);
    let route = ["alerts", "route", "--applied", "--labels", "tenant=T1", "-w", "w"];
    watch
        .estate
        .run(&route)
        .code(3)
        .stderr_has("no workspace is there yet: declare one and run `synthex apply`");
}

#[test]
fn a_silence_says_what_it_fits_now() {
    let watch = two("desk_fits");
    let create = |matcher: &str, args: &[&str]| {
        let own =
            ["alerts", "silences", "create", "--as-of", AT, "--for", "4h", "--comment", "c", "-m", matcher];
        watch.estate.run(&[&own, args].concat())
    };
    let dry = |matcher: &str| create(matcher, &["--dry-run"]).ok();
    dry("severity!=info").stdout_has("2 open alerts fit now");
    dry("tenant=T1").stdout_has("1 open alert fits now");
    dry("tenant=T3").stdout_has("no open alert fits now: it counts for those that are to come");
    dry("check=disk").stdout_has("no open alert fits now");
    let nothing = "nothing fits now: no open alert, and no tenant that is declared or stored";
    dry("tenant=T9").stdout_has(nothing);
    dry("market=UK_SMB").stdout_has(nothing);
    dry("workspace=other").stdout_has(nothing);
    // One that is declared, and not applied yet.
    watch.estate.project.write("manifests/T9.yaml", crate::support::project::tenant_yaml("T9", "w"));
    dry("tenant=T9").stdout_has("no open alert fits now");
    create("tenant=T2", &["--yes", "--name", "real"]).ok().stdout_has("1 open alert fits now");
}
