//! Health: how what is looked at stands, once enough results in a row said so (M-L2), and providers that answer for nobody (M-S9).

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::kinds::alert_rule::{AlertSeverity, AlertingStatus, Condition, HealthStatus as Watched};
use crate::model::health::{HealthStatus, NEVER_CHECKED};
use crate::model::text::duration_seconds;

use super::super::alert::{Alert, AlertKind, ResolveReason};
use super::super::facts::{HealthFact, TenantFact};
use super::super::fingerprint::Identity;
use super::super::inhibition::{self, ALL_TENANTS, Provider};
use super::super::labels::{self, About, selects};
use super::{Reading, Rule, Signal, Stage};

/// How many good results in a row end an alert of a rule that counts bad ones itself (M-L2).
const SUCCESSES: i64 = 2;

/// Whether a rule raises an alert for a state.
fn raises(watched: &Watched, status: HealthStatus) -> bool {
    watched.statuses.iter().any(|own| {
        matches!(
            (own, status),
            (AlertingStatus::Degraded, HealthStatus::Degraded)
                | (AlertingStatus::Unhealthy, HealthStatus::Unhealthy)
                | (AlertingStatus::Unknown, HealthStatus::Unknown)
        )
    })
}

/// The state of something that a rule raises an alert for, if any, and whether results said so often enough. Without a threshold
/// of its own, what the health check settled on counts. That something cannot be found out is no state that anything settles
/// on: for a rule that asks for just that, the last result counts.
fn trouble(watched: &Watched, fact: &HealthFact) -> Option<(HealthStatus, bool)> {
    if fact.last_status == HealthStatus::Unknown && raises(watched, HealthStatus::Unknown) {
        return Some((HealthStatus::Unknown, true));
    }
    let is_known = fact.last_status != HealthStatus::Unknown;
    match watched.failure_threshold {
        Some(threshold) if is_known && raises(watched, fact.last_status) => {
            Some((fact.last_status, bad_results(watched, fact) >= threshold))
        }
        Some(_) => None,
        None => raises(watched, fact.status).then_some((fact.status, true)),
    }
}

/// How many results in a row were among the states that a rule names.
fn bad_results(watched: &Watched, fact: &HealthFact) -> i64 {
    match (raises(watched, HealthStatus::Degraded), raises(watched, HealthStatus::Unhealthy)) {
        (true, true) => fact.failures,
        (false, true) => fact.severe.max(0),
        (true, false) => fact.failures.min(-fact.severe).max(0),
        (false, false) => 0,
    }
}

/// How many results in a row were not.
fn good_results(watched: &Watched, fact: &HealthFact) -> i64 {
    match (raises(watched, HealthStatus::Degraded), raises(watched, HealthStatus::Unhealthy)) {
        (true, true) => fact.successes,
        (false, true) => (-fact.severe).max(0),
        (true, false) => fact.successes.max(fact.severe),
        (false, false) => fact.successes.max(fact.failures),
    }
}

/// Whether something has lasted for as long as a rule wants.
fn is_long_enough(watched: &Watched, since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let lasting = watched.lasting.as_deref().and_then(duration_seconds).and_then(TimeDelta::try_seconds);
    lasting.is_none_or(|lasting| now.signed_duration_since(since) >= lasting)
}

/// What a rule makes of how something stands. What could not be found out neither advances nor ends anything, unless the rule
/// asks for just that; and what was never looked at says nothing at all.
fn read(watched: &Watched, fact: &HealthFact, open: Option<&Alert>, now: DateTime<Utc>) -> Reading {
    if fact.code == NEVER_CHECKED {
        return Reading::Hold;
    }
    if let Some((_, is_often_enough)) = trouble(watched, fact) {
        let began = open.map_or(now, |alert| alert.started_at);
        let since = if raises(watched, fact.status) { fact.since.min(began) } else { began };
        return Reading::Bad { since, is_settled: is_often_enough && is_long_enough(watched, since, now) };
    }
    // The state that raised it is none of the rule's any more, and nothing is well because of that (M-M3).
    let is_well = fact.status == HealthStatus::Healthy && fact.last_status == HealthStatus::Healthy;
    let raised_for = open.and_then(|alert| HealthStatus::from_code(alert.evidence.get("status")?.as_str()?));
    if !is_well && raised_for.is_some_and(|state| state != HealthStatus::Healthy && !raises(watched, state)) {
        return Reading::Good(ResolveReason::RuleChanged);
    }
    if fact.last_status == HealthStatus::Unknown || fact.status == HealthStatus::Unknown {
        return Reading::Hold;
    }
    let wanted = watched.success_threshold.or(watched.failure_threshold.map(|_| SUCCESSES));
    let is_over = wanted.is_none_or(|wanted| good_results(watched, fact) >= wanted);
    if is_over { Reading::Good(ResolveReason::Recovered) } else { Reading::Hold }
}

