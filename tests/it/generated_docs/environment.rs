//! The reference of environment variables, and that the list it is made from names every variable that is read.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use synthex::cli::environment::VARIABLES;

use super::{cell, check};

/// Read by a library on our behalf, so that their names do not stand in our sources; with the library.
const READ_BY_LIBRARIES: &[(&str, &str)] = &[
    ("RUST_LOG", "tracing-subscriber"),
    ("PGPASSWORD", "sqlx"),
    ("PGPASSFILE", "sqlx"),
    ("PGUSER", "sqlx"),
    ("PGHOST", "sqlx"),
    ("PGHOSTADDR", "sqlx"),
    ("PGPORT", "sqlx"),
    ("PGDATABASE", "sqlx"),
    ("PGSSLMODE", "sqlx"),
    ("PGSSLROOTCERT", "sqlx"),
    ("PGSSLCERT", "sqlx"),
    ("PGSSLKEY", "sqlx"),
    ("PGOPTIONS", "sqlx"),
    ("HTTPS_PROXY", "reqwest"),
    ("NO_PROXY", "reqwest"),
    ("ALL_PROXY", "git"),
    ("SSL_CERT_FILE", "git"),
    ("SSL_CERT_DIR", "git"),
    ("GIT_SSL_CAINFO", "git"),
    ("GIT_SSL_CAPATH", "git"),
    ("GIT_EXEC_PATH", "git"),
    ("SSH_AUTH_SOCK", "git"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "opentelemetry-otlp"),
    ("OTEL_RESOURCE_ATTRIBUTES", "opentelemetry_sdk"),
    ("OTEL_TRACES_SAMPLER", "opentelemetry_sdk"),
];

#[test]
fn generated_environment() {
    let mut page = "# Environment variables\n\n`synthex explain environment` shows them in the terminal. Where there is an option \
                    for the same thing, the option wins. Variables that a manifest names (`{env: NAME}`) are not listed: their \
                    names are yours.\n\n| variable | what it does |\n| --- | --- |\n"
        .to_owned();
    for (names, meaning) in VARIABLES {
        let names: Vec<_> = names.split(", ").map(|name| format!("`{name}`")).collect();
        let _ = writeln!(page, "| {} | {} |", names.join(", "), cell(meaning));
    }
    check("environment.md", &page);
}

fn listed() -> BTreeSet<String> {
    let names = VARIABLES.iter().flat_map(|(names, _)| names.split(", "));
    names.map(str::to_owned).collect()
}

#[test]
fn every_variable_that_is_read_is_listed_and_every_listed_one_is_read() {
    let mut read = BTreeSet::new();
    for path in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli")) {
        let text = fs::read_to_string(&path).expect("a source file");
        read.extend(variables_read(&text));
    }
    assert!(read.len() > 8, "only {read:?} were found: the search itself is broken");
    let listed = listed();
    let missing: Vec<_> = read.difference(&listed).collect();
    assert!(missing.is_empty(), "read in src/cli and not in VARIABLES (src/cli/environment.rs): {missing:?}");
    let elsewhere: BTreeSet<String> = READ_BY_LIBRARIES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let unused: Vec<_> =
        listed.iter().filter(|name| !read.contains(*name) && !elsewhere.contains(*name)).collect();
    assert!(unused.is_empty(), "in VARIABLES and read nowhere: {unused:?}");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The names in `get("NAME")`, `raw("NAME")`, `env = "NAME"`, and in lists of names that are looked up one after another.
fn variables_read(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .fold(String::new(), |all, line| all + line.trim() + "\n");
    let mut names = BTreeSet::new();
    for opening in ["get(\"", "get(\n\"", "raw(\"", "raw(\n\"", "env = \""] {
        for (at, _) in code.match_indices(opening) {
            let rest = &code[at + opening.len()..];
            names.extend(rest.split('"').next().filter(|name| is_variable(name)).map(str::to_owned));
        }
    }
    for (at, _) in code.match_indices("[\"") {
        let Some((list, after)) = code[at + 1..].split_once(']') else { continue };
        let after: String = after.chars().take(150).collect();
        let looked_up = after.contains("environment") || after.contains("get(name)");
        let literals: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
        if looked_up && literals.iter().all(|name| is_variable(name)) {
            names.extend(literals.into_iter().map(str::to_owned));
        }
    }
    names
}

fn is_variable(name: &str) -> bool {
    name.len() > 1
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

#[test]
fn names_are_found_in_calls_and_in_lists() {
    let found = |text: &str| variables_read(text).into_iter().collect::<Vec<_>>();
    assert_eq!(found("self.get(\"TERM\") != x"), ["TERM"]);
    assert_eq!(found(".raw(\n    \"PATH\"\n)"), ["PATH"]);
    assert_eq!(found("env = \"SYNTHEX_A\","), ["SYNTHEX_A"]);
    assert_eq!(found("[\"A_B\", \"C_D\"]\n  .find_map(|n| context.environment.get(n))"), ["A_B", "C_D"]);
    assert_eq!(
        found("// get(\"NOT_THIS\")\nrow.get(\"spec\"); [\"US_SMB\", \"UK_SMB\"];"),
        Vec::<String>::new()
    );
}
