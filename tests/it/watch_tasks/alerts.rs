//! M-A1, M-A2, S6, S7: workspaces are evaluated when it is time or something changed, each by one replica, and nothing is told
//! twice.

use std::time::Duration;

use chrono::TimeDelta;
use synthex::store::alert_turns::EndedTurn;
use synthex::store::{ConnectOptions, Connection};

use super::{Hands, Replica, Tasks, block_on, sum};
use crate::support::estate::Estate;
use crate::support::project::{tenant_yaml, workspace_yaml};
use crate::support::proxy::{Mode, Proxy};

const RULE: &str = "{when: {credentialExpiry: {}}, channels: [box], reminder: never}";

fn declare(estate: &Estate, workspace: &str, kind: &str, name: &str, spec: &str) {
    let metadata = format!("{{name: {name}, workspace: {workspace}}}");
    let text = format!("apiVersion: synthex.dev/v1\nkind: {kind}\nmetadata: {metadata}\nspec: {spec}\n");
    estate.project.write(&format!("manifests/{workspace}-{kind}-{name}.yaml"), text);
}

/// Workspaces with a credential that expires on 2031-06-30, a rule and an inbox each; applied.
fn estate(hint: &str, workspaces: &[&str]) -> Estate {
    let estate = Estate::new(hint);
    for name in ["expiry", "muted", "chat", "log", "c1", "c2", "hush", "night", "often"] {
        estate.project.remove(&format!("manifests/{name}.yaml"));
    }
    for workspace in workspaces {
        estate.project.write(&format!("manifests/{workspace}.yaml"), workspace_yaml(workspace));
        estate.project.write(&format!("manifests/{workspace}-S1.yaml"), tenant_yaml("S1", workspace));
        let spec = "{tenant: S1, service: shopify, secretRef: {env: C1}, expiresAt: 2031-06-30T00:00:00Z}";
        declare(&estate, workspace, "Credential", "s1", spec);
        declare(&estate, workspace, "NotificationChannel", "box", "{type: in-app}");
        declare(&estate, workspace, "AlertRule", "expiry", RULE);
    }
    estate.apply().ok();
    // How often each workspace was evaluated.
    estate.database.sql(
        "create table public.looks (workspace text); \
         create function public.looked() returns trigger language plpgsql as \
          $f$ begin insert into public.looks values (new.workspace); return null; end $f$; \
         create trigger z_looked after insert or update on synthex.alert_evaluations for each row when (new.rule = '') \
          execute function public.looked()",
    );
    estate
}

/// The workspaces that were evaluated since the last time, sorted.
fn looked(estate: &Estate) -> Vec<String> {
    let rows = estate.database.query_strings("select workspace from public.looks order by 1");
    estate.database.sql("truncate public.looks");
    rows.into_iter().flatten().flatten().collect()
}

fn told(estate: &Estate) -> Vec<String> {
    let rows = estate.database.query_strings(
        "select workspace || ' ' || event || ' ' || severity from synthex.notifications order by created_at, workspace, id",
    );
    rows.into_iter().flatten().flatten().collect()
}

fn seconds(ran: &synthex::watch::Ran) -> f64 {
    ran.again.unwrap_or_else(|| panic!("it waits for nothing: {ran:?}")).as_secs_f64()
}

const EIGHT: [&str; 8] = ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"];

#[test]
fn three_replicas_evaluate_each_workspace_once_and_tell_once() {
    let estate = estate("watch_alerts_three", &EIGHT);
    let clock = Hands::at("2031-06-25T10:00:00Z");
    let mut tasks = Tasks::new((0..3).map(|_| Replica::new(&estate, &clock).alerts()));
    let mut evaluated = 0;
    for _ in 0..6 {
        evaluated += sum(&tasks.run(), "/evaluated");
    }
    // The workspace `w` of the estate has no rules.
    let mut all: Vec<&str> = EIGHT.to_vec();
    all.push("w");
    assert_eq!(looked(&estate), all);
    assert_eq!(evaluated, 9);
    assert_eq!(told(&estate), EIGHT.map(|name| format!("{name} firing warning")));
    assert_eq!(estate.database.query_one_i64("select count(*) from synthex.alerts"), 8);
    let claimed = "select count(*) from synthex.watch_turns where claimed_by is not null";
    assert_eq!(estate.database.query_one_i64(claimed), 0);
}

