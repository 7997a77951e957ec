//! Variables: `${NAME}` in the texts of a manifest's spec and labels, and in rows.
//!
//! They are put in after a document is parsed, so a value is never read as YAML, and values come from the project file
//! alone: not from the environment of the process, so a manifest cannot read what is in it. `$${` stands for `${`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::kinds::project::{VariableValue, Variables as Declared, is_variable_name};
use crate::model::diagnostic::did_you_mean;
use crate::model::{KindRef, SourceRef};

use super::problem::{Problem, Target};
use super::rows;

/// The most text that the variables of one document or row may add up to.
const MOST: usize = 4 << 20;

/// Where variables are put in.
const FILLED: [&str; 2] = ["/spec", "/metadata/labels"];

/// The variables of an environment.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    values: BTreeMap<String, Value>,
    /// Whether texts are taken as they stand, also where they hold `${`.
    is_off: bool,
}

/// Whether a text holds a variable, and not merely an escaped one.
#[must_use]
pub fn is_in(text: &str) -> bool {
    text.match_indices("${").any(|(at, _)| !text[..at].ends_with('$'))
}

/// Whether a text may hold a variable. A backslash may be an escaped dollar sign.
#[must_use]
pub fn may_be_in(text: &str) -> bool {
    text.as_bytes().contains(&b'$') || text.as_bytes().contains(&b'\\')
}

impl Variables {
    /// What the project and its environment declare.
    #[must_use]
    pub fn new(declared: &Declared) -> Self {
        let value = |value: &VariableValue| match value {
            VariableValue::Flag(flag) => Value::from(*flag),
            VariableValue::Whole(number) => Value::from(*number),
            VariableValue::Text(text) => Value::from(text.as_str()),
        };
        let values = declared.iter().map(|(name, given)| (name.clone(), value(given))).collect();
        Self { values, is_off: false }
    }

    /// None: every text is taken as it stands.
    #[must_use]
    pub fn off() -> Self {
        Self { is_off: true, ..Self::default() }
    }

    /// Puts values into the spec and labels of a manifest. Says whether all of them are there.
    pub fn put_into(
        &self,
        kind: KindRef,
        manifest: &mut Value,
        source: SourceRef,
        problems: &mut Vec<Problem>,
    ) -> bool {
        let mut filling = Filling { variables: self, source, problems, room: MOST, complete: true };
        for pointer in FILLED {
            filling.at(manifest, pointer, kind.name == "TenantSet" && pointer == "/spec");
        }
        let complete = filling.complete;
        as_text(manifest, "/metadata/labels/*");
        for pointer in kind.texts {
            as_text(manifest, pointer);
        }
        complete
    }

    /// Puts values into a row, except for its id. Says whether all of them are there.
    pub fn put_into_row(
        &self,
        row: &mut Map<String, Value>,
        source: SourceRef,
        problems: &mut Vec<Problem>,
    ) -> bool {
        let mut filling = Filling { variables: self, source, problems, room: MOST, complete: true };
        filling.row(row, "/spec");
        filling.complete
    }
}

struct Filling<'a> {
    variables: &'a Variables,
    source: SourceRef,
    problems: &'a mut Vec<Problem>,
    /// Bytes that may still be put in.
    room: usize,
    complete: bool,
}

