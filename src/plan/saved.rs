//! A plan in a file: what was reviewed is what is applied.
//!
//! The file is JSON in one line for each change. Its last member is a checksum of every byte before it, so that a file
//! that was edited or cut short is refused, whatever the edit was. It is bound to a project, an environment and a database.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use thiserror::Error;
use uuid::Uuid;

use crate::kinds;
use crate::model::{Digest, Origin, Position, ResourceKey};

use super::action::{Action, ActionKind, FieldChange, Plan, Refusal, Suspect};
use super::guards;
use super::ignored::Left;
use super::reason::Reason;
use super::sealed::{seal, unseal, version};

/// The version of the format. A newer one is refused.
pub const FORMAT: u32 = 1;

/// How every plan file begins.
const BEGINNING: &str = "{\"synthex_plan\":";

/// What a saved plan is bound to, and what it was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The installation that the plan is for; `None` where synthex was not installed yet.
    pub installation: Option<Uuid>,
    /// The database server's own identity and the database within it, where the role may ask for it.
    pub system: Option<String>,
    /// The database, as it may be shown.
    pub database: String,
    /// When the state was read, by the database's clock.
    pub observed_at: DateTime<Utc>,
    /// The last operation on record then.
    pub state_revision: Option<i64>,
    /// The commit of the manifests, where known.
    pub commit: Option<String>,
}

/// A plan that was read from a file.
#[derive(Clone, Debug)]
pub struct Saved {
    /// The plan.
    pub plan: Plan,
    /// What it is bound to.
    pub binding: Binding,
}

/// A plan file that is not one, or not one of ours.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SavedError {
    /// Some byte is not what was written, or missing.
    #[error("the plan file was changed or cut short after it was written")]
    Changed,
    /// It is something else.
    #[error("this is not a plan file")]
    NotAPlan,
    /// A newer program wrote it.
    #[error("the plan file has format {0}, and this program knows formats up to {FORMAT}")]
    Newer(u32),
}

#[derive(Serialize, Deserialize)]
struct Header {
    synthex_plan: u32,
    digest: String,
    project: String,
    environment: Option<String>,
    #[serde(flatten)]
    binding: Binding,
    unchanged: usize,
    withheld: Vec<(String, usize)>,
    undeclared: Vec<Named>,
    included: Vec<Named>,
    suspects: Vec<Suspected>,
    refusals: Vec<Refused>,
}

/// Kind, workspace and name.
#[derive(Serialize, Deserialize)]
struct Named(String, String, String);

impl From<&ResourceKey> for Named {
    fn from(key: &ResourceKey) -> Self {
        Self(key.kind.name.to_owned(), key.workspace.to_string(), key.name.to_string())
    }
}

impl Named {
    fn key(self) -> Option<ResourceKey> {
        Some(ResourceKey::new(kinds::find(&self.0)?, self.1.into(), &self.2))
    }
}

#[derive(Serialize, Deserialize)]
struct Suspected {
    from: Named,
    to: Named,
    field: String,
    value: String,
}

#[derive(Serialize, Deserialize)]
struct Refused {
    code: String,
    key: Option<Named>,
    message: String,
    help: String,
    position: Option<(String, u32, u32)>,
    can_be_acknowledged: bool,
}

#[derive(Serialize, Deserialize)]
struct Change<'a> {
    action: String,
    kind: String,
    workspace: String,
    name: String,
    reason: Value,
    position: Option<(String, u32, u32)>,
    revision: Option<i64>,
    #[serde(borrow)]
    before: Option<&'a RawValue>,
    #[serde(borrow)]
    after: Option<&'a RawValue>,
    left: Vec<Value>,
    digest: Option<String>,
    protected: bool,
    from: Option<String>,
    permanent: bool,
    dependents: Vec<(String, usize)>,
    fields: Vec<Value>,
}

/// Writes a plan.
#[must_use]
pub fn encode(plan: &Plan, binding: &Binding) -> String {
    let header = Header {
        synthex_plan: FORMAT,
        digest: plan.digest().to_string(),
        project: plan.project.clone(),
        environment: plan.environment.clone(),
        binding: binding.clone(),
        unchanged: plan.unchanged,
        withheld: plan.withheld.iter().map(|(kind, count)| (kind.code().to_owned(), *count)).collect(),
        undeclared: plan.undeclared.iter().map(Named::from).collect(),
        included: plan.included.iter().map(Named::from).collect(),
        suspects: plan.suspects.iter().map(suspected_of).collect(),
        refusals: plan.refusals.iter().map(refused_of).collect(),
    };
    let mut text = String::with_capacity(256 + plan.actions.len() * 1000);
    let header = serde_json::to_string(&header).unwrap_or_default();
    text.push_str(header.strip_suffix('}').unwrap_or(&header));
    text.push_str(",\"changes\":[");
    for (index, action) in plan.actions.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&serde_json::to_string(&change_of(action)).unwrap_or_default());
    }
    text.push_str("\n]");
    seal(text)
}

