//! `SX0505`: a deletion and a creation that name the same shop or account are most likely one tenant under a new name.
//!
//! Always pointed out; refused where the project, or `--guard rename`, asks for it.

use std::collections::HashMap;

use serde_json::Value;

use crate::model::ResourceKey;
use crate::plan::action::{Action, ActionKind, Plan, Refusal, Suspect};

/// The code of this guard.
pub const CODE: &str = "SX0505";

/// Finds them. `gone` are the keys and canonical specs of what is deleted or no longer declared.
#[must_use]
pub fn suspects<'a>(
    actions: &[Action],
    gone: impl Iterator<Item = (&'a ResourceKey, &'a Value)>,
) -> Vec<Suspect> {
    let mut by_value: HashMap<(u8, &str, &'static str, String), &ResourceKey> = HashMap::new();
    for (key, canonical) in gone {
        for field in key.kind.external_ids {
            if let Some(value) = external_id(canonical, field) {
                by_value.insert((key.kind.rank, &key.workspace, field, value), key);
            }
        }
    }
    if by_value.is_empty() {
        return Vec::new();
    }
    let mut suspects = Vec::new();
    for action in actions.iter().filter(|action| action.kind == ActionKind::Create) {
        let after: Value =
            action.after.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        for field in action.key.kind.external_ids {
            let Some(value) = external_id(&after, field) else { continue };
            let wanted = (action.key.kind.rank, &*action.key.workspace, *field, value);
            if let Some(from) = by_value.get(&wanted) {
                let (from, to) = ((*from).clone(), action.key.clone());
                suspects.push(Suspect { from, to, field, value: wanted.3 });
                break;
            }
        }
    }
    suspects
}

fn external_id(canonical: &Value, field: &str) -> Option<String> {
    let spec = canonical.get("spec")?;
    field.split('.').try_fold(spec, |value, step| value.get(step))?.as_str().map(str::to_owned)
}

/// Refuses the plan for each of them.
#[must_use]
pub fn check(plan: &Plan) -> Vec<Refusal> {
    let refuse = |suspect: &Suspect| {
        let position = plan
            .actions
            .iter()
            .find(|action| action.key == suspect.to)
            .and_then(|action| action.position.clone());
        Refusal {
            code: CODE,
            key: Some(suspect.to.clone()),
            message: format!(
                "{} looks like {} under a new name: both have {} {}",
                suspect.to, suspect.from, suspect.field, suspect.value
            ),
            help: format!(
                "add to `moved` in the project file: {{from: {}, to: {}}}; or give one of them another {}",
                suspect.from, suspect.to, suspect.field
            ),
            position,
            can_be_acknowledged: false,
        }
    };
    plan.suspects.iter().map(refuse).collect()
}
