//! `import`: rows become manifests.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::exporting::{MODELINE, refuse_existing, schema_path};
use crate::cli::project::{self, Found};
use crate::cli::row_files::{self, RowFormat};
use crate::files::{self, GivenRows};
use crate::kinds::project::ProjectSpec;
use crate::kinds::tenant;
use crate::manifest::rows::{self, RawRow, SetContext};
use crate::manifest::schema::API_VERSION;
use crate::manifest::write::yaml;
use crate::manifest::{self, Project, csv};
use crate::model::diagnostic::{self, Diagnostic};
use crate::model::{FileId, SourceFile, SourceRef};

/// The name of the set while it is read; it is never written under it.
const IN_MEMORY: &str = "(rows)";

/// What rows become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ImportAs {
    /// A Tenant for each row
    Tenants,
    /// One TenantSet, and the rows beside it as they are
    Set,
}

/// Write the rows of a CSV or JSON file as manifests
///
/// The rows are those of `batch tenants create`, and are checked together with the project's manifests: nothing is written unless
/// the project is valid with them. No database is needed.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex import csv clients.csv --to manifests/clients.yaml\n  synthex import csv clients.csv --to manifests/clients.yaml --as set --template shopify-smb-anz\n  synthex import json clients.json --to manifests/clients.yaml --force"
)]
pub struct ImportArgs {
    /// How the rows are written
    #[arg(value_name = "FORMAT")]
    pub rows: RowFormat,
    /// The rows; `-` for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The file of manifests to write
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// What the rows become
    #[arg(long = "as", value_enum, default_value_t = ImportAs::Tenants, value_name = "WHAT")]
    pub what: ImportAs,
    /// The template of rows that name none themselves
    #[arg(long, value_name = "TEMPLATE")]
    pub template: Option<String>,
    /// Overwrite files that are there
    #[arg(long)]
    pub force: bool,
}

/// Runs `import`.
///
/// # Errors
/// Rows are bad, the project would not be valid with them, or a file is there already. Nothing was written.
pub fn import(context: &Context, args: &ImportArgs) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    let is_yaml = args.to.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
    if !is_yaml {
        return Err(CliError::usage(format!("{} is no file of manifests", args.to.display()))
            .why("manifests are written as YAML; nothing was written")
            .help("let it end in .yaml"));
    }
    let has_project = !context.global.files.is_empty() || files::find_project(Path::new(".")).is_some();
    let found = if has_project { Some(project::find(context)?) } else { None };
    row_files::must_have_ending(&args.file, args.rows)?;
    let given = row_files::read(&args.file, args.rows, found.as_ref())?;
    let importing = Importing { context, args, found: found.as_ref(), text: escaped(&given) };
    let files = importing.files(given)?;
    // A file that lies where its copy is to be is left as it is.
    let wanted: Vec<(PathBuf, String)> = files
        .into_iter()
        .filter(|(path, text)| files::read_optional(path).as_deref() != Some(text.as_bytes()))
        .collect();
    if !args.force {
        refuse_existing(&wanted, "name another file with --to, or overwrite with --force")?;
    }
    for (path, text) in &wanted {
        files::write_atomically(path, text.as_bytes())?;
    }
    let count = importing.raw()?.len();
    if context.global.format == Format::Json {
        let paths: Vec<&PathBuf> = wanted.iter().map(|(path, _)| path).collect();
        context.printer.json(&json!({"format_version": "1.0", "tenants": count, "written": paths}));
    } else {
        let lines: String = wanted.iter().map(|(path, _)| format!("wrote  {}\n", path.display())).collect();
        let words = if count == 1 { "tenant" } else { "tenants" };
        context.printer.result(&format!("{lines}{count} {words} imported.\n"));
    }
    match &found {
        None => context
            .printer
            .note("There is no project here: what layers and other manifests say was not looked at."),
        Some(found) if !importing.is_read(found) => {
            context
                .printer
                .note("The project does not read this file: name it under `manifests` in the project file.");
        }
        Some(_) => context.printer.note("Next: synthex plan"),
    }
    Ok(ExitStatus::Success)
}

