//! One resource: the line with its key and place, why it changes where that is not plain, and its fields.

use crate::plan::{Action, ActionKind, Reason};
use crate::report::Style;
use crate::report::clean::{clean, width};
use crate::report::paint::{Paint, push};

use super::fields::{self, Field};
use super::symbol;

/// Places are set flush right up to this column, even where a terminal is wider.
const RIGHT: usize = 110;

/// `~ tenant/anz-smb/acme market, status (drift)`.
pub(super) fn line(text: &mut String, action: &Action, style: &Style) {
    let (sign, color) = symbol(action.kind, style);
    push(text, sign, color, style);
    text.push(' ');
    text.push_str(&clean(&action.key.to_string()));
    aside(text, action, style);
    let mut separator = " ";
    for change in &action.changes {
        text.push_str(separator);
        text.push_str(&clean(&change.field()));
        separator = ", ";
    }
    if action.reason.actor().is_some() {
        push(text, &format!(" ({})", action.reason.code()), Paint::Changed, style);
    }
    text.push('\n');
}

/// What the symbol and the key do not say: the former name, and that there is no way back.
fn aside(text: &mut String, action: &Action, style: &Style) {
    if let Some(from) = &action.from {
        push(text, &format!(" (renamed from {})", clean(from)), Paint::Dim, style);
    }
    if action.permanent {
        push(text, " (for good)", Paint::Removed, style);
    }
}

pub(super) fn block(text: &mut String, action: &Action, style: &Style, unchanged_fields: bool) {
    let (sign, color) = symbol(action.kind, style);
    let key = action.key.to_string();
    let key = clean(&key);
    text.push_str("  ");
    push(text, sign, color, style);
    text.push(' ');
    push(text, &key, Paint::Strong, style);
    let mut said = String::new();
    aside(&mut said, action, &Style { color: false, ..*style });
    aside(text, action, style);
    if let Some(position) = &action.position {
        let place = position.to_string();
        let place = clean(&place);
        let taken = 4 + width(&key) + width(&said);
        let right = style.width.min(RIGHT);
        match right.checked_sub(taken + width(&place)).filter(|gap| *gap >= 2) {
            Some(gap) => text.extend(std::iter::repeat_n(' ', gap)),
            None => text.push_str("\n      "),
        }
        push(text, &place, Paint::Dim, style);
    }
    text.push('\n');
    if let Some((why, color)) = reason(action) {
        text.push_str("      ");
        push(text, &clean(&why), color, style);
        text.push('\n');
    }
    let mut all = listed(action);
    if unchanged_fields {
        all.append(&mut fields::unchanged(action, &all));
    }
    fields::write(text, &all, style);
}

/// Why, where the symbol does not say it already.
fn reason(action: &Action) -> Option<(String, Paint)> {
    let why = action.reason.to_string();
    match action.reason {
        Reason::New | Reason::Edited | Reason::Asked => None,
        // It stands beside the key.
        Reason::Moved { .. } if action.from.is_some() => None,
        Reason::Removed { .. } | Reason::Drift { .. } | Reason::EditedAndDrift { .. } => {
            Some((why, Paint::Changed))
        }
        Reason::Unowned | Reason::OwnedByCommands if action.changes.is_empty() => {
            Some((format!("{why}; its fields are as declared, only its owner changes"), Paint::Dim))
        }
        Reason::DeclaredAgain if action.changes.is_empty() => {
            Some((format!("{why}; its fields are as declared"), Paint::Dim))
        }
        Reason::DeclaredAgain | Reason::Unowned | Reason::OwnedByCommands => Some((why, Paint::Dim)),
        Reason::Undeclared if action.before.is_none() => {
            Some((format!("{why}; its fields were not read"), Paint::Dim))
        }
        Reason::Undeclared
        | Reason::Moved { .. }
        | Reason::TakenOver { .. }
        | Reason::RolledBack { .. }
        | Reason::Restored => Some((why, Paint::Dim)),
    }
}

fn listed(action: &Action) -> Vec<Field> {
    let hides = action.key.kind.hides_values;
    match action.kind {
        ActionKind::Create => fields::whole(action.after.as_deref(), Paint::Added, hides),
        ActionKind::Delete => fields::whole(action.before.as_deref(), Paint::Removed, hides),
        ActionKind::Update | ActionKind::Rename | ActionKind::Restore | ActionKind::Adopt => {
            fields::changed(&action.changes, hides)
        }
    }
}
