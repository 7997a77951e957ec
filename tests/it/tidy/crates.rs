//! Which outside crate may be named where, and what a pure module never touches.

use super::paths;
use super::source::Tree;

/// A crate that only these places may name.
const HOMES: &[(&str, &[&str])] = &[
    ("sqlx", &["src/store/"]),
    ("clap", &["src/cli/", "src/main.rs"]),
    ("clap_complete", &["src/cli/"]),
    ("indicatif", &["src/cli/"]),
    ("reqwest", &["src/http.rs", "src/http/"]),
    ("lettre", &["src/channels/"]),
    ("ignore", &["src/files/"]),
    ("opentelemetry", &["src/cli/logging/"]),
    ("opentelemetry_otlp", &["src/cli/logging/"]),
    ("opentelemetry_sdk", &["src/cli/logging/"]),
    ("tracing_opentelemetry", &["src/cli/logging/"]),
    ("axum", &["src/watch/http/"]),
    ("hyper", &["src/watch/http/"]),
    ("hyper_util", &["src/watch/http/"]),
    ("prometheus_client", &["src/watch/http/"]),
    // Churning interfaces are kept behind one module.
    ("granit_parser", &["src/manifest/"]),
    ("jsonschema", &["src/manifest/"]),
    ("annotate_snippets", &["src/report/"]),
];

const PURE: &[&str] = &["model", "kinds", "manifest", "plan", "alerts", "report"];

const NOT_PURE_CRATES: &[&str] =
    &["tokio", "tokio_util", "futures_util", "reqwest", "sqlx", "rustix", "anstream", "tempfile", "dotenvy"];

const NOT_PURE_PATHS: &[&[&str]] = &[
    &["std", "env"],
    &["std", "fs"],
    &["std", "net"],
    &["std", "os"],
    &["std", "process"],
    &["std", "io", "stdin"],
    &["std", "io", "stdout"],
    &["std", "io", "stderr"],
];

const NOT_PURE_CALLS: &[&[&str]] = &[
    &["Utc", "now"],
    &["Local", "now"],
    &["SystemTime", "now"],
    &["Instant", "now"],
    &["Uuid", "now_v7"],
    &["Uuid", "new_v4"],
    // Scoped threads are fine: they end with the call, and what they return can be put in order.
    &["thread", "spawn"],
    &["thread", "sleep"],
    &["env", "var"],
    &["fs", "read"],
    &["fs", "read_to_string"],
    &["fs", "write"],
    &["File", "open"],
    &["File", "create"],
];

/// The one place that asks the operating system for the time; everything else is handed a clock or a time.
const CLOCK: &str = "src/model/clock.rs";

const NOT_PURE_MACROS: &[&str] = &["print", "println", "eprint", "eprintln"];

const NOT_PURE_WORDS: &[&str] = &["async", "await"];

/// Crates with a home are named nowhere else.
pub(crate) fn homes(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for file in tree.sources() {
        for path in paths::of(file) {
            let first = path.first();
            let Some((name, homes)) = HOMES.iter().find(|(name, _)| *name == first) else {
                continue;
            };
            if !homes.iter().any(|home| file.path.starts_with(home)) {
                let message = format!("`{name}` is named only in {} (`{}`)", homes.join(", "), path.text());
                violations.push(file.at(path.line, &message));
            }
        }
    }
    violations
}

/// No runtime, no files, no environment, no clock, no printing: results of a pure module depend on its arguments.
pub(crate) fn purity(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for file in tree.sources().filter(|file| PURE.contains(&file.top().as_str())) {
        let mut report = |line: usize, what: &str| {
            violations.push(file.at(line, &format!("`{what}` in the pure module `{}`", file.top())));
        };
        for path in paths::of(file) {
            if file.path == CLOCK && path.ends_with(&["Utc", "now"]) {
                continue;
            }
            let forbidden = NOT_PURE_CRATES.contains(&path.first())
                || NOT_PURE_PATHS.iter().any(|prefix| path.starts_with(prefix))
                || NOT_PURE_CALLS.iter().any(|call| path.ends_with(call));
            if forbidden {
                report(path.line, &path.text());
            }
        }
        let tokens = file.tokens();
        for (i, token) in tokens.iter().enumerate() {
            let word = token.text.as_str();
            let next = |ahead: usize| tokens.get(i + ahead).map_or("", |token| token.text.as_str());
            if NOT_PURE_WORDS.contains(&word) {
                report(token.line, word);
            }
            if NOT_PURE_MACROS.contains(&word) && next(1) == "!" && next(2) != "=" {
                report(token.line, &format!("{word}!"));
            }
        }
    }
    violations
}
