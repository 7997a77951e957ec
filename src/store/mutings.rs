//! What the last evaluations left: how many alerts that are not over each silence or window mutes, and when each rule was
//! evaluated.

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use crate::engine::StateError;

use super::connect::Connection;
use super::error::within;

/// What mutes alerts of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Muting {
    /// The workspace.
    pub workspace: String,
    /// `silence/NAME`, `window/NAME`, `inhibition/WHAT`.
    pub by: String,
    /// How many alerts.
    pub alerts: i64,
}

/// All of them; of one workspace, if one is named.
///
/// # Errors
/// Whatever the database reports.
pub async fn mutings(
    connection: &mut Connection,
    workspace: Option<&str>,
) -> Result<Vec<Muting>, StateError> {
    connection.begin_reading().await?;
    let outcome = read(connection, workspace).await;
    connection.rollback().await?;
    outcome
}

async fn read(connection: &mut Connection, workspace: Option<&str>) -> Result<Vec<Muting>, StateError> {
    if let Some(name) = workspace {
        connection.enter(name).await?;
    }
    let limit = connection.timeout;
    let work = async {
        let sql = "select workspace, by, count(*) from synthex.alerts, unnest(muted_by) by \
                   where status <> 'resolved' and ($1::text is null or workspace = $1) group by 1, 2";
        let rows =
            sqlx::query(sql).bind(workspace).persistent(false).fetch_all(&mut connection.inner).await?;
        rows.iter()
            .map(|row| {
                Ok(Muting { workspace: row.try_get(0)?, by: row.try_get(1)?, alerts: row.try_get(2)? })
            })
            .collect()
    };
    within(limit, "counting what is muted", work).await
}

/// When a rule was last evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// The workspace.
    pub workspace: String,
    /// The rule.
    pub rule: String,
    /// When.
    pub evaluated_at: DateTime<Utc>,
}

/// Those of all rules that ever were; of one workspace, if one is named.
///
/// # Errors
/// Whatever the database reports.
pub async fn evaluations(
    connection: &mut Connection,
    workspace: Option<&str>,
) -> Result<Vec<Evaluation>, StateError> {
    connection.begin_reading().await?;
    let outcome = read_evaluations(connection, workspace).await;
    connection.rollback().await?;
    outcome
}

async fn read_evaluations(
    connection: &mut Connection,
    workspace: Option<&str>,
) -> Result<Vec<Evaluation>, StateError> {
    if let Some(name) = workspace {
        connection.enter(name).await?;
    }
    let limit = connection.timeout;
    let work = async {
        // The row of no rule is a lock.
        let sql = "select workspace, rule, evaluated_at from synthex.alert_evaluations \
                   where rule <> '' and ($1::text is null or workspace = $1)";
        let rows =
            sqlx::query(sql).bind(workspace).persistent(false).fetch_all(&mut connection.inner).await?;
        let read = |row: &sqlx::postgres::PgRow| {
            Ok(Evaluation {
                workspace: row.try_get(0)?,
                rule: row.try_get(1)?,
                evaluated_at: row.try_get(2)?,
            })
        };
        rows.iter().map(read).collect()
    };
    within(limit, "reading when rules were evaluated", work).await
}
