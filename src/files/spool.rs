//! A small file of lines that wait to be sent, in the user's state folder. Several commands may add to it at once, and one
//! that dies in between leaves whole lines.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What waits may not be larger than this; what comes after is only counted.
const MOST_BYTES: u64 = 4 << 20;

/// How often the lock is tried for, with a short pause in between. It is held for as long as a small file takes to be
/// written, by whoever takes lines out; those who add lines do not wait for each other.
const ATTEMPTS: u32 = 50;

/// Lines that wait for somebody to send them.
#[derive(Clone, Debug)]
pub struct Spool {
    lines: PathBuf,
    lock: PathBuf,
    dropped: PathBuf,
    tried: PathBuf,
}

impl Spool {
    /// The spool of this name in a folder. Nothing is made yet.
    #[must_use]
    pub fn new(folder: &Path, name: &str) -> Self {
        let file = |extension: &str| folder.join(format!("{name}.{extension}"));
        Self { lines: file("jsonl"), lock: file("lock"), dropped: file("dropped"), tried: file("tried") }
    }

    /// Adds lines, all or none. Where there is no room for them, they are counted as dropped.
    ///
    /// # Errors
    /// The files cannot be written, or others keep the lock.
    pub fn add(&self, lines: &[String]) -> io::Result<()> {
        if let Some(folder) = self.lines.parent() {
            make_private_folder(folder)?;
        }
        let _lock = self.lock(File::try_lock_shared)?;
        let mut text = lines.join("\n");
        text.push('\n');
        let mut file = private(OpenOptions::new().create(true).append(true).read(true), &self.lines)?;
        let size = file.metadata()?.len();
        if size + text.len() as u64 > MOST_BYTES {
            // One byte for each: the size is the count.
            let mut file = private(OpenOptions::new().create(true).append(true), &self.dropped)?;
            return file.write_all(&vec![b'.'; lines.len()]);
        }
        if size > 0 && !ends_a_line(&mut file, size)? {
            // Somebody's disk was full, or their machine went down: what they wrote is no line.
            text.insert(0, '\n');
        }
        file.write_all(text.as_bytes())
    }

    /// The lines that wait.
    #[must_use]
    pub fn waiting(&self) -> Vec<String> {
        read(&self.lines).map(|text| lines_of(&text)).unwrap_or_default()
    }

    /// Takes out the lines that need not wait any longer.
    ///
    /// # Errors
    /// The files cannot be written, or others keep the lock.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) -> io::Result<()> {
        let _lock = self.lock(File::try_lock)?;
        let waiting = match read(&self.lines) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            text => lines_of(&text?),
        };
        let text: String = waiting.iter().filter(|line| keep(line)).map(|line| format!("{line}\n")).collect();
        if text.is_empty() {
            return gone(std::fs::remove_file(&self.lines));
        }
        let beside = self.lines.with_extension("tmp");
        private(OpenOptions::new().create(true).write(true).truncate(true), &beside)?
            .write_all(text.as_bytes())?;
        std::fs::rename(&beside, &self.lines)
    }

    /// How many lines were dropped since this was last asked.
    #[must_use]
    pub fn take_dropped(&self) -> u64 {
        let count = super::size(&self.dropped);
        if count > 0 && gone(std::fs::remove_file(&self.dropped)).is_err() {
            return 0;
        }
        count
    }

    /// When sending was last tried, as it was noted.
    #[must_use]
    pub fn last_tried(&self) -> Option<String> {
        read(&self.tried).ok()
    }

    /// Notes when sending was tried.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn note_try(&self, when: &str) -> io::Result<()> {
        private(OpenOptions::new().create(true).write(true).truncate(true), &self.tried)?
            .write_all(when.as_bytes())
    }

    /// The kernel gives the lock back when its holder dies, however it dies.
    fn lock(&self, try_lock: fn(&File) -> Result<(), TryLockError>) -> io::Result<File> {
        let file = private(OpenOptions::new().create(true).append(true), &self.lock)?;
        for _ in 0..ATTEMPTS {
            match try_lock(&file) {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_micros(200)),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::from(io::ErrorKind::WouldBlock))
    }
}

fn ends_a_line(file: &mut File, size: u64) -> io::Result<bool> {
    use std::io::Seek as _;
    let mut last = [0];
    file.seek(io::SeekFrom::Start(size - 1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The whole of a file. More than a spool can have is not read.
fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    private(OpenOptions::new().read(true), path)?.take(2 * MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn lines_of(text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Opens a file that is for its owner alone. A link that leads elsewhere, a pipe or a device is refused, and not waited for.
fn private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt as _;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
    }
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no regular file")) }
}

fn make_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn lines_come_out_as_they_went_in_and_what_is_sent_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(&folder.path().join("deep/er"), "a");
        assert!(spool.waiting().is_empty());
        spool.add(&lines(&["one", "two"])).unwrap();
        spool.add(&lines(&["three"])).unwrap();
        assert_eq!(spool.waiting(), ["one", "two", "three"]);
        spool.retain(|line| line == "two").unwrap();
        assert_eq!(spool.waiting(), ["two"]);
        spool.retain(|_| false).unwrap();
        assert!(spool.waiting().is_empty());
        spool.retain(|_| false).unwrap();
    }

    #[test]
    fn half_a_line_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path(), "a");
        std::fs::write(&spool.lines, "whole\nhal").unwrap();
        spool.add(&lines(&["next"])).unwrap();
        assert_eq!(spool.waiting(), ["whole", "hal", "next"]);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_refused_and_stays() {
        use std::os::unix::fs::FileTypeExt as _;
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path(), "a");
        for path in [&spool.lines, &spool.lock, &spool.tried] {
            assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
        }
        assert!(spool.waiting().is_empty() && spool.last_tried().is_none());
        assert!(spool.add(&lines(&["one"])).is_err() && spool.note_try("now").is_err());
        std::fs::remove_file(&spool.lock).unwrap();
        assert!(spool.add(&lines(&["one"])).is_err() && spool.retain(|_| false).is_err());
        assert!(std::fs::metadata(&spool.lines).unwrap().file_type().is_fifo());
        std::fs::remove_file(&spool.lines).unwrap();
        std::fs::create_dir(&spool.lines).unwrap();
        assert!(spool.waiting().is_empty() && spool.add(&lines(&["one"])).is_err());
        assert!(spool.retain(|_| false).is_err() && spool.lines.is_dir());
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path(), "a");
        let long = "x".repeat(1_600_000);
        for _ in 0..4 {
            spool.add(&lines(&[&long, "y"])).unwrap();
        }
        assert_eq!(spool.waiting().len(), 4);
        assert_eq!(spool.take_dropped(), 4);
        assert_eq!(spool.take_dropped(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_them() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(&folder.path().join("usage"), "a");
        spool.add(&lines(&["one"])).unwrap();
        spool.note_try("now").unwrap();
        spool.retain(|_| true).unwrap();
        for (path, mode) in
            [(&spool.lines, 0o600), (&spool.tried, 0o600), (&folder.path().join("usage"), 0o700)]
        {
            assert_eq!(
                std::fs::metadata(path).unwrap().permissions().mode() & 0o777,
                mode,
                "{}",
                path.display()
            );
        }
        assert_eq!(spool.last_tried().as_deref(), Some("now"));
    }
}
