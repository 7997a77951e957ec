//! Notices that files change: by what the operating system says, and by what a look at names, sizes and times shows. Nothing
//! is read. What the system says may be lost, so a look is what counts, and an event only makes it come sooner.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::model::Digest;
use crate::model::digest::DigestWriter;

/// Folders of these names are never looked into: what is in there is ours, or git's.
const OUTSIDE: [&str; 2] = [".synthex", ".git"];

/// What can be seen of files without reading them: which there are, how large they are, and when they were last written.
#[must_use]
pub fn appearance(paths: &[PathBuf]) -> Digest {
    let mut writer = DigestWriter::default();
    for path in paths {
        let walk = ignore::WalkBuilder::new(path)
            .standard_filters(false)
            .follow_links(true)
            .sort_by_file_path(Ord::cmp)
            .filter_entry(|entry| !is_outside(entry.path()))
            .build();
        for entry in walk.flatten() {
            writer.field(entry.path().as_os_str().as_encoded_bytes());
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                continue;
            }
            writer.field(&metadata.len().to_le_bytes());
            #[cfg(unix)]
            {
                use std::os::unix::fs::MetadataExt as _;
                writer.field(&metadata.ino().to_le_bytes());
                writer.field(&metadata.mtime().to_le_bytes());
                writer.field(&metadata.mtime_nsec().to_le_bytes());
            }
            #[cfg(not(unix))]
            if let Ok(time) = metadata.modified() {
                writer.field(format!("{time:?}").as_bytes());
            }
        }
    }
    writer.finish()
}

fn is_outside(path: &Path) -> bool {
    path.file_name().is_some_and(|name| OUTSIDE.iter().any(|own| name == *own))
}

/// Hears of changes below some paths for as long as it lives.
pub struct Noticing {
    watcher: RecommendedWatcher,
    paths: BTreeSet<PathBuf>,
    /// What is meant, without links: folders with all below them, and files.
    meant: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Noticing {
    /// Hears nothing yet. `heard` is called from another thread, for each change.
    ///
    /// # Errors
    /// The operating system offers nothing of the kind, or no more of it.
    pub fn new(heard: impl Fn() + Send + 'static) -> Result<Self, String> {
        let meant = Arc::<Mutex<BTreeSet<PathBuf>>>::default();
        let known = Arc::clone(&meant);
        // A file is heard of through its folder, where others may be written all the time: a log of our own, for one.
        let is_meant = move |path: &PathBuf| {
            let is_ours = path.iter().any(|step| OUTSIDE.iter().any(|own| step == *own));
            let known = known.lock().unwrap_or_else(PoisonError::into_inner);
            !is_ours && known.iter().any(|own| path.starts_with(own))
        };
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // What cannot be told is looked at.
            let matters = event.is_ok_and(|event| {
                !matches!(event.kind, EventKind::Access(_))
                    && (event.paths.is_empty() || event.paths.iter().any(&is_meant))
            });
            if matters {
                heard();
            }
        });
        Ok(Self { watcher: watcher.map_err(|error| error.to_string())?, paths: BTreeSet::new(), meant })
    }

    /// Listens to these paths, folders with all below them, and to no others. A file is listened to through its folder:
    /// editors replace files.
    ///
    /// # Errors
    /// Some cannot be listened to; the first reason.
    pub fn listen_to(&mut self, paths: &[PathBuf]) -> Result<(), String> {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let paths: Vec<PathBuf> = paths.iter().map(absolute).collect();
        let paths = paths.as_slice();
        // What is replaced has no real path for a moment; then its own one is what events name.
        let real = paths.iter().filter_map(|path| path.canonicalize().ok());
        *self.meant.lock().unwrap_or_else(PoisonError::into_inner) =
            paths.iter().cloned().chain(real).collect();
        let mut wanted: BTreeSet<PathBuf> = BTreeSet::new();
        for path in paths {
            let folder =
                if path.is_dir() { path.clone() } else { path.parent().unwrap_or(path).to_path_buf() };
            wanted.insert(if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder });
        }
        for path in self.paths.difference(&wanted) {
            // It may be gone, and then nobody listens any more.
            let _ = self.watcher.unwatch(path);
        }
        let mut problem = Ok(());
        for path in wanted.difference(&self.paths) {
            let is_below = |own: &Path| paths.iter().any(|path| path.is_dir() && own.starts_with(path));
            let how = if is_below(path) { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            if let Err(error) = self.watcher.watch(path, how) {
                problem = problem.and(Err(format!("{}: {error}", path.display())));
            }
        }
        self.paths = wanted;
        problem
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_look_shows_every_change_without_reading() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let paths = [folder.path().to_path_buf()];
        std::fs::create_dir_all(at("manifests/a")).unwrap();
        std::fs::write(at("manifests/a/x.yaml"), "one").unwrap();
        let mut seen = vec![appearance(&paths)];
        assert_eq!(seen[0], appearance(&paths));
        std::fs::write(at("manifests/a/x.yaml"), "three").unwrap();
        seen.push(appearance(&paths));
        std::fs::write(at("manifests/y.yaml"), "").unwrap();
        seen.push(appearance(&paths));
        std::fs::rename(at("manifests/y.yaml"), at("manifests/z.yaml")).unwrap();
        seen.push(appearance(&paths));
        std::fs::remove_file(at("manifests/z.yaml")).unwrap();
        std::fs::write(at("manifests/new"), "three").unwrap();
        std::fs::rename(at("manifests/new"), at("manifests/a/x.yaml")).unwrap();
        seen.push(appearance(&paths));
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 5);
        let before = appearance(&paths);
        std::fs::create_dir_all(at(".synthex")).unwrap();
        std::fs::write(at(".synthex/cache"), "ours").unwrap();
        assert_eq!(before, appearance(&paths), "what is ours does not count");
    }

    #[test]
    fn a_file_that_is_replaced_is_heard_of_and_what_is_ours_is_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join(".synthex")).unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let heard = Arc::clone(&count);
        let mut noticing = Noticing::new(move || {
            heard.fetch_add(1, Ordering::SeqCst);
        })
        .unwrap();
        let manifests = folder.path().join("manifests");
        std::fs::create_dir_all(&manifests).unwrap();
        std::fs::write(folder.path().join("synthex.yaml"), "x").unwrap();
        noticing.listen_to(&[folder.path().join("synthex.yaml"), manifests.clone()]).unwrap();
        std::fs::write(folder.path().join(".synthex/cache"), "ours").unwrap();
        std::fs::write(folder.path().join("watch.log"), "a line").unwrap();
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(count.load(Ordering::SeqCst), 0);
        std::fs::write(manifests.join("new"), "x").unwrap();
        std::fs::rename(manifests.join("new"), manifests.join("x.yaml")).unwrap();
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while count.load(Ordering::SeqCst) == 0 && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(count.load(Ordering::SeqCst) > 0);
    }
}
