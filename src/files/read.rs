//! Reads manifests: walks folders, refuses what is too large or leads out of the project, names every file it could not
//! read.

use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::model::diagnostic::did_you_mean;
use crate::model::files::{RowFileError, RowFiles};
use crate::model::{Diagnostic, Position, SourceFile};

use super::{PROJECT_FILE, io_words};

/// Where manifests are read from.
#[derive(Clone, Debug)]
pub struct ManifestRoots {
    /// Files and folders, as they are shown.
    pub paths: Vec<PathBuf>,
    /// The project file, which is not a manifest.
    pub project_file: PathBuf,
    /// The folder that nothing read may leave; the project's.
    pub confine: PathBuf,
    /// Bytes.
    pub max_file_size: u64,
    /// Folders and files of overlays, which are no manifests of what is around them.
    pub without: Vec<PathBuf>,
}

/// The project file at or above a folder.
#[must_use]
pub fn find_project(start: &Path) -> Option<PathBuf> {
    let absolute = start.canonicalize().ok()?;
    let mut shown = start.to_path_buf();
    for folder in absolute.ancestors() {
        if folder.join(PROJECT_FILE).is_file() {
            let file = shown.join(PROJECT_FILE);
            return Some(file.strip_prefix(".").map(Path::to_path_buf).unwrap_or(file));
        }
        shown = match shown.components().next_back() {
            Some(Component::Normal(_)) => shown.parent().map(Path::to_path_buf).unwrap_or_default(),
            None | Some(Component::CurDir) => PathBuf::from(".."),
            _ => shown.join(".."),
        };
    }
    None
}

/// Reads the project file.
///
/// # Errors
/// It is not there, too large, or cannot be read.
pub fn read_project(path: &Path) -> Result<SourceFile, Diagnostic> {
    read_one(path, crate::kinds::project::DEFAULT_MAX_FILE_SIZE)
}

/// Reads every manifest, sorted by path.
///
/// # Errors
/// A problem for each path that is missing, empty, too large, unreadable, or outside the project.
pub fn read_manifests(roots: &ManifestRoots) -> Result<Vec<SourceFile>, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut found: Vec<PathBuf> = Vec::new();
    for root in &roots.paths {
        if let Err(problem) = gather(root, roots, &mut found, &mut problems) {
            problems.push(problem);
        }
    }
    found.sort();
    found.dedup();
    let project_file = roots.project_file.canonicalize().ok();
    let confine = roots.confine.canonicalize().ok();
    let mut seen = std::collections::HashSet::new();
    let mut files = Vec::new();
    let overlays = Overlays::of(roots);
    let mut left_out = 0;
    for path in found {
        let Ok(real) = path.canonicalize() else {
            problems.push(unreadable(&path, "it leads nowhere"));
            continue;
        };
        if overlays.have(&real) {
            left_out += 1;
            continue;
        }
        if Some(&real) == project_file.as_ref() || !seen.insert(real.clone()) {
            continue;
        }
        if confine.as_ref().is_some_and(|confine| !real.starts_with(confine)) {
            problems.push(outside(&path));
            continue;
        }
        match read_one(&path, roots.max_file_size) {
            Ok(file) => files.push(file),
            Err(problem) => problems.push(problem),
        }
    }
    if files.is_empty() && left_out > 0 && problems.is_empty() {
        let root = roots.paths.first().map(|path| shown(path)).unwrap_or_default();
        problems.push(
            Diagnostic::error("SX0116", format!("all manifests in {root} belong to overlays"))
                .help("put what all environments share beside the overlays, not into them")
                .at(Position::start_of(&root)),
        );
    }
    if problems.is_empty() { Ok(files) } else { Err(problems) }
}

/// The overlays below the folders that are read; an overlay that is read itself is none.
struct Overlays(Vec<PathBuf>);

impl Overlays {
    fn of(roots: &ManifestRoots) -> Self {
        let read: Vec<PathBuf> = roots.paths.iter().filter_map(|path| path.canonicalize().ok()).collect();
        let inside = |overlay: &PathBuf| !read.iter().any(|root| root.starts_with(overlay));
        Self(roots.without.iter().filter_map(|path| path.canonicalize().ok()).filter(inside).collect())
    }

