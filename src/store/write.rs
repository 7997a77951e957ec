//! Writes declared state: set-based statements in one transaction that has checked the fencing tokens.

use std::time::Duration;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _};
use uuid::Uuid;

use crate::engine::{
    CommitOutcome, Holder, LeaseGrant, Operation, StateError, StateErrorKind, StateReader as _, StateWriter,
    WriteTransaction,
};
use crate::model::ResourceKey;
use crate::plan::{Action, ActionKind, Row};

use super::connect::{ConnectOptions, Connection, in_transaction};
use super::error::{explain, within};
use super::lease::{self, Keeper};
use super::{migrate, read, row, statements};

/// Writes through one connection, and knows how to open others.
pub struct Writer {
    options: ConnectOptions,
    connection: Connection,
    /// The server process of the writing transaction.
    backend: Option<i32>,
}

impl Writer {
    /// Opens the writing connection.
    ///
    /// # Errors
    /// The database is not reachable or refuses us.
    pub async fn open(options: ConnectOptions) -> Result<Self, StateError> {
        let connection = options.connect().await?;
        Ok(Self { options, connection, backend: None })
    }

    /// Leaves the connection ready for a new statement. One that is busy, or broken, is replaced, and what it was doing
    /// is ended: a transaction that waits for a lock would otherwise keep the leases.
    async fn settle(&mut self) -> Result<(), StateError> {
        let settled = tokio::time::timeout(Duration::from_millis(300), self.connection.rollback()).await;
        if matches!(settled, Ok(Ok(()))) {
            return Ok(());
        }
        self.connection = self.options.connect().await?;
        if let Some(backend) = self.backend.take() {
            let ended = in_transaction(&mut self.connection.inner, async |connection| {
                sqlx::query(lease::END_BACKEND).bind(backend).persistent(false).execute(connection).await
            });
            within(self.connection.timeout, "ending a statement", ended).await?;
        }
        Ok(())
    }
}

impl StateWriter for Writer {
    type Transaction<'a> = Transaction<'a>;
    type Keeper = Keeper;

    async fn migrate(&mut self) -> Result<usize, StateError> {
        let count = migrate::migrate(&mut self.connection).await?;
        self.connection.begin_reading().await?;
        let confined = self.connection.is_confined().await?;
        self.connection.rollback().await?;
        if confined {
            return Err(StateError::new(StateErrorKind::Refused, "this role may not write declared state")
                .why("row-level security confines it to one workspace, because it does not own the schema synthex")
                .help("connect as the role that owns the schema; any role that may SELECT can plan"));
        }
        Ok(count)
    }

    async fn take_leases(
        &mut self,
        holder: &Holder,
        workspaces: &[String],
        ttl: Duration,
        wait: Duration,
    ) -> Result<LeaseGrant, StateError> {
        lease::take(&mut self.connection, holder, workspaces, ttl, wait).await
    }

    async fn keeper(&mut self, grant: &LeaseGrant) -> Result<Keeper, StateError> {
        Ok(Keeper::new(self.options.clone(), grant.clone()))
    }

