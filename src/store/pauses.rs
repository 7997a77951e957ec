//! Pauses: workspaces that the controller leaves alone until a time of the database's clock. What people do to them is
//! recorded in the transaction that does it: where it cannot be recorded, nothing happens.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use crate::engine::{StateError, StateReader as _};
use crate::plan::pauses::PauseRow;

use super::connect::{Connection, in_transaction};
use super::error::within;
use super::lease::{Audit, record};
use super::write::Writer;

/// The columns that [`row`] reads. Somebody may have written a time that no calendar here reaches.
macro_rules! columns {
    () => {
        "workspace, reason, actor, greatest(paused_at, timestamptz '0001-01-01 00:00Z') as since, \
         case when until is not null then least(until, timestamptz '9999-12-31 00:00Z') end as until"
    };
}

fn row(row: &PgRow) -> Result<PauseRow, sqlx::Error> {
    Ok(PauseRow {
        workspace: row.try_get(0)?,
        reason: row.try_get(1)?,
        actor: row.try_get(2)?,
        since: row.try_get(3)?,
        until: row.try_get(4)?,
    })
}

fn rows(found: &[PgRow]) -> Result<Vec<PauseRow>, sqlx::Error> {
    found.iter().map(row).collect()
}

const LIVING: &str = concat!(
    "select ",
    columns!(),
    " from synthex.pauses where (until is null or until > clock_timestamp()) \
     and ($1::text[] is null or workspace = any($1)) order by workspace"
);

async fn living(connection: &mut PgConnection, only: Option<&[&str]>) -> Result<Vec<PauseRow>, sqlx::Error> {
    rows(&sqlx::query(LIVING).bind(only).persistent(false).fetch_all(connection).await?)
}

/// Whether the role may read pauses: where the schema is older than they are, nobody may.
pub(super) const MAY_READ: &str =
    "coalesce(has_table_privilege(to_regclass('synthex.pauses'), 'select'), false)";

impl Connection {
    /// The pauses that have not ended, by workspace; only of these workspaces, where some are named. None where there is no
    /// such table yet, or the role may not read it. Within a transaction; one statement where [`Connection::identity`] was
    /// asked before, and for a role that row-level security confines, two for each workspace that is named.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn pauses(&mut self, only: Option<&[&str]>) -> Result<Vec<PauseRow>, StateError> {
        let may_read = match self.reads_pauses {
            Some(known) => known,
            None => {
                let sql = sqlx::AssertSqlSafe(format!("select {MAY_READ}"));
                let query = sqlx::query_scalar(sql).persistent(false);
                within(self.timeout, "looking for pauses", query.fetch_one(&mut self.inner)).await?
            }
        };
        self.reads_pauses = Some(may_read);
        if !may_read {
            return Ok(Vec::new());
        }
        if !self.is_confined().await? {
            return within(self.timeout, "reading pauses", living(&mut self.inner, only)).await;
        }
        let mut found = Vec::new();
        for workspace in only.unwrap_or_default() {
            self.enter(workspace).await?;
            let one = [*workspace];
            let one = living(&mut self.inner, Some(&one));
            found.append(&mut within(self.timeout, "reading pauses", one).await?);
        }
        Ok(found)
    }
}

/// All pauses that have not ended, by workspace, in one statement and a transaction of its own. For a controller, which has
/// installed the table.
///
/// # Errors
/// Whatever the database reports.
pub async fn living_pauses(connection: &mut Connection) -> Result<Vec<PauseRow>, StateError> {
    let limit = connection.timeout;
    let work = in_transaction(&mut connection.inner, async |connection| living(connection, None).await);
    within(limit, "reading pauses", work).await
}

/// Removes what has ended, and returns how much that was. Nothing depends on it.
///
/// # Errors
/// Whatever the database reports.
pub async fn purge_ended_pauses(connection: &mut Connection) -> Result<u64, StateError> {
    let limit = connection.timeout;
    let work = in_transaction(&mut connection.inner, async |connection| {
        let query = sqlx::query("delete from synthex.pauses where until <= clock_timestamp()");
        query.persistent(false).execute(connection).await.map(|done| done.rows_affected())
    });
    within(limit, "removing pauses that have ended", work).await
}

/// When a pause ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseEnd {
    /// When somebody resumes it.
    Never,
    /// So long from now, by the clock of the database.
    After(Duration),
    /// Then.
    At(DateTime<Utc>),
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Pausing<'a> {
    /// The workspaces.
    pub workspaces: &'a [String],
    /// Why.
    pub reason: &'a str,
    /// Until when.
    pub end: PauseEnd,
}

