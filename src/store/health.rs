//! Results of health checks and the states that follow from them: claimed, written and read in sets.
//!
//! A state is claimed for a while by whoever looks, by the clock of the database, so that two processes never look at the same
//! thing at a time (M-H2). What was never looked at has a state of its own while it is claimed for the first time.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::engine::health::{CheckKey, Claim, Connections, DatabaseFacts, HealthStore, Recorded, Settled};
use crate::engine::{StateError, StateReader as _};
use crate::model::health::{CheckedService, HealthStatus, NEVER_CHECKED};

use super::connect::{ConnectOptions, Connection, in_transaction};
use super::error::within;
use super::migrate::{known, migration_state};

/// How long a message may be.
const MOST_MESSAGE: usize = 1000;

/// A connection that results are kept through. Only one statement runs on it at a time.
pub struct HealthBook(Mutex<Connection>);

const OPEN: &str = "insert into synthex.health_status (workspace, service, subject, tenant, status, since, last_status, code, \
      message, checked_at) \
     select w, s, b, t, 'unknown', $5, 'unknown', 'never_checked', 'it was not looked at yet', $5 \
     from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as u (w, s, b, t) on conflict do nothing";

/// One look answers several checks: of two who claim what is due at the same moment, one has all of them, and not each a part.
const ONE_BY_ONE: &str = "select pg_advisory_xact_lock(hashtextextended('synthex.health_claims', 0))";

/// Rows are locked in their order, and one that is locked is somebody else's.
const CLAIM: &str = "with wanted as ( \
        select h.workspace, h.service, h.subject from synthex.health_status as h \
        join unnest($1::text[], $2::text[], $3::text[]) as u (w, s, b) on (h.workspace, h.service, h.subject) = (w, s, b) \
        where (h.claimed_until is null or h.claimed_until <= clock_timestamp() or h.claimed_by = $4) \
         and ($6::timestamptz is null or h.due_at is null or h.due_at <= $6) \
        order by 1, 2, 3 for update of h skip locked \
     ) \
     update synthex.health_status as h set claimed_by = $4, claimed_until = clock_timestamp() + make_interval(secs => $5) \
     from wanted as w where (h.workspace, h.service, h.subject) = (w.workspace, w.service, w.subject) \
     returning h.workspace, h.service, h.subject, h.code, h.status, h.since, h.last_status, h.failures, h.successes, h.severe, \
      h.checked_at";

/// What is not claimed by us any more is somebody else's, and neither its state nor its result is written.
const SETTLE: &str = "with mine as ( \
        update synthex.health_status as h set tenant = u.tenant, status = u.status, since = u.since, last_status = u.last_status, \
         code = u.code, message = u.message, latency_ms = u.latency_ms, evidence = u.evidence, failures = u.failures, \
         successes = u.successes, severe = u.severe, checked_at = u.checked_at, due_at = coalesce(u.due_at, h.due_at), \
         claimed_by = null, claimed_until = null \
        from jsonb_to_recordset($1) as u (id uuid, workspace text, service text, subject text, tenant text, status text, \
         since timestamptz, last_status text, code text, message text, latency_ms bigint, evidence jsonb, failures bigint, \
         successes bigint, severe bigint, checked_at timestamptz, due_at timestamptz, maintenance boolean) \
        where (h.workspace, h.service, h.subject) = (u.workspace, u.service, u.subject) and h.claimed_by = $2 \
        returning u.id, h.workspace, h.service, h.subject, h.last_status, h.code, h.message, h.latency_ms, h.evidence, \
         u.maintenance, h.checked_at \
     ), kept as ( \
        insert into synthex.health_checks (id, workspace, service, subject, status, code, message, latency_ms, evidence, \
         maintenance, checked_at) select * from mine on conflict do nothing \
     ) \
     select workspace, service, subject from mine";

/// What was claimed before there was a row of it has none afterwards; what a controller wants to be looked at keeps its row.
const RELEASE: &str = "with mine as ( \
        select h.workspace, h.service, h.subject from synthex.health_status as h \
        join unnest($1::text[], $2::text[], $3::text[]) as u (w, s, b) on (h.workspace, h.service, h.subject) = (w, s, b) \
        where h.claimed_by = $4 order by 1, 2, 3 for update of h \
     ), never as ( \
        delete from synthex.health_status as h using mine as m \
        where (h.workspace, h.service, h.subject) = (m.workspace, m.service, m.subject) and h.code = 'never_checked' \
         and h.due_at is null \
     ) \
     update synthex.health_status as h set claimed_by = null, claimed_until = null from mine as m \
     where (h.workspace, h.service, h.subject) = (m.workspace, m.service, m.subject) and (h.code <> 'never_checked' \
      or h.due_at is not null)";

const MARK: &str = "update synthex.health_status as h set evidence = h.evidence || $4::jsonb \
     from unnest($1::text[], $2::text[], $3::text[]) as u (w, s, b) where (h.workspace, h.service, h.subject) = (w, s, b)";

