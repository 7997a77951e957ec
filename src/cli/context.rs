//! What every command gets: options, environment, printer, clock, and where it was started.

use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;

use crate::engine::Holder;
use crate::files;
use crate::model::Clock;
use crate::model::clock::{FixedClock, SystemClock};

use super::args::Global;
use super::environment::Environment;
use super::error::CliError;
use super::printer::Printer;
use super::recording::Recorder;

/// What every command gets.
pub struct Context {
    /// Options of every command.
    pub global: Global,
    /// The environment.
    pub environment: Environment,
    /// The printer.
    pub printer: Printer,
    /// The clock.
    pub clock: Box<dyn Clock>,
    /// The working directory.
    pub directory: PathBuf,
    /// Takes what is recorded of the command; whoever calls a service tells it.
    pub recorder: Recorder,
}

impl Context {
    /// Puts the context together.
    ///
    /// # Errors
    /// The working directory is gone. The printer comes back so that this can be said.
    pub fn new(
        global: Global,
        environment: Environment,
        printer: Printer,
    ) -> Result<Self, (Printer, CliError)> {
        let directory = match files::working_directory() {
            Ok(directory) => directory,
            Err(error) => {
                let failure = CliError::other("the working directory cannot be read", error.to_string())
                    .help("change to a folder that exists");
                return Err((printer, failure));
            }
        };
        let clock: Box<dyn Clock> = match global.as_of {
            Some(instant) => Box::new(FixedClock(instant)),
            None => Box::new(SystemClock),
        };
        let recorder = Recorder::new(&environment);
        Ok(Self { global, environment, printer, clock, directory, recorder })
    }

    /// How long any one answer of the database may take.
    #[must_use]
    pub const fn database_timeout(&self) -> Duration {
        Duration::from_secs(self.global.database_timeout)
    }

    /// This run, as others see it when it holds a lease.
    #[must_use]
    pub fn holder(&self, command: &str) -> Holder {
        Holder {
            id: new_id(),
            actor: self.actor(),
            host: host_name(),
            pid: std::process::id(),
            command: command.to_owned(),
            run_url: self.run_url(),
            commit: None,
            reason: None,
        }
    }

    /// Who is recorded: the CI identity, or `user@host`.
    #[must_use]
    pub fn actor(&self) -> String {
        // Who runs a job again answers for it, not who began it.
        let ci = ["GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN"]
            .into_iter()
            .find_map(|name| self.environment.get(name));
        match ci {
            Some(name) => name.to_owned(),
            None => {
                format!("{}@{}", whoami::username().unwrap_or_else(|_| "unknown".to_owned()), host_name())
            }
        }
    }

    /// Where the CI run can be looked at.
    #[must_use]
    pub fn run_url(&self) -> Option<String> {
        let get = |name| self.environment.get(name);
        if let (Some(server), Some(repository), Some(run)) =
            (get("GITHUB_SERVER_URL"), get("GITHUB_REPOSITORY"), get("GITHUB_RUN_ID"))
        {
            return Some(format!("{server}/{repository}/actions/runs/{run}"));
        }
        get("CI_JOB_URL").map(str::to_owned)
    }

    /// The commit of the manifests in a folder: what CI says, or what git says, with `-dirty` behind it where something there
    /// is not committed.
    pub async fn commit(&self, folder: &std::path::Path) -> Option<String> {
        let ci = ["GITHUB_SHA", "CI_COMMIT_SHA"].into_iter().find_map(|name| self.environment.get(name));
        if let Some(commit) = ci {
            return Some(commit.to_owned());
        }
        let folder = if folder.as_os_str().is_empty() { &self.directory } else { folder };
        let (head, changes) = futures_util::future::join(
            git(folder, &["rev-parse", "--verify", "--quiet", "HEAD"]),
            git(folder, &["status", "--porcelain", "--", "."]),
        )
        .await;
        let head = head?;
        let commit = head.trim();
        if commit.len() < 40 || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        // What is not committed is in no commit.
        let dirty = if changes.is_some_and(|changes| !changes.trim().is_empty()) { "-dirty" } else { "" };
        Some(format!("{commit}{dirty}"))
    }
}

/// What git says; `None` where it does not, or not soon.
pub async fn git(folder: &std::path::Path, args: &[&str]) -> Option<String> {
    let git = tokio::process::Command::new("git")
        .args(args)
        .current_dir(folder)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(2), git).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A new id, ordered by time.
#[expect(clippy::disallowed_methods, reason = "this is the one home of new ids")]
#[must_use]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

/// What this machine calls itself.
#[must_use]
pub fn host_name() -> String {
    #[cfg(unix)]
    {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }
    #[cfg(not(unix))]
    {
        "unknown".to_owned()
    }
}
