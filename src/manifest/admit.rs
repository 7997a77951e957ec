//! One document through all checks that need nothing but itself and the layers: envelope, schema, templates, types.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::kinds;
use crate::model::diagnostic::did_you_mean;
use crate::model::kind::{NUL, nul_at};
use crate::model::{Digest, Entry, KindRef, ResourceKey, Scope, SourceRef, declared};

use super::expand::Layers;
use super::overlay::{Clash, Overlays};
use super::problem::{Problem, Target};
use super::rows;
use super::schema::{self, API_VERSION};
use super::validate::{self, Finding};
use super::variables::Variables;
use super::yaml::{self, Document, YamlError, YamlErrorKind};

/// What documents are checked against.
#[derive(Debug, Default)]
pub struct Context {
    /// Templates and workspaces.
    pub layers: Layers,
    /// Names of declared workspaces, shared by the keys.
    pub workspaces: HashMap<String, Arc<str>>,
    /// What documents that could not be read may declare, and workspaces and templates that have problems.
    pub unread: HashSet<String>,
    /// Values for `${NAME}`.
    pub variables: Variables,
    /// Patches.
    pub overlays: Overlays,
}

/// What came of some documents.
#[derive(Debug, Default)]
pub struct Output {
    /// Resources without a problem.
    pub entries: Vec<Entry>,
    /// Problems.
    pub problems: Vec<Problem>,
    /// Mentions of other resources, to be looked up once all are known.
    pub mentions: Vec<Mention>,
    /// Keys of resources that have problems: mentions of them are not dangling.
    pub broken: Vec<(ResourceKey, SourceRef)>,
    /// Which patches fit which resources.
    pub patched: Vec<(ResourceKey, Vec<u32>)>,
    /// Patches that set the same field.
    pub clashes: Vec<Clash>,
}

/// One resource mentions another.
#[derive(Clone, Debug)]
pub struct Mention {
    /// Who mentions.
    pub from: ResourceKey,
    /// Where.
    pub source: SourceRef,
    /// JSON pointer from the document's root.
    pub pointer: String,
    /// What is mentioned.
    pub to: ResourceKey,
}

/// The kind of a document.
///
/// # Errors
/// The document is not a map, names no kind, an unknown one, or another API version.
pub fn kind_of(value: &Value, source: SourceRef) -> Result<KindRef, Problem> {
    let error = |code, target, message: String| Problem::error(code, source, target, message);
    let Value::Object(map) = value else {
        let message = "a manifest is a map with apiVersion, kind, metadata and spec".to_owned();
        return Err(error("SX0150", Target::Value(String::new()), message));
    };
    match map.get("apiVersion") {
        Some(Value::String(version)) if version == API_VERSION => {}
        Some(other) => {
            let message = format!("unknown apiVersion {other}");
            return Err(error("SX0151", Target::Value("/apiVersion".into()), message)
                .help(format!("write `apiVersion: {API_VERSION}`")));
        }
        None => {
            let message = "the field `apiVersion` is missing".to_owned();
            return Err(error("SX0151", Target::Value(String::new()), message)
                .help(format!("a manifest starts with `apiVersion: {API_VERSION}`")));
        }
    }
    match map.get("kind") {
        Some(Value::String(name)) => kinds::find(name).ok_or_else(|| {
            let names = schema::kind_names();
            let help = match did_you_mean(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the kinds are {}", names.join(", ")),
            };
            error("SX0152", Target::Value("/kind".into()), format!("unknown kind `{name}`")).help(help)
        }),
        given => {
            let (pointer, message) = match given {
                Some(_) => ("/kind", "the field `kind` must be a text"),
                None => ("", "the field `kind` is missing"),
            };
            let help = format!("write one of {}", schema::kind_names().join(", "));
            Err(error("SX0152", Target::Value(pointer.to_owned()), message.to_owned()).help(help))
        }
    }
}

