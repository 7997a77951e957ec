//! What is old goes, by the project's word, and nothing goes that somebody still needs.

use chrono::Utc;
use serde_json::{Value, json};
use synthex::cli::watching::UpkeepTask;
use synthex::kinds::project::{Ages, Retention};
use synthex::model::usage::{Metric, Outcome};
use synthex::watch::Ran;

use crate::support::estate::Estate;
use crate::support::watching::{context, run, station};

fn ages(spec: Value) -> Ages {
    serde_json::from_value::<Retention>(spec).unwrap().ages()
}

/// One run of a controller that was not there before.
async fn keeps_up(estate: &Estate, ages: Ages) -> Ran {
    let context = context(estate.project.path(), &[], &[]);
    let station = station(estate, &context, false);
    let ran = run(&mut UpkeepTask::new(&station, ages)).await;
    assert!(ran.failure.is_none(), "{:?}", ran.failure);
    ran
}

/// The hour is over.
fn an_hour_later(estate: &Estate) {
    estate
        .database
        .sql("update synthex.watch_turns set due_at = now() - interval '1 second' where task = 'upkeep'");
}

fn left(estate: &Estate, table: &str, name: &str) -> Vec<String> {
    let rows = estate.database.query_strings(&format!("select {name} from synthex.{table} order by 1"));
    rows.into_iter().flatten().flatten().collect()
}

/// Health checks: so many results, so many days old.
fn checks(estate: &Estate, count: u32, days: u32) {
    estate.database.sql(&format!(
        "insert into synthex.health_checks (id, service, status, code, message, checked_at) \
         select gen_random_uuid(), 'memory', 'healthy', 'd{days}', 'm', now() - interval '{days} days' from generate_series(1, {count})"
    ));
}

/// An alert: its last byte, its status, when it was over, and what muted it.
fn alert(estate: &Estate, number: u8, status: &str, days: u32, muted_by: &str) {
    let over =
        if status == "resolved" { format!("now() - interval '{days} days'") } else { "null".to_owned() };
    estate.database.sql(&format!(
        "insert into synthex.alerts (id, workspace, rule, kind, fingerprint, severity, status, title, message, started_at, fired_at, \
          changed_at, resolved_at, muted_by) values ('00000000-0000-0000-0000-0000000000{number:02}', 'w', 'expiry', 'health_status', \
          sha256('{number}'::bytea), 'info', '{status}', 'a{number:02}', 'm', now() - interval '900 days', now() - interval '900 days', \
          now() - interval '{days} days', {over}, '{muted_by}')"
    ));
}

/// A message that tells of an alert, with one delivery in a state.
fn message(estate: &Estate, title: &str, days: u32, alerts: &str, state: &str, finished: Option<u32>) {
    let finished = finished.map_or("null".to_owned(), |days| format!("now() - interval '{days} days'"));
    estate.database.sql(&format!(
        "with n as (insert into synthex.notifications (id, workspace, type, event, severity, title, message, content, alerts, created_by, \
           created_at) values (gen_random_uuid(), 'w', 'health_alert', 'firing', 'info', '{title}', 'm', '{{}}', '{alerts}', 'test', \
           now() - interval '{days} days') returning id), \
          d as (insert into synthex.notification_deliveries (id, workspace, notification, channel, state, next_attempt_at, finished_at, \
           created_at) select gen_random_uuid(), 'w', id, 'log', '{state}', now(), {finished}, now() from n returning id, notification), \
          i as (insert into synthex.inbox_items (id, workspace, channel, notification, severity, title, body, created_at) \
           select id, 'w', 'log', notification, 'info', '{title}', 'b', now() - interval '{days} days' from d) \
         insert into synthex.delivery_attempts (delivery, attempt, workspace, began_at, latency_ms, outcome, code) \
          select id, 1, 'w', now(), 1, 'sent', 'ok' from d"
    ));
}

