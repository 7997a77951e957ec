//! Notifications and their deliveries for people.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::engine::StateError;
use crate::store::connect::Connection;
use crate::store::error::within;

/// Which notifications are wanted.
#[derive(Clone, Debug, Default)]
pub struct NotificationWish {
    /// Of this workspace.
    pub workspace: Option<String>,
    /// These alone.
    pub ids: Option<Vec<Uuid>>,
    /// With a delivery in one of these states.
    pub states: Option<Vec<String>>,
    /// With a delivery through this channel.
    pub channel: Option<String>,
    /// Of these types.
    pub types: Option<Vec<String>>,
    /// Of these severities.
    pub severities: Option<Vec<String>>,
    /// At most so many.
    pub limit: Option<i64>,
    /// After so many newer ones.
    pub offset: i64,
}

/// A notification.
#[derive(Clone, Debug)]
pub struct ListedNotification {
    /// Its id.
    pub id: Uuid,
    /// Its workspace.
    pub workspace: String,
    /// What sort of thing it tells.
    pub topic: String,
    /// What happened.
    pub event: String,
    /// How urgent it is.
    pub severity: String,
    /// What it says, in one line.
    pub title: String,
    /// What it says.
    pub message: String,
    /// The same in parts.
    pub content: serde_json::Value,
    /// The alerts it tells of.
    pub alerts: Vec<Uuid>,
    /// Their rule.
    pub rule: Option<String>,
    /// The notification that it repeats.
    pub replay_of: Option<Uuid>,
    /// Who wrote it.
    pub created_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Its deliveries, in the order in which they were queued.
    pub deliveries: Vec<ListedDelivery>,
}

/// A delivery.
#[derive(Clone, Debug)]
pub struct ListedDelivery {
    /// Its id.
    pub id: Uuid,
    /// The notification.
    pub notification: Uuid,
    /// Through which channel.
    pub channel: String,
    /// To whom.
    pub target: String,
    /// Where it is.
    pub state: String,
    /// Why it was cancelled or suppressed.
    pub reason: Option<String>,
    /// How often it was tried.
    pub attempts: i64,
    /// Not before then.
    pub next_attempt_at: DateTime<Utc>,
    /// When it came to an end.
    pub finished_at: Option<DateTime<Utc>>,
    /// What the last attempt came to.
    pub last_code: Option<String>,
    /// Why it failed.
    pub last_error: Option<String>,
    /// Whether it stands in for another one.
    pub is_fallback: bool,
    /// When somebody last had it tried again.
    pub retried_at: Option<DateTime<Utc>>,
    /// Who.
    pub retried_by: Option<String>,
    /// Until when a worker has it, by the clock of the database.
    pub leased_until: Option<DateTime<Utc>>,
}

/// An attempt.
#[derive(Clone, Debug)]
pub struct ListedAttempt {
    /// The delivery.
    pub delivery: Uuid,
    /// Which attempt, from 1.
    pub attempt: i64,
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// How long it took, in milliseconds; `None` where nobody knows, since its worker was lost.
    pub latency_ms: Option<i64>,
    /// `sent`, `transient`, `permanent`.
    pub outcome: String,
    /// The status of the answer.
    pub status: Option<i64>,
    /// What it came to.
    pub code: String,
    /// The start of the answer.
    pub response: Option<String>,
}

const NOTIFICATIONS: &str = "select n.id, n.workspace, n.type, n.event, n.severity, n.title, n.message, n.content, n.alerts, n.rule, \
      n.replay_of, n.created_by, n.created_at from synthex.notifications as n \
     where ($1::text is null or n.workspace = $1) and ($2::uuid[] is null or n.id = any($2)) \
     and ($3::text[] is null and $4::text is null or exists (select from synthex.notification_deliveries as d \
      where d.notification = n.id and ($3::text[] is null or d.state = any($3)) and ($4::text is null or d.channel = $4))) \
     and ($5::text[] is null or n.type = any($5)) and ($6::text[] is null or n.severity = any($6)) \
     order by n.created_at desc, n.id desc limit $7 offset $8";

/// The columns of a [`ListedDelivery`], of the table `d`.
pub(super) const DELIVERY: &str = "d.id, d.notification, d.channel, d.target, d.state, d.reason, d.attempts, d.next_attempt_at, \
     d.finished_at, d.last_code, d.last_error, d.is_fallback, d.retried_at, d.retried_by, d.leased_until";

