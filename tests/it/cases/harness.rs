//! Loads the files of a case through the library, as the program does but without a disk, and writes the outcome down.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use synthex::manifest::{Loaded, Project, load, project};
use synthex::model::files::{RowFileError, RowFiles};
use synthex::model::{Diagnostic, Severity, SourceFile};

/// Files by name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// The file that declares the workspace that the cases are in, when they bring none of that name.
const PREAMBLE: (&str, &str) = (
    "w.yaml",
    "apiVersion: synthex.dev/v1\nkind: Workspace\nmetadata: {name: w}\nspec: {market: ANZ_SMB, region: AU-SE1}\n",
);

/// The project of cases that bring none: `w` is the default workspace.
const PROJECT: (&str, &str) = (
    "synthex.yaml",
    "apiVersion: synthex.dev/v1\nkind: Project\nmetadata: {name: cases}\nspec: {workspace: w}\n",
);

/// One case: a file, or a folder of files.
pub(super) struct Case {
    /// The name without extension: `SX0156.tenant_market_unknown`.
    pub(super) name: String,
    /// What it consists of.
    pub(super) files: Files,
    expected: PathBuf,
}

/// All cases below a folder of `tests/cases/manifests`.
#[track_caller]
pub(super) fn cases(folder: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/manifests").join(folder);
    let mut cases = Vec::new();
    for path in listed(&folder) {
        let file_name = name_of(&path);
        let (name, files) = if path.is_dir() {
            (file_name, read_below(&path, ""))
        } else if let Some((name, "yaml" | "json")) = file_name.rsplit_once('.') {
            (name.to_owned(), Files::from([(file_name.clone(), fs::read(&path).expect("a readable file"))]))
        } else {
            continue;
        };
        cases.push(Case { expected: folder.join(format!("{name}.expected")), name, files });
    }
    assert!(cases.len() > 5, "{} holds {} cases: has it moved?", folder.display(), cases.len());
    cases
}

/// The files below a folder; those in a folder of their own, an overlay, with its name in front: `prod/patch.yaml`.
fn read_below(folder: &Path, prefix: &str) -> Files {
    let mut files = Files::new();
    for path in listed(folder) {
        let name = format!("{prefix}{}", name_of(&path));
        if path.is_dir() {
            files.extend(read_below(&path, &format!("{name}/")));
        } else {
            files.insert(name, fs::read(&path).expect("a readable file"));
        }
    }
    files
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn name_of(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

impl Case {
    /// Compares with the committed outcome, or commits it.
    pub(super) fn compare(&self, actual: &str, failures: &mut Vec<String>) {
        if std::env::var_os("SYNTHEX_UPDATE").is_some() {
            fs::write(&self.expected, actual).expect("the outcome can be written");
            return;
        }
        let expected = fs::read_to_string(&self.expected).unwrap_or_default();
        if expected != actual {
            failures.push(format!("{}\n--- expected\n{expected}--- actual\n{actual}", self.name));
        }
    }
}

/// Files named by tenant sets, from the case instead of from a disk.
struct Shelf<'a>(&'a Files);

impl RowFiles for Shelf<'_> {
    fn read(&self, _manifest: &str, reference: &str) -> Result<SourceFile, RowFileError> {
        match self.0.get(reference) {
            Some(bytes) => Ok(SourceFile::new(reference.to_owned(), bytes.clone())),
            None => Err(RowFileError {
                code: "SX0400",
                message: format!("`{reference}` is not there"),
                help: "a case brings the files it names".to_owned(),
            }),
        }
    }
}

/// What came of a case.
pub(super) struct Outcome {
    /// Keys and canonical specs, one a line.
    pub(super) entries: String,
    /// Digest of everything declared.
    pub(super) digest: String,
    /// What is wrong.
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Files from pairs of name and text.
pub(super) fn files<const N: usize>(pairs: [(&str, &str); N]) -> Files {
    pairs.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).into()
}

/// Loads the files in the order of their names.
pub(super) fn run(case: &Files) -> Outcome {
    let order: Vec<&String> = case.keys().collect();
    run_in_order(case, &order, 2)
}

/// Loads the files in this order.
pub(super) fn run_in_order(case: &Files, order: &[&String], threads: usize) -> Outcome {
    let project = match parsed_project(case) {
        Ok(project) => project,
        Err(diagnostics) => {
            return Outcome { entries: String::new(), digest: String::new(), diagnostics };
        }
    };
    let mut sources = Vec::new();
    if !case.contains_key(PREAMBLE.0) {
        sources.push(SourceFile::new(PREAMBLE.0.to_owned(), PREAMBLE.1.as_bytes().to_vec()));
    }
    for name in order {
        if name.as_str() != PROJECT.0 && !name.ends_with(".csv") {
            let source = SourceFile::new((*name).clone(), case[*name].clone());
            let of_overlay = |overlay: &String| name.starts_with(&format!("{overlay}/"));
            match (0..).zip(project.spec.overlays()).find(|(_, overlay)| of_overlay(overlay)) {
                Some((number, _)) => sources.push(source.in_overlay(number)),
                None if project.spec.all_overlays().any(|overlay| of_overlay(&overlay.to_owned())) => {}
                None => sources.push(source),
            }
        }
    }
    let Loaded { catalog, diagnostics } = load(project, sources, &Shelf(case), threads);
    let mut entries = String::new();
    for entry in &catalog.entries {
        writeln!(entries, "{} {}", entry.key, entry.canonical).expect("a string takes all");
    }
    Outcome { entries, digest: catalog.digest().to_hex(), diagnostics }
}

fn parsed_project(case: &Files) -> Result<Project, Vec<Diagnostic>> {
    let bytes = case.get(PROJECT.0).map_or(PROJECT.1.as_bytes(), Vec::as_slice);
    let project = project::parse(SourceFile::new(PROJECT.0.to_owned(), bytes.to_vec()))?;
    Ok(project::in_environment(project, None)
        .expect("a case says which environment is meant: `environment: NAME`"))
}

/// `severity code file:line:col message | help`, and below it the line with the marked part and the related places.
pub(super) fn rendered(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        let Diagnostic { severity, code, message, resource, pointer: _, position, excerpt, help, related } =
            diagnostic;
        let severity = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let place = position.as_ref().map_or("-".to_owned(), ToString::to_string);
        write!(out, "{severity} {code} {place} {message}").expect("a string takes all");
        if let Some(help) = help {
            write!(out, " | {help}").expect("a string takes all");
        }
        out.push('\n');
        if let Some(excerpt) = excerpt {
            let (before, rest) = excerpt.line.split_at(excerpt.start);
            let (marked, after) = rest.split_at(excerpt.end - excerpt.start);
            writeln!(out, "    > {before}«{marked}»{after}").expect("a string takes all");
        }
        if let Some(resource) = resource {
            writeln!(out, "    in {resource}").expect("a string takes all");
        }
        for (position, note) in related {
            writeln!(out, "    see {position} {note}").expect("a string takes all");
        }
    }
    out
}
