//! What one trouble explains of others (M-S9). Two rules are built in:
//!
//! * where the database is down, what other checks say is told later: they read it;
//! * where a provider's API answers for (nearly) no tenant, that is one trouble and one alert, not one for each tenant.
//!
//! Nothing is muted by what nobody is told of: both look for an alert that is raised. While an outage is not sure yet, its alert
//! is pending and holds back the alerts of single tenants of its own rule; what it comes to is told either way. An alert never
//! mutes itself, or what it is muted by.

use std::collections::HashSet;

use crate::model::health::{CheckedService, HealthStatus};

use super::alert::{Alert, AlertKind, AlertStatus};
use super::facts::{Facts, HealthFact};
use super::muting::INHIBITION;

/// The subject of the one alert that stands for all tenants of a provider.
pub const ALL_TENANTS: &str = "*";

/// From how many tenants on a provider can be said to answer for none: of one, nobody knows whose fault it is.
const FEWEST: usize = 2;

/// What a check says where nothing came back, or nothing sensible.
const UNREACHABLE: [&str; 4] = ["unreachable", "provider_error", "bad_answer", "timeout"];

/// Whether a result says that the service did not answer.
#[must_use]
pub fn is_unreachable(code: &str) -> bool {
    UNREACHABLE.contains(&code)
}

/// Whether something was down and has not settled well yet, while its last result shows no trouble.
fn is_recovering(fact: &HealthFact) -> bool {
    let is_down = fact.status == HealthStatus::Unhealthy;
    is_down && fact.last_status != HealthStatus::Unhealthy && !is_unreachable(&fact.code)
}

/// How a provider stands with all of its tenants. Those that are suspended or gone do not count.
#[derive(Clone, Debug)]
pub struct Provider<'a> {
    /// The provider.
    pub service: CheckedService,
    /// How many tenants are looked at.
    pub of: usize,
    /// Those for which it did not answer when it was last asked, whatever they have settled on.
    pub unanswered: Vec<&'a HealthFact>,
    /// Those for which it did answer then, and that have not settled well yet.
    pub recovering: Vec<&'a HealthFact>,
}

impl Provider<'_> {
    /// Of how many tenants at least an outage is one: nine of ten.
    #[must_use]
    pub fn most(&self) -> usize {
        (self.of * 9).div_ceil(10).max(FEWEST)
    }

    /// Whether it answers for nearly no tenant. An outage that is `known`, by the status of its alert, ends later than it began: a
    /// tenant that answers again counts until it has settled well, and one that is raised goes on until half of them have. So a
    /// provider that comes back tenant by tenant is still one trouble.
    #[must_use]
    pub fn is_out(&self, known: Option<AlertStatus>) -> bool {
        match known {
            None => self.unanswered.len() >= self.most(),
            Some(status) if status.is_raised() => self.without() >= FEWEST && self.without() * 2 > self.of,
            Some(_) => self.without() >= self.most(),
        }
    }

    /// For how many tenants it does not answer, or only just does again.
    #[must_use]
    pub fn without(&self) -> usize {
        self.unanswered.len() + self.recovering.len()
    }

    /// The most frequent word for why, and of those the first.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        let mut codes: Vec<&str> = self.unanswered.iter().map(|fact| fact.code.as_str()).collect();
        codes.sort_unstable();
        codes.chunk_by(|left, right| left == right).rev().max_by_key(|run| run.len())?.first().copied()
    }
}

/// The providers whose tenants are looked at one by one, as the results show them.
#[must_use]
pub fn providers(facts: &Facts) -> [Provider<'_>; 2] {
    [CheckedService::Shopify, CheckedService::GoogleMerchant].map(|service| {
        let counts = |fact: &&HealthFact| {
            let tenant = fact.tenant.as_ref().and_then(|name| facts.tenants.get(name));
            fact.service == service && tenant.is_some_and(|tenant| !tenant.is_suspended && !tenant.is_deleted)
        };
        let own = || facts.health.iter().filter(counts);
        let unanswered: Vec<&HealthFact> = own().filter(|fact| is_unreachable(&fact.code)).collect();
        let recovering: Vec<&HealthFact> = own().filter(|fact| is_recovering(fact)).collect();
        let watched = facts.watched.get(&service).and_then(|count| usize::try_from(*count).ok());
        let of = watched.unwrap_or_default().max(unanswered.len() + recovering.len());
        Provider { service, of, unanswered, recovering }
    })
}

/// What is raised and explains others.
#[derive(Clone, Debug, Default)]
pub struct Inhibitors<'a> {
    database: bool,
    /// Providers that are out.
    out: Vec<String>,
    /// Those of which that is not sure yet, with the rule that waits.
    perhaps_out: Vec<(String, String)>,
    unanswered: HashSet<(&'a str, &'a str)>,
    recovering: HashSet<(&'a str, &'a str)>,
}

impl<'a> Inhibitors<'a> {
    /// What these alerts explain, with how tenants stand that are one of many.
    #[must_use]
    pub fn among<'b>(facts: &'a Facts, alerts: impl Iterator<Item = &'b Alert>) -> Self {
        let mut found = Self::default();
        for alert in alerts.filter(|alert| alert.kind == AlertKind::HealthStatus) {
            let (Some(rule), service) = (alert.rule.as_deref(), alert.service.as_deref().unwrap_or_default())
            else {
                continue;
            };
            let is_database = service == CheckedService::Database.code();
            if alert.status.is_raised() && is_database {
                found.database = true;
            } else if alert.status.is_raised() && alert.subject == ALL_TENANTS {
                found.out.push(service.to_owned());
            } else if alert.status == AlertStatus::Pending && alert.subject == ALL_TENANTS {
                found.perhaps_out.push((rule.to_owned(), service.to_owned()));
            }
        }
        for fact in facts.health.iter().filter(|fact| fact.tenant.is_some()) {
            let key = (fact.service.code(), fact.subject.as_str());
            if is_unreachable(&fact.code) {
                found.unanswered.insert(key);
            } else if is_recovering(fact) {
                found.recovering.insert(key);
            }
        }
        found
    }

    /// What mutes an alert, as it stands in `mutedBy`. One that an outage muted stays muted while its tenant recovers, also once
    /// the outage itself is over: until it is well, or another trouble shows.
    #[must_use]
    pub fn muting(&self, alert: &Alert) -> Vec<String> {
        let mut by = Vec::new();
        if alert.kind != AlertKind::HealthStatus {
            return by;
        }
        let service = alert.service.as_deref().unwrap_or_default();
        let is_derived = ![CheckedService::Database, CheckedService::Disk, CheckedService::Memory]
            .iter()
            .any(|own| own.code() == service);
        if self.database && is_derived {
            by.push(format!("{INHIBITION}database"));
        }
        if alert.tenant.is_none() || alert.subject == ALL_TENANTS {
            return by;
        }
        let (outage, key) = (format!("{INHIBITION}{service}"), (service, alert.subject.as_str()));
        let is_own = |(rule, of): &(String, String)| alert.rule.as_ref() == Some(rule) && of == service;
        let is_out = self.out.iter().any(|out| out == service) || self.perhaps_out.iter().any(is_own);
        let was_muted = alert.muted_by.contains(&outage);
        if self.unanswered.contains(&key) && is_out || self.recovering.contains(&key) && was_muted {
            by.push(outage);
        }
        by
    }
}
