//! From what a command wants of declared resources to the places in files where that is said.
//!
//! A field is changed where it gets its value: in the patch that sets it last, or else in the resource's own manifest or
//! row, over whatever a template or workspace gives.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::model::{Entry, FileId, Origin, Position, ResourceKey, RowRef, SourceRef};

use super::super::catalog::Catalog;
use super::super::origin::Origins;
use super::super::overlay::Uses;
use super::super::resolve::{Resolver, is_json};
use super::super::yaml::{self, Limits};
use super::super::{csv, rows, variables};
use super::order::Orders;
use super::table::Table;
use super::{Change, Edit, Refusal, escape, steps};

mod cells;

/// Why a change cannot be written into the manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The resource, where it is one.
    pub key: Option<ResourceKey>,
    /// Where the reason stands.
    pub position: Option<Position>,
    /// The reason, and what to do.
    pub why: String,
}

/// What is to be written, and what comes of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The changes.
    pub orders: Orders,
    /// What the resources are to be then; `None` where they go.
    pub wanted: HashMap<ResourceKey, Option<Value>>,
    /// What a reader should know, a line each.
    pub notes: Vec<String>,
}

/// Finds the places of changes.
pub struct Planner<'a> {
    catalog: &'a Catalog,
    origins: Origins<'a>,
    resolver: Resolver<'a>,
    uses: Uses,
    documents: HashMap<(FileId, u32), Option<Value>>,
    tables: HashMap<FileId, Table>,
    out: Outcome,
    refused: Vec<Refused>,
}

impl<'a> Planner<'a> {
    /// A planner for what is declared.
    #[must_use]
    pub fn new(catalog: &'a Catalog) -> Self {
        Self {
            catalog,
            origins: Origins::new(catalog),
            resolver: Resolver::new(&catalog.files),
            uses: catalog.overlays.uses(),
            documents: HashMap::new(),
            tables: HashMap::new(),
            out: Outcome::default(),
            refused: Vec::new(),
        }
    }

    /// What is to be written.
    ///
    /// # Errors
    /// Everything that cannot be written.
    pub fn finish(self) -> Result<Outcome, Vec<Refused>> {
        if self.refused.is_empty() { Ok(self.out) } else { Err(self.refused) }
    }

    /// Takes changes of one resource, to be made to what is declared.
    pub fn change(&mut self, key: &ResourceKey, changes: &[&Change]) {
        let Some(entry) = self.catalog.find(key) else {
            return self.refuse(key, None, "no manifest declares it");
        };
        let declared: Value = serde_json::from_str(&entry.canonical).unwrap_or_default();
        let wanted = changes.iter().fold(declared, |canonical, change| change.over(&canonical));
        self.become_as(key, &wanted);
    }

    /// Takes what a resource is to be as a whole.
    pub fn become_as(&mut self, key: &ResourceKey, wanted: &Value) {
        let Some(entry) = self.catalog.find(key) else {
            return self.refuse(key, None, "no manifest declares it");
        };
        let declared: Value = serde_json::from_str(&entry.canonical).unwrap_or_default();
        let wanted = key.kind.canonical_of(wanted);
        let Some(wanted) = wanted.and_then(|wanted| serde_json::from_str::<Value>(&wanted).ok()) else {
            return self.refuse(key, None, "what is wanted is not valid");
        };
        let mut leaves = Vec::new();
        leaves_of("", &declared, &wanted, &mut leaves);
        for (pointer, value) in leaves {
            self.place(entry, &pointer, value);
        }
        self.out.wanted.insert(key.clone(), Some(wanted));
    }

    /// Takes a resource out, and the patches that are of it alone.
    pub fn remove(&mut self, key: &ResourceKey) {
        let Some(entry) = self.catalog.find(key) else {
            return self.refuse(key, None, "no manifest declares it");
        };
        for patch in self.catalog.overlays.only_for(&self.uses, key) {
            self.out.orders.document(patch).is_removed = true;
            let place = self.resolver.declared_at(&patch);
            self.out.notes.push(format!("the patch of {key} at {place} goes with it"));
        }
        let source = entry.source;
        match source.row {
            None => self.out.orders.document(source).is_removed = true,
            Some(row) if self.is_csv(row.file) => self.out.orders.row(row.file, row.start).is_removed = true,
            Some(row) => {
                let (source, prefix) = self.list_of(source, row);
                self.out.orders.document(source).edits.push(Edit::Remove(prefix));
            }
        }
        self.out.wanted.insert(key.clone(), None);
    }

