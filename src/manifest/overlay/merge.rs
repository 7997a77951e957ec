//! A JSON merge patch (RFC 7396), and the fields that one sets.

use serde_json::{Map, Value};

use super::Leaf;

/// Lays labels and spec of a patch over a manifest.
pub(super) fn into_manifest(manifest: &mut Value, labels: &Map<String, Value>, spec: &Map<String, Value>) {
    let Value::Object(root) = manifest else { return };
    if !labels.is_empty()
        && let Value::Object(metadata) = root.entry("metadata").or_insert_with(empty)
    {
        merge(metadata.entry("labels").or_insert_with(empty), labels);
    }
    if !spec.is_empty() {
        merge(root.entry("spec").or_insert_with(empty), spec);
    }
}

fn empty() -> Value {
    Value::Object(Map::new())
}

fn merge(target: &mut Value, patch: &Map<String, Value>) {
    if !target.is_object() {
        *target = empty();
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.shift_remove(key);
            }
            Value::Object(inner) => merge(target.entry(key.as_str()).or_insert(Value::Null), inner),
            other => {
                target.insert(key.clone(), other.clone());
            }
        }
    }
}

/// The fields that a map at `pointer` sets or removes.
pub(super) fn leaves(pointer: &str, patch: &Map<String, Value>, found: &mut Vec<Leaf>) {
    for (key, value) in patch {
        let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
        match value {
            Value::Object(inner) if !inner.is_empty() => leaves(&pointer, inner, found),
            other => found.push(Leaf { pointer, removes: other.is_null() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(base: Value, patch: Value, expected: Value) {
        let mut manifest = json!({"spec": base});
        let Value::Object(patch) = patch else { panic!("a map") };
        into_manifest(&mut manifest, &Map::new(), &patch);
        assert_eq!(manifest["spec"], expected);
    }

    /// The examples of RFC 7396, appendix A, as far as they are maps.
    #[test]
    fn the_examples_of_the_standard() {
        check(json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"}));
        check(json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"}));
        check(json!({"a": "b"}), json!({"a": null}), json!({}));
        check(json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"}));
        check(json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"}));
        check(json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]}));
        check(json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}}));
        check(json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]}));
        check(json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1}));
        check(json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}}));
    }

    #[test]
    fn leaves_are_what_is_set() {
        let Value::Object(patch) = json!({"a": {"b": 1, "c/d": null}, "e": [1], "f": {}}) else { return };
        let mut found = Vec::new();
        leaves("/spec", &patch, &mut found);
        let shown: Vec<_> = found.iter().map(|leaf| (leaf.pointer.as_str(), leaf.removes)).collect();
        assert_eq!(
            shown,
            [("/spec/a/b", false), ("/spec/a/c~1d", true), ("/spec/e", false), ("/spec/f", false)]
        );
    }
}
