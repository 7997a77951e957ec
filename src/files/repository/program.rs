//! Runs the program git so that nothing of this machine changes what it does, and nothing secret leaves it.
//!
//! Git sees no configuration but what is given here, no variable but those that are handed on, and runs no hook. Settings
//! go through the environment, which only the same user can look at; a command line is for everybody to see.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::model::secret::Redacted;

use super::address::Protocol;
use super::error::RepositoryError;

/// The variables that git may see where they are set: what it is found by, and how the network is reached.
pub const ENVIRONMENT: &[&str] = &[
    "PATH",
    "LD_LIBRARY_PATH",
    "TMPDIR",
    "USER",
    "LOGNAME",
    "SSH_AUTH_SOCK",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "GIT_EXEC_PATH",
    "LLVM_PROFILE_FILE",
];

/// What every call of git is told.
const SETTINGS: &[(&str, &str)] = &[
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.attributesFile", "/dev/null"),
    ("core.excludesFile", "/dev/null"),
    ("core.autocrlf", "false"),
    ("core.protectHFS", "true"),
    ("core.protectNTFS", "true"),
    ("credential.helper", ""),
    ("submodule.recurse", "false"),
    ("fetch.recurseSubmodules", "false"),
    // Packs are put in place whole; loose objects of a fetch that was killed are not.
    ("fetch.unpackLimit", "1"),
    ("transfer.bundleURI", "false"),
    ("gc.autoDetach", "false"),
    ("gc.auto", "2000"),
    ("gc.autoPackLimit", "30"),
    ("gc.pruneExpire", "now"),
    ("maintenance.auto", "false"),
    ("log.showSignature", "false"),
    // Credentials are for the address that was named: where it moved to is for people to decide.
    ("http.followRedirects", "false"),
    ("http.lowSpeedLimit", "1"),
];

/// The most that is kept of what git writes.
const MOST_BYTES: u64 = 1 << 20;

/// How git is run for one repository.
pub(super) struct Program {
    /// What is handed on of our own environment.
    pub(super) environment: Vec<(String, OsString)>,
    /// The address; it is what a token is sent to, and nothing else.
    pub(super) address: String,
    pub(super) protocol: Protocol,
    pub(super) token: Option<Redacted<String>>,
    pub(super) username: String,
    pub(super) ssh: OsString,
    /// An empty folder that programs take for the user's.
    pub(super) home: PathBuf,
    pub(super) timeout: Duration,
}

/// One call of git.
pub(super) struct Call<'a> {
    pub(super) words: Vec<&'a OsStr>,
    /// The folder it runs in.
    pub(super) folder: &'a Path,
    /// The repository that it works on.
    pub(super) repository: &'a Path,
    /// More variables.
    pub(super) variables: Vec<(&'a str, &'a OsStr)>,
    /// More settings.
    pub(super) settings: Vec<(&'a str, &'a OsStr)>,
    /// Whether it goes over the network, and may use the credentials.
    pub(super) is_remote: bool,
    /// The lock that it works under. It is handed to git as its standard input: a git that outlives us keeps others out.
    pub(super) lock: Option<&'a File>,
}

impl<'a> Call<'a> {
    pub(super) fn new(words: &[&'a str], folder: &'a Path, repository: &'a Path) -> Self {
        let words = words.iter().map(|word| OsStr::new(*word)).collect();
        let (variables, settings) = (Vec::new(), Vec::new());
        Self { words, folder, repository, variables, settings, is_remote: false, lock: None }
    }

    pub(super) const fn remote(mut self) -> Self {
        self.is_remote = true;
        self
    }

    pub(super) const fn under(mut self, lock: &'a File) -> Self {
        self.lock = Some(lock);
        self
    }

    pub(super) fn variable(mut self, name: &'a str, value: &'a (impl AsRef<OsStr> + ?Sized)) -> Self {
        self.variables.push((name, value.as_ref()));
        self
    }

    pub(super) fn setting(mut self, name: &'a str, value: &'a (impl AsRef<OsStr> + ?Sized)) -> Self {
        self.settings.push((name, value.as_ref()));
        self
    }
}

/// What came of a call.
pub(super) struct Answer {
    pub(super) is_success: bool,
    pub(super) code: Option<i32>,
    /// What it wrote to its standard output.
    pub(super) text: String,
    /// What it wrote to its standard error, without secrets.
    pub(super) said: String,
}

impl Program {
    /// Runs git to its end, or until its time is over; then it is killed with all that it started.
    ///
    /// # Errors
    /// It cannot be run, or takes too long. That it fails is an answer.
    pub(super) async fn run(&self, call: &Call<'_>) -> Result<Answer, RepositoryError> {
        let mut command = self.command("git", call)?;
        command.args(&call.words);
        let verb = call.words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
        self.watch(command, &format!("git {verb}")).await
    }

