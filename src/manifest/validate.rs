//! Runs a compiled schema over a document and says what it found in words a person can act on.
//!
//! No message repeats a value that might be a secret: for kinds that stand beside secrets, and for fields that are
//! not known, only names are shown.

use jsonschema::{ValidationError, Validator, error::TypeKind, error::ValidationErrorKind};
use serde_json::Value;

use crate::model::diagnostic::did_you_mean;

use super::advice;
use super::problem::Target;

/// Something the schema does not allow. The pointer starts at the validated value.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Rule code.
    pub code: &'static str,
    /// What is meant.
    pub target: Target,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// Everything the schema does not allow in a value; nothing when it is valid.
#[must_use]
pub fn findings(validator: &Validator, schema: &Value, value: &Value, hides_values: bool) -> Vec<Finding> {
    if validator.is_valid(value) {
        return Vec::new();
    }
    let context = Context { schema, hides_values };
    let mut found = Vec::new();
    for error in validator.iter_errors(value) {
        context.translate(&error, &mut found);
    }
    // A pattern's advice is better than that of a format for the same value.
    let of_patterns: Vec<Target> = found
        .iter()
        .filter(|finding| finding.message.contains(WRONG_FORM))
        .map(|finding| finding.target.clone())
        .collect();
    found.retain(|finding| {
        finding.code != "SX0157"
            || finding.message.contains(WRONG_FORM)
            || !of_patterns.contains(&finding.target)
    });
    found
}

const WRONG_FORM: &str = " has the wrong form";

struct Context<'a> {
    schema: &'a Value,
    hides_values: bool,
}

