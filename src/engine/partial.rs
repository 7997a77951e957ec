//! Each tenant for itself: what cannot be written is left out, with what belongs to it and what needs it, and the rest is
//! written as if it had been planned alone.

use std::collections::{HashMap, HashSet};

use crate::kinds;
use crate::model::ResourceKey;
use crate::plan::{Action, ActionKind, references};

/// What is left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// It could not be done.
    Failed(String),
    /// Something that it needs, or belongs to, could not be done.
    Skipped(String),
}

/// Decides what is left out. Actions are known by their place in the plan.
pub struct Isolation<'a> {
    actions: &'a [Action],
    /// What each stands and falls with.
    units: Vec<ResourceKey>,
    /// What each mentions; for a delete, what it mentioned.
    mentions: Vec<Vec<ResourceKey>>,
    /// What the row of each goes on mentioning when it is left out.
    mentioned: Vec<Vec<ResourceKey>>,
    left_out: HashMap<usize, LeftOut>,
}

impl<'a> Isolation<'a> {
    /// Nothing is left out yet. `unusable` are resources that are declared wrongly: what needs one of them is left out,
    /// unless the database has it already.
    #[must_use]
    pub fn new(actions: &'a [Action], unusable: &HashSet<ResourceKey>) -> Self {
        let references = |action: &Action, canonical: Option<&str>| {
            references::of(&action.key, canonical.unwrap_or_default())
        };
        let mentions: Vec<Vec<ResourceKey>> = actions
            .iter()
            .map(|action| references(action, action.written().as_deref().or(action.before.as_deref())))
            .collect();
        let mentioned = actions.iter().map(|action| match action.kind {
            // What is not there, or deleted, needs nothing.
            ActionKind::Create | ActionKind::Restore => Vec::new(),
            ActionKind::Update | ActionKind::Adopt | ActionKind::Rename | ActionKind::Delete => {
                references(action, action.before.as_deref())
            }
        });
        let mentioned = mentioned.collect();
        let units = actions.iter().zip(&mentions).map(|(action, mentions)| unit(action, mentions)).collect();
        let mut isolation = Self { actions, units, mentions, mentioned, left_out: HashMap::new() };
        for (index, action) in actions.iter().enumerate() {
            let mentions = &isolation.mentions[index];
            let missing = mentions.iter().find(|key| unusable.contains(*key));
            if let Some(key) = missing.filter(|_| action.kind == ActionKind::Create) {
                let why = format!("{key} is declared wrongly");
                isolation.left_out.insert(index, LeftOut::Skipped(why));
            }
        }
        isolation.spread();
        isolation
    }

    /// The actions that are not left out, with their places.
    pub fn remaining(&self) -> impl Iterator<Item = (usize, &'a Action)> {
        self.actions.iter().enumerate().filter(|(index, _)| !self.left_out.contains_key(index))
    }

    /// What is left out.
    #[must_use]
    pub const fn left_out(&self) -> &HashMap<usize, LeftOut> {
        &self.left_out
    }

    /// Notes that actions cannot be done, and leaves out what that means for others.
    pub fn fail(&mut self, failed: impl IntoIterator<Item = (usize, String)>) {
        self.leave_out(failed.into_iter().map(|(index, why)| (index, LeftOut::Failed(why))));
    }

    /// Leaves actions out, and what that means for others.
    pub fn leave_out(&mut self, actions: impl IntoIterator<Item = (usize, LeftOut)>) {
        for (index, why) in actions {
            self.left_out.entry(index).or_insert(why);
        }
        self.spread();
    }

    /// Leaves out the rest of each unit, and what needs something that will not be there.
    fn spread(&mut self) {
        loop {
            let broken_units: HashMap<&ResourceKey, usize> =
                self.left_out.keys().map(|index| (&self.units[*index], *index)).collect();
            let mut gone: HashMap<&ResourceKey, usize> = HashMap::new();
            // With whether a new name would not do, because a mention does not follow.
            let mut stays: HashMap<&ResourceKey, bool> = HashMap::new();
            for index in self.left_out.keys() {
                let action = &self.actions[*index];
                if references::brings_to_life(action.kind) {
                    gone.insert(&action.key, *index);
                }
                for what in &self.mentioned[*index] {
                    *stays.entry(what).or_default() |=
                        !references::follow_renames(action.key.kind, what.kind);
                }
            }
            let mut more = Vec::new();
            for (index, action) in self.actions.iter().enumerate() {
                if self.left_out.contains_key(&index) {
                    continue;
                }
                let is_delete = action.kind == ActionKind::Delete;
                let needed = self.mentions[index].iter().find_map(|key| gone.get(key).filter(|_| !is_delete));
                let why = if let Some(other) = broken_units.get(&self.units[index]) {
                    format!("it stands and falls with {}", self.actions[*other].key)
                } else if let Some(other) = needed {
                    format!("it needs {}", self.actions[*other].key)
                } else if is_delete && stays.contains_key(&action.key) {
                    "something still needs it, because its own change could not be made".to_owned()
                } else if action.kind == ActionKind::Rename && stays.get(&action.old_key()) == Some(&true) {
                    "something still needs it under its former name, because its own change could not be made"
                        .to_owned()
                } else {
                    continue;
                };
                more.push((index, LeftOut::Skipped(why)));
            }
            if more.is_empty() {
                return;
            }
            self.left_out.extend(more);
        }
    }
}

/// What an action stands and falls with: of a tenant and its credentials the tenant, of everything else itself.
fn unit(action: &Action, mentions: &[ResourceKey]) -> ResourceKey {
    let owner = action.key.kind.part_of.and_then(kinds::find);
    let owner = owner.and_then(|kind| mentions.iter().find(|key| key.kind.rank == kind.rank));
    owner.unwrap_or(&action.key).clone()
}
