//! What the operating system says of this very process: how much it has used, and what it holds.

use std::path::Path;

/// What this process uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProcessFigures {
    /// Seconds of processor time, of all threads.
    pub cpu_seconds: f64,
    /// Bytes in memory.
    pub resident_bytes: u64,
    /// Open files and connections.
    pub open_files: u64,
}

/// What this process uses; `None` where the system does not say.
#[must_use]
pub fn process_figures() -> Option<ProcessFigures> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let open = std::fs::read_dir(Path::new("/proc/self/fd")).ok()?.count();
    Some(ProcessFigures {
        cpu_seconds: cpu_seconds()?,
        resident_bytes: resident(&status)?,
        // One of them is the folder that was just read.
        open_files: u64::try_from(open.saturating_sub(1)).ok()?,
    })
}

#[cfg(unix)]
fn cpu_seconds() -> Option<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let (seconds, rest) = (u32::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?);
    Some(f64::from(seconds) + f64::from(rest) / 1e9)
}

#[cfg(not(unix))]
fn cpu_seconds() -> Option<f64> {
    None
}

/// `VmRSS`, which is in kibibytes.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_read() {
        assert_eq!(resident("Name:\tsynthex\nVmRSS:\t    2048 kB\nThreads: 3\n"), Some(2048 * 1024));
        assert_eq!(resident("Name:\tsynthex\n"), None);
        let figures = process_figures().unwrap();
        assert!(
            figures.resident_bytes > 1 << 20 && figures.open_files >= 3 && figures.cpu_seconds > 0.0,
            "{figures:?}"
        );
    }
}
