//! Desired and observed, both sorted by key, walked side by side.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use crate::model::{Entry, ResourceKey, Sources};

use super::action::{Action, ActionKind, Plan, Reason};
use super::changing::{Both, change_all};
use super::desired::{Cause, Desired};
use super::moves;
use super::observed::{Head, Observed, Row};
use super::{guards, order};

pub use super::desired::COMMAND_OWNER;

/// How a declared resource and a row stand to each other.
enum Pair<'a> {
    Declared(&'a Entry),
    Both(&'a Entry, &'a Head),
    Observed(&'a Head),
}

/// The whole rows that a plan needs, besides the heads: where digest or owner differ, where something else wrote, and
/// what is to be deleted, or may have been renamed.
#[must_use]
pub fn wanted_rows(desired: &Desired<'_>, heads: &[Head]) -> Vec<ResourceKey> {
    let renamed = moves::apply(desired.moves, desired.entries, heads);
    let (heads, former) = parts(renamed.as_ref(), heads);
    let mut wanted = Vec::new();
    let mut created: HashSet<(u8, &str)> = HashSet::new();
    for pair in pairs(desired, heads) {
        match pair {
            Pair::Both(entry, head) if !is_unchanged(desired, entry, head, former) => {
                wanted.push(old_key(&head.key, former));
            }
            Pair::Observed(head) if desired.prune && is_undeclared(desired, head) => {
                wanted.push(head.key.clone());
            }
            Pair::Declared(entry) if !entry.key.kind.external_ids.is_empty() => {
                created.insert((entry.key.kind.rank, &*entry.key.workspace));
            }
            _ => {}
        }
    }
    if !desired.prune && !created.is_empty() {
        // One of these may be what is created now, under its former name.
        wanted.extend(pairs(desired, heads).filter_map(|pair| match pair {
            Pair::Observed(head) if is_undeclared(desired, head) => {
                created.contains(&(head.key.kind.rank, &*head.key.workspace)).then(|| head.key.clone())
            }
            _ => None,
        }));
    }
    wanted
}

/// What may go away: what may be deleted, and the former keys of what is renamed. The engine looks for what mentions them.
#[must_use]
pub fn may_go(desired: &Desired<'_>, heads: &[Head]) -> (Vec<ResourceKey>, Vec<ResourceKey>) {
    let (mut deleted, mut renamed) = (Vec::new(), Vec::new());
    let moved = moves::apply(desired.moves, desired.entries, heads);
    if moved.is_none() && !desired.prune {
        return (deleted, renamed);
    }
    let (heads, former) = parts(moved.as_ref(), heads);
    for pair in pairs(desired, heads) {
        match pair {
            Pair::Observed(head) if desired.prune && is_undeclared(desired, head) => {
                deleted.push(head.key.clone());
            }
            Pair::Both(_, head) if former.contains_key(&head.key) => {
                renamed.push(old_key(&head.key, former));
            }
            _ => {}
        }
    }
    (deleted, renamed)
}

/// Whether there is nothing to do, found out from keys and digests alone.
#[must_use]
pub fn is_empty(desired: &Desired<'_>, heads: &[Head]) -> bool {
    if desired.chosen.is_some() || moves::apply(desired.moves, desired.entries, heads).is_some() {
        return false;
    }
    let nobody = HashMap::new();
    pairs(desired, heads).all(|pair| match pair {
        Pair::Declared(_) => false,
        Pair::Both(entry, head) => is_unchanged(desired, entry, head, &nobody),
        Pair::Observed(head) => !(desired.prune && is_undeclared(desired, head)),
    })
}

/// The declared resources that have no row.
#[must_use]
pub fn missing(desired: &Desired<'_>, heads: &[Head]) -> Vec<ResourceKey> {
    let renamed = moves::apply(desired.moves, desired.entries, heads);
    let declared_only = |pair| match pair {
        Pair::Declared(entry) => Some(entry.key.clone()),
        _ => None,
    };
    pairs(desired, parts(renamed.as_ref(), heads).0).filter_map(declared_only).collect()
}

type Former = HashMap<ResourceKey, Box<str>>;

/// The heads to look at, and the former names of those that are renamed.
fn parts<'a>(renamed: Option<&'a moves::Renamed>, heads: &'a [Head]) -> (&'a [Head], &'a Former) {
    static NOBODY: std::sync::LazyLock<Former> = std::sync::LazyLock::new(HashMap::new);
    match renamed {
        Some((heads, former)) => (heads, former),
        None => (heads, &NOBODY),
    }
}

fn old_key(key: &ResourceKey, former: &Former) -> ResourceKey {
    match former.get(key) {
        Some(name) => ResourceKey { name: name.clone(), ..key.clone() },
        None => key.clone(),
    }
}

