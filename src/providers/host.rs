//! The machine that synthex runs on: how much disk and memory is free for it. In a container the limit of its cgroup counts,
//! since that is what kills a process (M-H11).

use std::path::Path;

use crate::engine::health::Space;

/// The disk that a folder is on.
///
/// # Errors
/// Why it is not known, in one line.
#[cfg(unix)]
pub fn disk(folder: &Path) -> Result<Space, String> {
    let found = rustix::fs::statvfs(folder)
        .map_err(|error| format!("the disk of {} cannot be looked at: {error}", folder.display()))?;
    let percent = |used: u64, total: u64| {
        // Some file systems have no number of files that they can hold.
        (total > 0).then(|| {
            let thousandths = u128::from(used) * 1000 / u128::from(total);
            u32::try_from(thousandths).map_or(100.0, |thousandths| f64::from(thousandths) / 10.0)
        })
    };
    Ok(Space {
        // What is kept for root is not ours, and counts as used.
        total: found.f_blocks.saturating_mul(found.f_frsize),
        free: found.f_bavail.saturating_mul(found.f_frsize),
        of: folder.display().to_string(),
        files_percent: percent(found.f_files.saturating_sub(found.f_favail), found.f_files),
    })
}

/// The disk that a folder is on.
///
/// # Errors
/// Always: it is not known on this system.
#[cfg(not(unix))]
pub fn disk(_: &Path) -> Result<Space, String> {
    Err("the disk is not looked at on this system".to_owned())
}

/// The memory that this process may use: the machine's, or less where a cgroup says so.
///
/// # Errors
/// Why it is not known, in one line.
pub fn memory() -> Result<Space, String> {
    let machine = read("/proc/meminfo")
        .and_then(|text| of_meminfo(&text))
        .ok_or("the memory is not looked at on this system: there is no /proc/meminfo")?;
    let cgroup = read("/proc/self/cgroup").and_then(|text| of_cgroups(&text));
    Ok(match cgroup {
        Some(cgroup) if cgroup.total < machine.total => {
            Space { free: cgroup.free.min(machine.free), ..cgroup }
        }
        _ => machine,
    })
}

#[expect(clippy::disallowed_methods, reason = "this is the one home of what the kernel tells of the machine")]
fn read(path: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// `MemTotal` and `MemAvailable`, which are in kibibytes.
fn of_meminfo(text: &str) -> Option<Space> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    };
    let (total, free) = (field("MemTotal")?, field("MemAvailable")?);
    Some(Space { total, free, of: "machine".to_owned(), files_percent: None })
}

/// The tightest limit of the cgroups that this process is in.
fn of_cgroups(text: &str) -> Option<Space> {
    let version_2 = text.lines().find_map(|line| line.strip_prefix("0::"));
    let version_1 = text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let names = parts.nth(1)?;
        names.split(',').any(|name| name == "memory").then(|| parts.next()).flatten()
    });
    let tightest = |root: &str, path: &str, names: [&str; 3]| {
        // A limit of a folder above holds here too; within a container the path may be one of outside.
        let folders = Path::new(path.trim_start_matches('/')).ancestors();
        folders
            .filter_map(|folder| of_cgroup(&Path::new(root).join(folder), names))
            .min_by_key(|space| space.free)
    };
    let second = version_2
        .and_then(|path| tightest("/sys/fs/cgroup", path, ["memory.max", "memory.current", "inactive_file"]));
    let first = version_1.and_then(|path| {
        let names = ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"];
        tightest("/sys/fs/cgroup/memory", path, names)
    });
    second.into_iter().chain(first).min_by_key(|space| space.free)
}

fn of_cgroup(folder: &Path, names: [&str; 3]) -> Option<Space> {
    let [limit, used, inactive] = names;
    let number = |name: &str| read(folder.join(name))?.trim().parse::<u64>().ok();
    let (total, used) = (number(limit)?, number(used)?);
    let cache = read(folder.join("memory.stat")).map_or(0, |text| field_of(&text, inactive));
    Some(of_limit(total, used, cache))
}

fn field_of(text: &str, name: &str) -> u64 {
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
}

/// Pages of files that nobody uses are given up before a process is killed: they count as free.
fn of_limit(total: u64, used: u64, cache: u64) -> Space {
    let free = total.saturating_sub(used.saturating_sub(cache));
    Space { total, free, of: "cgroup".to_owned(), files_percent: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_is_read() {
        let text = "MemTotal:       16000000 kB\nMemFree:  100 kB\nMemAvailable:    4000000 kB\n";
        let space = of_meminfo(text).unwrap();
        assert_eq!((space.total, space.free), (16_000_000 * 1024, 4_000_000 * 1024));
        assert_eq!(of_meminfo("MemTotal: x kB\n"), None);
        assert_eq!(field_of("anon 5\ninactive_file 7\ntotal_inactive_file 9\n", "inactive_file"), 7);
        assert_eq!(of_limit(100, 90, 30).free, 40);
        assert_eq!(of_limit(100, 200, 0).free, 0);
    }

    #[test]
    fn this_machine_has_a_disk_and_memory() {
        let memory = memory().unwrap();
        assert!(memory.total > 1 << 26 && memory.free <= memory.total, "{memory:?}");
        let disk = disk(Path::new(".")).unwrap();
        assert!(disk.total > 1 << 20 && disk.free <= disk.total, "{disk:?}");
        assert!(super::disk(Path::new("/no/such/folder")).unwrap_err().contains("/no/such/folder"));
    }
}
