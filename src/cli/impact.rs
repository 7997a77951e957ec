//! Asks what a plan would do to alerts, in one reading transaction for each workspace and question.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use crate::alerts::facts::Scope;
use crate::alerts::impact::{Edit, Impact, Overlay, compare};
use crate::alerts::{self};
use crate::engine::StateError;
use crate::engine::alerting::{AlertStore, Ask};
use crate::plan::{Action, ActionKind, Plan};

/// What the plan would do to alerts; `None` where that is nothing. Where it changes nothing that alerts depend on, nothing is
/// asked.
///
/// # Errors
/// Whatever the database reports.
pub async fn of(
    store: &mut impl AlertStore,
    plan: &Plan,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Option<Impact>, StateError> {
    let mut overlays: BTreeMap<String, Overlay> = BTreeMap::new();
    for action in plan.actions.iter().filter(|action| concerns(action)) {
        let overlay = overlays.entry(action.key.workspace.to_string()).or_default();
        overlay.edits.push(edit(action));
    }
    if overlays.is_empty() {
        return Ok(None);
    }
    let mut lines = Vec::new();
    for (workspace, overlay) in &overlays {
        let ask =
            |overlay| Ask { workspace, scope: &Scope::All, now, seed: Uuid::nil(), is_dry: true, overlay };
        let before = store.begin(&ask(None)).await?.facts;
        store.give_up().await?;
        let after = store.begin(&ask(Some(overlay))).await?.facts;
        store.give_up().await?;
        let outcomes = (alerts::evaluate(&before, now), alerts::evaluate(&after, now));
        lines.extend(compare((&before, &outcomes.0), (&after, &outcomes.1), &overlay.off()));
    }
    // Without an effect there is nothing that depends on the time, and plans of the same thing are the same to the byte.
    Ok(Some(Impact::new(now, lines)).filter(|impact| !impact.counts.is_empty()))
}

/// A tenant that is new has no alert, and its credentials are changes of their own. Of one that is there only what rules,
/// silences and words look at counts, so that a change of something else in thousands of tenants costs nothing here.
fn concerns(action: &Action) -> bool {
    const SEEN: [&str; 6] = ["labels", "status", "market", "region", "type", "displayName"];
    let is_seen = |path: &[String]| path.first().is_some_and(|first| SEEN.contains(&first.as_str()));
    Overlay::concerns(action.key.kind.name)
        && match (action.key.kind.name, action.kind) {
            ("Tenant", ActionKind::Create) => false,
            ("Tenant", ActionKind::Update) => action.changes.iter().any(|field| is_seen(&field.path)),
            _ => true,
        }
}

fn edit(action: &Action) -> Edit {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    Edit {
        kind: action.key.kind.name,
        old_name: action.old_key().name.to_string(),
        name: action.key.name.to_string(),
        before: action.before.as_deref().map(read),
        after: action.written().map(|text| read(&text)),
    }
}
