//! Counts of what lives, for people: one statement each, however many rows there are. All of them run within a reading
//! transaction of the caller.

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use crate::engine::StateError;

use super::connect::Connection;
use super::error::within;

/// How many living tenants are alike in all of this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantGroup {
    /// Their workspace.
    pub workspace: String,
    /// Their status.
    pub status: String,
    /// What they run.
    pub tenant_type: String,
    /// Their market.
    pub market: String,
    /// Their region.
    pub region: String,
    /// The template they were made from.
    pub template: Option<String>,
    /// Whose they are.
    pub owner: Option<String>,
    /// How many there are.
    pub count: i64,
}

/// How many living credentials of a workspace end at the same time, and are revoked or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialGroup {
    /// Their workspace.
    pub workspace: String,
    /// Whether they are declared not to be used any more.
    pub is_revoked: bool,
    /// When they end, as far as is known.
    pub expires_at: Option<DateTime<Utc>>,
    /// How many there are.
    pub count: i64,
}

/// How many alert rules of a workspace are on, and how many are off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleGroup {
    /// Their workspace.
    pub workspace: String,
    /// How many are on.
    pub enabled: i64,
    /// How many are off.
    pub disabled: i64,
}

/// The last operation that changed something in a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastApply {
    /// The workspace.
    pub workspace: String,
    /// The operation's number.
    pub revision: i64,
    /// When it was recorded.
    pub at: DateTime<Utc>,
    /// The command.
    pub command: String,
    /// Who ran it.
    pub actor: String,
    /// The project, or `cli`.
    pub project: String,
}

impl Connection {
    /// The living tenants, counted by what they have in common; sorted.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn tenant_groups(&mut self, workspace: Option<&str>) -> Result<Vec<TenantGroup>, StateError> {
        let sql = "select workspace, status, type, market, region, template, owner, count(*) from synthex.tenants \
             where deleted_at is null and ($1::text is null or workspace = $1) \
             group by 1, 2, 3, 4, 5, 6, 7 order by 1, 2, 3, 4, 5, 6, 7";
        let query = sqlx::query(sql).bind(workspace).persistent(false);
        let work = async {
            let rows = query.fetch_all(&mut self.inner).await?;
            let group = |row: &sqlx::postgres::PgRow| {
                Ok(TenantGroup {
                    workspace: row.try_get(0)?,
                    status: row.try_get(1)?,
                    tenant_type: row.try_get(2)?,
                    market: row.try_get(3)?,
                    region: row.try_get(4)?,
                    template: row.try_get(5)?,
                    owner: row.try_get(6)?,
                    count: row.try_get(7)?,
                })
            };
            rows.iter().map(group).collect()
        };
        within(self.timeout, "counting tenants", work).await
    }

    /// The living credentials, counted by when they end.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn credential_groups(
        &mut self,
        workspace: Option<&str>,
    ) -> Result<Vec<CredentialGroup>, StateError> {
        // Somebody may have written `infinity`, which no calendar here reaches. What was observed wins over what is declared.
        let sql = "select c.workspace, c.status = 'revoked', \
             least(greatest(ends, timestamptz '0001-01-01 00:00Z'), timestamptz '9999-12-31 00:00Z'), count(*) \
             from synthex.credentials as c \
             left join synthex.credential_status as s on s.workspace = c.workspace and s.credential = c.id \
             cross join lateral coalesce(s.observed_expires_at, c.declared_expires_at) as e (ends) \
             where c.deleted_at is null and ends is not null and ($1::text is null or c.workspace = $1) \
             group by 1, 2, 3 \
             union all select c.workspace, c.status = 'revoked', null, count(*) \
             from synthex.credentials as c \
             left join synthex.credential_status as s on s.workspace = c.workspace and s.credential = c.id \
             where c.deleted_at is null and coalesce(s.observed_expires_at, c.declared_expires_at) is null \
             and ($1::text is null or c.workspace = $1) \
             group by 1, 2 order by 1, 2, 3";
        let query = sqlx::query(sql).bind(workspace).persistent(false);
        let work = async {
            let rows = query.fetch_all(&mut self.inner).await?;
            let group = |row: &sqlx::postgres::PgRow| {
                Ok(CredentialGroup {
                    workspace: row.try_get(0)?,
                    is_revoked: row.try_get(1)?,
                    expires_at: row.try_get(2)?,
                    count: row.try_get(3)?,
                })
            };
            rows.iter().map(group).collect()
        };
        within(self.timeout, "counting credentials", work).await
    }

    /// The living alert rules, counted.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn rule_groups(&mut self, workspace: Option<&str>) -> Result<Vec<RuleGroup>, StateError> {
        let sql = "select workspace, count(*) filter (where enabled), count(*) filter (where not enabled) \
             from synthex.alert_rules where deleted_at is null and ($1::text is null or workspace = $1) \
             group by 1 order by 1";
        let query = sqlx::query(sql).bind(workspace).persistent(false);
        let work = async {
            let rows = query.fetch_all(&mut self.inner).await?;
            let group = |row: &sqlx::postgres::PgRow| {
                Ok(RuleGroup {
                    workspace: row.try_get(0)?,
                    enabled: row.try_get(1)?,
                    disabled: row.try_get(2)?,
                })
            };
            rows.iter().map(group).collect()
        };
        within(self.timeout, "counting alert rules", work).await
    }

    /// What last changed something in each workspace.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn last_applies(&mut self, workspace: Option<&str>) -> Result<Vec<LastApply>, StateError> {
        let sql = "select l.workspace, o.revision, o.finished_at, o.command, o.actor, o.project from ( \
                 select i.workspace, max(p.revision) as revision from synthex.batch_operation_items as i \
                 join synthex.batch_operations as p on p.id = i.operation_id \
                 where i.outcome = 'applied' and p.status in ('applied', 'partly-applied') \
                 and ($1::text is null or i.workspace = $1) group by 1 \
             ) as l join synthex.batch_operations as o on o.revision = l.revision order by 1";
        let query = sqlx::query(sql).bind(workspace).persistent(false);
        let work = async {
            let rows = query.fetch_all(&mut self.inner).await?;
            let last = |row: &sqlx::postgres::PgRow| {
                Ok(LastApply {
                    workspace: row.try_get(0)?,
                    revision: row.try_get(1)?,
                    at: row.try_get(2)?,
                    command: row.try_get(3)?,
                    actor: row.try_get(4)?,
                    project: row.try_get(5)?,
                })
            };
            rows.iter().map(last).collect()
        };
        within(self.timeout, "reading the history", work).await
    }

    /// The living tenants that were made from a template, of the workspaces where its name means it.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn made_from(
        &mut self,
        workspace: &str,
        template: &str,
        everywhere: bool,
    ) -> Result<Vec<String>, StateError> {
        // A workspace's own template of that name hides the default workspace's.
        let sql = "select t.workspace || '/' || t.name from synthex.tenants as t \
             where t.deleted_at is null and t.template = $2 and (t.workspace = $1 or ($3 and not exists ( \
                 select from synthex.tenant_templates as o \
                 where o.workspace = t.workspace and o.name = $2 and o.deleted_at is null))) order by 1";
        let query = sqlx::query_scalar(sql).bind(workspace).bind(template).bind(everywhere).persistent(false);
        within(self.timeout, "looking for tenants of a template", query.fetch_all(&mut self.inner)).await
    }
}
