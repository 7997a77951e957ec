//! Between a row's columns, as text, and a canonical spec.

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};

use crate::model::{Column, KindRef, SqlType, digest};

/// The canonical spec of a row: `{"labels": ..., "spec": ...}`. `cells` are in the order of the kind's columns.
#[must_use]
pub fn canonical(kind: KindRef, labels: Option<&str>, protected: bool, cells: &[Option<String>]) -> Value {
    let there = cells.iter().filter(|cell| cell.is_some()).count();
    let mut spec = Value::Object(Map::with_capacity(there));
    for (column, cell) in kind.columns().iter().zip(cells) {
        let Some(text) = cell else { continue };
        if column.absent == Some(text.as_str()) {
            continue;
        }
        place(&mut spec, column.path, value_of(column, text));
    }
    if protected {
        place(&mut spec, "protect", Value::Bool(true));
    }
    let labels: Value = labels.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    // Moved into a map: `json!` would copy all of it.
    let mut canonical = Map::with_capacity(2);
    canonical.insert("labels".to_owned(), labels);
    canonical.insert("spec".to_owned(), spec);
    digest::canonicalize_map(&mut canonical);
    Value::Object(canonical)
}

fn place(spec: &mut Value, path: &str, value: Value) {
    let mut current = spec;
    let mut steps = path.split('.').peekable();
    while let Some(step) = steps.next() {
        let Value::Object(map) = current else { return };
        if steps.peek().is_none() {
            map.insert(step.to_owned(), value);
            return;
        }
        current = map.entry(step).or_insert_with(|| Value::Object(Map::new()));
    }
}

/// What a cell says, as a spec has it.
#[must_use]
pub fn value_of(column: &Column, text: &str) -> Value {
    match column.sql {
        SqlType::Text => Value::String(text.to_owned()),
        SqlType::Bool => Value::Bool(matches!(text, "t" | "true")),
        SqlType::Integer => text.parse::<i64>().map_or_else(|_| Value::String(text.to_owned()), Value::from),
        SqlType::Timestamp => Value::String(instant(text).map_or_else(|| text.to_owned(), rfc3339)),
        SqlType::Json => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
    }
}

/// Reads `2026-12-31 00:00:00.5`, a timestamp in UTC. `None` for `infinity` and the like.
#[must_use]
pub fn instant(text: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok().map(|naive| naive.and_utc())
}

fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// The value of a column's field in a canonical spec; null where it has none.
#[must_use]
pub fn field<'s>(column: &Column, spec: &'s Value) -> &'s Value {
    column.path.split('.').fold(spec, |value, step| value.get(step).unwrap_or(&Value::Null))
}

/// The text that a canonical spec gives a column; `None` for NULL.
#[must_use]
pub fn cell(column: &Column, spec: &Value) -> Option<String> {
    match (field(column, spec), column.sql) {
        (Value::Null, _) => column.absent.map(str::to_owned),
        (value, SqlType::Json) => Some(value.to_string()),
        (Value::String(text), _) => Some(text.clone()),
        (other, _) => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_spec_survives_the_way_through_columns() {
        for kind in crate::kinds::stored() {
            let Some((spec, columns)) = sample(kind) else {
                continue;
            };
            let cells: Vec<_> = columns.iter().map(|column| cell(column, &spec)).collect();
            let back = canonical(kind, Some(r#"{"a":"b"}"#), true, &cells);
            assert_eq!(back["labels"], json!({"a": "b"}));
            assert!(
                crate::plan::diff::differences(&back, &json!({"labels": {"a": "b"}, "spec": spec}))
                    .is_empty()
            );
        }
    }

    fn sample(kind: KindRef) -> Option<(Value, &'static [Column])> {
        let spec = match kind.name {
            "Tenant" => json!({"displayName": "A", "type": "mixed", "market": "ANZ_SMB", "region": "AU-SE1",
                "businessId": {"country": "AU", "number": "51 824 753 556"}, "contact": {"email": "a@b.example"},
                "employeeCount": 3, "metadata": {"n": 1e15, "m": {"b": 1, "a": [1.5, null]}}, "protect": true}),
            "Credential" => json!({"tenant": "A", "service": "shopify", "secretRef": {"env": "X"},
                "expiresAt": "2026-12-31T00:00:00.1234567+01:00", "protect": true}),
            "NotificationChannel" => {
                json!({"type": "webhook", "webhook": {"url": "https://h.example", "signingSecret": {"env": "A"},
                "previousSecret": {"secret": {"env": "B"}, "until": "2026-12-31T00:00:00.5Z"}}, "enabled": false,
                "network": {"allowCidrs": ["10.0.0.0/8"]}, "delivery": {"retry": ["5s"]}, "template": {"title": "t"}, "protect": true})
            }
            "Silence" => json!({"matchers": ["tenant=A"], "startsAt": "2026-12-31T00:00:00.1234567+01:00",
                "untilResolved": true, "createdBy": "o", "comment": "c", "protect": true}),
            "MaintenanceWindow" => {
                json!({"every": {"month": [1, -1]}, "at": "22:30", "duration": "4h", "comment": "c",
                "until": "2026-12-31T00:00:00.1234567+01:00", "protect": true})
            }
            "HealthCheck" => {
                json!({"service": "quotas", "enabled": false, "limits": {"degradedPercent": 70}, "protect": true})
            }
            "AlertRule" => json!({"when": {"credentialExpiry": {}}, "channels": ["c"], "protect": true}),
            _ => return None,
        };
        let admitted = (kind.admit)(spec).unwrap();
        Some((serde_json::from_str(&admitted.canonical).unwrap(), kind.columns()))
    }
}
