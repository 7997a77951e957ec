//! Taking leases: all or none, and first come, first served.
//!
//! A run that waits stands in `lease_waiters`, with one ticket for all the leases it wants. It may take them when no run
//! with an earlier ticket waits for any of them, so nobody is overtaken, and no two runs wait for each other. A run that
//! died is not waited for: it has to be seen every few seconds.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::{Executor as _, PgConnection, Row as _};

use crate::engine::{HeldLease, Holder, LeaseGrant, LeaseNews, StateError, StateErrorKind, Waiter};

use super::super::connect::{Connection, in_transaction};
use super::super::error::within;
use super::hand::{self, Audit};
use super::{end_writers, look};

/// How often a waiting command looks again. Well below the time after which it would count as gone.
const RETRY: Duration = Duration::from_millis(250);

/// What is asked for.
pub(in crate::store) struct Request<'a> {
    pub(in crate::store) holder: &'a Holder,
    pub(in crate::store) workspaces: &'a [String],
    pub(in crate::store) ttl: Duration,
    /// How long to wait in line.
    pub(in crate::store) wait: Duration,
    /// What is recorded in the transaction that takes them.
    pub(in crate::store) audit: Option<&'a Audit>,
}

/// Takes the leases of some workspaces, all or none. Returns them, and when they run out.
///
/// # Errors
/// [`StateErrorKind::LeaseHeld`] when somebody else still holds one, or is first in line, after the time to wait. The place
/// in the line is kept until [`super::release`].
pub(in crate::store) async fn take(
    connection: &mut Connection,
    request: &Request<'_>,
    hear: &mut impl FnMut(LeaseNews),
) -> Result<(LeaseGrant, DateTime<Utc>), StateError> {
    let begun = Instant::now();
    let limit = connection.timeout;
    let mut said = None;
    let mut waits = false;
    loop {
        let attempt = try_take(&mut connection.inner, request, waits);
        let locked = match within(limit, "taking the leases", attempt).await? {
            Attempt::Taken(taken) => {
                for lease in taken.evicted {
                    hear(LeaseNews::Evicted(lease));
                }
                let holder = request.holder.clone();
                let grant = LeaseGrant { holder, tokens: taken.tokens, ttl: request.ttl, under: None };
                return Ok((grant, taken.expires_at));
            }
            Attempt::NotYet { locked } => locked,
        };
        let left = request.wait.saturating_sub(begun.elapsed());
        waits = !left.is_zero();
        let looking = look_around(&mut connection.inner, request, waits, locked);
        let scene = within(limit, "looking who holds the leases", looking).await?;
        if !waits {
            return Err(scene.error(request.workspaces));
        }
        if (scene.held.is_some() || !scene.ahead.is_empty()) && said != Some(scene.ahead.len()) {
            said = Some(scene.ahead.len());
            hear(scene.news(request.workspaces));
        }
        tokio::time::sleep(RETRY.min(left)).await;
    }
}

/// While its holder commits, the row of a lease is locked; then there is no use in waiting for it.
const BEGIN: &str = "begin isolation level read committed; set local lock_timeout = '200ms'";

/// Whether somebody waits for one of the leases `$1` who came before the run `$2`.
macro_rules! ahead {
    () => {
        "o.lease = any($1::text[]) and o.holder <> $2 and o.seen_at > clock_timestamp() - interval '3 seconds' \
         and o.ticket < coalesce((select min(m.ticket) from synthex.lease_waiters as m where m.holder = $2), \
                                 9223372036854775807)"
    };
}

