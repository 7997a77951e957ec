//! Notifications and deliveries as commands show them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::outbox::Post;
use crate::report::clean::clean;
use crate::report::time::{coming, relative};
use crate::store::outbox::{ListedAttempt, ListedDelivery, ListedNotification, NotificationWish};

/// The states in which nothing more is done.
const CLOSED: [&str; 5] = ["sent", "failed", "dead", "cancelled", "suppressed"];

/// How long a delivery that another worker is sending is waited for.
const PATIENCE: Duration = Duration::from_secs(40);

/// How a notification stands with a channel, in a word: `pending`, `sent`, `failed`; `suppressed` or `cancelled` where
/// nothing else is to be said.
pub(super) fn status_of(deliveries: &[&ListedDelivery]) -> &'static str {
    let any = |states: &[&str]| deliveries.iter().any(|delivery| states.contains(&delivery.state.as_str()));
    if any(&["pending", "sending", "retrying"]) {
        "pending"
    } else if any(&["failed", "dead"]) {
        "failed"
    } else if any(&["sent"]) {
        "sent"
    } else if any(&["cancelled"]) {
        "cancelled"
    } else {
        "suppressed"
    }
}

fn channels(notification: &ListedNotification) -> Vec<&str> {
    let mut channels: Vec<&str> = Vec::new();
    for delivery in &notification.deliveries {
        if !channels.contains(&delivery.channel.as_str()) {
            channels.push(&delivery.channel);
        }
    }
    channels
}

fn of_channel<'n>(notification: &'n ListedNotification, channel: &str) -> Vec<&'n ListedDelivery> {
    notification.deliveries.iter().filter(|delivery| delivery.channel == channel).collect()
}

/// A notification, for JSON.
pub(super) fn notification_json(notification: &ListedNotification) -> Value {
    let channels = channels(notification);
    let status: Map<String, Value> = channels
        .iter()
        .map(|channel| ((*channel).to_owned(), json!(status_of(&of_channel(notification, channel)))))
        .collect();
    let sent = notification.deliveries.iter().filter(|delivery| delivery.state == "sent");
    json!({
        "id": notification.id,
        "workspaceId": notification.workspace,
        "type": notification.topic,
        "event": notification.event,
        "severity": notification.severity,
        "title": notification.title,
        "message": notification.message,
        "metadata": {
            "rule": notification.rule,
            "alerts": notification.alerts,
            "items": notification.content.get("items").cloned().unwrap_or_else(|| json!([])),
            "createdBy": notification.created_by,
            "replayOf": notification.replay_of,
        },
        "channels": channels,
        "createdAt": notification.created_at,
        "sentAt": sent.filter_map(|delivery| delivery.finished_at).max(),
        "deliveryStatus": status,
        "deliveries": notification.deliveries.iter().map(delivery_json).collect::<Vec<_>>(),
    })
}

/// A delivery, for JSON.
pub(super) fn delivery_json(delivery: &ListedDelivery) -> Value {
    let is_open = !CLOSED.contains(&delivery.state.as_str());
    json!({
        "id": delivery.id,
        "channel": delivery.channel,
        "target": delivery.target,
        "state": delivery.state,
        "reason": delivery.reason,
        "attempts": delivery.attempts,
        "nextAttemptAt": is_open.then_some(delivery.next_attempt_at),
        "finishedAt": delivery.finished_at,
        "code": delivery.last_code,
        "error": delivery.last_error,
        "isFallback": delivery.is_fallback,
        "retriedAt": delivery.retried_at,
        "retriedBy": delivery.retried_by,
    })
}

/// An attempt, for JSON.
pub(super) fn attempt_json(attempt: &ListedAttempt) -> Value {
    json!({
        "attempt": attempt.attempt,
        "beganAt": attempt.began_at,
        "latencyMs": attempt.latency_ms,
        "outcome": attempt.outcome,
        "status": attempt.status,
        "code": attempt.code,
        "response": attempt.response,
    })
}

