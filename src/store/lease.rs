//! Leases: one row per workspace, with a fencing token that rises each time the lease is taken.
//!
//! Not session advisory locks: behind a transaction pooler two clients can both hold one. All times are the database's, so
//! that two machines with different clocks agree on who holds a lease.

use std::time::{Duration, Instant};

use sqlx::postgres::PgRow;
use sqlx::{Executor as _, PgConnection, Row as _};

use crate::engine::{Holder, LeaseGrant, LeaseKeeper, StateError, StateErrorKind};

use super::connect::{ConnectOptions, Connection, in_transaction};
use super::error::within;

/// How often a waiting command looks again.
const RETRY: Duration = Duration::from_millis(250);

/// Takes the leases of some workspaces, all or none.
///
/// # Errors
/// [`StateErrorKind::LeaseHeld`] when somebody else still holds one after `wait`.
pub(super) async fn take(
    connection: &mut Connection,
    holder: &Holder,
    workspaces: &[String],
    ttl: Duration,
    wait: Duration,
) -> Result<LeaseGrant, StateError> {
    let begun = Instant::now();
    let limit = connection.timeout;
    loop {
        let attempt = try_take(&mut connection.inner, holder, workspaces, ttl);
        match within(limit, "taking the leases", attempt).await? {
            Ok(tokens) => {
                return Ok(LeaseGrant { holder: holder.clone(), tokens, ttl });
            }
            Err(held) if begun.elapsed() >= wait => return Err(held),
            Err(_) => tokio::time::sleep(RETRY.min(wait.saturating_sub(begun.elapsed()))).await,
        }
    }
}

const TAKE: &str = "insert into synthex.leases as l \
     (name, token, holder, host, pid, command, run_url, commit_sha, acquired_at, heartbeat_at, expires_at) \
     select n, 1, $2, $3, $4, $5, $6, $8, clock_timestamp(), clock_timestamp(), clock_timestamp() + make_interval(secs => $7) \
     from unnest($1::text[]) as n order by n \
     on conflict (name) do update set token = l.token + 1, holder = excluded.holder, host = excluded.host, \
     pid = excluded.pid, command = excluded.command, run_url = excluded.run_url, \
     commit_sha = excluded.commit_sha, acquired_at = excluded.acquired_at, \
     heartbeat_at = excluded.heartbeat_at, expires_at = excluded.expires_at \
     where l.holder is null or l.expires_at < clock_timestamp() \
     returning l.name, l.token";

const HELD: &str = "select name, host, pid, command, run_url, \
     extract(epoch from clock_timestamp() - acquired_at)::bigint, \
     greatest(0, ceil(extract(epoch from expires_at - clock_timestamp())))::bigint \
     from synthex.leases where name = any($1::text[]) and holder <> $2 and ($3 or expires_at >= clock_timestamp()) \
     order by name limit 1";

/// While its holder writes, the row of a lease is locked; then there is no use in waiting for it.
const BEGIN: &str = "begin; set local lock_timeout = '200ms'";

async fn try_take(
    connection: &mut PgConnection,
    holder: &Holder,
    workspaces: &[String],
    ttl: Duration,
) -> Result<Result<Vec<(String, i64)>, StateError>, sqlx::Error> {
    connection.execute(BEGIN).await?;
    let query = sqlx::query(TAKE)
        .bind(workspaces)
        .bind(holder.id)
        .bind(&holder.host)
        .bind(i64::from(holder.pid))
        .bind(&holder.command)
        .bind(&holder.run_url)
        .bind(ttl.as_secs_f64())
        .bind(&holder.commit)
        .persistent(false);
    let (taken, locked) = match query.fetch_all(&mut *connection).await {
        Ok(taken) => (taken, false),
        Err(error) if is_lock_timeout(&error) => (Vec::new(), true),
        Err(error) => {
            let _ = connection.execute("rollback").await;
            return Err(error);
        }
    };
    if taken.len() == workspaces.len() {
        connection.execute("commit").await?;
        let mut tokens = Vec::with_capacity(taken.len());
        for row in &taken {
            tokens.push((row.try_get(0)?, row.try_get(1)?));
        }
        tokens.sort_unstable();
        return Ok(Ok(tokens));
    }
    connection.execute("rollback").await?;
    let held = in_transaction(connection, async |connection| {
        let query = sqlx::query(HELD).bind(workspaces).bind(holder.id).bind(locked).persistent(false);
        query.fetch_optional(connection).await
    });
    Ok(Err(held_error(held.await?.as_ref(), workspaces)?))
}

fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "55P03")
}

