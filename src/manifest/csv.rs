//! Rows of tenants from CSV: a checked header, then each record as the JSON value that a row in a manifest would be.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::kinds::tenant_set::CSV_COLUMNS;
use crate::model::diagnostic::did_you_mean;
use crate::model::{FileId, RowRef, SourceFile, SourceRef};

use super::problem::{Problem, Target};
use super::{rows, yaml};

/// Whether a file is read as CSV.
#[must_use]
pub fn is_csv(path: &str) -> bool {
    std::path::Path::new(path).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
}

/// The cells of one row. They take a tenth of what the row takes as JSON, which is made of it when its turn comes.
#[derive(Clone, Debug)]
pub struct Cells {
    header: Arc<[String]>,
    text: Box<str>,
    /// Where each cell ends in `text`.
    ends: Box<[u32]>,
}

impl Cells {
    fn new(header: &Arc<[String]>, record: &csv::StringRecord) -> Self {
        let mut end = 0;
        let ends = record.iter().map(|cell| {
            end += cell.len();
            small(end)
        });
        Self { header: Arc::clone(header), ends: ends.collect(), text: record.as_slice().into() }
    }

    /// The row as the JSON value that a row in a manifest would be.
    #[must_use]
    pub fn row(&self) -> Map<String, Value> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let cells = starts.zip(&self.ends).map(|(start, end)| &self.text[start as usize..*end as usize]);
        row_of(&self.header, cells)
    }
}

/// The rows of a CSV file, and the problems of those that are not among them because they have too few or too many fields.
pub type Table = (Vec<(RowRef, Cells)>, Vec<Problem>);

/// Reads a CSV file of tenants. `source` is the `TenantSet` that names the file. Problems of single cells are found later,
/// by the schema.
///
/// # Errors
/// Every problem of the header and of the file's shape: then no row is known.
pub fn read(file: &SourceFile, id: FileId, source: SourceRef) -> Result<Table, Vec<Problem>> {
    read_with(file, id, source, &["tenantId", "name"])
}

/// [`read`], for a file whose header needs these columns alone.
///
/// # Errors
/// As there.
pub fn read_with(
    file: &SourceFile,
    id: FileId,
    source: SourceRef,
    needed: &[&str],
) -> Result<Table, Vec<Problem>> {
    let at = |start: usize, index: usize| SourceRef {
        row: Some(RowRef { file: id, index: small(index), start: small(start) }),
        ..source
    };
    let whole = |code, message: String| Problem::error(code, at(0, 0), Target::Span(0, 0), message);
    let text = yaml::decode(file.bytes()).map_err(|error| {
        let target = Target::Span(error.span.start, error.span.end);
        vec![rows::with_optional_help(Problem::error("SX0101", at(0, 0), target, error.message), error.help)]
    })?;
    let bom = text.len() - text.trim_start_matches('\u{feff}').len();
    let text = &text[bom..];
    if text.trim().is_empty() {
        let help =
            "an empty file never means \"no tenants\": remove the TenantSet, or write `from: {rows: []}`";
        return Err(vec![whole("SX0403", "the file is empty".to_owned()).help(help)]);
    }
    let mut builder = csv::ReaderBuilder::new();
    let mut reader = builder.flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let header: Arc<[String]> = match reader.headers() {
        Ok(record) => record.iter().map(str::to_owned).collect(),
        Err(error) => return Err(vec![whole("SX0402", error.to_string())]),
    };
    let mut problems = check_header(&header, needed, &|column| at(0, column));
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut rows = Vec::new();
    let mut count = 0;
    let mut is_whole = true;
    let mut record = csv::StringRecord::new();
    let mut last = bom;
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) => {
                problems.push(whole("SX0402", error.to_string()));
                is_whole = false;
                break;
            }
        }
        let start = bom + record_start(text, &record);
        last = start;
        let index = count;
        count += 1;
        if record.len() != header.len() {
            let plural = if record.len() == 1 { "" } else { "s" };
            let message =
                format!("this row has {} field{plural}, the header has {}", record.len(), header.len());
            let help = if record.len() > header.len() {
                "a value that holds a comma must be in double quotes"
            } else {
                "an empty cell needs its comma too"
            };
            let end = usize::try_from(reader.position().byte()).unwrap_or(0);
            let line =
                Target::Span(small(start), small(bom + text.get(..end).unwrap_or(text).trim_end().len()));
            problems.push(Problem::error("SX0402", at(start, index), line, message).help(help));
            continue;
        }
        let row = RowRef { file: id, index: small(index), start: small(start) };
        rows.push((row, Cells::new(&header, &record)));
    }
    if text.bytes().filter(|byte| *byte == b'"').count() % 2 == 1 {
        // The number of its fields says nothing then.
        problems.retain(|problem| problem.source.row.is_none_or(|row| row.start as usize != last));
        let message =
            "a double quote is opened and not closed, so the rest of the file was read as one value";
        let problem = Problem::error(
            "SX0402",
            at(last, count.saturating_sub(1)),
            Target::Value(String::new()),
            message,
        );
        problems.push(problem.help("close it, or write two double quotes for one within a value"));
        is_whole = false;
    }
    if count == 0 && problems.is_empty() {
        let help =
            "a header alone never means \"no tenants\": remove the TenantSet, or write `from: {rows: []}`";
        problems.push(whole("SX0403", "the file has a header and no rows".to_owned()).help(help));
        is_whole = false;
    }
    if is_whole { Ok((rows, problems)) } else { Err(problems) }
}