#[tokio::test]
async fn what_is_old_goes_and_what_is_needed_stays() {
    let estate = Estate::applied("upkeep_all");
    let db = &estate.database;
    checks(&estate, 2, 31);
    checks(&estate, 1, 29);
    alert(&estate, 1, "resolved", 181, "{}");
    alert(&estate, 2, "resolved", 179, "{}");
    alert(&estate, 3, "firing", 800, "{}");
    // A silence "until resolved" counts this one as its end.
    alert(&estate, 4, "resolved", 400, "{silence/quiet}");
    alert(&estate, 5, "resolved", 400, "{silence/gone}");
    alert(&estate, 6, "resolved", 400, "{}");
    let of = |number: u8| format!("{{00000000-0000-0000-0000-0000000000{number:02}}}");
    db.sql(
        "begin; set local synthex.engine = 'on'; insert into synthex.silences (workspace, name, matchers, starts_at, until_resolved, \
          declared_by, comment, owner) select 'w', name, '[\"tenant=x\"]', now() - interval '800 days', until_resolved, 'ops', 'c', 'test' \
         from (values ('quiet', true)) as t (name, until_resolved); commit",
    );
    message(&estate, "old", 91, "{}", "sent", Some(91));
    message(&estate, "young", 89, "{}", "sent", Some(89));
    message(&estate, "waits", 200, &of(6), "pending", None);
    message(&estate, "retried", 200, "{}", "dead", Some(3));
    message(&estate, "of an open alert", 700, &of(3), "sent", Some(700));
    message(&estate, "of one that is over", 200, &of(2), "failed", Some(200));
    db.sql(
        "insert into synthex.alert_groups (workspace, rule, group_key, notified_at, due_at) values \
          ('w', 'other', 'old', now() - interval '200 days', null), ('w', 'other', 'waits', now() - interval '200 days', now()), \
          ('w', 'other', 'young', now(), null), ('w', 'expiry', 'open', now() - interval '200 days', null); \
         insert into synthex.pauses (workspace, reason, actor, paused_at, until) values \
          ('ended', 'r', 'a', now() - interval '9 days', now() - interval '2 days'), ('on', 'r', 'a', now() - interval '90 days', null), \
          ('just', 'r', 'a', now() - interval '9 days', now() - interval '2 hours'); \
         insert into synthex.watch_replicas (id, project, environment, host, pid, version, mode, is_leader, started_at, seen_at, tasks) \
          select gen_random_uuid(), 'test', '', host, 1, '1', 'enforce', false, now() - interval '9 days', now() - age, '{}' \
          from (values ('gone', interval '25 hours'), ('here', interval '1 minute')) as t (host, age); \
         insert into synthex.watch_backoff (project, environment, workspace, kind, name, failures, error, failed_at, next_at) \
          select 'test', '', 'w', 'tenant', name, 1, 'e', now() - age, now() - age \
          from (values ('forgotten', interval '3 days'), ('waits', interval '1 hour')) as t (name, age); \
         insert into synthex.watch_corrections (project, environment, workspace, kind, name, field, desired, actor, corrected_at) \
          select 'test', '', 'w', 'tenant', name, '', '', 'a', now() - age \
          from (values ('old', interval '3 days'), ('new', interval '1 hour')) as t (name, age); \
         insert into synthex.watch_turns (task, workspace, due_at) values ('alerts', 'w', now()), ('alerts', 'nowhere', now())",
    );
    // What would go is said by the command, which changes nothing then.
    let dry = estate.run(&["db", "prune", "--dry-run", "--format", "json"]).ok().json();
    let expected = json!({"healthChecks": 2, "notifications": 2, "alerts": 2, "thresholds": 0, "groups": 1, "pauses": 1,
        "replicas": 1, "backoffs": 1, "corrections": 1, "turns": 1, "metrics": 0});
    assert_eq!(dry["removed"], expected, "{dry:#}");
    assert_eq!(left(&estate, "health_checks", "code").len(), 3);
    estate.run(&["db", "prune"]).code(3).stderr_has("--dry-run, then add --yes");

    let ran = keeps_up(&estate, Ages::default()).await;
    for (name, rows) in expected.as_object().unwrap() {
        let at = if name == "metrics" {
            &ran.status["last"]["metrics"]
        } else {
            &ran.status["last"]["removed"][name]
        };
        assert_eq!(at, rows, "{name}: {:#}", ran.status);
    }
    assert_eq!(left(&estate, "health_checks", "code"), ["d29"]);
    assert_eq!(left(&estate, "alerts", "title"), ["a02", "a03", "a04", "a06"]);
    assert_eq!(left(&estate, "notifications", "title"), ["of an open alert", "retried", "waits", "young"]);
    assert_eq!(db.query_one_i64("select count(*) from synthex.delivery_attempts"), 4);
    assert_eq!(left(&estate, "inbox_items", "title").len(), 6, "the inbox survives");
    assert_eq!(left(&estate, "alert_groups", "group_key"), ["open", "waits", "young"]);
    assert_eq!(left(&estate, "pauses", "workspace"), ["just", "on"]);
    assert_eq!(left(&estate, "watch_replicas", "host"), ["here"]);
    assert_eq!(left(&estate, "watch_backoff", "name"), ["waits"]);
    assert_eq!(left(&estate, "watch_corrections", "name"), ["new"]);
    assert_eq!(left(&estate, "watch_turns", "task || workspace"), ["alertsw", "upkeep"]);
    estate.run(&["db", "prune", "--yes"]).ok().stdout_has("Nothing is that old.");
}

