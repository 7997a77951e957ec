//! Results as text for people and JSON for programs: every function here takes values and returns strings.
//!
//! Nothing is printed and nothing about the terminal is found out here; the caller says in a [`Style`] what the reader's
//! terminal can do. Texts that come from a manifest, a file name or the database pass through [`clean`] before they reach
//! a person, so that none of them can send escape sequences to a terminal.

pub mod annotations;
pub mod ci;
pub mod clean;
pub mod codes;
pub mod diagnostics;
pub mod drift;
pub mod errors;
pub mod explained;
pub mod groups;
pub mod health;
pub mod history;
pub mod history_json;
pub mod json;
pub mod notice;
pub mod only;
pub mod paint;
pub mod pauses;
pub mod plan_json;
pub mod plan_markdown;
pub mod plan_text;
pub mod risk;
#[cfg(test)]
mod sample;
pub mod table;
pub mod time;
pub mod usage;
pub mod watch_status;

use serde_json::Value;

use crate::alerts::impact::Impact;
use crate::model::Diagnostic;

/// The JSON Schemas of what commands print, by the names of their files.
#[must_use]
pub fn schemas() -> [(String, Value); 5] {
    [
        ("health_report.schema.json".to_owned(), health::schema::schema()),
        ("plan.schema.json".to_owned(), plan_json::schema()),
        ("usage_report.schema.json".to_owned(), usage::schema::schema()),
        ("watch_status.schema.json".to_owned(), watch_status::schema()),
        ("webhook.schema.json".to_owned(), notice::schema::schema()),
    ]
}

/// What the reader's terminal can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether escape codes for colour are written. Without them everything is still said.
    pub color: bool,
    /// Columns that fit into a line.
    pub width: usize,
    /// Whether arrows and symbols outside ASCII are written. Values are shown as they are in either case.
    pub unicode: bool,
}

impl Style {
    /// No colour, 100 columns, symbols outside ASCII.
    #[must_use]
    pub const fn plain() -> Self {
        Self { color: false, width: 100, unicode: true }
    }

    /// The arrow between two values.
    #[must_use]
    pub const fn arrow(&self) -> &'static str {
        if self.unicode { "→" } else { "->" }
    }

    /// The mark of something left out.
    #[must_use]
    pub const fn ellipsis(&self) -> &'static str {
        if self.unicode { "…" } else { "..." }
    }
}

impl Default for Style {
    fn default() -> Self {
        Self::plain()
    }
}

/// What a reader of a plan wants to know besides the plan.
#[derive(Clone, Debug, Default)]
pub struct PlanContext {
    /// The project.
    pub project: String,
    /// The database, as it may be shown: without a password.
    pub database: String,
    /// The commit of the manifests, where known.
    pub git_commit: Option<String>,
    /// The last operation on record in the database, where known.
    pub state_revision: Option<i64>,
    /// What else is worth saying, one line each.
    pub notices: Vec<String>,
    /// Warnings about the manifests.
    pub diagnostics: Vec<Diagnostic>,
    /// What it would do to alerts; `None` where it changes nothing they depend on.
    pub impact: Option<Impact>,
}
