//! What cannot be done is tried again later, holds up nothing else, and is said.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::estate::Estate;
use crate::support::pgbouncer::PgBouncer;
use crate::support::project::{tenant_yaml, workspace_yaml};
use crate::support::proxy::{Mode, Proxy};

use super::{comes_true, condition, display_name, is_ready, start, status, value};

#[test]
fn what_fails_waits_longer_each_time_and_holds_up_nothing_else() {
    let estate = Estate::applied("watch_backoff");
    estate.trigger("tenants", "update", "new.name = 'T1'", "raise exception 'not this one';");
    estate.edit("T1.yaml", "displayName: T1", "displayName: Refused");
    estate.edit("T2.yaml", "displayName: T2", "displayName: Taken");
    let _controller = start(&estate, &[]);
    comes_true("the rest", || display_name(&estate, "T2").as_deref() == Some("Taken"));
    comes_true("the failure", || condition(&estate, "Ready") == "False ApplyFailed");
    comes_true("the second failure", || {
        value(&estate, "select failures::text from synthex.watch_backoff where name = 'T1'").as_deref()
            == Some("2")
    });
    estate.run(&["watch", "--once", "--tasks", "reconcile"]).code(4);
    let shown = status(&estate);
    let waiting = &shown["waiting"][0];
    assert_eq!(waiting["resource"], "tenant/w/T1");
    assert!(waiting["error"].as_str().is_some_and(|text| text.contains("not this one")), "{shown:#}");
    let health = "select status || ' ' || code from synthex.health_status where service = 'sync'";
    assert_eq!(value(&estate, health).as_deref(), Some("unhealthy apply_failed"));
    // A revision that has nothing to do with it changes nothing; one that is other is tried at once.
    estate.untrigger("tenants");
    estate.edit("T1.yaml", "displayName: Refused", "displayName: Mended");
    comes_true("what was mended", || display_name(&estate, "T1").as_deref() == Some("Mended"));
    is_ready(&estate);
    assert_eq!(estate.database.query_one_i64("select count(*) from synthex.watch_backoff"), 0);
}

#[test]
fn what_fails_as_a_whole_waits_longer_each_time_too() {
    let estate = Estate::applied("watch_backoff_whole");
    // What a sequence says is not rolled back. The times of three attempts, and their number.
    estate.database.sql(
        "create sequence public.attempts; create sequence public.at1; create sequence public.at2; create sequence public.at3;
         create function public.never() returns trigger language plpgsql as $f$ begin
           perform setval('public.at' || least(nextval('public.attempts'), 3), (extract(epoch from clock_timestamp()) * 1000)::bigint);
           raise exception 'not today'; end $f$;
         create constraint trigger never after insert on synthex.batch_operations deferrable initially deferred
             for each row when (new.command = 'watch') execute function public.never()",
    );
    let attempts = || -> i64 {
        estate
            .database
            .query_one_i64("select case when is_called then last_value else 0 end from public.attempts")
    };
    estate.edit("T1.yaml", "displayName: T1", "displayName: Refused");
    let controller = start(&estate, &[]);
    comes_true("the failure", || condition(&estate, "Ready") == "False ApplyFailed");
    comes_true("three attempts", || attempts() == 3);
    let between = |one: &str, two: &str| {
        let sql = format!(
            "select public.{two}.last_value - public.{one}.last_value from public.{one}, public.{two}"
        );
        estate.database.query_one_i64(&sql)
    };
    // Five seconds, and twice that, a fifth less or more.
    let waits = (between("at1", "at2"), between("at2", "at3"));
    assert!(waits.0 >= 3_900 && waits.1 >= 7_900, "{waits:?} ms");
    // Drift does not make it try sooner, another revision does.
    let so_far = attempts();
    estate.edit("T1.yaml", "displayName: Refused", "displayName: Refused too");
    comes_true("another attempt", || attempts() > so_far);
    // So does a pause, which is seen at once too, and its end.
    let so_far = attempts();
    estate.run(&["pause", "w", "--for", "1h", "--reason", "INC-1"]).ok();
    comes_true("the pause", || condition(&estate, "Paused").starts_with("True"));
    assert_eq!(attempts(), so_far, "what is paused is left alone");
    estate.run(&["resume", "w"]).ok();
    comes_true("an attempt after the pause", || attempts() > so_far);
    // A person who mended it says so.
    estate.database.sql("drop trigger never on synthex.batch_operations");
    controller.signal(Signal::HUP);
    comes_true("the name", || display_name(&estate, "T1").as_deref() == Some("Refused too"));
    is_ready(&estate);
    estate.database.admin_sql("update synthex.tenants set display_name = 'By hand' where name = 'T2'");
    comes_true("the correction", || display_name(&estate, "T2").as_deref() == Some("T2"));
}

