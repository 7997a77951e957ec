//! M-H11: what the database says of itself, through the real binary, and what stands bad by the states that are kept.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{NOW, Shops, found, said};
use crate::support::database::TestDatabase;
use crate::support::estate::Estate;
use crate::support::eventually;
use crate::support::server::{Durability, TestServer};
use crate::support::services::Services;

#[test]
fn a_database_that_takes_no_writes_says_so() {
    let shops = Shops::with("health_standby", &[], |_| unreachable!("nobody is asked"));
    let set = |value: &str| {
        let name = shops.estate.database.name();
        shops.estate.database.admin_sql(&format!(
            "begin read write; alter database {name} set default_transaction_read_only = {value}; commit"
        ));
    };
    set("on");
    let args = ["health", "check", "--service", "database", "--as-of", NOW, "--format", "json"];
    let outcome = shops.run(&args).run();
    let report = outcome.json();
    assert_eq!(said(&report, "database"), "degraded read_only", "{outcome}");
    assert_eq!(outcome.code, 1, "{outcome}");
    outcome.stderr_has("What was found is not kept");
    assert_eq!(found(&report, "database")["metadata"]["readOnly"], true);
    set("off");
    let (report, code) = shops.check(&["--service", "database"]);
    assert_eq!((said(&report, "database").as_str(), code), ("healthy ok", 0));
    assert_eq!(shops.kept("database", ""), "healthy healthy ok 0 1");
}

/// Connections that do nothing until they are dropped.
struct Held<'d>(&'d TestDatabase, Vec<Child>);

impl<'d> Held<'d> {
    fn new(database: &'d TestDatabase, count: usize) -> Held<'d> {
        let one = |_| {
            let mut psql = Command::new("psql");
            psql.arg(database.url()).env("PGAPPNAME", "held").stdin(Stdio::piped()).stdout(Stdio::null());
            psql.spawn().expect("psql can be run")
        };
        let held = Held(database, (0..count).map(one).collect());
        held.wait_for(count);
        held
    }

    #[track_caller]
    fn wait_for(&self, count: usize) {
        let open = "select count(*) from pg_stat_activity where application_name = 'held'";
        let all = || self.0.query_one_i64(open) == i64::try_from(count).unwrap();
        assert!(eventually(Duration::from_secs(20), all), "{count} connections are not open");
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        for child in &mut self.1 {
            let _gone = child.kill().and_then(|()| child.wait());
        }
        self.wait_for(0);
    }
}

#[test]
fn connections_run_out_and_come_back_further_than_they_went() {
    let server = TestServer::dedicated(Durability::Fast);
    let estate = Estate::on(TestDatabase::on(&server, "health_connections"));
    estate.apply().ok();
    let shops = Shops { estate, services: Services::new() };
    // Forty of the 300 are for ordinary roles; the check itself has some of them.
    shops.estate.database.admin_sql("alter system set superuser_reserved_connections = 260");
    server.stop();
    server.start();
    let look = |held: usize, at: &str| {
        let _held = Held::new(&shops.estate.database, held);
        let (report, _) = shops.check_at(at, &["--service", "database"]);
        let metadata = &found(&report, "database")["metadata"];
        assert_eq!(metadata["maxConnections"], 40, "{report:#}");
        (said(&report, "database"), metadata["connections"].as_u64().unwrap())
    };
    let (said, own) = look(10, "2026-11-20T12:00:00Z");
    assert_eq!(said, "healthy ok");
    let own = usize::try_from(own).unwrap() - 10;
    let told = |used: usize, at: &str| look(used - own, at).0;
    assert_eq!(told(31, "2026-11-20T12:15:00Z"), "healthy ok");
    assert_eq!(told(32, "2026-11-20T12:30:00Z"), "degraded connections_low");
    assert_eq!(told(31, "2026-11-20T12:45:00Z"), "degraded connections_low");
    assert_eq!(told(29, "2026-11-20T13:00:00Z"), "healthy ok");
    assert_eq!(told(38, "2026-11-20T13:15:00Z"), "unhealthy connections_used_up");
    assert_eq!(told(37, "2026-11-20T13:30:00Z"), "unhealthy connections_used_up");
    assert_eq!(told(35, "2026-11-20T13:45:00Z"), "degraded connections_low");
    // What else was the matter the last time holds nothing back.
    let last = |status: &str, code: &str| {
        shops.estate.database.sql(&format!(
            "update synthex.health_status set last_status = '{status}', code = '{code}' where service = 'database'"
        ));
    };
    last("degraded", "migrations_pending");
    assert_eq!(told(31, "2026-11-20T14:00:00Z"), "healthy ok");
    last("unhealthy", "unreachable");
    assert_eq!(told(37, "2026-11-20T14:15:00Z"), "degraded connections_low");
}

#[test]
fn a_disk_stands_by_what_was_the_matter_with_it() {
    let shops = Shops::with("health_disk_state", &[], |_| unreachable!("nobody is asked"));
    let (report, _) = shops.check(&["--service", "disk"]);
    let disk = report["checks"].as_array().unwrap()[0].clone();
    let used = disk["metadata"]["usedPercent"].as_f64().unwrap();
    // A limit a point or two above what is used: within the band of five, below the limit.
    let limit: i64 = format!("{:.0}", used.ceil() + 1.0).parse().unwrap();
    if !(2..=94).contains(&limit) || disk["metadata"]["filesUsedPercent"].as_f64().unwrap_or_default() > used
    {
        return;
    }
    let limits = format!("{{service: disk, limits: {{degradedPercent: {limit}, leastFreeMib: 1}}}}");
    shops.estate.declare("HealthCheck", "d", &limits);
    shops.estate.apply().ok();
    let after = |status: &str, code: &str, at: &str| {
        shops.estate.database.sql(&format!(
            "update synthex.health_status set last_status = '{status}', code = '{code}' where service = 'disk'"
        ));
        let (report, _) = shops.check_at(at, &["--service", "disk"]);
        report["checks"][0]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(after("degraded", "low", "2026-11-20T12:15:00Z"), "low");
    assert_eq!(after("healthy", "ok", "2026-11-20T12:30:00Z"), "ok");
    assert_eq!(after("unhealthy", "below_floor", "2026-11-20T12:45:00Z"), "ok");
    assert_eq!(after("unknown", "not_known", "2026-11-20T13:00:00Z"), "ok");
}
