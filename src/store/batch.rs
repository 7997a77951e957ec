//! The set-based statements of a writing transaction, and finding out which row it was when one of them fails.

use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _};

use crate::engine::{StateError, StateErrorKind};
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
    most: usize,
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
            if culprits.len() > most {
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
    let keys: Vec<_> = actions.iter().map(|action| action.old_key()).collect();
    let names: Vec<&str> = keys.iter().map(|key| &*key.name).collect();
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
    let mut by_key = std::collections::HashMap::with_capacity(rows.len());
    for row in &rows {
        if let (Ok(workspace), Ok(name)) = (row.try_get::<&str, _>(0), row.try_get::<&str, _>(1)) {
            by_key.insert((workspace, name), row);
        }
    }
    for (action, key) in actions.iter().zip(&keys) {
        let found = by_key.get(&(&*key.workspace, &*key.name));
        let revision: Option<i64> = found.and_then(|row| row.try_get(2).ok());
        if revision == action.revision {
            continue;
        }
        let by: Option<String> = found.and_then(|row| row.try_get(3).ok()).flatten();
        let old = action.revision.map_or("absent".to_owned(), |revision| format!("revision {revision}"));
        let new = revision.map_or("absent".to_owned(), |revision| format!("revision {revision}"));
        let by = by.or_else(|| found.and_then(|row| row.try_get(4).ok()).flatten());
        let by = by.map_or(String::new(), |who| format!(", changed by {who}"));
        notes.push(format!("{}: planned on {old}, now {new}{by}", action.key));
        changed.push(action.key.clone());
    }
    notes.truncate(5);
    error.why(notes.join("; ")).about(changed)
}
