//! The plan as a value: a closed set of actions, each with its reason, its place in the source and its reverse.

use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::model::{Digest, Origin, Position, ResourceKey};

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActionKind {
    /// A new row.
    Create,
    /// Fields of a row change.
    Update,
    /// A softly deleted row lives again.
    Restore,
    /// A row that belonged to nobody, or to `cli`, becomes the project's.
    Adopt,
    /// A row is softly deleted.
    Delete,
}

impl ActionKind {
    /// The word for it, in plans, JSON and history.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Restore => "restore",
            Self::Adopt => "adopt",
            Self::Delete => "delete",
        }
    }

    /// What undoes it.
    #[must_use]
    pub const fn inverse(self) -> Self {
        match self {
            Self::Create | Self::Restore => Self::Delete,
            Self::Update | Self::Adopt => Self::Update,
            Self::Delete => Self::Restore,
        }
    }
}

/// Why an action is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Declared, and not in the database.
    New,
    /// Declared, and removed from the database by something else.
    Removed {
        /// The database role.
        actor: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// What is declared changed since it was last applied.
    Edited,
    /// The row was changed by something else; what is declared is as it was last applied.
    Drift {
        /// The database role.
        actor: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// Both: what is declared changed, and the row was changed by something else.
    EditedAndDrift {
        /// The database role.
        actor: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// Declared again after it was deleted.
    DeclaredAgain,
    /// The row is there and belongs to nobody.
    Unowned,
    /// The row is there and was made by a command.
    OwnedByCommands,
    /// No longer declared.
    Undeclared,
}

impl Reason {
    /// A stable word for it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Removed { .. } => "removed",
            Self::Edited => "edited",
            Self::Drift { .. } => "drift",
            Self::EditedAndDrift { .. } => "edited-and-drift",
            Self::DeclaredAgain => "declared-again",
            Self::Unowned => "unowned",
            Self::OwnedByCommands => "owned-by-commands",
            Self::Undeclared => "undeclared",
        }
    }

    /// The role and time of a change that was not synthex's.
    #[must_use]
    pub fn actor(&self) -> Option<(&str, DateTime<Utc>)> {
        match self {
            Self::Removed { actor, at } | Self::Drift { actor, at } | Self::EditedAndDrift { actor, at } => {
                Some((actor, *at))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = |at: &DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
        match self {
            Self::New => f.write_str("declared, not in the database"),
            Self::Removed { actor, at } => {
                write!(f, "removed from the database by role {actor} at {}", when(at))
            }
            Self::Edited => f.write_str("the declaration changed"),
            Self::Drift { actor, at } => {
                write!(f, "drift: changed in the database by role {actor} at {}", when(at))
            }
            Self::EditedAndDrift { actor, at } => {
                write!(
                    f,
                    "the declaration changed, and drift: changed in the database by role {actor} at {}",
                    when(at)
                )
            }
            Self::DeclaredAgain => f.write_str("declared again after it was deleted"),
            Self::Unowned => f.write_str("in the database, owned by nobody"),
            Self::OwnedByCommands => f.write_str("in the database, made by a command"),
            Self::Undeclared => f.write_str("no longer declared"),
        }
    }
}

/// One field that changes.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// `["labels", KEY]`, or the steps of a field of the spec.
    pub path: Vec<String>,
    /// The value in the database; `None` when absent.
    pub before: Option<Value>,
    /// The declared value; `None` when absent.
    pub after: Option<Value>,
    /// Where the declared value comes from.
    pub origin: Origin,
}

impl FieldChange {
    /// The path as people write it: `contact.email`.
    #[must_use]
    pub fn field(&self) -> String {
        self.path.join(".")
    }
}

/// One resource that changes.
#[derive(Clone, Debug)]
pub struct Action {
    /// What is done.
    pub kind: ActionKind,
    /// To what.
    pub key: ResourceKey,
    /// Why.
    pub reason: Reason,
    /// Where it is declared; `None` for what is no longer declared.
    pub position: Option<Position>,
    /// The revision the row must still have when it is written; `None` for a create.
    pub revision: Option<i64>,
    /// The canonical spec in the database before; `None` for a create.
    pub before: Option<Box<str>>,
    /// The canonical spec afterwards; `None` for a delete.
    pub after: Option<Box<str>>,
    /// The digest of `after`.
    pub digest: Option<Digest>,
    /// Whether the row is protected from deletion, now or by this action.
    pub protected: bool,
    /// The fields that change; for a create and a delete, none are listed.
    pub changes: Vec<FieldChange>,
}

impl Action {
    /// The action that takes this one back, given the revision the row has after it.
    #[must_use]
    pub fn inverse(&self, revision: i64) -> Self {
        let swap = |change: &FieldChange| FieldChange {
            path: change.path.clone(),
            before: change.after.clone(),
            after: change.before.clone(),
            origin: Origin::Default,
        };
        Self {
            kind: self.kind.inverse(),
            key: self.key.clone(),
            reason: Reason::Edited,
            position: self.position.clone(),
            revision: Some(revision),
            before: self.after.clone(),
            after: self.before.clone(),
            digest: self.before.as_ref().map(|before| Digest::of(before.as_bytes())),
            protected: self.protected,
            changes: self.changes.iter().map(swap).collect(),
        }
    }
}

/// A guard says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Rule code, `SX05xx`.
    pub code: &'static str,
    /// The resource.
    pub key: ResourceKey,
    /// What is refused, and why.
    pub message: String,
    /// What to do.
    pub help: String,
    /// Where it is declared.
    pub position: Option<Position>,
}

/// How many of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// New rows.
    pub create: usize,
    /// Changed rows.
    pub update: usize,
    /// Softly deleted rows.
    pub delete: usize,
    /// Rows that live again.
    pub restore: usize,
    /// Rows that become the project's.
    pub adopt: usize,
    /// Rows that are as declared.
    pub unchanged: usize,
}

/// What would be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The project whose plan it is.
    pub project: String,
    /// In the order of execution: what others depend on first; deletes last, in reverse.
    pub actions: Vec<Action>,
    /// Rows that are as declared.
    pub unchanged: usize,
    /// Rows that the project owns and nobody declares any more, where the plan does not delete them.
    pub undeclared: Vec<ResourceKey>,
    /// Guards that say no. A plan with one is never executed.
    pub refusals: Vec<Refusal>,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// How many of each.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary { unchanged: self.unchanged, ..Summary::default() };
        for action in &self.actions {
            let count = match action.kind {
                ActionKind::Create => &mut summary.create,
                ActionKind::Update => &mut summary.update,
                ActionKind::Restore => &mut summary.restore,
                ActionKind::Adopt => &mut summary.adopt,
                ActionKind::Delete => &mut summary.delete,
            };
            *count += 1;
        }
        summary
    }

    /// Identifies the plan: the same actions on the same revisions give the same digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut writer = crate::model::digest::DigestWriter::default();
        writer.field(self.project.as_bytes());
        for action in &self.actions {
            writer
                .field(action.kind.code().as_bytes())
                .field(action.key.to_string().as_bytes())
                .field(&action.revision.unwrap_or_default().to_le_bytes())
                .field(action.before.as_deref().unwrap_or_default().as_bytes())
                .field(action.after.as_deref().unwrap_or_default().as_bytes());
        }
        writer.finish()
    }

    /// The workspaces that actions touch, sorted.
    #[must_use]
    pub fn workspaces(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.actions.iter().map(|action| action.key.workspace.to_string()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
