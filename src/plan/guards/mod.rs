//! Guards: reasons not to execute a plan, one per file, each with a stable code.

pub mod foreign_owner;
pub mod in_use;
pub mod missing;
pub mod permanent;
pub mod protected;
pub mod rename;
pub mod too_much;

use std::collections::HashSet;

use crate::model::ResourceKey;

use super::action::{Action, ActionKind, Plan, Refusal};
use super::desired::Desired;
use super::observed::Observed;

/// The codes of all guards.
pub const CODES: [&str; 8] = [
    protected::CODE,
    foreign_owner::CODE,
    too_much::DELETES,
    too_much::UPDATES,
    rename::CODE,
    in_use::CODE,
    permanent::CODE,
    missing::CODE,
];

/// Runs the guards that look at a finished plan and notes what they refuse.
pub fn check(plan: &mut Plan, observed: &Observed, desired: &Desired<'_>) {
    let guards = desired.guards;
    let in_use = in_use::check(plan, observed, desired);
    let mut refusals: Vec<_> = plan.actions.iter().filter_map(protected::check).collect();
    refusals.extend(in_use);
    refusals.extend(too_much::check(plan, &observed.heads, guards));
    if guards.rename {
        refusals.extend(rename::check(plan));
    }
    refusals.extend(permanent::check(plan));
    refusals.extend(missing::check(plan, observed, desired));
    plan.refusals.extend(refusals);
    plan.refusals.sort_by(|left, right| (left.code, &left.key).cmp(&(right.code, &right.key)));
}

/// Takes back what guards said of actions that are left out after all, and notes what they have to say of that.
pub fn check_again(refusals: &mut Vec<Refusal>, kept: &[Action], left_out: &[Action]) {
    let is_left = |kind: ActionKind| kept.iter().any(|action| action.kind == kind);
    let (deletes, updates) = (is_left(ActionKind::Delete), is_left(ActionKind::Update));
    let keys: HashSet<&ResourceKey> = kept.iter().map(|action| &action.key).collect();
    refusals.retain(|refusal| match refusal.code {
        protected::CODE | too_much::DELETES | permanent::CODE => deletes,
        too_much::UPDATES => updates,
        in_use::CODE | missing::CODE => refusal.key.as_ref().is_none_or(|key| keys.contains(key)),
        _ => true,
    });
    refusals.extend(in_use::by_what_is_left_out(kept, left_out));
    refusals.extend(missing::by_what_is_left_out(kept, left_out));
}
