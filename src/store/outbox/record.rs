//! Records what came of deliveries: all of a set in one transaction, with the rows of inboxes, what was learnt of channels,
//! and what is told through fallbacks.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::{Executor as _, PgConnection, Row as _};
use uuid::Uuid;

use crate::engine::delivery::{Fate, Record, notices};

use super::enqueue::enqueue_as;
use super::rows::short;

/// How long an error is that is kept, in characters.
const MOST_ERROR: usize = 1000;
/// How long a reason is that is kept, in characters.
const MOST_REASON: usize = 300;

/// What is not ours any more is not touched: the token says so. What is recorded already, by a commit whose answer was lost,
/// counts.
const RECORD: &str = "with r as materialized (select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::text[], \
       $6::text[], $7::timestamptz[], $8::bigint[], $9::text[], $10::bigint[], $11::text[], $12::text[], $13::text[]) \
       as r (id, token, fate, next_at, code, why, began_at, latency_ms, outcome, status, response, title, body)), \
     u as (update synthex.notification_deliveries as d set \
       state = case when r.fate <> 'released' then r.fate when d.attempts > 1 then 'retrying' else 'pending' end, \
       next_attempt_at = coalesce(r.next_at, d.next_attempt_at), \
       reason = case when r.fate = 'suppressed' then left(r.why, $15) end, \
       last_code = case when r.fate = 'released' then d.last_code else r.code end, \
       last_error = case when r.fate = 'released' then d.last_error else r.why end, \
       attempts = d.attempts - case when r.began_at is null then 1 else 0 end, \
       first_tried_at = case when r.began_at is not null or d.attempts > 1 then d.first_tried_at end, \
       lost = case when r.began_at is null then d.lost else 0 end, leased_by = null, leased_until = null, \
       finished_at = case when r.fate in ('sent', 'failed', 'dead', 'suppressed') then $14::timestamptz end \
       from r where d.id = r.id and d.lease_token = r.token and d.state = 'sending' \
       returning d.id, d.workspace, d.channel, d.target, d.notification, d.attempts), \
     a as (insert into synthex.delivery_attempts (delivery, attempt, workspace, began_at, latency_ms, outcome, status, code, response) \
       select u.id, u.attempts, u.workspace, r.began_at, r.latency_ms, r.outcome, r.status, r.code, r.response \
       from u join r on r.id = u.id where r.began_at is not null on conflict do nothing), \
     i as (insert into synthex.inbox_items (id, workspace, channel, recipient, notification, severity, title, body, created_at) \
       select u.id, u.workspace, u.channel, u.target, u.notification, n.severity, r.title, r.body, $14 \
       from u join r on r.id = u.id join synthex.notifications as n on n.id = u.notification where r.title is not null \
       on conflict (id) do nothing) \
     select id from u union all select d.id from r join synthex.notification_deliveries as d on d.id = r.id and d.lease_token = r.token \
       and d.state = r.fate and d.finished_at is not null";

const LEARNT: &str = "insert into synthex.channel_status as s (workspace, channel, paused_until, disabled_at, disabled_reason, \
      disabled_digest, next_slot_at, last_sent_at, last_failed_at, last_code) \
     select workspace, channel, paused_until, case when gone is not null then $9::timestamptz end, gone, digest, \
      clock_timestamp() + make_interval(secs => wait), case when is_sent then $9 end, case when code is not null then $9 end, code \
     from unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::bytea[], $6::float8[], $7::boolean[], $8::text[]) \
      as l (workspace, channel, paused_until, gone, digest, wait, is_sent, code) order by 1, 2 \
     on conflict (workspace, channel) do update set paused_until = greatest(s.paused_until, excluded.paused_until), \
      disabled_at = case when excluded.disabled_at is null and excluded.last_sent_at is null then s.disabled_at \
       else excluded.disabled_at end, \
      disabled_reason = case when excluded.disabled_at is null then s.disabled_reason else excluded.disabled_reason end, \
      disabled_digest = case when excluded.disabled_at is null then s.disabled_digest else excluded.disabled_digest end, \
      next_slot_at = greatest(s.next_slot_at, excluded.next_slot_at), \
      last_sent_at = greatest(s.last_sent_at, excluded.last_sent_at), \
      last_failed_at = greatest(s.last_failed_at, excluded.last_failed_at), last_code = coalesce(excluded.last_code, s.last_code)";

