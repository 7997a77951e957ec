//! What manifests, or rows, declare of monitoring in one workspace: what a review, a route, a test and the impact of a plan
//! are about.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::kinds::alert_rule::AlertRuleSpec;
use crate::kinds::credential::CredentialSpec;
use crate::kinds::health_check::HealthCheckSpec;
use crate::kinds::maintenance_window::MaintenanceWindowSpec;
use crate::kinds::notification_channel::NotificationChannelSpec;
use crate::kinds::silence::SilenceSpec;
use crate::model::health::CheckedService;
use crate::model::market::TenantType;

use super::facts::{Facts, RuleFact, Scope, TenantFact};

/// What one workspace declares of monitoring.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// Its rules, by name.
    pub rules: BTreeMap<String, AlertRuleSpec>,
    /// Its channels.
    pub channels: BTreeMap<String, NotificationChannelSpec>,
    /// Its silences.
    pub silences: BTreeMap<String, SilenceSpec>,
    /// Its maintenance windows.
    pub windows: BTreeMap<String, MaintenanceWindowSpec>,
    /// Its credentials.
    pub credentials: BTreeMap<String, CredentialSpec>,
    /// Its settings of health checks.
    pub checks: BTreeMap<String, HealthCheckSpec>,
    /// Its tenants, as far as alerts care.
    pub tenants: BTreeMap<String, TenantFact>,
}

/// Whether a kind has a part in monitoring.
#[must_use]
pub fn is_of_monitoring(kind: &str) -> bool {
    matches!(
        kind,
        "Tenant" | "AlertRule" | "NotificationChannel" | "Silence" | "MaintenanceWindow" | "Credential"
    )
}

/// What of a tenant rules, silences and words look at: the fields of its canonical form that [`tenant`] reads.
pub const TENANT_FIELDS: [&str; 6] = ["labels", "status", "market", "region", "type", "displayName"];

impl Declared {
    /// Adds a resource: its kind, its name, and `{"labels": ..., "spec": ...}`. What is of another kind is passed over, and so
    /// is what cannot be read: somebody may have written it into the database by hand.
    pub fn add(&mut self, kind: &str, name: &str, canonical: &Value) {
        let spec = canonical.get("spec").unwrap_or(&Value::Null);
        match kind {
            "AlertRule" => insert(&mut self.rules, name, spec),
            "NotificationChannel" => insert(&mut self.channels, name, spec),
            "Silence" => insert(&mut self.silences, name, spec),
            "MaintenanceWindow" => insert(&mut self.windows, name, spec),
            "Credential" => insert(&mut self.credentials, name, spec),
            "HealthCheck" => insert(&mut self.checks, name, spec),
            "Tenant" => {
                self.tenants.insert(name.to_owned(), tenant(canonical));
            }
            _ => {}
        }
    }

    /// How many tenants a provider's API is asked about: those that are of its sort, and not suspended.
    #[must_use]
    pub fn looked_at(&self, service: CheckedService) -> usize {
        let other = match service {
            CheckedService::Shopify => TenantType::GoogleMerchant,
            CheckedService::GoogleMerchant => TenantType::Shopify,
            _ => return 0,
        };
        self.tenants.values().filter(|tenant| !tenant.is_suspended && tenant.kind != Some(other)).count()
    }

    /// What an evaluation of all of its rules is about, where nothing has happened yet.
    #[must_use]
    pub fn facts(&self, workspace: &str) -> Facts {
        let rules = self.rules.iter().map(|(name, spec)| RuleFact {
            name: name.clone(),
            spec: spec.clone(),
            is_deleted: false,
        });
        Facts {
            workspace: workspace.to_owned(),
            rules: rules.collect(),
            silences: self.silences.clone().into_iter().collect(),
            windows: self.windows.clone().into_iter().collect(),
            tenants: self.tenants.clone(),
            scope: Scope::All,
            ..Facts::default()
        }
    }
}

fn insert<T: DeserializeOwned>(into: &mut BTreeMap<String, T>, name: &str, spec: &Value) {
    if let Ok(spec) = T::deserialize(spec) {
        into.insert(name.to_owned(), spec);
    }
}

/// A tenant, as far as alerts care, from `{"labels": ..., "spec": ...}`.
#[must_use]
pub fn tenant(canonical: &Value) -> TenantFact {
    let field = |name: &str| canonical["spec"].get(name).cloned().unwrap_or_default();
    let text = |name: &str| field(name).as_str().unwrap_or_default().to_owned();
    let labels = canonical["labels"].as_object().into_iter().flatten();
    TenantFact {
        display_name: text("displayName"),
        kind: serde_json::from_value(field("type")).ok(),
        market: serde_json::from_value(field("market")).ok(),
        region: text("region"),
        labels: labels
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        is_suspended: text("status") == "suspended",
        is_deleted: false,
    }
}
