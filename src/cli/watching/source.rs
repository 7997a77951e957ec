//! Where the manifests come from: the files beside the project, or a git repository. It keeps the last revision that could be used,
//! so that a bad one changes nothing (R64).

use std::path::PathBuf;
use std::rc::Rc;

use tokio::time::Instant;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::project::{self, Found};
use crate::files::{self, Repository, RepositoryError};
use crate::manifest::Catalog;
use crate::model::digest::DigestWriter;
use crate::model::{Digest, ResourceKey, Severity, SourceFile, diagnostic};

use super::GitArgs;

/// A revision of the manifests that can be used.
pub struct Good {
    /// Which: a commit, or the digest of the files.
    pub revision: String,
    /// The project as it is there.
    pub found: Found,
    /// What is declared.
    pub catalog: Catalog,
    /// The commit, where there is one.
    pub commit: Option<String>,
}

impl Good {
    /// The canonical spec of a resource, and its digest; `None` where it is not declared.
    #[must_use]
    pub fn declared(&self, key: &ResourceKey) -> Option<(&str, Digest)> {
        self.catalog.find(key).map(|entry| (&*entry.canonical, entry.digest))
    }
}

/// What a look at the source showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The newest revision; `None` where it cannot be told.
    pub observed: Option<String>,
    /// Why it cannot be used.
    pub problem: Option<String>,
    /// Whether that is because nobody can be asked for it.
    pub is_unreachable: bool,
    /// Whether anything is other than at the look before.
    pub is_new: bool,
}

/// A repository, and when it was last asked.
struct Git<'c> {
    args: &'c GitArgs,
    repository: Repository,
    asked: Option<Instant>,
}

/// Where the manifests come from.
pub struct Source<'c> {
    context: &'c Context,
    /// The repository; `None` for the files that the options name.
    git: Option<Git<'c>>,
    /// What could be seen of the files when they were last read.
    appearance: Option<Digest>,
    /// The files besides the project's folders: of rows.
    others: Vec<PathBuf>,
    last: Option<Look>,
    good: Option<Rc<Good>>,
    /// The project as it is in the newest revision.
    newest: Option<Found>,
    /// The project and environment that are looked after.
    expected: Option<(String, String)>,
}

/// What reading brought.
enum ReadOut {
    Good(Box<Good>),
    Bad { revision: Option<String>, problem: String },
}

impl<'c> Source<'c> {
    /// The files that the options name.
    #[must_use]
    pub const fn files(context: &'c Context) -> Self {
        Self::of(context, None)
    }

    /// A git repository.
    #[must_use]
    pub const fn git(context: &'c Context, args: &'c GitArgs, repository: Repository) -> Self {
        Self::of(context, Some(Git { args, repository, asked: None }))
    }

    const fn of(context: &'c Context, git: Option<Git<'c>>) -> Self {
        Self {
            context,
            git,
            appearance: None,
            others: Vec::new(),
            last: None,
            good: None,
            newest: None,
            expected: None,
        }
    }

    /// Where they come from, as people may see it.
    #[must_use]
    pub fn shown(&self) -> String {
        match (&self.git, self.good.as_ref().map(|good| &good.found.roots.project_file)) {
            (Some(git), _) => git.repository.shown(),
            (None, Some(file)) => file.display().to_string(),
            (None, None) => files::PROJECT_FILE.to_owned(),
        }
    }

    /// The last revision that could be used.
    #[must_use]
    pub fn good(&self) -> Option<Rc<Good>> {
        self.good.clone()
    }

