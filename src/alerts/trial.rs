//! Runs the tests of manifests: what the rules, silences and windows make of something that is made up, compared with what the
//! manifests expect (M-M8). It is the evaluation itself that is run, not something like it.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::kinds::alert_rule::{AlertRuleSpec, Condition};
use crate::kinds::alert_test::{Expected, Given, GivenCredential, GivenHealth, Trial};
use crate::kinds::credential::{Renewal, Service};
use crate::model::diagnostic::did_you_mean;
use crate::model::health::{CheckedService, HealthStatus};
use crate::model::text::duration_seconds;

use super::alert::{Alert, AlertStatus};
use super::declared::Declared;
use super::evaluate;
use super::facts::{CredentialFact, Facts, HealthFact};
use super::inhibition::is_unreachable;

/// How many bad results in a row a health check settles on where nothing declares otherwise.
const FAILURES: i64 = 3;

/// What came of a test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What the test names and nothing declares, a line each: it would be green whatever the rules say.
    pub unknown: Vec<String>,
    /// What was expected and is not there, a line each.
    pub missing: Vec<String>,
    /// What is there and was not expected, a line each.
    pub unexpected: Vec<String>,
}

impl Verdict {
    /// Whether all is as expected.
    #[must_use]
    pub const fn is_passed(&self) -> bool {
        self.unknown.is_empty() && self.missing.is_empty() && self.unexpected.is_empty()
    }
}

/// Runs one test against what a workspace declares.
#[must_use]
pub fn run(declared: &Declared, workspace: &str, trial: &Trial, usual: DateTime<Utc>) -> Verdict {
    let now = trial.at.unwrap_or(usual);
    let mut facts = declared.facts(workspace);
    for (index, given) in trial.given.iter().enumerate() {
        match given {
            Given::Credential(one) => facts.credentials.push(credential(declared, one, index, now)),
            Given::Health(one) => health(declared, &mut facts, one, now),
            Given::Usage(one) => {
                facts.usage.insert(one.rule.clone(), one.count);
            }
        }
    }
    let outcome = evaluate(&facts, now);
    let is_there = |alert: &&Alert| matches!(alert.status, AlertStatus::Firing | AlertStatus::Unrouted);
    let mut left: Vec<Found<'_>> =
        outcome.inserts.iter().filter(is_there).map(|alert| Found::new(declared, alert)).collect();
    // What says most first, so that it is not left with what something vaguer would have taken too.
    let mut wanted: Vec<&Expected> = trial.expect.iter().collect();
    wanted.sort_by_key(|expected| std::cmp::Reverse(said(expected).len()));
    let mut verdict = Verdict { unknown: unknown(declared, workspace, trial), ..Verdict::default() };
    for expected in wanted {
        match left.iter().position(|found| found.fits(expected)) {
            Some(index) => {
                left.remove(index);
            }
            None => verdict.missing.push(shown(&said(expected))),
        }
    }
    verdict.unexpected = left.iter().map(|found| shown(&found.said())).collect();
    verdict.unexpected.sort();
    verdict
}

fn length(text: &str) -> TimeDelta {
    let (is_past, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let length = duration_seconds(text).and_then(TimeDelta::try_seconds).unwrap_or_default();
    if is_past { -length } else { length }
}

const fn code(service: Service) -> &'static str {
    match service {
        Service::Shopify => "shopify",
        Service::GoogleMerchant => "google-merchant",
    }
}

fn credential(
    declared: &Declared,
    one: &GivenCredential,
    index: usize,
    now: DateTime<Utc>,
) -> CredentialFact {
    let own = declared.credentials.get(&one.name);
    let expires_at = one.expires_in.as_deref().map(|text| now + length(text));
    let issued_at = match (&one.life, expires_at) {
        (Some(life), Some(expires)) => expires.checked_sub_signed(length(life)),
        _ => own.and_then(|own| own.issued_at),
    };
    let service = one.service.clone().or_else(|| own.map(|own| code(own.service).to_owned()));
    CredentialFact {
        id: Uuid::from_u128(index as u128 + 1),
        name: one.name.clone(),
        tenant: one.tenant.clone().or_else(|| own.map(|own| own.tenant.0.clone())).unwrap_or_default(),
        service: service.unwrap_or_else(|| "shopify".to_owned()),
        expires_at,
        issued_at,
        secret_version: String::new(),
        renews_itself: own.is_some_and(|own| own.renewal != Renewal::None) || one.failed_renewals.is_some(),
        renewal_failures: one.failed_renewals.unwrap_or_default(),
        renewal_error: None,
        is_revoked: false,
        is_deleted: false,
    }
}

/// What is given and nothing declares.
fn unknown(declared: &Declared, workspace: &str, trial: &Trial) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |what: &str, name: &str, known: Vec<&str>| {
        let near =
            did_you_mean(name, known).map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
        let line = format!("workspace `{workspace}` declares no {what} `{name}`{near}");
        if !lines.contains(&line) {
            lines.push(line);
        }
    };
    for given in &trial.given {
        let tenant = match given {
            Given::Credential(one) => {
                // One that is made up says whose it is.
                if one.tenant.is_none() && !declared.credentials.contains_key(&one.name) {
                    say("credential", &one.name, names(&declared.credentials));
                }
                one.tenant.as_deref()
            }
            Given::Health(one) => one.tenant.as_deref(),
            Given::Usage(one) => {
                let is_of_usage = |rule: &&AlertRuleSpec| matches!(rule.when, Condition::UsageThreshold(_));
                if declared.rules.get(&one.rule).filter(is_of_usage).is_none() {
                    let known = declared.rules.iter().filter(|(_, rule)| is_of_usage(rule));
                    say("rule on usage", &one.rule, known.map(|(name, _)| name.as_str()).collect());
                }
                None
            }
        };
        if let Some(tenant) = tenant.filter(|name| !declared.tenants.contains_key(*name)) {
            say("tenant", tenant, names(&declared.tenants));
        }
    }
    lines
}

