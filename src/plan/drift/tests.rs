//! What counts as drift, who did it, and what is hidden.

use super::*;
use crate::kinds;
use serde_json::json;

fn at(second: u32) -> DateTime<Utc> {
    format!("2026-01-02T03:04:{second:02}Z").parse().unwrap()
}

fn key(kind: &str) -> ResourceKey {
    ResourceKey::new(kinds::find(kind).unwrap(), "w".into(), "T1")
}

fn applied(after: Option<Value>) -> Option<Applied> {
    let (project, command, actor) = ("test".to_owned(), "apply".to_owned(), "ci".to_owned());
    Some(Applied { revision: 3, project, command, actor, at: at(0), after })
}

fn row(kind: &str, spec: Value, owner: Option<&str>, deleted: bool) -> Option<Row> {
    Some(Row {
        key: key(kind),
        canonical: json!({"labels": {}, "spec": spec}),
        owner: owner.map(str::to_owned),
        deleted,
        touched_at: Some(at(9)),
        touched_by: Some("last".to_owned()),
    })
}

fn seen(kind: &str, applied: Option<Applied>, live: Option<Row>) -> Seen {
    Seen { key: key(kind), applied, live, writes: Vec::new(), earlier: Vec::new() }
}

#[track_caller]
fn check(applied: Option<Applied>, live: Option<Row>, expected: Option<(Happened, &[&str])>) {
    let drift = find("test", &[], vec![seen("Tenant", applied, live)]);
    let found = drift
        .resources
        .first()
        .map(|drifted| (drifted.happened, drifted.fields.iter().map(DriftedField::name).collect::<Vec<_>>()));
    let expected = expected.map(|(happened, fields)| {
        (happened, fields.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>())
    });
    assert_eq!(found, expected);
}

fn spec(region: &str) -> Value {
    json!({"region": region})
}

fn canonical(region: &str) -> Option<Value> {
    Some(json!({"labels": {}, "spec": spec(region)}))
}

#[test]
fn what_happened_is_told_from_what_was_applied_and_what_is_there() {
    let live = |owner| row("Tenant", spec("b"), owner, false);
    check(applied(canonical("b")), live(Some("test")), None);
    check(applied(canonical("a")), live(Some("test")), Some((Happened::Changed, &["region"])));
    check(applied(canonical("b")), live(None), Some((Happened::Changed, &["owner"])));
    check(applied(canonical("a")), live(Some("other")), Some((Happened::Changed, &["region", "owner"])));
    check(applied(canonical("a")), None, Some((Happened::Removed, &[])));
    check(
        applied(canonical("b")),
        row("Tenant", spec("b"), Some("test"), true),
        Some((Happened::Removed, &[])),
    );
    check(None, live(Some("test")), Some((Happened::Made, &[])));
    check(applied(None), live(Some("test")), Some((Happened::Restored, &[])));
    check(applied(None), None, None);
    check(applied(None), row("Tenant", spec("b"), Some("test"), true), None);
    // Neither applied by the project nor owned by it.
    check(None, live(None), None);
    let other = applied(canonical("a")).map(|applied| Applied { project: "other".to_owned(), ..applied });
    check(other.clone(), None, None);
    check(other, live(Some("other")), None);
}

#[test]
fn each_field_names_the_role_that_wrote_its_value() {
    let after = json!({"labels": {}, "spec": {"region": "a", "metadata": {"n": 1}, "status": "active"}});
    let live = json!({"region": "b", "metadata": {"n": 2}, "status": "inactive"});
    let mut one = seen("Tenant", applied(Some(after)), row("Tenant", live, Some("test"), false));
    let write = |actor: &str, second, before, after| ForeignWrite {
        actor: actor.to_owned(),
        at: at(second),
        before: Some(before),
        after: Some(after),
    };
    one.writes = vec![
        write(
            "ann",
            1,
            json!({"region": "a", "metadata": {"n": 1}}),
            json!({"region": "b", "metadata": {"n": 1}}),
        ),
        write(
            "bob",
            2,
            json!({"region": "b", "metadata": {"n": 1}}),
            json!({"region": "b", "metadata": {"n": 2}}),
        ),
    ];
    let drift = find("test", &[], vec![one]);
    let fields: Vec<_> = drift.resources[0]
        .fields
        .iter()
        .map(|field| (field.name(), field.actor.clone().unwrap(), field.since.unwrap()))
        .collect();
    let expected = [("metadata.n", "bob", at(2)), ("region", "ann", at(1)), ("status", "last", at(9))];
    assert_eq!(fields, expected.map(|(name, actor, at)| (name.to_owned(), actor.to_owned(), at)));
}

#[test]
fn ignored_fields_are_counted_and_no_drift() {
    let rule = [Ignore::new("tenant/*", "/region")];
    let one = seen("Tenant", applied(canonical("a")), row("Tenant", spec("b"), Some("test"), false));
    let drift = find("test", &rule, vec![one]);
    assert_eq!((drift.resources.len(), drift.ignored), (0, 1));
}

#[test]
fn what_stands_in_place_of_a_reference_to_a_secret_is_hidden() {
    let after = json!({"labels": {}, "spec": {"slack": {"webhookUrl": {"env": "A"}}, "description": "x"}});
    for (live, shown) in [
        (json!({"slack": {"webhookUrl": "canary"}}), false),
        (json!({"slack": {"webhookUrl": {"value": "canary"}}}), false),
        (json!({"slack": {"webhookUrl": {"env": "A"}, "token": "canary"}}), false),
        (json!({"slack": {"webhookUrl": {"env": "canary"}}}), true),
        (json!({"slack": {"webhookUrl": {"env": "A"}}, "description": "canary"}), true),
    ] {
        let row = row("NotificationChannel", live.clone(), Some("test"), false);
        let one = seen("NotificationChannel", applied(Some(after.clone())), row);
        let fields = format!("{:?}", find("test", &[], vec![one]).resources[0].fields);
        assert_eq!(fields.contains("canary"), shown, "{live}");
    }
}
