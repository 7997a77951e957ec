//! One change after the other, each with the text that comes of it; then any change of any text.

mod any;
mod tables;
mod wishes;

use serde_json::{Value, json};

use super::document::{self, DocumentEdits};
use super::{Edit, Refusal};
use crate::manifest::yaml;

fn set(pointer: &str, value: impl Into<Value>) -> Edit {
    Edit::Set(pointer.to_owned(), value.into())
}

fn gone(pointer: &str) -> Edit {
    Edit::Remove(pointer.to_owned())
}

/// Edits of the first document of a file.
fn edited(text: &str, edits: &[Edit]) -> Result<String, Refusal> {
    let range = yaml::split(text).remove(0);
    let change = DocumentEdits { range, edits: edits.to_vec(), is_removed: false };
    document::edit_yaml(text, &[change]).map(Option::unwrap_or_default)
}

#[track_caller]
fn check(text: &str, edits: &[Edit], expected: &str) {
    let found = edited(text, edits).unwrap_or_else(|refusal| panic!("{refusal}\n{text}"));
    assert_eq!(found, expected);
}

#[track_caller]
fn check_refused(text: &str, edit: Edit, part: &str) {
    let refusal = edited(text, &[edit]).expect_err("this is refused");
    assert!(refusal.why.contains(part), "{refusal}");
}

const TENANT: &str = "\
# A client from the start
kind: Tenant
metadata:
  name: T1   # do not rename

  labels: {tier: gold, team: 'a'}
spec:
    displayName: \"Acme Corp\"
    # moved in June
    region: AU-SE1 # was NZ

    contact:
        email: ops@acme.example
    notes: |
        first

        second
    # the end
";

#[test]
fn a_value_takes_the_place_of_another_in_its_quotes() {
    check(TENANT, &[set("/spec/region", "NZ-NR1")], &TENANT.replace("region: AU-SE1 #", "region: NZ-NR1 #"));
    check(TENANT, &[set("/spec/displayName", "no")], &TENANT.replace("\"Acme Corp\"", "\"no\""));
    check(TENANT, &[set("/metadata/labels/team", "it's")], &TENANT.replace("'a'", "'it''s'"));
    check(TENANT, &[set("/metadata/labels/tier", "a, b")], &TENANT.replace("gold", "\"a, b\""));
    check(TENANT, &[set("/spec/region", "no")], &TENANT.replace("AU-SE1", "\"no\""));
    check(
        TENANT,
        &[set("/spec/notes", "one")],
        &TENANT.replace("|\n        first\n\n        second\n", "one\n"),
    );
    check("a: >-\n  x\n  y\n\n\n# c\nb: 1\n", &[set("/a", 7)], "a: 7\n\n\n# c\nb: 1\n");
    check("a:   # nothing yet\nb: 1\n", &[set("/a", "x")], "a: x   # nothing yet\nb: 1\n");
    check("a: [1,\n  2]\n", &[set("/a", false)], "a: false\n");
    check("a: plain\n  text\nb: 1\n", &[set("/a", "x")], "a: x\nb: 1\n");
    check("\"a\" : 'x'\n", &[set("/a", "y")], "\"a\" : 'y'\n");
}

#[test]
fn a_field_is_added_behind_the_others_of_its_map() {
    check(
        TENANT,
        &[set("/spec/contact/phone", "+61 2 5550 0000"), set("/spec/status", "inactive")],
        &TENANT
            .replace("ops@acme.example\n", "ops@acme.example\n        phone: \"+61 2 5550 0000\"\n")
            .replace("        second\n", "        second\n    status: inactive\n"),
    );
    check(
        TENANT,
        &[set("/spec/metadata/brand/name", "acme")],
        &TENANT.replace(
            "        second\n",
            "        second\n    metadata:\n        brand:\n            name: acme\n",
        ),
    );
    check(TENANT, &[set("/metadata/labels/a", true)], &TENANT.replace("'a'}", "'a', a: true}"));
    check("a: {}\n", &[set("/a/b", 1)], "a: {b: 1}\n");
    check("a:\n  b: 1", &[set("/a/c", "x: y")], "a:\n  b: 1\n  c: \"x: y\"");
    check("a:\r\n  b: 1 # c\r\nd: 2\r\n", &[set("/a/c", 2)], "a:\r\n  b: 1 # c\r\n  c: 2\r\nd: 2\r\n");
    check("\u{feff}a: 1\n", &[set("/b", 2), set("/a", 3)], "\u{feff}a: 3\nb: 2\n");
    check("a:\nb: 1\n", &[set("/a/x", 1)], "a: {x: 1}\nb: 1\n");
    check(
        "a: {\n  b: 1, # one\n  c: 2 # two\n}\n",
        &[set("/a/d", 3)],
        "a: {\n  b: 1, # one\n  c: 2, # two\n  d: 3\n}\n",
    );
    check("a: {\n  b: 1,\n}\n", &[set("/a/d", 3), set("/a/e", 4)], "a: {\n  b: 1,\n  d: 3,\n  e: 4,\n}\n");
}

