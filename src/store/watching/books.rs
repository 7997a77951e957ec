//! The books: read by whoever becomes the one that reconciles, and written by him alone: every write checks his fencing token in
//! the same transaction.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use crate::engine::watching::{
    BackOff, Books, Condition, ConditionStatus, ConditionType, Correction, Entries, Realm, SourceRecord,
};
use crate::engine::{LeaseGrant, StateError};
use crate::model::Digest;

use super::super::connect::{Connection, in_transaction};
use super::super::error::within;
use super::super::lease;
use super::{Columns, key, unknown};

const SOURCE: &str = "select source, observed, observed_at, problem, good, good_at, applied, applied_at, operations_seen, held, held_by \
     from synthex.watch_sources where project = $1 and environment = $2";

const CONDITIONS: &str = "select workspace, type, status, reason, message, revision, since from synthex.watch_conditions \
     where project = $1 and environment = $2 order by workspace, type";

const BACKOFF: &str = "select kind, workspace, name, failures, error, failed_at, next_at, revision from synthex.watch_backoff \
     where project = $1 and environment = $2 order by workspace, kind, name";

const CORRECTIONS: &str = "select kind, workspace, name, field, desired, actor, corrected_at from synthex.watch_corrections \
     where project = $1 and environment = $2 and corrected_at > $3 order by id";

const SAVE_SOURCE: &str = "insert into synthex.watch_sources as s (project, environment, source, observed, observed_at, problem, good, good_at, \
      applied, applied_at, operations_seen, held, held_by) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
     on conflict (project, environment) do update set source = excluded.source, observed = excluded.observed, \
      observed_at = excluded.observed_at, problem = excluded.problem, good = excluded.good, good_at = excluded.good_at, \
      applied = excluded.applied, applied_at = excluded.applied_at, operations_seen = excluded.operations_seen, \
      held = excluded.held, held_by = excluded.held_by";

const SAVE_CONDITIONS: &str = "insert into synthex.watch_conditions as c \
      (project, environment, workspace, type, status, reason, message, revision, since, updated_at) \
     select $1, $2, w, t, s, r, m, v, n, $10 from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], \
      $9::timestamptz[]) as u (w, t, s, r, m, v, n) \
     on conflict (project, environment, workspace, type) do update set status = excluded.status, reason = excluded.reason, \
      message = excluded.message, revision = excluded.revision, since = excluded.since, updated_at = excluded.updated_at";

const FORGET: &str =
    "delete from synthex.watch_conditions where project = $1 and environment = $2 and workspace = any($3)";

/// A workspace that another project declares is that project's to speak of.
const FORGET_HEALTH: &str = "delete from synthex.health_status as h where h.service = 'sync' and h.workspace = any($3) and not exists ( \
        select from synthex.watch_conditions as c where c.workspace = h.workspace and (c.project, c.environment) <> ($1, $2))";

const SAVE_BACKOFF: &str = "insert into synthex.watch_backoff \
      (project, environment, workspace, kind, name, failures, error, failed_at, next_at, revision) \
     select $1, $2, w, k, n, f, e, a, x, r from unnest($3::text[], $4::text[], $5::text[], $6::integer[], $7::text[], \
      $8::timestamptz[], $9::timestamptz[], $10::text[]) as u (w, k, n, f, e, a, x, r) \
     on conflict (project, environment, workspace, kind, name) do update set failures = excluded.failures, error = excluded.error, \
      failed_at = excluded.failed_at, next_at = excluded.next_at, revision = excluded.revision";

const RECOVER: &str = "delete from synthex.watch_backoff as b \
     using unnest($3::text[], $4::text[], $5::text[]) as u (w, k, n) \
     where b.project = $1 and b.environment = $2 and (b.workspace, b.kind, b.name) = (u.w, u.k, u.n)";

