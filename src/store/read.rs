//! Reads declared state: heads in one statement a kind, whole rows by key.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use crate::engine::{StateError, StateReader};
use crate::kinds;
use crate::model::{Digest, KindRef, ResourceKey};
use crate::plan::{Head, Row, Vanished};

use super::connect::Connection;
use super::error::within;
use super::{row, statements};

impl StateReader for Connection {
    async fn is_installed(&mut self) -> Result<bool, StateError> {
        let query = sqlx::query_scalar("select to_regclass('synthex.tenants') is not null").persistent(false);
        within(self.timeout, "looking for the schema synthex", query.fetch_one(&mut self.inner)).await
    }

    async fn heads(
        &mut self,
        kind: KindRef,
        workspace: Option<&str>,
        declared: &[String],
    ) -> Result<Vec<Head>, StateError> {
        let mut heads = Vec::new();
        if self.is_confined().await? {
            for name in declared.iter().filter(|name| workspace.is_none_or(|only| only == name.as_str())) {
                self.enter(name).await?;
                self.read_heads(kind, Some(name), &mut heads).await?;
            }
        } else {
            self.read_heads(kind, workspace, &mut heads).await?;
        }
        Ok(heads)
    }

    async fn rows(&mut self, keys: &[ResourceKey]) -> Result<Vec<Row>, StateError> {
        if !self.is_confined().await? {
            return within(self.timeout, "reading rows", read_rows(&mut self.inner, keys)).await;
        }
        let mut rows = Vec::new();
        for (workspace, keys) in by_workspace(keys) {
            self.enter(&workspace).await?;
            rows.append(&mut within(self.timeout, "reading rows", read_rows(&mut self.inner, &keys)).await?);
        }
        Ok(rows)
    }

    async fn vanished(&mut self, keys: &[ResourceKey]) -> Result<Vec<(ResourceKey, Vanished)>, StateError> {
        let query = sqlx::query_scalar("select has_table_privilege('synthex.drift_events', 'select')")
            .persistent(false);
        let allowed: bool =
            within(self.timeout, "reading drift events", query.fetch_one(&mut self.inner)).await?;
        if !allowed {
            return Ok(Vec::new());
        }
        let groups =
            if self.is_confined().await? { by_workspace(keys) } else { vec![(String::new(), keys.to_vec())] };
        let mut found = Vec::new();
        for (workspace, keys) in groups {
            if !workspace.is_empty() {
                self.enter(&workspace).await?;
            }
            found.append(
                &mut within(self.timeout, "reading drift events", read_vanished(&mut self.inner, &keys))
                    .await?,
            );
        }
        Ok(found)
    }

    async fn is_confined(&mut self) -> Result<bool, StateError> {
        if let Some(known) = self.confined {
            return Ok(known);
        }
        let query = sqlx::query_scalar("select row_security_active('synthex.tenants')").persistent(false);
        let confined =
            within(self.timeout, "asking for our rights", query.fetch_one(&mut self.inner)).await?;
        self.confined = Some(confined);
        Ok(confined)
    }
}

impl Connection {
    /// Names the workspace that row-level security lets us see, until the end of the transaction.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn enter(&mut self, workspace: &str) -> Result<(), StateError> {
        let query =
            sqlx::query("select set_config('synthex.workspace', $1, true)").bind(workspace).persistent(false);
        within(self.timeout, "choosing a workspace", sqlx::Executor::execute(&mut self.inner, query))
            .await
            .map(|_| ())
    }

    /// Whether the triggers take what we write for synthex's own: their condition, asked of every declared table.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub(super) async fn owns_what_is_declared(&mut self) -> Result<bool, StateError> {
        let tables: Vec<&str> =
            kinds::stored().filter_map(|kind| kind.table.as_ref()).map(|table| table.name).collect();
        let sql = "select bool_and(has_table_privilege('synthex.' || name, 'TRIGGER WITH GRANT OPTION')) \
             from unnest($1::text[]) as t (name)";
        let query = sqlx::query_scalar(sql).bind(tables).persistent(false);
        within(self.timeout, "asking for our rights", query.fetch_one(&mut self.inner)).await
    }

    /// Every row that something else removed and that is not there again.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn all_vanished(
        &mut self,
        workspace: Option<&str>,
    ) -> Result<Vec<(ResourceKey, Vanished)>, StateError> {
        let work = async {
            let query = sqlx::query(statements::ALL_VANISHED).bind(workspace).persistent(false);
            let mut vanished = Vec::new();
            for found in query.fetch_all(&mut self.inner).await? {
                let table: &str = found.try_get(0)?;
                let kind =
                    kinds::stored().find(|kind| kind.table.as_ref().is_some_and(|own| own.name == table));
                if let Some(kind) = kind {
                    let key = ResourceKey::new(kind, found.try_get::<&str, _>(1)?.into(), found.try_get(2)?);
                    vanished.push((key, Vanished { actor: found.try_get(3)?, at: found.try_get(4)? }));
                }
            }
            Ok(vanished)
        };
        within(self.timeout, "reading drift events", work).await
    }

    async fn read_heads(
        &mut self,
        kind: KindRef,
        workspace: Option<&str>,
        heads: &mut Vec<Head>,
    ) -> Result<(), StateError> {
        let sql = AssertSqlSafe(statements::heads(kind, workspace.is_some()));
        let mut query = sqlx::query(sql).persistent(false);
        if let Some(workspace) = workspace {
            query = query.bind(workspace);
        }
        let mut shared = Shared::default();
        let doing = format!("reading {}", kind.table.as_ref().map_or("", |table| table.name));
        let work = async {
            let mut stream = query.fetch(&mut self.inner);
            while let Some(row) = stream.try_next().await? {
                heads.push(head_of(kind, &row, &mut shared)?);
            }
            Ok(())
        };
        within(self.timeout, &doing, work).await
    }
}

