//! Tests of what is heard of changes, and of what is seen.

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
    for (release, link) in [("2", "current"), ("3", "current"), ("2", "map/..data"), ("3", "map/..data")] {
        let target = if link == "current" { PathBuf::from(release) } else { Path::new("..").join(release) };
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

#[test]
fn a_folder_between_two_that_are_listened_to_is_not_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let between = folder.path().join("manifests/overlays");
    std::fs::create_dir_all(between.join("prod")).unwrap();
    let (mut noticing, count) = noticing();
    let paths = [folder.path().join("manifests"), between.join("prod")];
    assert_eq!(noticing.listen_to(&paths), Ok(true));
    hears(&count, || std::fs::create_dir(between.join("new")).unwrap());
    noticing.listen_to(&paths).unwrap();
    hears(&count, || std::fs::write(between.join("new/x.yaml"), "x").unwrap());
}
