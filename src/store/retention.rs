//! What is removed once it is old: what was observed and told, and what controllers left behind. Never what is declared, nor
//! who changed it, nor the inbox (M-D16), nor anything by which somebody would be told again what he was told (M-E6, S7).
//!
//! Rows go in small batches, each in a transaction of its own, so that nothing else waits for a lock.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{AssertSqlSafe, Row as _};

use crate::engine::StateError;
use crate::kinds;
use crate::kinds::project::Ages;

use super::connect::{Connection, in_transaction};
use super::error::within;

/// How old something may become.
#[derive(Clone, Copy, Debug)]
enum Limit {
    /// As the project says.
    Declared(fn(&Ages) -> Option<TimeDelta>),
    /// So many days: nobody wants it longer.
    Days(i64),
}

/// Something that is removed.
#[derive(Debug)]
struct Litter {
    /// A stable word for it.
    code: &'static str,
    /// What it is, for people.
    words: &'static str,
    table: &'static str,
    key: &'static str,
    /// Which rows `x` go; `$1` is the time before which they are old.
    old: &'static str,
    limit: Limit,
    /// How many rows one statement removes.
    rows: i64,
}

/// A notification goes with its deliveries and attempts. What is still to be delivered stays, and so does what tells of an alert
/// that is open: its end is told where its beginning was (M-L7). An alert that is over stays while a silence "until resolved"
/// counts it as its end, and while a message about it is queued. A threshold stays while its credential ends when it said, by
/// what is observed or by what is declared: by it nobody is told twice.
const LITTER: [Litter; 10] = [
    Litter {
        code: "healthChecks",
        words: "results of health checks",
        table: "health_checks",
        key: "id",
        old: "x.checked_at < $1",
        limit: Limit::Declared(|ages| ages.health_checks),
        rows: 5_000,
    },
    Litter {
        code: "notifications",
        words: "messages, with their deliveries",
        table: "notifications",
        key: "id",
        old: "x.created_at < $1 \
            and not exists (select from synthex.notification_deliveries as d where d.notification = x.id \
             and (d.finished_at is null or d.finished_at >= $1)) \
            and not exists (select from synthex.alerts as a where a.id = any(x.alerts) and a.status <> 'resolved')",
        limit: Limit::Declared(|ages| ages.notifications),
        rows: 1_000,
    },
    Litter {
        code: "alerts",
        words: "alerts that are over",
        table: "alerts",
        key: "id",
        old: "x.status = 'resolved' and x.resolved_at < $1 \
            and not exists (select from synthex.silences as s where s.workspace = x.workspace and s.until_resolved \
             and s.deleted_at is null and s.starts_at <= x.changed_at and x.muted_by @> array['silence/' || s.name]) \
            and not exists (select from synthex.notifications as n join synthex.notification_deliveries as d \
             on d.notification = n.id where n.alerts @> array[x.id] and d.finished_at is null)",
        limit: Limit::Declared(|ages| ages.alerts),
        rows: 2_000,
    },
    Litter {
        code: "thresholds",
        words: "thresholds of credentials that end at another time by now",
        table: "alert_thresholds",
        key: "workspace, rule, credential, generation, threshold",
        old: "x.crossed_at < $1 and not exists (select from synthex.credentials as c \
             left join synthex.credential_status as s on s.workspace = c.workspace and s.credential = c.id \
             cross join lateral (values (c.declared_expires_at), (s.observed_expires_at)) as e (ends) \
             where c.workspace = x.workspace and c.id = x.credential and (x.generation like 'unknown%' \
              or (e.ends is not null and coalesce(starts_with(x.generation, \
               to_char(e.ends at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')), true))))",
        limit: Limit::Declared(|ages| ages.alerts),
        rows: 5_000,
    },
    Litter {
        code: "groups",
        words: "groups of alerts that nothing is left of",
        table: "alert_groups",
        key: "workspace, rule, group_key",
        old: "x.due_at is null and coalesce(x.notified_at, '-infinity') < $1 and not exists (select from synthex.alerts as a \
             where a.workspace = x.workspace and a.rule = x.rule and a.status <> 'resolved')",
        limit: Limit::Declared(|ages| ages.alerts),
        rows: 5_000,
    },
    Litter {
        code: "pauses",
        words: "pauses that have ended",
        table: "pauses",
        key: "workspace",
        old: "x.until < $1",
        limit: Limit::Days(1),
        rows: 5_000,
    },
    Litter {
        code: "replicas",
        words: "controllers that are gone",
        table: "watch_replicas",
        key: "id",
        old: "x.seen_at < $1",
        limit: Limit::Days(1),
        rows: 5_000,
    },
    // One that still fails is tried again, and is younger than that.
    Litter {
        code: "backoffs",
        words: "waits of resources that nobody tries any more",
        table: "watch_backoff",
        key: "project, environment, workspace, kind, name",
        old: "x.next_at < $1",
        limit: Limit::Days(2),
        rows: 5_000,
    },
    Litter {
        code: "corrections",
        words: "corrections that no fight is seen by any more",
        table: "watch_corrections",
        key: "id",
        old: "x.corrected_at < $1",
        limit: Limit::Days(2),
        rows: 5_000,
    },
    Litter {
        code: "turns",
        words: "turns of workspaces that are gone",
        table: "watch_turns",
        key: "task, workspace",
        old: "x.workspace <> '' and coalesce(x.claimed_until, '-infinity') < $1 and not exists ( \
             select from synthex.workspaces as w where w.name = x.workspace and w.deleted_at is null)",
        limit: Limit::Days(1),
        rows: 5_000,
    },
];

