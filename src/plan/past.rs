//! The state after an earlier revision, worked out from the record alone: no manifest is read.
//!
//! The record says what every operation did to which resource. Walked forward from a revision, it says which resource of
//! then is which resource of now, through renames. What each of them was then is the last thing that was written up to that
//! revision; what people edited by hand in between was never declared, and does not come back.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::model::{Digest, Entry, FileId, ResourceKey, SourceRef, declared};

use super::action::ActionKind;
use super::moves::Move;

/// One change of a resource after the revision that is gone back to, without its content.
#[derive(Clone, Debug)]
pub struct Step {
    /// The revision that made it.
    pub revision: i64,
    /// Its place in the operation.
    pub seq: i32,
    /// The resource, by the name it had afterwards.
    pub key: ResourceKey,
    /// The name before, of what was renamed.
    pub from: Option<Box<str>>,
    /// What was done.
    pub action: ActionKind,
    /// Whether it was removed for good.
    pub permanent: bool,
}

/// One resource that changed after the revision.
#[derive(Clone, Debug)]
pub struct Lineage {
    /// Its name at the revision.
    pub then: ResourceKey,
    /// Its name now.
    pub now: ResourceKey,
    /// The first change after the revision.
    pub first: Step,
    /// Whether a change after the revision removed it for good.
    pub was_removed: bool,
    /// Whether it took the name of another one that was renamed after the revision.
    pub is_new: bool,
}

/// What is known of a resource at the revision.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// The last change up to the revision: what was done, and what was written.
    pub last: Option<(ActionKind, Option<Value>)>,
    /// Whether that change gave the name to another resource.
    pub was_renamed_away: bool,
    /// What the first change after the revision found.
    pub before: Option<Value>,
}

/// Follows each resource from the revision until now. Steps are in the order in which they were done.
#[must_use]
pub fn lineages(steps: Vec<Step>) -> Vec<Lineage> {
    let mut all: Vec<Lineage> = Vec::new();
    let mut current: HashMap<ResourceKey, usize> = HashMap::new();
    let mut names_then: HashSet<ResourceKey> = HashSet::new();
    for step in steps {
        let old = match &step.from {
            Some(name) => ResourceKey { name: name.clone(), ..step.key.clone() },
            None => step.key.clone(),
        };
        let index = *current.entry(old.clone()).or_insert_with(|| {
            all.push(Lineage {
                then: old.clone(),
                now: old.clone(),
                first: step.clone(),
                was_removed: false,
                is_new: !names_then.insert(old.clone()),
            });
            all.len() - 1
        });
        all[index].was_removed |= step.permanent;
        if step.key != old {
            current.remove(&old);
            all[index].now = step.key.clone();
            current.insert(step.key, index);
        }
    }
    all
}

/// What a resource was at the revision, as its canonical spec; `None` where there was none, or it was deleted.
#[must_use]
pub fn content_then(lineage: &Lineage, content: Content) -> Option<Value> {
    let Content { last, was_renamed_away, before } = content;
    let was_deleted = matches!(last, Some((ActionKind::Delete, _)));
    if lineage.is_new {
        return None;
    }
    match (lineage.first.action, last) {
        // It was nobody's, or another project's: the record does not say what was done to it before.
        (ActionKind::Adopt, _) => before,
        (_, Some((_, Some(after)))) if !was_renamed_away => Some(after),
        (ActionKind::Create | ActionKind::Restore, _) => None,
        // What was deleted softly before is removed for good along with what is deleted now.
        (ActionKind::Delete, _) if was_deleted && lineage.first.permanent => None,
        _ => before,
    }
}

/// The declared state that a rollback goes back to, for the resources that changed since.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// What was there. Sorted by key.
    pub entries: Vec<Entry>,
    /// Renames that are reversed.
    pub moves: Vec<Move>,
    /// Every key that is looked at.
    pub keys: HashSet<ResourceKey>,
    /// What the reader should know.
    pub notices: Vec<String>,
}

impl Past {
    /// Puts it together from what each resource was.
    #[must_use]
    pub fn new(resources: Vec<(Lineage, Option<Value>)>) -> Self {
        let mut past = Self::default();
        for (lineage, content) in &resources {
            past.keys.extend([lineage.then.clone(), lineage.now.clone()]);
            if let Some(content) = content {
                past.entries.push(entry(&lineage.then, content));
                if lineage.then != lineage.now {
                    past.moves.push((lineage.now.clone(), lineage.then.clone()));
                }
                if lineage.was_removed {
                    let key = &lineage.then;
                    past.notices.push(format!("{key} was removed for good: it comes back with a new id"));
                }
                if lineage.first.action == ActionKind::Adopt {
                    let key = &lineage.then;
                    past.notices.push(format!(
                        "{key} was not this project's then; its fields go back, its owner does not"
                    ));
                }
            }
        }
        past.entries.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        past.entries.dedup_by(|left, right| left.key == right.key);
        past.notices.sort_unstable();
        past
    }
}

/// A stored spec in the form that a manifest gives. One that today's rules would not admit is taken as it is stored: it was
/// admitted once, or the database accepted it.
#[must_use]
pub fn entry(key: &ResourceKey, content: &Value) -> Entry {
    let map = |name: &str| content.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    let (labels, spec) = (map("labels"), map("spec"));
    let protect = spec.get("protect") == Some(&Value::Bool(true));
    let spec = match (key.kind.admit)(Value::Object(spec.clone())) {
        Ok(admitted) => admitted.canonical,
        Err(_) => Value::Object(spec).to_string(),
    };
    let canonical = declared::canonical(labels, &spec);
    Entry {
        key: key.clone(),
        digest: Digest::of(canonical.as_bytes()),
        canonical: canonical.into_boxed_str(),
        protect,
        source: NOWHERE,
    }
}

/// No manifest declares what comes from the record.
const NOWHERE: SourceRef = SourceRef { file: FileId(0), start: 0, end: 0, row: None };

#[cfg(test)]
mod tests;
