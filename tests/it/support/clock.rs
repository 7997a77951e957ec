//! A clock that jumps while programs run: libfaketime, which gives a program another time of day. The time that nobody can set,
//! by which programs wait, stays as it is.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::host::{make_folder, short_folder};

/// A clock for any number of programs.
pub struct Jumping {
    folder: PathBuf,
}

impl Jumping {
    /// As the machine's own.
    pub fn new() -> Jumping {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = short_folder().join(format!("clock-{}-{number}", std::process::id()));
        make_folder(&folder);
        let clock = Jumping { folder };
        clock.ahead(0);
        clock
    }

    /// So many seconds ahead of the machine's own from now on; behind it, where that is less than none.
    pub fn ahead(&self, seconds: i64) {
        let (new, place) = (self.folder.join("new"), self.file());
        fs::write(&new, format!("{seconds:+}\n")).expect("a file");
        // PostgreSQL may run as somebody else.
        fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).expect("its mode");
        fs::rename(new, place).expect("the file");
    }

    /// What a program is run with to go by it.
    pub fn variables(&self) -> Vec<(String, String)> {
        let all = [
            ("LD_PRELOAD", library().display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("FAKETIME_DISABLE_SHM", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ];
        all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn file(&self) -> PathBuf {
        self.folder.join("time")
    }
}

impl Drop for Jumping {
    fn drop(&mut self) {
        let _best_effort = fs::remove_dir_all(&self.folder);
    }
}

fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let all = folders.chain([PathBuf::from("/usr/lib")]).map(|path| path.join("faketime/libfaketime.so.1"));
    all.into_iter().find(|path| path.exists()).expect("libfaketime: install it, or run .ci/setup")
}
