//! Ctrl-C and SIGTERM: before the commit the state before, from then on the state after, and no lease is left behind.

use std::time::{Duration, Instant};

use crate::support::cli::{Outcome, Running};
use crate::support::estate::Estate;
use crate::support::proxy::{Mode, Proxy};

/// A way to be told to stop, with its name and its exit code.
type Way = (&'static str, fn(&Running), i32);

const WAYS: [Way; 2] = [("SIGINT", Running::interrupt, 130), ("SIGTERM", Running::terminate, 143)];

/// Sessions of the database that wait for this.
fn waiting(estate: &Estate, what: &str) -> i64 {
    let sql = format!(
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and {what}"
    );
    estate.database.query_one_i64(&sql)
}

/// Starts an apply, waits until a session is as `what` says, and tells it to stop.
#[track_caller]
fn stop_while(estate: &Estate, args: &[&str], what: &str, tell: fn(&Running)) -> Outcome {
    let mut run = estate.synthex(args).spawn();
    run.wait_until(what, || waiting(estate, what) > 0);
    let told = Instant::now();
    tell(&run);
    let outcome = run.wait();
    assert!(told.elapsed() < Duration::from_secs(5), "{:?} to stop\n{outcome}", told.elapsed());
    assert!(!outcome.stderr.contains("panicked"), "{outcome}");
    outcome
}

#[test]
fn told_to_stop_while_it_writes_it_leaves_the_state_before_and_no_lease() {
    for (signal, tell, code) in WAYS {
        let estate = Estate::applied("interrupt_write");
        let state = estate.state();
        estate.edit("T1.yaml", "status: active", "status: inactive");
        estate.edit("expiry.yaml", "24h", "48h");
        for table in ["tenants", "alert_rules", "batch_operations"] {
            estate.trigger(table, "insert or update", "true", "perform pg_sleep(20);");
            let outcome = stop_while(&estate, &["apply", "--yes"], "wait_event = 'PgSleep'", tell);
            outcome.code(code).stderr_has("nothing was changed");
            assert_eq!(estate.leases_held(), 0, "{signal} in {table}");
            // Nothing of it goes on in the server either: it would hold up whoever comes next.
            estate.untrigger(table);
            assert_eq!(estate.state(), state, "{signal} in {table}");
        }
        estate.apply().ok();
        estate.is_converged();
    }
}

#[test]
fn told_to_stop_while_it_commits_it_leaves_the_state_after() {
    for (signal, tell, _) in WAYS {
        let estate = Estate::applied("interrupt_commit");
        estate.database.sql(
            "create function public.slow() returns trigger language plpgsql as $f$ begin perform pg_sleep(1); return null; end $f$;
             create constraint trigger slow after insert on synthex.batch_operations deferrable initially deferred
                 for each row execute function public.slow()",
        );
        estate.edit("T1.yaml", "status: active", "status: inactive");
        let committing = "query = 'commit' and wait_event = 'PgSleep'";
        let outcome = stop_while(&estate, &["apply", "--yes"], committing, tell);
        outcome.ok().stdout_has("Applied as revision 2.");
        assert_eq!(estate.leases_held(), 0, "{signal}");
        estate.is_converged();
    }
}

#[test]
fn told_to_stop_while_it_waits_for_a_lease_it_stops_waiting() {
    for (signal, tell, code) in WAYS {
        let estate = Estate::applied("interrupt_lease");
        estate.database.sql(
            "update synthex.leases set holder = gen_random_uuid(), host = 'elsewhere', pid = 1, command = 'apply', \
             acquired_at = clock_timestamp(), expires_at = clock_timestamp() + interval '1 hour'",
        );
        let lease = "select to_jsonb(l)::text from synthex.leases l";
        let held = estate.value(lease);
        estate.edit("T1.yaml", "status: active", "status: inactive");
        let state = estate.state();
        let args = ["apply", "--yes", "--lock-timeout", "60"];
        let asking = "application_name = 'synthex apply' and state = 'idle' and query like '%lease%' or query = 'commit'";
        stop_while(&estate, &args, asking, tell).code(code).stderr_has("nothing was changed");
        assert_eq!(
            (estate.state(), estate.value(lease)),
            (state, held),
            "{signal}: the other's lease is left alone"
        );
    }
}

#[test]
fn told_to_stop_while_it_plans_it_stops() {
    for (_, tell, code) in WAYS {
        let estate = Estate::applied("interrupt_plan");
        let url = estate.database.url();
        let holder = std::thread::spawn(move || {
            let sql = "begin; lock table synthex.credentials; select pg_sleep(1); rollback";
            crate::support::database::execute(&url, sql).expect("a lock");
        });
        let locked = "wait_event = 'PgSleep'";
        assert!(crate::support::eventually(Duration::from_secs(10), || waiting(&estate, locked) == 1));
        let stuck = "wait_event_type = 'Lock'";
        stop_while(&estate, &["apply", "--yes"], stuck, tell).code(code).stderr_has("nothing was changed");
        holder.join().expect("the holder");
    }
}

#[test]
fn told_to_stop_at_any_moment_it_leaves_the_state_before_or_after_and_no_lease() {
    let estate = Estate::applied("interrupt_any");
    let mut usual = Duration::from_millis(100);
    let mut stopped = 0;
    for round in 0..16_u32 {
        let (from, to) = if round % 2 == 0 { ("AU-SE1", "NZ-NR1") } else { ("NZ-NR1", "AU-SE1") };
        for file in ["T1.yaml", "T2.yaml", "w.yaml", "shops.yaml"] {
            estate.edit(file, from, to);
        }
        let declared = estate.declared();
        let (signal, tell, code) = WAYS[round as usize % 2];
        let run = estate.synthex(&["apply", "--yes"]).spawn();
        // It listens from its first moment on, but not before there is one.
        std::thread::sleep(usual * (round + 3) / 20);
        if rustix::process::test_kill_process(run.pid()).is_ok() {
            tell(&run);
        }
        let outcome = run.wait();
        assert_eq!(estate.leases_held(), 0, "{signal} in round {round}: {outcome}");
        match outcome.code {
            0 => estate.is_converged(),
            other => {
                assert_eq!(other, code, "{signal} in round {round}: {outcome}");
                assert_eq!(estate.declared(), declared, "{signal} in round {round}: {outcome}");
                stopped += 1;
            }
        }
        let start = Instant::now();
        // At once, without waiting for any lease.
        estate.apply().ok();
        usual = start.elapsed();
    }
    assert!(stopped > 0, "all runs ended before they were told");
    estate.is_converged();
}

#[test]
fn told_to_stop_when_the_database_falls_silent_it_does_not_wait_for_the_record() {
    let estate = Estate::applied("interrupt_silent");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.trigger("tenants", "insert or update", "true", "perform pg_sleep(20);");
    let proxy = Proxy::before(&estate.database, Mode::Pass);
    let mut run = estate.synthex_at(&proxy.url(&estate.database), &["apply", "--yes"]).spawn();
    run.wait_until("the trigger to sleep", || waiting(&estate, "wait_event = 'PgSleep'") > 0);
    proxy.set(Mode::Blackhole);
    let told = Instant::now();
    run.interrupt();
    run.wait().code(130).stderr_has("nothing was changed");
    assert!(told.elapsed() < Duration::from_secs(5), "{:?} to stop", told.elapsed());
}
