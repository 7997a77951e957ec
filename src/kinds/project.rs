//! `Project`: the file `synthex.yaml`. Names the ownership scope and says where manifests and the database are.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::model::diagnostic::did_you_mean;
use crate::model::key::is_name;
use crate::model::kind::{SpecProblem, admit};
use crate::model::secret::SecretRef;
use crate::model::text::is_false;
use crate::model::{Kind, Resource, Scope};

mod guards;
mod pause;
mod retention;
mod switch;

pub use guards::{GuardOverrides, Guards};
pub use pause::{DeclaredPause, Until};
pub use retention::{Ages, Retention};
pub use switch::Switch;

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
    /// Workspaces that `synthex watch` leaves alone for a while. `synthex pause` does the same without a change of this file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub pauses: Vec<DeclaredPause>,
    /// Resources that got another name: the row is renamed, and keeps its identity and its history.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10000))]
    pub moved: Vec<Moved>,
    /// Values for `${NAME}` in manifests. An environment's own win.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = 10000))]
    pub variables: Variables,
    /// The environment that is meant where `--environment` names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub environment: Option<String>,
    /// Where the same manifests are applied to, each place with its own variables, overlays and database.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = 1000))]
    pub environments: BTreeMap<String, Environment>,
    /// Whether what commands do is recorded, in the project's own database: `false` switches it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analytics: Option<Switch>,
    /// How long results of health checks, alerts, messages and metrics are kept before `watch` or `db prune` removes them.
    #[serde(default)]
    pub retention: Box<Retention>,
    /// Bounds on what is read.
    #[serde(default)]
    pub limits: Limits,
}

/// Variables by name: letters, digits and `_`.
pub type Variables = BTreeMap<String, VariableValue>;

/// What a variable stands for. A scalar that is nothing but `${NAME}` takes its type, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum VariableValue {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Whole(#[serde(deserialize_with = "crate::model::text::whole")] i64),
    /// A text.
    Text(String),
}

impl JsonSchema for VariableValue {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "VariableValue".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer", "boolean"], "maxLength": 4096,
            "minimum": -999_999_999_999_999_i64, "maximum": 999_999_999_999_999_i64
        })
    }
}