/// Who holds one by hand does not stand in line to hold it longer. Also says whose expired lease each was: the token tells that the row that was seen is the one that was replaced.
const TAKE: &str = concat!(
    "with before as materialized (select * from synthex.leases where name = any($1::text[])), \
     taken as (insert into synthex.leases as l \
     (name, token, holder, host, pid, command, run_url, commit_sha, actor, reason, acquired_at, heartbeat_at, expires_at) \
     select n, 1, $2, $3, $4, $5, $6, $8, $9, $10, clock_timestamp(), clock_timestamp(), \
     clock_timestamp() + make_interval(secs => $7) \
     from unnest($1::text[]) as n where not exists (select from synthex.lease_waiters as o where ",
    ahead!(),
    ") or exists (select from before as own where own.name = n and own.expires_at >= clock_timestamp() \
     and own.reason is not null and $10::text is not null and own.actor = $9) order by n \
     on conflict (name) do update set token = l.token + 1, holder = excluded.holder, host = excluded.host, \
     pid = excluded.pid, command = excluded.command, run_url = excluded.run_url, commit_sha = excluded.commit_sha, \
     actor = excluded.actor, reason = excluded.reason, acquired_at = excluded.acquired_at, \
     heartbeat_at = excluded.heartbeat_at, expires_at = excluded.expires_at \
     where l.holder is null or l.expires_at < clock_timestamp() \
     or (l.reason is not null and excluded.reason is not null and l.actor = excluded.actor) \
     returning name, token, acquired_at, expires_at) \
     select t.name, t.token, t.expires_at, b.name is not null, ",
    look::columns!("b"),
    " from taken as t left join before as b on b.name = t.name and b.token = t.token - 1 \
     and b.holder is not null and b.expires_at < t.acquired_at order by t.name"
);

/// How long a run may wait unseen before its place in the line is removed. It does not count long before that.
const LEAVE: &str = "delete from synthex.lease_waiters as w \
     where w.holder = $1 or w.seen_at < clock_timestamp() - interval '1 hour'";

struct Taken {
    tokens: Vec<(String, i64)>,
    expires_at: DateTime<Utc>,
    evicted: Vec<HeldLease>,
}

enum Attempt {
    Taken(Taken),
    /// Somebody holds one, or is first in line. Or one is locked, by a holder that commits.
    NotYet {
        locked: bool,
    },
}

async fn try_take(
    connection: &mut PgConnection,
    request: &Request<'_>,
    waits: bool,
) -> Result<Attempt, sqlx::Error> {
    connection.execute(BEGIN).await?;
    let attempt = take_within(connection, request, waits).await;
    match attempt {
        Ok(Some(taken)) => {
            connection.execute("commit").await?;
            Ok(Attempt::Taken(taken))
        }
        Ok(None) => {
            connection.execute("rollback").await?;
            Ok(Attempt::NotYet { locked: false })
        }
        Err(error) => {
            let rolled_back = connection.execute("rollback").await;
            if is_lock_timeout(&error) {
                return rolled_back.map(|_| Attempt::NotYet { locked: true });
            }
            Err(error)
        }
    }
}

async fn take_within(
    connection: &mut PgConnection,
    request: &Request<'_>,
    waits: bool,
) -> Result<Option<Taken>, sqlx::Error> {
    let holder = request.holder;
    let query = sqlx::query(TAKE)
        .bind(request.workspaces)
        .bind(holder.id)
        .bind(&holder.host)
        // What a person takes outlives the process.
        .bind(holder.reason.is_none().then_some(i64::from(holder.pid)))
        .bind(&holder.command)
        .bind(&holder.run_url)
        .bind(request.ttl.as_secs_f64())
        .bind(&holder.commit)
        .bind(&holder.actor)
        .bind(&holder.reason)
        .persistent(false);
    let rows = query.fetch_all(&mut *connection).await?;
    let Some(first) = rows.first().filter(|_| rows.len() == request.workspaces.len()) else {
        return Ok(None);
    };
    let mut taken = Taken { tokens: Vec::new(), expires_at: first.try_get(2)?, evicted: Vec::new() };
    for row in &rows {
        taken.tokens.push((row.try_get(0)?, row.try_get(1)?));
        if row.try_get(3)? {
            taken.evicted.push(look::held(row, 4)?);
        }
    }
    taken.tokens.sort_unstable();
    if !taken.evicted.is_empty() {
        let workspaces: Vec<String> = taken.evicted.iter().map(|lease| lease.workspace.clone()).collect();
        end_writers(connection, &workspaces).await?;
    }
    if waits {
        sqlx::query(LEAVE).bind(holder.id).persistent(false).execute(&mut *connection).await?;
    }
    if let Some(audit) = request.audit {
        let evicted: Vec<String> = taken.evicted.iter().map(HeldLease::eviction).collect();
        hand::record(connection, audit, &evicted.join(" ")).await?;
    }
    Ok(Some(taken))
}

fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "55P03")
}

/// Takes a ticket, or says that the run still waits.
const QUEUE: &str = "with ticket as materialized (select nextval('synthex.lease_tickets') as number) \
     insert into synthex.lease_waiters (lease, ticket, holder, host, pid, command) \
     select n, ticket.number, $2, $3, $4, $5 from unnest($1::text[]) as n, ticket order by n \
     on conflict (holder, lease) do update set seen_at = clock_timestamp()";

const AHEAD: &str = concat!(
    "select o.holder, min(o.host), min(o.pid), min(o.command), min(o.since) from synthex.lease_waiters as o where ",
    ahead!(),
    " group by o.holder order by min(o.ticket)"
);

/// Who stands between a run and its leases.
struct Scene {
    held: Option<HeldLease>,
    ahead: Vec<Waiter>,
}

async fn look_around(
    connection: &mut PgConnection,
    request: &Request<'_>,
    waits: bool,
    locked: bool,
) -> Result<Scene, sqlx::Error> {
    let holder = request.holder;
    in_transaction(connection, async |connection| {
        if waits {
            let query = sqlx::query(QUEUE).bind(request.workspaces).bind(holder.id).bind(&holder.host);
            let query = query.bind(i64::from(holder.pid)).bind(&holder.command).persistent(false);
            query.execute(&mut *connection).await?;
        }
        let held = look::first_held(connection, request.workspaces, holder.id, locked).await?;
        let query = sqlx::query(AHEAD).bind(request.workspaces).bind(holder.id).persistent(false);
        let ahead = query.fetch_all(connection).await?;
        let ahead = ahead.iter().map(|row| look::waiter(row, 0)).collect::<Result<_, _>>()?;
        Ok(Scene { held, ahead })
    })
    .await
}

impl Scene {
    fn news(&self, workspaces: &[String]) -> LeaseNews {
        let workspace = match &self.held {
            Some(lease) => lease.workspace.clone(),
            None => workspaces.first().cloned().unwrap_or_default(),
        };
        LeaseNews::Waiting { workspace, held: self.held.clone(), ahead: self.ahead.len() }
    }

    fn error(&self, workspaces: &[String]) -> StateError {
        let held = |what: String| StateError::new(StateErrorKind::LeaseHeld, what);
        let wait = "wait for it, or use --lock-timeout to wait in line";
        match (&self.held, self.ahead.first()) {
            (Some(lease), _) if lease.reason.is_some() => {
                let what = format!("workspace `{}` is held by hand", lease.workspace);
                let help = "wait, with --lock-timeout if you like, or see `synthex lease release --help`";
                held(what).why(lease.described()).help(help)
            }
            (Some(lease), _) => {
                let what = format!("workspace `{}` is being written by another run", lease.workspace);
                held(what).why(lease.described()).help(wait)
            }
            (None, Some(first)) => {
                let what = format!("other runs are in line for workspace {}", quoted(workspaces));
                let more = match self.ahead.len() {
                    1 => String::new(),
                    all => format!("; {all} in all"),
                };
                held(what).why(format!("the first is {}{more}", first.who())).help(wait)
            }
            (None, None) => {
                let what =
                    format!("the lease of workspace {} is being taken by another run", quoted(workspaces));
                held(what).help("run the command again")
            }
        }
    }
}

fn quoted(workspaces: &[String]) -> String {
    let quoted: Vec<String> = workspaces.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
