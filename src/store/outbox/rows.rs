//! The rows of notifications and deliveries as they are first written.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::alerts::Message;
use crate::engine::delivery::{NewNotification, Why, derived_id};

use super::ends::Written;

/// How many rows one statement writes at most: what is sent at a time stays within bounds.
const ROWS: usize = 5000;

/// The lengths that the tables allow, in characters.
const MOST_TITLE: usize = 1000;
const MOST_TEXT: usize = 4000;
const MOST_REASON: usize = 300;

/// A notification as it is written.
pub(super) struct NotificationRow {
    id: Uuid,
    workspace: String,
    topic: &'static str,
    event: &'static str,
    severity: &'static str,
    title: String,
    text: String,
    content: String,
    alerts: String,
    rule: Option<String>,
    replay_of: Option<Uuid>,
    created_by: String,
    /// When it was written, if that was before.
    created_at: Option<DateTime<Utc>>,
}

impl NotificationRow {
    /// The row for a message, which may be another one than the notification came with.
    pub(super) fn new(id: Uuid, from: &NewNotification, message: &Message, alerts: Vec<Uuid>) -> Self {
        Self::of(id, message, alerts, from.replay_of, &from.created_by)
    }

    /// The row for what still stands of one that was written before; it is as old as that one.
    pub(super) fn anew(id: Uuid, from: &Written, message: &Message, alerts: Vec<Uuid>) -> Self {
        Self {
            created_at: Some(from.created_at),
            ..Self::of(id, message, alerts, from.replay_of, &from.created_by)
        }
    }

    fn of(id: Uuid, message: &Message, alerts: Vec<Uuid>, replay_of: Option<Uuid>, created_by: &str) -> Self {
        let alerts: Vec<String> = alerts.iter().map(Uuid::to_string).collect();
        let mut title = short(&message.title, MOST_TITLE);
        if title.trim().is_empty() {
            message.event.code().clone_into(&mut title);
        }
        Self {
            id,
            workspace: message.workspace.clone(),
            topic: message.topic.code(),
            event: message.event.code(),
            severity: message.severity.code(),
            title,
            text: short(&message.text, MOST_TEXT),
            content: content(message),
            alerts: format!("{{{}}}", alerts.join(",")),
            rule: message.rule.clone(),
            replay_of,
            created_by: short(created_by, MOST_REASON),
            created_at: None,
        }
    }
}

/// A delivery as it is written; it is suppressed where there is a reason.
#[derive(Clone)]
pub(super) struct DeliveryRow {
    pub(super) id: Uuid,
    pub(super) workspace: String,
    pub(super) notification: Uuid,
    pub(super) channel: String,
    pub(super) target: String,
    pub(super) ordering_key: String,
    pub(super) why: Option<Why>,
    pub(super) next_attempt_at: DateTime<Utc>,
    pub(super) is_fallback: bool,
}

impl DeliveryRow {
    /// The same way for another notification.
    pub(super) fn of(self, notification: Uuid) -> Self {
        let id = derived_id(notification, &[&self.channel, &self.target]);
        Self { id, notification, ..self }
    }
}

