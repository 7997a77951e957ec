//! `TenantSet`: many tenants from rows, so that a bulk creation is a reviewed file.
//!
//! It has no table of its own: each row becomes a `Tenant` when manifests are read.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::kind::admit;
use crate::model::market::{Market, Region, TenantType};
use crate::model::registration::{BusinessIdSpec, TenantStatus};
use crate::model::text::{Labels, Text};
use crate::model::{Kind, Resource, Scope};

/// The kind.
pub static KIND: Kind = Kind {
    name: "TenantSet",
    slug: "tenant-set",
    rank: 3,
    scope: Scope::Workspace,
    about: "Many tenants from the rows of a CSV file, a JSON file or an inline list.",
    table: None,
    texts: &[],
    hides_values: false,
    mentions: &[],
    part_of: None,
    external_ids: &[],
    schema: |generator| TenantSetSpec::json_schema(generator),
    admit: admit::<TenantSetSpec>,
};

/// What a set of tenants declares.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantSetSpec {
    /// Where the rows are.
    pub from: RowSource,
    /// The template of every row that does not name one itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = crate::model::key::NAME_PATTERN))]
    pub template: Option<String>,
}

/// Where rows are. Paths are relative to the manifest and may not leave the project.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum RowSource {
    /// A CSV file with a header: `tenantId,name`, and any of `type,market,region,shopifyShop,gmcMerchantId,status,industry,website,email,phone,employeeCount,template,protect,businessId.country,businessId.number,labels,labels.KEY,metadata.KEY`.
    Csv(#[schemars(length(min = 1, max = 4096))] String),
    /// A JSON file that holds a list of rows.
    Json(#[schemars(length(min = 1, max = 4096))] String),
    /// The rows themselves. An empty list is taken at its word: no tenants.
    Rows(Vec<TenantRow>),
}

/// One tenant as a row: flat, with the column names of the CSV form.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantRow {
    /// The tenant's id: its `metadata.name`.
    #[schemars(regex(pattern = crate::model::key::NAME_PATTERN))]
    pub tenant_id: Text,
    /// The name people know the tenant by.
    #[schemars(length(min = 1, max = 200))]
    pub name: Text,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<TenantStatus>,
    /// The shop's permanent domain, `NAME.myshopify.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shopify_shop: Option<String>,
    /// The Google Merchant Center account number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gmc_merchant_id: Option<Text>,
    /// The number the business is registered under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_id: Option<BusinessIdSpec>,
    /// An e-mail address to reach the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A telephone number to reach the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Text>,
    /// The line of business.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub industry: Option<Text>,
    /// How many people work there.
    #[serde(
        default,
        deserialize_with = "crate::model::text::optional_whole",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = 0, max = 100_000_000))]
    pub employee_count: Option<i64>,
    /// The public web site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    /// The template of this row, in place of the set's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Labels; in CSV one column `labels` with `key=value;key=value`, or columns `labels.KEY`.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Free-form facts; in CSV columns `metadata.KEY`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, Value>,
    /// While it is set in the database, no plan deletes the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protect: Option<bool>,
}

impl Resource for TenantSetSpec {}

/// The columns that a CSV file of tenants may have, besides `labels.KEY` and `metadata.KEY`.
pub const CSV_COLUMNS: [&str; 18] = [
    "tenantId",
    "name",
    "type",
    "market",
    "region",
    "shopifyShop",
    "gmcMerchantId",
    "status",
    "industry",
    "website",
    "email",
    "phone",
    "employeeCount",
    "template",
    "protect",
    "businessId.country",
    "businessId.number",
    "labels",
];
