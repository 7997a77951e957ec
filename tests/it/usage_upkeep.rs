//! Months of metrics: made when they are needed, dropped when they are old, and nothing lost in between.

use crate::support::estate::Estate;

fn partitions(estate: &Estate) -> Vec<String> {
    let rows = estate.database.query_strings(
        "select inhrelid::regclass::text from pg_inherits where inhparent = 'synthex.usage_metrics'::regclass order by 1",
    );
    rows.into_iter()
        .flatten()
        .flatten()
        .map(|name| name.trim_start_matches("synthex.").replace("usage_metrics_", ""))
        .collect()
}

/// One command at each of these times, in days before now.
fn ran(estate: &Estate, days: &[u32]) {
    for day in days {
        estate.database.sql(&format!(
            "insert into synthex.usage_metrics (id, recorded_at, workspace, actor, metric_type, metric_name, outcome, duration_ms) \
             values (gen_random_uuid(), now() - interval '{day} days', 'w', 'a', 'command', 'plan', 'succeeded', {day})"
        ));
    }
}

#[test]
fn a_month_is_made_with_what_waited_for_it_and_once() {
    let estate = Estate::applied("usage_months");
    ran(&estate, &[0, 0, 370]);
    assert_eq!(partitions(&estate), ["default"]);
    let db = &estate.database;
    db.sql("select synthex.usage_month(now()); select synthex.usage_month(now())");
    db.sql("select synthex.usage_month(now() - interval '20 years')");
    assert_eq!(partitions(&estate).len(), 2, "a clock that is far off makes no month");
    assert_eq!(db.query_one_i64("select count(*) from synthex.usage_metrics_default"), 1);
    assert_eq!(db.query_one_i64("select count(*) from synthex.usage_metrics"), 3);
    // A role that may record and not make tables loses nothing.
    let role = db.create_role("recorder", "secret");
    db.sql(&format!(
        "grant usage on schema synthex to \"{role}\"; grant insert, select on synthex.usage_metrics to \"{role}\""
    ));
    let sql = "select synthex.usage_month(now() - interval '370 days')";
    assert_eq!(db.try_sql_as(&role, sql).unwrap()[0][0].as_deref(), Some("f"));
}

#[test]
fn old_months_go_and_reports_on_them_stay() {
    let estate = Estate::applied("usage_prune");
    let db = &estate.database;
    for month in [0, 5, 6] {
        db.sql(&format!("select synthex.usage_month(now() - interval '{month} months')"));
    }
    ran(&estate, &[1, 160, 190, 390, 800]);
    let count = "select count(*) from synthex.usage_metrics";
    let run = |args: &[&str]| {
        let all: Vec<&str> = ["analytics"].iter().chain(args).copied().collect();
        estate.synthex(&all).env("DO_NOT_TRACK", "1").run()
    };
    let before = run(&["report", "--period", "1000d", "--format", "json"]).ok().json();
    assert_eq!(before["totalCommands"], 5);
    run(&["prune", "--older-than", "100d"]).code(3).stderr_has("--dry-run, then add --yes");
    run(&["prune", "--older-than", "100d", "--dry-run"]).ok().stdout_has("would drop");
    assert_eq!((db.query_one_i64(count), partitions(&estate).len()), (5, 4));
    let dropped = run(&["prune", "--older-than", "100d", "--yes", "--format", "json"]).ok().json();
    assert_eq!(dropped["metrics"], 4, "{dropped:#}");
    assert_eq!(dropped["months"].as_array().unwrap().len(), 2);
    assert_eq!((db.query_one_i64(count), partitions(&estate).len()), (1, 2));
    let after = run(&["report", "--period", "1000d", "--format", "json"]).ok().json();
    for part in ["totalCommands", "byCommand", "performanceMetrics"] {
        assert_eq!(after[part], before[part], "{part}");
    }
    // Late metrics of a month that is gone change nothing of what it was summed to.
    ran(&estate, &[160]);
    assert_eq!(run(&["report", "--period", "1000d", "--format", "json"]).ok().json()["totalCommands"], 5);
    run(&["prune", "--older-than", "400d", "--yes"]).ok();
    run(&["prune", "--older-than", "1000d", "--yes"]).ok().stdout_has("Nothing is that old.");
}

