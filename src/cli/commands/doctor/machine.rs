//! This machine: room on its disk and in its memory, and how many files a process may have open.

use std::path::Path;

use crate::cli::context::Context;
use crate::engine::health::Space;
use crate::providers::host;

use super::check::Check;
use super::project::Looked;

const DISK: &str = "machine.disk";
const MEMORY: &str = "machine.memory";
const FILES: &str = "machine.open-files";

const MIB: u64 = 1 << 20;

/// Below this, caches and the embedded database soon have no room. The health check of disks has the same floor.
const LEAST_DISK: u64 = 256 * MIB;

/// A plan of 100,000 tenants takes as much.
const LEAST_MEMORY: u64 = 256 * MIB;

/// A controller has a few files open for itself, and one for each connection to the database, a provider, a receiver or a
/// reader of its pages.
#[cfg(unix)]
const LEAST_FILES: u64 = 1024;

/// Looks at this machine.
pub async fn look(context: &Context, project: &Looked) -> Vec<Check> {
    let folder = project.found.as_ref().map(|found| context.directory.join(&found.folder));
    let folder = folder.unwrap_or_else(|| context.directory.clone());
    vec![disk(folder).await, memory(), open_files()]
}

/// A disk of the network that is gone answers to nobody.
async fn disk(folder: std::path::PathBuf) -> Check {
    let looking = tokio::task::spawn_blocking(move || host::disk(&existing(&folder)));
    match super::check::soon(std::time::Duration::from_secs(5), looking).await {
        Some(Ok(Ok(space))) => of_disk(&space),
        Some(Ok(Err(why))) => Check::info(DISK, why),
        _ => Check::fail(DISK, "the disk of the project does not answer", "look at what it is mounted from"),
    }
}

/// An empty path means the folder that we are in.
fn existing(folder: &Path) -> std::path::PathBuf {
    if folder.as_os_str().is_empty() { Path::new(".").to_path_buf() } else { folder.to_path_buf() }
}

fn of_disk(space: &Space) -> Check {
    let what = format!("{} of {} free on the disk of {}", size(space.free), size(space.total), space.of);
    if space.free < LEAST_DISK {
        return Check::warn(DISK, what, "free space: caches and the embedded database have no room");
    }
    if space.files_percent.is_some_and(|percent| percent >= 95.0) {
        let help = "remove files that are not needed: the disk has room, and takes hardly any more of them";
        return Check::warn(DISK, format!("{what}, and nearly as many files as it can hold"), help);
    }
    Check::ok(DISK, what)
}

fn memory() -> Check {
    match host::memory() {
        Ok(space) => of_memory(&space),
        Err(why) => Check::info(MEMORY, why),
    }
}

fn of_memory(space: &Space) -> Check {
    let of = if space.of == "cgroup" { ", the limit of this container" } else { "" };
    let what = format!("{} of {} of memory free{of}", size(space.free), size(space.total));
    if space.free >= LEAST_MEMORY {
        return Check::ok(MEMORY, what);
    }
    Check::warn(
        MEMORY,
        what,
        "give it more: large projects are planned within 250 MiB, and a controller takes 150 MiB",
    )
}

#[cfg(unix)]
fn open_files() -> Check {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    of_limit(limit.current)
}

#[cfg(not(unix))]
fn open_files() -> Check {
    Check::info(FILES, "how many files may be open is not looked at on this system")
}

#[cfg(unix)]
fn of_limit(limit: Option<u64>) -> Check {
    match limit {
        None => Check::ok(FILES, "any number of files may be open"),
        Some(limit) if limit >= LEAST_FILES => {
            Check::ok(FILES, format!("{limit} files may be open at a time"))
        }
        Some(limit) => {
            let help = format!(
                "raise it for `watch`: LimitNOFILE={LEAST_FILES} in its systemd unit, or ulimit -n {LEAST_FILES}"
            );
            Check::warn(FILES, format!("only {limit} files may be open at a time"), help)
        }
    }
}

fn size(bytes: u64) -> String {
    match bytes / MIB {
        mebibytes @ 0..10_240 => format!("{mebibytes} MiB"),
        mebibytes => format!("{} GiB", mebibytes / 1024),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    #[test]
    fn what_runs_out_is_said_before_it_does() {
        let space = |free: u64, files: f64| Space {
            total: 100 * 1024 * MIB,
            free: free * MIB,
            of: "/data".to_owned(),
            files_percent: Some(files),
        };
        assert_eq!(of_disk(&space(300, 10.0)).status, Status::Ok);
        assert_eq!(of_disk(&space(300, 10.0)).what, "300 MiB of 100 GiB free on the disk of /data");
        assert_eq!(of_disk(&space(200, 10.0)).status, Status::Warn);
        assert_eq!(of_disk(&space(300, 97.0)).status, Status::Warn);
        assert_eq!(of_memory(&space(100, 0.0)).status, Status::Warn);
        assert_eq!(of_memory(&space(300, 0.0)).status, Status::Ok);
        #[cfg(unix)]
        {
            assert_eq!(of_limit(Some(256)).status, Status::Warn);
            assert_eq!(of_limit(Some(1024)).status, Status::Ok);
            assert_eq!(of_limit(None).status, Status::Ok);
        }
    }
}