#[test]
fn a_schedule_is_met_once_and_made_up_for_once() {
    let estate = estate("watch_alerts_cron", &["a"]);
    let clock = Hands::at("2031-05-01T10:00:00Z");
    // Their clocks differ by five minutes.
    let clocks = [clock.clone(), Hands::at("2031-05-01T10:05:00Z"), Hands::at("2031-05-01T09:55:00Z")];
    let mut tasks = Tasks::new(clocks.iter().map(|clock| Replica::new(&estate, clock).alerts()));
    tasks.run_out();
    assert_eq!(told(&estate), Vec::<String>::new());
    // Thirty days before the end is 2031-05-31, and the rule looks at nine.
    let set = |text: &str| {
        clock.set(text);
        for (other, minutes) in clocks.iter().zip([0, 5, -5]).skip(1) {
            other.set(text);
            other.pass(TimeDelta::minutes(minutes));
        }
    };
    set("2031-05-30T09:10:00Z");
    tasks.run_out();
    set("2031-05-31T08:54:00Z");
    tasks.run_out();
    // Each of them looks once a day in any case, and says when it is time.
    let ran = tasks.run();
    assert!((seconds(&ran[0]) - 360.0).abs() < 1.0, "{ran:?}");
    assert_eq!(told(&estate), Vec::<String>::new());
    set("2031-05-31T09:00:00Z");
    tasks.run_out();
    tasks.run_out();
    assert_eq!(told(&estate), ["a firing info"]);
    set("2031-05-31T09:06:00Z");
    tasks.run_out();
    assert_eq!(told(&estate).len(), 1);
    // Nobody looked for weeks: the tightest threshold is told, once (M-E4).
    set("2031-06-29T15:00:00Z");
    tasks.run_out();
    tasks.run_out();
    assert_eq!(told(&estate), ["a firing info", "a firing critical"]);
}

#[test]
fn a_tighter_threshold_of_an_open_alert_is_told_when_it_is_crossed() {
    let estate = estate("watch_alerts_tighter", &["a"]);
    let clock = Hands::at("2031-06-22T23:55:00Z");
    let mut tasks = Tasks::new([Replica::new(&estate, &clock).alerts()]);
    let ran = tasks.run_out();
    assert_eq!(told(&estate), ["a firing info"]);
    assert!((seconds(&ran[0]) - 300.0).abs() < 1.0, "seven days before: {ran:?}");
    clock.set("2031-06-23T00:00:00Z");
    tasks.run_out();
    assert_eq!(told(&estate), ["a firing info", "a firing warning"]);
}

#[test]
fn what_changes_is_evaluated_at_once_and_nothing_else_is() {
    let estate = estate("watch_alerts_change", &["a", "b"]);
    let clock = Hands::at("2031-06-25T10:00:00Z");
    let mut tasks = Tasks::new([Replica::new(&estate, &clock).alerts()]);
    tasks.run_out();
    assert_eq!(looked(&estate), ["a", "b", "w"]);
    let mut after = |what: &str| {
        // What changes all the time is not looked at all the time.
        clock.pass(TimeDelta::seconds(6));
        tasks.run_out();
        let found = looked(&estate);
        clock.pass(TimeDelta::seconds(6));
        tasks.run_out();
        assert_eq!(looked(&estate), Vec::<String>::new(), "{what}: once is enough");
        found
    };
    assert_eq!(after("nothing"), Vec::<String>::new());
    declare(
        &estate,
        "b",
        "AlertRule",
        "other",
        "{when: {usageThreshold: {metric: api-call, above: 5, window: 24h}}, channels: [box]}",
    );
    estate.apply().ok();
    assert_eq!(after("a rule"), ["b"]);
    estate.database.sql("update synthex.tenants set display_name = 'another' where workspace = 'a'");
    assert_eq!(after("drift"), ["a"]);
    let id = estate.value("select id::text from synthex.alerts where workspace = 'b'").unwrap();
    estate.run(&["alerts", "acknowledge", &id, "--as-of", "2031-06-25T10:01:00Z", "--yes"]).ok();
    // Whoever acknowledges takes the turn of an evaluation.
    looked(&estate);
    assert_eq!(after("an acknowledgement"), ["b"]);
    estate.database.sql(
        "insert into synthex.health_status (workspace, service, subject, status, since, last_status, code, message, checked_at, failures) \
         values ('a', 'shopify', 'S1', 'healthy', now(), 'unhealthy', 'shop_frozen', 'frozen', now(), 1)",
    );
    assert_eq!(after("a bad result"), ["a"]);
    estate
        .database
        .sql("update synthex.health_status set checked_at = now() + interval '1 hour', latency_ms = 7");
    assert_eq!(after("the same again"), Vec::<String>::new());
    estate
        .database
        .sql("update synthex.health_status set last_status = 'healthy', failures = 0, code = 'ok'");
    assert_eq!(after("it is well again"), ["a"]);
    estate.database.sql(
        "insert into synthex.credential_status (workspace, credential, observed_expires_at) \
         select workspace, id, '2031-09-01Z' from synthex.credentials where workspace = 'a'",
    );
    assert_eq!(after("another expiry"), ["a"]);
    assert_eq!(told(&estate).last().map(String::as_str), Some("a fired_and_resolved warning"));
    // A workspace that comes has its turn, and of one that goes the alerts end.
    estate.project.write("manifests/c.yaml", workspace_yaml("c"));
    estate.apply().ok();
    assert_eq!(after("a workspace, and drift that is set back"), ["a", "c"]);
    for file in [
        "b.yaml",
        "b-S1.yaml",
        "b-Credential-s1.yaml",
        "b-NotificationChannel-box.yaml",
        "b-AlertRule-expiry.yaml",
        "b-AlertRule-other.yaml",
    ] {
        estate.project.remove(&format!("manifests/{file}"));
    }
    estate.run(&["apply", "--yes", "--prune"]).ok();
    assert_eq!(after("a workspace that goes"), Vec::<String>::new());
    let turns =
        "select string_agg(workspace, ' ' order by workspace) from synthex.watch_turns where task = 'alerts'";
    assert_eq!(estate.value(turns).as_deref(), Some(" a c w"));
    let open = "select count(*) from synthex.alerts where workspace = 'b' and status <> 'resolved'";
    assert_eq!(estate.database.query_one_i64(open), 0);
}