#[tokio::test]
async fn one_controller_an_hour_does_it() {
    let estate = Estate::applied("upkeep_turn");
    checks(&estate, 1, 100);
    let first = keeps_up(&estate, Ages::default()).await;
    assert_eq!(first.status["last"]["removed"]["healthChecks"], 1);
    checks(&estate, 1, 100);
    let second = keeps_up(&estate, Ages::default()).await;
    assert_eq!(second.status["last"], Value::Null);
    let wait = second.again.unwrap().as_secs();
    assert!((3500..=3600).contains(&wait), "{wait}");
    assert_eq!(left(&estate, "health_checks", "code").len(), 1);
    an_hour_later(&estate);
    assert_eq!(keeps_up(&estate, Ages::default()).await.status["last"]["removed"]["healthChecks"], 1);
    // One that died at it is waited for, and then followed.
    checks(&estate, 1, 100);
    estate.database.sql("update synthex.watch_turns set due_at = now() - interval '1 minute', claimed_by = gen_random_uuid(), \
         claimed_until = now() + interval '5 minutes'");
    assert_eq!(keeps_up(&estate, Ages::default()).await.status["last"], Value::Null);
    estate.database.sql("update synthex.watch_turns set claimed_until = now() - interval '1 second'");
    assert_eq!(keeps_up(&estate, Ages::default()).await.status["last"]["removed"]["healthChecks"], 1);
    // A clock that was a year ahead leaves no turn that never comes.
    checks(&estate, 1, 100);
    estate.database.sql("update synthex.watch_turns set due_at = now() + interval '1 year'");
    assert_eq!(keeps_up(&estate, Ages::default()).await.status["last"]["removed"]["healthChecks"], 1);
}

