//! Keeps the database small: sums whole days of metrics, and removes what is old, once an hour by whichever controller comes
//! first. What this controller itself recorded is sent to the database more often, by each of them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};

use crate::cli::recording;
use crate::engine::StateError;
use crate::kinds::project::Ages;
use crate::store::periodic::Turn;
use crate::store::retention::{self, Gone};
use crate::store::usage_upkeep::{Pruned, prune_metrics, sum_days};
use crate::watch::{Ran, Stop, Task, TaskCode, TaskFailure};

use super::{Line, Station};

/// How often it is done.
const EVERY: Duration = Duration::from_secs(3600);

/// For how long a controller that does it may be silent before another one does.
const HOLD: Duration = Duration::from_secs(900);

/// How many batches of each thing one run removes.
const BATCHES: u32 = 20;

/// How soon it goes on where a run left something.
const SOON: Duration = Duration::from_secs(10);

/// How soon it is tried again where something failed.
const RETRY: Duration = Duration::from_secs(300);

/// From how many days on rows that were deleted softly are counted (R38). Nothing removes them but
/// `apply --prune --permanent`: they are declared data.
pub const SOFT_DAYS: i64 = 30;

/// Removes what is old.
pub struct UpkeepTask<'s> {
    station: &'s Station<'s>,
    ages: Ages,
    line: Line,
    /// What this controller did when it last had the turn.
    last: Value,
}

impl<'s> UpkeepTask<'s> {
    /// Nothing is connected yet. `ages` are those of the project file.
    #[must_use]
    pub fn new(station: &'s Station<'s>, ages: Ages) -> Self {
        Self { station, ages, line: Line::new(&station.options), last: Value::Null }
    }

    async fn once(&mut self, stop: &Stop) -> Result<Ran, StateError> {
        let station = self.station;
        let connection = self.line.connection().await?;
        let waiting = recording::pour(station.context, connection).await;
        if station.only_observes {
            let status = json!({"metricsWaiting": waiting, "onlyObserves": true});
            return Ok(Ran::done(status));
        }
        let turn = connection.claim_turn(TaskCode::Upkeep.code(), station.replica, HOLD, EVERY).await;
        let now = match self.line.used(turn)? {
            Turn::Ours(now) => now,
            Turn::In(wait) => {
                let next = wait.as_secs();
                let status = json!({"metricsWaiting": waiting, "last": self.last, "nextInSeconds": next});
                return Ok(Ran { again: Some(wait.max(Duration::from_secs(1))), ..Ran::done(status) });
            }
        };
        let done = Self::sweep(&mut self.line, &self.ages, now, stop).await;
        let is_done = done.failure.is_none() && !done.is_more && !stop.is_requested();
        let next = match (&done.failure, done.is_more || stop.is_requested()) {
            (Some(_), _) => RETRY,
            (None, true) => SOON,
            (None, false) => EVERY,
        };
        let connection = self.line.connection().await?;
        let finished = connection.finish_turn(TaskCode::Upkeep.code(), station.replica, next).await;
        self.line.used(finished)?;
        self.last = done.status(now);
        Ok(Ran {
            status: json!({"metricsWaiting": waiting, "last": self.last, "nextInSeconds": next.as_secs()}),
            failure: done.failure,
            again: (!is_done).then_some(next),
            wakes: Vec::new(),
        })
    }

    /// Does all of it. A part that fails does not keep the others from being done; the first failure is told.
    async fn sweep(line: &mut Line, ages: &Ages, now: DateTime<Utc>, stop: &Stop) -> Swept {
        let mut swept = Swept::default();
        macro_rules! part {
            ($work:expr) => {{
                let outcome = match line.connection().await {
                    Ok(connection) => $work(connection).await,
                    Err(error) => Err(error),
                };
                match line.used(outcome) {
                    Ok(value) => Some(value),
                    Err(error) => {
                        swept.failure.get_or_insert(TaskFailure::from(&error));
                        None
                    }
                }
            }};
        }
        let goes_on = || !stop.is_requested();
        if let Some(removed) =
            part!(async |connection| retention::remove(connection, ages, now, BATCHES, goes_on).await)
        {
            swept.is_more = removed.iter().any(|gone| gone.is_more);
            swept.removed = removed;
        }
        let today = now.date_naive();
        if goes_on()
            && let Some(days) = part!(async |connection| sum_days(connection, today).await)
        {
            swept.summed = days.len();
        }
        if goes_on()
            && let Some(before) = ages.metrics.and_then(|age| now.checked_sub_signed(age))
            && let Some(pruned) =
                part!(async |connection| prune_metrics(connection, before, today, false).await)
        {
            swept.summed += pruned.summed;
            swept.metrics = pruned;
        }
        let soft = now.checked_sub_signed(TimeDelta::days(SOFT_DAYS)).unwrap_or(now);
        if goes_on()
            && let Some(rows) = part!(async |connection| retention::softly_deleted(connection, soft).await)
        {
            swept.soft = rows;
        }
        swept
    }
}

/// What was done.
#[derive(Default)]
struct Swept {
    removed: Vec<Gone>,
    is_more: bool,
    summed: usize,
    metrics: Pruned,
    soft: Vec<(&'static str, u64)>,
    failure: Option<TaskFailure>,
}

impl Swept {
    fn status(&self, now: DateTime<Utc>) -> Value {
        json!({
            "at": now,
            "removed": removed_json(&self.removed),
            "isMore": self.is_more,
            "summedDays": self.summed,
            "metrics": self.metrics.metrics,
            "months": self.metrics.months,
            "softlyDeleted": soft_json(&self.soft),
        })
    }
}

/// What was removed, by what it was.
#[must_use]
pub fn removed_json(removed: &[Gone]) -> Value {
    removed
        .iter()
        .map(|gone| (gone.code.to_owned(), json!(gone.rows)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Rows that were deleted softly so long ago that nobody will restore them, by kind.
#[must_use]
pub fn soft_json(rows: &[(&'static str, u64)]) -> Value {
    let kinds: serde_json::Map<_, _> =
        rows.iter().map(|(kind, rows)| ((*kind).to_owned(), json!(rows))).collect();
    json!({"olderThanDays": SOFT_DAYS, "rows": rows.iter().map(|(_, rows)| rows).sum::<u64>(), "byKind": kinds})
}

impl Task for UpkeepTask<'_> {
    fn run<'a>(&'a mut self, stop: &'a Stop) -> LocalBoxFuture<'a, Ran> {
        Box::pin(async move {
            match self.once(stop).await {
                Ok(ran) => ran,
                Err(error) => Ran::failed((&error).into()),
            }
        })
    }
}
