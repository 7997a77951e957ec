//! What the manifests declare, in the form that a plan needs: keys, digests and canonical specs, sorted by key.
//!
//! Positions of single fields are not kept. They are found again from the text when somebody asks.

use std::sync::Arc;

use super::overlay::Overlays;
use crate::kinds::project::ProjectSpec;
use crate::model::declared::Entry;
use crate::model::{Digest, ResourceKey, SourceFile};

/// The project that the manifests belong to.
#[derive(Clone, Debug)]
pub struct Project {
    /// The ownership scope: rows carry it as their owner.
    pub name: String,
    /// The project file, as shown.
    pub file: String,
    /// What it declares.
    pub spec: ProjectSpec,
}

/// Everything the manifests declare.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// The project.
    pub project: Project,
    /// The files that were read; a [`crate::model::FileId`] is an index here.
    pub files: Vec<Arc<SourceFile>>,
    /// Sorted by key, no key twice.
    pub entries: Vec<Entry>,
    /// Tests of alert rules: declared like resources, and no part of any plan. Sorted by key.
    pub tests: Vec<Entry>,
    /// Resources that are declared with problems; sorted.
    pub broken: Vec<ResourceKey>,
    /// What overlays changed.
    pub overlays: Overlays,
}

impl Catalog {
    /// The entry with this key.
    #[must_use]
    pub fn find(&self, key: &ResourceKey) -> Option<&Entry> {
        self.entries.binary_search_by(|entry| entry.key.cmp(key)).ok().map(|index| &self.entries[index])
    }

    /// Digest of everything declared: the same manifests give the same digest, however they are split into files.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut writer = crate::model::digest::DigestWriter::default();
        writer.field(self.project.name.as_bytes());
        for entry in &self.entries {
            writer.field(entry.key.to_string().as_bytes()).field(entry.digest.as_bytes());
        }
        writer.finish()
    }
}
