//! What commands ask besides lists: what an id begins, how channels stand, and what was told in the place of a message.

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use uuid::Uuid;

use crate::engine::StateError;
use crate::store::connect::Connection;
use crate::store::error::within;

use super::channels::{disabled, gone};

/// What an id is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdOf {
    /// A notification.
    Notification,
    /// A delivery.
    Delivery,
    /// An item of an inbox.
    InboxItem,
}

impl IdOf {
    /// The statement, whose parameters are the first and the last id, the workspace, the recipient and the limit.
    const fn sql(self) -> &'static str {
        match self {
            Self::Notification => {
                "select id, id, title from synthex.notifications where id between $1 and $2 \
                 and ($3::text is null or workspace = $3) and $4::text is null order by id limit $5"
            }
            Self::Delivery => {
                "select id, notification, concat_ws(' to ', channel, nullif(target, '')) from synthex.notification_deliveries \
                 where id between $1 and $2 and ($3::text is null or workspace = $3) and $4::text is null order by id limit $5"
            }
            Self::InboxItem => {
                "select id, notification, title from synthex.inbox_items where id between $1 and $2 \
                 and ($3::text is null or workspace = $3) and ($4::text is null or recipient = $4) order by id limit $5"
            }
        }
    }
}

/// Something that has an id.
#[derive(Clone, Debug)]
pub struct Identified {
    /// Its id.
    pub id: Uuid,
    /// The notification that it is, or is of.
    pub notification: Uuid,
    /// What it is, in a few words.
    pub what: String,
}

/// How a channel stands, apart from what it declares.
#[derive(Clone, Debug)]
pub struct ChannelStanding {
    /// The workspace.
    pub workspace: String,
    /// The channel.
    pub channel: String,
    /// Until when its receiver wants nothing.
    pub paused_until: Option<DateTime<Utc>>,
    /// What its receiver said when it was gone, where that was said to this version of the manifest.
    pub gone: Option<String>,
}

const STANDINGS: &str = concat!(
    "select s.workspace, s.channel, case when s.paused_until > $2 then s.paused_until end, ",
    gone!("$3", "$4"),
    " from synthex.channel_status as s \
     join synthex.notification_channels as t on t.workspace = s.workspace and t.name = s.channel and t.deleted_at is null \
     where ($1::text is null or s.workspace = $1)"
);

/// The id of such a message begins like that of the message that did not get through, and those of one evaluation begin alike:
/// then it tells of the same alerts.
const IN_PLACE: &str = "select distinct n.id from synthex.notifications as n \
     join unnest($1::uuid[], $2::uuid[], $5::uuid[]) as b (first, last, source) on n.id between b.first and b.last \
     join synthex.notifications as s on s.id = b.source and (s.alerts = '{}' or s.alerts && n.alerts) \
     where n.event = 'delivery_failed' and n.created_at >= $3 and ($4::text is null or n.workspace = $4) order by n.id";

impl Connection {
    /// What has an id between these two; of that recipient, where one is named, which only items of inboxes have.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn identified(
        &mut self,
        scope: Option<&str>,
        of: IdOf,
        (first, last): (Uuid, Uuid),
        recipient: Option<&str>,
        most: i64,
    ) -> Result<Vec<Identified>, StateError> {
        let limit = self.timeout;
        let work = super::in_scope(&mut self.inner, scope, async |connection| {
            let query = sqlx::query(of.sql()).bind(first).bind(last).bind(scope).bind(recipient).bind(most);
            let rows = query.persistent(false).fetch_all(connection).await?;
            let one = |row: &sqlx::postgres::PgRow| {
                Ok(Identified { id: row.try_get(0)?, notification: row.try_get(1)?, what: row.try_get(2)? })
            };
            rows.iter().map(one).collect()
        });
        within(limit, "looking for an id", work).await
    }

    /// How channels stand of which something was learnt.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn channel_standings(
        &mut self,
        scope: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Vec<ChannelStanding>, StateError> {
        let limit = self.timeout;
        let work = super::in_scope(&mut self.inner, scope, async |connection| {
            let (after, before) = disabled(now);
            let query = sqlx::query(STANDINGS).bind(scope).bind(now).bind(after).bind(before);
            let rows = query.persistent(false).fetch_all(connection).await?;
            let one = |row: &sqlx::postgres::PgRow| {
                Ok(ChannelStanding {
                    workspace: row.try_get(0)?,
                    channel: row.try_get(1)?,
                    paused_until: row.try_get(2)?,
                    gone: row.try_get(3)?,
                })
            };
            rows.iter().map(one).collect()
        });
        within(limit, "reading how channels stand", work).await
    }

    /// What was told through fallbacks, since then, of messages that did not get through.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn told_in_place(
        &mut self,
        scope: Option<&str>,
        notifications: &[Uuid],
        since: DateTime<Utc>,
    ) -> Result<Vec<Uuid>, StateError> {
        // See `derived_id`: the first six bytes are kept.
        let bound = |id: &Uuid, rest: u8| {
            let mut bytes = *id.as_bytes();
            bytes[6..].fill(rest);
            Uuid::from_bytes(bytes)
        };
        let first: Vec<Uuid> = notifications.iter().map(|id| bound(id, 0)).collect();
        let last: Vec<Uuid> = notifications.iter().map(|id| bound(id, u8::MAX)).collect();
        let limit = self.timeout;
        let work = super::in_scope(&mut self.inner, scope, async |connection| {
            let query = sqlx::query_scalar(IN_PLACE)
                .bind(first)
                .bind(last)
                .bind(since)
                .bind(scope)
                .bind(notifications);
            query.persistent(false).fetch_all(connection).await
        });
        within(limit, "reading what fallbacks tell", work).await
    }
}