const ATTEMPTS: &str = "select a.delivery, a.attempt, a.began_at, case when a.code <> 'worker_lost' then a.latency_ms end, a.outcome, a.status, a.code, a.response \
     from synthex.delivery_attempts as a join synthex.notification_deliveries as d on d.id = a.delivery \
     where d.notification = any($1::uuid[]) order by d.seq, a.attempt";

impl Connection {
    /// Notifications, the newest first, with their deliveries: two statements, however many there are.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn notifications(
        &mut self,
        scope: Option<&str>,
        wish: &NotificationWish,
    ) -> Result<Vec<ListedNotification>, StateError> {
        let limit = self.timeout;
        let work = super::in_scope(&mut self.inner, scope, async |connection| {
            let mut listed = notifications(connection, wish).await?;
            let ids: Vec<Uuid> = listed.iter().map(|notification| notification.id).collect();
            for delivery in deliveries(connection, &ids).await? {
                if let Some(own) = listed.iter_mut().find(|own| own.id == delivery.notification) {
                    own.deliveries.push(delivery);
                }
            }
            Ok(listed)
        });
        within(limit, "reading notifications", work).await
    }

    /// The attempts of notifications.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn attempts(
        &mut self,
        scope: Option<&str>,
        notifications: &[Uuid],
    ) -> Result<Vec<ListedAttempt>, StateError> {
        let limit = self.timeout;
        let work = super::in_scope(&mut self.inner, scope, async |connection| {
            let query = sqlx::query(ATTEMPTS).bind(notifications).persistent(false);
            let rows = query.fetch_all(connection).await?;
            rows.iter()
                .map(|row| {
                    Ok(ListedAttempt {
                        delivery: row.try_get(0)?,
                        attempt: row.try_get(1)?,
                        began_at: row.try_get(2)?,
                        latency_ms: row.try_get(3)?,
                        outcome: row.try_get(4)?,
                        status: row.try_get(5)?,
                        code: row.try_get(6)?,
                        response: row.try_get(7)?,
                    })
                })
                .collect::<Result<Vec<_>, sqlx::Error>>()
        });
        within(limit, "reading attempts", work).await
    }
}

async fn notifications(
    connection: &mut PgConnection,
    wish: &NotificationWish,
) -> Result<Vec<ListedNotification>, sqlx::Error> {
    let query = sqlx::query(NOTIFICATIONS)
        .bind(&wish.workspace)
        .bind(&wish.ids)
        .bind(&wish.states)
        .bind(&wish.channel)
        .bind(&wish.types)
        .bind(&wish.severities)
        .bind(wish.limit)
        .bind(wish.offset)
        .persistent(false);
    let rows = query.fetch_all(connection).await?;
    let one = |row: &sqlx::postgres::PgRow| {
        Ok(ListedNotification {
            id: row.try_get(0)?,
            workspace: row.try_get(1)?,
            topic: row.try_get(2)?,
            event: row.try_get(3)?,
            severity: row.try_get(4)?,
            title: row.try_get(5)?,
            message: row.try_get(6)?,
            content: row.try_get(7)?,
            alerts: row.try_get(8)?,
            rule: row.try_get(9)?,
            replay_of: row.try_get(10)?,
            created_by: row.try_get(11)?,
            created_at: row.try_get(12)?,
            deliveries: Vec::new(),
        })
    };
    rows.iter().map(one).collect()
}

async fn deliveries(
    connection: &mut PgConnection,
    notifications: &[Uuid],
) -> Result<Vec<ListedDelivery>, sqlx::Error> {
    let sql = format!(
        "select {DELIVERY} from synthex.notification_deliveries as d where d.notification = any($1::uuid[]) order by d.seq"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(notifications).persistent(false);
    query.fetch_all(connection).await?.iter().map(delivery_of).collect()
}

pub(super) fn delivery_of(row: &sqlx::postgres::PgRow) -> Result<ListedDelivery, sqlx::Error> {
    Ok(ListedDelivery {
        id: row.try_get(0)?,
        notification: row.try_get(1)?,
        channel: row.try_get(2)?,
        target: row.try_get(3)?,
        state: row.try_get(4)?,
        reason: row.try_get(5)?,
        attempts: row.try_get(6)?,
        next_attempt_at: row.try_get(7)?,
        finished_at: row.try_get(8)?,
        last_code: row.try_get(9)?,
        last_error: row.try_get(10)?,
        is_fallback: row.try_get(11)?,
        retried_at: row.try_get(12)?,
        retried_by: row.try_get(13)?,
        leased_until: row.try_get(14)?,
    })
}
