//! From "this field of that document" to file, line, column and excerpt.
//!
//! Only problems and changes need positions, so documents are parsed again here instead of keeping every span of
//! every document in memory. The last document is kept, because problems come in file order.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::diagnostic::Excerpt;
use crate::model::{Diagnostic, FileId, Position, RowRef, SourceFile, SourceRef};

use super::problem::{Problem, Target};
use super::validate::is_plain_name;
use super::yaml::{self, Document, Limits, LineIndex, Span};
use super::{csv, rows};

/// Finds positions in the files of one run.
pub struct Resolver<'a> {
    files: &'a [Arc<SourceFile>],
    lines: HashMap<FileId, LineIndex>,
    parsed: Option<(FileId, u32, Option<Document>)>,
    headers: HashMap<FileId, Vec<String>>,
    /// What was last asked of [`Resolver::hides_values`], and the answer.
    hiding: Option<(FileId, u32, bool)>,
}

impl<'a> Resolver<'a> {
    /// A resolver over these files.
    #[must_use]
    pub fn new(files: &'a [Arc<SourceFile>]) -> Self {
        Self { files, lines: HashMap::new(), parsed: None, headers: HashMap::new(), hiding: None }
    }

    /// Turns a problem into a diagnostic.
    pub fn diagnostic(&mut self, mut problem: Problem) -> Diagnostic {
        // A reading error quotes what it could not read, and that may be a secret. Keys are none, if they look like one.
        let names_a_key =
            problem.code == "SX0103" && problem.message.split('`').nth(1).is_some_and(is_plain_name);
        let quotes_a_value = matches!(problem.target, Target::Span(..)) && problem.code != "SX0109";
        if quotes_a_value && !names_a_key && self.hides_values(&problem.source) {
            problem.message = without_quotes(&problem.message);
            problem.help = problem.help.map(|help| without_quotes(&help));
        }
        let (file, span) = self.span(&problem.source, &problem.target);
        let csv_field = self.csv_field(&problem.source, &problem.target);
        let pointer = match &problem.target {
            Target::Value(pointer) | Target::Key(pointer) if !pointer.is_empty() => Some(pointer.clone()),
            _ => None,
        };
        let mut position = self.position(file, span.start);
        if let Some(column) = csv_field {
            position.column = column;
        }
        // A problem of the whole row marks none of its cells.
        let cell = csv_field.filter(|_| pointer.is_some()).and_then(|column| {
            let text = self.files.get(file.0 as usize)?.text();
            csv::cell_in_line(text, span.start as usize, column)
        });
        let marked = cell.map_or(span, |cell| Span::new(cell.start, cell.end));
        let excerpt = self.excerpt(file, marked, &problem.source);
        let related = problem
            .related
            .into_iter()
            .map(|(source, target, note)| {
                let (file, span) = self.span(&source, &target);
                (self.position(file, span.start), note)
            })
            .collect();
        Diagnostic {
            severity: problem.severity,
            code: problem.code,
            message: problem.message,
            resource: problem.resource,
            pointer,
            position: Some(position),
            excerpt,
            help: problem.help,
            related,
        }
    }

    /// Where a resource was declared: its row, or the first line of its document that says something.
    pub fn declared_at(&mut self, source: &SourceRef) -> Position {
        if let Some(row) = source.row.filter(|row| self.is_csv(row.file)) {
            return self.position(row.file, row.start);
        }
        if source.row.is_none()
            && let Some(offset) = self.first_word(source)
        {
            return self.position(source.file, offset);
        }
        let (file, span) = self.span(source, &Target::Value(String::new()));
        self.position(file, span.start)
    }

    /// The first character that is neither blank, comment, directive nor document marker. `None` where that cannot be
    /// told from the line alone.
    fn first_word(&self, source: &SourceRef) -> Option<u32> {
        let text =
            self.files.get(source.file.0 as usize)?.text().get(source.start as usize..source.end as usize)?;
        let mut offset = source.start as usize;
        for line in text.split_inclusive('\n') {
            let words = line.trim_start_matches('\u{feff}').trim();
            if !words.is_empty() && !words.starts_with(['#', '%']) && words != "---" {
                let indent = line.len() - line.trim_start_matches(['\u{feff}', ' ']).len();
                return if words.starts_with("---") { None } else { u32::try_from(offset + indent).ok() };
            }
            offset += line.len();
        }
        None
    }

    /// Where a field of a resource is written, when the resource itself writes it.
    pub fn field_at(&mut self, source: &SourceRef, pointer: &str) -> Option<Position> {
        if let Some(row) = source.row {
            return self.field_of_row(source, row, pointer).or_else(|| {
                // What a row does not say, its set may.
                let of_the_set = pointer.starts_with("/metadata/labels/") || pointer == "/spec/template";
                if of_the_set { self.field_at(&SourceRef { row: None, ..*source }, pointer) } else { None }
            });
        }
        let document = self.document(source.file, *source)?;
        let located = document.locate(pointer)?;
        Some(self.position(source.file, located.value.start))
    }

