//! What is told through the fallbacks of channels that messages did not get through (M-D11): one notice for each message and
//! channel, which names all for whom it failed at once.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::alerts::{Event, Message, Topic};

use super::outbox::Record;
use super::{NewNotification, derived_id};

/// The notices that follow from records. Their ids follow from the records alone, so that what is recorded again tells nothing
/// twice.
#[must_use]
pub fn notices<'r>(
    records: impl IntoIterator<Item = &'r Record>,
    now: DateTime<Utc>,
) -> Vec<NewNotification> {
    let mut groups: BTreeMap<(Uuid, &str), Vec<&Record>> = BTreeMap::new();
    for record in records {
        if record.fallback.is_some() {
            let claim = &record.claim;
            groups.entry((claim.notification, &claim.channel.name)).or_default().push(record);
        }
    }
    groups.into_values().filter_map(|group| notice(&group, now)).collect()
}

fn notice(group: &[&Record], now: DateTime<Utc>) -> Option<NewNotification> {
    let first = group.first()?;
    let claim = &first.claim;
    let told = claim.message.as_ref().ok()?;
    let channel = &claim.channel.name;
    // Why it failed, and for whom.
    let mut reasons: BTreeMap<(i64, &str, &str), Vec<&str>> = BTreeMap::new();
    for record in group {
        let why = (record.claim.attempt, record.code, record.why.as_deref().unwrap_or_default());
        reasons.entry(why).or_default().push(&record.claim.target);
    }
    let mut words = vec!["delivery_failed".to_owned(), channel.clone()];
    let mut lines = Vec::with_capacity(reasons.len());
    for ((attempt, code, what), mut targets) in reasons {
        targets.sort_unstable();
        // Another one where somebody had it tried again.
        words.push(attempt.to_string());
        words.extend(targets.iter().map(|target| (*target).to_owned()));
        lines.push(format!(
            "Channel `{channel}` did not take this{} ({}, {code}): {what}",
            to(&targets),
            tries(attempt)
        ));
    }
    let message = Message {
        topic: Topic::SystemError,
        event: Event::DeliveryFailed,
        severity: told.severity,
        workspace: told.workspace.clone(),
        title: format!("Not delivered through `{channel}`: {}", told.title),
        text: format!("{}\n\n{}", lines.join("\n"), told.text),
        rule: told.rule.clone(),
        items: told.items.clone(),
        at: now,
    };
    Some(NewNotification {
        id: derived_id(claim.notification, &words.iter().map(String::as_str).collect::<Vec<_>>()),
        message,
        channels: first.fallback.iter().cloned().collect(),
        alerts: told.items.iter().filter_map(|item| item.alert).collect(),
        ordering_key: claim.ordering_key.clone(),
        not_before: now,
        replay_of: None,
        created_by: "delivery".to_owned(),
    })
}

fn to(targets: &[&str]) -> String {
    match targets.split_last() {
        None | Some((&"", _)) => String::new(),
        Some((last, [])) => format!(" to {last}"),
        Some((last, others)) => format!(" to {} and {last}", others.join(", ")),
    }
}

fn tries(attempts: i64) -> String {
    match attempts {
        1 => "1 attempt".to_owned(),
        many => format!("{many} attempts"),
    }
}
