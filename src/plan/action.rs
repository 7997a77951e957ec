//! The plan as a value: a closed set of actions, each with its reason, its place in the source and its reverse.

use std::borrow::Cow;

use serde_json::Value;

use crate::model::{Digest, KindRef, Origin, Position, ResourceKey};

use super::ignored::{self, Left};
pub use super::reason::Reason;

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
    /// A row gets another name; its fields may change too.
    Rename,
    /// A row is softly deleted, or removed for good.
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
            Self::Rename => "rename",
            Self::Delete => "delete",
        }
    }

    /// The kind with this word.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Every kind, in the order in which they are counted.
    pub const ALL: [Self; 6] =
        [Self::Create, Self::Update, Self::Rename, Self::Restore, Self::Adopt, Self::Delete];
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
    /// The canonical spec that is declared; `None` for a delete.
    pub after: Option<Box<str>>,
    /// Fields in which the row stays as it is, whatever `after` says: they are left to somebody else.
    pub left: Vec<Left>,
    /// The digest of `after`.
    pub digest: Option<Digest>,
    /// Whether the row is protected from deletion, now or by this action.
    pub protected: bool,
    /// The fields that change; for a create and a delete, none are listed.
    pub changes: Vec<FieldChange>,
    /// The former name, of what is renamed.
    pub from: Option<Box<str>>,
    /// Whether the row is removed for good, of what is deleted.
    pub permanent: bool,
    /// What is deleted along with it because it needs it: kinds and how many of each.
    pub dependents: Vec<(KindRef, usize)>,
}

impl Action {
    /// The key that the row has before the action.
    #[must_use]
    pub fn old_key(&self) -> ResourceKey {
        match &self.from {
            Some(name) => ResourceKey { name: name.clone(), ..self.key.clone() },
            None => self.key.clone(),
        }
    }

    /// The canonical spec that the row holds afterwards: what is declared, and what is left in it. `None` for a delete.
    #[must_use]
    pub fn written(&self) -> Option<Cow<'_, str>> {
        let after = self.after.as_deref()?;
        if self.left.is_empty() {
            return Some(Cow::Borrowed(after));
        }
        let mut written = serde_json::from_str(after).unwrap_or_default();
        ignored::put_left(&mut written, &self.left);
        Some(Cow::Owned(written.to_string()))
    }

    /// What goes on record as the spec afterwards; `None` for a delete.
    #[must_use]
    pub fn recorded(&self) -> Option<Cow<'_, str>> {
        let after = self.after.as_deref()?;
        Some(if self.left.is_empty() {
            Cow::Borrowed(after)
        } else {
            Cow::Owned(ignored::noted(after, &self.left))
        })
    }

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
            kind: match self.kind {
                ActionKind::Create | ActionKind::Restore => ActionKind::Delete,
                ActionKind::Update | ActionKind::Adopt => ActionKind::Update,
                ActionKind::Rename => ActionKind::Rename,
                ActionKind::Delete => ActionKind::Restore,
            },
            key: self.old_key(),
            from: self.from.as_ref().map(|_| self.key.name.clone()),
            reason: Reason::Edited,
            position: self.position.clone(),
            revision: Some(revision),
            before: self.written().map(|written| written.into_owned().into_boxed_str()),
            after: self.before.clone(),
            left: Vec::new(),
            digest: self.before.as_ref().map(|before| Digest::of(before.as_bytes())),
            protected: self.protected,
            changes: self.changes.iter().map(swap).collect(),
            permanent: false,
            dependents: Vec::new(),
        }
    }
}

/// A guard says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Rule code, `SX05xx`.
    pub code: &'static str,
    /// The resource; `None` where it is the plan as a whole.
    pub key: Option<ResourceKey>,
    /// What is refused, and why.
    pub message: String,
    /// What to do.
    pub help: String,
    /// Where it is declared.
    pub position: Option<Position>,
    /// Whether naming the number of deletions and the plan's digest lets it pass.
    pub can_be_acknowledged: bool,
}

