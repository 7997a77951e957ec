//! Where a patch says something of one resource, for those who change it there.

use std::collections::HashMap;

use crate::model::{ResourceKey, SourceRef};

use super::{Leaf, Overlays, in_patch, is_within};

/// A field in a patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchPlace {
    /// The patch.
    pub source: SourceRef,
    /// JSON pointer to the field in it.
    pub pointer: String,
    /// Whether the patch is, or may come to be, of several resources.
    pub is_shared: bool,
}

/// How many resources each patch was applied to.
#[derive(Clone, Debug, Default)]
pub struct Uses(HashMap<u32, usize>);

impl Overlays {
    /// How many resources each patch was applied to.
    #[must_use]
    pub fn uses(&self) -> Uses {
        let mut uses = HashMap::new();
        for index in self.applied.values().flatten() {
            *uses.entry(*index).or_default() += 1;
        }
        Uses(uses)
    }

    /// The last patch that has a say in a field, whether it sets or removes it.
    #[must_use]
    pub fn place(&self, uses: &Uses, key: &ResourceKey, pointer: &str) -> Option<PatchPlace> {
        self.applied.get(key)?.iter().rev().find_map(|index| {
            let patch = self.patch(*index);
            let says = |leaf: &Leaf| is_within(pointer, &leaf.pointer) || is_within(&leaf.pointer, pointer);
            patch.leaves.iter().any(says).then(|| PatchPlace {
                source: patch.source,
                pointer: in_patch(pointer),
                is_shared: self.is_shared(uses, *index),
            })
        })
    }

    /// The patches of this resource and no other: without it, they fit nothing.
    #[must_use]
    pub fn only_for(&self, uses: &Uses, key: &ResourceKey) -> Vec<SourceRef> {
        let applied = self.applied.get(key).into_iter().flatten();
        applied
            .filter(|index| !self.is_shared(uses, **index))
            .map(|index| self.patch(*index).source)
            .collect()
    }

    fn is_shared(&self, uses: &Uses, index: u32) -> bool {
        !self.patch(index).is_exact() || uses.0.get(&index).is_some_and(|count| *count > 1)
    }
}
