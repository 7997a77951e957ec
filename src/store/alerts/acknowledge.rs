//! Acknowledging an alert, while nobody evaluates its workspace.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
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
    /// More than one alert has an id that begins like this.
    Ambiguous,
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
    /// Of this workspace, where one is named.
    pub workspace: Option<&'w str>,
    /// Its id, or the beginning of one.
    pub id: &'w str,
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
        if let Some(workspace) = workspace {
            enter(inner, workspace).await?;
        }
        let (workspace, found) = match find(inner, workspace, id).await?.as_slice() {
            [] => return Ok(Acknowledged::NoSuch),
            [one] => one.clone(),
            _ => return Ok(Acknowledged::Ambiguous),
        };
        if !is_dry {
            lock(inner, &workspace, now).await?;
        }
        let sql = format!("select {} from synthex.alerts where id = $1", rows::COLUMNS);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(found).persistent(false);
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

async fn find(
    connection: &mut PgConnection,
    workspace: Option<&str>,
    id: &str,
) -> Result<Vec<(String, Uuid)>, sqlx::Error> {
    let sql = "select workspace, id from synthex.alerts where starts_with(id::text, lower($1)) \
         and ($2::text is null or workspace = $2) limit 2";
    let query = sqlx::query(sql).bind(id).bind(workspace).persistent(false);
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
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
