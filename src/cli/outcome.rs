//! What came of a plan: as text, as JSON, or as an error that names the resource and its line.

use std::collections::HashMap;

use serde::ser::{Serialize, SerializeMap as _, SerializeStruct as _, Serializer};
use serde_json::{Value, json};

use crate::engine::{Applied, ApplyError, LeftOut};
use crate::model::ResourceKey;
use crate::plan::{Action, ActionKind, FieldChange, Plan};
use crate::report;

use super::error::{CliError, ExitStatus};
use super::planning::Planned;
use super::signals::Signals;

/// The user stopped the run.
#[must_use]
pub fn interrupted(signals: &Signals) -> CliError {
    let status = signals.status().unwrap_or(ExitStatus::Interrupted);
    CliError::new(status, "interrupted", "stopped; nothing was changed")
}

/// Names the resource and the line where the database refused one.
#[must_use]
pub fn failure(error: ApplyError, planned: &Planned, signals: &Signals) -> CliError {
    let plan = &planned.plan;
    let keys = match &error {
        ApplyError::Interrupted => return interrupted(signals),
        ApplyError::State(state) => state.keys.clone(),
        ApplyError::OutcomeUnknown(_) => Vec::new(),
        ApplyError::NotConverged { left } => left.iter().map(|(key, _)| key.clone()).collect(),
        ApplyError::NothingLeft { left_out } => {
            let mut failure =
                CliError::other("no change could be made", "each of them failed; nothing was changed");
            failure.also = lines_of(plan, left_out);
            failure.outcome = Some(Box::new(json_of(plan, Some(left_out), None, Some(planned))));
            return failure.help("correct what is named, and run apply again");
        }
    };
    let placed = |key: &ResourceKey| {
        let action = plan.actions.iter().find(|action| action.key == *key);
        action.map_or_else(|| key.to_string(), place)
    };
    let also = match &error {
        ApplyError::State(state) => {
            state.also.iter().map(|(key, why)| format!("{}: {why}", placed(key))).collect()
        }
        _ => Vec::new(),
    };
    let mut failure = CliError { also, ..CliError::from(error) };
    if let Some(key) = keys.first() {
        failure.what = format!("{}: {}", placed(key), failure.what);
    }
    if failure.status == ExitStatus::Error || failure.status == ExitStatus::Stale {
        failure.why = Some(match failure.why {
            Some(why) => format!("{why}; nothing was changed"),
            None => "nothing was changed".to_owned(),
        });
    }
    failure
}

/// The key, and where it is declared.
fn place(action: &Action) -> String {
    match &action.position {
        Some(position) => format!("{} ({position})", action.key),
        None => action.key.to_string(),
    }
}

fn lines_of(plan: &Plan, left_out: &HashMap<usize, LeftOut>) -> Vec<String> {
    let mut places: Vec<_> = left_out.iter().collect();
    places.sort_unstable_by_key(|(index, left)| (matches!(left, LeftOut::Skipped(_)), **index));
    let line = |(index, left): (&usize, &LeftOut)| {
        let action = plan.actions.get(*index)?;
        let (word, why) = match left {
            LeftOut::Failed(why) => ("failed ", why),
            LeftOut::Skipped(why) => ("skipped", why),
        };
        Some(format!("{word} {} {}: {why}", action.kind.code(), place(action)))
    };
    places.into_iter().filter_map(line).collect()
}

/// What is said of resources that are declared wrongly.
#[must_use]
pub fn unusable_words(planned: &Planned) -> String {
    let unusable = &planned.unusable;
    if unusable.is_empty() {
        return "left out: what could not be read in the manifests (above)".to_owned();
    }
    let named: Vec<String> = unusable.iter().take(5).map(ToString::to_string).collect();
    let more = if unusable.len() > 5 { format!(" and {} more", unusable.len() - 5) } else { String::new() };
    format!("left out, because their manifests have problems (above): {}{more}", named.join(", "))
}

/// What came of a plan, for people.
#[must_use]
pub fn outcome_text(planned: &Planned, applied: &Applied, command: &str) -> String {
    let Applied { revision, left_out } = applied;
    if left_out.is_empty() && !planned.has_problems() {
        return format!("Applied as revision {revision}.\n");
    }
    let mut text = String::new();
    for line in lines_of(&planned.plan, left_out) {
        text.push_str(&format!("  {}\n", report::clean::clean(&line)));
    }
    if planned.has_problems() {
        text.push_str(&format!("  {}\n", report::clean::clean(&unusable_words(planned))));
    }
    let failed = left_out.values().filter(|left| matches!(left, LeftOut::Failed(_))).count();
    let skipped = left_out.len() - failed;
    text.push_str(&format!(
        "Partly applied as revision {revision}: {} applied, {failed} failed, {} skipped. Run {command} again to resume.\n",
        planned.plan.actions.len() - left_out.len(),
        skipped + planned.unusable.len(),
    ));
    text
}

