//! The direction of imports: the table in `docs/architecture.md`, as data.

use std::collections::BTreeMap;

use super::paths;
use super::source::Tree;
use super::structure::{KIND_HELPERS, kind_files};

/// What each top-level module may refer to. Whatever is not listed is forbidden; nobody may use `cli` but `main`.
const LAYERS: &[(&str, &[&str])] = &[
    // Pure
    ("model", &[]),
    ("kinds", &["model"]),
    ("manifest", &["model", "kinds"]),
    ("plan", &["model", "kinds"]),
    ("alerts", &["model", "kinds"]),
    ("report", &["model", "kinds", "plan", "alerts"]),
    // Asynchronous, over traits of its own
    ("engine", &["model", "kinds", "manifest", "plan", "alerts", "report"]),
    // Edges: each talks to one outside thing, and none to another
    ("http", &["model"]),
    ("store", &["model", "kinds", "plan", "alerts", "engine"]),
    ("files", &["model", "kinds", "plan", "engine"]),
    ("providers", &["model", "kinds", "plan", "alerts", "engine", "http"]),
    // What a channel sends is a rendering.
    ("channels", &["model", "kinds", "plan", "alerts", "report", "engine", "http"]),
    ("watch", &["model", "kinds", "manifest", "plan", "alerts", "report", "engine", "files"]),
    (
        "cli",
        &[
            "model",
            "kinds",
            "manifest",
            "plan",
            "alerts",
            "report",
            "engine",
            "http",
            "store",
            "files",
            "providers",
            "channels",
            "watch",
        ],
    ),
    // The roots: the library lists its modules, the binary calls the command line.
    ("lib", &[]),
    ("main", &["cli"]),
];

fn allowed(top: &str) -> Option<&'static [&'static str]> {
    LAYERS.iter().find(|(name, _)| *name == top).map(|(_, allowed)| *allowed)
}

/// Every reference from one module to another follows the table.
pub(crate) fn layers(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for file in tree.sources() {
        let top = file.top();
        let Some(allowed) = allowed(&top) else {
            violations.push(
                file.at(1, &format!("module `{top}` has no rule in LAYERS (tests/it/tidy/imports.rs)")),
            );
            continue;
        };
        for path in paths::of(file) {
            let Some(absolute) = path.in_crate(file) else {
                continue;
            };
            let target = absolute.first().map_or("", String::as_str);
            if target == top || (top == "lib" && path.segments[0] == "self") {
                continue;
            }
            let known = LAYERS.iter().any(|(name, _)| *name == target && !matches!(*name, "lib" | "main"));
            if !known {
                let message =
                    format!("`{}` goes through the crate's root: name the module it lives in", path.text());
                violations.push(file.at(path.line, &message));
            } else if !allowed.contains(&target) {
                violations
                    .push(file.at(path.line, &format!("`{top}` may not use `{target}` (`{}`)", path.text())));
            }
        }
    }
    violations
}

/// A kind's file refers to no other kind's file: what two kinds share is in `model`, or goes through the registry.
pub(crate) fn kinds_are_apart(tree: &Tree) -> Vec<String> {
    let kinds = kinds_by_name(tree);
    let mut violations = Vec::new();
    for file in tree.sources().filter(|file| file.top() == "kinds") {
        let module = file.module();
        let own = module.get(1).cloned().unwrap_or_default();
        if own.is_empty() || KIND_HELPERS.contains(&own.as_str()) {
            continue;
        }
        for path in paths::of(file) {
            let Some(absolute) = path.in_crate(file) else {
                continue;
            };
            let [top, other, ..] = absolute.as_slice() else {
                continue;
            };
            let kind = if other == "*" { Some(other) } else { kinds.get(other) };
            if let Some(kind) = kind.filter(|kind| top == "kinds" && **kind != own) {
                let message =
                    format!("kind `{own}` uses kind `{kind}` (`{}`): go through the registry", path.text());
                violations.push(file.at(path.line, &message));
            }
        }
    }
    violations
}

/// The kinds by the name of their module and by what `src/kinds/mod.rs` exports of them.
fn kinds_by_name(tree: &Tree) -> BTreeMap<String, String> {
    let mut names: BTreeMap<String, String> =
        kind_files(tree).map(|(name, _)| (name.clone(), name)).collect();
    for path in tree.find("src/kinds/mod.rs").map(paths::of).unwrap_or_default() {
        let kind = path.segments.iter().find_map(|segment| names.get(segment).cloned());
        if let (Some(kind), Some(exported)) = (kind, path.segments.last()) {
            names.insert(exported.clone(), kind);
        }
    }
    names
}