    async fn release(&mut self, holder: &Holder) -> Result<(), StateError> {
        let limit = self.connection.timeout.min(Duration::from_secs(5));
        let work = async {
            self.settle().await?;
            self.connection.run("begin", "beginning to give the leases back").await?;
            // Where the schema was not even installed yet, there are no leases.
            if self.connection.is_installed().await? {
                let release = lease::release(&mut self.connection.inner, holder);
                within(limit, "giving the leases back", release).await?;
            }
            self.connection.run("commit", "giving the leases back").await
        };
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            Err(StateError::new(StateErrorKind::Unreachable, "the leases could not be given back in time"))
        })
    }

    async fn begin(&mut self, grant: &LeaseGrant) -> Result<Transaction<'_>, StateError> {
        let limit = self.connection.timeout;
        let lock_timeout = format!("{}ms", limit.as_millis().min(10_000));
        let connection = &mut self.connection.inner;
        let work = async {
            connection.execute("begin").await?;
            let sql = "select pg_backend_pid(), set_config('synthex.engine', 'on', true), \
                       set_config('lock_timeout', $1, true)";
            let query = sqlx::query(sql).bind(lock_timeout).persistent(false);
            self.backend = Some(query.fetch_one(&mut *connection).await?.try_get(0)?);
            lease::fence(connection, grant).await
        };
        within(limit, "beginning to write", work).await??;
        Ok(Transaction { connection: &mut self.connection.inner, timeout: limit })
    }

    async fn was_committed(&mut self, operation: Uuid, workspaces: &[String]) -> Result<bool, StateError> {
        // The server may be restarting: ask for a while before giving up.
        let mut last = StateError::new(StateErrorKind::Unreachable, "the database cannot be reached");
        for attempt in 0..20 {
            if attempt > 0 {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            let mut connection = match self.options.connect().await {
                Ok(connection) => connection,
                Err(error) => {
                    last = error;
                    continue;
                }
            };
            let limit = connection.timeout;
            let look = in_transaction(&mut connection.inner, async |connection| {
                // The commit may still be under way: the transaction holds its leases' rows until its end.
                let wait = sqlx::query("select from synthex.leases where name = any($1::text[]) for update");
                wait.bind(workspaces).persistent(false).execute(&mut *connection).await?;
                let sql = "select exists (select from synthex.batch_operations where id = $1)";
                sqlx::query_scalar(sql).bind(operation).persistent(false).fetch_one(connection).await
            });
            match within(limit, "looking up the commit", look).await {
                Ok(found) => {
                    self.connection = connection;
                    return Ok(found);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// The writing transaction. Dropped without a commit, the connection is rolled back before it is used again, and a
/// broken connection is rolled back by the server.
pub struct Transaction<'a> {
    connection: &'a mut PgConnection,
    timeout: Duration,
}

impl WriteTransaction for Transaction<'_> {
    async fn write(&mut self, project: &str, actions: &[&Action]) -> Result<(), StateError> {
        let Some(first) = actions.first() else {
            return Ok(());
        };
        let doing = format!("writing {}", first.key.kind.table.as_ref().map_or("", |table| table.name));
        let limit = self.timeout.max(Duration::from_secs(60));
        within(limit, &doing, self.connection.execute("savepoint batch")).await?;
        match within(limit, &doing, write_batch(self.connection, project, actions)).await {
            Ok(written) if written == actions.len() as u64 => {
                within(limit, &doing, self.connection.execute("release savepoint batch")).await?;
                Ok(())
            }
            Ok(_) => Err(stale(self.connection, actions).await),
            Err(error) if actions.len() > 1 && names_no_row(error.kind) => {
                within(limit, &doing, self.connection.execute("rollback to savepoint batch")).await?;
                let culprit = within(limit, &doing, find_culprit(self.connection, project, actions)).await?;
                Err(match culprit {
                    Some((action, error)) => explain(error, &doing).about(vec![action.key.clone()]),
                    None => error,
                })
            }
            Err(error) => Err(if actions.len() == 1 { error.about(vec![first.key.clone()]) } else { error }),
        }
    }

    async fn record(&mut self, operation: &Operation, actions: &[Action]) -> Result<i64, StateError> {
        let work = record(self.connection, operation, actions);
        within(self.timeout.max(Duration::from_secs(60)), "recording the operation", work).await
    }

    async fn rows(&mut self, keys: &[ResourceKey]) -> Result<Vec<Row>, StateError> {
        within(self.timeout, "reading back what was written", read::read_rows(self.connection, keys)).await
    }

    async fn release(&mut self, holder: &Holder) -> Result<(), StateError> {
        within(self.timeout, "giving the leases back", lease::release(self.connection, holder)).await
    }

    async fn commit(self) -> Result<CommitOutcome, StateError> {
        let limit = self.timeout.max(Duration::from_secs(60));
        match tokio::time::timeout(limit, self.connection.execute("commit")).await {
            Ok(Ok(_)) => Ok(CommitOutcome::Committed),
            // The server said no, so it did not: a deferred constraint, a failed serialisation.
            Ok(Err(error @ sqlx::Error::Database(_))) if !is_shutdown(&error) => {
                Err(explain(error, "committing"))
            }
            Ok(Err(_)) | Err(_) => Ok(CommitOutcome::Unknown),
        }
    }
}

fn is_shutdown(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| code.starts_with("57P"))
}

/// Errors of the whole connection do not come from one row.
fn names_no_row(kind: StateErrorKind) -> bool {
    matches!(kind, StateErrorKind::Rejected | StateErrorKind::Other | StateErrorKind::Refused)
}

async fn write_batch(
    connection: &mut PgConnection,
    project: &str,
    actions: &[&Action],
) -> Result<u64, sqlx::Error> {
    let Some(first) = actions.first() else {
        return Ok(0);
    };
    let kind = first.key.kind;
    let workspaces: Vec<&str> = actions.iter().map(|action| &*action.key.workspace).collect();
    let names: Vec<&str> = actions.iter().map(|action| &*action.key.name).collect();
    let revisions: Vec<i64> = actions.iter().map(|action| action.revision.unwrap_or_default()).collect();
    let sql = match first.kind {
        ActionKind::Create => statements::insert(kind),
        ActionKind::Update | ActionKind::Restore | ActionKind::Adopt => statements::update(kind),
        ActionKind::Delete => statements::delete(kind),
    };
    let mut query = sqlx::query(AssertSqlSafe(sql)).bind(workspaces).bind(names).bind(revisions);
    if first.kind != ActionKind::Delete {
        let mut cells: Vec<Vec<Option<String>>> =
            vec![Vec::with_capacity(actions.len()); kind.columns().len()];
        let mut labels = Vec::with_capacity(actions.len());
        let mut protected = Vec::with_capacity(actions.len());
        let mut digests = Vec::with_capacity(actions.len());
        for action in actions {
            let after: Value =
                action.after.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            let spec = after.get("spec").unwrap_or(&Value::Null);
            for (column, cells) in kind.columns().iter().zip(&mut cells) {
                cells.push(row::cell(column, spec));
            }
            labels.push(after.get("labels").map_or_else(|| "{}".to_owned(), Value::to_string));
            protected.push(if spec.get("protect") == Some(&Value::Bool(true)) { "true" } else { "false" });
            digests.push(action.digest.map(|digest| digest.as_bytes().to_vec()));
        }
        for column in cells {
            query = query.bind(column);
        }
        query = query.bind(labels).bind(protected).bind(digests).bind(project);
    }
    Ok(query.persistent(false).execute(connection).await?.rows_affected())
}

/// Finds the one row that the database does not accept, by halving. Every attempt is undone.
async fn find_culprit<'a>(
    connection: &mut PgConnection,
    project: &str,
    actions: &[&'a Action],
) -> Result<Option<(&'a Action, sqlx::Error)>, sqlx::Error> {
    let mut suspects = actions;
    while !suspects.is_empty() {
        let half = suspects.len().div_ceil(2);
        let (left, right) = suspects.split_at(half);
        connection.execute("savepoint half").await?;
        let outcome = write_batch(connection, project, left).await;
        connection.execute("rollback to savepoint half").await?;
        match outcome {
            Err(error) if left.len() == 1 => return Ok(Some((left[0], error))),
            Err(_) => suspects = left,
            Ok(_) => suspects = right,
        }
    }
    Ok(None)
}

/// Which rows are not as they were when the plan was made, and who wrote them.
async fn stale(connection: &mut PgConnection, actions: &[&Action]) -> StateError {
    let what = "the database changed after the plan was made";
    let error = StateError::new(StateErrorKind::Stale, what).help("run the command again: it plans anew");
    let Some(first) = actions.first() else {
        return error;
    };
    let workspaces: Vec<&str> = actions.iter().map(|action| &*action.key.workspace).collect();
    let names: Vec<&str> = actions.iter().map(|action| &*action.key.name).collect();
    // Our own writes of this batch must not be taken for somebody else's.
    if connection.execute("rollback to savepoint batch").await.is_err() {
        return error;
    }
    let sql = AssertSqlSafe(statements::revisions(first.key.kind));
    let query = sqlx::query(sql).bind(workspaces).bind(names).persistent(false);
    let Ok(rows) = query.fetch_all(connection).await else {
        return error;
    };
    let mut changed = Vec::new();
    let mut notes = Vec::new();
    for action in actions {
        let found = rows.iter().find(|row| {
            row.try_get::<&str, _>(0).is_ok_and(|workspace| workspace == &*action.key.workspace)
                && row.try_get::<&str, _>(1).is_ok_and(|name| name == &*action.key.name)
        });
        let revision: Option<i64> = found.and_then(|row| row.try_get(2).ok());
        if revision == action.revision {
            continue;
        }
        let by: Option<String> = found.and_then(|row| row.try_get(3).ok()).flatten();
        let old = action.revision.map_or("absent".to_owned(), |revision| format!("revision {revision}"));
        let new = revision.map_or("absent".to_owned(), |revision| format!("revision {revision}"));
        let by = by.map_or(String::new(), |role| format!(" by role {role}"));
        notes.push(format!("{}: planned on {old}, now {new}{by}", action.key));
        changed.push(action.key.clone());
    }
    notes.truncate(5);
    error.why(notes.join("; ")).about(changed)
}

const OPERATION: &str = "insert into synthex.batch_operations \
     (id, project, command, actor, host, commit_sha, plan_digest, status, created, updated, deleted, restored, adopted, \
      started_at, finished_at) \
     values ($1, $2, $3, $4, $5, $6, $7, 'applied', $8, $9, $10, $11, $12, $13, clock_timestamp()) returning revision";

const ITEMS: &str = "insert into synthex.batch_operation_items \
     (operation_id, seq, workspace, kind, name, action, reason, source, before, after) \
     select $1, i.seq, i.workspace, i.kind, i.name, i.action, i.reason, i.source, i.before::json, i.after::json \
     from unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[]) \
     as i (seq, workspace, kind, name, action, reason, source, before, after)";

async fn record(
    connection: &mut PgConnection,
    operation: &Operation,
    actions: &[Action],
) -> Result<i64, sqlx::Error> {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let summary = operation.summary;
    let query = sqlx::query_scalar(OPERATION)
        .bind(operation.id)
        .bind(&operation.project)
        .bind(&operation.command)
        .bind(&operation.actor)
        .bind(&operation.host)
        .bind(&operation.commit)
        .bind(operation.digest.as_bytes().as_slice())
        .bind(count(summary.create))
        .bind(count(summary.update))
        .bind(count(summary.delete))
        .bind(count(summary.restore))
        .bind(count(summary.adopt))
        .bind(operation.started_at)
        .persistent(false);
    let revision: i64 = query.fetch_one(&mut *connection).await?;
    for (chunk, items) in actions.chunks(1000).enumerate() {
        let numbers: Vec<i32> = (0..items.len())
            .map(|index| i32::try_from(chunk * 1000 + index + 1).unwrap_or(i32::MAX))
            .collect();
        let query = sqlx::query(ITEMS)
            .bind(operation.id)
            .bind(numbers)
            .bind(items.iter().map(|item| &*item.key.workspace).collect::<Vec<_>>())
            .bind(
                items
                    .iter()
                    .map(|item| item.key.kind.table.as_ref().map_or("", |table| table.name))
                    .collect::<Vec<_>>(),
            )
            .bind(items.iter().map(|item| &*item.key.name).collect::<Vec<_>>())
            .bind(items.iter().map(|item| item.kind.code()).collect::<Vec<_>>())
            .bind(items.iter().map(|item| item.reason.to_string()).collect::<Vec<_>>())
            .bind(
                items.iter().map(|item| item.position.as_ref().map(ToString::to_string)).collect::<Vec<_>>(),
            )
            .bind(items.iter().map(|item| item.before.as_deref()).collect::<Vec<_>>())
            .bind(items.iter().map(|item| item.after.as_deref()).collect::<Vec<_>>())
            .persistent(false);
        query.execute(&mut *connection).await?;
    }
    Ok(revision)
}
