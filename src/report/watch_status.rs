//! The JSON Schema of what a replica of the controller says of itself, written by hand because it is a promise and not a
//! picture of the code.

use serde_json::{Value, json};

/// The schema, 2020-12. Unknown members are allowed: minor versions of the format add some.
#[must_use]
pub fn schema() -> Value {
    let text = |description: &str| json!({"description": description, "type": "string"});
    let yes = |description: &str| json!({"description": description, "type": "boolean"});
    let count = |description: &str| json!({"description": description, "type": "integer", "minimum": 0});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://synthex.dev/schemas/watch_status.schema.json",
        "title": "synthex watch status",
        "description": "What a replica of `synthex watch` answers at `/status`: itself, as it is now. What all controllers keep in the database is shown by `synthex watch status`.",
        "type": "object",
        "required": [
            "format_version", "version", "replica", "host", "project", "environment", "mode", "role", "startedAt",
            "uptimeSeconds", "live", "ready", "checks", "lastCycle", "database", "lease", "source", "conditions", "drift",
            "counted", "tasks"
        ],
        "properties": {
            "format_version": {
                "description": "Version of this format. Within 1.x members are added, never changed or removed.",
                "type": "string",
                "pattern": "^1\\.[0-9]+$",
            },
            "version": text("The version of the program."),
            "replica": {"description": "This run of the controller.", "type": "string", "format": "uuid"},
            "host": text("The machine it runs on."),
            "project": text("The project it looks after."),
            "environment": maybe("The environment of the project; null where it has none."),
            "mode": {"description": "Whether it corrects what it finds, or only says so.", "enum": ["observe", "enforce"]},
            "role": {"description": "What it is at.", "enum": ["starting", "leader", "standby", "observer"]},
            "startedAt": {"description": "When it began.", "type": "string", "format": "date-time"},
            "uptimeSeconds": count("How long it has been running."),
            "live": yes("What `/livez` answers."),
            "ready": yes("What `/readyz` answers."),
            "checks": {"description": "What `ready` is made of.", "type": "array", "items": check()},
            "lastCycle": moment("When a cycle was last complete."),
            "database": {
                "description": "The database, as this replica last saw it.",
                "type": "object",
                "required": ["up", "lastAnswer", "failure"],
                "properties": {
                    "up": yes("Whether it answered within the last 30 s, be there a failure since or not, and takes what is written."),
                    "lastAnswer": moment("When it last answered."),
                    "failure": {
                        "description": "Why it was last asked in vain, or what it has refused for some time; null since it answered and takes what is written.",
                        "type": ["object", "null"],
                        "required": ["what", "at"],
                        "properties": {"what": text("What happened."), "at": moment("When.")},
                    },
                },
            },
            "lease": {
                "description": "The lease of the one that reconciles; null where this replica does not hold it.",
                "type": ["object", "null"],
                "required": ["token", "expiresAt"],
                "properties": {
                    "token": {"description": "The fencing token.", "type": "integer"},
                    "expiresAt": moment("Until when it is held, unless it is prolonged."),
                },
            },
            "source": source(),
            "conditions": {"description": "How the workspaces stand.", "type": "array", "items": condition()},
            "drift": {
                "description": "What is not as it is declared, as this replica last saw it.",
                "type": "object",
                "required": ["objects", "byWorkspace"],
                "properties": {
                    "objects": count("How many resources."),
                    "byWorkspace": counts("The same by workspace."),
                },
            },
            "counted": {
                "description": "What was last counted in the database; null before the first time.",
                "type": ["object", "null"],
                "required": ["deliveries", "credentials", "alerts"],
                "properties": {
                    "deliveries": counts("Deliveries of notifications by state."),
                    "credentials": counts("Credentials that are used, by the time that is left until they end."),
                    "alerts": counts("Alerts that fire and that nobody acknowledged, by severity; `unrouted` are those that no rule covers, which nobody is told of."),
                },
            },
            "tasks": {
                "description": "The tasks that run, by name.",
                "type": "object",
                "additionalProperties": task(),
            },
        },
    })
}

