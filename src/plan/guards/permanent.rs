//! `SX0507`: what is removed for good is removed only when its number was named.

use crate::plan::action::{Plan, Refusal};

/// The code of this guard.
pub const CODE: &str = "SX0507";

/// Refuses permanent deletions until their number is acknowledged.
#[must_use]
pub fn check(plan: &Plan) -> Option<Refusal> {
    let count = plan.actions.iter().filter(|action| action.permanent).count();
    (count > 0).then(|| Refusal {
        code: CODE,
        key: None,
        message: match count {
            1 => "1 row would be removed for good, and could not be restored".to_owned(),
            many => format!("{many} rows would be removed for good, and could not be restored"),
        },
        help: format!(
            "if that is meant: synthex apply --ack-deletes {} --expect-digest {}",
            plan.summary().delete,
            plan.digest()
        ),
        position: None,
        can_be_acknowledged: true,
    })
}
