//! Files and their names: length, module names, module documentation, the registry, paths of somebody's machine.

use super::source::{SourceFile, Tree};

const MOST_LINES: usize = 400;

/// Files that may be longer, for now. The list only shrinks: an entry that is no longer needed fails too.
pub(crate) const TOO_LONG: &[&str] = &[];

/// Files of `src/kinds/` that declare no kind.
pub(crate) const KIND_HELPERS: &[&str] = &["registry"];

/// The files that each declare one kind, by module name.
pub(crate) fn kind_files(tree: &Tree) -> impl Iterator<Item = (String, &SourceFile)> {
    tree.sources().filter_map(|file| match file.module().as_slice() {
        [kinds, name] if kinds == "kinds" && !KIND_HELPERS.contains(&name.as_str()) => {
            Some((name.clone(), file))
        }
        _ => None,
    })
}

pub(crate) fn length(tree: &Tree, exceptions: &[&str]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in tree.rust() {
        let lines = file.text.lines().count();
        let excused = exceptions.contains(&file.path.as_str());
        if lines > MOST_LINES && !excused {
            let message = format!("{lines} lines, at most {MOST_LINES}: split it by what it is about");
            violations.push(file.at(MOST_LINES + 1, &message));
        }
        if lines <= MOST_LINES && excused {
            violations
                .push(file.at(1, "is short again: take it out of TOO_LONG (tests/it/tidy/structure.rs)"));
        }
    }
    for exception in exceptions.iter().filter(|path| tree.find(path).is_none()) {
        violations
            .push(format!("{exception}:1: is gone: take it out of TOO_LONG (tests/it/tidy/structure.rs)"));
    }
    violations
}

/// No module called `core` or `notify`: both are crates, and neither says what is in it.
pub(crate) fn names(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for file in tree.sources() {
        let tokens = file.tokens();
        let inline =
            tokens.windows(2).filter(|pair| pair[0].text == "mod").map(|pair| (&pair[1].text, pair[1].line));
        let module = file.module();
        let own = module.iter().map(|part| (part, 1));
        for (name, line) in own.chain(inline).filter(|(name, _)| matches!(name.as_str(), "core" | "notify")) {
            violations.push(file.at(line, &format!("a module named `{name}`: say what it holds")));
        }
    }
    violations
}

/// A module starts with why it exists, before any code.
pub(crate) fn module_docs(tree: &Tree) -> Vec<String> {
    let explains = |file: &SourceFile| {
        let first = file.text.trim_start_matches('\u{feff}').lines().next().unwrap_or_default();
        first.strip_prefix("//!").is_some_and(|text| text.trim().len() >= 10)
    };
    let silent = tree.sources().filter(|file| !explains(file));
    silent.map(|file| file.at(1, "starts with a `//!` that says why the module exists")).collect()
}

/// The registry names the module of every kind.
pub(crate) fn kinds_are_registered(tree: &Tree) -> Vec<String> {
    let registry = tree.find("src/kinds/registry.rs").or_else(|| tree.find("src/kinds/mod.rs"));
    let Some(registry) = registry else {
        return kind_files(tree).map(|(_, file)| file.at(1, "there is no src/kinds/registry.rs")).collect();
    };
    let named: Vec<String> = super::paths::of(registry).into_iter().flat_map(|path| path.segments).collect();
    let forgotten = kind_files(tree).filter(|(name, _)| !named.contains(name));
    forgotten
        .map(|(name, file)| {
            let home = &registry.path;
            file.at(
                1,
                &format!("kind `{name}` is not in {home}; a file that is no kind belongs in KIND_HELPERS"),
            )
        })
        .collect()
}

/// An absolute path of the machine somebody works on is of no use to anybody else.
pub(crate) fn machine_paths(tree: &Tree) -> Vec<String> {
    let homes =
        [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat(), ["/ho", "me/"].concat(), ["/Us", "ers/"].concat()];
    // Behind a letter, a dot or a closing brace it is the tail of a longer path or an address.
    let stands_alone = |before: Option<char>| {
        before.is_none_or(|c| {
            !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '}' | ')' | '*' | '/' | '~'))
        })
    };
    let mut violations = Vec::new();
    for file in &tree.files {
        for (number, line) in file.text.lines().enumerate() {
            for home in &homes {
                let named = |at: usize| stands_alone(line[..at].chars().next_back());
                if line.match_indices(home).any(|(at, _)| named(at) || line[..at].ends_with("file://")) {
                    violations.push(file.at(number + 1, &format!("names `{home}..`: use a relative path")));
                }
            }
        }
    }
    violations
}
