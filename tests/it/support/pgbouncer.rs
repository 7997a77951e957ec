//! A real pgbouncer in transaction mode in front of a test database.
//!
//! Most managed PostgreSQL is reached through such a pooler, and each statement outside a transaction may then meet
//! another server connection: session settings, prepared statements and session advisory locks do not hold. Its
//! `ignore_startup_parameters` is left empty, as it is by default, so a client that sends one more than pgbouncer knows
//! (`extra_float_digits`, `options`, `statement_timeout`) is refused here and not first at a customer's.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::database::{OWNER, OWNER_PASSWORD, TestDatabase};
use super::host::account;
use super::{eventually, free_port};

/// A running pgbouncer. Dropped, it is killed.
pub struct PgBouncer {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl PgBouncer {
    /// In front of the database, with four server connections for each role.
    ///
    /// It asks for no password. It knows the roles there are now: make others before.
    pub fn start(database: &TestDatabase) -> PgBouncer {
        PgBouncer::with_pool_size(database, 4)
    }

    /// With this many server connections for each role: with one, all clients meet on the same.
    pub fn with_pool_size(database: &TestDatabase, pool_size: u32) -> PgBouncer {
        let folder = TempDir::with_prefix("synthex-pgbouncer-").expect("a folder");
        let roles = database.query_strings("SELECT rolname FROM pg_roles WHERE rolcanlogin");
        let users = roles.into_iter().flatten().flatten().fold(String::new(), |mut users, role| {
            let _infallible = writeln!(users, "\"{}\" \"\"", role.replace('"', "\"\""));
            users
        });
        fs::write(folder.path().join("users.txt"), users).expect("a file");
        // It drops root's rights by itself only for a user in its settings; it is simpler to start it as that user.
        if let Some(account) = account() {
            chown(folder.path(), Some(account.user), Some(account.group))
                .expect("root may give a folder away");
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))
                .expect("the mode can be set");
        }
        for _attempt in 0..5 {
            if let Some((child, port)) = try_start(database, pool_size, &folder) {
                return PgBouncer { child, port, folder };
            }
        }
        panic!("pgbouncer does not start:\n{}", log(&folder));
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The URL of the database through the pooler, as its owner.
    pub fn url(&self, database: &TestDatabase) -> String {
        database.tcp_url_at(self.address(), OWNER, OWNER_PASSWORD)
    }

    /// The same as another role.
    pub fn url_as(&self, database: &TestDatabase, role: &str) -> String {
        database.tcp_url_at(self.address(), role, "")
    }

    /// What it logged.
    pub fn log(&self) -> String {
        log(&self.folder)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Starts it on some free port and waits until it accepts connections; `None` if it ended instead.
fn try_start(database: &TestDatabase, pool_size: u32, folder: &TempDir) -> Option<(Child, u16)> {
    let (server, port) = (database.server_address(), free_port());
    let settings = format!(
        "[databases]\n\
         * = host={} port={}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir =\n\
         auth_type = trust\n\
         auth_file = users.txt\n\
         pool_mode = transaction\n\
         default_pool_size = {pool_size}\n\
         max_client_conn = 500\n",
        server.socket_folder.display(),
        server.port
    );
    fs::write(folder.path().join("pgbouncer.ini"), settings).expect("a file");
    let log =
        fs::OpenOptions::new().create(true).append(true).open(folder.path().join("log")).expect("a log");
    let mut command = Command::new(binary());
    command.arg("pgbouncer.ini").current_dir(folder.path()).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    if let Some(account) = account() {
        command.uid(account.user).gid(account.group);
    }
    let mut child = command.spawn().expect("pgbouncer can be run");
    let mut ended = false;
    let ready = eventually(Duration::from_secs(20), || {
        ended = child.try_wait().is_ok_and(|status| status.is_some());
        ended || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
    });
    if ready && !ended {
        return Some((child, port));
    }
    let _gone = child.kill();
    let _status = child.wait();
    None
}

fn binary() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian's folder is not on everyone's path.
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join("pgbouncer"))
        .find(|file| file.is_file())
        .expect("pgbouncer: install it (.ci/run does, by apt-get install pgbouncer)")
}

fn log(folder: &TempDir) -> String {
    fs::read_to_string(folder.path().join("log")).unwrap_or_default()
}