/// Reads the texts of a document as written, where its kind says so.
pub fn stringify(document: &mut Document, kind: KindRef, source: &str) {
    document.stringify_scalars("/metadata/labels", source);
    for pointer in ["/metadata/name", "/metadata/workspace"].into_iter().chain(kind.texts.iter().copied()) {
        match pointer.strip_suffix("/*") {
            Some(map) => {
                document.stringify_scalars(map, source);
            }
            None => {
                if document
                    .value
                    .pointer(pointer)
                    .is_some_and(|value| value.is_number() || value.is_boolean())
                {
                    document.stringify_scalar(pointer, source);
                }
            }
        }
    }
}

impl Context {
    /// Checks one manifest and, when it passes, adds its entry.
    pub fn admit(&self, kind: KindRef, mut manifest: Value, source: SourceRef, out: &mut Output) {
        let findings =
            validate::findings(schema::validator(kind), schema::cached(kind), &manifest, kind.hides_values);
        let key = self.key_of(kind, &manifest);
        if !findings.is_empty() {
            self.look_beyond(kind, manifest, &findings, key.as_ref(), source, out);
            for mut finding in findings {
                if source.row.is_some() {
                    rows::in_words_of_a_row(&mut finding);
                }
                let problem = Problem::error(finding.code, source, finding.target, finding.message);
                out.problems.push(dressed(problem, key.as_ref(), finding.help));
            }
            out.broken.extend(key.map(|key| (key, source)));
            return;
        }
        let Some(key) = key else {
            let problem =
                Problem::error("SX0207", source, Target::Value("/metadata".into()), "no workspace is named")
                    .help("add `workspace:` to the metadata, or set the project's default `workspace`");
            out.problems.push(problem);
            return;
        };
        let mut labels = take_map(&mut manifest, "/metadata/labels");
        let mut spec = take_map(&mut manifest, "/spec");
        let before = out.problems.len();
        let mut layered = true;
        if kind.name == "Tenant" {
            if self.lacks_a_layer(&key, &spec) {
                out.broken.push((key, source));
                return;
            }
            layered = self.expand(&key, &mut spec, &mut labels, source, out)
                && self.layers.workspaces.contains_key(&*key.workspace)
                && !self.unread.contains(&*key.workspace)
                && !template_of(&spec).is_some_and(|name| self.unread.contains(name));
        }
        match (kind.admit)(Value::Object(spec)) {
            Ok(admitted) if out.problems.len() == before => {
                let canonical = declared::canonical(labels, &admitted.canonical);
                // The spec was looked at before: it can only be a label.
                if let Some(pointer) = nul_at(&canonical) {
                    let target = Target::Value(format!("/metadata{pointer}"));
                    let problem = Problem::error("SX0304", source, target, NUL);
                    out.problems.push(problem.help("remove the \\0 from the text").about(&key));
                    out.broken.push((key, source));
                    return;
                }
                for reference in admitted.references {
                    let Some(target) = kinds::find(reference.kind) else {
                        continue;
                    };
                    out.mentions.push(Mention {
                        to: ResourceKey::new(target, Arc::clone(&key.workspace), &reference.name),
                        from: key.clone(),
                        source,
                        pointer: format!("/spec{}", reference.pointer),
                    });
                }
                out.entries.push(Entry {
                    digest: Digest::of(canonical.as_bytes()),
                    canonical: canonical.into_boxed_str(),
                    protect: admitted.protect,
                    key,
                    source,
                });
            }
            Ok(_) => out.broken.push((key, source)),
            Err(problems) => {
                // What a layer that is not there would have given is not missed.
                for problem in problems.into_iter().filter(|problem| layered || problem.code != "SX0305") {
                    let target = Target::Value(format!("/spec{}", problem.pointer));
                    let placed = Problem::error(problem.code, source, target, problem.message);
                    out.problems.push(dressed(placed, Some(&key), problem.help));
                }
                out.broken.push((key, source));
            }
        }
    }