#[test]
fn how_something_stands_is_told_when_it_changes_whatever_the_schedule_says() {
    let estate = estate("watch_alerts_health", &["a"]);
    let rule = "{when: {healthStatus: {statuses: [unhealthy]}}, channels: [box], schedule: '0 9 1 1 *'}";
    declare(&estate, "a", "AlertRule", "down", rule);
    estate.apply().ok();
    let clock = Hands::at("2031-05-01T10:00:00Z");
    let mut tasks = Tasks::new([Replica::new(&estate, &clock).alerts()]);
    tasks.run_out();
    let set = |status: &str, failures: i64, successes: i64| {
        estate.database.sql(&format!(
            "insert into synthex.health_status (workspace, service, subject, tenant, status, since, last_status, code, message, \
              checked_at, failures, successes, severe) values ('a', 'shopify', 'S1', 'S1', '{status}', '2031-05-01Z', '{status}', \
              'shop_frozen', 'frozen', now(), {failures}, {successes}, {failures} - {successes}) \
             on conflict (workspace, service, subject) do update set status = excluded.status, last_status = excluded.last_status, \
              failures = excluded.failures, successes = excluded.successes, severe = excluded.severe"
        ));
    };
    set("unhealthy", 3, 0);
    clock.pass(TimeDelta::seconds(6));
    tasks.run_out();
    assert_eq!(told(&estate), ["a firing warning"]);
    set("healthy", 0, 2);
    clock.pass(TimeDelta::seconds(6));
    tasks.run_out();
    assert_eq!(told(&estate), ["a firing warning", "a fired_and_resolved warning"]);
}

async fn connect(estate: &Estate) -> Connection {
    ConnectOptions::new(estate.database.url(), Duration::from_secs(10), "test").connect().await.unwrap()
}

#[test]
fn a_replica_that_sleeps_longer_than_its_claim_doubles_nothing() {
    let estate = estate("watch_alerts_paused", &["a"]);
    let clock = Hands::at("2031-06-25T10:00:00Z");
    let (slow, quick) = (Replica::new(&estate, &clock), Replica::new(&estate, &clock));
    let now = "2031-06-25T10:00:00Z".parse().unwrap();
    let lease = Duration::from_secs(60);
    let taken = block_on(async {
        let mut connection = connect(&estate).await;
        connection.open_alert_turns(now).await.unwrap();
        connection.spread_alert_turns(None, now).await.unwrap();
        connection.take_alert_turns(slow.0.replica, lease, now, 10).await.unwrap().taken
    });
    assert_eq!(taken.len(), 3, "{taken:?}");
    // While the claim lasts, nobody else takes them.
    let mut tasks = Tasks::new([quick.alerts()]);
    assert_eq!(sum(&tasks.run(), "/evaluated"), 0);
    estate.database.sql("update synthex.watch_turns set claimed_until = clock_timestamp() - interval '1 s'");
    assert_eq!(sum(&tasks.run(), "/evaluated"), 2);
    let due = "select string_agg(due_at::text, ' ' order by workspace) from synthex.watch_turns";
    let before = estate.value(due);
    // It wakes up, evaluates what it had, and says when that is due.
    let ended: Vec<EndedTurn> = taken
        .iter()
        .map(|turn| EndedTurn {
            workspace: turn.workspace.clone(),
            due_at: now,
            seen: String::new(),
            done_at: now,
        })
        .collect();
    estate.run(&["alerts", "check-now", "--yes", "--as-of", "2031-06-25T10:00:00Z"]).ok();
    block_on(async { connect(&estate).await.end_alert_turns(slow.0.replica, &ended).await.unwrap() });
    assert_eq!(estate.value(due), before);
    assert_eq!(told(&estate), ["a firing warning"]);
}

