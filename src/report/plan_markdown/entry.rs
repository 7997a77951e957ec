//! One resource, or several with the same change: in full, folded where the place can, or as one line.

use crate::plan::{Action, ActionKind, Reason};
use crate::report::groups::Group;
use crate::report::plan_text::remarks;

use super::Document;
use super::diff;
use super::escape::{counted, cut, defused, number, prose};
use super::line::Line;

/// Field names on one line.
const NAMED: usize = 8;
/// What a shortened entry needs at least.
pub(super) const SMALLEST: usize = 1_500;

/// A group in full, in at most `limit` bytes (not less than [`SMALLEST`]), and how many of its resources are named in it.
/// A single one is always named, if need be with fewer of its lines.
pub(super) fn full(document: &Document<'_>, group: &Group<'_>, done: usize, limit: usize) -> (String, usize) {
    let sample = group.sample();
    let lines = diff::lines(sample, document.options.unchanged_fields);
    let left = &group.actions[done.min(group.actions.len())..];
    if group.actions.len() == 1 {
        let body = body(sample);
        let wrapped = |fence: &str| document.folded(&title(sample, lines.len()), &format!("{body}{fence}"));
        let room = limit.saturating_sub(wrapped("").len());
        let fence = if lines.is_empty() {
            String::new()
        } else {
            diff::fence("diff", &lines, room, &document.artifact)
        };
        return (wrapped(&fence), 1);
    }
    let alike = lines.iter().filter(|line| line.starts_with(['-', '+'])).count();
    let fence = if lines.is_empty() {
        String::new()
    } else {
        diff::fence("diff", &lines, (limit / 2).saturating_sub(600), &document.artifact) + "\n"
    };
    let wrap = |keys: &[String]| {
        let heading = shared_title(group, alike, (done, keys.len()));
        let text: String = keys.iter().map(|key| format!("{key}\n")).collect();
        document.folded(&heading, &format!("{fence}```text\n{text}```\n"))
    };
    let mut room = limit.saturating_sub(wrap(&[]).len() + 60);
    let mut keys = Vec::new();
    for action in left {
        let key = member(action);
        if key.len() + 1 > room && !keys.is_empty() {
            break;
        }
        room = room.saturating_sub(key.len() + 1);
        keys.push(key);
    }
    let count = keys.len();
    (wrap(&keys), count)
}

/// One resource as a line of a list. A group has none: its resources could not be named.
pub(in crate::report) fn short(action: &Action) -> String {
    let mut line = key_line(action);
    let fields = &action.changes;
    for (index, change) in fields.iter().take(NAMED).enumerate() {
        line = line.text(if index == 0 { ": " } else { ", " }).code(&change.field());
    }
    if fields.len() > NAMED {
        line = line.text(&format!(" and {} more", number(fields.len() - NAMED)));
    }
    format!("- {}\n", because(line, action).markdown())
}

fn title(action: &Action, lines: usize) -> Line {
    let mut line = key_line(action);
    if matches!(action.kind, ActionKind::Create | ActionKind::Delete) {
        line = line.text(&format!(" ({})", counted(lines, "line")));
    } else if !action.changes.is_empty() {
        line = line.text(&format!(" ({})", counted(action.changes.len(), "field")));
    }
    because(line, action)
}

fn key_line(action: &Action) -> Line {
    let mut line = Line::default().strong(action.kind.code()).text(" ").code(&action.key.to_string());
    if let Some(from) = &action.from {
        line = line.text(" renamed from ").code(from);
    }
    if action.permanent {
        line = line.text(" ").strong("for good");
    }
    if action.protected {
        line = line.text(" ").strong("protected");
    }
    if !action.dependents.is_empty() {
        line = line.text(&format!(" → {}", remarks::dependents(&action.dependents)));
    }
    line
}

/// Who else wrote, which a reviewer must see without unfolding.
fn because(line: Line, action: &Action) -> Line {
    match action.reason.actor() {
        Some((actor, _)) => {
            let word = if matches!(action.reason, Reason::Removed { .. }) { "removed" } else { "drift" };
            line.text(&format!(" · {word} by role ")).code(actor)
        }
        None => line,
    }
}

/// `update: the same 2-line change in 312 tenants`, and which of them are named here.
fn shared_title(group: &Group<'_>, lines: usize, (done, here): (usize, usize)) -> Line {
    let sample = group.sample();
    let count = group.actions.len();
    let what = match lines {
        0 => "only the owner changes, ".to_owned(),
        _ => format!("the same {}-line change ", number(lines)),
    };
    let slug = sample.key.kind.slug;
    let mut line =
        Line::default().strong(sample.kind.code()).text(&format!(" {what}in {}", counted(count, slug)));
    if here < count {
        line = line.text(&format!(" (here {} to {})", number(done + 1), number(done + here)));
    }
    if sample.protected {
        line = line.text(" ").strong("protected");
    }
    for (index, change) in sample.changes.iter().take(NAMED).enumerate() {
        line = line.text(if index == 0 { ": " } else { ", " }).code(&change.field());
    }
    because(line, sample)
}

/// A member of a group, with the time of what is not the same for all.
fn member(action: &Action) -> String {
    let key = cut(&defused(&action.key.to_string()), 600);
    match action.reason.actor() {
        Some((_, at)) => format!("{key}  {}", at.format("%Y-%m-%d %H:%M:%S UTC")),
        None => key,
    }
}

/// Why, and where it is declared.
fn body(action: &Action) -> String {
    let mut text = String::new();
    if !matches!(action.reason, Reason::New | Reason::Edited | Reason::Asked) {
        text.push_str(&prose(&cut(&action.reason.to_string(), 300)));
        text.push('\n');
    }
    if let Some(position) = &action.position {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&Line::default().text("declared at ").code(&position.to_string()).markdown());
        text.push('\n');
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}
