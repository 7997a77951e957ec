//! Asks what a plan would do to alerts, in one reading transaction for each workspace and question.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::alerts::facts::{Facts, Scope};
use crate::alerts::impact::{Edit, Impact, Overlay, compare};
use crate::alerts::{self, declared};
use crate::engine::StateError;
use crate::engine::alerting::{AlertStore, Ask};
use crate::plan::{Action, ActionKind, FieldChange, Plan};

/// What the plan would do to alerts; `None` where that is nothing. Without a store there is nothing yet, and all that follows is
/// what the plan makes. Where it changes nothing that alerts depend on, nothing is asked.
///
/// # Errors
/// Whatever the database reports.
pub async fn of(
    mut store: Option<&mut impl AlertStore>,
    plan: &Plan,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Option<Impact>, StateError> {
    let mut overlays: BTreeMap<String, Overlay<'_>> = BTreeMap::new();
    for action in plan.actions.iter().filter(|action| concerns(action)) {
        let overlay = overlays.entry(action.key.workspace.to_string()).or_default();
        overlay.edits.push(edit(action));
    }
    overlays.retain(|_, overlay| !overlay.is_of_tenants(true));
    if let Some(store) = &mut store {
        // There may be hundreds of workspaces in which nothing is looked at.
        let of_tenants = overlays.iter().filter(|(_, overlay)| overlay.is_of_tenants(false));
        let names: Vec<&str> = of_tenants.map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            let watched = store.watched(&names).await?;
            overlays.retain(|name, overlay| watched.contains(name) || !overlay.is_of_tenants(false));
        }
    }
    let mut lines = Vec::new();
    for (workspace, overlay) in &overlays {
        let ask =
            |overlay| Ask { workspace, scope: &Scope::All, now, seed: Uuid::nil(), is_dry: true, overlay };
        let mut before = match &mut store {
            Some(store) => read(*store, &ask(None)).await?,
            None => Overlay::default().of_nothing(workspace),
        };
        if !overlay.concerns(&before) {
            continue;
        }
        let mut after = match &mut store {
            Some(store) => read(*store, &ask(Some(overlay))).await?,
            None => overlay.of_nothing(workspace),
        };
        // A rename tells nobody anything: both are asked of what has its new name.
        overlay.rename(&mut before);
        overlay.rename(&mut after);
        let outcomes = (alerts::evaluate(&before, now), alerts::evaluate(&after, now));
        lines.extend(compare((&before, &outcomes.0), (&after, &outcomes.1), &overlay.off()));
    }
    // Without an effect there is nothing that depends on the time, and plans of the same thing are the same to the byte.
    Ok(Some(Impact::new(now, lines)).filter(|impact| !impact.counts.is_empty()))
}

async fn read(store: &mut impl AlertStore, ask: &Ask<'_>) -> Result<Facts, StateError> {
    let read = store.begin(ask).await?;
    store.give_up().await?;
    Ok(read.facts)
}

/// Of a tenant that is there only what alerts look at counts, so that a change of something else in thousands of tenants costs
/// nothing here.
fn concerns(action: &Action) -> bool {
    let is_seen =
        |path: &[String]| path.first().is_some_and(|first| declared::TENANT_FIELDS.contains(&first.as_str()));
    declared::is_of_monitoring(action.key.kind.name)
        && (action.key.kind.name != "Tenant"
            || action.kind != ActionKind::Update
            || action.changes.iter().any(|field| is_seen(&field.path)))
}

fn edit(action: &Action) -> Edit<'_> {
    let is_resumed = |field: &FieldChange| {
        field.path.iter().eq(["status"]) && field.before.as_ref().is_some_and(|before| before == "suspended")
    };
    Edit {
        kind: action.key.kind.name,
        old_name: action.from.as_ref().unwrap_or(&action.key.name),
        name: &action.key.name,
        before: action.before.as_deref(),
        after: action.written(),
        is_resumed: action.key.kind.name == "Tenant" && action.changes.iter().any(is_resumed),
    }
}
