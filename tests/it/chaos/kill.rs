//! S1: an apply of 200 resources is killed at each of its sends, and at any time.

use std::time::{Duration, Instant};

use super::rig::{Led, Rig, account, count, is_full};
use crate::support::cli::Outcome;
use crate::support::proxy::{Mode, Proxy};

/// Runs an apply under strace, which does something to the `nth` call; and whether there was one.
fn traced(rig: &Rig, url: &str, call: &str, fault: &str, nth: u32) -> (Outcome, bool) {
    let log = rig.estate.project.path().join("strace.log");
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:{fault}:when={nth}"));
    let words = ["-f", "-qq", "-o", log.to_str().expect("a path"), "-e", &trace, "-e", &inject];
    let outcome = rig.estate.synthex_at(url, &["apply", "--yes"]).under("strace", &words).run();
    let hit =
        outcome.code == 137 || std::fs::read_to_string(&log).is_ok_and(|log| log.contains("(INJECTED)"));
    (outcome, hit)
}

/// One fault at the first call, the second, and so on, until applies run through. Whether the last call is met is a
/// matter of luck: `killed_while_it_commits` and `cuts` are sure to meet the commit.
fn at_every_call(name: &str, call: &str, fault: &str, is_socket: bool) {
    if !is_full() {
        // The sample is `killed_after_any_byte_that_it_sent`, which needs no strace.
        return;
    }
    let mut rig = Rig::new("chaos_strace");
    let url = if is_socket { rig.estate.database.url() } else { rig.estate.database.tcp_url() };
    let mut waited = 0;
    let (mut points, mut unhit, mut committed) = (0, 0, 0);
    for nth in 1.. {
        assert!(nth < 2_000, "no apply runs through");
        rig.turn();
        let point = format!("{fault} at {call} {nth}");
        let (outcome, hit) = traced(&rig, &url, call, fault, nth);
        let led = rig.look(&point);
        Rig::is_truthful(&outcome, led, &point);
        rig.no_lock_is_left(&point);
        if !hit {
            assert!(outcome.code == 0 && points > 40, "only {points} points: {outcome}");
            // How often it calls differs a little from run to run, and the last calls are those about the commit.
            unhit += 1;
            if unhit == 10 {
                break;
            }
            continue;
        }
        points += 1;
        if led == Led::There {
            committed += 1;
        }
        // Three times for real, then time is made to pass.
        if waited < 3 && rig.estate.leases_held() > 0 {
            waited += 1;
        } else {
            rig.let_leases_run_out();
        }
        rig.converges(&point);
    }
    rig.converges("at the end");
    rig.is_recorded_once();
    account(
        name,
        &[
            ("points", &points),
            ("state before", &(points - committed)),
            ("state after", &committed),
            ("leases that ran out by themselves", &waited),
            ("longest lock in ms", &rig.longest.as_millis()),
        ],
    );
}

#[test]
fn strace_kill_at_every_send_over_tcp() {
    at_every_call("S1 kill -9 at the N-th sendto, TCP", "sendto", "signal=KILL", false);
}

#[test]
fn strace_kill_at_every_send_over_a_socket() {
    at_every_call("S1 kill -9 at the N-th sendto, Unix socket", "sendto", "signal=KILL", true);
}

#[test]
fn strace_kill_at_every_receive() {
    at_every_call("S1 kill -9 at the N-th recvfrom", "recvfrom", "signal=KILL", false);
}

#[test]
fn strace_reset_at_every_send() {
    at_every_call("S2 ECONNRESET at the N-th sendto", "sendto", "error=ECONNRESET", false);
}

#[test]
fn strace_reset_at_every_receive() {
    at_every_call("S2 ECONNRESET at the N-th recvfrom", "recvfrom", "error=ECONNRESET", false);
}

