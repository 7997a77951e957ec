//! What stands around the resources of a plan: notices, refusals, what is no longer declared, and the count.

use crate::plan::{ActionKind, Plan};
use crate::report::clean::clean;
use crate::report::paint::{Paint, paint, push};
use crate::report::{PlanContext, Style};

use super::symbol;

/// How many of a long list of keys are named.
const NAMED: usize = 10;

pub(super) fn notices(text: &mut String, context: &PlanContext, style: &Style) {
    for notice in &context.notices {
        push(text, "note:", Paint::Help, style);
        text.push_str(&format!(" {}\n", clean(notice)));
    }
    if !context.notices.is_empty() {
        text.push('\n');
    }
}

/// What the plan would do to alerts.
pub(super) fn impact(text: &mut String, context: &PlanContext, style: &Style) {
    let Some(impact) = context.impact.as_ref().filter(|impact| !impact.counts.is_empty()) else { return };
    push(text, &impact.headline(), Paint::Strong, style);
    text.push('\n');
    for line in &impact.lines {
        text.push_str(&format!("  {}\n", clean(&line.words())));
    }
    if impact.more() > 0 {
        text.push_str(&format!("  and {} more\n", impact.more()));
    }
    text.push('\n');
}

/// Whose plan it is, against what, and what the symbols in it mean.
pub(super) fn heading(text: &mut String, plan: &Plan, context: &PlanContext, style: &Style) {
    let project = if context.project.is_empty() { &plan.project } else { &context.project };
    text.push_str(&format!("Plan for project {}", paint(&clean(project), Paint::Strong, style)));
    if let Some(environment) = &plan.environment {
        text.push_str(&format!(", environment {}", paint(&clean(environment), Paint::Strong, style)));
    }
    if !context.database.is_empty() {
        text.push_str(&format!(" on {}", clean(&context.database)));
    }
    text.push('\n');
    let summary = plan.summary();
    let mut legend = Vec::new();
    for kind in ActionKind::ALL {
        let count = match kind {
            ActionKind::Create => summary.create,
            ActionKind::Update => summary.update,
            ActionKind::Restore => summary.restore,
            ActionKind::Adopt => summary.adopt,
            ActionKind::Rename => summary.rename,
            ActionKind::Delete => summary.delete,
        };
        if count > 0 {
            let (sign, color) = symbol(kind, style);
            legend.push(format!("{} {}", paint(sign, color, style), kind.code()));
        }
    }
    text.push_str(&legend.join("   "));
    text.push_str("\n\n");
}

/// What the guards refuse: with one of these the plan is not executed.
pub(super) fn refusals(text: &mut String, plan: &Plan, style: &Style) {
    if plan.refusals.is_empty() {
        return;
    }
    let line =
        format!("Refused: nothing of this plan will be applied, for {}:", reasons(plan.refusals.len()));
    push(text, &line, Paint::Error, style);
    text.push_str("\n\n");
    for refusal in &plan.refusals {
        let title = format!("refused[{}]:", refusal.code);
        text.push_str(&format!("  {} {}\n", paint(&title, Paint::Error, style), clean(&refusal.message)));
        if let Some(position) = &refusal.position {
            let place = clean(&position.to_string()).into_owned();
            text.push_str(&format!("    {} {place}\n", paint("-->", Paint::Dim, style)));
        }
        text.push_str(&format!("    {} {}\n", paint("help:", Paint::Help, style), clean(&refusal.help)));
    }
    text.push('\n');
}

fn reasons(count: usize) -> String {
    if count == 1 { "1 reason".to_owned() } else { format!("{count} reasons") }
}

/// Rows that stay although nobody declares them.
pub(super) fn undeclared(text: &mut String, plan: &Plan, style: &Style) {
    let count = plan.undeclared.len();
    if count == 0 {
        return;
    }
    push(text, "note:", Paint::Help, style);
    let line = if count == 1 {
        " 1 resource is in the database and no longer declared; it stays (add --prune, or prune: true, to delete it):"
            .to_owned()
    } else {
        format!(
            " {count} resources are in the database and no longer declared; they stay (add --prune, or prune: true, to delete them):"
        )
    };
    text.push_str(&line);
    text.push('\n');
    for key in plan.undeclared.iter().take(NAMED) {
        text.push_str(&format!("  {}\n", clean(&key.to_string())));
    }
    if count > NAMED {
        text.push_str(&format!("  {} and {} more\n", style.ellipsis(), count - NAMED));
    }
    text.push('\n');
}

pub(super) fn summary(text: &mut String, plan: &Plan, style: &Style) {
    let summary = plan.summary();
    if plan.is_empty() && plan.refusals.is_empty() {
        match summary.unchanged {
            0 => {}
            1 => text.push_str("1 resource is as declared.\n"),
            count => text.push_str(&format!("{count} resources are as declared.\n")),
        }
        text.push_str("No changes.\n");
        return;
    }
    if !plan.is_empty() {
        push(text, &format!("Digest: {}", plan.digest()), Paint::Dim, style);
        text.push('\n');
    }
    if !plan.refusals.is_empty() {
        let line = format!("Refused: nothing will be applied, for {} (above).", reasons(plan.refusals.len()));
        push(text, &line, Paint::Error, style);
        text.push('\n');
    }
    let mut special = Vec::new();
    match summary.restore {
        0 => {}
        1 => special.push("1 restores a deleted row".to_owned()),
        count => special.push(format!("{count} restore a deleted row")),
    }
    match summary.adopt {
        0 => {}
        1 => special.push("1 adopts an existing row".to_owned()),
        count => special.push(format!("{count} adopt an existing row")),
    }
    if !special.is_empty() {
        text.push_str(&format!("Of these, {}.\n", special.join(", ")));
    }
    push(text, &last_line(plan), Paint::Strong, style);
    text.push('\n');
}

/// The last line of a plan, in text and in Markdown.
pub(in crate::report) fn last_line(plan: &Plan) -> String {
    if plan.is_empty() && plan.refusals.is_empty() {
        return "No changes.".to_owned();
    }
    let summary = plan.summary();
    format!(
        "Plan: {} to create, {} to update, {} to delete, {} to rename, {} unchanged.",
        summary.create + summary.restore,
        summary.update + summary.adopt,
        summary.delete,
        summary.rename,
        summary.unchanged,
    )
}
