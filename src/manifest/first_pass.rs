//! The first pass over the manifests: what other documents depend on (workspaces, templates, tenant sets) is read here,
//! everything else is only noted for the second pass.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use crate::kinds::project::ProjectSpec;
use crate::model::{FileId, KindRef, SourceFile, SourceRef};

use super::admit::{Context, Output, kind_of, stringify, yaml_problem};
use super::csv;
use super::expand::{Layers, TemplateLayer, WorkspaceLayer};
use super::overlay;
use super::prepare::{Mark, Raw};
use super::problem::{Problem, Target};
use super::resolve::is_json;
use super::rows::{self, Fields, RowItem, SetContext};
use super::variables::{self, Variables};
use super::yaml::{self, Document, Limits};
use crate::model::files::RowFiles;

/// A document that waits for its turn.
pub(super) enum Work {
    Text { file: FileId, start: u32, end: u32 },
    Parsed { kind: KindRef, document: Box<Document>, source: SourceRef },
    Row(RowItem),
}

/// The kinds that nothing else depends on while reading, by the line that names them.
const INDEPENDENT: [&str; 8] = [
    "Tenant",
    "Credential",
    "NotificationChannel",
    "AlertRule",
    "Silence",
    "MaintenanceWindow",
    "HealthCheck",
    "AlertTest",
];

/// Workspaces, templates and tenant sets, and a note of everything else.
pub(super) struct FirstPass {
    pub(super) context: Context,
    pub(super) work: Vec<Work>,
    /// With the patches that were laid over them.
    sets: Vec<(Value, SourceRef, Vec<u32>)>,
    /// What is wrong with JSON files, unless a tenant set names them.
    strays: Vec<Problem>,
    referenced: HashSet<String>,
    pub(super) problems: Vec<Problem>,
    pub(super) output: Output,
    /// Names of workspaces and templates that have problems.
    pub(super) invalid_layers: HashSet<String>,
    /// Whether the rows of some set are not known.
    pub(super) sets_failed: bool,
}

impl FirstPass {
    pub(super) fn new(project: &ProjectSpec) -> Self {
        let context = Context {
            layers: Layers::new(project.workspace.clone()),
            variables: Variables::new(&project.variables),
            ..Context::default()
        };
        Self {
            context,
            work: Vec::new(),
            sets: Vec::new(),
            strays: Vec::new(),
            referenced: HashSet::new(),
            problems: Vec::new(),
            output: Output::default(),
            invalid_layers: HashSet::new(),
            sets_failed: false,
        }
    }

    /// Reads the patches, which must be known before anything that they may fit.
    pub(super) fn read_patches(&mut self, files: &[Arc<SourceFile>]) {
        for (index, file) in files.iter().enumerate() {
            if let Some(overlay) = file.overlay {
                let id = FileId(small(index));
                let variables = &self.context.variables;
                let patches = overlay::read_file(id, file, overlay, variables, &mut self.problems);
                self.context.overlays.add(patches);
            }
        }
    }

    pub(super) fn read_file(&mut self, id: FileId, file: &SourceFile) {
        let whole = SourceRef { file: id, start: 0, end: small(file.bytes().len()), row: None };
        let text = match yaml::decode(file.bytes()) {
            Ok(text) => text,
            Err(error) => return self.problems.push(yaml_problem(error, whole, false)),
        };
        if is_json(&file.path) {
            match yaml::parse_json(text, &Limits::default()) {
                Ok(document) if document.value.is_array() => {
                    let message = "a list is not a manifest, and no TenantSet names this file";
                    let problem = Problem::error("SX0150", whole, Target::Span(0, 0), message);
                    self.strays.push(problem.help("name it in a TenantSet: `from: {json: FILE}`"));
                }
                Ok(document) => match kind_of(&document.value, whole) {
                    Ok(_) => {
                        self.sort_document(
                            document,
                            Raw { text, overlay: file.overlay, source: whole },
                            text,
                        );
                    }
                    Err(problem) => self.strays.push(problem),
                },
                Err(errors) => {
                    self.strays.extend(errors.into_iter().map(|error| yaml_problem(error, whole, true)));
                }
            }
            return;
        }
        let before = self.work.len() + self.sets.len() + self.problems.len() + self.output.entries.len();
        let mut documents = 0;
        for range in yaml::split(text) {
            let source = SourceRef { start: small(range.start), end: small(range.end), ..whole };
            if peek_kind(&text[range.clone()]).is_some_and(|kind| INDEPENDENT.contains(&kind)) {
                self.work.push(Work::Text { file: id, start: source.start, end: source.end });
                documents += 1;
                continue;
            }
            match yaml::parse(text, range, &Limits::default()) {
                Ok(Some(document)) => {
                    documents += 1;
                    let part = &text[source.start as usize..source.end as usize];
                    self.sort_document(document, Raw { text: part, overlay: file.overlay, source }, text);
                }
                Ok(None) => {}
                Err(errors) => {
                    let mut refused = Output::default();
                    self.context.refuse(errors, text, source, &mut refused);
                    self.problems.append(&mut refused.problems);
                }
            }
        }
        let after = self.work.len() + self.sets.len() + self.problems.len() + self.output.entries.len();
        if documents == 0 && before == after {
            let message = "the file declares nothing: there is no document in it";
            let problem = Problem::error("SX0114", whole, Target::Span(0, 0), message);
            self.problems.push(problem.help("write a manifest into it, or remove the file"));
        }
    }

