//! `SX0502`: a row that another project declares is not touched.

use crate::model::Position;
use crate::plan::action::Refusal;
use crate::plan::observed::Head;
use crate::plan::planner::COMMAND_OWNER;

/// The code of this guard.
pub const CODE: &str = "SX0502";

/// Whether a row belongs to another project.
#[must_use]
pub fn owns(project: &str, head: &Head) -> bool {
    head.owner.as_deref().is_some_and(|owner| owner != project && owner != COMMAND_OWNER)
}

/// Refuses to change a row of another project.
#[must_use]
pub fn refuse(head: &Head, position: Position) -> Refusal {
    let owner = head.owner.as_deref().unwrap_or_default();
    Refusal {
        code: CODE,
        key: Some(head.key.clone()),
        message: format!("{} belongs to project `{owner}`", head.key),
        help: format!(
            "remove it from one of the two projects' manifests, or give it another name; --take-ownership {} takes it over",
            head.key
        ),
        position: Some(position),
        can_be_acknowledged: false,
    }
}
