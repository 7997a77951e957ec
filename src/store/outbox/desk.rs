//! Where workers are served: one connection, opened when it is needed and opened again when it broke.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::engine::delivery::{Claimed, Outbox, Record, Wanted};
use crate::engine::{StateError, StateErrorKind};
use crate::store::connect::{ConnectOptions, Connection};
use crate::store::error::within;

use super::{claim, due, record};

/// The outbox of a database.
#[derive(Debug)]
pub struct OutboxStore {
    options: ConnectOptions,
    /// Of this workspace only; row-level security may show a role one at a time.
    workspace: Option<String>,
    connection: Mutex<Option<Connection>>,
}

impl OutboxStore {
    /// The outbox there; of one workspace, if one is named.
    #[must_use]
    pub fn new(options: ConnectOptions, workspace: Option<String>) -> Self {
        Self { options, workspace, connection: Mutex::new(None) }
    }

    /// Says goodbye.
    pub async fn close(self) {
        if let Some(connection) = self.connection.into_inner() {
            connection.close().await;
        }
    }

    /// How long until something may be sent, in one statement; zero where something may be now, `None` where nothing waits.
    /// What only waits for the rate of its channel, or for a message before it, counts as due.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn ahead(&self, now: DateTime<Utc>) -> Result<Option<Duration>, StateError> {
        let mut place = self.connection.lock().await;
        let kept = place.take();
        let mut connection = self.options.reuse(kept).await?;
        let ahead = due::ahead(&mut connection, now).await?;
        *place = Some(connection);
        Ok(ahead)
    }

    /// Runs statements in a transaction. A connection that does not answer is not used again.
    async fn with<T>(
        &self,
        doing: &str,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StateError> {
        let mut place = self.connection.lock().await;
        let kept = place.take();
        let mut connection = self.options.reuse(kept).await?;
        let limit = connection.timeout;
        let work = super::in_scope(&mut connection.inner, self.workspace.as_deref(), work);
        let outcome = within(limit, doing, work).await;
        let is_broken = outcome.as_ref().is_err_and(|error| error.kind == StateErrorKind::Unreachable);
        if !is_broken {
            *place = Some(connection);
        }
        outcome
    }
}

impl Outbox for OutboxStore {
    async fn claim(&self, wanted: Wanted) -> Result<Claimed, StateError> {
        let workspace = self.workspace.as_deref();
        self.with("taking what is to be sent", async |connection| {
            claim::claim(connection, workspace, &wanted).await
        })
        .await
    }

    async fn record(
        &self,
        records: Arc<Vec<Record>>,
        now: DateTime<Utc>,
    ) -> Result<HashSet<Uuid>, StateError> {
        self.with("recording what was sent", async |connection| {
            record::record(connection, &records, now).await
        })
        .await
    }
}
