//! Evaluations one after the other, on a world that keeps what each of them wrote, as the database does.

mod expiry;
mod health;
mod muting;
mod outage;
mod properties;
mod rules;

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::facts::{CredentialFact, Facts, HealthFact, Outcome, RuleFact, Scope, Telling, TenantFact};
use super::{Alert, AlertStatus, Event, evaluate};
use crate::model::health::{CheckedService, HealthStatus};
use crate::model::market::{Market, TenantType};

pub(super) fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// When everything begins.
pub(super) const START: &str = "2026-06-01T09:00:00Z";

/// The facts, and what was done with them.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub facts: Facts,
    pub now: DateTime<Utc>,
    pub told: Vec<Telling>,
    runs: u128,
}

impl World {
    pub fn new() -> Self {
        let facts = Facts { workspace: "w".to_owned(), scope: Scope::All, ..Facts::default() };
        let mut world = Self { facts, now: time(START), ..Self::default() };
        for name in ["T1", "T2", "T3"] {
            world.tenant(name);
        }
        world
    }

    pub fn tenant(&mut self, name: &str) {
        let tenant = TenantFact {
            display_name: format!("Shop {name}"),
            kind: Some(TenantType::Shopify),
            market: Some(Market::ANZ_SMB),
            region: "AU-SE1".to_owned(),
            labels: [("tier".to_owned(), "gold".to_owned())].into(),
            is_suspended: false,
            is_deleted: false,
        };
        self.facts.tenants.insert(name.to_owned(), tenant);
    }

    pub fn rule(mut self, name: &str, spec: Value) -> Self {
        self.set_rule(name, spec);
        self
    }

    pub fn set_rule(&mut self, name: &str, mut spec: Value) {
        let map = spec.as_object_mut().unwrap();
        map.entry("channels").or_insert_with(|| json!(["log"]));
        self.facts.rules.retain(|rule| rule.name != name);
        self.facts.rules.push(RuleFact {
            name: name.to_owned(),
            spec: serde_json::from_value(spec).unwrap(),
            is_deleted: false,
        });
    }

    pub fn expiring(self) -> Self {
        self.rule("expiry", json!({"when": {"credentialExpiry": {}}}))
    }

    /// A credential of T1 that expires so long from now on.
    pub fn credential(mut self, name: &str, expires: Option<TimeDelta>) -> Self {
        let number = self.facts.credentials.len() as u128 + 1;
        self.facts.credentials.push(CredentialFact {
            id: Uuid::from_u128(number),
            name: name.to_owned(),
            tenant: "T1".to_owned(),
            service: "shopify".to_owned(),
            expires_at: expires.map(|left| self.now + left),
            issued_at: Some(self.now - TimeDelta::days(10)),
            secret_version: "1".to_owned(),
            renews_itself: false,
            renewal_failures: 0,
            renewal_error: None,
            is_revoked: false,
            is_deleted: false,
        });
        self
    }

    pub fn shop(mut self, tenant: &str, status: HealthStatus, code: &str) -> Self {
        self.set_shop(tenant, status, code);
        self
    }

    pub fn set_shop(&mut self, tenant: &str, status: HealthStatus, code: &str) {
        self.facts.health.retain(|fact| fact.subject != tenant);
        self.facts.health.push(HealthFact {
            service: CheckedService::Shopify,
            subject: tenant.to_owned(),
            tenant: Some(tenant.to_owned()),
            status,
            since: self.now,
            last_status: status,
            code: code.to_owned(),
            message: format!("it said {code}"),
            failures: if status == HealthStatus::Healthy { 0 } else { 3 },
            successes: if status == HealthStatus::Healthy { 2 } else { 0 },
            severe: if status == HealthStatus::Unhealthy { 3 } else { -3 },
        });
        let watched = self.facts.health.iter().filter(|fact| fact.tenant.is_some()).count();
        self.facts.watched.insert(CheckedService::Shopify, i64::try_from(watched).unwrap());
    }