#[test]
fn killed_after_any_byte_that_it_sent() {
    let mut rig = Rig::new("chaos_bytes");
    let proxy = Proxy::before(&rig.estate.database, Mode::Pass);
    let url = proxy.url(&rig.estate.database);
    rig.turn();
    rig.estate.synthex_at(&url, &["apply", "--yes"]).run().ok();
    rig.undisturbed();
    let all = proxy.client_bytes();
    let points = u64::from(count(3, 50));
    for point in 0..points {
        rig.turn();
        let at = proxy.client_bytes() + all * (point + 1) / (points + 1);
        let mut run = rig.estate.synthex_at(&url, &["apply", "--yes"]).spawn();
        while run.is_running() && proxy.client_bytes() < at {
            std::thread::sleep(Duration::from_micros(200));
        }
        if run.is_running() {
            run.kill();
        }
        let outcome = run.wait();
        let point = format!("byte {point} of {points}");
        rig.no_lock_is_left(&point);
        let led = rig.look(&point);
        Rig::is_truthful(&outcome, led, &point);
        rig.let_leases_run_out();
        rig.converges(&point);
    }
    rig.is_recorded_once();
    account(
        "S1 kill -9 after N bytes",
        &[("points", &points), ("state before", &rig.nowhere), ("state after", &rig.there)],
    );
}

#[test]
fn killed_at_any_time() {
    let mut rig = Rig::new("chaos_kill");
    let (rounds, natural) = (count(4, 100), count(0, 3));
    let mut usual = rig.usual();
    let (mut waited, mut slowest) = (0, Duration::ZERO);
    // No dice: evenly spread over the time that an apply takes is as unkind and can be tried again.
    for round in 0..rounds {
        rig.turn();
        let run = rig.estate.synthex(&["apply", "--yes"]).spawn();
        std::thread::sleep(usual * round / rounds.max(2) * 21 / 20);
        run.kill();
        let outcome = run.wait();
        let point = format!("round {round}");
        rig.no_lock_is_left(&point);
        let led = rig.look(&point);
        Rig::is_truthful(&outcome, led, &point);
        let begun = Instant::now();
        let held = rig.estate.leases_held() > 0;
        if waited < natural && held {
            waited += 1;
        } else {
            rig.let_leases_run_out();
        }
        rig.converges(&point);
        if held && waited > 0 {
            slowest = slowest.max(begun.elapsed());
            assert!(slowest < Duration::from_secs(18), "{point}: the next apply waited for {slowest:?}");
        } else if led == Led::Nowhere {
            usual = begun.elapsed();
        }
    }
    assert!(rig.nowhere > 0, "killed too late");
    rig.is_recorded_once();
    account(
        "S1 kill -9 at any time",
        &[
            ("rounds", &rounds),
            ("state before", &rig.nowhere),
            ("state after", &rig.there),
            ("leases that ran out by themselves", &waited),
            ("longest wait in s", &slowest.as_secs()),
            ("longest lock in ms", &rig.longest.as_millis()),
        ],
    );
}

#[test]
fn killed_while_it_commits() {
    let mut rig = Rig::new("chaos_commit");
    rig.estate.database.sql(
        "create function public.slow() returns trigger language plpgsql as $f$ begin perform pg_sleep(0.3); return null; end $f$;
         create constraint trigger slow after insert on synthex.batch_operations deferrable initially deferred
             for each row execute function public.slow()",
    );
    let rounds = count(1, 20);
    for round in 0..rounds {
        rig.turn();
        let mut run = rig.estate.synthex(&["apply", "--yes"]).spawn();
        let committing = "select count(*) from pg_stat_activity where datname = current_database() \
                          and query = 'commit' and wait_event = 'PgSleep'";
        run.wait_until("the commit", || rig.estate.database.query_one_i64(committing) == 1);
        run.kill();
        assert_eq!(run.wait().code, 137);
        let point = format!("round {round}");
        rig.no_lock_is_left(&point);
        assert_eq!(rig.look(&point), Led::There, "the server had everything it needed");
        // The leases are given back by the same commit, so nobody has to wait.
        assert_eq!(rig.estate.leases_held(), 0, "{point}");
        rig.estate.is_converged();
    }
    rig.is_recorded_once();
    account("S1 kill -9 while it commits", &[("rounds", &rounds), ("state after", &rig.there)]);
}
