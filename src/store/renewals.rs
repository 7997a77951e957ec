//! Which credentials are due to be renewed, and turns that nobody waits for.
//!
//! The database only picks what may be due, in one statement, however many credentials there are; the rule itself is
//! `watch::tasks::renewal`, and what is picked here is judged by it again.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{Executor as _, PgConnection, Row as _};

use crate::engine::credentials::{Subject, Turns};
use crate::engine::{StateError, StateErrorKind};
use crate::kinds::credential;
use crate::model::ResourceKey;

use super::connect::{Connection, in_transaction};
use super::credentials::{RenewalTurn, RenewalTurns};
use super::error::within;

/// What picks the credentials that may be due. Times are seconds.
#[derive(Clone, Copy, Debug)]
pub struct Pick<'p> {
    /// The project. Credentials of other projects are left alone: their secrets are not here.
    pub project: &'p str,
    /// Which part of a life is the lead: one in so many.
    pub share: i32,
    /// The shortest lead.
    pub least_lead: i64,
    /// The longest lead.
    pub most_lead: i64,
    /// After how long a credential is renewed of which nobody knows when it ends.
    pub unknown_life: i64,
    /// How long a pair is left alone after a renewal.
    pub pause: i64,
    /// How long anything else is.
    pub exchange_pause: i64,
    /// The shortest wait after a failure; it doubles with each one.
    pub least_wait: i64,
    /// Where it stops doubling, at the shortest.
    pub most_wait: i64,
    /// How many are read at once.
    pub most: i64,
}

/// A credential that may be due.
#[derive(Clone, Debug)]
pub struct Renewable {
    /// What is renewed.
    pub subject: Subject,
    /// When its access token ends.
    pub access_ends: Option<DateTime<Utc>>,
    /// When it ends unless a person does something.
    pub ends: Option<DateTime<Utc>>,
    /// When it was issued, as far as is known.
    pub issued_at: DateTime<Utc>,
    /// When it was last renewed.
    pub renewed_at: Option<DateTime<Utc>>,
    /// When that was last tried.
    pub tried_at: Option<DateTime<Utc>>,
    /// How often that failed since it last did not.
    pub failures: i64,
}

/// What is due.
#[derive(Clone, Debug)]
pub struct Due {
    /// When this was looked at, by the clock of the database.
    pub now: DateTime<Utc>,
    /// How many may be due, also those that were not read.
    pub count: i64,
    /// When one that is not due yet is.
    pub next_at: Option<DateTime<Utc>>,
    /// Those that may be due, the longest due first, and those that failed before behind the others.
    pub credentials: Vec<Renewable>,
}

/// What is observed wins over what is declared; the declared end of a pair that was renewed since is that of another pair,
/// and an exchange makes no grant younger.
/// Somebody may have written `infinity`, or a year before our era, which no calendar here reaches. Leads are seconds, never
/// days: a day of the session's time zone may have 23 hours.
const DUE: &str = "with clock as materialized (select clock_timestamp() as now), \
     known as (select c.workspace, c.name, c.renewal = 'shopify-refresh-token' as gives_a_pair, \
       case when c.renewal = 'shopify-refresh-token' then s.access_expires_at end as access_ends, \
       coalesce(s.observed_expires_at, case when c.renewal <> 'shopify-refresh-token' or s.last_renewed_at is null \
        then c.declared_expires_at end) as ends, \
       coalesce(case when c.renewal = 'shopify-refresh-token' then s.last_renewed_at end, c.declared_issued_at, c.created_at) \
        as issued, \
       s.last_renewed_at as renewed, s.renewal_tried_at as tried, coalesce(s.renewal_failures, 0) as failures \
      from synthex.credentials as c \
      join synthex.workspaces as w on w.name = c.workspace and w.deleted_at is null \
      join synthex.tenants as t on t.workspace = c.workspace and t.name = c.tenant and t.deleted_at is null \
       and t.status <> 'suspended' \
      left join synthex.credential_status as s on s.workspace = c.workspace and s.credential = c.id \
      where c.renewal <> 'none' and c.status = 'active' and c.deleted_at is null \
       and (c.owner is null or c.owner in ('cli', $1))), \
     bound as (select k.workspace, k.name, k.gives_a_pair, k.renewed, k.tried, k.failures, \
       case when k.access_ends is not null then least(greatest(k.access_ends, timestamptz '0001-01-02 00:00Z'), \
        timestamptz '9999-12-31 00:00Z') end as access_end, \
       case when k.ends is not null then least(greatest(k.ends, timestamptz '0001-01-02 00:00Z'), \
        timestamptz '9999-12-31 00:00Z') end as whole_end, \
       least(greatest(k.issued, timestamptz '0001-01-02 00:00Z'), timestamptz '9999-12-31 00:00Z') as issue \
      from known as k), \
     due as materialized (select b.*, case when b.failures > 0 and b.tried is not null \
        then b.tried + make_interval(secs => least($8::float8 * power(2, least(b.failures, 16) - 1), $9::float8)) \
       else greatest(coalesce(least( \
          b.access_end - make_interval(secs => least(greatest(extract(epoch from b.access_end - b.renewed)::float8 / $2, \
           $3::float8), $4::float8)), \
          b.whole_end - make_interval(secs => least(greatest(extract(epoch from b.whole_end - b.issue)::float8 / $2, \
           $3::float8), $4::float8))), \
         b.renewed + make_interval(secs => $5::float8), '-infinity'), \
        b.renewed + make_interval(secs => case when b.gives_a_pair then $6::float8 else $7::float8 end)) end as at \
      from bound as b), \
     first as (select d.* from due as d, clock where d.at <= clock.now \
      order by d.failures > 0, d.at, d.workspace, d.name limit $10) \
     select clock.now, (select count(*) from due as d where d.at <= clock.now), \
      (select min(d.at) from due as d where d.at > clock.now), f.workspace, f.name, c.id, c.tenant, c.service, c.renewal, \
      c.secret_ref::text, t.shopify_shop, t.gmc_merchant_id, f.access_end, f.whole_end, f.issue, f.renewed, f.tried, f.failures \
     from clock left join (first as f join synthex.credentials as c on c.workspace = f.workspace and c.name = f.name \
      join synthex.tenants as t on t.workspace = c.workspace and t.name = c.tenant) on true \
     order by f.failures > 0, f.at, f.workspace, f.name";

