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

use crate::plan::{Action, Plan};

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
    /// With fewer, threads cost more than they bring.
    const WORTH_THREADS: usize = 1_024;
    /// How many changes are in memory as text at a time, of each thread.
    const PART: usize = 1_024;
    let document = document::Document::new(plan, context);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if plan.actions.len() < WORTH_THREADS || threads == 1 {
        return super::json::write(&document, out);
    }
    // Within a text a line break is written as `\n`, so this is nowhere else.
    let around = super::json::text(&document.without_changes());
    let Some((head, tail)) = around.split_once("\n  \"changes\": []") else {
        return super::json::write(&document, out);
    };
    out.write_all(head.as_bytes())?;
    out.write_all(b"\n  \"changes\": [")?;
    let mut separator = "\n    ";
    for parts in document.changes().chunks(PART * threads) {
        for text in texts(parts, PART) {
            out.write_all(separator.as_bytes())?;
            out.write_all(&text)?;
            separator = ",\n    ";
        }
    }
    out.write_all(b"\n  ]")?;
    out.write_all(tail.as_bytes())
}

/// Changes as text, in their order, made by a thread for each so many.
fn texts(changes: &[&Action], part: usize) -> Vec<Vec<u8>> {
    let make = |changes: &[&Action]| -> Vec<Vec<u8>> {
        changes.iter().map(|action| super::json::nested(&document::Change(action), 2)).collect()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            changes.chunks(part).map(|part| (part, scope.spawn(move || make(part)))).collect();
        // What a thread did not finish is done here.
        threads.into_iter().flat_map(|(part, thread)| thread.join().unwrap_or_else(|_| make(part))).collect()
    })
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
