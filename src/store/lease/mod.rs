//! Leases: one row per workspace, with a fencing token that rises each time the lease is taken.
//!
//! Not session advisory locks: behind a transaction pooler two clients can both hold one. All times are the database's, and
//! no statement here is given one by this program, so that two machines with different clocks agree on who holds a lease.
//!
//! | module | what it does |
//! | --- | --- |
//! | `take` | takes leases, all or none, and waits in line for them |
//! | `look` | who holds what, and who waits |
//! | `hand` | leases that people take and release by hand, with a record of it |
//! | `leader` | the lease of the one controller that reconciles |
//!
//! **Writing and renewing at once.** The writing transaction locks its leases' rows in a mode (`for key share`) that lets a
//! heartbeat renew them, and a run that finds them expired take them over. Right before it commits it checks its tokens
//! once more, in a mode that excludes both: so who was replaced in the meantime writes nothing, and who still holds them
//! keeps them until the commit is through.

mod hand;
mod leader;
mod look;
mod take;

use sqlx::{Executor as _, PgConnection};

use crate::engine::{Holder, LeaseGrant, LeaseKeeper, StateError, StateErrorKind};

use super::connect::{ConnectOptions, Connection, in_transaction};
use super::error::within;

pub(super) use hand::record;
pub use hand::{Audit, release_by_hand};
pub use leader::Hold;
pub use look::{known_workspaces, leases};
pub(super) use take::{Request, take};

const RELEASE: &str = "with gone as (delete from synthex.lease_waiters where holder = $1) \
     update synthex.leases set holder = null, expires_at = null, heartbeat_at = null, reason = null where holder = $1";

/// Gives a holder's leases back and leaves the line. A lease that was taken over has another holder and is left alone.
/// Returns how many were given back.
pub(super) async fn release(connection: &mut PgConnection, holder: &Holder) -> Result<u64, sqlx::Error> {
    let query = sqlx::query(RELEASE).bind(holder.id).persistent(false);
    query.execute(connection).await.map(|done| done.rows_affected())
}

/// Ends a backend, if it is still in a transaction that holds leases: a statement of ours that nobody waits for any more.
pub(super) const END_BACKEND: &str = "select pg_terminate_backend(l.pid) from pg_locks as l \
     where l.pid = $1 and l.relation = to_regclass('synthex.leases') and l.granted limit 1";

/// The writing transaction is marked with a lock that never excludes anybody, so that whoever takes its lease over finds
/// the server process that still keeps the rows.
macro_rules! mark {
    ($name:literal) => {
        concat!("hashtextextended('synthex lease ' || ", $name, ", 0)")
    };
}

const END_WRITERS: &str = concat!(
    "select pg_terminate_backend(l.pid) from pg_locks as l join unnest($1::text[]) as n \
     on ((l.classid::bigint << 32) | l.objid::bigint) = ",
    mark!("n"),
    " where l.locktype = 'advisory' and l.objsubid = 1 and l.granted \
     and l.database = (select oid from pg_database where datname = current_database())"
);

/// Ends the writing transactions of holders that have just lost their leases in this transaction. They could not commit any
/// more, but would keep the rows they have written for as long as nobody speaks to the server, which a suspended machine
/// does not.
async fn end_writers(connection: &mut PgConnection, workspaces: &[String]) -> Result<(), sqlx::Error> {
    connection.execute("savepoint ending").await?;
    let ending = sqlx::query(END_WRITERS).bind(workspaces).persistent(false);
    match ending.execute(&mut *connection).await {
        Ok(_) => connection.execute("release savepoint ending").await.map(|_| ()),
        Err(error) => {
            // Another role's transaction is not ours to end; then its locks are waited for like anybody's.
            tracing::debug!(error = %error, "the transaction of the former holder was not ended");
            connection.execute("rollback to savepoint ending").await.map(|_| ())
        }
    }
}

fn lists(grant: &LeaseGrant) -> (Vec<&str>, Vec<i64>) {
    grant.tokens.iter().map(|(name, token)| (name.as_str(), *token)).unzip()
}

const OURS: &str = "from synthex.leases as l join unnest($2::text[], $3::bigint[]) as g (name, token) on l.name = g.name \
     where l.token = g.token and l.holder = $1 order by l.name ";

/// Checks, when a writing transaction begins, that every lease is still ours, and marks the transaction.
///
/// # Errors
/// The workspaces whose lease was lost.
pub(super) async fn fence(
    connection: &mut PgConnection,
    grant: &LeaseGrant,
) -> Result<Result<(), StateError>, sqlx::Error> {
    let marked = concat!("select l.name, pg_advisory_xact_lock_shared(", mark!("l.name"), ") ");
    check(connection, grant, format!("{marked}{OURS} for key share of l")).await
}

/// Checks it once more before the commit, and keeps the leases from being taken, renewed or released until it is through.
///
/// # Errors
/// The workspaces whose lease was lost.
pub(super) async fn last_fence(
    connection: &mut PgConnection,
    grant: &LeaseGrant,
) -> Result<Result<(), StateError>, sqlx::Error> {
    check(connection, grant, format!("select l.name {OURS} for no key update of l")).await
}

async fn check(
    connection: &mut PgConnection,
    grant: &LeaseGrant,
    sql: String,
) -> Result<Result<(), StateError>, sqlx::Error> {
    if let Some(under) = &grant.under
        && let Err(lost) = check_own(connection, under, sql.clone()).await?
    {
        return Ok(Err(lost));
    }
    check_own(connection, grant, sql).await
}

async fn check_own(
    connection: &mut PgConnection,
    grant: &LeaseGrant,
    sql: String,
) -> Result<Result<(), StateError>, sqlx::Error> {
    let (names, tokens) = lists(grant);
    let query = sqlx::query_scalar::<_, String>(sqlx::AssertSqlSafe(sql));
    let query = query.bind(grant.holder.id).bind(names).bind(tokens).persistent(false);
    let ours = query.fetch_all(&mut *connection).await?;
    let lost: Vec<&str> = grant
        .tokens
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| !ours.iter().any(|own| own == name))
        .collect();
    Ok(if lost.is_empty() { Ok(()) } else { Err(lost_error(&lost)) })
}

/// A lease is not ours any more.
pub(super) fn lost(grant: &LeaseGrant) -> StateError {
    let names: Vec<&str> = grant.tokens.iter().map(|(name, _)| name.as_str()).collect();
    lost_error(&names)
}

fn lost_error(lost: &[&str]) -> StateError {
    StateError::new(StateErrorKind::LeaseLost, format!("the lease of workspace {} was lost", lost.join(", ")))
        .why("this run was silent for so long that another one took over, or somebody released the lease by force; nothing was written")
        .help("run the command again; `synthex lease list` shows who holds what")
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
        // While the writing transaction commits, a beat waits. That is no reason to give up.
        let beaten = within(grant.ttl, "sending a heartbeat", beat).await?;
        self.connection = Some(connection);
        Ok(beaten.rows_affected())
    }
}

impl LeaseKeeper for Keeper {
    async fn beat(&mut self) -> Result<(), StateError> {
        let beaten = self.try_beat().await?;
        if beaten == self.grant.tokens.len() as u64 { Ok(()) } else { Err(lost(&self.grant)) }
    }
}
