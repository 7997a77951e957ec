//! Whose turn it is to be evaluated: workspaces in which time or a change may have something to say.
//!
//! What changed is found by comparing, and not by the time of a change: clocks differ, and transactions end in another order
//! than they began. Of each workspace it is kept what was seen when it was last evaluated: how things stand that are not well,
//! which alerts are acknowledged, and whose expiry is another than its alert says. What is declared is told by the newest
//! operations and foreign writes, on a row for all workspaces; whoever sees new ones makes the workspaces due that they touch.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::engine::StateError;

use super::connect::{Connection, in_transaction};
use super::error::{explain, within};
use super::turns::{MARKS, moment, of_seconds};

/// A workspace whose turn is ours.
#[derive(Clone, Debug)]
pub struct AlertTurn {
    /// The workspace; empty for the turn of all: what was declared since is looked for then.
    pub workspace: String,
    /// What is seen now.
    pub seen: String,
    /// What was seen the last time.
    pub was: Option<String>,
    /// Whether how something stands is another than the last time, or nobody knows whether it is.
    pub is_of_health: bool,
}

/// What there is to do.
#[derive(Clone, Debug, Default)]
pub struct AlertTurns {
    /// Turns that are ours for a while.
    pub taken: Vec<AlertTurn>,
    /// When the next one is due, of those that are not yet.
    pub next_at: Option<DateTime<Utc>>,
    /// Whether there is a turn of all. Without it nothing is ever due.
    pub is_open: bool,
}

/// What became of a turn.
#[derive(Clone, Debug)]
pub struct EndedTurn {
    /// The workspace.
    pub workspace: String,
    /// When it is due again.
    pub due_at: DateTime<Utc>,
    /// What was seen. With [`FAILED`] before it, it counts as not evaluated.
    pub seen: String,
    /// When that was.
    pub done_at: DateTime<Utc>,
}

/// Stands before what was seen where the evaluation failed: the next one takes everything for changed.
pub const FAILED: char = '!';

/// One statement that says what is due and claims it. `@now` and so on are written out.
///
/// A result that comes again and again is news up to twenty times: no threshold is higher, and an outage would have each
/// workspace evaluated for each of its results otherwise. And what changes all the time is looked at every five seconds at
/// most. A turn that is due in more than a day was written by a clock that was ahead.
const TAKE: &str = "with marks as materialized (select @marks as said), \
     unwell as materialized (select workspace, md5(string_agg(concat_ws('|', service, subject, status, last_status, code, \
        least(failures, 20), least(successes, 20), greatest(least(severe, 20), -20)), ',' order by service, subject)) as said \
       from synthex.health_status where (status <> 'healthy' or last_status <> 'healthy' or failures > 0) \
        and code <> 'never_checked' group by workspace), \
     known as materialized (select workspace, md5(string_agg(concat_ws('|', id, acknowledged_at, ack_until), ',' order by id)) as said \
       from synthex.alerts where status = 'acknowledged' group by workspace), \
     moved as materialized (select a.workspace, md5(string_agg(concat_ws('|', a.id, s.observed_expires_at), ',' order by a.id)) as said \
       from synthex.alerts as a join synthex.credential_status as s on s.workspace = a.workspace and s.credential = a.subject_id \
       where a.status <> 'resolved' and a.subject_id is not null and s.observed_expires_at is not null \
        and s.observed_expires_at is distinct from a.expires_at group by a.workspace), \
     due as materialized (select t.workspace, t.seen as was, y.next, y.is_of_health from synthex.watch_turns as t cross join marks \
       left join unwell as u on u.workspace = t.workspace left join unwell as g on g.workspace = '' \
       left join known as k on k.workspace = t.workspace left join moved as m on m.workspace = t.workspace \
       cross join lateral (select ltrim(coalesce(t.seen, ''), '!') as old, coalesce(u.said, '') || '+' || coalesce(g.said, '') as health, \
         coalesce(k.said, '') as known, coalesce(m.said, '') as moved) as x \
       cross join lateral (select \
         case when t.workspace = '' then marks.said else x.health || '/' || x.known || '/' || x.moved end as next, \
         t.seen is null or t.seen like '!%' or x.health <> split_part(x.old, '/', 1) as is_of_health, \
         case when t.workspace = '' then t.seen is distinct from marks.said \
          else t.seen is not null and (x.health <> split_part(x.old, '/', 1) \
           or x.known not in ('', split_part(x.old, '/', 2)) or x.moved not in ('', split_part(x.old, '/', 3))) end as is_news) as y \
       where t.task = 'alerts' \
        and (t.claimed_until is null or t.claimed_until <= clock_timestamp() or t.claimed_by = '@replica') \
        and (t.due_at <= @now or t.due_at > @now + interval '25 hours' \
         or y.is_news and (t.done_at is null or t.done_at > @now or t.done_at <= @now - interval '5 seconds')) \
       order by t.workspace <> '', t.due_at, t.workspace limit @most for update of t skip locked), \
     taken as (update synthex.watch_turns as t set claimed_by = '@replica', \
        claimed_until = clock_timestamp() + make_interval(secs => @lease) \
       from due where t.task = 'alerts' and t.workspace = due.workspace returning t.workspace, due.next, due.was, due.is_of_health) \
     select workspace, next, was, is_of_health, null::float8, null::boolean from taken union all \
     select null, null, null, null, (select extract(epoch from min(due_at))::float8 from synthex.watch_turns \
       where task = 'alerts' and due_at > @now), \
      exists (select from synthex.watch_turns where task = 'alerts' and workspace = '')";

