//! `Project`: the file `synthex.yaml`. Names the ownership scope and says where manifests and the database are.

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
    /// Bounds on what is read.
    #[serde(default)]
    pub limits: Limits,
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