/// Whether a rule looks at a check at all.
fn looks_at(watched: &Watched, fact: &HealthFact) -> bool {
    watched.checks.is_empty() || watched.checks.contains(&fact.service)
}

pub(super) fn gather<'a>(stage: &'a Stage<'a>, signals: &mut Vec<Signal<'a>>) {
    let rules: Vec<(&Rule<'a>, &Watched)> = stage
        .rules
        .iter()
        .filter(|rule| rule.is_active)
        .filter_map(|rule| match &rule.fact.spec.when {
            Condition::HealthStatus(watched) => Some((rule, watched)),
            Condition::CredentialExpiry(_) | Condition::UsageThreshold(_) => None,
        })
        .collect();
    for fact in &stage.facts.health {
        let tenant = fact.tenant.as_deref().map(|name| stage.gone(name).map(|tenant| (name, tenant)));
        let mut is_covered = false;
        for (rule, watched) in &rules {
            let is_meant = looks_at(watched, fact)
                && match tenant {
                    None => selects(&rule.fact.spec.selector, None),
                    Some(Ok(tenant)) => selects(&rule.fact.spec.selector, Some(tenant)),
                    Some(Err(_)) => true,
                };
            is_covered |= is_meant && raises(watched, HealthStatus::Unhealthy);
            let mut signal = of(stage, Some(rule), fact, rule.fact.spec.severity);
            signal.reading = match tenant {
                Some(Err(reason)) => Reading::Good(reason),
                _ if !is_meant => Reading::Good(ResolveReason::RuleChanged),
                _ => read(watched, fact, stage.open.get(&signal.fingerprint).copied(), stage.now),
            };
            if let (Reading::Bad { .. }, Some((state, _))) = (signal.reading, trouble(watched, fact)) {
                signal.evidence["status"] = state.code().into();
            }
            push(stage, signal, fact, signals);
        }
        let mut signal = of(stage, None, fact, AlertSeverity::Warning);
        signal.reading = match tenant {
            Some(Err(reason)) => Reading::Good(reason),
            _ if is_covered => Reading::Good(ResolveReason::RuleChanged),
            _ if fact.status == HealthStatus::Unhealthy => {
                Reading::Bad { since: fact.since, is_settled: true }
            }
            _ if fact.status == HealthStatus::Unknown => Reading::Hold,
            _ => Reading::Good(ResolveReason::Recovered),
        };
        push(stage, signal, fact, signals);
    }
    for provider in inhibition::providers(stage.facts) {
        signals.extend(rules.iter().map(|(rule, watched)| outage_signal(stage, rule, watched, &provider)));
    }
}

/// A signal with its labels, unless there is nothing to say.
fn push<'a>(
    stage: &'a Stage<'a>,
    mut signal: Signal<'a>,
    fact: &'a HealthFact,
    signals: &mut Vec<Signal<'a>>,
) {
    if matches!(signal.reading, Reading::Bad { .. } | Reading::Hold) {
        let tenant = fact.tenant.as_deref().map(|name| (name, stage.facts.tenants.get(name)));
        signal.labels = labels_of(stage, &signal, tenant, fact);
    }
    signals.push(signal);
}

fn labels_of<'a>(
    stage: &Stage<'a>,
    signal: &Signal<'a>,
    tenant: Option<(&str, Option<&TenantFact>)>,
    fact: &HealthFact,
) -> super::AlertLabels {
    let is_credential = fact.service == crate::model::health::CheckedService::Credentials;
    labels::of(&About {
        workspace: &stage.facts.workspace,
        rule: signal.rule.map_or("", |rule| rule.fact.name.as_str()),
        kind: signal.kind,
        severity: signal.severity,
        tenant,
        service: Some(fact.service.code()),
        check: Some(fact.service.code()),
        credential: is_credential.then_some(fact.subject.as_str()),
    })
}

