//! Takes deliveries for a worker: what is due, in order, within the rates of the channels (M-D2, M-D13).
//!
//! It waits for nobody: rows that another worker looks at are left to it. Leases and rates go by the clock of the database,
//! since several machines share them; what is due goes by the clock of the worker.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _};
use uuid::Uuid;

use crate::alerts::Message;
use crate::engine::delivery::channel::interval;
use crate::engine::delivery::{Channel, Claim, Claimed, Wanted};

use super::ahead::bring_nearer;
use super::channels::{ChannelKey, channels};

/// How far ahead places in a channel's rate are given, in seconds: who gets one waits for it, and has his lease for longer.
const HORIZON: f64 = 1.0;

/// The least and the longest that a worker waits for a place in a channel's rate, in seconds.
const SLOT_WAIT: (f64, f64) = (0.02, 60.0);

/// A queue that filled a moment ago is not what the statistics say it is: left alone, the planner reads and sorts all of it each
/// time (64 ms in place of 1 ms at 10,000 messages). Every way here has an index, in the order that is wanted; and a way that is
/// ruled out looks so dear that it would be compiled first.
const BY_INDEX: &str = "set local jit = off; set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off; \
     set local enable_hashjoin = off; set local enable_mergejoin = off";

/// How many leases that are over are ended at a time.
const MOST_ENDED: i64 = 1000;

/// Deliveries of workers that are gone are due again, and it is on record that they were tried, from when they were taken. How
/// long that went on is not known; the column takes no null, and whoever reads it shows none.
const END_LEASES: &str = "with gone as (select id, next_attempt_at as began_at from synthex.notification_deliveries where state = 'sending' \
       and leased_until < clock_timestamp() and ($1::text is null or workspace = $1) \
       order by id limit $2 for update skip locked), \
     freed as (update synthex.notification_deliveries as d set state = 'retrying', leased_by = null, leased_until = null, \
       next_attempt_at = least(d.next_attempt_at, $3), lost = d.lost + 1, last_code = 'worker_lost', \
       last_error = 'the worker that was sending it did not say what came of it' from gone where d.id = gone.id \
       returning d.id, d.attempts, d.workspace, gone.began_at) \
     insert into synthex.delivery_attempts (delivery, attempt, workspace, began_at, latency_ms, outcome, code) \
     select id, attempts, workspace, least(began_at, $3), 0, 'transient', 'worker_lost' from freed where attempts > 0 on conflict do nothing";

/// What may be sent, were it not for the rate. An older one that is open, with the same key, goes first, where both are about
/// the same thing: a message of alerts does not wait for one of others. That is asked in a form that the planner can only
/// answer by the index, whatever it believes about a table that was empty a minute ago; and of messages of very many alerts
/// it is not asked which they are.
const DUE: &str = "from synthex.notification_deliveries as d \
     left join synthex.channel_status as s on s.workspace = d.workspace and s.channel = d.channel \
     where d.state in ('pending', 'retrying') and d.next_attempt_at <= $1 and ($2::text is null or d.workspace = $2) \
     and ($3::uuid[] is null or d.notification = any($3)) and (s.paused_until is null or s.paused_until <= $1) \
     and not exists (select from unnest($4::text[], $5::text[]) as b (workspace, channel) \
      where b.workspace = d.workspace and b.channel = d.channel) \
     and (d.ordering_key = '' or not coalesce((select true from synthex.notification_deliveries as o \
      where o.workspace = d.workspace and o.channel = d.channel and o.target = d.target and o.ordering_key = d.ordering_key \
      and o.seq < d.seq and o.state in ('pending', 'sending', 'retrying') \
      and (o.notification = d.notification or coalesce((select cardinality(m.alerts) = 0 or cardinality(n.alerts) = 0 \
       or cardinality(m.alerts)::bigint * cardinality(n.alerts) > 100000 or m.alerts && n.alerts \
       from synthex.notifications as m, synthex.notifications as n where m.id = o.notification and n.id = d.notification), true)) \
      limit 1), false))";

