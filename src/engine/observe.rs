//! Reads what a plan needs and no more: heads of all rows, whole rows where they matter.

use std::collections::HashMap;

use crate::kinds;
use crate::model::{KindRef, ResourceKey};
use crate::plan::planner::{may_go, missing};
use crate::plan::{Desired, Head, Observed, Row, references, wanted_rows};

use super::state::{StateError, StateReader};

/// Reads the heads of all kinds, sorted by key. Empty where synthex is not installed.
///
/// # Errors
/// Whatever the store reports.
pub async fn observe_heads(
    reader: &mut impl StateReader,
    workspace: Option<&str>,
    declared: &[String],
) -> Result<Vec<Head>, StateError> {
    let mut heads = Vec::new();
    if !reader.is_installed().await? {
        return Ok(heads);
    }
    for kind in kinds::stored() {
        let mut of_kind = reader.heads(kind, workspace, declared).await?;
        if !of_kind.is_sorted_by(|left, right| left.key <= right.key) {
            of_kind.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        }
        heads.append(&mut of_kind);
    }
    Ok(heads)
}

/// Reads the rows that the plan for these heads needs.
///
/// # Errors
/// Whatever the store reports.
pub async fn observe_rows(
    reader: &mut impl StateReader,
    desired: &Desired<'_>,
    heads: Vec<Head>,
) -> Result<Observed, StateError> {
    observe_other_rows(reader, desired, heads, Vec::new()).await
}

/// [`observe_rows`], where some rows were read before, within the same snapshot: they are not read again.
///
/// # Errors
/// Whatever the store reports.
pub async fn observe_other_rows(
    reader: &mut impl StateReader,
    desired: &Desired<'_>,
    heads: Vec<Head>,
    known: Vec<Row>,
) -> Result<Observed, StateError> {
    let mut rows: HashMap<ResourceKey, Row> = known.into_iter().map(|row| (row.key.clone(), row)).collect();
    let mut wanted = wanted_rows(desired, &heads);
    wanted.retain(|key| !rows.contains_key(key));
    if !wanted.is_empty() {
        rows.extend(reader.rows(&wanted).await?.into_iter().map(|row| (row.key.clone(), row)));
    }
    let gone = if heads.is_empty() { Vec::new() } else { missing(desired, &heads) };
    let vanished = if gone.is_empty() { Vec::new() } else { reader.vanished(&gone).await? };
    let mentions = mentions(reader, desired, &heads).await?;
    Ok(Observed { mentions, heads, rows, vanished: vanished.into_iter().collect::<HashMap<_, _>>() })
}

/// What living rows mention, where they may mention something that is to be deleted, or to lose its name.
async fn mentions(
    reader: &mut impl StateReader,
    desired: &Desired<'_>,
    heads: &[Head],
) -> Result<Vec<(ResourceKey, ResourceKey)>, StateError> {
    let (deleted, renamed) = may_go(desired, heads);
    let mut going: Vec<(KindRef, bool)> = Vec::new();
    let all = deleted.iter().map(|key| (key, true)).chain(renamed.iter().map(|key| (key, false)));
    let mut workspaces = Vec::new();
    for (key, is_deleted) in all {
        if going.last().is_none_or(|(kind, before)| kind.rank != key.kind.rank || *before != is_deleted) {
            going.push((key.kind, is_deleted));
        }
        workspaces.push(&*key.workspace);
    }
    workspaces.sort_unstable();
    workspaces.dedup();
    let may_mention = |by: KindRef| {
        going.iter().any(|(what, is_deleted)| {
            by.mentions.contains(&what.name) && (*is_deleted || !references::follow_renames(by, what))
        })
    };
    let stays = |head: &&Head| {
        !head.deleted
            && may_mention(head.key.kind)
            && workspaces.binary_search(&&*head.key.workspace).is_ok()
            && deleted.binary_search(&head.key).is_err()
    };
    let keys: Vec<ResourceKey> = heads.iter().filter(stays).map(|head| head.key.clone()).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let rows = reader.rows(&keys).await?;
    let mentions = rows.into_iter().flat_map(|row| {
        let mentioned = references::of_value(&row.key, &row.canonical);
        mentioned.into_iter().map(move |to| (row.key.clone(), to))
    });
    Ok(mentions.collect())
}
