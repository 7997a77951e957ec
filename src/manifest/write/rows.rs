//! From tenants back to rows: the other way of [`crate::manifest::rows`], as CSV and as JSON.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use crate::kinds::tenant_set::CSV_COLUMNS;

use super::super::csv::{quoted, written};

/// The columns that every file has, also where all their cells are empty.
const ALWAYS: usize = 8;

/// The row that a tenant's manifest stands for.
#[must_use]
pub fn row_of(manifest: &Value) -> Map<String, Value> {
    let mut row = Map::new();
    for column in CSV_COLUMNS {
        let pointer = match column {
            "tenantId" => "/metadata/name".to_owned(),
            "name" => "/spec/displayName".to_owned(),
            "email" | "phone" => format!("/spec/contact/{column}"),
            "labels" => "/metadata/labels".to_owned(),
            "businessId.country" => "/spec/businessId".to_owned(),
            "businessId.number" => continue,
            other => format!("/spec/{other}"),
        };
        let Some(value) = manifest.pointer(&pointer) else { continue };
        // What is not said is not protected.
        let is_usual = column == "protect" && value == &Value::Bool(false);
        let is_empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        if !is_empty && !is_usual {
            let name = column.split('.').next().unwrap_or(column);
            row.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(metadata) =
        manifest.pointer("/spec/metadata").filter(|map| map.as_object().is_some_and(|map| !map.is_empty()))
    {
        row.insert("metadata".to_owned(), metadata.clone());
    }
    row
}

/// Rows as a CSV file. Labels and metadata have a column for each key; a cell that a spreadsheet would run begins with an
/// apostrophe.
#[must_use]
pub fn csv(rows: &[Map<String, Value>]) -> String {
    let header = header(rows);
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = String>| {
        for (index, cell) in cells.enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(&cell);
        }
        text.push('\n');
    };
    line(&mut header.iter().map(|name| quoted(name, false)));
    for row in rows {
        let cells: HashMap<String, String> = cells(row).collect();
        line(
            &mut header
                .iter()
                .map(|name| cells.get(name).map_or_else(String::new, |cell| written(cell, false))),
        );
    }
    text
}

/// The columns in the order in which the documentation names them, then labels and metadata by key.
fn header(rows: &[Map<String, Value>]) -> Vec<String> {
    let used: BTreeSet<String> = rows.iter().flat_map(|row| cells(row).map(|(name, _)| name)).collect();
    let fixed = CSV_COLUMNS.into_iter().filter(|name| *name != "labels");
    let mut header: Vec<String> = fixed
        .enumerate()
        .filter(|(index, name)| *index < ALWAYS || used.contains(*name))
        .map(|(_, name)| name.to_owned())
        .collect();
    let open = |name: &&String| name.starts_with("labels.") || name.starts_with("metadata.");
    header.extend(used.iter().filter(open).cloned());
    header
}

/// The cells of a row by column. What is not a single value is its JSON.
fn cells(row: &Map<String, Value>) -> impl Iterator<Item = (String, String)> {
    row.iter().flat_map(|(name, value)| match value {
        Value::Object(map) => {
            map.iter().filter_map(|(key, value)| Some((format!("{name}.{key}"), cell(value)?))).collect()
        }
        value => cell(value).map(|cell| (name.clone(), cell)).into_iter().collect::<Vec<_>>(),
    })
}

fn cell(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_tenant_is_a_row_and_cells_that_would_run_are_quoted() {
        let manifest = json!({
            "metadata": {"name": "A1", "labels": {"tier": "gold"}},
            "spec": {"displayName": "=1+1", "type": "mixed", "businessId": {"country": "AU", "number": "5"},
                "contact": {"phone": "+61 2"}, "protect": false, "metadata": {"note": "a, \"b\"", "n": 5}},
        });
        let row = row_of(&manifest);
        assert_eq!(row["businessId"]["number"], "5");
        assert!(!row.contains_key("protect"));
        assert_eq!(
            csv(&[row]),
            "tenantId,name,type,market,region,shopifyShop,gmcMerchantId,status,phone,businessId.country,businessId.number,labels.tier,metadata.n,metadata.note\n\
             A1,\"'=1+1\",mixed,,,,,,\"'+61 2\",AU,5,gold,5,\"a, \"\"b\"\"\"\n"
        );
    }
}
