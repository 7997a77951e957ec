//! Drift as JSON. The same drift gives the same document.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::plan::drift::{Drifted, DriftedField, Happened};

use super::DriftReport;

/// The document; `docs/drift-and-ownership.md` describes it.
#[must_use]
pub fn json(report: &DriftReport) -> Value {
    let drift = &report.drift;
    json!({
        "format_version": "1.0",
        "project": report.project,
        "full": report.full,
        "summary": {
            "changed": drift.count(Happened::Changed),
            "removed": drift.count(Happened::Removed),
            "made": drift.count(Happened::Made),
            "restored": drift.count(Happened::Restored),
            "fields": drift.fields(),
            "ignored_fields": drift.ignored,
        },
        "drift": drift.resources.iter().map(resource).collect::<Vec<_>>(),
        "notices": report.notices,
    })
}

fn resource(drifted: &Drifted) -> Value {
    let applied = drifted.applied.as_ref().map(|applied| {
        json!({
            "revision": applied.revision,
            "command": applied.command,
            "actor": applied.actor,
            "at": instant(applied.at),
        })
    });
    json!({
        "key": drifted.key.to_string(),
        "kind": drifted.key.kind.name,
        "workspace": &*drifted.key.workspace,
        "name": &*drifted.key.name,
        "happened": drifted.happened.code(),
        "marked_as_deleted": drifted.is_marked,
        "actor": drifted.actor,
        "since": drifted.since.map(instant),
        "applied": applied,
        "fields": drifted.fields.iter().map(field).collect::<Vec<_>>(),
    })
}

fn field(field: &DriftedField) -> Value {
    json!({
        "path": field.name(),
        "applied": field.applied,
        "live": field.live,
        "actor": field.actor,
        "since": field.since.map(instant),
    })
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
