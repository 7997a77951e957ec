//! Trails through renames, and who is to blame.

use serde_json::json;

use crate::kinds;

use super::*;

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(minute * 60, 0).unwrap()
}

/// An item of `rename A B` or `update A` that sets the status to the revision.
fn item(revision: i64, line: &str) -> RecordedItem {
    let words: Vec<&str> = line.split(' ').collect();
    let operation = Recorded {
        revision,
        id: String::new(),
        project: "p".to_owned(),
        environment: None,
        command: "apply".to_owned(),
        actor: "ann".to_owned(),
        host: "h".to_owned(),
        commit: None,
        run_url: None,
        digest: None,
        status: "applied".to_owned(),
        counts: [0; 6],
        failed: 0,
        skipped: 0,
        note: None,
        acknowledged: None,
        started_at: at(revision),
        finished_at: at(revision),
    };
    RecordedItem {
        operation: Arc::new(operation),
        seq: 1,
        key: ResourceKey::new(&kinds::tenant::KIND, "w".into(), words[words.len() - 1]),
        from: (words.len() == 3).then(|| words[1].into()),
        action: ActionKind::from_code(words[0]).unwrap(),
        permanent: false,
        reason: String::new(),
        source: None,
        before: json!({"spec": {"status": revision - 1, "kept": 1}}),
        after: json!({"spec": {"status": revision, "kept": 1}}),
        outcome: "applied".to_owned(),
        error: None,
    }
}

fn edit(minute: i64, name: &str) -> HandEdit {
    HandEdit {
        key: ResourceKey::new(&kinds::tenant::KIND, "w".into(), name),
        at: at(minute),
        role: "support".to_owned(),
        client: "psql".to_owned(),
        operation: "update".to_owned(),
        changes: vec![(vec!["status".to_owned()], None, Some(json!("edited")))],
    }
}

#[track_caller]
fn check(name: &str, script: &[&str], edits: &[(i64, &str)], expected: &[i64]) {
    let items = (1..).zip(script).map(|(revision, line)| item(revision * 10, line));
    let mut items: Vec<_> = items.collect();
    items.reverse();
    let edits = edits.iter().map(|(minute, name)| edit(*minute, name)).collect();
    let found: Vec<i64> =
        trail(name, items, edits).events.iter().map(|event| event.at().timestamp() / 60).collect();
    assert_eq!(found, expected, "{name}");
}

#[test]
fn a_trail_follows_former_names_and_no_other_resource() {
    let script = ["create A", "rename A B", "create A", "update B"];
    check("B", &script, &[], &[40, 20, 10]);
    check("A", &script, &[], &[30]);
    check("A", &script, &[(5, "A"), (15, "A"), (25, "A"), (35, "B")], &[30, 25]);
    check("B", &script, &[(15, "A"), (25, "A"), (35, "B")], &[40, 35, 20, 15, 10]);
    check("A", &["create A", "rename A B"], &[(15, "A"), (25, "A")], &[15, 10]);
}

#[test]
fn a_former_name_says_what_it_became() {
    let mut items = vec![item(10, "create A"), item(20, "rename A B")];
    items.reverse();
    assert_eq!(trail("A", items, Vec::new()).renamed_to, Some(("B".to_owned(), 20)));
}

#[test]
fn the_last_event_that_set_the_value_is_to_blame() {
    let mut created = item(1, "create A");
    created.before = Value::Null;
    let events = trail("A", vec![item(3, "update A"), item(2, "update A"), created], vec![]).events;
    let by = |now: Value| -> Vec<(String, Option<i64>)> {
        let found = blame(&now, &events);
        let revision = |blamed: &Blamed<'_>| blamed.by.map(|event| event.at().timestamp() / 60);
        found.iter().map(|blamed| (blamed.field.clone(), revision(blamed))).collect()
    };
    let field = |name: &str, revision| (name.to_owned(), revision);
    assert_eq!(
        by(json!({"spec": {"status": 3, "kept": 1}})),
        [field("kept", Some(1)), field("status", Some(3))]
    );
    assert_eq!(by(json!({"spec": {"status": 9}})), [field("status", None)], "nobody is blamed wrongly");
}

#[test]
fn a_field_holds_what_is_below_it() {
    assert!(is_within("contact.email", "contact") && is_within("market", "market"));
    assert!(!is_within("marketing", "market") && !is_within("contact", "contact.email"));
}
