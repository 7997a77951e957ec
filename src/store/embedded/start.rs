//! Starts the server on existing data and waits until it takes connections. To be called only while holding
//! the folder's lock.
//!
//! `server.lock` is handed to the server as its standard input, so the kernel keeps it locked until the last
//! of its processes is gone. That tells a dead server from a living one where process numbers cannot (a
//! reused number, a zombie, another container on the same folder), and it tells when the children of a killed
//! postmaster have let go of the data.

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use tokio::process::Child;
use tokio::time::Instant;

use super::account::Account;
use super::binaries::Binaries;
use super::error::{EmbeddedError, says_disk_full};
use super::folder::{Folder, socket_in};
use super::postmaster::{self, Ending, Record};
use super::probe::{self, Answer};
use super::server::reachable;
use super::{Endpoint, lock};

/// Closes what the caller's own caller left open beyond the three standard files: the server would hold on to
/// a script's lock or pipe for days. Rust marks only its own files close-on-exec, and other shells than bash
/// can close no number above 9.
const WITHOUT_STRAY_FILES: &str = r#"
if [ -n "$BASH_VERSION" ] && [ -d /dev/fd ]; then
    for file in /dev/fd/*; do number=${file##*/}; [ "$number" -gt 2 ] && eval "exec $number>&-"; done
else
    exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
fi
exec "$0" "$@""#;

const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// One attempt to bring a server up.
pub(super) struct Start<'a> {
    pub(super) folder: &'a Folder,
    pub(super) binaries: &'a Binaries,
    pub(super) account: &'a Account,
    pub(super) timeout: Duration,
}

impl Start<'_> {
    /// Returns when the server takes connections. On [`EmbeddedError::StartTimeout`] it is left to go on.
    pub(super) async fn run(&self) -> Result<Endpoint, EmbeddedError> {
        let begun = Instant::now();
        let socket_dir = self.folder.create_socket_dir(self.account)?;
        self.folder.tighten_data()?;
        let log_begin = std::fs::metadata(self.folder.log()).map_or(0, |metadata| metadata.len());
        let mut asked_to_end = None;
        loop {
            if let Some((endpoint, _)) = reachable(self.folder).await {
                return Ok(endpoint);
            }
            if let Some(claim) = lock::try_acquire(&self.folder.server_lock())? {
                if self.living_server().is_none() {
                    postmaster::clear_leftovers(&self.folder.data(), &socket_dir)?;
                    if let Some(endpoint) = self.launch(claim, &socket_dir, begun).await? {
                        return Ok(endpoint);
                    }
                }
            } else if let Some(record) = self.living_server()
                && record.says_ready
                && asked_to_end != Some(record.pid)
                && !record.socket_dir.is_some_and(|folder| socket_in(&folder).exists())
            {
                // Its socket was deleted: nobody can ever reach it again.
                postmaster::end(record.pid, Ending::Fast)?;
                asked_to_end = Some(record.pid);
            }
            if begun.elapsed() >= self.timeout {
                return Err(self.timed_out(begun, &socket_dir, log_begin).await);
            }
            tokio::time::sleep(LONGEST_PAUSE).await;
        }
    }

    fn living_server(&self) -> Option<Record> {
        let data = self.folder.data();
        Record::read(&data).filter(|record| postmaster::is_server_on(record.pid, &data, self.account.uid))
    }

    /// Starts the process and watches it. `None` means: not this time, try again.
    async fn launch(
        &self,
        claim: File,
        socket_dir: &Path,
        begun: Instant,
    ) -> Result<Option<Endpoint>, EmbeddedError> {
        let log = self.folder.open_log()?;
        let log_begin = log.metadata().map_or(0, |metadata| metadata.len());
        let mut child = self.spawn(claim, log, socket_dir)?;
        let (socket, data) = (socket_in(socket_dir), self.folder.data());
        let mut pause = Duration::from_millis(2);
        loop {
            // Asking too early would fill its log with refusals.
            let says_ready = Record::read(&data)
                .is_some_and(|record| record.says_ready && Some(record.pid.cast_unsigned()) == child.id());
            if says_ready && matches!(probe::ask(&socket).await, Answer::Ready { .. }) {
                return Ok(Some(Endpoint::at(socket_dir.to_path_buf())));
            }
            if let Ok(Some(status)) = child.try_wait() {
                let said = self.folder.log_after(log_begin);
                return if is_passing(&said) && begun.elapsed() < self.timeout {
                    tracing::debug!(%said, "the server did not start yet; trying again");
                    Ok(None)
                } else if says_disk_full(&said) {
                    Err(EmbeddedError::DiskFull { path: self.folder.data(), source: None })
                } else {
                    Err(EmbeddedError::Died { status, last: said, log: self.folder.log() })
                };
            }
            if begun.elapsed() >= self.timeout {
                return Err(self.timed_out(begun, socket_dir, log_begin).await);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn spawn(&self, claim: File, log: File, socket_dir: &Path) -> Result<Child, EmbeddedError> {
        let failed = |source| EmbeddedError::io("run", &self.binaries.postgres(), source);
        let mut command =
            self.account.command(if Path::new("/bin/bash").is_file() { "/bin/bash" } else { "/bin/sh" });
        command
            .arg("-c")
            .arg(WITHOUT_STRAY_FILES)
            .arg(self.binaries.postgres())
            .arg("-D")
            .arg(self.folder.data());
        for setting in private_settings(socket_dir) {
            command.arg("-c").arg(setting);
        }
        command.stdin(claim).stdout(log.try_clone().map_err(failed)?).stderr(log);
        // A group of its own: the terminal's Ctrl-C, which would be a fast shutdown, does not reach it.
        command.process_group(0).spawn().map_err(failed)
    }

    async fn timed_out(&self, begun: Instant, socket_dir: &Path, log_begin: u64) -> EmbeddedError {
        let last = match probe::ask(&socket_in(socket_dir)).await {
            Answer::NotYet { message } => message,
            Answer::Ready { .. } | Answer::Nobody => self.folder.log_after(log_begin),
        };
        EmbeddedError::StartTimeout { waited: begun.elapsed(), last, log: self.folder.log() }
    }
}

/// What keeps the server private and its log ours. On the command line, where no file of the cluster can
/// override it.
fn private_settings(socket_dir: &Path) -> Vec<OsString> {
    let mut socket_setting = OsString::from("unix_socket_directories=\"");
    // A list, whose items may be quoted as SQL names are.
    socket_setting.push(bytes_doubling_quotes(socket_dir));
    socket_setting.push("\"");
    let fixed = [
        "listen_addresses=",
        "port=5432",
        "unix_socket_permissions=0700",
        "logging_collector=off",
        "log_destination=stderr",
    ];
    fixed.iter().map(OsString::from).chain([socket_setting]).collect()
}

fn bytes_doubling_quotes(path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let bytes = path.as_os_str().as_bytes().iter();
    OsString::from_vec(
        bytes.flat_map(|byte| std::iter::repeat_n(*byte, if *byte == b'"' { 2 } else { 1 })).collect(),
    )
}

/// True for the complaints that end by themselves within seconds of a killed server.
fn is_passing(said: &str) -> bool {
    said.contains("pre-existing shared memory block")
        || (said.contains("lock file") && said.contains("already exists"))
}
