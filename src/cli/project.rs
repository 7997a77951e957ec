//! Finds the project and reads its manifests.

use std::path::{Path, PathBuf};

use crate::files::{self, ManifestRoots, PROJECT_FILE, ProjectRows};
use crate::manifest::{self, Catalog, Loaded, Project};
use crate::model::{Diagnostic, diagnostic};

use super::context::Context;
use super::error::CliError;

/// A project and where its manifests are.
#[derive(Clone, Debug)]
pub struct Found {
    /// The project file's content.
    pub project: Project,
    /// The folder of the project file, as it is shown.
    pub folder: PathBuf,
    /// Where manifests are.
    pub roots: ManifestRoots,
    /// Whether `--file` names only a part of the manifests, so that what is missing must not be deleted.
    pub partial: bool,
}

/// Finds the project that the options mean, and reads its file.
///
/// # Errors
/// There is none, or it has problems.
pub fn find(context: &Context) -> Result<Found, CliError> {
    let mut project_file = None;
    let mut parts = Vec::new();
    for path in &context.global.files {
        let inside = path.join(PROJECT_FILE);
        if files::is_folder(path) && files::read_optional(&inside).is_some() {
            set_once(&mut project_file, inside)?;
        } else if path.file_name().is_some_and(|name| name == PROJECT_FILE) {
            set_once(&mut project_file, path.clone())?;
        } else {
            parts.push(path.clone());
        }
    }
    let start = match parts.first() {
        Some(part) if files::is_folder(part) => part.clone(),
        Some(part) => part
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
            .to_path_buf(),
        None => PathBuf::from("."),
    };
    let file = match project_file {
        Some(file) => file,
        None => files::find_project(&start).ok_or_else(|| no_project(context, &parts))?,
    };
    let source = files::read_project(&file).map_err(|problem| CliError::manifests(vec![problem]))?;
    let project = manifest::project::parse(source).map_err(CliError::manifests)?;
    let folder = file.parent().map(Path::to_path_buf).unwrap_or_default();
    let confine = if folder.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        folder.clone()
    };
    let partial = !parts.is_empty();
    let paths = if partial {
        parts
    } else {
        project
            .spec
            .manifests
            .iter()
            .map(|path| folder.join(path))
            .collect()
    };
    let roots = ManifestRoots {
        paths,
        project_file: file,
        confine,
        max_file_size: project.spec.max_file_size(),
    };
    Ok(Found {
        project,
        folder,
        roots,
        partial,
    })
}

fn set_once(place: &mut Option<PathBuf>, file: PathBuf) -> Result<(), CliError> {
    if place.is_some() {
        return Err(CliError::usage("--file names two projects").help("name one"));
    }
    *place = Some(file);
    Ok(())
}

fn no_project(context: &Context, parts: &[PathBuf]) -> CliError {
    let place = parts.first().unwrap_or(&context.directory);
    let problem = Diagnostic::error(
        "SX0209",
        format!("there is no {PROJECT_FILE} in or above {}", place.display()),
    )
    .help("run `synthex init` to make one, or name it with --file");
    CliError::manifests(vec![problem])
}

/// Reads the manifests. Warnings are shown; the catalog comes back only without errors.
///
/// # Errors
/// Every problem of every manifest.
pub fn load(found: &Found) -> Result<Loaded, Vec<Diagnostic>> {
    let sources = files::read_manifests(&found.roots);
    let rows = ProjectRows {
        confine: found.roots.confine.clone(),
        max_file_size: found.roots.max_file_size,
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    match sources {
        Ok(sources) => Ok(manifest::load(found.project.clone(), sources, &rows, threads)),
        Err(problems) => Err(problems),
    }
}

/// [`load`], with problems as an error.
///
/// # Errors
/// Every problem of every manifest.
pub fn load_valid(found: &Found) -> Result<(Catalog, Vec<Diagnostic>), CliError> {
    let loaded = load(found).map_err(CliError::manifests)?;
    if diagnostic::has_errors(&loaded.diagnostics) {
        return Err(CliError::manifests(loaded.diagnostics));
    }
    Ok((loaded.catalog, loaded.diagnostics))
}
