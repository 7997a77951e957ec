//! Drift: what synthex last applied, against what is live, with who changed it and since when.
//!
//! Pure: the store reads what is compared here. What an apply changed is never drift, because then the apply is what is
//! compared with. Values that may be secrets are hidden before anything renders them.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::model::{Digest, Entry, ResourceKey};

use super::columns::column_of;
use super::diff::differences;
use super::ignored::{Ignore, noted_in};
use super::observed::Row;

/// What stands for a value that may be a secret.
pub const HIDDEN: &str = "•••";

/// The newest operation that changed a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The operation's number.
    pub revision: i64,
    /// The project whose operation it was; that is the owner it wrote.
    pub project: String,
    /// The command.
    pub command: String,
    /// Who ran it.
    pub actor: String,
    /// When it was recorded.
    pub at: DateTime<Utc>,
    /// The canonical spec that it left; `None` when it deleted the resource, or gave it another name.
    pub after: Option<Value>,
}

impl Applied {
    /// The fields that it left to somebody else, whatever is in `after`.
    #[must_use]
    pub fn left(&self) -> Vec<Vec<String>> {
        self.after.as_ref().map(noted_in).unwrap_or_default()
    }
}

/// A write by something other than synthex, as it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct ForeignWrite {
    /// The database role.
    pub actor: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The row before, by column; `None` for an insert.
    pub before: Option<Value>,
    /// The row after, by column; `None` for a delete.
    pub after: Option<Value>,
}

/// Everything that is known of one resource that may have drifted.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Kind, workspace, name.
    pub key: ResourceKey,
    /// What synthex last did to it.
    pub applied: Option<Applied>,
    /// The row; `None` when there is none.
    pub live: Option<Row>,
    /// Foreign writes since then, oldest first, as far as they are needed to tell who did what.
    pub writes: Vec<ForeignWrite>,
    /// Of what it then left to somebody else: the last foreign write of each field before it.
    pub earlier: Vec<ForeignWrite>,
}

/// What happened to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happened {
    /// Fields of the row are not as applied.
    Changed,
    /// The row is gone, or marked as deleted.
    Removed,
    /// A row under the project's name that no apply made.
    Made,
    /// A row that synthex deleted lives again.
    Restored,
}

impl Happened {
    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Made => "made",
            Self::Restored => "restored",
        }
    }

    /// Every one, in the order in which they are counted.
    pub const ALL: [Self; 4] = [Self::Changed, Self::Removed, Self::Made, Self::Restored];
}

/// One field that is not as applied.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftedField {
    /// `["labels", KEY]`, `["owner"]`, or the steps of a field of the spec.
    pub path: Vec<String>,
    /// The value that was applied; `None` when absent.
    pub applied: Option<Value>,
    /// The value in the database; `None` when absent.
    pub live: Option<Value>,
    /// The database role that wrote the live value, where known.
    pub actor: Option<String>,
    /// When it did.
    pub since: Option<DateTime<Utc>>,
}

impl DriftedField {
    /// The path as people write it: `contact.email`.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.join(".")
    }
}

/// A resource that is not as synthex left it.
#[derive(Clone, Debug, PartialEq)]
pub struct Drifted {
    /// Kind, workspace, name.
    pub key: ResourceKey,
    /// What happened.
    pub happened: Happened,
    /// What synthex last did to it.
    pub applied: Option<Applied>,
    /// The database role that last wrote, where known.
    pub actor: Option<String>,
    /// When it did.
    pub since: Option<DateTime<Utc>>,
    /// The fields, of what changed.
    pub fields: Vec<DriftedField>,
    /// Whether the row is there and marked as deleted, of what was removed.
    pub is_marked: bool,
    /// The digest of the row as it lives now, where it is the project's and a manifest could say it.
    pub digest: Option<Digest>,
}

/// What came of comparing.
#[derive(Clone, Debug, Default)]
pub struct Drift {
    /// Sorted by key.
    pub resources: Vec<Drifted>,
    /// Fields that differ and are ignored for now.
    pub ignored: usize,
}

impl Drift {
    /// How many resources something happened to.
    #[must_use]
    pub fn count(&self, happened: Happened) -> usize {
        self.resources.iter().filter(|drifted| drifted.happened == happened).count()
    }

    /// Leaves out what is as declared by now although no apply made it so: rows that say what `entries` say, and removed
    /// ones that `entries` do not have. Returns how many. `entries` are sorted by key.
    pub fn settle(&mut self, entries: &[Entry]) -> usize {
        let before = self.resources.len();
        self.resources.retain(|drifted| {
            let found = entries.binary_search_by(|entry| entry.key.cmp(&drifted.key)).ok();
            match found.map(|index| entries[index].digest) {
                None => drifted.happened != Happened::Removed,
                declared => drifted.digest.is_none() || drifted.digest != declared,
            }
        });
        before - self.resources.len()
    }

    /// How many fields differ.
    #[must_use]
    pub fn fields(&self) -> usize {
        self.resources.iter().map(|drifted| drifted.fields.len()).sum()
    }
}

/// Compares everything that was seen.
#[must_use]
pub fn find(project: &str, ignores: &[Ignore], seen: Vec<Seen>) -> Drift {
    let mut drift = Drift::default();
    for one in seen {
        if let Some(drifted) = compare(project, ignores, one, &mut drift.ignored) {
            drift.resources.push(drifted);
        }
    }
    drift.resources.sort_by(|left, right| left.key.cmp(&right.key));
    drift
}

