//! Sends what waits to the database, and takes out of the file what got there.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::cli::context::Context;
use crate::files::Spool;
use crate::model::Clock as _;
use crate::model::clock::SystemClock;
use crate::model::usage::Metric;
use crate::store::Connection;
use crate::store::usage::{StoredMetric, make_months, store_metrics};

use super::{add, stored};

/// How long after one attempt to send there is no other, in seconds.
const PAUSE: i64 = 60;

/// How many metrics are sent at once.
const BATCH: usize = 500;

/// What waited longer than this many days is not sent any more: its month may have been dropped.
const OLDEST: i64 = 30;

/// Sends everything that waits, before a report is made of it. Returns how much still waits.
pub async fn flush(context: &Context, connection: &mut Connection) -> usize {
    let Some(spool) = context.recorder.spool() else { return 0 };
    let mut left = spool.waiting().len();
    while left > 0 {
        if !send(connection, &spool, Duration::from_secs(2)).await {
            break;
        }
        let before = std::mem::replace(&mut left, spool.waiting().len());
        if left >= before {
            break;
        }
    }
    // What failed left its transaction open; whatever is wrong with the connection, the report will say.
    let _ = connection.rollback().await;
    left
}

/// Sends what a run that goes on has done since this was last asked for, and everything that waits. Returns how much still
/// waits.
pub async fn pour(context: &Context, connection: &mut Connection) -> usize {
    let Some(spool) = context.recorder.spool() else { return 0 };
    add(context, &spool, connection.installation());
    flush(context, connection).await
}

/// Whether it is long enough since sending was last tried. A clock that was set back is no reason to wait.
pub(super) fn is_time(spool: &Spool, now: DateTime<Utc>) -> bool {
    let last = spool.last_tried().and_then(|text| text.trim().parse::<DateTime<Utc>>().ok());
    !last.is_some_and(|last| (0..PAUSE).contains(&(now - last).num_seconds()))
}

/// Sends one batch; says whether it got through.
pub(super) async fn send(connection: &mut Connection, spool: &Spool, limit: Duration) -> bool {
    let now = SystemClock.now();
    if let Err(error) = spool.note_try(&now.to_rfc3339()) {
        tracing::debug!(%error, "nothing is sent, since it could not be noted");
        return false;
    }
    let known = connection.installation();
    let is_old = |metric: &StoredMetric| metric.recorded_at < now - TimeDelta::days(OLDEST);
    let read = |line: &str| serde_json::from_str::<StoredMetric>(line).ok();
    let is_for = |metric: &StoredMetric| {
        metric.installation.is_none() || known.is_none() || metric.installation == known
    };
    let waiting = spool.waiting();
    let batch: Vec<StoredMetric> = waiting
        .iter()
        .filter_map(|line| read(line))
        .filter(|metric| !is_old(metric) && is_for(metric))
        .take(BATCH)
        .collect();
    let (sent, is_through) = if batch.is_empty() {
        (None, true)
    } else {
        match store_metrics(connection, &batch, limit).await {
            Ok(installation) => {
                make_months(connection, &batch, limit).await;
                (Some(installation), true)
            }
            Err(error) => {
                tracing::debug!(error = %error.why, "what was recorded waits");
                if !error.is_hopeless {
                    return false;
                }
                (None, false)
            }
        }
    };
    let done: std::collections::HashSet<uuid::Uuid> = batch
        .iter()
        .filter(|metric| sent.is_none() || metric.installation.is_none() || metric.installation == sent)
        .map(|metric| metric.id)
        .collect();
    let keep = |line: &str| read(line).is_some_and(|metric| !is_old(&metric) && !done.contains(&metric.id));
    if let Err(error) = spool.retain(keep) {
        tracing::debug!(%error, "what was sent is sent again, and counts once");
        return is_through;
    }
    note_dropped(spool, now);
    is_through
}

/// Records how many were dropped for want of room.
fn note_dropped(spool: &Spool, now: DateTime<Utc>) {
    let dropped = spool.take_dropped();
    if dropped == 0 {
        return;
    }
    let metric = Metric { value: dropped, ..Metric::error("recording", "dropped") };
    let line = serde_json::to_string(&stored(metric, now, "synthex"));
    if let Some(Err(error)) = line.ok().map(|line| spool.add(&[line])) {
        tracing::debug!(%error, "how many were dropped was not recorded");
    }
}
