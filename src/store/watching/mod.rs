//! The books of the controller, by what it sees that something happened, and which controllers run.

mod books;

use std::sync::Arc;

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::engine::StateError;
use crate::engine::watching::{Realm, Replica, RolledBack, Stamp};
use crate::kinds;
use crate::model::{KindRef, ResourceKey};

use super::connect::{Connection, in_transaction};
use super::error::within;
use super::turns::MARKS;

/// One statement, of which each part is answered from an index.
fn stamp() -> String {
    format!(
        "select coalesce((select max(revision) from synthex.batch_operations), 0), {MARKS}, {PAUSES}, \
         (select max(since) from synthex.health_status)"
    )
}

const PAUSES: &str = "coalesce((select string_agg(workspace || '@' || paused_at || '@' || coalesce(until::text, '') || reason, ',' order by workspace) \
        from synthex.pauses where until is null or until > clock_timestamp()), '')";

/// What other operations of the project came since. One that goes back to an earlier state is over once something else was
/// applied on top of it.
const ROLLED_BACK: &str = "select r.revision, r.actor, r.note, exists ( \
        select from synthex.batch_operations as later where later.project = r.project \
         and coalesce(later.environment, '') = coalesce(r.environment, '') and later.revision > r.revision \
         and later.status in ('applied', 'partly-applied') and later.command in ('apply', 'ci apply')), r.finished_at, \
      (select before.commit_sha from synthex.batch_operations as before where before.project = r.project \
        and coalesce(before.environment, '') = coalesce(r.environment, '') and before.revision < r.revision \
        and before.status in ('applied', 'partly-applied') and before.command in ('apply', 'ci apply', 'watch') \
        order by before.revision desc limit 1) \
     from synthex.batch_operations as r where r.project = $1 and coalesce(r.environment, '') = $2 and r.revision > $3 \
      and r.command = 'rollback' and r.status in ('applied', 'partly-applied') order by r.revision desc limit 1";

/// Replicas that have not said anything for so long are not shown.
const REPLICAS: &str = "select id, host, pid, version, mode, listen, exists (select from synthex.leases as l where l.holder = r.id \
      and starts_with(l.name, 'watch:') and l.expires_at > clock_timestamp()) as is_leader, started_at, seen_at, tasks \
     from synthex.watch_replicas as r \
     where project = $1 and environment = $2 and seen_at > clock_timestamp() - interval '5 minutes' order by is_leader desc, host, pid";

const SAY: &str = "insert into synthex.watch_replicas as r (id, project, environment, host, pid, version, mode, listen, is_leader, \
      started_at, seen_at, tasks) \
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp(), clock_timestamp(), $10) \
     on conflict (id) do update set is_leader = excluded.is_leader, mode = excluded.mode, seen_at = clock_timestamp(), tasks = excluded.tasks";

const LEAVE: &str = "delete from synthex.watch_replicas where id = $1";

/// Who wrote each of these last: through synthex, or past it.
const WRITERS: &str = "select u.k, u.w, u.n, last.actor, last.command, last.revision \
     from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as u (k, w, n, t) cross join lateral ( \
        (select o.actor, o.command, o.revision, o.finished_at as at from synthex.batch_operation_items as i \
          join synthex.batch_operations as o on o.id = i.operation_id \
          where i.workspace = u.w and i.kind = u.t and i.name = u.n and i.outcome = 'applied' order by o.revision desc limit 1) \
        union all \
        (select e.actor, null, null, e.occurred_at from synthex.drift_events as e \
          where e.workspace = u.w and e.kind = u.t and e.name = u.n order by e.id desc limit 1) \
        order by at desc limit 1) as last";

/// Who wrote a resource last.
#[derive(Clone, Debug)]
pub struct LastWriter {
    /// The resource.
    pub key: ResourceKey,
    /// Who: a person or a machine, or the database role where it was written past synthex.
    pub actor: String,
    /// The command and the number of the operation; `None` where it was written past synthex.
    pub operation: Option<(String, i64)>,
}

