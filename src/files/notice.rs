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
    /// What was asked for last.
    paths: Vec<PathBuf>,
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
        Ok(Self { watcher, paths: Vec::new(), listened: BTreeMap::new(), meant })
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
        let is_stale = || self.meant.lock().unwrap_or_else(PoisonError::into_inner).is_stale;
        if self.paths == paths && !is_stale() {
            return Ok(false);
        }
        paths.clone_into(&mut self.paths);
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
        // One below another that is listened to with all below it would be taken out of that.
        let whole: Vec<PathBuf> = wanted
            .iter()
            .filter(|(_, own)| own.how == RecursiveMode::Recursive)
            .map(|(path, _)| path.clone())
            .collect();
        wanted.retain(|path, own| {
            own.how == RecursiveMode::Recursive || !whole.iter().any(|above| path.starts_with(above))
        });
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
mod tests;
