//! Which plans need nobody's eyes: `--auto-approve safe`.
//!
//! A guard says what must not happen; this says what may happen unseen. So it is a list of what is allowed, and every sort
//! of change that is not on it needs a person.

use super::action::{Action, ActionKind, Plan};

/// How many resources of one reason are named.
const NAMED: usize = 3;

/// A reason, and whether it holds for an action.
type Reason = (&'static str, fn(&Action) -> bool);

const REASONS: [Reason; 3] = [
    ("more than a create or an update", |action| {
        !matches!(action.kind, ActionKind::Create | ActionKind::Update)
    }),
    // What is created protected was not there to be protected before.
    ("a change of something protected", |action| action.protected && action.kind != ActionKind::Create),
    ("a change of a credential", |action| action.key.kind.name == "Credential"),
];

/// Why a plan needs somebody's approval, a sentence each; empty where it needs none: it creates and updates, touches nothing
/// protected and no credential, and not more than `max_tenants` tenants.
#[must_use]
pub fn needed(plan: &Plan, max_tenants: usize) -> Vec<String> {
    let mut sentences = Vec::new();
    for (what, holds) in REASONS {
        let found: Vec<&Action> = plan.actions.iter().filter(|action| holds(action)).collect();
        if found.is_empty() {
            continue;
        }
        let one = |action: &&Action| format!("{} {}", action.kind.code(), action.key);
        let named: Vec<String> = found.iter().take(NAMED).map(one).collect();
        let more = match found.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        sentences.push(format!("it holds {what}: {}{more}", named.join(", ")));
    }
    let tenants = plan.actions.iter().filter(|action| action.key.kind.name == "Tenant").count();
    if tenants > max_tenants {
        sentences.push(format!("it touches {tenants} tenants, and {max_tenants} are allowed"));
    }
    sentences
}
