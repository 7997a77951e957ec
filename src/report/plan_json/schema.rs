//! The JSON Schema of a plan document, written by hand because it is a promise and not a picture of the code.

use serde_json::{Value, json};

/// The schema, 2020-12. Unknown members are allowed: minor versions of the format add some.
#[must_use]
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://synthex.dev/schemas/plan.schema.json",
        "title": "synthex plan",
        "description": "What `synthex plan --format json` prints: what would change in the database, and why.",
        "type": "object",
        "required": [
            "format_version", "digest", "base", "summary", "changes", "undeclared", "refusals", "notices", "diagnostics"
        ],
        "properties": {
            "format_version": {
                "description": "Version of this format. Within 1.x members are added, never changed or removed.",
                "type": "string",
                "pattern": "^1\\.[0-9]+$",
            },
            "digest": {
                "description": "Identifies the plan: the same changes on the same revisions have the same digest. Null when no plan could be made.",
                "type": ["string", "null"],
                "pattern": "^sha256:[0-9a-f]{64}$",
            },
            "base": {
                "description": "What the plan was made from.",
                "type": "object",
                "required": ["project", "database"],
                "properties": {
                    "project": {"description": "The project: the owner of its rows.", "type": "string"},
                    "database": {"description": "The database, without a password.", "type": "string"},
                    "git_commit": {"description": "The commit of the manifests, with `-dirty` behind it where some of them are not committed.", "type": "string"},
                    "environment": {"description": "The environment of the project.", "type": "string"},
                    "state_revision": {"description": "The last operation on record in the database.", "type": "integer"},
                },
            },
            "summary": {
                "description": "How many resources of each. Null when no plan could be made.",
                "anyOf": [{"$ref": "#/$defs/summary"}, {"type": "null"}],
            },
            "changes": {
                "description": "What would be done, sorted by risk (critical first), kind, workspace and name.",
                "type": "array",
                "items": {"$ref": "#/$defs/change"},
            },
            "undeclared": {
                "description": "Resources of the project that nobody declares any more and that this plan leaves alone.",
                "type": "array",
                "items": {"$ref": "#/$defs/resource"},
            },
            "suspects": {
                "description": "What looks like a rename that the project file does not declare.",
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["from", "to", "field", "value"],
                    "properties": {
                        "from": {"description": "The key of what goes away.", "type": "string"},
                        "to": {"description": "The key of what is created.", "type": "string"},
                        "field": {"description": "The field that both have in common.", "type": "string"},
                        "value": {"description": "Its value.", "type": "string"},
                    },
                },
            },
            "included": {
                "description": "Resources that were not selected and are looked at because selected ones need them.",
                "type": "array",
                "items": {"$ref": "#/$defs/resource"},
            },
            "withheld": {
                "description": "How many changes of each sort the user did not allow.",
                "type": "object",
                "additionalProperties": {"type": "integer", "minimum": 1},
            },
            "refusals": {
                "description": "Guards that say no. A plan with one of these is never applied.",
                "type": "array",
                "items": {"$ref": "#/$defs/refusal"},
            },
            "notices": {
                "description": "What else is worth knowing, one line each.",
                "type": "array",
                "items": {"type": "string"},
            },
            "diagnostics": {
                "description": "Problems in the manifests. With an error among them there is no plan.",
                "type": "array",
                "items": {"$ref": "#/$defs/diagnostic"},
            },
            "alert_impact": alert_impact(),
            "error": failure(),
        },
        "$defs": definitions(),
    })
}

fn failure() -> Value {
    json!({
        "description": "Why no plan could be made, when the manifests are not to blame.",
        "type": "object",
        "required": ["code", "what", "why", "help"],
        "properties": {
            "code": {"description": "A stable word, such as `database-unreachable`.", "type": "string"},
            "what": {"description": "What happened.", "type": "string"},
            "why": {"description": "Why.", "type": ["string", "null"]},
            "help": {"description": "What to do.", "type": ["string", "null"]},
            "exit_code": {"description": "The exit status of the command.", "type": "integer"},
        },
    })
}