const OPEN: &str = "insert into synthex.watch_turns (task, workspace, due_at) values ('alerts', '', $1) on conflict do nothing";

const ADD: &str = "insert into synthex.watch_turns (task, workspace, due_at) \
     select 'alerts', name, $1 from synthex.workspaces where deleted_at is null and name <> '' order by name on conflict do nothing";

const DROP: &str = "with gone as (select t.task, t.workspace from synthex.watch_turns as t where t.task = 'alerts' and t.workspace <> '' \
       and not exists (select from synthex.workspaces as w where w.name = t.workspace and w.deleted_at is null) \
       order by t.workspace for update) \
     delete from synthex.watch_turns as t using gone where t.task = gone.task and t.workspace = gone.workspace";

/// A claim on a workspace that changed meanwhile is void: who has it read what was there before, and says nothing of when it
/// is due. What was seen before was its own newest numbers: what is not among them, and is not older than all of them, is new.
const MARK: &str = "with old as materialized (select coalesce(string_to_array(nullif(split_part($2, ';', 1), ''), ',')::bigint[], '{}') as o, \
       coalesce(string_to_array(nullif(split_part($2, ';', 2), ''), ',')::bigint[], '{}') as d), \
     changed as materialized ( \
       select i.workspace from old cross join synthex.batch_operations as b \
        join synthex.batch_operation_items as i on i.operation_id = b.id \
        where b.revision > coalesce((select min(x) from unnest(old.o) as x), 0) and b.revision <> all(old.o) \
       union select e.workspace from old cross join synthex.drift_events as e \
        where e.id > coalesce((select min(x) from unnest(old.d) as x), 0) and e.id <> all(old.d)), \
     mine as (select t.workspace from synthex.watch_turns as t where t.task = 'alerts' and t.workspace <> '' \
       and t.workspace in (select workspace from changed) order by t.workspace for update) \
     update synthex.watch_turns as t set due_at = least(t.due_at, $1), claimed_by = null, claimed_until = null \
     from mine where t.task = 'alerts' and t.workspace = mine.workspace";

