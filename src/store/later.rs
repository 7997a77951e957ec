//! Reads from the record what became of the resources of an operation since.

use sqlx::Row as _;
use uuid::Uuid;

use crate::engine::StateError;
use crate::model::ResourceKey;

use super::connect::Connection;
use super::error::within;
use super::history::kind_of;

/// A later change of something that an operation changed.
#[derive(Clone, Debug)]
pub struct Later {
    /// The resource, by the name that the operation gave it.
    pub key: ResourceKey,
    /// The last operation that changed it.
    pub revision: i64,
    /// Its command.
    pub command: String,
    /// Who ran it.
    pub actor: String,
}

impl Connection {
    /// The number of the operation with this identity.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn revision_of(&mut self, id: Uuid) -> Result<Option<i64>, StateError> {
        let sql = "select revision from synthex.batch_operations where id = $1";
        let query = sqlx::query_scalar(sql).bind(id).persistent(false);
        within(self.timeout, "reading the history", query.fetch_optional(&mut self.inner)).await
    }

    /// What of an operation was changed by later ones, of whatever project, sorted by key: of each resource the last change.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn later_than(&mut self, revision: i64) -> Result<Vec<Later>, StateError> {
        let sql = "with mine as materialized ( \
                select i.workspace, i.kind, i.name from synthex.batch_operation_items as i \
                join synthex.batch_operations as o on o.id = i.operation_id \
                where o.revision = $1 and i.outcome = 'applied' \
             ), later as materialized ( \
                select i.workspace, i.kind, i.name, i.renamed_from, o.revision, o.command, o.actor \
                from synthex.batch_operations as o join synthex.batch_operation_items as i on i.operation_id = o.id \
                where o.revision > $1 and o.status in ('applied', 'partly-applied') and i.outcome = 'applied' \
             ), found as ( \
                select m.*, l.revision, l.command, l.actor from mine as m join later as l \
                    on l.workspace = m.workspace and l.kind = m.kind and l.name = m.name \
                union all \
                select m.*, l.revision, l.command, l.actor from mine as m join later as l \
                    on l.workspace = m.workspace and l.kind = m.kind and l.renamed_from = m.name \
             ) \
             select distinct on (workspace, kind, name) workspace, kind, name, revision, command, actor \
             from found order by workspace, kind, name, revision desc";
        let query = sqlx::query(sql).bind(revision).persistent(false);
        let work = async {
            let mut all = Vec::new();
            for row in query.fetch_all(&mut self.inner).await? {
                let Some(kind) = kind_of(row.try_get(1)?) else { continue };
                all.push(Later {
                    key: ResourceKey::new(kind, row.try_get::<&str, _>(0)?.into(), row.try_get(2)?),
                    revision: row.try_get(3)?,
                    command: row.try_get(4)?,
                    actor: row.try_get(5)?,
                });
            }
            all.sort_unstable_by(|left, right| left.key.cmp(&right.key));
            Ok(all)
        };
        within(self.timeout, "reading what changed since", work).await
    }
}
