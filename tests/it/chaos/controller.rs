//! The controller on bad days, in numbers: a database that is a black hole (S5), and leaders that are killed one after the other
//! (S6, R63). A soak with everything at once is `tests/soak/run`.

use std::time::{Duration, Instant};

use crate::support::cli::Running;
use crate::support::estate::Estate;
use crate::support::eventually;
use crate::support::proxy::{Mode, Proxy};

use super::rig::{account, count, is_full};
use super::watched::{Watched, seconds, status, value, watch};

#[test]
fn a_black_hole_is_said_within_30_seconds_and_over_within_10() {
    let estate = Estate::applied("chaos_black_hole");
    let proxy = Proxy::before(&estate.database, Mode::Pass);
    let watched = Watched::start(&estate, watch(&estate, &proxy.url(&estate.database), &[]));
    let lasting = Duration::from_secs(if is_full() { 300 } else { 35 });
    proxy.set(Mode::Blackhole);
    let begun = Instant::now();
    let (mut unready, mut silent) = (None, 0);
    while begun.elapsed() < lasting {
        let answers = ["/livez", "/metrics"].map(|path| status(&watched.address, path).contains(" 200 "));
        silent += answers.iter().filter(|answer| !**answer).count();
        if unready.is_none() && status(&watched.address, "/readyz").contains(" 503 ") {
            unready = Some(begun.elapsed());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    // What was held is lost, as after a route that was down for long.
    proxy.set(Mode::Refuse);
    proxy.set(Mode::Pass);
    let healed = Instant::now();
    watched.comes_true("that it is ready again", || watched.is_ready());
    let back = healed.elapsed();
    watched.corrects("T2");
    let unready = unready.expect("a black hole makes it unready");
    account(
        "black hole",
        &[
            ("lasted", &seconds(lasting)),
            ("unready after", &seconds(unready)),
            ("ready again after", &seconds(back)),
            ("unanswered probes", &silent),
        ],
    );
    assert!(unready <= Duration::from_secs(32), "it was said only after {unready:?}");
    assert!(back <= Duration::from_secs(12), "it took {back:?} to come back");
    assert_eq!(silent, 0, "probes and metrics answer all along");
    watched.ends();
}

#[test]
fn leaders_that_are_killed_are_followed_within_15_seconds() {
    let estate = Estate::applied("chaos_leaders");
    let url = estate.database.url();
    let mut controllers: Vec<Running> = (0..3).map(|_| watch(&estate, &url, &[]).spawn()).collect();
    let leader = || {
        value(
            &estate,
            "select pid::text from synthex.leases where name = 'watch:test' and holder is not null",
        )
    };
    let rounds = count(2, 10);
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        assert!(eventually(Duration::from_secs(40), || leader().is_some()));
        let pid = leader().expect("a leader");
        let place = controllers
            .iter()
            .position(|own| own.pid().as_raw_nonzero().to_string() == pid)
            .expect("one of ours leads");
        controllers.swap_remove(place).kill();
        let begun = Instant::now();
        let is_other = || leader().is_some_and(|own| own != pid);
        assert!(eventually(Duration::from_secs(30), is_other), "nobody took over in round {round}");
        slowest = slowest.max(begun.elapsed());
        controllers.push(watch(&estate, &url, &[]).spawn());
    }
    estate.database.admin_sql("update synthex.tenants set display_name = 'By hand' where name = 'T2'");
    let is_back = || {
        value(&estate, "select display_name from synthex.tenants where name = 'T2'").as_deref() == Some("T2")
    };
    assert!(eventually(Duration::from_secs(30), is_back), "nothing is corrected any more");
    account(
        "leaders killed",
        &[("of them", &rounds), ("followed within", &format!("{:.1} s", slowest.as_secs_f64()))],
    );
    assert!(slowest <= Duration::from_secs(15), "it took {slowest:?}");
}
