//! Inputs made to hurt: nothing may panic, overflow the stack, or take more than linear time or memory.

use super::super::{Limits, parse, parse_json, split};
use super::{check_problems, documents};

/// The code of the first problem of a text, or `ok`. A reader that is not linear meets the test runner's time limit.
#[track_caller]
fn check(text: &str, expected: &str) {
    let found: Vec<&str> = split(text)
        .into_iter()
        .map(|range| {
            parse(text, range, &Limits::default()).map_or_else(|errors| errors[0].kind.code(), |_| "ok")
        })
        .collect();
    let shown: String = text.chars().take(30).collect();
    assert_eq!(found.iter().find(|code| **code != "ok").copied().unwrap_or("ok"), expected, "{shown:?}");
    let _ = parse_json(text, &Limits::default());
}

#[test]
fn deep_nesting_is_refused() {
    for opening in ["[", "{a: ", "- ", "[{a: ", "{[", "? "] {
        check(&opening.repeat(100_000), "depth");
    }
    check(&(0..2_000).fold(String::new(), |text, depth| text + &" ".repeat(depth) + "a:\n"), "depth");
    check(&format!("{}x{}", "[".repeat(64), "]".repeat(64)), "ok");
    check(&format!("{}x{}", "[".repeat(65), "]".repeat(65)), "depth");
    check(&"]".repeat(100_000), "syntax");
}

#[test]
fn alias_bombs_are_refused() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        laughs += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(", "));
    }
    check(&laughs, "alias-budget");
    check(
        &format!("a: &a {}\nb: [{}]\n", "x".repeat(1_000_000), vec!["*a"; 1000].join(", ")),
        "alias-budget",
    );
    check(&format!("[&a x, {}]", vec!["*a"; 9_999].join(", ")), "ok");
    check(&format!("[&a x, {}]", vec!["*a"; 10_001].join(", ")), "alias-budget");
    // Anchors around anchors around a large value keep no copies worth speaking of.
    check(
        &format!(
            "{}{}{}",
            (0..60).map(|level| format!("&a{level} [")).collect::<String>(),
            "x, ".repeat(100_000),
            "]".repeat(60)
        ),
        "ok",
    );
    let mut chain = "a0: &a0 [x]\n".to_owned();
    for level in 1..100 {
        chain += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    check(&chain, "depth");
}

#[test]
fn large_documents_take_linear_time() {
    let megabytes = 2 << 20;
    check(&format!("a: {}", "x".repeat(megabytes)), "ok");
    check(&format!("a: \"{}\"", "x".repeat(megabytes)), "ok");
    check(&format!("a: \"{}", "x ".repeat(megabytes / 2)), "syntax");
    check(&format!("a: '{}", "x\n ".repeat(megabytes / 3)), "syntax");
    check(&format!("a: |\n{}", "  x\n".repeat(megabytes / 4)), "ok");
    check(&format!("# {}", "x".repeat(megabytes)), "ok");
    check(&"# x\n".repeat(megabytes / 4), "ok");
    check(&"\n".repeat(megabytes), "ok");
    check(&"---\n".repeat(200_000), "ok");
    check(&"-".repeat(megabytes), "ok");
    check(&".".repeat(megabytes), "ok");
    check(&format!("{}: v", "k".repeat(megabytes)), "syntax");
}

#[test]
fn many_nodes_take_linear_time() {
    let keys = |indent: &str, end: &str| {
        (0..99_990).map(|key| format!("{indent}k{key}: v{end}")).collect::<String>()
    };
    check(&keys("", "\n"), "ok");
    check(&format!("{{{}}}", keys("", ", ")), "ok");
    check(&format!("[{}]", "a, ".repeat(99_999)), "ok");
    check(&format!("[{}]", "a, ".repeat(1_000_000)), "nodes");
    check(&format!("a: !!str x\n{}{}", keys("", "\n"), "k99989: v\n".repeat(1_000)), "duplicate-key");
    check(&"? ".repeat(50_000), "depth");
    check(&"a: b: ".repeat(100_000), "syntax");
    check(&"&a ".repeat(100_000), "syntax");
    check(&"!a ".repeat(100_000), "tag");
    check(&"%a b\n".repeat(100_000), "syntax");
}

#[test]
fn control_characters_are_named() {
    check_problems("a: \0\n", &["control-character@\0"]);
    check_problems("a: \"x\u{1}\"\n", &["control-character@\u{1}"]);
    check_problems("# \u{7f}\na: b", &["control-character@\u{7f}"]);
    check_problems("a: é\u{9f}", &["control-character@\u{9f}"]);
    check_problems("a: \u{ffff}", &["control-character@\u{ffff}"]);
    check_problems("a: b\n\u{feff}c: d\n", &["syntax@\u{feff}"]);
    check("\u{feff}a: b\u{85}c \u{2028} €", "ok");
}

#[test]
fn broken_text_is_an_error_with_a_place() {
    check_problems("a: \"b", &["syntax@\""]);
    check_problems("a: 'b\nc: d\n", &["syntax@'"]);
    check_problems("a: b: c\n", &["syntax@:"]);
    check_problems("a: @b\n", &["syntax@@"]);
    check_problems("a: `b`\n", &["syntax@`"]);
    check_problems("a: [b\n", &["syntax@["]);
    check_problems("a: }\n", &["syntax@}"]);
    for text in [
        "a: \"\\q\"",
        "a: b\n c: d",
        "a\nb: c",
        "a: b\n- c",
        "- a\nb: c",
        "a: {b: c",
        "a: *",
        "a: &",
        "%YAML 1.2\n",
        "%YAML 3\n---\na",
        "a:\n b: c\n  d: e",
        "!<",
        "!!",
        "\"a\" b",
        "a: |x\n b",
        ": : :",
    ] {
        assert!(documents(text).iter().any(Result::is_err), "{text:?}");
    }
}

#[test]
fn every_cut_of_a_document_is_survived() {
    let text = "%YAML 1.2\n---\na: &x [1, {b: 'c', \"d\": \"\\u00e9\\n\"}] # é\n? k\n: |+2\n    é\r\n\n*x : >-\n  f\n- \t!!str g\n...\n--- {a: *x}\n";
    for start in 0..text.len() {
        for end in start..=text.len() {
            if let Some(slice) = text.get(start..end) {
                let _ = documents(slice);
                let _ = parse_json(slice, &Limits::default());
            }
        }
    }
}
