//! The words: what is wrong, where, since when, by when, and what to do about it, with the command that does it.

use std::str::FromStr as _;

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde_json::Value;

use super::alert::{Alert, AlertKind, AlertStatus, ResolveReason};
use super::expiry;
use super::facts::TenantFact;
use super::inhibition::ALL_TENANTS;
use super::message::{Event, Item, Message, Topic};

/// How many items the text of a message tells of; the others are counted. All are in its items.
const MOST_LINES: usize = 10;

/// What is said of alerts that come and go.
pub const HELD_BACK: &str = "Nothing more is told of it until it is quiet.";

/// The longest title, and the longest text, in characters: those of the table.
const MOST_TITLE: usize = 1_000;
const MOST_TEXT: usize = 4_000;

/// The name of a service, for people.
fn service_name(code: &str) -> &str {
    match code {
        "shopify" => "Shopify",
        "google-merchant" => "Google Merchant",
        "database" => "database",
        "credentials" => "credential",
        "quotas" => "quota",
        other => other,
    }
}

fn text_of<'a>(alert: &'a Alert, key: &str) -> Option<&'a str> {
    alert.evidence.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn number_of(alert: &Alert, key: &str) -> i64 {
    alert.evidence.get(key).and_then(Value::as_i64).unwrap_or_default()
}

/// Cuts a text that is too long, with a sign that it was.
fn at_most(text: String, most: usize) -> String {
    if text.chars().count() <= most {
        return text;
    }
    let mut cut: String = text.chars().take(most - 1).collect();
    cut.push('…');
    cut
}

/// The instant where a tenant is: `2026-12-31 11:00 AEDT` (M-E12).
#[must_use]
pub fn local(at: DateTime<Utc>, region: &str) -> Option<String> {
    let zone = match region {
        "AU-SE1" => "Australia/Sydney",
        "NZ-NR1" => "Pacific/Auckland",
        "US-EA1" => "America/New_York",
        "EU-WE1" => "Europe/Dublin",
        _ => return None,
    };
    let zone = Tz::from_str(zone).ok()?;
    Some(at.with_timezone(&zone).format("%Y-%m-%d %H:%M %Z").to_string())
}

/// What is wrong, in one line; of an alert that is over, what is well.
#[must_use]
pub fn what(alert: &Alert, now: DateTime<Utc>) -> String {
    let service = service_name(alert.service.as_deref().unwrap_or_default());
    let of = alert.tenant.as_ref().map_or_else(String::new, |tenant| format!(" of {tenant}"));
    let credential = format!("The {service} credential {}{of}", alert.subject);
    if alert.status == AlertStatus::Resolved {
        return over(alert, &credential, &of);
    }
    let said = match (alert.kind, alert.expires_at) {
        (AlertKind::CredentialExpiry, Some(at)) => {
            let words = expiry::words(at, now);
            let verb = if words.starts_with("in ") { " expires" } else { "" };
            format!("{credential}{verb} {words}")
        }
        (AlertKind::CredentialExpiry, None) => format!("{credential} expires"),
        (AlertKind::ExpiryUnknown, _) => format!("Nobody knows when {} expires", lower(&credential)),
        (AlertKind::RenewalFailed, _) => {
            format!("{credential} could not be renewed {} times in a row", number_of(alert, "failures"))
        }
        (AlertKind::HealthStatus, _) if alert.subject == ALL_TENANTS => format!(
            "The {service} API does not answer for {} of {} tenants",
            number_of(alert, "without"),
            number_of(alert, "of")
        ),
        (AlertKind::HealthStatus, _) => {
            format!("{} is {}", checked(alert, service, &of), text_of(alert, "status").unwrap_or("unhealthy"))
        }
        (AlertKind::UsageThreshold, _) => format!(
            "{} {} in {}, more than {}",
            number_of(alert, "count"),
            counted(&alert.subject),
            text_of(alert, "window").unwrap_or("the window"),
            number_of(alert, "above")
        ),
    };
    at_most(said, MOST_TITLE)
}