/// What must be done for the database to be as declared.
#[must_use]
pub fn plan(desired: &Desired<'_>, observed: &Observed, sources: &mut dyn Sources) -> Plan {
    let mut plan = Plan::nothing(desired.project, desired.environment);
    plan.included = desired.chosen.map(|chosen| chosen.included.clone()).unwrap_or_default();
    let renamed = moves::apply(desired.moves, desired.entries, &observed.heads);
    let (heads, former) = parts(renamed.as_ref(), &observed.heads);
    let (mut new, mut both) = (Vec::new(), Vec::new());
    for pair in pairs(desired, heads) {
        match pair {
            Pair::Declared(entry) => new.push(entry),
            Pair::Both(entry, head) if is_unchanged(desired, entry, head, former) => plan.unchanged += 1,
            Pair::Both(entry, head)
                if guards::foreign_owner::owns(desired.project, head) && !desired.takes_over(&head.key) =>
            {
                plan.refusals.push(guards::foreign_owner::refuse(head, sources.declared_at(entry)));
            }
            Pair::Both(entry, head) => {
                let former_name = former.get(&head.key).map(AsRef::as_ref);
                let row = match former_name {
                    Some(_) => observed.rows.get(&old_key(&head.key, former)),
                    None => observed.rows.get(&head.key),
                };
                both.push(Both { entry, head, row, former: former_name });
            }
            Pair::Observed(head) if is_undeclared(desired, head) => {
                let row = observed.rows.get(&head.key);
                if let Some(chosen) = desired.chosen.filter(|chosen| chosen.asks_for_labels())
                    && !row.is_some_and(|row| chosen.has_row(&head.key, &row.canonical))
                {
                    continue;
                }
                if desired.prune {
                    plan.actions.push(delete(desired, head, row));
                } else {
                    plan.undeclared.push(head.key.clone());
                }
            }
            Pair::Observed(_) => {}
        }
    }
    // Actions are large, and a list of them that grows is copied again and again.
    plan.actions.reserve_exact(new.len() + both.len());
    plan.actions.extend(new.into_iter().map(|entry| create(desired, entry, observed, sources)));
    for action in change_all(desired, &both, sources) {
        match action {
            Some(action) => plan.actions.push(action),
            None => plan.unchanged += 1,
        }
    }
    order::sort(&mut plan.actions);
    plan.suspects = suspects(&plan, observed);
    guards::check(&mut plan, observed, desired);
    plan
}

fn suspects(plan: &Plan, observed: &Observed) -> Vec<super::action::Suspect> {
    let deleted = plan.actions.iter().filter(|action| action.kind == ActionKind::Delete);
    let gone = deleted.map(|action| &action.key).chain(&plan.undeclared);
    let gone = gone.filter_map(|key| observed.rows.get(key).map(|row| (key, &row.canonical)));
    guards::rename::suspects(&plan.actions, gone)
}

fn pairs<'a>(desired: &'a Desired<'_>, heads: &'a [Head]) -> impl Iterator<Item = Pair<'a>> {
    let mut entries = desired.entries.iter().filter(|entry| desired.includes_entry(&entry.key)).peekable();
    let mut heads = heads.iter().filter(|head| desired.includes_head(&head.key)).peekable();
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

fn is_unchanged(desired: &Desired<'_>, entry: &Entry, head: &Head, former: &Former) -> bool {
    !former.contains_key(&head.key)
        && head.owner.as_deref() == Some(desired.project)
        && !head.deleted
        && !head.touched
        && head.digest == Some(entry.digest)
}

fn is_undeclared(desired: &Desired<'_>, head: &Head) -> bool {
    // What is removed for good takes along what was deleted softly before: the one mentions the other.
    (!head.deleted || desired.permanent && desired.prune) && may_delete(desired, head)
}

/// A project deletes what is its own. A command is told what to delete, and may also be told that nobody else's claim counts.
fn may_delete(desired: &Desired<'_>, head: &Head) -> bool {
    head.owner.as_deref() == Some(desired.project)
        || desired.cause == Cause::Command && (head.owner.is_none() || desired.takes_over(&head.key))
}

fn create(desired: &Desired<'_>, entry: &Entry, observed: &Observed, sources: &mut dyn Sources) -> Action {
    let reason = match observed.vanished.get(&entry.key) {
        _ if desired.cause == Cause::Command => Reason::Asked,
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
        left: Vec::new(),
        digest: Some(entry.digest),
        protected: entry.protect,
        changes: Vec::new(),
        from: None,
        permanent: false,
        dependents: Vec::new(),
    }
}

fn delete(desired: &Desired<'_>, head: &Head, row: Option<&Row>) -> Action {
    Action {
        kind: ActionKind::Delete,
        key: head.key.clone(),
        reason: match desired.cause {
            Cause::Rollback(to) => Reason::RolledBack { to },
            Cause::Command => Reason::Asked,
            Cause::Manifests | Cause::Restore => Reason::Undeclared,
        },
        position: None,
        revision: Some(head.revision),
        before: row.map(|row| row.canonical.to_string().into_boxed_str()),
        after: None,
        left: Vec::new(),
        digest: None,
        protected: head.protected,
        changes: Vec::new(),
        from: None,
        permanent: desired.permanent,
        dependents: Vec::new(),
    }
}
