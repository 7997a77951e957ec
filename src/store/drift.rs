//! Reads what drift is found from: marks left by the triggers, the record of what was applied, and the rows themselves.
//!
//! By default only what is marked is read. In full, every row of the project is read as well and its digest made anew, on
//! all cores, so that a change shows that was made while the triggers were off.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres, Row as _};
use tokio::sync::mpsc;

use crate::engine::{StateError, StateErrorKind, StateReader as _};
use crate::kinds;
use crate::model::{Digest, KindRef, ResourceKey};
use crate::plan::Row;
use crate::plan::columns::places_of;
use crate::plan::drift::{Applied, ForeignWrite, Seen};

use super::connect::Connection;
use super::error::within;
use super::read::{self, Shared};
use super::statements;

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub struct DriftScope<'a> {
    /// The project whose applies count.
    pub project: &'a str,
    /// Only this workspace.
    pub workspace: Option<&'a str>,
    /// The workspaces to look at one by one, for a role that row-level security confines.
    pub declared: &'a [String],
    /// Whether every row is read.
    pub full: bool,
}

/// How many rows a worker takes at a time.
const BATCH: usize = 500;

impl Connection {
    /// Everything that may have drifted. Within a transaction, where synthex is installed.
    ///
    /// # Errors
    /// The role may not see the record, or whatever the database reports.
    pub async fn drifting(&mut self, scope: &DriftScope<'_>) -> Result<Vec<Seen>, StateError> {
        self.may_read_the_record().await?;
        let mut seen = Vec::new();
        if self.is_confined().await? {
            for name in scope.declared.iter().filter(|name| scope.workspace.is_none_or(|only| only == *name))
            {
                self.enter(name).await?;
                self.drifting_in(scope, Some(name), &mut seen).await?;
            }
        } else {
            self.drifting_in(scope, scope.workspace, &mut seen).await?;
        }
        Ok(seen)
    }

