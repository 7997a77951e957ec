//! A message on its way through one channel: the message, and what is only known when it is sent. Its parts have the same names
//! in the body of a webhook and in templates, so there is one list of them (`docs/channels.md`).

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::kinds::alert_rule::AlertSeverity;

use super::{Event, Item, Message, Topic};

/// The most items that are handed on; more than that are counted, and not listed (M-D17).
pub const MOST_ITEMS: usize = 200;

/// A message on its way through one channel.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'a> {
    /// What is told.
    pub message: &'a Message,
    /// The workspace of the channel.
    pub workspace: &'a str,
    /// The channel's name.
    pub channel: &'a str,
    /// Since when it is so old that it says so, where it is (M-D14).
    pub late_since: Option<DateTime<Utc>>,
    /// The environment of the project that it is sent from, which commands have to name.
    pub environment: Option<&'a str>,
}

impl Notice<'_> {
    /// A command as it works where somebody pastes it.
    #[must_use]
    pub fn command(&self, command: &str) -> String {
        match self.environment {
            Some(environment) if command.starts_with("synthex ") => format!("{command} -e {environment}"),
            _ => command.to_owned(),
        }
    }

    /// Whether nothing happened, and the channel is only tried.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.message.event == Event::Test
    }

    /// Everything there is to it, under the names that webhooks and templates know. What is not known is null; nothing is
    /// left out. It is the same for every attempt, unless the message has become late meanwhile.
    #[must_use]
    pub fn data(&self) -> Value {
        let message = self.message;
        let shown = message.items.len().min(MOST_ITEMS);
        json!({
            "topic": message.topic.code(),
            "event": message.event.code(),
            "severity": message.severity,
            "workspace": self.workspace,
            "channel": self.channel,
            "title": message.title,
            "text": message.text,
            "rule": message.rule,
            "at": instant(message.at),
            "isTest": self.is_test(),
            "isLate": self.late_since.is_some(),
            "items": message.items.iter().take(shown).map(|own| self.item(own)).collect::<Vec<Value>>(),
            "itemsTotal": message.items.len(),
            "itemsCut": message.items.len() - shown,
        })
    }

    fn item(&self, item: &Item) -> Value {
        json!({
            "alert": item.alert,
            "severity": item.severity,
            "what": item.what,
            "tenant": item.tenant,
            "tenantName": item.tenant_name,
            "service": item.service,
            "subject": item.subject,
            "since": item.since.map(instant),
            "expiresAt": item.expires_at.map(instant),
            "expiresLocal": item.expires_local,
            "why": item.why,
            "remedy": item.remedy,
            "command": item.command.as_deref().map(|command| self.command(command)),
        })
    }
}

/// An instant as it is told: to the second, in UTC.
#[must_use]
pub fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A message to show, check and try channels with: two credentials of one workspace, one of them with everything known.
#[must_use]
pub fn sample(event: Event, now: DateTime<Utc>) -> Message {
    let credential = |tenant: &str, name: &str, days: i64, severity| Item {
        alert: Some(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | days.unsigned_abs() as u128)),
        severity,
        what: format!(
            "The Shopify credential {name} of {tenant} expires {}",
            super::expiry::words(now + TimeDelta::days(days), now,)
        ),
        tenant: Some(tenant.to_owned()),
        tenant_name: Some("Acme Corp".to_owned()),
        service: Some("shopify".to_owned()),
        subject: Some(name.to_owned()),
        since: Some(now),
        expires_at: Some(now + TimeDelta::days(days)),
        expires_local: None,
        why: Some("it is not renewed by itself".to_owned()),
        remedy: Some("issue a new token in the shop's admin, and store it where the old one is".to_owned()),
        command: Some(format!("synthex tenant credentials verify {name}")),
    };
    Message {
        topic: Topic::CredentialExpiry,
        event,
        severity: AlertSeverity::Critical,
        workspace: "sample".to_owned(),
        title: match event {
            Event::Test => "This is a test of the channel".to_owned(),
            _ => "2 credentials expire soon".to_owned(),
        },
        text: match event {
            Event::Test => {
                "Nothing is wrong: somebody tries whether messages get through. What is below is made up."
                    .to_owned()
            }
            _ => "Once they expire, the shops can be read no more.".to_owned(),
        },
        rule: Some("expiry".to_owned()),
        items: vec![
            credential("SMB_CLIENT_001", "acme-shopify", 1, AlertSeverity::Critical),
            Item {
                tenant_name: None,
                why: None,
                remedy: None,
                ..credential("SMB_CLIENT_002", "birch-shopify", 7, AlertSeverity::Warning)
            },
        ],
        at: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handed_on_has_every_name_and_counts_what_is_cut() {
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        let mut message = sample(Event::Firing, now);
        fn notice(message: &Message) -> Notice<'_> {
            Notice { message, workspace: "w", channel: "ops", late_since: None, environment: None }
        }
        let data = notice(&message).data();
        assert_eq!(data["items"][1]["tenantName"], Value::Null);
        assert_eq!(data["items"][0]["expiresAt"], "2026-03-02T12:00:00Z");
        assert_eq!((&data["itemsTotal"], &data["itemsCut"]), (&json!(2), &json!(0)));
        // A field of an item that is not handed on would be known to nobody.
        let own =
            serde_json::to_value(Item { expires_local: Some(String::new()), ..message.items[0].clone() })
                .unwrap();
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<String>>();
        assert_eq!(names(&own), names(&data["items"][0]));
        message.items = vec![message.items[0].clone(); 450];
        let data = notice(&message).data();
        assert_eq!(data["items"].as_array().unwrap().len(), MOST_ITEMS);
        assert_eq!((&data["itemsTotal"], &data["itemsCut"]), (&json!(450), &json!(250)));
    }
}
