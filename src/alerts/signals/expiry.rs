//! Credentials: when they expire, whether anybody knows, and whether they renew themselves (M-E1 to M-E13).

use chrono::{SecondsFormat, TimeDelta};
use serde_json::json;

use crate::kinds::alert_rule::{AlertSeverity, Condition, CredentialExpiry};

use super::super::alert::{AlertKind, ResolveReason};
use super::super::expiry::is_crossed;
use super::super::facts::{CredentialFact, TenantFact};
use super::super::fingerprint::Identity;
use super::super::labels::{self, About, selects};
use super::super::threshold::{Threshold, Thresholds};
use super::{Reading, Rule, Signal, Stage};

/// How many renewals in a row must fail before somebody is told (M-E9).
pub const FAILURES: i64 = 3;

/// Which secret a credential is now: an expiry of its own, or another place to read it from, make a new one (M-E7). That a token
/// was exchanged for another of the same grant does not.
#[must_use]
pub fn generation(credential: &CredentialFact) -> String {
    let at = credential
        .expires_at
        .map_or_else(|| "unknown".to_owned(), |at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    format!("{at}#{}", credential.secret_version)
}

pub(super) fn gather<'a>(stage: &'a Stage<'a>, signals: &mut Vec<Signal<'a>>) {
    let rules: Vec<(&Rule<'a>, &CredentialExpiry, &Thresholds)> = stage
        .rules
        .iter()
        .filter(|rule| rule.is_active)
        .filter_map(|rule| match (&rule.fact.spec.when, &rule.thresholds) {
            (Condition::CredentialExpiry(expiry), Some(thresholds)) => Some((rule, expiry, thresholds)),
            _ => None,
        })
        .collect();
    for credential in &stage.facts.credentials {
        let subject = Subject::of(stage, credential);
        let mut is_covered = false;
        for (rule, condition, thresholds) in &rules {
            let tenant = stage.facts.tenants.get(&credential.tenant);
            let is_meant = tenant.is_some_and(|tenant| {
                selects(&rule.fact.spec.selector, Some((credential.tenant.as_str(), tenant)))
            });
            is_covered |= is_meant;
            if !is_meant && subject.open.is_empty() {
                continue;
            }
            subject.expiry(rule, thresholds, is_meant, signals);
            subject.unknown(rule, condition, is_meant, signals);
            subject.renewal(rule, is_meant, signals);
        }
        subject.unrouted(is_covered, signals);
    }
}

/// How long before the expiry a threshold is crossed.
fn lead(threshold: &str, life: Option<TimeDelta>) -> Option<TimeDelta> {
    threshold.parse::<Threshold>().ok()?.lead(life)
}

/// A credential, and whether it counts.
struct Subject<'a> {
    stage: &'a Stage<'a>,
    credential: &'a CredentialFact,
    tenant: Result<&'a TenantFact, ResolveReason>,
    id: String,
    /// Its open alerts: of which kind, and of which rule.
    open: &'a [(AlertKind, Option<&'a str>)],
}

impl<'a> Subject<'a> {
    fn of(stage: &'a Stage<'a>, credential: &'a CredentialFact) -> Self {
        let tenant = if credential.is_deleted {
            Err(ResolveReason::Removed)
        } else {
            stage.gone(&credential.tenant).and_then(|tenant| {
                if credential.is_revoked { Err(ResolveReason::Revoked) } else { Ok(tenant) }
            })
        };
        let open = stage.open_by_id.get(&credential.id).map(Vec::as_slice).unwrap_or_default();
        Self { stage, credential, tenant, id: credential.id.to_string(), open }
    }

    /// Whether there is an alert that something good would end. All that is said of other credentials, and there are many, says
    /// nothing.
    fn is_open(&self, rule: Option<&Rule<'_>>, kind: AlertKind) -> bool {
        self.open.contains(&(kind, rule.map(|rule| rule.fact.name.as_str())))
    }

