//! Reads back what was written, and tells what is as it was written from what is not.
//!
//! Nearly every row is. Its cells are compared as they come with those that were to be written, and a row is put together
//! only where one of them is another, so that the rule for what makes a difference stands in one place: with the planner.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use serde_json::{Map, Value};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use crate::engine::ReadBack;
use crate::model::{Column, KindRef, SqlType};
use crate::plan::Action;

use super::read::{COMMON, Shared, row_of};
use super::{row, statements};

/// What became of the rows of some actions, in their order.
///
/// # Errors
/// Whatever the database reports.
pub(super) async fn read_back(
    connection: &mut PgConnection,
    actions: &[&Action],
) -> Result<Vec<ReadBack>, sqlx::Error> {
    let mut found: Vec<ReadBack> = actions.iter().map(|_| ReadBack::Absent).collect();
    let mut rest = actions;
    while let Some(first) = rest.first() {
        let kind = first.key.kind;
        let count = rest.iter().take_while(|action| action.key.kind.rank == kind.rank).count();
        let (of_kind, others) = rest.split_at(count);
        let before = actions.len() - rest.len();
        rest = others;
        let workspaces: Vec<&str> = of_kind.iter().map(|action| &*action.key.workspace).collect();
        let names: Vec<&str> = of_kind.iter().map(|action| &*action.key.name).collect();
        let places: HashMap<(&str, &str), usize> =
            workspaces.iter().zip(&names).enumerate().map(|(place, (w, n))| ((*w, *n), place)).collect();
        let sql = AssertSqlSafe(statements::rows(kind));
        let query = sqlx::query(sql).bind(workspaces).bind(names).persistent(false);
        let mut shared = Shared::default();
        let mut stream = query.fetch(&mut *connection);
        while let Some(row) = stream.try_next().await? {
            let Some(place) = places.get(&(row.try_get(0)?, row.try_get(1)?)) else { continue };
            found[before + place] = if is_as_written(kind, &row, of_kind[*place])? {
                let owner: Option<&str> = row.try_get(6)?;
                ReadBack::AsWritten { owner: owner.map(|owner| shared.name(owner)) }
            } else {
                ReadBack::Row(Box::new(row_of(kind, &row, &mut shared)?))
            };
        }
    }
    Ok(found)
}

/// Whether every cell of a living row is what an action writes, beyond doubt. No where it takes a closer look to tell.
fn is_as_written(kind: KindRef, row: &PgRow, action: &Action) -> Result<bool, sqlx::Error> {
    let Some(written) = action.written() else { return Ok(false) };
    let Ok(written) = serde_json::from_str::<Value>(&written) else { return Ok(false) };
    let (Some(labels), Some(whole)) = (written.get("labels"), written.get("spec")) else { return Ok(false) };
    let Value::Object(spec) = whole else { return Ok(false) };
    let is_deleted = row.try_get::<&str, _>(7)?.starts_with('t');
    let is_protected = row.try_get::<&str, _>(3)?.starts_with('t');
    if is_deleted || is_protected != (spec.get("protect") == Some(&Value::Bool(true))) {
        return Ok(false);
    }
    let have: Option<&str> = row.try_get(2)?;
    if have.and_then(|text| serde_json::from_str::<Value>(text).ok()).as_ref() != Some(labels) {
        return Ok(false);
    }
    let mut stored = 0;
    for (index, column) in kind.columns().iter().enumerate() {
        let expected = row::field(column, whole);
        stored += usize::from(!expected.is_null());
        if !holds(column, row.try_get(COMMON + index)?, expected) {
            return Ok(false);
        }
    }
    // A field that no column holds would be one that was not written.
    Ok(stored == fields(kind, spec))
}

/// Whether a cell is, beyond doubt, what a field is stored as.
fn holds(column: &Column, cell: Option<&str>, expected: &Value) -> bool {
    match (cell, expected) {
        (None, expected) => expected.is_null() && column.absent.is_none(),
        (Some(text), expected) if column.absent == Some(text) => expected.is_null(),
        (Some(text), Value::String(expected)) if column.sql == SqlType::Text => text == expected,
        (Some(text), expected) => row::value_of(column, text) == *expected,
    }
}

/// How many fields a spec has, as columns count them; protection has one of its own.
fn fields(kind: KindRef, spec: &Map<String, Value>) -> usize {
    let is_taken_apart = |name: &str| {
        kind.columns()
            .iter()
            .any(|column| column.path.split_once('.').is_some_and(|(outer, _)| outer == name))
    };
    spec.iter()
        .filter(|(name, value)| *name != "protect" && !value.is_null())
        .map(|(name, value)| match value {
            Value::Object(map) if is_taken_apart(name) => {
                map.values().filter(|value| !value.is_null()).count()
            }
            _ => 1,
        })
        .sum()
}
