//! Syntax errors of the YAML parser in words a manifest's author can act on.

use granit_parser::{ErrorKind, ScanError};

use super::error::too_deep;
use super::{Limits, Span, YamlError, YamlErrorKind};

/// The first character that YAML does not allow unescaped, anywhere.
pub(super) fn control_character(slice: &str, base: usize) -> Option<YamlError> {
    let suspicious = |byte: &u8| {
        (*byte < 0x20 && !matches!(*byte, b'\t' | b'\n' | b'\r')) || matches!(*byte, 0x7f | 0xc2 | 0xef)
    };
    let first = slice.bytes().position(|byte| suspicious(&byte))?;
    let forbidden = |character: char| match character {
        '\t' | '\n' | '\r' | '\u{85}' => false,
        '\u{fffe}' | '\u{ffff}' => true,
        _ => character.is_control(),
    };
    // A character that begins with one of the suspicious bytes begins at it, so `first` is a boundary.
    let (at, character) = slice.get(first..)?.char_indices().find(|(_, character)| forbidden(*character))?;
    let start = base + first + at;
    let message = format!("the control character U+{:04X} is not allowed", character as u32);
    let error =
        YamlError::new(YamlErrorKind::Control, Span::new(start, start + character.len_utf8()), message);
    Some(error.with_help("write it as an escape in double quotes, like \"\\u0000\", or remove it"))
}

/// Turns the parser's error into ours.
pub(super) fn describe(error: &ScanError, slice: &str, base: usize, limits: &Limits) -> YamlError {
    let at = error.marker().byte_offset().unwrap_or_default().min(slice.len());
    let span = one_character(slice, base, at);
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return too_deep(limits.max_depth, span);
    }
    if let Some(tab) = tab_in_indentation(error.kind(), slice, at) {
        let message = "a tab cannot be used for indentation in YAML";
        return YamlError::new(YamlErrorKind::TabIndent, one_character(slice, base, tab), message)
            .with_help("indent with spaces");
    }
    let (message, help) = explain(error.kind());
    let message = message.map_or_else(|| error.kind().to_string(), str::to_owned);
    let problem = YamlError::new(YamlErrorKind::Syntax, span, message);
    match help {
        Some(help) => problem.with_help(help),
        None => problem,
    }
}

/// The tab to blame: where the parser found it, or at the start of the line it stumbled over.
fn tab_in_indentation(kind: &ErrorKind, slice: &str, at: usize) -> Option<usize> {
    let bytes = slice.as_bytes();
    let line = bytes[..at].iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).map_or(0, |end| end + 1);
    let indent = bytes[line..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let first = bytes[line..line + indent].iter().position(|byte| *byte == b'\t').map(|tab| line + tab);
    if matches!(kind, ErrorKind::TabInPlainScalar | ErrorKind::TabAtBlockScalarStart) {
        // The parser points at the scalar's start; the tab is in a later line.
        return bytes[at..].iter().position(|byte| *byte == b'\t').map(|tab| at + tab);
    }
    let named = matches!(
        kind,
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation
    );
    if named {
        let here = (bytes.get(at) == Some(&b'\t')).then_some(at);
        return Some(here.or(first).unwrap_or(at));
    }
    let stumbled =
        !matches!(kind, ErrorKind::UnclosedQuotedScalar | ErrorKind::UnclosedFlowCollection { .. });
    first.filter(|_| stumbled)
}

/// A clearer message and an advice for what people get wrong most.
fn explain(kind: &ErrorKind) -> (Option<&'static str>, Option<&'static str>) {
    match kind {
        ErrorKind::MappingValueNotAllowed => (
            Some("a `: ` cannot stand here"),
            Some("quote the value if the colon is part of it, or check the indentation"),
        ),
        ErrorKind::UnclosedQuotedScalar => (Some("this quote is not closed"), None),
        ErrorKind::UnexpectedCharacter { .. } => {
            (None, Some("a value cannot begin with this character; quote it"))
        }
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => (
            Some("a `:` is missing after this key"),
            Some("write `key: value`; text over several lines is quoted, or begins with `|`"),
        ),
        ErrorKind::ExpectedBlockMappingKey => (
            Some("a key was expected here"),
            Some("check the indentation: keys of one mapping stand in one column"),
        ),
        ErrorKind::ExpectedBlockSequenceEntry => (
            Some("an item was expected here"),
            Some("check the indentation: the `-` of one sequence stand in one column"),
        ),
        ErrorKind::BlockSequenceEntryNotAllowed => (
            Some("a sequence cannot begin here"),
            Some("put the first `-` on a line of its own, or quote the text"),
        ),
        ErrorKind::ExpectedFlowMappingSeparator => (Some("a `,` or `}` was expected here"), None),
        ErrorKind::ExpectedFlowSequenceSeparator => (Some("a `,` or `]` was expected here"), None),
        ErrorKind::UnknownQuotedScalarEscape => (
            Some("this escape does not exist in YAML"),
            Some("write `\\\\` for a backslash, or use single quotes"),
        ),
        ErrorKind::UndeclaredTagHandle => (Some("the tag's handle is not declared"), None),
        ErrorKind::MissingDocumentEndBeforeDirective => {
            (None, Some("a line that begins with `%` is a directive; quote or indent it if it is text"))
        }
        ErrorKind::BomInsideDocument => (
            Some("there is a byte order mark (U+FEFF) inside of the document"),
            Some("remove it; it is invisible in most editors"),
        ),
        _ => (None, None),
    }
}

fn one_character(slice: &str, base: usize, at: usize) -> Span {
    let width = slice.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    Span::new(base + at, base + at + width)
}
