//! Desired and observed, both sorted by key, walked side by side.

use std::cmp::Ordering;
use std::collections::HashMap;

use serde_json::Value;

use crate::model::{Entry, ResourceKey, Sources};

use super::action::{Action, ActionKind, FieldChange, Plan, Reason};
use super::diff::differences;
use super::observed::{Head, Observed, Row};
use super::{guards, order};

/// The owner of rows that commands make.
pub const COMMAND_OWNER: &str = "cli";

/// What is declared, and what that means for the rest.
#[derive(Clone, Copy, Debug)]
pub struct Desired<'a> {
    /// The project: the owner of its rows.
    pub project: &'a str,
    /// Sorted by key, no key twice.
    pub entries: &'a [Entry],
    /// Whether rows that the project owns and `entries` do not have are deleted.
    pub prune: bool,
    /// Only this workspace is looked at; everything else is neither changed nor counted.
    pub workspace: Option<&'a str>,
}

impl Desired<'_> {
    fn includes(&self, key: &ResourceKey) -> bool {
        self.workspace.is_none_or(|workspace| *key.workspace == *workspace)
    }
}

/// How a declared resource and a row stand to each other.
enum Pair<'a> {
    Declared(&'a Entry),
    Both(&'a Entry, &'a Head),
    Observed(&'a Head),
}

/// The whole rows that a plan needs, besides the heads: where digest or owner differ, where something else wrote, and
/// what is to be deleted.
#[must_use]
pub fn wanted_rows(desired: &Desired<'_>, heads: &[Head]) -> Vec<ResourceKey> {
    let mut wanted = Vec::new();
    for pair in pairs(desired, heads) {
        match pair {
            Pair::Both(entry, head) if !is_unchanged(desired, entry, head) => wanted.push(head.key.clone()),
            Pair::Observed(head) if desired.prune && is_undeclared(desired, head) => {
                wanted.push(head.key.clone());
            }
            _ => {}
        }
    }
    wanted
}

/// Whether there is nothing to do, found out from keys and digests alone.
#[must_use]
pub fn is_empty(desired: &Desired<'_>, heads: &[Head]) -> bool {
    pairs(desired, heads).all(|pair| match pair {
        Pair::Declared(_) => false,
        Pair::Both(entry, head) => is_unchanged(desired, entry, head),
        Pair::Observed(head) => !(desired.prune && is_undeclared(desired, head)),
    })
}

/// The declared resources that have no row.
#[must_use]
pub fn missing(desired: &Desired<'_>, heads: &[Head]) -> Vec<ResourceKey> {
    let declared_only = |pair| match pair {
        Pair::Declared(entry) => Some(entry.key.clone()),
        _ => None,
    };
    pairs(desired, heads).filter_map(declared_only).collect()
}

/// What must be done for the database to be as declared.
#[must_use]
pub fn plan(desired: &Desired<'_>, observed: &Observed, sources: &mut dyn Sources) -> Plan {
    let mut plan = Plan {
        project: desired.project.to_owned(),
        actions: Vec::new(),
        unchanged: 0,
        undeclared: Vec::new(),
        refusals: Vec::new(),
    };
    for pair in pairs(desired, &observed.heads) {
        match pair {
            Pair::Declared(entry) => plan.actions.push(create(entry, observed, sources)),
            Pair::Both(entry, head) if is_unchanged(desired, entry, head) => plan.unchanged += 1,
            Pair::Both(entry, head) if guards::foreign_owner::owns(desired.project, head) => {
                plan.refusals.push(guards::foreign_owner::refuse(head, sources.declared_at(entry)));
            }
            Pair::Both(entry, head) => {
                match change(desired, entry, head, observed.rows.get(&head.key), sources) {
                    Some(action) => plan.actions.push(action),
                    None => plan.unchanged += 1,
                }
            }
            Pair::Observed(head) if is_undeclared(desired, head) => {
                if desired.prune {
                    plan.actions.push(delete(head, observed.rows.get(&head.key)));
                } else {
                    plan.undeclared.push(head.key.clone());
                }
            }
            Pair::Observed(_) => {}
        }
    }
    order::sort(&mut plan.actions);
    guards::check(&mut plan);
    plan
}

fn pairs<'a>(desired: &'a Desired<'_>, heads: &'a [Head]) -> impl Iterator<Item = Pair<'a>> {
    let mut entries = desired.entries.iter().filter(|entry| desired.includes(&entry.key)).peekable();
    let mut heads = heads.iter().filter(|head| desired.includes(&head.key)).peekable();
    std::iter::from_fn(move || {
        let side = match (entries.peek(), heads.peek()) {
            (Some(entry), Some(head)) => entry.key.cmp(&head.key),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        match side {
            Ordering::Less => entries.next().map(Pair::Declared),
            Ordering::Greater => heads.next().map(Pair::Observed),
            Ordering::Equal => Some(Pair::Both(entries.next()?, heads.next()?)),
        }
    })
}

