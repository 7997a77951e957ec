//! What the status page of the controller shows: always so many rows and no more, and a few statements for each page, however
//! many tenants there are.

mod lists;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use uuid::Uuid;

use crate::engine::StateError;
use crate::engine::watching::{Condition, ConditionStatus, ConditionType, Realm, SourceRecord};
use crate::kinds;

use super::connect::{Connection, in_transaction};
use super::error::within;

pub use lists::{CredentialLine, Found, HealthLine, LineWish, TenantLine};

/// How many workspaces the first page shows.
const MOST_WORKSPACES: i64 = 200;

/// A controller that was not heard of for so long is lost.
const LOST: &str = "interval '60 seconds'";

/// The first page.
#[derive(Clone, Debug, Default)]
pub struct Stand {
    /// Workspaces, those that need somebody first.
    pub workspaces: Vec<WorkspaceLine>,
    /// How many there are.
    pub workspace_count: i64,
    /// How many tenants there are.
    pub tenant_count: i64,
    /// What is said of those workspaces.
    pub conditions: Vec<Condition>,
    /// The controllers.
    pub replicas: Vec<ReplicaLine>,
    /// What is known of the manifests.
    pub source: Option<SourceRecord>,
    /// What is counted.
    pub counts: Vec<Count>,
}

/// A workspace.
#[derive(Clone, Debug)]
pub struct WorkspaceLine {
    /// Its name.
    pub name: String,
    /// How many tenants it has.
    pub tenants: i64,
    /// How many of its rows were written past synthex, and not set back.
    pub edited: i64,
    /// Why it is left alone, who said so, and until when.
    pub pause: Option<(String, String, Option<DateTime<Utc>>)>,
}

/// A controller.
#[derive(Clone, Debug)]
pub struct ReplicaLine {
    /// Its id.
    pub id: Uuid,
    /// The machine.
    pub host: String,
    /// Its process there.
    pub pid: i64,
    /// The version of the program.
    pub version: String,
    /// `observe` or `enforce`.
    pub mode: String,
    /// Where its endpoints are.
    pub listen: Option<String>,
    /// Whether it reconciles.
    pub is_leader: bool,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it was last heard of.
    pub seen_at: DateTime<Utc>,
    /// Whether that is too long ago.
    pub is_lost: bool,
}

/// How many of something there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Of what: `delivery`, `alert`, `credential`.
    pub what: String,
    /// Which of them: a state, a severity, the time that is left.
    pub which: String,
    /// How many.
    pub count: i64,
}

/// What is muted is told to nobody, and not counted. An acknowledgement that ended holds no more.
const COUNTS: &str = "select 'delivery' as what, state as which, count(*) from synthex.notification_deliveries \
      where state in ('pending', 'sending', 'retrying', 'failed', 'dead') group by 2 \
     union all select 'alert', severity, count(*) from synthex.alerts \
      where (status = 'firing' or status = 'acknowledged' and ack_until <= $1) and cardinality(muted_by) = 0 group by 2 \
     union all select 'alert', 'unrouted', count(*) from synthex.alerts where status = 'unrouted' \
     union all select 'credential', left_over, count(*) from (select case when e.ends is null then 'unknown' \
       when e.ends <= $1 then 'expired' when e.ends < $1 + interval '1 day' then 'day' \
       when e.ends < $1 + interval '7 days' then 'week' when e.ends < $1 + interval '30 days' then 'month' else 'later' end as left_over \
      from synthex.credentials as c \
      left join synthex.credential_status as s on s.workspace = c.workspace and s.credential = c.id \
      cross join lateral coalesce(s.observed_expires_at, c.declared_expires_at) as e (ends) \
      where c.deleted_at is null and c.status <> 'revoked') as b group by 2";

const CONDITIONS: &str = "select workspace, type, status, reason, message, revision, since from synthex.watch_conditions \
     where project = $1 and environment = $2 and workspace = any($3::text[]) order by workspace, type";

const SOURCE: &str = "select source, observed, observed_at, problem, good, good_at, applied, applied_at, operations_seen, held, held_by from synthex.watch_sources \
     where project = $1 and environment = $2";

impl Connection {
    /// Everything that the first page shows, in one look.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn stand(&mut self, realm: &Realm, now: DateTime<Utc>) -> Result<Stand, StateError> {
        let limit = self.timeout;
        let work = in_transaction(&mut self.inner, async |connection| {
            let mut stand = Stand::default();
            read_workspaces(connection, realm, now, &mut stand).await?;
            let names: Vec<&str> = stand.workspaces.iter().map(|own| own.name.as_str()).collect();
            let query = sqlx::query(CONDITIONS).bind(&realm.project).bind(&realm.environment).bind(names);
            let rows = query.persistent(false).fetch_all(&mut *connection).await?;
            let found = rows.iter().map(condition).collect::<Result<Vec<_>, _>>()?;
            stand.conditions = found.into_iter().flatten().collect();
            stand.replicas = read_replicas(connection, realm).await?;
            let query = sqlx::query(SOURCE).bind(&realm.project).bind(&realm.environment).persistent(false);
            let row = query.fetch_optional(&mut *connection).await?;
            stand.source = row.as_ref().map(source).transpose()?;
            stand.counts = read_counts(connection, now).await?;
            Ok(stand)
        });
        within(limit, "reading how everything stands", work).await
    }

    /// How many deliveries, alerts and credentials are in which state.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn counts(&mut self, now: DateTime<Utc>) -> Result<Vec<Count>, StateError> {
        let limit = self.timeout;
        let work = in_transaction(&mut self.inner, async |connection| read_counts(connection, now).await);
        within(limit, "counting", work).await
    }
}

