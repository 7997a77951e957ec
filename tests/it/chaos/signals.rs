//! S17: told to stop in each phase of an apply, and told again: at once, and 7.5 seconds later as a CI system does.

use std::time::{Duration, Instant};

use super::rig::{account, is_full};
use crate::support::cli::{Outcome, Running};
use crate::support::estate::Estate;
use crate::support::eventually;

/// The second word: after how long, and how. The first is always a Ctrl-C.
type Again = (Duration, fn(&Running));

fn agains() -> Vec<Again> {
    let at_once: [Again; 2] = [(Duration::ZERO, Running::interrupt), (Duration::ZERO, Running::terminate)];
    let mut agains = vec![at_once[1]];
    if is_full() {
        agains = at_once.to_vec();
        agains.push((Duration::from_millis(7_500), Running::terminate));
    }
    agains
}

#[track_caller]
fn told_twice(estate: &Estate, what: &str, again: Again) -> (Outcome, Duration) {
    let mut run = estate.synthex(&["apply", "--yes", "--lock-timeout", "60"]).spawn();
    let waiting = format!(
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and {what}"
    );
    run.wait_until(what, || estate.database.query_one_i64(&waiting) > 0);
    let told = Instant::now();
    run.interrupt();
    eventually(again.0, || !run.is_running());
    if run.is_running() {
        (again.1)(&run);
    }
    let outcome = run.wait();
    assert!(!outcome.stderr.contains("panicked"), "{outcome}");
    (outcome, told.elapsed())
}

#[test]
fn told_twice_in_each_phase() {
    let mut longest = Duration::ZERO;
    let mut times = 0;
    let asleep = "wait_event = 'PgSleep'";
    for again in agains() {
        let estate = Estate::applied("chaos_signals");
        let state = estate.state();
        estate.edit("T1.yaml", "status: active", "status: inactive");
        let mut stops = |phase: &str, what: &str| {
            let (outcome, took) = told_twice(&estate, what, again);
            assert!(matches!(outcome.code, 130 | 143), "{phase}: {outcome}");
            assert!(took < Duration::from_secs(5), "{phase}: {took:?} to stop\n{outcome}");
            assert!(outcome.stderr.contains("nothing was changed"), "{phase}: {outcome}");
            longest = longest.max(took);
            times += 1;
        };
        // Waiting for a lease.
        estate.database.sql(
            "update synthex.leases set holder = gen_random_uuid(), host = 'elsewhere', pid = 1, command = 'apply', \
             acquired_at = clock_timestamp(), expires_at = clock_timestamp() + interval '1 hour'",
        );
        stops(
            "waiting",
            "application_name = 'synthex apply' and state = 'idle' and (query like '%lease%' or query = 'commit' or query = 'rollback')",
        );
        estate.database.sql("update synthex.leases set holder = null, expires_at = null");
        // Planning, with a slow database.
        let url = estate.database.url();
        let holder = std::thread::spawn(move || {
            let sql = "begin; lock table synthex.credentials; select pg_sleep(1); rollback";
            crate::support::database::execute(&url, sql).expect("a lock");
        });
        let locked = "select count(*) from pg_locks where relation = 'synthex.credentials'::regclass and mode = 'AccessExclusiveLock' and granted";
        assert!(eventually(Duration::from_secs(10), || estate.database.query_one_i64(locked) == 1));
        stops("planning", "wait_event_type = 'Lock'");
        holder.join().expect("the holder");
        // Writing, and recording.
        for table in ["tenants", "batch_operations", "batch_operation_items"] {
            estate.trigger(table, "insert or update", "true", "perform pg_sleep(20);");
            stops(table, asleep);
            estate.untrigger(table);
        }
        assert_eq!((estate.state(), estate.leases_held()), (state, 0));
        // Committing: it is waited for, and said truthfully.
        let seconds = again.0.as_secs() + 1;
        estate.database.sql(&format!(
            "create function public.slow() returns trigger language plpgsql as $f$ begin perform pg_sleep({seconds}); return null; end $f$;
             create constraint trigger slow after insert on synthex.batch_operations deferrable initially deferred
                 for each row when (new.status = 'applied') execute function public.slow()"
        ));
        let (outcome, _) = told_twice(&estate, "query = 'commit' and wait_event = 'PgSleep'", again);
        outcome.ok().stdout_has("Applied as revision");
        times += 1;
        assert_eq!(estate.leases_held(), 0);
        estate.is_converged();
    }
    account("S17 told twice to stop", &[("times", &times), ("longest in ms", &longest.as_millis())]);
}
