//! Whether there is a project, in which environment, and whether its manifests are valid.

use std::time::Duration;

use crate::cli::context::{Context, git};
use crate::cli::error::CliError;
use crate::cli::project::{self, Found};
use crate::manifest::Catalog;
use crate::model::{Diagnostic, Severity};

use super::check::{Check, counted, soon};

const FILE: &str = "project.file";
const ENVIRONMENT: &str = "project.environment";
const MANIFESTS: &str = "project.manifests";
const GIT: &str = "project.git";

/// Manifests of the largest project are read in a few seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// The project, as far as it could be read.
#[derive(Default)]
pub struct Looked {
    /// The project.
    pub found: Option<Found>,
    /// Its manifests, where none of them has a problem.
    pub catalog: Option<Catalog>,
    /// What was found.
    pub checks: Vec<Check>,
}

/// Looks for the project.
pub async fn look(context: &Context) -> Looked {
    let mut looked = Looked::default();
    match project::find(context) {
        Ok(found) => {
            let Found { project, .. } = &found;
            looked.checks.push(Check::ok(FILE, format!("{}: project `{}`", project.file, project.name)));
            if let Some(name) = &project.spec.environment {
                looked.checks.push(Check::ok(ENVIRONMENT, format!("environment `{name}`")));
            }
            manifests(&found, &mut looked).await;
            looked.found = Some(found);
        }
        Err(error) => looked.checks.push(none(context, &error)),
    }
    looked.checks.push(repository(context, looked.found.as_ref()).await);
    looked
}

/// There is no project, or none that can be used.
fn none(context: &Context, error: &CliError) -> Check {
    let first = error.diagnostics.first();
    let is_absent = first.is_some_and(|problem| problem.code == "SX0209" && problem.position.is_none());
    if is_absent && context.global.files.is_empty() {
        let help = "`synthex init` makes one; commands that only need a database work without";
        return Check::warn(FILE, format!("no project in or above {}", context.directory.display()), help);
    }
    match first {
        Some(problem) => {
            let help = "`synthex validate` shows all problems, with their lines";
            Check::fail(FILE, "the project file cannot be used", help).why(words(problem))
        }
        None => {
            let id = if error.what.starts_with("--file") { FILE } else { ENVIRONMENT };
            let help = error.help.clone().unwrap_or_else(|| "correct the options".to_owned());
            let check = Check::fail(id, error.what.clone(), help);
            error.why.iter().fold(check, |check, why| check.why(why.clone()))
        }
    }
}

/// A problem in one line, with its place.
fn words(problem: &Diagnostic) -> String {
    let place = problem.position.as_ref().map_or(String::new(), |position| format!("{position}: "));
    let help = problem.help.as_ref().map_or(String::new(), |help| format!("; {help}"));
    format!("{place}{} ({}){help}", problem.message, problem.code)
}

async fn manifests(found: &Found, looked: &mut Looked) {
    let reading = {
        let found = found.clone();
        tokio::task::spawn_blocking(move || project::load(&found))
    };
    let Some(Ok(read)) = soon(LIMIT, reading).await else {
        let what = format!("the manifests could not be read within {} s", LIMIT.as_secs());
        let help = "look at the disk that they are on, and how large they are";
        looked.checks.push(Check::fail(MANIFESTS, what, help));
        return;
    };
    let (catalog, diagnostics) = match read {
        Ok(loaded) => (Some(loaded.catalog), loaded.diagnostics),
        Err(diagnostics) => (None, diagnostics),
    };
    let of = |severity| diagnostics.iter().filter(move |problem| problem.severity == severity);
    let (errors, warnings) = (of(Severity::Error).count(), of(Severity::Warning).count());
    let help = "`synthex validate` shows them all, with their lines";
    let worst = of(Severity::Error).chain(of(Severity::Warning)).next().map(words).unwrap_or_default();
    looked.checks.push(match (&catalog, errors, warnings) {
        (Some(catalog), 0, 0) => {
            let size = counted(catalog.entries.len(), "resource");
            Check::ok(MANIFESTS, format!("{size} in {}, all valid", counted(catalog.files.len(), "file")))
        }
        (Some(_), 0, count) => {
            Check::warn(MANIFESTS, format!("{} of the manifests", counted(count, "warning")), help)
                .why(format!("the first: {worst}"))
        }
        (_, count, _) => {
            Check::fail(MANIFESTS, format!("{} in the manifests", counted(count, "problem")), help)
                .why(format!("the first: {worst}"))
        }
    });
    looked.catalog = catalog.filter(|_| errors == 0);
}

/// The repository that the manifests are in.
async fn repository(context: &Context, found: Option<&Found>) -> Check {
    let folder = context.directory.join(found.map_or("".as_ref(), |found| found.folder.as_path()));
    if git(&folder, &["--version"]).await.is_none() {
        let help = "install git, and see that it is found in PATH";
        return Check::warn(GIT, "git cannot be run", help).why(
            "no commit is recorded with what is applied, and manifests cannot be compared with another commit or followed in a repository",
        );
    }
    let is_within = git(&folder, &["rev-parse", "--is-inside-work-tree"]).await.is_some();
    match context.commit(&folder).await {
        Some(commit) if commit.ends_with("-dirty") => {
            Check::info(GIT, format!("commit {}, and changes that are not committed", &commit[..12])).help(
                "what is applied now is in no commit: commit it first where others are to be able to tell",
            )
        }
        Some(commit) => Check::ok(GIT, format!("commit {}, nothing uncommitted", &commit[..12])),
        None if is_within => Check::info(GIT, "a repository without a commit yet"),
        None => Check::info(GIT, "the manifests are in no git repository, so no commit is recorded"),
    }
}
