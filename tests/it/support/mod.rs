//! What the tests run against: a real PostgreSQL, the real binary, and faults put between them.
//!
//! The tests run under `cargo nextest`, each in a process of its own, and under `cargo test`, as threads of one process;
//! everything here works in both. Nothing is mocked: the server, pgbouncer and the binary are the real ones, and what a
//! machine lacks is an error that says what to install, never a skipped test.
//!
//! | module | gives |
//! | --- | --- |
//! | [`server`] | one throw-away PostgreSQL for all tests, or a server of a test's own to kill |
//! | [`database`] | a fresh database per test |
//! | [`cli`] | the binary in a hermetic environment |
//! | [`clock`] | a clock that jumps, for any program |
//! | [`dump`] | the bytes of `pg_dump` |
//! | [`embedded`] | an embedded server of a test's own |
//! | [`estate`] | a project that declares every kind, and its database |
//! | [`git`] | git repositories, and a server for them that demands a token |
//! | [`project`] | a project folder, and small valid manifests |
//! | [`proxy`] | a network between client and server that can be cut, silent or refusing |
//! | [`pgbouncer`] | a transaction pooler in front of a database |
//! | [`watching`] | one task of the controller by itself |
#![allow(
    dead_code,
    reason = "a function may stand here before the first test that needs it, and after the last"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "the rules on files, time and the environment are the product's; this is its surroundings"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken surrounding must fail the test at once"
)]

pub mod certificates;
pub mod cli;
pub mod clock;
pub mod database;
pub mod dump;
pub mod embedded;
pub mod estate;
pub mod git;
pub mod github;
mod host;
pub mod mail;
pub mod pgbouncer;
pub mod project;
pub mod proxy;
pub mod server;
pub mod services;
pub mod watching;

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

/// Runs a future to its end on a thread and a runtime of its own, so that it works in plain tests, in `#[tokio::test]`
/// and in `Drop`.
pub fn block_on<F: Future<Output: Send> + Send>(future: F) -> F::Output {
    std::thread::scope(|scope| {
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(future)
        };
        scope.spawn(run).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Waits until `condition` holds, for at most `limit`; says whether it did.
pub fn eventually(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if start.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A loopback port that was free a moment ago. Whoever binds it must be ready to lose the race, and try another.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port");
    listener.local_addr().expect("a bound port").port()
}

/// `text` as it may stand in any part of a URL.
fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// How often something is tried: `few`, or `many` where `SYNTHEX_CHAOS` asks for it.
pub fn chaos_rounds(few: usize, many: usize) -> usize {
    if std::env::var_os("SYNTHEX_CHAOS").is_some_and(|value| value == "1") { many } else { few }
}