    /// A signal. Its labels are made only where they may be needed.
    fn signal(
        &self,
        rule: Option<&'a Rule<'a>>,
        kind: AlertKind,
        severity: AlertSeverity,
        reading: Reading,
    ) -> Signal<'a> {
        let credential = self.credential;
        let workspace = self.stage.facts.workspace.as_str();
        let name = rule.map_or("", |rule| rule.fact.name.as_str());
        let identity =
            Identity { workspace, rule: name, kind, tenant: &credential.tenant, subject: &self.id };
        let about = About {
            workspace,
            rule: name,
            kind,
            severity,
            tenant: Some((&credential.tenant, self.tenant.ok())),
            service: Some(&credential.service),
            check: None,
            credential: Some(&credential.name),
        };
        Signal {
            rule,
            kind,
            fingerprint: identity.fingerprint(),
            tenant: Some(&credential.tenant),
            service: Some(&credential.service),
            subject: &credential.name,
            subject_id: Some(credential.id),
            severity,
            reading,
            threshold: None,
            wider: Vec::new(),
            generation: None,
            expires_at: credential.expires_at,
            labels: if matches!(reading, Reading::Bad { .. } | Reading::Hold) {
                labels::of(&about)
            } else {
                Default::default()
            },
            evidence: json!({"renewsItself": credential.renews_itself}),
        }
    }

    /// What is wrong since now.
    const fn bad(&self) -> Reading {
        Reading::Bad { since: self.stage.now, is_settled: true }
    }

    /// Why an alert that the rule had raised is over without a look at the expiry.
    fn over(&self, is_meant: bool) -> Option<ResolveReason> {
        match self.tenant {
            Err(reason) => Some(reason),
            Ok(_) if !is_meant => Some(ResolveReason::RuleChanged),
            Ok(_) => None,
        }
    }

    fn expiry(
        &self,
        rule: &'a Rule<'a>,
        thresholds: &'a Thresholds,
        is_meant: bool,
        signals: &mut Vec<Signal<'a>>,
    ) {
        let (credential, now) = (self.credential, self.stage.now);
        let crossed = credential
            .expires_at
            .filter(|_| self.over(is_meant).is_none())
            .and_then(|at| thresholds.crossed(at, credential.issued_at, now));
        if crossed.is_none() && !self.is_open(Some(rule), AlertKind::CredentialExpiry) {
            return;
        }
        let generation = generation(credential);
        let (severity, reading) = match (&crossed, self.over(is_meant)) {
            (_, Some(reason)) => (rule.fact.spec.severity, Reading::Good(reason)),
            (Some(crossed), None) => (crossed.severity, self.bad()),
            // Whether that is a renewal, a rule that changed, or a clock that was put back, its alert tells.
            (None, None) => (rule.fact.spec.severity, Reading::Hold),
        };
        let mut signal = self.signal(Some(rule), AlertKind::CredentialExpiry, severity, reading);
        if let Some(open) = self.stage.open.get(&signal.fingerprint) {
            let is_same = open.generation.as_ref() == Some(&generation);
            let own = open.threshold.as_deref().filter(|_| is_same);
            let keeps = own.filter(|own| thresholds.has(own));
            match (&crossed, signal.reading) {
                (None, Reading::Hold) if !is_same => signal.reading = Reading::Good(ResolveReason::Renewed),
                (None, Reading::Hold) if keeps.is_none() => {
                    signal.reading = Reading::Good(ResolveReason::RuleChanged);
                }
                (Some(crossed), Reading::Bad { .. }) => {
                    // A clock that was put back makes nothing less urgent, and nothing is told again because of it. The same of
                    // a threshold that the rule no longer has, where those that it has are wider.
                    let life =
                        credential.expires_at.zip(credential.issued_at).map(|(end, begin)| end - begin);
                    let is_tighter = |own: &str| {
                        let is_crossed = own == crossed.tightest || crossed.wider.contains(&own);
                        let is_wider =
                            || lead(own, life).is_none_or(|own| Some(own) > lead(crossed.tightest, life));
                        !is_crossed && (thresholds.has(own) || !is_wider())
                    };
                    if let Some(own) = own.filter(|own| is_tighter(own)) {
                        signal.threshold = Some(own);
                        signal.severity = open.severity;
                    }
                }
                _ => {}
            }
            if matches!(signal.reading, Reading::Hold) {
                signal.severity = open.severity;
            }
        }
        if !signal.labels.is_empty() {
            signal.labels.insert("severity".to_owned(), signal.severity.code().to_owned());
        }
        if let Some(crossed) = crossed {
            signal.threshold = signal.threshold.or(Some(crossed.tightest));
            signal.wider = crossed.wider;
        }
        signal.generation = Some(generation);
        signals.push(signal);
    }

    fn unknown(
        &self,
        rule: &'a Rule<'a>,
        condition: &CredentialExpiry,
        is_meant: bool,
        signals: &mut Vec<Signal<'a>>,
    ) {
        let is_wanted = condition.require_expiry && self.credential.expires_at.is_none();
        let over = self.over(is_meant);
        if (!is_wanted || over.is_some()) && !self.is_open(Some(rule), AlertKind::ExpiryUnknown) {
            return;
        }
        let reading = match over {
            Some(reason) => Reading::Good(reason),
            None if is_wanted => self.bad(),
            None if self.credential.expires_at.is_some() => Reading::Good(ResolveReason::Recovered),
            None => Reading::Good(ResolveReason::RuleChanged),
        };
        signals.push(self.signal(Some(rule), AlertKind::ExpiryUnknown, rule.fact.spec.severity, reading));
    }

    fn renewal(&self, rule: &'a Rule<'a>, is_meant: bool, signals: &mut Vec<Signal<'a>>) {
        let credential = self.credential;
        let failures = if credential.renews_itself { credential.renewal_failures } else { 0 };
        let over = self.over(is_meant);
        if (failures < FAILURES || over.is_some()) && !self.is_open(Some(rule), AlertKind::RenewalFailed) {
            return;
        }
        let reading = match over {
            Some(reason) => Reading::Good(reason),
            None if failures >= FAILURES => self.bad(),
            None if failures > 0 => Reading::Hold,
            None => Reading::Good(ResolveReason::Recovered),
        };
        let mut signal = self.signal(Some(rule), AlertKind::RenewalFailed, rule.fact.spec.severity, reading);
        signal.evidence = json!({"failures": failures, "why": credential.renewal_error});
        signals.push(signal);
    }

    /// What has expired and no rule covers is kept, and nobody is told (M-M9).
    fn unrouted(&self, is_covered: bool, signals: &mut Vec<Signal<'a>>) {
        let credential = self.credential;
        let is_expired =
            credential.expires_at.is_some_and(|at| is_crossed(at, TimeDelta::zero(), self.stage.now));
        let is_over = !is_expired || is_covered || self.tenant.is_err();
        if is_over && !self.is_open(None, AlertKind::CredentialExpiry) {
            return;
        }
        let reading = match self.tenant {
            Err(reason) => Reading::Good(reason),
            Ok(_) if is_covered => Reading::Good(ResolveReason::RuleChanged),
            Ok(_) if is_expired => self.bad(),
            Ok(_) => Reading::Good(ResolveReason::Renewed),
        };
        let mut signal = self.signal(None, AlertKind::CredentialExpiry, AlertSeverity::Critical, reading);
        signal.threshold = Some("expired");
        signal.generation = Some(generation(credential));
        signals.push(signal);
    }
}
