//! Plans for the tests of reports.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::kinds;
use crate::model::{Digest, Origin, Position, ResourceKey};
use crate::plan::diff::differences;
use crate::plan::{Action, ActionKind, FieldChange, Plan, Reason, Refusal};

use super::PlanContext;

pub(crate) fn key(kind: &str, workspace: &str, name: &str) -> ResourceKey {
    ResourceKey::new(kinds::find(kind).unwrap(), workspace.into(), name)
}

pub(crate) fn at(file: &str, line: u32, column: u32) -> Position {
    Position { file: file.into(), line, column }
}

pub(crate) fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn drift() -> Reason {
    Reason::Drift { actor: "bob".to_owned(), at: time("2026-03-04T05:06:07.5Z") }
}

pub(crate) fn create(key: ResourceKey, after: &Value) -> Action {
    Action {
        kind: ActionKind::Create,
        key,
        reason: Reason::New,
        position: Some(at("manifests/all.yaml", 12, 1)),
        revision: None,
        before: None,
        after: Some(after.to_string().into()),
        left: Vec::new(),
        digest: Some(Digest::of(b"after")),
        protected: false,
        changes: Vec::new(),
        from: None,
        permanent: false,
        dependents: Vec::new(),
    }
}

pub(crate) fn delete(key: ResourceKey, before: &Value) -> Action {
    Action {
        kind: ActionKind::Delete,
        reason: Reason::Undeclared,
        position: None,
        revision: Some(4),
        before: Some(before.to_string().into()),
        after: None,
        digest: None,
        ..create(key, before)
    }
}

/// An update; every field comes from the manifest.
pub(crate) fn update(key: ResourceKey, before: &Value, after: &Value) -> Action {
    let change = |(path, before, after)| FieldChange {
        path,
        before,
        after,
        origin: Origin::Manifest(at("manifests/all.yaml", 14, 11)),
    };
    Action {
        kind: ActionKind::Update,
        reason: Reason::Edited,
        revision: Some(7),
        before: Some(before.to_string().into()),
        changes: differences(before, after).into_iter().map(change).collect(),
        ..create(key, after)
    }
}

pub(crate) fn plan(actions: Vec<Action>) -> Plan {
    Plan { actions, unchanged: 3, ..Plan::nothing("agency", None) }
}

pub(crate) fn context() -> PlanContext {
    PlanContext {
        project: "agency".to_owned(),
        database: "postgres://app@db.example/agency".to_owned(),
        ..PlanContext::default()
    }
}

/// One of everything.
pub(crate) fn everything() -> Plan {
    let tenant = |name: &str| key("Tenant", "anz-smb", name);
    let mut workspace = create(
        key("Workspace", "uk-smb", "uk-smb"),
        &json!({"labels": {}, "spec": {"displayName": "United Kingdom", "market": "UK_SMB", "region": "EU-WE1"}}),
    );
    workspace.position = Some(at("manifests/workspaces.yaml", 1, 1));
    let mut drifted = update(
        tenant("acme"),
        &json!({"labels": {"tier": "silver"}, "spec": {
            "displayName": "Acme Corp", "market": "UK_SMB", "status": "suspended", "contact": {"phone": "+61 2 5550 0000"}
        }}),
        &json!({"labels": {"tier": "gold"}, "spec": {
            "displayName": "Acme Corp", "market": "ANZ_SMB", "status": "active", "contact": {"email": "ops@acme.example"}
        }}),
    );
    drifted.reason = drift();
    for change in &mut drifted.changes {
        change.origin = match change.field().as_str() {
            "market" => Origin::Template("shopify-smb-anz".to_owned()),
            "labels.tier" => Origin::Workspace("anz-smb".to_owned()),
            "status" | "contact.phone" => Origin::Default,
            _ => continue,
        };
    }
    let mut restored = update(tenant("back"), &json!({"spec": {"a": 1}}), &json!({"spec": {"a": 1}}));
    (restored.kind, restored.reason) = (ActionKind::Restore, Reason::DeclaredAgain);
    let mut adopted = update(tenant("found"), &json!({"spec": {"a": 1}}), &json!({"spec": {"a": 2}}));
    (adopted.kind, adopted.reason) = (ActionKind::Adopt, Reason::OwnedByCommands);
    let credential = create(
        key("Credential", "anz-smb", "acme-shopify"),
        &json!({"labels": {}, "spec": {
            "tenant": "acme", "service": "shopify", "secretRef": {"env": "SHOPIFY_TOKEN"}, "renewal": "none"
        }}),
    );
    let mut protected = delete(
        tenant("old"),
        &json!({"labels": {"tier": "gold"}, "spec": {"displayName": "Old & Sons", "market": "ANZ_SMB", "protect": true}}),
    );
    protected.protected = true;
    let refusal = Refusal {
        code: "SX0501",
        key: Some(protected.key.clone()),
        message: "tenant/anz-smb/old is protected and would be deleted".to_owned(),
        help: "declare it again; to delete it, first apply it with `protect: false`".to_owned(),
        position: Some(at("manifests/all.yaml", 90, 1)),
        can_be_acknowledged: false,
    };
    let mut plan = plan(vec![workspace, drifted, restored, adopted, credential, protected]);
    plan.refusals = vec![refusal];
    plan.undeclared = (1..=12).map(|number| tenant(&format!("gone-{number:02}"))).collect();
    plan
}
