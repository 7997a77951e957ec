//! A real, throw-away PostgreSQL server.
//!
//! Starting one takes a second, a database in it some milliseconds: so all tests, in all their processes and in the next
//! run too, share [`TestServer::shared`], and only a test that kills or restarts its server has one of its own,
//! [`TestServer::dedicated`].
//!
//! The shared server outlives the tests on purpose. There is at most one per target folder; it holds nothing of value
//! (it does not even sync to disk), and it ends by itself when its folder is removed (`cargo clean`).
//!
//! PostgreSQL refuses to run as root. As root, the server runs as `postgres` or `nobody`, in a folder under /tmp, since
//! the target folder may be under one that they cannot enter.

use std::fs::{self, OpenOptions};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::database::{self, Address, OWNER, OWNER_PASSWORD};
use super::host::{account, binaries, is_dead, major_version, make_folder, short_folder};
use super::{eventually, free_port};

/// A running server. The superuser `admin` logs in through the Unix socket only; over TCP a password is asked for.
pub struct TestServer {
    address: Address,
    folder: PathBuf,
    binaries: PathBuf,
    durability: Durability,
    /// Variables that it runs with, besides the usual ones.
    variables: Vec<(String, String)>,
    /// Only a dedicated server is a child to be killed; the shared one belongs to nobody.
    child: Mutex<Option<Child>>,
    dedicated: bool,
}

/// Whether a commit is on disk before it is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// `fsync = off`: right for everything but a crash of the machine.
    Fast,
    /// The server's defaults.
    Synced,
}

