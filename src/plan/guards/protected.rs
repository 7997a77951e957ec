//! `SX0501`: what is protected in the database is not deleted, whatever the manifests say now.
//!
//! The flag is kept in the row, so removing the line that sets it together with the resource does not help: an apply
//! without the flag has to come first.

use crate::plan::action::{Action, ActionKind, Refusal};

/// The code of this guard.
pub const CODE: &str = "SX0501";

/// Refuses the deletion of a protected row.
#[must_use]
pub fn check(action: &Action) -> Option<Refusal> {
    (action.kind == ActionKind::Delete && action.protected).then(|| Refusal {
        code: CODE,
        key: Some(action.key.clone()),
        message: format!("{} is protected and would be deleted", action.key),
        help: "declare it again; to delete it, first apply it with `protect: false`".to_owned(),
        position: None,
        can_be_acknowledged: false,
    })
}