impl Filling<'_> {
    fn at(&mut self, manifest: &mut Value, pointer: &str, has_rows: bool) {
        let Some(value) = manifest.pointer_mut(pointer) else { return };
        if has_rows && let Some(Value::Array(items)) = value.pointer_mut("/from/rows") {
            let mut items = std::mem::take(items);
            for (index, row) in items.iter_mut().enumerate() {
                if let Value::Object(row) = row {
                    self.row(row, &format!("/spec/from/rows/{index}"));
                }
            }
            self.fill(value, &mut pointer.to_owned());
            if let Some(place) = value.pointer_mut("/from/rows") {
                *place = Value::Array(items);
            }
            return;
        }
        self.fill(value, &mut pointer.to_owned());
    }

    fn row(&mut self, row: &mut Map<String, Value>, pointer: &str) {
        for (field, value) in row.iter_mut().filter(|(field, _)| *field != "tenantId") {
            self.fill(value, &mut format!("{pointer}/{}", escape(field)));
        }
        rows::numbers_as_texts(row);
    }

    fn fill(&mut self, value: &mut Value, pointer: &mut String) {
        let length = pointer.len();
        match value {
            Value::String(text) if !self.variables.is_off && text.contains("${") => match self.filled(text) {
                Ok(filled) => *value = filled,
                Err((code, message, help)) => {
                    self.complete = false;
                    let target = Target::Value(pointer.clone());
                    self.problems.push(Problem::error(code, self.source, target, message).help(help));
                }
            },
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    pointer.push('/');
                    pointer.push_str(&index.to_string());
                    self.fill(item, pointer);
                    pointer.truncate(length);
                }
            }
            Value::Object(map) => {
                for (key, child) in map.iter_mut() {
                    pointer.push('/');
                    pointer.push_str(&escape(key));
                    self.fill(child, pointer);
                    pointer.truncate(length);
                }
            }
            _ => {}
        }
    }

    /// The text with values in it; the value itself where the text is nothing but one variable.
    fn filled(&mut self, text: &str) -> Result<Value, (&'static str, String, String)> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                out.push_str(&rest[..at - 1]);
                out.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            out.push_str(&rest[..at]);
            let inner = &rest[at + 2..];
            let name = inner.split_once('}').map(|(name, _)| name).filter(|name| is_variable_name(name));
            let Some(name) = name else {
                let message = "`${` does not begin a variable".to_owned();
                return Err((
                    "SX0212",
                    message,
                    "write `${NAME}`, or `$${` for the characters themselves".to_owned(),
                ));
            };
            let value = self.variables.values.get(name).ok_or_else(|| self.variables.unknown(name))?;
            if at == 0 && out.is_empty() && name.len() + 3 == text.len() {
                return Ok(value.clone());
            }
            match value {
                Value::String(text) => out.push_str(text),
                other => out.push_str(&other.to_string()),
            }
            rest = &inner[name.len() + 1..];
            if out.len() > self.room {
                let message = "the variables of this document add up to more than 4 MiB".to_owned();
                return Err(("SX0212", message, "use fewer of them, or shorter values".to_owned()));
            }
        }
        out.push_str(rest);
        self.room = self.room.saturating_sub(out.len());
        Ok(Value::String(out))
    }
}

impl Variables {
    fn unknown(&self, name: &str) -> (&'static str, String, String) {
        let help = match did_you_mean(name, self.values.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                "set it under `variables` in the project file, for all environments or for this one; for the \
                     characters themselves write `$${`"
                    .to_owned()
            }
        };
        ("SX0211", format!("the variable `{name}` is not set"), help)
    }
}

