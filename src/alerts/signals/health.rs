//! Health: how what is looked at stands, once enough results in a row said so (M-L2), and providers that answer for nobody (M-S9).

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::kinds::alert_rule::{AlertSeverity, AlertingStatus, Condition, HealthStatus as Watched};
use crate::model::health::HealthStatus;
use crate::model::text::duration_seconds;

use super::super::alert::{Alert, AlertKind, ResolveReason};
use super::super::facts::{HealthFact, TenantFact};
use super::super::fingerprint::Identity;
use super::super::inhibition::{self, ALL_TENANTS, Outage};
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

/// What a rule makes of how something stands. Without thresholds of its own, what the health check settled on counts. What
/// could not be found out neither advances nor ends anything, unless the rule asks for just that.
fn read(watched: &Watched, fact: &HealthFact, open: Option<&Alert>, now: DateTime<Utc>) -> Reading {
    let is_settled_bad = raises(watched, fact.status);
    let (is_bad, is_often_enough) = match watched.failure_threshold {
        Some(threshold) if fact.last_status != HealthStatus::Unknown => {
            (raises(watched, fact.last_status), fact.failures >= threshold)
        }
        Some(_) if !raises(watched, HealthStatus::Unknown) => (false, false),
        _ => (is_settled_bad, true),
    };
    if is_bad {
        let began = open.map_or(now, |alert| alert.started_at);
        let since = if is_settled_bad { fact.since.min(began) } else { began };
        let lasting = watched.lasting.as_deref().and_then(duration_seconds).and_then(TimeDelta::try_seconds);
        let is_long_enough = lasting.is_none_or(|lasting| now.signed_duration_since(since) >= lasting);
        return Reading::Bad { since, is_settled: is_often_enough && is_long_enough };
    }
    if fact.last_status == HealthStatus::Unknown || fact.status == HealthStatus::Unknown {
        return Reading::Hold;
    }
    let is_well = match watched.success_threshold {
        Some(threshold) => !raises(watched, fact.last_status) && fact.successes >= threshold,
        None if watched.failure_threshold.is_some() => {
            !raises(watched, fact.last_status) && fact.successes >= SUCCESSES
        }
        None => !is_settled_bad,
    };
    if is_well { Reading::Good(ResolveReason::Recovered) } else { Reading::Hold }
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
    let outages = inhibition::outages(stage.facts);
    for (rule, watched) in &rules {
        outage_signals(stage, rule, watched, &outages, signals);
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

/// A provider that answers for nearly nobody is one alert of each rule that looks at it.
fn outage_signals<'a>(
    stage: &'a Stage<'a>,
    rule: &'a Rule<'a>,
    watched: &Watched,
    outages: &[Outage],
    signals: &mut Vec<Signal<'a>>,
) {
    use crate::model::health::CheckedService::{GoogleMerchant, Shopify};
    for service in [Shopify, GoogleMerchant] {
        let is_meant = (watched.checks.is_empty() || watched.checks.contains(&service))
            && raises(watched, HealthStatus::Unhealthy);
        let outage = outages.iter().find(|outage| outage.service == service && is_meant);
        let evidence = outage.map_or(
            serde_json::Value::Null,
            |outage| json!({"code": outage.code, "without": outage.without, "of": outage.of}),
        );
        let severity = rule.fact.spec.severity;
        let mut signal = blank(stage, Some(rule), service.code(), ALL_TENANTS, None, severity, evidence);
        if outage.is_some() {
            signal.reading = Reading::Bad { since: stage.now, is_settled: true };
            signal.labels = labels::of(&About {
                workspace: &stage.facts.workspace,
                rule: &rule.fact.name,
                kind: AlertKind::HealthStatus,
                severity,
                tenant: None,
                service: Some(service.code()),
                check: Some(service.code()),
                credential: None,
            });
        } else {
            let reason = if is_meant { ResolveReason::Recovered } else { ResolveReason::RuleChanged };
            signal.reading = Reading::Good(reason);
        }
        signals.push(signal);
    }
}
