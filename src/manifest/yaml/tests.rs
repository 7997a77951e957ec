//! The reader against texts that are right, wrong and made to hurt; what the modules below share.

mod json_tests;
mod nasty_tests;
mod simple_tests;
mod value_tests;

use std::ops::Range;

use serde_json::Value;

use super::{Document, Limits, YamlError, decode, parse, split};

/// The only document of a text.
#[track_caller]
fn document(text: &str) -> Document {
    match documents(text).as_mut_slice() {
        [Ok(Some(document))] => document.clone(),
        other => panic!("{text:?} is not one document: {other:?}"),
    }
}

fn documents(text: &str) -> Vec<Result<Option<Document>, Vec<YamlError>>> {
    split(text).into_iter().map(|range| parse(text, range, &Limits::default())).collect()
}

/// The value of the only document.
#[track_caller]
fn check(text: &str, expected: Value) {
    assert_eq!(document(text).value, expected, "{text:?}");
}

/// All problems of all documents, as `code@text-at-the-span`.
#[track_caller]
fn check_problems(text: &str, expected: &[&str]) -> Vec<YamlError> {
    let errors: Vec<YamlError> = documents(text).into_iter().filter_map(Result::err).flatten().collect();
    let shown: Vec<String> =
        errors.iter().map(|error| format!("{}@{}", error.kind.code(), &text[error.span.range()])).collect();
    assert_eq!(shown, expected, "{text:?}: {errors:?}");
    errors
}

#[test]
fn bytes_are_decoded_or_the_bad_one_is_named() {
    assert_eq!(decode("a: é".as_bytes()).unwrap(), "a: é");
    assert_eq!(decode("\u{feff}a".as_bytes()).unwrap(), "\u{feff}a");
    assert_eq!(decode(b"").unwrap(), "");
    let error = decode(b"name: caf\xe9\n").unwrap_err();
    assert_eq!((error.kind.code(), error.span.range()), ("invalid-utf8", 9..10));
    let error = decode(b"a\xe2\x82").unwrap_err();
    assert_eq!(error.span.range(), 1..3);
    for bytes in [&b"\xff\xfea\0"[..], b"\xfe\xff\0a", b"a\0:\0", b"\0a\0:"] {
        assert!(decode(bytes).unwrap_err().message.contains("UTF-16"), "{bytes:?}");
    }
    assert!(decode(b"\xff\xfe\0\0").unwrap_err().message.contains("UTF-32"));
}

/// The documents of a stream, as text.
#[track_caller]
fn check_split(text: &str, expected: &[&str]) {
    let slices: Vec<&str> = split(text).into_iter().map(|range| &text[range]).collect();
    assert_eq!(slices, expected, "{text:?}");
}

#[test]
fn documents_end_at_markers() {
    check_split("", &[]);
    check_split("a: 1", &["a: 1"]);
    check_split("---\na: 1\n---\nb: 2\n", &["---\na: 1\n", "---\nb: 2\n"]);
    check_split("a: 1\n--- # c\nb: 2\n---\tx\n---", &["a: 1\n", "--- # c\nb: 2\n", "---\tx\n", "---"]);
    check_split("# c\n\n%YAML 1.2\n---\na: 1\n", &["# c\n\n%YAML 1.2\n---\na: 1\n"]);
    check_split("a\n...\n%YAML 1.2\n---\nb\n", &["a\n...\n", "%YAML 1.2\n---\nb\n"]);
    check_split("a\r\n---\r\nb\r\n...\r\nc", &["a\r\n", "---\r\nb\r\n...\r\n", "c"]);
    check_split("a\r---\rb\r...\rc", &["a\r", "---\rb\r...\r", "c"]);
    check_split("a: |\n  x\n ---\n---\nb", &["a: |\n  x\n ---\n", "---\nb"]);
    check_split("----\n...x\n---x\n--\n..\n-- -", &["----\n...x\n---x\n--\n..\n-- -"]);
    check_split("\u{feff}---\na\n---\nb", &["---\na\n", "---\nb"]);
    check_split("---\n---\n---", &["---\n", "---\n", "---"]);
    check_split("x\n# c\n---\ny", &["x\n# c\n", "---\ny"]);
    check_split("...\n...\n---\na", &["...\n", "...\n", "---\na"]);
}

#[test]
fn splitting_finds_every_marker_at_every_offset() {
    for padding in 1..10 {
        let text = format!("{}\n---\nb\n", "a".repeat(padding));
        assert_eq!(split(&text).len(), 2, "{text:?}");
    }
}

#[test]
fn nothing_but_comments_is_no_document() {
    for text in ["", " \n\t\n", "# c\n", "---\n", "---\n# c\n---\n", "...\n", "\u{feff}# c\n"] {
        assert!(documents(text).iter().all(|document| matches!(document, Ok(None))), "{text:?}");
    }
}

#[test]
fn an_error_stays_in_its_document() {
    let text = "a: 1\n---\nb: [\n---\nc: 3\n";
    let all = documents(text);
    assert_eq!(all.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    let third = all[2].as_ref().unwrap().as_ref().unwrap();
    assert_eq!(&text[third.locate("/c").unwrap().value.range()], "3");
}

#[test]
fn a_document_may_be_read_from_any_range() {
    let limits = Limits::default();
    for range in [Range { start: 5, end: 2 }, 0..99, 1..2] {
        let result = parse("é: 1", range, &limits);
        assert_eq!(result.unwrap_err()[0].kind.code(), "syntax");
    }
}
