//! `SX0506`: what is still mentioned by something that stays is not deleted.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::model::{ResourceKey, Scope};
use crate::plan::action::{Action, ActionKind, Plan, Refusal};
use crate::plan::observed::{Head, Observed};
use crate::plan::references;

/// The code of this guard.
pub const CODE: &str = "SX0506";

/// Refuses the deletion of what others need, and notes on every other deletion what goes with it.
pub fn check(plan: &mut Plan, observed: &Observed) -> Vec<Refusal> {
    let deleted: HashSet<ResourceKey> = plan
        .actions
        .iter()
        .filter(|action| action.kind == ActionKind::Delete)
        .map(|action| action.key.clone())
        .collect();
    if deleted.is_empty() {
        return Vec::new();
    }
    note_dependents(plan, &deleted);
    let mut users: BTreeMap<ResourceKey, Vec<ResourceKey>> = BTreeMap::new();
    let mut used = |by: &ResourceKey, what: ResourceKey| {
        if deleted.contains(&what) && !deleted.contains(by) {
            users.entry(what).or_default().push(by.clone());
        }
    };
    // What is written by this very plan counts as it will be.
    let mut written = HashSet::new();
    for action in &plan.actions {
        if let Some(after) = action.written() {
            written.insert(&action.key);
            references::of(&action.key, &after).into_iter().for_each(|what| used(&action.key, what));
        }
    }
    for (by, what) in observed.mentions.iter().filter(|(by, _)| !written.contains(by)) {
        used(by, what.clone());
    }
    let stays = |head: &&Head| !head.deleted && head.key.kind.scope == Scope::Workspace;
    for head in observed.heads.iter().filter(stays).filter(|head| !written.contains(&head.key)) {
        if let Some(workspace) = references::workspace_of(&head.key) {
            used(&head.key, workspace);
        }
    }
    users.into_iter().map(|(key, by)| refuse(key, &by)).collect()
}

/// Refuses the deletion of what rows need whose own change is not made.
#[must_use]
pub fn by_what_is_left_out(kept: &[Action], left_out: &[Action]) -> Vec<Refusal> {
    let deleted: HashSet<&ResourceKey> =
        kept.iter().filter(|action| action.kind == ActionKind::Delete).map(|action| &action.key).collect();
    let mut users: BTreeMap<ResourceKey, Vec<ResourceKey>> = BTreeMap::new();
    let lives =
        |action: &&Action| matches!(action.kind, ActionKind::Update | ActionKind::Adopt | ActionKind::Rename);
    for action in left_out.iter().filter(lives).filter(|_| !deleted.is_empty()) {
        for what in references::of(&action.key, action.before.as_deref().unwrap_or_default()) {
            if deleted.contains(&what) {
                users.entry(what).or_default().push(action.old_key());
            }
        }
    }
    users.into_iter().map(|(key, by)| refuse(key, &by)).collect()
}

fn refuse(key: ResourceKey, by: &[ResourceKey]) -> Refusal {
    let mut named: Vec<String> = by.iter().take(3).map(ToString::to_string).collect();
    if by.len() > 3 {
        named.push(format!("{} more", by.len() - 3));
    }
    Refusal {
        code: CODE,
        message: format!("{key} would be deleted and is still needed by {}", named.join(", ")),
        help: "delete those too, or change them first so that they no longer mention it".to_owned(),
        position: None,
        can_be_acknowledged: false,
        key: Some(key),
    }
}

/// `workspace/w -> 14 tenants, 31 credentials`.
fn note_dependents(plan: &mut Plan, deleted: &HashSet<ResourceKey>) {
    let mut counts: HashMap<ResourceKey, BTreeMap<u8, usize>> = HashMap::new();
    for action in plan.actions.iter().filter(|action| action.kind == ActionKind::Delete) {
        for what in references::of(&action.key, action.before.as_deref().unwrap_or_default()) {
            if deleted.contains(&what) {
                *counts.entry(what).or_default().entry(action.key.kind.rank).or_default() += 1;
            }
        }
    }
    for action in plan.actions.iter_mut().filter(|action| action.kind == ActionKind::Delete) {
        let Some(by_kind) = counts.get(&action.key) else { continue };
        let kinds = by_kind.iter().filter_map(|(rank, count)| {
            crate::kinds::KINDS.get(usize::from(*rank)).map(|kind| (*kind, *count))
        });
        action.dependents = kinds.collect();
    }
}
