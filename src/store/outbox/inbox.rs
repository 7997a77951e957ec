//! The inbox of in-app channels: read, and marked as read or put away, for each recipient (M-D16).

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use uuid::Uuid;

use crate::engine::StateError;
use crate::store::connect::Connection;
use crate::store::error::within;

/// An item of an inbox.
#[derive(Clone, Debug)]
pub struct InboxItem {
    /// Its id, which is the delivery's.
    pub id: Uuid,
    /// The workspace of its channel.
    pub workspace: String,
    /// The channel.
    pub channel: String,
    /// Whose inbox; empty for the shared one.
    pub recipient: String,
    /// The notification.
    pub notification: Uuid,
    /// How urgent it is.
    pub severity: String,
    /// What it says, in one line.
    pub title: String,
    /// What it says.
    pub body: String,
    /// `unread`, `read` or `archived`.
    pub state: String,
    /// When it came.
    pub created_at: DateTime<Utc>,
    /// When it was read.
    pub read_at: Option<DateTime<Utc>>,
    /// When it was put away.
    pub archived_at: Option<DateTime<Utc>>,
}

/// Which items are wanted.
#[derive(Clone, Debug, Default)]
pub struct InboxWish {
    /// Of this workspace.
    pub workspace: Option<String>,
    /// Of this recipient.
    pub recipient: Option<String>,
    /// In these states.
    pub states: Vec<&'static str>,
    /// At most so many.
    pub limit: Option<i64>,
}

const COLUMNS: &str = "id, workspace, channel, recipient, notification, severity, title, body, state, created_at, read_at, archived_at";

const ITEMS: &str = "from synthex.inbox_items where ($1::text is null or workspace = $1) and ($2::text is null or recipient = $2) \
     and state = any($3::text[]) order by created_at desc, id desc limit $4";

/// What was put away stays so; what is read twice was read the first time.
const MARK: &str = "update synthex.inbox_items set state = $3, read_at = coalesce(read_at, $4), \
      archived_at = case when $3 = 'archived' then coalesce(archived_at, $4) end \
     where id = any($1::uuid[]) and ($2::text is null or recipient = $2) and state <> 'archived' and state <> $3 returning id";

impl Connection {
    /// Items, the newest first.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn inbox(
        &mut self,
        scope: Option<&str>,
        wish: &InboxWish,
    ) -> Result<Vec<InboxItem>, StateError> {
        let limit = self.timeout;
        let sql = format!("select {COLUMNS} {ITEMS}");
        let work = super::in_scope(&mut self.inner, scope, async |connection| {
            let query = sqlx::query(sqlx::AssertSqlSafe(sql))
                .bind(&wish.workspace)
                .bind(&wish.recipient)
                .bind(&wish.states)
                .bind(wish.limit)
                .persistent(false);
            let rows = query.fetch_all(connection).await?;
            let one = |row: &sqlx::postgres::PgRow| {
                Ok(InboxItem {
                    id: row.try_get(0)?,
                    workspace: row.try_get(1)?,
                    channel: row.try_get(2)?,
                    recipient: row.try_get(3)?,
                    notification: row.try_get(4)?,
                    severity: row.try_get(5)?,
                    title: row.try_get(6)?,
                    body: row.try_get(7)?,
                    state: row.try_get(8)?,
                    created_at: row.try_get(9)?,
                    read_at: row.try_get(10)?,
                    archived_at: row.try_get(11)?,
                })
            };
            rows.iter().map(one).collect()
        });
        within(limit, "reading the inbox", work).await
    }

    /// Marks items as `read` or `archived`, of that recipient if one is named. Returns those that were not so before.
    ///
    /// # Errors
    /// Whatever the database reports; nothing was marked.
    pub async fn mark_inbox(
        &mut self,
        scope: Option<&str>,
        ids: &[Uuid],
        recipient: Option<&str>,
        state: &'static str,
        now: DateTime<Utc>,
    ) -> Result<Vec<Uuid>, StateError> {
        let limit = self.timeout;
        let work = super::in_scope(&mut self.inner, scope, async |connection| {
            let query =
                sqlx::query_scalar(MARK).bind(ids).bind(recipient).bind(state).bind(now).persistent(false);
            query.fetch_all(connection).await
        });
        within(limit, "marking the inbox", work).await
    }
}
