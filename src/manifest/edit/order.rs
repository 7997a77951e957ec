//! What is to be changed in which file, and the texts that come of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{FileId, SourceFile, SourceRef};

use super::super::csv;
use super::super::resolve::is_json;
use super::document::{self, DocumentEdits};
use super::table::{self, RowEdits};
use super::{Edit, Refusal};

/// A file before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The path, as shown.
    pub path: String,
    /// What was read.
    pub old: String,
    /// What is to be there; `None` where the file goes, because nothing else was in it.
    pub new: Option<String>,
}

/// Changes, by file.
#[derive(Clone, Debug, Default)]
pub struct Orders(BTreeMap<u32, FileOrders>);

#[derive(Clone, Debug, Default)]
struct FileOrders {
    documents: BTreeMap<u32, DocumentEdits>,
    rows: BTreeMap<u32, RowEdits>,
}

impl Orders {
    /// The changes of one document. A file of JSON is one.
    pub(super) fn document(&mut self, source: SourceRef) -> &mut DocumentEdits {
        let file = self.0.entry(source.file.0).or_default();
        let document = file.documents.entry(source.start).or_default();
        document.range = source.start as usize..source.end as usize;
        document
    }

    /// The changes of one row of a table.
    pub(super) fn row(&mut self, file: FileId, start: u32) -> &mut RowEdits {
        let row = self.0.entry(file.0).or_default().rows.entry(start).or_default();
        row.start = start as usize;
        row
    }

    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The files that change, by path.
    ///
    /// # Errors
    /// Every file that cannot be changed as wanted, and why.
    pub fn carry_out(&self, files: &[Arc<SourceFile>]) -> Result<Vec<Edited>, Vec<(FileId, Refusal)>> {
        let mut edited = Vec::new();
        let mut refused = Vec::new();
        for (id, orders) in &self.0 {
            let Some(file) = files.get(*id as usize) else { continue };
            match orders.new_text(file) {
                Ok(new) if new.as_deref() == Some(file.text()) => {}
                Ok(new) => edited.push(Edited { path: file.path.clone(), old: file.text().to_owned(), new }),
                Err(refusal) => refused.push((FileId(*id), refusal)),
            }
        }
        edited.sort_by(|left, right| left.path.cmp(&right.path));
        if refused.is_empty() { Ok(edited) } else { Err(refused) }
    }
}

impl FileOrders {
    fn new_text(&self, file: &SourceFile) -> Result<Option<String>, Refusal> {
        let text = file.text();
        if csv::is_csv(&file.path) {
            let rows: Vec<RowEdits> = self.rows.values().cloned().collect();
            return table::edit_table(text, &rows).map(Some);
        }
        let documents: Vec<DocumentEdits> = self.documents.values().cloned().collect();
        if !is_json(&file.path) {
            return document::edit_yaml(text, &documents);
        }
        if documents.iter().any(|document| document.is_removed) {
            return Ok(None);
        }
        let edits: Vec<Edit> = documents.into_iter().flat_map(|document| document.edits).collect();
        document::edit_json(text, &edits).map(Some)
    }
}
