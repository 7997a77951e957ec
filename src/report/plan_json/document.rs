//! The document, in a form that is serialised piece by piece.

use chrono::SecondsFormat;
use serde::ser::{SerializeMap as _, SerializeStruct as _};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::alerts::impact::{Impact, Line};
use crate::model::{Origin, Position, ResourceKey};
use crate::plan::ignored::Left;
use crate::plan::{Action, FieldChange, Plan, Reason, Refusal, Suspect};
use crate::report::PlanContext;
use crate::report::risk::{self, Risk};

/// A plan and what is said with it.
pub(super) struct Document<'a> {
    plan: &'a Plan,
    context: &'a PlanContext,
    /// Sorted by risk, kind, workspace, name.
    changes: Vec<&'a Action>,
}

impl<'a> Document<'a> {
    pub(super) fn new(plan: &'a Plan, context: &'a PlanContext) -> Self {
        Self { plan, context, changes: risk::sorted(&plan.actions) }
    }

    /// The same with an empty list of changes.
    pub(super) fn without_changes(&self) -> Self {
        Self { plan: self.plan, context: self.context, changes: Vec::new() }
    }

    pub(super) fn changes(&self) -> &[&'a Action] {
        &self.changes
    }
}

/// What the plan was made from.
pub(super) fn base(project: &str, context: &PlanContext) -> Value {
    let PlanContext {
        project: _,
        database,
        git_commit,
        state_revision,
        notices: _,
        diagnostics: _,
        impact: _,
    } = context;
    let mut base = json!({"project": project, "database": database});
    if let Some(commit) = git_commit {
        base["git_commit"] = json!(commit);
    }
    if let Some(revision) = state_revision {
        base["state_revision"] = json!(revision);
    }
    base
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Plan {
            project,
            environment,
            actions: _,
            unchanged: _,
            undeclared,
            suspects,
            included,
            withheld,
            refusals,
        } = self.plan;
        let summary = self.plan.summary();
        let mut document = serializer.serialize_struct("Plan", 13)?;
        document.serialize_field("format_version", super::FORMAT_VERSION)?;
        document.serialize_field("digest", &self.plan.digest().to_string())?;
        let mut base = base(project, self.context);
        if let Some(environment) = environment {
            base["environment"] = json!(environment);
        }
        document.serialize_field("base", &base)?;
        document.serialize_field(
            "summary",
            &json!({
                "create": summary.create,
                "update": summary.update,
                "delete": summary.delete,
                "restore": summary.restore,
                "adopt": summary.adopt,
                "rename": summary.rename,
                "unchanged": summary.unchanged,
            }),
        )?;
        document.serialize_field("changes", &Changes(&self.changes))?;
        document.serialize_field("undeclared", &Each(undeclared, key))?;
        document.serialize_field("suspects", &Each(suspects, suspect))?;
        document.serialize_field("included", &Each(included, key))?;
        let withheld: serde_json::Map<_, _> =
            withheld.iter().map(|(kind, count)| (kind.code().to_owned(), json!(count))).collect();
        document.serialize_field("withheld", &withheld)?;
        document.serialize_field("refusals", &Each(refusals, refusal))?;
        document.serialize_field("notices", &self.context.notices)?;
        document
            .serialize_field("diagnostics", &crate::report::diagnostics::json(&self.context.diagnostics))?;
        if let Some(impact) = &self.context.impact {
            document.serialize_field("alert_impact", &alert_impact(impact))?;
        }
        document.end()
    }
}

/// The changes, each made when it is written.
struct Changes<'a>(&'a [&'a Action]);

impl Serialize for Changes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|action| Change(action)))
    }
}

fn alert_impact(impact: &Impact) -> Value {
    let line = |line: &Line| {
        let Line { effect, workspace, rule, about, severity, channels, why } = line;
        json!({
            "effect": effect.code(), "workspace": workspace, "rule": rule, "about": about, "severity": severity,
            "channels": channels, "why": why,
        })
    };
    let counts: serde_json::Map<_, _> =
        impact.counts.iter().map(|(effect, count)| (effect.code().to_owned(), json!(count))).collect();
    let alerts: Vec<Value> = impact.lines.iter().map(line).collect();
    json!({
        "as_of": impact.as_of, "time_dependent": true, "counts": counts, "alerts": alerts, "more": impact.more(),
    })
}

/// A list whose items are made when they are written.
struct Each<'a, T>(&'a [T], fn(&T) -> Value);

