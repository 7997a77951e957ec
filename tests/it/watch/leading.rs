//! Several controllers on one database: one of them reconciles, another takes over, and who was replaced writes nothing (R63, S6).

use std::time::Duration;

use rustix::process::Signal;
use synthex::engine::StateErrorKind;
use synthex::engine::watching::{Entries, Realm, SourceRecord};
use synthex::store::{ConnectOptions, Hold};

use crate::support::database::execute;
use crate::support::estate::Estate;
use crate::support::{eventually, watching};

use super::{comes_true, display_name, is_ready, start, value};

fn leader(estate: &Estate) -> Option<String> {
    value(estate, "select pid::text from synthex.leases where name = 'watch:test' and holder is not null")
}

#[test]
fn one_reconciles_and_when_it_is_killed_another_takes_over() {
    let estate = Estate::new("watch_takeover");
    let first = start(&estate, &[]);
    is_ready(&estate);
    let second = start(&estate, &[]);
    comes_true("two controllers", || {
        value(&estate, "select count(*)::text from synthex.watch_replicas").as_deref() == Some("2")
    });
    let one = first.pid().as_raw_nonzero().to_string();
    assert_eq!(leader(&estate).as_deref(), Some(one.as_str()));
    let operations = "select count(*) from synthex.batch_operations";
    assert_eq!(estate.database.query_one_i64(operations), 1, "only one of them wrote");
    first.kill();
    let another = second.pid().as_raw_nonzero().to_string();
    let took_over =
        eventually(Duration::from_secs(15), || leader(&estate).as_deref() == Some(another.as_str()));
    assert!(took_over, "nobody took over within 15 seconds");
    estate.database.admin_sql("update synthex.tenants set display_name = 'By hand' where name = 'T2'");
    comes_true("a correction by the other", || display_name(&estate, "T2").as_deref() == Some("T2"));
    let shown = estate.run(&["watch", "status"]).ok();
    assert!(shown.stdout.contains("reconciles"), "{shown}");
}

#[test]
fn who_ends_gives_the_lease_back_at_once() {
    let estate = Estate::new("watch_hand_over");
    let first = start(&estate, &[]);
    is_ready(&estate);
    let second = start(&estate, &[]);
    first.terminate();
    first.wait().code(143);
    let another = second.pid().as_raw_nonzero().to_string();
    assert!(eventually(Duration::from_secs(8), || leader(&estate).as_deref() == Some(another.as_str())));
}

#[test]
fn one_that_slept_through_its_lease_writes_nothing_of_what_it_had_in_mind() {
    let estate = Estate::new("watch_fenced");
    let first = start(&estate, &[]);
    is_ready(&estate);
    // It wakes up in the middle of a transaction that it is kept from finishing.
    estate.trigger("tenants", "update", "new.display_name = 'Slow'", "perform pg_sleep(2);");
    let second = start(&estate, &[]);
    comes_true("two controllers", || {
        value(&estate, "select count(*)::text from synthex.watch_replicas").as_deref() == Some("2")
    });
    estate.edit("T1.yaml", "displayName: T1", "displayName: Slow");
    comes_true("the write", || {
        value(&estate, "select count(*)::text from pg_stat_activity where application_name = 'synthex watch' and wait_event = 'PgSleep'")
            .as_deref()
            == Some("1")
    });
    first.signal(Signal::STOP);
    let another = second.pid().as_raw_nonzero().to_string();
    comes_true("the other one", || leader(&estate).as_deref() == Some(another.as_str()));
    estate.untrigger("tenants");
    first.signal(Signal::CONT);
    comes_true("the name", || display_name(&estate, "T1").as_deref() == Some("Slow"));
    is_ready(&estate);
    let by = "select host from synthex.leases where name = 'watch:test'";
    assert!(value(&estate, by).is_some());
    // Each operation is on record once, and all are in force.
    comes_true("one operation for it", || {
        let sql = "select count(*)::text from synthex.batch_operation_items where name = 'T1' and action = 'update'";
        value(&estate, sql).as_deref() == Some("1")
    });
    first.terminate();
    first.wait().code(143).stderr_has("stopped");
}

/// Has somebody else hold the lease, who does not end the sessions of the one before.
const TAKEN: &str = "update synthex.leases set holder = gen_random_uuid(), token = token + 1, \
     expires_at = clock_timestamp() + interval '15 seconds' where name = 'watch:test'";

#[test]
fn who_was_replaced_in_the_middle_of_a_transaction_does_not_commit_it() {
    let estate = Estate::new("watch_fenced_commit");
    let mut controller = start(&estate, &[]);
    is_ready(&estate);
    estate.trigger("tenants", "update", "new.display_name = 'Slow'", "perform pg_sleep(2);");
    estate.edit("T1.yaml", "displayName: T1", "displayName: Slow");
    let asleep =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
    comes_true("the write", || estate.database.query_one_i64(asleep) == 1);
    estate.database.sql(TAKEN);
    controller.wait_for_stderr("was lost");
    assert_eq!(display_name(&estate, "T1").as_deref(), Some("T1"), "nothing was committed");
    // Once the lease is free again, it is done.
    comes_true("the name", || display_name(&estate, "T1").as_deref() == Some("Slow"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_replaced_does_not_write_into_the_books() {
    let estate = Estate::applied("watch_fenced_books");
    let url = estate.database.url();
    let context = watching::context(estate.project.path(), &[], &[]);
    let realm = Realm { project: "test".to_owned(), environment: String::new() };
    let options = ConnectOptions::new(url.clone(), Duration::from_secs(20), "watch");
    let mut connection = options.connect().await.expect("a connection");
    let hold = connection.hold(&context.holder("watch"), &realm.lease(), Duration::from_secs(10), None).await;
    let Ok(Hold::Ours(grant, true)) = hold else { panic!("{hold:?}") };
    estate.trigger("watch_sources", "insert or update", "true", "perform pg_sleep(2);");
    let taking = tokio::task::spawn_blocking(move || {
        let asleep =
            "select 1 from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
        assert!(eventually(Duration::from_secs(20), || !execute(&url, asleep)
            .expect("an answer")
            .is_empty()));
        execute(&url, TAKEN).expect("a lease");
    });
    let source = SourceRecord { source: "late".to_owned(), ..SourceRecord::default() };
    let entries = Entries { source: Some(&source), ..Entries::default() };
    let written = connection.write_books(&realm, &grant, &entries, context.clock.now()).await;
    taking.await.expect("taken");
    assert_eq!(written.map_err(|error| error.kind), Err(StateErrorKind::LeaseLost));
    let books = connection.read_books(&realm, context.clock.now()).await.expect("the books");
    assert!(books.source.is_none(), "{:?}", books.source);
}
