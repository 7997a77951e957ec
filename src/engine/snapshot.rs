//! The state in a file, to plan against where there is no database: on a pull request from a fork, or on a journey.
//!
//! A snapshot holds what a plan reads: keys, digests, revisions, owners and the declared fields. Those never hold a secret,
//! only where one is kept; of the database there is the name that every plan shows, without a password.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;
use uuid::Uuid;

use crate::kinds;
use crate::model::{Digest, KindRef, ResourceKey};
use crate::plan::sealed::{seal, unseal, version};
use crate::plan::{Head, Row, Vanished};

use super::state::{StateError, StateReader};

/// The version of the format. A newer one is refused.
pub const FORMAT: u32 = 1;

/// What the snapshot was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The database, as it may be shown.
    pub database: String,
    /// Whether synthex was installed.
    pub installed: bool,
    /// The installation.
    pub installation: Option<Uuid>,
    /// The database server's own identity.
    pub system: Option<String>,
    /// The last operation on record.
    pub state_revision: Option<i64>,
    /// When it was made, by the database's clock.
    pub made_at: DateTime<Utc>,
    /// The one workspace it holds; `None` for all.
    pub workspace: Option<String>,
}

/// The state, read from a file.
#[derive(Debug)]
pub struct Snapshot {
    /// What it was made of.
    pub about: About,
    /// Sorted by key.
    heads: Vec<Head>,
    rows: HashMap<ResourceKey, Row>,
    vanished: HashMap<ResourceKey, Vanished>,
}

/// A snapshot file that is not one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// Some byte is not what was written, or missing.
    #[error("the snapshot was changed or cut short after it was written")]
    Changed,
    /// It is something else.
    #[error("this is not a snapshot")]
    NotASnapshot,
    /// A newer program wrote it.
    #[error("the snapshot has format {0}, and this program knows formats up to {FORMAT}")]
    Newer(u32),
}

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    kind: String,
    workspace: String,
    name: String,
    digest: Option<String>,
    revision: i64,
    owner: Option<String>,
    touched: bool,
    deleted: bool,
    protected: bool,
    touched_at: Option<DateTime<Utc>>,
    touched_by: Option<String>,
    #[serde(borrow)]
    canonical: &'a RawValue,
}

#[derive(Serialize, Deserialize)]
struct Removed {
    kind: String,
    workspace: String,
    name: String,
    actor: String,
    at: DateTime<Utc>,
}

/// Writes a snapshot. `heads` are sorted by key, and each has its row.
#[must_use]
pub fn encode(
    about: &About,
    heads: &[Head],
    rows: &HashMap<ResourceKey, Row>,
    vanished: &[(ResourceKey, Vanished)],
) -> String {
    let about = serde_json::to_string(about).unwrap_or_default();
    let mut text = String::with_capacity(512 + heads.len() * 600);
    text.push_str(&format!("{{\"synthex_snapshot\":{FORMAT},\"about\":{about},\"removed\":["));
    for (index, (key, vanished)) in vanished.iter().enumerate() {
        let removed = Removed {
            kind: key.kind.name.to_owned(),
            workspace: key.workspace.to_string(),
            name: key.name.to_string(),
            actor: vanished.actor.clone(),
            at: vanished.at,
        };
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&serde_json::to_string(&removed).unwrap_or_default());
    }
    text.push_str("],\"rows\":[");
    let mut first = true;
    for head in heads {
        let Some(row) = rows.get(&head.key) else { continue };
        let canonical = row.canonical.to_string();
        let Ok(canonical) = serde_json::from_str::<&RawValue>(&canonical) else { continue };
        let stored = Stored {
            kind: head.key.kind.name.to_owned(),
            workspace: head.key.workspace.to_string(),
            name: head.key.name.to_string(),
            digest: head.digest.map(|digest| digest.to_hex()),
            revision: head.revision,
            owner: head.owner.as_deref().map(str::to_owned),
            touched: head.touched,
            deleted: head.deleted,
            protected: head.protected,
            touched_at: row.touched_at,
            touched_by: row.touched_by.clone(),
            canonical,
        };
        text.push_str(if first { "\n" } else { ",\n" });
        first = false;
        text.push_str(&serde_json::to_string(&stored).unwrap_or_default());
    }
    text.push_str("\n]");
    seal(text)
}

