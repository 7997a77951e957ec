//! The plan document against its schema, for plans that the planner makes of every kind of difference.

use std::sync::Arc;

use serde_json::{Value, json};
use synthex::alerts::impact::{Effect, Impact, Line};
use synthex::kinds;
use synthex::model::declared::Entry;
use synthex::model::{Diagnostic, Digest, FileId, Origin, Position, ResourceKey, SourceRef, Sources};
use synthex::plan::{Desired, Head, Observed, Plan, Row, Vanished, plan};
use synthex::report::{PlanContext, errors, plan_json};

fn key(kind: &str, name: &str) -> ResourceKey {
    ResourceKey::new(kinds::find(kind).expect("a kind"), "anz-smb".into(), name)
}

fn entry(kind: &str, name: &str, canonical: &Value) -> Entry {
    let canonical = canonical.to_string();
    Entry {
        key: key(kind, name),
        digest: Digest::of(canonical.as_bytes()),
        canonical: canonical.into(),
        protect: false,
        source: SourceRef { file: FileId(0), start: 0, end: 0, row: None },
    }
}

fn head(kind: &str, name: &str, owner: Option<&str>) -> Head {
    Head {
        key: key(kind, name),
        digest: Some(Digest::of(b"before")),
        revision: 3,
        owner: owner.map(Arc::from),
        touched: false,
        deleted: false,
        protected: false,
    }
}

fn position() -> Position {
    Position { file: "manifests/a.yaml".into(), line: 1, column: 1 }
}

/// A different origin for each field that is asked for.
struct Everywhere(usize);

impl Sources for Everywhere {
    fn declared_at(&mut self, _: &Entry) -> Position {
        position()
    }

    fn origin(&mut self, _: &Entry, _: &[String]) -> Origin {
        self.0 += 1;
        match self.0 % 5 {
            0 => Origin::Manifest(position()),
            3 => Origin::Overlay(position()),
            1 => Origin::Template("shopify-smb-anz".to_owned()),
            2 => Origin::Workspace("anz-smb".to_owned()),
            _ => Origin::Default,
        }
    }
}

/// One of everything, by the planner.
fn everything(prune: bool) -> Plan {
    let spec = json!({"labels": {"tier": "gold"}, "spec": {"displayName": "Acme", "market": "ANZ_SMB", "status": "active", "region": "AU-SE1"}});
    let names = ["adopted", "drifted", "foreign", "new", "removed", "restored", "updated"];
    let mut entries: Vec<Entry> = names.into_iter().map(|name| entry("Tenant", name, &spec)).collect();
    entries.sort_by(|left, right| left.key.cmp(&right.key));
    let mut observed = Observed::nothing();
    let mut drifted = head("Tenant", "drifted", Some("agency"));
    (drifted.touched, drifted.digest) = (true, Some(Digest::of(spec.to_string().as_bytes())));
    let mut restored = head("Tenant", "restored", Some("agency"));
    restored.deleted = true;
    let mut protected = head("Tenant", "protected", Some("agency"));
    protected.protected = true;
    observed.heads = vec![
        head("Tenant", "adopted", None),
        drifted,
        head("Tenant", "foreign", Some("another")),
        protected,
        restored,
        head("Tenant", "undeclared", Some("agency")),
        head("Tenant", "updated", Some("agency")),
    ];
    observed.heads.sort_by(|left, right| left.key.cmp(&right.key));
    let at = "2026-03-04T05:06:07.123456Z".parse().expect("a time");
    for head in &observed.heads {
        let row = Row {
            key: head.key.clone(),
            canonical: json!({"labels": {}, "spec": {"displayName": "Old", "status": "inactive", "metadata": {"a/b": [1, null]}}}),
            owner: head.owner.as_deref().map(str::to_owned),
            deleted: head.deleted,
            touched_at: head.touched.then_some(at),
            touched_by: head.touched.then(|| "bob".to_owned()),
        };
        observed.rows.insert(head.key.clone(), row);
    }
    observed.vanished.insert(key("Tenant", "removed"), Vanished { actor: "carol".to_owned(), at });
    let desired = Desired { prune, ..Desired::new("agency", &entries) };
    plan(&desired, &observed, &mut Everywhere(0))
}

fn context() -> PlanContext {
    let mut warning =
        Diagnostic::warning("SX0153", "a warning").at(position()).related(position(), "see here");
    warning.pointer = Some("/spec".to_owned());
    PlanContext {
        project: "agency".to_owned(),
        database: "embedded".to_owned(),
        git_commit: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
        state_revision: Some(6),
        notices: vec!["a notice".to_owned()],
        diagnostics: vec![warning, Diagnostic::error("SX0209", "no place")],
        impact: Some(Impact::new(
            "2026-06-01T00:00:00Z".parse().expect("a time"),
            vec![Line {
                effect: Effect::Mute,
                workspace: "w".to_owned(),
                rule: Some("expiry".to_owned()),
                about: "credential c1 of T1".to_owned(),
                severity: "info",
                channels: vec!["log".to_owned()],
                why: Some("muted by silence/s".to_owned()),
            }],
        )),
    }
}

fn validator() -> jsonschema::Validator {
    let options =
        jsonschema::options().with_draft(jsonschema::Draft::Draft202012).should_validate_formats(true);
    options.build(&plan_json::schema()).expect("the schema is a schema")
}

#[track_caller]
fn fits(document: &Value) {
    let problems: Vec<String> = validator()
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path().as_str()))
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn plans_fit_their_schema() {
    for prune in [false, true] {
        let plan = everything(prune);
        assert!(plan.actions.len() >= 6 && plan.refusals.len() > usize::from(prune), "{plan:?}");
        fits(&plan_json::json(&plan, &context()));
        fits(&plan_json::json(&plan, &PlanContext::default()));
    }
    let nothing = plan(&Desired::new("agency", &[]), &Observed::nothing(), &mut Everywhere(0));
    fits(&plan_json::json(&nothing, &context()));
}

#[test]
fn what_stands_in_place_of_a_plan_fits_too() {
    fits(&plan_json::failure(&context(), None));
    fits(&plan_json::failure(
        &context(),
        Some(errors::json("database-unreachable", "cannot connect", None, Some("start it"))),
    ));
}

#[test]
fn what_is_streamed_is_the_same_document() {
    let plan = everything(true);
    let mut bytes = Vec::new();
    plan_json::write_json(&plan, &context(), &mut bytes).expect("memory takes everything");
    let read: Value = serde_json::from_slice(&bytes).expect("JSON");
    assert_eq!(read, plan_json::json(&plan, &context()));
    fits(&read);
}

#[test]
fn the_schema_refuses_what_is_not_a_plan() {
    let good = plan_json::json(&everything(true), &context());
    let broken = [
        ("/format_version", json!("2.0")),
        ("/digest", json!("sha256:12")),
        ("/summary/create", json!(-1)),
        ("/changes/0/action", json!("destroy")),
        ("/changes/0/risk", json!("none")),
        ("/changes/0/reason", json!("because")),
        ("/changes/0/key", Value::Null),
        ("/refusals/0/code", json!("E1")),
        ("/diagnostics/0/severity", json!("fatal")),
        ("/diagnostics/0/line", json!(0)),
    ];
    for (pointer, wrong) in broken {
        let mut document = good.clone();
        *document.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is not there")) = wrong;
        assert!(!validator().is_valid(&document), "{pointer}");
    }
    let mut newer = good;
    newer["format_version"] = json!("1.7");
    newer["changes"][0]["something_new"] = json!(true);
    assert!(validator().is_valid(&newer), "a minor version may add members");
}
