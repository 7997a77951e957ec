//! The manifests as they would be with other texts in some of their files.

use std::collections::HashMap;

use crate::files::ProjectRows;
use crate::manifest::Loaded;
use crate::model::files::{RowFileError, RowFiles};
use crate::model::{Diagnostic, SourceFile};

use super::project::{Found, parse_with, read_sources};

/// New texts of files by their shown paths; `None` for a file that goes.
pub type Texts = HashMap<String, Option<String>>;

struct Replaced<'a> {
    texts: &'a Texts,
    rows: ProjectRows,
}

impl RowFiles for Replaced<'_> {
    fn read(&self, manifest: &str, reference: &str) -> Result<SourceFile, RowFileError> {
        let file = self.rows.read(manifest, reference)?;
        Ok(match self.texts.get(&file.path) {
            Some(Some(text)) => SourceFile::new(file.path, text.clone().into_bytes()),
            Some(None) | None => file,
        })
    }
}

/// Reads the manifests as they would be.
///
/// # Errors
/// A file cannot be read.
pub fn load(found: &Found, texts: &Texts) -> Result<Loaded, Vec<Diagnostic>> {
    let sources = read_sources(found)?.into_iter().filter_map(|file| match texts.get(&file.path) {
        None => Some(file),
        Some(None) => None,
        Some(Some(text)) => {
            let new = SourceFile::new(file.path, text.clone().into_bytes());
            Some(match file.overlay {
                Some(overlay) => new.in_overlay(overlay),
                None => new,
            })
        }
    });
    let rows = ProjectRows { confine: found.roots.confine.clone(), max_file_size: found.roots.max_file_size };
    Ok(parse_with(found, sources.collect(), &Replaced { texts, rows }))
}