const SAVE_CORRECTIONS: &str = "insert into synthex.watch_corrections \
      (project, environment, workspace, kind, name, field, desired, actor, corrected_at) \
     select $1, $2, w, k, n, f, d, a, t from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::text[], \
      $9::timestamptz[]) as u (w, k, n, f, d, a, t)";

impl Connection {
    /// The books of a project. Corrections from before `since` count for nothing.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn read_books(&mut self, realm: &Realm, since: DateTime<Utc>) -> Result<Books, StateError> {
        let limit = self.timeout;
        let work = in_transaction(&mut self.inner, async |inner| read(inner, realm, since).await);
        within(limit, "reading the books of the controller", work).await
    }

    /// Writes into the books, all or nothing, if the lease is still held.
    ///
    /// # Errors
    /// [`crate::engine::StateErrorKind::LeaseLost`] where it is not. Nothing was written then.
    pub async fn write_books(
        &mut self,
        realm: &Realm,
        grant: &LeaseGrant,
        entries: &Entries<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        let limit = self.timeout;
        let mut lost = None;
        let work = in_transaction(&mut self.inner, async |inner| {
            // Any error rolls back; which one it was is said below.
            let mut held = |fence: Result<(), StateError>| {
                fence.map_err(|error| {
                    lost = Some(error);
                    sqlx::Error::RowNotFound
                })
            };
            held(lease::fence(inner, grant).await?)?;
            write(inner, realm, entries, now).await?;
            held(lease::last_fence(inner, grant).await?)
        });
        let written = within(limit, "writing the books of the controller", work).await;
        lost.map_or(written, Err)
    }
}

async fn read(inner: &mut PgConnection, realm: &Realm, since: DateTime<Utc>) -> Result<Books, sqlx::Error> {
    let ask = |sql| sqlx::query(sql).bind(&realm.project).bind(&realm.environment);
    let source = ask(SOURCE).persistent(false).fetch_optional(&mut *inner).await?;
    let conditions = ask(CONDITIONS).persistent(false).fetch_all(&mut *inner).await?;
    let backoff = ask(BACKOFF).persistent(false).fetch_all(&mut *inner).await?;
    let corrections = ask(CORRECTIONS).bind(since).persistent(false).fetch_all(inner).await?;
    Ok(Books {
        source: source.as_ref().map(source_record).transpose()?,
        conditions: conditions.iter().map(condition).collect::<Result<_, _>>()?,
        backoff: backoff.iter().map(back_off).collect::<Result<_, _>>()?,
        corrections: corrections.iter().map(correction).collect::<Result<_, _>>()?,
    })
}

fn source_record(row: &PgRow) -> Result<SourceRecord, sqlx::Error> {
    Ok(SourceRecord {
        source: row.try_get(0)?,
        observed: row.try_get(1)?,
        observed_at: row.try_get(2)?,
        problem: row.try_get(3)?,
        good: row.try_get(4)?,
        good_at: row.try_get(5)?,
        applied: row.try_get(6)?,
        applied_at: row.try_get(7)?,
        operations_seen: row.try_get(8)?,
        held: row.try_get(9)?,
        held_by: row.try_get(10)?,
    })
}

fn condition(row: &PgRow) -> Result<Condition, sqlx::Error> {
    let (of, status): (&str, &str) = (row.try_get(1)?, row.try_get(2)?);
    Ok(Condition {
        workspace: row.try_get(0)?,
        of: ConditionType::from_code(of).ok_or_else(|| unknown("condition", of))?,
        status: ConditionStatus::from_code(status).ok_or_else(|| unknown("status", status))?,
        reason: row.try_get(3)?,
        message: row.try_get(4)?,
        revision: row.try_get(5)?,
        since: row.try_get(6)?,
    })
}

fn back_off(row: &PgRow) -> Result<BackOff, sqlx::Error> {
    Ok(BackOff {
        key: key(row, 0)?,
        failures: row.try_get(3)?,
        error: row.try_get(4)?,
        failed_at: row.try_get(5)?,
        next_at: row.try_get(6)?,
        revision: row.try_get(7)?,
    })
}

