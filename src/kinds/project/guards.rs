//! How much one plan may delete or change.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits in place of the project's. What is left out is as the project says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GuardOverrides {
    /// The most deletions of one plan, in one workspace and in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000))]
    #[serde(deserialize_with = "crate::model::text::optional_small_whole")]
    pub max_deletes: Option<u32>,
    /// The most deletions of one plan, in percent. Below 100, the last resource of a kind in a workspace is not deleted either.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100))]
    #[serde(deserialize_with = "crate::model::text::optional_small_whole")]
    pub max_delete_percent: Option<u8>,
    /// The most updates of one plan, in percent of the rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100))]
    #[serde(deserialize_with = "crate::model::text::optional_small_whole")]
    pub max_update_percent: Option<u8>,
    /// Whether a deletion and a creation that look like a rename are refused instead of only pointed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rename: Option<bool>,
}

impl GuardOverrides {
    pub(super) fn over(&self, guards: &mut Guards) {
        let Self { max_deletes, max_delete_percent, max_update_percent, rename } = self;
        guards.max_deletes = max_deletes.unwrap_or(guards.max_deletes);
        guards.max_delete_percent = max_delete_percent.unwrap_or(guards.max_delete_percent);
        guards.max_update_percent = max_update_percent.or(guards.max_update_percent);
        guards.rename = rename.unwrap_or(guards.rename);
    }
}

/// How much one plan may delete or change. Beyond it the plan is refused, unless `--ack-deletes` or `--ack-updates` names the number and
/// `--expect-digest` the plan. Percentages are of the rows that the project owns, in each workspace and in all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Guards {
    /// The most deletions of one plan, in one workspace and in all.
    #[schemars(range(max = 1_000_000))]
    #[serde(deserialize_with = "crate::model::text::small_whole")]
    pub max_deletes: u32,
    /// The most deletions of one plan, in percent. Below 100, the last resource of a kind in a workspace is not deleted either.
    #[schemars(range(max = 100))]
    #[serde(deserialize_with = "crate::model::text::small_whole")]
    pub max_delete_percent: u8,
    /// The most updates of one plan, in percent of the rows. Left out, there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100))]
    #[serde(deserialize_with = "crate::model::text::optional_small_whole")]
    pub max_update_percent: Option<u8>,
    /// Whether a deletion and a creation that look like a rename are refused instead of only pointed out.
    pub rename: bool,
}

impl Default for Guards {
    fn default() -> Self {
        Self { max_deletes: 5, max_delete_percent: 20, max_update_percent: None, rename: false }
    }
}
