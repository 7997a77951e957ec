//! What scalars, keys, tags and aliases mean, and where they are.

use serde_json::json;

use super::super::{Limits, LineIndex, YamlErrorKind, parse};
use super::{check, check_problems, document};

#[test]
fn scalars_follow_the_core_schema() {
    check("[null, Null, NULL, ~, '', \"~\", !!str ~]", json!([null, null, null, null, "", "~", "~"]));
    check("a:\nb: # c\n", json!({"a": null, "b": null}));
    check("[true, True, FALSE, tRUE, y, n]", json!([true, true, false, "tRUE", "y", "n"]));
    check("[0, -0, 42, +7, -12, 0o17, 0x1F, 0xff]", json!([0, 0, 42, 7, -12, 15, 31, 255]));
    check("[18446744073709551615, -9223372036854775808]", json!([u64::MAX, i64::MIN]));
    check("[1.5, .5, 1., -1e3, 6.02E+23, 1.10]", json!([1.5, 0.5, 1.0, -1000.0, 6.02e23, 1.1]));
    check(
        "[1.2.3, 10.0.0.1, 1-2, 2026-11-22, 0x, 0o9, 1e, +, -, ., 09:30, 80:8080, 1 000, e5, a_1]"
            .replace(" -,", "")
            .as_str(),
        json!([
            "1.2.3",
            "10.0.0.1",
            "1-2",
            "2026-11-22",
            "0x",
            "0o9",
            "1e",
            "+",
            ".",
            "09:30",
            "80:8080",
            "1 000",
            "e5",
            "a_1"
        ]),
    );
    check("a: |\n  x\n  y\nb: >-\n  x\n  y\n", json!({"a": "x\ny\n", "b": "x y"}));
    check(
        "'no': 1\n\"on\": 2\nyes: 3\n1: 4\ntrue: 5\n~: 6\n0123: 7",
        json!({"no": 1, "on": 2, "yes": 3, "1": 4, "true": 5, "~": 6, "0123": 7}),
    );
}

#[test]
fn what_other_tools_read_differently_is_refused() {
    check_problems(
        "[no, Yes, ON, off, oFF]",
        &["no", "Yes", "ON", "off", "oFF"]
            .map(|word| format!("ambiguous-boolean@{word}"))
            .each_ref()
            .map(String::as_str),
    );
    let numbers = [
        "0123", "-012", "+00", "1_000", "0b101", "12:30:45", "10:20", "1:2:3.5", "1_0.5", "007.5", "0x_ff",
        "-0x1f", "089",
    ];
    check_problems(
        &format!("[{}]", numbers.join(", ")),
        &numbers.map(|number| format!("ambiguous-number@{number}")).each_ref().map(String::as_str),
    );
    check_problems(
        "[18446744073709551616, -9223372036854775809, 1e400, 0xfffffffffffffffff]",
        &[
            "number-range@18446744073709551616",
            "number-range@-9223372036854775809",
            "number-range@1e400",
            "number-range@0xfffffffffffffffff",
        ],
    );
    check_problems("[.nan, .inf, -.INF]", &["not-a-number@.nan", "not-a-number@.inf", "not-a-number@-.INF"]);
    let error = &check_problems("country: no\n", &["ambiguous-boolean@no"])[0];
    assert!(error.help.as_deref().unwrap().contains("write false"), "{error:?}");
}

#[test]
fn all_problems_of_a_document_are_reported_at_once() {
    check_problems(
        "a: no\na: 0123\nb: {c: on, c: 1}\nd: [",
        &[
            "ambiguous-boolean@no",
            "ambiguous-number@0123",
            "duplicate-key@a",
            "ambiguous-boolean@on",
            "duplicate-key@c",
            "syntax@[",
        ],
    );
    let many = "a: 1\n".repeat(1000);
    assert_eq!(parse(&many, 0..many.len(), &Limits::default()).unwrap_err().len(), 100);
}

#[test]
fn a_duplicate_key_shows_both() {
    let text = "x: {q: 1}\n\"a\": 1\nb: 2\na: 3\n";
    let error = &check_problems(text, &["duplicate-key@a"])[0];
    assert_eq!(error.span.range(), 22..23);
    assert_eq!(&text[error.related.as_ref().unwrap().0.range()], "\"a\"");
}

#[test]
fn keys_must_be_text() {
    check_problems("[a]: 1\n", &["non-string-key@[a]"]);
    check_problems("? {a: b}\n: 1\n", &["non-string-key@{a: b}"]);
    check_problems(": 1\n", &["non-string-key@"]);
    check_problems("!!int 1: 2\n", &["non-string-key@1"]);
    check_problems("a: {<<: *x, b: 1}", &["merge-key@<<", "unknown-anchor@*x"]);
    check("'<<': 1", json!({"<<": 1}));
}

