//! Asks, inside the writing transaction, whether what rows mention is there, and which rows mention something. The columns
//! are those that the registry says name other resources.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use crate::engine::{Absent, Mention};
use crate::kinds;
use crate::model::{Column, KindRef, ResourceKey, Scope};

use super::read::by_kind;
use super::statements;

/// Of these resources, those that are not there or are deleted.
///
/// # Errors
/// Whatever the database reports.
pub(super) async fn absent(
    connection: &mut PgConnection,
    keys: &[ResourceKey],
) -> Result<Vec<Absent>, sqlx::Error> {
    let mut absent = Vec::new();
    for (kind, workspaces, names) in by_kind(keys) {
        let sql = AssertSqlSafe(statements::absent(kind));
        let query = sqlx::query(sql).bind(workspaces).bind(names).persistent(false);
        for found in query.fetch_all(&mut *connection).await? {
            absent.push(Absent {
                key: ResourceKey::new(kind, found.try_get::<&str, _>(0)?.into(), found.try_get(1)?),
                is_deleted: found.try_get(2)?,
                changed_by: found.try_get(3)?,
            });
        }
    }
    Ok(absent)
}

/// Of these resources, those that a living row mentions.
///
/// # Errors
/// Whatever the database reports.
pub(super) async fn mentions(
    connection: &mut PgConnection,
    keys: &[ResourceKey],
) -> Result<Vec<Mention>, sqlx::Error> {
    let mut mentions = Vec::new();
    for (what, workspaces, names) in by_kind(keys) {
        for (by, column) in ways_of_mentioning(what) {
            let sql = AssertSqlSafe(statements::mentions(by, column));
            let query = sqlx::query(sql).bind(&workspaces).bind(&names).persistent(false);
            for found in query.fetch_all(&mut *connection).await? {
                let workspace: Arc<str> = found.try_get::<&str, _>(0)?.into();
                mentions.push(Mention {
                    what: ResourceKey::new(what, Arc::clone(&workspace), found.try_get(1)?),
                    by: ResourceKey::new(by, workspace, found.try_get(2)?),
                    changed_by: found.try_get(3)?,
                });
            }
        }
    }
    Ok(mentions)
}

/// The kinds whose rows may mention one, with the column that names it; none for a workspace, which every row in it
/// mentions by where it is.
fn ways_of_mentioning(what: KindRef) -> Vec<(KindRef, Option<&'static Column>)> {
    kinds::stored()
        .flat_map(|by| {
            let inside = what.name == "Workspace" && by.scope == Scope::Workspace;
            let named = by.columns().iter().filter(move |column| column.names == Some(what.name));
            inside.then_some((by, None)).into_iter().chain(named.map(move |column| (by, Some(column))))
        })
        .collect()
}
