//! What the reports on usage say, against numbers that were worked out by hand and against the database's own.

use serde_json::{Value, json};

use crate::support::estate::Estate;

const NOW: &str = "2026-03-10T12:00:00Z";

/// A metric by SQL: `(at, workspace, type, name, service, outcome, code, milliseconds, value)`.
fn insert(estate: &Estate, rows: &str) {
    estate.database.sql(&format!(
        "insert into synthex.usage_metrics (id, recorded_at, workspace, actor, metric_type, metric_name, service, outcome, \
         code, duration_ms, value) select gen_random_uuid(), at::timestamptz, workspace, 'a', type, name, service, outcome, \
         code, ms::bigint, value::bigint from (values {rows}) \
         as t (at, workspace, type, name, service, outcome, code, ms, value)"
    ));
}

/// Ten commands over three days, two of them failed, and some of everything else.
fn known(hint: &str) -> Estate {
    let estate = Estate::applied(hint);
    insert(
        &estate,
        "('2026-03-07T00:00:00Z', 'w', 'command', 'plan', null, 'succeeded', '0', 10, 1),
         ('2026-03-07T23:59:59.999Z', 'w', 'command', 'plan', null, 'succeeded', '2', 20, 1),
         ('2026-03-08T01:00:00Z', 'w', 'command', 'plan', null, 'failed', '8', 1000, 1),
         ('2026-03-08T01:00:00Z', 'w', 'error', 'plan', null, 'failed', 'unreachable', null, 1),
         ('2026-03-08T02:00:00Z', null, 'command', 'plan', null, 'succeeded', '0', 30, 1),
         ('2026-03-08T03:00:00Z', 'w', 'command', 'apply', null, 'succeeded', '0', 200, 1),
         ('2026-03-08T03:00:00Z', 'w', 'tenant_op', 'apply', null, 'succeeded', null, 150, 41),
         ('2026-03-09T03:00:00Z', 'w', 'command', 'apply', null, 'failed', '5', 50, 1),
         ('2026-03-09T03:00:00Z', 'w', 'error', 'apply', null, 'failed', 'refused', null, 1),
         ('2026-03-09T03:00:01Z', 'w', 'error', 'apply', null, 'failed', 'refused', null, 1),
         ('2026-03-09T04:00:00Z', 'w', 'tenant_op', 'apply', null, 'failed', null, 1, 0),
         ('2026-03-10T10:00:00Z', 'w', 'command', 'plan', null, 'succeeded', '0', 40, 1),
         ('2026-03-10T10:00:00Z', 'w', 'command', 'plan', null, 'interrupted', '130', 60, 1),
         ('2026-03-10T11:00:00Z', 'w', 'command', 'drift', null, 'succeeded', '0', 70, 1),
         ('2026-03-10T11:59:59Z', 'w', 'command', 'drift', null, 'succeeded', '0', 80, 1),
         ('2026-03-10T11:00:00Z', 'w', 'api_call', 'shop', 'shopify', 'succeeded', null, 300, 1),
         ('2026-03-10T11:00:00Z', 'w', 'api_call', 'shop', 'shopify', 'failed', '429', 300, 1),
         ('2026-03-10T11:00:00Z', 'w', 'credential_op', 'renew', 'google-merchant', 'succeeded', null, 300, 1),
         ('2026-03-10T12:00:00Z', 'w', 'command', 'export', null, 'succeeded', '0', 5, 1),
         ('2026-03-06T23:59:59.999Z', 'w', 'command', 'export', null, 'succeeded', '0', 5, 1)",
    );
    estate
}

