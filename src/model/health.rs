//! What is looked at to see whether all is well, and how it may stand (M-H1).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The code of a state that is claimed and was never looked at.
pub const NEVER_CHECKED: &str = "never_checked";

/// What a health check looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckedService {
    /// The Shopify Admin API, shop by shop.
    Shopify,
    /// The Google Merchant API, account by account.
    GoogleMerchant,
    /// PostgreSQL.
    Database,
    /// The credentials: whether they are taken, and when they expire.
    Credentials,
    /// What is left of the APIs' quotas.
    Quotas,
    /// Free disk space where synthex runs.
    Disk,
    /// Free memory where synthex runs.
    Memory,
    /// Whether what is declared is in force, as `synthex watch` sees it.
    Sync,
}

impl CheckedService {
    /// Whether there is one for each workspace, and not one for all.
    #[must_use]
    pub const fn is_of_workspace(self) -> bool {
        !matches!(self, Self::Database | Self::Disk | Self::Memory)
    }

    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::Database,
        Self::Shopify,
        Self::GoogleMerchant,
        Self::Credentials,
        Self::Quotas,
        Self::Disk,
        Self::Memory,
        Self::Sync,
    ];

    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Shopify => "shopify",
            Self::GoogleMerchant => "google-merchant",
            Self::Database => "database",
            Self::Credentials => "credentials",
            Self::Quotas => "quotas",
            Self::Disk => "disk",
            Self::Memory => "memory",
            Self::Sync => "sync",
        }
    }
}

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Works.
    Healthy,
    /// Could not be found out. It is no state of its own kind of trouble, and is reported apart.
    Unknown,
    /// Works, but not well.
    Degraded,
    /// Does not work.
    Unhealthy,
}

impl HealthStatus {
    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unknown => "unknown",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }

    /// What a word stands for.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Healthy, Self::Unknown, Self::Degraded, Self::Unhealthy]
            .into_iter()
            .find(|own| own.code() == code)
    }
}
