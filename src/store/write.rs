//! Writes declared state: set-based statements in one transaction that has checked the fencing tokens.

use std::time::Duration;

use futures_util::future::join;
use sqlx::{Executor as _, PgConnection, Row as _};
use uuid::Uuid;

use crate::engine::{
    Absent, CommitOutcome, Holder, Item, LeaseGrant, LeaseNews, Mention, Operation, ReadBack, StateError,
    StateErrorKind, StateReader as _, StateWriter, WriteTransaction,
};
use crate::model::ResourceKey;
use crate::plan::Action;

use super::batch::{Ready, find_culprits, names_no_row, ready, stale, write_what_can_be};
use super::connect::{ConnectOptions, Connection, Parking, in_transaction};
use super::error::{explain, within};
use super::lease::{self, Keeper};
use super::read_back::read_back;
use super::record::record;
use super::{migrate, references};

/// Writes through one connection, and knows how to open others.
pub struct Writer {
    options: ConnectOptions,
    pub(super) connection: Connection,
    /// The server process of the writing transaction.
    backend: Option<i32>,
    /// The leases could not even be given back: nothing else is worth waiting for.
    is_silent: bool,
    /// Where the connection is left at the end.
    parking: Option<Parking>,
}

impl Writer {
    /// Opens the writing connection.
    ///
    /// # Errors
    /// The database is not reachable or refuses us.
    pub async fn open(mut options: ConnectOptions) -> Result<Self, StateError> {
        let mut connection = options.connect().await?;
        // While it writes it has several connections, which it closes as it goes; the last one may be left.
        connection.parking = None;
        let parking = options.parking.take();
        Ok(Self { options, connection, backend: None, is_silent: false, parking })
    }

    /// Says goodbye.
    pub async fn close(mut self) {
        self.connection.parking = self.parking.take();
        self.connection.close().await;
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
        let owns = self.connection.owns_what_is_declared().await?;
        self.connection.rollback().await?;
        let why = match (confined, owns) {
            (true, _) => {
                "row-level security confines it to one workspace, because it does not own the schema synthex"
            }
            (false, false) => {
                "what it writes would count as drift, because it does not own the schema synthex"
            }
            (false, true) => return Ok(count),
        };
        Err(StateError::new(StateErrorKind::Refused, "this role may not write declared state")
            .why(why)
            .help("connect as the role that owns the schema; any role that may SELECT can plan"))
    }

    async fn take_leases(
        &mut self,
        holder: &Holder,
        workspaces: &[String],
        ttl: Duration,
        wait: Duration,
        hear: &mut impl FnMut(LeaseNews),
    ) -> Result<LeaseGrant, StateError> {
        let request = lease::Request { holder, workspaces, ttl, wait, audit: None };
        lease::take(&mut self.connection, &request, hear).await.map(|(grant, _)| grant)
    }

    async fn keeper(&mut self, grant: &LeaseGrant) -> Result<Keeper, StateError> {
        Ok(Keeper::new(self.options.clone(), grant.clone()))
    }

    async fn release(&mut self, holder: &Holder) -> Result<(), StateError> {
        let limit = self.connection.timeout.min(Duration::from_secs(3));
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
        let released = tokio::time::timeout(limit, work).await;
        self.is_silent = released.is_err();
        released.unwrap_or_else(|_| {
            Err(StateError::new(StateErrorKind::Unreachable, "the leases could not be given back in time"))
        })
    }

