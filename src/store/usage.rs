//! Puts what was recorded into the database: a batch in one statement, whatever of it is there already left out.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Datelike as _, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, Executor as _, Row as _};
use uuid::Uuid;

use super::connect::Connection;

/// A metric as it is stored, and as it waits before that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredMetric {
    /// Made where it was recorded.
    pub id: Uuid,
    /// When it began.
    pub recorded_at: DateTime<Utc>,
    /// The workspace that was meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// Who did it.
    pub actor: String,
    /// What sort of thing.
    pub metric_type: String,
    /// Which.
    pub metric_name: String,
    /// The service that was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// How it ended.
    pub outcome: String,
    /// A stable word for how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Whole milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// How many.
    pub value: u64,
    /// Numbers that belong to it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// The installation it was recorded for, where that was known: it is stored in no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation: Option<Uuid>,
}

/// Metrics could not be stored.
#[derive(Debug)]
pub struct NotStored {
    /// Whether they never can be, as they are.
    pub is_hopeless: bool,
    /// Why.
    pub why: String,
}

/// Stores metrics, and says which installation it was that stored them: it took those that were recorded for it, or for
/// none that was known.
///
/// It is one message and one answer, whatever state the connection was left in, and it waits for nothing: neither for an
/// answer nor, in the database, for a lock.
///
/// # Errors
/// Nothing was stored, or what was stored is not known; storing it again is harmless.
pub async fn store_metrics(
    connection: &mut Connection,
    metrics: &[StoredMetric],
    limit: Duration,
) -> Result<Uuid, NotStored> {
    let failed = |why: String| NotStored { is_hopeless: false, why };
    let rows = serde_json::to_string(metrics).map_err(|error| failed(error.to_string()))?;
    // Within JSON a dollar sign stands only in strings, and there it can be escaped: nothing ends the quotation.
    let rows = rows.replace('$', "\\u0024");
    let milliseconds = limit.as_millis();
    let sql = format!(
        "rollback; begin; set local lock_timeout = '50ms'; set local statement_timeout = '{milliseconds}ms'; \
         select id from synthex.installation; \
         insert into synthex.usage_metrics (id, recorded_at, workspace, actor, metric_type, metric_name, service, outcome, \
            code, duration_ms, value, metadata) \
         select id, recorded_at, workspace, actor, metric_type, metric_name, service, outcome, code, duration_ms, value, \
            coalesce(metadata, '{{}}') \
         from jsonb_to_recordset($usage${rows}$usage$) as waiting (id uuid, recorded_at timestamptz, workspace text, \
            actor text, metric_type text, metric_name text, service text, outcome text, code text, duration_ms bigint, \
            value bigint, metadata jsonb, installation uuid) \
         where installation is null or installation = (select id from synthex.installation) \
         on conflict do nothing; commit"
    );
    let work = connection.inner.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql)));
    let rows = match tokio::time::timeout(limit, work).await {
        Err(_) => return Err(failed("no answer in time".to_owned())),
        Ok(Err(error)) => {
            let code =
                error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
            let is_hopeless = code.starts_with("22") || code.starts_with("23");
            return Err(NotStored { is_hopeless, why: error.to_string() });
        }
        Ok(Ok(rows)) => rows,
    };
    let first = rows.first().ok_or_else(|| failed("synthex is not installed".to_owned()))?;
    first.try_get(0).map_err(|error| failed(error.to_string()))
}

/// Makes the months of stored metrics that are missing, and moves into them what is stored already. That it cannot be done,
/// or not in time, loses nothing.
pub async fn make_months(connection: &mut Connection, metrics: &[StoredMetric], limit: Duration) {
    let months: BTreeSet<(i32, u32)> =
        metrics.iter().map(|metric| (metric.recorded_at.year(), metric.recorded_at.month())).collect();
    let milliseconds = limit.as_millis();
    let mut sql = format!(
        "rollback; begin; set local lock_timeout = '50ms'; set local statement_timeout = '{milliseconds}ms'; "
    );
    for (year, month) in months {
        sql.push_str(&format!("select synthex.usage_month('{year:04}-{month:02}-01 00:00Z'); "));
    }
    sql.push_str("commit");
    let work = connection.inner.execute(sqlx::raw_sql(AssertSqlSafe(sql)));
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a month of metrics was not made"),
        Err(_) => tracing::debug!("a month of metrics was not made in time"),
    }
}
