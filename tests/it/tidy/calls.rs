//! Words that have no business in finished code, in the crate and in its tests.

use super::paths;
use super::source::{Token, Tree};

const MACROS: &[&str] = &["todo", "unimplemented", "dbg"];

/// `todo!`, `unimplemented!`, `dbg!`, `process::exit`, ignored tests, and what would blind the other checks.
pub(crate) fn forbidden(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for file in tree.rust() {
        let tokens = file.tokens();
        for (i, token) in tokens.iter().enumerate() {
            if let Some(message) = violation(&tokens, i) {
                violations.push(file.at(token.line, &message));
            }
        }
        for path in paths::of(file).iter().filter(|path| path.ends_with(&["process", "exit"])) {
            violations.push(file.at(path.line, "`process::exit`: return the exit status to `main`"));
        }
    }
    violations
}

fn violation(tokens: &[Token], i: usize) -> Option<String> {
    let text = |i: usize| tokens.get(i).map_or("", |token: &Token| token.text.as_str());
    let word = text(i);
    if MACROS.contains(&word) && text(i + 1) == "!" && text(i + 2) != "=" {
        return Some(format!("`{word}!`: finish it or leave it out"));
    }
    if word == "include" && text(i + 1) == "!" {
        return Some("`include!`: code that is pasted in escapes these checks; use a module".into());
    }
    if word == "#" && text(i + 1) == "[" {
        match text(i + 2) {
            "ignore" => return Some("`#[ignore]`: a test that does not run is not a test".into()),
            "path" => return Some("`#[path]`: a module stands where its name says".into()),
            "cfg_attr" if attribute(tokens, i + 2).any(|word| word == "ignore" || word == "path") => {
                return Some("`#[cfg_attr(.., ignore)]` or `path`: say it openly or leave it out".into());
            }
            _ => {}
        }
    }
    None
}

/// The words from `start` to the end of the attribute.
fn attribute(tokens: &[Token], start: usize) -> impl Iterator<Item = &str> {
    tokens[start..].iter().map(|token| token.text.as_str()).take_while(|text| *text != "]")
}