/// The reader counts a record's start before the line break of the one before it is consumed.
fn record_start(text: &str, record: &csv::StringRecord) -> usize {
    let byte = record.position().map_or(0, csv::Position::byte);
    let start = usize::try_from(byte).unwrap_or(0).min(text.len());
    start + text.as_bytes()[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn check_header(header: &[String], needed: &[&str], at: &dyn Fn(usize) -> SourceRef) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let [only] = header {
        for (delimiter, name) in [(';', "semicolons"), ('\t', "tabs"), ('|', "bars")] {
            if only.contains(delimiter) {
                let message = format!("the fields are separated by {name}, not by commas");
                let problem = Problem::error("SX0404", at(0), Target::Value(String::new()), message);
                return vec![problem.help("save the file as CSV separated by commas")];
            }
        }
    }
    let column = |index: usize| Target::Value(format!("{COLUMN_POINTER}{}", index + 1));
    for (index, name) in header.iter().enumerate() {
        let open = ["labels.", "metadata."]
            .iter()
            .any(|prefix| name.strip_prefix(prefix).is_some_and(|key| !key.is_empty()));
        if !open && !CSV_COLUMNS.contains(&name.as_str()) {
            let message = if name.is_empty() {
                "a column has no name".to_owned()
            } else {
                format!("unknown column `{name}`")
            };
            let help = match did_you_mean(name, CSV_COLUMNS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the columns are {}, labels.KEY and metadata.KEY", CSV_COLUMNS.join(", ")),
            };
            problems.push(Problem::error("SX0401", at(0), column(index), message).help(help));
        }
        if header[..index].contains(name) {
            problems.push(Problem::error(
                "SX0401",
                at(0),
                column(index),
                format!("the column `{name}` is there twice"),
            ));
        }
    }
    for needed in needed {
        if !header.iter().any(|name| name == needed) {
            let message = format!("the column `{needed}` is missing");
            let help = "the first line names the columns: tenantId,name,type,market,region,shopifyShop,gmcMerchantId";
            problems.push(Problem::error("SX0401", at(0), column(0), message).help(help));
        }
    }
    problems
}

/// The bytes of a record's cell, when it is in the record's first line: what an excerpt can show.
#[must_use]
pub fn cell_in_line(text: &str, start: usize, column: u32) -> Option<std::ops::Range<usize>> {
    let line = text.get(start..)?.split(['\n', '\r']).next()?;
    let mut quoted = false;
    let mut cell = 1;
    let mut from = 0;
    for (index, byte) in line.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted && cell == column => return Some(start + from..start + index),
            b',' if !quoted => {
                cell += 1;
                from = index + 1;
            }
            _ => {}
        }
    }
    (cell == column).then_some(start + from..start + line.len())
}

/// Whether a spreadsheet would run a cell, or a reader would take its first blanks off; apostrophes before it do not count.
fn needs_an_apostrophe(text: &str) -> bool {
    let begins = |first: char| "=+-@".contains(first) || first.is_whitespace();
    text.trim_start_matches('\'').starts_with(begins)
}

/// A text as a cell that a spreadsheet shows and does not run: an apostrophe before what begins with `=`, `+`, `-`, `@` or a
/// blank. Reading takes it off again.
#[must_use]
pub fn guarded(text: &str) -> std::borrow::Cow<'_, str> {
    if needs_an_apostrophe(text) { format!("'{text}").into() } else { text.into() }
}

/// The other way round.
#[must_use]
pub fn unguarded(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|_| needs_an_apostrophe(cell)).unwrap_or(cell)
}

