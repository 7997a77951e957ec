//! SIGTERM while something takes long: git, a plan, a write, a commit (S17). What would take long takes longer than a run may,
//! so that none of it is waited for.

use std::time::Duration;

use crate::support::cli::Running;
use crate::support::database::execute;
use crate::support::estate::Estate;
use crate::support::eventually;
use crate::support::git::{GitServer, Manner, Origin, processes};
use crate::support::project::{project_yaml, tenant_yaml, workspace_yaml};
use crate::support::proxy::{Mode, Proxy};

use super::{comes_true, display_name, is_ready, start, value};

/// How long a run may take that waits for nothing.
const SOON: Duration = Duration::from_secs(60);

/// How many sessions of controllers are like this.
fn sessions(estate: &Estate, what: &str) -> i64 {
    estate.database.query_one_i64(&format!(
        "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'synthex watch' and {what}"
    ))
}

/// Tells a controller to stop; it ends as it should, with its lease given back.
#[track_caller]
fn stops(controller: Running, estate: &Estate) {
    controller.terminate();
    let outcome = controller.wait().code(143);
    assert!(!outcome.stderr.contains("panicked"), "{outcome}");
    assert_eq!(estate.leases_held(), 0, "{outcome}");
    assert_eq!(estate.database.query_one_i64("select count(*) from synthex.watch_replicas"), 0, "{outcome}");
}

#[test]
fn a_fetch_that_hangs_is_not_waited_for_and_nothing_of_git_stays() {
    let estate = Estate::new("watch_stop_git");
    let origin = Origin::new();
    let project = project_yaml("test").replace("spec: {}", "spec: {workspace: w}");
    origin.commit(&[
        ("synthex.yaml", project.as_str()),
        ("manifests/w.yaml", workspace_yaml("w").as_str()),
        ("manifests/T1.yaml", tenant_yaml("T1", "w").as_str()),
    ]);
    let server = GitServer::new(origin.path(), None);
    let url = server.url(".git");
    let args = ["watch", "--tasks", "reconcile", "--git", &url, "--git-every", "1s", "--git-timeout", "1h"];
    let begins = || estate.synthex(&args).limit(SOON).spawn();
    let controller = begins();
    is_ready(&estate);
    let hangs = || {
        server.behave(Manner::Hangs);
        server.take_requests();
        let asks = || !server.take_requests().is_empty() && processes().contains(&url);
        assert!(eventually(Duration::from_secs(30), asks), "git is never called");
    };
    hangs();
    stops(controller, &estate);
    let is_gone = || !processes().lines().any(|line| line.contains("git") && line.contains(&url));
    assert!(eventually(Duration::from_secs(5), is_gone), "{}", processes());
    // In the middle of its beginning, too.
    let controller = begins();
    hangs();
    controller.terminate();
    controller.wait().code(143);
    assert!(eventually(Duration::from_secs(5), is_gone), "{}", processes());
}

#[test]
fn a_plan_that_takes_long_is_not_waited_for() {
    let estate = Estate::applied("watch_stop_plan");
    let args = ["--database-timeout", "3600", "watch", "--interval", "1s", "--tasks", "reconcile"];
    let controller = estate.synthex(&args).limit(SOON).spawn();
    is_ready(&estate);
    let url = estate.database.url();
    // Until the session is ended.
    let holder = std::thread::spawn(move || {
        execute(&url, "begin; lock table synthex.credentials; select pg_sleep(3600)").is_err()
    });
    estate.edit("T1.yaml", "displayName: T1", "displayName: Late");
    comes_true("the plan to wait", || sessions(&estate, "wait_event_type = 'Lock'") > 0);
    stops(controller, &estate);
    estate.database.admin_sql("select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(3600)%' and pid <> pg_backend_pid()");
    assert!(holder.join().expect("the holder"), "it was ended");
    assert_eq!(display_name(&estate, "T1").as_deref(), Some("T1"));
}

#[test]
fn what_is_being_written_is_undone() {
    let estate = Estate::applied("watch_stop_write");
    for table in ["tenants", "batch_operation_items"] {
        let controller = start(&estate, &[]);
        is_ready(&estate);
        comes_true("a controller", || estate.leases_held() == 1);
        let before = estate.state();
        estate.trigger(table, "insert or update", "true", "perform pg_sleep(3600);");
        estate.edit("T1.yaml", "displayName: T1", "displayName: Late");
        comes_true("the write", || sessions(&estate, "wait_event = 'PgSleep'") > 0);
        stops(controller, &estate);
        // Nothing of it goes on in the server either.
        estate.untrigger(table);
        assert_eq!(estate.state(), before, "{table}");
        estate.edit("T1.yaml", "displayName: Late", "displayName: T1");
    }
}

#[test]
fn what_is_being_committed_is_in_force_and_on_record() {
    let estate = Estate::applied("watch_stop_commit");
    let controller = start(&estate, &[]);
    is_ready(&estate);
    estate.database.sql(
        "create function public.slow() returns trigger language plpgsql as $f$ begin perform pg_sleep(3); return null; end $f$;
         create constraint trigger slow after insert on synthex.batch_operations deferrable initially deferred
             for each row execute function public.slow()",
    );
    estate.edit("T1.yaml", "displayName: T1", "displayName: Just so");
    comes_true("the commit", || sessions(&estate, "query = 'commit' and wait_event = 'PgSleep'") > 0);
    stops(controller, &estate);
    assert_eq!(display_name(&estate, "T1").as_deref(), Some("Just so"));
    let applied =
        "select count(*)::text from synthex.batch_operations where command = 'watch' and status = 'applied'";
    assert_eq!(value(&estate, applied).as_deref(), Some("1"));
    estate.is_converged();
}

#[test]
fn a_database_that_is_silent_is_not_waited_for() {
    let estate = Estate::applied("watch_stop_silent");
    let proxy = Proxy::before(&estate.database, Mode::Pass);
    let url = proxy.url(&estate.database);
    let args = ["--database-timeout", "3600", "watch", "--interval", "1s", "--tasks", "reconcile"];
    let controller = estate.synthex_at(&url, &args).limit(SOON).spawn();
    is_ready(&estate);
    proxy.set(Mode::Blackhole);
    std::thread::sleep(Duration::from_secs(3));
    controller.terminate();
    controller.wait().code(143).stderr_has("stopped");
}
