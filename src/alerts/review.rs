//! What is worth a word in manifests that are valid one by one: a rule that watches nobody, a channel that is off, a threshold
//! that is longer than a life, a silence that is over, or that mutes all of the worst (M-M5, M-E10, M-S7); and templates, which
//! only this module can try out (M-T1).
//!
//! It knows what the manifests say and the time, and nothing of the database.

mod channel;
mod muters;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::kinds::alert_rule::{AlertRuleSpec, AlertSeverity, Condition, CredentialExpiry};
use crate::model::{Entry, Severity};

use super::declared::Declared;
use super::labels::selects;
use super::template;
use super::threshold::Threshold;

pub use muters::{mutes_all_critical, unknown_tenant};

/// Something to say about an entry.
#[derive(Clone, Debug)]
pub struct Remark<'a> {
    /// The resource.
    pub entry: &'a Entry,
    /// An error, or a warning.
    pub severity: Severity,
    /// Rule code.
    pub code: &'static str,
    /// The field, as a JSON pointer from the spec.
    pub pointer: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: String,
}

/// Everything there is to say, in the order of keys. `is_whole` says whether all manifests were read: of a part, nobody can say
/// that a rule watches nothing.
#[must_use]
pub fn review(entries: &[Entry], now: DateTime<Utc>, is_whole: bool) -> Vec<Remark<'_>> {
    const REVIEWED: [&str; 5] =
        ["AlertRule", "NotificationChannel", "Silence", "MaintenanceWindow", "HealthCheck"];
    let mut remarks = Vec::new();
    let of_interest: Vec<&Entry> =
        entries.iter().filter(|entry| REVIEWED.contains(&entry.key.kind.name)).collect();
    if of_interest.is_empty() {
        return remarks;
    }
    let declared = read(entries, &of_interest);
    let tenants = if is_whole { names_of_tenants(entries) } else { BTreeMap::new() };
    let mut looked_at: BTreeMap<(&str, String), &Entry> = BTreeMap::new();
    for entry in of_interest {
        if entry.key.kind.name == "HealthCheck" {
            remarks.extend(second(&mut looked_at, entry));
            continue;
        }
        let Some(own) = declared.get(&*entry.key.workspace) else { continue };
        let tenants = tenants.get(&*entry.key.workspace).map_or(&[][..], Vec::as_slice);
        let mut reviewing = Reviewing { entry, own, tenants, remarks: &mut remarks };
        match entry.key.kind.name {
            "AlertRule" => reviewing.rule(is_whole),
            "NotificationChannel" => reviewing.channel(now),
            "MaintenanceWindow" => reviewing.window(now),
            _ => reviewing.silence(now),
        }
    }
    remarks
}

/// The names of all tenants that are declared, by workspace.
fn names_of_tenants(entries: &[Entry]) -> BTreeMap<&str, Vec<&str>> {
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for key in entries.iter().map(|entry| &entry.key).filter(|key| key.kind.name == "Tenant") {
        names.entry(&*key.workspace).or_default().push(&key.name);
    }
    names
}

/// A second health check of a service, which does not count: of several the first by name does.
fn second<'a>(seen: &mut BTreeMap<(&'a str, String), &'a Entry>, entry: &'a Entry) -> Option<Remark<'a>> {
    let canonical: Value = serde_json::from_str(&entry.canonical).ok()?;
    let service = canonical["spec"]["service"].as_str()?.to_owned();
    let first = *seen.entry((&*entry.key.workspace, service.clone())).or_insert(entry);
    (first.key != entry.key).then(|| Remark {
        entry,
        severity: Severity::Warning,
        code: "SX0335",
        pointer: "/service".to_owned(),
        what: format!(
            "`{}` says already how `{service}` is looked at in this workspace, and this does not count",
            first.key
        ),
        help: "keep one of them: the first by name counts".to_owned(),
    })
}

/// What is declared, by workspace. Tenants and credentials are read only where some rule looks at them: there may be many.
fn read<'a>(entries: &'a [Entry], of_interest: &[&Entry]) -> BTreeMap<&'a str, Declared> {
    let mut declared: BTreeMap<&str, Declared> = BTreeMap::new();
    let parse = |entry: &Entry| serde_json::from_str::<Value>(&entry.canonical).unwrap_or_default();
    let mut add = |entry: &'a Entry| {
        let own = declared.entry(&*entry.key.workspace).or_default();
        own.add(entry.key.kind.name, &entry.key.name, &parse(entry));
    };
    let has_rules = of_interest.iter().any(|entry| entry.key.kind.name == "AlertRule");
    for entry in entries {
        match entry.key.kind.name {
            "AlertRule" | "NotificationChannel" | "Silence" | "MaintenanceWindow" => add(entry),
            "Credential" if has_rules && entry.canonical.contains("\"issuedAt\"") => add(entry),
            "Tenant" if of_interest.iter().any(|rule| rule.canonical.contains("\"selector\"")) => add(entry),
            _ => {}
        }
    }
    declared
}

