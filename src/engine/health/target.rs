//! What is looked at in one go, and which results that brings.

use std::collections::{BTreeMap, BTreeSet};

use crate::kinds::credential::Service;
use crate::model::health::CheckedService;

use super::{AskTarget, CheckKey, Claim, ExpiryCounts, Settings, version};

/// By what maintenance windows tell results apart: the labels of the alert that a result would raise.
pub type Labels = BTreeMap<String, String>;

/// The services whose results are of tenants and their credentials, and go with them.
pub const OF_TENANTS: [CheckedService; 4] = [
    CheckedService::Shopify,
    CheckedService::GoogleMerchant,
    CheckedService::Credentials,
    CheckedService::Quotas,
];

/// What is to be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The results wanted of each provider.
    asked: BTreeMap<Service, BTreeSet<CheckedService>>,
    /// What is looked at besides.
    besides: BTreeSet<CheckedService>,
    /// Whether the expiry of credentials is looked at.
    pub has_expiry: bool,
}

impl Scope {
    /// What somebody who names these services wants to see; all of it where he names none. Who names a provider sees whether
    /// it takes its credentials, and what is left of its quotas.
    #[must_use]
    pub fn named(services: &[CheckedService]) -> Self {
        let services = if services.is_empty() { &CheckedService::ALL[..] } else { services };
        let mut scope = Self::default();
        let both = [Service::Shopify, Service::GoogleMerchant];
        for service in services {
            let (providers, results): (&[Service], &[CheckedService]) = match service {
                CheckedService::Shopify => (
                    &[Service::Shopify],
                    &[CheckedService::Shopify, CheckedService::Credentials, CheckedService::Quotas],
                ),
                CheckedService::GoogleMerchant => (
                    &[Service::GoogleMerchant],
                    &[CheckedService::GoogleMerchant, CheckedService::Credentials, CheckedService::Quotas],
                ),
                CheckedService::Credentials => (&both, &[CheckedService::Credentials]),
                CheckedService::Quotas => (&both, &[CheckedService::Quotas]),
                CheckedService::Database
                | CheckedService::Disk
                | CheckedService::Memory
                | CheckedService::Sync => (&[], &[]),
            };
            for provider in providers {
                scope.asked.entry(*provider).or_default().extend(results);
            }
            scope.has_expiry |= *service == CheckedService::Credentials;
            scope.besides.insert(*service);
        }
        scope
    }

    /// The results that are wanted of a provider.
    pub fn of(&self, provider: Service) -> impl Iterator<Item = CheckedService> + '_ {
        self.asked.get(&provider).into_iter().flatten().copied()
    }

    /// Whether a service was named.
    #[must_use]
    pub fn has(&self, service: CheckedService) -> bool {
        self.besides.contains(&service)
    }

    /// Whether results of a service are wanted, named or brought along.
    #[must_use]
    pub fn shows(&self, service: CheckedService) -> bool {
        self.has(service) || self.asked.values().any(|wanted| wanted.contains(&service))
    }

    /// Whether tenants must be known.
    #[must_use]
    pub fn needs_tenants(&self) -> bool {
        !self.asked.is_empty()
    }
}

/// What is done to look.
#[derive(Clone, Debug)]
pub enum Work {
    /// The database is asked how it is.
    Database,
    /// The disk is looked at.
    Disk,
    /// The memory is looked at.
    Memory,
    /// The calendar is looked at: how long the version of Shopify's API is served.
    Version(&'static str),
    /// The expiry of a workspace's credentials is looked at, in what is known of them.
    Expiry(ExpiryCounts),
    /// A provider is asked about a tenant.
    Ask(Box<AskTarget>),
}

/// Something that is looked at in one go.
#[derive(Clone, Debug)]
pub struct Target {
    /// The results it may bring.
    pub keys: Vec<CheckKey>,
    /// The tenant it is about.
    pub tenant: Option<String>,
    /// What maintenance windows tell it by.
    pub labels: Labels,
    /// What is done.
    pub work: Work,
}

impl Target {
    /// Something that is of one key and no tenant.
    #[must_use]
    pub fn of(key: CheckKey, work: Work) -> Self {
        Self { keys: vec![key], tenant: None, labels: Labels::new(), work }
    }

