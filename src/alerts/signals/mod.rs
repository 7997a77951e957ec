//! What the facts say of each alert that there is or could be, before anything is decided: bad, good, or nothing new.

mod expiry;
mod health;
mod usage;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::kinds::alert_rule::{AlertSeverity, Condition};
use crate::model::Digest;

use super::alert::{Alert, AlertKind, AlertLabels, ResolveReason};
use super::facts::{Facts, RuleFact, Scope, TenantFact};
use super::schedule;
use super::threshold::Thresholds;

pub use expiry::generation;
pub use usage::metric_code;

/// What is said of one alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It is wrong.
    Bad {
        /// Since when.
        since: DateTime<Utc>,
        /// Whether for long enough, or often enough in a row.
        is_settled: bool,
    },
    /// It is over, and why.
    Good(ResolveReason),
    /// Nothing new: what cannot be found out neither raises nor ends anything (M-L2).
    Hold,
}

/// What the facts say of one alert.
#[derive(Clone, Debug)]
pub struct Signal<'a> {
    /// The rule; `None` where none covers it.
    pub rule: Option<&'a Rule<'a>>,
    /// What sort of thing is wrong.
    pub kind: AlertKind,
    /// What makes it this alert.
    pub fingerprint: Digest,
    /// The tenant.
    pub tenant: Option<&'a str>,
    /// The service.
    pub service: Option<&'a str>,
    /// What it is about.
    pub subject: &'a str,
    /// The id of that.
    pub subject_id: Option<Uuid>,
    /// How urgent it would be.
    pub severity: AlertSeverity,
    /// What is said.
    pub reading: Reading,
    /// Of expiry: the tightest threshold that was crossed.
    pub threshold: Option<&'a str>,
    /// Of expiry: the wider ones that were crossed too.
    pub wider: Vec<&'a str>,
    /// Of expiry: which secret.
    pub generation: Option<String>,
    /// Of expiry: when.
    pub expires_at: Option<DateTime<Utc>>,
    /// Its labels; empty where nothing is wrong.
    pub labels: AlertLabels,
    /// What shows it.
    pub evidence: Value,
}

/// A rule, made ready.
#[derive(Debug)]
pub struct Rule<'a> {
    /// The rule.
    pub fact: &'a RuleFact,
    /// Whether it is there and on.
    pub is_active: bool,
    /// Whether it looks for new alerts now.
    pub is_due: bool,
    /// Its thresholds, if it is about expiry.
    pub thresholds: Option<Thresholds>,
}

/// What signals are gathered from.
#[derive(Debug)]
pub struct Stage<'a> {
    /// The facts.
    pub facts: &'a Facts,
    /// The moment.
    pub now: DateTime<Utc>,
    /// The rules, by name.
    pub rules: Vec<Rule<'a>>,
    /// Open alerts, by what makes them that.
    pub open: HashMap<Digest, &'a Alert>,
    /// Of credentials, the open alerts: of which kind, and of which rule.
    open_by_id: HashMap<Uuid, Vec<(AlertKind, Option<&'a str>)>>,
}

impl<'a> Stage<'a> {
    /// Makes ready what does not change within an evaluation.
    #[must_use]
    pub fn new(facts: &'a Facts, now: DateTime<Utc>) -> Self {
        let mut rules: Vec<Rule<'a>> = facts
            .rules
            .iter()
            .map(|fact| {
                let is_active = fact.spec.enabled && !fact.is_deleted;
                let last = facts.evaluated.get(&fact.name).copied();
                let is_time = || schedule::is_due(&fact.spec.schedule, &fact.spec.time_zone, last, now);
                let is_due = match &facts.scope {
                    Scope::All => true,
                    Scope::Only(name) => *name == fact.name,
                    Scope::Due => is_time(),
                    Scope::Changed => matches!(fact.spec.when, Condition::HealthStatus(_)) || is_time(),
                };
                let thresholds = match &fact.spec.when {
                    Condition::CredentialExpiry(expiry) => Some(Thresholds::of(expiry)),
                    Condition::HealthStatus(_) | Condition::UsageThreshold(_) => None,
                };
                Rule { fact, is_active, is_due: is_due && is_active, thresholds }
            })
            .collect();
        rules.sort_by(|left, right| left.fact.name.cmp(&right.fact.name));
        let mut open_by_id: HashMap<Uuid, Vec<_>> = HashMap::new();
        for alert in &facts.open {
            if let Some(id) = alert.subject_id {
                open_by_id.entry(id).or_default().push((alert.kind, alert.rule.as_deref()));
            }
        }
        Self {
            facts,
            now,
            rules,
            open: facts.open.iter().map(|alert| (alert.fingerprint, alert)).collect(),
            open_by_id,
        }
    }

    /// A rule by name.
    #[must_use]
    pub fn rule(&self, name: &str) -> Option<&Rule<'a>> {
        let at = self.rules.binary_search_by(|rule| rule.fact.name.as_str().cmp(name)).ok()?;
        self.rules.get(at)
    }

    /// Whether alerts of a rule are looked after in this evaluation; `None` for what no rule covers.
    #[must_use]
    pub fn is_in_scope(&self, rule: Option<&str>) -> bool {
        match &self.facts.scope {
            Scope::Only(name) => rule == Some(name),
            Scope::All | Scope::Due | Scope::Changed => true,
        }
    }

    /// Why a tenant's alerts are over, if they are.
    fn gone(&self, tenant: &str) -> Result<&'a TenantFact, ResolveReason> {
        match self.facts.tenants.get(tenant) {
            Some(tenant) if tenant.is_deleted => Err(ResolveReason::Removed),
            Some(tenant) if tenant.is_suspended => Err(ResolveReason::Suspended),
            Some(tenant) => Ok(tenant),
            None => Err(ResolveReason::Removed),
        }
    }
}

/// Everything the facts say, in the order of fingerprints. Of what is good, only what ends an open alert.
#[must_use]
pub fn gather<'a>(stage: &'a Stage<'a>) -> Vec<Signal<'a>> {
    let mut signals = Vec::new();
    expiry::gather(stage, &mut signals);
    health::gather(stage, &mut signals);
    usage::gather(stage, &mut signals);
    signals.retain(|signal| {
        let is_known =
            matches!(signal.reading, Reading::Bad { .. }) || stage.open.contains_key(&signal.fingerprint);
        is_known && stage.is_in_scope(signal.rule.map(|rule| rule.fact.name.as_str()))
    });
    signals.sort_by_key(|left| left.fingerprint);
    // Facts that name one thing twice raise it once.
    signals.dedup_by(|later, earlier| later.fingerprint == earlier.fingerprint);
    signals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::tests::{DAY, World};

    #[test]
    fn of_many_rules_only_those_that_have_something_to_say_say_it() {
        let mut world = World::new().expiring().credential("c1", Some(DAY * 5));
        for number in 0..20 {
            let when = serde_json::json!({"when": {"credentialExpiry": {"thresholds": ["1d"]}}});
            world.set_rule(&format!("late{number}"), when);
        }
        world.run();
        let stage = Stage::new(&world.facts, world.now);
        let mut signals = Vec::new();
        expiry::gather(&stage, &mut signals);
        assert_eq!(signals.len(), 1, "{signals:#?}");
    }
}
