//! `explain KEY --layers`: which layer sets each field of a resource, and where that stands.

use serde_json::{Map, Value, json};

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::project;
use crate::manifest::Origins;
use crate::model::diagnostic::did_you_mean;
use crate::model::{Entry, Origin, Sources as _};
use crate::report::clean;

use super::render::matches;

/// A field, and where its value comes from.
struct Field {
    name: String,
    value: Value,
    layer: &'static str,
    /// The template or workspace.
    of: Option<String>,
    place: Option<String>,
}

/// Prints the fields of the resources that a key or pattern names.
///
/// # Errors
/// The manifests have errors, or nothing is named.
pub fn explain(context: &Context, topic: Option<&str>) -> Result<ExitStatus, CliError> {
    let Some(pattern) = topic else {
        return Err(CliError::usage("--layers needs a resource")
            .help("name one: synthex explain tenant/anz-smb/ACME --layers"));
    };
    let found = project::find(context)?;
    let (catalog, _) = project::load_valid(&found)?;
    let named: Vec<&Entry> = catalog.entries.iter().filter(|entry| matches(pattern, entry)).collect();
    if named.is_empty() {
        let name = pattern.rsplit('/').next().unwrap_or(pattern);
        let near = did_you_mean(name, catalog.entries.iter().map(|entry| &*entry.key.name));
        let help = near.map_or_else(
            || "`synthex render` prints all of them".into(),
            |near| format!("did you mean `{near}`?"),
        );
        return Err(CliError::usage(format!("no declared resource is named `{pattern}`")).help(help));
    }
    let mut origins = Origins::new(&catalog);
    let all: Vec<(&Entry, Vec<Field>)> =
        named.into_iter().map(|entry| (entry, fields(&mut origins, entry))).collect();
    if context.global.format == Format::Json {
        let json: Vec<Value> = all.iter().map(|(entry, fields)| as_json(entry, fields)).collect();
        context.printer.json(&Value::Array(json));
    } else {
        let text: Vec<String> = all.iter().map(|(entry, fields)| as_text(entry, fields)).collect();
        context.printer.result(&text.join("\n"));
    }
    Ok(ExitStatus::Success)
}

fn fields(origins: &mut Origins<'_>, entry: &Entry) -> Vec<Field> {
    let canonical: Value = serde_json::from_str(&entry.canonical).unwrap_or_default();
    let mut paths: Vec<(Vec<String>, Value)> = Vec::new();
    if let Some(Value::Object(labels)) = canonical.get("labels") {
        flatten(&mut vec!["labels".to_owned()], labels, &mut paths);
    }
    if let Some(Value::Object(spec)) = canonical.get("spec") {
        flatten(&mut Vec::new(), spec, &mut paths);
    }
    let field = |(path, value): (Vec<String>, Value)| {
        let origin = origins.origin(entry, &path);
        let place = origins.place(entry, &path, &origin).map(|place| place.to_string());
        let (layer, of) = match origin {
            Origin::Manifest(_) => ("manifest", None),
            Origin::Overlay(_) => ("overlay", None),
            Origin::Template(name) => ("template", Some(name)),
            Origin::Workspace(name) => ("workspace", Some(name)),
            Origin::Default => ("default", None),
        };
        Field { name: path.join("."), value, layer, of, place }
    };
    paths.into_iter().map(field).collect()
}

fn flatten(path: &mut Vec<String>, map: &Map<String, Value>, found: &mut Vec<(Vec<String>, Value)>) {
    for (key, value) in map {
        path.push(key.clone());
        match value {
            Value::Object(inner) if !inner.is_empty() => flatten(path, inner, found),
            other => found.push((path.clone(), other.clone())),
        }
        path.pop();
    }
}

fn as_json(entry: &Entry, fields: &[Field]) -> Value {
    let field = |field: &Field| {
        let Field { name, value, layer, of, place } = field;
        json!({"path": name, "value": value, "layer": layer, "name": of, "place": place})
    };
    json!({"key": entry.key.to_string(), "fields": fields.iter().map(field).collect::<Vec<_>>()})
}

fn as_text(entry: &Entry, fields: &[Field]) -> String {
    let rows: Vec<[String; 4]> = fields
        .iter()
        .map(|field| {
            let layer = match &field.of {
                Some(name) => format!("{} {name}", field.layer),
                None => field.layer.to_owned(),
            };
            let built_in = if field.layer == "template" { "(built in)" } else { "" };
            let place = field.place.clone().unwrap_or_else(|| built_in.to_owned());
            [clean::clean(&field.name).into_owned(), clean::value(&field.value), layer, place]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| clean::width(&row[column])).max().unwrap_or(0).min(48);
    let widths = [width(0), width(1), width(2)];
    let mut text = format!("{}\n", entry.key);
    for row in &rows {
        let mut line = String::from("  ");
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(clean::width(cell)) + 2));
        }
        line.push_str(&row[3]);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