    fn field_of_row(&mut self, source: &SourceRef, row: RowRef, pointer: &str) -> Option<Position> {
        if self.is_csv(row.file) {
            let column = self.csv_field(source, &Target::Value(pointer.to_owned()))?;
            let named = self.headers.get(&row.file)?.get(column.saturating_sub(1) as usize)?;
            if !csv::names(named, pointer) || !csv::cell_is_written(self.files, row, column) {
                return None;
            }
            let mut position = self.position(row.file, row.start);
            position.column = column;
            return Some(position);
        }
        let pointer = rows::pointer_in_row(pointer)?;
        let (file, prefix, source) = self.row_document(source, row);
        let document = self.document(file, source)?;
        let located = document.locate(&format!("{prefix}{pointer}"))?;
        Some(self.position(file, located.value.start))
    }

    fn position(&mut self, file: FileId, offset: u32) -> Position {
        let Some(source) = self.files.get(file.0 as usize) else {
            return Position::start_of("?");
        };
        let text = source.text();
        let lines = self.lines.entry(file).or_insert_with(|| LineIndex::new(text));
        let (line, column) = lines.position(text, offset);
        Position { file: source.path.as_str().into(), line, column }
    }

    fn span(&mut self, source: &SourceRef, target: &Target) -> (FileId, Span) {
        if let Target::Span(start, end) = target {
            let file = source.row.map_or(source.file, |row| row.file);
            return (file, Span { start: *start, end: *end });
        }
        let (pointer, key) = match target {
            Target::Key(pointer) => (pointer.as_str(), true),
            Target::Value(pointer) => (pointer.as_str(), false),
            Target::Span(..) => ("", false),
        };
        if let Some(row) = source.row {
            if self.is_csv(row.file) {
                return (row.file, Span { start: row.start, end: row.start });
            }
            let inner = rows::pointer_in_row(pointer).unwrap_or_default();
            let (file, prefix, whole) = self.row_document(source, row);
            return (file, self.locate(file, whole, &format!("{prefix}{inner}"), key));
        }
        (source.file, self.locate(source.file, *source, pointer, key))
    }

    fn locate(&mut self, file: FileId, source: SourceRef, pointer: &str, key: bool) -> Span {
        let fallback = Span { start: source.start, end: source.start };
        let Some(document) = self.document(file, source) else {
            return fallback;
        };
        match document.locate(pointer) {
            Some(located) if key => located.key.unwrap_or(located.value),
            Some(located) if pointer.is_empty() => {
                Span { start: located.value.start, end: located.value.start }
            }
            Some(located) => located.value,
            None => {
                let located = document.locate_nearest(pointer);
                let span = located.key.unwrap_or(located.value);
                if located.key.is_none() { Span { start: span.start, end: span.start } } else { span }
            }
        }
    }

    /// The document that holds a row, and the pointer to the row in it.
    fn row_document(&self, source: &SourceRef, row: RowRef) -> (FileId, String, SourceRef) {
        if row.file == source.file {
            return (
                source.file,
                format!("/spec/from/rows/{}", row.index),
                SourceRef { row: None, ..*source },
            );
        }
        let length = self.files.get(row.file.0 as usize).map_or(0, |file| file.bytes().len());
        let end = u32::try_from(length).unwrap_or(u32::MAX);
        (row.file, format!("/{}", row.index), SourceRef { file: row.file, start: 0, end, row: None })
    }

    fn document(&mut self, file: FileId, source: SourceRef) -> Option<&Document> {
        let cached = matches!(&self.parsed, Some((id, start, _)) if *id == file && *start == source.start);
        if !cached {
            let source_file = self.files.get(file.0 as usize)?;
            let text = source_file.text();
            let document = if is_json(&source_file.path) {
                yaml::parse_json(text, &Limits::default()).ok()
            } else {
                let range = source.start as usize..source.end as usize;
                yaml::parse(text, range.clone(), &Limits::default())
                    .unwrap_or_else(|errors| yaml::parse_despite(text, range, &errors))
            };
            self.parsed = Some((file, source.start, document));
        }
        self.parsed.as_ref().and_then(|(_, _, document)| document.as_ref())
    }

    fn is_csv(&self, file: FileId) -> bool {
        self.files.get(file.0 as usize).is_some_and(|file| csv::is_csv(&file.path))
    }

    /// The number of the CSV field that a problem is about.
    fn csv_field(&mut self, source: &SourceRef, target: &Target) -> Option<u32> {
        let row = source.row.filter(|row| self.is_csv(row.file))?;
        let pointer = match target {
            Target::Value(pointer) | Target::Key(pointer) => pointer.as_str(),
            Target::Span(..) => return None,
        };
        let files = self.files;
        let header = self.headers.entry(row.file).or_insert_with(|| csv::header_of(files, row.file));
        Some(csv::column_of(header, pointer))
    }

