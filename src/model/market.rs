//! Markets, regions and tenant types: closed sets that several kinds mention.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A market the agency sells in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[allow(non_camel_case_types, reason = "the variants are the words used in manifests and rows")]
pub enum Market {
    /// Small and medium businesses in Australia and New Zealand.
    ANZ_SMB,
    /// Enterprises in Australia and New Zealand.
    ANZ_ENTERPRISE,
    /// Small and medium businesses in the United States.
    US_SMB,
    /// Small and medium businesses in the United Kingdom.
    UK_SMB,
}

impl Market {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ANZ_SMB, Self::ANZ_ENTERPRISE, Self::US_SMB, Self::UK_SMB];

    /// As written in manifests and rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ANZ_SMB => "ANZ_SMB",
            Self::ANZ_ENTERPRISE => "ANZ_ENTERPRISE",
            Self::US_SMB => "US_SMB",
            Self::UK_SMB => "UK_SMB",
        }
    }

    /// The countries, by code, whose business ids belong in this market.
    #[must_use]
    pub const fn countries(self) -> &'static [&'static str] {
        match self {
            Self::ANZ_SMB | Self::ANZ_ENTERPRISE => &["AU", "NZ"],
            Self::US_SMB => &["US"],
            Self::UK_SMB => &["UK"],
        }
    }
}

/// A region that data is kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Region {
    /// Sydney, Australia.
    #[serde(rename = "AU-SE1")]
    AuSe1,
    /// Auckland, New Zealand.
    #[serde(rename = "NZ-NR1")]
    NzNr1,
    /// Virginia, United States.
    #[serde(rename = "US-EA1")]
    UsEa1,
    /// Ireland.
    #[serde(rename = "EU-WE1")]
    EuWe1,
}

impl Region {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::AuSe1, Self::NzNr1, Self::UsEa1, Self::EuWe1];

    /// As written in manifests and rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuSe1 => "AU-SE1",
            Self::NzNr1 => "NZ-NR1",
            Self::UsEa1 => "US-EA1",
            Self::EuWe1 => "EU-WE1",
        }
    }
}

/// What a tenant runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TenantType {
    /// A Shopify shop.
    Shopify,
    /// A Google Merchant Center account.
    GoogleMerchant,
    /// Both.
    Mixed,
}
