//! The JSON Schema of what webhooks are posted, made from the lists of words that the code has.

use serde_json::{Value, json};

use crate::alerts::{Event, Topic};

/// The schema.
#[must_use]
pub fn schema() -> Value {
    let text = || json!({"type": "string"});
    let or_null = |of: &str| json!({"type": ["string", "null"], "description": of});
    let instant = |of: &str| json!({"type": ["string", "null"], "format": "date-time", "description": of});
    let severity = json!({"enum": ["info", "warning", "critical"]});
    let types: Vec<String> = Topic::ALL
        .iter()
        .flat_map(|topic| Event::ALL.iter().map(move |event| format!("{}.{}", topic.code(), event.code())))
        .collect();
    let item = json!({
        "type": "object",
        "description": "One thing that the message tells of. What is not known is null.",
        "required": ["alert", "severity", "what", "tenant", "tenantName", "service", "subject", "since", "expiresAt", "expiresLocal", "why", "remedy", "command"],
        "properties": {
            "alert": or_null("The id of the alert."),
            "severity": severity,
            "what": {"type": "string", "description": "What is wrong, in one line."},
            "tenant": or_null("The tenant."),
            "tenantName": or_null("Its display name."),
            "service": or_null("The service, such as shopify."),
            "subject": or_null("The credential, check or metric."),
            "since": instant("Since when."),
            "expiresAt": instant("When it expires, or expired."),
            "expiresLocal": or_null("The same where the tenant is."),
            "why": or_null("Why, or what was found."),
            "remedy": or_null("What to do."),
            "command": or_null("The command that does it, or shows more."),
        },
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What a webhook of synthex is posted",
        "description": "Fields may be added; none is taken away or changes its meaning.",
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"enum": types, "description": "What sort of thing happened: topic.event."},
            "timestamp": {"type": "string", "format": "date-time", "description": "When the message was written. When it was sent is in the header webhook-timestamp."},
            "data": {
                "type": "object",
                "required": ["topic", "event", "severity", "workspace", "channel", "title", "text", "rule", "at", "isTest", "isLate", "items", "itemsTotal", "itemsCut"],
                "properties": {
                    "topic": {"enum": Topic::ALL.map(Topic::code)},
                    "event": {"enum": Event::ALL.map(Event::code)},
                    "severity": severity,
                    "workspace": text(),
                    "channel": text(),
                    "title": {"type": "string", "description": "In one line, with its marks: [CRITICAL], [RESOLVED], [TEST], [LATE]."},
                    "text": {"type": "string", "description": "In a few lines; may be empty."},
                    "rule": or_null("The alert rule."),
                    "at": {"type": "string", "format": "date-time"},
                    "isTest": {"type": "boolean", "description": "Whether nothing happened, and the channel is tried."},
                    "isLate": {"type": "boolean", "description": "Whether it is older than the channel's maxAge."},
                    "items": {"type": "array", "items": item},
                    "itemsTotal": {"type": "integer", "description": "How many things it tells of."},
                    "itemsCut": {"type": "integer", "description": "How many of them are not listed."},
                },
            },
        },
    })
}