    fn sort_document(&mut self, mut document: Document, raw: Raw<'_>, text: &str) {
        let source = raw.source;
        let kind = match kind_of(&document.value, source) {
            Ok(kind) => kind,
            Err(problem) => return self.problems.push(problem),
        };
        stringify(&mut document, kind, text);
        match kind.name {
            "Workspace" | "TenantTemplate" => {
                let before = self.output.problems.len();
                if let Some(applied) = self.context.prepare(kind, &mut document.value, raw, &mut self.output)
                {
                    let mark = Mark::of(&self.output);
                    self.context.admit(kind, document.value.clone(), source, &mut self.output);
                    self.context.redirect(&applied, mark, &mut self.output);
                }
                self.note_layer(kind, &document.value, self.output.problems.len() == before);
            }
            "TenantSet" => {
                rows::stringify(&mut document, "/spec/from/rows", text);
                match self.context.prepare(kind, &mut document.value, raw, &mut self.output) {
                    Some(applied) => self.sets.push((document.value, source, applied)),
                    None => self.sets_failed = true,
                }
            }
            "Patch" if raw.overlay.is_some() => {}
            "Patch" => {
                let target = Target::Value("/kind".into());
                let message = "a Patch stands only in an overlay";
                let help =
                    "move it into a folder that an environment of the project file names under `overlays`";
                self.problems.push(Problem::error("SX0213", source, target, message).help(help));
            }
            "Project" => {
                let target = Target::Value("/kind".into());
                let problem =
                    Problem::error("SX0208", source, target, "a Project stands only in the project file");
                self.problems.push(problem.help("move it to synthex.yaml, or remove it"));
            }
            _ => self.work.push(Work::Parsed { kind, document: Box::new(document), source }),
        }
    }

    /// A layer that is wrong itself gives nothing, and what it does not give is not missed.
    fn note_layer(&mut self, kind: KindRef, manifest: &Value, is_valid: bool) {
        let Some(key) = self.context.key_of(kind, manifest) else {
            return;
        };
        let spec = manifest.get("spec").filter(|_| is_valid).unwrap_or(&Value::Null);
        if !is_valid {
            self.invalid_layers.insert(key.name.to_string());
        }
        if kind.name == "Workspace" {
            self.context.workspaces.insert(key.name.to_string(), Arc::clone(&key.workspace));
            self.context.layers.workspaces.insert(key.name.to_string(), WorkspaceLayer::new(spec));
        } else {
            let place = (key.workspace.to_string(), key.name.to_string());
            self.context.layers.templates.insert(place, TemplateLayer::new(spec));
        }
    }