fn names<T>(known: &BTreeMap<String, T>) -> Vec<&str> {
    known.keys().map(String::as_str).collect()
}

fn health(declared: &Declared, facts: &mut Facts, one: &GivenHealth, now: DateTime<Utc>) {
    let results = one.results.unwrap_or(1000);
    let is_well = one.status == HealthStatus::Healthy;
    // Of several settings the first by name counts.
    let settings = declared.checks.values().find(|settings| settings.service == one.service);
    let settles_at = settings.map_or(FAILURES, |settings| settings.failure_threshold);
    let is_settled = is_well || one.status == HealthStatus::Unknown || results >= settles_at;
    let code = one.code.clone().unwrap_or_else(|| one.status.code().to_owned());
    // A provider that answers for nobody is told as one alert. Whether it does is known of what is said not to answer; of the
    // rest, so many more are looked at than are down that a test is about what it says.
    let watched = facts.watched.entry(one.service).or_insert(1000);
    if is_unreachable(&code) {
        *watched = i64::try_from(declared.looked_at(one.service)).unwrap_or(i64::MAX);
    }
    facts.health.push(HealthFact {
        service: one.service,
        subject: one.tenant.clone().unwrap_or_default(),
        tenant: one.tenant.clone(),
        status: if is_settled { one.status } else { HealthStatus::Healthy },
        since: now - length(&one.lasting),
        last_status: one.status,
        code,
        message: format!("{} is {}", one.service.code(), one.status.code()),
        failures: if is_well { 0 } else { results },
        successes: if is_well { results } else { 0 },
        severe: if one.status == HealthStatus::Unhealthy { results } else { -results },
    });
}

/// An alert that is there, as tests look at it.
struct Found<'a> {
    alert: &'a Alert,
    channels: Vec<&'a str>,
}

impl<'a> Found<'a> {
    fn new(declared: &'a Declared, alert: &'a Alert) -> Self {
        let rule = alert.rule.as_deref().and_then(|name| declared.rules.get(name));
        let is_on = |name: &&str| declared.channels.get(*name).is_some_and(|channel| channel.enabled);
        let mut channels: Vec<&str> = match rule {
            Some(rule) if alert.muted_by.is_empty() => {
                rule.channels.iter().map(String::as_str).filter(is_on).collect()
            }
            _ => Vec::new(),
        };
        channels.sort_unstable();
        Self { alert, channels }
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.alert.labels.get(name).map(String::as_str)
    }

    fn fits(&self, expected: &Expected) -> bool {
        let Expected { rule, tenant, credential, check, severity, threshold, channels, muted_by, unrouted } =
            expected;
        let same = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        let all = |wanted: &Option<Vec<String>>, found: &[&str]| {
            wanted.as_ref().is_none_or(|wanted| {
                let mut wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
                wanted.sort_unstable();
                wanted == found
            })
        };
        let muted: Vec<&str> = self.alert.muted_by.iter().map(String::as_str).collect();
        same(rule, self.alert.rule.as_deref())
            && same(tenant, self.alert.tenant.as_deref())
            && same(credential, self.label("credential"))
            && check.is_none_or(|check| self.label("check") == Some(CheckedService::code(check)))
            && same(severity, Some(self.alert.severity.code()))
            && same(threshold, self.alert.threshold.as_deref())
            && all(channels, &self.channels)
            && all(muted_by, &muted)
            && *unrouted == (self.alert.status == AlertStatus::Unrouted)
    }

    fn said(&self) -> Vec<(&'static str, String)> {
        let mut said = Vec::new();
        let mut add = |name, value: Option<&str>| said.extend(value.map(|value| (name, value.to_owned())));
        add("rule", self.alert.rule.as_deref());
        add("unrouted", (self.alert.status == AlertStatus::Unrouted).then_some("true"));
        add("tenant", self.alert.tenant.as_deref());
        add("credential", self.label("credential"));
        add("check", self.label("check"));
        add("severity", Some(self.alert.severity.code()));
        add("threshold", self.alert.threshold.as_deref());
        add("channels", Some(&list(&self.channels)));
        if !self.alert.muted_by.is_empty() {
            add("mutedBy", Some(&list(&self.alert.muted_by)));
        }
        said
    }
}

fn list<S: AsRef<str>>(names: &[S]) -> String {
    format!("[{}]", names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", "))
}

fn said(expected: &Expected) -> Vec<(&'static str, String)> {
    let Expected { rule, tenant, credential, check, severity, threshold, channels, muted_by, unrouted } =
        expected;
    let mut said = Vec::new();
    let mut add = |name, value: Option<&str>| said.extend(value.map(|value| (name, value.to_owned())));
    add("rule", rule.as_deref());
    add("unrouted", unrouted.then_some("true"));
    add("tenant", tenant.as_deref());
    add("credential", credential.as_deref());
    add("check", check.map(CheckedService::code));
    add("severity", severity.as_deref());
    add("threshold", threshold.as_deref());
    add("channels", channels.as_deref().map(list).as_deref());
    add("mutedBy", muted_by.as_deref().map(list).as_deref());
    said
}

fn shown(said: &[(&str, String)]) -> String {
    if said.is_empty() {
        return "any alert".to_owned();
    }
    said.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ")
}
