//! Turns: work that replicas of the controller share. Whoever finds one due claims it for a while, by the clock of the
//! database; what is due goes by the clock of whoever asks. What was changed lately is told by the numbers of the newest
//! operations and foreign writes.
//!
//! The looks here are one statement each, written out with their values: so they need no transaction around them, and a
//! controller that has nothing to do costs one round trip.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::engine::StateError;

use super::connect::{Connection, in_transaction};
use super::error::within;

/// The newest operations, and the newest writes that were not synthex's own. Not only the newest one of each: numbers are
/// given out before a commit, so that a lower one may appear after a higher one.
pub(super) const MARKS: &str = "(select coalesce(string_agg(o.revision::text, ',' order by o.revision), '') from ( \
      select revision from synthex.batch_operations order by revision desc limit 32) as o) || ';' || \
     (select coalesce(string_agg(d.id::text, ',' order by d.id), '') from ( \
      select id from synthex.drift_events order by id desc limit 32) as d)";

/// A moment, written out.
pub(super) fn moment(at: DateTime<Utc>) -> String {
    format!("timestamptz '{}'", at.to_rfc3339_opts(SecondsFormat::Micros, true))
}

/// A text, written out so that nothing in it can end it.
pub(super) fn text(value: &str) -> String {
    let digits: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("convert_from(decode('{digits}', 'hex'), 'UTF8')")
}

/// A time of the database in seconds since 1970, as a moment.
pub(super) fn of_seconds(seconds: Option<f64>) -> Option<DateTime<Utc>> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "what is out of reach becomes the end of it, which is no moment"
    )]
    let micros = (seconds? * 1e6).round() as i64;
    DateTime::from_timestamp_micros(micros)
}

const TAKE: &str = "insert into synthex.watch_turns as t (task, workspace, due_at, claimed_by, claimed_until) \
     values ($1, '', $2, $3, clock_timestamp() + make_interval(secs => $4)) \
     on conflict (task, workspace) do update set claimed_by = excluded.claimed_by, claimed_until = excluded.claimed_until \
     where t.claimed_until is null or t.claimed_until <= clock_timestamp() or t.claimed_by = excluded.claimed_by returning 1";

const END: &str = "update synthex.watch_turns set due_at = $3, seen = $4, done_at = $5, claimed_by = null, claimed_until = null \
     where task = $1 and workspace = '' and claimed_by = $2";

const GIVE_BACK: &str = "update synthex.watch_turns set claimed_by = null, claimed_until = null where task = $1 and claimed_by = $2";

impl Connection {
    /// Runs one statement whose values are written out.
    pub(super) async fn look(&mut self, sql: String, doing: &str) -> Result<Vec<PgRow>, StateError> {
        let query = sqlx::raw_sql(AssertSqlSafe(sql));
        within(self.timeout, doing, query.fetch_all(&mut self.inner)).await
    }

    /// Takes the turn of what is done for all workspaces at once. `false` where somebody else has it.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn take_turn(
        &mut self,
        task: &str,
        replica: Uuid,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<bool, StateError> {
        let limit = self.timeout;
        let work = in_transaction(&mut self.inner, async |connection| {
            let query = sqlx::query(TAKE).bind(task).bind(now).bind(replica).bind(lease.as_secs_f64());
            Ok(query.persistent(false).fetch_optional(connection).await?.is_some())
        });
        within(limit, "taking a turn", work).await
    }

    /// Ends a turn that is ours, and says when the next one is and what was seen.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn end_turn(
        &mut self,
        task: &str,
        replica: Uuid,
        due_at: DateTime<Utc>,
        seen: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        let limit = self.timeout;
        let work = in_transaction(&mut self.inner, async |connection| {
            let query = sqlx::query(END).bind(task).bind(replica).bind(due_at).bind(seen).bind(now);
            query.persistent(false).execute(connection).await.map(|_| ())
        });
        within(limit, "ending a turn", work).await
    }

    /// Gives back whatever turns of a task are ours.
    ///
    /// # Errors
    /// Whatever the database reports; the claims end by themselves then.
    pub async fn give_turns_back(&mut self, task: &str, replica: Uuid) -> Result<(), StateError> {
        let limit = self.timeout;
        let work = in_transaction(&mut self.inner, async |connection| {
            let query = sqlx::query(GIVE_BACK).bind(task).bind(replica);
            query.persistent(false).execute(connection).await.map(|_| ())
        });
        within(limit, "giving turns back", work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_written_out_cannot_end_the_text_they_stand_in() {
        assert_eq!(text("a'\\"), "convert_from(decode('61275c', 'hex'), 'UTF8')");
        let at = DateTime::from_timestamp_micros(1_800_000_000_000_001).unwrap();
        assert_eq!(moment(at), "timestamptz '2027-01-15T08:00:00.000001Z'");
        assert_eq!(of_seconds(Some(1_800_000_000.000_001)), Some(at));
        assert_eq!(of_seconds(Some(f64::INFINITY)), None);
    }
}