fn alert_impact() -> Value {
    json!({
        "description": "What the plan would do to alerts if it were applied at a moment; left out where that is nothing. No part of the digest.",
        "type": "object",
        "required": ["as_of", "time_dependent", "counts", "alerts", "more"],
        "properties": {
            "as_of": {"description": "The moment.", "type": "string", "format": "date-time"},
            "time_dependent": {"description": "That another moment may give another answer.", "const": true},
            "counts": {
                "description": "How many alerts of each effect.",
                "type": "object",
                "additionalProperties": {"type": "integer", "minimum": 1},
            },
            "alerts": {
                "description": "The first of them.",
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["effect", "workspace", "rule", "about", "severity", "channels", "why"],
                    "properties": {
                        "effect": {"description": "What would happen to it.", "enum": ["orphan", "mute", "resolve", "fire", "retell", "unmute"]},
                        "workspace": {"description": "Its workspace.", "type": "string"},
                        "rule": {"description": "Its rule; null where none covers it.", "type": ["string", "null"]},
                        "about": {"description": "What it is about.", "type": "string"},
                        "severity": {"description": "How urgent it is.", "enum": ["info", "warning", "critical"]},
                        "channels": {"description": "The channels of its rule.", "type": "array", "items": {"type": "string"}},
                        "why": {"description": "What mutes it, or why it would be over or told again.", "type": ["string", "null"]},
                    },
                },
            },
            "more": {"description": "How many are not listed.", "type": "integer", "minimum": 0},
        },
    })
}

fn definitions() -> Value {
    let count = json!({"type": "integer", "minimum": 0});
    json!({
        "summary": {
            "type": "object",
            "required": ["create", "update", "delete", "restore", "adopt", "rename", "unchanged"],
            "properties": {
                "create": count, "update": count, "delete": count, "restore": count,
                "adopt": count, "rename": count, "unchanged": count,
            },
        },
        "resource": {
            "description": "Identifies a resource.",
            "type": "object",
            "required": ["kind", "workspace", "name", "key"],
            "properties": {
                "kind": {"description": "As in a manifest: `Tenant`.", "type": "string"},
                "workspace": {"description": "The workspace; for a Workspace its own name.", "type": "string"},
                "name": {"description": "`metadata.name`.", "type": "string"},
                "key": {"description": "`tenant/anz-smb/acme`.", "type": "string"},
            },
        },
        "source": {
            "description": "A place in a file, counted from 1. In a CSV file the column is the number of the field.",
            "type": "object",
            "required": ["file", "line", "column"],
            "properties": {
                "file": {"type": "string"},
                "line": {"type": "integer", "minimum": 1},
                "column": {"type": "integer", "minimum": 1},
            },
        },
        "change": change(),
        "field": field(),
        "canonical": {
            "description": "The whole resource: labels and spec, defaults filled in, absent fields left out.",
            "type": ["object", "null"],
            "properties": {"labels": {"type": ["object", "null"]}, "spec": {"type": "object"}},
        },
        "refusal": {
            "description": "A guard says no: to one resource, or to the plan as a whole, and then no resource is named.",
            "type": "object",
            "required": ["code", "message", "help"],
            "properties": {
                "kind": {"type": "string"},
                "workspace": {"type": "string"},
                "name": {"type": "string"},
                "key": {"type": "string"},
                "can_be_acknowledged": {
                    "description": "Whether `--ack-deletes N --expect-digest D` lets it pass, or `--ack-updates N` where it is about updates.",
                    "type": "boolean",
                },
                "code": {"description": "`synthex explain CODE` says more.", "type": "string", "pattern": "^SX[0-9]{4}$"},
                "message": {"type": "string"},
                "help": {"type": "string"},
                "source": {"$ref": "#/$defs/source"},
            },
        },
        "diagnostic": diagnostic(),
    })
}

