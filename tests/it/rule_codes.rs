//! The catalogue of rule codes against the source text: each code that can be shown has an explanation, and each explanation
//! is of a code that can be shown.

use std::collections::BTreeSet;
use std::path::Path;

use synthex::report::codes::RULES;

/// Explained, and not shown by anything yet; each with the reason.
const NOT_YET: &[(&str, &str)] = &[];

#[test]
fn every_code_in_the_source_is_explained_and_every_explanation_is_used() {
    let mut used = BTreeSet::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut used);
    assert!(used.len() > 50, "only {} codes were found: the search itself is broken", used.len());
    let explained: BTreeSet<String> = RULES.iter().map(|rule| rule.code.to_owned()).collect();
    let missing: Vec<_> = used.difference(&explained).collect();
    assert!(missing.is_empty(), "without an explanation in src/report/codes: {missing:?}");
    let waiting: BTreeSet<String> = NOT_YET.iter().map(|(code, _)| (*code).to_owned()).collect();
    let unused: Vec<_> = explained.difference(&used).filter(|code| !waiting.contains(*code)).collect();
    assert!(unused.is_empty(), "explained and used nowhere: {unused:?}");
    let needless: Vec<_> = waiting.intersection(&used).collect();
    assert!(needless.is_empty(), "in use after all, remove them from NOT_YET: {needless:?}");
}

/// The string literals of the form `"SX0000"` in all sources but the catalogue and tests.
fn collect(folder: &Path, used: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry of a folder").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !path.ends_with("report/codes") && name != "tests" {
                collect(&path, used);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = std::fs::read_to_string(&path).expect("a source file");
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            used.extend(code.split('"').filter(|part| is_code(part)).map(str::to_owned));
        }
    }
}

fn is_code(part: &str) -> bool {
    part.len() == 6 && part.starts_with("SX") && part[2..].bytes().all(|byte| byte.is_ascii_digit())
}