    /// Notes the reading errors of a document, and what else is wrong with it as far as it could be read.
    pub fn refuse(&self, errors: Vec<YamlError>, text: &str, source: SourceRef, out: &mut Output) {
        let range = source.start as usize..source.end as usize;
        if let Some(mut document) = yaml::parse_despite(text, range, &errors)
            && let Ok(kind) = kind_of(&document.value, source)
        {
            stringify(&mut document, kind, text);
            // What is wrong with variables is said once the document can be read.
            self.variables.put_into(kind, &mut document.value, source, &mut Vec::new());
            let value = &document.value;
            let schema = (schema::validator(kind), schema::cached(kind));
            for finding in validate::findings(schema.0, schema.1, value, kind.hides_values) {
                let (Target::Value(pointer) | Target::Key(pointer)) = &finding.target else { continue };
                // A value that was refused is not complained about twice.
                let start = document.locate_nearest(pointer).value.start;
                if !errors.iter().any(|error| error.span.start == start) {
                    let problem = Problem::error(finding.code, source, finding.target, finding.message);
                    out.problems.push(dressed(problem, self.key_of(kind, value).as_ref(), finding.help));
                }
            }
        }
        out.problems.extend(errors.into_iter().map(|error| yaml_problem(error, source, false)));
    }

    /// What else is wrong with a spec whose shape is wrong: the parts that the schema refused are taken out, and the rest
    /// is checked as if they had never been there. What is missed then may be missed only because of that.
    fn look_beyond(
        &self,
        kind: KindRef,
        mut manifest: Value,
        findings: &[Finding],
        key: Option<&ResourceKey>,
        source: SourceRef,
        out: &mut Output,
    ) {
        for finding in findings.iter().filter(|finding| finding.code != "SX0154") {
            let (Target::Value(pointer) | Target::Key(pointer)) = &finding.target else { continue };
            if !remove(&mut manifest, pointer) {
                return;
            }
        }
        let (Some(key), mut spec) = (key, take_map(&mut manifest, "/spec")) else { return };
        if kind.name == "Tenant" && !self.lacks_a_layer(key, &spec) {
            // A market or region from a layer is part of what the checks look at.
            if let Err(name) = self.layers.expand(&key.workspace, &mut spec, &mut Map::new())
                && !self.unread.contains(&name)
            {
                out.problems.push(self.no_template(key, &name, source));
            }
        }
        let problems = (kind.admit)(Value::Object(spec)).err().unwrap_or_default();
        for problem in problems.into_iter().filter(|problem| !matches!(problem.code, "SX0190" | "SX0305")) {
            let target = Target::Value(format!("/spec{}", problem.pointer));
            let placed = Problem::error(problem.code, source, target, problem.message);
            out.problems.push(dressed(placed, Some(key), problem.help));
        }
    }

    /// The key that a manifest gives itself; `None` when it has no name, or no workspace where it needs one.
    #[must_use]
    pub fn key_of(&self, kind: KindRef, manifest: &Value) -> Option<ResourceKey> {
        let name = manifest.pointer("/metadata/name").and_then(Value::as_str)?;
        let workspace = match kind.scope {
            Scope::Global => name,
            Scope::Workspace => manifest
                .pointer("/metadata/workspace")
                .and_then(Value::as_str)
                .or(self.layers.default_workspace.as_deref())?,
        };
        let shared = self.workspaces.get(workspace).cloned().unwrap_or_else(|| workspace.into());
        Some(ResourceKey::new(kind, shared, name))
    }

    /// Whether a tenant's template or workspace may be in a document that could not be read: then nothing more can be said
    /// of the tenant.
    fn lacks_a_layer(&self, key: &ResourceKey, spec: &Map<String, Value>) -> bool {
        template_of(spec).is_some_and(|name| {
            self.unread.contains(name) && self.layers.template(&key.workspace, name).is_none()
        }) || (self.unread.contains(&*key.workspace) && !self.layers.workspaces.contains_key(&*key.workspace))
    }

