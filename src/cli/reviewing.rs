//! What is said of manifests of monitoring that are valid one by one, with the places where they stand.

use chrono::{DateTime, Utc};

use crate::alerts::review;
use crate::manifest::Catalog;
use crate::manifest::load::resolve;
use crate::manifest::problem::{Problem, Target};
use crate::model::Diagnostic;

/// Warnings and errors, in the order in which they are shown.
#[must_use]
pub fn diagnostics(catalog: &Catalog, now: DateTime<Utc>, is_whole: bool) -> Vec<Diagnostic> {
    let remarks = review::review(&catalog.entries, now, is_whole);
    let problems = remarks.into_iter().map(|remark| {
        let target = Target::Value(format!("/spec{}", remark.pointer));
        let problem = Problem::error(remark.code, remark.entry.source, target, remark.what);
        Problem { severity: remark.severity, ..problem.help(remark.help).about(&remark.entry.key) }
    });
    let problems: Vec<Problem> = problems.collect();
    if problems.is_empty() { Vec::new() } else { resolve(&catalog.files, problems) }
}