async fn read_counts(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<Vec<Count>, sqlx::Error> {
    let rows = sqlx::query(COUNTS).bind(now).persistent(false).fetch_all(connection).await?;
    let one =
        |row: &PgRow| Ok(Count { what: row.try_get(0)?, which: row.try_get(1)?, count: row.try_get(2)? });
    rows.iter().map(one).collect()
}

async fn read_workspaces(
    connection: &mut PgConnection,
    realm: &Realm,
    now: DateTime<Utc>,
    stand: &mut Stand,
) -> Result<(), sqlx::Error> {
    let mut edited = String::new();
    for table in kinds::stored().filter_map(|kind| kind.table.as_ref()) {
        let column = if table.name == "workspaces" { "name" } else { "workspace" };
        let join = if edited.is_empty() { "" } else { " union all " };
        edited.push_str(&format!(
            "{join}select {column} as workspace from synthex.{} where touched_at is not null",
            table.name
        ));
    }
    // Generated from the registry: the names of tables come from there and from nowhere else.
    let sql = format!(
        "with t as (select workspace, count(*) as n from synthex.tenants where deleted_at is null group by 1), \
          e as (select workspace, count(*) as n from ({edited}) as a group by 1), \
          c as (select workspace, count(*) as n from synthex.watch_conditions where project = $1 and environment = $2 \
           and (type in ('Ready', 'Synced', 'Healthy') and status <> 'True' or type in ('Stalled', 'Flapping') and status = 'True') \
           group by 1) \
         select w.name, coalesce(t.n, 0), coalesce(e.n, 0), p.reason, p.actor, p.until, count(*) over (), \
          (select coalesce(sum(n), 0)::bigint from t) \
         from synthex.workspaces as w left join t on t.workspace = w.name left join e on e.workspace = w.name \
         left join c on c.workspace = w.name \
         left join synthex.pauses as p on p.workspace = w.name and (p.until is null or p.until > $3) \
         where w.deleted_at is null order by coalesce(c.n, 0) desc, coalesce(e.n, 0) desc, w.name limit $4"
    );
    let query = sqlx::query(AssertSqlSafe(sql))
        .bind(&realm.project)
        .bind(&realm.environment)
        .bind(now)
        .bind(MOST_WORKSPACES)
        .persistent(false);
    for row in query.fetch_all(connection).await? {
        let reason: Option<String> = row.try_get(3)?;
        let pause = match reason {
            Some(reason) => Some((reason, row.try_get(4)?, row.try_get(5)?)),
            None => None,
        };
        stand.workspaces.push(WorkspaceLine {
            name: row.try_get(0)?,
            tenants: row.try_get(1)?,
            edited: row.try_get(2)?,
            pause,
        });
        stand.workspace_count = row.try_get(6)?;
        stand.tenant_count = row.try_get(7)?;
    }
    Ok(())
}

async fn read_replicas(
    connection: &mut PgConnection,
    realm: &Realm,
) -> Result<Vec<ReplicaLine>, sqlx::Error> {
    let sql = format!(
        "select id, host, pid, version, mode, listen, exists (select from synthex.leases as l where l.holder = r.id \
          and starts_with(l.name, 'watch:') and l.expires_at > clock_timestamp()) as is_leader, started_at, seen_at, seen_at < clock_timestamp() - {LOST} \
         from synthex.watch_replicas as r where project = $1 and environment = $2 and seen_at > clock_timestamp() - interval '1 day' \
         order by is_leader desc, seen_at < clock_timestamp() - {LOST}, host, pid limit 50"
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(&realm.project).bind(&realm.environment);
    let one = |row: &PgRow| {
        Ok(ReplicaLine {
            id: row.try_get(0)?,
            host: row.try_get(1)?,
            pid: row.try_get(2)?,
            version: row.try_get(3)?,
            mode: row.try_get(4)?,
            listen: row.try_get(5)?,
            is_leader: row.try_get(6)?,
            started_at: row.try_get(7)?,
            seen_at: row.try_get(8)?,
            is_lost: row.try_get(9)?,
        })
    };
    query.persistent(false).fetch_all(connection).await?.iter().map(one).collect()
}

/// `None` of one that a newer version wrote.
fn condition(row: &PgRow) -> Result<Option<Condition>, sqlx::Error> {
    let (of, status) =
        (ConditionType::from_code(row.try_get(1)?), ConditionStatus::from_code(row.try_get(2)?));
    let (Some(of), Some(status)) = (of, status) else { return Ok(None) };
    Ok(Some(Condition {
        workspace: row.try_get(0)?,
        of,
        status,
        reason: row.try_get(3)?,
        message: row.try_get(4)?,
        revision: row.try_get(5)?,
        since: row.try_get(6)?,
    }))
}

fn source(row: &PgRow) -> Result<SourceRecord, sqlx::Error> {
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
