//! Finds the project and reads its manifests.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::files::{self, ManifestRoots, PROJECT_FILE, ProjectRows};
use crate::manifest::{self, Catalog, Loaded, Project, cache};
use crate::model::digest::DigestWriter;
use crate::model::files::RowFiles;
use crate::model::{Diagnostic, Digest, Entry, Position, ResourceKey, Scope, SourceFile, diagnostic};

use super::context::Context;
use super::error::CliError;
pub use super::known::{must_know_choice, must_know_workspace};
use super::planning::Wishes;
use super::reviewing;

/// A project and where its manifests are.
#[derive(Clone, Debug)]
pub struct Found {
    /// The project file's content.
    pub project: Project,
    /// The folder of the project file, as it is shown.
    pub folder: PathBuf,
    /// Where manifests are.
    pub roots: ManifestRoots,
    /// Where the overlays of the environment are, in their order.
    pub overlays: Vec<ManifestRoots>,
    /// Whether `--file` names only a part of the manifests, so that what is missing must not be deleted.
    pub partial: bool,
    /// The time by which silences have ended or not.
    pub now: DateTime<Utc>,
}

/// Finds the project that the options mean, and reads its file.
///
/// # Errors
/// There is none, or it has problems.
pub fn find(context: &Context) -> Result<Found, CliError> {
    let mut project_file = None;
    let mut parts = Vec::new();
    for path in &context.global.files {
        if let Err(error) = files::canonical(path) {
            let problem = Diagnostic::error(
                "SX0116",
                format!("{} cannot be read: {}", path.display(), files::io_words(&error)),
            )
            .help("correct the path given with --file")
            .at(Position::start_of(&path.to_string_lossy()));
            return Err(CliError::manifests(vec![problem]));
        }
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
    found_in(context, file, parts)
}

/// Reads the project of a folder, whatever `--file` says.
///
/// # Errors
/// There is none, or it has problems.
pub fn find_in(context: &Context, folder: &Path) -> Result<Found, CliError> {
    found_in(context, folder.join(PROJECT_FILE), Vec::new())
}

fn found_in(context: &Context, file: PathBuf, mut parts: Vec<PathBuf>) -> Result<Found, CliError> {
    let source = files::read_project(&file).map_err(|problem| CliError::manifests(vec![problem]))?;
    let project = manifest::project::parse(source).map_err(CliError::manifests)?;
    let project = in_environment(context, project)?;
    context.recorder.learn(&project.spec);
    let folder = file.parent().map(Path::to_path_buf).unwrap_or_default();
    let confine = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.clone() };
    let partial = !parts.is_empty();
    let overlays: Vec<PathBuf> = project.spec.overlays().iter().map(|path| folder.join(path)).collect();
    let without: Vec<PathBuf> = project.spec.all_overlays().map(|path| folder.join(path)).collect();
    // An overlay is read in any case.
    parts.retain(|part| !overlays.iter().any(|overlay| files::is_within(part, overlay)));
    let paths =
        if partial { parts } else { project.spec.manifests.iter().map(|path| folder.join(path)).collect() };
    let max_file_size = project.spec.max_file_size();
    let roots = ManifestRoots { paths, project_file: file, confine, max_file_size, without };
    let overlays =
        overlays.into_iter().map(|path| ManifestRoots { paths: vec![path], ..roots.clone() }).collect();
    Ok(Found { project, folder, roots, overlays, partial, now: context.clock.now() })
}

/// The project in the environment that the options, the variable or the project itself mean.
fn in_environment(context: &Context, project: Project) -> Result<Project, CliError> {
    // A variable that is set and empty is as good as none.
    let named = context.global.environment.as_deref().filter(|name| !name.is_empty());
    manifest::project::in_environment(project, named)
        .map_err(|error| CliError::usage(error.what).help(error.help))
}

/// Reads the manifests of a project and of its environment's overlays.
///
/// # Errors
/// A problem for each file that cannot be read.
pub fn read_sources(found: &Found) -> Result<Vec<SourceFile>, Vec<Diagnostic>> {
    let mut sources = files::read_manifests(&found.roots)?;
    for (overlay, roots) in (0..=u16::MAX).zip(&found.overlays) {
        sources.extend(files::read_manifests(roots)?.into_iter().map(|file| file.in_overlay(overlay)));
    }
    Ok(sources)
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
    let problem =
        Diagnostic::error("SX0209", format!("there is no {PROJECT_FILE} in or above {}", place.display()))
            .help("run `synthex init` to make one, or name it with --file");
    CliError::manifests(vec![problem])
}