const HEALTH: &str = "select h.workspace, count(*) filter (where h.status = 'healthy'), count(*) filter (where h.status = 'degraded'), \
      count(*) filter (where h.status = 'unhealthy'), count(*) filter (where h.status = 'unknown'), \
      (array_agg(h.service || ' ' || h.subject || ': ' || h.message order by (h.status = 'unhealthy') desc, h.service, h.subject) \
       filter (where h.status in ('unhealthy', 'degraded')))[1] \
     from synthex.health_status as h where h.workspace <> '' and h.service <> 'sync' group by h.workspace";

/// Workspaces among these that were deleted, and are in no row that lives.
const GONE: &str = "select w.name from synthex.workspaces as w where w.name = any($1) \
     group by w.name having bool_and(w.deleted_at is not null)";

/// How the health of a workspace stands: healthy, degraded, unhealthy, unknown, and the first that is not well.
pub type HealthOf = (String, [i64; 4], Option<String>);

impl Connection {
    /// By what a controller sees that something happened.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn stamp(&mut self) -> Result<Stamp, StateError> {
        let limit = self.timeout;
        let work = async {
            let row = sqlx::raw_sql(sqlx::AssertSqlSafe(stamp())).fetch_one(&mut self.inner).await?;
            Ok(Stamp {
                operation: row.try_get(0)?,
                marks: row.try_get(1)?,
                pauses: row.try_get(2)?,
                health: row.try_get(3)?,
            })
        };
        within(limit, "looking whether something happened", work).await
    }

    /// The newest rollback after an operation.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn rolled_back(&mut self, realm: &Realm, after: i64) -> Result<Option<RolledBack>, StateError> {
        let limit = self.timeout;
        let work = in_transaction(&mut self.inner, async |inner| {
            let query = sqlx::query(ROLLED_BACK).bind(&realm.project).bind(&realm.environment).bind(after);
            let row = query.persistent(false).fetch_optional(inner).await?;
            row.map(|row| {
                Ok(RolledBack {
                    operation: row.try_get(0)?,
                    actor: row.try_get(1)?,
                    note: row.try_get(2)?,
                    is_over: row.try_get(3)?,
                    at: row.try_get(4)?,
                    commit: row.try_get(5)?,
                })
            })
            .transpose()
        });
        within(limit, "looking for rollbacks", work).await
    }

    /// Who wrote each of these last.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn last_writers(&mut self, keys: &[ResourceKey]) -> Result<Vec<LastWriter>, StateError> {
        let limit = self.timeout;
        let columns = Columns::of(keys.iter());
        let tables: Vec<&str> =
            keys.iter().map(|key| key.kind.table.as_ref().map_or("", |table| table.name)).collect();
        let work = in_transaction(&mut self.inner, async |inner| {
            let query =
                sqlx::query(WRITERS).bind(&columns.kinds).bind(&columns.workspaces).bind(&columns.names);
            let rows = query.bind(&tables).persistent(false).fetch_all(inner).await?;
            let found = rows.iter().map(|row| {
                let (command, operation): (Option<String>, Option<i64>) = (row.try_get(4)?, row.try_get(5)?);
                let operation = command.zip(operation);
                Ok::<_, sqlx::Error>(LastWriter { key: key(row, 0)?, actor: row.try_get(3)?, operation })
            });
            found.collect()
        });
        within(limit, "looking who wrote last", work).await
    }

    /// How the health of each workspace stands.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn health_of_workspaces(&mut self) -> Result<Vec<HealthOf>, StateError> {
        let limit = self.timeout;
        let work = async {
            let rows = sqlx::raw_sql(HEALTH).fetch_all(&mut self.inner).await?;
            let found = rows.iter().map(|row| {
                let counts = [row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?];
                Ok::<_, sqlx::Error>((row.try_get(0)?, counts, row.try_get(5)?))
            });
            found.collect()
        };
        within(limit, "looking how workspaces stand", work).await
    }

    /// The controllers that said something lately, the one that reconciles first.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn replicas(&mut self, realm: &Realm) -> Result<Vec<Replica>, StateError> {
        let limit = self.timeout;
        let work = in_transaction(&mut self.inner, async |inner| {
            let query = sqlx::query(REPLICAS).bind(&realm.project).bind(&realm.environment);
            let rows = query.persistent(false).fetch_all(inner).await?;
            rows.iter().map(replica).collect()
        });
        within(limit, "looking which controllers run", work).await
    }

    /// Which of these workspaces were deleted. What is said of them stays until a controller looks again.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn gone(&mut self, workspaces: &[String]) -> Result<Vec<String>, StateError> {
        let limit = self.timeout;
        let work = in_transaction(&mut self.inner, async |inner| {
            sqlx::query_scalar(GONE).bind(workspaces).persistent(false).fetch_all(inner).await
        });
        within(limit, "looking which workspaces are left", work).await
    }

    /// Says that a controller runs, and how.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn say_replica(&mut self, realm: &Realm, replica: &Replica) -> Result<(), StateError> {
        let limit = self.timeout;
        let work = in_transaction(&mut self.inner, async |inner| {
            let query = sqlx::query(SAY)
                .bind(replica.id)
                .bind(&realm.project)
                .bind(&realm.environment)
                .bind(&replica.host)
                .bind(replica.pid)
                .bind(&replica.version)
                .bind(&replica.mode)
                .bind(&replica.listen)
                .bind(replica.is_leader)
                .bind(&replica.tasks)
                .persistent(false);
            query.execute(inner).await.map(|_| ())
        });
        within(limit, "saying that this controller runs", work).await
    }

    /// Says that a controller has ended.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn end_replica(&mut self, id: Uuid) -> Result<(), StateError> {
        let limit = self.timeout;
        let work = in_transaction(&mut self.inner, async |inner| {
            sqlx::query(LEAVE).bind(id).persistent(false).execute(inner).await.map(|_| ())
        });
        within(limit, "saying that this controller ends", work).await
    }
}

