//! A database that goes away in the midst of an evaluation, and one that refuses what it is asked for one workspace.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{USUAL, Watch};
use crate::support::database::execute;
use crate::support::project::{tenant_yaml, workspace_yaml};
use crate::support::proxy::{Mode, Proxy};

const AT: &str = "2031-06-25T09:00:00Z";

/// Holds the turn of the workspace `a` for so long, as somebody who evaluates it would.
fn hold(watch: &Watch, seconds: u32) -> std::thread::JoinHandle<()> {
    let url = watch.estate.database.url();
    let database = &watch.estate.database;
    database.sql(
        "insert into synthex.alert_evaluations (workspace, rule, evaluated_at) select name, '', now() from synthex.workspaces \
         on conflict do nothing",
    );
    let held = std::thread::spawn(move || {
        let sql = format!(
            "begin; update synthex.alert_evaluations set evaluated_at = now() where workspace = 'a'; select pg_sleep({seconds}); commit"
        );
        // It is cut off where the test does not wait for it.
        let _cut = execute(&url, &sql);
    });
    let asleep =
        "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()";
    let is_held = || database.query_one_i64(asleep) == 1;
    assert!(crate::support::eventually(Duration::from_secs(10), is_held), "the turn is not held");
    held
}

/// Workspaces before `w`, each with a credential that expires and a rule of its own.
fn workspaces(hint: &str, names: &[&str]) -> Watch {
    let watch = Watch::new(hint, USUAL);
    for name in names {
        watch.estate.project.write(&format!("manifests/{name}.yaml"), workspace_yaml(name));
        watch
            .estate
            .project
            .write(&format!("manifests/{name}-t.yaml"), tenant_yaml(&format!("T{name}"), name));
        for (kind, own, spec) in [
            ("NotificationChannel", "box", "{type: in-app}".to_owned()),
            ("AlertRule", "expiry", USUAL.to_owned()),
            (
                "Credential",
                "c",
                format!(
                    "{{tenant: T{name}, service: shopify, secretRef: {{env: C}}, expiresAt: 2031-06-30T00:00:00Z}}"
                ),
            ),
        ] {
            let text = format!(
                "apiVersion: synthex.dev/v1\nkind: {kind}\nmetadata: {{name: {own}, workspace: {name}}}\nspec: {spec}\n"
            );
            watch.estate.project.write(&format!("manifests/{name}-{own}.yaml"), text);
        }
    }
    watch.apply();
    watch
}

fn failed(outcome: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let failed = outcome["failed"].as_array().unwrap_or_else(|| panic!("{outcome:#}"));
    failed.iter().map(|one| (text(&one["workspaceId"]), text(&one["error"]))).collect()
}

#[test]
fn a_database_that_goes_away_is_waited_for_once_and_not_for_each_workspace() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let watch = workspaces("alerts_away", &names);
    let proxy = Proxy::before(&watch.estate.database, Mode::Pass);
    let held = hold(&watch, 4);
    let args = ["alerts", "check-now", "--yes", "--as-of", AT, "--format", "json", "--database-timeout", "3"];
    let mut run = watch.estate.synthex_at(&proxy.url(&watch.estate.database), &args).spawn();
    let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    run.wait_until("the turn of the first", || watch.estate.database.query_one_i64(waiting) == 1);
    proxy.set(Mode::Blackhole);
    let began = Instant::now();
    let outcome = run.wait().code(8);
    // Three seconds for the answer that does not come, and a moment to say goodbye; seven workspaces at three seconds are 21.
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}: {outcome}", began.elapsed());
    let found = outcome.json();
    let failed = failed(&found);
    let all: Vec<&str> = failed.iter().map(|(workspace, _)| workspace.as_str()).collect();
    assert_eq!(all, ["a", "b", "c", "d", "e", "f", "w"], "{outcome}");
    assert!(failed.iter().all(|(_, error)| *error == failed[0].1), "{failed:?}");
    assert_eq!(watch.estate.database.query_one_i64("select count(*) from synthex.alerts"), 0);
    held.join().unwrap();
    proxy.set(Mode::Pass);
    // Nothing of it is left in the way of the next one.
    watch.check(AT, &[]);
    assert_eq!(watch.estate.database.query_one_i64("select count(*) from synthex.alerts"), 7);
}

#[test]
fn a_database_that_says_no_for_one_workspace_is_asked_for_the_others() {
    let watch = workspaces("alerts_one_of", &["a", "b"]);
    let name = watch.estate.database.name();
    watch.estate.database.admin_sql(&format!("alter database {name} set lock_timeout = '500ms'"));
    let held = hold(&watch, 4);
    let args = ["alerts", "check-now", "--yes", "--as-of", AT, "--format", "json"];
    let outcome = watch.estate.run(&args).code(8);
    let failed = failed(&outcome.json());
    assert_eq!(failed.len(), 1, "{outcome}");
    assert_eq!(failed[0].0, "a");
    let alerts = "select string_agg(workspace, ' ' order by workspace) from synthex.alerts";
    assert_eq!(watch.estate.value(alerts).as_deref(), Some("b w"));
    held.join().unwrap();
}
