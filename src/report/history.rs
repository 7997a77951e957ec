//! The record for people: a table of operations, one operation in full, the life of one resource, and who set its fields.

use chrono::{DateTime, Utc};

use crate::model::ResourceKey;
use crate::plan::ActionKind;
use crate::plan::ignored::pointer;
use crate::plan::record::{Blamed, Event, Recorded, RecordedItem, Trail};

use super::clean::{clean, value};
use super::paint::{Paint, paint};
use super::plan_text::{changed_fields, new_fields};
use super::table::table;
use super::{Style, time};

/// How much of a commit is shown in a table.
const SHORT: usize = 10;

/// Operations, one row each.
#[must_use]
pub fn operations(operations: &[Recorded], now: DateTime<Utc>, style: &Style) -> String {
    let first = operations.first().map(|operation| &operation.project);
    let several = operations.iter().any(|operation| Some(&operation.project) != first);
    let row = |operation: &Recorded| {
        let mut cells = vec![operation.revision.to_string(), time::instant(operation.finished_at, now)];
        if several {
            cells.push(operation.project.clone());
        }
        cells.extend([
            operation.actor.clone(),
            operation.command.clone(),
            operation.commit.as_deref().map_or_else(|| "-".to_owned(), short),
            counts(operation),
            operation.status.clone(),
            operation.note.clone().unwrap_or_default(),
        ]);
        cells
    };
    let mut headers = vec!["REVISION", "TIME", "ACTOR", "COMMAND", "COMMIT", "CHANGES", "STATUS", "NOTE"];
    if several {
        headers.insert(2, "PROJECT");
    }
    table(&headers, operations.iter().map(row).collect(), style)
}

fn short(commit: &str) -> String {
    let (hash, dirty) = commit.strip_suffix("-dirty").map_or((commit, ""), |hash| (hash, "-dirty"));
    format!("{}{dirty}", hash.get(..SHORT).unwrap_or(hash))
}

