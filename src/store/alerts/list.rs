//! Alerts for people: chosen, sorted and cut by the database.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;

use crate::alerts::facts::ThresholdRow;
use crate::alerts::{Alert, AlertLabels};
use crate::engine::StateError;
use crate::store::connect::{Connection, in_transaction};
use crate::store::error::within;

use super::{enter, rows};

/// Which alerts are meant.
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    /// Of one workspace.
    pub workspace: Option<String>,
    /// Of these statuses; empty for those that are not over.
    pub statuses: Vec<&'static str>,
    /// Of these urgencies; empty for all.
    pub severities: Vec<&'static str>,
    /// Of one rule.
    pub rule: Option<String>,
    /// Of one tenant.
    pub tenant: Option<String>,
    /// With an id that begins or ends like this, whatever else is asked for.
    pub id: Option<String>,
    /// The moment: an acknowledgement that ended before then holds no more, though no evaluation has written that yet.
    pub now: DateTime<Utc>,
    /// At most so many; all where it is `None`.
    pub limit: Option<i64>,
}

/// An alert, and where it is.
#[derive(Clone, Debug)]
pub struct ListedAlert {
    /// The workspace.
    pub workspace: String,
    /// The alert.
    pub alert: Alert,
    /// The tenant's region, where it is known.
    pub region: Option<String>,
}

impl Connection {
    /// Alerts, the most urgent first; of those, what is told before what is muted, then what expires first, then the newest.
    /// With how many there are in all.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn alerts(&mut self, filter: &AlertFilter) -> Result<(Vec<ListedAlert>, i64), StateError> {
        let limit = self.timeout;
        let columns: String =
            rows::COLUMNS.split(", ").map(|column| format!("a.{column}")).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "select {columns}, a.workspace, t.region, count(*) over () from synthex.alerts as a \
             left join synthex.tenants as t on t.workspace = a.workspace and t.name = a.tenant \
             where ($1::text is null or a.workspace = $1) \
              and case when $2::text is not null then \
               starts_with(a.id::text, lower($2)) or right(a.id::text, length($2)) = lower($2) else \
               (case when cardinality($3::text[]) = 0 then a.status <> 'resolved' else \
                case when a.status = 'acknowledged' and a.ack_until <= $8 then 'firing' else a.status end = any($3) end) \
              and (cardinality($4::text[]) = 0 or a.severity = any($4)) and ($5::text is null or a.rule = $5) \
              and ($6::text is null or a.tenant = $6) end \
             order by array_position(array['critical', 'warning', 'info'], a.severity), \
              a.status <> 'resolved' and cardinality(a.muted_by) > 0, \
              case when a.status <> 'resolved' then a.expires_at end nulls last, \
              case when a.status = 'resolved' then a.resolved_at else coalesce(a.fired_at, a.started_at) end desc, \
              a.workspace, a.id limit $7"
        );
        let work = in_transaction(&mut self.inner, async |connection| {
            if let Some(workspace) = &filter.workspace {
                enter(connection, workspace).await?;
            }
            let query = sqlx::query(AssertSqlSafe(sql))
                .bind(&filter.workspace)
                .bind(&filter.id)
                .bind(&filter.statuses)
                .bind(&filter.severities)
                .bind(&filter.rule)
                .bind(&filter.tenant)
                .bind(filter.limit)
                .bind(filter.now)
                .persistent(false);
            let (mut found, mut total) = (Vec::new(), 0);
            for row in query.fetch_all(connection).await? {
                let last = row.len();
                total = row.try_get(last - 1)?;
                let (workspace, region) = (row.try_get(last - 3)?, row.try_get(last - 2)?);
                found.extend(rows::alert_of(&row)?.map(|alert| ListedAlert { workspace, alert, region }));
            }
            Ok((found, total))
        });
        within(limit, "reading alerts", work).await
    }

    /// The labels of the alerts of a workspace that are raised, or about to be. Within a transaction.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn labels_of_alerts(&mut self, workspace: &str) -> Result<Vec<AlertLabels>, StateError> {
        self.enter(workspace).await?;
        let sql = "select labels::text from synthex.alerts \
             where workspace = $1 and status in ('pending', 'firing', 'acknowledged')";
        let query = sqlx::query_scalar::<_, String>(sql).bind(workspace).persistent(false);
        let texts = within(self.timeout, "reading what alerts are about", query.fetch_all(&mut self.inner));
        Ok(texts.await?.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    /// The names of rules that are there, or have raised an alert.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn alerting_rules(&mut self, workspace: Option<&str>) -> Result<Vec<String>, StateError> {
        let sql = "select name from synthex.alert_rules where deleted_at is null and ($1::text is null or workspace = $1) \
             union select rule from synthex.alerts where rule is not null and ($1::text is null or workspace = $1) order by 1";
        self.texts(workspace, sql, &[]).await
    }

    /// Those of some keys that are labels of a tenant, or of an alert.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn known_labels(
        &mut self,
        workspace: Option<&str>,
        keys: &[String],
    ) -> Result<Vec<String>, StateError> {
        let sql = "select k from unnest($2::text[]) as k where exists (select from synthex.tenants as t \
             where ($1::text is null or t.workspace = $1) and t.labels ? k) \
             or exists (select from synthex.alerts as a where ($1::text is null or a.workspace = $1) \
              and (a.labels ? k or a.labels ? ('label.' || k)))";
        self.texts(workspace, sql, keys).await
    }

    async fn texts(
        &mut self,
        workspace: Option<&str>,
        sql: &'static str,
        keys: &[String],
    ) -> Result<Vec<String>, StateError> {
        let limit = self.timeout;
        let work = in_transaction(&mut self.inner, async |connection| {
            if let Some(workspace) = workspace {
                enter(connection, workspace).await?;
            }
            let mut query = sqlx::query(sql).bind(workspace);
            if !keys.is_empty() {
                query = query.bind(keys);
            }
            let rows = query.persistent(false).fetch_all(connection).await?;
            rows.iter().map(|row| row.try_get(0)).collect()
        });
        within(limit, "reading what alerts may be asked for", work).await
    }

    /// The thresholds that were crossed of a credential, as its rule told them, in the order in which that was noticed.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn crossed_thresholds(
        &mut self,
        workspace: &str,
        rule: &str,
        credential: Uuid,
    ) -> Result<Vec<ThresholdRow>, StateError> {
        let limit = self.timeout;
        let sql = "select rule, credential, generation, threshold, state = 'told', alert, crossed_at \
             from synthex.alert_thresholds where workspace = $1 and rule = $2 and credential = $3 \
             order by crossed_at, state, threshold";
        let work = in_transaction(&mut self.inner, async |connection| {
            enter(connection, workspace).await?;
            let query = sqlx::query(sql).bind(workspace).bind(rule).bind(credential).persistent(false);
            let rows = query.fetch_all(connection).await?;
            let read = |row: &sqlx::postgres::PgRow| {
                Ok(ThresholdRow {
                    rule: row.try_get(0)?,
                    credential: row.try_get(1)?,
                    generation: row.try_get(2)?,
                    threshold: row.try_get(3)?,
                    is_told: row.try_get(4)?,
                    alert: row.try_get(5)?,
                    crossed_at: row.try_get(6)?,
                })
            };
            rows.iter().map(read).collect()
        });
        within(limit, "reading thresholds", work).await
    }
}