/// A workspace that was paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paused {
    /// The pause.
    pub pause: PauseRow,
    /// The pause that it takes the place of, where there was one that had not ended.
    pub replaced: Option<PauseRow>,
}

/// In their order, so that two who pause the same workspaces do not wait for each other in a circle.
const LOCK: &str = concat!(
    "select ",
    columns!(),
    ", until is null or until > clock_timestamp() from synthex.pauses where workspace = any($1) order by workspace for update"
);

const WRITE: &str = concat!(
    "insert into synthex.pauses as p (workspace, reason, actor, paused_at, until) \
     select n, $2, $3, now(), coalesce(now() + make_interval(secs => $4), $5) from unnest($1::text[]) as n order by n \
     on conflict (workspace) do update set reason = excluded.reason, actor = excluded.actor, \
      paused_at = excluded.paused_at, until = excluded.until returning ",
    columns!()
);

const REMOVE: &str = "delete from synthex.pauses where workspace = any($1)";

impl Writer {
    /// Pauses workspaces. Whoever paused one before is replaced.
    ///
    /// # Errors
    /// The end lies in the past by the clock of the database; or whatever the database reports.
    pub async fn pause(&mut self, asked: Pausing<'_>, audit: &Audit) -> Result<Vec<Paused>, StateError> {
        let limit = self.connection.timeout;
        let work = in_transaction(&mut self.connection.inner, async |connection| {
            pause(connection, asked, audit).await
        });
        within(limit, "pausing", work).await
    }

    /// Ends the pauses of workspaces, and returns those that had not ended by themselves. Where there are none, nothing is
    /// recorded.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn resume(
        &mut self,
        workspaces: &[String],
        audit: &Audit,
    ) -> Result<Vec<PauseRow>, StateError> {
        let limit = self.connection.timeout;
        let work = in_transaction(&mut self.connection.inner, async |connection| {
            let former = locked(connection, workspaces).await?;
            sqlx::query(REMOVE).bind(workspaces).persistent(false).execute(&mut *connection).await?;
            if !former.is_empty() {
                let was = former.iter().map(|row| format!("{} was {}", row.workspace, described(row)));
                record(connection, audit, &was.collect::<Vec<_>>().join("; ")).await?;
            }
            Ok(former)
        });
        within(limit, "resuming", work).await
    }
}

/// The pauses of these workspaces that have not ended; nobody changes them until the end of the transaction.
async fn locked(connection: &mut PgConnection, workspaces: &[String]) -> Result<Vec<PauseRow>, sqlx::Error> {
    let found = sqlx::query(LOCK).bind(workspaces).persistent(false).fetch_all(connection).await?;
    let lives = |found: &&PgRow| found.try_get::<bool, _>(5).unwrap_or(true);
    found.iter().filter(lives).map(row).collect()
}

async fn pause(
    connection: &mut PgConnection,
    asked: Pausing<'_>,
    audit: &Audit,
) -> Result<Vec<Paused>, sqlx::Error> {
    let (length, at) = match asked.end {
        PauseEnd::Never => (None, None),
        PauseEnd::After(length) => (Some(length.as_secs_f64()), None),
        PauseEnd::At(at) => (None, Some(at)),
    };
    let former = locked(connection, asked.workspaces).await?;
    let write = sqlx::query(WRITE).bind(asked.workspaces).bind(asked.reason).bind(&audit.actor);
    let written = write.bind(length).bind(at).persistent(false).fetch_all(&mut *connection).await?;
    let mut written = rows(&written)?;
    written.sort_unstable_by(|left, right| left.workspace.cmp(&right.workspace));
    let mut words: Vec<String> = written.first().map(|pause| ending(pause.until)).into_iter().collect();
    words.extend(former.iter().map(|row| format!("{} was {}", row.workspace, described(row))));
    record(connection, audit, &words.join("; ")).await?;
    let paused = written.into_iter().map(|pause| {
        let replaced = former.iter().find(|row| row.workspace == pause.workspace).cloned();
        Paused { pause, replaced }
    });
    Ok(paused.collect())
}

fn ending(until: Option<DateTime<Utc>>) -> String {
    match until {
        None => "until somebody resumes it".to_owned(),
        Some(until) => format!("until {}", until.format("%Y-%m-%d %H:%M:%S UTC")),
    }
}

/// For the record.
fn described(row: &PauseRow) -> String {
    format!("paused by {} {}: {}", row.actor, ending(row.until), row.reason)
}
