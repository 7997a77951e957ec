//! What programs ask: whether it is alive and ready, metrics, status.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use synthex::engine::delivery::Counts;
use synthex::engine::watching::{Condition, ConditionStatus, ConditionType, SourceRecord};
use synthex::model::clock::{Clock, SystemClock};
use synthex::report::watch_status;
use synthex::watch::http::{Counted, Settings};

use crate::support::database::TestDatabase;
use crate::support::proxy::{Mode, Proxy};

use super::demo::{run_tasks, tell};
use super::site::Site;

/// Nothing listens there, and nothing needs to.
const NOWHERE: &str = "postgres://nobody@127.0.0.1:9/none";

#[test]
fn probes_say_how_a_replica_is() {
    let site = Site::new(NOWHERE);
    site.get("/livez").is(200).has("ok");
    site.get("/healthz").is(200);
    let answer = site.get("/readyz").is(503);
    let said: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(said["ready"], false);
    let failing = said["checks"].as_array().unwrap().iter().filter(|check| check["ok"] == false);
    assert_eq!(
        failing.map(|check| check["check"].as_str().unwrap()).collect::<Vec<_>>(),
        ["role", "database", "cycle"]
    );
    site.is_well();
    let ready = site.get("/readyz").is(200);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&ready.body).unwrap()["ready"], true);
    site.vitals.ending("it was asked to stop");
    site.get("/readyz").is(503).has("it was asked to stop");
    site.get("/livez").is(200);
}

/// S5: a database that never answers keeps no probe waiting.
#[test]
fn probes_answer_while_the_database_is_a_black_hole() {
    let database = TestDatabase::new("http_hole");
    let proxy = Proxy::before(&database, Mode::Pass);
    let site = Site::new(&proxy.url(&database));
    site.is_well();
    proxy.set(Mode::Blackhole);
    std::thread::scope(|scope| {
        let pages: Vec<_> = (0..8).map(|_| scope.spawn(|| site.get("/tenants"))).collect();
        std::thread::sleep(Duration::from_millis(200));
        let start = Instant::now();
        for path in ["/livez", "/readyz", "/metrics", "/status"] {
            site.get(path).is(200).has_not("canary");
        }
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
        for page in pages {
            page.join()
                .unwrap()
                .is(503)
                .has("What to do")
                .has("The controller itself goes on")
                .has_not("canary");
        }
    });
}

fn full(site: &Site) {
    let now = SystemClock.now();
    site.is_well();
    tell(&site.vitals);
    site.vitals.set_counted(Counted::default());
    site.vitals.delivered(&Counts { sent: 5, ..Counts::default() });
    site.vitals.set_source(SourceRecord { source: "manifests".to_owned(), ..SourceRecord::default() });
    let condition = |of, status| Condition {
        workspace: "uk-smb".to_owned(),
        of,
        status,
        reason: "Drift".to_owned(),
        message: "9 tenants".to_owned(),
        revision: None,
        since: now,
    };
    site.vitals.set_conditions(vec![
        condition(ConditionType::Ready, ConditionStatus::False),
        condition(ConditionType::Synced, ConditionStatus::Unknown),
    ]);
}

#[track_caller]
fn promtool(metrics: &str) {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool, from the package `prometheus`: .ci/setup installs it");
    child.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.trim().is_empty(), "{said}\n{metrics}");
}

#[test]
fn metrics_pass_promtool_and_have_few_labels() {
    for per_workspace in [false, true] {
        let settings = Settings { per_workspace, ..Settings::default() };
        let site = Site::with(NOWHERE, IpAddr::V4(Ipv4Addr::LOCALHOST), settings);
        promtool(&site.get("/metrics").is(200).body);
        full(&site);
        let answer = site.get("/metrics").is(200);
        assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"), "{answer:?}");
        promtool(&answer.body);
        let answer = answer
            .has("\nsynthex_leader 1")
            .has("\nsynthex_lease_token 42")
            .has("\nsynthex_database_up 1")
            .has("\nsynthex_conditions{type=\"Ready\",status=\"False\"} 1")
            .has("\nsynthex_delivery_outcomes_total{outcome=\"sent\"} 5")
            .has("\nsynthex_task_runs_total{task=\"reconcile\"} 0")
            .has("\nsynthex_reconcile_seconds_bucket{le=\"0.3\"} 1");
        let answer = match per_workspace {
            true => answer.has("\nsynthex_drift_objects{workspace=\"uk-smb\"} 9"),
            false => answer.has("\nsynthex_drift_objects 9").has_not("uk-smb"),
        };
        for line in answer.body.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.starts_with("synthex_"), "{line}");
        }
        let labels: BTreeSet<&str> =
            answer.body.split(['{', ',']).filter_map(|part| Some(part.split_once("=\"")?.0)).collect();
        let mut known = BTreeSet::from([
            "le", "left", "mode", "outcome", "severity", "state", "status", "task", "type", "version",
        ]);
        if per_workspace {
            known.insert("workspace");
        }
        assert_eq!(labels, known);
    }
}

#[test]
fn metrics_are_open_metrics_where_that_is_asked_for() {
    let site = Site::new(NOWHERE);
    full(&site);
    let accept = [("Accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")];
    let answer = site.ask("GET", "/metrics", &accept, "").is(200);
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"), "{answer:?}");
    assert!(answer.body.ends_with("# EOF\n"), "{}", answer.body);
}

#[test]
fn status_is_as_its_schema_says() {
    let site = Site::new(NOWHERE);
    let schema = watch_status::schema();
    jsonschema::meta::validate(&schema).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).offline().build(&schema).unwrap();
    let check = |site: &Site| {
        let answer = site.get("/status").is(200);
        assert_eq!(answer.header("content-type"), "application/json");
        let value: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let problems: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{problems:?}\n{value:#}");
        value
    };
    let begun = check(&site);
    assert_eq!((begun["role"].as_str(), begun["ready"].as_bool()), (Some("starting"), Some(false)));
    site.vitals.database_failed("the database cannot be reached", SystemClock.now());
    check(&site);
    full(&site);
    run_tasks(&site.board);
    let value = check(&site);
    assert_eq!((value["role"].as_str(), value["lease"]["token"].as_i64()), (Some("leader"), Some(42)));
    assert_eq!(value["drift"]["byWorkspace"]["uk-smb"], 9);
    assert_eq!(value["tasks"].as_object().unwrap().len(), 7);
}
