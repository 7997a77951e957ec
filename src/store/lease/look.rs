//! Who holds which lease, and who waits for it.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::engine::{HeldLease, LeaseEntry, StateError, StateReader as _, Waiter};

use super::super::connect::Connection;
use super::super::error::within;

/// The columns that [`held`] reads. Somebody may have written a time that no calendar here reaches.
macro_rules! columns {
    ($table:literal) => {
        concat!(
            $table,
            ".name, ",
            $table,
            ".holder, ",
            $table,
            ".actor, ",
            $table,
            ".host, ",
            $table,
            ".pid, ",
            $table,
            ".command, ",
            $table,
            ".run_url, ",
            $table,
            ".commit_sha, ",
            $table,
            ".reason, ",
            "greatest(",
            $table,
            ".acquired_at, timestamptz '0001-01-01 00:00Z'), ",
            "least(",
            $table,
            ".expires_at, timestamptz '9999-12-31 00:00Z'), clock_timestamp()"
        )
    };
}
pub(super) use columns;

/// A lease from a row with these columns, from the one numbered `first` on.
pub(super) fn held(row: &PgRow, first: usize) -> Result<HeldLease, sqlx::Error> {
    Ok(HeldLease {
        workspace: row.try_get(first)?,
        holder: row.try_get(first + 1)?,
        actor: row.try_get(first + 2)?,
        host: row.try_get(first + 3)?,
        pid: row.try_get(first + 4)?,
        command: row.try_get(first + 5)?,
        run_url: row.try_get(first + 6)?,
        commit: row.try_get(first + 7)?,
        reason: row.try_get(first + 8)?,
        since: row.try_get(first + 9)?,
        expires_at: row.try_get(first + 10)?,
        now: row.try_get(first + 11)?,
    })
}

/// A waiting run from holder, host, process, command and time.
pub(super) fn waiter(row: &PgRow, first: usize) -> Result<Waiter, sqlx::Error> {
    Ok(Waiter {
        holder: row.try_get(first)?,
        host: row.try_get(first + 1)?,
        pid: row.try_get(first + 2)?,
        command: row.try_get(first + 3)?,
        since: row.try_get(first + 4)?,
    })
}

const FIRST: &str = concat!(
    "select ",
    columns!("l"),
    " from synthex.leases as l where l.name = any($1::text[]) and l.holder <> $2 \
     and ($3 or l.expires_at >= clock_timestamp()) order by l.name limit 1"
);

/// The first of these leases that somebody else holds; also one that has run out, if that is asked for.
pub(super) async fn first_held(
    connection: &mut PgConnection,
    workspaces: &[String],
    holder: Uuid,
    expired_too: bool,
) -> Result<Option<HeldLease>, sqlx::Error> {
    let query = sqlx::query(FIRST).bind(workspaces).bind(holder).bind(expired_too).persistent(false);
    query.fetch_optional(connection).await?.map(|row| held(&row, 0)).transpose()
}

const HELD: &str = concat!(
    "select ",
    columns!("l"),
    " from synthex.leases as l where l.holder is not null and l.expires_at >= clock_timestamp() \
     and ($1::text is null or l.name = $1) order by l.name"
);

const WAITING: &str = "select lease, holder, host, pid, command, since from synthex.lease_waiters \
     where seen_at > clock_timestamp() - interval '3 seconds' and ($1::text is null or lease = $1) order by lease, ticket";

/// Every lease that is held or waited for, by workspace; of one workspace, if one is named. `None` where synthex is not
/// installed.
///
/// # Errors
/// Whatever the database reports.
pub async fn leases(
    connection: &mut Connection,
    workspace: Option<&str>,
) -> Result<Option<Vec<LeaseEntry>>, StateError> {
    connection.begin_reading().await?;
    let outcome = read(connection, workspace).await;
    connection.rollback().await?;
    outcome
}

async fn read(
    connection: &mut Connection,
    workspace: Option<&str>,
) -> Result<Option<Vec<LeaseEntry>>, StateError> {
    if !connection.is_installed().await? {
        return Ok(None);
    }
    let limit = connection.timeout;
    let work = async {
        let connection = &mut connection.inner;
        if let Some(workspace) = workspace {
            // A role that row-level security confines sees the workspace that is named so.
            let sql = "select set_config('synthex.workspace', $1, true)";
            sqlx::query(sql).bind(workspace).persistent(false).execute(&mut *connection).await?;
        }
        let mut entries: Vec<LeaseEntry> = Vec::new();
        for row in sqlx::query(HELD).bind(workspace).persistent(false).fetch_all(&mut *connection).await? {
            let held = held(&row, 0)?;
            let workspace = held.workspace.clone();
            entries.push(LeaseEntry { workspace, held: Some(held), waiting: Vec::new() });
        }
        for row in sqlx::query(WAITING).bind(workspace).persistent(false).fetch_all(connection).await? {
            let workspace: String = row.try_get(0)?;
            let waiter = waiter(&row, 1)?;
            match entries.iter_mut().find(|entry| entry.workspace == workspace) {
                Some(entry) => entry.waiting.push(waiter),
                None => entries.push(LeaseEntry { workspace, held: None, waiting: vec![waiter] }),
            }
        }
        entries.sort_by(|left, right| left.workspace.cmp(&right.workspace));
        Ok(entries)
    };
    within(limit, "listing leases", work).await.map(Some)
}

const KNOWN: &str = "select name from synthex.workspaces where deleted_at is null \
     union select name from synthex.leases order by 1";

/// The workspaces that leases can be taken of. `None` where synthex is not installed.
///
/// # Errors
/// Whatever the database reports.
pub async fn known_workspaces(connection: &mut Connection) -> Result<Option<Vec<String>>, StateError> {
    connection.begin_reading().await?;
    let outcome = if connection.is_installed().await? {
        let query = sqlx::query_scalar(KNOWN).persistent(false);
        within(connection.timeout, "listing workspaces", query.fetch_all(&mut connection.inner))
            .await
            .map(Some)
    } else {
        Ok(None)
    };
    connection.rollback().await?;
    outcome
}
