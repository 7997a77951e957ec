//! How a tenant is registered: its status with the agency and its business number, as `Tenant` and rows of a
//! `TenantSet` write them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::business_id::Country;
use super::text::Text;

/// Whether the agency works for a tenant at present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TenantStatus {
    /// Looked after.
    #[default]
    Active,
    /// Not looked after at present.
    Inactive,
    /// Stopped, for example for an unpaid bill.
    Suspended,
}

/// A business number and the country that issued it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BusinessIdSpec {
    /// The issuing country. It must be one of the market's.
    pub country: CountryCode,
    /// AU: an ABN. NZ: an NZBN. UK: a company number or a VAT number. US: an EIN. Spaces are ignored.
    #[schemars(length(min = 1, max = 40))]
    pub number: Text,
}

/// A country whose business numbers can be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CountryCode {
    /// Australia: ABN.
    AU,
    /// New Zealand: NZBN.
    NZ,
    /// United Kingdom: company number or VAT number.
    UK,
    /// United States: EIN.
    US,
}

impl CountryCode {
    /// The country whose rules the number follows.
    #[must_use]
    pub const fn country(self) -> Country {
        match self {
            Self::AU => Country::Au,
            Self::NZ => Country::Nz,
            Self::UK => Country::Uk,
            Self::US => Country::Us,
        }
    }

    /// As written in manifests and rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AU => "AU",
            Self::NZ => "NZ",
            Self::UK => "UK",
            Self::US => "US",
        }
    }
}
