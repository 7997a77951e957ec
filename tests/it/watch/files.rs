//! Files that are replaced in the ways of editors, `git checkout`, releases and Kubernetes are seen when that happens: the
//! next look by the clock is an hour away.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use crate::support::cli::Running;
use crate::support::estate::Estate;

use super::{comes_true, condition, display_name, is_ready};

/// A controller that looks at files only when it hears of a change, in another folder than the project's.
fn start(estate: &Estate, file: &str) -> Running {
    let args = ["watch", "--no-notify", "--interval", "1h", "--tasks", "reconcile", "--file", file];
    estate.synthex(&args).limit(Duration::from_secs(240)).spawn()
}

/// Saves another name, and waits until it is in force.
#[track_caller]
fn saved(estate: &Estate, path: &str, name: &str) {
    let text = estate.project.read(path);
    let from = text.find("displayName: ").expect("a name");
    let line = text[from..].lines().next().expect("a line").to_owned();
    estate.project.write(path, text.replace(&line, &format!("displayName: {name}")));
    comes_true(name, || display_name(estate, "T1").as_deref() == Some(name));
}

#[test]
fn a_folder_that_is_made_anew_is_looked_at_again() {
    let estate = Estate::new("watch_folder_anew");
    let _controller = start(&estate, "synthex.yaml");
    is_ready(&estate);
    let at = |name: &str| estate.project.path().join(name);
    let files = || fs::read_dir(at("manifests")).expect("a folder").flatten().map(|entry| entry.path());
    // Removed, noticed, and written again.
    let kept: Vec<(String, String)> = files()
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(path).expect("a manifest"))
        })
        .collect();
    fs::remove_dir_all(at("manifests")).expect("gone");
    comes_true("that it is gone", || condition(&estate, "Ready") == "False InvalidManifest");
    for (name, text) in &kept {
        estate.project.write(&format!("manifests/{name}"), text);
    }
    is_ready(&estate);
    saved(&estate, "manifests/T1.yaml", "After it was made again");
    // Put in its place by a rename.
    fs::create_dir(at("new")).expect("a folder");
    for path in files() {
        fs::copy(&path, at("new").join(path.file_name().expect("a name"))).expect("a copy");
    }
    fs::rename(at("manifests"), at("old")).expect("aside");
    fs::rename(at("new"), at("manifests")).expect("in its place");
    saved(&estate, "manifests/T1.yaml", "After the rename");
    saved(&estate, "manifests/T1.yaml", "And once more");
}

#[test]
fn a_link_that_leads_to_another_release_is_followed() {
    let estate = Estate::new("watch_release");
    let at = |name: &str| estate.project.path().join(name);
    let copied = |release: &str| {
        fs::create_dir_all(at(release).join("manifests")).expect("a folder");
        fs::copy(at("synthex.yaml"), at(release).join("synthex.yaml")).expect("a copy");
        for entry in fs::read_dir(at("manifests")).expect("a folder").flatten() {
            fs::copy(entry.path(), at(release).join("manifests").join(entry.file_name())).expect("a copy");
        }
    };
    copied("r1");
    symlink("r1", at("current")).expect("a link");
    let _controller = start(&estate, "current/synthex.yaml");
    is_ready(&estate);
    for release in ["r2", "r3"] {
        estate.edit("T1.yaml", "displayName: ", &format!("displayName: {release} "));
        copied(release);
        symlink(release, at("next")).expect("a link");
        fs::rename(at("next"), at("current")).expect("in its place");
        comes_true(release, || display_name(&estate, "T1").is_some_and(|name| name.starts_with(release)));
        saved(&estate, &format!("{release}/manifests/T1.yaml"), &format!("Saved in {release}"));
    }
}

#[test]
fn a_config_map_that_changes_is_seen() {
    let estate = Estate::new("watch_config_map");
    let at = |name: &str| estate.project.path().join(name);
    let names: Vec<_> =
        fs::read_dir(at("manifests")).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    let version = |name: &str, tenant: &str| {
        fs::create_dir_all(at("mounted").join(name)).expect("a folder");
        for file in &names {
            let text = fs::read_to_string(at("manifests").join(file)).expect("a manifest");
            let text = text.replace("displayName: T1", &format!("displayName: {tenant}"));
            fs::write(at("mounted").join(name).join(file), text).expect("a manifest");
        }
        symlink(name, at("mounted/..data_tmp")).expect("a link");
        fs::rename(at("mounted/..data_tmp"), at("mounted/..data")).expect("in its place");
    };
    version("..1", "One");
    for file in &names {
        symlink(std::path::Path::new("..data").join(file), at("mounted").join(file)).expect("a link");
    }
    estate.edit_project("workspace: w,", "workspace: w, manifests: [mounted],");
    let _controller = start(&estate, "synthex.yaml");
    is_ready(&estate);
    assert_eq!(display_name(&estate, "T1").as_deref(), Some("One"));
    for (number, tenant) in [("..2", "Two"), ("..3", "Three"), ("..4", "Four")] {
        version(number, tenant);
        comes_true(tenant, || display_name(&estate, "T1").as_deref() == Some(tenant));
    }
}
