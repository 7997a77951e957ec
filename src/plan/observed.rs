//! What was read from the database: a head for every row, and whole rows only where they are needed.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::model::{Digest, ResourceKey};

/// The part of a row that is read for every row.
#[derive(Clone, Debug)]
pub struct Head {
    /// Kind, workspace, name.
    pub key: ResourceKey,
    /// Digest of the canonical spec that synthex last wrote; `None` for a row that something else made.
    pub digest: Option<Digest>,
    /// Rises with every write, whoever writes.
    pub revision: i64,
    /// The project, `cli`, or nobody.
    pub owner: Option<Arc<str>>,
    /// Something other than synthex wrote the row since synthex last did.
    pub touched: bool,
    /// Softly deleted.
    pub deleted: bool,
    /// Not to be deleted.
    pub protected: bool,
}

/// A whole row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Kind, workspace, name.
    pub key: ResourceKey,
    /// `{"labels": {...}, "spec": {...}}`, in the form of a canonical spec.
    pub canonical: Value,
    /// The project, `cli`, or nobody.
    pub owner: Option<String>,
    /// Softly deleted.
    pub deleted: bool,
    /// When something other than synthex last wrote the row.
    pub touched_at: Option<DateTime<Utc>>,
    /// The database role that did.
    pub touched_by: Option<String>,
}

/// A row that something other than synthex removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vanished {
    /// The database role that removed it.
    pub actor: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// What was observed.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Sorted by key.
    pub heads: Vec<Head>,
    /// The rows that [`super::wanted_rows`] asked for.
    pub rows: HashMap<ResourceKey, Row>,
    /// Rows that were removed by something else, of those that are declared and not there.
    pub vanished: HashMap<ResourceKey, Vanished>,
    /// What living rows mention, of those that may mention what goes away: who mentions, and what.
    pub mentions: Vec<(ResourceKey, ResourceKey)>,
}

impl Observed {
    /// Nothing is there: the state of a database that synthex was never installed in.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// The head of a key.
    #[must_use]
    pub fn head(&self, key: &ResourceKey) -> Option<&Head> {
        self.heads.binary_search_by(|head| head.key.cmp(key)).ok().map(|index| &self.heads[index])
    }
}
