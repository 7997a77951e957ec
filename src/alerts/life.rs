//! The life of an alert: pending, firing, acknowledged, resolved (M-L1). What comes next is decided by its row and by what is
//! said of it now, and by nothing else.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::alert::{Alert, AlertKind, AlertStatus, ResolveReason};
use super::signals::{Reading, Signal};

/// At most so many changes are kept of an alert.
const MOST_TRANSITIONS: usize = 128;

/// Where `evidence` says how a flapping alert stands at the moment.
const STANDS: &str = "stands";

/// From when on an alert that comes and goes is held back (M-L11).
#[derive(Clone, Copy, Debug)]
pub struct FlapGuard {
    /// More changes than this are too many.
    pub changes: usize,
    /// Within this time; and for as long it must be quiet.
    pub window: TimeDelta,
}

/// How an alert goes on.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// The open alert that ends here.
    pub ended: Option<Alert>,
    /// The alert that is open from here on.
    pub open: Option<Alert>,
}

/// What the life of one alert depends on.
#[derive(Debug)]
pub struct Life<'a> {
    /// The moment.
    pub now: DateTime<Utc>,
    /// The alert, while it is open.
    pub open: Option<&'a Alert>,
    /// The one before it, where that ended lately.
    pub before: Option<&'a Alert>,
    /// The rule's guard.
    pub guard: Option<FlapGuard>,
    /// Whether a new alert may be raised now.
    pub may_open: bool,
    /// The id that a new alert would have.
    pub id: Uuid,
}