#[test]
fn a_server_that_is_started_again_is_no_failure_where_nothing_was_asked_meanwhile() {
    let estate = Estate::applied("watch_restart");
    let controller = estate
        .synthex(&["watch", "--interval", "10s", "--no-notify", "--without", "health"])
        .limit(Duration::from_secs(120))
        .spawn();
    is_ready(&estate);
    comes_true("that it leads", || {
        value(
            &estate,
            "select pid::text from synthex.leases where name = 'watch:test' and holder is not null",
        )
        .is_some()
    });
    // All of its sessions that wait for something to do end at once, as when the server is started again.
    let sessions = "select count(*) from pg_stat_activity where application_name = 'synthex watch' and datname = current_database()";
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'synthex watch' and state = 'idle' \
               and state_change < clock_timestamp() - interval '500 milliseconds' and datname = current_database()";
    for _ in 0..3 {
        comes_true("its sessions", || estate.database.query_one_i64(sessions) >= 3);
        std::thread::sleep(Duration::from_secs(1));
        estate.database.admin_sql(end);
        std::thread::sleep(Duration::from_secs(4));
    }
    estate.database.admin_sql("update synthex.tenants set display_name = 'By hand' where name = 'T2'");
    comes_true("the correction", || display_name(&estate, "T2").as_deref() == Some("T2"));
    controller.terminate();
    let outcome = controller.wait().code(143);
    assert!(
        !outcome.stderr.contains("shut down") && !outcome.stderr.contains("cannot be reached"),
        "{outcome}"
    );
}

#[test]
fn what_a_guard_refuses_is_left_and_said() {
    let estate = Estate::applied("watch_guard").with_usual_guards();
    let file = estate.project.read("synthex.yaml");
    estate.project.write(
        "synthex.yaml",
        file.replace("workspace: w", "workspace: w, prune: true, guards: {maxDeletes: 1}"),
    );
    for name in ["T2", "T3", "c2"] {
        estate.project.remove(&format!("manifests/{name}.yaml"));
    }
    let before = estate.state();
    let controller = start(&estate, &[]);
    comes_true("the refusal", || condition(&estate, "Stalled") == "True Refused");
    assert_eq!(condition(&estate, "Synced"), "False Refused");
    assert_eq!(estate.state(), before, "nothing was deleted");
    drop(controller);
    estate.database.sql("update synthex.leases set holder = null, expires_at = null");
    estate.run(&["watch", "--once", "--tasks", "reconcile"]).code(5).stderr_has("Guards refuse");
}

#[test]
fn one_workspace_that_is_held_keeps_no_other_waiting() {
    let estate = Estate::applied("watch_two");
    estate.project.write("manifests/other.yaml", workspace_yaml("other"));
    estate.project.write("manifests/O1.yaml", tenant_yaml("O1", "other"));
    estate.run(&["lease", "take", "-w", "w", "--reason", "repair", "--ttl", "1h", "--yes"]).ok();
    estate.edit("T1.yaml", "displayName: T1", "displayName: Saved");
    let _controller = start(&estate, &[]);
    comes_true("the other workspace", || display_name(&estate, "O1").is_some());
    assert_eq!(display_name(&estate, "T1").as_deref(), Some("T1"));
}

#[test]
fn a_lease_that_somebody_holds_is_waited_for() {
    let estate = Estate::applied("watch_waits");
    estate.run(&["lease", "take", "-w", "w", "--reason", "repair", "--ttl", "1h", "--yes"]).ok();
    estate.edit("T1.yaml", "displayName: T1", "displayName: Saved");
    let mut controller = start(&estate, &[]);
    controller.wait_for_stderr("left alone for now: ");
    assert_eq!(display_name(&estate, "T1").as_deref(), Some("T1"));
    estate.run(&["lease", "release", "-w", "w", "--yes"]).ok();
    comes_true("the name", || display_name(&estate, "T1").as_deref() == Some("Saved"));
}

