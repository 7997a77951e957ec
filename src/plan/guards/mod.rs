//! Guards: reasons not to execute a plan, one per file, each with a stable code.

pub mod foreign_owner;
pub mod protected;

use super::action::Plan;

/// Runs the guards that look at a finished plan and notes what they refuse.
pub fn check(plan: &mut Plan) {
    let refusals: Vec<_> = plan.actions.iter().filter_map(protected::check).collect();
    plan.refusals.extend(refusals);
    plan.refusals.sort_by(|left, right| (left.code, &left.key).cmp(&(right.code, &right.key)));
}