impl Context<'_> {
    fn translate(&self, error: &ValidationError<'_>, found: &mut Vec<Finding>) {
        let pointer = error.instance_path().as_str();
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let allowed = self.sibling_fields(error.schema_path().as_str());
                found.extend(unexpected.iter().map(|key| self.unexpected(pointer, key, &allowed)));
            }
            ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context } => {
                self.one_of(pointer, error, context, found);
            }
            kind => {
                let (code, message, help) = self.one_value(kind, field_name(pointer), error);
                found.push(Finding { code, target: Target::Value(pointer.to_owned()), message, help });
            }
        }
    }

    fn unexpected(&self, pointer: &str, key: &str, allowed: &[String]) -> Finding {
        if self.hides_values && !is_plain_name(key) {
            // `{value shpat_...}` and `{shpat_...}` are maps with a key: the secret.
            let message = "a key here is not the name of a field, and may be a secret".to_owned();
            let help = format!(
                "the fields here are {}, each with a colon and a space behind it",
                allowed.join(", ")
            );
            return Finding {
                code: "SX0160",
                target: Target::Value(pointer.to_owned()),
                message,
                help: Some(help),
            };
        }
        let (code, message, help) = if self.hides_values && looks_like_a_secret_field(key) {
            let help =
                "name the place of the secret instead: {env: NAME}, {file: PATH} or {gcpSecretManager: ...}";
            ("SX0160", format!("`{key}` would put a secret into a manifest"), help.to_owned())
        } else {
            ("SX0153", format!("unknown field `{key}`"), unknown_field_help(key, allowed))
        };
        Finding { code, target: Target::Key(format!("{pointer}/{}", escape(key))), message, help: Some(help) }
    }

    /// What is wrong with one value: code, message, and what to do.
    fn one_value(
        &self,
        kind: &ValidationErrorKind,
        field: &str,
        error: &ValidationError<'_>,
    ) -> (&'static str, String, Option<String>) {
        match kind {
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                let place = if field.is_empty() { String::new() } else { format!(" in `{field}`") };
                ("SX0154", format!("the field `{name}` is missing{place}"), Some(format!("add `{name}:`")))
            }
            ValidationErrorKind::Type { kind } => self.wrong_type(kind, field, error.instance()),
            ValidationErrorKind::Enum { options } => self.wrong_choice(options, field, error.instance()),
            ValidationErrorKind::Constant { expected_value } => {
                ("SX0156", format!("`{field}` must be {expected_value}"), None)
            }
            ValidationErrorKind::Pattern { pattern } => {
                let (message, help) = self.wrong_form(field, pattern, error.instance());
                ("SX0157", message, Some(help))
            }
            ValidationErrorKind::Format { format } => {
                let (wanted, example) = match format.as_str() {
                    "email" => ("an e-mail address", "ops@example.com"),
                    "uri" => ("a web address", "https://example.com"),
                    "date-time" => ("an instant with a zone", "2026-12-31T00:00:00Z"),
                    other => (other, "the documentation"),
                };
                let message =
                    format!("`{field}` is not {wanted}{}", self.shown_after_colon(error.instance()));
                ("SX0157", message, Some(format!("for example {example}")))
            }
            ValidationErrorKind::MinLength { limit: 1 } | ValidationErrorKind::MinItems { limit: 1 } => {
                ("SX0158", format!("`{field}` must not be empty"), None)
            }
            ValidationErrorKind::MinLength { limit } | ValidationErrorKind::MinItems { limit } => {
                ("SX0158", format!("`{field}` is too short: at least {limit}"), None)
            }
            ValidationErrorKind::MaxLength { limit } | ValidationErrorKind::MaxItems { limit } => {
                ("SX0158", format!("`{field}` is too long: at most {limit}"), None)
            }
            ValidationErrorKind::Minimum { limit } => {
                ("SX0158", format!("`{field}` must be at least {limit}"), None)
            }
            ValidationErrorKind::Maximum { limit } => {
                ("SX0158", format!("`{field}` must be at most {limit}"), None)
            }
            _ if self.hides_values => ("SX0159", error.masked().to_string(), None),
            _ => ("SX0159", error.to_string(), None),
        }
    }

    fn wrong_choice(
        &self,
        options: &Value,
        field: &str,
        instance: &Value,
    ) -> (&'static str, String, Option<String>) {
        let options: Vec<&str> = options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let near = instance.as_str().and_then(|text| near_option(text, &options));
        let help = match near {
            Some(near) => format!("did you mean `{near}`? Allowed: {}", options.join(", ")),
            None => format!("use one of {}", options.join(", ")),
        };
        ("SX0156", format!("`{field}` cannot be {}", self.shown(instance)), Some(help))
    }

    /// A value that must be an object with exactly one of several keys, such as a secret reference.
    fn one_of(
        &self,
        pointer: &str,
        error: &ValidationError<'_>,
        context: &[Vec<ValidationError<'static>>],
        found: &mut Vec<Finding>,
    ) {
        let keys = self.branch_keys(error.schema_path().as_str());
        let field = field_name(pointer);
        let secret = keys.contains(&"env".to_owned());
        let forms = keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let help = if secret {
            "name the place of the secret: {env: NAME}, {file: PATH} or {gcpSecretManager: projects/P/secrets/S/versions/latest}"
                .to_owned()
        } else {
            format!("give exactly one of {forms}")
        };
        let target = Target::Value(pointer.to_owned());
        let Some(map) = error.instance().as_object() else {
            let (code, message) = if secret && !error.instance().is_null() {
                ("SX0160", format!("`{field}` holds a literal; a secret never stands in a manifest"))
            } else {
                ("SX0155", format!("`{field}` must be a map with exactly one of {forms}"))
            };
            found.push(Finding { code, target, message, help: Some(help) });
            return;
        };
        let given: Vec<&String> = map.keys().collect();
        if let [only] = given.as_slice()
            && let Some(branch) = keys.iter().position(|key| key == *only)
            && let Some(errors) = context.get(branch)
        {
            for inner in errors {
                self.translate(inner, found);
            }
            return;
        }
        for key in given.iter().filter(|key| !keys.contains(key)) {
            found.push(self.unexpected(pointer, key, &keys));
        }
        if given.iter().all(|key| keys.contains(key)) {
            let message = match given.len() {
                0 => format!("`{field}` is empty"),
                count => format!("`{field}` has {count} fields, where exactly one is needed"),
            };
            found.push(Finding { code: "SX0159", target, message, help: Some(help) });
        }
    }

    fn wrong_type(
        &self,
        kind: &TypeKind,
        field: &str,
        instance: &Value,
    ) -> (&'static str, String, Option<String>) {
        let wanted = match kind {
            TypeKind::Single(single) => type_words(&single.to_string()).to_owned(),
            TypeKind::Multiple(many) => {
                let names: Vec<String> = many.iter().map(|one| one.to_string()).collect();
                if names.iter().any(|name| name == "string") {
                    "a text".to_owned()
                } else {
                    names.iter().map(|name| type_words(name)).collect::<Vec<_>>().join(" or ")
                }
            }
        };
        let given = match instance {
            Value::Null => "empty",
            Value::Bool(_) => "a boolean",
            Value::Number(_) if wanted == "a whole number" => "a number with a fraction",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "a map",
        };
        let help = match instance {
            Value::Null => Some("give a value, or remove the line".to_owned()),
            Value::Number(_) | Value::Bool(_) if wanted == "a text" => Some("put it in quotes".to_owned()),
            Value::String(_) if wanted.contains("number") || wanted.contains("boolean") => {
                Some("write it without quotes".to_owned())
            }
            _ => None,
        };
        let subject = if field.is_empty() { "this".to_owned() } else { format!("`{field}`") };
        ("SX0155", format!("{subject} must be {wanted}, but is {given}"), help)
    }

    fn wrong_form(&self, field: &str, pattern: &str, instance: &Value) -> (String, String) {
        let shown = self.shown_after_colon(instance);
        (format!("`{field}`{WRONG_FORM}{shown}"), advice::on_form(field, pattern))
    }

    fn shown_after_colon(&self, value: &Value) -> String {
        if self.hides_values { String::new() } else { format!(": {}", self.shown(value)) }
    }

    fn shown(&self, value: &Value) -> String {
        if self.hides_values {
            return "this value".to_owned();
        }
        let mut text = value.to_string();
        if text.chars().count() > 60 {
            text = text.chars().take(59).chain(['…']).collect();
        }
        text
    }

    /// The fields that the object schema around a keyword allows.
    fn sibling_fields(&self, schema_path: &str) -> Vec<String> {
        let parent = self.parent_of(schema_path);
        let properties = parent.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
        properties.into_iter().flat_map(|map| map.keys().cloned()).collect()
    }

    /// The one key of each branch of a `oneOf`.
    fn branch_keys(&self, schema_path: &str) -> Vec<String> {
        let parent = self.parent_of(schema_path);
        let branches = parent.and_then(|schema| schema.get("oneOf")).and_then(Value::as_array);
        branches
            .into_iter()
            .flatten()
            .map(|branch| {
                let keys = branch.get("properties").and_then(Value::as_object);
                keys.and_then(|map| map.keys().next().cloned()).unwrap_or_default()
            })
            .collect()
    }

    /// The schema that holds the keyword at the end of a path, through references.
    fn parent_of(&self, schema_path: &str) -> Option<&Value> {
        let mut current = self.schema;
        let steps: Vec<&str> = schema_path.split('/').skip(1).collect();
        for step in &steps[..steps.len().saturating_sub(1)] {
            if *step == "$ref" {
                let target = current.get("$ref")?.as_str()?;
                current = self.schema.pointer(target.strip_prefix('#')?)?;
                continue;
            }
            let step = step.replace("~1", "/").replace("~0", "~");
            current = match current {
                Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
                other => other.get(step.as_str())?,
            };
        }
        Some(current)
    }
}

