//! Reads from the record what a rollback needs: what changed after a revision, and what was there at it.

use sqlx::Row as _;

use crate::engine::StateError;
use crate::model::ResourceKey;
use crate::plan::ActionKind;
use crate::plan::past::{Content, Lineage, Step};

use super::connect::Connection;
use super::error::within;
use super::history::{json, kind_of, table};

impl Connection {
    /// What a project changed after a revision, in the order in which it was done.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn steps_after(&mut self, project: &str, revision: i64) -> Result<Vec<Step>, StateError> {
        let sql = "select o.revision, i.seq, i.workspace, i.kind, i.name, i.renamed_from, i.action, i.permanent \
             from synthex.batch_operations as o join synthex.batch_operation_items as i on i.operation_id = o.id \
             where o.project = $1 and o.revision > $2 and o.status in ('applied', 'partly-applied') \
             and i.outcome = 'applied' order by o.revision, i.seq";
        let query = sqlx::query(sql).bind(project).bind(revision).persistent(false);
        let work = async {
            let mut steps = Vec::new();
            for row in query.fetch_all(&mut self.inner).await? {
                let (Some(kind), Some(action)) =
                    (kind_of(row.try_get(3)?), ActionKind::from_code(row.try_get(6)?))
                else {
                    continue;
                };
                let from: Option<String> = row.try_get(5)?;
                steps.push(Step {
                    revision: row.try_get(0)?,
                    seq: row.try_get(1)?,
                    key: ResourceKey::new(kind, row.try_get::<&str, _>(2)?.into(), row.try_get(4)?),
                    from: from.map(String::into_boxed_str),
                    action,
                    permanent: row.try_get(7)?,
                });
            }
            Ok(steps)
        };
        within(self.timeout, "reading what changed since", work).await
    }

    /// What each resource was at a revision, in the order of the lineages.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn contents_at(
        &mut self,
        lineages: &[Lineage],
        revision: i64,
    ) -> Result<Vec<Content>, StateError> {
        // Joins instead of a subquery for each: tables that were just filled have no statistics, and then the planner of
        // PostgreSQL takes a plan for those that is quadratic.
        let sql = "with k as materialized ( \
                select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::integer[]) \
                    with ordinality as k (workspace, kind, name, revision, seq, place) \
             ), found as ( \
                select k.place, i.operation_id, i.seq, false as is_gone from k join synthex.batch_operation_items as i \
                    on i.workspace = k.workspace and i.kind = k.kind and i.name = k.name where i.outcome = 'applied' \
                union all \
                select k.place, i.operation_id, i.seq, true from k join synthex.batch_operation_items as i \
                    on i.workspace = k.workspace and i.kind = k.kind and i.renamed_from = k.name \
                    where i.outcome = 'applied' and i.renamed_from is not null \
             ), last as ( \
                select distinct on (f.place) f.place, f.operation_id, f.seq, f.is_gone \
                from found as f join synthex.batch_operations as o on o.id = f.operation_id \
                where o.revision <= $6 order by f.place, o.revision desc, f.seq desc \
             ) \
             select k.place, written.action, written.after::text, coalesce(last.is_gone, false), first.before::text \
             from k left join last on last.place = k.place \
             left join synthex.batch_operation_items as written \
                on written.operation_id = last.operation_id and written.seq = last.seq \
             left join synthex.batch_operations as o on o.revision = k.revision \
             left join synthex.batch_operation_items as first on first.operation_id = o.id and first.seq = k.seq \
             order by k.place";
        let then = |part: fn(&ResourceKey) -> &str| -> Vec<&str> {
            lineages.iter().map(|lineage| part(&lineage.then)).collect()
        };
        let query = sqlx::query(sql)
            .bind(then(|key| &key.workspace))
            .bind(then(|key| table(key.kind)))
            .bind(then(|key| &key.name))
            .bind(lineages.iter().map(|lineage| lineage.first.revision).collect::<Vec<_>>())
            .bind(lineages.iter().map(|lineage| lineage.first.seq).collect::<Vec<_>>())
            .bind(revision)
            .persistent(false);
        let work = async {
            let mut contents = Vec::with_capacity(lineages.len());
            for row in query.fetch_all(&mut self.inner).await? {
                let action: Option<&str> = row.try_get(1)?;
                let object = |text: Option<&str>| Some(json(text)).filter(serde_json::Value::is_object);
                let after = object(row.try_get(2)?);
                contents.push(Content {
                    last: action.and_then(ActionKind::from_code).map(|action| (action, after)),
                    was_renamed_away: row.try_get(3)?,
                    before: object(row.try_get(4)?),
                });
            }
            Ok(contents)
        };
        within(self.timeout, "reading what was there", work).await
    }
}
