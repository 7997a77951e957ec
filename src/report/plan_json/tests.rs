//! Plans as programs read them. That they fit their schema is proved in `tests/it/plan_json.rs`.

use serde_json::{Value, json};

use super::*;
use crate::model::Diagnostic;
use crate::report::clean::is_unsafe;
use crate::report::errors;
use crate::report::sample::{context, create, everything, key, plan, update};

fn full_context() -> PlanContext {
    PlanContext {
        git_commit: Some("0123abc".to_owned()),
        notices: vec!["the role may see only some workspaces".to_owned()],
        diagnostics: vec![Diagnostic::warning("SX0153", "w")],
        ..context()
    }
}

#[test]
fn one_of_everything() {
    let mut document = json(&everything(), &full_context());
    assert_eq!(document["digest"], everything().digest().to_string());
    document["digest"] = json!("sha256:...");
    insta::assert_json_snapshot!(document);
}

#[test]
fn changes_are_sorted_by_risk_kind_workspace_and_name() {
    let tenant = |workspace, name| create(key("Tenant", workspace, name), &json!({"spec": {}}));
    let document = json(
        &plan(vec![
            tenant("b", "a"),
            tenant("a", "z"),
            create(key("Workspace", "a", "a"), &json!({})),
            create(key("Credential", "z", "z"), &json!({})),
            tenant("a", "b"),
            update(key("Workspace", "b", "b"), &json!({"spec": {"a": 1}}), &json!({"spec": {"a": 2}})),
        ]),
        &context(),
    );
    let order: Vec<&str> = document["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["key"].as_str().unwrap())
        .collect();
    assert_eq!(
        order,
        ["workspace/b", "credential/z/z", "tenant/a/b", "tenant/a/z", "tenant/b/a", "workspace/a"]
    );
    let risks: Vec<&Value> =
        document["changes"].as_array().unwrap().iter().map(|change| &change["risk"]).collect();
    assert_eq!(risks, ["medium", "low", "low", "low", "low", "low"]);
    assert_eq!(json(&everything(), &context())["changes"][0]["risk"], "critical");
}

#[test]
fn what_is_written_is_what_is_built() {
    // So many that several threads write them, in several rounds.
    let one = |number: usize| {
        let (before, after) =
            (json!({"spec": {"a": number}}), json!({"spec": {"a": {"b": "\n  \"changes\": []\u{9b}é"}}}));
        update(key("Tenant", "w", &format!("T{number}")), &before, &after)
    };
    let many = plan((0..9_000).map(one).collect());
    for plan in [everything(), plan(vec![]), many] {
        let mut bytes = Vec::new();
        write_json(&plan, &full_context(), &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("{\n  \"format_version\": \"1.0\",\n  \"digest\": \"sha256:"), "{text}");
        assert!(text.ends_with("}\n"));
        let built = json(&plan, &full_context());
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read, built);
        // Equality does not look at the order of members.
        assert_eq!(serde_json::to_string(&read).unwrap(), serde_json::to_string(&built).unwrap());
        assert_eq!(text, crate::report::json::text(&built));
    }
}

#[test]
fn a_writer_that_fails_is_reported() {
    let mut small = [0_u8; 64];
    let error = write_json(&everything(), &context(), &mut small.as_mut_slice()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WriteZero);
}

#[test]
fn what_a_terminal_would_act_on_is_escaped_in_what_is_written() {
    let evil = "\u{1b}[2J\u{9b}\u{202e}\u{7}";
    let all = plan(vec![create(key("Tenant", "w", "a"), &json!({"spec": {"displayName": evil}}))]);
    let mut bytes = Vec::new();
    write_json(&all, &context(), &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(!text.chars().any(|character| character != '\n' && is_unsafe(character)), "{text:?}");
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["changes"][0]["after"]["spec"]["displayName"], evil);
}

#[test]
fn fields_say_where_they_are_and_where_they_come_from() {
    let document = json(
        &plan(vec![update(
            key("Tenant", "w", "a"),
            &json!({"labels": {"a/b": "1"}, "spec": {"contact": {"email": "x"}}}),
            &json!({"labels": {"a/b": "2"}, "spec": {"contact": {"email": "y"}}}),
        )]),
        &context(),
    );
    let fields = &document["changes"][0]["fields"];
    assert_eq!(fields[0]["path"], "contact.email");
    assert_eq!(fields[0]["pointer"], "/spec/contact/email");
    assert_eq!(fields[1]["pointer"], "/metadata/labels/a~1b");
    assert_eq!(
        fields[1]["origin"],
        json!({"layer": "manifest", "file": "manifests/all.yaml", "line": 14, "column": 11})
    );
}

#[test]
fn without_a_plan_there_is_a_document_all_the_same() {
    let error = errors::json("database-unreachable", "cannot connect", Some("refused"), None);
    let document = failure(&full_context(), Some(error));
    assert_eq!(document["digest"], Value::Null);
    assert_eq!(document["summary"], Value::Null);
    assert_eq!(document["changes"], json!([]));
    assert_eq!(document["diagnostics"][0]["code"], "SX0153");
    assert_eq!(document["error"]["code"], "database-unreachable");
    assert!(failure(&context(), None).get("error").is_none());
}
