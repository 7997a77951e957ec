//! The real binary, run in an environment that depends on nothing outside the test.
//!
//! Every variable is cleared but `PATH`; home, time zone, width and colour are fixed, so a snapshot taken on one machine
//! holds on any other. No run outlives its limit: what hangs is killed, with all its children, and the test fails.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use super::database::TestDatabase;
use super::eventually;

/// How long a run may take unless a test says otherwise.
const LIMIT: Duration = Duration::from_secs(60);

/// A run of synthex to be: `Synthex::new(project.path()).database(&db).args(["plan"]).run().ok()`.
pub struct Synthex {
    command: Command,
    home: TempDir,
    stdin: Option<Vec<u8>>,
    limit: Duration,
}

impl Synthex {
    /// The binary, with `folder` as its working folder.
    pub fn new(folder: impl AsRef<Path>) -> Synthex {
        let home = TempDir::with_prefix("synthex-home-").expect("a home folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_synthex"));
        command.env_clear().current_dir(folder).env("HOME", home.path());
        // The last is where a build for coverage writes what it counted.
        for name in ["PATH", "LLVM_PROFILE_FILE"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.envs([("NO_COLOR", "1"), ("COLUMNS", "100"), ("TZ", "UTC")]);
        // What is recorded of a command would be one more row in the database of every test.
        command.env("SYNTHEX_ANALYTICS", "off");
        Synthex { command, home, stdin: None, limit: LIMIT }
    }

    /// Runs it under another program, such as `strace` or `sh`, which is given these words and then the binary's line.
    pub fn under(mut self, program: &str, words: &[&str]) -> Synthex {
        let mut command = Command::new(program);
        command.env_clear().args(words).arg(self.command.get_program()).args(self.command.get_args());
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(folder) = self.command.get_current_dir() {
            command.current_dir(folder);
        }
        self.command = command;
        self
    }

