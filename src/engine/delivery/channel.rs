//! A channel as it stands in the database: what it declares, and what was learnt of it while delivering.

use std::time::Duration;

use crate::kinds::notification_channel::{ChannelType, NotificationChannelSpec};
use crate::model::text::duration_seconds;

/// A channel as it stands.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its workspace.
    pub workspace: String,
    /// Its name.
    pub name: String,
    /// What it declares; `Err` with why, where that cannot be read.
    pub spec: Result<NotificationChannelSpec, String>,
    /// Which version of its manifest that is.
    pub digest: Option<Vec<u8>>,
    /// Whether it was deleted.
    pub is_deleted: bool,
    /// What the receiver said when it was gone, where that was said to this version of the manifest (M-D6).
    pub gone: Option<String>,
}

/// Why nothing is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// A stable word: `channel_missing`, `channel_deleted`, `channel_off`, `channel_gone`, `channel_invalid`,
    /// `resolved_off`, `not_told`, `over`.
    pub code: &'static str,
    /// The same for people, in one line.
    pub reason: String,
}

impl Why {
    /// A reason with its word.
    pub fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// The schedule of attempts, where a channel has none of its own (M-D4), in seconds.
pub const USUAL_SCHEDULE: [i64; 7] = [5, 300, 1800, 7200, 18_000, 36_000, 36_000];

/// How far a wait is moved at most, up or down, so that what failed together is not repeated together (M-D4).
pub const JITTER: f64 = 0.2;

/// How long a receiver may have us wait, where a channel does not say (M-D5).
const USUAL_MAX_RETRY_AFTER: i64 = 3600;

/// From which age on a message is late, where a channel does not say (M-D14).
const USUAL_MAX_AGE: i64 = 86_400;

/// How long an answer is waited for, where a channel does not say (M-W9).
const USUAL_TIMEOUT: i64 = 15;

/// The longest that an answer is waited for (M-W9).
pub const MOST_TIMEOUT: Duration = Duration::from_secs(30);

impl Channel {
    /// What the channel declares, or why nothing is sent through it.
    ///
    /// # Errors
    /// It is deleted, switched off, gone, or not to be understood.
    pub fn usable(&self) -> Result<&NotificationChannelSpec, Why> {
        let name = &self.name;
        if self.is_deleted {
            return Err(Why::new("channel_deleted", format!("channel `{name}` was deleted")));
        }
        let spec = match &self.spec {
            Ok(spec) => spec,
            Err(why) => {
                let why = format!("channel `{name}` cannot be read: {why}");
                return Err(Why::new("channel_invalid", why));
            }
        };
        if !spec.enabled {
            return Err(Why::new("channel_off", format!("channel `{name}` is switched off")));
        }
        if let Some(said) = &self.gone {
            let reason =
                format!("channel `{name}` is disabled until its manifest changes, or for an hour: {said}");
            return Err(Why::new("channel_gone", reason));
        }
        Ok(spec)
    }
}

/// To whom a channel sends: each mail address and each recipient of an inbox is a target of its own, so that what failed
/// for one is repeated for that one only (M-D10). Channels with one receiver have the target ``.
#[must_use]
pub fn targets(spec: &NotificationChannelSpec) -> Vec<String> {
    let several = match spec.channel_type {
        ChannelType::Email => spec.email.as_ref().map(|email| email.to.clone()),
        ChannelType::InApp => spec.in_app.as_ref().map(|inbox| inbox.recipients.clone()),
        ChannelType::Slack | ChannelType::Webhook | ChannelType::Console => None,
    };
    let mut targets = several.unwrap_or_default();
    if targets.is_empty() {
        targets.push(String::new());
    }
    targets.sort_unstable();
    targets.dedup();
    targets
}

fn seconds(text: Option<&String>, usual: i64) -> Duration {
    let seconds = text.and_then(|text| duration_seconds(text)).unwrap_or(usual);
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// How long is waited after each failed attempt.
#[must_use]
pub fn schedule(spec: &NotificationChannelSpec) -> Vec<Duration> {
    match spec.delivery.as_ref().and_then(|delivery| delivery.retry.as_ref()) {
        Some(own) => own.iter().map(|text| seconds(Some(text), 1)).collect(),
        None => USUAL_SCHEDULE.iter().map(|own| Duration::from_secs(own.unsigned_abs())).collect(),
    }
}

/// The longest that the receiver may have us wait.
#[must_use]
pub fn max_retry_after(spec: &NotificationChannelSpec) -> Duration {
    let own = spec.delivery.as_ref().and_then(|delivery| delivery.max_retry_after.as_ref());
    seconds(own, USUAL_MAX_RETRY_AFTER)
}

/// The longest that a message, or the whole channel, waits before the next attempt.
#[must_use]
pub fn longest_wait(spec: &NotificationChannelSpec) -> Duration {
    let step = schedule(spec).into_iter().max().unwrap_or_default().mul_f64(1.0 + JITTER);
    step.max(max_retry_after(spec))
}

/// From which age on a message is late.
#[must_use]
pub fn max_age(spec: &NotificationChannelSpec) -> Duration {
    seconds(spec.delivery.as_ref().and_then(|delivery| delivery.max_age.as_ref()), USUAL_MAX_AGE)
}

/// How long an answer is waited for.
#[must_use]
pub fn timeout(spec: &NotificationChannelSpec) -> Duration {
    let own = spec.delivery.as_ref().and_then(|delivery| delivery.timeout.as_ref());
    seconds(own, USUAL_TIMEOUT).min(MOST_TIMEOUT)
}

/// The time between two messages, where the channel has a rate limit: Slack takes one a second (M-D13).
#[must_use]
pub fn interval(spec: &NotificationChannelSpec) -> Option<Duration> {
    let usual = (spec.channel_type == ChannelType::Slack).then_some(60);
    let a_minute = spec.rate_limit_per_minute.or(usual).filter(|limit| *limit > 0)?;
    Some(Duration::from_micros(60_000_000 / a_minute.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(value: serde_json::Value) -> NotificationChannelSpec {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn slack_gets_one_a_second_and_others_what_they_say() {
        let slack = json!({"type": "slack", "slack": {"webhookUrl": {"env": "HOOK"}}});
        assert_eq!(interval(&spec(slack.clone())), Some(Duration::from_secs(1)));
        let mut own = slack;
        own["rateLimitPerMinute"] = json!(30);
        assert_eq!(interval(&spec(own)), Some(Duration::from_secs(2)));
        assert_eq!(interval(&spec(json!({"type": "console"}))), None);
        let slow = json!({"type": "console", "rateLimitPerMinute": 600});
        assert_eq!(interval(&spec(slow)), Some(Duration::from_millis(100)));
    }

    #[test]
    fn the_longest_wait_is_that_of_the_schedule_or_of_a_receiver() {
        let wait = |delivery| longest_wait(&spec(json!({"type": "console", "delivery": delivery}))).as_secs();
        assert_eq!(wait(json!({})), 43_200);
        assert_eq!(wait(json!({"retry": ["10m"]})), 3600);
        assert_eq!(wait(json!({"retry": ["10m"], "maxRetryAfter": "1m"})), 720);
    }
}