#[test]
fn a_report_says_which_day_it_could_not_look_at_in_part() {
    let estate = Estate::applied("usage_edges");
    estate.database.sql(
        "insert into synthex.usage_metrics (id, recorded_at, workspace, actor, metric_type, metric_name, outcome, duration_ms) \
         select gen_random_uuid(), at::timestamptz, 'w', 'a', 'command', 'plan', 'succeeded', 1 \
         from unnest(array['2025-12-01T06:00Z', '2025-12-01T18:00Z', '2025-12-02T06:00Z', '2025-12-04T18:00Z']) as t (at)",
    );
    let run = |args: &[&str]| {
        let all: Vec<&str> =
            ["analytics"].iter().chain(args).chain(&["--as-of", "2026-03-10T12:00:00Z"]).copied().collect();
        estate.synthex(&all).env("DO_NOT_TRACK", "1").run()
    };
    let part = ["--from", "2025-12-01T12:00:00Z", "--to", "2025-12-04T12:00:00Z"];
    let ask = |command: &[&str], period: &[&str]| {
        let all: Vec<&str> = command.iter().chain(period).chain(&["--format", "json"]).copied().collect();
        run(&all).ok().json()
    };
    let days = |days: &[&str]| serde_json::json!(days);
    let before = ask(&["report"], &part);
    assert_eq!((&before["totalCommands"], &before["incompleteDays"]), (&2.into(), &days(&[])));
    run(&["prune", "--older-than", "31d", "--yes"]).ok();
    for command in ["report", "commands", "errors", "performance"] {
        let found = ask(&[command], &part);
        assert_eq!(found["incompleteDays"], days(&["2025-12-01", "2025-12-04"]), "{command}: {found:#}");
    }
    assert_eq!(ask(&["report"], &part)["totalCommands"], 1);
    let text = run(&[&["report"], &part[..]].concat()).ok();
    text.stderr_has("Nothing of 2025-12-01 and 2025-12-04 is counted").stderr_has("midnight (UTC)");
    // Where nothing is left out, nothing is said: whole days, days without a metric, and commands that did not run then.
    let whole = ask(&["report"], &["--from", "2025-12-01", "--to", "2025-12-05"]);
    assert_eq!((&whole["totalCommands"], &whole["incompleteDays"]), (&4.into(), &days(&[])));
    let empty = ask(&["report"], &["--from", "2025-12-03T12:00:00Z", "--to", "2025-12-04"]);
    assert_eq!(empty["incompleteDays"], days(&[]));
    assert_eq!(ask(&["performance", "--command", "drift"], &part)["incompleteDays"], days(&[]));
    let quiet = run(&["report", "--from", "2025-12-01", "--to", "2025-12-05"]).ok();
    quiet.nowhere("midnight");
}

#[test]
fn a_workspace_takes_what_was_recorded_of_it_along() {
    let estate = Estate::applied("usage_workspace");
    let db = &estate.database;
    ran(&estate, &[1, 2]);
    estate.synthex(&["analytics", "roll-up"]).env("DO_NOT_TRACK", "1").run().ok();
    db.sql("insert into synthex.workspaces (name, market, region) values ('other', 'ANZ_SMB', 'AU-SE1')");
    db.sql("update synthex.usage_metrics set workspace = 'other'; update synthex.usage_reports set workspace = 'other' where workspace = 'w'");
    db.sql("update synthex.workspaces set name = 'renamed' where name = 'other'");
    let of = |workspace: &str| {
        db.query_one_i64(&format!(
            "select count(*) from synthex.usage_metrics where workspace = '{workspace}'"
        ))
    };
    assert_eq!((of("other"), of("renamed")), (0, 2));
    db.sql("delete from synthex.workspaces where name = 'renamed'");
    assert_eq!(db.query_one_i64("select count(*) from synthex.usage_metrics"), 0);
    assert_eq!(db.query_one_i64("select count(*) from synthex.usage_reports where workspace = 'renamed'"), 0);
}

#[test]
fn days_are_summed_once_by_two_at_a_time() {
    let estate = Estate::applied("usage_twice");
    ran(&estate, &[1, 2, 3]);
    let running: Vec<_> =
        (0..4).map(|_| estate.synthex(&["analytics", "roll-up"]).env("DO_NOT_TRACK", "1").spawn()).collect();
    for run in running {
        run.wait().ok();
    }
    let sum = "select sum(count)::bigint from synthex.usage_reports where metric_name = 'plan'";
    assert_eq!(estate.database.query_one_i64(sum), 3);
}
