//! Runs tasks: each by its timer and its signal, all of them side by side, until it is told to stop.
//!
//! A task that comes to a stop in a defect is a task that failed: it runs again when its time comes, and the others never
//! notice. Timers go by the machine's monotonic clock, so a clock that jumps wakes nobody.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::engine::Interrupt as _;
use crate::model::Clock;

use super::board::Board;
use super::stop::Stop;
use super::task::{Cause, Ran, Task, TaskCode, TaskFailure};

/// After a failure a task waits this long at most before it looks again.
const AFTER_A_FAILURE: Duration = Duration::from_secs(5);

/// A task and when it runs.
pub struct Entry<'t> {
    /// Which it is.
    pub code: TaskCode,
    /// How long it waits between two runs when nothing happens.
    pub interval: Duration,
    /// By how much that varies, as a share: 0.1 is a tenth less or more. Replicas that started together drift apart by it.
    pub jitter: f64,
    /// How long it must be quiet after a signal before the task runs: what comes in bursts is looked at once.
    pub quiet: Duration,
    /// The task.
    pub task: Box<dyn Task + 't>,
}

/// Runs tasks until `stop` is asked for and each of them has finished what it was at.
pub async fn run(entries: Vec<Entry<'_>>, board: &Board, clock: &dyn Clock, seed: u64, stop: &Stop) {
    join_all(entries.into_iter().map(|entry| lives(entry, board, clock, seed, stop))).await;
}

/// Runs each task once, one after the other, in their order.
pub async fn once(entries: Vec<Entry<'_>>, board: &Board, clock: &dyn Clock, stop: &Stop) {
    for mut entry in entries {
        if stop.is_requested() {
            return;
        }
        let interval = entry.interval;
        runs(&mut entry, Cause::Start, board, clock, stop, |_| interval).await;
    }
}

async fn lives(mut entry: Entry<'_>, board: &Board, clock: &dyn Clock, seed: u64, stop: &Stop) {
    let mut cause = Cause::Start;
    let mut count = 0_u64;
    loop {
        let (interval, share) = (entry.interval, entry.jitter);
        let own = seed ^ (entry.code as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let wait = |ran: &Ran| {
            let wait = varied(interval, share, own.wrapping_add(count));
            let soon = if ran.failure.is_some() { AFTER_A_FAILURE.min(interval) } else { wait };
            ran.again.unwrap_or(wait).min(wait).min(soon)
        };
        let next = Instant::now() + runs(&mut entry, cause, board, clock, stop, wait).await;
        count += 1;
        cause = tokio::select! {
            biased;
            () = stop.requested() => return,
            () = board.woken(entry.code) => Cause::Signal,
            () = sleep_until(next) => Cause::Timer,
        };
        if cause == Cause::Signal && !calm(&entry, board, stop).await {
            return;
        }
    }
}

/// Waits until no signal has come for a while, but no longer than ten times that. Whether to go on.
async fn calm(entry: &Entry<'_>, board: &Board, stop: &Stop) -> bool {
    let latest = Instant::now() + entry.quiet * 10;
    while !entry.quiet.is_zero() && Instant::now() < latest {
        tokio::select! {
            biased;
            () = stop.requested() => return false,
            () = board.woken(entry.code) => {}
            () = sleep(entry.quiet) => break,
        }
    }
    true
}

/// Runs a task once. Returns how long to wait before the next run.
async fn runs(
    entry: &mut Entry<'_>,
    cause: Cause,
    board: &Board,
    clock: &dyn Clock,
    stop: &Stop,
    wait: impl Fn(&Ran) -> Duration,
) -> Duration {
    let code = entry.code;
    let before = board.state(code).and_then(|state| state.failure);
    board.begun(code, cause, clock.now());
    let begun = Instant::now();
    let span = tracing::info_span!(
        "task",
        task = code.code(),
        cause = cause.code(),
        failure = Empty,
        "otel.status_code" = Empty
    );
    let ran = AssertUnwindSafe(entry.task.run(stop)).catch_unwind().instrument(span.clone()).await;
    let ran = ran.unwrap_or_else(|_| {
        let mut failure = TaskFailure::new("defect", format!("the task `{}` came to a stop", code.code()));
        failure.why = Some("this is a defect of synthex; what it said is in the log".to_owned());
        Ran::failed(failure)
    });
    let (took, next) = (begun.elapsed(), wait(&ran));
    match &ran.failure {
        // What was said already is not said with every look.
        Some(failure) if before.as_ref() == Some(failure) => {
            tracing::debug!(task = code.code(), code = failure.code, "still: {}", failure.what);
        }
        Some(failure) => tracing::warn!(
            task = code.code(),
            code = failure.code,
            why = failure.why.as_deref().unwrap_or_default(),
            help = failure.help.as_deref().unwrap_or_default(),
            took_ms = took.as_secs_f64() * 1000.0,
            "{}",
            failure.what
        ),
        None => {
            // One that was stopped on the way has not been well.
            if before.is_some() && !stop.is_requested() {
                tracing::info!(task = code.code(), "works again");
            }
            tracing::debug!(task = code.code(), took_ms = took.as_secs_f64() * 1000.0, status = %ran.status, "ran");
        }
    }
    if let Some(failure) = &ran.failure {
        span.record("failure", failure.code.as_str()).record("otel.status_code", "ERROR");
    }
    board.ended(code, &ran, took, clock.now(), next);
    for other in &ran.wakes {
        board.wake(*other);
    }
    next
}

/// A time, a little less or more: by `share` of it at most, and always the same for the same number.
#[must_use]
pub fn varied(time: Duration, share: f64, number: u64) -> Duration {
    // The mixing function of SplitMix64 (Steele, Lea, Flood 2014).
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    let unit = f64::from(u32::try_from(mixed >> 32).unwrap_or_default()) / f64::from(u32::MAX);
    time.mul_f64((1.0 + share * (2.0 * unit - 1.0)).max(0.0))
}

#[cfg(test)]
mod tests;
