//! The record of what was done, as it is read back: the trail of one resource, and who last set each of its fields.
//!
//! Only what is read is here, no way to read it: the store fetches, this puts together, reports show.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::model::{Digest, ResourceKey};

use super::action::ActionKind;
use super::diff::{Difference, differences};
use super::ignored::noted_in;

/// One operation on record.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its number, counted over all projects of the database.
    pub revision: i64,
    /// Its identity, as text.
    pub id: String,
    /// The project.
    pub project: String,
    /// The environment, where one was named.
    pub environment: Option<String>,
    /// The command.
    pub command: String,
    /// Who ran it.
    pub actor: String,
    /// The machine.
    pub host: String,
    /// The commit of the manifests, where known.
    pub commit: Option<String>,
    /// The CI run, where there is one.
    pub run_url: Option<String>,
    /// The plan's digest.
    pub digest: Option<Digest>,
    /// How it ended: `applied`, `partly-applied`, `failed`, `refused`, `interrupted`.
    pub status: String,
    /// How many rows of each sort of change, in the order of [`ActionKind::ALL`].
    pub counts: [i64; 6],
    /// How many changes failed.
    pub failed: i64,
    /// How many changes were skipped.
    pub skipped: i64,
    /// Why it failed or was refused, or what a person said.
    pub note: Option<String>,
    /// The number of deletions that was acknowledged.
    pub acknowledged: Option<i64>,
    /// When the run began, by its own clock.
    pub started_at: DateTime<Utc>,
    /// When it was recorded, by the database's clock.
    pub finished_at: DateTime<Utc>,
}

/// What an operation did to one resource.
#[derive(Clone, Debug)]
pub struct RecordedItem {
    /// The operation.
    pub operation: Arc<Recorded>,
    /// Its place in the operation.
    pub seq: i32,
    /// The resource, by the name it had afterwards.
    pub key: ResourceKey,
    /// The name before, of what was renamed.
    pub from: Option<Box<str>>,
    /// What was done.
    pub action: ActionKind,
    /// Whether it was removed for good.
    pub permanent: bool,
    /// Why.
    pub reason: String,
    /// `file:line:col` of the declaration.
    pub source: Option<String>,
    /// The canonical spec before.
    pub before: Value,
    /// The canonical spec after.
    pub after: Value,
    /// `applied`, `failed`, `skipped`.
    pub outcome: String,
    /// Why it was not applied.
    pub error: Option<String>,
}

impl RecordedItem {
    /// Whether it changed the row.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        self.outcome == "applied"
    }

    /// The fields that changed: all of a new row, none of one that was deleted, and none that was left to somebody else.
    #[must_use]
    pub fn changes(&self) -> Vec<Difference> {
        let left = self.left();
        match self.action {
            ActionKind::Delete => Vec::new(),
            _ => changed(&self.before, &self.after)
                .into_iter()
                .filter(|(path, _, _)| !left.iter().any(|left| path.starts_with(left)))
                .collect(),
        }
    }

    /// The fields that were left to somebody else, whatever the spec afterwards says.
    #[must_use]
    pub fn left(&self) -> Vec<Vec<String>> {
        noted_in(&self.after)
    }
}

/// [`differences`], where one side may be nothing at all: then each field of the other is one.
#[must_use]
pub fn changed(before: &Value, after: &Value) -> Vec<Difference> {
    let nothing = || serde_json::json!({"labels": {}, "spec": {}});
    let whole = |value: &Value| if value.is_object() { value.clone() } else { nothing() };
    differences(&whole(before), &whole(after))
}

/// A write to a row that was not synthex's.
#[derive(Clone, Debug)]
pub struct HandEdit {
    /// The resource, by the name it had afterwards.
    pub key: ResourceKey,
    /// When.
    pub at: DateTime<Utc>,
    /// The database role.
    pub role: String,
    /// The `application_name` of the session.
    pub client: String,
    /// `insert`, `update`, `delete`.
    pub operation: String,
    /// The fields that changed, with `name`, `owner` and `deleted` among them; none of a row that was removed.
    pub changes: Vec<Difference>,
}

/// One event in the life of a resource.
#[derive(Clone, Debug)]
pub enum Event {
    /// An operation changed it, or tried to.
    Item(RecordedItem, Vec<Difference>),
    /// Something else wrote its row.
    Edit(HandEdit),
}

impl Event {
    /// When.
    #[must_use]
    pub fn at(&self) -> DateTime<Utc> {
        match self {
            Self::Item(item, _) => item.operation.finished_at,
            Self::Edit(edit) => edit.at,
        }
    }