fn renewable(row: &PgRow) -> Result<Option<Renewable>, sqlx::Error> {
    let Some(workspace) = row.try_get::<Option<&str>, _>(3)? else { return Ok(None) };
    let word = |at: usize| row.try_get::<String, _>(at).map(serde_json::Value::String);
    let secret_ref: &str = row.try_get(9)?;
    // What was written by hand and makes no sense is left alone.
    let (Ok(service), Ok(renewal), Ok(secret_ref)) = (
        serde_json::from_value(word(7)?),
        serde_json::from_value(word(8)?),
        serde_json::from_str(secret_ref),
    ) else {
        return Ok(None);
    };
    let subject = Subject {
        key: ResourceKey::new(&credential::KIND, Arc::from(workspace), row.try_get(4)?),
        id: row.try_get(5)?,
        tenant: row.try_get(6)?,
        service,
        renewal,
        secret_ref,
        shop: row.try_get(10)?,
        merchant: row.try_get(11)?,
        is_revoked: false,
    };
    Ok(Some(Renewable {
        subject,
        access_ends: row.try_get(12)?,
        ends: row.try_get(13)?,
        issued_at: row.try_get(14)?,
        renewed_at: row.try_get(15)?,
        tried_at: row.try_get(16)?,
        failures: row.try_get(17)?,
    }))
}

impl Connection {
    /// The credentials that may be due to be renewed, and when the next one is.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn due_renewals(&mut self, pick: &Pick<'_>) -> Result<Due, StateError> {
        let limit = self.timeout;
        let work = in_transaction(&mut self.inner, async |connection| {
            let query = sqlx::query(DUE)
                .bind(pick.project)
                .bind(pick.share)
                .bind(pick.least_lead)
                .bind(pick.most_lead)
                .bind(pick.unknown_life)
                .bind(pick.pause)
                .bind(pick.exchange_pause)
                .bind(pick.least_wait)
                .bind(pick.most_wait)
                .bind(pick.most)
                .persistent(false);
            let rows = query.fetch_all(connection).await?;
            let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
            let mut due = Due {
                now: first.try_get(0)?,
                count: first.try_get(1)?,
                next_at: first.try_get(2)?,
                credentials: Vec::new(),
            };
            for row in &rows {
                due.credentials.extend(renewable(row)?);
            }
            Ok(due)
        });
        within(limit, "looking which credentials are due to be renewed", work).await
    }
}

/// Turns that nobody waits for: one that somebody else holds, or has had since it was found due, is `LeaseHeld`. So many
/// controllers share what is due, and none of them renews what another one has just renewed.
#[derive(Clone, Debug)]
pub struct FreeTurns {
    /// The turns.
    pub turns: RenewalTurns,
    /// When they were found due, by the clock of the database.
    pub found_at: DateTime<Utc>,
}

impl Turns for FreeTurns {
    type Turn = RenewalTurn;

    async fn take(&self, turn: &str) -> Result<RenewalTurn, StateError> {
        let mut connection = self.turns.options.connect().await?;
        let work = lock_free(&mut connection.inner, turn, &self.turns.actor, self.found_at);
        match within(connection.timeout, "taking the turn to renew", work).await? {
            Some(now) => Ok(RenewalTurn { connection, now }),
            None => {
                connection.close().await;
                Err(StateError::new(StateErrorKind::LeaseHeld, format!("somebody else renews {turn}")))
            }
        }
    }
}

async fn lock_free(
    connection: &mut PgConnection,
    turn: &str,
    actor: &str,
    found_at: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    connection
        .execute(
            "begin; set local lock_timeout = '1s'; set local idle_in_transaction_session_timeout = '120s'",
        )
        .await?;
    // A row that somebody else is about to add makes this wait; nobody is in that line for long.
    let add =
        "insert into synthex.renewal_turns (turn, holder) values ($1, $2) on conflict (turn) do nothing";
    let added = sqlx::query(add).bind(turn).bind(actor).persistent(false).execute(&mut *connection).await;
    let is_new = match added {
        Ok(done) => done.rows_affected() > 0,
        Err(error) if is_locked(&error) => return give_back(connection).await,
        Err(error) => return Err(error),
    };
    let set = "update synthex.renewal_turns as r set holder = $2, taken_at = clock_timestamp() \
         from (select turn from synthex.renewal_turns where turn = $1 and ($3 or taken_at <= $4) for update skip locked) as free \
         where r.turn = free.turn returning clock_timestamp()";
    let query = sqlx::query(set).bind(turn).bind(actor).bind(is_new).bind(found_at).persistent(false);
    match query.fetch_optional(&mut *connection).await? {
        Some(row) => row.try_get(0).map(Some),
        None => give_back(connection).await,
    }
}

async fn give_back<T>(connection: &mut PgConnection) -> Result<Option<T>, sqlx::Error> {
    connection.execute("rollback").await.map(|_| None)
}

/// Whether somebody else holds what was waited for.
fn is_locked(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some("55P03"))
}
