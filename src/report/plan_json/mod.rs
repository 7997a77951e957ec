//! A plan for programs: one documented, versioned document.
//!
//! Within format 1 members are only added, never changed or removed; a reader ignores what it does not know. Changes are
//! listed with what deserves the closest look first, not in the order of execution.

mod document;
mod schema;
#[cfg(test)]
mod tests;

use std::io;

use serde_json::{Map, Value, json};

use crate::plan::Plan;

use super::PlanContext;

pub use schema::schema;

/// The version of the format.
pub const FORMAT_VERSION: &str = "1.0";

/// The plan as one value. For a large plan [`write_json`] needs far less memory.
#[must_use]
pub fn json(plan: &Plan, context: &PlanContext) -> Value {
    // Every key is a text and every number finite, so this does not fail.
    serde_json::to_value(document::Document::new(plan, context)).unwrap_or_default()
}

/// Writes the plan, pretty-printed with two spaces, resource by resource, in many small pieces: hand it a buffered writer.
///
/// # Errors
/// What the writer returns.
pub fn write_json(plan: &Plan, context: &PlanContext, out: &mut impl io::Write) -> io::Result<()> {
    super::json::write(&document::Document::new(plan, context), out)
}

/// The document in place of a plan when none could be made: no digest and no summary, the problems of the context, and
/// the error, as [`super::errors::json`] makes it, when something else than the manifests is to blame.
#[must_use]
pub fn failure(context: &PlanContext, error: Option<Value>) -> Value {
    let mut failed = Map::new();
    failed.insert("format_version".into(), json!(FORMAT_VERSION));
    failed.insert("digest".into(), Value::Null);
    failed.insert("base".into(), document::base(&context.project, context));
    failed.insert("summary".into(), Value::Null);
    for list in ["changes", "undeclared", "refusals"] {
        failed.insert(list.into(), json!([]));
    }
    failed.insert("notices".into(), json!(context.notices));
    failed.insert("diagnostics".into(), super::diagnostics::json(&context.diagnostics));
    if let Some(error) = error {
        failed.insert("error".into(), error);
    }
    Value::Object(failed)
}