/// A machine that is gone for good is told from one that is down by how long nothing was heard of it.
const FORGET: &str = "delete from synthex.health_status as h \
     where (h.claimed_until is null or h.claimed_until <= clock_timestamp()) and ( \
        (h.workspace = any($1) and h.service = any($2) \
         and not exists (select from unnest($3::text[], $4::text[], $5::text[]) as u (w, s, b) \
          where (h.workspace, h.service, h.subject) = (w, s, b))) \
        or (h.workspace <> '' and not exists ( \
         select from synthex.workspaces as w where w.name = h.workspace and w.deleted_at is null)) \
        or (h.service in ('disk', 'memory') and h.checked_at < $6))";

/// Keys as columns.
pub(super) struct Columns<'k> {
    pub(super) workspaces: Vec<&'k str>,
    pub(super) services: Vec<&'static str>,
    pub(super) subjects: Vec<&'k str>,
}

impl<'k> Columns<'k> {
    pub(super) fn of(keys: impl IntoIterator<Item = &'k CheckKey>) -> Self {
        let mut columns = Self { workspaces: Vec::new(), services: Vec::new(), subjects: Vec::new() };
        for key in keys {
            columns.workspaces.push(&key.workspace);
            columns.services.push(key.service.code());
            columns.subjects.push(&key.subject);
        }
        columns
    }
}

/// A service by its word.
pub(super) fn service(code: &str) -> Option<CheckedService> {
    CheckedService::ALL.into_iter().find(|service| service.code() == code)
}

/// A key whose service is one of ours; the table has a constraint on it.
pub(super) fn key(row: &PgRow, at: usize) -> Result<CheckKey, sqlx::Error> {
    let code: &str = row.try_get(at + 1)?;
    let service = service(code).ok_or_else(|| sqlx::Error::Decode(format!("service {code}").into()))?;
    Ok(CheckKey::new(row.try_get::<String, _>(at)?, service, row.try_get::<String, _>(at + 2)?))
}

/// A status by its word.
pub(super) fn status(row: &PgRow, at: usize) -> Result<HealthStatus, sqlx::Error> {
    let code: &str = row.try_get(at)?;
    HealthStatus::from_code(code).ok_or_else(|| sqlx::Error::Decode(format!("status {code}").into()))
}

impl HealthBook {
    /// Keeps results through this connection.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self(Mutex::new(connection))
    }

    /// Gives the connection back.
    #[must_use]
    pub fn into_connection(self) -> Connection {
        self.0.into_inner()
    }

    /// Says goodbye.
    pub async fn close(self) {
        self.0.into_inner().close().await;
    }

    async fn within<T>(
        &self,
        doing: &str,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StateError> {
        let mut connection = self.0.lock().await;
        let limit = connection.timeout;
        within(limit, doing, in_transaction(&mut connection.inner, work)).await
    }
}

impl HealthStore for HealthBook {
    async fn claim(
        &self,
        claims: &[Claim],
        who: &str,
        lease: Duration,
        now: DateTime<Utc>,
        only_due: bool,
    ) -> Result<Vec<(CheckKey, Option<Settled>)>, StateError> {
        // In their order, so that two who open the same rows do not wait for each other in a circle.
        let mut sorted: Vec<&Claim> = claims.iter().collect();
        sorted.sort_by(|left, right| left.key.cmp(&right.key));
        let columns = Columns::of(sorted.iter().map(|claim| &claim.key));
        let tenants: Vec<Option<&str>> = sorted.iter().map(|claim| claim.tenant.as_deref()).collect();
        let seconds = lease.as_secs_f64();
        self.within("claiming health checks", async |connection| {
            let Columns { workspaces, services, subjects } = &columns;
            if only_due {
                sqlx::query(ONE_BY_ONE).persistent(false).execute(&mut *connection).await?;
            }
            let open =
                sqlx::query(OPEN).bind(workspaces).bind(services).bind(subjects).bind(&tenants).bind(now);
            open.persistent(false).execute(&mut *connection).await?;
            let claim =
                sqlx::query(CLAIM).bind(workspaces).bind(services).bind(subjects).bind(who).bind(seconds);
            let claim = claim.bind(only_due.then_some(now));
            let rows = claim.persistent(false).fetch_all(connection).await?;
            rows.iter().map(|row| Ok((key(row, 0)?, settled(row)?))).collect()
        })
        .await
    }

    async fn record(&self, results: &[Recorded], who: &str) -> Result<Vec<CheckKey>, StateError> {
        let rows = Value::Array(results.iter().map(row_of).collect());
        self.within("keeping results of health checks", async |connection| {
            let query = sqlx::query(SETTLE).bind(rows).bind(who).persistent(false);
            let rows = query.fetch_all(connection).await?;
            rows.iter().map(|row| key(row, 0)).collect()
        })
        .await
    }

    async fn release(&self, keys: &[CheckKey], who: &str) -> Result<(), StateError> {
        let Columns { workspaces, services, subjects } = Columns::of(keys);
        self.within("giving claims back", async |connection| {
            let query = sqlx::query(RELEASE).bind(workspaces).bind(services).bind(subjects).bind(who);
            query.persistent(false).execute(connection).await.map(|_| ())
        })
        .await
    }

