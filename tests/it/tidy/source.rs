//! The files of the repository as text, and Rust text as tokens with line numbers.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Where text files are looked for; everything else in the repository root is read file by file.
const FOLDERS: &[&str] =
    &["src", "tests", "docs", "examples", "benches", "migrations", "schemas", ".ci", ".config", ".github"];

pub(crate) struct Tree {
    pub files: Vec<SourceFile>,
}

pub(crate) struct SourceFile {
    /// Relative to the repository, with `/`.
    pub path: String,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub text: String,
    pub line: usize,
}

impl Tree {
    pub fn of_this_repository() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut names = BTreeSet::new();
        for folder in FOLDERS {
            walk(&root.join(folder), folder, &mut names);
        }
        for entry in fs::read_dir(root).expect("the repository is readable") {
            let entry = entry.expect("the repository is readable");
            if entry.file_type().expect("a file type").is_file() {
                names.insert(entry.file_name().to_string_lossy().into_owned());
            }
        }
        let files = names.into_iter().filter_map(|path| {
            // What is not UTF-8 is not source: bad test inputs, pictures.
            let text = String::from_utf8(fs::read(root.join(&path)).ok()?).ok()?;
            Some(SourceFile { path, text })
        });
        Self { files: files.collect() }
    }

    pub fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| SourceFile { path: (*path).into(), text: (*text).into() };
        Self { files: files.iter().map(file).collect() }
    }

    pub fn find(&self, path: &str) -> Option<&SourceFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The crate's own modules.
    pub fn sources(&self) -> impl Iterator<Item = &SourceFile> {
        self.rust().filter(|file| file.path.starts_with("src/"))
    }

    /// The crate and its tests, without the inputs under `tests/cases`.
    pub fn rust(&self) -> impl Iterator<Item = &SourceFile> {
        let ours =
            |path: &str| path.ends_with(".rs") && (path.starts_with("src/") || path.starts_with("tests/"));
        self.files.iter().filter(move |file| ours(&file.path) && !file.path.starts_with("tests/cases/"))
    }
}

fn walk(folder: &Path, name: &str, names: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let entry = entry.expect("a readable folder");
        let path = format!("{name}/{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().expect("a file type");
        if kind.is_dir() && !path.ends_with("/.synthex") && !path.ends_with("/target") {
            walk(&entry.path(), &path, names);
        } else if kind.is_file() {
            names.insert(path);
        }
    }
}

impl SourceFile {
    /// `src/plan/diff.rs` is `["plan", "diff"]`; `src/lib.rs` and `src/main.rs` are the root.
    pub fn module(&self) -> Vec<String> {
        let inner = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let mut parts: Vec<String> = inner.split('/').map(str::to_owned).collect();
        if parts.last().is_some_and(|last| last == "mod") || parts == ["lib"] || parts == ["main"] {
            parts.pop();
        }
        parts
    }

    /// The name of the rule that applies: the first part of the module, or `lib` or `main`.
    pub fn top(&self) -> String {
        match self.path.as_str() {
            "src/lib.rs" => "lib".into(),
            "src/main.rs" => "main".into(),
            _ => self.module().first().cloned().unwrap_or_default(),
        }
    }

    pub fn at(&self, line: usize, message: &str) -> String {
        format!("{}:{line}: {message}", self.path)
    }

    pub fn tokens(&self) -> Vec<Token> {
        tokens(&code_only(&self.text))
    }
}

/// The text with comments and the insides of literals replaced by blanks; line breaks stay where they are.
pub(crate) fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let end = match chars[i] {
            '/' if chars.get(i + 1) == Some(&'/') => line_end(&chars, i),
            '/' if chars.get(i + 1) == Some(&'*') => block_comment_end(&chars, i),
            '"' => string_end(&chars, i + 1),
            '\'' => char_end(&chars, i),
            'r' if !after_word(&chars, i) => raw_string_end(&chars, i),
            _ => i,
        };
        if end == i {
            out.push(chars[i]);
            i += 1;
        } else {
            let blank = |c: &char| if *c == '\n' { '\n' } else { ' ' };
            out.extend(chars[i..end].iter().map(blank));
            i = end;
        }
    }
    out
}

fn after_word(chars: &[char], i: usize) -> bool {
    // `br"..."` and `cr"..."` are raw strings too, `bar"` is not Rust.
    let word = |c: char| c.is_alphanumeric() || c == '_';
    match i.checked_sub(1).map(|before| chars[before]) {
        Some('b' | 'c') => i >= 2 && word(chars[i - 2]),
        Some(before) => word(before),
        None => false,
    }
}

fn line_end(chars: &[char], start: usize) -> usize {
    (start..chars.len()).find(|&i| chars[i] == '\n').unwrap_or(chars.len())
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut i = start;
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    chars.len()
}

fn string_end(chars: &[char], mut i: usize) -> usize {
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

/// The end of a character literal, or `start` when the quote begins a lifetime.
fn char_end(chars: &[char], start: usize) -> usize {
    if chars.get(start + 1) == Some(&'\\') {
        let close = (start + 3..chars.len()).find(|&i| chars[i] == '\'');
        return close.map_or(chars.len(), |i| i + 1);
    }
    if chars.get(start + 2) == Some(&'\'') { start + 3 } else { start }
}

/// The end of a raw string that starts with the `r` at `start`, or `start` when there is none.
fn raw_string_end(chars: &[char], start: usize) -> usize {
    let hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    let open = start + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return start;
    }
    let closes = |i: &usize| chars[*i] == '"' && chars[i + 1..].iter().take(hashes).all(|c| *c == '#');
    let closes = |i: &usize| closes(i) && i + hashes < chars.len();
    (open + 1..chars.len()).find(closes).map_or(chars.len(), |i| i + 1 + hashes)
}

fn tokens(code: &str) -> Vec<Token> {
    let mut found = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let chars: Vec<char> = line.chars().collect();
        let mut i = 0;
        while i < chars.len() {
            let word = |c: char| c.is_alphanumeric() || c == '_';
            let length = if word(chars[i]) {
                chars[i..].iter().take_while(|c| word(**c)).count()
            } else if chars[i] == ':' && chars.get(i + 1) == Some(&':') {
                2
            } else {
                1
            };
            if !chars[i].is_whitespace() {
                found.push(Token { text: chars[i..i + length].iter().collect(), line: number + 1 });
            }
            i += length;
        }
    }
    found
}
