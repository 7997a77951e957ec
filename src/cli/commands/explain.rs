//! `explain`: the documentation of kinds, fields, rules and exit statuses, in the terminal.

use std::fmt::Write as _;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::environment::VARIABLES;
use crate::cli::error::{CliError, EXIT_CODES, ExitStatus, HEALTH_EXIT_CODES};
use crate::kinds::{self, KINDS};
use crate::manifest::schema;
use crate::model::KindRef;
use crate::model::diagnostic::did_you_mean;
use crate::report;

/// Explain a kind, a field, a rule code, `exit-codes` or `environment`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex explain\n  synthex explain Tenant\n  synthex explain tenant.contact.email\n  synthex explain SX0156\n  synthex explain exit-codes\n  synthex explain tenant/SMB_CLIENT_001 --layers"
)]
pub struct ExplainArgs {
    /// KIND, KIND.field.field, a rule code, `exit-codes` or `environment`; nothing for the list of kinds
    #[arg(value_name = "TOPIC")]
    pub topic: Option<String>,
    /// TOPIC is a resource, KIND/WORKSPACE/NAME, KIND/NAME or NAME: show which layer sets each of its fields, and where
    #[arg(long)]
    pub layers: bool,
}

/// Runs `explain`.
///
/// # Errors
/// The topic is unknown.
pub fn explain(context: &Context, args: &ExplainArgs) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    if args.layers {
        return super::explain_layers::explain(context, args.topic.as_deref());
    }
    let (value, text) = match args.topic.as_deref() {
        None => kinds_topic(),
        Some("exit-codes") => exit_codes(),
        Some("environment") => environment(),
        Some(topic) if topic.to_ascii_uppercase().starts_with("SX") => rule(context, topic)?,
        Some(topic) => field(topic)?,
    };
    match context.global.format {
        Format::Json => context.printer.json(&value),
        _ => context.printer.result(&text),
    }
    Ok(ExitStatus::Success)
}

fn kinds_topic() -> (Value, String) {
    let width = KINDS.iter().map(|kind| kind.name.len()).max().unwrap_or_default();
    let text: String = KINDS.iter().map(|kind| format!("{:<width$}  {}\n", kind.name, kind.about)).collect();
    let value: Vec<Value> =
        KINDS.iter().map(|kind| json!({"kind": kind.name, "about": kind.about})).collect();
    (json!(value), format!("{text}\n`synthex explain KIND` shows a kind's fields.\n"))
}

fn exit_codes() -> (Value, String) {
    let line = |(status, meaning): &(ExitStatus, &str)| format!("{:>3}  {meaning}\n", status.code());
    let mut text: String = EXIT_CODES.iter().map(line).collect();
    text.push_str("\n`synthex health check` and `synthex health report` say with it how things stand:\n");
    text.extend(HEALTH_EXIT_CODES.iter().map(line));
    let value: Vec<Value> = EXIT_CODES
        .iter()
        .map(|(status, meaning)| json!({"code": status.code(), "meaning": meaning}))
        .collect();
    (json!(value), text)
}

fn environment() -> (Value, String) {
    let text = VARIABLES.iter().map(|(name, meaning)| format!("{name}\n    {meaning}\n")).collect();
    let value: Vec<Value> =
        VARIABLES.iter().map(|(name, meaning)| json!({"name": name, "meaning": meaning})).collect();
    (json!(value), text)
}

fn rule(context: &Context, code: &str) -> Result<(Value, String), CliError> {
    let rule = report::codes::find(code).ok_or_else(|| {
        let near =
            did_you_mean(&code.to_ascii_uppercase(), report::codes::RULES.iter().map(|rule| rule.code));
        let help = near
            .map_or("rule codes stand in brackets behind `error`, such as SX0156".into(), |near| {
                format!("did you mean `{near}`?")
            });
        CliError::usage(format!("there is no rule `{code}`")).help(help)
    })?;
    let value = json!({"code": rule.code, "title": rule.title, "text": rule.text});
    Ok((value, report::codes::human(rule, &context.printer.stdout)))
}

