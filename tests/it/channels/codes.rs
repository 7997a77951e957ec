//! The codes of failures are stable words, and all of them are in the documentation.

use std::collections::BTreeSet;
use std::path::Path;

/// What looks like a code in the source, and is none.
const NO_CODES: [&str; 6] =
    ["whsec_", "webhook_url", "signing_secret", "api_key", "synthex_delivery", "custom_args"];

/// The words in `text` that a call or an arm begins with: `Failure::transient("timeout", ..)`, `408 => ("request_timeout", ..)`;
/// and all words with an underscore that stand alone.
fn words(text: &str, found: &mut BTreeSet<String>) {
    // Tests have words of their own.
    let text = text.split("#[cfg(test)]").next().unwrap();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('"') {
        let Some((word, after)) = behind.split_once('"') else { break };
        let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let before = before.trim_end();
        let is_first = ["transient(", "permanent(", "=> ("].iter().any(|call| before.ends_with(call));
        if is_word && (is_first || word.contains('_')) && !NO_CODES.contains(&word) {
            found.insert(word.to_owned());
        }
        rest = after;
    }
}

fn read(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, found);
        } else if !path.ends_with("tests.rs") {
            words(&std::fs::read_to_string(&path).unwrap(), found);
        }
    }
}

#[test]
fn every_code_of_a_failure_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut codes = BTreeSet::new();
    read(&root.join("src/channels"), &mut codes);
    for file in ["judge.rs", "channel.rs", "worker.rs"] {
        words(&std::fs::read_to_string(root.join("src/engine/delivery").join(file)).unwrap(), &mut codes);
    }
    assert!(codes.len() > 50 && codes.contains("unknown_outcome") && codes.contains("gone"), "{codes:?}");
    // What an event is called is no code.
    codes.remove("delivery_failed");
    let page = std::fs::read_to_string(root.join("docs/channels.md")).unwrap();
    let table = page.split("### Codes").nth(1).unwrap().split("\n## ").next().unwrap();
    let missing: Vec<&String> = codes.iter().filter(|code| !table.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "docs/channels.md does not list {missing:?}");
}
