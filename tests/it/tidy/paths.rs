//! Every `a::b::c` of a file, in `use` declarations (`use a::{b, c::d}`) and in code.

use super::source::{SourceFile, Token};

/// One path as it is written. A glob ends in `*`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WrittenPath {
    pub segments: Vec<String>,
    pub line: usize,
    /// The inline modules (`mod tests { .. }`) around it, outermost first.
    pub inside: Vec<String>,
}

impl WrittenPath {
    pub fn text(&self) -> String {
        self.segments.join("::")
    }

    pub fn first(&self) -> &str {
        self.segments.first().map_or("", String::as_str)
    }

    pub fn starts_with(&self, prefix: &[&str]) -> bool {
        self.segments.len() >= prefix.len() && prefix.iter().zip(&self.segments).all(|(a, b)| a == b)
    }

    pub fn ends_with(&self, suffix: &[&str]) -> bool {
        let skip = self.segments.len().checked_sub(suffix.len());
        skip.is_some_and(|skip| suffix.iter().zip(&self.segments[skip..]).all(|(a, b)| a == b))
    }

    /// The path from the crate's root, without `crate`; `None` when it does not start inside this crate.
    pub fn in_crate(&self, file: &SourceFile) -> Option<Vec<String>> {
        let mut base = file.module();
        base.extend(self.inside.iter().cloned());
        let first = self.segments.first()?.as_str();
        let ups = self.segments.iter().take_while(|segment| *segment == "super").count();
        let (mut absolute, rest) = match first {
            "crate" | "synthex" => (Vec::new(), 1),
            "self" => (base, 1),
            "super" => (base[..base.len().saturating_sub(ups)].to_vec(), ups),
            _ => return None,
        };
        absolute.extend(self.segments[rest..].iter().cloned());
        Some(absolute)
    }
}

pub(crate) fn of(file: &SourceFile) -> Vec<WrittenPath> {
    let tokens = file.tokens();
    let mut found = Vec::new();
    let mut modules: Vec<(String, usize)> = Vec::new();
    let mut depth = 0;
    let mut i = 0;
    while i < tokens.len() {
        match tokens[i].text.as_str() {
            "mod" if text(&tokens, i + 2) == "{" => {
                depth += 1;
                modules.push((tokens[i + 1].text.clone(), depth));
                i += 3;
            }
            "{" => {
                depth += 1;
                i += 1;
            }
            "}" => {
                modules.retain(|(_, opened)| *opened < depth);
                depth = depth.saturating_sub(1);
                i += 1;
            }
            _ if starts_path(&tokens, i) => {
                let mut paths = Vec::new();
                i = read_path(&tokens, i, Vec::new(), &mut paths);
                let inside: Vec<String> = modules.iter().map(|(name, _)| name.clone()).collect();
                found.extend(paths.into_iter().map(|(segments, line)| WrittenPath {
                    segments,
                    line,
                    inside: inside.clone(),
                }));
            }
            _ => i += 1,
        }
    }
    found
}

fn text(tokens: &[Token], i: usize) -> &str {
    tokens.get(i).map_or("", |token| &token.text)
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// A word before `::` that is not itself behind one; also `use crate as other` and `use sqlx;`.
fn starts_path(tokens: &[Token], i: usize) -> bool {
    let word = &tokens[i].text;
    if !is_word(word) || word == "use" {
        return false;
    }
    let before = i.checked_sub(1).map_or("", |before| text(tokens, before));
    let whole = before == "use" || before == "extern" && word == "crate";
    if text(tokens, i + 1) != "::" && !whole {
        return false;
    }
    match before {
        "." => false,
        "::" => {
            // `::std::fs` starts here, `Vec::<T>::new` does not.
            let earlier = i.checked_sub(2).map_or("", |earlier| text(tokens, earlier));
            !is_word(earlier) && earlier != ">" || matches!(earlier, "use" | "as" | "dyn" | "impl" | "return")
        }
        _ => true,
    }
}

/// Reads the path or use tree that starts at `i`; returns the place behind it.
fn read_path(
    tokens: &[Token],
    mut i: usize,
    mut segments: Vec<String>,
    found: &mut Vec<(Vec<String>, usize)>,
) -> usize {
    let line = tokens.get(i).map_or(0, |token| token.line);
    loop {
        match text(tokens, i) {
            "{" => {
                i += 1;
                while i < tokens.len() && text(tokens, i) != "}" {
                    let item = text(tokens, i);
                    if item == "::" || item == "," {
                        i += 1;
                    } else {
                        i = read_path(tokens, i, segments.clone(), found);
                        while i < tokens.len() && !matches!(text(tokens, i), "," | "}") {
                            i += 1;
                        }
                    }
                }
                return i + 1;
            }
            "*" => {
                segments.push("*".into());
                found.push((segments, line));
                return i + 1;
            }
            word if is_word(word) => {
                segments.push(word.into());
                i += 1;
                if text(tokens, i) == "::" {
                    i += 1;
                    continue;
                }
            }
            // A type argument (`Vec::<T>`): what is in it is read on its own.
            _ => {}
        }
        found.push((segments, line));
        return i.max(1);
    }
}
