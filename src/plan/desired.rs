//! What is declared, and what that means for the rest.

use crate::kinds::project::Guards;
use crate::model::{Entry, KeyPattern, ResourceKey};

use super::ignored::Ignore;
use super::moves::Move;
use super::selection::Chosen;

/// The owner of rows that commands make.
pub const COMMAND_OWNER: &str = "cli";

/// What makes the desired state: it says why rows that nobody touched change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The manifests.
    Manifests,
    /// The state after a revision.
    Rollback(i64),
    /// A person's wish that something deleted lives again.
    Restore,
    /// What a command was asked to do.
    Command,
}

/// What is declared, and what that means for the rest.
#[derive(Clone, Copy, Debug)]
pub struct Desired<'a> {
    /// The project: the owner of its rows.
    pub project: &'a str,
    /// The environment, where one was named.
    pub environment: Option<&'a str>,
    /// Sorted by key, no key twice.
    pub entries: &'a [Entry],
    /// Whether rows that the project owns and `entries` do not have are deleted.
    pub prune: bool,
    /// Whether what is deleted is removed for good.
    pub permanent: bool,
    /// Only this workspace is looked at; everything else is neither changed nor counted.
    pub workspace: Option<&'a str>,
    /// Only these are looked at.
    pub chosen: Option<&'a Chosen>,
    /// What is declared but cannot be used: it is neither changed nor deleted. Sorted.
    pub broken: &'a [ResourceKey],
    /// Declared renames.
    pub moves: &'a [Move],
    /// Fields that somebody else looks after now.
    pub ignores: &'a [Ignore],
    /// Limits on what one plan does.
    pub guards: &'a Guards,
    /// What is taken over from another project.
    pub take_over: &'a [KeyPattern],
    /// What makes the desired state.
    pub cause: Cause,
    /// How many threads compare rows. The plan is the same with any number.
    pub threads: usize,
}

/// No limits.
static NO_GUARDS: Guards =
    Guards { max_deletes: u32::MAX, max_delete_percent: 100, max_update_percent: None, rename: false };

impl<'a> Desired<'a> {
    /// These resources of a project; nothing is deleted, and no guard counts.
    #[must_use]
    pub fn new(project: &'a str, entries: &'a [Entry]) -> Self {
        Self {
            project,
            environment: None,
            entries,
            prune: false,
            permanent: false,
            workspace: None,
            chosen: None,
            broken: &[],
            moves: &[],
            ignores: &[],
            guards: &NO_GUARDS,
            take_over: &[],
            cause: Cause::Manifests,
            threads: 1,
        }
    }

    fn in_workspace(&self, key: &ResourceKey) -> bool {
        self.workspace.is_none_or(|workspace| *key.workspace == *workspace)
    }

    pub(super) fn includes_entry(&self, key: &ResourceKey) -> bool {
        self.in_workspace(key) && self.chosen.is_none_or(|chosen| chosen.has(key))
    }

    pub(super) fn includes_head(&self, key: &ResourceKey) -> bool {
        self.in_workspace(key)
            && self.broken.binary_search(key).is_err()
            && self
                .chosen
                .is_none_or(|chosen| chosen.has(key) || (chosen.may_have(key) && self.find(key).is_none()))
    }

    fn find(&self, key: &ResourceKey) -> Option<&Entry> {
        self.entries.binary_search_by(|entry| entry.key.cmp(key)).ok().map(|index| &self.entries[index])
    }

    pub(super) fn takes_over(&self, key: &ResourceKey) -> bool {
        self.take_over.iter().any(|pattern| pattern.matches(key))
    }
}