    /// The workspaces in which a project has rows, sorted.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn workspaces_owned(&mut self, scope: &DriftScope<'_>) -> Result<Vec<String>, StateError> {
        if self.is_confined().await? {
            return Ok(scope.declared.to_vec());
        }
        let mut sql = String::new();
        for table in kinds::stored().filter_map(|kind| kind.table.as_ref()) {
            let column = if table.name == "workspaces" { "name" } else { "workspace" };
            let join = if sql.is_empty() { "" } else { " union " };
            sql.push_str(&format!("{join}select {column} from synthex.{} where owner = $1", table.name));
        }
        let query = sqlx::query_scalar(AssertSqlSafe(format!("{sql} order by 1"))).bind(scope.project);
        within(self.timeout, "reading workspaces", query.persistent(false).fetch_all(&mut self.inner)).await
    }

    async fn may_read_the_record(&mut self) -> Result<(), StateError> {
        let sql = "select t from unnest(array['batch_operations', 'batch_operation_items', 'drift_events']) as t \
             where not has_table_privilege('synthex.' || t, 'select') order by 1 limit 1";
        let query = sqlx::query_scalar(sql).persistent(false);
        let missing: Option<String> =
            within(self.timeout, "asking for our rights", query.fetch_optional(&mut self.inner)).await?;
        let Some(table) = missing else { return Ok(()) };
        let what = format!("this role may not read synthex.{table}, so drift cannot be told");
        Err(StateError::new(StateErrorKind::Refused, what)
            .why("what was last applied, and who wrote since, is kept there")
            .help("grant select on all tables in schema synthex to the role"))
    }

    async fn drifting_in(
        &mut self,
        scope: &DriftScope<'_>,
        workspace: Option<&str>,
        seen: &mut Vec<Seen>,
    ) -> Result<(), StateError> {
        for kind in kinds::stored() {
            let mut keys = self.keys(kind, statements::marked(kind), workspace, None).await?;
            let mut rows = HashMap::new();
            if scope.full {
                let sql = statements::unmarked(kind);
                keys.append(&mut self.keys(kind, sql, workspace, Some(scope.project)).await?);
                for row in self.unlike_their_digest(kind, workspace, scope.project).await? {
                    keys.push(row.key.clone());
                    rows.insert(row.key.clone(), row);
                }
            }
            keys.sort_unstable();
            keys.dedup();
            if keys.is_empty() {
                continue;
            }
            let first = seen.len();
            self.look_closer(kind, keys, rows, seen).await?;
            let former = former_names(&seen[first..]);
            if former.is_empty() {
                continue;
            }
            let mut gone = Vec::new();
            self.look_closer(kind, former.keys().cloned().collect(), HashMap::new(), &mut gone).await?;
            let known: Vec<ResourceKey> = seen[first..].iter().map(|one| one.key.clone()).collect();
            for mut one in gone.into_iter().filter(|one| one.live.is_none()) {
                if known.binary_search(&one.key).is_err() {
                    one.writes.extend(former.get(&one.key).cloned());
                    seen.push(one);
                }
            }
        }
        Ok(())
    }

    async fn keys(
        &mut self,
        kind: KindRef,
        sql: String,
        workspace: Option<&str>,
        project: Option<&str>,
    ) -> Result<Vec<ResourceKey>, StateError> {
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(workspace).persistent(false);
        if let Some(project) = project {
            query = query.bind(project);
        }
        let work = async {
            let mut shared = Shared::default();
            let found = query.fetch_all(&mut self.inner).await?;
            let key = |row: &PgRow| {
                Ok(ResourceKey::new(kind, shared.name(row.try_get(0)?), row.try_get::<&str, _>(1)?))
            };
            found.iter().map(key).collect()
        };
        within(self.timeout, "looking for drift", work).await
    }

    /// Reads the rest of what is to be known of some resources of a kind. `rows` are those that were read already.
    async fn look_closer(
        &mut self,
        kind: KindRef,
        keys: Vec<ResourceKey>,
        mut rows: HashMap<ResourceKey, Row>,
        seen: &mut Vec<Seen>,
    ) -> Result<(), StateError> {
        let limit = self.timeout;
        let table = kind.table.as_ref().map_or("", |table| table.name);
        let unread: Vec<ResourceKey> = keys.iter().filter(|key| !rows.contains_key(key)).cloned().collect();
        let read = read::read_rows(&mut self.inner, &unread);
        for row in within(limit, "reading rows", read).await? {
            rows.insert(row.key.clone(), row);
        }
        let mut applied = HashMap::new();
        let (workspaces, names) = parameters(&keys);
        let query = sqlx::query(statements::LAST_APPLIED).bind(workspaces).bind(names).bind(table);
        let work = async {
            let mut stream = query.persistent(false).fetch(&mut self.inner);
            while let Some(found) = stream.try_next().await? {
                let key = ResourceKey::new(kind, found.try_get::<&str, _>(0)?.into(), found.try_get(1)?);
                applied.insert(key, applied_of(&found)?);
            }
            Ok(())
        };
        within(limit, "reading what was applied", work).await?;
        let (workspaces, names) = parameters(&keys);
        let beginning = DateTime::<Utc>::UNIX_EPOCH;
        let since: Vec<DateTime<Utc>> =
            keys.iter().map(|key| applied.get(key).map_or(beginning, |applied| applied.at)).collect();
        // The mark of a row from which something was left out may be of a write before the apply.
        let in_any_case: Vec<bool> = keys
            .iter()
            .map(|key| applied.get(key).is_some_and(|applied| !applied.left().is_empty()))
            .collect();
        let query = sqlx::query(statements::FOREIGN_WRITES).bind(workspaces).bind(names).bind(since);
        let mut writes = self.foreign_writes(kind, query.bind(table).bind(in_any_case)).await?;
        let mut earlier = self.earlier_writes(kind, &applied).await?;
        seen.extend(keys.into_iter().map(|key| Seen {
            applied: applied.remove(&key),
            live: rows.remove(&key),
            writes: writes.remove(&key).unwrap_or_default(),
            earlier: earlier.remove(&key).unwrap_or_default(),
            key,
        }));
        Ok(())
    }

    /// The last foreign write of each field that an apply left to somebody else, before that apply.
    async fn earlier_writes(
        &mut self,
        kind: KindRef,
        applied: &HashMap<ResourceKey, Applied>,
    ) -> Result<HashMap<ResourceKey, Vec<ForeignWrite>>, StateError> {
        let (mut keys, mut times, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (key, applied) in applied {
            for path in applied.left() {
                keys.push(key.clone());
                times.push(applied.at);
                places.push(json!(places_of(kind, &path)).to_string());
            }
        }
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let (workspaces, names) = parameters(&keys);
        let sql = AssertSqlSafe(statements::left_writes(kind));
        self.foreign_writes(kind, sqlx::query(sql).bind(workspaces).bind(names).bind(times).bind(places))
            .await
    }

    async fn foreign_writes(
        &mut self,
        kind: KindRef,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<HashMap<ResourceKey, Vec<ForeignWrite>>, StateError> {
        let mut writes: HashMap<ResourceKey, Vec<ForeignWrite>> = HashMap::new();
        let work = async {
            let mut stream = query.persistent(false).fetch(&mut self.inner);
            while let Some(found) = stream.try_next().await? {
                let key = ResourceKey::new(kind, found.try_get::<&str, _>(0)?.into(), found.try_get(1)?);
                let (actor, at) = (found.try_get(2)?, found.try_get(3)?);
                let write = ForeignWrite { actor, at, before: found.try_get(4)?, after: found.try_get(5)? };
                writes.entry(key).or_default().push(write);
            }
            Ok(())
        };
        within(self.timeout, "reading drift events", work).await?;
        Ok(writes)
    }

    /// The project's living rows whose digest, made anew, is not the one that synthex wrote.
    async fn unlike_their_digest(
        &mut self,
        kind: KindRef,
        workspace: Option<&str>,
        project: &str,
    ) -> Result<Vec<Row>, StateError> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (sender, receiver) = mpsc::channel::<Vec<PgRow>>(threads * 2);
        let receiver = Arc::new(Mutex::new(receiver));
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let receiver = Arc::clone(&receiver);
                tokio::task::spawn_blocking(move || compare(kind, &receiver))
            })
            .collect();
        let sql = statements::living_of_project(kind);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(workspace).bind(project).persistent(false);
        let doing = format!("reading {}", kind.table.as_ref().map_or("", |table| table.name));
        let work = async {
            let mut stream = query.fetch(&mut self.inner);
            let mut batch = Vec::with_capacity(BATCH);
            while let Some(found) = stream.try_next().await? {
                batch.push(found);
                if batch.len() == BATCH {
                    // A worker that is gone reports its own error below.
                    let _ = sender.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))).await;
                }
            }
            let _ = sender.send(batch).await;
            Ok(())
        };
        let read = within(self.timeout, &doing, work).await;
        drop(sender);
        let mut unlike = Vec::new();
        for worker in workers {
            let outcome = worker.await.map_err(|error| {
                StateError::new(StateErrorKind::Other, "rows could not be compared").why(error.to_string())
            })?;
            let rows = within(self.timeout, &doing, std::future::ready(outcome)).await;
            // What went wrong with the database comes first.
            if read.is_ok() {
                unlike.append(&mut rows?);
            }
        }
        read.map(|()| unlike)
    }
}

