//! Reads the record: operations, the life of one resource, and what hands did to its row.
//!
//! Every statement runs in the caller's reading transaction. A role that row-level security confines sees the workspace
//! that was entered; a caller that wants several enters one after the other.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row as _};

use crate::engine::StateError;
use crate::kinds;
use crate::model::{Digest, KindRef, ResourceKey, Scope, SqlType};
use crate::plan::ActionKind;
use crate::plan::record::{HandEdit, Recorded, RecordedItem, changed};

use super::connect::Connection;
use super::error::within;
use super::row;

/// Which operations are wanted. What is not given does not matter.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of this project.
    pub project: Option<String>,
    /// By this actor.
    pub actor: Option<String>,
    /// Recorded at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// With this number.
    pub revision: Option<i64>,
    /// That touched this workspace.
    pub workspace: Option<String>,
    /// By this command, or by one that begins with these words.
    pub command: Option<String>,
    /// That ended like this: the word in the record.
    pub status: Option<String>,
    /// With a lower number than this.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: Option<i64>,
}

/// The columns of an operation, in the order in which [`recorded`] reads them.
const OPERATION: &str = "o.revision, o.id::text, o.project, o.environment, o.command, o.actor, o.host, o.commit_sha, \
     o.run_url, o.plan_digest, o.status, o.created, o.updated, o.renamed, o.restored, o.adopted, o.deleted, o.failed, \
     o.skipped, o.note, o.acknowledged, o.started_at, o.finished_at";

/// How many columns that are.
const OPERATION_COLUMNS: usize = 23;

/// The columns of an item, behind those of its operation.
const ITEM: &str = "i.seq, i.workspace, i.kind, i.name, i.renamed_from, i.action, i.permanent, i.reason, i.source, \
     i.before::text, i.after::text, i.outcome, i.error";

impl Connection {
    /// Operations, newest first.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn operations(&mut self, wanted: &Wanted) -> Result<Vec<Recorded>, StateError> {
        let sql = format!(
            "select {OPERATION} from synthex.batch_operations as o \
             where ($1::text is null or o.project = $1) and ($2::text is null or o.actor = $2) \
             and ($3::timestamptz is null or o.finished_at >= $3) and ($4::bigint is null or o.revision = $4) \
             and ($5::text is null or exists (select from synthex.batch_operation_items as i \
                  where i.operation_id = o.id and i.workspace = $5)) \
             and ($6::text is null or o.command = $6 or starts_with(o.command, $6 || ' ')) \
             and ($7::text is null or o.status = $7) and ($9::bigint is null or o.revision < $9) \
             order by o.revision desc limit $8"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(&wanted.project)
            .bind(&wanted.actor)
            .bind(wanted.since)
            .bind(wanted.revision)
            .bind(&wanted.workspace)
            .bind(&wanted.command)
            .bind(&wanted.status)
            .bind(wanted.limit)
            .bind(wanted.before)
            .persistent(false);
        let work = async {
            let rows = query.fetch_all(&mut self.inner).await?;
            rows.iter().map(recorded).collect::<Result<Vec<_>, _>>()
        };
        within(self.timeout, "reading the history", work).await
    }

