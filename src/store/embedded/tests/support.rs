//! A folder whose server is stopped and removed at the end, and commands as processes of their own.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::super::{EmbeddedConfig, EmbeddedError, Endpoint, HowAttached, ensure_running, stop};

pub(super) const ROOT_VARIABLE: &str = "SYNTHEX_TEST_EMBEDDED_ROOT";

pub(super) struct Fixture {
    pub(super) config: EmbeddedConfig,
    pub(super) folder: tempfile::TempDir,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::named("server")
    }

    pub(super) fn named(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // As root, another user runs the server and must pass through.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let mut config = EmbeddedConfig::new(folder.path().join(name));
        config.path = std::env::var_os("PATH");
        Self { config, folder }
    }

    pub(super) fn root(&self) -> &Path {
        &self.config.root
    }

    pub(super) fn data(&self) -> PathBuf {
        self.root().join("data")
    }

    #[track_caller]
    pub(super) fn up(&self) -> (Endpoint, HowAttached) {
        self.try_up().unwrap_or_else(|error| panic!("{error}\n{}", error.help()))
    }

    pub(super) fn try_up(&self) -> Result<(Endpoint, HowAttached), EmbeddedError> {
        block_on(ensure_running(&self.config))
    }

    #[track_caller]
    pub(super) fn postmaster(&self) -> i32 {
        let text = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        text.lines().next().unwrap().parse().unwrap()
    }

    /// The names in the folder, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.root()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if let Err(error) = block_on(stop(&self.config)) {
            eprintln!("a test server was not stopped: {error}");
        }
    }
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// This test binary, told to bring the server up as a command would and to print how.
pub(super) fn command_line(program: &Path, root: &Path) -> Command {
    let mut command = Command::new(program);
    let name = format!("{}::as_a_command", module_path!().split_once("::").unwrap().1);
    command.args(["--exact", &name, "--nocapture"]).env(ROOT_VARIABLE, root);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Does nothing unless [`command_line`] runs it.
#[test]
fn as_a_command() {
    let Some(root) = std::env::var_os(ROOT_VARIABLE) else {
        return;
    };
    let mut config = EmbeddedConfig::new(root);
    config.path = std::env::var_os("PATH");
    match block_on(ensure_running(&config)) {
        Ok((_, how)) => println!("<{how:?}>"),
        Err(error) => panic!("{error}"),
    }
}

pub(super) fn this_program() -> PathBuf {
    std::env::current_exe().unwrap()
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A server started by this very process stays in the list until it is collected.
pub(super) fn is_zombie(pid: i32) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().starts_with('Z')
}

pub(super) fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[track_caller]
pub(super) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(30), "never happened: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs one statement through the server's own single connection protocol: psql, where the machine has it.
pub(super) fn psql(endpoint: &Endpoint, statement: &str) -> Option<String> {
    let output = Command::new("psql").arg(endpoint.url()).args(["-XAtc", statement]).output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}
