//! The order of execution: what others depend on first, then by key; deletes last and the other way round.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use super::action::{Action, ActionKind};
use super::references;

/// Sorts actions into the order of execution. The result does not depend on the order before.
pub fn sort(actions: &mut Vec<Action>) {
    let has_a_place_of_its_own = |action: &Action| {
        matches!(action.kind, ActionKind::Delete | ActionKind::Rename) || names_its_kind(action)
    };
    if !actions.iter().any(has_a_place_of_its_own) {
        // Nearly always they are in order as they are, and there may be tens of thousands.
        actions.sort_by(|left, right| left.key.cmp(&right.key));
        return;
    }
    let all = std::mem::take(actions);
    let (mut deletes, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|action| action.kind == ActionKind::Delete);
    // A name that is given up must be free before it is taken, by another rename or by something new.
    let (renames, mut others): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|action| action.kind == ActionKind::Rename);
    others.sort_by(|left, right| left.key.cmp(&right.key));
    deletes.sort_by(|left, right| left.key.cmp(&right.key));
    let mut others = within_kinds(others, Action::written);
    if !renames.is_empty() {
        others.splice(0..0, in_turn(renames));
    }
    let mut deletes = within_kinds(deletes, |action| action.before.as_deref().map(Cow::Borrowed));
    deletes.reverse();
    actions.append(&mut others);
    actions.append(&mut deletes);
}

/// Renames in an order in which every new name is free: sorted by key, but behind the rename that frees the name. Circles
/// were refused before.
fn in_turn(mut left: Vec<Action>) -> Vec<Action> {
    left.sort_by(|left, right| left.key.cmp(&right.key));
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let held: std::collections::HashSet<_> = left.iter().map(Action::old_key).collect();
        let (now, later): (Vec<_>, Vec<_>) = left.into_iter().partition(|action| !held.contains(&action.key));
        if now.is_empty() {
            order.extend(later);
            break;
        }
        order.extend(now);
        left = later;
    }
    order
}

/// Whether a resource may mention others of its own kind.
fn names_its_kind(action: &Action) -> bool {
    action.key.kind.mentions.contains(&action.key.kind.name)
}

/// For kinds that may mention their own kind, puts what is mentioned before what mentions it. The kinds themselves are in
/// dependency order already.
fn within_kinds(sorted: Vec<Action>, canonical: impl Fn(&Action) -> Option<Cow<'_, str>>) -> Vec<Action> {
    if !sorted.iter().any(names_its_kind) {
        return sorted;
    }
    let index: HashMap<_, _> =
        sorted.iter().enumerate().map(|(at, action)| (action.key.clone(), at)).collect();
    let mut waits_for: Vec<Vec<usize>> = vec![Vec::new(); sorted.len()];
    for (at, action) in sorted.iter().enumerate().filter(|(_, action)| names_its_kind(action)) {
        let mentioned = references::of(&action.key, &canonical(action).unwrap_or_default());
        for other in mentioned.iter().filter(|other| other.kind.rank == action.key.kind.rank) {
            waits_for[at].extend(index.get(other).filter(|other| **other != at));
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
