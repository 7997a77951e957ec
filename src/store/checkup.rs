//! What `doctor` asks the database: what the server is, what this role may do, and what of the product is not well. Each
//! question has a transaction of its own, so that one that fails takes no other with it.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use crate::engine::StateError;
use crate::kinds;

use super::connect::{Connection, in_transaction};
use super::error::within;

/// What the server says of itself, and of us.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its version, for people.
    pub version: String,
    /// The same as a number: 160004 is 16.4.
    pub version_number: i32,
    /// The role that we are.
    pub role: String,
    /// Whether no right is ever denied to it.
    pub is_superuser: bool,
    /// Whether it follows another server and takes no writes.
    pub is_standby: bool,
    /// Whether transactions of this role, or to this database, only read unless they ask for more.
    pub is_read_only: bool,
    /// Whether we may make a schema in the database.
    pub may_create: bool,
    /// Its clock.
    pub now: DateTime<Utc>,
    /// How many connections of clients there are.
    pub connections: i64,
    /// How many there may be.
    pub most_connections: i64,
}

const SERVER: &str = "select current_setting('server_version'), current_setting('server_version_num')::int, \
     current_user::text, coalesce((select rolsuper from pg_roles where rolname = current_user), false), \
     pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on', \
     has_database_privilege(current_database(), 'create'), clock_timestamp(), \
     (select count(*) from pg_stat_activity where backend_type = 'client backend'), \
     current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint";

/// What this role may do in the tables of synthex.
#[derive(Clone, Debug, Default)]
pub struct Rights {
    /// Whether what it writes counts as synthex's own.
    pub is_owner: bool,
    /// Whether row-level security shows it one workspace at a time.
    pub is_confined: bool,
    /// The tables that it may not read.
    pub unreadable: Vec<String>,
    /// The tables that it may not write.
    pub unwritable: Vec<String>,
}

/// The tables that every apply writes besides those of what is declared.
const OF_EVERY_APPLY: [&str; 4] = ["batch_operations", "batch_operation_items", "drift_events", "leases"];

const RIGHTS: &str = "select name, has_table_privilege('synthex.' || name, 'select'), \
     has_table_privilege('synthex.' || name, 'insert') and has_table_privilege('synthex.' || name, 'update'), \
     row_security_active('synthex.' || name), has_table_privilege('synthex.' || name, 'TRIGGER WITH GRANT OPTION') \
     from unnest($1::text[]) as t (name) where to_regclass('synthex.' || name) is not null order by 1";

/// A controller that was heard of within the last minute.
#[derive(Clone, Debug)]
pub struct Controller {
    /// The project it looks after.
    pub project: String,
    /// The environment of the project; empty where it has none.
    pub environment: String,
    /// Its machine.
    pub host: String,
    /// Its process there.
    pub pid: i64,
    /// The version of the program.
    pub version: String,
    /// Whether it corrects, or only observes.
    pub mode: String,
    /// Whether it is the one that reconciles.
    pub is_leader: bool,
}

const CONTROLLERS: &str = "select project, environment, host, pid, version, mode, exists (select from synthex.leases as l \
      where l.holder = r.id and starts_with(l.name, 'watch:') and l.expires_at > clock_timestamp()) from synthex.watch_replicas as r \
     where seen_at > clock_timestamp() - interval '1 minute' order by project, environment, host, pid";

/// Messages that did not get through a channel, of the last week.
#[derive(Clone, Debug)]
pub struct Undelivered {
    /// The workspace of the channel.
    pub workspace: String,
    /// The channel.
    pub channel: String,
    /// How many.
    pub count: i64,
    /// When the oldest of them was queued.
    pub oldest: DateTime<Utc>,
    /// The clock of the database.
    pub now: DateTime<Utc>,
}

const UNDELIVERED: &str = "select workspace, channel, count(*), min(created_at), clock_timestamp() \
     from synthex.notification_deliveries where state in ('dead', 'failed') \
     and finished_at > clock_timestamp() - interval '7 days' group by 1, 2 order by 3 desc, 1, 2";

/// Messages that should have been sent by now.
#[derive(Clone, Copy, Debug)]
pub struct Overdue {
    /// How many.
    pub count: i64,
    /// Since when the one that waits longest is due; `None` where none is.
    pub since: Option<DateTime<Utc>>,
    /// The clock of the database.
    pub now: DateTime<Utc>,
}

/// What a receiver asked to wait for is not late.
const OVERDUE: &str = "select count(*), min(next_attempt_at), clock_timestamp() from synthex.notification_deliveries as d \
     where d.state in ('pending', 'retrying') and d.next_attempt_at <= clock_timestamp() and not exists ( \
         select from synthex.channel_status as s where s.workspace = d.workspace and s.channel = d.channel \
         and s.paused_until > clock_timestamp())";

/// The last operation that failed, of the last day.
#[derive(Clone, Debug)]
pub struct FailedOperation {
    /// Its number.
    pub revision: i64,
    /// Whose it was.
    pub project: String,
    /// The command.
    pub command: String,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// How many failed in that day.
    pub count: i64,
    /// The clock of the database.
    pub now: DateTime<Utc>,
}

const FAILED: &str = "select revision, project, command, finished_at, count(*) over (), clock_timestamp() \
     from synthex.batch_operations where status in ('failed', 'partly-applied') \
     and finished_at > clock_timestamp() - interval '24 hours' order by revision desc limit 1";