/// Places in the rates of channels that have one.
const RATES: &str = "select s.workspace, s.channel, \
      greatest(extract(epoch from s.next_slot_at - clock_timestamp()), 0)::float8 from synthex.channel_status as s \
     join unnest($1::text[], $2::text[]) as k (workspace, channel) on s.workspace = k.workspace and s.channel = k.channel \
     order by 1, 2 for update of s skip locked";

const KNOW: &str = "insert into synthex.channel_status (workspace, channel) \
     select * from unnest($1::text[], $2::text[]) order by 1, 2 on conflict do nothing";

const TAKE_PLACES: &str = "update synthex.channel_status as s set next_slot_at = clock_timestamp() + make_interval(secs => k.seconds) \
     from unnest($1::text[], $2::text[], $3::float8[]) as k (workspace, channel, seconds) \
     where s.workspace = k.workspace and s.channel = k.channel";

/// From now on `next_attempt_at` is when the attempt began: the lease says when it ends, by another clock.
const TAKE: &str = "update synthex.notification_deliveries as d set state = 'sending', leased_by = $2, lease_token = d.lease_token + 1, \
      leased_until = clock_timestamp() + make_interval(secs => $3), attempts = d.attempts + 1, \
      next_attempt_at = $4, first_tried_at = coalesce(d.first_tried_at, $4) where d.id = any($1::uuid[]) \
     returning d.id, d.lease_token, d.attempts, d.lost, d.notification, d.workspace, d.channel, d.target, d.ordering_key, \
      d.is_fallback, d.seq";

/// What is told, once for each notification: many deliveries may share one, and it may tell of thousands of alerts.
const TELLS: &str = "select n.id, n.content::text, n.created_at, cardinality(n.alerts) > 0 and not exists ( \
      select from unnest(n.alerts) as t (id) left join synthex.alerts as a on a.id = t.id where a.status is distinct from 'resolved') \
     from synthex.notifications as n where n.id = any($1::uuid[])";

/// What a notification tells.
struct Tells {
    message: Result<Arc<Message>, String>,
    created_at: DateTime<Utc>,
    are_over: bool,
}

/// A delivery that may be taken.
struct Candidate {
    id: Uuid,
    channel: ChannelKey,
    has_rate: bool,
}

/// Takes deliveries; to be run within a transaction.
///
/// # Errors
/// Whatever the database reports.
pub(super) async fn claim(
    connection: &mut PgConnection,
    workspace: Option<&str>,
    wanted: &Wanted,
) -> Result<Claimed, sqlx::Error> {
    connection.execute(BY_INDEX).await?;
    let query = sqlx::query(END_LEASES).bind(workspace).bind(MOST_ENDED).bind(wanted.now).persistent(false);
    query.execute(&mut *connection).await?;
    bring_nearer(connection, workspace, wanted.now).await?;
    let mut candidates = candidates(connection, workspace, wanted).await?;
    if candidates.is_empty() {
        let next_slot = next_slot(connection, workspace, wanted).await?;
        return Ok(Claimed { claims: Vec::new(), next_slot });
    }
    let mut counts: HashMap<&ChannelKey, usize> = HashMap::new();
    let keep: Vec<bool> = candidates
        .iter()
        .map(|candidate| {
            let count = counts.entry(&candidate.channel).or_default();
            *count += 1;
            *count <= wanted.most_per_channel
        })
        .collect();
    let mut keep = keep.into_iter();
    candidates.retain(|_| keep.next().unwrap_or_default());
    let keys: BTreeSet<ChannelKey> = candidates.iter().map(|candidate| candidate.channel.clone()).collect();
    let known: HashMap<ChannelKey, Arc<Channel>> = channels(connection, &keys, wanted.now)
        .await?
        .into_iter()
        .map(|(key, channel)| (key, Arc::new(channel)))
        .collect();
    let waits = places(connection, &candidates, &known).await?;
    let claims = take(connection, wanted, &waits, &known).await?;
    // Where all that was found waits for a place in a rate that somebody else is giving out, it is asked again soon.
    let next_slot = claims.is_empty().then(|| Duration::from_secs_f64(SLOT_WAIT.0));
    Ok(Claimed { claims, next_slot })
}

