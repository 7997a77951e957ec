//! Creates the cluster in a sibling of its place and renames it there when it is complete and on the disk, so
//! that a killed command leaves nothing half-made. To be called only while holding the folder's lock.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

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
    // The programs of a killed command live on and write by absolute paths; they hold this lock until they end.
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

    let postgres = binaries.postgres();
    let mut single = holding(claim, account, &postgres, &format!("echo 'CREATE DATABASE {NAME}' |"))?;
    single.args(["--single", "-c", "fsync=off", "-c", "exit_on_error=on", "-D"]).arg(place).arg("template1");
    check("postgres --single", place, &run(single, &postgres).await?)?;

    // The steps before do not wait for the disk; this one makes all of it durable at once, in a fifth of the
    // time.
    let mut sync = holding(claim, account, &binaries.initdb(), "")?;
    sync.arg("--sync-only").arg("-D").arg(place);
    check("initdb --sync-only", place, &run(sync, &binaries.initdb()).await?)
}

async fn initdb(
    place: &Path,
    binaries: &Binaries,
    account: &Account,
    claim: &File,
    character_type: &str,
) -> Result<Output, EmbeddedError> {
    let mut command = holding(claim, account, &binaries.initdb(), "")?;
    command.args(["--no-sync", "--no-instructions", "--data-checksums", "--encoding=UTF8", "--locale=C"]);
    command.arg(format!("--lc-ctype={character_type}")).arg(format!("--username={NAME}"));
    command.args(["--auth-local=trust", "--auth-host=reject", "-D"]).arg(place);
    run(command, &binaries.initdb()).await
}

/// A program that holds the claim in all its processes until the last of them has ended. As standard input alone it
/// would not do: initdb gives the servers that it starts another one, and they outlive an initdb whose output nobody
/// reads any more. `before` is what the shell is to write into the program's input.
fn holding(claim: &File, account: &Account, program: &Path, before: &str) -> Result<Command, EmbeddedError> {
    let mut command = account.command("/bin/sh");
    command.arg("-c").arg(format!("{{ {before} \"$0\" \"$@\"; }} 9<&0")).arg(program);
    command.stdin(claim.try_clone().map_err(|source| EmbeddedError::io("run", program, source))?);
    Ok(command)
}

async fn run(mut command: Command, program: &Path) -> Result<Output, EmbeddedError> {
    command.kill_on_drop(true).output().await.map_err(|source| EmbeddedError::io("run", program, source))
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