    fn have(&self, real: &Path) -> bool {
        self.0.iter().any(|overlay| real.starts_with(overlay))
    }
}

fn gather(
    root: &Path,
    roots: &ManifestRoots,
    found: &mut Vec<PathBuf>,
    problems: &mut Vec<Diagnostic>,
) -> Result<(), Diagnostic> {
    let at = |problem: Diagnostic| problem.at(Position::start_of(&shown(root)));
    let metadata = std::fs::metadata(root).map_err(|error| {
        let why = io_words(&error);
        at(Diagnostic::error("SX0116", format!("{} cannot be read: {why}", shown(root)))
            .help("correct the path; a missing source never means that nothing is declared"))
    })?;
    if !metadata.is_dir() {
        if metadata.is_file() && !is_manifest(root) {
            return Err(at(Diagnostic::error("SX0116", format!("{} is not a manifest", shown(root))).help(
                "name a .yaml, .yml or .json file; rows are read through the TenantSet that names them",
            )));
        }
        found.push(root.to_path_buf());
        return Ok(());
    }
    // Not even looked into: a project from a fork could make a walk of the whole machine, and print its names.
    let confine = roots.confine.canonicalize().ok();
    let leads_out = move |path: &Path| {
        confine
            .as_ref()
            .is_some_and(|confine| path.canonicalize().is_ok_and(|real| !real.starts_with(confine)))
    };
    if leads_out(root) {
        return Err(outside(root));
    }
    let mut count = 0;
    let links_out = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&links_out);
    let walk = ignore::WalkBuilder::new(root)
        .standard_filters(false)
        .hidden(true)
        .follow_links(true)
        .filter_entry(move |entry| {
            let is_out = entry.path_is_symlink() && entry.path().is_dir() && leads_out(entry.path());
            if is_out && let Ok(mut noted) = noted.lock() {
                noted.push(entry.path().to_path_buf());
            }
            !is_out
        })
        .build();
    for entry in walk {
        match entry {
            Ok(entry) => {
                let is_file = entry.file_type().is_some_and(|kind| !kind.is_dir());
                if is_file && is_manifest(entry.path()) {
                    found.push(entry.path().to_path_buf());
                    count += 1;
                }
            }
            Err(error) => {
                let (path, why) = walk_problem(&error, root);
                problems.push(
                    Diagnostic::error("SX0112", format!("{} cannot be read: {why}", shown(path)))
                        .help("check it and its rights; what cannot be read is never taken as absent")
                        .at(Position::start_of(&shown(path))),
                );
            }
        }
    }
    problems.extend(links_out.lock().iter().flat_map(|links| links.iter()).map(|link| outside(link)));
    if count == 0 && problems.is_empty() {
        return Err(at(Diagnostic::error("SX0116", format!("there is no manifest in {}", shown(root)))
            .help(
                "write one (.yaml, .yml or .json); an empty folder never means that nothing is declared",
            )));
    }
    Ok(())
}

/// Which path could not be walked, and why.
fn walk_problem<'a>(error: &'a ignore::Error, path: &'a Path) -> (&'a Path, String) {
    match error {
        ignore::Error::WithPath { path, err } => walk_problem(err, path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            walk_problem(err, path)
        }
        ignore::Error::Loop { ancestor, child } => {
            (child, format!("it is a link that leads back to {}", shown(ancestor)))
        }
        ignore::Error::Io(error) => {
            // The walker's own words, around what the operating system said, name the path again.
            let mut inner: &(dyn std::error::Error + 'static) = error;
            while let Some(source) = inner.source() {
                inner = source;
            }
            (path, inner.downcast_ref().map_or_else(|| inner.to_string(), io_words))
        }
        other => (path, other.to_string()),
    }
}

pub(super) fn is_manifest(path: &Path) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
        ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    })
}

pub(super) fn read_one(path: &Path, max_size: u64) -> Result<SourceFile, Diagnostic> {
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, &io_words(&error)))?;
    if !metadata.is_file() {
        return Err(unreadable(path, "it is not a regular file"));
    }
    if metadata.len() > max_size {
        return Err(too_large(path, max_size));
    }
    let file = std::fs::File::open(path).map_err(|error| unreadable(path, &io_words(&error)))?;
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    // The file may grow while it is read.
    file.take(max_size + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &io_words(&error)))?;
    if bytes.len() as u64 > max_size {
        return Err(too_large(path, max_size));
    }
    Ok(SourceFile::new(shown(path), bytes))
}

