//! Which resources a plan is about. What is not selected is neither changed nor deleted.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::model::selector::Selector;
use crate::model::{Entry, KeyPattern, ResourceKey};

use super::references;

/// What the user selects. Everything that is given must hold; of several patterns, one.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only these; empty for all.
    pub targets: Vec<KeyPattern>,
    /// Not these.
    pub excludes: Vec<KeyPattern>,
    /// Only those with these labels, or fields of the spec where there is no such label.
    pub labels: Option<Selector>,
    /// Only these, and what they need.
    pub among: Option<HashSet<ResourceKey>>,
    /// Only exactly these.
    pub exactly: Option<HashSet<ResourceKey>>,
}

impl Selection {
    /// Whether everything is selected.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.targets.is_empty()
            && self.excludes.is_empty()
            && self.labels.is_none()
            && self.among.is_none()
            && self.exactly.is_none()
    }

    /// Whether a key may be selected, as far as that does not depend on its labels.
    #[must_use]
    pub fn matches_key(&self, key: &ResourceKey) -> bool {
        (self.targets.is_empty() || self.targets.iter().any(|pattern| pattern.matches(key)))
            && !self.excludes.iter().any(|pattern| pattern.matches(key))
            && self.among.as_ref().is_none_or(|keys| keys.contains(key))
            && self.exactly.as_ref().is_none_or(|keys| keys.contains(key))
    }

    /// Whether a canonical spec has the selected labels.
    #[must_use]
    pub fn matches_labels(&self, canonical: &Value) -> bool {
        self.labels.as_ref().is_none_or(|selector| selector.matches(&facts(canonical)))
    }

    /// The declared resources that are selected, and what they need.
    #[must_use]
    pub fn choose(self, entries: &[Entry]) -> Chosen {
        let mut keys = HashSet::new();
        let mut open = Vec::new();
        for entry in entries.iter().filter(|entry| self.matches_key(&entry.key)) {
            let has_labels = self.labels.is_none()
                || self.matches_labels(&serde_json::from_str(&entry.canonical).unwrap_or_default());
            if has_labels {
                keys.insert(entry.key.clone());
                open.push(entry);
            }
        }
        let matched = keys.len();
        let mut included = Vec::new();
        // What was excluded stays out, also where something needs it.
        while let (Some(entry), None) = (open.pop(), &self.exactly) {
            for key in references::of(&entry.key, &entry.canonical) {
                let declared = entries.binary_search_by(|entry| entry.key.cmp(&key)).ok();
                let excluded = self.excludes.iter().any(|pattern| pattern.matches(&key));
                if let Some(index) = declared
                    && !excluded
                    && keys.insert(key.clone())
                {
                    included.push(key);
                    open.push(&entries[index]);
                }
            }
        }
        included.sort_unstable();
        Chosen { selection: self, keys, matched, included }
    }
}

/// What a label selector is compared with: labels, and the single values of the spec under their own names.
fn facts(canonical: &Value) -> Map<String, Value> {
    let mut facts = Map::new();
    for (name, value) in canonical.get("spec").and_then(Value::as_object).into_iter().flatten() {
        if matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_)) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            facts.insert(name.clone(), Value::String(text));
        }
    }
    for (name, value) in canonical.get("labels").and_then(Value::as_object).into_iter().flatten() {
        facts.insert(name.clone(), value.clone());
    }
    facts
}

/// A selection, applied to what is declared.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    selection: Selection,
    keys: HashSet<ResourceKey>,
    /// How many declared resources were selected by the user's own words.
    pub matched: usize,
    /// What was not selected and is needed by something that is.
    pub included: Vec<ResourceKey>,
}

impl Chosen {
    /// Whether a declared resource is selected.
    #[must_use]
    pub fn has(&self, key: &ResourceKey) -> bool {
        self.keys.contains(key)
    }

    /// Whether a row that nobody declares may be selected; its labels have to be looked at when it was read.
    #[must_use]
    pub fn may_have(&self, key: &ResourceKey) -> bool {
        self.selection.matches_key(key)
    }

    /// Whether labels decide.
    #[must_use]
    pub fn asks_for_labels(&self) -> bool {
        self.selection.labels.is_some()
    }

    /// Whether a row that nobody declares is selected.
    #[must_use]
    pub fn has_row(&self, key: &ResourceKey, canonical: &Value) -> bool {
        self.selection.matches_key(key) && self.selection.matches_labels(canonical)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_one_two_or_three_parts() {
        let kind = crate::kinds::find("Tenant").unwrap();
        let key = ResourceKey::new(kind, "anz-smb".into(), "Acme_1");
        for (pattern, expected) in [
            ("Acme_1", true),
            ("acme_1", false),
            ("Acme*", true),
            ("tenant/Acme_1", true),
            ("Tenant/Acme_*", true),
            ("tenant/*", true),
            ("tenant/anz-smb/*", true),
            ("tenant/anz-smb/Acme_1", true),
            ("*/anz-smb/*", true),
            ("tenant/uk/Acme_1", false),
            ("credential/*", false),
            ("workspace/anz-smb", false),
        ] {
            assert_eq!(KeyPattern::new(pattern).matches(&key), expected, "{pattern}");
        }
    }
}
