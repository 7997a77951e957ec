//! `SX0508`: what comes back must not need something that is not there.
//!
//! Manifests are checked as a whole before they are planned; what comes from the record is not declared anywhere.

use std::collections::HashSet;

use crate::model::ResourceKey;
use crate::plan::action::{Plan, Refusal};
use crate::plan::observed::Head;
use crate::plan::references;

/// The code of this guard.
pub const CODE: &str = "SX0508";

/// Refuses what would mention something that is not there, or is deleted.
#[must_use]
pub fn check(plan: &Plan, heads: &[Head]) -> Vec<Refusal> {
    // What is deleted by this very plan and still mentioned is what `SX0506` is about.
    let planned: HashSet<&ResourceKey> = plan.actions.iter().map(|action| &action.key).collect();
    let is_deleted = |key: &ResourceKey| {
        let head = heads.binary_search_by(|head| head.key.cmp(key)).ok().map(|index| &heads[index]);
        head.map(|head| head.deleted)
    };
    let mut refusals = Vec::new();
    for action in &plan.actions {
        let Some(after) = action.written() else { continue };
        for needed in references::of(&action.key, &after) {
            let state = match is_deleted(&needed) {
                _ if planned.contains(&needed) => continue,
                Some(false) => continue,
                Some(true) => "is deleted",
                None => "is not there",
            };
            refusals.push(Refusal {
                code: CODE,
                message: format!("{} needs {needed}, which {state}", action.key),
                help: format!("bring it back too: synthex restore {needed}"),
                key: Some(action.key.clone()),
                position: None,
                can_be_acknowledged: false,
            });
        }
    }
    refusals
}
