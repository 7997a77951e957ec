//! Notices that files change: by what the operating system says, and by what a look at names, sizes and times shows. Nothing
//! is read. What the system says may be lost, so a look is what counts, and an event only makes it come sooner.

use std::collections::{BTreeMap, BTreeSet};
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

/// What events are compared with. All paths are those that the operating system knows, without links on the way.
#[derive(Default)]
struct Meant {
    /// Folders with all below them, and files.
    roots: BTreeSet<PathBuf>,
    /// Links on the way to them, which may be replaced.
    links: BTreeSet<PathBuf>,
    /// Whether a folder, or what leads to it, may be another one than the one that is listened to.
    is_stale: bool,
}

impl Meant {
    /// Whether something that happened to a path matters.
    fn hears(&mut self, path: &Path) -> bool {
        if path.iter().any(|step| OUTSIDE.iter().any(|own| step == *own)) {
            return false;
        }
        let leads_there = self.links.contains(path) || self.roots.iter().any(|own| own.starts_with(path));
        let is_below = self.roots.iter().any(|own| path.starts_with(own));
        // A link below a folder may lead elsewhere now.
        self.is_stale |= leads_there || is_below && path.is_symlink();
        leads_there || is_below
    }
}

/// Hears of changes below some paths for as long as it lives.
pub struct Noticing {
    watcher: RecommendedWatcher,
    listened: BTreeMap<PathBuf, Listened>,
    meant: Arc<Mutex<Meant>>,
}

impl Noticing {
    /// Hears nothing yet. `heard` is called from another thread, for each change.
    ///
    /// # Errors
    /// The operating system offers nothing of the kind, or no more of it.
    pub fn new(heard: impl Fn() + Send + 'static) -> Result<Self, String> {
        let meant = Arc::<Mutex<Meant>>::default();
        let known = Arc::clone(&meant);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            let matters = match event {
                Ok(event) if matches!(event.kind, EventKind::Access(_)) => false,
                // A file is heard of through its folder, where others may be written all the time: a log of our own, for one.
                Ok(event) if !event.paths.is_empty() => {
                    event.paths.iter().filter(|path| known.hears(path)).count() > 0
                }
                // What was lost, or cannot be told, is looked at.
                Ok(_) | Err(_) => {
                    known.is_stale = true;
                    true
                }
            };
            drop(known);
            if matters {
                heard();
            }
        });
        let watcher = watcher.map_err(|error| error.to_string())?;
        Ok(Self { watcher, listened: BTreeMap::new(), meant })
    }

    /// Listens to these paths, folders with all below them, and to no others; to be called again whenever something was heard,
    /// since a folder that is replaced is another one. Returns whether it listens to something now that it may not have
    /// listened to before: what happened there in between was not heard.
    ///
    /// A file is listened to through its folder: editors replace files. What is replaced as a whole is noticed in the folder
    /// that it is in: a folder, and a link on the way, as a ConfigMap has them.
    ///
    /// # Errors
    /// Some cannot be listened to; the first reason.
    pub fn listen_to(&mut self, paths: &[PathBuf]) -> Result<bool, String> {
        let mut meant = Meant::default();
        let mut wanted: BTreeMap<PathBuf, Listened> = BTreeMap::new();
        for path in paths {
            let (real, links) = resolved(path);
            let is_folder = real.is_dir();
            if is_folder {
                wanted.insert(real.clone(), Listened::new(&real, RecursiveMode::Recursive, true));
            }
            for place in links.iter().chain([&real]) {
                // Where that folder is not there either, its coming is noticed in one that is.
                let Some(folder) = place.ancestors().skip(1).find(|folder| folder.is_dir()) else { continue };
                let is_needed = place == &real && !is_folder;
                let own = Listened::new(folder, RecursiveMode::NonRecursive, is_needed);
                wanted.entry(folder.to_path_buf()).or_insert(own);
            }
            meant.links.extend(links);
            meant.roots.insert(real);
        }
        let was_stale = {
            let mut known = self.meant.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *known, meant).is_stale
        };
        if !was_stale && self.listened == wanted {
            return Ok(false);
        }
        for path in self.listened.keys() {
            // It may be gone, and then nobody listens any more.
            let _ = self.watcher.unwatch(path);
        }
        let mut outcome = Ok(true);
        for (path, own) in &wanted {
            if let Err(error) = self.watcher.watch(path, own.how)
                && own.is_needed
            {
                outcome = outcome.and(Err(format!("{}: {error}", path.display())));
            }
        }
        self.listened = wanted;
        outcome
    }
}

/// How a folder is listened to, and which one it was.
#[derive(PartialEq, Eq)]
struct Listened {
    how: RecursiveMode,
    /// Whether changes of files go unheard without it.
    is_needed: bool,
    identity: Option<(u64, u64)>,
}

impl Listened {
    fn new(folder: &Path, how: RecursiveMode, is_needed: bool) -> Self {
        Self { how, is_needed, identity: identity(folder) }
    }
}

/// A path without links on the way, as far as it is there, and the links that were on the way.
fn resolved(path: &Path) -> (PathBuf, Vec<PathBuf>) {
    /// As many as the operating system follows.
    const MOST_LINKS: usize = 40;
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let steps =
        |path: &Path| path.components().rev().map(|step| step.as_os_str().to_owned()).collect::<Vec<_>>();
    let (mut real, mut links, mut ahead) = (PathBuf::new(), Vec::new(), steps(&path));
    while let Some(step) = ahead.pop() {
        match step.to_str() {
            Some(".") => continue,
            Some("..") => {
                real.pop();
                continue;
            }
            _ => real.push(step),
        }
        if links.len() < MOST_LINKS
            && let Ok(target) = std::fs::read_link(&real)
        {
            links.push(real.clone());
            real.pop();
            ahead.extend(steps(&target));
        }
    }
    (real, links)
}

