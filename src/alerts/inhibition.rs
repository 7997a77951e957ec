//! What one trouble explains of others (M-S9). Two rules are built in:
//!
//! * where the database is down, what other checks say is told later: they read it;
//! * where a provider's API answers for (nearly) no tenant, that is one trouble and one alert, not one for each tenant.
//!
//! Nothing is muted by what nobody is told of: both look for an alert that is raised. An alert never mutes itself, or what it
//! is muted by.

use crate::model::health::CheckedService;

use super::alert::{Alert, AlertKind};
use super::facts::{Facts, HealthFact};
use super::muting::INHIBITION;

/// The subject of the one alert that stands for all tenants of a provider.
pub const ALL_TENANTS: &str = "*";

/// From how many tenants on a provider can be said to answer for none: of one, nobody knows whose fault it is.
const FEWEST: i64 = 2;

/// Of ten tenants, how many it must not answer for.
const OF_TEN: i64 = 9;

/// What a check says where nothing came back, or nothing sensible.
const UNREACHABLE: [&str; 4] = ["unreachable", "provider_error", "bad_answer", "timeout"];

/// Whether a result says that the service did not answer.
#[must_use]
pub fn is_unreachable(code: &str) -> bool {
    UNREACHABLE.contains(&code)
}

/// A provider whose API answers for nearly no tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// The provider.
    pub service: CheckedService,
    /// For how many it does not answer.
    pub without: i64,
    /// Of how many.
    pub of: i64,
    /// The most frequent word for why, and of those the first.
    pub code: String,
}

/// The outages that the results show. Tenants that are suspended or gone do not count.
#[must_use]
pub fn outages(facts: &Facts) -> Vec<Outage> {
    let counts = |fact: &&HealthFact| {
        let tenant = fact.tenant.as_ref().and_then(|name| facts.tenants.get(name));
        tenant.is_some_and(|tenant| !tenant.is_suspended && !tenant.is_deleted)
    };
    let of = |service: CheckedService| {
        let down: Vec<&HealthFact> = facts
            .health
            .iter()
            .filter(|fact| fact.service == service && is_down(fact))
            .filter(counts)
            .collect();
        let without = i64::try_from(down.len()).ok()?;
        let of = facts.watched.get(&service).copied().unwrap_or_default().max(without);
        if without < FEWEST || without * 10 < of * OF_TEN {
            return None;
        }
        let mut codes: Vec<&str> = down.iter().map(|fact| fact.code.as_str()).collect();
        codes.sort_unstable();
        let code = codes.chunk_by(|left, right| left == right).rev().max_by_key(|run| run.len())?.first()?;
        Some(Outage { service, without, of, code: (*code).to_owned() })
    };
    [CheckedService::Shopify, CheckedService::GoogleMerchant].into_iter().filter_map(of).collect()
}

fn is_down(fact: &HealthFact) -> bool {
    fact.status == crate::model::health::HealthStatus::Unhealthy && is_unreachable(&fact.code)
}

/// What is raised and explains others.
#[derive(Clone, Debug, Default)]
pub struct Inhibitors {
    database: bool,
    providers: Vec<String>,
}

impl Inhibitors {
    /// What these alerts explain.
    #[must_use]
    pub fn among<'a>(raised: impl Iterator<Item = &'a Alert>) -> Self {
        let mut found = Self::default();
        for alert in raised {
            if alert.kind != AlertKind::HealthStatus || !alert.status.is_raised() || alert.rule.is_none() {
                continue;
            }
            let service = alert.service.as_deref().unwrap_or_default();
            if service == CheckedService::Database.code() {
                found.database = true;
            } else if alert.subject == ALL_TENANTS {
                found.providers.push(service.to_owned());
            }
        }
        found
    }

    /// What mutes an alert, as it stands in `mutedBy`.
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
        let code = alert.evidence.get("code").and_then(serde_json::Value::as_str).unwrap_or_default();
        let is_one_of_many = alert.subject != ALL_TENANTS && alert.tenant.is_some() && is_unreachable(code);
        if is_one_of_many && self.providers.iter().any(|provider| provider == service) {
            by.push(format!("{INHIBITION}{service}"));
        }
        by
    }
}
