//! `plan --explain KEY[#FIELD]`: which line, template, workspace or default a value comes from, and why it changes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::project;
use crate::manifest::{Catalog, Origins};
use crate::model::diagnostic::did_you_mean;
use crate::model::{Entry, KeyPattern, Origin, Position, ResourceKey, Sources as _};
use crate::plan::{Action, Plan};
use crate::report::explained::{Explained, Field};

/// At most this many keys are named when a question could mean several.
const NAMED: usize = 5;

/// Answers the question.
///
/// # Errors
/// There is no such resource or field, or there are several.
pub fn explain(context: &Context, plan: &Plan, question: &str) -> Result<ExitStatus, CliError> {
    let (catalog, _) = project::load_valid(&project::find(context)?)?;
    let (wanted, field) = match question.split_once('#') {
        Some((key, field)) => (key, Some(field)),
        None => (question, None),
    };
    let key = resolve(wanted, &catalog, plan)?;
    // A former name leads to the resource under its new one.
    let action = plan.actions.iter().find(|action| action.key == key || action.old_key() == key);
    let key = action.map_or(key, |action| action.key.clone());
    let entry = catalog.find(&key);
    let mut origins = Origins::new(&catalog);
    let mut fields = fields(entry, action, &mut origins);
    for field in &mut fields {
        field.layer =
            field.origin.as_ref().and_then(|origin| layer(origin, field, &key, &catalog, &mut origins));
    }
    if let Some(wanted) = field {
        fields = select(wanted, fields, &key)?;
    }
    let explained = Explained {
        key: &key,
        declared: entry.map(|entry| origins.declared_at(entry)),
        action,
        undeclared: plan.undeclared.contains(&key),
        fields,
    };
    match context.global.format {
        Format::Json => context.printer.json(&explained.json()),
        _ => context.printer.result(&explained.text(&context.printer.stdout)),
    }
    Ok(ExitStatus::Success)
}

/// The one resource that is meant.
fn resolve(wanted: &str, catalog: &Catalog, plan: &Plan) -> Result<ResourceKey, CliError> {
    let former = plan.actions.iter().filter(|action| action.from.is_some()).map(Action::old_key);
    let mut known: Vec<ResourceKey> = catalog.entries.iter().map(|entry| entry.key.clone()).collect();
    known.extend(plan.actions.iter().map(|action| action.key.clone()));
    known.extend(former);
    known.extend(plan.undeclared.iter().cloned());
    known.sort_unstable();
    known.dedup();
    let pattern = KeyPattern::new(wanted);
    let matching: Vec<&ResourceKey> = known.iter().filter(|key| pattern.matches(key)).collect();
    match matching.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let full: Vec<String> = known.iter().map(ToString::to_string).collect();
            let short: Vec<String> =
                known.iter().map(|key| format!("{}/{}", key.kind.slug, key.name)).collect();
            let near = did_you_mean(wanted, full.iter().chain(&short).map(String::as_str));
            let help = near.map_or_else(
                || {
                    "write KIND/WORKSPACE/NAME, as `synthex plan --summary` and `synthex render` show it"
                        .to_owned()
                },
                |near| format!("did you mean `{near}`?"),
            );
            Err(CliError::usage(format!("`{wanted}` is neither declared nor in the plan")).help(help))
        }
        many => {
            let named: Vec<String> = many.iter().take(NAMED).map(ToString::to_string).collect();
            let more = if many.len() > NAMED { ", ..." } else { "" };
            Err(CliError::usage(format!("`{wanted}` may mean {} resources", many.len()))
                .help(format!("name one of them: {}{more}", named.join(", "))))
        }
    }
}

