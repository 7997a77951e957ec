//! Rules of the planner on small plans in memory, where a database would only blur what decides: how much is too much,
//! which declared renames apply, and what is taken from the database for ignored fields.

use std::sync::Arc;

use serde_json::{Value, json};
use synthex::kinds;
use synthex::kinds::project::Guards;
use synthex::model::{Digest, Entry, FileId, ResourceKey, SourceRef};
use synthex::plan::guards::too_much;
use synthex::plan::ignored::{left, put_left};
use synthex::plan::{Action, ActionKind, Head, Ignore, Plan, Reason, moves};

fn key(text: &str) -> ResourceKey {
    let parts: Vec<&str> = text.split('/').collect();
    let kind = kinds::KINDS.iter().find(|kind| kind.slug == parts[0]).expect("a kind");
    ResourceKey::new(kind, parts[1].into(), parts[2])
}

fn head(text: &str) -> Head {
    Head {
        key: key(text),
        digest: None,
        revision: 1,
        owner: Some(Arc::from("test")),
        touched: false,
        deleted: false,
        protected: false,
    }
}

fn heads(texts: &[&str]) -> Vec<Head> {
    let mut heads: Vec<Head> = texts.iter().map(|text| head(text)).collect();
    heads.sort_by(|left, right| left.key.cmp(&right.key));
    heads
}

fn action(kind: ActionKind, text: &str) -> Action {
    Action {
        kind,
        key: key(text),
        reason: Reason::Edited,
        position: None,
        revision: Some(1),
        before: None,
        after: None,
        left: Vec::new(),
        digest: None,
        protected: false,
        changes: Vec::new(),
        from: None,
        permanent: false,
        dependents: Vec::new(),
    }
}

/// `rows` tenants in the workspace `w`, of which so many are deleted and updated: what the guards say.
#[track_caller]
fn check(rows: usize, deletes: usize, updates: usize, guards: &str, expected: &[&str]) {
    let guards: Guards = serde_json::from_str(guards).expect("guards");
    let names: Vec<String> = (0..rows).map(|number| format!("tenant/w/T{number:04}")).collect();
    let mut plan = Plan::nothing("test", None);
    plan.actions.extend(names.iter().take(deletes).map(|name| action(ActionKind::Delete, name)));
    plan.actions.extend(names.iter().rev().take(updates).map(|name| action(ActionKind::Update, name)));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let refusals = too_much::check(&plan, &heads(&names), &guards);
    let said: Vec<String> =
        refusals.iter().map(|refusal| format!("{} {}", refusal.code, refusal.message)).collect();
    assert_eq!(said.len(), expected.len(), "{rows} {deletes} {updates}: {said:#?}");
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.contains(expected), "{said} has no {expected}");
    }
    assert!(refusals.iter().all(|refusal| refusal.help.contains(&plan.digest().to_string())));
}