#[tokio::test]
async fn the_project_says_how_long_and_much_goes_in_batches() {
    let estate = Estate::applied("upkeep_ages");
    checks(&estate, 12_001, 3);
    checks(&estate, 1, 100);
    let forever = ages(json!({"healthChecks": "forever"}));
    assert_eq!(keeps_up(&estate, forever).await.status["last"]["removed"].get("healthChecks"), None);
    an_hour_later(&estate);
    let ran = keeps_up(&estate, ages(json!({"healthChecks": "2d"}))).await;
    assert_eq!(ran.status["last"]["removed"]["healthChecks"], 12_002);
    assert_eq!(ran.status["last"]["isMore"], false);
    // The command goes by the project file.
    checks(&estate, 1, 3);
    let file = estate.project.read("synthex.yaml");
    estate
        .project
        .write("synthex.yaml", file.replace("workspace: w,", "workspace: w, retention: {healthChecks: 2d},"));
    estate
        .run(&["db", "prune", "--dry-run"])
        .ok()
        .stdout_has("results of health checks")
        .stdout_has("1 rows would be removed");
    estate.run(&["db", "prune", "--yes"]).ok().stdout_has("1 rows were removed");
    assert!(left(&estate, "health_checks", "code").is_empty());
    estate
        .project
        .write("synthex.yaml", file.replace("workspace: w,", "workspace: w, retention: {healthChecks: 2h},"));
    estate
        .run(&["db", "prune", "--dry-run"])
        .code(3)
        .stderr_has("synthex.yaml:")
        .stderr_has("must be kept for 1d or more");
}

/// M-E6, S7: a credential whose expiry was told years ago is not told of again, because what was told of it is still known.
#[tokio::test]
async fn no_expiry_is_told_twice_because_the_first_time_is_forgotten() {
    let estate = Estate::new("upkeep_told");
    for (name, at) in
        [("e1", "2024-01-01T00:00:00Z"), ("e2", "2024-02-01T00:00:00.5Z"), ("e3", "2024-03-01T00:00:00Z")]
    {
        let spec = format!("{{tenant: T1, service: shopify, secretRef: {{env: X}}, expiresAt: {at}}}");
        estate.declare("Credential", name, &spec);
    }
    estate.apply().ok();
    let db = &estate.database;
    db.sql(
        "insert into synthex.credential_status (workspace, credential, observed_expires_at) \
         select workspace, id, '2024-03-02T00:00:00Z' from synthex.credentials where name = 'e3'",
    );
    let tells = || {
        estate.run(&["alerts", "check-now"]).ok();
        db.query_one_i64("select count(*) from synthex.notifications where event = 'firing'")
    };
    let told = tells();
    assert!(told > 0);
    let rows = "select count(*) from synthex.alert_thresholds";
    let before = db.query_one_i64(rows);
    assert!(before >= 3, "{before}");
    // All of that was years ago, and the alerts are open since then.
    db.sql(
        "update synthex.alert_thresholds set crossed_at = now() - interval '700 days'; \
         update synthex.notifications set created_at = now() - interval '700 days'; \
         update synthex.notification_deliveries set state = 'sent', leased_until = null, leased_by = null, \
          finished_at = now() - interval '700 days'",
    );
    let ran = keeps_up(&estate, Ages::default()).await;
    assert_eq!(ran.status["last"]["removed"]["thresholds"], 0, "{:#}", ran.status);
    assert_eq!(ran.status["last"]["removed"]["notifications"], 0, "{:#}", ran.status);
    assert_eq!(db.query_one_i64(rows), before);
    assert_eq!(tells(), told, "nobody is told a second time");
    // Another date is another story: what was told of the first one goes.
    estate.edit("e1.yaml", "2024-01-01T00:00:00Z", "2044-01-01T00:00:00Z");
    estate.apply().ok();
    an_hour_later(&estate);
    let ran = keeps_up(&estate, Ages::default()).await;
    let gone = ran.status["last"]["removed"]["thresholds"].as_i64().unwrap();
    assert!(gone > 0, "{:#}", ran.status);
    assert_eq!(db.query_one_i64(rows), before - gone);
    let kept = "select count(distinct credential) from synthex.alert_thresholds";
    assert_eq!(db.query_one_i64(kept), 2);
}

