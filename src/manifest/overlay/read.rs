//! From the text of an overlay's file to its patches.

use serde_json::{Map, Value};

use crate::kinds::{self, patch::PatchSpec};
use crate::model::diagnostic::did_you_mean;
use crate::model::{FileId, KindRef, SourceFile, SourceRef};

use super::super::admit::{kind_of, stringify};
use super::super::first_pass::small;
use super::super::problem::{Problem, Target};
use super::super::resolve::is_json;
use super::super::variables::{self, Variables};
use super::super::yaml::{self, Document, Limits};
use super::super::{schema, validate};
use super::{Patch, merge};

/// The patches of a file. What is wrong with documents that are no patches is found elsewhere.
pub fn read_file(
    id: FileId,
    file: &SourceFile,
    overlay: u16,
    variables: &Variables,
    problems: &mut Vec<Problem>,
) -> Vec<Patch> {
    let whole = SourceRef { file: id, start: 0, end: small(file.bytes().len()), row: None };
    let Ok(text) = yaml::decode(file.bytes()) else { return Vec::new() };
    let mut patches = Vec::new();
    let mut note = |document: Document, source: SourceRef| {
        let reading = Reading { text, source, overlay, variables };
        patches.extend(reading.patch(document, problems));
    };
    if is_json(&file.path) {
        if let Ok(document) = yaml::parse_json(text, &Limits::default()) {
            note(document, whole);
        }
        return patches;
    }
    for range in
        yaml::split(text).into_iter().filter(|range| text[range.clone()].contains(kinds::patch::KIND.name))
    {
        let source = SourceRef { start: small(range.start), end: small(range.end), ..whole };
        if let Ok(Some(document)) = yaml::parse(text, range, &Limits::default()) {
            note(document, source);
        }
    }
    patches
}

struct Reading<'a> {
    text: &'a str,
    source: SourceRef,
    overlay: u16,
    variables: &'a Variables,
}

impl Reading<'_> {
    fn patch(&self, mut document: Document, problems: &mut Vec<Problem>) -> Option<Patch> {
        let own: KindRef = &kinds::patch::KIND;
        if kind_of(&document.value, self.source).ok()?.name != own.name {
            return None;
        }
        stringify(&mut document, own, self.text);
        let named = document.value.pointer("/spec/target/kind").and_then(Value::as_str);
        let kind = named.and_then(kinds::find);
        if let Some(kind) = kind {
            self.texts_of(kind, &mut document);
        }
        let before = problems.len();
        // The fields of a patch are those of its target, and may stand beside secrets as they do there.
        let hides_values = kind.is_none_or(|kind| kind.hides_values);
        let schema = (schema::validator(own), schema::cached(own));
        for finding in validate::findings(schema.0, schema.1, &document.value, hides_values) {
            let mut problem = Problem::error(finding.code, self.source, finding.target, finding.message);
            problem.help = finding.help;
            problems.push(problem);
        }
        if problems.len() > before {
            return None;
        }
        let part = &self.text[self.source.start as usize..self.source.end as usize];
        if variables::may_be_in(part)
            && !self.variables.put_into(own, &mut document.value, self.source, problems)
        {
            return None;
        }
        let kind = self.target_kind(&document.value, problems)?;
        let spec = document.value.get_mut("spec").map(Value::take).unwrap_or_default();
        if let Err(found) = (own.admit)(spec.clone()) {
            for problem in found {
                let target = Target::Value(format!("/spec{}", problem.pointer));
                let mut placed = Problem::error(problem.code, self.source, target, problem.message);
                placed.help = problem.help;
                problems.push(placed);
            }
            return None;
        }
        let PatchSpec { target, patch } = serde_json::from_value(spec).ok()?;
        let labels: Map<String, Value> =
            patch.labels.into_iter().map(|(key, change)| (key, change.0)).collect();
        let mut leaves = Vec::new();
        merge::leaves("/metadata/labels", &labels, &mut leaves);
        merge::leaves("/spec", &patch.spec, &mut leaves);
        Some(Patch {
            overlay: self.overlay,
            source: self.source,
            kind,
            name: target.name.0,
            workspace: target.workspace.map(|workspace| workspace.0),
            selector: target.selector.and_then(|selector| selector.parse().ok()).unwrap_or_default(),
            labels,
            spec: patch.spec,
            leaves,
        })
    }

    /// Reads the texts of the target's kind as written: an unquoted `1.10` stays `1.10`.
    fn texts_of(&self, kind: KindRef, document: &mut Document) {
        document.stringify_scalars("/spec/patch/labels", self.text);
        for pointer in kind.texts {
            let pointer = format!("/spec/patch{pointer}");
            match pointer.strip_suffix("/*") {
                Some(map) => {
                    document.stringify_scalars(map, self.text);
                }
                None => {
                    document.stringify_scalar(&pointer, self.text);
                }
            }
        }
    }

    fn target_kind(&self, manifest: &Value, problems: &mut Vec<Problem>) -> Option<KindRef> {
        let name = manifest.pointer("/spec/target/kind").and_then(Value::as_str)?;
        let patchable = |kind: &KindRef| !matches!(kind.name, "Project" | "Patch");
        let found = kinds::find(name).filter(patchable);
        if found.is_none() {
            let all: Vec<&str> =
                kinds::KINDS.iter().filter(|kind| patchable(kind)).map(|kind| kind.name).collect();
            let message = format!("a patch cannot change a `{name}`");
            let help = match did_you_mean(name, all.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the kinds are {}", all.join(", ")),
            };
            let target = Target::Value("/spec/target/kind".into());
            problems.push(Problem::error("SX0216", self.source, target, message).help(help));
        }
        found
    }
}