    fn refuse(&mut self, key: &ResourceKey, position: Option<Position>, why: impl Into<String>) {
        self.refused.push(Refused { key: Some(key.clone()), position, why: why.into() });
    }

    fn path_of(&self, file: FileId) -> &'a str {
        self.catalog.files.get(file.0 as usize).map_or("", |file| file.path.as_str())
    }

    fn is_csv(&self, file: FileId) -> bool {
        csv::is_csv(self.path_of(file))
    }

    /// One field of a resource, by its pointer in the canonical spec; no value where it is to go.
    fn place(&mut self, entry: &Entry, pointer: &str, value: Option<Value>) {
        let path: Vec<String> = match steps(pointer) {
            mut steps if steps.first().is_some_and(|step| step == "spec") => steps.split_off(1),
            steps => steps,
        };
        let pointer = match pointer.strip_prefix("/labels") {
            Some(rest) => format!("/metadata/labels{rest}"),
            None => pointer.to_owned(),
        };
        let shown = path.join(".");
        let value = value.map(|mut value| {
            variables::escape_below(&mut value);
            value
        });
        if let Some(place) = self.catalog.overlays.place(&self.uses, &entry.key, &pointer) {
            let position = self.resolver.field_at(&place.source, &place.pointer);
            if place.is_shared {
                let why = format!(
                    "`{shown}` is set by a patch that is of more than this one resource; change the patch, or write one \
                     for this resource into a later overlay"
                );
                let position = position.or_else(|| Some(self.resolver.declared_at(&place.source)));
                return self.refuse(&entry.key, position, why);
            }
            self.note_variable(place.source, &place.pointer, &shown, &entry.key);
            let edit = Edit::Set(place.pointer, value.unwrap_or(Value::Null));
            self.out.orders.document(place.source).edits.push(edit);
            return;
        }
        let value = match value {
            Some(value) => Some(value),
            None => match self.origins.below(entry, &path) {
                Origin::Default => None,
                // Only of these can a manifest say no to what it is given.
                _ if path.first().is_some_and(|first| first == "metadata") => Some(Value::Null),
                origin => {
                    let from = match &origin {
                        Origin::Template(name) => format!("the template `{name}` gives it"),
                        _ => "the workspace gives it".to_owned(),
                    };
                    let position = self.origins.place(entry, &path, &origin);
                    let why = format!("`{shown}` cannot be taken out: {from}; change it there");
                    return self.refuse(&entry.key, position, why);
                }
            },
        };
        let source = entry.source;
        let Some(row) = source.row else {
            return self.in_document(source, pointer, value, &shown, &entry.key);
        };
        if self.is_csv(row.file) {
            return self.in_table(entry, row, &pointer, value, &shown);
        }
        let Some(inner) = rows::pointer_in_row(&pointer) else {
            return self.refuse(&entry.key, None, format!("a row cannot say `{shown}`"));
        };
        let (list, prefix) = self.list_of(source, row);
        let pointer = format!("{prefix}{inner}");
        let is_written = self.value_of(list).is_some_and(|root| root.pointer(&pointer).is_some());
        if value.is_none() && !is_written {
            return self.refuse_of_set(entry, &shown);
        }
        self.in_document(list, pointer, value, &shown, &entry.key);
    }

    fn refuse_of_set(&mut self, entry: &Entry, shown: &str) {
        let set = SourceRef { row: None, ..entry.source };
        let position = self.resolver.declared_at(&set);
        let why = format!("`{shown}` cannot be taken out of a row: its TenantSet gives it to all of them");
        self.refuse(&entry.key, Some(position), why);
    }

    fn in_document(
        &mut self,
        source: SourceRef,
        pointer: String,
        value: Option<Value>,
        shown: &str,
        key: &ResourceKey,
    ) {
        self.note_variable(source, &pointer, shown, key);
        let edit = match value {
            Some(value) => Edit::Set(pointer, value),
            None => Edit::Remove(pointer),
        };
        self.out.orders.document(source).edits.push(edit);
    }

    /// Says where a value stood that is not the same in every environment.
    fn note_variable(&mut self, source: SourceRef, pointer: &str, shown: &str, key: &ResourceKey) {
        let written = self.value_of(source).and_then(|root| root.pointer(pointer)).and_then(Value::as_str);
        if let Some(text) = written.filter(|text| variables::is_in(text)) {
            let text = text.to_owned();
            self.note_of_variable(key, shown, &text);
        }
    }

    fn note_of_variable(&mut self, key: &ResourceKey, shown: &str, text: &str) {
        let note = format!(
            "{key}: `{shown}` was `{text}`; what is written instead is the same in every environment"
        );
        self.out.notes.push(note);
    }

    /// What a document says, as it is written.
    fn value_of(&mut self, source: SourceRef) -> Option<&Value> {
        let catalog = self.catalog;
        let read = || {
            let file = catalog.files.get(source.file.0 as usize)?;
            let limits = Limits::default();
            if is_json(&file.path) {
                return yaml::parse_json(file.text(), &limits).ok().map(|document| document.value);
            }
            let range = source.start as usize..source.end as usize;
            yaml::parse(file.text(), range, &limits).ok().flatten().map(|document| document.value)
        };
        self.documents.entry((source.file, source.start)).or_insert_with(read).as_ref()
    }

    /// The document that holds a row, and the pointer to the row in it.
    fn list_of(&self, source: SourceRef, row: RowRef) -> (SourceRef, String) {
        if row.file == source.file {
            return (SourceRef { row: None, ..source }, format!("/spec/from/rows/{}", row.index));
        }
        let length = self.catalog.files.get(row.file.0 as usize).map_or(0, |file| file.bytes().len());
        let end = u32::try_from(length).unwrap_or(u32::MAX);
        (SourceRef { file: row.file, start: 0, end, row: None }, format!("/{}", row.index))
    }

    /// The texts that come of it, with what cannot be written as [`Refused`].
    ///
    /// # Errors
    /// Everything that cannot be written.
    pub fn texts(catalog: &Catalog, orders: &Orders) -> Result<Vec<super::Edited>, Vec<Refused>> {
        orders.carry_out(&catalog.files).map_err(|refused| {
            let placed = |(file, Refusal { at, why }): (FileId, Refusal)| {
                let source = catalog.files.get(file.0 as usize)?;
                let lines = yaml::LineIndex::new(source.text());
                let (line, column) = lines.position(source.text(), u32::try_from(at).unwrap_or(u32::MAX));
                let position = Position { file: source.path.as_str().into(), line, column };
                Some(Refused { key: None, position: Some(position), why })
            };
            refused.into_iter().filter_map(placed).collect()
        })
    }
}