/// Which file or folder it is, however it is named; `None` where there is none.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        Some((0, 0))
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
        let (mut noticing, count) = noticing();
        let manifests = folder.path().join("manifests");
        std::fs::create_dir_all(&manifests).unwrap();
        std::fs::write(folder.path().join("synthex.yaml"), "x").unwrap();
        noticing.listen_to(&[folder.path().join("synthex.yaml"), manifests.clone()]).unwrap();
        std::fs::write(folder.path().join(".synthex/cache"), "ours").unwrap();
        std::fs::write(folder.path().join("watch.log"), "a line").unwrap();
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(count.load(Ordering::SeqCst), 0);
        hears(&count, || {
            std::fs::write(manifests.join("new"), "x").unwrap();
            std::fs::rename(manifests.join("new"), manifests.join("x.yaml")).unwrap();
        });
    }

    /// Does something, and waits until it is heard, and until all of it was.
    #[track_caller]
    fn hears(count: &AtomicUsize, work: impl FnOnce()) {
        let before = count.load(Ordering::SeqCst);
        work();
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while count.load(Ordering::SeqCst) == before && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(count.load(Ordering::SeqCst) > before);
        std::thread::sleep(Duration::from_millis(200));
    }

    fn noticing() -> (Noticing, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let heard = Arc::clone(&count);
        let noticing = Noticing::new(move || {
            heard.fetch_add(1, Ordering::SeqCst);
        });
        (noticing.unwrap(), count)
    }

    #[test]
    fn a_folder_that_is_made_anew_is_listened_to_again() {
        let folder = tempfile::tempdir().unwrap();
        let manifests = folder.path().join("project/manifests");
        std::fs::create_dir_all(&manifests).unwrap();
        let (mut noticing, count) = noticing();
        let paths = [manifests.clone()];
        assert_eq!(noticing.listen_to(&paths), Ok(true));
        assert_eq!(noticing.listen_to(&paths), Ok(false));
        // Removed and made again, at once and with a look in between.
        for looks_between in [false, true] {
            hears(&count, || std::fs::remove_dir_all(&manifests).unwrap());
            if looks_between {
                noticing.listen_to(&paths).unwrap();
            }
            hears(&count, || std::fs::create_dir(&manifests).unwrap());
            assert_eq!(noticing.listen_to(&paths), Ok(true));
            hears(&count, || std::fs::write(manifests.join("x.yaml"), "x").unwrap());
        }
        // Put in its place by a rename, and the folder around it too.
        let project = folder.path().join("project");
        for place in [&manifests, &project] {
            let (new, old) = (folder.path().join("new"), folder.path().join("old"));
            std::fs::create_dir_all(new.join("manifests")).unwrap();
            hears(&count, || {
                std::fs::rename(place, &old).unwrap();
                std::fs::rename(&new, place).unwrap();
            });
            noticing.listen_to(&paths).unwrap();
            std::fs::create_dir_all(&manifests).unwrap();
            noticing.listen_to(&paths).unwrap();
            hears(&count, || std::fs::write(manifests.join("y.yaml"), "x").unwrap());
            std::fs::remove_dir_all(&old).unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_elsewhere_is_followed() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for release in ["1", "2", "3"] {
            std::fs::create_dir_all(at(release).join("manifests")).unwrap();
            std::fs::write(at(release).join("synthex.yaml"), release).unwrap();
        }
        // As releases are put in force, and as a ConfigMap shows its files.
        symlink("1", at("current")).unwrap();
        std::fs::create_dir(at("map")).unwrap();
        symlink("../1", at("map/..data")).unwrap();
        symlink("..data/synthex.yaml", at("map/synthex.yaml")).unwrap();
        let (mut noticing, count) = noticing();
        let paths = [at("current/manifests"), at("map/synthex.yaml")];
        assert_eq!(noticing.listen_to(&paths), Ok(true));
        for (release, link) in [("2", "current"), ("3", "current"), ("2", "map/..data"), ("3", "map/..data")]
        {
            let target =
                if link == "current" { PathBuf::from(release) } else { Path::new("..").join(release) };
            hears(&count, || {
                symlink(target, at("next")).unwrap();
                std::fs::rename(at("next"), at(link)).unwrap();
            });
            assert_eq!(noticing.listen_to(&paths), Ok(true), "{link}");
            hears(&count, || match link {
                "current" => std::fs::write(at(release).join("manifests/x.yaml"), "x").unwrap(),
                _ => std::fs::write(at(release).join("synthex.yaml"), "x").unwrap(),
            });
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_on_the_way_are_found() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        symlink("a/../c", root.join("d")).unwrap();
        symlink(root.join("a"), root.join("c")).unwrap();
        let (real, links) = resolved(&root.join("d/b/new"));
        assert_eq!((real, links), (root.join("a/b/new"), vec![root.join("d"), root.join("c")]));
        // One that leads to itself ends too.
        symlink("loop", root.join("loop")).unwrap();
        assert!(resolved(&root.join("loop")).1.len() <= 40);
    }
}
