//! Rows of a `TenantSet` become tenants.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::model::{FileId, RowRef, SourceFile, SourceRef};

use super::admit::yaml_problem;
use super::csv::Cells;
use super::problem::{Problem, Target};
use super::schema;
use super::validate;
use super::variables::{self, Variables};
use super::yaml::{self, Document, Limits};

/// A row on its way to becoming a tenant.
#[derive(Clone, Debug)]
pub struct RowItem {
    /// What it says.
    pub fields: Fields,
    /// What its set says about it.
    pub set: Arc<SetContext>,
    /// Where the row is.
    pub source: SourceRef,
}

/// What a row says.
#[derive(Clone, Debug)]
pub enum Fields {
    /// As JSON.
    Read(Map<String, Value>),
    /// As the cells of a table.
    Cells(Cells),
}

impl RowItem {
    /// The row as a tenant's manifest, and whether its template is the set's.
    #[must_use]
    pub fn manifest(self) -> (Value, bool) {
        let row = match self.fields {
            Fields::Read(row) => row,
            Fields::Cells(cells) => cells.row(),
        };
        let shares_template = !row.contains_key("template");
        (manifest_of(row, &self.set), shares_template)
    }
}

/// A row as it was read, and where.
pub type RawRow = (RowRef, Map<String, Value>);

/// What a set says about all of its rows.
#[derive(Clone, Debug, Default)]
pub struct SetContext {
    /// The set's workspace, where it names one.
    pub workspace: Option<String>,
    /// The set's template.
    pub template: Option<String>,
    /// The set's labels; a row's own win.
    pub labels: Map<String, Value>,
}

/// The manifest that a row stands for.
#[must_use]
pub fn manifest_of(mut row: Map<String, Value>, set: &SetContext) -> Value {
    let mut metadata = Map::new();
    if let Some(name) = row.remove("tenantId") {
        metadata.insert("name".into(), name);
    }
    if let Some(workspace) = &set.workspace {
        metadata.insert("workspace".into(), json!(workspace));
    }
    let labels = match row.remove("labels") {
        Some(Value::Object(own)) => {
            let mut labels = set.labels.clone();
            labels.extend(own);
            Value::Object(labels)
        }
        Some(wrong) => wrong,
        None => Value::Object(set.labels.clone()),
    };
    metadata.insert("labels".into(), labels);
    if let Some(name) = row.remove("name") {
        row.insert("displayName".into(), name);
    }
    let mut contact = Map::new();
    for field in ["email", "phone"] {
        if let Some(value) = row.remove(field) {
            contact.insert(field.into(), value);
        }
    }
    if !contact.is_empty() {
        row.insert("contact".into(), Value::Object(contact));
    }
    if let Some(template) = set.template.as_ref().filter(|_| !row.contains_key("template")) {
        row.insert("template".into(), json!(template));
    }
    schema::envelope("Tenant", metadata, Value::Object(row))
}

/// The pointer within a row of what a tenant's manifest has at a pointer; `None` when no row can say it.
#[must_use]
pub fn pointer_in_row(pointer: &str) -> Option<String> {
    Some(match pointer {
        "" | "/spec" | "/metadata" => String::new(),
        "/metadata/name" => "/tenantId".to_owned(),
        "/spec/displayName" => "/name".to_owned(),
        "/spec/contact/email" => "/email".to_owned(),
        "/spec/contact/phone" => "/phone".to_owned(),
        _ => match pointer.strip_prefix("/metadata/labels") {
            Some(rest) => format!("/labels{rest}"),
            None => pointer.strip_prefix("/spec")?.to_owned(),
        },
    })
}

/// A row has no `metadata` and no `spec`: says what is wrong with it in the words of its file.
pub fn in_words_of_a_row(finding: &mut validate::Finding) {
    let Target::Value(pointer) = &finding.target else { return };
    let empty = |cell: &str| (format!("the cell `{cell}` is empty"), Some("every row needs one".to_owned()));
    match (finding.code, pointer.as_str()) {
        ("SX0154", "/metadata") => {
            (finding.message, finding.help) = empty("tenantId");
            finding.target = Target::Value("/metadata/name".to_owned());
        }
        ("SX0154", "/spec") => {
            (finding.message, finding.help) = empty("name");
            finding.target = Target::Value("/spec/displayName".to_owned());
        }
        ("SX0155", "/metadata/labels") => {
            finding.message = "`labels` has the wrong form".to_owned();
            finding.help = Some("write key=value;key=value".to_owned());
        }
        // In a cell nothing is in quotes.
        ("SX0155", _) => finding.help = None,
        _ => {}
    }
}

/// The fields of a row that are read as their source text.
const TEXTS: [&str; 6] =
    ["/tenantId", "/name", "/gmcMerchantId", "/phone", "/industry", "/businessId/number"];

/// Reads texts of rows as written, for the list of rows at `prefix`.
pub fn stringify(document: &mut Document, prefix: &str, source: &str) {
    let count = document.value.pointer(prefix).and_then(Value::as_array).map_or(0, Vec::len);
    for index in 0..count {
        let Some(row) = document.value.pointer(&format!("{prefix}/{index}")) else {
            continue;
        };
        let numeric: Vec<&str> = TEXTS
            .into_iter()
            .filter(|text| row.pointer(text).is_some_and(|value| value.is_number() || value.is_boolean()))
            .collect();
        let labelled = row.get("labels").is_some_and(Value::is_object);
        for text in numeric {
            document.stringify_scalar(&format!("{prefix}/{index}{text}"), source);
        }
        if labelled {
            document.stringify_scalars(&format!("{prefix}/{index}/labels"), source);
        }
    }
}

