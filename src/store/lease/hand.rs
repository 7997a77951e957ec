//! Leases that people take and release by hand. Each leaves a record, written in the same transaction: where it cannot be
//! written, nothing happens.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Executor as _, PgConnection};
use uuid::Uuid;

use crate::engine::{HeldLease, Holder, LeaseNews, StateError};

use super::super::connect::Connection;
use super::super::error::within;
use super::super::write::Writer;
use super::take::{self, Request};
use super::{end_writers, look};

/// What is recorded about what a person did to a lease, or to a pause.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The operation.
    pub id: Uuid,
    /// The project, or `-`.
    pub project: String,
    /// `lease take`, `lease release`, `pause` or `resume`.
    pub command: String,
    /// Who: the CI identity, or `user@host`.
    pub actor: String,
    /// The machine.
    pub host: String,
    /// Where the CI run can be looked at.
    pub run_url: Option<String>,
    /// The workspace, and the reason.
    pub note: String,
}

const RECORD: &str = "insert into synthex.batch_operations \
     (id, project, command, actor, host, run_url, status, note, started_at, finished_at) \
     values ($1, $2, $3, $4, $5, $6, 'applied', concat_ws('; ', $7::text, nullif($8::text, '')), clock_timestamp(), \
     clock_timestamp())";

/// Records it, with who had the lease before, or how it was paused.
pub(in crate::store) async fn record(
    connection: &mut PgConnection,
    audit: &Audit,
    before: &str,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query(RECORD)
        .bind(audit.id)
        .bind(&audit.project)
        .bind(&audit.command)
        .bind(&audit.actor)
        .bind(&audit.host)
        .bind(&audit.run_url)
        .bind(&audit.note)
        .bind(before)
        .persistent(false);
    query.execute(connection).await.map(|_| ())
}

impl Writer {
    /// Takes the lease of a workspace for a person, who gives a reason, for so long. Returns until when. Somebody who
    /// holds it by hand already takes it anew.
    ///
    /// # Errors
    /// Somebody else holds it; whatever the database reports.
    pub async fn take_by_hand(
        &mut self,
        holder: &Holder,
        workspace: &str,
        ttl: Duration,
        wait: Duration,
        audit: &Audit,
        hear: &mut impl FnMut(LeaseNews),
    ) -> Result<DateTime<Utc>, StateError> {
        let workspaces = [workspace.to_owned()];
        let request = Request { holder, workspaces: &workspaces, ttl, wait, audit: Some(audit) };
        take::take(&mut self.connection, &request, hear).await.map(|(_, until)| until)
    }
}

/// No row of a lease is locked for long.
const BEGIN: &str = "begin isolation level read committed; set local lock_timeout = '5s'";

const LOCK: &str = "select from synthex.leases where name = $1 for no key update";

const FREE: &str = "update synthex.leases set holder = null, expires_at = null, heartbeat_at = null, reason = null \
     where name = $1 and holder = $2";

/// Takes the lease of a workspace away from a holder, and returns it as it was. What its holder is writing is rolled back.
/// `None` where it has come to somebody else in the meantime, or to nobody; then nothing was done.
///
/// # Errors
/// Whatever the database reports.
pub async fn release_by_hand(
    connection: &mut Connection,
    workspace: &str,
    holder: Uuid,
    audit: &Audit,
) -> Result<Option<HeldLease>, StateError> {
    let limit = connection.timeout;
    let freeing = free(&mut connection.inner, workspace, holder, audit);
    let outcome = within(limit, "releasing the lease", freeing).await;
    if outcome.is_err() {
        let _ = connection.rollback().await;
    }
    outcome
}

async fn free(
    connection: &mut PgConnection,
    workspace: &str,
    holder: Uuid,
    audit: &Audit,
) -> Result<Option<HeldLease>, sqlx::Error> {
    connection.execute(BEGIN).await?;
    sqlx::query(LOCK).bind(workspace).persistent(false).execute(&mut *connection).await?;
    let names = [workspace.to_owned()];
    let held = look::first_held(connection, &names, Uuid::nil(), false).await?;
    let Some(held) = held.filter(|held| held.holder == holder) else {
        connection.execute("rollback").await?;
        return Ok(None);
    };
    sqlx::query(FREE).bind(workspace).bind(holder).persistent(false).execute(&mut *connection).await?;
    end_writers(connection, &names).await?;
    record(connection, audit, &format!("was held by {}", held.who())).await?;
    connection.execute("commit").await?;
    Ok(Some(held))
}