/// A place that the manifests are applied to. What it leaves out is the project's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Environment {
    /// Values for `${NAME}` in manifests; they win over the project's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = 10000))]
    pub variables: Variables,
    /// Files and folders of patches and further manifests, laid over the project's manifests in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 4096)))]
    pub overlays: Vec<String>,
    /// Where the database's URL is kept, in place of the project's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<SecretRef>,
    /// Whether a resource that is no longer declared is deleted, in place of the project's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune: Option<bool>,
    /// Limits in place of the project's, one by one.
    #[serde(default)]
    pub guards: GuardOverrides,
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

    /// What the environment that is meant lays over the manifests.
    #[must_use]
    pub fn overlays(&self) -> &[String] {
        let meant = self.environment.as_ref().and_then(|name| self.environments.get(name));
        meant.map_or(&[], |environment| &environment.overlays)
    }

    /// Everything that any environment lays over the manifests; none of it is a manifest of the project itself.
    pub fn all_overlays(&self) -> impl Iterator<Item = &str> {
        self.environments.values().flat_map(|environment| environment.overlays.iter().map(String::as_str))
    }

    /// The project as it is in one of its environments: that one's variables, database, prune and guards in place of the
    /// project's, and [`ProjectSpec::environment`] its name. As it is, where it has none of that name.
    #[must_use]
    pub fn in_environment(mut self, name: &str) -> Self {
        let Some(environment) = self.environments.get(name).cloned() else { return self };
        self.environment = Some(name.to_owned());
        self.variables.extend(environment.variables);
        self.database = environment.database.or(self.database);
        self.prune = environment.prune.unwrap_or(self.prune);
        environment.guards.over(&mut self.guards);
        self
    }

    fn check_names(&self, problems: &mut Vec<SpecProblem>) {
        let own = self.variables.keys().map(|name| ("/variables".to_owned(), name));
        let of_environments = self.environments.iter().flat_map(|(environment, spec)| {
            let place = format!("/environments/{}/variables", escaped(environment));
            spec.variables.keys().map(move |name| (place.clone(), name))
        });
        for (place, name) in own.chain(of_environments).filter(|(_, name)| !is_variable_name(name)) {
            let problem =
                SpecProblem::new("SX0316", format!("{place}/{}", escaped(name)), "not a variable's name");
            problems.push(problem.help("use letters, digits and `_`, not a digit first, at most 64 in all"));
        }
        for name in self.environments.keys().filter(|name| !is_name(name)) {
            let place = format!("/environments/{}", escaped(name));
            problems.push(SpecProblem::new("SX0316", place, "not an environment's name").help(
                "start with a letter or digit; then letters, digits, `.`, `_` and `-`, at most 128 in all",
            ));
        }
        if let Some(name) = self.environment.as_ref().filter(|name| !self.environments.contains_key(*name)) {
            let problem =
                SpecProblem::new("SX0317", "/environment", format!("there is no environment `{name}`"));
            problems.push(problem.help(self.other_environments(name)));
        }
    }

    /// What to say to somebody who named an environment that is not there.
    #[must_use]
    pub fn other_environments(&self, name: &str) -> String {
        match did_you_mean(name, self.environments.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if self.environments.is_empty() => "the project has no `environments`".to_owned(),
            None => format!("the environments are {}", self.environment_names()),
        }
    }

    /// The names of its environments, with commas.
    #[must_use]
    pub fn environment_names(&self) -> String {
        self.environments.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// Whether a text can stand in `${...}`.
#[must_use]
pub fn is_variable_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn escaped(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
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
        let own = [("/database".to_owned(), &self.database)].into_iter();
        let places = own.chain(self.environments.iter().map(|(name, environment)| {
            (format!("/environments/{}/database", escaped(name)), &environment.database)
        }));
        for (place, _) in places.filter(|(_, from)| matches!(from, Some(SecretRef::GcpSecretManager(_)))) {
            problems.push(
                SpecProblem::new("SX0314", place, "the database's URL cannot come from Secret Manager")
                    .help("use {env: NAME} or {file: PATH}"),
            );
        }
        pause::check(&self.pauses, problems);
        self.check_names(problems);
        self.retention.check(problems);
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

    #[test]
    fn an_environment_wins_field_by_field_and_leaves_the_rest_to_the_project() {
        let spec: ProjectSpec = serde_json::from_value(serde_json::json!({
            "variables": {"A": "project", "B": 1},
            "database": {"env": "PROJECT"},
            "guards": {"maxDeletes": 9, "maxDeletePercent": 50},
            "environments": {
                "prod": {"variables": {"B": true}, "prune": true, "guards": {"maxDeletes": 0}, "overlays": ["p"]},
                "dev": {"database": {"env": "DEV"}},
            },
        }))
        .unwrap();
        let prod = spec.clone().in_environment("prod");
        assert_eq!(prod.variables["A"], VariableValue::Text("project".to_owned()));
        assert_eq!(prod.variables["B"], VariableValue::Flag(true));
        assert_eq!(prod.database, Some(SecretRef::Env("PROJECT".to_owned())));
        assert_eq!((prod.prune, prod.overlays()), (true, ["p".to_owned()].as_slice()));
        assert_eq!((prod.guards.max_deletes, prod.guards.max_delete_percent), (0, 50));
        let dev = spec.in_environment("dev");
        assert_eq!(dev.database, Some(SecretRef::Env("DEV".to_owned())));
        assert_eq!((dev.guards.max_deletes, dev.prune, dev.overlays().len()), (9, false, 0));
    }
}
