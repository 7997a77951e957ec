//! The order of execution: what others depend on first, then by key; deletes last and the other way round.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::action::{Action, ActionKind};

/// Sorts actions into the order of execution. The result does not depend on the order before.
pub fn sort(actions: &mut Vec<Action>) {
    let all = std::mem::take(actions);
    let (mut deletes, mut others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|action| action.kind == ActionKind::Delete);
    others.sort_by(|left, right| left.key.cmp(&right.key));
    deletes.sort_by(|left, right| left.key.cmp(&right.key));
    let mut others = within_kinds(others, |action| action.after.as_deref());
    let mut deletes = within_kinds(deletes, |action| action.before.as_deref());
    deletes.reverse();
    actions.append(&mut others);
    actions.append(&mut deletes);
}

/// For kinds that may mention their own kind, puts what is mentioned before what mentions it. The kinds themselves are in
/// dependency order already.
fn within_kinds(sorted: Vec<Action>, canonical: impl Fn(&Action) -> Option<&str>) -> Vec<Action> {
    let own = |action: &Action| action.key.kind.mentions.contains(&action.key.kind.name);
    if !sorted.iter().any(own) {
        return sorted;
    }
    let index: HashMap<_, _> =
        sorted.iter().enumerate().map(|(at, action)| (action.key.clone(), at)).collect();
    let mut waits_for: Vec<Vec<usize>> = vec![Vec::new(); sorted.len()];
    for (at, action) in sorted.iter().enumerate().filter(|(_, action)| own(action)) {
        let spec: Value =
            canonical(action).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let Some(spec) = spec.get("spec").cloned() else {
            continue;
        };
        let Ok(admitted) = (action.key.kind.admit)(spec) else {
            continue;
        };
        for reference in admitted.references.iter().filter(|reference| reference.kind == action.key.kind.name)
        {
            let mut key = action.key.clone();
            key.name = reference.name.as_str().into();
            waits_for[at].extend(index.get(&key).filter(|other| **other != at));
        }
    }
    let mut done = vec![false; sorted.len()];
    let mut order = Vec::with_capacity(sorted.len());
    let mut ready: BTreeSet<usize> = (0..sorted.len()).collect();
    while let Some(start) = ready.first().copied() {
        visit(start, &waits_for, &mut done, &mut ready, &mut order);
    }
    let mut slots: Vec<Option<Action>> = sorted.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| slots[at].take()).collect()
}

fn visit(
    start: usize,
    waits_for: &[Vec<usize>],
    done: &mut [bool],
    ready: &mut BTreeSet<usize>,
    order: &mut Vec<usize>,
) {
    // Iterative, because a chain of fallbacks may be as long as there are channels. A circle was refused before; here it
    // only ends the walk.
    let mut path = vec![start];
    let mut on_path = BTreeSet::from([start]);
    while let Some(at) = path.last().copied() {
        let next = waits_for[at].iter().copied().find(|other| !done[*other] && !on_path.contains(other));
        if let Some(next) = next {
            path.push(next);
            on_path.insert(next);
            continue;
        }
        path.pop();
        on_path.remove(&at);
        if !done[at] {
            done[at] = true;
            ready.remove(&at);
            order.push(at);
        }
    }
}
