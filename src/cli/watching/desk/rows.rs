//! From what the store reads to what the status page shows.

use chrono::{DateTime, Utc};

use crate::alerts::{AlertStatus, wording};
use crate::kinds::alert_rule::AlertSeverity;
use crate::plan::ActionKind;
use crate::plan::record::{Recorded, RecordedItem};
use crate::report::clean;
use crate::report::usage::Report;
use crate::store::alerts::ListedAlert;
use crate::store::outbox::{ListedDelivery, ListedNotification};
use crate::store::page::{Count, CredentialLine, HealthLine, ReplicaLine, TenantLine};
use crate::watch::http::{
    AlertRow, Beat, Counted, CredentialRow, DeliveryRow, FieldRow, HealthRow, ItemRow, NotificationRow,
    OperationRow, Replica, TenantRow, Usage,
};

/// How many fields of a change are shown.
const FIELDS: usize = 25;

/// How many characters of a value are.
const VALUE: usize = 300;

/// How many commands and errors the page on usage names.
const NAMES: usize = 15;

/// A count as it is shown; none is below zero.
pub(super) fn count(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

pub(super) fn counted(counts: &[Count]) -> Counted {
    let mut counted = Counted::default();
    for own in counts {
        let (deliveries, credentials, alerts) =
            (&mut counted.deliveries, &mut counted.credentials, &mut counted.alerts);
        let place = match (own.what.as_str(), own.which.as_str()) {
            ("delivery", "pending") => &mut deliveries.pending,
            ("delivery", "sending") => &mut deliveries.sending,
            ("delivery", "retrying") => &mut deliveries.retrying,
            ("delivery", "failed") => &mut deliveries.failed,
            ("delivery", "dead") => &mut deliveries.dead,
            ("credential", "expired") => &mut credentials.expired,
            ("credential", "day") => &mut credentials.day,
            ("credential", "week") => &mut credentials.week,
            ("credential", "month") => &mut credentials.month,
            ("credential", "later") => &mut credentials.later,
            ("credential", "unknown") => &mut credentials.unknown,
            ("alert", "unrouted") => &mut alerts.unrouted,
            ("alert", word) if word == AlertSeverity::Critical.code() => &mut alerts.critical,
            ("alert", word) if word == AlertSeverity::Warning.code() => &mut alerts.warning,
            ("alert", _) => &mut alerts.info,
            _ => continue,
        };
        *place += count(own.count);
    }
    counted
}

pub(super) fn replica(line: ReplicaLine) -> Replica {
    let ReplicaLine { id, host, pid, version, mode, listen, is_leader, started_at, seen_at, is_lost } = line;
    Replica { id, host, pid, version, mode, listen, is_leader, started_at, seen_at, is_lost }
}

pub(super) fn tenant(line: TenantLine) -> TenantRow {
    TenantRow {
        workspace: line.workspace,
        name: line.name,
        display_name: line.display_name,
        kind: line.kind,
        market: line.market,
        status: line.status,
        template: line.template,
        owner: line.owner,
        updated_at: line.updated_at,
        touched_by: line.touched_by,
        health: line.health,
        alerts: count(line.alerts),
    }
}

pub(super) fn credential(line: CredentialLine) -> CredentialRow {
    CredentialRow {
        workspace: line.workspace,
        name: line.name,
        tenant: line.tenant,
        service: line.service,
        is_revoked: line.is_revoked,
        ends_at: line.ends_at,
        renewal: line.renewal,
        verdict: line.verdict,
        message: line.message,
        verified_at: line.verified_at,
        renewed_at: line.renewed_at,
        renewal_failures: count(line.renewal_failures),
    }
}

pub(super) fn health(line: HealthLine) -> HealthRow {
    HealthRow {
        workspace: line.workspace,
        service: line.service,
        subject: line.subject,
        tenant: line.tenant,
        status: line.status,
        since: line.since,
        code: line.code,
        message: line.message,
        latency_ms: line.latency_ms,
        checked_at: line.checked_at,
        history: line.history.into_iter().map(|(status, latency_ms)| Beat { status, latency_ms }).collect(),
    }
}

/// What an alert says now: days pass, and what its row says was written when it last changed.
pub(super) fn alert(listed: ListedAlert, now: DateTime<Utc>) -> AlertRow {
    let ListedAlert { workspace, alert, .. } = listed;
    let is_over = alert.status == AlertStatus::Resolved;
    let is_acknowledged = alert.is_acknowledged(now);
    let status = match alert.status {
        AlertStatus::Acknowledged if !is_acknowledged => AlertStatus::Firing,
        other => other,
    };
    let title = if is_over { alert.title.clone() } else { wording::what(&alert, now) };
    let message = if is_over {
        alert.message.clone()
    } else {
        wording::item_text(&wording::item(&alert, &workspace, None, now))
    };
    AlertRow {
        id: alert.id,
        tenant: alert.tenant,
        severity: alert.severity.code().to_owned(),
        status: status.code().to_owned(),
        title,
        message,
        rule: alert.rule,
        since: alert.fired_at.unwrap_or(alert.started_at),
        resolved_at: alert.resolved_at,
        muted_by: if is_over { Vec::new() } else { alert.muted_by },
        acknowledged_by: alert.acknowledged_by.filter(|_| is_acknowledged),
        comment: alert.ack_comment.filter(|_| is_acknowledged),
        can_be_acknowledged: status == AlertStatus::Firing,
        workspace,
    }
}

pub(super) fn notification(own: ListedNotification) -> NotificationRow {
    NotificationRow {
        id: own.id,
        workspace: own.workspace,
        severity: own.severity,
        event: own.event,
        title: own.title,
        created_at: own.created_at,
        deliveries: own.deliveries.into_iter().map(delivery).collect(),
    }
}

fn delivery(own: ListedDelivery) -> DeliveryRow {
    let is_waiting = matches!(own.state.as_str(), "pending" | "retrying");
    DeliveryRow {
        id: own.id,
        channel: own.channel,
        attempts: own.attempts,
        error: own.last_error.filter(|_| own.state != "sent").or(own.reason),
        at: if is_waiting { Some(own.next_attempt_at) } else { own.finished_at },
        // What was taken back, or not sent for a reason, was so on purpose.
        can_be_retried: matches!(own.state.as_str(), "failed" | "dead" | "retrying"),
        state: own.state,
    }
}

pub(super) fn operation(own: &Recorded) -> OperationRow {
    let done = ActionKind::ALL.into_iter().zip(own.counts).map(|(kind, count)| (kind.code(), count));
    let counts = done.chain([("failed", own.failed), ("skipped", own.skipped)]);
    OperationRow {
        revision: own.revision,
        project: own.project.clone(),
        command: own.command.clone(),
        actor: own.actor.clone(),
        host: own.host.clone(),
        commit: own.commit.clone(),
        // Whoever writes the record must not make a link do something else than lead somewhere.
        run_url: own.run_url.clone().filter(|url| url.starts_with("https://")),
        status: own.status.clone(),
        counts: counts
            .filter(|(_, count)| *count > 0)
            .map(|(word, count)| (word.to_owned(), count))
            .collect(),
        note: own.note.clone(),
        finished_at: own.finished_at,
    }
}

pub(super) fn item(own: &RecordedItem) -> ItemRow {
    let changes = own.changes();
    let value = |value: &serde_json::Value| {
        let text = clean::value(value);
        if text.chars().count() > VALUE { text.chars().take(VALUE).chain(['…']).collect() } else { text }
    };
    let field = |(path, before, after): &crate::plan::diff::Difference| FieldRow {
        path: path.join("."),
        before: before.as_ref().map(value),
        after: after.as_ref().map(value),
    };
    ItemRow {
        key: match &own.from {
            Some(from) => format!("{} (before: {from})", own.key),
            None => own.key.to_string(),
        },
        action: own.action.code().to_owned(),
        outcome: own.outcome.clone(),
        reason: own.reason.clone(),
        error: own.error.clone(),
        source: own.source.clone(),
        fields: changes.iter().take(FIELDS).map(field).collect(),
        more_fields: changes.len().saturating_sub(FIELDS),
    }
}

pub(super) fn usage(days: u32, report: &Report) -> Usage {
    let named = |rows: &[(String, crate::report::usage::Counted)]| {
        rows.iter().take(NAMES).map(|(name, own)| (name.clone(), own.count, own.failed)).collect()
    };
    Usage {
        days,
        by_day: report.by_day.iter().map(|(day, own)| (*day, own.count, own.failed)).collect(),
        by_command: named(&report.by_command),
        by_service: named(&report.by_service),
        top_errors: report.top_errors.iter().take(NAMES).cloned().collect(),
        commands: report.commands.count,
        failed: report.commands.failed,
        calls: report.api_calls.count,
        tenant_changes: report.tenant_ops,
        p50_ms: report.statistics.p50,
        p95_ms: report.statistics.p95,
    }
}
