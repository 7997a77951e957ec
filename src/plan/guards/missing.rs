//! `SX0508`: what is written must not need something that is not there.
//!
//! Manifests are checked as a whole before they are planned. What comes from the record is not declared anywhere, and a plan
//! may leave out what was declared: because it was not selected, or not allowed.

use std::collections::{HashMap, HashSet};

use crate::model::ResourceKey;
use crate::plan::action::{Action, Plan, Refusal};
use crate::plan::desired::{Cause, Desired};
use crate::plan::observed::Observed;
use crate::plan::references;

/// The code of this guard.
pub const CODE: &str = "SX0508";

/// Refuses what would mention something that is not there, or is deleted. What goes away in this very plan is what
/// `SX0506` is about; what is declared wrongly is left out when the plan is executed, with what needs it.
#[must_use]
pub fn check(plan: &Plan, observed: &Observed, desired: &Desired<'_>) -> Vec<Refusal> {
    let mut missing: HashMap<ResourceKey, &'static str> = HashMap::new();
    for needed in references::needed(plan.actions.iter()) {
        let state = match observed.head(&needed) {
            Some(head) if !head.deleted => continue,
            Some(_) => "is deleted",
            None => "is not there",
        };
        if desired.broken.binary_search(&needed).is_err() {
            missing.insert(needed, state);
        }
    }
    let from_the_record = matches!(desired.cause, Cause::Rollback(_) | Cause::Restore);
    each_that_needs(&plan.actions, &missing, |action, needed, state| {
        let help = if from_the_record {
            format!("bring it back too: synthex restore {needed}")
        } else {
            "let the plan have both: select what is needed too, or apply it first".to_owned()
        };
        refuse(action, format!("{} needs {needed}, which {state}", action.key), help)
    })
}

/// Refuses what needs something that would be there, had it been allowed.
#[must_use]
pub fn by_what_is_left_out(kept: &[Action], left_out: &[Action]) -> Vec<Refusal> {
    let makes = left_out.iter().filter(|action| references::brings_to_life(action.kind));
    let missing: HashMap<ResourceKey, &Action> = makes.map(|action| (action.key.clone(), action)).collect();
    each_that_needs(kept, &missing, |action, needed, made_by| {
        let kind = made_by.kind.code();
        let message = format!("{} needs {needed}, whose {kind} is left out", action.key);
        refuse(action, message, format!("let both be done: add {kind} to --allow"))
    })
}

fn each_that_needs<T: Copy>(
    actions: &[Action],
    missing: &HashMap<ResourceKey, T>,
    refuse: impl Fn(&Action, &ResourceKey, T) -> Refusal,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for action in actions.iter().filter(|_| !missing.is_empty()) {
        let Some(after) = action.written() else { continue };
        let mut told = HashSet::new();
        for needed in references::of(&action.key, &after) {
            if let Some(why) = missing.get(&needed).filter(|_| told.insert(needed.clone())) {
                refusals.push(refuse(action, &needed, *why));
            }
        }
    }
    refusals
}

fn refuse(action: &Action, message: String, help: String) -> Refusal {
    Refusal {
        code: CODE,
        message,
        help,
        key: Some(action.key.clone()),
        position: action.position.clone(),
        can_be_acknowledged: false,
    }
}
