//! What a resource mentions, found from its canonical spec.

use serde_json::Value;

use crate::kinds;
use crate::model::{ResourceKey, Scope};

/// The resources that one mentions: its workspace, and those that its spec names. Of a spec that cannot be read, which
/// only a row written by hand has, every text counts as a name: to delete too little is the smaller harm.
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
    match (key.kind.admit)(spec.clone()) {
        Ok(admitted) => {
            for reference in admitted.references {
                if let Some(kind) = kinds::find(reference.kind) {
                    found.push(ResourceKey::new(kind, key.workspace.clone(), &reference.name));
                }
            }
        }
        Err(_) => {
            let mut names = Vec::new();
            texts(&spec, &mut names);
            for kind in key.kind.mentions.iter().filter_map(|kind| kinds::find(kind)) {
                let keys = names.iter().map(|name| ResourceKey::new(kind, key.workspace.clone(), name));
                found.extend(keys);
            }
        }
    }
    found
}

fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(map) => map.values().for_each(|item| texts(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The workspace of a resource that is in one.
#[must_use]
pub fn workspace_of(key: &ResourceKey) -> Option<ResourceKey> {
    let kind = kinds::find("Workspace").filter(|_| key.kind.scope == Scope::Workspace)?;
    Some(ResourceKey::new(kind, key.workspace.clone(), &key.workspace))
}