    /// Evaluates, writes, and checks what must hold of every evaluation.
    #[track_caller]
    pub fn run(&mut self) -> Outcome {
        self.runs += 1;
        self.facts.seed = Uuid::from_u128(self.runs);
        self.spend();
        let outcome = evaluate(&self.facts, self.now);
        for alert in &outcome.updates {
            let at =
                self.facts.open.iter().position(|own| own.id == alert.id).expect("an alert that is open");
            let before = &self.facts.open[at];
            assert!(before.status.may_become(alert.status), "{:?} becomes {:?}", before.status, alert.status);
            assert_eq!(before.revision, alert.revision);
            self.facts.open[at] = Alert { revision: alert.revision + 1, ..alert.clone() };
        }
        let (ended, open) = std::mem::take(&mut self.facts.open)
            .into_iter()
            .partition(|own| own.status == AlertStatus::Resolved);
        self.facts.open = open;
        self.facts.ended.extend(Vec::<Alert>::from_iter(ended));
        for alert in &outcome.inserts {
            assert_ne!(alert.status, AlertStatus::Resolved);
            assert_eq!(
                alert.identity(&self.facts.workspace),
                alert.fingerprint,
                "it would not be known again"
            );
            self.facts.open.push(alert.clone());
        }
        let fingerprints: BTreeSet<_> = self.facts.open.iter().map(|alert| alert.fingerprint).collect();
        assert_eq!(fingerprints.len(), self.facts.open.len(), "an alert is open twice");
        for (rule, credential) in &outcome.rearmed {
            self.facts.thresholds.retain(|own| (&own.rule, own.credential) != (rule, *credential));
        }
        for row in &outcome.thresholds {
            self.facts.thresholds.retain(|own| {
                (&own.rule, own.credential, &own.generation, &own.threshold)
                    != (&row.rule, row.credential, &row.generation, &row.threshold)
            });
            self.facts.thresholds.push(row.clone());
        }
        for row in &outcome.groups {
            self.facts.groups.retain(|own| (&own.rule, &own.key) != (&row.rule, &row.key));
            self.facts.groups.push(row.clone());
        }
        for row in &outcome.evaluations {
            self.facts.evaluated.insert(row.rule.clone(), self.now);
        }
        self.told.extend(outcome.tellings.iter().cloned());
        self.spend();
        self.is_quiet();
        outcome
    }

    /// The silences "until resolved" that are over for some alert, as the database finds them.
    fn spend(&mut self) {
        let until_resolved = self.facts.silences.iter().filter(|(_, spec)| spec.until_resolved);
        let spent = until_resolved.flat_map(|(name, spec)| {
            let is_one = move |alert: &&Alert| {
                alert.fired_at.is_some()
                    && alert.resolved_at >= Some(spec.starts_at)
                    && alert.muted_by.contains(&format!("silence/{name}"))
            };
            self.facts.ended.iter().filter(is_one).map(|alert| (name.clone(), alert.fingerprint))
        });
        self.facts.spent = spent.collect();
    }

    /// Evaluating the same again does nothing.
    #[track_caller]
    fn is_quiet(&self) {
        let again = evaluate(&Facts { seed: Uuid::max(), ..self.facts.clone() }, self.now);
        assert!(again.tellings.is_empty(), "told again: {:#?}", again.tellings);
        assert!(again.inserts.is_empty(), "{:#?}", again.inserts);
        assert!(again.updates.is_empty(), "{:#?}\n{:#?}", again.updates, self.facts.open);
        assert!(again.thresholds.is_empty() && again.groups.is_empty());
    }

    /// Lets time pass, evaluates, and gives back what was told: `firing: title`.
    #[track_caller]
    pub fn after(&mut self, passed: TimeDelta) -> Vec<String> {
        self.now += passed;
        let outcome = self.run();
        said(&outcome)
    }

    /// The one alert that is open.
    #[track_caller]
    pub fn alert(&mut self) -> &mut Alert {
        assert_eq!(self.facts.open.len(), 1, "{:#?}", self.facts.open);
        &mut self.facts.open[0]
    }
}

pub(super) fn said(outcome: &Outcome) -> Vec<String> {
    let of = |telling: &Telling| format!("{}: {}", telling.message.event.code(), telling.message.title);
    outcome.tellings.iter().map(of).collect()
}

/// How many messages of an event there were.
pub(super) fn count(told: &[Telling], event: Event) -> usize {
    told.iter().filter(|telling| telling.message.event == event).count()
}

pub(super) const DAY: TimeDelta = TimeDelta::days(1);
pub(super) const HOUR: TimeDelta = TimeDelta::hours(1);
