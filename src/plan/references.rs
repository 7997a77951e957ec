//! What a resource mentions, found from its canonical spec.

use serde_json::Value;

use crate::kinds;
use crate::model::{ResourceKey, Scope};

/// The resources that one mentions: its workspace, and those that its spec names. Empty for a spec that cannot be read.
#[must_use]
pub fn of(key: &ResourceKey, canonical: &str) -> Vec<ResourceKey> {
    of_value(key, &serde_json::from_str(canonical).unwrap_or_default())
}

/// [`of`], for a spec that was parsed already.
#[must_use]
pub fn of_value(key: &ResourceKey, canonical: &Value) -> Vec<ResourceKey> {
    let mut found: Vec<ResourceKey> = workspace_of(key).into_iter().collect();
    if key.kind.mentions.is_empty() {
        return found;
    }
    let spec = canonical.get("spec").cloned().unwrap_or_default();
    if let Ok(admitted) = (key.kind.admit)(spec) {
        for reference in admitted.references {
            if let Some(kind) = kinds::find(reference.kind) {
                found.push(ResourceKey::new(kind, key.workspace.clone(), &reference.name));
            }
        }
    }
    found
}

/// The workspace of a resource that is in one.
#[must_use]
pub fn workspace_of(key: &ResourceKey) -> Option<ResourceKey> {
    let kind = kinds::find("Workspace").filter(|_| key.kind.scope == Scope::Workspace)?;
    Some(ResourceKey::new(kind, key.workspace.clone(), &key.workspace))
}
