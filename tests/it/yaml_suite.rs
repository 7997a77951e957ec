//! The YAML test suite (`tests/cases/yaml-test-suite/`) through our reader: every case either gives the expected JSON, or is
//! refused as expected, or is listed below with the reason why we differ.

use serde_json::Value;
use synthex::manifest::yaml::{self, Limits};

/// Cases where we do not do what the suite says, with what we do: the code of the first error, or `ok` when we accept.
const DIFFERENT: &[(&str, &str)] = &[
    // A tag outside of the core schema: a manifest has nothing to say with it.
    ("2XXW", "tag"),
    ("565N", "tag"),
    ("5TYM", "tag"),
    ("6CK3", "tag"),
    ("6WLZ", "tag"),
    ("7FWL", "tag"),
    ("9WXW", "tag"),
    ("C4HZ", "tag"),
    ("CC74", "tag"),
    ("CUP7", "tag"),
    ("J7PZ", "tag"),
    ("M5C3", "tag"),
    ("P76L", "tag"),
    ("UGM3", "tag"),
    ("Z67P", "tag"),
    ("Z9M4", "tag"),
    // A key that is a collection, or no text at all.
    ("2JQS", "non-string-key"),
    ("4FJ6", "non-string-key"),
    ("6BFJ", "non-string-key"),
    ("6M2F", "non-string-key"),
    ("6PBE", "non-string-key"),
    ("9MMW", "non-string-key"),
    ("CFD4", "non-string-key"),
    ("DFF7", "non-string-key"),
    ("FH7J", "non-string-key"),
    ("FRK4", "non-string-key"),
    ("KK5P", "non-string-key"),
    ("LX3P", "non-string-key"),
    ("M2N8-00", "non-string-key"),
    ("M2N8-01", "non-string-key"),
    ("M5DY", "non-string-key"),
    ("NHX8", "non-string-key"),
    ("NKF9", "non-string-key"),
    ("PW8X", "non-string-key"),
    ("Q9WF", "non-string-key"),
    ("RZP5", "non-string-key"),
    ("S3PD", "non-string-key"),
    ("SBG9", "non-string-key"),
    ("SM9W-01", "non-string-key"),
    ("UKK6-00", "non-string-key"),
    ("V9D5", "non-string-key"),
    ("WZ62", "non-string-key"),
    ("X38W", "non-string-key"),
    ("XW4D", "non-string-key"),
    // `20:03:20` is text in YAML 1.2 and a number of base 60 in YAML 1.1.
    ("U9NS", "ambiguous-number"),
    // A document of nothing but `---` declares nothing; the suite makes it a null.
    ("6XDY", "ok"),
    ("6ZKB", "ok"),
    ("9DXL", "ok"),
    ("PUW8", "ok"),
    ("UT92", "ok"),
    // Continuation lines that are not indented enough, or by a tab: other readers accept them, and so does the author's editor.
    ("9C9N", "ok"),
    ("DK95-01", "ok"),
    ("QB6E", "ok"),
];

struct Case {
    id: String,
    name: String,
    yaml: String,
    expected: Expected,
}

enum Expected {
    Error,
    Values(Vec<Value>),
    /// Valid YAML that JSON cannot express.
    Unknown,
}

fn cases() -> Vec<Case> {
    let lines = include_str!("../cases/yaml-test-suite/cases.jsonl").lines();
    lines
        .map(|line| {
            let case: Value = serde_json::from_str(line).expect("a case is JSON");
            let text = |key: &str| case.get(key).and_then(Value::as_str).map(str::to_owned);
            let expected = match text("json") {
                _ if case.get("fail").is_some() => Expected::Error,
                Some(json) => {
                    let values = serde_json::Deserializer::from_str(&json).into_iter::<Value>();
                    Expected::Values(values.collect::<Result<_, _>>().expect("the expected values are JSON"))
                }
                None => Expected::Unknown,
            };
            Case {
                id: text("id").expect("an id"),
                name: text("name").unwrap_or_default(),
                yaml: text("yaml").expect("yaml"),
                expected,
            }
        })
        .collect()
}

/// All documents of a stream, or the code of the first error.
fn read(text: &str) -> Result<Vec<Value>, &'static str> {
    let mut values = Vec::new();
    for range in yaml::split(text) {
        match yaml::parse(text, range, &Limits::default()) {
            Ok(document) => values.extend(document.map(|document| document.value)),
            Err(errors) => return Err(errors[0].kind.code()),
        }
    }
    Ok(values)
}

/// Numbers are equal when their values are: the suite writes `450.00` as `450`.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, left)| right.get(key).is_some_and(|right| same(left, right)))
        }
        _ => left == right,
    }
}

#[test]
fn every_case_is_read_as_expected_or_listed() {
    let cases = cases();
    assert_eq!(cases.len(), 402, "the suite is complete");
    let mut wrong = Vec::new();
    let mut listed = 0;
    for Case { id, name, yaml, expected } in &cases {
        let actual = read(yaml);
        let as_expected = match (expected, &actual) {
            (Expected::Error, actual) => actual.is_err(),
            (Expected::Values(expected), Ok(actual)) => {
                expected.len() == actual.len() && expected.iter().zip(actual).all(|(l, r)| same(l, r))
            }
            (Expected::Values(_), Err(_)) => false,
            (Expected::Unknown, actual) => actual.is_ok(),
        };
        let outcome = actual.as_ref().map_or_else(|code| *code, |_| "ok");
        match DIFFERENT.iter().find(|(listed, _)| listed == id) {
            Some((_, code)) if *code == outcome && !as_expected => listed += 1,
            Some((_, code)) => {
                wrong.push(format!("{id} ({name}) is listed as `{code}` and gives `{outcome}`"));
            }
            None if as_expected => {}
            None => wrong.push(format!("(\"{id}\", \"{outcome}\"), // {name} {yaml:?} {actual:?}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert_eq!(listed, DIFFERENT.len());
}
