//! Overlays: what an environment lays over the manifests that all environments share.
//!
//! An overlay is a folder of manifests. Its patches change resources that are declared for all, before templates and
//! defaults are laid under them; its other manifests are simply added. Overlays follow one another; within one, the order of
//! patches means nothing, so two that set the same field of one resource are an error.

mod merge;
mod place;
mod read;

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};

use crate::model::diagnostic::did_you_mean;
use crate::model::pattern::glob;
use crate::model::selector::Selector;
use crate::model::{KindRef, ResourceKey, SourceRef};

pub use place::{PatchPlace, Uses};
pub(super) use read::read_file;

use super::check::Known;
use super::problem::{Problem, Target};

/// One patch.
#[derive(Clone, Debug)]
pub struct Patch {
    /// The overlay, by number.
    overlay: u16,
    /// Where it stands.
    pub source: SourceRef,
    kind: KindRef,
    name: String,
    workspace: Option<String>,
    selector: Selector,
    labels: Map<String, Value>,
    spec: Map<String, Value>,
    leaves: Vec<Leaf>,
}

/// A field that a patch sets or removes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Leaf {
    /// JSON pointer into the resource's manifest.
    pointer: String,
    removes: bool,
}

/// The patches of an environment, and what they were applied to.
#[derive(Clone, Debug, Default)]
pub struct Overlays {
    patches: Vec<Patch>,
    /// By rank of the kind and name.
    exact: HashMap<(u8, String), Vec<u32>>,
    /// By rank of the kind.
    patterns: HashMap<u8, Vec<u32>>,
    applied: HashMap<ResourceKey, Box<[u32]>>,
}

/// Two patches of one overlay set the same field of a resource.
#[derive(Clone, Debug)]
pub struct Clash {
    first: u32,
    second: u32,
    first_field: String,
    second_field: String,
    /// The resource.
    pub key: ResourceKey,
}

/// What a patch does to a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setter {
    /// Sets it. Where the patch stands, and the JSON pointer to the field in it.
    Sets(SourceRef, String),
    /// Removes it.
    Removes,
}

impl Patch {
    fn is_exact(&self) -> bool {
        !self.name.contains('*')
    }

    fn fits(&self, key: &ResourceKey, labels: &Map<String, Value>) -> bool {
        self.kind.rank == key.kind.rank
            && glob(&self.name, &key.name)
            && self.workspace.as_ref().is_none_or(|workspace| **workspace == *key.workspace)
            && self.selector.matches(labels)
    }
}

impl Overlays {
    /// Adds the patches of a file.
    pub fn add(&mut self, patches: Vec<Patch>) {
        for patch in patches {
            let index = u32::try_from(self.patches.len()).unwrap_or(u32::MAX);
            let rank = patch.kind.rank;
            if patch.is_exact() {
                self.exact.entry((rank, patch.name.clone())).or_default().push(index);
            } else {
                self.patterns.entry(rank).or_default().push(index);
            }
            self.patches.push(patch);
        }
    }

