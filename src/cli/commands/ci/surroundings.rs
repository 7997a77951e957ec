//! The CI system around a run: which it is, and where it looks for results.

use std::path::{Path, PathBuf};

use crate::cli::args::Format;
use crate::cli::context::{Context, new_id};
use crate::cli::error::CliError;
use crate::cli::project;
use crate::files;
use crate::report;
use crate::report::ci::outputs;
use crate::report::plan_markdown::LEAST_BYTES;

/// What GitHub takes as the summary of one step is 1 MiB; a step may add to it more than once.
const SUMMARY_BYTES: usize = 1_000_000;
/// The variables for later jobs, in the form of a dotenv report of GitLab.
const DOTENV: &str = "synthex.env";

/// A CI system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum System {
    GitHub,
    GitLab,
    /// Another one, or none.
    Other,
}

/// Where the results of a run go.
pub struct Surroundings<'a> {
    context: &'a Context,
    system: System,
    folder: PathBuf,
}

impl<'a> Surroundings<'a> {
    /// Finds out which system it is, and makes the folder for results.
    ///
    /// # Errors
    /// The folder cannot be made, or it would be read as manifests.
    pub fn new(context: &'a Context, folder: &Path) -> Result<Self, CliError> {
        let system = if context.environment.get("GITHUB_ACTIONS") == Some("true") {
            System::GitHub
        } else if context.environment.get("GITLAB_CI") == Some("true") {
            System::GitLab
        } else {
            System::Other
        };
        files::ensure_folder(folder)?;
        // A project that cannot be read says so later, in the right place.
        if let Ok(found) = project::find(context) {
            let mut roots =
                std::iter::once(&found.roots).chain(&found.overlays).flat_map(|roots| &roots.paths);
            if let Some(root) = roots.find(|root| files::is_within(folder, root)) {
                let what = format!("the folder {} is among the manifests", folder.display());
                return Err(CliError::usage(what)
                    .why(format!(
                        "{} is searched to its bottom, so the results would be read as manifests",
                        root.display()
                    ))
                    .help("name a folder elsewhere with --dir"));
            }
        }
        Ok(Self { context, system, folder: folder.to_path_buf() })
    }

    /// Whether GitHub reads what is printed.
    #[must_use]
    pub fn is_github(&self) -> bool {
        self.system == System::GitHub && self.context.global.format == Format::Human
    }

    /// The path of a result.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The path of a result, for others: a later step of a GitHub job may have another working directory.
    #[must_use]
    pub fn shown(&self, name: &str) -> String {
        let path = self.path(name);
        let path = if self.system == System::GitHub { self.context.directory.join(path) } else { path };
        path.display().to_string()
    }

    /// Writes a result.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<(), CliError> {
        Ok(files::write_atomically(&self.path(name), text.as_bytes())?)
    }

    /// Removes what an earlier run left, where this one has nothing to put in its place.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn remove(&self, names: &[&str]) -> Result<(), CliError> {
        for name in names {
            files::remove(&self.path(name))?;
        }
        Ok(())
    }

    /// Adds Markdown to the page of the run, where there is one: a text of at most so many bytes.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn summarize(&self, text: impl FnOnce(usize) -> String) -> Result<(), CliError> {
        let Some(path) = self.file("GITHUB_STEP_SUMMARY") else { return Ok(()) };
        let taken = usize::try_from(files::size(path)).unwrap_or(usize::MAX);
        let room = SUMMARY_BYTES.saturating_sub(taken);
        if room < LEAST_BYTES {
            self.context.printer.note("the summary of the step has no room left, so nothing was added to it");
            return Ok(());
        }
        let text = text(room - 1);
        Ok(files::append(path, format!("{text}\n").as_bytes())?)
    }

    /// Hands values to later steps and jobs.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn output(&self, outputs: &[(&str, String)]) -> Result<(), CliError> {
        if let Some(path) = self.file("GITHUB_OUTPUT") {
            let delimiter = format!("synthex-{}", new_id().simple());
            files::append(path, outputs::github(outputs, &delimiter).as_bytes())?;
        }
        if self.system == System::GitLab {
            self.write(DOTENV, &outputs::dotenv(outputs))?;
        }
        Ok(())
    }

    /// A file that GitHub names in a variable.
    fn file(&self, variable: &str) -> Option<&Path> {
        if self.system != System::GitHub {
            return None;
        }
        let path = match variable {
            "GITHUB_OUTPUT" => self.context.environment.get("GITHUB_OUTPUT"),
            _ => self.context.environment.get("GITHUB_STEP_SUMMARY"),
        };
        path.map(Path::new)
    }

    /// Points at places beside the lines of a pull request.
    pub fn annotate(&self, commands: &str) {
        if self.is_github() {
            self.context.printer.result(&report::ci::below(&self.place(), commands));
        }
    }

    /// Where we are in the repository: GitHub takes the places of annotations from its root.
    fn place(&self) -> String {
        let root = self.context.environment.get("GITHUB_WORKSPACE").map(Path::new);
        let root = root.and_then(|root| files::canonical(root).ok());
        let place =
            root.and_then(|root| self.context.directory.strip_prefix(root).ok().map(Path::to_path_buf));
        place.unwrap_or_default().display().to_string()
    }

    /// Has GitHub take what follows for text, until [`Surroundings::resume`]: names and values may look like its commands.
    #[must_use]
    pub fn suspend(&self) -> Option<String> {
        let token = self.is_github().then(|| new_id().simple().to_string())?;
        self.context.printer.result(&format!("::stop-commands::{token}\n"));
        Some(token)
    }

    /// Has GitHub take commands again.
    pub fn resume(&self, token: Option<String>) {
        if let Some(token) = token {
            self.context.printer.result(&format!("::{token}::\n"));
        }
    }
}