#[track_caller]
fn report(estate: &Estate, args: &[&str]) -> Value {
    let fits = |document: &Value| {
        let schema = jsonschema::validator_for(&synthex::report::usage::schema::schema()).expect("a schema");
        let errors: Vec<String> = schema.iter_errors(document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
    };
    let all: Vec<&str> =
        ["analytics"].iter().chain(args).chain(&["--format", "json", "--as-of", NOW]).copied().collect();
    let found = estate.synthex(&all).env("DO_NOT_TRACK", "1").run().ok().json();
    if args[0] == "report" {
        fits(&found);
    }
    found
}

const PERIOD: [&str; 3] = ["report", "--from", "2026-03-07"];

#[test]
fn a_report_says_what_can_be_counted_by_hand() {
    let estate = known("usage_by_hand");
    let found = report(&estate, &PERIOD);
    assert_eq!(
        found["period"],
        json!({"start": "2026-03-07T00:00:00Z", "end": "2026-03-10T12:00:00Z", "timeZone": "UTC"})
    );
    let totals = [
        "totalCommands",
        "totalApiCalls",
        "totalCredentialOps",
        "totalTenantOps",
        "totalErrors",
        "failedCommands",
    ];
    assert_eq!(totals.map(|name| found[name].as_u64().unwrap()), [10, 2, 1, 41, 3, 2], "{found:#}");
    assert_eq!(found["errorRate"], 0.2);
    assert_eq!(found["byCommand"], json!({"plan": 6, "apply": 2, "drift": 2}));
    assert_eq!(found["byService"], json!({"shopify": 2}));
    assert_eq!(found["byWorkspace"], json!({"w": 9, "(none)": 1}));
    assert_eq!(
        found["topErrors"],
        json!([{"error": "refused", "count": 2}, {"error": "unreachable", "count": 1}])
    );
    // 10 20 30 40 50 60 70 80 200 1000: row 4.5, row 8.55, row 8.91.
    let times = &found["performanceMetrics"];
    let time = |name: &str| times[name].as_f64().unwrap();
    assert_eq!((time("avgExecutionTime"), time("p50ExecutionTime")), (156.0, 55.0), "{times}");
    assert!((time("p95ExecutionTime") - 640.0).abs() < 1e-6, "{times}");
    assert!((time("p99ExecutionTime") - 928.0).abs() < 1e-6, "{times}");
    let text = estate.run(&["analytics", "report", "--from", "2026-03-07", "--as-of", NOW]).ok();
    let text =
        text.stdout_has("10, 2 failed (20.0 %)").stdout_has("avg 156 ms, p50 55 ms, p95 640 ms, p99 928 ms");
    text.stdout_has("refused").nowhere("█");
}

#[test]
fn the_figures_are_the_databases_own() {
    let estate = known("usage_database");
    let within =
        "metric_type = 'command' and recorded_at >= '2026-03-07Z' and recorded_at < '2026-03-10T12:00:00Z'";
    let own = estate.database.query_strings(&format!(
        "select avg(duration_ms)::float8, percentile_cont(0.5) within group (order by duration_ms), \
         percentile_cont(0.95) within group (order by duration_ms), percentile_cont(0.99) within group (order by duration_ms) \
         from synthex.usage_metrics where {within}"
    ));
    let own: Vec<f64> = own[0].iter().map(|value| value.as_ref().unwrap().parse().unwrap()).collect();
    let found = report(&estate, &PERIOD);
    let names = ["avgExecutionTime", "p50ExecutionTime", "p95ExecutionTime", "p99ExecutionTime"];
    for (name, own) in names.iter().zip(own) {
        let reported = found["performanceMetrics"][name].as_f64().unwrap();
        assert!((reported - own).abs() < 1e-9, "{name}: {reported}, not {own}");
    }
}

#[test]
fn reports_are_the_same_before_and_after_days_are_summed() {
    let estate = known("usage_summed");
    let questions: [&[&str]; 6] = [
        &PERIOD,
        &["report", "--period", "60h"],
        &["report", "--from", "2026-03-07", "--workspace-id", "w"],
        &["commands", "--from", "2026-03-07"],
        &["errors", "--from", "2026-03-07"],
        &["performance", "--from", "2026-03-07", "--command", "synthex  plan"],
    ];
    let ask = || {
        questions.map(|question| {
            let mut answer = report(&estate, question);
            answer["summedDays"] = Value::Null;
            answer
        })
    };
    let before = ask();
    assert_eq!(before[1]["totalCommands"], 8, "{:#}", before[1]);
    assert_eq!(before[3]["commands"][0]["command"], "plan");
    assert_eq!(before[5]["count"], 6);
    // 10 20 30 40 60 1000
    assert_eq!(before[5]["performanceMetrics"]["p50ExecutionTime"], 35.0);
    let summed = report(&estate, &["roll-up"]);
    assert_eq!(summed["summedDays"], json!(["2026-03-06", "2026-03-07", "2026-03-08", "2026-03-09"]));
    assert_eq!(ask(), before);
    assert_eq!(report(&estate, &PERIOD)["summedDays"], 3);
    // Nothing is counted twice, however often it is done.
    let sums = "select count(*) || ' ' || sum(count) from synthex.usage_reports";
    let once = estate.value(sums);
    assert_eq!(report(&estate, &["roll-up"])["summedDays"], json!([]));
    assert_eq!(estate.value(sums), once);
    // The sums are what is read: the metrics of a day may be gone.
    estate.database.sql("alter table synthex.usage_metrics disable trigger all; delete from synthex.usage_metrics where recorded_at < '2026-03-10Z'");
    let after = report(&estate, &PERIOD);
    assert_eq!(after["totalCommands"], 10, "{after:#}");
    assert_eq!(after["performanceMetrics"], before[0]["performanceMetrics"]);
}

#[test]
fn a_late_metric_is_counted() {
    let estate = known("usage_late");
    report(&estate, &["roll-up"]);
    insert(&estate, "('2026-03-08T05:00:00Z', 'w', 'command', 'drift', null, 'succeeded', '0', 7, 1)");
    let found = report(&estate, &PERIOD);
    assert_eq!((&found["totalCommands"], &found["summedDays"]), (&json!(11), &json!(2)));
    assert_eq!(report(&estate, &["roll-up"])["summedDays"], json!(["2026-03-08"]));
    let found = report(&estate, &PERIOD);
    assert_eq!((&found["totalCommands"], &found["summedDays"]), (&json!(11), &json!(3)));
}

#[test]
fn no_data_is_not_zero() {
    let estate = known("usage_no_data");
    let found = report(&estate, &["report", "--from", "2026-01-01", "--to", "2026-01-02"]);
    assert_eq!((&found["totalCommands"], &found["errorRate"]), (&json!(0), &Value::Null));
    assert_eq!(found["performanceMetrics"]["p50ExecutionTime"], Value::Null);
    for command in ["report", "commands", "errors", "performance"] {
        let run =
            estate.run(&["analytics", command, "--from", "2026-01-01", "--to", "2026-01-02", "--as-of", NOW]);
        run.ok().stdout_has("No data");
    }
    // Nor is a database in which nothing is installed, or not yet this.
    estate.database.sql("drop table synthex.usage_metrics");
    estate.run(&["analytics", "report"]).ok().stdout_has("No data").stderr_has("db migrate");
    estate.run(&["analytics", "roll-up"]).code(8).stderr_has("db migrate");
    estate.run(&["plan"]).ok();
    estate.database.sql("drop schema synthex cascade");
    estate.run(&["analytics", "report"]).ok().stdout_has("No data");
}

#[test]
fn bad_periods_commands_and_workspaces_are_refused_with_advice() {
    let estate = known("usage_refused");
    for (args, words) in [
        (&["report", "--period", "0d"][..], "time of 0"),
        (&["report", "--period", "7"], "did you mean 7d?"),
        (&["report", "--period", "-7d"], "has no sign"),
        (&["report", "--period", "week"], "such as 24h, 7d or 4w"),
        (&["report", "--from", "2026-03-11"], "begins in the future"),
        (&["report", "--to", "2027-01-01"], "ends in the future"),
        (&["report", "--from", "2026-03-09", "--to", "2026-03-09"], "name a later --to"),
        (&["report", "--from", "09.03.2026"], "write 2026-12-31"),
        (&["report", "--period", "7d", "--from", "2026-03-01"], "cannot be used with"),
        (&["report", "--workspace-id", "ww"], "did you mean `w`?"),
        (&["performance", "--command", "tenant tenants lits"], "did you mean `tenant tenants list`?"),
        (&["performance", "--command", "tenant tenants"], "tenant tenants get"),
        (&["commands", "--top", "0"], "--top"),
        (&["prune", "--older-than", "30d"], "31d or more"),
        (&["prune", "--older-than", "forever"], "400d"),
    ] {
        let all: Vec<&str> = ["analytics"].iter().chain(args).chain(&["--as-of", NOW]).copied().collect();
        estate.run(&all).code(3).stderr_has(words);
        let json: Vec<&str> = all.iter().chain(&["--format", "json"]).copied().collect();
        assert_eq!(estate.run(&json).code(3).json()["error"]["exit_code"], 3);
    }
    // What was never run, and is a command, is no mistake.
    let never = ["analytics", "performance", "--command", "tenant tenants list", "--as-of", NOW];
    estate.run(&never).ok().stdout_has("No data");
}
