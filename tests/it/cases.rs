//! Manifests that are right and manifests that are wrong: `tests/cases/manifests/{valid,invalid}`, and some made here.
//!
//! A case is a file or a folder. An invalid one is named `CODE.what_is_wrong`; the code must be among its diagnostics, and
//! beside it lies `NAME.expected` with all of them. A name that ends in `.several` promises more than one. Beside a valid one
//! lie the resources it declares. `SYNTHEX_UPDATE=1` writes the `.expected` files; read what changed.

mod harness;
mod layers;
mod nasty;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use harness::{Case, cases, rendered, run, run_in_order};

/// Codes that no case can reach, with the reason.
const OUT_OF_REACH: &[(&str, &str)] = &[
    ("SX0111", "needs a file of 4 GiB"),
    ("SX0190", "would be a defect: the schema allows what the type does not"),
];

/// What stands for a secret in the cases. It may be in a file, never in a diagnostic.
const CANARY: &str = "canary";

#[test]
fn invalid_manifests_are_refused_as_expected() {
    let mut failures = Vec::new();
    for case in cases("invalid") {
        let outcome = run(&case.files);
        let diagnostics = &outcome.diagnostics;
        let code = case.name.split('.').next().unwrap_or_default();
        let text = rendered(diagnostics);
        let codes: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        let mut wrong = |what: &str| failures.push(format!("{}: {what}\n{text}", case.name));
        if !codes.contains(&code) {
            wrong(&format!("{code} is not among the diagnostics"));
        }
        if codes.contains(&"SX0190") {
            wrong("the schema allows what the type does not");
        }
        if case.name.ends_with(".several") && diagnostics.len() < 2 {
            wrong("more than one problem was promised");
        }
        if format!("{diagnostics:?}").contains(CANARY) {
            wrong("a secret is shown");
        }
        if let Some(bad) = diagnostics.iter().find(|diagnostic| !is_placed(&case, diagnostic)) {
            wrong(&format!("the place is not in the file: {:?}", bad.position));
        }
        case.compare(&text, &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn is_placed(case: &Case, diagnostic: &synthex::model::Diagnostic) -> bool {
    let Some(position) = &diagnostic.position else { return false };
    let Some(bytes) = case.files.get(&*position.file) else { return position.file.ends_with("w.yaml") };
    let lines = bytes.split(|byte| *byte == b'\n').count();
    position.line >= 1 && position.column >= 1 && position.line as usize <= lines
}

#[test]
fn valid_manifests_declare_what_is_expected() {
    let mut failures = Vec::new();
    for case in cases("valid") {
        let outcome = run(&case.files);
        if !outcome.diagnostics.is_empty() {
            failures.push(format!("{} is valid, but:\n{}", case.name, rendered(&outcome.diagnostics)));
        }
        case.compare(&outcome.entries, &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn neither_threads_nor_the_order_of_files_change_the_outcome() {
    for case in cases("valid").into_iter().chain(cases("invalid")) {
        let forward: Vec<&String> = case.files.keys().collect();
        let one = run_in_order(&case.files, &forward, 1);
        let many = run_in_order(&case.files, &forward, 4);
        assert_eq!(rendered(&one.diagnostics), rendered(&many.diagnostics), "{}", case.name);
        if one.diagnostics.is_empty() {
            let backward: Vec<&String> = forward.iter().rev().copied().collect();
            let turned = run_in_order(&case.files, &backward, 4);
            assert_eq!((one.digest, one.entries), (turned.digest, turned.entries), "{}", case.name);
        }
    }
}

#[test]
fn every_code_has_a_case() {
    let mut in_source = BTreeSet::new();
    for module in ["manifest", "kinds", "model"] {
        collect_codes(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module), &mut in_source);
    }
    assert!(in_source.len() > 30, "the source was not read: {in_source:?}");
    let named: BTreeSet<String> =
        cases("invalid").iter().filter_map(|case| case.name.split('.').next().map(str::to_owned)).collect();
    let out_of_reach: BTreeSet<String> = OUT_OF_REACH.iter().map(|(code, _)| (*code).to_owned()).collect();
    let without: Vec<_> =
        in_source.iter().filter(|code| !named.contains(*code) && !out_of_reach.contains(*code)).collect();
    assert!(without.is_empty(), "no case in tests/cases/manifests/invalid for {without:?}");
    let unknown: Vec<_> = named.union(&out_of_reach).filter(|code| !in_source.contains(*code)).collect();
    assert!(unknown.is_empty(), "no code gives {unknown:?}");
}

/// The rule codes, `"SX` and four digits, in the Rust files below a folder; unit tests excepted.
fn collect_codes(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of the source") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect_codes(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for part in text.split("\"SX").skip(1) {
            if let Some(digits) =
                part.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            {
                found.insert(format!("SX{digits}"));
            }
        }
    }
}
