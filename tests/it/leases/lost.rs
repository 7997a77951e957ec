//! Who was silent for longer than its lease lasts is replaced, and writes nothing any more, at whatever moment it fell silent.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::estate::Estate;
use crate::support::pgbouncer::PgBouncer;

use super::{TTL, held_elsewhere, list, neighbour, slow_apply};

/// Instead of waiting until it does.
fn let_it_run_out(estate: &Estate) {
    estate.database.sql("update synthex.leases set expires_at = clock_timestamp() - interval '1 second'");
}

fn activity(estate: &Estate, what: &str) -> i64 {
    let sql = format!(
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and {what}"
    );
    estate.database.query_one_i64(&sql)
}

#[test]
fn after_a_kill_the_next_goes_on_within_the_lease_and_says_who_was_replaced() {
    let estate = Estate::applied("lost_killed");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    // Its statement goes on in the server for longer than the lease: it must not hold up the next.
    let run = slow_apply(&estate, "T1", 60.0);
    let pid = run.pid().as_raw_nonzero();
    run.kill();
    run.wait().code(137);
    let killed = Instant::now();
    let outcome = neighbour("N1")
        .synthex(["apply", "--yes", "--lock-timeout", "60"])
        .database(&estate.database)
        .run()
        .ok();
    assert!(killed.elapsed() < TTL + Duration::from_secs(3), "{:?}: {outcome}", killed.elapsed());
    let outcome = outcome.stderr_has("Took over the lease of workspace `w` from `synthex apply` on ");
    outcome.stderr_has(&format!("(pid {pid})")).stderr_has("which held it since 20").stderr_has("it ran out");
    assert_eq!(
        estate.value("select status from synthex.tenants where name = 'T1'").as_deref(),
        Some("active")
    );
    assert_eq!(activity(&estate, "wait_event = 'PgSleep'"), 0, "nothing of it goes on");
    estate.untrigger("tenants");
    estate.apply().ok();
}

#[test]
fn stopped_between_taking_and_writing_it_is_fenced_off() {
    let estate = Estate::applied("lost_before");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    // The lease is committed a second after it is asked for; by then the run is stopped.
    estate.database.sql(
        "create function public.slow() returns trigger language plpgsql as $f$ begin perform pg_sleep(1); return null; end $f$;
         create constraint trigger slow after update on synthex.leases deferrable initially deferred
             for each row when (new.holder is not null) execute function public.slow()",
    );
    let mut run = estate.synthex(&["apply", "--yes"]).spawn();
    run.wait_until("the lease to be committed", || activity(&estate, "wait_event = 'PgSleep'") == 1);
    run.signal(Signal::STOP);
    estate.database.sql("drop trigger slow on synthex.leases");
    assert_eq!(estate.leases_held(), 1);
    let_it_run_out(&estate);
    let other = neighbour("N1").synthex(["apply", "--yes"]).database(&estate.database).run().ok();
    other.stderr_has("Took over").stderr_has(&format!("(pid {})", run.pid().as_raw_nonzero()));
    let state = estate.state();
    run.signal(Signal::CONT);
    run.wait().code(4).stderr_has("the lease of workspace w was lost").stderr_has("nothing was written");
    assert_eq!(estate.state(), state);
    estate.apply().ok();
}

fn stopped_while_writing(estate: &Estate, url: &str) {
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.trigger("tenants", "update", "new.name = 'T1'", "perform pg_sleep(1);");
    let mut run = estate.synthex_at(url, &["apply", "--yes"]).spawn();
    run.wait_until("the trigger to sleep", || activity(estate, "wait_event = 'PgSleep'") == 1);
    run.signal(Signal::STOP);
    run.wait_until("the row to be written", || activity(estate, "state = 'idle in transaction'") == 1);
    // The trigger cannot be dropped while the row is locked, but it need not do anything.
    estate.trigger_does_nothing();
    let_it_run_out(estate);
    // The other wants the very row that the stopped one has written and not committed.
    let other = neighbour("T1");
    let text = other.read("manifests/T1.yaml").replace("status: active", "status: suspended");
    other.write("manifests/T1.yaml", text);
    let outcome = other.synthex(["apply", "--yes"]).env("SYNTHEX_DATABASE_URL", url).run().ok();
    outcome.stderr_has("Took over").stderr_has(&format!("(pid {})", run.pid().as_raw_nonzero()));
    let state = estate.state();
    run.signal(Signal::CONT);
    run.wait().code(4).stderr_has("the lease of workspace w was lost").stderr_has("nothing was written");
    assert_eq!(estate.state(), state);
    assert_eq!(
        estate.value("select status from synthex.tenants where name = 'T1'").as_deref(),
        Some("suspended")
    );
    assert_eq!(estate.leases_held(), 0);
}

#[test]
fn stopped_while_writing_it_neither_commits_nor_holds_the_next_up() {
    let estate = Estate::applied("lost_writing");
    stopped_while_writing(&estate, &estate.database.url());
}

#[test]
fn stopped_while_writing_behind_a_pooler_it_is_the_same() {
    let estate = Estate::applied("lost_writing_pooler");
    let pooler = PgBouncer::start(&estate.database);
    stopped_while_writing(&estate, &pooler.url(&estate.database));
}

#[test]
fn a_lease_that_is_lost_after_the_last_row_stops_the_commit() {
    let estate = Estate::applied("lost_late");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    // The record is the last thing that is written; while that goes on, somebody takes the lease over.
    estate.trigger("batch_operations", "insert", "true", "perform pg_sleep(1);");
    let mut run = estate.synthex(&["apply", "--yes"]).spawn();
    run.wait_until("the record to be written", || activity(&estate, "wait_event = 'PgSleep'") == 1);
    let state = estate.state();
    held_elsewhere(&estate, "1 hour");
    run.wait().code(4).stderr_has("the lease of workspace w was lost");
    assert_eq!(estate.state(), state);
    assert_eq!(
        estate.value("select host from synthex.leases").as_deref(),
        Some("runner-9"),
        "it is the other's"
    );
}

#[test]
fn the_clock_that_counts_is_the_databases() {
    let estate = Estate::applied("lost_clock");
    // From now on the database's clock is a day ahead of this machine's: what it says stands before PostgreSQL's own.
    let name = estate.database.name().to_owned();
    estate.database.sql(&format!(
        "create schema ahead;
         create function ahead.clock_timestamp() returns timestamptz language sql volatile
             as $f$ select pg_catalog.clock_timestamp() + interval '1 day' $f$;
         alter database \"{name}\" set search_path = ahead, pg_catalog, public"
    ));
    // By this machine's clock this lease holds for an hour; by the database's it ran out yesterday.
    held_elsewhere(&estate, "1 hour");
    estate
        .database
        .sql("update synthex.leases set expires_at = pg_catalog.clock_timestamp() + interval '1 hour'");
    estate.edit("T1.yaml", "status: active", "status: inactive");
    estate.apply().ok().stderr_has("Took over");
    // And what is taken is taken by the database's clock.
    estate.run(&["lease", "take", "-w", "w", "--reason", "repair", "--ttl", "30m", "--yes"]).ok();
    let left = "select round(extract(epoch from expires_at - pg_catalog.clock_timestamp()) / 60)::bigint from synthex.leases";
    assert_eq!(estate.database.query_one_i64(left), 24 * 60 + 30);
    list(&estate).stdout_has("UTC (in ").stdout_has("repair");
    estate.edit("T1.yaml", "status: inactive", "status: active");
    estate.apply().code(4).stderr_has("(in 29 minutes)");
}
