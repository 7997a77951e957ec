//! The record as JSON: one value for each command. Within format 1 members are only added.

use serde_json::{Value, json};

use crate::model::ResourceKey;
use crate::plan::ActionKind;
use crate::plan::diff::Difference;
use crate::plan::ignored::pointer;
use crate::plan::record::{Blamed, Event, Recorded, RecordedItem, Trail};

const FORMAT_VERSION: &str = "1.0";

/// Operations.
#[must_use]
pub fn operations(operations: &[Recorded]) -> Value {
    let all: Vec<Value> = operations.iter().map(operation_value).collect();
    json!({"format_version": FORMAT_VERSION, "operations": all})
}

/// One operation, with all that it did.
#[must_use]
pub fn operation(operation: &Recorded, items: &[RecordedItem]) -> Value {
    let mut value = operation_value(operation);
    value["changes"] = items.iter().map(|item| item_value(item, &item.changes())).collect();
    json!({"format_version": FORMAT_VERSION, "operation": value})
}

/// The life of one resource. `shown` are the events that the reader wants.
#[must_use]
pub fn trail(key: &ResourceKey, trail: &Trail, shown: &[Event]) -> Value {
    json!({
        "format_version": FORMAT_VERSION,
        "key": key.to_string(),
        "former_names": trail.former,
        "renamed_to": trail.renamed_to.as_ref().map(|(name, _)| name),
        "events": shown.iter().map(event).collect::<Vec<_>>(),
    })
}

/// Who last set each field.
#[must_use]
pub fn blame(key: &ResourceKey, fields: &[Blamed<'_>]) -> Value {
    let field = |blamed: &Blamed<'_>| {
        let mut value = json!({"field": blamed.field, "value": blamed.value});
        match blamed.by {
            Some(event @ Event::Item(item, _)) => {
                value["type"] = json!("operation");
                value["actor"] = json!(event.who());
                value["at"] = json!(event.at());
                value["revision"] = json!(item.operation.revision);
                value["command"] = json!(item.operation.command);
                value["commit"] = json!(item.operation.commit);
                value["source"] = json!(item.source);
            }
            Some(event) => {
                value["type"] = json!("edit");
                value["role"] = json!(event.who());
                value["at"] = json!(event.at());
            }
            None => value["type"] = json!("unknown"),
        }
        value
    };
    json!({
        "format_version": FORMAT_VERSION,
        "key": key.to_string(),
        "fields": fields.iter().map(field).collect::<Vec<_>>(),
    })
}

/// An operation without what it did.
#[must_use]
pub fn operation_value(operation: &Recorded) -> Value {
    let mut summary = json!({"failed": operation.failed, "skipped": operation.skipped});
    for (kind, count) in ActionKind::ALL.into_iter().zip(operation.counts) {
        summary[kind.code()] = json!(count);
    }
    json!({
        "revision": operation.revision,
        "id": operation.id,
        "project": operation.project,
        "environment": operation.environment,
        "command": operation.command,
        "actor": operation.actor,
        "host": operation.host,
        "commit": operation.commit,
        "run_url": operation.run_url,
        "digest": operation.digest.map(|digest| digest.to_string()),
        "status": operation.status,
        "summary": summary,
        "note": operation.note,
        "acknowledged_deletes": operation.acknowledged,
        "started_at": operation.started_at,
        "finished_at": operation.finished_at,
        "duration_ms": (operation.finished_at - operation.started_at).num_milliseconds().max(0),
    })
}

/// What an operation did to one resource.
#[must_use]
pub fn item_value(item: &RecordedItem, changes: &[Difference]) -> Value {
    json!({
        "key": item.key.to_string(),
        "kind": item.key.kind.name,
        "workspace": &*item.key.workspace,
        "name": &*item.key.name,
        "former_name": item.from,
        "action": item.action.code(),
        "permanent": item.permanent,
        "reason": item.reason,
        "source": item.source,
        "outcome": item.outcome,
        "why": item.error,
        "ignored": item.left().iter().map(|path| pointer(path)).collect::<Vec<_>>(),
        "fields": fields(changes),
    })
}

fn fields(changes: &[Difference]) -> Value {
    let field = |(path, before, after): &Difference| json!({"path": path.join("."), "before": before, "after": after});
    changes.iter().map(field).collect()
}

fn event(event: &Event) -> Value {
    match event {
        Event::Item(item, changes) => {
            let mut value = item_value(item, changes);
            value["type"] = json!("operation");
            value["at"] = json!(event.at());
            value["revision"] = json!(item.operation.revision);
            value["actor"] = json!(item.operation.actor);
            value["command"] = json!(item.operation.command);
            value["commit"] = json!(item.operation.commit);
            value["run_url"] = json!(item.operation.run_url);
            value["note"] = json!(item.operation.note);
            value
        }
        Event::Edit(edit) => json!({
            "type": "edit",
            "at": edit.at,
            "key": edit.key.to_string(),
            "role": edit.role,
            "client": edit.client,
            "operation": edit.operation,
            "fields": fields(&edit.changes),
        }),
    }
}