/// A channel with its target: `mail to ana@shop.example`.
pub(super) fn way(delivery: &ListedDelivery) -> String {
    match delivery.target.as_str() {
        "" => delivery.channel.clone(),
        target => format!("{} to {target}", delivery.channel),
    }
}

/// How a delivery stands, in a few words.
pub(super) fn standing(delivery: &ListedDelivery, now: DateTime<Utc>) -> String {
    let tries = match delivery.attempts {
        0 => String::new(),
        1 => " after 1 attempt".to_owned(),
        many => format!(" after {many} attempts"),
    };
    let why = match (&delivery.reason, &delivery.last_code, &delivery.last_error) {
        (Some(reason), _, _) => format!(": {reason}"),
        (None, Some(code), Some(error)) => format!(": {code}: {error}"),
        (None, Some(code), None) if code != "ok" => format!(": {code}"),
        _ => String::new(),
    };
    match delivery.state.as_str() {
        "sent" => match delivery.finished_at {
            Some(at) => format!("sent {}", relative(at, now)),
            None => "sent".to_owned(),
        },
        "retrying" if delivery.next_attempt_at > now => {
            format!("tried again {}{tries}{why}", coming(delivery.next_attempt_at, now))
        }
        "retrying" => format!("due to be tried again{tries}{why}"),
        "pending" if delivery.next_attempt_at > now => {
            format!("sent {}", coming(delivery.next_attempt_at, now))
        }
        state => format!("{state}{tries}{why}"),
    }
}

/// One line on each channel: `chat sent, mail failed`.
pub(super) fn summary(notification: &ListedNotification) -> String {
    let one = |channel: &&str| format!("{channel} {}", status_of(&of_channel(notification, channel)));
    channels(notification).iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Notifications by their ids; those that another worker is sending are waited for, a while.
pub(super) async fn settled(post: &mut Post, ids: &[Uuid]) -> Result<Vec<ListedNotification>, CliError> {
    let began = std::time::Instant::now();
    loop {
        let found = by_ids(post, ids).await?;
        let mut deliveries = found.iter().flat_map(|notification| &notification.deliveries);
        if began.elapsed() > PATIENCE || !deliveries.any(|delivery| delivery.state == "sending") {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Notifications by their ids.
pub(super) async fn by_ids(post: &mut Post, ids: &[Uuid]) -> Result<Vec<ListedNotification>, CliError> {
    let mut found = Vec::new();
    for scope in post.scopes.clone() {
        let wish = NotificationWish {
            workspace: scope.clone(),
            ids: Some(ids.to_vec()),
            ..NotificationWish::default()
        };
        found.append(&mut post.connection.notifications(scope.as_deref(), &wish).await?);
    }
    Ok(found)
}

/// Says what became of these deliveries, and of what was told in their place, and exits accordingly: 0 where all got through,
/// 7 where some did, 8 where none.
pub(super) fn outcome(
    context: &Context,
    document: Value,
    deliveries: &[&ListedDelivery],
    in_place: &[ListedNotification],
) -> ExitStatus {
    use crate::cli::args::Format;
    if context.global.format == Format::Json {
        context.printer.json(&document);
    } else {
        let now = context.clock.now();
        let mut text: String = deliveries
            .iter()
            .map(|delivery| format!("{}: {}\n", way(delivery), standing(delivery, now)))
            .collect();
        for notification in in_place {
            for delivery in &notification.deliveries {
                let told = clean(&notification.title);
                text.push_str(&format!("{}: {} ({told})\n", way(delivery), standing(delivery, now)));
            }
        }
        context.printer.result(&text);
    }
    let sent = deliveries.iter().filter(|delivery| delivery.state == "sent").count();
    if sent == deliveries.len() {
        ExitStatus::Success
    } else if sent > 0 {
        ExitStatus::Partly
    } else {
        ExitStatus::Unreachable
    }
}
