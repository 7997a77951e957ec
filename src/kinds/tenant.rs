//! `Tenant`: one merchant, with a Shopify shop, a Google Merchant Center account, or both.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::business_id;
use crate::model::kind::{SpecProblem, Table, admit};
use crate::model::market::{Market, Region, TenantType};
use crate::model::registration::{BusinessIdSpec, TenantStatus};
use crate::model::text::{Text, is_false};
use crate::model::{Column, Kind, Resource, Scope, SqlType, digest};

/// The kind.
pub static KIND: Kind = Kind {
    name: "Tenant",
    slug: "tenant",
    rank: 4,
    scope: Scope::Workspace,
    about: "One merchant: a Shopify shop, a Google Merchant Center account, or both.",
    table: Some(Table {
        name: "tenants",
        columns: &[
            Column::new("display_name", "displayName", SqlType::Text),
            Column::new("template", "template", SqlType::Text),
            Column::new("type", "type", SqlType::Text),
            Column::new("market", "market", SqlType::Text),
            Column::new("region", "region", SqlType::Text),
            Column::new("status", "status", SqlType::Text),
            Column::new("shopify_shop", "shopifyShop", SqlType::Text),
            Column::new("gmc_merchant_id", "gmcMerchantId", SqlType::Text),
            Column::new("business_country", "businessId.country", SqlType::Text),
            Column::new("business_number", "businessId.number", SqlType::Text),
            Column::new("contact_email", "contact.email", SqlType::Text),
            Column::new("contact_phone", "contact.phone", SqlType::Text),
            Column::new("industry", "industry", SqlType::Text),
            Column::new("employee_count", "employeeCount", SqlType::Integer),
            Column::new("website", "website", SqlType::Text),
            Column::json_or("metadata", "metadata", "{}"),
        ],
    }),
    texts: &[
        "/spec/displayName",
        "/spec/gmcMerchantId",
        "/spec/businessId/number",
        "/spec/contact/phone",
        "/spec/industry",
    ],
    hides_values: false,
    mentions: &[],
    part_of: None,
    external_ids: &["shopifyShop", "gmcMerchantId"],
    schema: |generator| TenantSpec::json_schema(generator),
    admit: admit::<TenantSpec>,
};

/// What a tenant declares. Type, market and region may come from the template or the workspace.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantSpec {
    /// The name people know the tenant by.
    #[schemars(length(min = 1, max = 200))]
    pub display_name: Text,
    /// The template to start from: one of the tenant's workspace, of the project's default workspace, or a built-in one
    /// (`shopify-smb-anz`, `gmc-enterprise-us`, `mixed-multi-brand-anz`, `marketplace-seller-uk`). The tenant's own fields win.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = crate::model::key::NAME_PATTERN))]
    pub template: Option<String>,
    /// What the tenant runs.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub tenant_type: Option<TenantType>,
    /// The market the tenant sells in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<Market>,
    /// The region its data is kept in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// Whether the agency works for the tenant at present.
    #[serde(default)]
    pub status: TenantStatus,
    /// The shop's permanent domain, `NAME.myshopify.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255), regex(pattern = r"^[a-z0-9][a-z0-9-]*\.myshopify\.com$"))]
    pub shopify_shop: Option<String>,
    /// The Google Merchant Center account number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[1-9][0-9]{0,19}$"))]
    pub gmc_merchant_id: Option<Text>,
    /// The number the business is registered under, verified by its checksum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_id: Option<BusinessIdSpec>,
    /// Whom to reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Contact>,
    /// The line of business.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub industry: Option<Text>,
    /// How many people work there.
    #[serde(
        default,
        deserialize_with = "crate::model::text::optional_whole",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = 0, max = 100_000_000))]
    pub employee_count: Option<i64>,
    /// The public web site, `http` or `https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(url, length(max = 2000), regex(pattern = r"^https?://"))]
    pub website: Option<String>,
    /// Free-form facts about the tenant. Merged over the template's and the workspace's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, Value>,
    /// Kept in the database; while it is set there, no plan deletes the tenant.
    #[serde(default, skip_serializing_if = "is_false")]
    pub protect: bool,
}

/// Whom to reach.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Contact {
    /// An e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(email, length(max = 254))]
    pub email: Option<String>,
    /// A telephone number, digits with the usual punctuation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\+?[0-9][0-9 ()./-]{3,31}$"))]
    pub phone: Option<Text>,
}

impl Resource for TenantSpec {
    fn normalise(&mut self) {
        self.metadata.values_mut().for_each(digest::canonicalize);
        if self.contact.as_ref().is_some_and(|contact| contact.email.is_none() && contact.phone.is_none()) {
            self.contact = None;
        }
        if let Some(id) = &mut self.business_id
            && let Ok(parsed) = business_id::parse(id.country.country(), id.number.as_str())
        {
            id.number = Text(parsed.number);
        }
    }

    fn check(&self, problems: &mut Vec<SpecProblem>) {
        for (field, missing) in [
            ("type", self.tenant_type.is_none()),
            ("market", self.market.is_none()),
            ("region", self.region.is_none()),
        ] {
            if missing {
                let message =
                    format!("no `{field}`: neither the tenant nor its template nor its workspace gives one");
                problems.push(
                    SpecProblem::new("SX0305", "", message).help(format!("add `{field}:` to the spec")),
                );
            }
        }
        let Some(id) = &self.business_id else { return };
        if let Err(error) = business_id::parse(id.country.country(), id.number.as_str()) {
            problems.push(
                SpecProblem::new("SX0302", "/businessId/number", error.to_string())
                    .help("compare the number with the one on the merchant's registration"),
            );
        }
        if let Some(market) = self.market
            && !market.countries().contains(&id.country.as_str())
        {
            let (country, market_name) = (id.country.as_str(), market.as_str());
            problems.push(
                SpecProblem::new(
                    "SX0303",
                    "/businessId/country",
                    format!("a business registered in {country} does not belong to market {market_name}"),
                )
                .help(format!("{market_name} takes {}", market.countries().join(" or "))),
            );
        }
    }

    fn protect(&self) -> bool {
        self.protect
    }
}