#[test]
fn a_database_that_is_silent_for_a_while_is_come_back_to() {
    let estate = Estate::applied("watch_blackhole");
    let proxy = Proxy::before(&estate.database, Mode::Pass);
    let url = proxy.url(&estate.database);
    let args = ["--database-timeout", "2", "watch", "--interval", "1s", "--tasks", "reconcile"];
    let mut controller = estate.synthex_at(&url, &args).limit(Duration::from_secs(120)).spawn();
    is_ready(&estate);
    proxy.set(Mode::Blackhole);
    controller.wait_for_stderr("the database did not answer");
    estate.database.admin_sql("update synthex.tenants set display_name = 'By hand' where name = 'T2'");
    proxy.set(Mode::Refuse);
    controller.wait_for_stderr("cannot be reached");
    proxy.set(Mode::Pass);
    comes_true("the correction", || display_name(&estate, "T2").as_deref() == Some("T2"));
    controller.terminate();
    controller.wait().code(143);
}

#[test]
fn behind_a_transaction_pooler_it_works_by_looking() {
    let estate = Estate::applied("watch_pooler");
    let pooler = PgBouncer::start(&estate.database);
    let args = ["watch", "--interval", "1s", "--tasks", "reconcile"];
    let url = pooler.url(&estate.database);
    let mut controller = estate.synthex_at(&url, &args).limit(Duration::from_secs(120)).spawn();
    controller.wait_for_stderr("a pooler stands before the database");
    is_ready(&estate);
    // Who shares the pooler is called nothing.
    for name in ["One", "Two", "Three"] {
        estate.database.sql("notify synthex, 'drift'");
        estate.edit("T1.yaml", "displayName: ", &format!("displayName: {name}"));
        estate.synthex_at(&url, &["apply", "--yes", "--lock-timeout", "20s"]).run().ok();
    }
    estate.database.admin_sql("update synthex.tenants set display_name = 'By hand' where name = 'T2'");
    comes_true("the correction", || display_name(&estate, "T2").as_deref() == Some("T2"));
    controller.terminate();
    controller.wait().code(143);
}

#[test]
fn a_newer_schema_ends_an_older_controller() {
    let estate = Estate::applied("watch_older");
    let controller = start(&estate, &[]);
    is_ready(&estate);
    // Somebody has upgraded the database meanwhile.
    estate.database.sql(
        "insert into synthex.schema_migrations (version, description, checksum) values (9999, 'later', '\\x00')",
    );
    controller.wait().code(8).stderr_has("9999").stderr_has("stopped");
    assert_eq!(
        estate.database.query_one_i64("select count(*) from synthex.leases where holder is not null"),
        0
    );
}

#[test]
fn wrong_usage_is_said() {
    let estate = Estate::applied("watch_usage");
    estate.run(&["watch", "-w", "w"]).code(3).stderr_has("watch looks after a whole project");
    for time in ["0s", "abc", "-5s", "2d"] {
        let refused = estate.run(&["watch", "--interval", time]).code(3).nowhere("tip:");
        refused.stderr_has("write a time from 1s to 24h, such as 30s or 5m");
    }
    estate.run(&["watch", "--as-of", "2030-01-01T00:00:00Z"]).code(3).stderr_has("check-now");
    estate.run(&["watch", "--tasks", "dance"]).code(3);
    let nowhere = ["--database-url", "postgres://nobody@127.0.0.1:1/none", "watch"];
    estate.run(&nowhere).code(8);
}

#[test]
fn nothing_is_said_of_a_workspace_that_is_gone() {
    let estate = Estate::new("watch_gone");
    estate.project.write("manifests/x.yaml", workspace_yaml("x"));
    estate.run(&["watch", "--once", "--tasks", "reconcile"]).ok();
    let shown = estate.run(&["watch", "status"]).ok();
    let shown = shown.stdout_has("No controller runs").stdout_has("When a controller last did:");
    shown.stdout_has("2 of 2 workspaces are ready.");
    estate.run(&["watch", "status", "--all"]).ok().stdout_has("\nx ");
    estate.project.remove("manifests/x.yaml");
    estate.run(&["apply", "--prune", "--yes"]).ok();
    estate.run(&["watch", "status"]).ok().stdout_has("The one workspace is ready.");
    let json = status(&estate);
    let of: Vec<&Value> =
        json["conditions"].as_array().unwrap().iter().map(|own| &own["workspace"]).collect();
    assert!(!of.is_empty() && of.iter().all(|name| *name == "w"), "{json:#}");
    // One style of names everywhere.
    assert!(json["source"]["observedAt"].is_string(), "{json:#}");
}
