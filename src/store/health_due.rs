//! Health checks that are due, and what there is to be looked at at all: told in one statement where nothing is, and in sets.
//!
//! What is looked at has a row from the moment it is declared, so that what is due is found by an index, and not by going
//! through everything that there is. Disk and memory are of one machine: nobody else looks at them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::engine::StateError;
use crate::engine::health::{CheckKey, Claim};

use super::connect::{Connection, in_transaction};
use super::error::{explain, within};
use super::health::{Columns, key};
use super::turns::{MARKS, moment, of_seconds, text};

/// What a look shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HealthLook {
    /// What was changed last: to be kept with the turn once it is looked at.
    pub marks: String,
    /// Whether something was declared since the last time, or that is long ago, and nobody is looking for it.
    pub is_changed: bool,
    /// Whether something is due that nobody is looking at.
    pub is_due: bool,
    /// When the next check is due, of those that are not yet.
    pub next_at: Option<DateTime<Utc>>,
    /// How many things are looked at that belong to no workspace, this machine's among them.
    pub general: i64,
}

/// Something that is to be looked at, and how often at least, in seconds.
#[derive(Clone, Debug)]
pub struct WantedCheck {
    /// What.
    pub claim: Claim,
    /// The longest time between two looks.
    pub longest: f64,
}

/// What this machine may look at; whether what is declared is in force is found elsewhere.
const OURS: &str = "h.service <> 'sync' and (h.service not in ('disk', 'memory') or h.subject = @host)";

/// A turn that is due in more than seven hours was written by a clock that was ahead.
const LOOK: &str = "with marks as materialized (select @marks as said), \
     turn as (select (t.seen is distinct from marks.said or t.due_at <= @now or t.due_at > @now + interval '7 hours') \
        and (t.claimed_until is null or t.claimed_until <= clock_timestamp()) as is_changed \
       from synthex.watch_turns as t cross join marks where t.task = 'health' and t.workspace = '') \
     select (select said from marks), coalesce((select is_changed from turn), true), \
      exists (select from synthex.health_status as h where h.due_at <= @now \
       and (h.claimed_until is null or h.claimed_until <= clock_timestamp()) and @ours), \
      (select extract(epoch from min(h.due_at))::float8 from synthex.health_status as h where h.due_at > @now and @ours), \
      (select count(*) from synthex.health_status as h where h.workspace = '' and @ours)";

const DUE: &str = "select h.workspace, h.service, h.subject, h.tenant from synthex.health_status as h where h.due_at <= $1 \
      and (h.claimed_until is null or h.claimed_until <= clock_timestamp()) \
      and h.service <> 'sync' and (h.service not in ('disk', 'memory') or h.subject = $2) \
     order by h.due_at, h.workspace, h.service, h.subject limit $3";

const OPEN: &str = "insert into synthex.health_status (workspace, service, subject, tenant, status, since, last_status, code, \
      message, checked_at, due_at) \
     select w, s, b, t, 'unknown', $5, 'unknown', 'never_checked', 'it was not looked at yet', $5, $5 \
     from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as u (w, s, b, t) order by w, s, b on conflict do nothing";

/// What nobody looks at by himself is due now; what would wait for longer than it should, by an interval that was longer or by
/// a clock that was ahead, waits no longer.
const NEARER: &str = "with late as (select h.workspace, h.service, h.subject, \
       case when h.due_at is null or h.checked_at > $5 + interval '10 minutes' then $5 \
        else h.checked_at + make_interval(secs => u.longest) end as at \
       from synthex.health_status as h join unnest($1::text[], $2::text[], $3::text[], $4::float8[]) as u (w, s, b, longest) \
        on (h.workspace, h.service, h.subject) = (w, s, b) \
       where (h.claimed_until is null or h.claimed_until <= clock_timestamp()) and (h.due_at is null \
        or h.checked_at > $5 + interval '10 minutes' or h.due_at > h.checked_at + make_interval(secs => u.longest + 1)) \
       order by 1, 2, 3 for update of h skip locked) \
     update synthex.health_status as h set due_at = late.at from late \
     where (h.workspace, h.service, h.subject) = (late.workspace, late.service, late.subject)";