/// A deletion, or something undeclared, and a creation that look like one resource under another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// What goes away, or is no longer declared.
    pub from: ResourceKey,
    /// What is created.
    pub to: ResourceKey,
    /// The field that both have in common.
    pub field: &'static str,
    /// Its value.
    pub value: String,
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
    /// Rows that get another name.
    pub rename: usize,
    /// Rows that are as declared.
    pub unchanged: usize,
}

impl Summary {
    /// Counts actions.
    #[must_use]
    pub fn of<'a>(actions: impl IntoIterator<Item = &'a Action>) -> Self {
        let mut summary = Self::default();
        for action in actions {
            let count = match action.kind {
                ActionKind::Create => &mut summary.create,
                ActionKind::Update => &mut summary.update,
                ActionKind::Restore => &mut summary.restore,
                ActionKind::Adopt => &mut summary.adopt,
                ActionKind::Rename => &mut summary.rename,
                ActionKind::Delete => &mut summary.delete,
            };
            *count += 1;
        }
        summary
    }
}

/// What would be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The project whose plan it is.
    pub project: String,
    /// The environment, where one was named.
    pub environment: Option<String>,
    /// In the order of execution: what others depend on first; deletes last, in reverse.
    pub actions: Vec<Action>,
    /// Rows that are as declared.
    pub unchanged: usize,
    /// Rows that the project owns and nobody declares any more, where the plan does not delete them.
    pub undeclared: Vec<ResourceKey>,
    /// What looks like a rename that nobody declared.
    pub suspects: Vec<Suspect>,
    /// Resources that were not selected and are looked at because selected ones need them.
    pub included: Vec<ResourceKey>,
    /// Actions that the user did not allow: kinds and how many of each.
    pub withheld: Vec<(ActionKind, usize)>,
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
        Summary { unchanged: self.unchanged, ..Summary::of(&self.actions) }
    }

    /// Identifies the plan: the same actions on the same revisions give the same digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut writer = crate::model::digest::DigestWriter::default();
        writer.field(self.project.as_bytes());
        if let Some(environment) = &self.environment {
            writer.field(b"environment").field(environment.as_bytes());
        }
        for action in &self.actions {
            writer
                .field(action.kind.code().as_bytes())
                .field(action.key.to_string().as_bytes())
                .field(action.from.as_deref().unwrap_or_default().as_bytes())
                .field(&[u8::from(action.permanent)])
                .field(&action.revision.unwrap_or_default().to_le_bytes())
                .field(action.before.as_deref().unwrap_or_default().as_bytes())
                .field(action.after.as_deref().unwrap_or_default().as_bytes());
            for field in &action.left {
                writer.field(b"left").field(field.pointer().as_bytes());
            }
        }
        writer.finish()
    }

    /// A plan with nothing in it.
    #[must_use]
    pub fn nothing(project: &str, environment: Option<&str>) -> Self {
        Self {
            project: project.to_owned(),
            environment: environment.map(str::to_owned),
            actions: Vec::new(),
            unchanged: 0,
            undeclared: Vec::new(),
            suspects: Vec::new(),
            included: Vec::new(),
            withheld: Vec::new(),
            refusals: Vec::new(),
        }
    }

    /// Leaves out the actions that are not allowed, and counts them. An action that is allowed and hangs together with one
    /// that is left out is refused: one that needs what is not made, or takes away what a row goes on needing.
    pub fn allow(&mut self, kinds: &[ActionKind]) {
        let all = std::mem::take(&mut self.actions);
        let (kept, left_out): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|action| kinds.contains(&action.kind));
        self.actions = kept;
        for kind in ActionKind::ALL {
            let count = left_out.iter().filter(|action| action.kind == kind).count();
            if count > 0 {
                self.withheld.push((kind, count));
            }
        }
        super::guards::check_again(&mut self.refusals, &self.actions, &left_out);
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
