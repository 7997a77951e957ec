//! A plan for the person who reviews it: what the guards refuse first, then a block for each resource, by workspace, and
//! a last line that counts.
//!
//! Nothing here depends on anything but the plan: no clock, no order of files. The time a plan of a hundred thousand
//! resources takes grows with its length.

mod block;
pub(super) mod compare;
pub(super) mod fields;
pub(super) mod remarks;
pub(super) mod sections;
#[cfg(test)]
mod tests;

use crate::model::{Origin, Position};
use crate::plan::diff::Difference;
use crate::plan::{Action, ActionKind, FieldChange, Plan};

use super::only::Only;
use super::paint::{Paint, paint, push};
use super::{PlanContext, Style};

/// How much is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanOptions {
    /// One line for each resource, with the names of the fields and no values.
    pub summary_only: bool,
    /// After so many resources the others are counted instead of shown; deletions are shown all the same. `None`: all.
    pub max_resources: Option<usize>,
    /// Which actions are shown; the counts are of all.
    pub only: Only,
    /// Whether fields that stay as they are stand below those that change.
    pub unchanged_fields: bool,
}

/// The plan, each line ended by a line break. The last line is `Plan: A to create, U to update, D to delete, R to rename,
/// N unchanged.`, or `No changes.` when nothing is to be done and nothing is refused.
#[must_use]
pub fn human(plan: &Plan, context: &PlanContext, style: &Style, options: &PlanOptions) -> String {
    let mut text = String::with_capacity(256 + plan.actions.len() * 200);
    sections::notices(&mut text, context, style);
    if !plan.is_empty() {
        sections::heading(&mut text, plan, context, style);
    }
    sections::refusals(&mut text, plan, style);
    remarks::suspects(&mut text, plan, style);
    remarks::deletions(&mut text, plan, style);
    resources(&mut text, plan, style, options);
    if options.summary_only {
        remarks::same_changes(&mut text, plan, style, options.only);
    }
    remarks::left_out(&mut text, plan, style, options.only);
    sections::undeclared(&mut text, plan, style);
    sections::impact(&mut text, context, style);
    sections::summary(&mut text, plan, style);
    text
}

/// Fields that change, in columns, as a plan shows them.
#[must_use]
pub fn changed_fields(changes: &[Difference], hides_values: bool, style: &Style) -> String {
    // In a history nobody asks which layer a value came from.
    let from_itself = || Origin::Manifest(Position::start_of(""));
    let change = |(path, before, after): &Difference| FieldChange {
        path: path.clone(),
        before: before.clone(),
        after: after.clone(),
        origin: from_itself(),
    };
    let changes: Vec<FieldChange> = changes.iter().map(change).collect();
    let mut text = String::new();
    fields::write(&mut text, &fields::changed(&changes, hides_values), style);
    text
}

/// The fields of a new resource, in columns, as a plan shows them.
#[must_use]
pub fn new_fields(canonical: &str, hides_values: bool, style: &Style) -> String {
    let mut text = String::new();
    fields::write(&mut text, &fields::whole(Some(canonical), Paint::Added, hides_values), style);
    text
}

/// The symbol before a resource and its colour.
fn symbol(kind: ActionKind, style: &Style) -> (&'static str, Paint) {
    match kind {
        ActionKind::Create => ("+", Paint::Added),
        ActionKind::Update => ("~", Paint::Changed),
        ActionKind::Restore => (if style.unicode { "↺" } else { "r" }, Paint::Adopted),
        ActionKind::Adopt => ("=", Paint::Adopted),
        ActionKind::Rename => (">", Paint::Changed),
        ActionKind::Delete => ("-", Paint::Removed),
    }
}

/// Every resource, by workspace, within it in the order of execution.
fn resources(text: &mut String, plan: &Plan, style: &Style, options: &PlanOptions) {
    let mut actions: Vec<&Action> =
        plan.actions.iter().filter(|action| options.only.shows(action.kind)).collect();
    actions.sort_by(|left, right| left.key.workspace.cmp(&right.key.workspace));
    let mut hidden = Vec::new();
    let mut shown = 0;
    let mut workspace = None;
    for action in actions {
        if options.max_resources.is_some_and(|most| shown >= most) && action.kind != ActionKind::Delete {
            hidden.push(action.kind);
            continue;
        }
        shown += 1;
        if options.summary_only {
            block::line(text, action, style);
            continue;
        }
        if workspace != Some(&action.key.workspace) {
            workspace = Some(&action.key.workspace);
            let heading = format!("Workspace {}", super::clean::clean(&action.key.workspace));
            push(text, &heading, Paint::Strong, style);
            text.push_str("\n\n");
        }
        block::block(text, action, style, options.unchanged_fields);
        text.push('\n');
    }
    if !hidden.is_empty() {
        let mut counts = Vec::new();
        for kind in ActionKind::ALL.into_iter().filter(|kind| *kind != ActionKind::Delete) {
            let count = hidden.iter().filter(|other| **other == kind).count();
            if count > 0 {
                counts.push(format!("{count} to {}", kind.code()));
            }
        }
        let noun = if hidden.len() == 1 { "resource" } else { "resources" };
        let line = format!("{} and {} more {noun}: {}", style.ellipsis(), hidden.len(), counts.join(", "));
        text.push_str(&paint(&line, Paint::Dim, style));
        text.push_str("\n\n");
    } else if options.summary_only && shown > 0 {
        text.push('\n');
    }
}