const END: &str = "with mine as (select t.workspace from synthex.watch_turns as t where t.task = 'alerts' and t.claimed_by = $1 \
       and t.workspace = any($2) order by t.workspace for update) \
     update synthex.watch_turns as t set due_at = u.due_at, seen = u.seen, done_at = u.done_at, claimed_by = null, claimed_until = null \
     from unnest($2::text[], $3::timestamptz[], $4::text[], $5::timestamptz[]) as u (workspace, due_at, seen, done_at) \
     join mine on mine.workspace = u.workspace where t.task = 'alerts' and t.workspace = u.workspace";

impl Connection {
    /// Claims workspaces whose turn it is, at most so many; in one statement, also where there is nothing to do. What is due
    /// goes by `now`, claims go by the clock of the database. The turn of all comes first.
    ///
    /// # Errors
    /// Whatever the database reports; nothing was claimed.
    pub async fn take_alert_turns(
        &mut self,
        replica: Uuid,
        lease: Duration,
        now: DateTime<Utc>,
        most: usize,
    ) -> Result<AlertTurns, StateError> {
        let doing = "looking whose alerts are to be evaluated";
        let sql = TAKE
            .replace("@marks", MARKS)
            .replace("@now", &moment(now))
            .replace("@replica", &replica.to_string())
            .replace("@lease", &lease.as_secs_f64().to_string())
            .replace("@most", &most.to_string());
        let rows = self.look(sql, doing).await?;
        let mut turns = AlertTurns::default();
        for row in &rows {
            read(row, &mut turns).map_err(|error| explain(error, doing))?;
        }
        Ok(turns)
    }

    /// Makes the turn of all, which is due at once.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn open_alert_turns(&mut self, now: DateTime<Utc>) -> Result<(), StateError> {
        let limit = self.timeout;
        let work = in_transaction(&mut self.inner, async |connection| {
            sqlx::query(OPEN).bind(now).persistent(false).execute(connection).await.map(|_| ())
        });
        within(limit, "beginning to evaluate alerts by turns", work).await
    }

    /// Gives each living workspace a turn, takes that of those that are gone, and makes due what was changed since something
    /// was seen.
    ///
    /// # Errors
    /// Whatever the database reports; nothing was written.
    pub async fn spread_alert_turns(
        &mut self,
        was: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        let limit = self.timeout;
        let work = in_transaction(&mut self.inner, async |connection| {
            sqlx::query(ADD).bind(now).persistent(false).execute(&mut *connection).await?;
            sqlx::query(DROP).persistent(false).execute(&mut *connection).await?;
            if let Some(was) = was {
                sqlx::query(MARK).bind(now).bind(was).persistent(false).execute(connection).await?;
            }
            Ok(())
        });
        within(limit, "looking what was declared since", work).await
    }

    /// Ends turns that are still ours.
    ///
    /// # Errors
    /// Whatever the database reports; nothing was written.
    pub async fn end_alert_turns(&mut self, replica: Uuid, ended: &[EndedTurn]) -> Result<(), StateError> {
        let limit = self.timeout;
        let work = in_transaction(&mut self.inner, async |connection| {
            let query = sqlx::query(END)
                .bind(replica)
                .bind(ended.iter().map(|turn| turn.workspace.as_str()).collect::<Vec<_>>())
                .bind(ended.iter().map(|turn| turn.due_at).collect::<Vec<_>>())
                .bind(ended.iter().map(|turn| turn.seen.as_str()).collect::<Vec<_>>())
                .bind(ended.iter().map(|turn| turn.done_at).collect::<Vec<_>>());
            query.persistent(false).execute(connection).await.map(|_| ())
        });
        within(limit, "ending turns", work).await
    }
}

fn read(row: &PgRow, turns: &mut AlertTurns) -> Result<(), sqlx::Error> {
    match row.try_get::<Option<String>, _>(0)? {
        Some(workspace) => turns.taken.push(AlertTurn {
            workspace,
            seen: row.try_get(1)?,
            was: row.try_get(2)?,
            is_of_health: row.try_get(3)?,
        }),
        None => {
            turns.next_at = of_seconds(row.try_get(4)?);
            turns.is_open = row.try_get(5)?;
        }
    }
    Ok(())
}