    /// Whether there is no patch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patches.is_empty()
    }

    /// Lays the patches over a manifest that stands in `overlay` or before all of them. Returns those that fit, in the order
    /// in which they were applied.
    pub fn apply(
        &self,
        key: &ResourceKey,
        overlay: Option<u16>,
        manifest: &mut Value,
        clashes: &mut Vec<Clash>,
    ) -> Vec<u32> {
        let rank = key.kind.rank;
        let exact = self.exact.get(&(rank, key.name.to_string())).into_iter().flatten();
        let patterns = self.patterns.get(&rank).into_iter().flatten();
        let mut candidates: Vec<u32> = exact.chain(patterns).copied().collect();
        candidates.retain(|index| overlay.is_none_or(|overlay| self.patch(*index).overlay >= overlay));
        candidates.sort_unstable_by_key(|index| (self.patch(*index).overlay, *index));
        let mut applied = Vec::new();
        for group in
            candidates.chunk_by(|left, right| self.patch(*left).overlay == self.patch(*right).overlay)
        {
            let labels = manifest.pointer("/metadata/labels").and_then(Value::as_object).cloned();
            let labels = labels.unwrap_or_default();
            let start = applied.len();
            applied.extend(group.iter().copied().filter(|index| self.patch(*index).fits(key, &labels)));
            for (position, index) in applied[start..].iter().enumerate() {
                self.clashes(&applied[start..start + position], *index, key, clashes);
                let patch = self.patch(*index);
                merge::into_manifest(manifest, &patch.labels, &patch.spec);
            }
        }
        applied
    }

    fn patch(&self, index: u32) -> &Patch {
        &self.patches[index as usize]
    }

    fn clashes(&self, before: &[u32], index: u32, key: &ResourceKey, clashes: &mut Vec<Clash>) {
        for other in before {
            let (first, second) = (self.patch(*other), self.patch(index));
            for right in &second.leaves {
                let same = |left: &&Leaf| {
                    is_within(&left.pointer, &right.pointer) || is_within(&right.pointer, &left.pointer)
                };
                if let Some(left) = first.leaves.iter().find(same) {
                    clashes.push(Clash {
                        first: *other,
                        second: index,
                        first_field: left.pointer.clone(),
                        second_field: right.pointer.clone(),
                        key: key.clone(),
                    });
                }
            }
        }
    }

    /// Remembers what was applied to which resource.
    pub fn note(&mut self, applied: Vec<(ResourceKey, Vec<u32>)>) {
        self.applied.extend(applied.into_iter().map(|(key, patches)| (key, patches.into_boxed_slice())));
    }

    /// What becomes of a field of a resource by its patches, as the last of them wants it.
    #[must_use]
    pub fn setter(&self, key: &ResourceKey, pointer: &str) -> Option<Setter> {
        let applied = self.applied.get(key)?;
        applied.iter().rev().find_map(|index| {
            let patch = self.patch(*index);
            let leaf = patch.leaves.iter().find(|leaf| {
                is_within(pointer, &leaf.pointer) || is_within(&leaf.pointer, pointer) && !leaf.removes
            })?;
            Some(if leaf.removes { Setter::Removes } else { Setter::Sets(patch.source, in_patch(pointer)) })
        })
    }

    /// Points a problem of a patched field at the patch.
    pub fn redirect(&self, applied: &[u32], problem: &mut Problem) {
        let (Target::Value(pointer) | Target::Key(pointer)) = &problem.target else { return };
        let pointer = pointer.clone();
        for index in applied.iter().rev() {
            let patch = self.patch(*index);
            let sets = |leaf: &&Leaf| {
                let field = leaf.pointer.rsplit('/').next().unwrap_or_default();
                is_within(&pointer, &leaf.pointer)
                    || leaf.pointer.starts_with("/spec/") && pointer != "/spec" && is_within(&leaf.pointer, &pointer)
                    // What is missing is missed where it should be.
                    || leaf.removes
                        && leaf.pointer.rsplit_once('/').is_some_and(|(parent, _)| parent == pointer)
                        && problem.message.contains(&format!("`{field}`"))
            };
            let Some(leaf) = patch.leaves.iter().find(sets) else { continue };
            let whole = pointer.len() < leaf.pointer.len();
            let place = in_patch(if whole { &leaf.pointer } else { &pointer });
            problem.target = match &problem.target {
                Target::Key(_) => Target::Key(place),
                Target::Value(_) | Target::Span(..) => Target::Value(place),
            };
            if patch.is_exact() {
                let base = SourceRef { ..problem.source };
                let name = Target::Value("/metadata/name".to_owned());
                problem.related.push((base, name, "the resource that is patched".to_owned()));
            } else {
                // A pattern is wrong once, however many resources fit it.
                problem.resource = None;
            }
            problem.source = patch.source;
            return;
        }
    }

    /// Where a mention that a patch makes stands: document and pointer.
    #[must_use]
    pub fn place_of(&self, applied: &[u32], pointer: &str) -> Option<(SourceRef, String)> {
        applied.iter().rev().find_map(|index| {
            let patch = self.patch(*index);
            let sets = |leaf: &Leaf| !leaf.removes && is_within(pointer, &leaf.pointer);
            patch.leaves.iter().any(sets).then(|| (patch.source, in_patch(pointer)))
        })
    }

    /// Problems of patches as a whole: fields that two of them set, and patches that fit nothing.
    pub fn check(
        &self,
        mut clashes: Vec<Clash>,
        used: &HashSet<u32>,
        known: &Known<'_>,
        problems: &mut Vec<Problem>,
    ) {
        clashes.sort_by(|left, right| left.key.cmp(&right.key));
        let mut told = HashSet::new();
        for clash in clashes {
            if !told.insert((clash.first, clash.second, clash.second_field.clone())) {
                continue;
            }
            let (first, second) = (self.patch(clash.first), self.patch(clash.second));
            let field = clash.second_field.trim_start_matches("/spec/").trim_start_matches("/metadata/");
            let message = format!("two patches of one overlay set `{}`", field.replace('/', "."));
            let target = Target::Value(in_patch(&clash.second_field));
            let problem = Problem::error("SX0215", second.source, target, message)
                .help("set it in one of them, or put one into an overlay of its own, after the other")
                .about(&clash.key)
                .related(first.source, Target::Value(in_patch(&clash.first_field)), "also set here");
            problems.push(problem);
        }
        let mut names: BTreeMap<u8, Vec<&str>> = BTreeMap::new();
        for (index, patch) in self.patches.iter().enumerate() {
            let is_used = u32::try_from(index).is_ok_and(|index| used.contains(&index));
            let may_be_unread = known.unread.contains(&patch.name)
                || (!patch.is_exact() && !known.unread.is_empty())
                || (known.sets_failed && patch.kind.name == "Tenant");
            if is_used || may_be_unread {
                continue;
            }
            let rank = patch.kind.rank;
            let names = names.entry(rank).or_insert_with(|| {
                known
                    .entries
                    .iter()
                    .filter(|entry| entry.key.kind.rank == rank)
                    .map(|entry| &*entry.key.name)
                    .collect()
            });
            problems.push(matches_nothing(patch, names));
        }
    }
}

fn matches_nothing(patch: &Patch, names: &[&str]) -> Problem {
    let message = format!("no {} fits this patch: `{}`", patch.kind.name, patch.name);
    let help = if names.contains(&patch.name.as_str()) {
        "there is one of that name, but its workspace or labels do not fit".to_owned()
    } else {
        match did_you_mean(&patch.name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "correct the target, or remove the patch; it would silently do nothing".to_owned(),
        }
    };
    Problem::error("SX0214", patch.source, Target::Value("/spec/target/name".into()), message).help(help)
}

/// Whether a field is another one or below it.
fn is_within(pointer: &str, other: &str) -> bool {
    pointer.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Where a patch has what a manifest has at a pointer.
fn in_patch(pointer: &str) -> String {
    match pointer.strip_prefix("/metadata/labels") {
        Some(rest) => format!("/spec/patch/labels{rest}"),
        None => format!("/spec/patch{pointer}"),
    }
}

#[cfg(test)]
mod tests;
