//! S2: the writing connection is cut after each of its first bytes, in both directions, and spread over all of them.

use std::time::Duration;

use super::rig::{Rig, account, count};
use crate::support::proxy::{Mode, Proxy};

fn cut(name: &str, mode: fn(u64) -> Mode, bytes: fn(&Proxy) -> u64) {
    let mut rig = Rig::new("chaos_cuts");
    let proxy = Proxy::before(&rig.estate.database, Mode::Pass);
    let url = proxy.url(&rig.estate.database);
    let measured = |rig: &Rig, args: &[&str]| {
        let before = bytes(&proxy);
        rig.estate.synthex_at(&url, args).run().ok();
        bytes(&proxy) - before
    };
    rig.turn();
    let reading = measured(&rig, &["plan"]);
    let writing = measured(&rig, &["apply", "--yes"]) - reading;
    rig.look("undisturbed");
    let first = (0..=400).step_by(if super::rig::is_full() { 1 } else { 100 });
    let spread = u64::from(count(5, 60));
    let spread: Vec<u64> = (1..=spread).map(|point| writing * point / spread).collect();
    // The nonces of the login are some bytes longer or shorter from one run to the next, so the commit moves too.
    let end = (0..u64::from(count(2, 20))).map(|step| writing + 100 - step * 12);
    let mut points = 0;
    for limit in first.chain(spread).chain(end) {
        let point = format!("{limit} of {writing} bytes");
        rig.turn();
        proxy.set(mode(limit));
        proxy.spare_next(1);
        let outcome = rig.estate.synthex_at(&url, &["apply", "--yes"]).limit(Duration::from_secs(30)).run();
        proxy.set(Mode::Pass);
        let led = rig.look(&point);
        Rig::is_truthful(&outcome, led, &point);
        rig.let_leases_run_out();
        points += 1;
        // In the login nothing can have been written; there it is enough now and then.
        if limit > 400 || limit % 20 == 0 {
            rig.converges(&point);
        }
    }
    rig.converges("at the end");
    rig.is_recorded_once();
    account(name, &[("points", &points), ("state before", &rig.nowhere), ("state after", &rig.there)]);
}

#[test]
fn cut_after_the_bytes_of_the_client() {
    cut("S2 cut after N bytes of the client", Mode::CutAfterClientBytes, Proxy::client_bytes);
}

#[test]
fn cut_after_the_bytes_of_the_server() {
    cut("S2 cut after N bytes of the server", Mode::CutAfterServerBytes, Proxy::server_bytes);
}