fn correction(row: &PgRow) -> Result<Correction, sqlx::Error> {
    let desired: &[u8] = row.try_get(4)?;
    Ok(Correction {
        key: key(row, 0)?,
        field: row.try_get(3)?,
        desired: Digest::from_slice(desired).ok_or_else(|| unknown("digest", "of another length"))?,
        actor: row.try_get(5)?,
        at: row.try_get(6)?,
    })
}

async fn write(
    inner: &mut PgConnection,
    realm: &Realm,
    entries: &Entries<'_>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let ask = |sql| sqlx::query(sql).bind(&realm.project).bind(&realm.environment);
    let Entries { source, conditions, forgotten, backoff, recovered, corrections } = *entries;
    if let Some(own) = source {
        let query = ask(SAVE_SOURCE).bind(&own.source).bind(&own.observed).bind(own.observed_at);
        let query = query.bind(&own.problem).bind(&own.good).bind(own.good_at).bind(&own.applied);
        let query = query.bind(own.applied_at).bind(own.operations_seen).bind(&own.held).bind(own.held_by);
        query.persistent(false).execute(&mut *inner).await?;
    }
    if !forgotten.is_empty() {
        // Nobody says any more whether it is in force.
        ask(FORGET_HEALTH).bind(forgotten).persistent(false).execute(&mut *inner).await?;
        ask(FORGET).bind(forgotten).persistent(false).execute(&mut *inner).await?;
    }
    if !conditions.is_empty() {
        let column = |of: fn(&Condition) -> &str| conditions.iter().map(of).collect::<Vec<_>>();
        let query = ask(SAVE_CONDITIONS)
            .bind(column(|own| &own.workspace))
            .bind(column(|own| own.of.code()))
            .bind(column(|own| own.status.code()))
            .bind(column(|own| &own.reason))
            .bind(column(|own| &own.message))
            .bind(conditions.iter().map(|own| own.revision.as_deref()).collect::<Vec<_>>())
            .bind(conditions.iter().map(|own| own.since).collect::<Vec<_>>())
            .bind(now);
        query.persistent(false).execute(&mut *inner).await?;
    }
    if !recovered.is_empty() {
        let columns = Columns::of(recovered.iter());
        let query = ask(RECOVER).bind(columns.workspaces).bind(columns.kinds).bind(columns.names);
        query.persistent(false).execute(&mut *inner).await?;
    }
    if !backoff.is_empty() {
        let columns = Columns::of(backoff.iter().map(|own| &own.key));
        let query = ask(SAVE_BACKOFF)
            .bind(columns.workspaces)
            .bind(columns.kinds)
            .bind(columns.names)
            .bind(backoff.iter().map(|own| own.failures).collect::<Vec<_>>())
            .bind(backoff.iter().map(|own| own.error.as_str()).collect::<Vec<_>>())
            .bind(backoff.iter().map(|own| own.failed_at).collect::<Vec<_>>())
            .bind(backoff.iter().map(|own| own.next_at).collect::<Vec<_>>())
            .bind(backoff.iter().map(|own| own.revision.as_deref()).collect::<Vec<_>>());
        query.persistent(false).execute(&mut *inner).await?;
    }
    if !corrections.is_empty() {
        let columns = Columns::of(corrections.iter().map(|own| &own.key));
        let query = ask(SAVE_CORRECTIONS)
            .bind(columns.workspaces)
            .bind(columns.kinds)
            .bind(columns.names)
            .bind(corrections.iter().map(|own| own.field.as_str()).collect::<Vec<_>>())
            .bind(corrections.iter().map(|own| own.desired.as_bytes().to_vec()).collect::<Vec<_>>())
            .bind(corrections.iter().map(|own| own.actor.as_str()).collect::<Vec<_>>())
            .bind(corrections.iter().map(|own| own.at).collect::<Vec<_>>());
        query.persistent(false).execute(inner).await?;
    }
    Ok(())
}
