//! `SX0506`: what is still mentioned by something that stays is not deleted, and keeps its name.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::model::{ResourceKey, Scope};
use crate::plan::action::{Action, ActionKind, Plan, Refusal};
use crate::plan::desired::Desired;
use crate::plan::observed::{Head, Observed};
use crate::plan::references::{self, Going};

/// The code of this guard.
pub const CODE: &str = "SX0506";

/// Refuses the deletion of what others need, and a new name for what others go on mentioning by the former one. Notes on
/// every other deletion what goes with it.
///
/// What is declared wrongly refuses nothing: whoever lets the rest be planned all the same has each change that it stands
/// in the way of left out when the plan is executed.
pub fn check(plan: &mut Plan, observed: &Observed, desired: &Desired<'_>) -> Vec<Refusal> {
    note_dependents(plan);
    let going = Going::of(plan.actions.iter());
    if going.is_empty() {
        return Vec::new();
    }
    let mut users = Users::default();
    // What is written by this very plan counts as it will be.
    let mut written = HashSet::new();
    for action in &plan.actions {
        if let Some(after) = action.written() {
            written.insert(action.old_key());
            for what in references::of(&action.key, &after) {
                users.add(going.get(&what), &action.key);
            }
        }
    }
    let stays = |by: &ResourceKey| {
        !written.contains(by) && going.get(by).is_none() && desired.broken.binary_search(by).is_err()
    };
    for (by, what) in observed.mentions.iter().filter(|(by, _)| stays(by)) {
        users.add(going.from_under(by, what), by);
    }
    let lives = |head: &&Head| !head.deleted && head.key.kind.scope == Scope::Workspace;
    for head in observed.heads.iter().filter(lives).filter(|head| stays(&head.key)) {
        if let Some(workspace) = references::workspace_of(&head.key) {
            users.add(going.get(&workspace), &head.key);
        }
    }
    users.refusals(|action| match action.kind {
        ActionKind::Rename => {
            "change those along, in the same plan, or first, so that they no longer mention it".to_owned()
        }
        _ => "delete those too, or change them first so that they no longer mention it".to_owned(),
    })
}

/// Refuses the deletion, or a new name, of what rows need whose own change is not made.
#[must_use]
pub fn by_what_is_left_out(kept: &[Action], left_out: &[Action]) -> Vec<Refusal> {
    let going = Going::of(kept.iter());
    if going.is_empty() {
        return Vec::new();
    }
    let lives =
        |action: &&Action| matches!(action.kind, ActionKind::Update | ActionKind::Adopt | ActionKind::Rename);
    let mut users = Users::default();
    let mut missing = BTreeSet::new();
    for action in left_out.iter().filter(lives) {
        let by = action.old_key();
        for what in references::of(&by, action.before.as_deref().unwrap_or_default()) {
            if users.add(going.from_under(&by, &what), &by) {
                missing.insert(action.kind);
            }
        }
    }
    let missing: Vec<&str> = missing.iter().map(|kind| kind.code()).collect();
    users.refusals(|_| format!("let those change too: add {} to --allow", missing.join(",")))
}

/// Who needs what goes away.
#[derive(Default)]
struct Users<'a>(BTreeMap<ResourceKey, (&'a Action, Vec<ResourceKey>)>);

impl<'a> Users<'a> {
    /// Notes that `by` needs what an action takes away; returns whether there is one.
    fn add(&mut self, action: Option<&'a Action>, by: &ResourceKey) -> bool {
        if let Some(action) = action {
            let users = self.0.entry(action.old_key()).or_insert((action, Vec::new()));
            if users.1.last() != Some(by) {
                users.1.push(by.clone());
            }
        }
        action.is_some()
    }

    fn refusals(self, help: impl Fn(&Action) -> String) -> Vec<Refusal> {
        let refuse = |(key, (action, by)): (ResourceKey, (&Action, Vec<ResourceKey>))| {
            let mut named: Vec<String> = by.iter().take(3).map(ToString::to_string).collect();
            if by.len() > 3 {
                named.push(format!("{} more", by.len() - 3));
            }
            let named = named.join(", ");
            let message = match action.kind {
                ActionKind::Rename => format!(
                    "{key} would be renamed to {} and is still needed, under the name it has, by {named}",
                    action.key
                ),
                _ => format!("{key} would be deleted and is still needed by {named}"),
            };
            Refusal {
                code: CODE,
                message,
                help: help(action),
                position: action.position.clone(),
                can_be_acknowledged: false,
                key: Some(action.key.clone()),
            }
        };
        self.0.into_iter().map(refuse).collect()
    }
}

/// `workspace/w -> 14 tenants, 31 credentials`.
fn note_dependents(plan: &mut Plan) {
    let deleted: HashSet<ResourceKey> = plan
        .actions
        .iter()
        .filter(|action| action.kind == ActionKind::Delete)
        .map(|action| action.key.clone())
        .collect();
    if deleted.is_empty() {
        return;
    }
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
