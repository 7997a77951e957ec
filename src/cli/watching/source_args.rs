//! The options that name a git repository as the source of manifests, and what becomes of them.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::cli::args::waiting_time;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::engine::credentials::{Finding, Secret};
use crate::files::{
    self, GIT_ENVIRONMENT, PROJECT_FILE, Repository, RepositoryError, RepositoryOptions, Verification,
};
use crate::model::Digest;
use crate::model::secret::{Redacted, SecretRef};

/// A git repository as the source of manifests.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Git")]
pub struct GitArgs {
    /// Read the manifests from this git repository: https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH, or a folder
    #[arg(long, value_name = "URL")]
    pub git: Option<String>,
    /// The branch or tag that is followed, or the full id of a commit
    #[arg(long = "ref", value_name = "REF", default_value = "main", requires = "git")]
    pub reference: String,
    /// The folder of the repository that `synthex.yaml` is in
    #[arg(long, value_name = "FOLDER", default_value = ".", requires = "git")]
    pub path: PathBuf,
    /// How often the repository is asked whether the branch has moved
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = every, requires = "git")]
    pub git_every: Duration,
    /// How long any one step of git may take
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = every, requires = "git")]
    pub git_timeout: Duration,
    /// The environment variable with the token that the repository is read with, over https
    #[arg(long, value_name = "NAME", requires = "git", conflicts_with = "git_token_file")]
    pub git_token_env: Option<String>,
    /// The file with that token, read anew each time; other users must be kept out of it
    #[arg(long, value_name = "PATH", requires = "git")]
    pub git_token_file: Option<PathBuf>,
    /// The user that the token is for, where the server looks at it [default: x-access-token]
    #[arg(long, value_name = "NAME", requires = "git")]
    pub git_username: Option<String>,
    /// The private key that the repository is read with, over ssh [default: the agent's, and the user's own]
    #[arg(long, value_name = "PATH", requires = "git")]
    pub git_ssh_key: Option<PathBuf>,
    /// The file with the keys of ssh servers, as ssh-keyscan writes it [default: the servers that the user knows]
    #[arg(long, value_name = "PATH", requires = "git")]
    pub git_known_hosts: Option<PathBuf>,
    /// Take only commits signed with an SSH key of this file of allowed signers, as ssh-keygen reads it
    #[arg(long, value_name = "PATH", requires = "git")]
    pub git_allowed_signers: Option<PathBuf>,
    /// Take only commits signed with an OpenPGP key of this file, as gpg --export writes it; where --git-allowed-signers is given too, either will do
    #[arg(long, value_name = "PATH", requires = "git")]
    pub git_keyring: Option<PathBuf>,
}

fn every(text: &str) -> Result<Duration, String> {
    let time = waiting_time(text).ok().filter(|time| !time.is_zero());
    time.ok_or_else(|| "write a time from 1s to 24h, such as 60s or 5m".to_owned())
}