/// What was removed, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    /// A stable word for it.
    pub code: &'static str,
    /// What it is, for people.
    pub words: &'static str,
    /// What is older than this.
    pub before: DateTime<Utc>,
    /// How many.
    pub rows: u64,
    /// Whether there is more, which is left for the next time.
    pub is_more: bool,
}

/// What is old enough at a moment, with the time that it is older than.
fn old(ages: &Ages, now: DateTime<Utc>) -> impl Iterator<Item = (&'static Litter, DateTime<Utc>)> {
    LITTER.iter().filter_map(move |litter| {
        let age = match litter.limit {
            Limit::Declared(of) => of(ages)?,
            Limit::Days(days) => TimeDelta::days(days),
        };
        Some((litter, now.checked_sub_signed(age)?))
    })
}

/// Counts what is old.
///
/// # Errors
/// Whatever the database reports.
pub async fn count(
    connection: &mut Connection,
    ages: &Ages,
    now: DateTime<Utc>,
) -> Result<Vec<Gone>, StateError> {
    let limit = connection.timeout;
    let work = in_transaction(&mut connection.inner, async |inner| {
        let mut found = Vec::new();
        for (litter, before) in old(ages, now) {
            let Litter { code, words, table, old, .. } = litter;
            let sql = format!("select count(*) from synthex.{table} as x where {old}");
            let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(before).persistent(false);
            let rows: i64 = query.fetch_one(&mut *inner).await?;
            found.push(Gone { code, words, before, rows: rows.unsigned_abs(), is_more: false });
        }
        Ok(found)
    });
    within(limit, "counting what is old", work).await
}

/// Removes what is old, of each thing at most so many batches. `goes_on` is asked before each batch.
///
/// # Errors
/// Whatever the database reports; what went before that is gone.
pub async fn remove(
    connection: &mut Connection,
    ages: &Ages,
    now: DateTime<Utc>,
    batches: u32,
    goes_on: impl Fn() -> bool,
) -> Result<Vec<Gone>, StateError> {
    let mut removed = Vec::new();
    for (litter, before) in old(ages, now) {
        let Litter { code, words, table, key, old, rows: most, .. } = litter;
        let sql = format!(
            "delete from synthex.{table} where ({key}) in (select {key} from synthex.{table} as x where {old} limit {most})"
        );
        let mut gone = Gone { code, words, before, rows: 0, is_more: true };
        for _ in 0..batches {
            if !goes_on() {
                break;
            }
            let limit = connection.timeout;
            let work = in_transaction(&mut connection.inner, async |inner| {
                let query = sqlx::query(AssertSqlSafe(sql.clone())).bind(before).persistent(false);
                query.execute(inner).await.map(|done| done.rows_affected())
            });
            let rows = within(limit, "removing what is old", work).await?;
            gone.rows += rows;
            if rows < most.unsigned_abs() {
                gone.is_more = false;
                break;
            }
        }
        removed.push(gone);
    }
    Ok(removed)
}

/// How many rows were deleted softly before a time, by kind. They are declared data, so nothing here removes them.
///
/// # Errors
/// Whatever the database reports.
pub async fn softly_deleted(
    connection: &mut Connection,
    before: DateTime<Utc>,
) -> Result<Vec<(&'static str, u64)>, StateError> {
    let tables: Vec<(&'static str, &'static str)> =
        kinds::stored().filter_map(|kind| Some((kind.name, kind.table.as_ref()?.name))).collect();
    let parts: Vec<String> = tables
        .iter()
        .map(|(_, table)| format!("(select count(*) from synthex.{table} where deleted_at < $1)"))
        .collect();
    let sql = format!("select {}", parts.join(", "));
    let limit = connection.timeout;
    let work = in_transaction(&mut connection.inner, async |inner| {
        let query = sqlx::query(AssertSqlSafe(sql)).bind(before).persistent(false);
        let row = query.fetch_one(inner).await?;
        let mut counts = Vec::new();
        for (at, (kind, _)) in tables.iter().enumerate() {
            let rows: i64 = row.try_get(at)?;
            if rows > 0 {
                counts.push((*kind, rows.unsigned_abs()));
            }
        }
        Ok(counts)
    });
    within(limit, "counting what was deleted softly", work).await
}
