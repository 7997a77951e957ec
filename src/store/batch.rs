//! The set-based statements of a writing transaction, and finding out which row it was when one of them fails.

use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _};

use crate::engine::{Operation, StateError, StateErrorKind};
use crate::plan::{Action, ActionKind};

use super::{row, statements};

/// Writes actions of one shape in one statement, and says how many rows it wrote.
pub(super) async fn write_batch(
    connection: &mut PgConnection,
    project: &str,
    actions: &[&Action],
) -> Result<u64, sqlx::Error> {
    let Some(first) = actions.first() else {
        return Ok(0);
    };
    let kind = first.key.kind;
    let workspaces: Vec<&str> = actions.iter().map(|action| &*action.key.workspace).collect();
    let names: Vec<&str> = actions.iter().map(|action| &*action.key.name).collect();
    let revisions: Vec<i64> = actions.iter().map(|action| action.revision.unwrap_or_default()).collect();
    let sql = match first.kind {
        ActionKind::Create => statements::insert(kind),
        ActionKind::Update | ActionKind::Restore | ActionKind::Adopt => statements::update(kind),
        ActionKind::Rename => statements::rename(kind),
        ActionKind::Delete if first.permanent => statements::remove(kind),
        ActionKind::Delete => statements::delete(kind),
    };
    let mut query = sqlx::query(AssertSqlSafe(sql)).bind(workspaces).bind(names).bind(revisions);
    if first.kind != ActionKind::Delete {
        let mut cells: Vec<Vec<Option<String>>> =
            vec![Vec::with_capacity(actions.len()); kind.columns().len()];
        let mut labels = Vec::with_capacity(actions.len());
        let mut protected = Vec::with_capacity(actions.len());
        let mut digests = Vec::with_capacity(actions.len());
        for action in actions {
            let after: Value =
                action.after.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            let spec = after.get("spec").unwrap_or(&Value::Null);
            for (column, cells) in kind.columns().iter().zip(&mut cells) {
                cells.push(row::cell(column, spec));
            }
            labels.push(after.get("labels").map_or_else(|| "{}".to_owned(), Value::to_string));
            protected.push(if spec.get("protect") == Some(&Value::Bool(true)) { "true" } else { "false" });
            digests.push(action.digest.map(|digest| digest.as_bytes().to_vec()));
        }
        for column in cells {
            query = query.bind(column);
        }
        query = query.bind(labels).bind(protected).bind(digests).bind(project);
        if first.kind == ActionKind::Rename {
            query = query.bind(actions.iter().map(|action| action.from.as_deref()).collect::<Vec<_>>());
        }
    }
    Ok(query.persistent(false).execute(connection).await?.rows_affected())
}

/// Finds the rows that the database does not accept, by halving, up to a number that a person would read. Every attempt
/// is undone.
pub(super) async fn find_culprits<'a>(
    connection: &mut PgConnection,
    project: &str,
    actions: &[&'a Action],
) -> Result<Vec<(&'a Action, sqlx::Error)>, sqlx::Error> {
    let mut culprits = Vec::new();
    let mut suspects = vec![actions];
    while let Some(slice) = suspects.pop() {
        connection.execute("savepoint half").await?;
        let outcome = write_batch(connection, project, slice).await;
        connection.execute("rollback to savepoint half").await?;
        let Err(error) = outcome else { continue };
        if let [only] = slice {
            culprits.push((*only, error));
            if culprits.len() > StateError::MOST_ALSO {
                break;
            }
        } else {
            let (left, right) = slice.split_at(slice.len().div_ceil(2));
            suspects.extend([right, left]);
        }
    }
    Ok(culprits)
}

