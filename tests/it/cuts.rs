//! A connection that is cut at any byte leaves the state before or after, says truthfully which, and the next apply
//! converges.

use std::time::Duration;

use crate::support::cli::Outcome;
use crate::support::estate::{Estate, SIZE};
use crate::support::proxy::{Mode, Proxy};

/// The region that everything is in, or what is mixed up.
fn region(estate: &Estate) -> String {
    let sql = "select string_agg(distinct region, ' ') from (select region from synthex.tenants union all \
               select region from synthex.workspaces union all select region from synthex.tenant_templates) r";
    estate.value(sql).expect("regions")
}

/// What came of a cut apply is what it said.
#[track_caller]
fn is_truthful(outcome: &Outcome, before: bool, after: bool, point: &str) {
    assert!(before != after, "{point}: between two states\n{outcome}");
    assert!(!outcome.stderr.contains("canary") && !outcome.stderr.contains("panicked"), "{point}: {outcome}");
    match outcome.code {
        0 => assert!(after, "{point}: it says that it is done\n{outcome}"),
        8 => {
            let unknown = outcome.stderr.contains("could not be found out");
            assert!(before || unknown, "{point}: it says that nothing was done\n{outcome}");
        }
        _ => panic!("{point}: neither done nor unreachable\n{outcome}"),
    }
}

#[derive(Clone, Copy, Debug)]
enum Side {
    Client,
    Server,
}

/// Cuts the connection that writes after so many bytes, at `points` places spread over all of its bytes and closely around
/// the last, where the commit is; and every connection, the one that plans too, at a few places.
fn cut_everywhere(side: Side, points: u64) {
    let estate = Estate::applied("cuts");
    let proxy = Proxy::before(&estate.database, Mode::Pass);
    let url = proxy.url(&estate.database);
    let regions = ["AU-SE1", "NZ-NR1"];
    let flip = |now: &str| {
        let to = if now == regions[0] { regions[1] } else { regions[0] };
        for file in ["T1.yaml", "T2.yaml", "T3.yaml", "w.yaml", "shops.yaml"] {
            estate.edit(file, now, to);
        }
        to
    };
    let count = |args: &[&str]| {
        let sum = || match side {
            Side::Client => proxy.client_bytes(),
            Side::Server => proxy.server_bytes(),
        };
        let before = sum();
        estate.synthex_at(&url, args).run().ok();
        sum() - before
    };
    let mut declared = flip(regions[0]);
    // The planning connection is the same in both, but for the name of the command.
    let reading = count(&["plan"]);
    let writing = count(&["apply", "--yes"]) - reading;
    assert!(writing > 2_000 && region(&estate) == declared, "{reading} {writing}");
    let spread = (0..points).map(|point| writing * point / points);
    // The nonces of the login are some hundred bytes longer or shorter from one run to the next, so the commit moves too.
    let end = (0..26).map(|step| writing + 208 - step * 16);
    let (mut undone, mut done) = (0, 0);
    let planning = (0..4).map(|step| (reading * step / 4, 0));
    for (limit, spared) in spread.chain(end).map(|limit| (limit, 1)).chain(planning) {
        let was = declared;
        declared = flip(was);
        proxy.set(match side {
            Side::Client => Mode::CutAfterClientBytes(limit),
            Side::Server => Mode::CutAfterServerBytes(limit),
        });
        proxy.spare_next(spared);
        let outcome = estate.synthex_at(&url, &["apply", "--yes"]).limit(Duration::from_secs(30)).run();
        proxy.set(Mode::Pass);
        let now = region(&estate);
        let point = format!("{side:?} {limit} of {writing}");
        is_truthful(&outcome, now == was, now == declared, &point);
        if now == was {
            undone += 1;
        } else {
            done += 1;
        }
        // A lease that could not be given back runs out; here, at once.
        estate
            .database
            .sql("update synthex.leases set expires_at = clock_timestamp() where holder is not null");
        estate.synthex(&["apply", "--yes", "--lock-timeout", "10"]).run().ok();
        assert_eq!(region(&estate), declared, "{point}");
    }
    assert!(undone > 10 && done > 0, "{undone} undone, {done} done: the cuts miss the exchange");
    estate.is_converged();
}

#[test]
fn a_connection_cut_after_any_byte_of_the_client_loses_nothing() {
    cut_everywhere(Side::Client, 10);
}

#[test]
fn a_connection_cut_after_any_byte_of_the_server_loses_nothing() {
    cut_everywhere(Side::Server, 10);
}

#[test]
fn a_first_apply_that_is_cut_installs_all_or_nothing() {
    let estate = Estate::new("cuts_first");
    let proxy = Proxy::before(&estate.database, Mode::Pass);
    let url = proxy.url(&estate.database);
    // The migrations are some 30 kB on their way to the server.
    for limit in [600, 1_500, 2_000, 9_000, 20_000, 30_000] {
        proxy.set(Mode::CutAfterClientBytes(limit));
        estate.synthex_at(&url, &["apply", "--yes"]).run().code(8);
        assert!(estate.state().is_empty(), "{limit}");
        let tables =
            "select count(*) from pg_class where relnamespace = to_regnamespace('synthex') and relkind = 'r'";
        let tables = estate.database.query_one_i64(tables);
        assert!(tables == 0 || tables >= 11, "{limit}: {tables} tables");
    }
    proxy.set(Mode::Pass);
    estate.synthex_at(&url, &["apply", "--yes"]).run().ok();
    assert_eq!(estate.declared().len(), SIZE);
}

#[test]
fn a_cut_while_the_commit_is_under_way_is_looked_up_until_it_has_ended() {
    let estate = Estate::applied("cuts_commit");
    // A check at the end of the transaction makes the commit take its time.
    estate.database.sql(
        "create function public.slow() returns trigger language plpgsql as $f$ begin perform pg_sleep(1.5); return null; end $f$;
         create constraint trigger slow after insert on synthex.batch_operations deferrable initially deferred
             for each row execute function public.slow()",
    );
    estate.edit("T1.yaml", "status: active", "status: inactive");
    let proxy = Proxy::before(&estate.database, Mode::Pass);
    let mut run = estate.synthex_at(&proxy.url(&estate.database), &["apply", "--yes"]).spawn();
    let committing =
        "select count(*) from pg_stat_activity where query = 'commit' and wait_event = 'PgSleep'";
    run.wait_until("the commit", || estate.database.query_one_i64(committing) == 1);
    proxy.reset_all();
    let outcome = run.wait();
    let status = estate.value("select status from synthex.tenants where name = 'T1'");
    let after = status.as_deref() == Some("inactive");
    is_truthful(&outcome, !after, after, "in the commit");
    assert!(after && outcome.code == 0, "the server had everything it needed: {outcome}");
    assert_eq!(estate.leases_held(), 0);
    estate.is_converged();
}