/// The rows as a file in which nothing is a variable.
fn escaped(file: &SourceFile) -> String {
    file.text().replace("${", "$${")
}

/// The manifest with its fields in the order of its kind, and without labels where it has none.
fn in_order(mut manifest: Value) -> Value {
    if let Some(Value::Object(metadata)) = manifest.get_mut("metadata")
        && metadata.get("labels") == Some(&json!({}))
    {
        metadata.shift_remove("labels");
    }
    if let Some(Value::Object(spec)) = manifest.get_mut("spec") {
        let mut rest = std::mem::take(spec);
        let columns = tenant::KIND.columns().iter().filter_map(|column| column.path.split('.').next());
        for name in columns.collect::<Vec<_>>() {
            if let Some(value) = rest.shift_remove(name) {
                spec.insert(name.to_owned(), value);
            }
        }
        spec.extend(rest);
    }
    manifest
}

struct Importing<'a> {
    context: &'a Context,
    args: &'a ImportArgs,
    found: Option<&'a Found>,
    text: String,
}

impl Importing<'_> {
    fn workspace(&self) -> Option<String> {
        self.context
            .global
            .workspace
            .clone()
            .or_else(|| self.found.and_then(|found| found.project.spec.workspace.clone()))
    }

    /// What is to be written, checked.
    fn files(&self, given: SourceFile) -> Result<Vec<(PathBuf, String)>, CliError> {
        let rows = if given.text().len() == given.bytes().len() {
            SourceFile::new(given.path, self.text.clone().into_bytes())
        } else {
            given
        };
        let reference = format!("rows.{}", self.args.rows.ending());
        let set = self.set(&reference, "rows");
        self.must_be_valid(SourceFile::new(IN_MEMORY.to_owned(), yaml::document(&set).into_bytes()), rows)?;
        let head = match self.found {
            Some(found) => {
                format!("{MODELINE}{}\n", schema_path(self.context, Some(found), &self.folder(), 0))
            }
            None => String::new(),
        };
        let files = match self.args.what {
            ImportAs::Set => {
                let stem = self
                    .args
                    .to
                    .file_stem()
                    .map(|stem| stem.to_string_lossy().into_owned())
                    .unwrap_or_default();
                let copy = self.args.to.with_extension(self.args.rows.ending());
                let name: String = stem
                    .chars()
                    .map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' })
                    .collect();
                let reference =
                    copy.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let set = self.set(&reference, name.trim_start_matches(['.', '-', '_']));
                vec![
                    (self.args.to.clone(), format!("{head}{}", yaml::document(&set))),
                    (copy, self.text.clone()),
                ]
            }
            ImportAs::Tenants => {
                let set = SetContext {
                    workspace: self.workspace(),
                    template: self.args.template.clone(),
                    ..SetContext::default()
                };
                let documents: Vec<String> = self
                    .raw()?
                    .into_iter()
                    .map(|(_, row)| {
                        let manifest = in_order(rows::manifest_of(row, &set));
                        yaml::document(&manifest)
                    })
                    .collect();
                vec![(self.args.to.clone(), format!("{head}{}", documents.join("---\n")))]
            }
        };
        let limit = self.found.map_or_else(
            || ProjectSpec::default().max_file_size(),
            |found| found.project.spec.max_file_size(),
        );
        match files.iter().find(|(_, text)| text.len() as u64 > limit) {
            Some((path, text)) => Err(CliError::usage(format!(
                "{} would have {} bytes",
                path.display(),
                text.len()
            ))
            .why(format!("a file of manifests has at most {limit}; nothing was written"))
            .help("import it with --as set, divide it, or raise `limits.maxFileSize` in the project file")),
            None => Ok(files),
        }
    }

    fn folder(&self) -> PathBuf {
        self.args.to.parent().map(Path::to_path_buf).unwrap_or_default()
    }

    fn is_read(&self, found: &Found) -> bool {
        crate::cli::exporting::is_read(self.context, found, &self.folder())
    }

    fn set(&self, reference: &str, name: &str) -> Value {
        let mut spec = json!({"from": {(self.args.rows.ending()): reference}});
        if let Some(template) = &self.args.template {
            spec["template"] = json!(template);
        }
        let mut metadata = json!({"name": if name.is_empty() { "tenants" } else { name }});
        if let Some(workspace) = self.workspace() {
            metadata["workspace"] = json!(workspace);
        }
        json!({"apiVersion": API_VERSION, "kind": "TenantSet", "metadata": metadata, "spec": spec})
    }

    /// The rows, once they are known to be good.
    fn raw(&self) -> Result<Vec<RawRow>, CliError> {
        let file =
            SourceFile::new(format!("rows.{}", self.args.rows.ending()), self.text.clone().into_bytes());
        let source = SourceRef { file: FileId(0), start: 0, end: 0, row: None };
        let read: Result<Vec<RawRow>, _> = match self.args.rows {
            RowFormat::Csv => csv::read(&file, FileId(0), source)
                .map(|(rows, _)| rows.into_iter().map(|(row, cells)| (row, cells.row())).collect()),
            RowFormat::Json => {
                rows::read_json(&file, FileId(0), source, &manifest::variables::Variables::off())
                    .map(|(rows, _)| rows)
            }
        };
        read.map_err(|_| CliError::other("the rows could not be read again", "this is a defect of synthex"))
    }

    /// Reads the project with the rows in it.
    fn must_be_valid(&self, set: SourceFile, rows: SourceFile) -> Result<(), CliError> {
        let rows_path = rows.path.clone();
        let mut sources = Vec::new();
        if let Some(found) = self.found {
            sources = project::read_sources(found).map_err(CliError::manifests)?;
            let own = files::canonical(&self.args.to).ok();
            // What is overwritten declares nothing any more.
            sources.retain(|source| own.is_none() || files::canonical(Path::new(&source.path)).ok() != own);
        }
        sources.push(set);
        let project = match self.found {
            Some(found) => found.project.clone(),
            None => Project { name: "import".to_owned(), file: String::new(), spec: ProjectSpec::default() },
        };
        let given = WithRows { given: GivenRows::new(rows), others: self.found.map(project::row_files) };
        let loaded = manifest::load(project, sources, &given, project::threads());
        let mut found = loaded.diagnostics;
        // Without a project nothing declares a workspace, and what one would give is not missed.
        if self.found.is_none() {
            found.retain(|problem| problem.code != "SX0202");
        }
        let is_of_rows =
            |problem: &Diagnostic| problem.position.as_ref().is_some_and(|at| *at.file == *rows_path);
        for problem in &mut found {
            if problem.position.as_ref().is_some_and(|at| &*at.file == IN_MEMORY) {
                problem.excerpt = None;
                problem.position = None;
            }
        }
        if !diagnostic::has_errors(&found) {
            return Ok(());
        }
        let mut error = CliError::manifests(found);
        if !error.diagnostics.iter().any(is_of_rows) {
            "the project would have problems; nothing was written".clone_into(&mut error.what);
        } else {
            "the rows have problems; nothing was written".clone_into(&mut error.what);
        }
        Err(error)
    }
}

/// The rows that are imported, and the files of rows that the project's own sets name.
struct WithRows {
    given: GivenRows,
    others: Option<files::ProjectRows>,
}

impl crate::model::files::RowFiles for WithRows {
    fn read(&self, manifest: &str, reference: &str) -> Result<SourceFile, crate::model::files::RowFileError> {
        match &self.others {
            Some(others) if manifest != IN_MEMORY => others.read(manifest, reference),
            _ => self.given.read(manifest, reference),
        }
    }
}
