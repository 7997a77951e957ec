//! One evaluation of one workspace: what is said of each alert, how its life goes on, what mutes it, and what is told.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::kinds::alert_rule::Condition;
use crate::model::Digest;
use crate::model::text::duration_seconds;

use super::alert::{Alert, AlertKind, AlertStatus, ResolveReason};
use super::facts::{EvaluationRow, Facts, Outcome};
use super::fingerprint::id_of;
use super::inhibition::Inhibitors;
use super::life::{FlapGuard, Life};
use super::muting::Muters;
use super::schedule;
use super::signals::{self, Rule, Signal, Stage};
use super::telling::{Case, Teller};

/// What the facts come to at a moment: total, pure, and the same for the same facts in any order. A second evaluation of what
/// the first one left tells nothing new.
#[must_use]
pub fn evaluate(facts: &Facts, now: DateTime<Utc>) -> Outcome {
    // PostgreSQL keeps microseconds: what is written is what is read again.
    let now = DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now);
    let stage = Stage::new(facts, now);
    let signals = signals::gather(&stage);
    let mut cases = live(&stage, &signals);
    mute(&stage, &mut cases);
    let mut outcome = Teller::new(&stage).tell(cases);
    outcome.changes.sort_by(|left, right| {
        let of = |change: &super::facts::Change| {
            (
                change.alert.rule.clone(),
                change.alert.tenant.clone(),
                change.alert.subject.clone(),
                change.alert.kind,
            )
        };
        (left.happening, of(left)).cmp(&(right.happening, of(right)))
    });
    outcome.evaluations = evaluations(&stage);
    outcome.unrouted = unrouted(&stage, &outcome);
    outcome
}

/// How many alerts no rule covers once this is written.
fn unrouted(stage: &Stage<'_>, outcome: &Outcome) -> usize {
    let is_unrouted = |alert: &&Alert| alert.status == AlertStatus::Unrouted;
    let before = stage.facts.open.iter().filter(is_unrouted).count();
    let is_over = |alert: &&Alert| alert.rule.is_none() && alert.status == AlertStatus::Resolved;
    (before + outcome.inserts.iter().filter(is_unrouted).count())
        .saturating_sub(outcome.updates.iter().filter(is_over).count())
}

fn evaluations(stage: &Stage<'_>) -> Vec<EvaluationRow> {
    let due = stage.rules.iter().filter(|rule| rule.is_due);
    due.map(|rule| EvaluationRow {
        rule: rule.fact.name.clone(),
        next_due_at: schedule::next(&rule.fact.spec.schedule, &rule.fact.spec.time_zone, stage.now),
    })
    .collect()
}