/// The manifests, as far as they had to be read.
pub enum Read {
    /// Nothing changed since they were last read in full: keys and digests, and the sources in case more is needed.
    Cached(Vec<Entry>, Vec<SourceFile>),
    /// Read in full.
    Full(Box<Catalog>, Vec<Diagnostic>),
}

/// Reads the manifests, or only finds out that they are those of the last time.
///
/// # Errors
/// Every problem of every manifest.
pub fn read(found: &Found, use_cache: bool, tolerate: bool) -> Result<Read, CliError> {
    let sources = read_sources(found).map_err(CliError::manifests)?;
    // In CI the folder may come from a pull request, and with it a cache made to hide what the manifests say.
    let cached = if use_cache { files::read_optional(&cache_file(found)) } else { None };
    let Some(bytes) = cached else { return read_fully(found, sources, use_cache, tolerate) };
    let key = cache::key(&found.project, &sources);
    let same = |(path, digest): &(String, Digest)| {
        files::read_optional(Path::new(path)).is_some_and(|bytes| Digest::of(&bytes) == *digest)
    };
    match cache::decode(&bytes, &key) {
        Some(cached) if cached.rows.iter().all(same) => Ok(Read::Cached(cached.entries, sources)),
        _ => read_fully(found, sources, use_cache, tolerate),
    }
}

/// Reads manifests in full, and keeps what a later run needs to see that nothing changed. With `tolerate`, problems come
/// back beside what has none.
///
/// # Errors
/// Every problem of every manifest.
pub fn read_fully(
    found: &Found,
    sources: Vec<SourceFile>,
    use_cache: bool,
    tolerate: bool,
) -> Result<Read, CliError> {
    /// Below this, reading again costs less than it is worth.
    const WORTH_KEEPING: usize = 500;
    let own = sources.len();
    let loaded = parse(found, sources);
    if diagnostic::has_errors(&loaded.diagnostics) && (!tolerate || loaded.catalog.entries.is_empty()) {
        return Err(CliError::manifests(loaded.diagnostics));
    }
    let worth_keeping = use_cache && loaded.catalog.entries.len() >= WORTH_KEEPING;
    if worth_keeping && loaded.diagnostics.is_empty() {
        files::keep(&found.folder.join(".synthex").join(".gitignore"), b"*\n");
        let key = cache::key_of_shared(&found.project, &loaded.catalog.files[..own]);
        files::keep(&cache_file(found), &cache::encode(&key, &loaded.catalog, own));
    }
    Ok(Read::Full(Box::new(loaded.catalog), loaded.diagnostics))
}

/// What the project declared at a commit: its project file, manifests and overlays as they were then, in the same environment.
///
/// # Errors
/// Git cannot be asked, knows no such commit, or the manifests of that commit have problems.
pub fn load_at(found: &Found, reference: &str) -> Result<Catalog, CliError> {
    let git = |error: files::GitError| {
        let help = match &error {
            files::GitError::NoGit(_) => "install git, and see that it is found in PATH",
            files::GitError::NoRepository(_) => "a commit can be named only in a git repository",
            files::GitError::NoCommit(_) => "name a branch, a tag or a commit; in CI fetch it first",
            files::GitError::Slow | files::GitError::Other(_) => "run git by hand to see more",
        };
        CliError::usage(format!("the manifests of {reference} cannot be read"))
            .why(error.to_string())
            .help(help)
    };
    let tree = files::GitTree::open(&found.folder, reference).map_err(git)?;
    let own = found.roots.project_file.file_name().map(PathBuf::from).unwrap_or_default();
    let source = tree.file(&own).map_err(CliError::manifests)?.ok_or_else(|| {
        CliError::usage(format!("{reference} has no {}", found.roots.project_file.display()))
            .help("name a commit that has the project")
    })?;
    let project = manifest::project::parse(source).map_err(CliError::manifests)?;
    // A commit from before there were environments is taken as it is.
    let named = found.project.spec.environment.as_deref().filter(|_| !project.spec.environments.is_empty());
    let project = manifest::project::in_environment(project, named)
        .map_err(|error| CliError::usage(error.what).help(error.help))?;
    let tree = tree.with_max_file_size(project.spec.max_file_size());
    let paths = |paths: &[String]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
    let without: Vec<PathBuf> = project.spec.all_overlays().map(PathBuf::from).collect();
    let read = |roots: &[PathBuf]| tree.manifests(roots, &without, &own).map_err(CliError::manifests);
    let mut sources = read(&paths(&project.spec.manifests))?;
    for (overlay, path) in (0..=u16::MAX).zip(paths(project.spec.overlays())) {
        sources.extend(read(&[path])?.into_iter().map(|file| file.in_overlay(overlay)));
    }
    let loaded = manifest::load(project, sources, &tree, threads());
    if diagnostic::has_errors(&loaded.diagnostics) {
        return Err(CliError::manifests(loaded.diagnostics));
    }
    Ok(loaded.catalog)
}