/// `2 create, 1 update`; `-` where nothing changed.
fn counts(operation: &Recorded) -> String {
    let mut words: Vec<String> = ActionKind::ALL
        .into_iter()
        .zip(operation.counts)
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{count} {}", kind.code()))
        .collect();
    for (count, word) in [(operation.failed, "failed"), (operation.skipped, "skipped")] {
        if count > 0 {
            words.push(format!("{count} {word}"));
        }
    }
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

/// One operation, with all that it did.
#[must_use]
pub fn operation(operation: &Recorded, items: &[RecordedItem], now: DateTime<Utc>, style: &Style) -> String {
    let mut text = paint(&format!("revision {}", operation.revision), Paint::Strong, style);
    text.push_str(&format!("  {}\n", clean(&operation.status)));
    let duration = operation.finished_at - operation.started_at;
    let acknowledged = operation.acknowledged.map(|count| format!("{count} deletions"));
    let optional = |value: &Option<String>| value.clone().unwrap_or_default();
    for (name, value) in [
        ("project", operation.project.clone()),
        ("environment", optional(&operation.environment)),
        ("command", operation.command.clone()),
        ("actor", operation.actor.clone()),
        ("host", operation.host.clone()),
        ("commit", optional(&operation.commit)),
        ("run", optional(&operation.run_url)),
        ("digest", operation.digest.map(|digest| digest.to_string()).unwrap_or_default()),
        ("time", time::instant(operation.finished_at, now)),
        ("duration", format!("{:.1} s", seconds(duration))),
        ("changes", counts(operation)),
        ("acknowledged", optional(&acknowledged)),
        ("note", optional(&operation.note)),
    ] {
        if !value.is_empty() {
            text.push_str(&format!("  {name:<12}  {}\n", clean(&value)));
        }
    }
    for item in items {
        text.push('\n');
        let key = item.key.to_string();
        text.push_str(&format!("{} {}\n", item.action.code(), paint(&clean(&key), Paint::Strong, style)));
        item_body(&mut text, item, &item.changes(), style);
    }
    text
}

fn seconds(duration: chrono::TimeDelta) -> f64 {
    duration.to_std().map_or(0.0, |duration| duration.as_secs_f64())
}

/// Why, where from, and the fields.
fn item_body(
    text: &mut String,
    item: &RecordedItem,
    changes: &[crate::plan::diff::Difference],
    style: &Style,
) {
    let mut why = clean(&item.reason).into_owned();
    if item.permanent {
        why.push_str("; removed for good");
    }
    if let Some(source) = &item.source {
        why.push_str(&format!("  {}", clean(source)));
    }
    text.push_str(&format!("      {}\n", paint(&why, Paint::Dim, style)));
    if !item.is_applied() {
        let error = item.error.as_deref().unwrap_or_default();
        let line = format!("{}: {}", item.outcome, clean(error));
        text.push_str(&format!("      {}\n", paint(&line, Paint::Error, style)));
    }
    let left: Vec<String> = item.left().iter().map(|path| pointer(path)).collect();
    if !left.is_empty() {
        let line = format!("left as found, by `ignore`: {}", clean(&left.join(", ")));
        text.push_str(&format!("      {}\n", paint(&line, Paint::Dim, style)));
    }
    let hides = item.key.kind.hides_values;
    let is_whole = item.action == ActionKind::Create && changes.len() == item.changes().len();
    text.push_str(&match is_whole {
        true => new_fields(&item.after.to_string(), hides, style),
        false => changed_fields(changes, hides, style),
    });
}

/// The life of one resource, newest first. `shown` are the events that the reader wants, of all that the trail has.
#[must_use]
pub fn trail(key: &ResourceKey, trail: &Trail, shown: &[Event], now: DateTime<Utc>, style: &Style) -> String {
    let mut text = paint(&clean(&key.to_string()), Paint::Strong, style);
    if !trail.former.is_empty() {
        text.push_str(&format!("  formerly {}", clean(&trail.former.join(", "))));
    }
    text.push('\n');
    for event in shown {
        text.push('\n');
        let at = time::instant(event.at(), now);
        match event {
            Event::Item(item, changes) => {
                let operation = &item.operation;
                let commit = operation
                    .commit
                    .as_deref()
                    .map_or(String::new(), |commit| format!(", commit {}", short(commit)));
                let head = format!("revision {}", operation.revision);
                text.push_str(&format!(
                    "{}  {}  {at}\n      {} with {}{}\n",
                    paint(&head, Paint::Strong, style),
                    item.action.code(),
                    clean(&operation.actor),
                    clean(&operation.command),
                    clean(&commit)
                ));
                item_body(&mut text, item, changes, style);
            }
            Event::Edit(edit) => {
                let word = match edit.operation.as_str() {
                    "insert" => "made",
                    "delete" => "removed",
                    _ => "changed",
                };
                let head = paint("by hand", Paint::Changed, style);
                let client =
                    if edit.client.is_empty() { String::new() } else { format!(", from {}", edit.client) };
                text.push_str(&format!(
                    "{head}  {word}  {at}\n      role {}{}\n",
                    clean(&edit.role),
                    clean(&client)
                ));
                text.push_str(&changed_fields(&edit.changes, edit.key.kind.hides_values, style));
            }
        }
    }
    text
}

/// Who last set each field.
#[must_use]
pub fn blame(key: &ResourceKey, fields: &[Blamed<'_>], now: DateTime<Utc>, style: &Style) -> String {
    let row = |blamed: &Blamed<'_>| {
        let mut cells = vec![blamed.field.clone(), value(&blamed.value)];
        match blamed.by {
            Some(event @ Event::Item(item, _)) => {
                let operation = &item.operation;
                let place = match (&item.source, &operation.commit) {
                    (Some(source), Some(commit)) => format!("{source} at {}", short(commit)),
                    (Some(source), None) => source.clone(),
                    (None, _) => format!("({})", operation.command),
                };
                cells.extend([
                    operation.actor.clone(),
                    operation.revision.to_string(),
                    time::instant(event.at(), now),
                    place,
                ]);
            }
            Some(event @ Event::Edit(edit)) => {
                let at = time::instant(event.at(), now);
                cells.extend([format!("role {}", edit.role), "-".to_owned(), at, "(by hand)".to_owned()]);
            }
            None => cells.extend(["not on record", "-", "-", "-"].map(str::to_owned)),
        }
        cells
    };
    let headers = ["FIELD", "VALUE", "SET BY", "REVISION", "TIME", "PLACE"];
    format!("{}\n{}", clean(&key.to_string()), table(&headers, fields.iter().map(row).collect(), style))
}