    /// Runs another program in the same way.
    ///
    /// # Errors
    /// As [`Program::run`].
    pub(super) async fn run_other(&self, name: &str, call: &Call<'_>) -> Result<Answer, RepositoryError> {
        let mut command = self.command(name, call)?;
        command.args(&call.words);
        self.watch(command, name).await
    }

    async fn watch(
        &self,
        mut command: tokio::process::Command,
        name: &str,
    ) -> Result<Answer, RepositoryError> {
        let mut child = command
            .spawn()
            .map_err(|error| RepositoryError::NoGit(format!("{name}: {}", crate::files::io_words(&error))))?;
        let mut group = Group::of(&child);
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let work = async { tokio::join!(read(out), read(err), child.wait()) };
        let Ok((text, said, status)) = tokio::time::timeout(self.timeout, work).await else {
            drop(group);
            // Killed, it ends at once; it is waited for so that it holds no lock any more.
            let _ = child.wait().await;
            let what = format!("{name} did not end within {} seconds", self.timeout.as_secs_f64());
            return Err(RepositoryError::Slow { what });
        };
        group.has_ended();
        let status =
            status.map_err(|error| RepositoryError::Other { why: crate::files::io_words(&error) })?;
        Ok(Answer {
            is_success: status.success(),
            code: status.code(),
            text,
            said: self.without_secrets(&said),
        })
    }

    fn command(&self, name: &str, call: &Call<'_>) -> Result<tokio::process::Command, RepositoryError> {
        let mut command = tokio::process::Command::new(name);
        command.env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.envs([
            ("LC_ALL", "C"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_SYSTEM", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ASKPASS", ""),
            ("SSH_ASKPASS", ""),
            ("SSH_ASKPASS_REQUIRE", "never"),
            ("GIT_LFS_SKIP_SMUDGE", "1"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_NO_LAZY_FETCH", "1"),
            // A replacement would put another tree in the place of the one that was signed.
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_ALLOW_PROTOCOL", self.protocol.name()),
        ]);
        command.env("HOME", &self.home).env("XDG_CONFIG_HOME", &self.home);
        command.env("GIT_SSH_COMMAND", &self.ssh).env("GIT_DIR", call.repository);
        command.envs(call.variables.iter().copied());
        let mut settings: Vec<(String, OsString)> =
            SETTINGS.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
        settings.push(("http.lowSpeedTime".to_owned(), self.timeout.as_secs().max(1).to_string().into()));
        settings.extend(call.settings.iter().map(|(name, value)| ((*name).to_owned(), value.into())));
        if let Some(basic) = self.basic().filter(|_| call.is_remote) {
            let header = format!("Authorization: Basic {}", basic.expose());
            settings.push((format!("http.{}.extraHeader", self.address), header.into()));
        }
        command.env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (number, (name, value)) in settings.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{number}"), name);
            command.env(format!("GIT_CONFIG_VALUE_{number}"), value);
        }
        let input = match call.lock {
            Some(lock) => lock.try_clone().map(Stdio::from),
            None => Ok(Stdio::null()),
        };
        let input = input.map_err(|error| RepositoryError::Other { why: crate::files::io_words(&error) })?;
        command.current_dir(call.folder);
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        Ok(command)
    }

    /// User and token as Basic authentication wants them.
    fn basic(&self) -> Option<Redacted<String>> {
        let token = self.token.as_ref().filter(|_| self.protocol.is_web())?;
        let pair = format!("{}:{}", self.username, token.expose());
        Some(Redacted::new(base64::engine::general_purpose::STANDARD.encode(pair)))
    }