/// Which of the questions about the product can be asked: the schema may be older, and the role may have no right.
#[derive(Clone, Copy, Debug, Default)]
pub struct Askable {
    /// About controllers.
    pub controllers: bool,
    /// About messages.
    pub deliveries: bool,
    /// About operations.
    pub operations: bool,
}

const ASKABLE: &str = "select coalesce(has_table_privilege(to_regclass('synthex.watch_replicas'), 'select') \
      and has_table_privilege(to_regclass('synthex.leases'), 'select'), false), \
     coalesce(has_table_privilege(to_regclass('synthex.notification_deliveries'), 'select') \
      and has_table_privilege(to_regclass('synthex.channel_status'), 'select'), false), \
     coalesce(has_table_privilege(to_regclass('synthex.batch_operations'), 'select'), false)";

impl Connection {
    /// Asks in a transaction of its own.
    async fn ask<T>(
        &mut self,
        doing: &str,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StateError> {
        within(self.timeout, doing, in_transaction(&mut self.inner, work)).await
    }

    async fn ask_all<T>(
        &mut self,
        doing: &str,
        sql: &'static str,
        read: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, StateError> {
        self.ask(doing, async |connection| {
            let rows = sqlx::query(sql).persistent(false).fetch_all(connection).await?;
            rows.iter().map(read).collect()
        })
        .await
    }

    async fn ask_one<T>(
        &mut self,
        doing: &str,
        sql: &'static str,
        read: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
    ) -> Result<T, StateError> {
        self.ask(doing, async |connection| {
            read(&sqlx::query(sql).persistent(false).fetch_one(connection).await?)
        })
        .await
    }

    /// What the server is.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn server(&mut self) -> Result<Server, StateError> {
        self.ask_one("asking the server what it is", SERVER, |row| {
            Ok(Server {
                version: row.try_get(0)?,
                version_number: row.try_get(1)?,
                role: row.try_get(2)?,
                is_superuser: row.try_get(3)?,
                is_standby: row.try_get(4)?,
                is_read_only: row.try_get(5)?,
                may_create: row.try_get(6)?,
                now: row.try_get(7)?,
                connections: row.try_get(8)?,
                most_connections: row.try_get(9)?,
            })
        })
        .await
    }

    /// What this role may do, where synthex is installed.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn rights(&mut self) -> Result<Rights, StateError> {
        let declared: Vec<&str> =
            kinds::stored().filter_map(|kind| kind.table.as_ref()).map(|table| table.name).collect();
        let tables: Vec<&str> = declared.iter().copied().chain(OF_EVERY_APPLY).collect();
        self.ask("asking for our rights", async |connection| {
            let mut rights = Rights { is_owner: true, ..Rights::default() };
            for row in sqlx::query(RIGHTS).bind(&tables).persistent(false).fetch_all(connection).await? {
                let name: String = row.try_get(0)?;
                let is_declared = declared.iter().any(|own| *own == name);
                rights.is_confined |= is_declared && row.try_get::<bool, _>(3)?;
                rights.is_owner &= !is_declared || row.try_get::<bool, _>(4)?;
                if !row.try_get::<bool, _>(1)? {
                    rights.unreadable.push(name.clone());
                }
                if !row.try_get::<bool, _>(2)? {
                    rights.unwritable.push(name);
                }
            }
            Ok(rights)
        })
        .await
    }

    /// What can be asked of the product.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn askable(&mut self) -> Result<Askable, StateError> {
        self.ask_one("asking for our rights", ASKABLE, |row| {
            Ok(Askable {
                controllers: row.try_get(0)?,
                deliveries: row.try_get(1)?,
                operations: row.try_get(2)?,
            })
        })
        .await
    }

    /// The controllers that were heard of within the last minute.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn controllers(&mut self) -> Result<Vec<Controller>, StateError> {
        self.ask_all("looking for controllers", CONTROLLERS, |row| {
            Ok(Controller {
                project: row.try_get(0)?,
                environment: row.try_get(1)?,
                host: row.try_get(2)?,
                pid: row.try_get(3)?,
                version: row.try_get(4)?,
                mode: row.try_get(5)?,
                is_leader: row.try_get(6)?,
            })
        })
        .await
    }

    /// What did not get through in the last week, by channel, the most first.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn undelivered(&mut self) -> Result<Vec<Undelivered>, StateError> {
        self.ask_all("counting messages that did not get through", UNDELIVERED, |row| {
            Ok(Undelivered {
                workspace: row.try_get(0)?,
                channel: row.try_get(1)?,
                count: row.try_get(2)?,
                oldest: row.try_get(3)?,
                now: row.try_get(4)?,
            })
        })
        .await
    }

    /// What should have been sent by now.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn overdue(&mut self) -> Result<Overdue, StateError> {
        self.ask_one("looking for messages that are due", OVERDUE, |row| {
            Ok(Overdue { count: row.try_get(0)?, since: row.try_get(1)?, now: row.try_get(2)? })
        })
        .await
    }

    /// The last operation that failed, of the last day.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn last_failure(&mut self) -> Result<Option<FailedOperation>, StateError> {
        let found = self.ask_all("looking for operations that failed", FAILED, |row| {
            Ok(FailedOperation {
                revision: row.try_get(0)?,
                project: row.try_get(1)?,
                command: row.try_get(2)?,
                at: row.try_get(3)?,
                count: row.try_get(4)?,
                now: row.try_get(5)?,
            })
        });
        found.await.map(|found| found.into_iter().next())
    }
}
