//! What trying a channel needs of the database: one row of an inbox.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::engine::StateError;

use super::connect::{Connection, in_transaction};
use super::error::within;

/// A row of an inbox that is not from the outbox: a channel is tried.
#[derive(Clone, Debug)]
pub struct TestItem<'a> {
    /// Its id.
    pub id: Uuid,
    /// The workspace of the channel.
    pub workspace: &'a str,
    /// The channel.
    pub channel: &'a str,
    /// Whose inbox; empty for the shared one.
    pub recipient: &'a str,
    /// How urgent it is.
    pub severity: &'static str,
    /// What it says, in one line.
    pub title: &'a str,
    /// What it says.
    pub body: &'a str,
}

const PUT: &str = "insert into synthex.inbox_items (id, workspace, channel, recipient, notification, severity, title, body, created_at) \
     values ($1, $2, $3, $4, $1, $5, $6, $7, $8)";

impl Connection {
    /// Puts a row into an inbox.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn put_into_inbox(
        &mut self,
        item: &TestItem<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        let limit = self.timeout;
        let work = in_transaction(&mut self.inner, async |connection| {
            enter(connection, Some(item.workspace)).await?;
            let query = sqlx::query(PUT)
                .bind(item.id)
                .bind(item.workspace)
                .bind(item.channel)
                .bind(item.recipient)
                .bind(item.severity)
                .bind(item.title)
                .bind(item.body)
                .bind(now)
                .persistent(false);
            query.execute(connection).await.map(|_| ())
        });
        within(limit, "writing into the inbox", work).await
    }
}

async fn enter(connection: &mut sqlx::PgConnection, workspace: Option<&str>) -> Result<(), sqlx::Error> {
    let Some(workspace) = workspace else { return Ok(()) };
    let enter = "select set_config('synthex.workspace', $1, true)";
    sqlx::query(enter).bind(workspace).persistent(false).execute(connection).await.map(|_| ())
}