    /// What git wrote, fit to be shown: a server may send back what it was sent.
    pub(super) fn without_secrets(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let secrets = self.basic().into_iter().chain(self.token.clone());
        for secret in secrets.filter(|secret| !secret.expose().is_empty()) {
            text = text.replace(secret.expose().as_str(), "•••");
        }
        text.replace(|c: char| c.is_control() && c != '\n', " ")
    }
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let mut bytes = Vec::new();
    // An error is the end of what there is to read; git's status says how it went.
    let _ = (&mut pipe).take(MOST_BYTES).read_to_end(&mut bytes).await;
    let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Git and what it started, as one group of processes. What is still there of it when this is dropped is killed: a helper
/// that waits for a silent server would not notice that git is gone.
struct Group {
    #[cfg(unix)]
    id: Option<rustix::process::Pid>,
}

impl Group {
    fn of(child: &tokio::process::Child) -> Self {
        #[cfg(unix)]
        {
            let id = child.id().and_then(|id| i32::try_from(id).ok());
            Self { id: id.and_then(rustix::process::Pid::from_raw) }
        }
        #[cfg(not(unix))]
        {
            let _ = child;
            Self {}
        }
    }

    /// Nothing is to be killed: its number may be another's by now.
    fn has_ended(&mut self) {
        #[cfg(unix)]
        {
            self.id = None;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(id) = self.id {
            // It fails where all of them have ended.
            let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
        }
    }
}

/// How ssh is to be called: it asks nobody anything, and takes no server that it does not know.
pub(super) fn ssh_command(key: Option<&Path>, known_hosts: Option<&Path>, timeout: Duration) -> OsString {
    let mut words = vec![
        "ssh".to_owned(),
        "-oBatchMode=yes".to_owned(),
        "-oStrictHostKeyChecking=yes".to_owned(),
        // A connection that is kept for later would hold our pipes open.
        "-oControlMaster=no".to_owned(),
        "-oControlPath=none".to_owned(),
        format!("-oConnectTimeout={}", timeout.as_secs().clamp(1, 60)),
        "-oServerAliveInterval=15".to_owned(),
        "-oServerAliveCountMax=4".to_owned(),
    ];
    // Ssh takes the value apart at spaces, and `%` for a sign of its own.
    let path = |path: &Path| format!("\"{}\"", path.to_string_lossy().replace('%', "%%"));
    if let Some(key) = key {
        words.push("-oIdentitiesOnly=yes".to_owned());
        words.push(format!("-oIdentityFile={}", path(key)));
    }
    if let Some(known_hosts) = known_hosts {
        words.push("-oGlobalKnownHostsFile=/dev/null".to_owned());
        words.push(format!("-oUserKnownHostsFile={}", path(known_hosts)));
    }
    // Git gives the line to a shell.
    let quoted = words.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''")));
    quoted.collect::<Vec<_>>().join(" ").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_is_told_what_it_may_use() {
        let plain = ssh_command(None, None, Duration::from_secs(5)).into_string().unwrap();
        assert!(plain.starts_with("'ssh' '-oBatchMode=yes' '-oStrictHostKeyChecking=yes'"), "{plain}");
        assert!(plain.contains("'-oConnectTimeout=5'") && !plain.contains("IdentityFile"), "{plain}");
        let key = Path::new("/keys/it's 100%");
        let given = ssh_command(Some(key), Some(Path::new("/keys/hosts")), Duration::ZERO);
        let given = given.into_string().unwrap();
        assert!(given.contains(r#"'-oIdentityFile="/keys/it'\''s 100%%"'"#), "{given}");
        assert!(given.contains(r#"'-oUserKnownHostsFile="/keys/hosts"'"#), "{given}");
    }

    #[test]
    fn what_a_server_sends_back_is_shown_without_the_token() {
        let program = Program {
            environment: Vec::new(),
            address: "https://git.example.com/shop".to_owned(),
            protocol: Protocol::Https,
            token: Some(Redacted::new("hunter2".to_owned())),
            username: "me".to_owned(),
            ssh: OsString::new(),
            home: PathBuf::new(),
            timeout: Duration::ZERO,
        };
        let text = program.without_secrets("remote: Basic bWU6aHVudGVyMg== is hunter2\x1b[2J\nfatal: no");
        assert_eq!(text, "remote: Basic ••• is ••• [2J\nfatal: no");
    }
}
