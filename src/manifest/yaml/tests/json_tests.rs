//! Strict JSON.

use serde_json::{Value, json};

use super::super::{Limits, parse_json};

#[track_caller]
fn check(text: &str) {
    let document =
        parse_json(text, &Limits::default()).unwrap_or_else(|errors| panic!("{text:?}: {errors:?}"));
    assert_eq!(
        document.value,
        serde_json::from_str::<Value>(text.trim_start_matches('\u{feff}')).unwrap(),
        "{text:?}"
    );
}

#[track_caller]
fn check_problems(text: &str, expected: &[&str]) {
    let errors = parse_json(text, &Limits::default()).expect_err(text);
    let shown: Vec<String> =
        errors.iter().map(|error| format!("{}@{}", error.kind.code(), &text[error.span.range()])).collect();
    assert_eq!(shown, expected, "{text:?}: {errors:?}");
}

#[test]
fn json_is_read_as_serde_json_reads_it() {
    for text in [
        "{}",
        " [ ] ",
        "null",
        "\t{\"a\"\t:\n\t[1, -2.5e3, 0, true, false, null]}\r\n",
        r#""\ud83d\ude00\u00e9\n\/\b\f\"\\""#,
        "\u{feff}{\"é\": \"ü\"}",
        "18446744073709551615",
        "-9223372036854775808",
        "0.1",
        "1E5",
        "\"\u{7f}\u{85}\"",
        "[[[[]]]]",
        "{\"\": {\"a\": 1}}",
    ] {
        check(text);
    }
    check(&format!("{{\"{}\": 1}}", "k".repeat(5000)));
}

#[test]
fn json_errors_have_places() {
    check_problems("", &["syntax@"]);
    check_problems("{\"a\": 1,}", &["syntax@}"]);
    check_problems("[1 2]", &["syntax@2"]);
    check_problems("[1, // c\n2]", &["syntax@/"]);
    check_problems("{a: 1}", &["syntax@a"]);
    check_problems("{\"a\" 1}", &["syntax@1"]);
    check_problems("[01]", &["syntax@01"]);
    check_problems("[1.]", &["syntax@]"]);
    check_problems("[+1]", &["syntax@+"]);
    check_problems("[nul]", &["syntax@n"]);
    check_problems("\"abc", &["syntax@\""]);
    check_problems("\"a\nb\"", &["control-character@\n"]);
    check_problems(r#""\x""#, &["syntax@x"]);
    check_problems(r#""\ud800""#, &[r"syntax@\ud800"]);
    check_problems(r#""\ud800\u0041""#, &[r"syntax@\ud800\u0041"]);
    check_problems(r#""\u12""#, &[r"syntax@\u"]);
    check_problems("{} {}", &["syntax@{"]);
    check_problems(
        "{\"a\": 1, \"b\": {\"c\": 1, \"c\": 2}, \"a\": 1e999, \"d\": 99999999999999999999}",
        &[
            "duplicate-key@\"c\"",
            "number-range@1e999",
            "duplicate-key@\"a\"",
            "number-range@99999999999999999999",
        ],
    );
}

#[test]
fn json_has_positions() {
    let text = "{\"a\": [1, {\"b\": \"x\"}], \"v\": 1.10}";
    let mut document = parse_json(text, &Limits::default()).unwrap();
    assert_eq!(document.text_of("/a/1/b", text), Some("\"x\""));
    assert_eq!(document.text_of("/a", text), Some("[1, {\"b\": \"x\"}]"));
    assert_eq!(&text[document.locate("/a/1/b").unwrap().key.unwrap().range()], "\"b\"");
    assert!(document.stringify_scalar("/v", text));
    assert_eq!(document.value["v"], json!("1.10"));
}

#[test]
fn json_is_bounded() {
    check_problems(&"[".repeat(100_000), &["depth@["]);
    check_problems(&"{\"a\":".repeat(100_000), &["depth@{"]);
    let limits = Limits { max_nodes: 3, ..Limits::default() };
    assert!(parse_json("[1, 2]", &limits).is_ok());
    assert_eq!(parse_json("[1, 2, 3]", &limits).unwrap_err()[0].kind.code(), "nodes");
}