const PARK: &str = "with idle as (select h.workspace, h.service, h.subject, h.code = 'never_checked' as is_new \
       from synthex.health_status as h join unnest($1::text[], $2::text[], $3::text[]) as u (w, s, b) \
        on (h.workspace, h.service, h.subject) = (w, s, b) \
       where h.claimed_until is null or h.claimed_until <= clock_timestamp() order by 1, 2, 3 for update of h skip locked), \
     never as (delete from synthex.health_status as h using idle as i \
       where i.is_new and (h.workspace, h.service, h.subject) = (i.workspace, i.service, i.subject)) \
     update synthex.health_status as h set due_at = null from idle as i \
     where not i.is_new and (h.workspace, h.service, h.subject) = (i.workspace, i.service, i.subject)";

impl Connection {
    /// Whether there is anything to look at, in one statement.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn look_for_health(
        &mut self,
        host: &str,
        now: DateTime<Utc>,
    ) -> Result<HealthLook, StateError> {
        let doing = "looking which health checks are due";
        let sql = LOOK
            .replace("@ours", OURS)
            .replace("@marks", MARKS)
            .replace("@now", &moment(now))
            .replace("@host", &text(host));
        let rows = self.look(sql, doing).await?;
        let read = |row: &PgRow| {
            Ok(HealthLook {
                marks: row.try_get(0)?,
                is_changed: row.try_get(1)?,
                is_due: row.try_get(2)?,
                next_at: of_seconds(row.try_get(3)?),
                general: row.try_get(4)?,
            })
        };
        rows.first().map_or(Ok(HealthLook::default()), read).map_err(|error| explain(error, doing))
    }

    /// What is due, what is due the longest first; with the tenant it is about.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn due_health(
        &mut self,
        host: &str,
        now: DateTime<Utc>,
        most: i64,
    ) -> Result<HashMap<CheckKey, Option<String>>, StateError> {
        let limit = self.timeout;
        let work = in_transaction(&mut self.inner, async |connection| {
            let query = sqlx::query(DUE).bind(now).bind(host).bind(most).persistent(false);
            let rows = query.fetch_all(connection).await?;
            rows.iter().map(|row| Ok((key(row, 0)?, row.try_get(3)?))).collect()
        });
        within(limit, "reading which health checks are due", work).await
    }

    /// Has these looked at from now on: what has no row gets one that is due at once.
    ///
    /// # Errors
    /// Whatever the database reports; nothing was written.
    pub async fn want_health(
        &mut self,
        wanted: &[WantedCheck],
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        let limit = self.timeout;
        let Columns { workspaces, services, subjects } =
            Columns::of(wanted.iter().map(|wanted| &wanted.claim.key));
        let tenants: Vec<Option<&str>> = wanted.iter().map(|wanted| wanted.claim.tenant.as_deref()).collect();
        let longest: Vec<f64> = wanted.iter().map(|wanted| wanted.longest).collect();
        let work = in_transaction(&mut self.inner, async |connection| {
            let open =
                sqlx::query(OPEN).bind(&workspaces).bind(&services).bind(&subjects).bind(&tenants).bind(now);
            open.persistent(false).execute(&mut *connection).await?;
            let nearer = sqlx::query(NEARER)
                .bind(&workspaces)
                .bind(&services)
                .bind(&subjects)
                .bind(&longest)
                .bind(now);
            nearer.persistent(false).execute(connection).await.map(|_| ())
        });
        within(limit, "noting what is to be looked at", work).await
    }

    /// Has nobody look at these by himself any more: their tenant is suspended, or nothing of it is declared. What was never
    /// looked at is forgotten.
    ///
    /// # Errors
    /// Whatever the database reports; nothing was written.
    pub async fn park_health(&mut self, keys: &[CheckKey]) -> Result<(), StateError> {
        let limit = self.timeout;
        let Columns { workspaces, services, subjects } = Columns::of(keys);
        let work = in_transaction(&mut self.inner, async |connection| {
            let query = sqlx::query(PARK).bind(workspaces).bind(services).bind(subjects).persistent(false);
            query.execute(connection).await.map(|_| ())
        });
        within(limit, "noting what is looked at no more", work).await
    }
}