    /// How long the version of Shopify's API is served.
    #[must_use]
    pub fn version(version: &'static str) -> Self {
        Self::of(version::key(), Work::Version(version))
    }

    /// A provider is asked about a tenant, for the results that are wanted; `None` where nothing comes of it.
    #[must_use]
    pub fn ask(target: AskTarget, scope: &Scope, settings: &Settings, labels: Labels) -> Option<Self> {
        let keys: Vec<CheckKey> = scope
            .of(target.provider)
            .flat_map(|service| target.keys(service))
            .filter(|key| settings.of(&key.workspace, key.service).is_enabled)
            .collect();
        let tenant = Some(target.tenant.clone());
        (!keys.is_empty()).then(|| Self { keys, tenant, labels, work: Work::Ask(Box::new(target)) })
    }

    /// Whose turn counts: so many of one group are looked at at a time.
    pub(super) fn group(&self) -> (String, CheckedService) {
        let workspace = self.keys.first().map_or("", |key| key.workspace.as_str());
        let service = match &self.work {
            Work::Database => CheckedService::Database,
            Work::Disk => CheckedService::Disk,
            Work::Memory => CheckedService::Memory,
            Work::Version(_) => CheckedService::Shopify,
            Work::Expiry(_) => CheckedService::Credentials,
            Work::Ask(target) => target.service(),
        };
        (workspace.to_owned(), service)
    }

    /// What people call it while it is waited for.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.work {
            Work::Ask(target) => format!("{} ({})", target.tenant, target.service().code()),
            _ => self.keys.first().map_or(String::new(), ToString::to_string),
        }
    }

    /// Its keys, to be claimed.
    pub(super) fn claims(&self) -> impl Iterator<Item = Claim> + '_ {
        self.keys.iter().map(|key| Claim { key: key.clone(), tenant: self.tenant.clone() })
    }

    /// The labels of the alert that a result would raise.
    pub(super) fn labels_of(&self, key: &CheckKey) -> Labels {
        let mut labels = self.labels.clone();
        let mut set = |name: &str, value: &str| {
            if !value.is_empty() {
                labels.insert(name.to_owned(), value.to_owned());
            }
        };
        set("workspace", &key.workspace);
        set("tenant", self.tenant.as_deref().unwrap_or_default());
        set("kind", "health_status");
        set("check", key.service.code());
        set("service", key.service.code());
        if key.service == CheckedService::Credentials {
            set("credential", &key.subject);
        }
        labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CheckedService::{Credentials, GoogleMerchant, Quotas, Shopify};

    #[track_caller]
    fn check(named: &[CheckedService], shopify: &[CheckedService], google: &[CheckedService]) {
        let scope = Scope::named(named);
        assert_eq!(scope.of(Service::Shopify).collect::<Vec<_>>(), shopify, "{named:?}");
        assert_eq!(scope.of(Service::GoogleMerchant).collect::<Vec<_>>(), google, "{named:?}");
    }

    #[test]
    fn who_names_a_provider_sees_its_credentials_and_quotas() {
        check(&[Shopify], &[Shopify, Credentials, Quotas], &[]);
        check(&[Credentials], &[Credentials], &[Credentials]);
        check(&[Quotas], &[Quotas], &[Quotas]);
        check(&[CheckedService::Disk], &[], &[]);
        check(&[], &[Shopify, Credentials, Quotas], &[GoogleMerchant, Credentials, Quotas]);
        assert!(Scope::named(&[]).has(CheckedService::Memory) && !Scope::named(&[Quotas]).has_expiry);
    }
}
