//! The JSON Schema of a health report, written by hand because it is a promise and not a picture of the code.

use serde_json::{Value, json};

use crate::model::health::CheckedService;

/// The schema, 2020-12. Unknown members are allowed: minor versions of the format add some.
#[must_use]
pub fn schema() -> Value {
    let count = |description: &str| json!({"description": description, "type": "integer", "minimum": 0});
    let instant =
        |description: &str| json!({"description": description, "type": "string", "format": "date-time"});
    let status = |description: &str| json!({"description": description, "enum": ["healthy", "degraded", "unhealthy", "unknown"]});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://synthex.dev/schemas/health_report.schema.json",
        "title": "synthex health report",
        "description": "What `synthex health check` and `synthex health report` print with `--format json`.",
        "type": "object",
        "required": ["format_version", "overallStatus", "timestamp", "counts", "muted", "total", "checks"],
        "properties": {
            "format_version": {
                "description": "Version of this format. Within 1.x members are added, never changed or removed.",
                "type": "string",
                "pattern": "^1\\.[0-9]+$",
            },
            "overallStatus": status("The worst of what is not in a maintenance window; unknown where nothing is worse and something could not be found out."),
            "timestamp": instant("When it was made."),
            "counts": {
                "description": "How many checks stand how. What is unknown is counted apart.",
                "type": "object",
                "required": ["healthy", "degraded", "unhealthy", "unknown"],
                "properties": {
                    "healthy": count("Those that work."),
                    "degraded": count("Those that work, but not well."),
                    "unhealthy": count("Those that do not work."),
                    "unknown": count("Those that could not be found out."),
                },
            },
            "muted": count("How many are in a maintenance window: they do not count for overallStatus."),
            "total": count("How many checks there are, also where fewer are listed."),
            "recorded": {
                "description": "Of a check: whether what was found is kept in the database.",
                "type": "boolean",
            },
            "period": {
                "description": "Of a report: what availability is of. The start is part of it, the end is not.",
                "type": "object",
                "required": ["start", "end", "timeZone"],
                "properties": {
                    "start": instant("The first instant."),
                    "end": instant("The instant after the last one."),
                    "timeZone": {"description": "The zone.", "const": "UTC"},
                },
            },
            "availability": availability("Of a report: all checks together."),
            "checks": {
                "description": "The checks, the worst first.",
                "type": "array",
                "items": check(),
            },
        },
    })
}

fn availability(description: &str) -> Value {
    let count = |description: &str| json!({"description": description, "type": "integer", "minimum": 0});
    json!({
        "description": description,
        "type": "object",
        "required": ["good", "known", "ratio"],
        "properties": {
            "good": count("Results that were healthy or degraded."),
            "known": count("Results that were not unknown."),
            "ratio": {
                "description": "The share of good ones; null without a known one.",
                "type": ["number", "null"],
                "minimum": 0,
                "maximum": 1,
            },
            "excludesMaintenance": {
                "description": "Whether results in maintenance windows are left out.",
                "type": "boolean",
            },
        },
    })
}

fn check() -> Value {
    let text = |description: &str| json!({"description": description, "type": "string"});
    let maybe = |description: &str, of: &str| json!({"description": description, "type": [of, "null"]});
    let status = |description: &str| json!({"description": description, "enum": ["healthy", "degraded", "unhealthy", "unknown"]});
    json!({
        "type": "object",
        "required": [
            "name", "service", "workspaceId", "subject", "tenantId", "status", "lastStatus", "code", "message", "lastChecked",
            "responseTime", "maintenance", "stale", "metadata"
        ],
        "properties": {
            "name": text("Service, workspace and subject, with slashes between them."),
            "service": {
                "description": "What was looked at.",
                "enum": CheckedService::ALL.map(CheckedService::code),
            },
            "workspaceId": text("The workspace; empty for what belongs to none."),
            "subject": text("Of what: the tenant, the credential, the host; empty where there is one only."),
            "tenantId": maybe("The tenant it is about.", "string"),
            "status": status("Of a check what was found now; of a report how it stands, once enough results in a row said so."),
            "lastStatus": status("What the last result said."),
            "code": text("What was found, as a stable word: ok, wrong_shop, timeout."),
            "message": text("The same for people, in one line."),
            "lastChecked": {"description": "When it was last looked at.", "type": "string", "format": "date-time"},
            "responseTime": {
                "description": "How long that took, in milliseconds; null where nothing was asked.",
                "type": ["integer", "null"],
                "minimum": 0,
            },
            "since": maybe("Since when it stands like this.", "string"),
            "maintenance": {"description": "Whether it fell into a maintenance window.", "type": "boolean"},
            "stale": {"description": "Whether it was not looked at for two intervals.", "type": "boolean"},
            "availability": availability("Of a report: the results in the period."),
            "metadata": {"description": "Numbers and words that show it.", "type": "object"},
        },
    })
}
