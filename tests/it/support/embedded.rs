//! An embedded PostgreSQL of a test's own: in a folder of its own, ended at the end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::cli::Synthex;

/// Where the embedded server of a test keeps everything. Started by the first command that needs it.
pub struct Embedded {
    folder: TempDir,
}

impl Embedded {
    pub fn new() -> Embedded {
        let folder = TempDir::with_prefix("synthex-state-").expect("a folder");
        // As root, the server runs as a user who must reach it.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it can be opened");
        Embedded { folder }
    }

    /// What `SYNTHEX_STATE_DIR` names.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("pg")
    }

    /// A run in that folder with this embedded server.
    pub fn synthex(&self, folder: &Path, args: &[&str]) -> Synthex {
        let bindir = std::env::var_os("SYNTHEX_PG_BINDIR").unwrap_or_default();
        let run = Synthex::new(folder).args(args).env("SYNTHEX_STATE_DIR", self.state());
        run.env("SYNTHEX_PG_BINDIR", bindir)
    }

    /// The server's process, while it runs or after it was killed.
    pub fn postmaster(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.state().join("data/postmaster.pid")).ok()?;
        Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        let mut stop = Command::new(env!("CARGO_BIN_EXE_synthex"));
        stop.args(["db", "stop", "--embedded"]).current_dir(self.folder.path());
        let stopped = stop.env("SYNTHEX_STATE_DIR", self.state()).output();
        if !stopped.is_ok_and(|output| output.status.success())
            && let Some(pid) = self.postmaster()
        {
            let _gone = kill_process(pid, Signal::QUIT);
        }
    }
}
