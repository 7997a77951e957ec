//! Whether the manifests, read again, declare what was wanted and all else as before.

use std::cmp::Ordering;
use std::collections::HashMap;

use serde_json::Value;

use crate::model::{Entry, ResourceKey};

use super::super::catalog::Catalog;
use super::super::write::without_nulls;

/// What is declared otherwise than it should be, a line each. `wanted` holds the canonical specs that were to change, and
/// `None` for what was to go.
#[must_use]
pub fn differences(
    before: &Catalog,
    after: &Catalog,
    wanted: &HashMap<ResourceKey, Option<Value>>,
) -> Vec<String> {
    let mut found = Vec::new();
    let (mut left, mut right) = (before.entries.iter().peekable(), after.entries.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return found,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.key.cmp(&new.key),
        };
        let old = if order == Ordering::Greater { None } else { left.next() };
        let new = if order == Ordering::Less { None } else { right.next() };
        let Some(key) = old.or(new).map(|entry| &entry.key) else { return found };
        let words = match (wanted.get(key), old, new) {
            (None, Some(old), Some(new)) if old.digest == new.digest => continue,
            (Some(None), _, None) => continue,
            (Some(Some(value)), _, Some(new)) if is_as(new, value) => continue,
            (Some(Some(_)), _, Some(_)) => {
                "would not become what is wanted: a layer above or below the manifest has a say"
            }
            (Some(None), _, Some(_)) => "would still be declared",
            (_, _, None) => "would no longer be declared",
            (None, None, Some(_)) => "would be declared",
            (None, Some(_), Some(_)) => "would change as well",
        };
        found.push(format!("{key} {words}"));
    }
}

/// Absent, null and empty are one.
fn is_as(entry: &Entry, wanted: &Value) -> bool {
    let found: Value = serde_json::from_str(&entry.canonical).unwrap_or_default();
    without_nulls(&found) == without_nulls(wanted)
}