impl TestServer {
    /// The server that all tests share, started by the first that asks.
    pub fn shared() -> &'static TestServer {
        static SHARED: OnceLock<TestServer> = OnceLock::new();
        SHARED.get_or_init(find_or_start)
    }

    /// A server for one test, removed at the end of it, on a port that stays the same over restarts.
    pub fn dedicated(durability: Durability) -> TestServer {
        TestServer::dedicated_with(durability, Vec::new())
    }

    /// The same, with these variables besides the usual ones.
    pub fn dedicated_with(durability: Durability, variables: Vec<(String, String)>) -> TestServer {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = short_folder().join(format!("own-{}-{number}", std::process::id()));
        make_folder(&folder);
        let mut server = TestServer::initialised(folder, binaries(), durability, true);
        server.variables = variables;
        server.start_on_a_free_port()
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Kills the server process at once (`kill -9`), as the kernel would for want of memory. Dedicated servers only.
    pub fn kill(&self) {
        self.signal_and_wait(Signal::KILL);
    }

    /// The same to the server process and to all of its backends, as when the machine goes down. Dedicated servers only.
    pub fn kill_all(&self) {
        let pid = self.child.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Child::id);
        let children =
            pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok());
        self.kill();
        for child in children.unwrap_or_default().split_whitespace() {
            if let Some(child) = child.parse().ok().and_then(Pid::from_raw) {
                let _gone = kill_process(child, Signal::KILL);
            }
        }
    }

    /// Stops it in an orderly way, with its connections cut. Dedicated servers only.
    pub fn stop(&self) {
        self.signal_and_wait(Signal::INT);
    }

    /// Starts it again on its old port, after [`TestServer::kill`] or [`TestServer::stop`].
    pub fn start(&self) {
        assert!(self.dedicated, "the shared server serves other tests too");
        // After a kill the old backends may hold the shared memory for a moment.
        let started = eventually(Duration::from_secs(30), || self.try_start().is_ok());
        assert!(started, "PostgreSQL does not start again:\n{}", self.log());
    }

    /// A folder that the server may write to, gone with the server. Dedicated servers only.
    pub fn folder_for(&self, name: &str) -> PathBuf {
        assert!(self.dedicated, "the shared server serves other tests too");
        let folder = self.folder.join(name);
        make_folder(&folder);
        folder
    }

    /// The last lines of the server's log.
    pub fn log(&self) -> String {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(4_000)..]).into_owned()
    }

    fn signal_and_wait(&self, signal: Signal) {
        assert!(self.dedicated, "the shared server serves other tests too");
        if let Some(mut child) = self.child.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _gone = kill_process(Pid::from_child(&child), signal);
            let _status = child.wait();
        }
    }

    /// Makes the data folder, whole or not at all.
    fn initialised(
        folder: PathBuf,
        binaries: PathBuf,
        durability: Durability,
        dedicated: bool,
    ) -> TestServer {
        let address = Address { socket_folder: short_folder(), port: 0 };
        let child = Mutex::new(None);
        let variables = Vec::new();
        let server = TestServer { address, folder, binaries, durability, variables, child, dedicated };
        let (data, new) = (server.folder.join("data"), server.folder.join("data.new"));
        if !data.exists() {
            let _none = fs::remove_dir_all(&new);
            let output = server
                .command("initdb")
                .args(["--username=admin", "--auth-local=trust", "--auth-host=scram-sha-256"])
                .args(["--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"])
                .arg(&new)
                .output()
                .expect("initdb can be run");
            assert!(
                output.status.success(),
                "initdb failed:\n{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            fs::rename(&new, &data).expect("data.new can be renamed");
        }
        server
    }

    fn start_on_a_free_port(mut self) -> TestServer {
        for _attempt in 0..5 {
            self.address.port = free_port();
            if self.try_start().is_ok() {
                return self;
            }
        }
        panic!("PostgreSQL does not start:\n{}", self.log());
    }

    /// Starts the server process and waits until it answers.
    fn try_start(&self) -> Result<(), ()> {
        let log = OpenOptions::new().create(true).append(true).open(self.folder.join("log")).expect("a log");
        let mut settings = vec![
            format!("port={}", self.address.port),
            format!("unix_socket_directories={}", self.address.socket_folder.display()),
            "listen_addresses=127.0.0.1".to_owned(),
            "max_connections=300".to_owned(),
            "shared_buffers=64MB".to_owned(),
            "timezone=UTC".to_owned(),
            "log_checkpoints=off".to_owned(),
        ];
        if self.durability == Durability::Fast {
            settings
                .extend(["fsync=off", "full_page_writes=off", "synchronous_commit=off"].map(str::to_owned));
            settings.extend(["wal_level=minimal", "max_wal_senders=0"].map(str::to_owned));
        }
        let mut command = self.command("postgres");
        command.envs(self.variables.iter().cloned());
        command.arg("-D").arg(self.folder.join("data"));
        command.args(settings.iter().flat_map(|setting| ["-c", setting]));
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        if !self.dedicated {
            // A group of its own: neither Ctrl-C in the terminal nor the end of a timed-out test is meant for it.
            command.process_group(0);
        }
        let mut child = command.spawn().expect("postgres can be run");
        let mut ended = false;
        let ready = eventually(Duration::from_secs(60), || {
            ended = child.try_wait().is_ok_and(|status| status.is_some());
            ended || database::query(self.address.admin("postgres"), &prepare_owner()).is_ok()
        });
        if ended || !ready {
            let _gone = child.kill();
            let _status = child.wait();
            return Err(());
        }
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        Ok(())
    }

    /// One of PostgreSQL's programs, with a clean environment and as the user that may run it.
    fn command(&self, program: &str) -> Command {
        command(&self.binaries, program, &self.folder)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if self.dedicated {
            // SIGQUIT, "immediate shutdown": nobody needs this data any more.
            self.signal_and_wait(Signal::QUIT);
            let _best_effort = fs::remove_dir_all(&self.folder);
        }
    }
}