fn change_of(action: &Action) -> Change<'_> {
    Change {
        action: action.kind.code().to_owned(),
        kind: action.key.kind.name.to_owned(),
        workspace: action.key.workspace.to_string(),
        name: action.key.name.to_string(),
        reason: action.reason.to_json(),
        position: action.position.as_ref().map(place_of),
        revision: action.revision,
        before: raw(action.before.as_deref()),
        after: raw(action.after.as_deref()),
        left: action.left.iter().map(left_json).collect(),
        digest: action.digest.map(|digest| digest.to_hex()),
        protected: action.protected,
        from: action.from.as_deref().map(str::to_owned),
        permanent: action.permanent,
        dependents: action.dependents.iter().map(|(kind, count)| (kind.name.to_owned(), *count)).collect(),
        fields: action.changes.iter().map(field_json).collect(),
    }
}

fn place_of(place: &Position) -> (String, u32, u32) {
    (place.file.to_string(), place.line, place.column)
}

fn position_of((file, line, column): (String, u32, u32)) -> Position {
    Position { file: file.into(), line, column }
}

fn raw(text: Option<&str>) -> Option<&RawValue> {
    text.and_then(|text| serde_json::from_str(text).ok())
}

/// Reads a plan.
///
/// # Errors
/// It is not one, or not as it was written.
pub fn decode(bytes: &[u8]) -> Result<Saved, SavedError> {
    let text = std::str::from_utf8(bytes).map_err(|_| otherwise(bytes))?;
    if !text.starts_with(BEGINNING) {
        return Err(otherwise(bytes));
    }
    if let Some(version) = version(text, "synthex_plan").filter(|version| *version > FORMAT) {
        return Err(SavedError::Newer(version));
    }
    let open = unseal(text).ok_or(SavedError::Changed)?;
    let (header, changes) = open.split_once(",\"changes\":").ok_or(SavedError::Changed)?;
    let header: Header = serde_json::from_str(&format!("{header}}}")).map_err(|_| SavedError::Changed)?;
    let changes: Vec<Change<'_>> = serde_json::from_str(changes).map_err(|_| SavedError::Changed)?;
    let mut plan = Plan::nothing(&header.project, header.environment.as_deref());
    plan.unchanged = header.unchanged;
    let keys = |named: Vec<Named>| named.into_iter().map(Named::key).collect::<Option<Vec<_>>>();
    plan.undeclared = keys(header.undeclared).ok_or(SavedError::Changed)?;
    plan.included = keys(header.included).ok_or(SavedError::Changed)?;
    plan.suspects =
        header.suspects.into_iter().map(suspect_of).collect::<Option<_>>().ok_or(SavedError::Changed)?;
    plan.refusals =
        header.refusals.into_iter().map(refusal_of).collect::<Option<_>>().ok_or(SavedError::Changed)?;
    let withheld = header.withheld.iter().map(|(code, count)| Some((ActionKind::from_code(code)?, *count)));
    plan.withheld = withheld.collect::<Option<_>>().ok_or(SavedError::Changed)?;
    plan.actions = changes.into_iter().map(action_of).collect::<Option<_>>().ok_or(SavedError::Changed)?;
    if plan.digest().to_string() != header.digest {
        return Err(SavedError::Changed);
    }
    Ok(Saved { plan, binding: header.binding })
}

/// Whether a file is a plan, or was one before it was changed.
#[must_use]
pub fn is_plan(bytes: &[u8]) -> bool {
    bytes.starts_with(BEGINNING.as_bytes()) || otherwise(bytes) == SavedError::Changed
}

/// What a file is that does not read as a plan: one that was changed or cut short, or something else. A few bytes at its
/// beginning may be what was changed, and a program may have laid it out anew.
fn otherwise(bytes: &[u8]) -> SavedError {
    let text = String::from_utf8_lossy(bytes);
    let was_cut_short = BEGINNING.starts_with(&*text);
    let marks = ["synthex_plan", "\"checksum\"", "\"observed_at\""];
    if was_cut_short || marks.iter().filter(|mark| text.contains(**mark)).count() > 1 {
        SavedError::Changed
    } else {
        SavedError::NotAPlan
    }
}