fn held_error(held: Option<&PgRow>, workspaces: &[String]) -> Result<StateError, sqlx::Error> {
    let Some(row) = held else {
        let what = format!("the lease of workspace {} is being taken by another run", workspaces.join(", "));
        return Ok(StateError::new(StateErrorKind::LeaseHeld, what).help("run the command again"));
    };
    let (workspace, host): (&str, Option<&str>) = (row.try_get(0)?, row.try_get(1)?);
    let (pid, command): (Option<i64>, Option<&str>) = (row.try_get(2)?, row.try_get(3)?);
    let run_url: Option<&str> = row.try_get(4)?;
    let (age, left): (Option<i64>, Option<i64>) = (row.try_get(5)?, row.try_get(6)?);
    let what = format!("workspace `{workspace}` is being written by another run");
    let mut why = format!(
        "`synthex {}` on {} (pid {}) has held the lease for {} s; ",
        command.unwrap_or("?"),
        host.unwrap_or("?"),
        pid.unwrap_or_default(),
        age.unwrap_or_default(),
    );
    why.push_str(&match left.unwrap_or_default() {
        0 => "it is in the middle of writing".to_owned(),
        left => format!("unless it says it is alive, the lease runs out in {left} s"),
    });
    if let Some(url) = run_url {
        why.push_str("; ");
        why.push_str(url);
    }
    Ok(StateError::new(StateErrorKind::LeaseHeld, what)
        .why(why)
        .help("wait for it, or use --lock-timeout to wait in line"))
}

const RELEASE: &str = "update synthex.leases set holder = null, expires_at = null, heartbeat_at = null \
     where holder = $1";

/// Gives a holder's leases back. A lease that was taken over has another holder and is left alone.
pub(super) async fn release(connection: &mut PgConnection, holder: &Holder) -> Result<(), sqlx::Error> {
    let query = sqlx::query(RELEASE).bind(holder.id).persistent(false);
    query.execute(connection).await.map(|_| ())
}

/// Ends a backend, if it is still in a transaction that holds leases: a statement of ours that nobody waits for any more.
pub(super) const END_BACKEND: &str = "select pg_terminate_backend(l.pid) from pg_locks as l \
     where l.pid = $1 and l.relation = to_regclass('synthex.leases') and l.granted limit 1";

fn lists(grant: &LeaseGrant) -> (Vec<&str>, Vec<i64>) {
    grant.tokens.iter().map(|(name, token)| (name.as_str(), *token)).unzip()
}

const FENCE: &str = "select l.name from synthex.leases as l \
     join unnest($2::text[], $3::bigint[]) as g (name, token) on l.name = g.name \
     where l.token = g.token and l.holder = $1 order by l.name for update of l";

/// Checks, in a writing transaction, that every lease is still ours, and keeps it from being taken until the end of the
/// transaction.
///
/// # Errors
/// The workspaces whose lease was lost.
pub(super) async fn fence(
    connection: &mut PgConnection,
    grant: &LeaseGrant,
) -> Result<Result<(), StateError>, sqlx::Error> {
    let (names, tokens) = lists(grant);
    let query = sqlx::query_scalar::<_, String>(FENCE)
        .bind(grant.holder.id)
        .bind(names)
        .bind(tokens)
        .persistent(false);
    let ours = query.fetch_all(connection).await?;
    let lost: Vec<&str> = grant
        .tokens
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| !ours.iter().any(|own| own == name))
        .collect();
    Ok(if lost.is_empty() { Ok(()) } else { Err(lost_error(&lost)) })
}

fn lost_error(lost: &[&str]) -> StateError {
    StateError::new(StateErrorKind::LeaseLost, format!("the lease of workspace {} was lost", lost.join(", ")))
        .why("this run was silent for so long that another one took over; nothing was written")
        .help("run the command again")
}

const BEAT: &str = "update synthex.leases as l set heartbeat_at = clock_timestamp(), \
     expires_at = clock_timestamp() + make_interval(secs => $4) \
     from unnest($2::text[], $3::bigint[]) as g (name, token) \
     where l.name = g.name and l.token = g.token and l.holder = $1";

/// Keeps leases alive from a connection of its own, opened when the first heartbeat is due.
pub struct Keeper {
    options: ConnectOptions,
    connection: Option<Connection>,
    grant: LeaseGrant,
}

impl Keeper {
    pub(super) fn new(options: ConnectOptions, grant: LeaseGrant) -> Self {
        Self { options, connection: None, grant }
    }

    async fn try_beat(&mut self) -> Result<u64, StateError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        let grant = &self.grant;
        let beat = in_transaction(&mut connection.inner, async |connection| {
            let (names, tokens) = lists(grant);
            let query = sqlx::query(BEAT).bind(grant.holder.id).bind(names).bind(tokens);
            query.bind(grant.ttl.as_secs_f64()).persistent(false).execute(connection).await
        });
        // While the writing transaction runs it holds the rows, so that a beat waits. That is no reason to give up.
        let beaten = within(grant.ttl, "sending a heartbeat", beat).await?;
        self.connection = Some(connection);
        Ok(beaten.rows_affected())
    }
}

impl LeaseKeeper for Keeper {
    async fn beat(&mut self) -> Result<(), StateError> {
        let beaten = self.try_beat().await?;
        if beaten == self.grant.tokens.len() as u64 {
            return Ok(());
        }
        let names: Vec<&str> = self.grant.tokens.iter().map(|(name, _)| name.as_str()).collect();
        Err(lost_error(&names))
    }
}