/// What the user wants, with the selection narrowed to what is declared otherwise than in another commit.
///
/// # Errors
/// The commit, or the manifests, cannot be read.
pub async fn narrowed(found: &Found, wishes: &Wishes) -> Result<Wishes, CliError> {
    let mut wishes = wishes.clone();
    let Some(reference) = wishes.changed_since.clone() else { return Ok(wishes) };
    let found = found.clone();
    let comparing = tokio::task::spawn_blocking(move || {
        let before = load_at(&found, &reference)?;
        let (after, _) = load_valid(&found)?;
        Ok::<_, CliError>(differing(&before, &after))
    });
    let keys = comparing
        .await
        .map_err(|error| CliError::other("the commits could not be compared", error.to_string()))??;
    wishes.selection.among = Some(keys);
    Ok(wishes)
}

/// The resources that are not declared alike in two catalogs.
fn differing(before: &Catalog, after: &Catalog) -> HashSet<ResourceKey> {
    let changed = |entry: &&Entry| before.find(&entry.key).is_none_or(|old| old.digest != entry.digest);
    let gone = |entry: &&Entry| after.find(&entry.key).is_none();
    let changed = after.entries.iter().filter(changed);
    changed.chain(before.entries.iter().filter(gone)).map(|entry| entry.key.clone()).collect()
}

/// How many threads read manifests.
#[must_use]
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn cache_file(found: &Found) -> PathBuf {
    // One cache for each selection of manifests.
    let mut writer = DigestWriter::default();
    let overlays = found.overlays.iter().flat_map(|roots| &roots.paths);
    writer.field(found.project.spec.environment.as_deref().unwrap_or_default().as_bytes());
    for path in found.roots.paths.iter().chain(overlays) {
        writer.field(path.as_os_str().as_encoded_bytes());
    }
    let name = writer.finish().to_hex();
    found.folder.join(".synthex").join("cache").join(format!("catalog-{}", &name[..16]))
}

/// The files of rows that the project's sets name.
#[must_use]
pub fn row_files(found: &Found) -> ProjectRows {
    ProjectRows { confine: found.roots.confine.clone(), max_file_size: found.roots.max_file_size }
}

fn parse(found: &Found, sources: Vec<SourceFile>) -> Loaded {
    parse_with(found, sources, &row_files(found))
}

/// Reads manifests with the rows that some of them name.
#[must_use]
pub fn parse_with(found: &Found, sources: Vec<SourceFile>, rows: &dyn RowFiles) -> Loaded {
    let mut loaded = manifest::load(found.project.clone(), sources, rows, threads());
    if found.partial {
        // What a patch fits may be in the part that was not named.
        loaded.diagnostics.retain(|diagnostic| diagnostic.code != "SX0214");
    }
    let is_whole = !found.partial && !diagnostic::has_errors(&loaded.diagnostics);
    loaded.diagnostics.extend(reviewing::diagnostics(&loaded.catalog, found.now, is_whole));
    loaded
}

/// Reads the manifests. Warnings are shown; the catalog comes back only without errors.
///
/// # Errors
/// Every problem of every manifest.
pub fn load(found: &Found) -> Result<Loaded, Vec<Diagnostic>> {
    read_sources(found).map(|sources| parse(found, sources))
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

/// The names of the declared workspaces.
#[must_use]
pub fn declared_workspaces(entries: &[Entry]) -> Vec<String> {
    let workspaces = entries.iter().filter(|entry| entry.key.kind.scope == Scope::Global);
    workspaces.map(|entry| entry.key.name.to_string()).collect()
}

/// The workspaces to ask for, where the role sees one at a time: the one that is named, those that are declared, or the
/// project's usual one.
///
/// # Errors
/// None of these is known.
pub fn visible_workspaces(found: &Found, only: Option<&str>) -> Result<Vec<String>, CliError> {
    if let Some(only) = only {
        return Ok(vec![only.to_owned()]);
    }
    if let Ok((catalog, _)) = load_valid(found) {
        return Ok(declared_workspaces(&catalog.entries));
    }
    found.project.spec.workspace.clone().map(|name| vec![name]).ok_or_else(no_workspace)
}

/// A role sees one workspace at a time, and none is named.
#[must_use]
pub fn no_workspace() -> CliError {
    CliError::usage("this role sees one workspace at a time, and none is named")
        .why("row-level security confines it")
        .help("name one with --workspace")
}