/// What is said of changes that were not allowed; `None` where all were.
#[must_use]
pub fn withheld_words(plan: &Plan) -> Option<String> {
    let counts: Vec<String> =
        plan.withheld.iter().map(|(kind, count)| format!("{count} to {}", kind.code())).collect();
    (!counts.is_empty())
        .then(|| format!("left out, because --allow does not name them: {}", counts.join(", ")))
}

/// What came of a plan, as JSON. `planned` tells what was left out because it is declared wrongly.
#[must_use]
pub fn outcome_json(plan: &Plan, applied: Option<&Applied>, planned: Option<&Planned>) -> Value {
    let left_out = applied.map(|applied| &applied.left_out);
    json_of(plan, left_out, applied.map(|applied| applied.revision), planned)
}

/// [`outcome_json`] without its changes, to which others may add what they have to say. [`Whole`] is all of it.
#[must_use]
pub fn outcome_head(plan: &Plan, applied: Option<&Applied>, planned: Option<&Planned>) -> Value {
    let left_out = applied.map(|applied| &applied.left_out);
    head_of(plan, left_out, applied.map(|applied| applied.revision), planned)
}

/// An outcome whose changes, of which there may be tens of thousands, are made as they are written.
pub struct Whole<'a> {
    /// What [`outcome_head`] gave.
    pub head: &'a Value,
    /// The plan.
    pub plan: &'a Plan,
    /// What was applied.
    pub applied: Option<&'a Applied>,
}

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let left_out = self.applied.map(|applied| &applied.left_out);
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.head.as_object().into_iter().flatten() {
            if name == CHANGES {
                map.serialize_entry(name, &Changes(self.plan, left_out))?;
            } else {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

/// The field of an outcome that lists its changes.
const CHANGES: &str = "changes";

/// The changes of a plan, with what came of each.
struct Changes<'a>(&'a Plan, Option<&'a HashMap<usize, LeftOut>>);

impl Serialize for Changes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(plan, left_out) = self;
        serializer.collect_seq(plan.actions.iter().enumerate().map(|(index, action)| Change {
            action,
            left_out: left_out.map(|left_out| left_out.get(&index)),
        }))
    }
}

/// A change: not tried, or tried, and left out or not.
struct Change<'a> {
    action: &'a Action,
    left_out: Option<Option<&'a LeftOut>>,
}

impl Serialize for Change<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { action, left_out } = self;
        let (outcome, why) = match left_out {
            None => ("planned", None),
            Some(None) => ("applied", None),
            Some(Some(LeftOut::Failed(why))) => ("failed", Some(why)),
            Some(Some(LeftOut::Skipped(why))) => ("skipped", Some(why)),
        };
        let mut change = serializer.serialize_struct("Change", 9)?;
        change.serialize_field("action", action.kind.code())?;
        change.serialize_field("kind", action.key.kind.name)?;
        change.serialize_field("workspace", &*action.key.workspace)?;
        change.serialize_field("name", &*action.key.name)?;
        change.serialize_field("reason", action.reason.code())?;
        let fields: Vec<String> = action.changes.iter().map(FieldChange::field).collect();
        change.serialize_field("fields", &fields)?;
        change.serialize_field("destructive", &(action.kind == ActionKind::Delete))?;
        change.serialize_field("outcome", outcome)?;
        change.serialize_field("why", &why)?;
        change.end()
    }
}

/// What was left out is known once the changes were tried, and a revision only where some of them were made.
fn json_of(
    plan: &Plan,
    left_out: Option<&HashMap<usize, LeftOut>>,
    revision: Option<i64>,
    planned: Option<&Planned>,
) -> Value {
    let mut outcome = head_of(plan, left_out, revision, planned);
    outcome[CHANGES] = serde_json::to_value(Changes(plan, left_out)).unwrap_or_default();
    outcome
}

/// All but the changes.
fn head_of(
    plan: &Plan,
    left_out: Option<&HashMap<usize, LeftOut>>,
    revision: Option<i64>,
    planned: Option<&Planned>,
) -> Value {
    let withheld: serde_json::Map<_, _> =
        plan.withheld.iter().map(|(kind, count)| (kind.code().to_owned(), json!(count))).collect();
    let summary = plan.summary();
    let has_failed = left_out.is_some() && revision.is_none();
    json!({
        "format_version": "1.0",
        "applied": revision.is_some(),
        "partly": !has_failed
            && (left_out.is_some_and(|left_out| !left_out.is_empty()) || planned.is_some_and(Planned::has_problems)),
        "revision": revision,
        "digest": plan.digest().to_string(),
        "summary": {
            "create": summary.create, "update": summary.update, "delete": summary.delete,
            "restore": summary.restore, "adopt": summary.adopt, "rename": summary.rename,
            "unchanged": summary.unchanged,
        },
        "withheld": withheld,
        "unusable": planned.iter().flat_map(|planned| &planned.unusable).map(ToString::to_string).collect::<Vec<_>>(),
        (CHANGES): [],
    })
}