    /// Points it at the database, through `SYNTHEX_DATABASE_URL`.
    pub fn database(self, database: &TestDatabase) -> Synthex {
        self.env("SYNTHEX_DATABASE_URL", database.url())
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Synthex {
        self.command.arg(arg);
        self
    }

    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Synthex {
        self.command.args(args);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Synthex {
        self.command.env(name, value);
        self
    }

    pub fn without_env(mut self, name: &str) -> Synthex {
        self.command.env_remove(name);
        self
    }

    /// What it reads; with none it reads an empty input.
    pub fn stdin(mut self, text: impl Into<Vec<u8>>) -> Synthex {
        self.stdin = Some(text.into());
        self
    }

    /// How long it may take, instead of 60 seconds.
    pub fn limit(mut self, limit: Duration) -> Synthex {
        self.limit = limit;
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Outcome {
        self.spawn().wait()
    }

    /// Starts it, for a test that does something meanwhile.
    #[track_caller]
    pub fn spawn(mut self) -> Running {
        let words = std::iter::once(OsStr::new("synthex")).chain(self.command.get_args());
        let line = words.collect::<Vec<_>>().join(OsStr::new(" ")).to_string_lossy().into_owned();
        let stdin = if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
        self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, as a shell gives it, so that signals reach all its children and not the test.
        let mut child = self.command.process_group(0).spawn().expect("the binary can be run");
        if let (Some(text), Some(mut pipe)) = (self.stdin, child.stdin.take()) {
            // Not reading all of it is the binary's right.
            std::thread::spawn(move || pipe.write_all(&text));
        }
        let stdout = Captured::from(child.stdout.take().expect("a pipe"));
        let stderr = Captured::from(child.stderr.take().expect("a pipe"));
        Running { child, line, stdout, stderr, start: Instant::now(), limit: self.limit, _home: self.home }
    }
}

/// A run that is under way. Dropped, it is killed.
pub struct Running {
    child: Child,
    line: String,
    stdout: Captured,
    stderr: Captured,
    start: Instant,
    limit: Duration,
    _home: TempDir,
}

impl Running {
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Ctrl-C: the terminal sends SIGINT to the whole process group.
    pub fn interrupt(&self) {
        kill_process_group(self.pid(), Signal::INT).expect("it runs");
    }

    /// SIGTERM, to the process alone, as a supervisor does.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGKILL, to the process alone.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Waits until standard output has this text.
    #[track_caller]
    pub fn wait_for_stdout(&mut self, text: &str) {
        let output = self.stdout.clone();
        self.wait_until(&format!("{text:?} on stdout"), || output.text().contains(text));
    }

    /// Waits until standard error has this text.
    #[track_caller]
    pub fn wait_for_stderr(&mut self, text: &str) {
        let output = self.stderr.clone();
        self.wait_until(&format!("{text:?} on stderr"), || output.text().contains(text));
    }

    /// Waits for something seen from outside, such as a row in the database; fails when the run ends before.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, mut condition: impl FnMut() -> bool) {
        let mut ended = false;
        let met = eventually(self.limit.saturating_sub(self.start.elapsed()), || {
            let was_running = self.is_running();
            // Once more after its end: its last words may be in the pipe still.
            let met = condition()
                || (!was_running && self.stdout.drained() && self.stderr.drained() && condition());
            ended = !was_running;
            met || ended
        });
        let text = self.so_far();
        assert!(met && (!ended || condition()), "waited in vain for {what} of `{}`\n{text}", self.line);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Outcome {
        let mut status = None;
        eventually(self.limit.saturating_sub(self.start.elapsed()), || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        let Some(status) = status else {
            panic!("`{}` did not end within {:?} and was killed\n{}", self.line, self.limit, self.so_far());
        };
        let drained = eventually(Duration::from_secs(10), || self.stdout.drained() && self.stderr.drained());
        assert!(drained, "`{}` left a child that holds its output open\n{}", self.line, self.so_far());
        Outcome {
            code: code(status),
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
            elapsed: self.start.elapsed(),
            line: self.line.clone(),
        }
    }

    fn so_far(&self) -> String {
        both(&self.stdout.text(), &self.stderr.text())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _gone = kill_process_group(self.pid(), Signal::KILL);
            let _status = self.child.wait();
        }
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code; 128 + the signal's number if a signal ended it, as a shell has it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub elapsed: Duration,
    line: String,
}

impl Outcome {
    /// It ended with 0.
    #[track_caller]
    pub fn ok(self) -> Outcome {
        self.code(0)
    }

    /// It ended with this code.
    #[track_caller]
    pub fn code(self, code: i32) -> Outcome {
        assert!(self.code == code, "expected exit code {code}\n{self}");
        self
    }

    #[track_caller]
    pub fn stdout_has(self, text: &str) -> Outcome {
        assert!(self.stdout.contains(text), "expected {text:?} on stdout\n{self}");
        self
    }

    #[track_caller]
    pub fn stderr_has(self, text: &str) -> Outcome {
        assert!(self.stderr.contains(text), "expected {text:?} on stderr\n{self}");
        self
    }

    /// The text is in neither output: for secrets, and for panics.
    #[track_caller]
    pub fn nowhere(self, text: &str) -> Outcome {
        assert!(
            !self.stdout.contains(text) && !self.stderr.contains(text),
            "expected {text:?} nowhere\n{self}"
        );
        self
    }

    /// Standard output as the one JSON value that it must be.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not JSON: {error}\n{self}"))
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Outcome { code, stdout, stderr, elapsed, line } = self;
        write!(f, "`{line}` ended with {code} after {elapsed:.2?}\n{}", both(stdout, stderr))
    }
}

fn both(stdout: &str, stderr: &str) -> String {
    format!("--- stdout\n{stdout}\n--- stderr\n{stderr}\n---")
}

fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

/// What a pipe has given so far.
#[derive(Clone)]
struct Captured {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Arc<JoinHandle<()>>,
}

impl Captured {
    fn from(mut pipe: impl Read + Send + 'static) -> Captured {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let store = Arc::clone(&bytes);
        let read = move || {
            let mut chunk = [0; 8_192];
            while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                store.lock().unwrap().extend_from_slice(&chunk[..count]);
            }
        };
        Captured { bytes, reader: Arc::new(std::thread::spawn(read)) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    /// Whether the other end is closed and all is read.
    fn drained(&self) -> bool {
        self.reader.is_finished()
    }
}