/// A cell as it is written: in double quotes where that is needed, and wherever a spreadsheet is to take it as a text.
#[must_use]
pub fn written(text: &str, was_quoted: bool) -> String {
    let cell = guarded(text);
    quoted(&cell, was_quoted || cell.len() > text.len())
}

/// In double quotes where that is needed.
#[must_use]
pub fn quoted(text: &str, always: bool) -> String {
    let needed = always || text.contains([',', '"', '\r', '\n']) || text.trim() != text;
    if needed { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// Names a column by number instead of by field.
const COLUMN_POINTER: &str = "/#";

fn row_of<'c>(header: &[String], cells: impl Iterator<Item = &'c str>) -> Map<String, Value> {
    let mut row = Map::new();
    for (name, cell) in header.iter().zip(cells) {
        if cell.is_empty() {
            continue;
        }
        let cell = unguarded(cell);
        match name.split_once('.') {
            Some((outer, inner)) => {
                let map = row.entry(outer).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(map) = map {
                    map.insert(inner.to_owned(), Value::String(cell.to_owned()));
                }
            }
            None => {
                let value = cell_value(name, cell);
                match (row.get_mut(name), value) {
                    (Some(Value::Object(map)), Value::Object(more)) => map.extend(more),
                    (_, value) => {
                        row.insert(name.clone(), value);
                    }
                }
            }
        }
    }
    row
}

/// A cell as the type its column has; text that does not fit stays text, and the schema complains about it.
fn cell_value(column: &str, cell: &str) -> Value {
    let text = || Value::String(cell.to_owned());
    match column {
        "employeeCount" => cell.parse::<i64>().map_or_else(|_| text(), Value::from),
        "protect" => match cell.to_ascii_lowercase().as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => text(),
        },
        "labels" => {
            let mut labels = Map::new();
            for pair in cell.split(';').filter(|pair| !pair.trim().is_empty()) {
                let Some((key, value)) = pair.split_once('=') else {
                    return text();
                };
                labels.insert(key.trim().to_owned(), Value::String(value.trim().to_owned()));
            }
            Value::Object(labels)
        }
        _ => text(),
    }
}

/// The header of a CSV file that was read before.
#[must_use]
pub fn header_of(files: &[Arc<SourceFile>], id: FileId) -> Vec<String> {
    let Some(file) = files.get(id.0 as usize) else {
        return Vec::new();
    };
    let text = file.text().trim_start_matches('\u{feff}');
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    reader.headers().map(|record| record.iter().map(str::to_owned).collect()).unwrap_or_default()
}

/// The number, from 1, of the column that holds a tenant's field; 1 when no column does.
#[must_use]
pub fn column_of(header: &[String], pointer: &str) -> u32 {
    if let Some(number) = pointer.strip_prefix(COLUMN_POINTER) {
        return number.parse().unwrap_or(1);
    }
    let Some(inner) = rows::pointer_in_row(pointer) else {
        return 1;
    };
    let path = inner.trim_start_matches('/').replace('/', ".");
    let found = header.iter().position(|name| *name == path).or_else(|| {
        let outer = path.split('.').next().unwrap_or_default();
        header.iter().position(|name| name == outer || name.split('.').next() == Some(outer))
    });
    found.map_or(1, |index| small(index + 1))
}

/// Whether a column of this name holds a tenant's field, and not merely stands in for it.
#[must_use]
pub fn names(column: &str, pointer: &str) -> bool {
    rows::pointer_in_row(pointer).is_some_and(|inner| {
        let path = inner.trim_start_matches('/').replace('/', ".");
        column == path || (column == "labels" && path.starts_with("labels."))
    })
}

/// Whether a cell holds anything; an empty one leaves the field to the template or the default.
#[must_use]
pub fn cell_is_written(files: &[Arc<SourceFile>], row: RowRef, column: u32) -> bool {
    let Some(text) = files.get(row.file.0 as usize).and_then(|file| file.text().get(row.start as usize..))
    else {
        return false;
    };
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    matches!(reader.read_record(&mut record), Ok(true))
        && record.get(column.saturating_sub(1) as usize).is_some_and(|cell| !cell.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_guarded_comes_back() {
        for text in
            ["=1+1", "+61 2 5550", "-x", "@y", "\tz", "'=1", "''=1", "'", "plain", "o'clock", "'quoted'", ""]
        {
            let cell = guarded(text);
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
            assert_eq!(unguarded(&cell), text, "{cell}");
        }
        assert_eq!(guarded("=1+1"), "'=1+1");
        assert_eq!(guarded("'quoted'"), "'quoted'");
    }
}