/// The shared server: the one that runs, or a new one. A lock file keeps other processes from doing the same.
fn find_or_start() -> TestServer {
    let short = short_folder();
    let root = if geteuid().is_root() { short.clone() } else { PathBuf::from(env!("CARGO_TARGET_TMPDIR")) };
    fs::create_dir_all(&root).expect("the target folder can be written");
    let lock = OpenOptions::new().create(true).write(true).truncate(false).open(root.join("pg.lock"));
    let lock = lock.expect("a lock file");
    lock.lock().expect("the lock");

    remove_dead_dedicated(&short);
    let record = root.join("pg.running");
    if let Some(server) = running(&record, &short) {
        database::remove_leftovers(&server.address, &root.join("pg.swept"));
        return server;
    }
    let binaries = binaries();
    let folder = root.join(format!("pg-{}", major_version(&binaries)));
    stop_all(&root, &binaries);
    make_folder(&folder);
    let start = || {
        TestServer::initialised(folder.clone(), binaries.clone(), Durability::Fast, false)
            .start_on_a_free_port()
    };
    // What does not sync may be broken after the machine went down: then it starts anew, once.
    let server = std::panic::catch_unwind(start).unwrap_or_else(|_broken| {
        let _none = fs::remove_dir_all(folder.join("data"));
        start()
    });
    let text =
        format!("{}\n{}\n{}\n", server.address.port, server.binaries.display(), server.folder.display());
    fs::write(&record, text).expect("the record can be written");
    server
}

/// The server on record, if it answers and is of the version asked for.
fn running(record: &Path, socket_folder: &Path) -> Option<TestServer> {
    let text = fs::read_to_string(record).ok()?;
    let mut lines = text.lines();
    let address = Address { socket_folder: socket_folder.to_owned(), port: lines.next()?.parse().ok()? };
    let (binaries, folder) = (PathBuf::from(lines.next()?), PathBuf::from(lines.next()?));
    let wanted = std::env::var_os("SYNTHEX_PG_BINDIR").map(PathBuf::from);
    if wanted.is_some_and(|wanted| wanted != binaries) || !folder.join("data").exists() {
        return None;
    }
    UnixStream::connect(address.socket()).ok()?;
    let (child, durability) = (Mutex::new(None), Durability::Fast);
    let variables = Vec::new();
    Some(TestServer { address, folder, binaries, durability, variables, child, dedicated: false })
}

/// Stops whatever ran here before under another version or record: at most one shared server per target folder.
fn stop_all(root: &Path, binaries: &Path) {
    for entry in fs::read_dir(root).expect("the folder can be read").flatten() {
        let data = entry.path().join("data");
        if entry.file_name().to_string_lossy().starts_with("pg-") && data.join("postmaster.pid").exists() {
            let mut stop = command(binaries, "pg_ctl", root);
            let _not_running = stop.args(["stop", "-m", "immediate", "-D"]).arg(&data).output();
        }
    }
}

/// Ends and removes the dedicated servers of tests that were killed.
fn remove_dead_dedicated(short: &Path) {
    for entry in fs::read_dir(short).expect("the folder can be read").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix("own-").and_then(|rest| rest.split('-').next()?.parse().ok());
        if pid.is_some_and(is_dead) {
            if entry.path().join("data/postmaster.pid").exists() {
                let mut stop = command(&binaries(), "pg_ctl", short);
                let _not_running =
                    stop.args(["stop", "-m", "immediate", "-D"]).arg(entry.path().join("data")).output();
            }
            let _best_effort = fs::remove_dir_all(entry.path());
        }
    }
}

fn command(binaries: &Path, program: &str, folder: &Path) -> Command {
    let mut command = Command::new(binaries.join(program));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LC_ALL", "C");
    command.current_dir(folder).stdin(Stdio::null());
    if let Some(account) = account() {
        command.uid(account.user).gid(account.group);
    }
    command
}

/// The role that owns every test database: an ordinary one, as on a managed PostgreSQL.
fn prepare_owner() -> String {
    format!(
        "DO $$ BEGIN CREATE ROLE {OWNER} LOGIN PASSWORD '{OWNER_PASSWORD}';
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    )
}