/// Takes batches until there are no more; returns the rows that are not like their digest.
fn compare(kind: KindRef, batches: &Mutex<mpsc::Receiver<Vec<PgRow>>>) -> Result<Vec<Row>, sqlx::Error> {
    let mut unlike = Vec::new();
    let mut shared = Shared::default();
    loop {
        let batch = batches.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(batch) = batch else { return Ok(unlike) };
        for found in &batch {
            let row = read::row_of(kind, found, &mut shared)?;
            let digest: Option<&[u8]> = found.try_get(found.len() - 1)?;
            let made = kind.canonical_of(&row.canonical).map(|text| Digest::of(text.as_bytes()));
            if made.is_none() || made != digest.and_then(Digest::from_slice) {
                unlike.push(row);
            }
        }
    }
}

/// The names that rows had before somebody gave them another by hand, and the write that did it: nothing marks those.
fn former_names(seen: &[Seen]) -> HashMap<ResourceKey, ForeignWrite> {
    let mut former = HashMap::new();
    for one in seen {
        for write in &one.writes {
            let before = write.before.as_ref();
            let text = |name: &str| before.and_then(|row| row.get(name)).and_then(Value::as_str);
            if let Some(name) = text("name").filter(|name| **name != *one.key.name) {
                // A workspace is its own; every other row names the one it was in.
                let workspace = text("workspace").unwrap_or(name);
                // The update that follows a rename to other tables runs as their owner, and the event may name that role.
                let marked = one.live.as_ref().and_then(|row| row.touched_by.clone());
                let actor = marked.filter(|_| one.writes.len() == 1).unwrap_or_else(|| write.actor.clone());
                let write = ForeignWrite { actor, ..write.clone() };
                former.insert(ResourceKey::new(one.key.kind, workspace.into(), name), write);
            }
        }
    }
    former
}

fn parameters(keys: &[ResourceKey]) -> (Vec<&str>, Vec<&str>) {
    keys.iter().map(|key| (&*key.workspace, &*key.name)).unzip()
}

fn applied_of(found: &PgRow) -> Result<Applied, sqlx::Error> {
    let after: Option<&str> = found.try_get(2)?;
    Ok(Applied {
        after: after.and_then(|text| serde_json::from_str::<Value>(text).ok()),
        revision: found.try_get(3)?,
        project: found.try_get(4)?,
        command: found.try_get(5)?,
        actor: found.try_get(6)?,
        at: found.try_get(7)?,
    })
}
