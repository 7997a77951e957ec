//! Where one document of a stream ends and the next begins.
//!
//! YAML forbids `---` and `...` at the start of a line inside of any scalar, so documents can be told apart without parsing.
//! That keeps a syntax error inside its document, bounds memory, and lets threads share a file.

use std::ops::Range;

use super::BOM;

/// The slices of `text` that hold one document each, in order; together they cover all of it but a leading byte order mark.
/// Directives and comments before a `---` belong to the document that follows, all else to the document before. A slice may
/// turn out to hold nothing ([`super::parse`] says `Ok(None)`).
#[must_use]
pub fn split(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut start = if text.starts_with(BOM) { BOM.len() } else { 0 };
    let first = start;
    let mut documents = Vec::new();
    // Before the first `---` and after a `...`, directives may come, and a `---` begins the document they belong to.
    let mut in_prefix = true;
    // A marker is three equal bytes, so every third byte is enough to find it.
    let mut at = first + 2;
    while let Some(byte) = bytes.get(at) {
        let found = if *byte == b'-' || *byte == b'.' { marker_around(bytes, at, first) } else { None };
        let Some(marker) = found else {
            at += 3;
            continue;
        };
        at = marker + 5;
        if *byte == b'-' {
            if !in_prefix || !text.get(start..marker).is_some_and(is_prefix) {
                push(&mut documents, start..marker);
                start = marker;
            }
            in_prefix = false;
        } else {
            let end = line_end(bytes, marker);
            push(&mut documents, start..end);
            start = end;
            at = at.max(end + 2);
            in_prefix = true;
        }
    }
    push(&mut documents, start..text.len());
    documents
}

fn push(documents: &mut Vec<Range<usize>>, range: Range<usize>) {
    if !range.is_empty() {
        documents.push(range);
    }
}

/// The start of the marker that covers the byte at `at`, if there is one.
fn marker_around(bytes: &[u8], at: usize, first: usize) -> Option<usize> {
    (at.saturating_sub(2).max(first)..=at).find(|start| {
        let line_start = *start == first || matches!(bytes.get(start - 1), Some(b'\n' | b'\r'));
        line_start && is_marker(&bytes[*start..])
    })
}

/// Whether a line that starts here is `---` or `...`, alone or followed by white space.
pub(super) fn is_marker(line: &[u8]) -> bool {
    matches!(line, [b'-', b'-', b'-', rest @ ..] | [b'.', b'.', b'.', rest @ ..]
        if matches!(rest.first(), None | Some(b' ' | b'\t' | b'\n' | b'\r')))
}

/// The offset after the line break that ends the line of `at`.
fn line_end(bytes: &[u8], at: usize) -> usize {
    match bytes[at..].iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        None => bytes.len(),
        Some(width) if bytes[at + width] == b'\r' && bytes.get(at + width + 1) == Some(&b'\n') => {
            at + width + 2
        }
        Some(width) => at + width + 1,
    }
}

/// Only blank lines, comments and directives.
fn is_prefix(text: &str) -> bool {
    lines(text).all(|line| line.starts_with('%') || is_empty_line(line))
}

/// Only blank lines, comments and document markers. So a stray `---` at the end of a file, or between two others, declares
/// nothing; YAML proper makes it a null.
pub(super) fn is_blank(text: &str) -> bool {
    lines(text).all(|line| is_empty_line(if is_marker(line.as_bytes()) { &line[3..] } else { line }))
}

fn is_empty_line(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '\t']);
    line.is_empty() || line.starts_with('#')
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.strip_prefix(BOM).unwrap_or(text).split(['\n', '\r'])
}
