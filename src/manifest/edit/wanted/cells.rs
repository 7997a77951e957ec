//! A tenant's field as the cell of a table.

use serde_json::Value;

use crate::kinds::tenant_set::CSV_COLUMNS;
use crate::model::{Entry, RowRef};

use super::super::super::{rows, variables};
use super::super::steps;
use super::super::table::Table;
use super::Planner;

impl Planner<'_> {
    /// Sets or empties the cell of a field.
    pub(super) fn in_table(
        &mut self,
        entry: &Entry,
        row: RowRef,
        pointer: &str,
        value: Option<Value>,
        shown: &str,
    ) {
        let elsewhere = "; take the row out and declare the tenant in a manifest of its own";
        let path = rows::pointer_in_row(pointer).map(|inner| steps(&inner).join("."));
        let is_open = |path: &str| path.starts_with("labels.") || path.starts_with("metadata.");
        let Some(path) = path.filter(|path| is_open(path) || CSV_COLUMNS.contains(&path.as_str())) else {
            return self.refuse(&entry.key, None, format!("a table has no column for `{shown}`{elsewhere}"));
        };
        let text = match &value {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(_) | Value::Bool(_)) if !is_open(&path) => {
                value.as_ref().map(Value::to_string).unwrap_or_default()
            }
            Some(_) => {
                let why = format!("a cell holds text, and `{shown}` is to be something else{elsewhere}");
                return self.refuse(&entry.key, None, why);
            }
        };
        if value.is_some() && text.is_empty() {
            let why =
                format!("an empty cell leaves `{shown}` to the template; it cannot say that it is empty");
            return self.refuse(&entry.key, None, why);
        }
        let Some(file) = self.catalog.files.get(row.file.0 as usize) else { return };
        let table = self.tables.entry(row.file).or_insert_with(|| Table::read(file.text()));
        let has = |column: &str| table.header.iter().any(|name| name == column);
        let label = path.strip_prefix("labels.").filter(|_| !has(&path) && has("labels"));
        let column = if label.is_some() { "labels".to_owned() } else { path.clone() };
        let was = table.cell(file.text(), row.start as usize, &column);
        let pending = self.out.orders.row(row.file, row.start).cells.iter().rev();
        let was = pending.clone().find(|(name, _)| *name == column).map_or(was, |(_, cell)| cell.clone());
        let (text, is_written) = match label {
            Some(label) => with_label(&was, label, &text),
            None => (text, !was.is_empty()),
        };
        if value.is_none() && !is_written {
            return self.refuse_of_set(entry, shown);
        }
        if label.is_none() && variables::is_in(&was) {
            self.note_of_variable(&entry.key, shown, &was);
        }
        let cells = &mut self.out.orders.row(row.file, row.start).cells;
        cells.retain(|(name, _)| *name != column);
        cells.push((column, text));
    }
}

/// A cell of labels, `key=value;key=value`, with one of them set, or taken out where the value is empty. Also says whether
/// it was there.
fn with_label(cell: &str, label: &str, value: &str) -> (String, bool) {
    let mut is_written = false;
    let mut pairs: Vec<String> = Vec::new();
    for pair in cell.split(';').filter(|pair| !pair.trim().is_empty()) {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        if name.trim() != label {
            pairs.push(pair.to_owned());
            continue;
        }
        is_written = true;
        if !value.is_empty() {
            pairs.push(format!("{name}={value}"));
        }
    }
    if !is_written && !value.is_empty() {
        pairs.push(format!("{label}={value}"));
    }
    (pairs.join(";"), is_written)
}

#[cfg(test)]
mod tests {
    use super::with_label;

    #[test]
    fn one_label_of_a_cell_is_changed() {
        assert_eq!(with_label("tier=gold; team = a", "team", "b"), ("tier=gold; team =b".to_owned(), true));
        assert_eq!(with_label("tier=gold;team=a", "tier", ""), ("team=a".to_owned(), true));
        assert_eq!(with_label("", "tier", "gold"), ("tier=gold".to_owned(), false));
    }
}
