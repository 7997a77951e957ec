//! The invariants of `docs/architecture.md` that the compiler does not know, checked on the source text.
//!
//! Each check is a function from the tree to a list of violations, `file:line: what is wrong and what to do`.
//! Every check is also run on samples that break its rule (`selftest`): a check that could not fail is a defect.
//! Nothing here understands Rust in full: comments and string literals are blanked, paths are followed by their text.
//! What needs types (a renamed import, a method call) is `clippy.toml`'s part.

mod calls;
mod crates;
mod imports;
mod paths;
mod selftest;
mod source;
mod structure;

use source::Tree;

/// A check of the whole tree; an empty list is a pass.
type Check = fn(&Tree) -> Vec<String>;

#[track_caller]
fn holds(check: Check) {
    let tree = Tree::of_this_repository();
    let violations = check(&tree);
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

#[test]
fn the_tree_was_really_read() {
    let tree = Tree::of_this_repository();
    for path in ["src/main.rs", "src/lib.rs", "tests/it/tidy.rs", "tests/it/tidy/selftest.rs", "Cargo.toml"] {
        assert!(tree.find(path).is_some(), "{path} was not found: the other checks would pass on nothing");
    }
}

#[test]
fn imports_follow_the_layers() {
    holds(imports::layers);
}

#[test]
fn kinds_do_not_know_each_other() {
    holds(imports::kinds_are_apart);
}

#[test]
fn external_crates_stay_in_their_home() {
    holds(crates::homes);
}

#[test]
fn pure_modules_are_pure() {
    holds(crates::purity);
}

#[test]
fn forbidden_calls_are_absent() {
    holds(calls::forbidden);
}

#[test]
fn files_are_short() {
    holds(|tree| structure::length(tree, structure::TOO_LONG));
}

#[test]
fn module_names_say_something() {
    holds(structure::names);
}

#[test]
fn modules_say_why_they_exist() {
    holds(structure::module_docs);
}

#[test]
fn every_kind_is_registered() {
    holds(structure::kinds_are_registered);
}

#[test]
fn no_file_names_somebodys_machine() {
    holds(structure::machine_paths);
}
