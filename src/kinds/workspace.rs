//! `Workspace`: the isolation boundary that every other resource lives in.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::kind::{Table, admit};
use crate::model::market::{Market, Region};
use crate::model::text::{Labels, Text, is_false};
use crate::model::{Column, Kind, Resource, Scope, SqlType, digest};

/// The kind.
pub static KIND: Kind = Kind {
    name: "Workspace",
    slug: "workspace",
    rank: 1,
    scope: Scope::Global,
    about: "An isolation boundary: a market, a region, and defaults for the tenants in it.",
    table: Some(Table {
        name: "workspaces",
        columns: &[
            Column::new("display_name", "displayName", SqlType::Text),
            Column::new("description", "description", SqlType::Text),
            Column::new("market", "market", SqlType::Text),
            Column::new("region", "region", SqlType::Text),
            Column::json_or("defaults", "defaults", "{}"),
        ],
    }),
    texts: &["/spec/displayName", "/spec/defaults/industry", "/spec/defaults/labels/*"],
    hides_values: false,
    mentions: &[],
    part_of: None,
    external_ids: &[],
    schema: |generator| WorkspaceSpec::json_schema(generator),
    admit: admit::<WorkspaceSpec>,
};

/// What a workspace declares.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkspaceSpec {
    /// The name people know the workspace by. Left out, the workspace's own name serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub display_name: Option<Text>,
    /// What the workspace is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub description: Option<String>,
    /// The market of tenants that do not name one themselves and whose template names none.
    pub market: Market,
    /// The region of tenants that do not name one themselves and whose template names none.
    pub region: Region,
    /// Values for the tenants of this workspace, the weakest layer: a template's and a tenant's own values win.
    #[serde(default, skip_serializing_if = "TenantDefaults::is_empty")]
    pub defaults: TenantDefaults,
    /// Kept in the database; while it is set there, no plan deletes the workspace.
    #[serde(default, skip_serializing_if = "is_false")]
    pub protect: bool,
}

/// Values that tenants of a workspace have unless they, or their template, say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantDefaults {
    /// Labels that every tenant of the workspace has; a tenant's own label of the same key wins.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// The line of business.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub industry: Option<Text>,
    /// Free-form facts, merged under the tenant's and the template's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, Value>,
}

impl TenantDefaults {
    fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

impl Resource for WorkspaceSpec {
    fn normalise(&mut self) {
        self.defaults.metadata.values_mut().for_each(digest::canonicalize);
    }

    fn protect(&self) -> bool {
        self.protect
    }
}
