//! Drift for a person: a block for each resource, by workspace, and a last line that counts.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::plan::drift::{Drifted, Happened};
use crate::report::clean::{self, clean, width};
use crate::report::paint::{Paint, paint, push};
use crate::report::{Style, time};

use super::{DriftReport, counted, summary};

/// The longest value that is shown whole.
const LONGEST: usize = 200;

/// The drift, each line ended by a line break. The last line begins with `Drift:`, or is `No drift.`
#[must_use]
pub fn human(report: &DriftReport, now: DateTime<Utc>, style: &Style) -> String {
    let mut text = String::new();
    for notice in &report.notices {
        push(&mut text, "note:", Paint::Help, style);
        text.push_str(&format!(" {}\n", clean(notice)));
    }
    let drift = &report.drift;
    if !drift.resources.is_empty() {
        let project = paint(&clean(&report.project), Paint::Strong, style);
        text.push_str(&format!("Drift from what project {project} last applied"));
        if !report.database.is_empty() {
            text.push_str(&format!(" on {}", clean(&report.database)));
        }
        text.push_str("\n\n");
    }
    let mut resources: Vec<&Drifted> = drift.resources.iter().collect();
    resources.sort_by(|left, right| left.key.workspace.cmp(&right.key.workspace));
    let mut workspace = None;
    for drifted in resources {
        if workspace != Some(&drifted.key.workspace) {
            workspace = Some(&drifted.key.workspace);
            let heading = format!("Workspace {}", clean(&drifted.key.workspace));
            push(&mut text, &heading, Paint::Strong, style);
            text.push_str("\n\n");
        }
        block(&mut text, drifted, now, style);
        text.push('\n');
    }
    if drift.ignored > 0 {
        let verb = if drift.ignored == 1 { "differs and is" } else { "differ and are" };
        text.push_str(&format!(
            "{} {verb} ignored for now (`ignore` in the project file).\n",
            counted(drift.ignored, "field")
        ));
    }
    if drift.resources.is_empty() {
        text.push_str("No drift.\n");
        return text;
    }
    text.push_str(
        "`synthex plan` shows what an apply would put back; docs/drift-and-ownership.md, what else to do.\n",
    );
    let line = format!("Drift: {}; {}.", summary(drift), counted(drift.fields(), "field"));
    push(&mut text, &line, Paint::Strong, style);
    text.push('\n');
    text
}

fn block(text: &mut String, drifted: &Drifted, now: DateTime<Utc>, style: &Style) {
    let (sign, color, what) = match drifted.happened {
        Happened::Changed => ("~", Paint::Changed, "changed"),
        Happened::Removed if drifted.is_marked => ("-", Paint::Removed, "marked as deleted"),
        Happened::Removed => ("-", Paint::Removed, "removed"),
        Happened::Made => ("+", Paint::Added, "made under the project's name"),
        Happened::Restored => {
            (if style.unicode { "↺" } else { "r" }, Paint::Adopted, "deleted by synthex, and restored")
        }
    };
    text.push_str(&format!("  {} ", paint(sign, color, style)));
    push(text, &clean(&drifted.key.to_string()), Paint::Strong, style);
    text.push_str("\n      ");
    push(text, &format!("{what} {}", by(drifted.actor.as_deref(), drifted.since, Some(now))), color, style);
    text.push('\n');
    if let Some(applied) = &drifted.applied {
        let line = format!(
            "      last applied in revision {} ({} by {})\n",
            applied.revision,
            clean(&applied.command),
            clean(&applied.actor)
        );
        push(text, &line, Paint::Dim, style);
    }
    let names: Vec<String> = drifted.fields.iter().map(|field| clean(&field.name()).into_owned()).collect();
    let column = names.iter().map(|name| width(name)).filter(|width| *width <= 28).max().unwrap_or_default();
    for (field, name) in drifted.fields.iter().zip(names) {
        let gap = " ".repeat(column.saturating_sub(width(&name)) + 2);
        text.push_str(&format!(
            "      {name}{gap}{} {} {}",
            paint(&shown(field.applied.as_ref(), style), Paint::Removed, style),
            style.arrow(),
            paint(&shown(field.live.as_ref(), style), Paint::Added, style)
        ));
        if (&field.actor, field.since) != (&drifted.actor, drifted.since) {
            push(text, &format!("  ({})", by(field.actor.as_deref(), field.since, None)), Paint::Dim, style);
        }
        text.push('\n');
    }
}

/// `by role editor at 2026-01-02 03:04:05 UTC (3 hours ago)`.
fn by(actor: Option<&str>, since: Option<DateTime<Utc>>, now: Option<DateTime<Utc>>) -> String {
    match (actor, since) {
        (Some(actor), Some(at)) => {
            let at = now
                .map_or_else(|| at.format("%Y-%m-%d %H:%M:%S UTC").to_string(), |now| time::instant(at, now));
            format!("by role {} at {at}", clean(actor))
        }
        _ => "by somebody unknown: there is no mark and no record of it".to_owned(),
    }
}

fn shown(value: Option<&Value>, style: &Style) -> String {
    let Some(value) = value else { return "(none)".to_owned() };
    let whole = clean::value(value);
    if width(&whole) <= LONGEST {
        return whole;
    }
    let cut: String = whole.chars().take(LONGEST).collect();
    format!("{cut}{}", style.ellipsis())
}
