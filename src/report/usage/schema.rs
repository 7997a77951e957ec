//! The JSON Schema of a usage report, written by hand because it is a promise and not a picture of the code.

use serde_json::{Value, json};

/// The schema, 2020-12. Unknown members are allowed: minor versions of the format add some.
#[must_use]
pub fn schema() -> Value {
    let total = |description: &str| json!({"description": description, "type": "integer", "minimum": 0});
    let counts = |description: &str| {
        json!({
            "description": description,
            "type": "object",
            "additionalProperties": {"type": "integer", "minimum": 0},
        })
    };
    let instant =
        |description: &str| json!({"description": description, "type": "string", "format": "date-time"});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://synthex.dev/schemas/usage_report.schema.json",
        "title": "synthex usage report",
        "description": "What `synthex analytics report --format json` prints: what was done in a period, how often it failed and how long it took.",
        "type": "object",
        "required": [
            "format_version", "period", "workspaceId", "totalCommands", "totalApiCalls", "totalCredentialOps",
            "totalTenantOps", "totalErrors", "failedCommands", "errorRate", "byCommand", "byService", "byWorkspace",
            "topErrors", "performanceMetrics", "byDay", "summedDays", "incompleteDays"
        ],
        "properties": {
            "format_version": {
                "description": "Version of this format. Within 1.x members are added, never changed or removed.",
                "type": "string",
                "pattern": "^1\\.[0-9]+$",
            },
            "period": {
                "description": "The start is part of the period, the end is not.",
                "type": "object",
                "required": ["start", "end", "timeZone"],
                "properties": {
                    "start": instant("The first instant."),
                    "end": instant("The instant after the last one."),
                    "timeZone": {"description": "The zone that days are counted in.", "const": "UTC"},
                },
            },
            "workspaceId": {
                "description": "The only workspace that was looked at; null for all.",
                "type": ["string", "null"],
            },
            "totalCommands": total("Commands that ran."),
            "totalApiCalls": total("Calls of services."),
            "totalCredentialOps": total("Credentials that were verified, renewed or revoked."),
            "totalTenantOps": total("Tenants that were changed."),
            "totalErrors": total("Things that failed."),
            "failedCommands": total("Commands that failed. What somebody interrupted did not fail."),
            "errorRate": {
                "description": "The share of commands that failed; null without a command.",
                "type": ["number", "null"],
                "minimum": 0,
                "maximum": 1,
            },
            "byCommand": counts("How often each command ran."),
            "byService": counts("How often each service was called; what was done to its credentials counts as the calls that it took. The sum is `totalApiCalls`."),
            "byWorkspace": counts("How many commands meant each workspace; `(none)` where none was meant."),
            "topErrors": {
                "description": "The most frequent errors, the most frequent first.",
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["error", "count"],
                    "properties": {
                        "error": {"description": "The stable word for it.", "type": "string"},
                        "count": total("How often."),
                    },
                },
            },
            "performanceMetrics": performance(),
            "byDay": {
                "description": "Days with commands, in order.",
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["date", "commands", "failed"],
                    "properties": {
                        "date": {"description": "The day, in UTC.", "type": "string", "format": "date"},
                        "commands": total("Commands that ran."),
                        "failed": total("Those that failed."),
                    },
                },
            },
            "summedDays": total("How many days were read from their sums."),
            "incompleteDays": {
                "description": "Days at the start or the end of the period that belong to it in part, and of which nothing is counted: their metrics were dropped (`synthex analytics prune`), and the sum of a whole day cannot be looked at in part. A period from midnight to midnight, in UTC, has none.",
                "type": "array",
                "items": {"type": "string", "format": "date"},
                "maxItems": 2,
            },
        },
    })
}

fn performance() -> Value {
    let time =
        |description: &str| json!({"description": description, "type": ["number", "null"], "minimum": 0});
    json!({
        "description": "How long commands took, in milliseconds; null without data. Percentiles are interpolated.",
        "type": "object",
        "required": ["avgExecutionTime", "p50ExecutionTime", "p95ExecutionTime", "p99ExecutionTime"],
        "properties": {
            "avgExecutionTime": time("The average."),
            "p50ExecutionTime": time("Half of them took no longer."),
            "p95ExecutionTime": time("95 of 100 took no longer."),
            "p99ExecutionTime": time("99 of 100 took no longer."),
            "minExecutionTime": time("The shortest."),
            "maxExecutionTime": time("The longest."),
        },
    })
}
