//! Guards: reasons not to execute a plan, one per file, each with a stable code.

pub mod foreign_owner;
pub mod in_use;
pub mod missing;
pub mod permanent;
pub mod protected;
pub mod rename;
pub mod too_much;

use crate::kinds::project::Guards;

use super::action::Plan;
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
pub fn check(plan: &mut Plan, observed: &Observed, guards: &Guards) {
    let in_use = in_use::check(plan, observed);
    let mut refusals: Vec<_> = plan.actions.iter().filter_map(protected::check).collect();
    refusals.extend(in_use);
    refusals.extend(too_much::check(plan, &observed.heads, guards));
    if guards.rename {
        refusals.extend(rename::check(plan));
    }
    refusals.extend(permanent::check(plan));
    plan.refusals.extend(refusals);
    plan.refusals.sort_by(|left, right| (left.code, &left.key).cmp(&(right.code, &right.key)));
}

/// Whether a guard has nothing to say where nothing is deleted.
#[must_use]
pub fn is_about_deletion(code: &str) -> bool {
    [protected::CODE, too_much::DELETES, in_use::CODE, permanent::CODE].contains(&code)
}