/// What a check is of: `Shopify of T1`, `The database`, `The credential c1 of T1`.
fn checked(alert: &Alert, service: &str, of: &str) -> String {
    match alert.service.as_deref() {
        Some("shopify" | "google-merchant") => format!("{service}{of}"),
        Some("credentials" | "quotas") => format!("The {service} {}{of}", alert.subject),
        _ if alert.subject.is_empty() => format!("The {service}"),
        _ => format!("The {service} {}", alert.subject),
    }
}

fn lower(text: &str) -> String {
    text.strip_prefix("The ").map_or_else(|| text.to_owned(), |rest| format!("the {rest}"))
}

/// What a usage rule counts, for people.
pub(super) fn counted(metric: &str) -> &str {
    match metric {
        "command" => "commands",
        "api_call" => "API calls",
        "credential_op" => "operations on credentials",
        "tenant_op" => "operations on tenants",
        "error" => "errors",
        other => other,
    }
}

fn over(alert: &Alert, credential: &str, of: &str) -> String {
    let service = service_name(alert.service.as_deref().unwrap_or_default());
    let subject = match alert.kind {
        AlertKind::CredentialExpiry | AlertKind::ExpiryUnknown | AlertKind::RenewalFailed => {
            credential.to_owned()
        }
        AlertKind::HealthStatus if alert.subject == ALL_TENANTS => format!("The {service} API"),
        AlertKind::HealthStatus => checked(alert, service, of),
        AlertKind::UsageThreshold => format!("The number of {}", counted(&alert.subject)),
    };
    let said = match alert.resolve_reason {
        Some(ResolveReason::Renewed) => "was replaced",
        Some(ResolveReason::Revoked) => "was revoked",
        Some(ResolveReason::Suspended) => "is no longer watched: the tenant is suspended",
        Some(ResolveReason::Removed) => "is gone",
        Some(ResolveReason::RuleChanged) => "is no longer what the rule watches",
        Some(ResolveReason::RuleRemoved) => "is no longer watched: the rule was removed",
        Some(ResolveReason::Recovered) | None => match alert.kind {
            AlertKind::ExpiryUnknown => "has a known expiry",
            AlertKind::RenewalFailed => "renews itself again",
            AlertKind::UsageThreshold => "is within its limit again",
            AlertKind::HealthStatus if alert.subject == ALL_TENANTS => "answers again",
            AlertKind::HealthStatus | AlertKind::CredentialExpiry => "is well again",
        },
    };
    at_most(format!("{subject} {said}"), MOST_TITLE)
}

/// What to do, and the command for it.
fn remedy(alert: &Alert, workspace: &str) -> (Option<&'static str>, Option<String>) {
    if alert.status == AlertStatus::Resolved {
        return (None, None);
    }
    let renews_itself = alert.evidence.get("renewsItself").and_then(Value::as_bool).unwrap_or_default();
    let on_credential = |verb: &str| {
        Some(format!("synthex tenant credentials {verb} {} --workspace {workspace}", alert.subject))
    };
    match alert.kind {
        AlertKind::CredentialExpiry if renews_itself => {
            (Some("Renew it, or have the merchant authorise the app again."), on_credential("renew"))
        }
        AlertKind::CredentialExpiry => (
            Some("Store a new secret where the credential refers to, and declare when that one expires."),
            on_credential("verify"),
        ),
        AlertKind::ExpiryUnknown => {
            (Some("Declare expiresAt, or keep a secret that says when it expires."), on_credential("verify"))
        }
        AlertKind::RenewalFailed => (
            Some("See why, and have the merchant authorise the app again if its grant is dead."),
            on_credential("renew"),
        ),
        AlertKind::HealthStatus if alert.subject == ALL_TENANTS => (
            Some(
                "Look at the provider's status page, and at the network; alerts of single tenants are held back meanwhile.",
            ),
            Some(format!(
                "synthex health check --service {} --workspace {workspace}",
                alert.service.as_deref().unwrap_or_default()
            )),
        ),
        AlertKind::HealthStatus => {
            let of =
                alert.tenant.as_ref().map_or_else(String::new, |tenant| format!(" --tenant-id {tenant}"));
            let service = alert.service.as_deref().unwrap_or_default();
            (None, Some(format!("synthex health check --service {service}{of} --workspace {workspace}")))
        }
        AlertKind::UsageThreshold => {
            (Some("See what uses it."), Some(format!("synthex analytics report --workspace {workspace}")))
        }
    }
}

