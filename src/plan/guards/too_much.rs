//! `SX0503`, `SX0504`: a plan that deletes or changes more than the project allows in one go.
//!
//! Counted in each workspace and in all, against the living rows that the project owns. There is no smallest number below
//! which the percentage does not count: nine of nine, and the last one of one, are refused as well.

use std::collections::BTreeMap;

use crate::kinds::project::Guards;
use crate::model::ResourceKey;
use crate::plan::action::{Action, ActionKind, Plan, Refusal};
use crate::plan::observed::Head;

/// Too many deletions.
pub const DELETES: &str = "SX0503";
/// Too many updates.
pub const UPDATES: &str = "SX0504";

#[derive(Default)]
struct Count {
    rows: usize,
    deletes: usize,
    updates: usize,
}

type Counts<'a> = BTreeMap<(&'a str, &'a str), Count>;

fn add<'a>(counts: &mut Counts<'a>, key: &'a ResourceKey, found: &Count) {
    for group in [("", ""), (&*key.workspace, ""), (&*key.workspace, key.kind.slug)] {
        let count = counts.entry(group).or_default();
        count.rows += found.rows;
        count.deletes += found.deletes;
        count.updates += found.updates;
    }
}

/// Refuses what is too much.
#[must_use]
pub fn check(plan: &Plan, heads: &[Head], guards: &Guards) -> Vec<Refusal> {
    let touches = |action: &Action| matches!(action.kind, ActionKind::Delete | ActionKind::Update);
    if !plan.actions.iter().any(touches) {
        return Vec::new();
    }
    // By workspace, and by workspace and kind; the whole under the empty names.
    let mut counts: Counts<'_> = BTreeMap::new();
    // Heads are sorted by kind and workspace, so each group is one run.
    let is_same = |left: &Head, right: &Head| {
        left.key.kind.rank == right.key.kind.rank && left.key.workspace == right.key.workspace
    };
    for run in heads.chunk_by(is_same) {
        let lives = |head: &&Head| !head.deleted && head.owner.as_deref() == Some(&plan.project);
        let rows = run.iter().filter(lives).count();
        if let Some(head) = run.first() {
            add(&mut counts, &head.key, &Count { rows, ..Count::default() });
        }
    }
    // What was deleted softly before, and is now removed for good, was counted then.
    let lives = |key: &ResourceKey| {
        heads.binary_search_by(|head| head.key.cmp(key)).is_ok_and(|at| !heads[at].deleted)
    };
    for action in plan.actions.iter().filter(|action| touches(action)) {
        let is_delete = action.kind == ActionKind::Delete;
        let deletes = usize::from(is_delete && lives(&action.key));
        add(&mut counts, &action.key, &Count { deletes, updates: usize::from(!is_delete), rows: 0 });
    }
    let (total, updates) = (plan.summary().delete, plan.summary().update);
    let digest = plan.digest();
    let mut refusals = Vec::new();
    let workspaces = counts.keys().filter(|(workspace, kind)| !workspace.is_empty() && kind.is_empty());
    let only_one = workspaces.count() == 1;
    let mut told = std::collections::BTreeSet::new();
    for ((workspace, kind), count) in &counts {
        // The whole says nothing more than its only workspace, nor a kind more than its workspace.
        if workspace.is_empty() && only_one || !kind.is_empty() && told.contains(workspace) {
            continue;
        }
        let place = match (workspace.is_empty(), kind.is_empty()) {
            (true, _) => "all workspaces".to_owned(),
            (false, true) => format!("workspace `{workspace}`"),
            (false, false) => format!("workspace `{workspace}`, of kind {kind}"),
        };
        let refuse = |code, message, help| Refusal {
            code,
            key: None,
            message,
            help,
            position: None,
            can_be_acknowledged: true,
        };
        if let Some(limit) = too_many_deletes(count, guards, kind.is_empty()) {
            let message =
                format!("{} of {} rows would be deleted in {place}; {limit}", count.deletes, count.rows);
            let help =
                format!("if that is meant: synthex apply --ack-deletes {total} --expect-digest {digest}");
            told.insert(*workspace);
            refusals.push(refuse(DELETES, message, help));
        }
        if let Some(most) = guards.max_update_percent
            && kind.is_empty()
            && count.updates * 100 > count.rows * usize::from(most)
        {
            let message = format!(
                "{} of {} rows would be updated in {place}; the project allows {most} % (maxUpdatePercent)",
                count.updates, count.rows
            );
            let help =
                format!("if that is meant: synthex apply --ack-updates {updates} --expect-digest {digest}");
            refusals.push(refuse(UPDATES, message, help));
        }
    }
    refusals
}

fn too_many_deletes(count: &Count, guards: &Guards, all_kinds: bool) -> Option<String> {
    let percent = guards.max_delete_percent;
    if count.deletes == 0 {
        return None;
    }
    if !all_kinds {
        let none_left = percent < 100 && count.deletes >= count.rows;
        return none_left.then(|| "none would be left".to_owned());
    }
    if count.deletes > guards.max_deletes as usize {
        return Some(format!("the project allows {} (maxDeletes)", guards.max_deletes));
    }
    (percent < 100 && count.deletes * 100 > count.rows * usize::from(percent))
        .then(|| format!("the project allows {percent} % (maxDeletePercent)"))
}
