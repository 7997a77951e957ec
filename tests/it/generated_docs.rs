//! The references in `docs/reference/`: made from what the program itself knows, committed, and compared here.
//!
//! `SYNTHEX_UPDATE=1 cargo nextest run generated` writes them.

mod commands;
mod environment;
mod pages;
mod tables;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use synthex::cli::error::{EXIT_CODES, HEALTH_EXIT_CODES};
use synthex::report::codes::RULES;

const NOTICE: &str = "<!-- Generated: SYNTHEX_UPDATE=1 cargo nextest run generated -->\n";

/// Compares a page with what it should be, and writes it where `SYNTHEX_UPDATE` is set.
#[track_caller]
fn check(name: &str, page: &str) {
    let expected = format!("{NOTICE}\n{}\n", page.trim_end());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference").join(name);
    if std::env::var_os("SYNTHEX_UPDATE").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
        fs::write(&path, &expected).expect("the page can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let difference = similar::TextDiff::from_lines(found.as_str(), expected.as_str());
    assert!(
        found == expected,
        "docs/reference/{name} is not what the program says: run `SYNTHEX_UPDATE=1 cargo nextest run generated` and read \
         what changed\n{}",
        difference.unified_diff().context_radius(1).header("committed", "generated")
    );
}

/// A text that may stand in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[test]
fn generated_exit_codes() {
    let mut page = "# Exit codes\n\nFrozen: scripts depend on the numbers. `synthex explain exit-codes` shows them in the \
                    terminal; [troubleshooting](../troubleshooting.md#by-exit-code) says what to do about each.\n\n\
                    | code | meaning |\n| ---: | --- |\n"
        .to_owned();
    for (status, meaning) in EXIT_CODES {
        let _ = writeln!(page, "| {} | {} |", status.code(), cell(meaning));
    }
    page.push_str(
        "\n`synthex health check` and `synthex health report` say with the exit code how things stand, as monitoring systems \
         expect it:\n\n| code | meaning |\n| ---: | --- |\n",
    );
    for (status, meaning) in HEALTH_EXIT_CODES {
        let _ = writeln!(page, "| {} | {} |", status.code(), cell(meaning));
    }
    check("exit-codes.md", &page);
}

/// The groups of rules by the first four characters of their codes. Another group needs a title here.
const GROUPS: [(&str, &str); 5] = [
    ("SX01", "Files, and what the schema of a kind does not allow"),
    ("SX02", "How documents fit together"),
    ("SX03", "Values that have the right form and cannot be right"),
    ("SX04", "Rows of tenants"),
    ("SX05", "Guards: reasons not to apply a plan"),
];

#[test]
fn generated_rules() {
    let mut page = "# Rules\n\nEvery problem that is reported carries one of these codes. `synthex explain CODE` shows the same \
                    text in the terminal. A code is never used again for something else.\n"
        .to_owned();
    let mut listed = 0;
    for (prefix, title) in GROUPS {
        let _ = writeln!(page, "\n## {title}");
        for rule in RULES.iter().filter(|rule| rule.code.starts_with(prefix)) {
            let _ = write!(page, "\n### {}\n\n**{}.** {}", rule.code, capital(rule.title), fenced(rule.text));
            listed += 1;
        }
    }
    assert_eq!(listed, RULES.len(), "a group of rules has no title in GROUPS");
    check("rules.md", &page);
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or(String::new(), |first| format!("{}{}", first.to_uppercase(), characters.as_str()))
}

/// Runs of indented lines become blocks of code.
fn fenced(text: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for line in text.lines() {
        let code = line.strip_prefix("    ");
        if code.is_some() && !inside {
            let gap = if out.ends_with("\n\n") { "" } else { "\n" };
            let _ = writeln!(out, "{gap}```yaml");
        } else if code.is_none() && inside {
            let _ = write!(out, "```\n{}", if line.is_empty() { "" } else { "\n" });
        }
        inside = code.is_some();
        let _ = writeln!(out, "{}", code.unwrap_or(line));
    }
    if inside {
        out.push_str("```\n");
    }
    out
}

#[test]
fn fences_surround_indented_lines_only() {
    assert_eq!(
        fenced("a\nWrong:\n    x: 1\nRight:\n    x: 2"),
        "a\nWrong:\n\n```yaml\nx: 1\n```\n\nRight:\n\n```yaml\nx: 2\n```\n"
    );
    assert_eq!(fenced("a\n\n    x\n\nb"), "a\n\n```yaml\nx\n```\n\nb\n");
}
