//! Problems as a list of objects. Every member is always there; what is not known is null.

use serde_json::{Value, json};

use crate::model::{Diagnostic, Position};

/// The problems, in the order given.
#[must_use]
pub fn json(diagnostics: &[Diagnostic]) -> Value {
    diagnostics.iter().map(one).collect()
}

fn one(diagnostic: &Diagnostic) -> Value {
    let Diagnostic { severity, code, message, resource, pointer, position, excerpt: _, help, related } =
        diagnostic;
    let related: Vec<Value> = related
        .iter()
        .map(|(Position { file, line, column }, note)| {
            json!({"file": &**file, "line": line, "column": column, "note": note})
        })
        .collect();
    json!({
        "severity": severity,
        "code": code,
        "message": message,
        "resource": resource,
        "pointer": pointer,
        "file": position.as_ref().map(|position| &*position.file),
        "line": position.as_ref().map(|position| position.line),
        "column": position.as_ref().map(|position| position.column),
        "help": help,
        "related": related,
    })
}
