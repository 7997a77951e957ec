//! What one of many controllers does for all of them, each time it is due: whoever claims the turn first.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use uuid::Uuid;

use crate::engine::StateError;

use super::connect::{Connection, in_transaction};
use super::error::within;

/// What came of asking for a turn. Times are those of the clock of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is ours, from then on.
    Ours(DateTime<Utc>),
    /// It is not due, or somebody else is at it; so long until it is worth asking again.
    In(Duration),
}

/// A turn of something that is done for all workspaces at once. One that lies further ahead than it ever would be was set by
/// a clock that was wrong, and counts as due.
const CLAIM: &str = "with claimed as ( \
      insert into synthex.watch_turns as t (task, workspace, due_at, claimed_by, claimed_until) \
      values ($1, '', clock_timestamp(), $2, clock_timestamp() + make_interval(secs => $3)) \
      on conflict (task, workspace) do update set claimed_by = excluded.claimed_by, claimed_until = excluded.claimed_until \
       where (t.due_at <= clock_timestamp() or t.due_at > clock_timestamp() + make_interval(secs => 2 * $4)) \
        and (t.claimed_until is null or t.claimed_until <= clock_timestamp() or t.claimed_by = $2 \
         or t.claimed_until > clock_timestamp() + make_interval(secs => 2 * $3)) \
      returning clock_timestamp() as now) \
     select now, null::float8 from claimed \
     union all select null, extract(epoch from greatest(t.due_at, t.claimed_until) - clock_timestamp())::float8 \
      from synthex.watch_turns as t where t.task = $1 and t.workspace = '' and not exists (select from claimed)";

const FINISH: &str = "update synthex.watch_turns set claimed_by = null, claimed_until = null, done_at = clock_timestamp(), \
     due_at = clock_timestamp() + make_interval(secs => $3) where task = $1 and workspace = '' and claimed_by = $2";

impl Connection {
    /// Claims the turn of something that is done every so often, for as long as `hold`.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn claim_turn(
        &mut self,
        task: &str,
        replica: Uuid,
        hold: Duration,
        every: Duration,
    ) -> Result<Turn, StateError> {
        let work = in_transaction(&mut self.inner, async |connection| {
            let query = sqlx::query(CLAIM).bind(task).bind(replica).bind(hold.as_secs_f64());
            let row = query.bind(every.as_secs_f64()).persistent(false).fetch_optional(connection).await?;
            // It came into being while this looked: somebody else has it.
            let Some(row) = row else { return Ok(Turn::In(hold)) };
            if let Some(now) = row.try_get(0)? {
                return Ok(Turn::Ours(now));
            }
            let wait: f64 = row.try_get::<Option<f64>, _>(1)?.unwrap_or_default();
            Ok(Turn::In(Duration::from_secs_f64(wait.clamp(0.0, every.as_secs_f64()))))
        });
        within(self.timeout, "asking for a turn", work).await
    }

    /// Ends a turn that is ours; the next one is so long from now.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn finish_turn(&mut self, task: &str, replica: Uuid, next: Duration) -> Result<(), StateError> {
        let work = in_transaction(&mut self.inner, async |connection| {
            let query = sqlx::query(FINISH).bind(task).bind(replica).bind(next.as_secs_f64());
            query.persistent(false).execute(connection).await.map(|_| ())
        });
        within(self.timeout, "ending a turn", work).await
    }
}
