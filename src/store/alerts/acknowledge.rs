//! Acknowledging an alert, while nobody evaluates its workspace.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::alerts::Alert;
use crate::alerts::life::{self, Acknowledgement, NotAcknowledged};
use crate::engine::StateError;
use crate::store::connect::{Connection, in_transaction};
use crate::store::error::within;

use super::{enter, lock, rows};

/// What came of it.
#[derive(Debug)]
pub enum Acknowledged {
    /// There is no such alert.
    NoSuch,
    /// It cannot be.
    Refused(Box<Alert>, NotAcknowledged),
    /// It was so before.
    Already(Box<Alert>),
    /// It is now.
    Done(Box<Alert>),
}

/// Which alert is to be acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'w> {
    /// Its workspace.
    pub workspace: &'w str,
    /// Its id.
    pub id: Uuid,
    /// Whether nothing is written.
    pub is_dry: bool,
}

/// Acknowledges an alert.
///
/// # Errors
/// Whatever the database reports; nothing was changed.
pub async fn acknowledge(
    connection: &mut Connection,
    wish: &Wish<'_>,
    said: &Acknowledgement,
    now: DateTime<Utc>,
) -> Result<Acknowledged, StateError> {
    let limit = connection.timeout;
    let Wish { workspace, id, is_dry } = *wish;
    let work = in_transaction(&mut connection.inner, async |inner| {
        enter(inner, workspace).await?;
        if !is_dry {
            lock(inner, workspace, now).await?;
        }
        let sql = format!("select {} from synthex.alerts where id = $1", rows::COLUMNS);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(id).persistent(false);
        let Some(row) = query.fetch_optional(&mut *inner).await? else { return Ok(Acknowledged::NoSuch) };
        let Some(alert) = rows::alert_of(&row)? else { return Ok(Acknowledged::NoSuch) };
        let next = match life::acknowledge(&alert, said, now) {
            Err(why) => return Ok(Acknowledged::Refused(Box::new(alert), why)),
            Ok(None) => return Ok(Acknowledged::Already(Box::new(alert))),
            Ok(Some(next)) => next,
        };
        if !is_dry {
            store(inner, &next).await?;
        }
        Ok(Acknowledged::Done(Box::new(next)))
    });
    within(limit, "acknowledging an alert", work).await
}

async fn store(connection: &mut PgConnection, alert: &Alert) -> Result<(), sqlx::Error> {
    let sql = "update synthex.alerts set status = $2, changed_at = $3, acknowledged_at = $4, acknowledged_by = $5, ack_comment = $6, \
         ack_until = $7, revision = revision + 1 where id = $1";
    let query = sqlx::query(sql)
        .bind(alert.id)
        .bind(alert.status.code())
        .bind(alert.changed_at)
        .bind(alert.acknowledged_at)
        .bind(&alert.acknowledged_by)
        .bind(&alert.ack_comment)
        .bind(alert.ack_until)
        .persistent(false);
    query.execute(connection).await.map(|_| ())
}
