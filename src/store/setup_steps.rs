//! Which setup steps of a tenant are done. This is no declared state: it is written here, a set at a time, and no plan
//! knows of it.

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use uuid::Uuid;

use crate::engine::{StateError, StateWriter as _};
use crate::model::Digest;

use super::connect::{ConnectOptions, Connection, in_transaction};
use super::error::within;
use super::write::Writer;

/// A step that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoneStep {
    /// What was done, as the template said it then.
    pub step: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Who said so.
    pub by: String,
}

/// What changes in the checklist of a tenant.
#[derive(Clone, Copy, Debug)]
pub struct StepChange<'a> {
    /// The tenant's workspace.
    pub workspace: &'a str,
    /// The tenant.
    pub tenant: Uuid,
    /// Steps that are done. Those that were so before stay as they are.
    pub done: &'a [String],
    /// Steps that are not done after all.
    pub undone: &'a [String],
    /// Who says so.
    pub actor: &'a str,
}

const READABLE: &str = "select to_regclass('synthex.setup_steps') is not null \
     and has_table_privilege(to_regclass('synthex.setup_steps'), 'select')";

const MARK: &str = "insert into synthex.setup_steps (workspace, tenant_id, step_digest, step, done_by) \
     select $1, $2, s.digest, s.step, $5 from unnest($3::bytea[], $4::text[]) as s (digest, step) \
     on conflict (workspace, tenant_id, step_digest) do nothing";

const UNMARK: &str = "delete from synthex.setup_steps \
     where workspace = $1 and tenant_id = $2 and step_digest = any($3::bytea[])";

impl Connection {
    /// What is done of a tenant's steps, in the order in which it was done. Nothing where the table is not there yet, or
    /// may not be read. Within a transaction.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn done_steps(&mut self, workspace: &str, tenant: Uuid) -> Result<Vec<DoneStep>, StateError> {
        let limit = self.timeout;
        let work = async {
            let readable: Option<bool> =
                sqlx::query_scalar(READABLE).persistent(false).fetch_one(&mut self.inner).await?;
            if readable != Some(true) {
                return Ok(Vec::new());
            }
            let sql = "select step, done_at, done_by from synthex.setup_steps \
                 where workspace = $1 and tenant_id = $2 order by done_at, step";
            let query = sqlx::query(sql).bind(workspace).bind(tenant).persistent(false);
            let rows = query.fetch_all(&mut self.inner).await?;
            rows.iter()
                .map(|row| Ok(DoneStep { step: row.try_get(0)?, at: row.try_get(1)?, by: row.try_get(2)? }))
                .collect()
        };
        within(limit, "reading the checklist", work).await
    }
}

/// Changes a checklist: all of it, or nothing. Where the schema is older than checklists are, it is brought up to date.
///
/// # Errors
/// Whatever the database reports; nothing was changed.
pub async fn mark_steps(options: ConnectOptions, change: &StepChange<'_>) -> Result<(), StateError> {
    let mut writer = Writer::open(options).await?;
    let limit = writer.connection.timeout;
    writer.connection.begin_reading().await?;
    let sql = "select to_regclass('synthex.setup_steps') is not null";
    let query = sqlx::query_scalar(sql).persistent(false);
    let is_there: bool =
        within(limit, "looking for the checklists", query.fetch_one(&mut writer.connection.inner)).await?;
    writer.connection.rollback().await?;
    if !is_there {
        writer.migrate().await?;
    }
    let digests = |steps: &[String]| -> Vec<Vec<u8>> {
        steps.iter().map(|step| Digest::of(step.as_bytes()).as_bytes().to_vec()).collect()
    };
    let work = in_transaction(&mut writer.connection.inner, async |connection| {
        let enter = sqlx::query("select set_config('synthex.workspace', $1, true)").bind(change.workspace);
        enter.persistent(false).execute(&mut *connection).await?;
        let mark = sqlx::query(MARK)
            .bind(change.workspace)
            .bind(change.tenant)
            .bind(digests(change.done))
            .bind(change.done)
            .bind(change.actor);
        mark.persistent(false).execute(&mut *connection).await?;
        let unmark =
            sqlx::query(UNMARK).bind(change.workspace).bind(change.tenant).bind(digests(change.undone));
        unmark.persistent(false).execute(connection).await?;
        Ok(())
    });
    let outcome = within(limit, "changing the checklist", work).await;
    writer.connection.close().await;
    outcome
}
