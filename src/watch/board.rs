//! What is known of the tasks. The driver writes it, the endpoints read it from a thread of their own, and whoever hears of
//! something wakes tasks through it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Notify;

use super::task::{Cause, Ran, TaskCode, TaskFailure};

/// How a task stands.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskState {
    /// How long it waits between two runs when nothing happens, in seconds.
    #[serde(rename = "intervalSeconds")]
    pub interval_s: f64,
    /// How often it ran.
    pub runs: u64,
    /// How often it failed.
    pub failures: u64,
    /// How often it failed since it last did not.
    #[serde(rename = "failedInARow")]
    pub failed_in_a_row: u32,
    /// Why it ran last.
    pub cause: Option<Cause>,
    /// Since when it is running; `None` while it waits.
    pub running_since: Option<DateTime<Utc>>,
    /// When it was last done.
    pub ended_at: Option<DateTime<Utc>>,
    /// When it was last done without a failure.
    pub succeeded_at: Option<DateTime<Utc>>,
    /// How long the last run took, in milliseconds.
    #[serde(rename = "tookMilliseconds")]
    pub took_ms: Option<f64>,
    /// When it runs next, if nothing happens before.
    pub next_at: Option<DateTime<Utc>>,
    /// Why the last run failed.
    pub failure: Option<TaskFailure>,
    /// What the last run said.
    pub status: Value,
}

impl TaskState {
    fn new(interval: Duration) -> Self {
        Self {
            interval_s: interval.as_secs_f64(),
            runs: 0,
            failures: 0,
            failed_in_a_row: 0,
            cause: None,
            running_since: None,
            ended_at: None,
            succeeded_at: None,
            took_ms: None,
            next_at: None,
            failure: None,
            status: Value::Null,
        }
    }
}

/// Hears how long each run took.
pub type Ended = Box<dyn Fn(TaskCode, Duration, bool) + Send + Sync>;

/// What is known of the tasks.
#[derive(Default)]
pub struct Board {
    states: Mutex<BTreeMap<TaskCode, TaskState>>,
    wakes: BTreeMap<TaskCode, Notify>,
    ended: Mutex<Option<Ended>>,
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board").field("states", &self.states).finish_non_exhaustive()
    }
}

impl Board {
    /// For tasks with these intervals; no others run.
    #[must_use]
    pub fn new(tasks: impl IntoIterator<Item = (TaskCode, Duration)>) -> Self {
        let states: BTreeMap<_, _> =
            tasks.into_iter().map(|(code, interval)| (code, TaskState::new(interval))).collect();
        let wakes = states.keys().map(|code| (*code, Notify::new())).collect();
        Self { states: Mutex::new(states), wakes, ended: Mutex::new(None) }
    }

    /// Has somebody told how long each run took, and whether it failed.
    pub fn tell(&self, ended: Ended) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
    }

    /// Wakes a task. A task that is running runs once more; one that does not run at all is left alone.
    pub fn wake(&self, code: TaskCode) {
        if let Some(wake) = self.wakes.get(&code) {
            wake.notify_one();
        }
    }

    /// Returns once the task is woken, also where that was before.
    pub async fn woken(&self, code: TaskCode) {
        match self.wakes.get(&code) {
            Some(wake) => wake.notified().await,
            None => std::future::pending().await,
        }
    }

    /// How all tasks stand, in their order.
    #[must_use]
    pub fn states(&self) -> BTreeMap<TaskCode, TaskState> {
        self.lock().clone()
    }

    /// How one task stands; `None` where it does not run.
    #[must_use]
    pub fn state(&self, code: TaskCode) -> Option<TaskState> {
        self.lock().get(&code).cloned()
    }

    /// A run begins.
    pub(super) fn begun(&self, code: TaskCode, cause: Cause, now: DateTime<Utc>) {
        if let Some(state) = self.lock().get_mut(&code) {
            (state.cause, state.running_since) = (Some(cause), Some(now));
        }
    }

    /// A run is over.
    pub(super) fn ended(
        &self,
        code: TaskCode,
        ran: &Ran,
        took: Duration,
        now: DateTime<Utc>,
        next: Duration,
    ) {
        let has_failed = ran.failure.is_some();
        if let Some(state) = self.lock().get_mut(&code) {
            state.runs += 1;
            state.running_since = None;
            state.ended_at = Some(now);
            state.took_ms = Some(took.as_secs_f64() * 1000.0);
            state.next_at =
                chrono::TimeDelta::from_std(next).ok().and_then(|next| now.checked_add_signed(next));
            state.failure.clone_from(&ran.failure);
            if has_failed {
                state.failures += 1;
                state.failed_in_a_row = state.failed_in_a_row.saturating_add(1);
            } else {
                state.failed_in_a_row = 0;
                state.succeeded_at = Some(now);
            }
            if !ran.status.is_null() {
                state.status = ran.status.clone();
            }
        }
        if let Some(ended) = &*self.ended.lock().unwrap_or_else(PoisonError::into_inner) {
            ended(code, took, has_failed);
        }
    }

    /// Says how a task stands while it runs on: of those whose one run never ends.
    pub fn say(&self, code: TaskCode, status: Value) {
        if let Some(state) = self.lock().get_mut(&code) {
            state.status = status;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TaskCode, TaskState>> {
        // A reader that died in the middle changed nothing.
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