/// Reads a snapshot.
///
/// # Errors
/// It is not one, or not as it was written.
pub fn decode(bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
    let text = std::str::from_utf8(bytes).map_err(|_| SnapshotError::NotASnapshot)?;
    match version(text, "synthex_snapshot") {
        None => return Err(SnapshotError::NotASnapshot),
        Some(version) if version > FORMAT => return Err(SnapshotError::Newer(version)),
        Some(_) => {}
    }
    read(unseal(text).ok_or(SnapshotError::Changed)?).ok_or(SnapshotError::Changed)
}

fn read(open: &str) -> Option<Snapshot> {
    let (head, rows) = open.split_once("],\"rows\":[")?;
    let (about, removed) = head.split_once(",\"removed\":[")?;
    let about = about.split_once(",\"about\":")?.1;
    let about: About = serde_json::from_str(about).ok()?;
    let removed: Vec<Removed> = serde_json::from_str(&format!("[{removed}]")).ok()?;
    let rows = format!("[{rows}");
    let stored: Vec<Stored<'_>> = serde_json::from_str(&rows).ok()?;
    let key = |kind: &str, workspace: &str, name: &str| {
        Some(ResourceKey::new(kinds::find(kind)?, workspace.into(), name))
    };
    let mut snapshot = Snapshot {
        about,
        heads: Vec::with_capacity(stored.len()),
        rows: HashMap::new(),
        vanished: HashMap::new(),
    };
    for removed in removed {
        let key = key(&removed.kind, &removed.workspace, &removed.name)?;
        snapshot.vanished.insert(key, Vanished { actor: removed.actor, at: removed.at });
    }
    for stored in stored {
        let key = key(&stored.kind, &stored.workspace, &stored.name)?;
        snapshot.heads.push(Head {
            key: key.clone(),
            digest: match stored.digest {
                Some(hex) => Some(Digest::from_hex(&hex)?),
                None => None,
            },
            revision: stored.revision,
            owner: stored.owner.as_deref().map(Into::into),
            touched: stored.touched,
            deleted: stored.deleted,
            protected: stored.protected,
        });
        let row = Row {
            key: key.clone(),
            canonical: serde_json::from_str(stored.canonical.get()).ok()?,
            owner: stored.owner,
            deleted: stored.deleted,
            touched_at: stored.touched_at,
            touched_by: stored.touched_by,
        };
        snapshot.rows.insert(key, row);
    }
    Some(snapshot)
}

impl StateReader for Snapshot {
    async fn is_installed(&mut self) -> Result<bool, StateError> {
        Ok(self.about.installed)
    }

    async fn heads(
        &mut self,
        kind: KindRef,
        workspace: Option<&str>,
        _: &[String],
    ) -> Result<Vec<Head>, StateError> {
        let wanted = |head: &&Head| {
            head.key.kind.rank == kind.rank && workspace.is_none_or(|name| *head.key.workspace == *name)
        };
        Ok(self.heads.iter().filter(wanted).cloned().collect())
    }

    async fn rows(&mut self, keys: &[ResourceKey]) -> Result<Vec<Row>, StateError> {
        Ok(keys.iter().filter_map(|key| self.rows.get(key).cloned()).collect())
    }

    async fn vanished(&mut self, keys: &[ResourceKey]) -> Result<Vec<(ResourceKey, Vanished)>, StateError> {
        Ok(keys.iter().filter_map(|key| Some((key.clone(), self.vanished.get(key)?.clone()))).collect())
    }

    async fn is_confined(&mut self) -> Result<bool, StateError> {
        Ok(false)
    }
}