pub(super) fn unknown(what: &str, word: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{what} {word}").into())
}

pub(super) fn key(row: &PgRow, at: usize) -> Result<ResourceKey, sqlx::Error> {
    let kind: &str = row.try_get(at)?;
    let kind: KindRef = kinds::stored().find(|own| own.slug == kind).ok_or_else(|| unknown("kind", kind))?;
    let workspace: Arc<str> = row.try_get::<String, _>(at + 1)?.into();
    Ok(ResourceKey::new(kind, workspace, row.try_get::<&str, _>(at + 2)?))
}

fn replica(row: &PgRow) -> Result<Replica, sqlx::Error> {
    Ok(Replica {
        id: row.try_get(0)?,
        host: row.try_get(1)?,
        pid: row.try_get(2)?,
        version: row.try_get(3)?,
        mode: row.try_get(4)?,
        listen: row.try_get(5)?,
        is_leader: row.try_get(6)?,
        started_at: row.try_get(7)?,
        seen_at: row.try_get(8)?,
        tasks: row.try_get(9)?,
    })
}

/// Keys as columns.
struct Columns<'k> {
    kinds: Vec<&'static str>,
    workspaces: Vec<&'k str>,
    names: Vec<&'k str>,
}

impl<'k> Columns<'k> {
    fn of(keys: impl Iterator<Item = &'k ResourceKey>) -> Self {
        let mut columns = Self { kinds: Vec::new(), workspaces: Vec::new(), names: Vec::new() };
        for key in keys {
            columns.kinds.push(key.kind.slug);
            columns.workspaces.push(&key.workspace);
            columns.names.push(&key.name);
        }
        columns
    }
}