fn due<'q>(
    query: sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>,
    workspace: Option<&'q str>,
    wanted: &'q Wanted,
) -> sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments> {
    let (workspaces, names): (Vec<&str>, Vec<&str>) =
        wanted.busy.iter().map(|(workspace, name)| (workspace.as_str(), name.as_str())).unzip();
    query.bind(wanted.now).bind(workspace).bind(wanted.only.as_deref()).bind(workspaces).bind(names)
}

async fn candidates(
    connection: &mut PgConnection,
    workspace: Option<&str>,
    wanted: &Wanted,
) -> Result<Vec<Candidate>, sqlx::Error> {
    let most = wanted.most.min(wanted.most_per_channel.saturating_mul(2));
    let sql = format!(
        "select d.id, d.workspace, d.channel, s.next_slot_at is not null {DUE} \
         and (s.next_slot_at is null or s.next_slot_at <= clock_timestamp() + make_interval(secs => $6)) \
         order by d.next_attempt_at, d.seq limit $7 for update of d skip locked"
    );
    let query = due(sqlx::query(AssertSqlSafe(sql)), workspace, wanted);
    let query = query.bind(HORIZON).bind(i64::try_from(most).unwrap_or(i64::MAX)).persistent(false);
    let mut candidates = Vec::new();
    for row in query.fetch_all(connection).await? {
        candidates.push(Candidate {
            id: row.try_get(0)?,
            channel: (row.try_get(1)?, row.try_get(2)?),
            has_rate: row.try_get(3)?,
        });
    }
    Ok(candidates)
}

async fn next_slot(
    connection: &mut PgConnection,
    workspace: Option<&str>,
    wanted: &Wanted,
) -> Result<Option<Duration>, sqlx::Error> {
    // For each channel the first one that may be sent will do.
    let sql = format!(
        "select extract(epoch from min(c.next_slot_at) - clock_timestamp())::float8 from synthex.channel_status as c \
         where c.next_slot_at is not null and coalesce((select true {DUE} \
          and d.workspace = c.workspace and d.channel = c.channel limit 1), false)"
    );
    let query = due(sqlx::query(AssertSqlSafe(sql)), workspace, wanted).persistent(false);
    let seconds: Option<f64> = query.fetch_one(connection).await?.try_get(0)?;
    // Places are given out that far ahead.
    Ok(seconds
        .map(|seconds| Duration::from_secs_f64((seconds - HORIZON / 2.0).clamp(SLOT_WAIT.0, SLOT_WAIT.1))))
}

