//! Reads how things stand, how often they were available in a period, and what was found when.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::Row as _;

use crate::engine::StateError;
use crate::engine::health::{CheckKey, Settled};
use crate::model::health::{CheckedService, HealthStatus};

use super::connect::Connection;
use super::error::within;
use super::health::{KeptResult, key, status};

/// How something stands, and what the last result found.
#[derive(Clone, Debug)]
pub struct KeptState {
    /// What it is about.
    pub key: CheckKey,
    /// The tenant it is about.
    pub tenant: Option<String>,
    /// How it stands, with the counters that decide when that changes.
    pub settled: Settled,
    /// What the last result found, as a stable word.
    pub code: String,
    /// The same for people.
    pub message: String,
    /// How long the last result took, in milliseconds.
    pub latency_ms: Option<i64>,
    /// What shows it.
    pub evidence: Value,
    /// Whether the last result fell into a maintenance window.
    pub maintenance: bool,
    /// When it is to be looked at again.
    pub due_at: Option<DateTime<Utc>>,
}

/// How often something was found to work in a period, of the results that found out anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Availability {
    /// Results that were healthy or degraded.
    pub good: i64,
    /// Results that were not unknown.
    pub known: i64,
}

/// Which results are wanted.
#[derive(Clone, Debug, Default)]
pub struct ResultFilter<'a> {
    /// Only of this workspace, and of what belongs to none.
    pub workspace: Option<&'a str>,
    /// Only of this service.
    pub service: Option<CheckedService>,
    /// Only of this subject.
    pub subject: Option<&'a str>,
    /// Only of this status.
    pub status: Option<HealthStatus>,
    /// Only of these tenants, workspaces and names as columns: of things that have a state now, which says whose they are.
    pub tenants: Option<(Vec<&'a str>, Vec<&'a str>)>,
    /// At most so many, the newest.
    pub limit: i64,
}

impl Connection {
    /// Whether there is a place for results: what was installed before has none.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn has_place_for_health(&mut self) -> Result<bool, StateError> {
        let query =
            sqlx::query_scalar("select to_regclass('synthex.health_status') is not null").persistent(false);
        within(self.timeout, "looking for health checks", query.fetch_one(&mut self.inner)).await
    }

    /// Whether we may keep results: the role has the rights, and the server takes writes. Within a transaction.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn may_keep_health(&mut self) -> Result<bool, StateError> {
        let sql = "select not pg_is_in_recovery() and current_setting('default_transaction_read_only') = 'off' \
             and has_table_privilege('synthex.health_checks', 'insert') \
             and has_table_privilege('synthex.health_status', 'insert') and has_table_privilege('synthex.health_status', 'update') \
             and has_table_privilege('synthex.health_status', 'delete')";
        let query = sqlx::query_scalar(sql).persistent(false);
        within(self.timeout, "asking what the role may", query.fetch_one(&mut self.inner)).await
    }

    /// How everything stands that was ever looked at; of one workspace and what belongs to none, where one is named. Within a
    /// transaction.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn health_states(&mut self, workspace: Option<&str>) -> Result<Vec<KeptState>, StateError> {
        let sql = "select h.workspace, h.service, h.subject, h.tenant, h.status, h.since, h.last_status, h.failures, h.successes, \
              h.severe, h.checked_at, h.code, h.message, h.latency_ms, h.evidence, h.due_at, \
              coalesce((select c.maintenance from synthex.health_checks as c \
               where (c.workspace, c.service, c.subject) = (h.workspace, h.service, h.subject) \
               order by c.checked_at desc limit 1), false) \
             from synthex.health_status as h \
             where h.code <> 'never_checked' and ($1::text is null or h.workspace in ($1, '')) order by 1, 2, 3";
        let query = sqlx::query(sql).bind(workspace).persistent(false);
        let work = async {
            let mut states = Vec::new();
            for row in query.fetch_all(&mut self.inner).await? {
                states.push(KeptState {
                    key: key(&row, 0)?,
                    tenant: row.try_get(3)?,
                    settled: Settled {
                        status: status(&row, 4)?,
                        since: row.try_get(5)?,
                        last_status: status(&row, 6)?,
                        last_code: row.try_get(11)?,
                        failures: row.try_get(7)?,
                        successes: row.try_get(8)?,
                        severe: row.try_get(9)?,
                        checked_at: row.try_get(10)?,
                    },
                    code: row.try_get(11)?,
                    message: row.try_get(12)?,
                    latency_ms: row.try_get(13)?,
                    evidence: row.try_get(14)?,
                    due_at: row.try_get(15)?,
                    maintenance: row.try_get(16)?,
                });
            }
            Ok(states)
        };
        within(self.timeout, "reading how things stand", work).await
    }

    /// How often things were found to work in a period, whose end is not part of it. Within a transaction.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn health_availability(
        &mut self,
        workspace: Option<&str>,
        period: (DateTime<Utc>, DateTime<Utc>),
        without_maintenance: bool,
    ) -> Result<HashMap<CheckKey, Availability>, StateError> {
        let sql = "select workspace, service, subject, count(*) filter (where status in ('healthy', 'degraded')), \
              count(*) filter (where status <> 'unknown') \
             from synthex.health_checks where checked_at >= $2 and checked_at < $3 \
              and ($1::text is null or workspace in ($1, '')) and not ($4 and maintenance) group by 1, 2, 3";
        let query = sqlx::query(sql).bind(workspace).bind(period.0).bind(period.1).bind(without_maintenance);
        let work = async {
            let rows = query.persistent(false).fetch_all(&mut self.inner).await?;
            let one =
                |row| Ok((key(row, 0)?, Availability { good: row.try_get(3)?, known: row.try_get(4)? }));
            rows.iter().map(one).collect()
        };
        within(self.timeout, "counting results of health checks", work).await
    }

    /// Results, the newest first. Within a transaction.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn health_results(&mut self, filter: &ResultFilter<'_>) -> Result<Vec<KeptResult>, StateError> {
        let sql = "select workspace, service, subject, id, status, code, message, latency_ms, evidence, maintenance, checked_at \
             from synthex.health_checks where ($1::text is null or workspace in ($1, '')) \
              and ($2::text is null or service = $2) and ($3::text is null or subject = $3) and ($4::text is null or status = $4) \
              and ($6::text[] is null or (workspace, service, subject) in (select h.workspace, h.service, h.subject \
               from synthex.health_status as h join unnest($6::text[], $7::text[]) as t (w, n) on (h.workspace, h.tenant) = (w, n))) \
             order by checked_at desc, id desc limit $5";
        let (workspaces, names) = filter.tenants.clone().unzip();
        let query = sqlx::query(sql)
            .bind(filter.workspace)
            .bind(filter.service.map(CheckedService::code))
            .bind(filter.subject)
            .bind(filter.status.map(HealthStatus::code))
            .bind(filter.limit)
            .bind(workspaces)
            .bind(names)
            .persistent(false);
        let work = async {
            let mut results = Vec::new();
            for row in query.fetch_all(&mut self.inner).await? {
                results.push(KeptResult {
                    key: key(&row, 0)?,
                    id: row.try_get(3)?,
                    status: status(&row, 4)?,
                    code: row.try_get(5)?,
                    message: row.try_get(6)?,
                    latency_ms: row.try_get(7)?,
                    evidence: row.try_get(8)?,
                    maintenance: row.try_get(9)?,
                    checked_at: row.try_get(10)?,
                });
            }
            Ok(results)
        };
        within(self.timeout, "reading results of health checks", work).await
    }
}