fn compare(project: &str, ignores: &[Ignore], seen: Seen, ignored: &mut usize) -> Option<Drifted> {
    let Seen { key, applied, live, writes, earlier } = seen;
    let was_ours = applied.as_ref().is_some_and(|applied| applied.project == project);
    let is_ours = live.as_ref().is_some_and(|row| row.owner.as_deref() == Some(project));
    if !was_ours && !is_ours {
        return None;
    }
    let last = live.as_ref().and_then(|row| row.touched_by.clone().zip(row.touched_at));
    let last = last.or_else(|| writes.last().map(|write| (write.actor.clone(), write.at)));
    let lives = live.as_ref().is_some_and(|row| !row.deleted);
    let after = applied.as_ref().and_then(|applied| applied.after.as_ref());
    let mut fields = Vec::new();
    let happened = match (lives, &applied, after, &live) {
        (false, _, Some(_), _) if was_ours => Happened::Removed,
        (true, None, _, _) => Happened::Made,
        (true, Some(_), None, _) => Happened::Restored,
        (true, Some(applied), Some(after), Some(row)) => {
            fields = changed(&key, ignores, (applied, after), row, ignored);
            if fields.is_empty() {
                return None;
            }
            Happened::Changed
        }
        _ => return None,
    };
    let left = applied.as_ref().map(Applied::left).unwrap_or_default();
    for field in &mut fields {
        let is_left = left.iter().any(|path| field.path.starts_with(path));
        let before = || if is_left { writer_of(&key, field, &earlier) } else { None };
        let by = writer_of(&key, field, &writes).or_else(before).or_else(|| last.clone());
        (field.actor, field.since) = by.unzip();
        let hidden = key.kind.hides_values;
        for side in [&mut field.applied, &mut field.live].into_iter().flatten().filter(|_| hidden) {
            hide(&field.path, side);
        }
    }
    // Who wrote last of what differs; a write that was put back since is nobody's drift.
    let latest = fields.iter().filter_map(|field| field.actor.clone().zip(field.since));
    let (actor, since) = latest.max_by_key(|(_, since)| *since).or(last).unzip();
    let is_marked = live.is_some() && happened == Happened::Removed;
    let own = live.filter(|row| lives && row.owner.as_deref() == Some(project));
    let digest = own.and_then(|row| Some(Digest::of(key.kind.canonical_of(&row.canonical)?.as_bytes())));
    Some(Drifted { key, happened, applied, actor, since, fields, is_marked, digest })
}

/// The fields that differ, without those that are ignored.
fn changed(
    key: &ResourceKey,
    ignores: &[Ignore],
    (applied, after): (&Applied, &Value),
    row: &Row,
    ignored: &mut usize,
) -> Vec<DriftedField> {
    let field = |path, applied, live| DriftedField { path, applied, live, actor: None, since: None };
    let mut fields: Vec<DriftedField> = Vec::new();
    for (path, applied, live) in differences(after, &row.canonical) {
        if ignores.iter().any(|rule| rule.covers(key, &path)) {
            *ignored += 1;
        } else {
            fields.push(field(path, applied, live));
        }
    }
    if row.owner.as_deref() != Some(&applied.project) {
        let owner = Some(Value::String(applied.project.clone()));
        fields.push(field(vec!["owner".to_owned()], owner, row.owner.clone().map(Value::String)));
    }
    fields
}

/// Who wrote the live value of a field: the last recorded write that changed it.
fn writer_of(
    key: &ResourceKey,
    field: &DriftedField,
    writes: &[ForeignWrite],
) -> Option<(String, DateTime<Utc>)> {
    let (column, rest) = column_of(key.kind, &field.path)?;
    let value = |row: &Option<Value>| {
        let cell = row.as_ref()?.get(column)?;
        rest.iter().try_fold(cell, |cell, step| cell.get(step)).filter(|value| !value.is_null()).cloned()
    };
    let write = writes.iter().rev().find(|write| value(&write.before) != value(&write.after))?;
    Some((write.actor.clone(), write.at))
}

/// The places where a reference to a secret may say where the secret is.
const SOURCES: [&str; 3] = ["env", "file", "gcpSecretManager"];

/// Hides what stands where a reference to a secret belongs and is none.
fn hide(path: &[String], value: &mut Value) {
    let is_source = path.last().is_some_and(|last| SOURCES.contains(&last.as_str()));
    let in_secret = path.iter().any(|step| is_secret_field(step));
    match value {
        Value::Object(map) if in_secret && !is_reference(map) => *value = Value::String(HIDDEN.to_owned()),
        Value::Object(map) => {
            for (key, inner) in map {
                let mut path = path.to_vec();
                path.push(key.clone());
                hide(&path, inner);
            }
        }
        Value::Null => {}
        other if in_secret && !is_source => *other = Value::String(HIDDEN.to_owned()),
        _ => {}
    }
}

fn is_reference(map: &Map<String, Value>) -> bool {
    map.len() == 1 && map.iter().all(|(key, value)| SOURCES.contains(&key.as_str()) && value.is_string())
}

fn is_secret_field(name: &str) -> bool {
    let name = name.to_lowercase();
    ["secret", "password", "token", "key", "webhookurl", "authorization"]
        .iter()
        .any(|part| name.contains(part))
}

#[cfg(test)]
mod tests;