fn change() -> Value {
    json!({
        "description": "One resource that changes.",
        "allOf": [{"$ref": "#/$defs/resource"}],
        "type": "object",
        "required": ["action", "risk", "protected", "reason", "fields"],
        "properties": {
            "action": {
                "description": "`restore`: a deleted row lives again. `adopt`: a row of nobody's, or made by a command, becomes the project's.",
                "enum": ["create", "update", "restore", "adopt", "delete", "rename"],
            },
            "risk": {
                "description": "critical: a protected resource is deleted. high: a resource is deleted. medium: a row that exists is written. low: a row is created.",
                "enum": ["critical", "high", "medium", "low"],
            },
            "protected": {"description": "Whether deletion is refused, now or after this change.", "type": "boolean"},
            "reason": {
                "type": "object",
                "required": ["code", "text"],
                "properties": {
                    "code": {
                        "description": "A stable word; further ones may be added.",
                        "type": "string",
                        "examples": [
                            "new", "removed", "edited", "drift", "edited-and-drift", "declared-again", "unowned",
                            "owned-by-commands", "undeclared"
                        ],
                    },
                    "text": {"description": "The same for people.", "type": "string"},
                    "actor": {"description": "The database role that changed or removed the row.", "type": "string"},
                    "at": {"description": "When it did.", "type": "string", "format": "date-time"},
                },
            },
            "source": {"$ref": "#/$defs/source"},
            "revision": {
                "description": "The revision the row must still have when the plan is applied.",
                "type": "integer",
            },
            "renamed_from": {"description": "The former name, of what is renamed.", "type": "string"},
            "permanent": {"description": "Whether the row is removed for good.", "type": "boolean"},
            "dependents": {
                "description": "What is deleted along with it: kinds and how many of each.",
                "type": "object",
                "additionalProperties": {"type": "integer", "minimum": 1},
            },
            "ignored": {
                "description": "Fields that a rule of `ignore` leaves as they are, although something else is declared.",
                "type": "array",
                "items": {"type": "string"},
            },
            "fields": {
                "description": "The fields that change, sorted. For create and delete empty: see `after` and `before`.",
                "type": "array",
                "items": {"$ref": "#/$defs/field"},
            },
            "before": {"$ref": "#/$defs/canonical"},
            "after": {"$ref": "#/$defs/canonical"},
        },
    })
}

fn field() -> Value {
    json!({
        "description": "One field that changes.",
        "type": "object",
        "required": ["path", "pointer", "before", "after", "origin"],
        "properties": {
            "path": {"description": "As people write it: `contact.email`, `labels.tier`.", "type": "string"},
            "pointer": {"description": "JSON pointer into the manifest: `/spec/contact/email`.", "type": "string"},
            "before": {"description": "The value in the database; null when absent."},
            "after": {"description": "The declared value; null when absent."},
            "origin": {
                "description": "Where the declared value comes from.",
                "type": "object",
                "required": ["layer"],
                "properties": {
                    "layer": {"enum": ["manifest", "overlay", "template", "workspace", "default"]},
                    "name": {"description": "The template or workspace.", "type": "string"},
                    "file": {"type": "string"},
                    "line": {"type": "integer", "minimum": 1},
                    "column": {"type": "integer", "minimum": 1},
                },
            },
        },
    })
}

fn diagnostic() -> Value {
    let number = json!({"type": ["integer", "null"], "minimum": 1});
    let text = json!({"type": ["string", "null"]});
    json!({
        "description": "A problem in a manifest.",
        "type": "object",
        "required": [
            "severity", "code", "message", "resource", "pointer", "file", "line", "column", "help", "related"
        ],
        "properties": {
            "severity": {"enum": ["error", "warning"]},
            "code": {"description": "`synthex explain CODE` says more.", "type": "string", "pattern": "^SX[0-9]{4}$"},
            "message": {"type": "string"},
            "resource": text,
            "pointer": text,
            "file": text,
            "line": number,
            "column": number,
            "help": text,
            "related": {
                "description": "Other places that belong to the problem.",
                "type": "array",
                "items": {
                    "allOf": [{"$ref": "#/$defs/source"}],
                    "type": "object",
                    "required": ["note"],
                    "properties": {"note": {"type": "string"}},
                },
            },
        },
    })
}