fn field(topic: &str) -> Result<(Value, String), CliError> {
    let mut steps = topic.split(['.', '#']);
    let word = steps.next().unwrap_or_default();
    let kind = kinds::find_slug(word).ok_or_else(|| unknown_topic(word))?;
    let root = schema::cached(kind);
    let steps: Vec<&str> = steps.collect();
    let steps = match steps.as_slice() {
        ["spec", rest @ ..] => rest,
        all => all,
    };
    let mut node = match steps.first() {
        Some(&"metadata" | &"labels") => follow(root, root),
        _ => follow(root, root.pointer("/properties/spec").unwrap_or(root)),
    };
    if steps.first() == Some(&"labels") {
        node = follow(root, root.pointer("/properties/metadata").unwrap_or(root));
    }
    let mut shown = kind.name.to_owned();
    for step in steps {
        let fields = fields_of(root, node);
        let found = fields.iter().find(|(name, _)| name == step);
        let Some((_, child)) = found else {
            let near = did_you_mean(step, fields.iter().map(|(name, _)| name.as_str()));
            let help = match near {
                Some(near) => format!("did you mean `{shown}.{near}`?"),
                None if fields.is_empty() => format!("`{shown}` has no fields"),
                None => format!(
                    "the fields are {}",
                    fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
                ),
            };
            return Err(CliError::usage(format!("`{shown}` has no field `{step}`")).help(help));
        };
        node = child;
        let _ = write!(shown, ".{step}");
    }
    let text = describe(root, kind, &shown, node, steps.is_empty());
    Ok((node.clone(), text))
}

fn unknown_topic(word: &str) -> CliError {
    match did_you_mean(word, ["exit-codes", "environment"]) {
        Some(near) => CliError::usage(format!("there is no topic `{word}`"))
            .why("a topic is a kind, a field, a rule code, `exit-codes` or `environment`")
            .help(format!("did you mean `{near}`?")),
        None => super::schema::unknown_kind(word),
    }
}

fn describe(root: &Value, kind: KindRef, shown: &str, node: &Value, whole: bool) -> String {
    let resolved = follow(root, node);
    let mut out = format!("{shown}  {}\n", type_of(root, node));
    let about = if whole {
        Some(kind.about)
    } else {
        node["description"].as_str().or(resolved["description"].as_str())
    };
    if let Some(about) = about {
        let _ = write!(out, "\n{about}\n");
    }
    if let Some(default) = node.get("default").filter(|default| !default.is_object()) {
        let _ = write!(out, "\nDefault: {}\n", default.as_str().map_or(default.to_string(), str::to_owned));
    }
    if let Some(values) = resolved["enum"].as_array() {
        out.push_str("\nOne of:\n");
        let about = resolved["enumDescriptions"].as_array();
        for (index, value) in values.iter().enumerate() {
            let text = about.and_then(|about| about.get(index)).and_then(Value::as_str).unwrap_or_default();
            let _ = writeln!(out, "  {:<22} {text}", value.as_str().unwrap_or_default());
        }
    }
    if let Some(pattern) = resolved["pattern"].as_str() {
        let _ = write!(out, "\nPattern: {pattern}\n");
    }
    let fields = fields_of(root, node);
    if !fields.is_empty() {
        out.push_str(if resolved.get("oneOf").is_some() { "\nExactly one of:\n" } else { "\nFields:\n" });
        let required: Vec<&str> =
            resolved["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let width = fields.iter().map(|(name, _)| name.len() + 2).max().unwrap_or_default();
        for (name, child) in &fields {
            let mark = if required.contains(&name.as_str()) { " *" } else { "" };
            let about = child["description"]
                .as_str()
                .or(follow(root, child)["description"].as_str())
                .unwrap_or_default();
            let first = about.split(". ").next().unwrap_or_default().replace('\n', " ");
            let _ =
                writeln!(out, "  {:<width$} {:<10} {first}", format!("{name}{mark}"), type_of(root, child));
        }
        if !required.is_empty() {
            out.push_str("\n* required\n");
        }
    }
    out
}

/// Through references to the schema that is meant.
fn follow<'a>(root: &'a Value, node: &'a Value) -> &'a Value {
    let target = node
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|target| root.pointer(target.trim_start_matches('#')));
    match target {
        Some(target) => follow(root, target),
        None => node,
    }
}

fn fields_of<'a>(root: &'a Value, node: &'a Value) -> Vec<(String, &'a Value)> {
    let node = follow(root, node);
    let node = node.get("items").map_or(node, |items| follow(root, items));
    let direct = node.get("properties").and_then(Value::as_object).into_iter().flatten();
    let branches = node.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let nested = branches.filter_map(|branch| branch.get("properties").and_then(Value::as_object)).flatten();
    direct.chain(nested).map(|(name, child)| (name.clone(), child)).collect()
}

fn type_of(root: &Value, node: &Value) -> &'static str {
    let node = follow(root, node);
    if node.get("enum").is_some() || node.get("const").is_some() {
        return "choice";
    }
    if node.get("oneOf").is_some() {
        return "map";
    }
    match &node["type"] {
        Value::String(name) => match name.as_str() {
            "string" if node["format"] == "date-time" => "instant",
            "string" => "text",
            "integer" => "integer",
            "number" => "number",
            "boolean" => "boolean",
            "array" => "list",
            "object" => "map",
            _ => "any",
        },
        Value::Array(_) => "text",
        _ => "any",
    }
}
