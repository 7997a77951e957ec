//! A problem on its way to becoming a diagnostic: it knows the document and the field, not yet the line.

use crate::model::{Severity, SourceRef};

/// Which part of a document is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The value at a JSON pointer from the document's root.
    Value(String),
    /// The key of the entry at a JSON pointer.
    Key(String),
    /// A byte range of the file.
    Span(u32, u32),
}

/// A problem in a document.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// Rule code.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// The resource, as a key.
    pub resource: Option<String>,
    /// The document.
    pub source: SourceRef,
    /// The part of it.
    pub target: Target,
    /// Other documents that belong to the problem.
    pub related: Vec<(SourceRef, Target, String)>,
}

impl Problem {
    /// An error.
    pub fn error(code: &'static str, source: SourceRef, target: Target, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            help: None,
            resource: None,
            source,
            target,
            related: Vec::new(),
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the resource.
    #[must_use]
    pub fn about(mut self, resource: &impl ToString) -> Self {
        self.resource = Some(resource.to_string());
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn related(mut self, source: SourceRef, target: Target, note: impl Into<String>) -> Self {
        self.related.push((source, target, note.into()));
        self
    }
}