    /// Whether the template was found.
    fn expand(
        &self,
        key: &ResourceKey,
        spec: &mut Map<String, Value>,
        labels: &mut Map<String, Value>,
        source: SourceRef,
        out: &mut Output,
    ) -> bool {
        match self.layers.expand(&key.workspace, spec, labels) {
            Ok(missing) => {
                let template = spec.get("template").and_then(Value::as_str).unwrap_or_default();
                // In a row the cell is there, and empty; in a manifest there is nothing to point at.
                let place = |field: &str| match source.row {
                    Some(_) => format!("/spec/{}", field.replacen('.', "/", 1)),
                    None => "/spec".to_owned(),
                };
                for field in missing {
                    let message = format!("template `{template}` requires `{field}`, which is not given");
                    let problem = Problem::error("SX0206", source, Target::Value(place(&field)), message)
                        .help(format!("add `{field}` to the tenant"));
                    out.problems.push(problem.about(key));
                }
                true
            }
            Err(name) => {
                out.problems.push(self.no_template(key, &name, source));
                false
            }
        }
    }

    fn no_template(&self, key: &ResourceKey, name: &str, source: SourceRef) -> Problem {
        let message = format!("there is no template `{name}`");
        let help = match self.layers.near_template(&key.workspace, name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "declare a TenantTemplate of that name; `synthex templates list` shows the built-in ones"
                .to_owned(),
        };
        let problem = Problem::error("SX0205", source, Target::Value("/spec/template".into()), message);
        problem.help(help).about(key)
    }
}

fn template_of(spec: &Map<String, Value>) -> Option<&str> {
    spec.get("template").and_then(Value::as_str)
}

fn dressed(mut problem: Problem, key: Option<&ResourceKey>, help: Option<String>) -> Problem {
    problem.resource = key.map(ToString::to_string);
    problem.help = help;
    problem
}

fn take_map(manifest: &mut Value, pointer: &str) -> Map<String, Value> {
    match manifest.pointer_mut(pointer).map(Value::take) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Takes out what is at a pointer, where it is below the spec. False when the spec as a whole is meant: without it
/// nothing more can be said.
fn remove(manifest: &mut Value, pointer: &str) -> bool {
    if let Some((parent, last)) = pointer.rsplit_once('/').filter(|_| pointer.starts_with("/spec/"))
        && let Some(Value::Object(map)) = manifest.pointer_mut(parent)
    {
        map.shift_remove(&last.replace("~1", "/").replace("~0", "~"));
    }
    !matches!(pointer, "" | "/spec")
}

/// The problem that a reading error is.
#[must_use]
pub fn yaml_problem(error: YamlError, source: SourceRef, json: bool) -> Problem {
    let code = match error.kind {
        YamlErrorKind::InvalidUtf8 => "SX0101",
        YamlErrorKind::Syntax | YamlErrorKind::Control | YamlErrorKind::UnknownAnchor if json => "SX0115",
        YamlErrorKind::Syntax | YamlErrorKind::Control | YamlErrorKind::UnknownAnchor => "SX0102",
        YamlErrorKind::DuplicateKey => "SX0103",
        YamlErrorKind::AliasBudget => "SX0104",
        YamlErrorKind::Depth | YamlErrorKind::Nodes => "SX0105",
        YamlErrorKind::AmbiguousBoolean => "SX0106",
        YamlErrorKind::AmbiguousNumber | YamlErrorKind::NotANumber | YamlErrorKind::NumberRange => "SX0107",
        YamlErrorKind::TabIndent => "SX0108",
        YamlErrorKind::NonStringKey | YamlErrorKind::MergeKey => "SX0109",
        YamlErrorKind::Tag => "SX0110",
        YamlErrorKind::TooLarge => "SX0111",
    };
    let mut problem =
        Problem::error(code, source, Target::Span(error.span.start, error.span.end), error.message);
    problem.help = error.help;
    if let Some((span, note)) = error.related {
        problem = problem.related(source, Target::Span(span.start, span.end), note);
    }
    problem
}