/// The fields in which two canonical specs differ; no value where the field is gone. Free-form facts count as a whole,
/// since that is how a template's are replaced.
fn leaves_of(pointer: &str, old: &Value, new: &Value, found: &mut Vec<(String, Option<Value>)>) {
    if old == new {
        return;
    }
    let is_fact = pointer.starts_with("/spec/metadata/");
    let (Some(now), false) = (new.as_object(), is_fact) else {
        return found.push((pointer.to_owned(), Some(new.clone())));
    };
    let nothing = Map::new();
    let was = old.as_object().unwrap_or(&nothing);
    if now.is_empty() && !old.is_object() {
        return found.push((pointer.to_owned(), Some(new.clone())));
    }
    for (key, value) in now {
        let pointer = format!("{pointer}/{}", escape(key));
        match (was.get(key), value) {
            (Some(old), new) => leaves_of(&pointer, old, new, found),
            (None, Value::Object(_)) => leaves_of(&pointer, &Value::Null, value, found),
            (None, new) => found.push((pointer, Some(new.clone()))),
        }
    }
    for (key, value) in was.iter().filter(|(key, _)| !now.contains_key(*key)) {
        gone(&format!("{pointer}/{}", escape(key)), value, found);
    }
}

/// What is no longer there, field by field: a row has no maps.
fn gone(pointer: &str, old: &Value, found: &mut Vec<(String, Option<Value>)>) {
    match old {
        Value::Object(map) if !map.is_empty() && !pointer.starts_with("/spec/metadata/") => {
            for (key, value) in map {
                gone(&format!("{pointer}/{}", escape(key)), value, found);
            }
        }
        _ => found.push((pointer.to_owned(), None)),
    }
}
