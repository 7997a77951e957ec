//! The way from text to catalog: split, parse, validate, expand, check, on all cores, document by document.
//!
//! First the few documents that others depend on (the project's workspaces, templates and tenant sets), then all the
//! others in parallel. A document is parsed, checked and dropped; only its key, digest and canonical spec are kept.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::model::files::RowFiles;
use crate::model::{Diagnostic, FileId, ResourceKey, SourceFile, SourceRef, diagnostic};

use super::admit::{Context, Output, kind_of, stringify};
use super::catalog::{Catalog, Project};
use super::check::{self, Known};
use super::first_pass::{FirstPass, Work, small};
use super::prepare::{Mark, Raw};
use super::problem::Problem;
use super::resolve::Resolver;
use super::unread;
use super::variables::Variables;
use super::yaml::{self, Limits};

/// What came of reading the manifests. The catalog is complete only when no diagnostic is an error.
#[derive(Debug)]
pub struct Loaded {
    /// What is declared.
    pub catalog: Catalog,
    /// What is wrong, sorted.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads all manifests of a project on up to `threads` threads.
#[must_use]
pub fn load(project: Project, files: Vec<SourceFile>, row_files: &dyn RowFiles, threads: usize) -> Loaded {
    let first = FirstPass::new(&project.spec);
    read(project, first, files, row_files, threads)
}

/// [`load`], for what a command was given instead of manifests: `${` in a text is no variable.
#[must_use]
pub fn load_literally(
    project: Project,
    files: Vec<SourceFile>,
    row_files: &dyn RowFiles,
    threads: usize,
) -> Loaded {
    let mut first = FirstPass::new(&project.spec);
    first.context.variables = Variables::off();
    read(project, first, files, row_files, threads)
}

fn read(
    project: Project,
    mut first: FirstPass,
    files: Vec<SourceFile>,
    row_files: &dyn RowFiles,
    threads: usize,
) -> Loaded {
    let mut files: Vec<Arc<SourceFile>> = files.into_iter().map(Arc::new).collect();
    first.read_patches(&files);
    for (index, file) in files.iter().enumerate() {
        first.read_file(FileId(small(index)), file);
    }
    first.read_sets(&mut files, row_files);
    first.refuse_strays(&files);
    let FirstPass { mut context, work, mut problems, mut output, invalid_layers, sets_failed, .. } = first;
    context.unread = unread::words(&files, &problems);
    context.unread.extend(invalid_layers);
    let mut parts = second_pass(&context, &files, work, threads.max(1));
    parts.push(std::mem::take(&mut output));
    let mut all = Output::default();
    for part in parts {
        all.entries.extend(part.entries);
        all.mentions.extend(part.mentions);
        all.broken.extend(part.broken);
        all.patched.extend(part.patched);
        all.clashes.extend(part.clashes);
        problems.extend(part.problems);
    }
    // Stable and run-detecting: the parts are sorted already. Equal keys end up in file order.
    all.entries.sort_by(|left, right| left.key.cmp(&right.key).then_with(|| place(left).cmp(&place(right))));
    check::duplicates(&mut all.entries, &mut problems);
    all.broken.sort_by(|left, right| left.0.cmp(&right.0).then_with(|| at(&left.1).cmp(&at(&right.1))));
    all.mentions.sort_by(|left, right| (&left.from, &left.pointer).cmp(&(&right.from, &right.pointer)));
    let unread = unread::words(&files, &problems);
    let known = Known { entries: &all.entries, broken: &all.broken, unread: &unread, sets_failed };
    check::unknown_workspaces(&known, &mut problems);
    check::dangling(&known, &all.mentions, &mut problems);
    check::cycles(&all.mentions, &mut problems);
    let mut overlays = context.overlays;
    let contested: HashSet<ResourceKey> = all.clashes.iter().map(|clash| clash.key.clone()).collect();
    let used = all.patched.iter().flat_map(|(_, patches)| patches).copied().collect();
    overlays.check(all.clashes, &used, &known, &mut problems);
    overlays.note(all.patched);
    let diagnostics = resolve(&files, problems);
    let mut broken: Vec<_> = all.broken.into_iter().map(|(key, _)| key).collect();
    if !contested.is_empty() {
        all.entries.retain(|entry| !contested.contains(&entry.key));
        broken.extend(contested);
        broken.sort();
    }
    broken.dedup();
    // What has no table shapes or tests what is declared, and is not declared itself.
    let (entries, tests) = all.entries.into_iter().partition(|entry| entry.key.kind.table.is_some());
    // A set that cannot be read stays here: then it is not known which tenants there are.
    broken.retain(|key: &ResourceKey| key.kind.rank != crate::kinds::alert_test::KIND.rank);
    Loaded { catalog: Catalog { project, files, entries, tests, broken, overlays }, diagnostics }
}

fn place(entry: &crate::model::Entry) -> (FileId, u32, u32) {
    at(&entry.source)
}

fn at(source: &SourceRef) -> (FileId, u32, u32) {
    (source.file, source.start, source.row.map_or(0, |row| row.index))
}

/// Turns problems into diagnostics in the order in which they are shown.
#[must_use]
pub fn resolve(files: &[Arc<SourceFile>], mut problems: Vec<Problem>) -> Vec<Diagnostic> {
    problems.sort_by_key(|problem| {
        (problem.source.file, problem.source.start, problem.source.row.map(|row| row.index))
    });
    let mut resolver = Resolver::new(files);
    let mut diagnostics: Vec<Diagnostic> =
        problems.into_iter().map(|problem| resolver.diagnostic(problem)).collect();
    diagnostic::sort(&mut diagnostics);
    diagnostics
}

fn second_pass(context: &Context, files: &[Arc<SourceFile>], work: Vec<Work>, threads: usize) -> Vec<Output> {
    const CHUNK: usize = 64;
    let slots: Vec<std::sync::Mutex<Option<Work>>> =
        work.into_iter().map(|item| std::sync::Mutex::new(Some(item))).collect();
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
        handles.into_iter().filter_map(|handle| handle.join().ok()).collect()
    })
}