/// An alert as an item of a message.
#[must_use]
pub fn item(alert: &Alert, workspace: &str, tenant: Option<&TenantFact>, now: DateTime<Utc>) -> Item {
    let (remedy, command) = remedy(alert, workspace);
    let region = tenant.map_or_else(
        || alert.labels.get("region").map(String::as_str),
        |tenant| Some(tenant.region.as_str()),
    );
    // Of one that is over, the expiry and the reason are those of what is gone.
    let is_over = alert.status == AlertStatus::Resolved;
    let is_expiry = alert.kind == AlertKind::CredentialExpiry;
    let expires_at = alert.expires_at.filter(|_| is_expiry && !is_over);
    Item {
        alert: Some(alert.id),
        severity: alert.severity,
        what: what(alert, now),
        tenant: alert.tenant.clone(),
        tenant_name: tenant.map(|tenant| tenant.display_name.clone()),
        service: alert.service.clone(),
        subject: (!alert.subject.is_empty()).then(|| alert.subject.clone()),
        since: Some(match alert.kind {
            AlertKind::HealthStatus => alert.started_at,
            _ => alert.fired_at.unwrap_or(alert.started_at),
        }),
        expires_at,
        expires_local: expires_at.and_then(|at| local(at, region?)),
        why: text_of(alert, "why").filter(|_| !is_over).map(|why| at_most(why.to_owned(), MOST_TITLE)),
        remedy: remedy.map(str::to_owned),
        command,
    }
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true).replace('T', " ").replace('Z', " UTC")
}

/// An item in a few lines.
#[must_use]
pub fn item_text(item: &Item) -> String {
    let mut text = item.what.clone();
    if let Some(at) = item.expires_at {
        let local = item.expires_local.as_ref().map_or_else(String::new, |local| format!(" ({local})"));
        text.push_str(&format!(", at {}{local}", instant(at)));
    }
    text.push('.');
    if let Some(name) = &item.tenant_name {
        text.push_str(&format!(" The tenant is {name}."));
    }
    if let Some(why) = &item.why {
        text.push_str(&format!("\nWhy: {why}"));
    }
    if let Some(remedy) = &item.remedy {
        text.push_str(&format!("\n{remedy}"));
    }
    if let Some(command) = &item.command {
        text.push_str(&format!("\n  {command}"));
    }
    at_most(text, MOST_TEXT)
}

/// Sets the words that the alert's row keeps.
pub fn word(alert: &mut Alert, workspace: &str, tenant: Option<&TenantFact>, now: DateTime<Utc>) {
    let item = item(alert, workspace, tenant, now);
    alert.message = item_text(&item);
    alert.title = item.what;
}

/// A message of alerts that are told together. `items` are sorted, the most urgent first, and there is at least one.
#[must_use]
pub fn message(
    event: Event,
    kind: AlertKind,
    workspace: &str,
    rule: &str,
    items: Vec<Item>,
    at: DateTime<Utc>,
) -> Message {
    worded(event, kind.topic(), workspace, rule, items, at)
}