    fn excerpt(&mut self, file: FileId, span: Span, source: &SourceRef) -> Option<Excerpt> {
        let source_file = self.files.get(file.0 as usize)?;
        let text = source_file.text();
        let start = (span.start as usize).min(text.len());
        if !text.is_char_boundary(start) {
            return None;
        }
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line = text[line_start..line_end].trim_end_matches('\r');
        let hides = !csv::is_csv(&source_file.path) && self.hides_values(source);
        // A place may be the line end itself.
        let start = start.min(line_start + line.len());
        let end = (span.end as usize).clamp(start, line_start + line.len());
        let names_the_kind = ["kind:", "apiVersion:"].iter().any(|field| line.starts_with(field));
        let mut excerpt = Excerpt { line: line.to_owned(), start: start - line_start, end: end - line_start };
        if hides && !names_the_kind {
            hide_values(&mut excerpt);
        }
        shorten(&mut excerpt);
        Some(excerpt)
    }

    /// Whether lines of a document may show a secret: it names a kind that stands beside secrets, or none that does not.
    /// The name is looked for in the text, since the document may not have been parsed.
    fn hides_values(&mut self, source: &SourceRef) -> bool {
        let Some(file) = self.files.get(source.file.0 as usize) else {
            return true;
        };
        // A document may have thousands of problems, and is long then.
        if let Some((id, start, hides)) = self.hiding
            && (id, start) == (source.file, source.start)
        {
            return hides;
        }
        let text = file.text();
        let document = text.get(source.start as usize..source.end as usize).unwrap_or(text);
        let mentions = |hiding: bool| {
            crate::kinds::KINDS.iter().any(|kind| kind.hides_values == hiding && document.contains(kind.name))
        };
        let hides = mentions(true) || !mentions(false);
        self.hiding = Some((source.file, source.start, hides));
        hides
    }
}

/// Replaces what stands in backticks or double quotes with dots; a few characters of syntax may stay.
fn without_quotes(text: &str) -> String {
    let mut out = String::new();
    for (index, part) in text.split(['`', '"']).enumerate() {
        let shown = if index % 2 == 1 && part.len() > 3 { "•••" } else { part };
        if index > 0 {
            out.push('`');
        }
        out.push_str(shown);
    }
    out
}

/// Replaces what stands behind the first colon with dots.
fn hide_values(excerpt: &mut Excerpt) {
    let Some(colon) = excerpt.line.find(": ") else {
        if !excerpt.line.trim_end().ends_with(':') && !excerpt.line.trim_start().starts_with('#') {
            let indent = excerpt.line.len() - excerpt.line.trim_start().len();
            excerpt.line = format!("{}•••", &excerpt.line[..indent]);
            excerpt.start = indent;
            excerpt.end = excerpt.line.len();
        }
        return;
    };
    let kept = colon + 2;
    excerpt.line = format!("{}•••", &excerpt.line[..kept]);
    if excerpt.start >= kept {
        excerpt.start = kept;
        excerpt.end = excerpt.line.len();
    } else {
        excerpt.end = excerpt.end.min(colon).max(excerpt.start);
    }
}

/// Cuts a long line down to what is around the marked part.
fn shorten(excerpt: &mut Excerpt) {
    const WIDTH: usize = 160;
    if excerpt.line.len() <= WIDTH {
        return;
    }
    let floor = |line: &str, mut at: usize| {
        while !line.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let from = floor(&excerpt.line, excerpt.start.saturating_sub(WIDTH / 4));
    let to = floor(&excerpt.line, (from + WIDTH).min(excerpt.line.len()));
    let head = if from > 0 { "…" } else { "" };
    let tail = if to < excerpt.line.len() { "…" } else { "" };
    let start = excerpt.start - from + head.len();
    let end = excerpt.end.min(to) - from + head.len();
    *excerpt =
        Excerpt { line: format!("{head}{}{tail}", &excerpt.line[from..to]), start, end: end.max(start) };
}

/// Whether a file is read as strict JSON.
#[must_use]
pub fn is_json(path: &str) -> bool {
    std::path::Path::new(path).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_hidden(line: &str, start: usize, expected: &str) {
        let mut excerpt = Excerpt { line: line.to_owned(), start, end: line.len() };
        hide_values(&mut excerpt);
        assert_eq!(excerpt.line, expected);
        assert!(excerpt.line.is_char_boundary(excerpt.start) && excerpt.line.is_char_boundary(excerpt.end));
    }

    #[test]
    fn values_beside_secrets_are_dots() {
        check_hidden("  token: shpat_canary", 9, "  token: •••");
        check_hidden("  token: shpat_canary", 2, "  token: •••");
        check_hidden("  shpat_canary", 2, "  •••");
        check_hidden("  secretRef:", 2, "  secretRef:");
    }

    #[test]
    fn quoted_values_beside_secrets_are_dots() {
        assert_eq!(without_quotes("write \"0777_000\" in quotes"), "write `•••` in quotes");
        assert_eq!(without_quotes("expected `,` or `]`"), "expected `,` or `]`");
    }

    #[test]
    fn long_lines_keep_the_marked_part() {
        let line = format!("{}needle{}", "é".repeat(200), "x".repeat(200));
        let mut excerpt = Excerpt { start: 400, end: 406, line };
        shorten(&mut excerpt);
        assert_eq!(&excerpt.line[excerpt.start..excerpt.end], "needle");
        assert!(excerpt.line.len() < 180);
    }
}