fn maybe(description: &str) -> Value {
    json!({"description": description, "type": ["string", "null"]})
}

fn moment(description: &str) -> Value {
    json!({"description": description, "type": ["string", "null"], "format": "date-time"})
}

fn counts(description: &str) -> Value {
    json!({"description": description, "type": "object", "additionalProperties": {"type": "integer", "minimum": 0}})
}

fn check() -> Value {
    json!({
        "type": "object",
        "required": ["check", "ok", "why"],
        "properties": {
            "check": {"description": "What was looked at.", "enum": ["driver", "role", "database", "cycle"]},
            "ok": {"description": "Whether it is as it must be.", "type": "boolean"},
            "why": {"description": "Why it is or is not, for people.", "type": "string"},
        },
    })
}

fn source() -> Value {
    json!({
        "description": "What is known of the manifests; null before they were looked at.",
        "type": ["object", "null"],
        "required": ["source", "observed", "good", "applied", "held", "problem"],
        "properties": {
            "source": {"description": "Where they come from.", "type": "string"},
            "observed": maybe("The revision that was last seen: a commit, or the digest of the files."),
            "good": maybe("The last one that could be used."),
            "applied": maybe("The one that was last put in force as a whole."),
            "held": maybe("A revision that somebody rolled back, and that is not put in force again."),
            "problem": maybe("Why the one that was last seen cannot be used; null where it can."),
        },
    })
}

fn condition() -> Value {
    let text = |description: &str| json!({"description": description, "type": "string"});
    json!({
        "type": "object",
        "required": ["workspace", "type", "status", "reason", "message", "observedRevision", "lastTransitionTime"],
        "properties": {
            "workspace": text("The workspace."),
            "type": {
                "description": "What is said of it.",
                "enum": ["Ready", "Synced", "Healthy", "Paused", "Flapping", "Stalled"],
            },
            "status": {"description": "Whether it is so.", "enum": ["True", "False", "Unknown"]},
            "reason": text("Why, as a stable word."),
            "message": text("The same for people."),
            "observedRevision": maybe("The revision of the manifests that this was seen at."),
            "lastTransitionTime": {
                "description": "When the status last became another one.",
                "type": "string",
                "format": "date-time",
            },
        },
    })
}

fn task() -> Value {
    let count = |description: &str| json!({"description": description, "type": "integer", "minimum": 0});
    json!({
        "type": "object",
        "required": [
            "intervalSeconds", "runs", "failures", "failedInARow", "cause", "runningSince", "endedAt", "succeededAt",
            "tookMilliseconds", "nextAt", "failure", "status"
        ],
        "properties": {
            "intervalSeconds": {"description": "How long it waits between two runs when nothing happens.", "type": "number"},
            "runs": count("How often it ran."),
            "failures": count("How often it failed."),
            "failedInARow": count("How often it failed since it last did not."),
            "cause": {"description": "Why it ran last.", "enum": ["start", "timer", "signal", null]},
            "runningSince": moment("Since when it is running; null while it waits."),
            "endedAt": moment("When it was last done."),
            "succeededAt": moment("When it was last done without a failure."),
            "tookMilliseconds": {"description": "How long the last run took.", "type": ["number", "null"], "minimum": 0},
            "nextAt": moment("When it runs next, if nothing happens before."),
            "failure": {
                "description": "Why the last run failed; null where it did not.",
                "type": ["object", "null"],
                "required": ["code", "what"],
                "properties": {
                    "code": {"description": "A stable word.", "type": "string"},
                    "what": {"description": "What happened.", "type": "string"},
                    "why": {"description": "Why, where it is known.", "type": "string"},
                    "help": {"description": "What to do.", "type": "string"},
                },
            },
            "status": {"description": "What the last run said."},
        },
    })
}