/// The same message of fewer things.
#[must_use]
pub fn again(message: &Message, items: Vec<Item>) -> Message {
    let rule = message.rule.as_deref().unwrap_or_default();
    let again = worded(message.event, message.topic, &message.workspace, rule, items, message.at);
    Message { rule: message.rule.clone(), ..again }
}

fn worded(
    event: Event,
    topic: Topic,
    workspace: &str,
    rule: &str,
    items: Vec<Item>,
    at: DateTime<Utc>,
) -> Message {
    let severity = items.iter().map(|item| item.severity).max().unwrap_or_default();
    let title = match (items.as_slice(), event) {
        ([one], Event::Firing | Event::Resolved) => one.what.clone(),
        ([one], Event::Reminder) => format!("Still so: {}", lower_first(&one.what)),
        ([one], Event::Flapping) => format!("Comes and goes: {}", lower_first(&one.what)),
        (many, event) => summary(event, topic, many, workspace, rule),
    };
    let mut text = String::new();
    for item in items.iter().take(MOST_LINES) {
        if let [one] = items.as_slice() {
            text = item_text(one);
        } else {
            let at = item.expires_at.map_or_else(String::new, |at| format!(", at {}", instant(at)));
            text.push_str(&format!("{}: {}{at}\n", item.severity.code(), item.what));
        }
    }
    if items.len() > MOST_LINES {
        text.push_str(&format!("and {} more\n", items.len() - MOST_LINES));
    }
    if event == Event::Flapping {
        text.push_str(&format!("\n{HELD_BACK}"));
    }
    Message {
        topic,
        event,
        severity,
        workspace: workspace.to_owned(),
        title: at_most(title, MOST_TITLE),
        text: at_most(text.trim_end().to_owned(), MOST_TEXT),
        rule: Some(rule.to_owned()),
        items,
        at,
    }
}

fn lower_first(text: &str) -> String {
    text.strip_prefix("Nobody").map_or_else(|| lower(text), |rest| format!("nobody{rest}"))
}

fn summary(event: Event, topic: Topic, items: &[Item], workspace: &str, rule: &str) -> String {
    use crate::kinds::alert_rule::AlertSeverity::{Critical, Info, Warning};
    let count = |severity| items.iter().filter(|item| item.severity == severity).count();
    let counts: Vec<String> = [Critical, Warning, Info]
        .into_iter()
        .filter(|severity| count(*severity) > 0)
        .map(|severity| format!("{} {}", count(severity), severity.code()))
        .collect();
    let about = match topic {
        Topic::CredentialExpiry => "credential alerts",
        Topic::HealthAlert => "health alerts",
        Topic::UsageThreshold => "usage alerts",
        Topic::SystemError | Topic::Message => "alerts",
    };
    let verb = match event {
        Event::Resolved => " are over",
        Event::Reminder => " still stand",
        Event::Flapping => " come and go",
        _ => "",
    };
    format!("{} {about}{verb} ({}) in {workspace}, by rule {rule}", items.len(), counts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hour_is_that_of_the_tenant() {
        let at = "2026-12-31T00:00:00Z".parse().unwrap();
        let all = ["AU-SE1", "NZ-NR1", "US-EA1", "EU-WE1"].map(|region| local(at, region).unwrap());
        assert_eq!(
            all,
            [
                "2026-12-31 11:00 AEDT",
                "2026-12-31 13:00 NZDT",
                "2026-12-30 19:00 EST",
                "2026-12-31 00:00 GMT"
            ]
        );
        let at = "2026-07-01T00:00:00Z".parse().unwrap();
        assert_eq!(local(at, "AU-SE1").unwrap(), "2026-07-01 10:00 AEST");
        assert_eq!(local(at, "MARS"), None);
    }

    #[test]
    fn what_is_too_long_is_cut_with_a_sign() {
        assert_eq!(at_most("äöü".to_owned(), 3), "äöü");
        assert_eq!(at_most("äöüß".to_owned(), 3), "äö…");
    }
}