/// Workspace and owner names, one copy of each.
#[derive(Default)]
pub(super) struct Shared(HashMap<String, Arc<str>>);

impl Shared {
    pub(super) fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = name.into();
        self.0.insert(name.to_owned(), Arc::clone(&shared));
        shared
    }
}

fn head_of(kind: KindRef, row: &PgRow, shared: &mut Shared) -> Result<Head, sqlx::Error> {
    let digest: Option<&[u8]> = row.try_get(2)?;
    let owner: Option<&str> = row.try_get(4)?;
    Ok(Head {
        key: ResourceKey::new(kind, shared.name(row.try_get(0)?), row.try_get(1)?),
        digest: digest.and_then(Digest::from_slice),
        revision: row.try_get(3)?,
        owner: owner.map(|owner| shared.name(owner)),
        touched: row.try_get(5)?,
        deleted: row.try_get(6)?,
        protected: row.try_get(7)?,
    })
}

pub(super) fn by_workspace(keys: &[ResourceKey]) -> Vec<(String, Vec<ResourceKey>)> {
    let mut groups: std::collections::BTreeMap<String, Vec<ResourceKey>> = std::collections::BTreeMap::new();
    for key in keys {
        groups.entry(key.workspace.to_string()).or_default().push(key.clone());
    }
    groups.into_iter().collect()
}

/// Keys of one kind after the other, as parameter lists.
pub(super) fn by_kind(keys: &[ResourceKey]) -> Vec<(KindRef, Vec<&str>, Vec<&str>)> {
    let mut groups: Vec<(KindRef, Vec<&str>, Vec<&str>)> = Vec::new();
    for key in keys {
        let group = match groups.iter_mut().find(|(kind, _, _)| kind.rank == key.kind.rank) {
            Some(group) => group,
            None => {
                groups.push((key.kind, Vec::new(), Vec::new()));
                let last = groups.len() - 1;
                &mut groups[last]
            }
        };
        group.1.push(&key.workspace);
        group.2.push(&key.name);
    }
    groups
}

/// Reads whole rows by key.
///
/// # Errors
/// Whatever the database reports.
pub(super) async fn read_rows(
    connection: &mut PgConnection,
    keys: &[ResourceKey],
) -> Result<Vec<Row>, sqlx::Error> {
    let mut rows = Vec::with_capacity(keys.len());
    for (kind, workspaces, names) in by_kind(keys) {
        let sql = AssertSqlSafe(statements::rows(kind));
        let query = sqlx::query(sql).bind(workspaces).bind(names).persistent(false);
        let mut shared = Shared::default();
        let mut stream = query.fetch(&mut *connection);
        while let Some(found) = stream.try_next().await? {
            rows.push(row_of(kind, &found, &mut shared)?);
        }
    }
    Ok(rows)
}

/// How many columns come before the kind's own: workspace, name, labels, protected, touched_at, touched_by, owner, deleted.
pub(super) const COMMON: usize = 8;

pub(super) fn row_of(kind: KindRef, found: &PgRow, shared: &mut Shared) -> Result<Row, sqlx::Error> {
    let mut cells = Vec::with_capacity(kind.columns().len());
    for index in 0..kind.columns().len() {
        cells.push(found.try_get::<Option<String>, _>(COMMON + index)?);
    }
    let protected: &str = found.try_get(3)?;
    let touched_at: Option<&str> = found.try_get(4)?;
    let deleted: &str = found.try_get(7)?;
    Ok(Row {
        key: ResourceKey::new(kind, shared.name(found.try_get(0)?), found.try_get(1)?),
        canonical: row::canonical(kind, found.try_get(2)?, protected.starts_with('t'), &cells),
        touched_at: touched_at.and_then(row::instant),
        touched_by: found.try_get(5)?,
        owner: found.try_get(6)?,
        deleted: deleted.starts_with('t'),
    })
}

async fn read_vanished(
    connection: &mut PgConnection,
    keys: &[ResourceKey],
) -> Result<Vec<(ResourceKey, Vanished)>, sqlx::Error> {
    let mut vanished = Vec::new();
    for (kind, workspaces, names) in by_kind(keys) {
        let table = kind.table.as_ref().map_or("", |table| table.name);
        let query =
            sqlx::query(statements::VANISHED).bind(workspaces).bind(names).bind(table).persistent(false);
        for found in query.fetch_all(&mut *connection).await? {
            let operation: &str = found.try_get(2)?;
            if operation != "delete" {
                continue;
            }
            let key = ResourceKey::new(kind, found.try_get::<&str, _>(0)?.into(), found.try_get(1)?);
            let at: DateTime<Utc> = found.try_get(4)?;
            vanished.push((key, Vanished { actor: found.try_get(3)?, at }));
        }
    }
    Ok(vanished)
}