impl GitArgs {
    /// The repository that is named; `None` where none is. Its cache gets a folder of its own in `cache`, which replicas on
    /// one machine may share. Nobody is asked yet.
    ///
    /// # Errors
    /// An option cannot be used, or the token is not where it should be.
    pub fn repository(&self, context: &Context, cache: &Path) -> Result<Option<Repository>, CliError> {
        let Some(url) = &self.git else { return Ok(None) };
        let full = |path: &PathBuf| context.directory.join(path);
        self.folder()?;
        if !context.global.files.is_empty() {
            return Err(CliError::usage("both --git and --file say where the manifests are")
                .help("leave one of them out; --path names the folder of the repository"));
        }
        let verify = Verification {
            allowed_signers: self.git_allowed_signers.as_ref().map(full),
            keyring: self.git_keyring.as_ref().map(full),
        };
        let environment = GIT_ENVIRONMENT
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), context.environment.raw(name)?.clone())));
        // A folder is meant from where the command was started, not from where git runs.
        let inside = context.directory.join(url);
        let url = match files::is_folder(&inside) && !url.starts_with('-') {
            true => inside.to_string_lossy().into_owned(),
            false => url.clone(),
        };
        let name = &Digest::of(url.as_bytes()).to_hex()[..16];
        let options = RepositoryOptions {
            reference: self.reference.clone(),
            folder: context.directory.join(cache).join(name),
            token: self.token(context)?,
            username: self.git_username.clone(),
            ssh_key: self.git_ssh_key.as_ref().map(full),
            known_hosts: self.git_known_hosts.as_ref().map(full),
            verify: Some(verify).filter(|verify| *verify != Verification::default()),
            timeout: self.git_timeout,
            environment: environment.collect(),
            url,
        };
        options.check()?;
        Ok(Some(Repository::new(options)))
    }

    /// The token, as it is now: one that is renewed from outside is read again before each fetch, and given to the repository
    /// with [`Repository::set_token`].
    ///
    /// # Errors
    /// It is not there, or is none.
    pub fn token(&self, context: &Context) -> Result<Option<Redacted<String>>, CliError> {
        let (reference, secret) = match (&self.git_token_env, &self.git_token_file) {
            (Some(name), _) => {
                let text = context.environment.get(name).unwrap_or_default();
                (SecretRef::Env(name.clone()), Secret::read_line(text.to_owned()))
            }
            (None, Some(path)) => {
                let shown = path.display().to_string();
                let secret = files::read_secret_file_as(&context.directory.join(path), Secret::read_line);
                (SecretRef::File(shown), secret)
            }
            (None, None) => return Ok(None),
        };
        let what = || format!("the token of the git repository cannot be had from {reference}");
        let failed = |finding: Finding| {
            let error = CliError::usage(what()).why(finding.message.clone());
            match finding.advice() {
                Some(help) => error.help(help),
                None => error.help("put the token there, alone"),
            }
        };
        let secret = secret.map_err(failed)?;
        let token = secret.token().ok_or_else(|| {
            CliError::usage(what())
                .why("it is JSON, and has no `access_token`")
                .help("put the token there, alone")
        })?;
        Ok(Some(Redacted::new(token.to_owned())))
    }

    /// The project file in the files of a commit.
    ///
    /// # Errors
    /// It is not there, or is a link that leads out of the repository.
    pub fn project_file(&self, checked_out: &Path) -> Result<PathBuf, CliError> {
        let file = checked_out.join(self.folder()?).join(PROJECT_FILE);
        let shown = self.path.join(PROJECT_FILE);
        let shown = files_shown(&shown);
        if !files::is_file(&file) {
            return Err(CliError::new(ExitStatus::Usage, "no-project", format!("the commit has no {shown}"))
                .help("name the folder of the repository that it is in with --path"));
        }
        // Its text is quoted where it is wrong: a link could show any file of this machine.
        if !files::is_within(&file, checked_out) {
            return Err(CliError::new(
                ExitStatus::Usage,
                "no-project",
                format!("{shown} is a link that leads out of the repository"),
            )
            .help("put the file itself there"));
        }
        Ok(file)
    }

    /// The folder that the project is in, which is one of the repository.
    fn folder(&self) -> Result<&Path, CliError> {
        let is_inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        match self.path.components().all(is_inside) {
            true => Ok(&self.path),
            false => {
                Err(CliError::usage(format!("--path {} is no folder of a repository", self.path.display()))
                    .help("write the path from the repository's root, without `..`"))
            }
        }
    }
}

fn files_shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

impl From<RepositoryError> for CliError {
    fn from(error: RepositoryError) -> Self {
        let status = match &error {
            RepositoryError::Invalid { .. }
            | RepositoryError::NoSuchRef { .. }
            | RepositoryError::NoSuchCommit { .. } => ExitStatus::Usage,
            RepositoryError::Unreachable { .. }
            | RepositoryError::Refused { .. }
            | RepositoryError::Slow { .. } => ExitStatus::Unreachable,
            RepositoryError::Unsigned { .. } => ExitStatus::Refused,
            RepositoryError::NoGit(_) | RepositoryError::Disk { .. } | RepositoryError::Other { .. } => {
                ExitStatus::Error
            }
        };
        let mut out = Self::new(status, &format!("git-{}", error.code()), error.to_string());
        out.why = error.why().map(str::to_owned);
        out.help(error.help())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        git: GitArgs,
    }

    fn read(words: &[&str]) -> Result<GitArgs, clap::Error> {
        Line::try_parse_from(std::iter::once(&"watch").chain(words)).map(|line| line.git)
    }

    #[test]
    fn what_is_left_out_has_its_usual_value_and_means_nothing_without_a_repository() {
        let args = read(&["--git", "https://git.example.com/shop"]).unwrap();
        assert_eq!((args.reference.as_str(), args.path.as_path()), ("main", Path::new(".")));
        assert_eq!(args.git_every, Duration::from_secs(60));
        assert_eq!(read(&[]).unwrap().git, None);
        for alone in [["--ref", "x"], ["--git-token-env", "X"], ["--git-every", "5m"]] {
            assert!(read(&alone).is_err(), "{alone:?}");
        }
        let git = ["--git", "https://git.example.com/shop"];
        assert!(read(&[git, ["--git-every", "0s"]].concat()).is_err());
        assert!(read(&["--git", "x", "--git-token-env", "X", "--git-token-file", "y"]).is_err());
    }
}
