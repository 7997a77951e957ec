//! Renames that the project file declares: a row under its former name is looked at as if it had the new one.

use std::collections::HashMap;

use crate::model::{Entry, ResourceKey};

use super::observed::Head;

/// A rename: former key, key that is declared now.
pub type Move = (ResourceKey, ResourceKey);

/// Heads under the names they will have, and for each that is renamed the former name.
pub type Renamed = (Vec<Head>, HashMap<ResourceKey, Box<str>>);

/// Applies the renames to what was observed; `None` when none of them applies: what is to be renamed is not there, or
/// still declared, or the new name is taken.
#[must_use]
pub fn apply(moves: &[Move], entries: &[Entry], heads: &[Head]) -> Option<Renamed> {
    let head = |key: &ResourceKey| heads.binary_search_by(|head| head.key.cmp(key)).ok().map(|at| &heads[at]);
    let declared = |key: &ResourceKey| entries.binary_search_by(|entry| entry.key.cmp(key)).is_ok();
    let mut renamed: HashMap<ResourceKey, ResourceKey> = HashMap::new();
    let mut taken: HashMap<ResourceKey, Box<str>> = HashMap::new();
    // A name that is given up in this plan may be taken in it.
    let free = |key: &ResourceKey, renamed: &HashMap<ResourceKey, ResourceKey>| {
        head(key).is_none() || renamed.contains_key(key)
    };
    let mut left: Vec<&Move> = moves.iter().collect();
    loop {
        let before = left.len();
        left.retain(|(from, to)| {
            let applies = head(from).is_some_and(|head| !head.deleted)
                && !renamed.contains_key(from)
                && !taken.contains_key(to)
                && !declared_elsewhere(declared(from), moves, from)
                && declared(to)
                && free(to, &renamed);
            if applies {
                renamed.insert(from.clone(), to.clone());
                taken.insert(to.clone(), from.name.clone());
            }
            !applies
        });
        if left.len() == before {
            break;
        }
    }
    if renamed.is_empty() {
        return None;
    }
    let mut all: Vec<Head> = heads.to_vec();
    for head in &mut all {
        if let Some(to) = renamed.get(&head.key) {
            head.key = to.clone();
        }
    }
    all.sort_unstable_by(|left, right| left.key.cmp(&right.key));
    Some((all, taken))
}

/// A former name that is declared again is another resource, unless that one is the target of a rename itself.
fn declared_elsewhere(declared: bool, moves: &[Move], from: &ResourceKey) -> bool {
    declared && !moves.iter().any(|(_, to)| to == from)
}