/// How the life of every alert goes on, in the order of fingerprints.
fn live<'a>(stage: &'a Stage<'a>, signals: &'a [Signal<'a>]) -> Vec<Case<'a>> {
    let mut before: HashMap<Digest, &Alert> = HashMap::new();
    for alert in &stage.facts.ended {
        let newest = before.entry(alert.fingerprint).or_insert(alert);
        if (alert.resolved_at, alert.id) > (newest.resolved_at, newest.id) {
            *newest = alert;
        }
    }
    let mut cases = Vec::new();
    for signal in signals {
        let open = stage.open.get(&signal.fingerprint).copied();
        let life = Life {
            now: stage.now,
            open,
            before: before.get(&signal.fingerprint).copied(),
            guard: signal.rule.and_then(|rule| guard(rule, signal.kind)),
            may_open: signal.rule.is_none_or(|rule| rule.is_due),
            id: id_of(
                stage.facts.seed,
                &[b"alert", signal.fingerprint.as_bytes()],
                stage.now.timestamp_millis(),
            ),
        };
        let step = life.go_on(signal);
        // One that ends and one that begins at once are two cases; only the second one is open.
        let is_renewed = step.ended.is_some();
        if let Some(ended) = step.ended {
            cases.push(Case { before: open, after: ended, signal: None, end_is_told: false });
        }
        if let Some(after) = step.open {
            let before = open.filter(|_| !is_renewed);
            cases.push(Case { before, after, signal: Some(signal), end_is_told: false });
        }
    }
    let mut left: Vec<&Alert> = stage
        .facts
        .open
        .iter()
        .filter(|alert| stage.is_in_scope(alert.rule.as_deref()))
        .filter(|alert| {
            signals.binary_search_by(|signal| signal.fingerprint.cmp(&alert.fingerprint)).is_err()
        })
        .collect();
    left.sort_by_key(|alert| alert.fingerprint);
    for alert in left {
        let life = Life {
            now: stage.now,
            open: Some(alert),
            before: None,
            guard: None,
            may_open: false,
            id: alert.id,
        };
        let after = life.end(alert.clone(), why_nothing_is_said(stage, alert));
        cases.push(Case { before: Some(alert), after, signal: None, end_is_told: false });
    }
    cases
}

/// Why an alert is over of which nothing is said any more (M-M3).
fn why_nothing_is_said(stage: &Stage<'_>, alert: &Alert) -> ResolveReason {
    let Some(name) = alert.rule.as_deref() else { return ResolveReason::Removed };
    let Some(rule) = stage.rule(name).filter(|rule| !rule.fact.is_deleted) else {
        return ResolveReason::RuleRemoved;
    };
    let is_of_its_kind = matches!(
        (&rule.fact.spec.when, alert.kind),
        (
            Condition::CredentialExpiry(_),
            AlertKind::CredentialExpiry | AlertKind::ExpiryUnknown | AlertKind::RenewalFailed
        ) | (Condition::HealthStatus(_), AlertKind::HealthStatus)
            | (Condition::UsageThreshold(_), AlertKind::UsageThreshold)
    );
    let is_another_metric = alert.kind == AlertKind::UsageThreshold;
    if !rule.is_active || !is_of_its_kind || is_another_metric {
        return ResolveReason::RuleChanged;
    }
    ResolveReason::Removed
}

/// Expiry has its own guard: each threshold is told once for each secret (M-E6, M-E8).
fn guard(rule: &Rule<'_>, kind: AlertKind) -> Option<FlapGuard> {
    let flapping = rule.fact.spec.flapping.as_ref()?;
    if matches!(kind, AlertKind::CredentialExpiry | AlertKind::ExpiryUnknown) {
        return None;
    }
    Some(FlapGuard {
        changes: usize::try_from(flapping.changes).ok()?,
        window: TimeDelta::try_seconds(duration_seconds(&flapping.window)?)?,
    })
}

/// What mutes the alerts that are there now.
fn mute(stage: &Stage<'_>, cases: &mut [Case<'_>]) {
    let muters = Muters::of(stage.facts, stage.now);
    // What is raised by a rule that is not looked at in this evaluation explains others as well.
    let elsewhere = stage.facts.open.iter().filter(|alert| !stage.is_in_scope(alert.rule.as_deref()));
    let inhibitors = Inhibitors::among(stage.facts, cases.iter().map(|case| &case.after).chain(elsewhere));
    let mut ended = None;
    for case in cases {
        let alert = &mut case.after;
        // One that begins where another ended comes right behind it.
        let follows = case.before.is_none() && ended == Some(alert.fingerprint);
        ended = (alert.status == AlertStatus::Resolved).then_some(alert.fingerprint);
        if alert.status == AlertStatus::Unrouted || alert.rule.is_none() {
            continue;
        }
        let muted = muters.muting(&alert.labels, &alert.fingerprint, follows);
        let mut by = inhibitors.muting(alert);
        case.end_is_told = muted.end_is_told;
        by.extend(muted.by);
        by.sort_unstable();
        alert.muted_since = match (by.is_empty(), alert.muted_since) {
            (true, _) => None,
            (false, Some(since)) if !alert.muted_by.is_empty() => Some(since),
            (false, _) => Some(stage.now),
        };
        alert.muted_by = by;
    }
}