struct Reviewing<'a, 'r> {
    entry: &'a Entry,
    own: &'r Declared,
    /// All tenants of the workspace; none where only a part of the manifests was read.
    tenants: &'r [&'a str],
    remarks: &'r mut Vec<Remark<'a>>,
}

impl Reviewing<'_, '_> {
    fn say(&mut self, code: &'static str, pointer: impl Into<String>, what: String, help: impl Into<String>) {
        self.remarks.push(Remark {
            entry: self.entry,
            severity: Severity::Warning,
            code,
            pointer: pointer.into(),
            what,
            help: help.into(),
        });
    }

    fn rule(&mut self, is_whole: bool) {
        let Some(rule) = self.own.rules.get(&*self.entry.key.name) else { return };
        let selector = &rule.selector;
        let selects_some = *selector != Default::default();
        let fits = |(name, tenant)| selects(selector, Some((name, tenant)));
        if is_whole && selects_some && !self.own.tenants.iter().any(|(name, tenant)| fits((name, tenant))) {
            self.say(
                "SX0330",
                "/selector",
                "the rule watches no tenant: none of those that are declared meets every part of its selector"
                    .to_owned(),
                "correct the selector, or remove it to watch all tenants of the workspace",
            );
        }
        for (index, name) in rule.channels.iter().enumerate() {
            if self.own.channels.get(name).is_some_and(|channel| !channel.enabled) {
                self.say(
                    "SX0331",
                    format!("/channels/{index}"),
                    format!("the channel `{name}` is switched off, so nobody is told through it"),
                    "set `enabled: true` there, or take it out of the rule",
                );
            }
        }
        if let Condition::CredentialExpiry(expiry) = &rule.when {
            self.lives(rule, expiry);
            self.urgency(rule, expiry);
        }
    }

    /// Thresholds that are longer than the life of a credential (M-E10).
    fn lives(&mut self, rule: &AlertRuleSpec, expiry: &CredentialExpiry) {
        for (index, text) in expiry.thresholds.iter().enumerate() {
            let Ok(Threshold::Before(lead)) = text.parse() else { continue };
            let is_shorter =
                |issued: DateTime<Utc>, expires: DateTime<Utc>| expires.signed_duration_since(issued) < lead;
            let names: Vec<&str> = self
                .own
                .credentials
                .iter()
                .filter(|(_, one)| match (one.issued_at, one.expires_at) {
                    (Some(issued), Some(expires)) => is_shorter(issued, expires),
                    _ => false,
                })
                .filter(|(_, one)| {
                    let tenant =
                        self.own.tenants.get(&one.tenant.0).map(|fact| (one.tenant.0.as_str(), fact));
                    rule.selector == Default::default() || selects(&rule.selector, tenant)
                })
                .map(|(name, _)| name.as_str())
                .collect();
            let Some(first) = names.first() else { continue };
            let others = match names.len() - 1 {
                0 => String::new(),
                1 => " and of one other".to_owned(),
                count => format!(" and of {count} others"),
            };
            self.say(
                "SX0332",
                format!("/when/credentialExpiry/thresholds/{index}"),
                format!("`{text}` is longer than the life of the credential `{first}`{others}"),
                "write a shorter one, or a share of its life such as 20%",
            );
        }
    }

    /// A severity that most likely was meant for the thresholds, which have their own. The usual one may have been left out.
    fn urgency(&mut self, rule: &AlertRuleSpec, expiry: &CredentialExpiry) {
        if rule.severity == AlertSeverity::default() || !expiry.severities.is_empty() {
            return;
        }
        let code = rule.severity.code();
        let of = |threshold: &String| format!("{threshold}: {code}");
        let severities = expiry.thresholds.iter().map(of).collect::<Vec<_>>().join(", ");
        self.say(
            "SX0340",
            "/severity",
            format!("`severity: {code}` does not make the expiry of a credential {code}: each threshold has its own urgency"),
            format!("write `severities: {{{severities}}}` in `credentialExpiry`, of those that are meant"),
        );
    }

    fn channel(&mut self, now: DateTime<Utc>) {
        let Some(channel) = self.own.channels.get(&*self.entry.key.name) else { return };
        self.settings(channel, now);
        let Some(words) = &channel.template else { return };
        for problem in template::check(words).err().into_iter().flatten() {
            let line = problem.line.map(|line| format!(" (line {line} of it)")).unwrap_or_default();
            self.say(
                "SX0327",
                format!("/template/{}", problem.field),
                format!("{}{line}", problem.what),
                problem.help,
            );
            if let Some(remark) = self.remarks.last_mut() {
                remark.severity = Severity::Error;
            }
        }
    }
}