    async fn note(&mut self, operation: &Operation) -> Result<(), StateError> {
        if self.is_silent {
            return Err(StateError::new(StateErrorKind::Unreachable, "the database does not answer"));
        }
        // It is not worth waiting for, least of all by somebody who pressed Ctrl-C.
        let limit = self.connection.timeout.min(Duration::from_secs(2));
        let work = async {
            self.settle().await?;
            let begin = "begin; set local lock_timeout = '1s'; set local statement_timeout = '1500ms'";
            self.connection.run(begin, "beginning to record").await?;
            if self.connection.is_installed().await?
                && migrate::migration_state(&mut self.connection).await?.pending.is_empty()
            {
                within(limit, "recording the operation", record(&mut self.connection.inner, operation, &[]))
                    .await?;
            }
            self.connection.run("commit", "recording the operation").await
        };
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            Err(StateError::new(StateErrorKind::Unreachable, "the operation could not be recorded in time"))
        })
    }

    async fn begin(&mut self, grant: &LeaseGrant) -> Result<Transaction<'_>, StateError> {
        let limit = self.connection.timeout;
        let lock_timeout = format!("{}ms", limit.as_millis().min(10_000));
        let connection = &mut self.connection.inner;
        let work = async {
            connection.execute("begin isolation level read committed").await?;
            // A statement of a client that is gone ends, instead of keeping its locks for as long as it takes.
            let sql = "select pg_backend_pid(), set_config('synthex.engine', 'on', true), \
                       set_config('lock_timeout', $1, true), \
                       (select set_config(name, '2s', true) from pg_settings \
                        where name = 'client_connection_check_interval' and version() !~* 'windows|mingw|visual c')";
            let query = sqlx::query(sql).bind(lock_timeout).persistent(false);
            self.backend = Some(query.fetch_one(&mut *connection).await?.try_get(0)?);
            lease::fence(connection, grant).await
        };
        within(limit, "beginning to write", work).await??;
        let connection = &mut self.connection.inner;
        Ok(Transaction { connection, timeout: limit, grant: grant.clone(), released: false })
    }

    async fn was_committed(&mut self, operation: Uuid, workspaces: &[String]) -> Result<bool, StateError> {
        // The server may be restarting: ask for a while before giving up.
        let mut last = StateError::new(StateErrorKind::Unreachable, "the database cannot be reached");
        for attempt in 0..20 {
            if attempt > 0 {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            // The old connection is closed by that: were it still open, with a commit that never got through, its transaction
            // would keep the leases that are waited for below.
            match self.options.connect().await {
                Ok(connection) => self.connection = connection,
                Err(error) => {
                    last = error;
                    continue;
                }
            }
            let limit = self.connection.timeout;
            let look = in_transaction(&mut self.connection.inner, async |connection| {
                // The commit may still be under way: the transaction holds its leases' rows until its end.
                let wait = sqlx::query("select from synthex.leases where name = any($1::text[]) for update");
                wait.bind(workspaces).persistent(false).execute(&mut *connection).await?;
                let sql = "select exists (select from synthex.batch_operations where id = $1)";
                sqlx::query_scalar(sql).bind(operation).persistent(false).fetch_one(connection).await
            });
            match within(limit, "looking up the commit", look).await {
                Ok(found) => return Ok(found),
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
    grant: LeaseGrant,
    /// Whether the leases are given back within the transaction.
    released: bool,
}

impl WriteTransaction for Transaction<'_> {
    async fn absent(&mut self, keys: &[ResourceKey]) -> Result<Vec<Absent>, StateError> {
        let absent = references::absent(self.connection, keys);
        within(self.timeout, "looking for what is needed", absent).await
    }

    async fn mentions(&mut self, keys: &[ResourceKey]) -> Result<Vec<Mention>, StateError> {
        let mentions = references::mentions(self.connection, keys);
        within(self.timeout, "looking for what needs what goes away", mentions).await
    }

    async fn write(
        &mut self,
        project: &str,
        sets: &[Vec<&Action>],
        hear: &mut impl FnMut(usize),
    ) -> Result<(), (usize, StateError)> {
        let make_ready = async |place: usize| match sets.get(place) {
            Some(set) => ready(project, set).await,
            None => None,
        };
        let mut next = make_ready(0).await;
        for (place, set) in sets.iter().enumerate() {
            let Some(statement) = next.take() else { continue };
            // The database is another process: it writes one set while the next one is made ready here.
            let writing = self.write_set(project, set, statement);
            let (written, following) = join(writing, make_ready(place + 1)).await;
            written.map_err(|error| (place, error))?;
            next = following;
            hear(set.len());
        }
        Ok(())
    }

    async fn write_what_can_be(
        &mut self,
        project: &str,
        actions: &[&Action],
    ) -> Result<Vec<(usize, String)>, StateError> {
        let doing = describe(actions);
        write_what_can_be(self.connection, project, actions, self.timeout, &doing).await
    }

    async fn mark(&mut self) -> Result<(), StateError> {
        within(self.timeout, "beginning to write", self.connection.execute("savepoint mark"))
            .await
            .map(|_| ())
    }

    async fn back_to_mark(&mut self) -> Result<(), StateError> {
        let doing = "taking back what was written";
        within(self.timeout, doing, self.connection.execute("rollback to savepoint mark")).await.map(|_| ())
    }

    async fn constraints_hold(&mut self) -> Result<bool, StateError> {
        let doing = "checking constraints";
        within(self.timeout, doing, self.connection.execute("savepoint checked")).await?;
        match within(self.timeout, doing, self.connection.execute("set constraints all immediate")).await {
            Ok(_) => {
                let sql = "set constraints all deferred; release savepoint checked";
                within(self.timeout, doing, self.connection.execute(sql)).await?;
                Ok(true)
            }
            Err(error) if names_no_row(error.kind) => {
                within(self.timeout, doing, self.connection.execute("rollback to savepoint checked")).await?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn check_at_once(&mut self) -> Result<(), StateError> {
        let work = self.connection.execute("set constraints all immediate");
        within(self.timeout, "checking constraints", work).await.map(|_| ())
    }

    async fn record(&mut self, operation: &Operation, items: &[Item<'_>]) -> Result<i64, StateError> {
        let work = record(self.connection, operation, items);
        within(self.timeout, "recording the operation", work).await.map_err(unrecorded)
    }

    async fn read_back(&mut self, actions: &[&Action]) -> Result<Vec<ReadBack>, StateError> {
        within(self.timeout, "reading back what was written", read_back(self.connection, actions)).await
    }

    async fn release(&mut self, holder: &Holder) -> Result<(), StateError> {
        let release = lease::release(self.connection, holder);
        let released = within(self.timeout, "giving the leases back", release).await?;
        // Only what is still ours can be given back: this is a check of the fencing tokens too.
        if released != self.grant.tokens.len() as u64 {
            return Err(lease::lost(&self.grant));
        }
        self.released = true;
        Ok(())
    }

    async fn commit(self) -> Result<CommitOutcome, StateError> {
        let limit = self.timeout;
        // What was given back was checked then; the lease that all of it is done under was not.
        let unchecked = if self.released { self.grant.under.as_deref() } else { Some(&self.grant) };
        if let Some(grant) = unchecked {
            let fence = lease::last_fence(self.connection, grant);
            within(limit, "checking the leases", fence).await??;
        }
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

impl Transaction<'_> {
    /// Writes one set. Where the database does not take it, nothing of it is written, and the rows it does not take are
    /// found out.
    async fn write_set(
        &mut self,
        project: &str,
        actions: &[&Action],
        statement: Ready<'_>,
    ) -> Result<(), StateError> {
        let doing = describe(actions);
        let limit = self.timeout;
        within(limit, &doing, self.connection.execute("savepoint batch")).await?;
        let written = within(limit, &doing, statement.execute(&mut *self.connection)).await;
        match written.map(|done| done.rows_affected()) {
            Ok(written) if written == actions.len() as u64 => {
                within(limit, &doing, self.connection.execute("release savepoint batch")).await?;
                Ok(())
            }
            Ok(_) => Err(stale(self.connection, actions, limit).await),
            Err(error) if names_no_row(error.kind) => {
                within(limit, &doing, self.connection.execute("rollback to savepoint batch")).await?;
                if let [only] = actions {
                    return Err(error.about(vec![only.key.clone()]));
                }
                let search = find_culprits(self.connection, project, actions, StateError::MOST_ALSO);
                let mut culprits = within(limit, &doing, search).await?.into_iter();
                let Some((action, first)) = culprits.next() else { return Err(error) };
                let mut found = explain(first, &doing).about(vec![action.key.clone()]);
                found.also = culprits
                    .map(|(action, error)| {
                        let error = explain(error, &doing);
                        (action.key.clone(), error.why.unwrap_or(error.what))
                    })
                    .collect();
                Err(found)
            }
            Err(error) => Err(error),
        }
    }
}

/// What cannot be recorded is not done: that is what is wrong, and not a value of a manifest.
fn unrecorded(error: StateError) -> StateError {
    if error.kind != StateErrorKind::Rejected {
        return error;
    }
    let why = error.why.unwrap_or(error.what);
    let help = "what cannot be recorded is not done; look for a trigger or constraint on synthex.batch_operations and its items";
    StateError {
        what: "the operation could not be recorded".to_owned(),
        why: Some(why),
        help: Some(help.to_owned()),
        ..error
    }
}

fn describe(actions: &[&Action]) -> String {
    let table = actions.first().and_then(|action| action.key.kind.table.as_ref());
    format!("writing {}", table.map_or("", |table| table.name))
}

fn is_shutdown(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| code.starts_with("57P"))
}