impl Life<'_> {
    /// How it goes on.
    #[must_use]
    pub fn go_on(&self, signal: &Signal<'_>) -> Step {
        match (self.open.map(|open| self.by_now(open)), signal.reading) {
            (None, Reading::Bad { since, is_settled }) if self.may_open => {
                Step { ended: None, open: Some(self.begin(signal, since, is_settled)) }
            }
            (None, _) => Step::default(),
            (Some(open), Reading::Bad { .. }) if is_another_secret(&open, signal) => {
                let next = Life { open: None, before: None, ..*self }.go_on(signal);
                Step { ended: Some(self.end(open, ResolveReason::Renewed)), open: next.open }
            }
            (Some(open), Reading::Bad { is_settled, .. }) => {
                Step { ended: None, open: Some(self.stand(open, signal, is_settled)) }
            }
            (Some(open), Reading::Hold) => Step { ended: None, open: Some(self.calm(open)) },
            (Some(open), Reading::Good(reason)) => self.recover(open, reason),
        }
    }

    /// An alert whose row was written by a clock that was ahead: what is still to come counts as now, and is written so. Nothing
    /// waits for that clock then: no reminder, no `for`, no end of its coming and going.
    fn by_now(&self, alert: &Alert) -> Alert {
        let mut alert = alert.clone();
        let by_now = |at: &mut DateTime<Utc>| *at = self.now.min(*at);
        by_now(&mut alert.started_at);
        [&mut alert.fired_at, &mut alert.notified_at, &mut alert.muted_since]
            .into_iter()
            .flatten()
            .for_each(by_now);
        alert.transitions.iter_mut().for_each(by_now);
        alert
    }

    /// It ends, whatever is said of it.
    #[must_use]
    pub fn end(&self, mut alert: Alert, reason: ResolveReason) -> Alert {
        if alert.status.is_raised() {
            self.note_change(&mut alert);
        }
        alert.status = AlertStatus::Resolved;
        alert.changed_at = self.now;
        alert.resolved_at = Some(self.now);
        alert.resolve_reason = Some(reason);
        alert.is_flapping = false;
        alert
    }

    fn begin(&self, signal: &Signal<'_>, since: DateTime<Utc>, is_settled: bool) -> Alert {
        let now = self.now;
        let mut alert = Alert {
            id: self.id,
            rule: signal.rule.map(|rule| rule.fact.name.clone()),
            kind: signal.kind,
            fingerprint: signal.fingerprint,
            tenant: signal.tenant.map(str::to_owned),
            service: signal.service.map(str::to_owned),
            subject: signal.subject.to_owned(),
            subject_id: signal.subject_id,
            labels: signal.labels.clone(),
            severity: signal.severity,
            status: if signal.rule.is_none() { AlertStatus::Unrouted } else { AlertStatus::Pending },
            title: String::new(),
            message: String::new(),
            threshold: signal.threshold.map(str::to_owned),
            generation: signal.generation.clone(),
            expires_at: signal.expires_at,
            evidence: signal.evidence.clone(),
            started_at: since.min(now),
            fired_at: None,
            changed_at: now,
            resolved_at: None,
            resolve_reason: None,
            acknowledged_at: None,
            acknowledged_by: None,
            ack_comment: None,
            ack_until: None,
            muted_by: Vec::new(),
            muted_since: None,
            is_flapping: false,
            transitions: self.before.map(|before| self.by_now(before).transitions).unwrap_or_default(),
            notified_at: None,
            reminders: 0,
            revision: 1,
        };
        if is_settled && alert.status == AlertStatus::Pending {
            self.fire(&mut alert);
        }
        alert
    }

    fn fire(&self, alert: &mut Alert) {
        alert.status = AlertStatus::Firing;
        alert.fired_at = Some(self.now);
        alert.changed_at = self.now;
        self.note_change(alert);
        if self.is_restless(alert) {
            alert.is_flapping = true;
            alert.evidence = with(&alert.evidence, true);
        }
    }

    /// It is still wrong.
    fn stand(&self, mut alert: Alert, signal: &Signal<'_>, is_settled: bool) -> Alert {
        let was_flapping = alert.is_flapping;
        let stood = alert.evidence.get(STANDS).and_then(Value::as_bool).unwrap_or(true);
        alert.evidence = if was_flapping { with(&signal.evidence, stood) } else { signal.evidence.clone() };
        signal.subject.clone_into(&mut alert.subject);
        alert.expires_at = signal.expires_at;
        if !signal.labels.is_empty() {
            alert.labels.clone_from(&signal.labels);
        }
        let is_tighter = alert.threshold.as_deref() != signal.threshold;
        let is_worse =
            signal.severity > alert.severity || (is_tighter && signal.kind == AlertKind::CredentialExpiry);
        alert.severity = signal.severity;
        alert.threshold = signal.threshold.map(str::to_owned);
        alert.generation.clone_from(&signal.generation);
        match alert.status {
            AlertStatus::Pending if is_settled => self.fire(&mut alert),
            // What somebody knew of was less than this (M-L5).
            AlertStatus::Acknowledged if is_worse => self.forget_acknowledgement(&mut alert),
            _ => {}
        }
        if was_flapping && !stood {
            self.note_change(&mut alert);
            alert.evidence = with(&alert.evidence, true);
        }
        self.calm(alert)
    }

    /// It is well again. An alert that comes and goes too often is held instead.
    fn recover(&self, mut alert: Alert, reason: ResolveReason) -> Step {
        let may_hold = reason == ResolveReason::Recovered && alert.status.is_raised();
        if !may_hold {
            return Step { ended: Some(self.end(alert, reason)), open: None };
        }
        let stood = alert.evidence.get(STANDS).and_then(Value::as_bool).unwrap_or(true);
        if alert.is_flapping {
            if stood {
                self.note_change(&mut alert);
                alert.evidence = with(&alert.evidence, false);
            }
            let mut alert = self.calm(alert);
            if alert.is_flapping {
                return Step { ended: None, open: Some(alert) };
            }
            // The change that ends it was counted when it came.
            let transitions = std::mem::take(&mut alert.transitions);
            let mut ended = self.end(alert, reason);
            ended.transitions = transitions;
            return Step { ended: Some(ended), open: None };
        }
        let mut changed = alert.clone();
        self.note_change(&mut changed);
        if self.is_restless(&changed) {
            changed.is_flapping = true;
            changed.evidence = with(&changed.evidence, false);
            return Step { ended: None, open: Some(changed) };
        }
        Step { ended: Some(self.end(alert, reason)), open: None }
    }

    /// What passes with time alone.
    fn calm(&self, mut alert: Alert) -> Alert {
        if alert.status == AlertStatus::Acknowledged && !alert.is_acknowledged(self.now) {
            self.forget_acknowledgement(&mut alert);
        }
        if alert.is_flapping {
            let is_quiet = match (self.guard, alert.transitions.last()) {
                (Some(guard), Some(last)) => self.now.signed_duration_since(*last) >= guard.window,
                _ => true,
            };
            alert.is_flapping = !is_quiet;
        }
        alert
    }

    fn forget_acknowledgement(&self, alert: &mut Alert) {
        alert.status = AlertStatus::Firing;
        alert.changed_at = self.now;
        alert.acknowledged_at = None;
        alert.acknowledged_by = None;
        alert.ack_comment = None;
        alert.ack_until = None;
    }

    fn note_change(&self, alert: &mut Alert) {
        alert.transitions.push(self.now);
        if let Some(guard) = self.guard {
            alert.transitions.retain(|at| self.now.signed_duration_since(*at) <= guard.window);
        }
        let surplus = alert.transitions.len().saturating_sub(MOST_TRANSITIONS);
        alert.transitions.drain(..surplus);
    }

    fn is_restless(&self, alert: &Alert) -> bool {
        self.guard.is_some_and(|guard| alert.transitions.len() > guard.changes)
    }
}

