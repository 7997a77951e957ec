//! A problem in a manifest, with everything a person needs: where, what, why, and what to do.
//!
//! Diagnostics are collected, never thrown one at a time, and rendered by `crate::report`.

use serde::Serialize;

use super::position::Position;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is planned or written while one of these is there.
    Error,
    /// Worth a look; does not stop anything.
    Warning,
}

/// The source line under a diagnostic, and which part of it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The whole line, without its line end; values are dots where they might be secrets.
    pub line: String,
    /// First byte of the marked part within the line.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// Rule code, such as `SX0102`; `synthex explain SX0102` says more.
    pub code: &'static str,
    /// One line: what is wrong.
    pub message: String,
    /// The resource it is about, as a key, where known.
    pub resource: Option<String>,
    /// The field it is about, as a JSON pointer from the document's root, where known.
    pub pointer: Option<String>,
    /// Where.
    pub position: Option<Position>,
    /// The line there.
    pub excerpt: Option<Excerpt>,
    /// What to do.
    pub help: Option<String>,
    /// Other places that belong to the problem: "first declared here".
    pub related: Vec<(Position, String)>,
}

impl Diagnostic {
    /// An error without a place yet.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            resource: None,
            pointer: None,
            position: None,
            excerpt: None,
            help: None,
            related: Vec::new(),
        }
    }

    /// A warning without a place yet.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the place.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn related(mut self, position: Position, note: impl Into<String>) -> Self {
        self.related.push((position, note.into()));
        self
    }

    /// Adds the resource.
    #[must_use]
    pub fn about(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }
}

/// Brings diagnostics into the order in which they are shown: by file and place, then code and message; exact
/// repetitions are dropped.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|left, right| {
        (&left.position, left.severity, left.code, &left.message).cmp(&(
            &right.position,
            right.severity,
            right.code,
            &right.message,
        ))
    });
    diagnostics.dedup();
}

/// Whether any of them stops the work.
#[must_use]
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// The candidate most like a mistyped word, for "did you mean": close by Damerau-Levenshtein relative to its length.
#[must_use]
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| {
            (*distance <= 1.max(candidate.chars().count().max(word.chars().count()) / 3)
                && *distance < word.chars().count())
                || (lower.len() >= 3 && candidate.to_lowercase().starts_with(&lower))
        })
        .min_by_key(|(distance, candidate)| (*distance, *candidate))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_offered_and_far_ones_are_not() {
        let fields = ["displayName", "labels", "market", "region"];
        assert_eq!(did_you_mean("lables", fields), Some("labels"));
        assert_eq!(did_you_mean("displayname", fields), Some("displayName"));
        assert_eq!(did_you_mean("zzz", fields), None);
        assert_eq!(did_you_mean("b", ["a"]), None);
        assert_eq!(did_you_mean("AU-SE9", ["AU-SE1", "NZ-NR1"]), Some("AU-SE1"));
    }
}
