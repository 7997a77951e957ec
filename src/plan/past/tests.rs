//! The state after an earlier revision: who is who through renames, and what each of them was.

use serde_json::json;

use crate::kinds;

use super::*;

fn key(name: &str) -> ResourceKey {
    ResourceKey::new(&kinds::tenant::KIND, "w".into(), name)
}

/// `update A`, `rename A B`, at the revisions 2, 3 and so on.
fn steps(script: &[&str]) -> Vec<Step> {
    let step = |(at, line): (i64, &&str)| {
        let words: Vec<&str> = line.split(' ').collect();
        Step {
            revision: at,
            seq: 1,
            key: key(words[words.len() - 1]),
            from: (words.len() == 3).then(|| words[1].into()),
            action: ActionKind::from_code(words[0]).unwrap(),
            permanent: false,
        }
    };
    (2..).zip(script).map(step).collect()
}

#[track_caller]
fn check(script: &[&str], expected: &[(&str, &str)]) {
    let found = lineages(steps(script));
    let found: Vec<(&str, &str)> = found.iter().map(|one| (&*one.then.name, &*one.now.name)).collect();
    assert_eq!(found, expected);
}

#[test]
fn each_resource_is_followed_through_its_names() {
    check(&["update A", "delete A"], &[("A", "A")]);
    check(&["rename A B", "update B", "rename B C"], &[("A", "C")]);
    check(&["rename A B", "create A", "update A"], &[("A", "B"), ("A", "A")]);
    // Two change places.
    check(&["rename A X", "rename B A", "rename X B"], &[("A", "B"), ("B", "A")]);
}

#[test]
fn what_took_a_name_that_was_given_up_was_not_there() {
    let found = lineages(steps(&["rename A B", "create A"]));
    let content = || Content {
        last: Some((ActionKind::Create, Some(json!({"spec": {}})))),
        was_renamed_away: false,
        before: None,
    };
    assert!(content_then(&found[0], content()).is_some());
    assert!(content_then(&found[1], content()).is_none());
}

#[test]
fn what_was_written_last_counts_and_not_what_hands_made_of_it() {
    let (written, edited) = (json!({"spec": {"a": 1}}), json!({"spec": {"a": 2}}));
    let last = |action, after| Content {
        last: Some((action, after)),
        was_renamed_away: false,
        before: Some(edited.clone()),
    };
    let none = || Content { before: Some(edited.clone()), ..Content::default() };
    for (first, content, expected) in [
        ("update A", last(ActionKind::Create, Some(written.clone())), Some(&written)),
        ("create A", last(ActionKind::Update, Some(written.clone())), Some(&written)),
        ("restore A", last(ActionKind::Delete, None), None),
        ("create A", Content::default(), None),
        ("adopt A", none(), Some(&edited)),
        ("adopt A", last(ActionKind::Delete, None), Some(&edited)),
        ("delete A", none(), Some(&edited)),
    ] {
        let lineage = &lineages(steps(&[first]))[0];
        assert_eq!(content_then(lineage, content).as_ref(), expected, "{first}");
    }
}

#[test]
fn a_stored_spec_gets_the_form_of_a_manifest() {
    let spec = json!({"type": "shopify", "region": "AU-SE1", "market": "ANZ_SMB", "displayName": "A"});
    let admitted = (kinds::tenant::KIND.admit)(spec.clone()).unwrap();
    let entry = entry(&key("A"), &json!({"spec": spec, "labels": {"b": "1", "a": "2"}}));
    let expected = format!("{{\"labels\":{{\"a\":\"2\",\"b\":\"1\"}},\"spec\":{}}}", admitted.canonical);
    assert_eq!(*entry.canonical, *expected);
    // What would not be admitted today is not lost.
    let odd = super::entry(&key("A"), &json!({"spec": {"odd": 1, "protect": true}}));
    assert!(odd.canonical.contains("\"odd\":1") && odd.protect);
}