/// Every field of the resource that has a value, or changes.
fn fields(entry: Option<&Entry>, action: Option<&Action>, origins: &mut Origins<'_>) -> Vec<Field> {
    let stored = action.and_then(|action| action.before.as_deref());
    let canonical = entry.map(|entry| &*entry.canonical).or(stored);
    let parsed: Value = canonical.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let mut values: BTreeMap<Vec<String>, Option<Value>> = BTreeMap::new();
    if let Some(spec) = parsed.get("spec") {
        flatten(&mut Vec::new(), spec, &mut values);
    }
    if let Some(labels) = parsed.get("labels") {
        flatten(&mut vec!["labels".to_owned()], labels, &mut values);
    }
    let mut before = BTreeMap::new();
    for change in action.into_iter().flat_map(|action| &action.changes) {
        before.insert(change.path.clone(), change.before.clone());
        values.entry(change.path.clone()).or_insert_with(|| change.after.clone());
    }
    let mut field = |(path, value): (Vec<String>, Option<Value>)| Field {
        name: path.join("."),
        value,
        before: before.remove(&path),
        origin: entry.map(|entry| origins.origin(entry, &path)),
        layer: None,
    };
    let mut fields: Vec<Field> = values.into_iter().map(&mut field).collect();
    // What is in the schema and set nowhere may be asked for too.
    for column in entry.map(|entry| entry.key.kind.columns()).unwrap_or_default() {
        let known =
            |field: &Field| field.name == column.path || field.name.starts_with(&format!("{}.", column.path));
        if !fields.iter().any(known) {
            let path = column.path.split('.').map(str::to_owned).collect();
            fields.push(field((path, None)));
        }
    }
    fields
}

fn flatten(path: &mut Vec<String>, value: &Value, values: &mut BTreeMap<Vec<String>, Option<Value>>) {
    match value {
        Value::Null => {}
        Value::Object(map) => {
            for (key, inner) in map {
                path.push(key.clone());
                flatten(path, inner, values);
                path.pop();
            }
        }
        other => {
            values.insert(path.clone(), Some(other.clone()));
        }
    }
}

/// Where the template or workspace says it.
fn layer(
    origin: &Origin,
    field: &Field,
    key: &ResourceKey,
    catalog: &Catalog,
    origins: &mut Origins<'_>,
) -> Option<Position> {
    let (first, rest) = field.name.split_once('.').unwrap_or((&field.name, ""));
    let (entry, path) = match origin {
        Origin::Template(name) => {
            let default = catalog.project.spec.workspace.as_deref();
            let places = [Some(&*key.workspace), default];
            let of = |place: &str| {
                catalog.entries.iter().find(|entry| {
                    entry.key.kind.name == "TenantTemplate"
                        && *entry.key.name == **name
                        && *entry.key.workspace == *place
                })
            };
            let entry = places.into_iter().flatten().find_map(of)?;
            let path = if first == "metadata" { vec!["defaultMetadata", rest] } else { vec![first] };
            (entry, path)
        }
        Origin::Workspace(name) => {
            let of = |entry: &&Entry| entry.key.kind.name == "Workspace" && *entry.key.name == **name;
            let entry = catalog.entries.iter().find(of)?;
            let path = match first {
                "metadata" | "labels" => vec!["defaults", first, rest],
                "industry" => vec!["defaults", first],
                _ => vec![first],
            };
            (entry, path)
        }
        Origin::Manifest(_) | Origin::Overlay(_) | Origin::Default => return None,
    };
    let path: Vec<String> = path.into_iter().map(str::to_owned).collect();
    match origins.origin(entry, &path) {
        Origin::Manifest(position) | Origin::Overlay(position) => Some(position),
        Origin::Template(_) | Origin::Workspace(_) | Origin::Default => Some(origins.declared_at(entry)),
    }
}

/// The field that is meant, or all fields below it.
fn select(wanted: &str, fields: Vec<Field>, key: &ResourceKey) -> Result<Vec<Field>, CliError> {
    let below = format!("{wanted}.");
    let (found, others): (Vec<Field>, Vec<Field>) =
        fields.into_iter().partition(|field| field.name == wanted || field.name.starts_with(&below));
    if !found.is_empty() {
        return Ok(found);
    }
    let names: Vec<&str> = others.iter().map(|field| field.name.as_str()).collect();
    let help = did_you_mean(wanted, names.iter().copied()).map_or_else(
        || format!("its fields are {}", names.join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    Err(CliError::usage(format!("{key} has no field `{wanted}`")).help(help))
}
