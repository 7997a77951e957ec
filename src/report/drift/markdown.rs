//! Drift as the body of an issue, one for each workspace: the same drift gives the same bytes, so that a job can tell
//! whether there is anything new.
//!
//! What comes from the database stands only inside of `<code>`, every mark of Markdown in it written as an entity: nothing
//! in a value can end a table, begin a heading, or call a person.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::plan::drift::{Drift, Drifted, Happened};
use crate::report::clean::{self, clean};

use super::{DriftReport, counted, summary};

/// An issue takes 65,536 characters; this leaves room for what a job adds.
const MOST_BYTES: usize = 60_000;

/// Longer values are cut.
const LONGEST: usize = 160;

/// A body for each workspace that has drift, one after the other; one that says so where there is none.
#[must_use]
pub fn markdown(report: &DriftReport, workspace: Option<&str>) -> String {
    let mut parts: BTreeMap<&str, Vec<&Drifted>> = BTreeMap::new();
    for drifted in &report.drift.resources {
        parts.entry(&drifted.key.workspace).or_default().push(drifted);
    }
    if parts.is_empty() {
        return issue(report, workspace.unwrap_or("*"));
    }
    let bodies: Vec<String> = parts.keys().map(|workspace| issue(report, workspace)).collect();
    bodies.join("\n")
}

/// The body for one workspace. Without drift it says so, under a mark by which a job knows that the issue can be closed.
#[must_use]
pub fn issue(report: &DriftReport, workspace: &str) -> String {
    let resources = report.drift.resources.iter().filter(|drifted| *drifted.key.workspace == *workspace);
    let own = Drift { resources: resources.cloned().collect(), ignored: 0 };
    let mut text = format!("<!-- synthex:drift:{}:{workspace} -->\n", report.project);
    if own.resources.is_empty() {
        text.push_str("<!-- synthex:drift:none -->\n\nNo drift: the database is as synthex left it.\n");
        return text;
    }
    text.push_str(&format!(
        "### Drift in workspace {}\n\nThe database is not as project {} last left it: {} ({}).\n\n\
         | resource | what | field | applied | live | database role | since (UTC) |\n| --- | --- | --- | --- | --- | --- | --- |\n",
        code(workspace),
        code(&report.project),
        summary(&own),
        counted(own.fields(), "field"),
    ));
    let mut left_out = 0;
    for drifted in &own.resources {
        let lines = lines(drifted);
        if left_out > 0 || text.len() + lines.len() > MOST_BYTES {
            left_out += 1;
        } else {
            text.push_str(&lines);
        }
    }
    if left_out > 0 {
        text.push_str(&format!(
            "\n{} more: `synthex drift --workspace {workspace}` lists all of them.\n",
            counted(left_out, "resource")
        ));
    }
    text.push_str(
        "\nTo put it back as declared: `synthex plan`, then `synthex apply`. To keep what was done by hand: write it into the \
         manifests; `synthex export` shows how a row is declared.\n",
    );
    text
}

fn lines(drifted: &Drifted) -> String {
    let what = match drifted.happened {
        Happened::Removed if drifted.is_marked => "marked as deleted",
        other => other.code(),
    };
    let key = code(&drifted.key.to_string());
    let line = |field: &str, applied: &str, live: &str, actor: Option<&str>, since: Option<DateTime<Utc>>| {
        format!(
            "| {key} | {what} | {field} | {applied} | {live} | {} | {} |\n",
            actor.map_or_else(|| "unknown".to_owned(), code),
            since.map_or_else(String::new, |at| at.format("%Y-%m-%d %H:%M:%S").to_string()),
        )
    };
    if drifted.fields.is_empty() {
        return line("", "", "", drifted.actor.as_deref(), drifted.since);
    }
    let fields = drifted.fields.iter().map(|field| {
        let (applied, live) = (shown(field.applied.as_ref()), shown(field.live.as_ref()));
        line(&code(&field.name()), &applied, &live, field.actor.as_deref(), field.since)
    });
    fields.collect()
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "(none)".to_owned(), |value| code(&clean::value(value)))
}

/// A text as code, whatever is in it.
fn code(text: &str) -> String {
    let safe = clean(text);
    let mut out = String::from("<code>");
    for (index, character) in safe.chars().enumerate() {
        if index == LONGEST {
            out.push('…');
            break;
        }
        match character {
            ' ' | '-' | ',' | '…' | '•' => out.push(character),
            _ if character.is_alphanumeric() => out.push(character),
            _ => out.push_str(&format!("&#{};", u32::from(character))),
        }
    }
    out.push_str("</code>");
    out
}