fn process(context: &Context, files: &[Arc<SourceFile>], item: Work, out: &mut Output) {
    match item {
        Work::Row(row) => {
            if let Some(kind) = crate::kinds::find("Tenant") {
                let before = out.problems.len();
                let source = row.source;
                let (mut manifest, shares_template) = row.manifest();
                let applied = context.patch(kind, &mut manifest, overlay_of(files, source), out);
                let mark = Mark::of(out);
                context.admit(kind, manifest, source, out);
                context.redirect(&applied, mark, out);
                // The set's template is wrong once, not once a row: equal problems at one place become one diagnostic.
                let added = out.problems[before..].iter_mut();
                for problem in added.filter(|problem| shares_template && problem.code == "SX0205") {
                    problem.source.row = None;
                    problem.resource = None;
                }
            }
        }
        Work::Parsed { kind, document, source } => {
            let text = files.get(source.file.0 as usize).map_or("", |file| file.text());
            let text = text.get(source.start as usize..source.end as usize).unwrap_or(text);
            let raw = Raw { text, overlay: overlay_of(files, source), source };
            context.admit_raw(kind, document.value, raw, out);
        }
        Work::Text { file, start, end } => {
            let source = SourceRef { file, start, end, row: None };
            let Some(text) = files.get(file.0 as usize).map(|file| file.text()) else {
                return;
            };
            match yaml::parse(text, start as usize..end as usize, &Limits::default()) {
                Ok(None) => {}
                Ok(Some(mut document)) => match kind_of(&document.value, source) {
                    Ok(kind) => {
                        stringify(&mut document, kind, text);
                        let part = &text[start as usize..end as usize];
                        let raw = Raw { text: part, overlay: overlay_of(files, source), source };
                        context.admit_raw(kind, document.value, raw, out);
                    }
                    Err(problem) => out.problems.push(problem),
                },
                Err(errors) => context.refuse(errors, text, source, out),
            }
        }
    }
}

/// The overlay that a document stands in.
fn overlay_of(files: &[Arc<SourceFile>], source: SourceRef) -> Option<u16> {
    files.get(source.file.0 as usize).and_then(|file| file.overlay)
}