#[test]
fn only_core_tags_are_known() {
    check(
        "[!!str 123, !!int 5, !!float 1, !!bool true, !!null '', !!map {}, !!seq [], ! 12, !!str]",
        json!(["123", 5, 1.0, true, null, {}, [], "12", ""]),
    );
    check_problems(
        "[!secret x, !!binary aa, !!set {a}, !!int x, !!seq {}, !!str []]",
        &["tag@x", "tag@aa", "tag@{", "tag@x", "tag@{", "tag@["],
    );
}

#[test]
fn aliases_are_copies_with_positions() {
    let text = "base: &b {v: 1.10, w: [x]}\nuse: *b\nkey: &k name\n*k : 1.20\nagain: &c [*b]\ndeep: *c\n";
    let mut document = document(text);
    assert_eq!(document.value["use"], document.value["base"]);
    assert_eq!(document.value["name"], json!(1.2));
    let place = |pointer: &str| &text[document.locate(pointer).unwrap().value.range()];
    assert_eq!(place("/use"), "*b");
    assert_eq!(place("/use/v"), "1.10");
    assert_eq!(place("/deep/0"), "*b");
    assert_eq!(document.text_of("/deep/0/w/0", text), Some("x"));
    assert_eq!(document.text_of("/use", text), Some("{v: 1.10, w: [x]}"));
    assert_eq!(document.text_of("/deep/0", text), Some("{v: 1.10, w: [x]}"));
    assert_eq!(document.stringify_scalars("/use", text), 1);
    assert_eq!(document.value["use"]["v"], json!("1.10"));
    check_problems("a: &a [*a]", &["alias-budget@*a"]);
    check_problems("a: *x\nb: *y\n", &["unknown-anchor@*x", "unknown-anchor@*y"]);
}

#[test]
fn every_node_is_located() {
    let text = "é: 0\nspec: # c\n  contact: {email: 'a@b', n: [1, 2]}\n  \"a/b~\": x\n  none:\n  list:\n  - p\n  - q: r\n# end\n";
    let document = document(text);
    let place = |pointer: &str| {
        document.locate(pointer).map(|at| (at.key.map(|key| &text[key.range()]), &text[at.value.range()]))
    };
    assert_eq!(place("/é"), Some((Some("é"), "0")));
    assert_eq!(place("/spec/contact/email"), Some((Some("email"), "'a@b'")));
    assert_eq!(place("/spec/contact/n/1"), Some((None, "2")));
    assert_eq!(place("/spec/contact"), Some((Some("contact"), "{email: 'a@b', n: [1, 2]}")));
    assert_eq!(place("/spec/a~1b~0"), Some((Some("\"a/b~\""), "x")));
    assert_eq!(place("/spec/none"), Some((Some("none"), "")));
    assert_eq!(place("/spec/list"), Some((Some("list"), "- p\n  - q: r")));
    assert_eq!(place("/spec/list/1/q"), Some((Some("q"), "r")));
    assert_eq!(document.locate("").unwrap().value.range(), 0..text.find("\n# end").unwrap());
    for missing in ["/x", "/spec/x", "/spec/list/2", "/spec/list/01", "/spec/list/-", "/é/x", "spec"] {
        assert_eq!(document.locate(missing), None, "{missing}");
    }
    assert_eq!(document.locate_nearest("/spec/contact/phone/x"), document.locate("/spec/contact").unwrap());
    assert_eq!(document.locate_nearest("/spec/list/9"), document.locate("/spec/list").unwrap());
}

#[test]
fn numbers_keep_their_text() {
    let text = "v: 1.10\nlabels: {a: 1.10, b: true, c: x, d: null, e: 1e3, f: [1]}\n";
    let mut document = document(text);
    assert_eq!(document.text_of("/v", text), Some("1.10"));
    assert!(document.stringify_scalar("/v", text));
    assert!(!document.stringify_scalar("/v", text) && !document.stringify_scalar("/nothing", text));
    assert_eq!(document.stringify_scalars("/labels", text), 3);
    assert_eq!(document.stringify_scalars("/v", text) + document.stringify_scalars("/x", text), 0);
    assert_eq!(
        document.value,
        json!({"v": "1.10", "labels": {"a": "1.10", "b": "true", "c": "x", "d": null, "e": "1e3", "f": [1]}})
    );
}

#[test]
fn lines_and_columns_count_from_one_in_characters() {
    let text = "\u{feff}a: é1\r\nb\rc\n";
    let index = LineIndex::new(text);
    let at = |needle: &str| index.position(text, u32::try_from(text.find(needle).unwrap()).unwrap());
    assert_eq!((at("a"), at("1"), at("b"), at("c")), ((1, 1), (1, 5), (2, 1), (3, 1)));
    assert_eq!(index.position(text, 99), (4, 1));
    assert_eq!(index.len(), 4);
}

#[test]
fn tabs_are_named() {
    for text in ["a:\n\tb: c\n", "a:\n  b: c\n\td: e\n", "a:\n  b:\n  \tc: d\n", "a: |\n\tx\n"] {
        let errors = super::documents(text).remove(0).expect_err(text);
        assert_eq!(
            (errors[0].kind, &text[errors[0].span.range()]),
            (YamlErrorKind::TabIndent, "\t"),
            "{text:?} {errors:?}"
        );
    }
}