/// The last named step of a pointer; list positions are skipped.
fn field_name(pointer: &str) -> &str {
    pointer
        .rsplit('/')
        .find(|step| !step.is_empty() && !step.bytes().all(|b| b.is_ascii_digit()))
        .unwrap_or("")
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn type_words(name: &str) -> &str {
    match name {
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "a boolean (true or false)",
        "object" => "a map",
        "array" => "a list",
        "null" => "empty",
        other => other,
    }
}

/// The allowed word that a wrong one most likely stands for; a few common mistakes are known by heart.
fn near_option<'a>(text: &str, options: &[&'a str]) -> Option<&'a str> {
    let known = match text {
        "GB" | "GBR" => Some("UK"),
        "USA" => Some("US"),
        "google" | "gmc" | "merchant" => Some("google-merchant"),
        "mail" | "smtp" => Some("email"),
        _ => None,
    };
    known
        .and_then(|word| options.iter().copied().find(|option| *option == word))
        .or_else(|| did_you_mean(text, options.iter().copied()))
}

fn unknown_field_help(key: &str, allowed: &[String]) -> String {
    if key == "<<" {
        return "merge keys are not part of YAML 1.2; put what tenants share into a TenantTemplate"
            .to_owned();
    }
    match did_you_mean(key, allowed.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if allowed.is_empty() => "remove it".to_owned(),
        None => format!("the fields here are {}", allowed.join(", ")),
    }
}

/// Whether a key that nobody knows can be shown beside secrets: letters only, as all fields are.
pub(super) fn is_plain_name(key: &str) -> bool {
    key.len() <= 30 && key.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn looks_like_a_secret_field(key: &str) -> bool {
    let key = key.to_lowercase();
    ["value", "secret", "token", "password", "key", "literal", "credential"]
        .iter()
        .any(|word| key.contains(word))
}