/// Writes numbers and booleans of a row as text where the tenant has a text.
pub fn numbers_as_texts(row: &mut Map<String, Value>) {
    let write = |value: &mut Value| {
        if value.is_number() || value.is_boolean() {
            *value = Value::String(value.to_string());
        }
    };
    for text in TEXTS {
        let (outer, inner) = match text.trim_start_matches('/').split_once('/') {
            Some((outer, inner)) => (outer, Some(inner)),
            None => (text.trim_start_matches('/'), None),
        };
        match (row.get_mut(outer), inner) {
            (Some(value), None) => write(value),
            (Some(Value::Object(map)), Some(inner)) => map.get_mut(inner).into_iter().for_each(write),
            _ => {}
        }
    }
    if let Some(Value::Object(labels)) = row.get_mut("labels") {
        labels.values_mut().for_each(write);
    }
}

/// The rows of a JSON file, and the problems of those that are not among them because the row schema refuses them.
/// `source` is the `TenantSet` that names the file.
///
/// # Errors
/// Problems of the file's syntax and shape: then no row is known.
pub fn read_json(
    file: &SourceFile,
    id: FileId,
    source: SourceRef,
    variables: &Variables,
) -> Result<(Vec<RawRow>, Vec<Problem>), Vec<Problem>> {
    let whole = SourceRef { row: Some(RowRef { file: id, index: 0, start: 0 }), ..source };
    let failed = |code, target, message: String, help: Option<String>| {
        let problem = Problem::error(code, whole, target, message);
        vec![match help {
            Some(help) => problem.help(help),
            None => problem,
        }]
    };
    let text = yaml::decode(file.bytes()).map_err(|error| {
        failed("SX0101", Target::Span(error.span.start, error.span.end), error.message, error.help)
    })?;
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        let help =
            "an empty file never means \"no tenants\": remove the TenantSet, or write `from: {rows: []}`";
        return Err(failed(
            "SX0403",
            Target::Span(0, 0),
            "the file is empty".to_owned(),
            Some(help.to_owned()),
        ));
    }
    let mut document = yaml::parse_json(text, &Limits::default()).map_err(|errors| {
        errors.into_iter().map(|error| yaml_problem(error, whole, true)).collect::<Vec<_>>()
    })?;
    if !document.value.is_array() {
        let message = "a file of rows holds a list: [{\"tenantId\": ...}, ...]".to_owned();
        return Err(failed("SX0406", Target::Span(0, 0), message, None));
    }
    stringify(&mut document, "", text);
    let mut rows = Vec::new();
    let mut problems = Vec::new();
    let Value::Array(items) = document.value else {
        return Ok((rows, problems));
    };
    let has_variables = variables::may_be_in(text);
    for (index, mut item) in items.into_iter().enumerate() {
        let row = RowRef { file: id, index: u32::try_from(index).unwrap_or(u32::MAX), start: 0 };
        let at = SourceRef { row: Some(row), ..source };
        if let Value::Object(map) = &mut item
            && has_variables
            && !variables.put_into_row(map, at, &mut problems)
        {
            continue;
        }
        let before = problems.len();
        for finding in validate::findings(schema::row_validator(), schema::row_schema(), &item, false) {
            let outward = |pointer: String| format!("/spec{pointer}");
            let target = match finding.target {
                Target::Value(pointer) => Target::Value(outward(pointer)),
                Target::Key(pointer) => Target::Key(outward(pointer)),
                span @ Target::Span(..) => span,
            };
            let problem = Problem::error(finding.code, at, target, finding.message);
            problems.push(with_optional_help(problem, finding.help));
        }
        if problems.len() > before {
            continue;
        }
        if let Value::Object(map) = item {
            rows.push((row, map));
        }
    }
    if rows.is_empty() && problems.is_empty() {
        let help = "if no tenants are meant, write `from: {rows: []}` in the manifest";
        return Err(failed(
            "SX0403",
            Target::Span(0, 0),
            "the list of rows is empty".to_owned(),
            Some(help.to_owned()),
        ));
    }
    Ok((rows, problems))
}

/// A problem, with what to do where that is known.
pub(super) fn with_optional_help(problem: Problem, help: Option<String>) -> Problem {
    match help {
        Some(help) => problem.help(help),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_becomes_a_manifest_and_its_pointers_lead_back() {
        let set = SetContext {
            workspace: Some("w".into()),
            template: Some("t".into()),
            labels: Map::from_iter([("a".to_owned(), json!("set"))]),
        };
        let row = json!({"tenantId": "X", "name": "Ex", "email": "a@b.c", "labels": {"b": "row"}});
        let Value::Object(row) = row else { return };
        let manifest = manifest_of(row, &set);
        assert_eq!(
            manifest["metadata"],
            json!({"name": "X", "workspace": "w", "labels": {"a": "set", "b": "row"}})
        );
        assert_eq!(
            manifest["spec"],
            json!({"displayName": "Ex", "contact": {"email": "a@b.c"}, "template": "t"})
        );
        for (pointer, row) in
            [("/metadata/name", "/tenantId"), ("/spec/contact/email", "/email"), ("/spec/region", "/region")]
        {
            assert_eq!(pointer_in_row(pointer).as_deref(), Some(row));
        }
    }
}