    /// What to listen to, to hear of changes soon.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        let mut paths = self.others.clone();
        if let Some(found) = self.newest.as_ref().filter(|_| self.git.is_none()) {
            paths.extend(watched(found));
        }
        paths
    }

    /// Looks. Files that look as before are not read again, unless it is to be thorough.
    pub async fn look(&mut self, is_thorough: bool) -> Look {
        let mut look = if self.git.is_some() {
            self.looked_at_git(is_thorough).await
        } else {
            self.looked(is_thorough).await
        };
        look.is_new = self
            .last
            .as_ref()
            .is_none_or(|last| (&last.observed, &last.problem) != (&look.observed, &look.problem));
        self.last = Some(look.clone());
        look
    }

    async fn looked(&mut self, is_thorough: bool) -> Look {
        let found = match project::find(self.context) {
            Ok(found) => found,
            Err(error) => {
                // It is looked at anew, also where all looks as before.
                self.appearance = None;
                return bad(None, words(&error));
            }
        };
        self.newest = Some(found.clone());
        let mut paths = watched(&found);
        paths.extend(self.others.iter().cloned());
        let before = self.good.as_ref().map(|good| good.revision.clone());
        let known = self.appearance.filter(|_| !is_thorough && self.last.is_some());
        let looking = move || {
            let appearance = files::appearance(&paths);
            if known == Some(appearance) {
                return None;
            }
            let read = read(found, None, before);
            // What changed while it was read is read again at the next look.
            Some((read, (files::appearance(&paths) == appearance).then_some(appearance)))
        };
        let read = match tokio::task::spawn_blocking(looking).await {
            Ok(Some((read, appearance))) => {
                self.appearance = appearance;
                read
            }
            Ok(None) => return self.last.clone().unwrap_or_else(|| fine(None)),
            Err(error) => return bad(None, format!("the manifests could not be read: {error}")),
        };
        match read {
            Some(ReadOut::Good(good)) if self.is_other(&good.found).is_some() => {
                bad(Some(good.revision.clone()), self.is_other(&good.found).unwrap_or_default())
            }
            Some(ReadOut::Good(mut good)) => {
                good.commit = self.context.commit(&good.found.folder).await;
                self.others = good.catalog.files.iter().map(|file| PathBuf::from(&*file.path)).collect();
                let own = watched(&good.found);
                self.others.retain(|path| !own.iter().any(|root| path.starts_with(root)));
                if !self.others.is_empty() {
                    // There are more files to look at than at this look.
                    self.appearance = None;
                }
                let look = fine(Some(good.revision.clone()));
                self.good = Some(Rc::from(good));
                look
            }
            Some(ReadOut::Bad { revision, problem }) => bad(revision, problem),
            None => fine(self.good.as_ref().map(|good| good.revision.clone())),
        }
    }

    /// Makes a revision the last good one, where it is another: that of the books, when somebody else had it in force. Of files
    /// only the present ones can be read; then there is no good one.
    pub async fn fall_back(&mut self, revision: &str) {
        if self.good.as_ref().is_some_and(|good| good.revision == revision) {
            return;
        }
        self.good = None;
        let Some(git) = self.git.as_mut() else { return };
        let folder = match git.repository.check_out(revision, &[]).await {
            Ok(folder) => folder,
            Err(error) => {
                tracing::warn!(revision, %error, "the last good revision cannot be had");
                return;
            }
        };
        let found = git
            .args
            .project_file(&folder)
            .and_then(|file| project::find_in(self.context, file.parent().unwrap_or(&folder)));
        let Ok(found) = found else { return };
        let named = revision.to_owned();
        if let Ok(Some(ReadOut::Good(mut good))) =
            tokio::task::spawn_blocking(move || read(found, Some(named), None)).await
        {
            good.commit = Some(revision.to_owned());
            self.good = Some(Rc::from(good));
        }
    }

    /// From now on a revision of another project, or environment, is of no use: leases and books are of this one.
    pub fn expect(&mut self, project: &str, environment: &str) {
        self.expected = Some((project.to_owned(), environment.to_owned()));
    }

    /// Why a revision is of no use although its manifests are.
    fn is_other(&self, found: &Found) -> Option<String> {
        let (project, environment) = self.expected.as_ref()?;
        let own = found.project.spec.environment.as_deref().unwrap_or_default();
        let name = &found.project.name;
        (name != project || own != environment).then(|| {
            let of = if own.is_empty() { String::new() } else { format!(", environment `{own}`") };
            format!("the manifests are of project `{name}`{of} now, and this controller looks after another: restart it")
        })
    }

    /// The project as it is in the newest revision, also where its manifests cannot be used; `None` where the project file itself
    /// cannot.
    #[must_use]
    pub fn project(&self) -> Option<Found> {
        self.newest.clone()
    }

    async fn looked_at_git(&mut self, is_thorough: bool) -> Look {
        let observed = self.last.as_ref().and_then(|last| last.observed.clone());
        let Some(git) = self.git.as_mut() else { return bad(None, String::new()) };
        let is_fresh = git.asked.is_some_and(|asked| asked.elapsed() < git.args.git_every);
        if let Some(last) = self.last.as_ref().filter(|_| is_fresh && !is_thorough) {
            return last.clone();
        }
        git.asked = Some(Instant::now());
        let asking = async {
            git.repository.set_token(git.args.token(self.context).map_err(|error| (words(&error), true))?);
            let failed = |error: RepositoryError| {
                let why = error.why().map_or(String::new(), |why| format!(": {why}"));
                (format!("{error}{why}"), !matches!(error, RepositoryError::Unsigned { .. }))
            };
            let commit = git.repository.fetch().await.map_err(failed)?;
            // After a time without an answer it is read again: what was said last was of that time.
            let is_known = self.last.as_ref().is_some_and(|last| !last.is_unreachable);
            if is_known && observed.as_ref() == Some(&commit.sha) {
                return Ok(None);
            }
            let keep: Vec<String> = self.good.iter().map(|good| good.revision.clone()).collect();
            let folder = git.repository.check_out(&commit.sha, &keep).await.map_err(failed)?;
            Ok::<_, (String, bool)>(Some((commit, folder)))
        };
        let (commit, folder) = match asking.await {
            Ok(Some(found)) => found,
            Ok(None) => return self.last.clone().unwrap_or_else(|| fine(observed)),
            Err((problem, is_unreachable)) => {
                return Look { observed, problem: Some(problem), is_unreachable, is_new: true };
            }
        };
        let id = commit.sha;
        let inside = format!("{}/", folder.display());
        let found = git
            .args
            .project_file(&folder)
            .and_then(|file| project::find_in(self.context, file.parent().unwrap_or(&folder)));
        let found = match found {
            Ok(found) => found,
            Err(error) => return bad(Some(id), words(&error).replace(&inside, "")),
        };
        self.newest = Some(found.clone());
        let named = id.clone();
        match tokio::task::spawn_blocking(move || read(found, Some(named), None)).await {
            Ok(Some(ReadOut::Good(good))) if self.is_other(&good.found).is_some() => {
                bad(Some(id), self.is_other(&good.found).unwrap_or_default())
            }
            Ok(Some(ReadOut::Good(mut good))) => {
                good.commit = Some(id.clone());
                self.good = Some(Rc::from(good));
                fine(Some(id))
            }
            Ok(Some(ReadOut::Bad { problem, .. })) => bad(Some(id), problem.replace(&inside, "")),
            Ok(None) => fine(Some(id)),
            Err(error) => bad(Some(id), format!("the manifests could not be read: {error}")),
        }
    }
}

