//! `TenantTemplate`: what tenants of one sort have in common, and the four that are built in.
//!
//! A template is expanded when manifests are read, so a plan shows every tenant that a change to it touches.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::diagnostic::did_you_mean;
use crate::model::kind::{SpecProblem, Table, admit};
use crate::model::market::{Market, Region, TenantType};
use crate::model::text::{Text, is_false};
use crate::model::{Column, Kind, Resource, Scope, SqlType, digest};

/// The kind.
pub static KIND: Kind = Kind {
    name: "TenantTemplate",
    slug: "template",
    rank: 2,
    scope: Scope::Workspace,
    about: "What tenants of one sort have in common: type, market, region, metadata, required fields, setup steps.",
    table: Some(Table {
        name: "tenant_templates",
        columns: &[
            Column::new("display_name", "displayName", SqlType::Text),
            Column::new("description", "description", SqlType::Text),
            Column::new("type", "type", SqlType::Text),
            Column::new("market", "market", SqlType::Text),
            Column::new("region", "region", SqlType::Text),
            Column::json_or("default_metadata", "defaultMetadata", "{}"),
            Column::json_or("required_fields", "requiredFields", "[]"),
            Column::json_or("optional_fields", "optionalFields", "[]"),
            Column::json_or("setup_steps", "setupSteps", "[]"),
        ],
    }),
    texts: &["/spec/displayName"],
    hides_values: false,
    mentions: &[],
    part_of: None,
    external_ids: &[],
    schema: |generator| TenantTemplateSpec::json_schema(generator),
    admit: admit::<TenantTemplateSpec>,
};

/// The tenant fields that a template can require, by the name used in manifests. `metadata.KEY` is allowed as well.
pub const REQUIRABLE: [&str; 10] = [
    "shopifyShop",
    "gmcMerchantId",
    "businessId",
    "contact.email",
    "contact.phone",
    "industry",
    "website",
    "employeeCount",
    "market",
    "region",
];

/// What a template declares.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantTemplateSpec {
    /// The name people know the template by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub display_name: Option<Text>,
    /// When to use the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub description: Option<String>,
    /// What its tenants run.
    #[serde(rename = "type")]
    pub tenant_type: TenantType,
    /// The market of its tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<Market>,
    /// The region of its tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// Free-form facts, merged under the tenant's own `metadata`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub default_metadata: BTreeMap<String, Value>,
    /// Tenant fields that must be given, such as `shopifyShop`, `contact.email` or `metadata.brand`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub required_fields: Vec<String>,
    /// Tenant fields worth giving; a hint for people, nothing is enforced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub optional_fields: Vec<String>,
    /// What is to be done by hand for a new tenant, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub setup_steps: Vec<String>,
    /// Kept in the database; while it is set there, no plan deletes the template.
    #[serde(default, skip_serializing_if = "is_false")]
    pub protect: bool,
}

impl Resource for TenantTemplateSpec {
    fn normalise(&mut self) {
        self.default_metadata.values_mut().for_each(digest::canonicalize);
    }

    fn check(&self, problems: &mut Vec<SpecProblem>) {
        for (list, fields) in
            [("requiredFields", &self.required_fields), ("optionalFields", &self.optional_fields)]
        {
            for (index, field) in fields.iter().enumerate() {
                let known = REQUIRABLE.contains(&field.as_str())
                    || field.strip_prefix("metadata.").is_some_and(|key| !key.is_empty());
                if !known {
                    let help = did_you_mean(field, REQUIRABLE).map_or_else(
                        || format!("use one of {}, or metadata.KEY", REQUIRABLE.join(", ")),
                        |near| format!("did you mean `{near}`?"),
                    );
                    let message = format!("`{field}` is not a field that a tenant can be asked for");
                    problems.push(SpecProblem::new("SX0307", format!("/{list}/{index}"), message).help(help));
                }
            }
        }
    }

    fn protect(&self) -> bool {
        self.protect
    }
}

/// The templates that come with the program, as name and spec, in the form a manifest would have.
#[must_use]
pub fn builtin() -> Vec<(&'static str, Value)> {
    vec![
        (
            "gmc-enterprise-us",
            json!({
                "displayName": "Google Merchant enterprise, United States",
                "description": "A Google Merchant Center account of a larger seller in the United States.",
                "type": "google-merchant", "market": "US_SMB", "region": "US-EA1",
                "defaultMetadata": {"currency": "USD", "language": "en-US"},
                "requiredFields": ["gmcMerchantId"],
                "optionalFields": ["businessId", "website", "contact.email", "employeeCount"],
                "setupSteps": [
                    "Verify and claim the website in Merchant Center",
                    "Add the agency's service account as a user of the Merchant Center account",
                    "Declare a Credential for google-merchant with its secretRef",
                    "Register the Google Cloud project for the Merchant API",
                ],
            }),
        ),
        (
            "marketplace-seller-uk",
            json!({
                "displayName": "Marketplace seller, United Kingdom",
                "description": "A seller in the United Kingdom whose products are listed through Google Merchant Center.",
                "type": "google-merchant", "market": "UK_SMB", "region": "EU-WE1",
                "defaultMetadata": {"currency": "GBP", "language": "en-GB"},
                "requiredFields": ["gmcMerchantId"],
                "optionalFields": ["businessId", "website", "contact.email"],
                "setupSteps": [
                    "Verify and claim the website in Merchant Center",
                    "Check the VAT settings of the account",
                    "Declare a Credential for google-merchant with its secretRef",
                ],
            }),
        ),
        (
            "mixed-multi-brand-anz",
            json!({
                "displayName": "Shopify and Google Merchant, several brands, Australia and New Zealand",
                "description": "A merchant with a Shopify shop and a Google Merchant Center account, often with several brands.",
                "type": "mixed", "market": "ANZ_SMB", "region": "AU-SE1",
                "defaultMetadata": {"currency": "AUD", "language": "en-AU"},
                "requiredFields": ["shopifyShop", "gmcMerchantId"],
                "optionalFields": ["businessId", "website", "contact.email", "industry"],
                "setupSteps": [
                    "Install the agency's Shopify app in the shop",
                    "Link the shop to the Merchant Center account",
                    "Declare a Credential for shopify and one for google-merchant",
                ],
            }),
        ),
        (
            "shopify-smb-anz",
            json!({
                "displayName": "Shopify, small business, Australia and New Zealand",
                "description": "A Shopify shop of a small or medium business in Australia or New Zealand.",
                "type": "shopify", "market": "ANZ_SMB", "region": "AU-SE1",
                "defaultMetadata": {"currency": "AUD", "language": "en-AU"},
                "requiredFields": ["shopifyShop"],
                "optionalFields": ["businessId", "website", "contact.email", "industry"],
                "setupSteps": [
                    "Install the agency's Shopify app in the shop",
                    "Declare a Credential for shopify with its secretRef",
                    "Confirm the business number with the merchant",
                ],
            }),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_templates_are_admitted() {
        for (name, spec) in builtin() {
            assert!((KIND.admit)(spec).is_ok(), "{name}");
        }
    }

    #[test]
    fn an_unknown_required_field_is_named_with_the_nearest() {
        let spec = json!({"type": "shopify", "requiredFields": ["shopifyshop", "metadata.brand"]});
        let problems = (KIND.admit)(spec).unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].pointer, "/requiredFields/0");
        assert_eq!(problems[0].help.as_deref(), Some("did you mean `shopifyShop`?"));
    }
}
