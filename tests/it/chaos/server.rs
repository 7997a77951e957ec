//! S2: PostgreSQL is killed with all of its backends while an apply goes on, and started again.

use std::time::Duration;

use super::rig::{Rig, account, count};
use crate::support::database::TestDatabase;
use crate::support::server::{Durability, TestServer};

#[test]
fn the_server_is_killed_and_comes_back() {
    let server = TestServer::dedicated(Durability::Synced);
    let mut rig = Rig::on(TestDatabase::on(&server, "chaos_server"));
    let usual = rig.usual();
    let points = count(2, 20);
    let (mut found_out, mut refused) = (0, 0);
    for point in 0..points {
        rig.turn();
        let run = rig.estate.synthex(&["apply", "--yes"]).spawn();
        // From the middle of planning to shortly after the commit.
        std::thread::sleep(usual * (point + 1) / points * 11 / 10);
        server.kill_all();
        server.start();
        let outcome = run.wait();
        let point = format!("point {point}");
        let led = rig.look(&point);
        Rig::is_truthful(&outcome, led, &point);
        assert!(outcome.elapsed < Duration::from_secs(30), "{point}: {outcome}");
        if outcome.code == 0 {
            found_out += 1;
        } else {
            refused += 1;
        }
        rig.no_lock_is_left(&point);
        rig.let_leases_run_out();
        rig.converges(&point);
    }
    rig.is_recorded_once();
    account(
        "S2 PostgreSQL and its backends killed",
        &[
            ("points", &points),
            ("state before", &rig.nowhere),
            ("state after", &rig.there),
            ("exit 0", &found_out),
            ("exit 8", &refused),
        ],
    );
}