/// Records what came of deliveries, and says which of them counted.
///
/// # Errors
/// Whatever the database reports.
pub(super) async fn record(
    connection: &mut PgConnection,
    records: &[Record],
    now: DateTime<Utc>,
) -> Result<HashSet<Uuid>, sqlx::Error> {
    // Each row is found by its key, whatever the statistics say of a table that was empty a moment ago.
    connection.execute("set local enable_seqscan = off; set local enable_mergejoin = off").await?;
    let counted = outcomes(connection, records, now).await?;
    let counts = |record: &&Record| counted.contains(&record.claim.delivery);
    learn(connection, records.iter().filter(counts), now).await?;
    let notices = notices(records.iter().filter(counts), now);
    enqueue_as(connection, &notices, now, true).await?;
    Ok(counted)
}

async fn outcomes(
    connection: &mut PgConnection,
    records: &[Record],
    now: DateTime<Utc>,
) -> Result<HashSet<Uuid>, sqlx::Error> {
    let attempts = || records.iter().map(|record| record.attempt.as_ref());
    let whole = |number: u128| i64::try_from(number).unwrap_or(i64::MAX);
    let retries = records.iter().map(|record| match record.fate {
        Fate::Retrying(at) => Some(at),
        _ => None,
    });
    let inbox = || records.iter().map(|record| record.inbox.as_ref());
    let query = sqlx::query(RECORD)
        .bind(records.iter().map(|record| record.claim.delivery).collect::<Vec<_>>())
        .bind(records.iter().map(|record| record.claim.token).collect::<Vec<_>>())
        .bind(records.iter().map(|record| record.fate.code()).collect::<Vec<_>>())
        .bind(retries.collect::<Vec<_>>())
        .bind(records.iter().map(|record| record.code).collect::<Vec<_>>())
        .bind(
            records.iter().map(|record| Some(short(record.why.as_deref()?, MOST_ERROR))).collect::<Vec<_>>(),
        )
        .bind(attempts().map(|attempt| Some(attempt?.began_at)).collect::<Vec<_>>())
        .bind(attempts().map(|attempt| Some(whole(attempt?.latency.as_millis()))).collect::<Vec<_>>())
        .bind(attempts().map(|attempt| Some(attempt?.outcome)).collect::<Vec<_>>())
        .bind(attempts().map(|attempt| attempt?.status.map(i64::from)).collect::<Vec<_>>())
        .bind(
            attempts()
                .map(|attempt| Some(attempt?.response.as_deref()?.replace('\0', "")))
                .collect::<Vec<Option<String>>>(),
        )
        .bind(inbox().map(|inbox| Some(short(&inbox?.0, usize::MAX))).collect::<Vec<_>>())
        .bind(inbox().map(|inbox| Some(short(&inbox?.1, usize::MAX))).collect::<Vec<_>>())
        .bind(now)
        .bind(i32::try_from(MOST_REASON).unwrap_or(i32::MAX));
    let rows = query.persistent(false).fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// What was learnt of one channel.
#[derive(Default)]
struct Learnt<'r> {
    paused_until: Option<DateTime<Utc>>,
    gone: Option<String>,
    digest: Option<&'r [u8]>,
    wait: Option<f64>,
    is_sent: bool,
    code: Option<&'static str>,
}

async fn learn<'r>(
    connection: &mut PgConnection,
    records: impl Iterator<Item = &'r Record>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let mut channels: BTreeMap<(&str, &str), Learnt<'_>> = BTreeMap::new();
    for record in records.filter(|record| record.attempt.is_some()) {
        let channel = &record.claim.channel;
        let learnt = channels.entry((&channel.workspace, &channel.name)).or_default();
        learnt.paused_until = learnt.paused_until.max(record.paused_until);
        if let Some(said) = &record.gone {
            learnt.gone = Some(short(said, MOST_REASON));
            learnt.digest = channel.digest.as_deref();
        }
        let wait = record.wait.map(|wait| wait.as_secs_f64());
        learnt.wait = if wait > learnt.wait { wait } else { learnt.wait };
        match record.fate {
            Fate::Sent => learnt.is_sent = true,
            _ => learnt.code = Some(record.code),
        }
    }
    if channels.is_empty() {
        return Ok(());
    }
    let (workspaces, names): (Vec<&str>, Vec<&str>) = channels.keys().copied().unzip();
    let query = sqlx::query(LEARNT)
        .bind(workspaces)
        .bind(names)
        .bind(channels.values().map(|learnt| learnt.paused_until).collect::<Vec<_>>())
        .bind(channels.values().map(|learnt| learnt.gone.as_deref()).collect::<Vec<_>>())
        .bind(channels.values().map(|learnt| learnt.digest).collect::<Vec<_>>())
        .bind(channels.values().map(|learnt| learnt.wait).collect::<Vec<_>>())
        .bind(channels.values().map(|learnt| learnt.is_sent).collect::<Vec<_>>())
        .bind(channels.values().map(|learnt| learnt.code).collect::<Vec<_>>())
        .bind(now);
    query.persistent(false).execute(connection).await.map(|_| ())
}
