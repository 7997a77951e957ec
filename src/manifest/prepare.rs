//! What is done to a document before it is checked: variables are put in, and the patches of overlays laid over it.

use serde_json::Value;

use crate::model::{KindRef, SourceRef};

use super::admit::{Context, Output};
use super::variables;

/// What is known of a document besides its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    /// Its text: one without a dollar sign holds no variable.
    pub text: &'a str,
    /// The overlay it stands in.
    pub overlay: Option<u16>,
    /// Where it is.
    pub source: SourceRef,
}

/// How much of an output was there before a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    problems: usize,
    mentions: usize,
}

impl Mark {
    pub(super) fn of(out: &Output) -> Self {
        Self { problems: out.problems.len(), mentions: out.mentions.len() }
    }
}

impl Context {
    /// Prepares a document and checks it.
    pub(super) fn admit_raw(&self, kind: KindRef, mut manifest: Value, raw: Raw<'_>, out: &mut Output) {
        match self.prepare(kind, &mut manifest, raw, out) {
            Some(applied) => {
                let mark = Mark::of(out);
                self.admit(kind, manifest, raw.source, out);
                self.redirect(&applied, mark, out);
            }
            None => out.broken.extend(self.key_of(kind, &manifest).map(|key| (key, raw.source))),
        }
    }

    /// Puts variables in and lays patches over a document; returns the patches. `None` when a variable is not set.
    pub(super) fn prepare(
        &self,
        kind: KindRef,
        manifest: &mut Value,
        raw: Raw<'_>,
        out: &mut Output,
    ) -> Option<Vec<u32>> {
        let before = out.problems.len();
        if variables::may_be_in(raw.text)
            && !self.variables.put_into(kind, manifest, raw.source, &mut out.problems)
        {
            let key = self.key_of(kind, manifest).map(|key| key.to_string());
            for problem in &mut out.problems[before..] {
                problem.resource.clone_from(&key);
            }
            return None;
        }
        Some(self.patch(kind, manifest, raw.overlay, out))
    }

    /// Lays patches over a document, or a row of one, and returns them.
    pub(super) fn patch(
        &self,
        kind: KindRef,
        manifest: &mut Value,
        overlay: Option<u16>,
        out: &mut Output,
    ) -> Vec<u32> {
        if self.overlays.is_empty() {
            return Vec::new();
        }
        let Some(key) = self.key_of(kind, manifest) else { return Vec::new() };
        let applied = self.overlays.apply(&key, overlay, manifest, &mut out.clashes);
        if !applied.is_empty() {
            out.patched.push((key, applied.clone()));
        }
        applied
    }

    /// Points what was found in patched fields since the mark at the patches.
    pub(super) fn redirect(&self, applied: &[u32], mark: Mark, out: &mut Output) {
        if applied.is_empty() {
            return;
        }
        for problem in &mut out.problems[mark.problems..] {
            self.overlays.redirect(applied, problem);
        }
        for mention in &mut out.mentions[mark.mentions..] {
            if let Some((source, pointer)) = self.overlays.place_of(applied, &mention.pointer) {
                (mention.source, mention.pointer) = (source, pointer);
            }
        }
    }
}