/// Whether a credential is another one than the alert is about (M-E7).
fn is_another_secret(open: &Alert, signal: &Signal<'_>) -> bool {
    signal.kind == AlertKind::CredentialExpiry && open.generation != signal.generation
}

fn with(evidence: &Value, stands: bool) -> Value {
    let mut evidence = if evidence.is_object() { evidence.clone() } else { json!({}) };
    if let Some(map) = evidence.as_object_mut() {
        map.insert(STANDS.to_owned(), Value::Bool(stands));
    }
    evidence
}

/// Somebody says that they know of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// What they say.
    pub comment: Option<String>,
    /// Until when; `None` for until the alert is over.
    pub until: Option<DateTime<Utc>>,
}

/// Why an alert cannot be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAcknowledged {
    /// It is over.
    Over,
    /// It is not raised yet.
    Pending,
    /// No rule covers it, so nobody is told of it anyway.
    Unrouted,
}

/// The alert as it is once somebody said that they know (M-L5); `None` where that was so before, with the same words.
///
/// # Errors
/// It is not raised.
pub fn acknowledge(
    alert: &Alert,
    said: &Acknowledgement,
    now: DateTime<Utc>,
) -> Result<Option<Alert>, NotAcknowledged> {
    match alert.status {
        AlertStatus::Resolved => return Err(NotAcknowledged::Over),
        AlertStatus::Pending => return Err(NotAcknowledged::Pending),
        AlertStatus::Unrouted => return Err(NotAcknowledged::Unrouted),
        AlertStatus::Acknowledged => {
            let is_same = said.until == alert.ack_until
                && (said.comment.is_none() || said.comment == alert.ack_comment);
            // Who was first stays: the second one learns of the first.
            if is_same || (said.comment.is_none() && said.until.is_none() && alert.is_acknowledged(now)) {
                return Ok(None);
            }
        }
        AlertStatus::Firing => {}
    }
    let mut next = alert.clone();
    if next.status == AlertStatus::Firing {
        next.status = AlertStatus::Acknowledged;
        next.changed_at = now;
    }
    next.acknowledged_at = Some(now);
    next.acknowledged_by = Some(said.by.clone());
    // What is not said anew stays: who takes over still wants to read it.
    next.ack_comment =
        said.comment.clone().or(alert.ack_comment.clone().filter(|_| alert.is_acknowledged(now)));
    next.ack_until = said.until;
    Ok(Some(next))
}