/// A text as the database takes it: without NUL, and no longer than that many characters.
pub(super) fn short(text: &str, most: usize) -> String {
    let clean = || text.chars().filter(|character| *character != '\0');
    if clean().nth(most).is_none() {
        return clean().collect();
    }
    clean().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A message as JSON that the database takes: it knows no NUL.
fn content(message: &Message) -> String {
    let text = serde_json::to_string(message).unwrap_or_else(|_| "{}".to_owned());
    if !text.contains("\\u0000") {
        return text;
    }
    let mut value: Value = serde_json::from_str(&text).unwrap_or_default();
    without_nul(&mut value);
    value.to_string()
}

fn without_nul(value: &mut Value) {
    match value {
        Value::String(text) => text.retain(|character| character != '\0'),
        Value::Array(items) => items.iter_mut().for_each(without_nul),
        Value::Object(map) => map.values_mut().for_each(without_nul),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

const NOTIFICATIONS: &str = "insert into synthex.notifications (id, workspace, type, event, severity, title, message, content, \
      alerts, rule, replay_of, created_by, created_at) \
     select id, workspace, type, event, severity, title, message, content::jsonb, alerts::uuid[], rule, replay_of, created_by, \
      coalesce(created_at, $13) \
     from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], \
      $10::text[], $11::uuid[], $12::text[], $14::timestamptz[]) as r (id, workspace, type, event, severity, title, message, \
      content, alerts, rule, replay_of, created_by, created_at) on conflict (id) do nothing returning id";

/// Writes notifications; those that are there already stay as they are. Returns those that were written.
pub(super) async fn insert_notifications(
    connection: &mut PgConnection,
    rows: &[NotificationRow],
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>, sqlx::Error> {
    let mut written = Vec::with_capacity(rows.len());
    for rows in rows.chunks(ROWS) {
        let texts = |text: fn(&NotificationRow) -> &str| rows.iter().map(text).collect::<Vec<&str>>();
        let query = sqlx::query_scalar::<_, Uuid>(NOTIFICATIONS)
            .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
            .bind(texts(|row| &row.workspace))
            .bind(texts(|row| row.topic))
            .bind(texts(|row| row.event))
            .bind(texts(|row| row.severity))
            .bind(texts(|row| &row.title))
            .bind(texts(|row| &row.text))
            .bind(texts(|row| &row.content))
            .bind(texts(|row| &row.alerts))
            .bind(rows.iter().map(|row| row.rule.as_deref()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.replay_of).collect::<Vec<_>>())
            .bind(texts(|row| &row.created_by))
            .bind(now)
            .bind(rows.iter().map(|row| row.created_at).collect::<Vec<_>>());
        written.extend(query.persistent(false).fetch_all(&mut *connection).await?);
    }
    Ok(written)
}

/// The order of the rows is the order in which they go out.
const DELIVERIES: &str = "insert into synthex.notification_deliveries (id, workspace, notification, channel, target, ordering_key, \
      state, reason, last_code, next_attempt_at, is_fallback, created_at, finished_at) \
     select id, workspace, notification, channel, target, ordering_key, case when reason is null then 'pending' else 'suppressed' end, \
      reason, code, next_attempt_at, is_fallback, $11, case when reason is not null then $11::timestamptz end \
     from unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[], \
      $10::boolean[]) with ordinality as r (id, workspace, notification, channel, target, ordering_key, reason, code, \
      next_attempt_at, is_fallback, place) order by place on conflict do nothing returning reason is null";

/// Writes deliveries; those that are there already stay as they are. Returns how many wait, and how many are suppressed.
pub(super) async fn insert_deliveries(
    connection: &mut PgConnection,
    rows: &[DeliveryRow],
    now: DateTime<Utc>,
) -> Result<(u64, u64), sqlx::Error> {
    let (mut queued, mut suppressed) = (0, 0);
    for rows in rows.chunks(ROWS) {
        let texts = |text: fn(&DeliveryRow) -> &str| rows.iter().map(text).collect::<Vec<&str>>();
        let whys = || rows.iter().map(|row| row.why.as_ref());
        let query = sqlx::query_scalar::<_, bool>(DELIVERIES)
            .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
            .bind(texts(|row| &row.workspace))
            .bind(rows.iter().map(|row| row.notification).collect::<Vec<_>>())
            .bind(texts(|row| &row.channel))
            .bind(texts(|row| &row.target))
            .bind(texts(|row| &row.ordering_key))
            .bind(whys().map(|why| why.map(|why| short(&why.reason, MOST_REASON))).collect::<Vec<_>>())
            .bind(whys().map(|why| why.map(|why| why.code)).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.next_attempt_at).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.is_fallback).collect::<Vec<_>>())
            .bind(now);
        for waits in query.persistent(false).fetch_all(&mut *connection).await? {
            if waits {
                queued += 1;
            } else {
                suppressed += 1;
            }
        }
    }
    Ok((queued, suppressed))
}

const CANCEL: &str = "update synthex.notification_deliveries as d set state = 'cancelled', reason = r.reason, finished_at = $3 \
     from unnest($1::uuid[], $2::text[]) as r (id, reason) where d.id = r.id and d.state in ('pending', 'retrying')";

/// Takes back deliveries that wait, each with its reason.
pub(super) async fn cancel(
    connection: &mut PgConnection,
    deliveries: &[(Uuid, String)],
    now: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let (ids, reasons): (Vec<Uuid>, Vec<&str>) =
        deliveries.iter().map(|(id, reason)| (*id, reason.as_str())).unzip();
    let query = sqlx::query(CANCEL).bind(ids).bind(reasons).bind(now).persistent(false);
    Ok(query.execute(connection).await?.rows_affected())
}
