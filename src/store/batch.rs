//! The set-based statements of a writing transaction, and finding out which row it was when one of them fails.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _};

use crate::engine::{StateError, StateErrorKind};
use crate::plan::columns::places_of;
use crate::plan::planner::COMMAND_OWNER;
use crate::plan::{Action, ActionKind};

use super::error::within;
use super::statements::Updating;
use super::{row, statements};

/// How many rows are made ready before the database may have its turn: about a tenth of a millisecond.
pub(super) const STRIDE: usize = 32;

/// A statement with its parameters, as they go to the database.
pub(super) type Ready<'a> = Query<'a, Postgres, PgArguments>;

/// Writes actions of one shape in one statement, and says how many rows it wrote.
pub(super) async fn write_batch(
    connection: &mut PgConnection,
    project: &str,
    actions: &[&Action],
) -> Result<u64, sqlx::Error> {
    match ready(project, actions).await {
        Some(ready) => Ok(ready.execute(connection).await?.rows_affected()),
        None => Ok(0),
    }
}

/// The statement that writes actions of one shape; `None` where there are none. It lets others have their turn as it goes:
/// a set is made ready while the database writes the one before, and the connection must be served meanwhile.
pub(super) async fn ready<'a>(project: &'a str, actions: &[&'a Action]) -> Option<Ready<'a>> {
    let first = actions.first()?;
    let kind = first.key.kind;
    let workspaces: Vec<&str> = actions.iter().map(|action| &*action.key.workspace).collect();
    let names: Vec<&str> = actions.iter().map(|action| &*action.key.name).collect();
    let revisions: Vec<i64> = actions.iter().map(|action| action.revision.unwrap_or_default()).collect();
    let leaves = actions.iter().any(|action| !action.left.is_empty());
    let sql = match first.kind {
        ActionKind::Create => statements::insert(kind),
        ActionKind::Update | ActionKind::Restore | ActionKind::Adopt | ActionKind::Rename => {
            let renames = first.kind == ActionKind::Rename;
            // A command changes what is somebody else's only where it was told to, and does not take it over.
            let keeps_owner = project == COMMAND_OWNER;
            statements::update(kind, Updating { renames, leaves, keeps_owner })
        }
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
        for (index, action) in actions.iter().enumerate() {
            if index % STRIDE == STRIDE - 1 {
                tokio::task::yield_now().await;
            }
            let after: Value =
                action.written().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
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
        if leaves {
            query = query.bind(actions.iter().map(|action| places_left(action)).collect::<Vec<_>>());
        }
    }
    Some(query.persistent(false))
}

/// Where the fields stand that an action leaves to somebody else; `None` where it leaves none.
fn places_left(action: &Action) -> Option<String> {
    let places = action.left.iter().flat_map(|field| places_of(action.key.kind, &field.path));
    (!action.left.is_empty()).then(|| json!(places.collect::<Vec<_>>()).to_string())
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

/// Writes what the database accepts, by halving what it does not, and says which actions are left over and why. What was
/// written stays, so of two rows that exclude each other the first is written.
pub(super) async fn write_what_can_be(
    connection: &mut PgConnection,
    project: &str,
    actions: &[&Action],
    limit: Duration,
    doing: &str,
) -> Result<Vec<(usize, String)>, StateError> {
    let mut failed = Vec::new();
    let mut open: Vec<Vec<usize>> = vec![(0..actions.len()).collect()];
    while let Some(mut places) = open.pop() {
        let batch: Vec<&Action> = places.iter().map(|place| actions[*place]).collect();
        if batch.is_empty() {
            continue;
        }
        within(limit, doing, connection.execute("savepoint batch")).await?;
        match within(limit, doing, write_batch(connection, project, &batch)).await {
            Ok(written) if written == batch.len() as u64 => {
                within(limit, doing, connection.execute("release savepoint batch")).await?;
                continue;
            }
            Ok(_) => {
                let changes = changes(connection, &batch, limit).await?;
                if !changes.is_empty() {
                    let changed: Vec<usize> = changes.iter().map(|change| places[change.index]).collect();
                    failed.extend(changes.into_iter().map(|change| {
                        (places[change.index], format!("it changed after the plan was made: {}", change.note))
                    }));
                    places.retain(|place| !changed.contains(place));
                    open.push(places);
                    continue;
                }
                if let [only] = places.as_slice() {
                    failed.push((*only, SWALLOWED.to_owned()));
                    continue;
                }
            }
            Err(error) if names_no_row(error.kind) => {
                within(limit, doing, connection.execute("rollback to savepoint batch")).await?;
                if let [only] = places.as_slice() {
                    let why = error.why.map_or(error.what.clone(), |why| format!("{}: {why}", error.what));
                    failed.push((*only, why.replace(['\r', '\n'], " ")));
                    continue;
                }
            }
            Err(error) => return Err(error),
        }
        let later = places.split_off(places.len().div_ceil(2));
        open.extend([later, places]);
    }
    failed.sort_unstable();
    Ok(failed)
}

const SWALLOWED: &str =
    "the database accepted it and did not write it: a trigger or a rule on the table keeps it away";

/// Errors of the whole connection do not come from one row.
pub(super) fn names_no_row(kind: StateErrorKind) -> bool {
    matches!(kind, StateErrorKind::Rejected | StateErrorKind::Other | StateErrorKind::Refused)
}

/// A row that is not as it was when the plan was made.
struct Changed {
    /// The place in the batch.
    index: usize,
    /// Old and new revision, and who wrote it.
    note: String,
}

/// Why a batch did not write all of its rows: which are not as they were when the plan was made, and who wrote them.
pub(super) async fn stale(connection: &mut PgConnection, actions: &[&Action], limit: Duration) -> StateError {
    let what = "the database changed after the plan was made";
    let error = StateError::new(StateErrorKind::Stale, what).help("run the command again: it plans anew");
    let changes = match changes(connection, actions, limit).await {
        Ok(changes) => changes,
        Err(lower) => return error.why(format!("which rows could not be found out: {}", lower.what)),
    };
    if changes.is_empty() {
        let what = "the database did not write every row";
        return StateError::new(StateErrorKind::Other, what)
            .why(SWALLOWED)
            .help("look for a trigger or rule on the table that returns nothing")
            .about(if let [only] = actions { vec![only.key.clone()] } else { Vec::new() });
    }
    let keys: Vec<_> = changes.iter().map(|change| actions[change.index].key.clone()).collect();
    let mut notes: Vec<String> =
        changes.iter().map(|change| format!("{}: {}", actions[change.index].key, change.note)).collect();
    if notes.len() > MOST_NAMED {
        let more = notes.len() - MOST_NAMED;
        notes.truncate(MOST_NAMED);
        notes.push(format!("{more} more"));
    }
    error.why(notes.join("; ")).about(keys)
}

/// How many changed rows are named.
const MOST_NAMED: usize = 5;

async fn changes(
    connection: &mut PgConnection,
    actions: &[&Action],
    limit: Duration,
) -> Result<Vec<Changed>, StateError> {
    let Some(first) = actions.first() else { return Ok(Vec::new()) };
    let doing = "looking for what changed";
    let workspaces: Vec<&str> = actions.iter().map(|action| &*action.key.workspace).collect();
    let keys: Vec<_> = actions.iter().map(|action| action.old_key()).collect();
    let names: Vec<&str> = keys.iter().map(|key| &*key.name).collect();
    // Our own writes of this batch must not be taken for somebody else's.
    within(limit, doing, connection.execute("rollback to savepoint batch")).await?;
    let sql = AssertSqlSafe(statements::revisions(first.key.kind));
    let query = sqlx::query(sql).bind(workspaces).bind(names).persistent(false);
    let rows = within(limit, doing, query.fetch_all(connection)).await?;
    let mut by_key = std::collections::HashMap::with_capacity(rows.len());
    for row in &rows {
        if let (Ok(workspace), Ok(name)) = (row.try_get::<&str, _>(0), row.try_get::<&str, _>(1)) {
            by_key.insert((workspace, name), row);
        }
    }
    let mut changed = Vec::new();
    for (index, (action, key)) in actions.iter().zip(&keys).enumerate() {
        let found = by_key.get(&(&*key.workspace, &*key.name));
        let text = |at: usize| found.and_then(|row| row.try_get::<Option<String>, _>(at).ok()).flatten();
        let revision: Option<i64> = found.and_then(|row| row.try_get(2).ok()).flatten();
        if revision == action.revision {
            continue;
        }
        let words = |revision: Option<i64>| {
            revision.map_or("absent".to_owned(), |revision| format!("revision {revision}"))
        };
        let by = text(3).or_else(|| text(4)).map_or(String::new(), |who| format!(", changed by {who}"));
        let note = format!("planned on {}, now {}{by}", words(action.revision), words(revision));
        changed.push(Changed { index, note });
    }
    Ok(changed)
}
