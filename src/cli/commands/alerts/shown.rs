//! Alerts as commands show them.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::alerts::{Alert, AlertKind, AlertStatus, expiry, wording};
use crate::cli::error::CliError;
use crate::store::alerts::ListedAlert;

/// What an alert says now: days pass, and what its row says was written when it last changed.
pub(super) fn title(alert: &Alert, now: DateTime<Utc>) -> String {
    if alert.status == AlertStatus::Resolved { alert.title.clone() } else { wording::what(alert, now) }
}

/// An alert, for JSON.
pub(super) fn alert_json(workspace: &str, region: Option<&str>, alert: &Alert, now: DateTime<Utc>) -> Value {
    let expires_at = alert.expires_at.filter(|_| alert.kind == AlertKind::CredentialExpiry);
    let mut item = wording::item(alert, workspace, None, now);
    item.expires_local = expires_at.and_then(|at| wording::local(at, region?)).or(item.expires_local);
    let is_over = alert.status == AlertStatus::Resolved;
    json!({
        "id": alert.id,
        "workspaceId": workspace,
        "tenantId": alert.tenant,
        "service": alert.service,
        "severity": alert.severity.code(),
        "type": alert.type_code(),
        "title": title(alert, now),
        "message": if is_over { alert.message.clone() } else { wording::item_text(&item) },
        "expiresAt": expires_at,
        "expiresLocal": item.expires_local,
        "daysUntilExpiry": expires_at.map(|at| expiry::days_left(at, now)),
        "sentAt": alert.notified_at,
        "acknowledged": alert.is_acknowledged(now),
        "status": alert.status.code(),
        "kind": alert.kind.code(),
        "rule": alert.rule,
        "subject": alert.subject,
        "threshold": alert.threshold,
        "since": alert.fired_at.unwrap_or(alert.started_at),
        "mutedBy": alert.muted_by,
        "mutedSince": alert.muted_since,
        "isFlapping": alert.is_flapping,
        "reminders": alert.reminders,
        "acknowledgedAt": alert.acknowledged_at,
        "acknowledgedBy": alert.acknowledged_by,
        "comment": alert.ack_comment,
        "acknowledgedUntil": alert.ack_until,
        "resolvedAt": alert.resolved_at,
        "resolveReason": alert.resolve_reason.map(crate::alerts::ResolveReason::code),
        "labels": alert.labels,
        "command": item.command,
    })
}

/// [`alert_json`] of one that was read.
pub(super) fn listed_json(listed: &ListedAlert, now: DateTime<Utc>) -> Value {
    alert_json(&listed.workspace, listed.region.as_deref(), &listed.alert, now)
}

/// Where an alert is in its life, with what is to be known beside it.
pub(super) fn status(alert: &Alert, now: DateTime<Utc>) -> String {
    let mut status = alert.status.code().to_owned();
    if alert.status == AlertStatus::Acknowledged && !alert.is_acknowledged(now) {
        status = AlertStatus::Firing.code().to_owned();
    }
    if let Some(reason) = alert.resolve_reason {
        status.push_str(&format!(" ({})", reason.code()));
    }
    if alert.is_flapping {
        status.push_str(", flapping");
    }
    if !alert.muted_by.is_empty() && alert.status != AlertStatus::Resolved {
        status.push_str(&format!(", muted by {}", alert.muted_by.join(", ")));
    }
    status
}

/// There is no such alert.
pub(super) fn unknown(id: &str) -> CliError {
    CliError::usage(format!("there is no alert {id}"))
        .why("none has an id that is, or begins with, this; or it is of a workspace that this role does not see")
        .help("`synthex alerts list` shows alerts with their ids")
}

/// More than one alert could be meant.
pub(super) fn ambiguous(id: &str) -> CliError {
    CliError::usage(format!("more than one alert has an id that begins with {id}"))
        .help("write more of it; `synthex alerts list` shows alerts with their ids")
}

/// Reads an id, or the beginning of one.
///
/// # Errors
/// It can be neither.
pub(super) fn id(text: &str) -> Result<String, String> {
    let is_id =
        (4..=36).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if is_id {
        Ok(text.to_lowercase())
    } else {
        Err("write an alert's id, or at least its first four characters".to_owned())
    }
}