fn action_of(change: Change<'_>) -> Option<Action> {
    let canonical = |raw: Option<&RawValue>| raw.map(|raw| raw.get().into());
    let kind_of = |name: &str| kinds::find(name);
    let mut dependents = Vec::with_capacity(change.dependents.len());
    for (kind, count) in &change.dependents {
        dependents.push((kind_of(kind)?, *count));
    }
    Some(Action {
        kind: ActionKind::from_code(&change.action)?,
        key: ResourceKey::new(kind_of(&change.kind)?, change.workspace.into(), &change.name),
        reason: Reason::of_json(&change.reason)?,
        position: change.position.map(position_of),
        revision: change.revision,
        before: canonical(change.before),
        after: canonical(change.after),
        left: change.left.iter().map(left_of).collect::<Option<_>>()?,
        digest: match change.digest {
            Some(hex) => Some(Digest::from_hex(&hex)?),
            None => None,
        },
        protected: change.protected,
        changes: change.fields.iter().map(field_of).collect::<Option<_>>()?,
        from: change.from.map(String::into_boxed_str),
        permanent: change.permanent,
        dependents,
    })
}

fn left_json(left: &Left) -> Value {
    let mut json = json!({"path": left.path});
    if let Some(value) = &left.value {
        json["value"] = value.clone();
    }
    json
}

fn left_of(json: &Value) -> Option<Left> {
    let path = serde_json::from_value(json.get("path")?.clone()).ok()?;
    Some(Left { path, value: json.get("value").cloned() })
}

fn refused_of(refusal: &Refusal) -> Refused {
    Refused {
        code: refusal.code.to_owned(),
        key: refusal.key.as_ref().map(Named::from),
        message: refusal.message.clone(),
        help: refusal.help.clone(),
        position: refusal.position.as_ref().map(place_of),
        can_be_acknowledged: refusal.can_be_acknowledged,
    }
}

fn refusal_of(refused: Refused) -> Option<Refusal> {
    let key = match refused.key {
        Some(named) => Some(named.key()?),
        None => None,
    };
    Some(Refusal {
        code: guards::CODES.into_iter().find(|code| *code == refused.code)?,
        key,
        message: refused.message,
        help: refused.help,
        position: refused.position.map(position_of),
        can_be_acknowledged: refused.can_be_acknowledged,
    })
}

fn suspected_of(suspect: &Suspect) -> Suspected {
    Suspected {
        from: Named::from(&suspect.from),
        to: Named::from(&suspect.to),
        field: suspect.field.to_owned(),
        value: suspect.value.clone(),
    }
}

fn suspect_of(suspected: Suspected) -> Option<Suspect> {
    let to = suspected.to.key()?;
    let field = to.kind.external_ids.iter().find(|field| **field == suspected.field)?;
    Some(Suspect { from: suspected.from.key()?, field, value: suspected.value, to })
}

fn field_json(change: &FieldChange) -> Value {
    let at = |layer: &str, place: &Position| json!([layer, &*place.file, place.line, place.column]);
    let origin = match &change.origin {
        Origin::Manifest(place) => at("manifest", place),
        Origin::Overlay(place) => at("overlay", place),
        Origin::Template(name) => json!(["template", name]),
        Origin::Workspace(name) => json!(["workspace", name]),
        Origin::Default => json!(["default"]),
    };
    // An absent value is an absent member: null is a value.
    let mut json = json!({"path": change.path, "origin": origin});
    for (name, value) in [("before", &change.before), ("after", &change.after)] {
        if let Some(value) = value {
            json[name] = value.clone();
        }
    }
    json
}

fn field_of(json: &Value) -> Option<FieldChange> {
    let origin = json.get("origin")?.as_array()?;
    let text = |at: usize| origin.get(at).and_then(Value::as_str);
    let number =
        |at: usize| origin.get(at).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    let place = || Some(Position { file: text(1)?.into(), line: number(2)?, column: number(3)? });
    Some(FieldChange {
        path: serde_json::from_value(json.get("path")?.clone()).ok()?,
        before: json.get("before").cloned(),
        after: json.get("after").cloned(),
        origin: match text(0)? {
            "manifest" => Origin::Manifest(place()?),
            "overlay" => Origin::Overlay(place()?),
            "template" => Origin::Template(text(1)?.to_owned()),
            "workspace" => Origin::Workspace(text(1)?.to_owned()),
            "default" => Origin::Default,
            _ => return None,
        },
    })
}