impl<T> Serialize for Each<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(items, make) = self;
        serializer.collect_seq(items.iter().map(make))
    }
}

fn key(key: &ResourceKey) -> Value {
    json!({
        "kind": key.kind.name,
        "workspace": &*key.workspace,
        "name": &*key.name,
        "key": key.to_string(),
    })
}

/// One change. It is written as it is read: a plan may have tens of thousands, each with two specs.
pub(super) struct Change<'a>(pub(super) &'a Action);

impl Serialize for Change<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Action {
            kind,
            key,
            reason,
            position,
            revision,
            before,
            after: _,
            left,
            digest: _,
            protected,
            changes,
            from,
            permanent,
            dependents,
        } = self.0;
        let mut change = serializer.serialize_map(None)?;
        change.serialize_entry("action", kind.code())?;
        change.serialize_entry("kind", key.kind.name)?;
        change.serialize_entry("workspace", &*key.workspace)?;
        change.serialize_entry("name", &*key.name)?;
        change.serialize_entry("key", &key.to_string())?;
        change.serialize_entry("risk", Risk::of(self.0).code())?;
        change.serialize_entry("protected", protected)?;
        change.serialize_entry("reason", &because(reason))?;
        if let Some(position) = position {
            change.serialize_entry("source", &place(position))?;
        }
        if let Some(revision) = revision {
            change.serialize_entry("revision", revision)?;
        }
        if let Some(from) = from {
            change.serialize_entry("renamed_from", from)?;
        }
        if *permanent {
            change.serialize_entry("permanent", &true)?;
        }
        if !dependents.is_empty() {
            let counts: serde_json::Map<_, _> =
                dependents.iter().map(|(kind, count)| (kind.name.to_owned(), json!(count))).collect();
            change.serialize_entry("dependents", &counts)?;
        }
        change.serialize_entry("fields", &changes.iter().map(field).collect::<Vec<_>>())?;
        if !left.is_empty() {
            change.serialize_entry("ignored", &left.iter().map(Left::pointer).collect::<Vec<_>>())?;
        }
        let written = self.0.written();
        for (name, canonical) in [("before", before.as_deref()), ("after", written.as_deref())] {
            if let Some(canonical) = canonical {
                // It is JSON already, and only needs to be indented.
                match serde_json::from_str::<&RawValue>(canonical) {
                    Ok(canonical) => change.serialize_entry(name, canonical)?,
                    Err(_) => change.serialize_entry(name, &Value::Null)?,
                }
            }
        }
        change.end()
    }
}

fn because(reason: &Reason) -> Value {
    let mut because = json!({"code": reason.code(), "text": reason.to_string()});
    if let Some((actor, at)) = reason.actor() {
        because["actor"] = json!(actor);
        because["at"] = json!(at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    }
    because
}

fn field(change: &FieldChange) -> Value {
    let FieldChange { path, before, after, origin } = change;
    let mut pointer =
        String::from(if path.first().is_some_and(|step| step == "labels") { "/metadata" } else { "/spec" });
    for step in path {
        pointer.push('/');
        pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
    }
    json!({
        "path": change.field(),
        "pointer": pointer,
        "before": before,
        "after": after,
        "origin": layer(origin),
    })
}

fn layer(origin: &Origin) -> Value {
    let at = |layer: &str, Position { file, line, column }: &Position| json!({"layer": layer, "file": &**file, "line": line, "column": column});
    match origin {
        Origin::Manifest(position) => at("manifest", position),
        Origin::Overlay(position) => at("overlay", position),
        Origin::Template(name) => json!({"layer": "template", "name": name}),
        Origin::Workspace(name) => json!({"layer": "workspace", "name": name}),
        Origin::Default => json!({"layer": "default"}),
    }
}

fn suspect(suspect: &Suspect) -> Value {
    let Suspect { from, to, field, value } = suspect;
    json!({"from": from.to_string(), "to": to.to_string(), "field": field, "value": value})
}

fn refusal(refusal: &Refusal) -> Value {
    let Refusal { code, key: of, message, help, position, can_be_acknowledged } = refusal;
    let mut refused = of.as_ref().map_or_else(|| json!({}), key);
    refused["can_be_acknowledged"] = json!(can_be_acknowledged);
    refused["code"] = json!(code);
    refused["message"] = json!(message);
    refused["help"] = json!(help);
    if let Some(position) = position {
        refused["source"] = place(position);
    }
    refused
}

fn place(Position { file, line, column }: &Position) -> Value {
    json!({"file": &**file, "line": line, "column": column})
}
