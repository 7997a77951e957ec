//! `Patch`: what an environment changes of a resource that is declared for all of them.
//!
//! It stands only in an overlay, has no table, and is gone once manifests are read.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::kind::{SpecProblem, admit};
use crate::model::text::{NULL_MARK, Text};
use crate::model::{Kind, Resource, Scope};

/// The kind.
pub static KIND: Kind = Kind {
    name: "Patch",
    slug: "patch",
    rank: 12,
    scope: Scope::Global,
    about: "What an environment changes of resources that are declared for all; stands in an overlay.",
    table: None,
    texts: &["/spec/target/name", "/spec/target/workspace"],
    hides_values: false,
    mentions: &[],
    part_of: None,
    external_ids: &[],
    schema: |generator| PatchSpec::json_schema(generator),
    admit: admit::<PatchSpec>,
};

/// What a patch changes, and how.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchSpec {
    /// Which resources are changed. One that none fits is an error.
    pub target: PatchTarget,
    /// The change, made before templates and defaults are laid under the resource.
    pub patch: PatchBody,
}

/// Resources of one kind: those that meet every part that is given.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchTarget {
    /// The kind, such as `Tenant`. Tenants that come from rows of a TenantSet are meant too.
    #[schemars(length(min = 1, max = 64))]
    pub kind: String,
    /// The name; `*` stands for any characters.
    #[schemars(regex(pattern = r"^[A-Za-z0-9*][A-Za-z0-9._*-]{0,127}$"))]
    pub name: Text,
    /// The workspace. Left out, every workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = crate::model::key::NAME_PATTERN))]
    pub workspace: Option<Text>,
    /// Conditions on the labels that the resource has before this overlay: `tier=gold,team in (a,b),!legacy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    pub selector: Option<String>,
}

/// What is laid over a resource.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PatchBody {
    /// Labels to set; `null` removes one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, LabelChange>,
    /// Fields of the spec to set, as a JSON merge patch (RFC 7396): maps are merged, lists are replaced, `null` removes a field.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub spec: Map<String, Value>,
}

/// A label's new value, or `null`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LabelChange(#[serde(deserialize_with = "text_or_null")] pub Value);

fn text_or_null<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Object(_) | Value::Array(_) => Err(serde::de::Error::custom("expected a text, or null")),
        value => Ok(value),
    }
}

impl JsonSchema for LabelChange {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LabelChange".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number", "boolean", "null"], (NULL_MARK): true})
    }
}

impl Resource for PatchSpec {
    fn check(&self, problems: &mut Vec<SpecProblem>) {
        if self.patch.labels.is_empty() && self.patch.spec.is_empty() {
            let problem = SpecProblem::new("SX0318", "/patch", "the patch changes nothing");
            problems.push(problem.help("give it `spec` or `labels`, or remove the Patch"));
        }
        if let Some(Err(error)) =
            self.target.selector.as_ref().map(|selector| selector.parse::<crate::model::selector::Selector>())
        {
            problems.push(SpecProblem::new("SX0319", "/target/selector", error.to_string()));
        }
    }
}