pub(super) fn too_large(path: &Path, max_size: u64) -> Diagnostic {
    Diagnostic::error("SX0111", format!("the file is larger than {max_size} bytes"))
        .help("divide it, or raise `limits.maxFileSize` in the project file")
        .at(Position::start_of(&shown(path)))
}

fn unreadable(path: &Path, why: &str) -> Diagnostic {
    Diagnostic::error("SX0112", format!("the file cannot be read: {why}"))
        .help("check the path and its rights")
        .at(Position::start_of(&shown(path)))
}

fn outside(path: &Path) -> Diagnostic {
    Diagnostic::error("SX0113", "the path leads out of the project")
        .help("move it into the project; links that lead out are not followed")
        .at(Position::start_of(&shown(path)))
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Reads the files that tenant sets name, relative to the manifest that names them.
#[derive(Clone, Debug)]
pub struct ProjectRows {
    /// The folder that no reference may leave.
    pub confine: PathBuf,
    /// Bytes.
    pub max_file_size: u64,
}

impl RowFiles for ProjectRows {
    fn read(&self, manifest: &str, reference: &str) -> Result<SourceFile, RowFileError> {
        let fail = |code, message: String, help: &str| RowFileError { code, message, help: help.to_owned() };
        let folder = Path::new(manifest).parent().unwrap_or(Path::new(""));
        if Path::new(reference).is_absolute() {
            return Err(fail(
                "SX0113",
                format!("`{reference}` leads out of the project"),
                "write a relative path",
            ));
        }
        let path = tidy(&folder.join(reference));
        // Before the path is looked at: whether it is there is not for a manifest to find out.
        let full = |path: &Path| std::path::absolute(path).map(|path| tidy(&path));
        if let (Ok(path), Ok(confine)) = (full(&path), full(&self.confine))
            && !path.starts_with(confine)
        {
            let message = format!("`{reference}` leads out of the project");
            return Err(fail("SX0113", message, "move the file into the project"));
        }
        let real = path.canonicalize().map_err(|error| {
            let message = match error.kind() {
                std::io::ErrorKind::NotFound => format!("there is no file `{reference}`"),
                _ => format!("`{reference}` cannot be read: {}", io_words(&error)),
            };
            match near_file(&path) {
                Some(near) => fail("SX0405", message, &format!("did you mean `{near}`?")),
                None => fail("SX0405", message, "the path is relative to the manifest"),
            }
        })?;
        if self.confine.canonicalize().is_ok_and(|confine| !real.starts_with(confine)) {
            let message = format!("`{reference}` leads out of the project");
            return Err(fail("SX0113", message, "move the file into the project"));
        }
        read_one(&path, self.max_file_size).map_err(|problem| RowFileError {
            code: problem.code,
            message: format!("`{reference}`: {}", problem.message),
            help: problem.help.unwrap_or_default(),
        })
    }
}

/// Takes `x/..` out of a path, so that the same file is shown the same way.
pub(super) fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

fn near_file(path: &Path) -> Option<String> {
    let names: Vec<String> = std::fs::read_dir(path.parent()?)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    did_you_mean(path.file_name()?.to_str()?, names.iter().map(String::as_str)).map(str::to_owned)
}

/// Reads a secret from a file, without its last line break. At most 64 KiB.
///
/// # Errors
/// The file cannot be read, is open to other users, is too large, or is not text.
pub fn read_secret(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            return Err(std::io::Error::other("its mode lets other users at it; run chmod 600 on it"));
        }
    }
    file.take(64 * 1024 + 1).read_to_string(&mut text)?;
    if text.len() > 64 * 1024 {
        return Err(std::io::Error::other("it is larger than 64 KiB"));
    }
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_found_upwards_and_shown_as_the_user_would_write_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        std::fs::write(folder.path().join(PROJECT_FILE), "").unwrap();
        assert_eq!(find_project(&folder.path().join("a/b")), Some(folder.path().join(PROJECT_FILE)));
        assert_eq!(tidy(Path::new("x/./y/../z.csv")), Path::new("x/z.csv"));
        assert_eq!(tidy(Path::new("../z.csv")), Path::new("../z.csv"));
    }
}