#[test]
fn a_field_goes_with_its_line_and_comments_above_it_stay() {
    check(TENANT, &[gone("/spec/region")], &TENANT.replace("    region: AU-SE1 # was NZ\n", ""));
    check(
        TENANT,
        &[gone("/spec/contact/email")],
        &TENANT.replace("    contact:\n        email: ops@acme.example\n", ""),
    );
    check(TENANT, &[gone("/metadata/labels/tier")], &TENANT.replace("tier: gold, ", ""));
    check(TENANT, &[gone("/metadata/labels/team")], &TENANT.replace(", team: 'a'", ""));
    check(
        TENANT,
        &[gone("/spec/notes")],
        &TENANT.replace("    notes: |\n        first\n\n        second\n", ""),
    );
    check("a: 1\nb: 2", &[gone("/b")], "a: 1");
    check(
        "s:\n  c:\n    e: 1\n    p: 2\n    q: 3 # q\nt: 1\n",
        &[gone("/s/c/p"), gone("/s/c/q"), set("/s/d", 4)],
        "s:\n  c:\n    e: 1\n  d: 4\nt: 1\n",
    );
    check("s:\n  c:\n    e: 1\n    p: 2", &[gone("/s/c/p"), set("/s/d", 4)], "s:\n  c:\n    e: 1\n  d: 4");
    check("a: 1\nb: 2", &[gone("/b"), set("/c", 3)], "a: 1\nc: 3");
    check("a: {\n  b: 1, # x\n  # y\n  c: 2 # z\n}\n", &[gone("/a/b")], "a: {\n  # y\n  c: 2 # z\n}\n");
    check("a: {\n  b: 1, # x\n  c: 2 # z\n}\n", &[gone("/a/c")], "a: {\n  b: 1 # x\n}\n");
    check("a: {b: 1, c: 2, d: 3, e: 4}\n", &[gone("/a/b"), gone("/a/d"), gone("/a/e")], "a: {c: 2}\n");
}

#[test]
fn items_of_lists() {
    let rows = "from:\n  rows:\n  # the first\n  - tenantId: A\n    name: One # 1\n  - {tenantId: B, name: Two}\n  # the last\n  - name: Three\n    tenantId: C\n";
    check(rows, &[gone("/from/rows/1")], &rows.replace("  - {tenantId: B, name: Two}\n", ""));
    check(
        rows,
        &[set("/from/rows/2/status", "x")],
        &rows.replace("tenantId: C\n", "tenantId: C\n    status: x\n"),
    );
    check(
        rows,
        &[gone("/from/rows/0"), set("/from/rows/1/name", "Zwei"), gone("/from/rows/2/name")],
        "from:\n  rows:\n  # the first\n  - {tenantId: B, name: Zwei}\n  # the last\n  - tenantId: C\n",
    );
    check("a: [x, y, z]\n", &[set("/a", json!(["x", "z", "w"]))], "a: [x, z, w]\n");
    check(
        "a:\n- x # one\n- y\nb: 1\n",
        &[set("/a", json!(["q", "x", "p", "y"]))],
        "a:\n- q\n- x # one\n- p\n- y\nb: 1\n",
    );
    check("a:\n  - x\n  - y\n", &[set("/a", json!([]))], "a: []\n");
    check("a:\n  - x\n  - # c\n    # d\n    b: 1\n", &[gone("/a/1")], "a:\n  - x\n");
    check("- a: 1\n  # c\n  b: 2\n", &[gone("/0/a")], "- \n  # c\n  b: 2\n");
}