    /// Who: the actor of the operation, or the database role.
    #[must_use]
    pub fn who(&self) -> &str {
        match self {
            Self::Item(item, _) => &item.operation.actor,
            Self::Edit(edit) => &edit.role,
        }
    }

    /// The fields that changed.
    #[must_use]
    pub fn changes(&self) -> &[Difference] {
        match self {
            Self::Item(_, changes) => changes,
            Self::Edit(edit) => &edit.changes,
        }
    }

    /// Leaves only the changes of one field and of what is below it. False when none is left.
    pub fn keep_field(&mut self, field: &str) -> bool {
        let changes = match self {
            Self::Item(_, changes) => changes,
            Self::Edit(edit) => &mut edit.changes,
        };
        changes.retain(|(path, _, _)| is_within(&path.join("."), field));
        !changes.is_empty()
    }
}

/// Whether a field is another one, or below it.
#[must_use]
pub fn is_within(field: &str, other: &str) -> bool {
    field.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The life of one resource.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// Newest first.
    pub events: Vec<Event>,
    /// Its former names, the last one first.
    pub former: Vec<String>,
    /// The name that it has now and the revision that gave it, where the name asked for is a former one.
    pub renamed_to: Option<(String, i64)>,
}

/// A span of time in which the resource had a name: `(from, until]`, open where `None`.
struct Span {
    name: String,
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

/// Puts the life of a resource together. `items`, newest first, and `edits` may be of any name that the resource ever had;
/// what belongs to another resource that had one of the names before or after is left out.
#[must_use]
pub fn trail(name: &str, items: Vec<RecordedItem>, edits: Vec<HandEdit>) -> Trail {
    let mut trail = Trail::default();
    let mut spans = vec![Span { name: name.to_owned(), from: None, until: None }];
    for item in items {
        let Some(span) = spans.last_mut() else { break };
        let name_given_away = item.is_applied() && item.from.as_deref() == Some(&*span.name);
        if name_given_away && *item.key.name != *span.name {
            if trail.events.is_empty() && trail.renamed_to.is_none() {
                trail.renamed_to = Some((item.key.name.to_string(), item.operation.revision));
                span.until = Some(item.operation.finished_at);
                continue;
            }
            // Before that, the name was another resource's.
            span.from = Some(item.operation.finished_at);
            break;
        }
        if *item.key.name != *span.name {
            continue;
        }
        let at = item.operation.finished_at;
        let former = item.from.clone().filter(|_| item.is_applied());
        let changes = item.changes();
        trail.events.push(Event::Item(item, changes));
        if let Some(former) = former {
            span.from = Some(at);
            trail.former.push(former.to_string());
            spans.push(Span { name: former.to_string(), from: None, until: Some(at) });
        }
    }
    let belongs = |edit: &HandEdit| {
        spans.iter().any(|span| {
            span.name == *edit.key.name
                && span.from.is_none_or(|from| edit.at > from)
                && span.until.is_none_or(|until| edit.at <= until)
        })
    };
    trail.events.extend(edits.into_iter().filter(belongs).map(Event::Edit));
    // Stable: what an operation did to one row stays in its order.
    trail.events.sort_by_key(|event| std::cmp::Reverse(event.at()));
    trail
}

/// A field as it is now, and the event that set it.
#[derive(Clone, Debug)]
pub struct Blamed<'a> {
    /// Dotted.
    pub field: String,
    /// The value.
    pub value: Value,
    /// Who set it; `None` where the record does not say.
    pub by: Option<&'a Event>,
}

/// Who last set each field of a resource, sorted by field.
#[must_use]
pub fn blame<'a>(now: &Value, events: &'a [Event]) -> Vec<Blamed<'a>> {
    let set_by = |field: &str, value: &Value| {
        let touched = events.iter().filter(|event| match event {
            Event::Item(item, _) => item.is_applied(),
            Event::Edit(_) => true,
        });
        let mut last = touched.filter_map(|event| {
            let change = event.changes().iter().find(|(path, _, _)| path.join(".") == field)?;
            Some((event, change.2.as_ref() == Some(value)))
        });
        last.next().filter(|(_, same)| *same).map(|(event, _)| event)
    };
    changed(&Value::Null, now)
        .into_iter()
        .filter_map(|(path, _, value)| {
            let (field, value) = (path.join("."), value?);
            let by = set_by(&field, &value);
            Some(Blamed { field, value, by })
        })
        .collect()
}

#[cfg(test)]
mod tests;
