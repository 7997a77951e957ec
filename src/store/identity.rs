//! Which database this is, so that a plan made for one is not applied to another.

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use uuid::Uuid;

use crate::engine::{StateError, StateReader as _};

use super::connect::Connection;
use super::error::within;
use super::pauses::MAY_READ;

/// Which database, and how far its record goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The installation of synthex; `None` where there is none, or the role may not see it.
    pub installation: Option<Uuid>,
    /// The server's system identifier and the database's number, where the role may ask.
    pub system: Option<String>,
    /// The last operation on record, where the role may see it.
    pub revision: Option<i64>,
    /// The database's clock.
    pub now: DateTime<Utc>,
}

impl Connection {
    /// Asks the database who it is. Within a transaction; needs no rights.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn identity(&mut self) -> Result<Identity, StateError> {
        let installed = self.is_installed().await?;
        let limit = self.timeout;
        let work = async {
            let sql = format!(
                "select now(), \
                 coalesce(to_regprocedure('pg_control_system()') is not null \
                  and has_function_privilege('pg_control_system()', 'execute'), false), \
                 to_regclass('synthex.installation') is not null, to_regclass('synthex.batch_operations') is not null, {MAY_READ}"
            );
            let query = sqlx::query(sqlx::AssertSqlSafe(sql)).persistent(false);
            let row = query.fetch_one(&mut self.inner).await?;
            self.reads_pauses = row.try_get(4)?;
            let mut identity =
                Identity { installation: None, system: None, revision: None, now: row.try_get(0)? };
            if row.try_get(1)? {
                let sql = "select (select system_identifier from pg_control_system()) || '/' || oid::text \
                     from pg_database where datname = current_database()";
                identity.system =
                    sqlx::query_scalar(sql).persistent(false).fetch_one(&mut self.inner).await?;
            }
            if installed && row.try_get(2)? {
                let may = "select has_table_privilege('synthex.installation', 'select')";
                if sqlx::query_scalar(may).persistent(false).fetch_one(&mut self.inner).await? {
                    let sql = "select id from synthex.installation";
                    identity.installation =
                        sqlx::query_scalar(sql).persistent(false).fetch_optional(&mut self.inner).await?;
                }
            }
            if installed && row.try_get(3)? {
                let may = "select has_table_privilege('synthex.batch_operations', 'select') \
                     and not row_security_active('synthex.batch_operations')";
                if sqlx::query_scalar(may).persistent(false).fetch_one(&mut self.inner).await? {
                    let sql = "select max(revision) from synthex.batch_operations where status in ('applied', 'partly-applied')";
                    identity.revision =
                        sqlx::query_scalar(sql).persistent(false).fetch_one(&mut self.inner).await?;
                }
            }
            Ok(identity)
        };
        let identity = within(limit, "asking the database who it is", work).await?;
        self.installation = identity.installation;
        Ok(identity)
    }

    /// The operation that executed a plan after a time of the database's clock, and whether it executed all of it; `None`
    /// when there is none.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn applied_as(
        &mut self,
        digest: &crate::model::Digest,
        project: &str,
        since: DateTime<Utc>,
    ) -> Result<Option<(i64, bool)>, StateError> {
        let sql = "select revision, status = 'applied' from synthex.batch_operations where plan_digest = $1 \
             and project = $2 and status in ('applied', 'partly-applied') and finished_at >= $3 \
             order by status = 'applied' desc, revision limit 1";
        let query = sqlx::query_as(sql)
            .bind(digest.as_bytes().as_slice())
            .bind(project)
            .bind(since)
            .persistent(false);
        within(self.timeout, "looking for the plan on record", query.fetch_optional(&mut self.inner)).await
    }
}