#[tokio::test]
async fn metrics_are_sent_summed_and_dropped_by_the_month() {
    let estate = Estate::applied("upkeep_metrics");
    let db = &estate.database;
    for days in [1, 60, 200] {
        db.sql(&format!("select synthex.usage_month(now() - interval '{days} days')"));
        db.sql(&format!(
            "insert into synthex.usage_metrics (id, recorded_at, workspace, actor, metric_type, metric_name, outcome, duration_ms) \
             values (gen_random_uuid(), now() - interval '{days} days', 'w', 'a', 'command', 'plan', 'succeeded', 1)"
        ));
    }
    // What this controller did is there at once, at its own time, and not only when it ends.
    let own = context(
        estate.project.path(),
        &["--database-url", &db.url()],
        &[("SYNTHEX_ANALYTICS", "on".to_owned())],
    );
    own.recorder.touches("here".to_owned());
    own.recorder.record(Metric::credential_op(
        "shopify",
        "renew",
        Outcome::Succeeded,
        std::time::Duration::from_millis(3),
    ));
    let station = station(&estate, &own, false);
    let mut task = UpkeepTask::new(&station, ages(json!({"metrics": "150d"})));
    let ran = run(&mut task).await;
    assert!(ran.failure.is_none(), "{:?}", ran.failure);
    let metrics = "select count(*) from synthex.usage_metrics where metric_type = ";
    assert_eq!(db.query_one_i64(&format!("{metrics} 'credential_op'")), 1);
    assert_eq!(db.query_one_i64(&format!("{metrics} 'command'")), 2);
    assert_eq!(ran.status["last"]["metrics"], 1, "{:#}", ran.status);
    assert_eq!(db.query_one_i64("select count(*) from synthex.usage_reports where metric_name = ''"), 200);
    // Later runs send what came since, also where it is not their turn.
    own.recorder.record(Metric::credential_op(
        "shopify",
        "renew",
        Outcome::Failed,
        std::time::Duration::from_millis(3),
    ));
    let ran = run(&mut task).await;
    assert_eq!(ran.status["metricsWaiting"], 0);
    assert_eq!(db.query_one_i64(&format!("{metrics} 'credential_op'")), 2);
    let distinct =
        "select count(distinct recorded_at) from synthex.usage_metrics where metric_type = 'credential_op'";
    assert_eq!(db.query_one_i64(distinct), 2);
    assert!(ran.status["last"]["at"].as_str().unwrap() <= Utc::now().to_rfc3339().as_str());
}

#[tokio::test]
async fn what_was_deleted_softly_is_counted_and_never_removed() {
    let estate = Estate::applied("upkeep_soft");
    estate.database.sql(
        "begin; set local synthex.engine = 'on'; update synthex.credentials set deleted_at = now() - interval '40 days' where name = 'c1'; \
         update synthex.tenants set deleted_at = now() - interval '40 days' where name = 'T1'; \
         update synthex.tenants set deleted_at = now() - interval '20 days' where name = 'T3'; commit",
    );
    let ran = keeps_up(&estate, Ages::default()).await;
    let soft = json!({"olderThanDays": 30, "rows": 2, "byKind": {"Tenant": 1, "Credential": 1}});
    assert_eq!(ran.status["last"]["softlyDeleted"], soft);
    let shown = estate.run(&["db", "prune", "--yes"]).ok();
    shown
        .stdout_has("Nothing is that old")
        .stderr_has("2 resources")
        .stderr_has("synthex apply --prune --permanent");
    assert_eq!(
        estate.database.query_one_i64("select count(*) from synthex.tenants where deleted_at is not null"),
        2
    );
}

#[tokio::test]
async fn one_that_only_observes_removes_nothing() {
    let estate = Estate::applied("upkeep_observe");
    checks(&estate, 1, 100);
    let context = context(estate.project.path(), &[], &[]);
    let station = station(&estate, &context, true);
    let ran = run(&mut UpkeepTask::new(&station, Ages::default())).await;
    assert!(ran.failure.is_none());
    assert_eq!(left(&estate, "health_checks", "code").len(), 1);
    assert_eq!(left(&estate, "watch_turns", "task").len(), 0, "and takes no turn from those that do it");
}
