//! Alerts as commands show them.

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::{Value, json};

use crate::alerts::{Alert, AlertKind, AlertStatus, expiry, wording};
use crate::cli::desk::some;
use crate::cli::error::CliError;
use crate::cli::outbox::Post;
use crate::model::diagnostic::did_you_mean;
use crate::report::clean::clean;
use crate::store::alerts::{AlertFilter, ListedAlert};

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

/// The end of an id. Ids begin with the time, so those of one evaluation differ only in what comes after it.
pub(super) fn short_id(alert: &Alert) -> String {
    let id = alert.id.to_string();
    id.rsplit('-').next().unwrap_or_default().to_owned()
}

/// Which alert is meant.
#[derive(Clone, Debug, Args)]
pub struct IdArgs {
    /// The alert's id, or its first or last characters
    #[arg(value_name = "ID", value_parser = id, required_unless_present = "alert_id")]
    id: Option<String>,
    /// The same as an option
    #[arg(long, value_name = "ID", value_parser = id, conflicts_with = "id")]
    alert_id: Option<String>,
}

impl IdArgs {
    /// The id, or a part of one.
    pub(super) fn id(&self) -> &str {
        self.id.as_deref().or(self.alert_id.as_deref()).unwrap_or_default()
    }
}

/// There is no such rule. `known` is sorted, and has each name once.
pub(super) fn unknown_rule(rule: &str, known: &[String]) -> CliError {
    let help = did_you_mean(rule, known.iter().map(String::as_str)).map_or_else(
        || match known {
            [] => "no rule is declared: declare an AlertRule and run `synthex apply`".to_owned(),
            known => format!("the rules are {}", some(known.iter())),
        },
        |near| format!("did you mean `{near}`?"),
    );
    CliError::usage(format!("there is no alert rule `{rule}`")).help(help)
}

/// There is no such alert.
pub(super) fn unknown(id: &str) -> CliError {
    CliError::usage(format!("there is no alert {id}"))
        .why("no id begins or ends with this, or is this; or the alert is of a workspace that this role does not see")
        .help("`synthex alerts list` shows alerts with their ids")
}

/// More than one alert could be meant: which.
pub(super) fn ambiguous(id: &str, candidates: &[ListedAlert], now: DateTime<Utc>) -> CliError {
    const MOST: usize = 10;
    let mut error = CliError::usage(format!("more than one alert has an id that begins or ends with {id}"))
        .help("write one of these, or the whole id");
    let of =
        |listed: &ListedAlert| format!("{}  {}", short_id(&listed.alert), clean(&title(&listed.alert, now)));
    error.also = candidates.iter().take(MOST).map(of).collect();
    if candidates.len() > MOST {
        error.also.push("and others".to_owned());
    }
    error
}

/// Alerts with an id that is, begins or ends with this, in any of the workspaces; eleven of them at most.
///
/// # Errors
/// The database does not answer.
pub(super) async fn with_id(post: &mut Post, id: &str) -> Result<Vec<ListedAlert>, CliError> {
    let mut found = Vec::new();
    for workspace in post.scopes.clone() {
        let filter =
            AlertFilter { workspace, id: Some(id.to_owned()), limit: Some(11), ..AlertFilter::default() };
        found.append(&mut post.connection.alerts(&filter).await?.0);
    }
    Ok(found)
}

/// Reads an id, or the beginning or the end of one.
///
/// # Errors
/// It can be none of these.
fn id(text: &str) -> Result<String, String> {
    let is_id =
        (4..=36).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if is_id {
        Ok(text.to_lowercase())
    } else {
        Err("write an alert's id, or at least four characters of its beginning or its end".to_owned())
    }
}
