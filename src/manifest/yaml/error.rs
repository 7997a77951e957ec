//! What can be wrong with a text, as a closed list with stable codes.

use std::fmt;

use super::Span;

/// The rule that a text breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum YamlErrorKind {
    /// Not YAML (or not JSON) at all.
    Syntax,
    /// A mapping has the same key twice.
    DuplicateKey,
    /// Aliases expand to more than [`super::Limits`] allows, or to themselves.
    AliasBudget,
    /// Collections are nested deeper than [`super::Limits::max_depth`].
    Depth,
    /// More nodes than [`super::Limits::max_nodes`].
    Nodes,
    /// An unquoted `yes`, `no`, `on` or `off`: text in YAML 1.2, a boolean in YAML 1.1.
    AmbiguousBoolean,
    /// An unquoted number that YAML 1.1 and 1.2 read differently: `0123`, `1_000`, `12:30`.
    AmbiguousNumber,
    /// A number that neither a 64-bit integer nor a finite double holds.
    NumberRange,
    /// `.nan` or `.inf`, which JSON and the database cannot hold.
    NotANumber,
    /// A tab where YAML wants spaces.
    TabIndent,
    /// A mapping key that is not text.
    NonStringKey,
    /// The merge key `<<`.
    MergeKey,
    /// A tag that is not of the core schema, or does not fit its value.
    Tag,
    /// An alias whose anchor is not defined before it.
    UnknownAnchor,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// A control character that must be written as an escape.
    Control,
    /// The text is 4 GiB or larger.
    TooLarge,
}

impl YamlErrorKind {
    /// A stable name, for machine-readable output.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::DuplicateKey => "duplicate-key",
            Self::AliasBudget => "alias-budget",
            Self::Depth => "depth",
            Self::Nodes => "nodes",
            Self::AmbiguousBoolean => "ambiguous-boolean",
            Self::AmbiguousNumber => "ambiguous-number",
            Self::NumberRange => "number-range",
            Self::NotANumber => "not-a-number",
            Self::TabIndent => "tab-indent",
            Self::NonStringKey => "non-string-key",
            Self::MergeKey => "merge-key",
            Self::Tag => "tag",
            Self::UnknownAnchor => "unknown-anchor",
            Self::InvalidUtf8 => "invalid-utf8",
            Self::Control => "control-character",
            Self::TooLarge => "too-large",
        }
    }
}

/// One problem, with its place. The message quotes keys and at most a short scalar, never a whole value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    /// The rule that is broken.
    pub kind: YamlErrorKind,
    /// What is wrong, without the place.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Where it is.
    pub span: Span,
    /// A second place that explains the first, with its label: the earlier of two equal keys, the bracket that is not closed.
    pub related: Option<(Span, String)>,
}

impl YamlError {
    pub(super) fn new(kind: YamlErrorKind, span: Span, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), help: None, span, related: None }
    }

    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn with_related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related = Some((span, label.into()));
        self
    }
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for YamlError {}

/// The two ways to say that a key is there twice must not drift apart between YAML and JSON.
pub(super) fn duplicate_key(key: &str, again: Span, first: Span) -> YamlError {
    YamlError::new(YamlErrorKind::DuplicateKey, again, format!("the key `{}` is already there", excerpt(key)))
        .with_help("keep one of the two")
        .with_related(first, "first written here")
}

pub(super) fn too_deep(limit: usize, span: Span) -> YamlError {
    YamlError::new(YamlErrorKind::Depth, span, format!("nested more than {limit} levels deep"))
}

pub(super) fn too_many_nodes(limit: usize, span: Span) -> YamlError {
    YamlError::new(YamlErrorKind::Nodes, span, format!("more than {limit} values in one document"))
        .with_help("divide it into several documents")
}

/// At most 40 characters of `text`, on one line.
pub(super) fn excerpt(text: &str) -> String {
    let mut out: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        out.push('…');
    }
    out
}
