//! `Project`: the file `synthex.yaml`. Names the ownership scope and says where manifests and the database are.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::kind::{SpecProblem, admit};
use crate::model::secret::SecretRef;
use crate::model::text::is_false;
use crate::model::{Kind, Resource, Scope};

/// The kind.
pub static KIND: Kind = Kind {
    name: "Project",
    slug: "project",
    rank: 0,
    scope: Scope::Global,
    about: "The project file: the ownership scope, the default workspace, where manifests and the database are.",
    table: None,
    texts: &[],
    hides_values: true,
    mentions: &[],
    part_of: None,
    external_ids: &[],
    schema: |generator| ProjectSpec::json_schema(generator),
    admit: admit::<ProjectSpec>,
};

/// Files larger than this many bytes are refused unless `limits.maxFileSize` says otherwise.
pub const DEFAULT_MAX_FILE_SIZE: u64 = 10 * 1024 * 1024;

/// What a project declares.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectSpec {
    /// The workspace of resources that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = crate::model::key::NAME_PATTERN))]
    pub workspace: Option<String>,
    /// Files and folders that hold manifests, relative to this file. Folders are searched to the bottom for `.yaml`, `.yml` and `.json`.
    #[serde(default = "usual_manifests")]
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 4096)))]
    pub manifests: Vec<String>,
    /// Whether a resource that is no longer declared is deleted. Left out, it is only reported.
    #[serde(default, skip_serializing_if = "is_false")]
    pub prune: bool,
    /// Where the database's URL is kept; `--database-url` and `SYNTHEX_DATABASE_URL` win. Left out, an embedded PostgreSQL serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<SecretRef>,
    /// How much one plan may delete or change before somebody has to say that it is meant.
    #[serde(default)]
    pub guards: Guards,
    /// Fields that somebody else looks after for a while: differences in them are neither changed nor reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub ignore: Vec<Ignore>,
    /// Resources that got another name: the row is renamed, and keeps its identity and its history.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10000))]
    pub moved: Vec<Moved>,
    /// Bounds on what is read.
    #[serde(default)]
    pub limits: Limits,
}

/// How much one plan may delete or change. Beyond it the plan is refused, unless `--ack-deletes` names the number and
/// `--expect-digest` the plan. Percentages are of the rows that the project owns, in each workspace and in all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Guards {
    /// The most deletions of one plan, in one workspace and in all.
    #[schemars(range(max = 1_000_000))]
    pub max_deletes: u32,
    /// The most deletions of one plan, in percent. Below 100, the last resource of a kind in a workspace is not deleted either.
    #[schemars(range(max = 100))]
    pub max_delete_percent: u8,
    /// The most updates of one plan, in percent of the rows. Left out, there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100))]
    pub max_update_percent: Option<u8>,
    /// Whether a deletion and a creation that look like a rename are refused instead of only pointed out.
    pub rename: bool,
}

impl Default for Guards {
    fn default() -> Self {
        Self { max_deletes: 5, max_delete_percent: 20, max_update_percent: None, rename: false }
    }
}

/// A field that somebody else looks after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ignore {
    /// JSON pointer into the spec, such as `/metadata/notes`, or `/labels/KEY` for a label. All that is below it is ignored too.
    #[schemars(length(min = 1, max = 500), regex(pattern = r"^(/([^~/]|~[01])+)+$"))]
    pub path: String,
    /// Which resources, as KIND/WORKSPACE/NAME, KIND/NAME or NAME, with `*` for any characters. Left out, all tenants.
    #[serde(default = "all_tenants")]
    #[schemars(length(min = 1, max = 500))]
    pub target: String,
    /// The day from which the field counts again, in UTC: `2026-12-31`.
    pub until: NaiveDate,
    /// Why.
    #[schemars(length(min = 1, max = 500))]
    pub reason: String,
}

fn all_tenants() -> String {
    "tenant/*".to_owned()
}

/// A resource that got another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Moved {
    /// The former key: KIND/WORKSPACE/NAME.
    #[schemars(length(min = 3, max = 300))]
    pub from: String,
    /// The key that is declared now. Kind and workspace stay.
    #[schemars(length(min = 3, max = 300))]
    pub to: String,
}

/// Bounds on what is read.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// The largest file that is read, as a number of bytes with an optional unit: `10MiB`, `512KiB`. Left out, 10MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[1-9][0-9]{0,9}(B|KiB|MiB|GiB)?$"))]
    pub max_file_size: Option<String>,
}

fn usual_manifests() -> Vec<String> {
    vec!["manifests".to_owned()]
}

impl ProjectSpec {
    /// The largest file that is read, in bytes; never more than 2 GiB, the reach of a position.
    #[must_use]
    pub fn max_file_size(&self) -> u64 {
        self.limits.max_file_size.as_deref().and_then(byte_size).unwrap_or(DEFAULT_MAX_FILE_SIZE)
    }
}

/// Reads `10MiB`. `None` when it is no size, or above 2 GiB.
fn byte_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor).filter(|size| *size <= 2 << 30)
}

impl Resource for ProjectSpec {
    fn check(&self, problems: &mut Vec<SpecProblem>) {
        if self.limits.max_file_size.as_deref().is_some_and(|size| byte_size(size).is_none()) {
            problems.push(
                SpecProblem::new("SX0313", "/limits/maxFileSize", "not a size of at most 2GiB")
                    .help("write a number and one of B, KiB, MiB, GiB, such as 10MiB"),
            );
        }
        if let Some(SecretRef::GcpSecretManager(_)) = &self.database {
            problems.push(
                SpecProblem::new("SX0314", "/database", "the database's URL cannot come from Secret Manager")
                    .help("use {env: NAME} or {file: PATH}"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units_and_a_ceiling() {
        assert_eq!(byte_size("10MiB"), Some(10_485_760));
        assert_eq!(byte_size("7"), Some(7));
        assert_eq!(byte_size("2GiB"), Some(2 << 30));
        for bad in ["3GiB", "MiB", "", "1MB", "9999999999GiB"] {
            assert_eq!(byte_size(bad), None, "{bad}");
        }
    }
}