    async fn mark(&self, keys: &[CheckKey], evidence: &Value) -> Result<(), StateError> {
        let Columns { workspaces, services, subjects } = Columns::of(keys);
        self.within("noting what is true of a provider", async |connection| {
            let query = sqlx::query(MARK).bind(workspaces).bind(services).bind(subjects).bind(evidence);
            query.persistent(false).execute(connection).await.map(|_| ())
        })
        .await
    }

    async fn forget(
        &self,
        of_workspaces: &[String],
        of_services: &[CheckedService],
        kept: &[CheckKey],
        since: DateTime<Utc>,
    ) -> Result<(), StateError> {
        let Columns { workspaces, services, subjects } = Columns::of(kept);
        let of_services: Vec<&str> = of_services.iter().map(|service| service.code()).collect();
        self.within("forgetting what is gone", async |connection| {
            let query = sqlx::query(FORGET)
                .bind(of_workspaces)
                .bind(of_services)
                .bind(workspaces)
                .bind(services)
                .bind(subjects)
                .bind(since);
            query.persistent(false).execute(connection).await.map(|_| ())
        })
        .await
    }
}

/// How something stood; `None` where it was never looked at.
fn settled(row: &PgRow) -> Result<Option<Settled>, sqlx::Error> {
    let last_code: String = row.try_get(3)?;
    if last_code == NEVER_CHECKED {
        return Ok(None);
    }
    Ok(Some(Settled {
        status: status(row, 4)?,
        since: row.try_get(5)?,
        last_status: status(row, 6)?,
        last_code,
        failures: row.try_get(7)?,
        successes: row.try_get(8)?,
        severe: row.try_get(9)?,
        checked_at: row.try_get(10)?,
    }))
}

/// A result as a row; the columns are named in [`SETTLE`].
fn row_of(recorded: &Recorded) -> Value {
    let Recorded { id, check, settled, due_at } = recorded;
    let latency = check.latency.map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX));
    serde_json::json!({
        "id": id,
        "workspace": check.key.workspace,
        "service": check.key.service.code(),
        "subject": check.key.subject,
        "tenant": check.tenant,
        "status": settled.status.code(),
        "since": settled.since,
        "last_status": settled.last_status.code(),
        "code": check.code,
        "message": check.message.chars().take(MOST_MESSAGE).collect::<String>().replace('\0', ""),
        "latency_ms": latency,
        "evidence": check.evidence,
        "failures": settled.failures,
        "successes": settled.successes,
        "severe": settled.severe,
        "checked_at": check.checked_at,
        "due_at": due_at,
        "maintenance": check.maintenance,
    })
}

/// Connects to the database and asks it how it is.
///
/// # Errors
/// It does not answer, or refuses us, or is newer than this program.
pub async fn database_facts(options: &ConnectOptions) -> Result<DatabaseFacts, StateError> {
    let began = std::time::Instant::now();
    let mut connection = options.connect().await?;
    let facts = ask(&mut connection, began).await;
    connection.close().await;
    facts
}

async fn ask(connection: &mut Connection, began: std::time::Instant) -> Result<DatabaseFacts, StateError> {
    connection.begin_reading().await?;
    let limit = connection.timeout;
    let query = sqlx::query(
        "select 1, current_setting('server_version'), pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on', \
         (select count(*) from pg_stat_activity where backend_type = 'client backend'), \
         current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint",
    );
    let work = query.persistent(false).fetch_one(&mut connection.inner);
    let row = within(limit, "asking the database how it is", work).await?;
    let latency = began.elapsed();
    let is_installed = connection.is_installed().await?;
    let installed = if is_installed { migration_state(connection).await?.installed } else { 0 };
    connection.rollback().await?;
    let read = || -> Result<DatabaseFacts, sqlx::Error> {
        Ok(DatabaseFacts {
            latency,
            version: row.try_get(1)?,
            installed,
            known: known(),
            is_read_only: row.try_get(2)? || row.try_get(3)?,
            connections: Some(Connections { used: row.try_get(4)?, most: row.try_get(5)? })
                .filter(|connections| connections.most > 0),
        })
    };
    read().map_err(|error| super::error::explain(error, "asking the database how it is"))
}

/// One result that was kept.
#[derive(Clone, Debug)]
pub struct KeptResult {
    /// Its id.
    pub id: Uuid,
    /// What it is about.
    pub key: CheckKey,
    /// How it stood.
    pub status: HealthStatus,
    /// What was found, as a stable word.
    pub code: String,
    /// The same for people.
    pub message: String,
    /// How long it took, in milliseconds.
    pub latency_ms: Option<i64>,
    /// What shows it.
    pub evidence: Value,
    /// Whether it fell into a maintenance window.
    pub maintenance: bool,
    /// When it was found.
    pub checked_at: DateTime<Utc>,
}