    /// What one operation did, in the order in which it was done.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn items(
        &mut self,
        revision: i64,
        workspace: Option<&str>,
    ) -> Result<Vec<RecordedItem>, StateError> {
        let sql = format!(
            "select {OPERATION}, {ITEM} from synthex.batch_operation_items as i \
             join synthex.batch_operations as o on o.id = i.operation_id \
             where o.revision = $1 and ($2::text is null or i.workspace = $2) order by i.seq"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(revision).bind(workspace).persistent(false);
        let work = async { items_of(&query.fetch_all(&mut self.inner).await?) };
        within(self.timeout, "reading the history", work).await
    }

    /// Some of what one operation did, from that place on, in the order in which it was done.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn items_from(
        &mut self,
        revision: i64,
        first: i32,
        limit: i64,
    ) -> Result<Vec<RecordedItem>, StateError> {
        let sql = format!(
            "select {OPERATION}, {ITEM} from synthex.batch_operation_items as i \
             join synthex.batch_operations as o on o.id = i.operation_id \
             where o.revision = $1 and i.seq >= $2 order by i.seq limit $3"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(revision).bind(first).bind(limit).persistent(false);
        let work = async { items_of(&query.fetch_all(&mut self.inner).await?) };
        within(self.timeout, "reading the history", work).await
    }

    /// What operations did to a resource under all its names, newest first. Others that had one of these names are among
    /// them.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn items_of(&mut self, key: &ResourceKey) -> Result<Vec<RecordedItem>, StateError> {
        let sql = format!(
            "with recursive names (name) as ( \
                 select $3::text union \
                 select i.renamed_from from names as n join synthex.batch_operation_items as i on i.name = n.name \
                 where i.workspace = $1 and i.kind = $2 and i.renamed_from is not null and i.outcome = 'applied' \
             ), found as ( \
                 select i.operation_id, i.seq from synthex.batch_operation_items as i join names as n on n.name = i.name \
                 where i.workspace = $1 and i.kind = $2 \
                 union \
                 select i.operation_id, i.seq from synthex.batch_operation_items as i join names as n on n.name = i.renamed_from \
                 where i.workspace = $1 and i.kind = $2 and i.renamed_from is not null \
             ) \
             select {OPERATION}, {ITEM} from found as f join synthex.batch_operation_items as i \
                 on i.operation_id = f.operation_id and i.seq = f.seq \
             join synthex.batch_operations as o on o.id = i.operation_id order by o.revision desc, i.seq desc"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(&*key.workspace)
            .bind(table(key.kind))
            .bind(&*key.name)
            .persistent(false);
        let work = async { items_of(&query.fetch_all(&mut self.inner).await?) };
        within(self.timeout, "reading the history", work).await
    }

    /// What something other than synthex did to the rows of these names, newest first. None where the role may not see it.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn hand_edits(
        &mut self,
        key: &ResourceKey,
        names: &[String],
    ) -> Result<Vec<HandEdit>, StateError> {
        let may = sqlx::query_scalar("select has_table_privilege('synthex.drift_events', 'select')");
        let may: bool =
            within(self.timeout, "reading drift events", may.persistent(false).fetch_one(&mut self.inner))
                .await?;
        if !may {
            return Ok(Vec::new());
        }
        let sql = "select name, operation, actor, client, occurred_at, before, after from synthex.drift_events \
             where workspace = $1 and kind = $2 and name = any($3::text[]) order by id desc";
        let query =
            sqlx::query(sql).bind(&*key.workspace).bind(table(key.kind)).bind(names).persistent(false);
        let work = async {
            let rows = query.fetch_all(&mut self.inner).await?;
            rows.iter().map(|row| hand_edit(key, row)).collect::<Result<Vec<_>, _>>()
        };
        within(self.timeout, "reading drift events", work).await
    }

    /// The workspaces in which a name of a kind is, or was: in the record, or in its table.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn workspaces_of(&mut self, kind: KindRef, name: &str) -> Result<Vec<String>, StateError> {
        let sql = format!(
            "select workspace from synthex.batch_operation_items where kind = $1 and name = $2 \
             union select workspace from synthex.batch_operation_items where kind = $1 and renamed_from = $2 \
             union select {} from synthex.{} where name = $2 order by 1",
            workspace_column(kind),
            table(kind)
        );
        let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(table(kind)).bind(name).persistent(false);
        within(self.timeout, "looking for a name", query.fetch_all(&mut self.inner)).await
    }

    /// The names that resources of a kind have or had; of one workspace, if one is named.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn names_of(
        &mut self,
        kind: KindRef,
        workspace: Option<&str>,
    ) -> Result<Vec<String>, StateError> {
        let column = workspace_column(kind);
        let sql = format!(
            "select name from synthex.batch_operation_items where kind = $1 and ($2::text is null or workspace = $2) \
             union select name from synthex.{} where ($2::text is null or {column} = $2) order by 1",
            table(kind)
        );
        let query =
            sqlx::query_scalar(AssertSqlSafe(sql)).bind(table(kind)).bind(workspace).persistent(false);
        within(self.timeout, "looking for names", query.fetch_all(&mut self.inner)).await
    }
}

pub(super) fn table(kind: KindRef) -> &'static str {
    kind.table.as_ref().map_or("", |table| table.name)
}

fn workspace_column(kind: KindRef) -> &'static str {
    match kind.scope {
        Scope::Global => "name",
        Scope::Workspace => "workspace",
    }
}

/// The kind with this table.
pub(super) fn kind_of(table: &str) -> Option<KindRef> {
    kinds::stored().find(|kind| kind.table.as_ref().is_some_and(|own| own.name == table))
}

