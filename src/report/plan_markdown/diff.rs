//! The fields of an action as lines of a `diff` fence: `- market: UK_SMB`, `+ market: ANZ_SMB  (template ...)`.

use crate::plan::{Action, ActionKind};
use crate::report::Style;
use crate::report::paint::Paint;
use crate::report::plan_text::{compare, fields};

use super::escape::defused;
use fields::{Cell, Content, Field};

/// Characters shown of one value.
const VALUE: usize = 400;
/// Values longer than this are compared line by line, where they have lines.
const SHORT: usize = 120;

/// The lines, each safe to stand in a fence.
pub(super) fn lines(action: &Action, unchanged_fields: bool) -> Vec<String> {
    let hides = action.key.kind.hides_values;
    let (sign, mut all) = match action.kind {
        ActionKind::Create => ("+", fields::whole(action.after.as_deref(), Paint::Added, hides)),
        ActionKind::Delete => ("-", fields::whole(action.before.as_deref(), Paint::Removed, hides)),
        ActionKind::Update | ActionKind::Rename | ActionKind::Restore | ActionKind::Adopt => {
            (" ", fields::changed(&action.changes, hides))
        }
    };
    if unchanged_fields {
        all.append(&mut fields::unchanged(action, &all));
    }
    let mut text = String::new();
    for field in &all {
        one(&mut text, field, sign);
    }
    text.lines().map(defused).collect()
}

fn one(text: &mut String, field: &Field, sign: &str) {
    let style = Style { color: false, width: VALUE, unicode: true };
    let name = crate::report::clean::clean(&field.name);
    match &field.content {
        Content::Only(cell, _) => match cell.lines().filter(|_| cell.is_text_of_lines()) {
            Some(lines) => {
                text.push_str(&format!("{sign} {name}:\n"));
                compare::listing(text, &lines, Paint::Dim, &format!("{sign}   "), &style);
            }
            None => {
                text.push_str(&format!("{sign} {name}: {}\n", compare::cut(&cell.shown(), VALUE, &style)));
            }
        },
        Content::Change(before, after) => {
            let origin = field.origin.as_ref().map(|origin| format!("  {origin}")).unwrap_or_default();
            if let Some((before, after)) = both_lines(before, after) {
                text.push_str(&format!("  {name}:{origin}\n"));
                compare::lines(text, &before, &after, "", &style);
                return;
            }
            let (old, new) = compare::around(&before.shown(), &after.shown(), VALUE, &style);
            if *before != Cell::Absent {
                text.push_str(&format!("- {name}: {old}\n"));
            }
            if *after != Cell::Absent {
                text.push_str(&format!("+ {name}: {new}{origin}\n"));
            }
        }
    }
}

/// The lines of two values that are better compared line by line.
fn both_lines(before: &Cell, after: &Cell) -> Option<(String, String)> {
    let texts = before.is_text_of_lines() || after.is_text_of_lines();
    let long = before.shown().len() > SHORT || after.shown().len() > SHORT;
    let lines = |cell: &Cell| match cell {
        Cell::Absent => Some(String::new()),
        Cell::Value(serde_json::Value::String(text)) if texts => Some(text.clone()),
        other => other.lines(),
    };
    if *before == Cell::Absent && *after == Cell::Absent || !(texts || long) {
        return None;
    }
    Some((lines(before)?, lines(after)?))
}

/// A fence around as many of these lines as fit into so many bytes; what is missing is counted.
pub(super) fn fence(language: &str, lines: &[String], limit: usize, artifact: &str) -> String {
    let mut text = format!("```{language}\n");
    let rest = |count: usize| format!("… and {count} more lines, see {artifact}\n");
    let room = limit.saturating_sub(text.len() + 5);
    let whole: usize = lines.iter().map(|line| line.len() + 1).sum();
    let room = if whole <= room { room } else { room.saturating_sub(rest(lines.len()).len()) };
    let mut shown = 0;
    for line in lines {
        if text.len() + line.len() > room {
            break;
        }
        text.push_str(line);
        text.push('\n');
        shown += 1;
    }
    if shown < lines.len() {
        text.push_str(&rest(lines.len() - shown));
    }
    text.push_str("```\n");
    text
}