/// A signal that says nothing yet.
fn of<'a>(
    stage: &'a Stage<'a>,
    rule: Option<&'a Rule<'a>>,
    fact: &'a HealthFact,
    severity: AlertSeverity,
) -> Signal<'a> {
    let tenant = fact.tenant.as_deref();
    let evidence = json!({
        "status": fact.status.code(), "code": fact.code, "why": fact.message, "failures": fact.failures,
        "since": fact.since,
    });
    blank(stage, rule, fact.service.code(), &fact.subject, tenant, severity, evidence)
}

fn blank<'a>(
    stage: &'a Stage<'a>,
    rule: Option<&'a Rule<'a>>,
    service: &'static str,
    subject: &'a str,
    tenant: Option<&'a str>,
    severity: AlertSeverity,
    evidence: serde_json::Value,
) -> Signal<'a> {
    let what = format!("{service}/{subject}");
    let identity = Identity {
        workspace: &stage.facts.workspace,
        rule: rule.map_or("", |rule| rule.fact.name.as_str()),
        kind: AlertKind::HealthStatus,
        tenant: tenant.unwrap_or_default(),
        subject: &what,
    };
    Signal {
        rule,
        kind: AlertKind::HealthStatus,
        fingerprint: identity.fingerprint(),
        tenant,
        service: Some(service),
        subject,
        subject_id: None,
        severity,
        reading: Reading::Hold,
        threshold: None,
        wider: Vec::new(),
        generation: None,
        expires_at: None,
        labels: super::AlertLabels::new(),
        evidence,
    }
}

/// A provider that answers for nearly nobody is one alert of each rule that looks at it and means any of those tenants. It is
/// raised when as many of them as make it an outage would be: a rule's thresholds and `for` count for it as for each of them.
/// From the first one on it is pending.
fn outage_signal<'a>(
    stage: &'a Stage<'a>,
    rule: &'a Rule<'a>,
    watched: &Watched,
    provider: &Provider<'a>,
) -> Signal<'a> {
    let (service, severity) = (provider.service.code(), rule.fact.spec.severity);
    let mut signal = blank(stage, Some(rule), service, ALL_TENANTS, None, severity, serde_json::Value::Null);
    let open = stage.open.get(&signal.fingerprint).copied();
    let is_raised = open.is_some_and(|alert| alert.status.is_raised());
    let looks = (watched.checks.is_empty() || watched.checks.contains(&provider.service))
        && raises(watched, HealthStatus::Unhealthy);
    let is_out = provider.is_out(open.map(|alert| alert.status));
    let is_meant = |fact: &HealthFact| {
        let tenant = fact.tenant.as_deref().and_then(|name| Some((name, stage.facts.tenants.get(name)?)));
        tenant.is_some_and(|tenant| selects(&rule.fact.spec.selector, Some(tenant)))
    };
    let mut own = stage.facts.health.iter().filter(|fact| fact.service == provider.service);
    let is_changed = !looks || is_out && !own.any(is_meant);
    let affected = || provider.unanswered.iter().chain(&provider.recovering).copied();
    // When each of those went down that the rule would raise an alert for.
    let mut since: Vec<DateTime<Utc>> = affected()
        .filter(|fact| trouble(watched, fact).is_some_and(|(_, is_often_enough)| is_often_enough))
        .map(|fact| if raises(watched, fact.status) { fact.since } else { stage.now })
        .collect();
    since.sort_unstable();
    if is_changed || !is_out || !affected().any(is_meant) || since.is_empty() && open.is_none() {
        let reason = if is_changed { ResolveReason::RuleChanged } else { ResolveReason::Recovered };
        signal.reading = Reading::Good(reason);
        return signal;
    }
    let began = open.map_or(stage.now, |alert| alert.started_at);
    // Since when as many were down as make it an outage. What recovers already is none that is to come.
    let settled = since.get(provider.most() - 1).map(|since| began.min(*since));
    let is_settled = provider.unanswered.len() * 2 > provider.of
        && settled.is_some_and(|since| is_long_enough(watched, since, stage.now));
    signal.reading = Reading::Bad { since: settled.unwrap_or(began), is_settled: is_raised || is_settled };
    let known = open.and_then(|alert| alert.evidence.get("code")?.as_str());
    signal.evidence = json!({
        "code": provider.code().or(known).unwrap_or_default(), "without": provider.without(), "of": provider.of,
    });
    signal.labels = labels::of(&About {
        workspace: &stage.facts.workspace,
        rule: &rule.fact.name,
        kind: AlertKind::HealthStatus,
        severity,
        tenant: None,
        service: Some(service),
        check: Some(service),
        credential: None,
    });
    signal
}
