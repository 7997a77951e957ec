//! Cells and rows of a CSV file.

use std::collections::HashMap;
use std::ops::Range;

use super::super::csv::{guarded, quoted, unguarded, written};
use super::Refusal;
use super::splice::{Lines, Splices};

/// What is wanted of one row of a table.
#[derive(Clone, Debug, Default)]
pub struct RowEdits {
    /// Where the row begins.
    pub start: usize,
    /// Columns and the texts of their cells.
    pub cells: Vec<(String, String)>,
    /// Whether it goes as a whole.
    pub is_removed: bool,
}

/// A table as it is written.
#[derive(Clone, Debug)]
pub struct Table {
    /// Names of the columns.
    pub header: Vec<String>,
    /// The header's cells and each row's, as bytes of the file; an empty line is none.
    records: Vec<Record>,
    places: HashMap<usize, usize>,
}

#[derive(Clone, Debug)]
struct Record {
    cells: Vec<Range<usize>>,
    /// Behind its line break.
    end: usize,
}

impl Record {
    fn start(&self) -> usize {
        self.cells.first().map_or(self.end, |cell| cell.start)
    }

    /// Before its line break.
    fn text_end(&self) -> usize {
        self.cells.last().map_or(self.end, |cell| cell.end)
    }
}

impl Table {
    /// Finds the cells of a file.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let records = records(text);
        let places = records.iter().enumerate().map(|(index, record)| (record.start(), index)).collect();
        let first = records.first().map(|record| record.cells.as_slice()).unwrap_or_default();
        let header = first.iter().map(|cell| value(text, cell)).collect();
        Self { header, records, places }
    }

    /// The text of a cell of the row that begins at `start`, without the apostrophe that spreadsheets need; empty where there is none.
    #[must_use]
    pub fn cell(&self, text: &str, start: usize, column: &str) -> String {
        let place = self.header.iter().position(|name| name == column);
        let record = self.places.get(&start).and_then(|index| self.records.get(*index));
        match (record, place) {
            (Some(record), Some(place)) => {
                let cell = record.cells.get(place).map(|cell| value(text, cell)).unwrap_or_default();
                unguarded(&cell).to_owned()
            }
            _ => String::new(),
        }
    }

    /// Whether no row but these is in the table.
    fn is_all(&self, rows: usize) -> bool {
        self.records.len() <= rows + 1
    }
}

/// The text of a CSV file with changes in some of its rows.
///
/// # Errors
/// No row would be left, or the text cannot say what is wanted.
pub fn edit_table(text: &str, rows: &[RowEdits]) -> Result<String, Refusal> {
    let table = Table::read(text);
    if table.is_all(rows.iter().filter(|row| row.is_removed).count()) {
        let why =
            "no row would be left, and an empty table is an error; remove the TenantSet that names the file";
        return Err(Refusal::new(0, why));
    }
    let mut new_columns: Vec<&str> = Vec::new();
    let cells = rows.iter().flat_map(|row| &row.cells).filter(|(_, value)| !value.is_empty());
    for (column, _) in cells.filter(|(column, _)| !table.header.contains(column)) {
        if !new_columns.contains(&column.as_str()) {
            new_columns.push(column);
        }
    }
    let changes: HashMap<usize, &RowEdits> = rows.iter().map(|row| (row.start, row)).collect();
    if let Some(row) = rows.iter().find(|row| !table.places.contains_key(&row.start)) {
        return Err(Refusal::new(row.start, "this row is not where it was read"));
    }
    let lines = Lines::new(text);
    let mut splices = Splices::default();
    let mut expected: Vec<Vec<String>> = Vec::new();
    for (index, record) in table.records.iter().enumerate() {
        let change = changes.get(&record.start()).filter(|_| index > 0);
        let mut cells: Vec<String> = record.cells.iter().map(|cell| value(text, cell)).collect();
        if change.is_some_and(|change| change.is_removed) {
            let is_last = record.end == record.text_end();
            let range =
                if is_last { lines.whole(record.start(), record.end) } else { record.start()..record.end };
            splices.remove(range);
            continue;
        }
        let wanted = |column: &str| {
            let mut cells = change.into_iter().flat_map(|change| &change.cells);
            cells.find(|(name, _)| name == column).map(|(_, value)| value.as_str())
        };
        for (place, name) in table.header.iter().enumerate() {
            let (Some(value), Some(cell)) = (wanted(name), record.cells.get(place)) else { continue };
            if unguarded(&cells[place]) != value {
                splices.replace(cell.clone(), written(value, text[cell.clone()].starts_with('"')));
                cells[place] = guarded(value).into_owned();
            }
        }
        for column in &new_columns {
            let (shown, value) = match index {
                0 => (quoted(column, false), (*column).to_owned()),
                _ => {
                    let value = wanted(column).unwrap_or_default();
                    (written(value, false), guarded(value).into_owned())
                }
            };
            splices.insert(record.text_end(), format!(",{shown}"));
            cells.push(value);
        }
        expected.push(cells);
    }
    let new = splices.apply(text)?;
    let found: Vec<Vec<String>> = records(&new)
        .iter()
        .map(|record| record.cells.iter().map(|cell| value(&new, cell)).collect())
        .collect();
    if found == expected && read_by_others(&new) == found {
        return Ok(new);
    }
    Err(Refusal::new(0, "a cell of this table cannot hold this; blanks at the ends of a cell do not count"))
}

/// The cells as the reader of manifests has them.
fn read_by_others(text: &str) -> Vec<Vec<String>> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let records = reader.records().map_while(Result::ok);
    records.map(|record| record.iter().map(str::to_owned).collect()).collect()
}

/// A cell's text: without its quotes, and without blanks around it.
fn value(text: &str, cell: &Range<usize>) -> String {
    let written = &text[cell.clone()];
    let Some(quoted) = written.strip_prefix('"') else { return written.trim().to_owned() };
    let mut out = String::new();
    let mut rest = quoted;
    while let Some(at) = rest.find('"') {
        out.push_str(&rest[..at]);
        match rest[at + 1..].strip_prefix('"') {
            Some(more) => {
                out.push('"');
                rest = more;
            }
            None => {
                // What stands behind the closing quote belongs to the cell.
                out.push_str(&rest[at + 1..]);
                rest = "";
            }
        }
    }
    out.push_str(rest);
    out.trim().to_owned()
}

fn records(text: &str) -> Vec<Record> {
    let bytes = text.as_bytes();
    let mut at = text.len() - text.trim_start_matches('\u{feff}').len();
    let mut records = Vec::new();
    while at < bytes.len() {
        if matches!(bytes[at], b'\n' | b'\r') {
            at += 1;
            continue;
        }
        let mut cells = Vec::new();
        loop {
            let start = at;
            if bytes.get(at) == Some(&b'"') {
                at += 1;
                while at < bytes.len() {
                    match (bytes[at], bytes.get(at + 1)) {
                        (b'"', Some(b'"')) => at += 2,
                        (b'"', _) => break,
                        _ => at += 1,
                    }
                }
            }
            while at < bytes.len() && !matches!(bytes[at], b',' | b'\n' | b'\r') {
                at += 1;
            }
            cells.push(start..at.min(bytes.len()));
            if bytes.get(at) != Some(&b',') {
                break;
            }
            at += 1;
        }
        let is_pair = bytes.get(at) == Some(&b'\r') && bytes.get(at + 1) == Some(&b'\n');
        at = (at + if is_pair { 2 } else { 1 }).min(bytes.len());
        records.push(Record { cells, end: at });
    }
    records
}