#[test]
fn how_much_is_too_much() {
    let percent = r#"{"maxDeletes": 1000, "maxDeletePercent": 20}"#;
    check(10, 0, 10, percent, &[]);
    check(10, 2, 0, percent, &[]);
    check(
        10,
        3,
        0,
        percent,
        &["SX0503 3 of 10 rows would be deleted in workspace `w`; the project allows 20 %"],
    );
    check(1, 1, 0, percent, &["1 of 1 rows"]);
    check(9, 9, 0, percent, &["9 of 9 rows"]);
    check(1000, 200, 0, percent, &[]);
    check(1000, 201, 0, percent, &["201 of 1000"]);
    let all = r#"{"maxDeletes": 1000, "maxDeletePercent": 100}"#;
    check(9, 9, 0, all, &[]);
    let none = r#"{"maxDeletes": 1000, "maxDeletePercent": 0}"#;
    check(1000, 1, 0, none, &["1 of 1000"]);
    let count = r#"{"maxDeletes": 5, "maxDeletePercent": 100}"#;
    check(100, 5, 0, count, &[]);
    check(
        100,
        6,
        0,
        count,
        &["6 of 100 rows would be deleted in workspace `w`; the project allows 5 (maxDeletes)"],
    );
    check(100, 1, 0, r#"{"maxDeletes": 0, "maxDeletePercent": 100}"#, &["the project allows 0"]);
    let updates = r#"{"maxUpdatePercent": 50}"#;
    check(10, 0, 5, updates, &[]);
    check(
        10,
        0,
        6,
        updates,
        &["SX0504 6 of 10 rows would be updated in workspace `w`; the project allows 50 %"],
    );
    check(10, 3, 6, updates, &["SX0503", "SX0504"]);
    check(10, 0, 1, r#"{"maxUpdatePercent": 0}"#, &["SX0504"]);
}

#[test]
fn rows_of_others_and_deleted_rows_do_not_make_a_deletion_look_small() {
    let mut all =
        heads(&["tenant/w/A", "tenant/w/B", "tenant/w/C", "tenant/w/D", "tenant/w/E", "tenant/w/F"]);
    all[1].owner = Some(Arc::from("cli"));
    all[2].owner = None;
    all[3].owner = Some(Arc::from("other"));
    all[4].deleted = true;
    let mut plan = Plan::nothing("test", None);
    plan.actions.push(action(ActionKind::Delete, "tenant/w/A"));
    let refusals = too_much::check(&plan, &all, &Guards::default());
    assert!(refusals[0].message.starts_with("1 of 2 rows"), "{refusals:?}");
    // What is deleted already is not deleted once more.
    plan.actions = vec![action(ActionKind::Delete, "tenant/w/E")];
    assert!(too_much::check(&plan, &all, &Guards::default()).is_empty());
}

fn entry(text: &str) -> Entry {
    let canonical = r#"{"labels":{},"spec":{}}"#;
    Entry {
        key: key(text),
        canonical: canonical.into(),
        digest: Digest::of(canonical.as_bytes()),
        protect: false,
        source: SourceRef { file: FileId(0), start: 0, end: 0, row: None },
    }
}

/// The renames that apply, as `from->to`, sorted.
#[track_caller]
fn check_moves(moved: &[(&str, &str)], declared: &[&str], rows: &[Head], expected: &[&str]) {
    let moved: Vec<_> = moved.iter().map(|(from, to)| (key(from), key(to))).collect();
    let mut entries: Vec<Entry> = declared.iter().map(|text| entry(text)).collect();
    entries.sort_by(|left, right| left.key.cmp(&right.key));
    let renamed = moves::apply(&moved, &entries, rows);
    let mut found: Vec<String> = renamed
        .map(|(heads, former)| {
            assert!(heads.is_sorted_by(|left, right| left.key < right.key), "sorted, and no key twice");
            former.iter().map(|(to, from)| format!("{from}->{}", to.name)).collect()
        })
        .unwrap_or_default();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_rename_applies_where_its_row_is_there_and_its_new_name_is_free() {
    let (a, b, c) = ("tenant/w/A", "tenant/w/B", "tenant/w/C");
    let rows = heads(&[a]);
    check_moves(&[(a, b)], &[b], &rows, &["A->B"]);
    check_moves(&[(a, b)], &[a, b], &rows, &[]);
    check_moves(&[(a, b)], &[], &rows, &[]);
    check_moves(&[(c, b)], &[b], &rows, &[]);
    check_moves(&[(a, b)], &[b], &heads(&[a, b]), &[]);
    check_moves(&[(a, b)], &[b], &heads(&[b]), &[]);
    // Two names that move up by one, in whichever order they are written.
    check_moves(&[(a, b), (b, c)], &[b, c], &heads(&[a, b]), &["A->B", "B->C"]);
    check_moves(&[(b, c), (a, b)], &[b, c], &heads(&[a, b]), &["A->B", "B->C"]);
    let mut gone = heads(&[a]);
    gone[0].deleted = true;
    check_moves(&[(a, b)], &[b], &gone, &[]);
}

#[track_caller]
fn check_ignored(pointer: &str, observed: Value, declared: Value, expected: Option<Value>) {
    let rules = [Ignore::new("tenant/*", pointer)];
    let mut after = declared.clone();
    let found = left(&rules, &key("tenant/w/A"), &observed, &declared);
    put_left(&mut after, &found);
    assert_eq!(
        (!found.is_empty(), &after),
        (expected.is_some(), expected.as_ref().unwrap_or(&declared)),
        "{pointer}"
    );
    assert!(found.iter().all(|field| field.pointer() == pointer));
    assert!(left(&rules, &key("credential/w/A"), &observed, &declared).is_empty(), "another kind");
}

#[test]
fn an_ignored_field_keeps_the_value_of_the_database() {
    let spec = |value: Value| json!({"labels": {}, "spec": value});
    check_ignored(
        "/status",
        spec(json!({"status": "x"})),
        spec(json!({"status": "y"})),
        Some(spec(json!({"status": "x"}))),
    );
    check_ignored("/status", spec(json!({"status": "x"})), spec(json!({"status": "x"})), None);
    check_ignored("/status", spec(json!({})), spec(json!({"status": "y"})), Some(spec(json!({}))));
    check_ignored(
        "/metadata/a",
        spec(json!({"metadata": {"a": 1, "b": 1}})),
        spec(json!({"metadata": {"b": 2}})),
        Some(spec(json!({"metadata": {"b": 2, "a": 1}}))),
    );
    check_ignored(
        "/metadata/a",
        spec(json!({"metadata": {"a": 1}})),
        spec(json!({})),
        Some(spec(json!({"metadata": {"a": 1}}))),
    );
    check_ignored("/metadata/a", spec(json!({})), spec(json!({})), None);
    check_ignored(
        "/metadata/x~1y",
        spec(json!({"metadata": {"x/y": 1}})),
        spec(json!({"metadata": {"x/y": 2}})),
        Some(spec(json!({"metadata": {"x/y": 1}}))),
    );
    let labels = |value: Value| json!({"labels": value, "spec": {}});
    check_ignored(
        "/labels/tier",
        labels(json!({"tier": "a"})),
        labels(json!({"tier": "b"})),
        Some(labels(json!({"tier": "a"}))),
    );
}
