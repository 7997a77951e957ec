//! S20: the schema is installed by several at once, by one that is cut off or killed anywhere, and against somebody who holds a
//! table: it is there as a whole or not at all, and whoever comes next goes on.

use std::time::Duration;

use super::rig::{account, count};
use super::watched::{LIMIT, value};
use crate::support::cli::Running;
use crate::support::estate::Estate;
use crate::support::eventually;
use crate::support::proxy::{Mode, Proxy};

/// How many migrations are installed.
fn installed(estate: &Estate) -> i64 {
    let there = "select (to_regclass('synthex.schema_migrations') is not null)::text";
    if value(estate, there).as_deref() != Some("true") {
        let schema = "select count(*) from pg_namespace where nspname = 'synthex'";
        assert_eq!(estate.database.query_one_i64(schema), 0, "half a schema");
        return 0;
    }
    estate.database.query_one_i64("select count(*) from synthex.schema_migrations")
}

#[test]
fn of_controllers_that_begin_at_once_one_installs_the_schema() {
    let estate = Estate::new("chaos_migrators");
    let begin = |_| estate.synthex(&["watch", "--interval", "1s"]).limit(Duration::from_secs(120)).spawn();
    let mut controllers: Vec<Running> = (0..3).map(begin).collect();
    let ready = "select (select count(*) from synthex.watch_replicas) || ' ' || (select count(*) from synthex.watch_conditions \
                 where type = 'Ready' and status = 'True')";
    let all = eventually(LIMIT, || value(&estate, ready).as_deref() == Some("3 1"));
    assert!(all && controllers.iter_mut().all(Running::is_running), "{:?}", value(&estate, ready));
    let mut installers = 0;
    for controller in controllers {
        controller.terminate();
        let outcome = controller.wait().code(143);
        installers += i32::from(outcome.stderr.contains("migrations of the schema were installed"));
    }
    assert_eq!(installers, 1);
    assert_eq!(estate.database.query_one_i64("select count(*) from synthex.batch_operations"), 1);
    estate.is_converged();
}

#[test]
fn a_migration_that_is_cut_off_anywhere_leaves_all_or_nothing() {
    let estate = Estate::new("chaos_migration");
    let migrate = |url: &str| estate.synthex_at(url, &["db", "migrate"]);
    let drop = || estate.database.sql("drop schema if exists synthex cascade");
    let proxy = Proxy::before(&estate.database, Mode::Pass);
    let url = proxy.url(&estate.database);
    migrate(&url).run().ok();
    let (known, bytes) = (installed(&estate), proxy.client_bytes());
    let points = count(6, 100);
    let (mut nothing, mut whole) = (0, 0);
    for point in 0..points {
        drop();
        // All over it, and around the commit, which is near the end.
        let spread = bytes * u64::from(point) / u64::from(points);
        let late = bytes.saturating_sub(u64::from(point) * 7);
        proxy.set(Mode::CutAfterClientBytes(if point % 2 == 0 { spread } else { late }));
        let outcome = migrate(&url).run();
        assert!([0, 8].contains(&outcome.code), "point {point}: {outcome}");
        let found = installed(&estate);
        assert!(found == 0 || found == known, "point {point}: {found} of {known}");
        assert!(outcome.code == 8 || found == known, "point {point}: {outcome}");
        if found == 0 {
            nothing += 1;
        } else {
            whole += 1;
        }
        proxy.set(Mode::Pass);
        migrate(&url).run().ok();
        assert_eq!(installed(&estate), known);
    }
    let kills = count(3, 40);
    for kill in 0..kills {
        drop();
        let run = migrate(&estate.database.url()).spawn();
        std::thread::sleep(Duration::from_millis(30 + u64::from(kill * 41 % 400)));
        run.kill();
        run.wait();
        // What the server was at is rolled back once it notices.
        let is_over = || [0, known].contains(&installed(&estate));
        assert!(eventually(LIMIT, is_over), "{} of {known}", installed(&estate));
        migrate(&estate.database.url()).run().ok();
        assert_eq!(installed(&estate), known);
    }
    estate.apply().ok();
    estate.is_converged();
    account(
        "S20 migrations cut off",
        &[("points", &points), ("nothing", &nothing), ("whole", &whole), ("kills", &kills)],
    );
}
