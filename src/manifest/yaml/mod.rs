//! Reads YAML and JSON text into JSON values that remember where every node was written.
//!
//! Why not a ready-made deserializer: each diagnostic must name `file:line:col`, all problems of a file must be reported at
//! once, input must be bounded (depth, nodes, alias expansion), and reading is the largest cost of a plan. So this module
//! drives an event parser, applies the YAML 1.2 core schema itself, and refuses the scalars that YAML 1.1 and 1.2 tools read
//! differently. A document made of plain block mappings, as nearly all manifests are, does not even need the event parser:
//! `simple` reads it directly and hands over to the event parser whenever it is not certain.
//!
//! It does not know what a manifest is, reads no file and prints nothing. The steps are [`decode`], [`split`], then
//! [`parse`] for each document (in any order, on any thread), or [`parse_json`] for a JSON file; [`LineIndex`] turns the
//! byte offsets into lines and columns.

mod anchors;
mod build;
mod document;
mod error;
mod flow;
mod json;
mod keys;
mod lines;
mod scalar;
mod simple;
mod simple_scalar;
mod split;
mod syntax;
mod tags;
mod tree;

#[cfg(test)]
mod tests;

use std::ops::Range;

pub use document::{Document, Located};
pub use error::{YamlError, YamlErrorKind};
pub use json::parse_json;
pub use lines::LineIndex;
pub use split::split;
pub use tree::Tree;

/// A byte range in the text of the whole file, whichever document of it was parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte; equal to `start` for something that is not written down, like an omitted value.
    pub end: u32,
}

impl Span {
    /// The range as indexes, for slicing the source.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(crate) fn new(start: usize, end: usize) -> Self {
        // Texts over 4 GiB are refused before any span is made, so saturation never shows.
        Self { start: u32::try_from(start).unwrap_or(u32::MAX), end: u32::try_from(end).unwrap_or(u32::MAX) }
    }
}

/// What one document may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nested collections, counted after aliases are expanded.
    pub max_depth: usize,
    /// Nodes (mappings, sequences and scalars, not keys) of a document.
    pub max_nodes: usize,
    /// Nodes that aliases of a document may expand to, all together.
    pub max_alias_nodes: usize,
    /// Bytes of text that aliases of a document may copy, all together.
    pub max_alias_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_depth: 64, max_nodes: 1_000_000, max_alias_nodes: 10_000, max_alias_bytes: 4 << 20 }
    }
}

/// At most this many problems are reported for one document; a file that is wrong everywhere is not more useful in full.
const MAX_PROBLEMS: usize = 100;

const BOM: &str = "\u{feff}";

/// The text of a file, when it is UTF-8. A leading byte order mark is kept, so that spans stay offsets into `bytes`;
/// [`split`], [`parse`] and [`parse_json`] skip it.
///
/// # Errors
/// [`YamlErrorKind::InvalidUtf8`] at the first wrong byte (UTF-16 and UTF-32 are recognised and named), and
/// [`YamlErrorKind::TooLarge`] for 4 GiB and more.
pub fn decode(bytes: &[u8]) -> Result<&str, YamlError> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(too_large());
    }
    let utf16 = match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 0x20..=0x7e, ..] | [0x20..=0x7e, 0, ..] => Some("UTF-16"),
        _ => None,
    };
    if let Some(name) = utf16 {
        let error = YamlError::new(
            YamlErrorKind::InvalidUtf8,
            Span::new(0, bytes.len().min(2)),
            format!("this file is {name}, not UTF-8"),
        );
        return Err(error.with_help("save it as UTF-8"));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let width = error.error_len().unwrap_or(bytes.len() - at);
        let message = format!("byte 0x{:02x} is not UTF-8", bytes.get(at).copied().unwrap_or_default());
        YamlError::new(YamlErrorKind::InvalidUtf8, Span::new(at, at + width), message)
            .with_help("save the file as UTF-8")
    })
}

/// Reads the document that `range` of `text` holds; `range` comes from [`split`].
///
/// `Ok(None)` means that there is nothing in it but blank lines, comments and `---`. `key:` with no value is a null.
///
/// # Errors
/// Every problem found, in the order of the text; a syntax error is the last one, because nothing after it can be trusted.
pub fn parse(text: &str, range: Range<usize>, limits: &Limits) -> Result<Option<Document>, Vec<YamlError>> {
    if u32::try_from(text.len()).is_err() {
        return Err(vec![too_large()]);
    }
    let base = range.start;
    let Some(slice) = text.get(range) else {
        return Err(vec![YamlError::new(
            YamlErrorKind::Syntax,
            Span::default(),
            "the document lies outside of the text",
        )]);
    };
    let (base, slice) = slice.strip_prefix(BOM).map_or((base, slice), |rest| (base + BOM.len(), rest));
    if split::is_blank(slice) {
        return Ok(None);
    }
    if let Some(document) = simple::parse(slice, base, limits) {
        return Ok(Some(document));
    }
    parse_events(slice, base, limits).map(Some)
}

/// A document that [`parse`] refused, where all that is wrong with it are single values, so that the rest of it can be
/// checked as well. The values that were refused are replaced by text.
#[must_use]
pub fn parse_despite(text: &str, range: Range<usize>, errors: &[YamlError]) -> Option<Document> {
    let of_a_value = |error: &YamlError| {
        matches!(
            error.kind,
            YamlErrorKind::AmbiguousBoolean
                | YamlErrorKind::AmbiguousNumber
                | YamlErrorKind::NumberRange
                | YamlErrorKind::NotANumber
                | YamlErrorKind::DuplicateKey
        )
    };
    if errors.len() >= MAX_PROBLEMS || !errors.iter().all(of_a_value) {
        return None;
    }
    let base = range.start;
    let slice = text.get(range)?;
    let (base, slice) = slice.strip_prefix(BOM).map_or((base, slice), |rest| (base + BOM.len(), rest));
    build::build_despite(slice, base, &Limits::default()).0
}

/// The whole of YAML, through the event parser.
fn parse_events(slice: &str, base: usize, limits: &Limits) -> Result<Document, Vec<YamlError>> {
    if let Some(error) = syntax::control_character(slice, base) {
        return Err(vec![error]);
    }
    build::build(slice, base, limits).map_err(|mut errors| {
        // Once the budget is spent, every further alias is over it: one of them says it all.
        let mut told = false;
        errors.retain(|error| {
            let over = error.kind == YamlErrorKind::AliasBudget && error.help.is_some();
            !over || !std::mem::replace(&mut told, true)
        });
        errors
    })
}

fn too_large() -> YamlError {
    YamlError::new(YamlErrorKind::TooLarge, Span::default(), "the file is 4 GiB or larger")
}
