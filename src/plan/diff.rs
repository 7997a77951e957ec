//! Field by field: what differs between two canonical specs.

use serde_json::{Map, Value};

/// A difference: path, value before, value after.
pub type Difference = (Vec<String>, Option<Value>, Option<Value>);

/// The differences between two canonical specs, sorted by path. Maps are compared key by key, lists as a whole.
/// An absent field, null, an empty map and an empty list are the same.
#[must_use]
pub fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    let empty = Value::Null;
    let part = |value: &Value, name: &str| value.get(name).cloned().unwrap_or_default();
    let (labels_before, labels_after) = (part(before, "labels"), part(after, "labels"));
    compare(&mut vec!["labels".to_owned()], &labels_before, &labels_after, &mut found);
    let spec_before = before.get("spec").unwrap_or(&empty);
    let spec_after = after.get("spec").unwrap_or(&empty);
    compare(&mut Vec::new(), spec_before, spec_after, &mut found);
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found
}

fn compare(path: &mut Vec<String>, before: &Value, after: &Value, found: &mut Vec<Difference>) {
    if before == after || (is_absent(before) && is_absent(after)) {
        return;
    }
    let none = Map::new();
    let maps = match (before, after) {
        (Value::Object(before), Value::Object(after)) => Some((before, after)),
        (Value::Object(before), absent) if is_absent(absent) && !path.is_empty() => Some((before, &none)),
        (absent, Value::Object(after)) if is_absent(absent) && !path.is_empty() => Some((&none, after)),
        _ => None,
    };
    let Some((before_map, after_map)) = maps else {
        let value = |value: &Value| (!is_absent(value)).then(|| value.clone());
        found.push((path.clone(), value(before), value(after)));
        return;
    };
    let missing = Value::Null;
    let mut keys: Vec<&String> = before_map.keys().chain(after_map.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        path.push(key.clone());
        compare(path, before_map.get(key).unwrap_or(&missing), after_map.get(key).unwrap_or(&missing), found);
        path.pop();
    }
}

fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(before: Value, after: Value, expected: &[(&str, Value, Value)]) {
        let found: Vec<_> = differences(&before, &after)
            .into_iter()
            .map(|(path, before, after)| {
                (path.join("."), before.unwrap_or_default(), after.unwrap_or_default())
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(path, before, after)| ((*path).to_owned(), before.clone(), after.clone()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn equal_specs_do_not_differ_whatever_the_order_of_keys() {
        check(
            json!({"spec": {"a": 1, "m": {"x": 1, "y": 2}}}),
            json!({"spec": {"m": {"y": 2, "x": 1}, "a": 1}}),
            &[],
        );
        check(json!({"labels": {}, "spec": {"a": null, "b": []}}), json!({"spec": {}}), &[]);
    }

    #[test]
    fn maps_differ_key_by_key_and_lists_as_a_whole() {
        check(
            json!({"labels": {"t": "1"}, "spec": {"contact": {"email": "a"}, "list": [1]}}),
            json!({"labels": {"u": "1"}, "spec": {"contact": {"email": "b", "phone": "c"}, "list": [1, 2]}}),
            &[
                ("contact.email", json!("a"), json!("b")),
                ("contact.phone", json!(null), json!("c")),
                ("labels.t", json!("1"), json!(null)),
                ("labels.u", json!(null), json!("1")),
                ("list", json!([1]), json!([1, 2])),
            ],
        );
    }
}
