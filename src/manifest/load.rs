//! The way from text to catalog: split, parse, validate, expand, check, on all cores, document by document.
//!
//! First the few documents that others depend on (the project's workspaces, templates and tenant sets), then all the
//! others in parallel. A document is parsed, checked and dropped; only its key, digest and canonical spec are kept.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::model::{Diagnostic, FileId, KindRef, SourceFile, SourceRef, diagnostic};

use super::admit::{Context, Output, kind_of, stringify, yaml_problem};
use super::catalog::{Catalog, Project};
use super::expand::{Layers, TemplateLayer, WorkspaceLayer};
use super::problem::{Problem, Target};
use super::resolve::{Resolver, is_json};
use super::rows::{self, RowItem, SetContext};
use super::yaml::{self, Document, Limits};
use super::{check, csv};

/// Gives the files that tenant sets name.
pub trait RowFiles: Sync {
    /// Reads the file that `reference`, written in `manifest`, means.
    ///
    /// # Errors
    /// The file is not there, not readable, too large, or outside the project.
    fn read(&self, manifest: &str, reference: &str) -> Result<SourceFile, RowFileError>;
}

/// Why a file of rows could not be read.
#[derive(Clone, Debug)]
pub struct RowFileError {
    /// Rule code.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// What came of reading the manifests. The catalog is complete only when no diagnostic is an error.
#[derive(Debug)]
pub struct Loaded {
    /// What is declared.
    pub catalog: Catalog,
    /// What is wrong, sorted.
    pub diagnostics: Vec<Diagnostic>,
}

/// A document that waits for its turn.
enum Work {
    Text {
        file: FileId,
        start: u32,
        end: u32,
    },
    Parsed {
        kind: KindRef,
        document: Box<Document>,
        source: SourceRef,
    },
    Row(RowItem),
}

/// The kinds that nothing else depends on while reading, by the line that names them.
const INDEPENDENT: [&str; 4] = ["Tenant", "Credential", "NotificationChannel", "AlertRule"];

/// Reads all manifests of a project on up to `threads` threads.
#[must_use]
pub fn load(project: Project, files: Vec<SourceFile>, row_files: &dyn RowFiles, threads: usize) -> Loaded {
    let mut files: Vec<Arc<SourceFile>> = files.into_iter().map(Arc::new).collect();
    let mut first = FirstPass::new(project.spec.workspace.clone());
    for index in 0..files.len() {
        let file = Arc::clone(&files[index]);
        first.read_file(FileId(small(index)), &file);
    }
    first.read_sets(&mut files, row_files);
    first.refuse_lists(&files);
    let FirstPass {
        context,
        work,
        mut problems,
        mut output,
        ..
    } = first;
    let mut parts = second_pass(&context, &files, work, threads.max(1));
    parts.push(std::mem::take(&mut output));
    let mut all = Output::default();
    for part in parts {
        all.entries.extend(part.entries);
        all.mentions.extend(part.mentions);
        all.broken.extend(part.broken);
        problems.extend(part.problems);
    }
    // Stable and run-detecting: the parts are sorted already. Equal keys end up in file order.
    all.entries.sort_by(|left, right| {
        left.key
            .cmp(&right.key)
            .then_with(|| place(left).cmp(&place(right)))
    });
    check::duplicates(&mut all.entries, &mut problems);
    check::dangling(&all.entries, &all.mentions, &mut all.broken, &mut problems);
    check::cycles(&all.mentions, &mut problems);
    let diagnostics = resolve(&files, problems);
    Loaded {
        catalog: Catalog {
            project,
            files,
            entries: all.entries,
        },
        diagnostics,
    }
}

fn place(entry: &crate::model::Entry) -> (FileId, u32, u32) {
    (
        entry.source.file,
        entry.source.start,
        entry.source.row.map_or(0, |row| row.index),
    )
}

/// Turns problems into diagnostics in the order in which they are shown.
#[must_use]
pub fn resolve(files: &[Arc<SourceFile>], mut problems: Vec<Problem>) -> Vec<Diagnostic> {
    problems.sort_by_key(|problem| {
        (
            problem.source.file,
            problem.source.start,
            problem.source.row.map(|row| row.index),
        )
    });
    let mut resolver = Resolver::new(files);
    let mut diagnostics: Vec<Diagnostic> = problems
        .into_iter()
        .map(|problem| resolver.diagnostic(problem))
        .collect();
    diagnostic::sort(&mut diagnostics);
    diagnostics
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Workspaces, templates and tenant sets, and a note of everything else.
struct FirstPass {
    context: Context,
    work: Vec<Work>,
    sets: Vec<(Box<Document>, SourceRef)>,
    lists: Vec<SourceRef>,
    referenced: HashSet<String>,
    problems: Vec<Problem>,
    output: Output,
}

impl FirstPass {
    fn new(default_workspace: Option<String>) -> Self {
        Self {
            context: Context {
                layers: Layers::new(default_workspace),
                workspaces: HashMap::new(),
            },
            work: Vec::new(),
            sets: Vec::new(),
            lists: Vec::new(),
            referenced: HashSet::new(),
            problems: Vec::new(),
            output: Output::default(),
        }
    }

    fn read_file(&mut self, id: FileId, file: &SourceFile) {
        let whole = SourceRef {
            file: id,
            start: 0,
            end: small(file.bytes().len()),
            row: None,
        };
        let text = match yaml::decode(file.bytes()) {
            Ok(text) => text,
            Err(error) => return self.problems.push(yaml_problem(error, whole, false)),
        };
        if is_json(&file.path) {
            match yaml::parse_json(text, &Limits::default()) {
                Ok(document) if document.value.is_array() => self.lists.push(whole),
                Ok(document) => self.sort_document(document, whole, text),
                Err(errors) => self
                    .problems
                    .extend(errors.into_iter().map(|error| yaml_problem(error, whole, true))),
            }
            return;
        }
        let before = self.work.len() + self.sets.len() + self.problems.len() + self.output.entries.len();
        let mut documents = 0;
        for range in yaml::split(text) {
            let source = SourceRef {
                start: small(range.start),
                end: small(range.end),
                ..whole
            };
            if peek_kind(&text[range.clone()]).is_some_and(|kind| INDEPENDENT.contains(&kind)) {
                self.work.push(Work::Text {
                    file: id,
                    start: source.start,
                    end: source.end,
                });
                documents += 1;
                continue;
            }
            match yaml::parse(text, range, &Limits::default()) {
                Ok(Some(document)) => {
                    documents += 1;
                    self.sort_document(document, source, text);
                }
                Ok(None) => {}
                Err(errors) => self
                    .problems
                    .extend(errors.into_iter().map(|error| yaml_problem(error, source, false))),
            }
        }
        let after = self.work.len() + self.sets.len() + self.problems.len() + self.output.entries.len();
        if documents == 0 && before == after {
            let message = "the file declares nothing: there is no document in it";
            let problem = Problem::error("SX0114", whole, Target::Span(0, 0), message);
            self.problems
                .push(problem.help("write a manifest into it, or remove the file"));
        }
    }

    fn sort_document(&mut self, mut document: Document, source: SourceRef, text: &str) {
        let kind = match kind_of(&document.value, source) {
            Ok(kind) => kind,
            Err(problem) => return self.problems.push(problem),
        };
        stringify(&mut document, kind, text);
        match kind.name {
            "Workspace" | "TenantTemplate" => {
                self.note_layer(kind, &document.value);
                self.context.admit(kind, document.value, source, &mut self.output);
            }
            "TenantSet" => {
                rows::stringify(&mut document, "/spec/from/rows", text);
                self.sets.push((Box::new(document), source));
            }
            "Project" => {
                let target = Target::Value("/kind".into());
                let problem = Problem::error(
                    "SX0208",
                    source,
                    target,
                    "a Project stands only in the project file",
                );
                self.problems
                    .push(problem.help("move it to synthex.yaml, or remove it"));
            }
            _ => self.work.push(Work::Parsed {
                kind,
                document: Box::new(document),
                source,
            }),
        }
    }

    fn note_layer(&mut self, kind: KindRef, manifest: &Value) {
        let Some(key) = self.context.key_of(kind, manifest) else {
            return;
        };
        let Some(spec) = manifest.get("spec") else { return };
        if kind.name == "Workspace" {
            self.context
                .workspaces
                .insert(key.name.to_string(), Arc::clone(&key.workspace));
            self.context
                .layers
                .workspaces
                .insert(key.name.to_string(), WorkspaceLayer::new(spec));
        } else {
            let place = (key.workspace.to_string(), key.name.to_string());
            self.context
                .layers
                .templates
                .insert(place, TemplateLayer::new(spec));
        }
    }

    /// Checks the tenant sets and turns their rows into work.
    fn read_sets(&mut self, files: &mut Vec<Arc<SourceFile>>, row_files: &dyn RowFiles) {
        for (document, source) in std::mem::take(&mut self.sets) {
            let Some(kind) = crate::kinds::find("TenantSet") else {
                return;
            };
            let mut checked = Output::default();
            self.context
                .admit(kind, document.value.clone(), source, &mut checked);
            // A set is not stored; what matters is whether it passed.
            if !checked.problems.is_empty() {
                self.problems.append(&mut checked.problems);
                // Rows that are named would be dangling in other documents only because of this problem.
                continue;
            }
            let value = &document.value;
            let text_at = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            let set = SetContext {
                workspace: text_at("/metadata/workspace"),
                template: text_at("/spec/template"),
                labels: value
                    .pointer("/metadata/labels")
                    .and_then(Value::as_object)
                    .cloned()
                    .unwrap_or_default(),
            };
            if let Some(Value::Array(items)) = value.pointer("/spec/from/rows") {
                for (index, item) in items.iter().enumerate() {
                    let row = crate::model::RowRef {
                        file: source.file,
                        index: small(index),
                        start: source.start,
                    };
                    let at = SourceRef {
                        row: Some(row),
                        ..source
                    };
                    if let Value::Object(map) = item {
                        self.work.push(Work::Row(RowItem {
                            manifest: rows::manifest_of(map.clone(), &set),
                            source: at,
                        }));
                    }
                }
                continue;
            }
            let (reference, is_table) = match (text_at("/spec/from/csv"), text_at("/spec/from/json")) {
                (Some(path), _) => (path, true),
                (None, Some(path)) => (path, false),
                (None, None) => continue,
            };
            let pointer = if is_table {
                "/spec/from/csv"
            } else {
                "/spec/from/json"
            };
            self.read_rows(files, row_files, &set, source, &reference, pointer, is_table);
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one call, and each argument is another thing"
    )]
    fn read_rows(
        &mut self,
        files: &mut Vec<Arc<SourceFile>>,
        row_files: &dyn RowFiles,
        set: &SetContext,
        source: SourceRef,
        reference: &str,
        pointer: &str,
        is_table: bool,
    ) {
        let manifest = files
            .get(source.file.0 as usize)
            .map_or("", |file| file.path.as_str())
            .to_owned();
        let file = match row_files.read(&manifest, reference) {
            Ok(file) => file,
            Err(error) => {
                let problem = Problem::error(
                    error.code,
                    source,
                    Target::Value(pointer.to_owned()),
                    error.message,
                );
                return self.problems.push(problem.help(error.help));
            }
        };
        if csv::is_csv(&file.path) != is_table || (!is_table && !is_json(&file.path)) {
            let wanted = if is_table { ".csv" } else { ".json" };
            let message = format!("`{reference}` does not end in {wanted}");
            return self.problems.push(Problem::error(
                "SX0405",
                source,
                Target::Value(pointer.to_owned()),
                message,
            ));
        }
        self.referenced.insert(file.path.clone());
        let id = FileId(small(files.len()));
        let read = if is_table {
            csv::read(&file, id, source)
        } else {
            rows::read_json(&file, id, source)
        };
        files.push(Arc::new(file));
        match read {
            Ok(found) => self.work.extend(found.into_iter().map(|(row, map)| {
                let source = SourceRef {
                    row: Some(row),
                    ..source
                };
                Work::Row(RowItem {
                    manifest: rows::manifest_of(map, set),
                    source,
                })
            })),
            Err(problems) => self.problems.extend(problems),
        }
    }

    /// A JSON list among the manifests is fine when a tenant set names it.
    fn refuse_lists(&mut self, files: &[Arc<SourceFile>]) {
        for source in std::mem::take(&mut self.lists) {
            let named = files
                .get(source.file.0 as usize)
                .is_some_and(|file| self.referenced.contains(&file.path));
            if !named {
                let message = "a list is not a manifest, and no TenantSet names this file";
                let problem = Problem::error("SX0150", source, Target::Span(0, 0), message);
                self.problems
                    .push(problem.help("name it in a TenantSet: `from: {json: FILE}`"));
            }
        }
    }
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

fn second_pass(context: &Context, files: &[Arc<SourceFile>], work: Vec<Work>, threads: usize) -> Vec<Output> {
    const CHUNK: usize = 64;
    let slots: Vec<std::sync::Mutex<Option<Work>>> = work
        .into_iter()
        .map(|item| std::sync::Mutex::new(Some(item)))
        .collect();
    let next = AtomicUsize::new(0);
    let run = || {
        let mut out = Output::default();
        loop {
            let start = next.fetch_add(CHUNK, Ordering::Relaxed);
            if start >= slots.len() {
                break;
            }
            for slot in &slots[start..(start + CHUNK).min(slots.len())] {
                let item = slot.lock().ok().and_then(|mut slot| slot.take());
                if let Some(item) = item {
                    process(context, files, item, &mut out);
                }
            }
        }
        out.entries.sort_by(|left, right| left.key.cmp(&right.key));
        out
    };
    if threads == 1 || slots.len() <= CHUNK {
        return vec![run()];
    }
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        handles
            .into_iter()
            .filter_map(|handle| handle.join().ok())
            .collect()
    })
}

fn process(context: &Context, files: &[Arc<SourceFile>], item: Work, out: &mut Output) {
    match item {
        Work::Row(row) => {
            if let Some(kind) = crate::kinds::find("Tenant") {
                context.admit(kind, row.manifest, row.source, out);
            }
        }
        Work::Parsed {
            kind,
            document,
            source,
        } => context.admit(kind, document.value, source, out),
        Work::Text { file, start, end } => {
            let source = SourceRef {
                file,
                start,
                end,
                row: None,
            };
            let Some(text) = files.get(file.0 as usize).map(|file| file.text()) else {
                return;
            };
            match yaml::parse(text, start as usize..end as usize, &Limits::default()) {
                Ok(None) => {}
                Ok(Some(mut document)) => match kind_of(&document.value, source) {
                    Ok(kind) => {
                        stringify(&mut document, kind, text);
                        context.admit(kind, document.value, source, out);
                    }
                    Err(problem) => out.problems.push(problem),
                },
                Err(errors) => {
                    out.problems
                        .extend(errors.into_iter().map(|error| yaml_problem(error, source, false)));
                }
            }
        }
    }
}