    /// Checks the tenant sets and turns their rows into work.
    pub(super) fn read_sets(&mut self, files: &mut Vec<Arc<SourceFile>>, row_files: &dyn RowFiles) {
        for (value, source, applied) in std::mem::take(&mut self.sets) {
            let Some(kind) = crate::kinds::find("TenantSet") else {
                return;
            };
            let mut checked = Output::default();
            let mark = Mark::of(&checked);
            self.context.admit(kind, value.clone(), source, &mut checked);
            self.context.redirect(&applied, mark, &mut checked);
            // A set is not stored; what matters is whether it passed.
            if !checked.problems.is_empty() {
                self.problems.append(&mut checked.problems);
                self.output.broken.append(&mut checked.broken);
                self.sets_failed = true;
                continue;
            }
            let text_at = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            let set = Arc::new(SetContext {
                workspace: text_at("/metadata/workspace"),
                template: text_at("/spec/template"),
                labels: value
                    .pointer("/metadata/labels")
                    .and_then(Value::as_object)
                    .cloned()
                    .unwrap_or_default(),
            });
            if let Some(Value::Array(items)) = value.pointer("/spec/from/rows") {
                for (index, item) in items.iter().enumerate() {
                    let row =
                        crate::model::RowRef { file: source.file, index: small(index), start: source.start };
                    let at = SourceRef { row: Some(row), ..source };
                    if let Value::Object(map) = item {
                        let (fields, set) = (Fields::Read(map.clone()), Arc::clone(&set));
                        self.work.push(Work::Row(RowItem { fields, set, source: at }));
                    }
                }
                continue;
            }
            let (reference, is_table) = match (text_at("/spec/from/csv"), text_at("/spec/from/json")) {
                (Some(path), _) => (path, true),
                (None, Some(path)) => (path, false),
                (None, None) => continue,
            };
            let pointer = if is_table { "/spec/from/csv" } else { "/spec/from/json" };
            self.read_rows(files, row_files, &set, source, &reference, pointer, is_table);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one call, and each argument is another thing")]
    fn read_rows(
        &mut self,
        files: &mut Vec<Arc<SourceFile>>,
        row_files: &dyn RowFiles,
        set: &Arc<SetContext>,
        source: SourceRef,
        reference: &str,
        pointer: &str,
        is_table: bool,
    ) {
        let manifest = files.get(source.file.0 as usize).map_or("", |file| file.path.as_str()).to_owned();
        let file = match row_files.read(&manifest, reference) {
            Ok(file) => file,
            Err(error) => {
                self.sets_failed = true;
                let problem =
                    Problem::error(error.code, source, Target::Value(pointer.to_owned()), error.message);
                return self.problems.push(problem.help(error.help));
            }
        };
        self.referenced.insert(file.path.clone());
        if csv::is_csv(&file.path) != is_table || (!is_table && !is_json(&file.path)) {
            let wanted = if is_table { ".csv" } else { ".json" };
            self.sets_failed = true;
            let message = format!("`{reference}` does not end in {wanted}");
            return self.problems.push(Problem::error(
                "SX0405",
                source,
                Target::Value(pointer.to_owned()),
                message,
            ));
        }
        let id = FileId(small(files.len()));
        let variables = &self.context.variables;
        let read = if is_table {
            csv::read(&file, id, source).map(|(rows, problems)| {
                if !variables::may_be_in(file.text()) {
                    let rows = rows.into_iter().map(|(row, cells)| (row, Fields::Cells(cells)));
                    return (rows.collect(), problems);
                }
                let filled = rows.into_iter().filter_map(|(row, cells)| {
                    let (mut map, at) = (cells.row(), SourceRef { row: Some(row), ..source });
                    let complete = variables.put_into_row(&mut map, at, &mut self.problems);
                    self.sets_failed |= !complete;
                    complete.then_some((row, Fields::Read(map)))
                });
                (filled.collect(), problems)
            })
        } else {
            rows::read_json(&file, id, source, variables).map(|(rows, problems)| {
                (rows.into_iter().map(|(row, map)| (row, Fields::Read(map))).collect::<Vec<_>>(), problems)
            })
        };
        files.push(Arc::new(file));
        match read {
            Ok((found, problems)) => {
                // Which tenants the other rows declare is not known.
                self.sets_failed |= !problems.is_empty();
                self.problems.extend(problems);
                self.work.extend(found.into_iter().map(|(row, fields)| {
                    let source = SourceRef { row: Some(row), ..source };
                    Work::Row(RowItem { fields, set: Arc::clone(set), source })
                }));
            }
            Err(problems) => {
                self.sets_failed = true;
                self.problems.extend(problems);
            }
        }
    }

    /// A JSON file among the manifests that is none is fine when a tenant set names it.
    pub(super) fn refuse_strays(&mut self, files: &[Arc<SourceFile>]) {
        let named = |problem: &Problem| {
            files.get(problem.source.file.0 as usize).is_some_and(|file| self.referenced.contains(&file.path))
        };
        self.problems.extend(std::mem::take(&mut self.strays).into_iter().filter(|problem| !named(problem)));
    }
}

pub(super) fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The kind that a block-style document names at the start of a line, found without parsing.
fn peek_kind(document: &str) -> Option<&str> {
    let rest = match document.strip_prefix("kind:") {
        Some(rest) => rest,
        None => &document[document.find("\nkind:")? + 6..],
    };
    let line = rest.lines().next()?;
    Some(line.split(" #").next()?.trim())
}
