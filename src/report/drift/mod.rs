//! Drift, for people, programs and issues. Like plans, nothing here reads a clock: ages are counted from a time that is
//! given, and JSON and Markdown hold none at all.

mod human;
mod json;
mod markdown;
#[cfg(test)]
mod tests;

pub use human::human;
pub use json::json;
pub use markdown::{issue, markdown};

use crate::plan::drift::Drift;

/// Drift, and what a reader wants to know with it.
#[derive(Clone, Debug, Default)]
pub struct DriftReport {
    /// The project whose applies were compared with.
    pub project: String,
    /// The database, as it may be shown: without a password.
    pub database: String,
    /// Whether every row was read.
    pub full: bool,
    /// What was found.
    pub drift: Drift,
    /// What else is worth saying, one line each.
    pub notices: Vec<String>,
}

/// `2 resources`.
fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// `1 changed, 2 removed`; empty where there is none.
fn summary(drift: &Drift) -> String {
    use crate::plan::drift::Happened;
    let words = |happened: Happened| match happened {
        Happened::Changed => "changed",
        Happened::Removed => "removed by hand",
        Happened::Made => "made by hand",
        Happened::Restored => "restored by hand",
    };
    let parts = Happened::ALL.into_iter().map(|happened| (drift.count(happened), words(happened)));
    let parts: Vec<String> =
        parts.filter(|(count, _)| *count > 0).map(|(count, words)| format!("{count} {words}")).collect();
    parts.join(", ")
}