/// Writes the number or boolean at a pointer as text; `/*` at its end means every child of a map.
fn as_text(manifest: &mut Value, pointer: &str) {
    let write = |value: &mut Value| {
        if value.is_number() || value.is_boolean() {
            *value = Value::String(value.to_string());
        }
    };
    match pointer.strip_suffix("/*") {
        Some(map) => {
            if let Some(Value::Object(map)) = manifest.pointer_mut(map) {
                map.values_mut().for_each(write);
            }
        }
        None => {
            if let Some(value) = manifest.pointer_mut(pointer) {
                write(value);
            }
        }
    }
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The other way round: writes the texts of a manifest, where variables are put in, so that they are read as they are.
/// Keys are left alone, since nothing is put into them.
pub fn escape_texts(manifest: &mut Value) {
    for pointer in FILLED {
        if let Some(value) = manifest.pointer_mut(pointer) {
            escape_below(value);
        }
    }
}

/// [`escape_texts`] of a single value.
pub(super) fn escape_below(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("${") => *text = text.replace("${", "$${"),
        Value::Array(items) => items.iter_mut().for_each(escape_below),
        Value::Object(map) => map.values_mut().for_each(escape_below),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FileId;
    use serde_json::json;

    const SOURCE: SourceRef = SourceRef { file: FileId(0), start: 0, end: 0, row: None };

    #[track_caller]
    fn check(text: &str, expected: Result<Value, &str>) {
        let variables: Declared =
            serde_json::from_value(json!({"A": "a", "N": 7, "YES": true, "SIGN": "${A}"})).unwrap();
        let mut manifest = json!({"spec": {"field": text}});
        let mut problems = Vec::new();
        let kind = crate::kinds::find("Tenant").unwrap();
        Variables::new(&variables).put_into(kind, &mut manifest, SOURCE, &mut problems);
        match (problems.first(), expected) {
            (Some(problem), Err(part)) => {
                let words = format!("{} {}", problem.message, problem.help.as_deref().unwrap_or_default());
                assert!(words.contains(part), "{words}");
                assert_eq!(problem.target, Target::Value("/spec/field".into()));
            }
            (None, Ok(value)) => assert_eq!(manifest["spec"]["field"], value, "{text}"),
            (problem, expected) => panic!("{text}: {problem:?}, not {expected:?}"),
        }
    }

    #[test]
    fn a_variable_stands_for_its_value_and_two_dollars_for_one() {
        check("x${A}y${N}z", Ok(json!("xay7z")));
        check("${A}", Ok(json!("a")));
        check("${N}", Ok(json!(7)));
        check("${YES}", Ok(json!(true)));
        check("is ${YES}", Ok(json!("is true")));
        check("$${A}", Ok(json!("${A}")));
        check("$$${A}", Ok(json!("$${A}")));
        check("$A $ {A} 5$", Ok(json!("$A $ {A} 5$")));
        check("$${ and ${A}", Ok(json!("${ and a")));
    }

    #[test]
    fn an_escaped_text_is_read_as_it_was() {
        for text in
            ["${A}", "$${A}", "$$${A}", "${", "$${", "${${A}}", "$", "$$", "a$ ${N}$", "}${", "${A}${A}"]
        {
            let kind = crate::kinds::find("Tenant").unwrap();
            let was = json!({"metadata": {"labels": {"l": text}}, "spec": {"metadata": {text: [text, {text: text}]}}});
            let mut manifest = was.clone();
            escape_texts(&mut manifest);
            assert!(Variables::default().put_into(kind, &mut manifest, SOURCE, &mut Vec::new()), "{text}");
            assert_eq!(manifest, was, "{text}");
        }
    }

    #[test]
    fn a_value_is_not_looked_into() {
        check("<${SIGN}>", Ok(json!("<${A}>")));
    }

    #[test]
    fn what_is_not_set_or_not_finished_is_named() {
        check("${SING}", Err("`SING` is not set did you mean `SIGN`?"));
        check("${HOME}", Err("set it under `variables`"));
        check("${A", Err("does not begin a variable"));
        check("${}", Err("does not begin a variable"));
        check("${A-b}", Err("does not begin a variable"));
        check("${A:-default}", Err("does not begin a variable"));
    }

    #[test]
    fn a_number_in_a_text_field_is_a_text() {
        let variables: Declared = serde_json::from_value(json!({"N": 7})).unwrap();
        let mut manifest = json!({"metadata": {"labels": {"n": "${N}"}}, "spec": {"gmcMerchantId": "${N}", "employeeCount": "${N}"}});
        let kind = crate::kinds::find("Tenant").unwrap();
        assert!(Variables::new(&variables).put_into(kind, &mut manifest, SOURCE, &mut Vec::new()));
        assert_eq!(manifest["metadata"]["labels"]["n"], "7");
        assert_eq!(manifest["spec"], json!({"gmcMerchantId": "7", "employeeCount": 7}));
    }

    #[test]
    fn what_variables_add_up_to_has_a_bound() {
        let declared = Declared::from([("A".to_owned(), VariableValue::Text("a".repeat(4096)))]);
        let mut manifest = json!({"spec": {"field": "${A}".repeat(2000)}});
        let kind = crate::kinds::find("Tenant").unwrap();
        let mut problems = Vec::new();
        assert!(!Variables::new(&declared).put_into(kind, &mut manifest, SOURCE, &mut problems));
        assert!(problems[0].message.contains("4 MiB"), "{problems:?}");
    }
}
