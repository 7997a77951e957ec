//! Problems as SARIF 2.1.0, which code-scanning services read.

use serde_json::{Value, json};

use crate::model::{Diagnostic, Position, Severity};
use crate::report::codes;

/// One run with its results. `version` is the program's.
#[must_use]
pub fn sarif(diagnostics: &[Diagnostic], version: &str) -> Value {
    let mut used: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    used.sort_unstable();
    used.dedup();
    let rules: Vec<Value> = used.iter().map(|code| rule(code)).collect();
    let results: Vec<Value> = diagnostics.iter().map(|diagnostic| result(diagnostic, &used)).collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "synthex", "version": version, "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: &str) -> Value {
    match codes::find(code) {
        Some(rule) => json!({
            "id": code,
            "shortDescription": {"text": rule.title},
            "fullDescription": {"text": rule.text},
        }),
        None => json!({"id": code}),
    }
}

fn result(diagnostic: &Diagnostic, used: &[&str]) -> Value {
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let text = match &diagnostic.help {
        Some(help) => format!("{}\nhelp: {help}", diagnostic.message),
        None => diagnostic.message.clone(),
    };
    let mut result = json!({
        "ruleId": diagnostic.code,
        "ruleIndex": used.binary_search(&diagnostic.code).unwrap_or_default(),
        "level": level,
        "message": {"text": text},
    });
    if let Some(position) = &diagnostic.position {
        let mut location = json!({"physicalLocation": physical(position)});
        if let Some(resource) = &diagnostic.resource {
            location["logicalLocations"] = json!([{"fullyQualifiedName": resource}]);
        }
        result["locations"] = json!([location]);
    }
    let related: Vec<Value> = diagnostic
        .related
        .iter()
        .map(|(position, note)| json!({"physicalLocation": physical(position), "message": {"text": note}}))
        .collect();
    if !related.is_empty() {
        result["relatedLocations"] = json!(related);
    }
    result
}

fn physical(position: &Position) -> Value {
    // The column of a CSV file is a field's number, which SARIF cannot say.
    let region = if super::text::is_csv(&position.file) {
        json!({"startLine": position.line})
    } else {
        json!({"startLine": position.line, "startColumn": position.column})
    };
    json!({"artifactLocation": {"uri": uri(&position.file)}, "region": region})
}

/// A path as a URI reference: what RFC 3986 does not allow in a path is percent-encoded.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=@".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}
