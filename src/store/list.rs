//! Lists of rows for people: `tenant tenants list`, `templates list`.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Row as _};

use crate::engine::{StateError, StateReader as _};
use crate::model::{KindRef, ResourceKey};

use super::connect::Connection;
use super::error::within;
use super::read;

/// A row with what only a list shows.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Kind, workspace, name.
    pub key: ResourceKey,
    /// Identity for life.
    pub id: uuid::Uuid,
    /// `{"labels": ..., "spec": ...}`.
    pub canonical: Value,
    /// The project, `cli`, or nobody.
    pub owner: Option<String>,
    /// Rises with every write.
    pub revision: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last written.
    pub updated_at: DateTime<Utc>,
    /// When it was softly deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// When something other than synthex last wrote it.
    pub touched_at: Option<DateTime<Utc>>,
    /// The role that did.
    pub touched_by: Option<String>,
}

/// Some rows of a kind: those of some workspaces, and those in whose column one of some words stands.
#[derive(Clone, Debug)]
pub struct Chosen<'a> {
    /// The column, by the registry.
    pub column: &'static str,
    /// The workspaces of the words.
    pub workspaces: &'a [&'a str],
    /// The words.
    pub words: &'a [&'a str],
    /// The workspaces of which all rows are wanted.
    pub whole: &'a [&'a str],
}

/// Some living rows of a kind, sorted by key.
///
/// # Errors
/// Whatever the database reports.
pub async fn list_chosen(
    connection: &mut Connection,
    kind: KindRef,
    chosen: &Chosen<'_>,
) -> Result<Vec<Listed>, StateError> {
    connection.begin_reading().await?;
    let outcome = read_list(connection, kind, None, Some(chosen)).await;
    connection.rollback().await?;
    outcome
}

/// All living rows of a kind, sorted by key; of one workspace, if one is named. Empty where synthex is not installed.
///
/// # Errors
/// Whatever the database reports.
pub async fn list(
    connection: &mut Connection,
    kind: KindRef,
    workspace: Option<&str>,
) -> Result<Vec<Listed>, StateError> {
    connection.begin_reading().await?;
    let outcome = read_list(connection, kind, workspace, None).await;
    connection.rollback().await?;
    outcome
}

/// A time as a list can show it: somebody may have written `infinity`, or a year that no calendar here reaches.
pub(super) fn within_reach(column: &str) -> String {
    format!("least(greatest({column}, timestamptz '0001-01-01 00:00Z'), timestamptz '9999-12-31 00:00Z')")
}

async fn read_list(
    connection: &mut Connection,
    kind: KindRef,
    workspace: Option<&str>,
    chosen: Option<&Chosen<'_>>,
) -> Result<Vec<Listed>, StateError> {
    if !connection.is_installed().await? {
        return Ok(Vec::new());
    }
    if let Some(workspace) = workspace {
        let query =
            sqlx::query("select set_config('synthex.workspace', $1, true)").bind(workspace).persistent(false);
        within(connection.timeout, "choosing a workspace", query.execute(&mut connection.inner)).await?;
    }
    let limit = connection.timeout;
    let table = kind.table.as_ref().map_or("", |table| table.name);
    let column = if table == "workspaces" { "name" } else { "workspace" };
    let only = chosen.map_or_else(String::new, |chosen| {
        let own = chosen.column;
        format!(
            "and ({column} = any($4) or ({column}, {own}) in (select w, n from unnest($2::text[], $3::text[]) as u (w, n)))"
        )
    });
    let sql = format!(
        "select {column}, name, id, owner, revision, {}, {}, deleted_at, touched_at, touched_by \
         from synthex.{table} where deleted_at is null and ($1::text is null or {column} = $1) {only} order by 1, 2",
        within_reach("created_at"),
        within_reach("updated_at"),
    );
    let work = async {
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(workspace).persistent(false);
        if let Some(Chosen { workspaces, words, whole, .. }) = chosen {
            query = query.bind(workspaces).bind(words).bind(whole);
        }
        let found = query.fetch_all(&mut connection.inner).await?;
        let mut listed = Vec::with_capacity(found.len());
        for row in &found {
            let workspace: &str = row.try_get(0)?;
            listed.push(Listed {
                key: ResourceKey::new(kind, workspace.into(), row.try_get(1)?),
                id: row.try_get(2)?,
                canonical: Value::Null,
                owner: row.try_get(3)?,
                revision: row.try_get(4)?,
                created_at: row.try_get(5)?,
                updated_at: row.try_get(6)?,
                deleted_at: row.try_get(7)?,
                touched_at: row.try_get(8)?,
                touched_by: row.try_get(9)?,
            });
        }
        let keys: Vec<ResourceKey> = listed.iter().map(|row| row.key.clone()).collect();
        let mut rows = read::read_rows(&mut connection.inner, &keys).await?;
        rows.sort_by(|left, right| left.key.cmp(&right.key));
        for item in &mut listed {
            if let Ok(index) = rows.binary_search_by(|row| row.key.cmp(&item.key)) {
                item.canonical = rows[index].canonical.take();
            }
        }
        listed.sort_by(|left, right| left.key.cmp(&right.key));
        Ok(listed)
    };
    within(limit, &format!("listing {table}"), work).await
}
