//! What is declared wrongly, taken out of what is declared, where the rest is to be planned all the same.

use std::collections::HashSet;

use crate::manifest::Catalog;
use crate::model::{Diagnostic, Entry, ResourceKey, Severity};

/// Takes what has problems out of the catalog. Returns its keys, and whether there may be more that no key is known of.
pub fn set_aside(catalog: &mut Catalog, diagnostics: &[Diagnostic]) -> (Vec<ResourceKey>, bool) {
    let errors = || diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    if errors().next().is_none() {
        return (Vec::new(), false);
    }
    let named: HashSet<&str> = errors().filter_map(|diagnostic| diagnostic.resource.as_deref()).collect();
    let mut unusable = catalog.broken.clone();
    catalog.entries.retain(|entry| {
        let usable = !named.contains(entry.key.to_string().as_str());
        if !usable {
            unusable.push(entry.key.clone());
        }
        usable
    });
    set_aside_what_builds_on(&mut unusable, catalog);
    unusable.sort_unstable();
    unusable.dedup();
    // A set is not stored itself: what it declares is not known. Nor is it known which resource a wrong name stands for.
    let misnamed = |pointer: &str| matches!(pointer, "/metadata/name" | "/metadata/workspace");
    let is_incomplete = errors()
        .any(|error| error.resource.is_none() || error.pointer.as_deref().is_some_and(misnamed))
        || unusable.iter().any(|key| key.kind.table.is_none());
    (unusable, is_incomplete)
}

/// A workspace or template that is wrong gives nothing to its tenants: without it they would be others than was meant.
fn set_aside_what_builds_on(unusable: &mut Vec<ResourceKey>, catalog: &mut Catalog) {
    let named = |kind: &str| -> HashSet<String> {
        unusable.iter().filter(|key| key.kind.name == kind).map(|key| key.name.to_string()).collect()
    };
    let (workspaces, templates) = (named("Workspace"), named("TenantTemplate"));
    if workspaces.is_empty() && templates.is_empty() {
        return;
    }
    let template_of = |entry: &Entry| {
        let canonical: serde_json::Value = serde_json::from_str(&entry.canonical).unwrap_or_default();
        canonical.pointer("/spec/template").and_then(serde_json::Value::as_str).map(str::to_owned)
    };
    catalog.entries.retain(|entry| {
        let is_tenant = entry.key.kind.name == "Tenant" && !templates.is_empty();
        let is_built_on_it = workspaces.contains(&*entry.key.workspace)
            || is_tenant && template_of(entry).is_some_and(|name| templates.contains(&name));
        if is_built_on_it {
            unusable.push(entry.key.clone());
        }
        !is_built_on_it
    });
}