fn fine(observed: Option<String>) -> Look {
    Look { observed, problem: None, is_unreachable: false, is_new: true }
}

fn bad(observed: Option<String>, problem: String) -> Look {
    Look { observed, problem: Some(problem), is_unreachable: false, is_new: true }
}

/// The folders and files of a project.
fn watched(found: &Found) -> Vec<PathBuf> {
    let overlays = found.overlays.iter().flat_map(|roots| &roots.paths);
    let mut paths = vec![found.roots.project_file.clone()];
    paths.extend(found.roots.paths.iter().chain(overlays).cloned());
    paths
}

/// Reads the manifests; `None` where they are those of the revision before. Files of a commit are that commit.
fn read(found: Found, commit: Option<String>, before: Option<String>) -> Option<ReadOut> {
    let project_file = match files::read_project(&found.roots.project_file) {
        Ok(file) => file,
        Err(problem) => {
            return Some(ReadOut::Bad {
                revision: None,
                problem: words(&CliError::manifests(vec![problem])),
            });
        }
    };
    let sources = match project::read_sources(&found) {
        Ok(sources) => sources,
        Err(problems) => {
            return Some(ReadOut::Bad { revision: None, problem: words(&CliError::manifests(problems)) });
        }
    };
    let own = sources.len();
    let mut loaded = project::parse_with(&found, sources, &project::row_files(&found));
    // Rows of other files are part of what is declared.
    let files = loaded.catalog.files.iter().map(|file| &**file);
    let revision = commit.unwrap_or_else(|| revision_of(&project_file, files));
    if before.as_ref() == Some(&revision) {
        return None;
    }
    if diagnostic::has_errors(&loaded.diagnostics) {
        loaded.diagnostics.retain(|problem| problem.severity == Severity::Error);
        let problem = words(&CliError::manifests(loaded.diagnostics));
        return Some(ReadOut::Bad { revision: Some(revision), problem });
    }
    tracing::info!(
        revision,
        files = own,
        resources = loaded.catalog.entries.len(),
        "the manifests were read"
    );
    let catalog = loaded.catalog;
    Some(ReadOut::Good(Box::new(Good { revision, found, catalog, commit: None })))
}

fn revision_of<'f>(project_file: &SourceFile, files: impl Iterator<Item = &'f SourceFile>) -> String {
    let mut parts: Vec<(&str, Digest)> =
        files.map(|file| (&*file.path, Digest::of(file.text().as_bytes()))).collect();
    parts.sort_unstable();
    let mut writer = DigestWriter::default();
    writer.field(project_file.text().as_bytes());
    for (path, digest) in parts {
        writer.field(path.as_bytes()).field(digest.as_bytes());
    }
    let hex = writer.finish().to_hex();
    format!("files-{}", &hex[..16])
}

/// What is wrong, in one line.
fn words(error: &CliError) -> String {
    let Some(first) = error.diagnostics.first() else {
        let why = error.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
        return format!("{}{why}", error.what);
    };
    let place = first.position.as_ref().map_or(String::new(), |position| format!("{position}: "));
    let more = match error.diagnostics.len() - 1 {
        0 => String::new(),
        1 => "; and 1 more problem".to_owned(),
        more => format!("; and {more} more problems"),
    };
    format!("{place}{} ({}){more}", first.message, first.code)
}