/// Which rows are not as they were when the plan was made, and who wrote them.
pub(super) async fn stale(connection: &mut PgConnection, actions: &[&Action]) -> StateError {
    let what = "the database changed after the plan was made";
    let error = StateError::new(StateErrorKind::Stale, what).help("run the command again: it plans anew");
    let Some(first) = actions.first() else {
        return error;
    };
    let workspaces: Vec<&str> = actions.iter().map(|action| &*action.key.workspace).collect();
    let names: Vec<&str> = actions.iter().map(|action| &*action.key.name).collect();
    // Our own writes of this batch must not be taken for somebody else's.
    if connection.execute("rollback to savepoint batch").await.is_err() {
        return error;
    }
    let sql = AssertSqlSafe(statements::revisions(first.key.kind));
    let query = sqlx::query(sql).bind(workspaces).bind(names).persistent(false);
    let Ok(rows) = query.fetch_all(connection).await else {
        return error;
    };
    let mut changed = Vec::new();
    let mut notes = Vec::new();
    for action in actions {
        let found = rows.iter().find(|row| {
            row.try_get::<&str, _>(0).is_ok_and(|workspace| workspace == &*action.key.workspace)
                && row.try_get::<&str, _>(1).is_ok_and(|name| name == &*action.key.name)
        });
        let revision: Option<i64> = found.and_then(|row| row.try_get(2).ok());
        if revision == action.revision {
            continue;
        }
        let by: Option<String> = found.and_then(|row| row.try_get(3).ok()).flatten();
        let old = action.revision.map_or("absent".to_owned(), |revision| format!("revision {revision}"));
        let new = revision.map_or("absent".to_owned(), |revision| format!("revision {revision}"));
        let by = by.map_or(String::new(), |role| format!(" by role {role}"));
        notes.push(format!("{}: planned on {old}, now {new}{by}", action.key));
        changed.push(action.key.clone());
    }
    notes.truncate(5);
    error.why(notes.join("; ")).about(changed)
}

const OPERATION: &str = "insert into synthex.batch_operations \
     (id, project, command, actor, host, commit_sha, plan_digest, status, created, updated, deleted, restored, adopted, \
      started_at, finished_at) \
     values ($1, $2, $3, $4, $5, $6, $7, 'applied', $8, $9, $10, $11, $12, $13, clock_timestamp()) returning revision";

const ITEMS: &str = "insert into synthex.batch_operation_items \
     (operation_id, seq, workspace, kind, name, action, reason, source, before, after) \
     select $1, i.seq, i.workspace, i.kind, i.name, i.action, i.reason, i.source, i.before::json, i.after::json \
     from unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[]) \
     as i (seq, workspace, kind, name, action, reason, source, before, after)";

pub(super) async fn record(
    connection: &mut PgConnection,
    operation: &Operation,
    actions: &[Action],
) -> Result<i64, sqlx::Error> {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let summary = operation.summary;
    let query = sqlx::query_scalar(OPERATION)
        .bind(operation.id)
        .bind(&operation.project)
        .bind(&operation.command)
        .bind(&operation.actor)
        .bind(&operation.host)
        .bind(&operation.commit)
        .bind(operation.digest.as_bytes().as_slice())
        .bind(count(summary.create))
        .bind(count(summary.update))
        .bind(count(summary.delete))
        .bind(count(summary.restore))
        .bind(count(summary.adopt))
        .bind(operation.started_at)
        .persistent(false);
    let revision: i64 = query.fetch_one(&mut *connection).await?;
    for (chunk, items) in actions.chunks(1000).enumerate() {
        let numbers: Vec<i32> = (0..items.len())
            .map(|index| i32::try_from(chunk * 1000 + index + 1).unwrap_or(i32::MAX))
            .collect();
        let query = sqlx::query(ITEMS)
            .bind(operation.id)
            .bind(numbers)
            .bind(items.iter().map(|item| &*item.key.workspace).collect::<Vec<_>>())
            .bind(
                items
                    .iter()
                    .map(|item| item.key.kind.table.as_ref().map_or("", |table| table.name))
                    .collect::<Vec<_>>(),
            )
            .bind(items.iter().map(|item| &*item.key.name).collect::<Vec<_>>())
            .bind(items.iter().map(|item| item.kind.code()).collect::<Vec<_>>())
            .bind(items.iter().map(|item| item.reason.to_string()).collect::<Vec<_>>())
            .bind(
                items.iter().map(|item| item.position.as_ref().map(ToString::to_string)).collect::<Vec<_>>(),
            )
            .bind(items.iter().map(|item| item.before.as_deref()).collect::<Vec<_>>())
            .bind(items.iter().map(|item| item.after.as_deref()).collect::<Vec<_>>())
            .persistent(false);
        query.execute(&mut *connection).await?;
    }
    Ok(revision)
}
