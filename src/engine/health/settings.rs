//! How a workspace wants its services looked at: what `HealthCheck` manifests declare, and what counts without them.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;

use crate::kinds::health_check::{HealthCheckSpec, Limits};
use crate::model::health::CheckedService;
use crate::model::text::duration_seconds;

use super::{CheckKey, Patience};

/// How one service is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Whether it is.
    pub is_enabled: bool,
    /// When its state changes, and how often it is looked at.
    pub patience: Patience,
    /// How long an answer is waited for.
    pub timeout: Duration,
    /// How many tenants are looked at at a time.
    pub concurrency: usize,
    /// From where on something is too little.
    pub limits: Limits,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            is_enabled: true,
            patience: Patience {
                failure_threshold: 3,
                success_threshold: 2,
                interval: TimeDelta::minutes(15),
            },
            timeout: Duration::from_secs(10),
            concurrency: 8,
            limits: Limits::default(),
        }
    }
}

impl ServiceSettings {
    fn of(spec: &HealthCheckSpec) -> Self {
        let usual = Self::default();
        let seconds = |text: &str| duration_seconds(text);
        Self {
            is_enabled: spec.enabled,
            patience: Patience {
                failure_threshold: spec.failure_threshold.max(1),
                success_threshold: spec.success_threshold.max(1),
                interval: seconds(&spec.interval)
                    .and_then(TimeDelta::try_seconds)
                    .unwrap_or(usual.patience.interval),
            },
            timeout: seconds(&spec.timeout)
                .and_then(|seconds| u64::try_from(seconds).ok())
                .map_or(usual.timeout, |seconds| Duration::from_secs(seconds.min(120))),
            concurrency: usize::try_from(spec.concurrency).unwrap_or(1).clamp(1, 256),
            limits: spec.limits.clone().unwrap_or_default(),
        }
    }
}

/// What is declared, by workspace and service.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    declared: BTreeMap<(String, CheckedService), ServiceSettings>,
    usual: ServiceSettings,
}

impl Settings {
    /// Of what is declared, in the order of workspaces and names: of several for one service, the first counts.
    pub fn new<'a>(declared: impl IntoIterator<Item = (&'a str, &'a HealthCheckSpec)>) -> Self {
        let mut settings = Self::default();
        for (workspace, spec) in declared {
            let key = (workspace.to_owned(), spec.service);
            settings.declared.entry(key).or_insert_with(|| ServiceSettings::of(spec));
        }
        settings
    }

    /// How a service of a workspace is looked at. What belongs to no workspace is looked at as the first workspace that says
    /// something of it wants.
    #[must_use]
    pub fn of(&self, workspace: &str, service: CheckedService) -> &ServiceSettings {
        let found = if workspace.is_empty() {
            self.declared.iter().find(|((_, own), _)| *own == service).map(|(_, settings)| settings)
        } else {
            self.declared.get(&(workspace.to_owned(), service))
        };
        found.unwrap_or(&self.usual)
    }

    /// What is switched off: a service, and its workspace where it belongs to one.
    pub fn switched_off(&self) -> impl Iterator<Item = CheckKey> {
        let all = self.declared.iter().map(|((workspace, service), own)| {
            let workspace = if service.is_of_workspace() { workspace.as_str() } else { "" };
            (CheckKey::new(workspace, *service, ""), own)
        });
        // Of what belongs to no workspace, the first that says something counts.
        all.filter(|(key, own)| {
            !own.is_enabled && (!key.workspace.is_empty() || !self.of("", key.service).is_enabled)
        })
        .map(|(key, _)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_declared_counts_and_the_rest_is_usual() {
        let spec = |text: &str| serde_json::from_str::<HealthCheckSpec>(text).unwrap();
        let shop = spec(
            r#"{"service":"shopify","interval":"5m","timeout":"3s","failureThreshold":2,"concurrency":1}"#,
        );
        let other = spec(r#"{"service":"shopify","interval":"1h"}"#);
        let disk = spec(r#"{"service":"disk","enabled":false,"limits":{"degradedPercent":50}}"#);
        let settings = Settings::new([("w", &shop), ("w", &other), ("x", &disk)]);
        let found = settings.of("w", CheckedService::Shopify);
        assert_eq!(found.patience.interval, TimeDelta::minutes(5));
        assert_eq!((found.patience.failure_threshold, found.patience.success_threshold), (2, 2));
        assert_eq!((found.timeout, found.concurrency), (Duration::from_secs(3), 1));
        assert_eq!(settings.of("x", CheckedService::Shopify), &ServiceSettings::default());
        let disk = settings.of("", CheckedService::Disk);
        assert!(!disk.is_enabled);
        let off: Vec<String> = settings.switched_off().map(|key| key.to_string()).collect();
        assert_eq!(off, ["disk"]);
        assert_eq!(disk.limits.degraded_percent, Some(50));
    }
}