#[test]
fn other_documents_stay_and_a_document_goes_whole() {
    let text = "# yaml-language-server: x\nkind: A\n---\n# b\nkind: B\n...\n---\nkind: C\n";
    let without = |wanted: &[usize]| {
        let ranges = yaml::split(text);
        let of = |index: &usize| DocumentEdits {
            range: ranges[*index].clone(),
            is_removed: true,
            ..DocumentEdits::default()
        };
        document::edit_yaml(text, &wanted.iter().map(of).collect::<Vec<_>>()).unwrap()
    };
    assert_eq!(without(&[0]).unwrap(), "# yaml-language-server: x\n---\n# b\nkind: B\n...\n---\nkind: C\n");
    assert_eq!(without(&[1]).unwrap(), "# yaml-language-server: x\nkind: A\n---\nkind: C\n");
    assert_eq!(without(&[2]).unwrap(), "# yaml-language-server: x\nkind: A\n---\n# b\nkind: B\n...\n");
    assert_eq!(without(&[0, 1, 2]), None);
    check(text, &[set("/kind", "D")], &text.replace("kind: A", "kind: D"));
    assert_eq!(document::append("a: 1", &json!({"b": 2})), "a: 1\n---\nb: 2\n");
    assert_eq!(document::append("# c\r\n", &json!({"b": 2})), "# c\r\nb: 2\r\n");
}

#[test]
fn what_others_use_is_refused_and_what_is_used_here_is_replaced() {
    let text = "a: &x {r: 1}\nb: *x\nc: &y 1\nd: [*y]\ne: &z 1\n";
    check_refused(text, set("/a/r", 2), "an alias (`*`) uses it elsewhere");
    check_refused(text, set("/c", 2), "an alias (`*`) uses it elsewhere");
    check_refused(text, set("/b/r", 2), "is an alias (`*`)");
    check_refused(text, gone("/a"), "is used by an alias (`*`) elsewhere");
    check_refused("a: x\n", set("/a/b", 1), "`a` is no map here");
    check(text, &[set("/b", 2), set("/d/0", 3)], "a: &x {r: 1}\nb: 2\nc: &y 1\nd: [3]\ne: &z 1\n");
    check(text, &[set("/e", 2)], "a: &x {r: 1}\nb: *x\nc: &y 1\nd: [*y]\ne: &z 2\n");
    check_refused("? a\n: 1\nb: 2\n", gone("/a"), "by hand");
    check_refused("a: |+\n  x\n\n", set("/b", 1), "by hand");
}

#[test]
fn json_stays_json() {
    #[track_caller]
    fn check(text: &str, edits: &[Edit], expected: &str) {
        assert_eq!(document::edit_json(text, edits).unwrap(), expected);
    }
    check(
        "{\"a\":1,\"b\":[1,2]}",
        &[set("/c", json!({"d": "x"}))],
        "{\"a\":1,\"b\":[1,2], \"c\": {\"d\": \"x\"}}",
    );
    let pretty = "[\n  {\n    \"tenantId\": \"A\",\n    \"name\": \"Ä\"\n  },\n  {\n    \"tenantId\": \"B\",\n    \"name\": \"b\"\n  }\n]\n";
    check(
        pretty,
        &[set("/0/status", "active")],
        &pretty.replace("\"Ä\"", "\"Ä\",\n    \"status\": \"active\""),
    );
    check(pretty, &[gone("/1/name")], &pretty.replace("\"B\",\n    \"name\": \"b\"", "\"B\""));
    check(
        pretty,
        &[gone("/1"), set("/0/name", "no")],
        "[\n  {\n    \"tenantId\": \"A\",\n    \"name\": \"no\"\n  }\n]\n",
    );
    check(pretty, &[gone("/0")], "[\n  {\n    \"tenantId\": \"B\",\n    \"name\": \"b\"\n  }\n]\n");
}
