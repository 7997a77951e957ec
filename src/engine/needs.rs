//! What a plan takes for granted about rows that it does not write: that what its rows need is there, and that nobody needs
//! what it takes away.
//!
//! It was so when the plan was made, or a guard would have refused it. A plan may be saved, and an apply may wait in line; so
//! it is asked again in the transaction that writes. Whoever else writes needs the lease of the same workspace, and resources
//! mention only those of their own, so nobody comes in between. Whether a row of the plan itself is as it was is not looked
//! at here: its revision tells.

use std::collections::HashMap;

use crate::model::ResourceKey;
use crate::plan::{Action, ActionKind, references};

use super::state::{StateError, StateErrorKind, WriteTransaction};

/// How many violations an error names.
const MOST_NAMED: usize = 5;

/// An action that must not be done, because of another resource.
pub(super) struct Violation<'a> {
    /// The action.
    pub action: &'a Action,
    /// The other resource.
    pub other: ResourceKey,
    /// What is the matter, without the name of the action's own resource.
    pub why: String,
    /// Who wrote the other one last, where that is known.
    pub changed_by: Option<String>,
}

/// The actions that need something that is not there. To be asked before anything is written.
pub(super) async fn unmet<'a>(
    transaction: &mut impl WriteTransaction,
    actions: &[&'a Action],
) -> Result<Vec<Violation<'a>>, StateError> {
    let mut needed: Vec<ResourceKey> = references::needed(actions.iter().copied()).into_iter().collect();
    if needed.is_empty() {
        return Ok(Vec::new());
    }
    needed.sort_unstable();
    let absent = transaction.absent(&needed).await?;
    if absent.is_empty() {
        return Ok(Vec::new());
    }
    let absent: HashMap<&ResourceKey, _> = absent.iter().map(|absent| (&absent.key, absent)).collect();
    let mut violations = Vec::new();
    for action in actions {
        let Some(after) = action.written() else { continue };
        let needed = references::of(&action.key, &after);
        let Some(absent) = needed.iter().find_map(|key| absent.get(key)) else { continue };
        let state = if absent.is_deleted { "is deleted" } else { "is not there" };
        let why = format!("it needs {}, which {state}", absent.key);
        let (other, changed_by) = (absent.key.clone(), absent.changed_by.clone());
        violations.push(Violation { action, other, why, changed_by });
    }
    Ok(violations)
}

/// The actions that took something away that a living row needs. To be asked after everything is written.
pub(super) async fn still_needed<'a>(
    transaction: &mut impl WriteTransaction,
    actions: &[&'a Action],
) -> Result<Vec<Violation<'a>>, StateError> {
    let going = references::Going::of(actions.iter().copied());
    if going.is_empty() {
        return Ok(Vec::new());
    }
    let mut violations: Vec<Violation<'a>> = Vec::new();
    for mention in transaction.mentions(&going.keys()).await? {
        let Some(action) = going.get(&mention.what) else { continue };
        let name = if action.kind == ActionKind::Rename { " under its former name" } else { "" };
        let why = format!("{} still needs it{name}", mention.by);
        violations.push(Violation { action, other: mention.by, why, changed_by: mention.changed_by });
    }
    Ok(violations)
}

impl Violation<'_> {
    /// Why, and who brought it about, as far as that is known.
    pub fn words(&self) -> String {
        match &self.changed_by {
            Some(who) => format!("{}, last changed by {who}", self.why),
            None => self.why.clone(),
        }
    }
}

/// What is said where all or nothing is applied; `None` where nothing is the matter.
pub(super) fn stale(violations: &[Violation<'_>]) -> Option<StateError> {
    let first = violations.first()?;
    let mut notes: Vec<String> = violations
        .iter()
        .take(MOST_NAMED)
        .map(|violation| format!("{}: {}", violation.action.key, violation.words()))
        .collect();
    if violations.len() > MOST_NAMED {
        notes.push(format!("{} more", violations.len() - MOST_NAMED));
    }
    let error = StateError::new(StateErrorKind::Stale, "the database changed after the plan was made")
        .why(notes.join("; "))
        .help("run the command again: it plans anew");
    Some(error.about(vec![first.action.key.clone(), first.other.clone()]))
}