#[test]
fn a_workspace_that_changes_while_it_is_evaluated_is_evaluated_again() {
    let estate = estate("watch_alerts_meanwhile", &["a"]);
    let now = "2031-06-25T10:00:00Z".parse().unwrap();
    let replica = Replica::new(&estate, &Hands::at("2031-06-25T10:00:00Z")).0.replica;
    block_on(async {
        let mut connection = connect(&estate).await;
        connection.open_alert_turns(now).await.unwrap();
        connection.spread_alert_turns(None, now).await.unwrap();
        let lease = Duration::from_secs(60);
        let taken = connection.take_alert_turns(replica, lease, now, 10).await.unwrap().taken;
        let root = taken.iter().find(|turn| turn.workspace.is_empty()).unwrap();
        estate.database.sql("update synthex.tenants set display_name = 'another' where workspace = 'a'");
        connection.spread_alert_turns(Some(&root.seen), now).await.unwrap();
        let later = now + TimeDelta::hours(3);
        let end = |turn: &synthex::store::alert_turns::AlertTurn| EndedTurn {
            workspace: turn.workspace.clone(),
            due_at: later,
            seen: turn.seen.clone(),
            done_at: now,
        };
        let ended: Vec<EndedTurn> = taken.iter().map(end).collect();
        connection.end_alert_turns(replica, &ended).await.unwrap();
    });
    let due = "select string_agg(workspace, ' ' order by workspace) from synthex.watch_turns where due_at <= '2031-06-25T10:00:00Z'";
    assert_eq!(estate.value(due).as_deref(), Some("a"));
}

#[test]
fn one_workspace_that_cannot_be_evaluated_holds_up_no_other() {
    let estate = estate("watch_alerts_failing", &["a", "b", "c"]);
    estate.trigger("alerts", "insert", "new.workspace = 'b'", "raise exception 'no';");
    let clock = Hands::at("2031-06-25T10:00:00Z");
    let mut tasks = Tasks::new([Replica::new(&estate, &clock).alerts()]);
    let mut failures = 0;
    for _ in 0..5 {
        failures += tasks.try_run().iter().filter(|ran| ran.failure.is_some()).count();
    }
    assert_eq!(failures, 1, "it is tried again later, and not all the time");
    assert_eq!(told(&estate), ["a firing warning", "c firing warning"]);
    estate.trigger_does_nothing();
    clock.pass(TimeDelta::seconds(29));
    tasks.run_out();
    assert_eq!(told(&estate).len(), 2);
    clock.pass(TimeDelta::seconds(1));
    tasks.run_out();
    assert_eq!(told(&estate).len(), 3);
}

#[test]
fn a_clock_that_was_a_year_ahead_stops_nothing() {
    let estate = estate("watch_alerts_clock", &["a"]);
    let clock = Hands::at("2030-06-25T10:00:00Z");
    let mut tasks = Tasks::new([Replica::new(&estate, &clock).alerts()]);
    tasks.run_out();
    clock.set("2031-06-25T10:00:00Z");
    tasks.run_out();
    assert_eq!(told(&estate), ["a firing warning"]);
    clock.set("2030-06-25T10:00:10Z");
    looked(&estate);
    tasks.run_out();
    assert_eq!(looked(&estate), ["a", "w"], "it goes on by the clock as it is now");
    clock.set("2031-06-25T10:00:00Z");
    tasks.run_out();
    assert_eq!(told(&estate).iter().filter(|one| one.contains("firing")).count(), 1);
}

#[test]
fn a_database_that_is_away_is_a_failure_and_it_goes_on_when_it_is_back() {
    let estate = estate("watch_alerts_away", &["a"]);
    let proxy = Proxy::before(&estate.database, Mode::Pass);
    let clock = Hands::at("2031-06-25T10:00:00Z");
    let replica = Replica::at(&proxy.url(&estate.database), &estate, &clock, &[]);
    let mut tasks = Tasks::new([replica.alerts(), replica.delivery(), replica.health()]);
    tasks.run_out();
    proxy.set(Mode::Refuse);
    for ran in tasks.try_run() {
        assert_eq!(ran.failure.map(|failure| failure.code).as_deref(), Some("database-unreachable"));
    }
    proxy.set(Mode::Pass);
    clock.set("2031-06-29T10:00:00Z");
    tasks.run_out();
    tasks.run_out();
    assert_eq!(told(&estate).len(), 2);
    assert_eq!(estate.database.query_one_i64("select count(*) from synthex.inbox_items"), 2);
    tasks.stopper.stop();
    tasks.run();
}
