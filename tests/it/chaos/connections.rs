//! Connections that are refused or used up: by PostgreSQL, which takes no more of them, and by visitors who leave no file to open.
//! It is said, probes answer, and nobody need restart anything.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::rig::account;
use super::watched::{Watched, get, seconds, value, watch};
use crate::support::estate::Estate;

/// How many connections the database of an estate takes.
fn limit(estate: &Estate, most: i32) {
    let name = estate.database.name();
    estate.database.admin_sql(&format!("alter database {name} connection limit {most}"));
}

/// Ends all connections of controllers.
fn cut(estate: &Estate) {
    estate.database.admin_sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() \
         and application_name like 'synthex watch%'",
    );
}

#[test]
fn a_database_that_takes_no_more_connections_is_said_within_30_seconds_and_over_within_10() {
    let estate = Estate::applied("chaos_exhausted");
    let mut watched = Watched::start(&estate, watch(&estate, &estate.database.url(), &[]));
    limit(&estate, 0);
    cut(&estate);
    let (said, after) = watched.becomes_unready();
    assert!(said.contains("the database takes no more connections"), "{said}");
    assert!(get(&watched.address, "/status").contains("raise max_connections"));
    assert!(get(&watched.address, "/").contains("takes no more connections"));
    watched.probe();
    limit(&estate, -1);
    let healed = Instant::now();
    watched.comes_true("that it is ready again", || watched.is_ready());
    let back = healed.elapsed();
    watched.corrects("T2");
    assert!(after <= Duration::from_secs(32), "it was said only after {after:?}");
    assert!(back <= Duration::from_secs(12), "it took {back:?} to come back");
    watched.ends().stderr_has("the database takes no more connections").stderr_has("raise max_connections");
    account(
        "no more connections",
        &[("unready after", &seconds(after)), ("ready again after", &seconds(back))],
    );
}

#[test]
fn what_needs_one_more_connection_waits_until_there_is_one() {
    let estate = Estate::applied("chaos_one_more");
    let mut watched = Watched::start(&estate, watch(&estate, &estate.database.url(), &[]));
    watched.corrects("T2");
    // Those that are open may stay, and others use up the rest.
    limit(&estate, 1);
    estate.edit("T1.yaml", "displayName: T1", "displayName: Saved");
    let ready = "select status || ' ' || reason || ' ' || message from synthex.watch_conditions where workspace = 'w' and type = 'Ready'";
    let is_said = || {
        value(&estate, ready).is_some_and(|text| text.contains("takes no more connections"))
            || get(&watched.address, "/readyz").contains("takes no more connections")
    };
    let after = watched.comes_true("that there are no connections", is_said);
    watched.probe();
    limit(&estate, -1);
    let name = "select display_name from synthex.tenants where name = 'T1'";
    let back = watched.comes_true("what was saved", || value(&estate, name).as_deref() == Some("Saved"));
    watched.comes_true("that all is well", || {
        value(&estate, ready).is_some_and(|text| text.starts_with("True Reconciled"))
    });
    watched.corrects("T2");
    watched.ends();
    account(
        "one connection more is refused",
        &[("said after", &seconds(after)), ("done after", &seconds(back))],
    );
}

#[test]
fn visitors_leave_files_to_open_for_the_database() {
    let estate = Estate::applied("chaos_few_files");
    let line = "ulimit -n 64; exec \"$0\" \"$@\"";
    let controller = watch(&estate, &estate.database.url(), &[]);
    let mut watched = Watched::start(&estate, controller.under("bash", &["-c", line]));
    let visitors: Vec<TcpStream> =
        (0..200).map(|_| TcpStream::connect(&watched.address).expect("a connection")).collect();
    std::thread::sleep(Duration::from_millis(500));
    watched.probe();
    cut(&estate);
    watched.corrects("T2");
    watched.comes_true("that it is ready", || watched.is_ready());
    watched.probe();
    drop(visitors);
    watched.corrects("T3");
    let outcome = watched.ends().nowhere("Too many open files");
    account("idle visitors with 64 files", &[("visitors", &200), ("ended with", &outcome.code)]);
}