fn is_unchanged(desired: &Desired<'_>, entry: &Entry, head: &Head) -> bool {
    head.owner.as_deref() == Some(desired.project)
        && !head.deleted
        && !head.touched
        && head.digest == Some(entry.digest)
}

fn is_undeclared(desired: &Desired<'_>, head: &Head) -> bool {
    !head.deleted && head.owner.as_deref() == Some(desired.project)
}

fn create(entry: &Entry, observed: &Observed, sources: &mut dyn Sources) -> Action {
    let reason = match observed.vanished.get(&entry.key) {
        Some(vanished) => Reason::Removed { actor: vanished.actor.clone(), at: vanished.at },
        None => Reason::New,
    };
    Action {
        kind: ActionKind::Create,
        key: entry.key.clone(),
        reason,
        position: Some(sources.declared_at(entry)),
        revision: None,
        before: None,
        after: Some(entry.canonical.clone()),
        digest: Some(entry.digest),
        protected: entry.protect,
        changes: Vec::new(),
    }
}

fn delete(head: &Head, row: Option<&Row>) -> Action {
    Action {
        kind: ActionKind::Delete,
        key: head.key.clone(),
        reason: Reason::Undeclared,
        position: None,
        revision: Some(head.revision),
        before: row.map(|row| row.canonical.to_string().into_boxed_str()),
        after: None,
        digest: None,
        protected: head.protected,
        changes: Vec::new(),
    }
}

/// The action for a row that differs in some way; `None` when the difference means nothing: the row was written by
/// something else, but says what is declared.
fn change(
    desired: &Desired<'_>,
    entry: &Entry,
    head: &Head,
    row: Option<&Row>,
    sources: &mut dyn Sources,
) -> Option<Action> {
    let empty = Value::Null;
    let before = row.map_or(&empty, |row| &row.canonical);
    let after: Value = serde_json::from_str(&entry.canonical).unwrap_or_default();
    let mut origins = HashMap::new();
    let changes: Vec<FieldChange> = differences(before, &after)
        .into_iter()
        .map(|(path, before, after)| {
            let origin = origins.entry(path.clone()).or_insert_with(|| sources.origin(entry, &path)).clone();
            FieldChange { path, before, after, origin }
        })
        .collect();
    let touched = row.and_then(|row| row.touched_by.clone().zip(row.touched_at));
    let ours = head.owner.as_deref() == Some(desired.project);
    let (kind, reason) = if head.deleted {
        let reason = match touched {
            Some((actor, at)) => Reason::Removed { actor, at },
            None => Reason::DeclaredAgain,
        };
        (ActionKind::Restore, reason)
    } else if head.owner.is_none() {
        (ActionKind::Adopt, Reason::Unowned)
    } else if !ours {
        (ActionKind::Adopt, Reason::OwnedByCommands)
    } else if changes.is_empty() {
        return None;
    } else {
        let reason = match touched {
            Some((actor, at)) if head.digest == Some(entry.digest) => Reason::Drift { actor, at },
            Some((actor, at)) => Reason::EditedAndDrift { actor, at },
            None => Reason::Edited,
        };
        (ActionKind::Update, reason)
    };
    Some(Action {
        kind,
        key: entry.key.clone(),
        reason,
        position: Some(sources.declared_at(entry)),
        revision: Some(head.revision),
        before: Some(before.to_string().into_boxed_str()),
        after: Some(entry.canonical.clone()),
        digest: Some(entry.digest),
        protected: head.protected || entry.protect,
        changes,
    })
}
