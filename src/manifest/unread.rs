//! What documents that could not be read may declare, so that one syntax error is not followed by a thousand complaints
//! about resources that "are not there".
//!
//! Nothing is guessed about such a document's structure: a name that stands anywhere in its text counts as declared.

use std::collections::HashSet;
use std::sync::Arc;

use crate::model::SourceFile;

use super::csv;
use super::problem::{Problem, Target};

/// The words, in the alphabet of names, of every document and row file that could not be read.
#[must_use]
pub fn words(files: &[Arc<SourceFile>], problems: &[Problem]) -> HashSet<String> {
    let mut seen = HashSet::new();
    let mut words = HashSet::new();
    for problem in problems {
        let source = &problem.source;
        let Some(file) =
            source.row.map_or(Some(source.file), |row| unread_rows(files, problem).then_some(row.file))
        else {
            continue;
        };
        let range = match (source.row, &problem.target) {
            // Of a table only a row was not understood.
            (Some(_), Target::Span(start, end)) if problem.code == "SX0402" => *start..*end,
            (Some(_), _) => 0..u32::MAX,
            (None, _) => source.start..source.end,
        };
        if (source.row.is_none() && !unread_document(problem)) || !seen.insert((file, range.start)) {
            continue;
        }
        let Some(file) = files.get(file.0 as usize) else { continue };
        let end = (range.end as usize).min(file.bytes().len());
        let text = String::from_utf8_lossy(file.bytes().get(range.start as usize..end).unwrap_or_default());
        let is_name =
            |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
        words.extend(
            text.split(|character| !is_name(character)).filter(|word| !word.is_empty()).map(str::to_owned),
        );
    }
    words
}

/// The codes up to here mean that a document's text or envelope was not understood.
fn unread_document(problem: &Problem) -> bool {
    problem.code < "SX0153"
}

/// Whether a problem keeps the rows of a whole file from being read. A problem of one CSV row does not.
fn unread_rows(files: &[Arc<SourceFile>], problem: &Problem) -> bool {
    let Some(row) = problem.source.row.filter(|row| row.file != problem.source.file) else { return false };
    let is_table = files.get(row.file.0 as usize).is_some_and(|file| csv::is_csv(&file.path));
    !is_table || unread_document(problem) || problem.code.starts_with("SX04")
}