fn recorded(row: &PgRow) -> Result<Recorded, sqlx::Error> {
    let digest: Option<&[u8]> = row.try_get(9)?;
    let mut counts = [0; 6];
    for (place, kind) in ActionKind::ALL.into_iter().enumerate() {
        counts[place] = row.try_get(match kind {
            ActionKind::Create => 11,
            ActionKind::Update => 12,
            ActionKind::Rename => 13,
            ActionKind::Restore => 14,
            ActionKind::Adopt => 15,
            ActionKind::Delete => 16,
        })?;
    }
    Ok(Recorded {
        revision: row.try_get(0)?,
        id: row.try_get(1)?,
        project: row.try_get(2)?,
        environment: row.try_get(3)?,
        command: row.try_get(4)?,
        actor: row.try_get(5)?,
        host: row.try_get(6)?,
        commit: row.try_get(7)?,
        run_url: row.try_get(8)?,
        digest: digest.and_then(Digest::from_slice),
        status: row.try_get(10)?,
        counts,
        failed: row.try_get(17)?,
        skipped: row.try_get(18)?,
        note: row.try_get(19)?,
        acknowledged: row.try_get(20)?,
        started_at: row.try_get(21)?,
        finished_at: row.try_get(22)?,
    })
}

/// Items with their operations, each operation once. Items of kinds that this program does not know are left out.
fn items_of(rows: &[PgRow]) -> Result<Vec<RecordedItem>, sqlx::Error> {
    let mut operations: HashMap<i64, Arc<Recorded>> = HashMap::new();
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let revision: i64 = row.try_get(0)?;
        let operation = match operations.get(&revision) {
            Some(known) => Arc::clone(known),
            None => {
                let new = Arc::new(recorded(row)?);
                operations.insert(revision, Arc::clone(&new));
                new
            }
        };
        let at = |index: usize| OPERATION_COLUMNS + index;
        let action: &str = row.try_get(at(5))?;
        let (Some(kind), Some(action)) = (kind_of(row.try_get(at(2))?), ActionKind::from_code(action)) else {
            continue;
        };
        let from: Option<String> = row.try_get(at(4))?;
        items.push(RecordedItem {
            operation,
            seq: row.try_get(at(0))?,
            key: ResourceKey::new(kind, row.try_get::<&str, _>(at(1))?.into(), row.try_get(at(3))?),
            from: from.map(String::into_boxed_str),
            action,
            permanent: row.try_get(at(6))?,
            reason: row.try_get(at(7))?,
            source: row.try_get(at(8))?,
            before: json(row.try_get(at(9))?),
            after: json(row.try_get(at(10))?),
            outcome: row.try_get(at(11))?,
            error: row.try_get(at(12))?,
        });
    }
    Ok(items)
}

pub(super) fn json(text: Option<&str>) -> Value {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn hand_edit(key: &ResourceKey, found: &PgRow) -> Result<HandEdit, sqlx::Error> {
    let name: &str = found.try_get(0)?;
    let (before, after): (Option<Value>, Option<Value>) = (found.try_get(5)?, found.try_get(6)?);
    let mut changes = Vec::new();
    if let Some(after) = &after {
        let old = before.as_ref().map_or(Value::Null, |row| canonical(key.kind, row));
        changes = changed(&old, &canonical(key.kind, after));
        if let Some(before) = &before {
            for column in ["name", "owner", "deleted_at"] {
                let value = |row: &Value| match row.get(column) {
                    Some(at) if column == "deleted_at" => Some(Value::Bool(!at.is_null())),
                    other => other.filter(|value| !value.is_null()).cloned(),
                };
                if value(before) != value(after) {
                    let shown = if column == "deleted_at" { "deleted" } else { column };
                    changes.push((vec![shown.to_owned()], value(before), value(after)));
                }
            }
        }
    }
    Ok(HandEdit {
        key: ResourceKey { name: name.into(), ..key.clone() },
        operation: found.try_get(1)?,
        role: found.try_get(2)?,
        client: found.try_get(3)?,
        at: found.try_get(4)?,
        changes,
    })
}

/// The canonical spec of a row that is there as JSON, as triggers record it.
fn canonical(kind: KindRef, found: &Value) -> Value {
    let cells: Vec<Option<String>> = kind
        .columns()
        .iter()
        .map(|column| match found.get(column.name)? {
            Value::Null => None,
            Value::String(text) if column.sql == SqlType::Timestamp => {
                let at = DateTime::parse_from_rfc3339(text);
                Some(at.map_or_else(|_| text.clone(), |at| at.naive_utc().to_string()))
            }
            Value::String(text) if column.sql != SqlType::Json => Some(text.clone()),
            other => Some(other.to_string()),
        })
        .collect();
    let labels = found.get("labels").map(Value::to_string);
    row::canonical(kind, labels.as_deref(), found.get("protected") == Some(&Value::Bool(true)), &cells)
}
