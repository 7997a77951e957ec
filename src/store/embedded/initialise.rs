//! Creates the cluster in a sibling of its place and renames it there when it is complete and on the disk, so
//! that a killed command leaves nothing half-made. To be called only while holding the folder's lock.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::NAME;
use super::account::Account;
use super::binaries::Binaries;
use super::error::{EmbeddedError, says_disk_full};
use super::folder::{Folder, create_private, last_lines};
use super::lock::{self, open_own};

const UNFINISHED: &str = "data.new-";

const TIME_FOR_AN_ORPHAN: Duration = Duration::from_mins(1);

/// Settings that a user may change in the file. Those that keep the server private are given on its command
/// line and go before these.
const SETTINGS: &str = "
# Written by synthex when this folder was created; yours to change.
cluster_name = 'synthex'
max_connections = 50
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
# Compiling a query takes longer than the queries of a command-line tool run.
jit = off
";

/// Makes the cluster and the database.
pub(super) async fn initialise(
    folder: &Folder,
    binaries: &Binaries,
    account: &Account,
) -> Result<(), EmbeddedError> {
    // The initdb of a killed command lives on and writes by absolute paths; it holds this lock until it ends.
    let claim = lock::acquire(&folder.server_lock(), TIME_FOR_AN_ORPHAN).await?;
    clear_unfinished(&folder.root);
    let place = new_place(folder, account)?;
    let result = fill(&place, binaries, account, &claim).await;
    if let Err(error) = result.and_then(|()| publish(&place, folder)) {
        let _ = std::fs::remove_dir_all(&place);
        return Err(error);
    }
    folder.record_bindir(&binaries.folder)
}

async fn fill(
    place: &Path,
    binaries: &Binaries,
    account: &Account,
    claim: &File,
) -> Result<(), EmbeddedError> {
    // C.UTF-8 sorts like C and knows the case of letters beyond ASCII. Not every system has it.
    let mut output = initdb(place, binaries, account, claim, "C.UTF-8").await?;
    if !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("invalid locale") {
        output = initdb(place, binaries, account, claim, "C").await?;
    }
    check("initdb", place, &output)?;

    let settings = place.join("postgresql.conf");
    let mut file = open_own(&settings, OpenOptions::new().append(true))?;
    file.write_all(SETTINGS.as_bytes()).map_err(|source| EmbeddedError::io("write", &settings, source))?;
    drop(file);

    let mut single = account.command(binaries.postgres());
    single.args(["--single", "-c", "fsync=off", "-c", "exit_on_error=on", "-D"]).arg(place).arg("template1");
    let output = run(single, &binaries.postgres(), &format!("CREATE DATABASE {NAME}\n")).await?;
    check("postgres --single", place, &output)?;

    // The steps before do not wait for the disk; this one makes all of it durable at once, in a fifth of the
    // time.
    let mut sync = account.command(binaries.initdb());
    sync.arg("--sync-only").arg("-D").arg(place);
    check("initdb --sync-only", place, &run(sync, &binaries.initdb(), "").await?)
}

async fn initdb(
    place: &Path,
    binaries: &Binaries,
    account: &Account,
    claim: &File,
    character_type: &str,
) -> Result<Output, EmbeddedError> {
    let mut command = account.command(binaries.initdb());
    command.args(["--no-sync", "--no-instructions", "--data-checksums", "--encoding=UTF8", "--locale=C"]);
    command.arg(format!("--lc-ctype={character_type}")).arg(format!("--username={NAME}"));
    command.args(["--auth-local=trust", "--auth-host=reject", "-D"]).arg(place);
    let failed = |source| EmbeddedError::io("run", &binaries.initdb(), source);
    command.stdin(claim.try_clone().map_err(failed)?);
    command.kill_on_drop(true).output().await.map_err(failed)
}

async fn run(mut command: Command, program: &Path, input: &str) -> Result<Output, EmbeddedError> {
    let failed = |source| EmbeddedError::io("run", program, source);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ended early says why in its output.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    child.wait_with_output().await.map_err(failed)
}

fn check(program: &'static str, place: &Path, output: &Output) -> Result<(), EmbeddedError> {
    if output.status.success() {
        return Ok(());
    }
    let said =
        format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if says_disk_full(&said) {
        return Err(EmbeddedError::DiskFull { path: place.to_path_buf(), source: None });
    }
    Err(EmbeddedError::InitialiseFailed { program, status: output.status, output: last_lines(&said) })
}

fn publish(place: &Path, folder: &Folder) -> Result<(), EmbeddedError> {
    let data = folder.data();
    std::fs::rename(place, &data).map_err(|source| EmbeddedError::io("rename", place, source))?;
    let root = File::open(&folder.root).and_then(|root| root.sync_all());
    root.map_err(|source| EmbeddedError::io("write", &folder.root, source))
}

fn new_place(folder: &Folder, account: &Account) -> Result<PathBuf, EmbeddedError> {
    let mut number = 1_u32;
    loop {
        let place = folder.root.join(format!("{UNFINISHED}{}-{number}", std::process::id()));
        if create_private(&place, account)? {
            return Ok(place);
        }
        number += 1;
    }
}

fn clear_unfinished(root: &Path) {
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED)
            && let Err(error) = std::fs::remove_dir_all(entry.path())
        {
            let path = entry.path();
            tracing::debug!(path = %path.display(), %error, "an unfinished data folder was not removed");
        }
    }
}