/// Which candidates may be sent, and how long each waits for its turn.
async fn places(
    connection: &mut PgConnection,
    candidates: &[Candidate],
    known: &HashMap<ChannelKey, Arc<Channel>>,
) -> Result<HashMap<Uuid, Duration>, sqlx::Error> {
    let rate = |key: &ChannelKey| known.get(key).and_then(|channel| interval(channel.usable().ok()?));
    let limited: BTreeSet<&ChannelKey> = candidates
        .iter()
        .filter(|candidate| candidate.has_rate || rate(&candidate.channel).is_some())
        .map(|candidate| &candidate.channel)
        .collect();
    let mut waits = HashMap::with_capacity(candidates.len());
    let mut free: BTreeMap<ChannelKey, f64> = BTreeMap::new();
    if !limited.is_empty() {
        let (workspaces, names): (Vec<&str>, Vec<&str>) =
            limited.iter().map(|(workspace, name)| (workspace.as_str(), name.as_str())).unzip();
        let query = sqlx::query(KNOW).bind(&workspaces).bind(&names).persistent(false);
        query.execute(&mut *connection).await?;
        let query = sqlx::query(RATES).bind(&workspaces).bind(&names).persistent(false);
        for row in query.fetch_all(&mut *connection).await? {
            // A channel that never sent has no next place yet, which is one at once.
            let wait: Option<f64> = row.try_get(2)?;
            free.insert((row.try_get(0)?, row.try_get(1)?), wait.unwrap_or_default());
        }
    }
    for candidate in candidates {
        if !limited.contains(&candidate.channel) {
            waits.insert(candidate.id, Duration::ZERO);
            continue;
        }
        // Whose row another worker has locked gives places to that one now.
        let Some(next) = free.get_mut(&candidate.channel).filter(|next| **next <= HORIZON) else { continue };
        waits.insert(candidate.id, Duration::from_secs_f64(*next));
        *next += rate(&candidate.channel).unwrap_or_default().as_secs_f64();
    }
    if !free.is_empty() {
        let (mut workspaces, mut names, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
        for ((workspace, name), next) in free {
            workspaces.push(workspace);
            names.push(name);
            seconds.push(next);
        }
        let query = sqlx::query(TAKE_PLACES).bind(workspaces).bind(names).bind(seconds).persistent(false);
        query.execute(connection).await?;
    }
    Ok(waits)
}

async fn take(
    connection: &mut PgConnection,
    wanted: &Wanted,
    waits: &HashMap<Uuid, Duration>,
    known: &HashMap<ChannelKey, Arc<Channel>>,
) -> Result<Vec<Claim>, sqlx::Error> {
    if waits.is_empty() {
        return Ok(Vec::new());
    }
    let query = sqlx::query(TAKE)
        .bind(waits.keys().copied().collect::<Vec<_>>())
        .bind(&wanted.worker)
        .bind(wanted.lease.as_secs_f64())
        .bind(wanted.now)
        .persistent(false);
    let rows = query.fetch_all(&mut *connection).await?;
    let mut notifications: Vec<Uuid> =
        rows.iter().map(|row| row.try_get(4)).collect::<Result<_, sqlx::Error>>()?;
    notifications.sort_unstable();
    notifications.dedup();
    let tells = tells(connection, &notifications).await?;
    let mut claims: Vec<(i64, Claim)> = Vec::with_capacity(rows.len());
    for row in rows {
        let key: ChannelKey = (row.try_get(5)?, row.try_get(6)?);
        let (delivery, notification): (Uuid, Uuid) = (row.try_get(0)?, row.try_get(4)?);
        let Some(tells) = tells.get(&notification) else { continue };
        let claim = Claim {
            delivery,
            token: row.try_get(1)?,
            attempt: row.try_get(2)?,
            lost: row.try_get(3)?,
            notification,
            message: tells.message.clone(),
            channel: known.get(&key).cloned().unwrap_or_else(|| Arc::new(missing(&key))),
            target: row.try_get(7)?,
            ordering_key: row.try_get(8)?,
            is_fallback: row.try_get(9)?,
            created_at: tells.created_at,
            are_over: tells.are_over,
            wait: waits.get(&delivery).copied().unwrap_or_default(),
        };
        claims.push((row.try_get(10)?, claim));
    }
    claims.sort_unstable_by_key(|(seq, _)| *seq);
    Ok(claims.into_iter().map(|(_, claim)| claim).collect())
}

async fn tells(
    connection: &mut PgConnection,
    notifications: &[Uuid],
) -> Result<HashMap<Uuid, Tells>, sqlx::Error> {
    let query = sqlx::query(TELLS).bind(notifications).persistent(false);
    let mut found = HashMap::with_capacity(notifications.len());
    for row in query.fetch_all(connection).await? {
        let message = serde_json::from_str(row.try_get(1)?).map(Arc::new).map_err(|error| error.to_string());
        let tells = Tells { message, created_at: row.try_get(2)?, are_over: row.try_get(3)? };
        found.insert(row.try_get(0)?, tells);
    }
    Ok(found)
}

fn missing((workspace, name): &ChannelKey) -> Channel {
    Channel {
        workspace: workspace.clone(),
        name: name.clone(),
        spec: Err("it is not there".to_owned()),
        digest: None,
        is_deleted: true,
        gone: None,
    }
}
