//! What is to change about tenants: fields that are set and fields that are unset, and a tenant as it is with them.

use serde_json::{Map, Value, json};

use crate::cli::error::CliError;
use crate::cli::project;
use crate::kinds::tenant;
use crate::manifest::edit;
use crate::manifest::expand::Layers;
use crate::manifest::problem::Target;
use crate::manifest::write;
use crate::manifest::{rows, schema, validate};
use crate::model::diagnostic::did_you_mean;
use crate::model::kind::{NUL, nul_at};
use crate::model::{Digest, Entry, ResourceKey, SourceRef, SqlType, declared};
use crate::plan::Row;

/// What is wrong with a tenant as it would be.
pub struct Wrong {
    /// Rule code.
    pub code: &'static str,
    /// The field, in a manifest.
    pub target: Target,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// One change, at a JSON pointer of a manifest. `None` takes the field out.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pointer: String,
    value: Option<Value>,
}

/// Names that rows give to fields.
const OTHER_NAMES: [(&str, &str); 3] =
    [("name", "displayName"), ("email", "contact.email"), ("phone", "contact.phone")];

/// Fields that hold others, and can be unset as a whole.
const MAPS: [&str; 4] = ["contact", "businessId", "labels", "metadata"];

impl Change {
    /// `--set FIELD=VALUE`.
    ///
    /// # Errors
    /// There is no such field, or the value is none for it.
    pub fn set(text: &str) -> Result<Self, CliError> {
        let Some((word, value)) = text.split_once('=') else {
            return Err(CliError::usage(format!("`--set {text}` sets nothing"))
                .help("write FIELD=VALUE, such as --set industry=Retail or --set labels.tier=gold"));
        };
        let (pointer, sql) = field(word.trim(), "--set")?;
        if value.is_empty() {
            return Err(CliError::usage(format!("`--set {text}` gives no value"))
                .help(format!("to take the field away: --unset {word}")));
        }
        let wrong = |what: &str| CliError::usage(format!("`{word}` must be {what}, not `{value}`"));
        let value = match sql {
            SqlType::Integer => json!(value.parse::<i64>().map_err(|_| wrong("a whole number"))?),
            SqlType::Bool => json!(value.parse::<bool>().map_err(|_| wrong("true or false"))?),
            SqlType::Text | SqlType::Timestamp | SqlType::Json => json!(value),
        };
        Ok(Self { pointer, value: Some(value) })
    }

    /// `--unset FIELD`.
    ///
    /// # Errors
    /// There is no such field.
    pub fn unset(word: &str) -> Result<Self, CliError> {
        let word = word.trim();
        let pointer = match word {
            "labels" => "/metadata/labels".to_owned(),
            word if MAPS.contains(&word) => format!("/spec/{word}"),
            word => field(word, "--unset")?.0,
        };
        Ok(Self { pointer, value: None })
    }

    /// A field, by its name in the spec, with a value.
    pub fn of(field: &str, value: &str) -> Self {
        Self { pointer: format!("/spec/{field}"), value: Some(json!(value)) }
    }

    fn make(&self, manifest: &mut Value) {
        let steps: Vec<String> =
            self.pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        let Some((last, parents)) = steps.split_last() else { return };
        let mut place = manifest;
        for step in parents {
            let Value::Object(map) = place else { return };
            place = map.entry(step.as_str()).or_insert_with(|| json!({}));
            if !place.is_object() {
                *place = json!({});
            }
        }
        let Value::Object(map) = place else { return };
        match &self.value {
            Some(value) => {
                map.insert(last.clone(), value.clone());
            }
            None => {
                map.shift_remove(last);
            }
        }
    }
}

/// The changes of one tenant, as manifests are changed.
#[must_use]
pub fn in_manifests(key: &ResourceKey, changes: &[Change]) -> edit::Change {
    let mut all = edit::Change::of(key.clone());
    for Change { pointer, value } in changes {
        let pointer = pointer.strip_prefix("/metadata").unwrap_or(pointer).to_owned();
        match value {
            Some(value) => all.set.push((pointer, value.clone())),
            None => all.unset.push(pointer),
        }
    }
    all
}

/// Refuses two changes of one field.
///
/// # Errors
/// There are.
pub fn must_be_apart(changes: &[Change]) -> Result<(), CliError> {
    for (index, change) in changes.iter().enumerate() {
        let clash = |other: &&Change| {
            let below = |whole: &str, part: &str| {
                part.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            below(&other.pointer, &change.pointer) || below(&change.pointer, &other.pointer)
        };
        if changes[..index].iter().any(|other| clash(&other)) {
            let field = change
                .pointer
                .trim_start_matches("/spec/")
                .trim_start_matches("/metadata/")
                .replace('/', ".");
            return Err(
                CliError::usage(format!("`{field}` is changed twice")).help("say once what it is to be")
            );
        }
    }
    Ok(())
}

/// The pointer of a field of a tenant, and the type of its values.
fn field(word: &str, option: &str) -> Result<(String, SqlType), CliError> {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    for (prefix, place) in [("labels.", "/metadata/labels/"), ("metadata.", "/spec/metadata/")] {
        if let Some(key) = word.strip_prefix(prefix).filter(|key| !key.is_empty()) {
            return Ok((format!("{place}{}", escaped(key)), SqlType::Text));
        }
    }
    if word == "protect" {
        return Ok(("/spec/protect".to_owned(), SqlType::Bool));
    }
    let own = OTHER_NAMES.iter().find(|(other, _)| *other == word).map_or(word, |(_, own)| own);
    let columns = || tenant::KIND.columns().iter().filter(|column| column.sql != SqlType::Json);
    if let Some(column) = columns().find(|column| column.path == own) {
        return Ok((format!("/spec/{}", column.path.replace('.', "/")), column.sql));
    }
    let mut names: Vec<&str> =
        columns().map(|column| column.path).chain(["protect", "labels.KEY", "metadata.KEY"]).collect();
    let error = CliError::usage(format!("`{option} {word}`: a tenant has no such field"));
    if ["tenantId", "id", "workspace"].contains(&word) {
        return Err(error
            .why("which tenant it is cannot be changed here")
            .help("rename it in a manifest, with `moved` in the project file"));
    }
    Err(match did_you_mean(word, names.iter().copied()) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => {
            names.sort_unstable();
            error.help(format!("the fields are {}", names.join(", ")))
        }
    })
}

/// The changes that a row asks for: of what it says, and of nothing else.
#[must_use]
pub fn of_row(row: Map<String, Value>) -> Vec<Change> {
    let manifest = rows::manifest_of(row, &rows::SetContext::default());
    let mut changes = Vec::new();
    let mut gather = |pointer: &str, value: &Value| {
        changes.push(Change { pointer: pointer.to_owned(), value: Some(value.clone()) });
    };
    for place in ["/spec", "/metadata/labels"] {
        for (name, value) in manifest.pointer(place).and_then(Value::as_object).into_iter().flatten() {
            let pointer = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
            match value {
                Value::Object(map) => map.iter().for_each(|(key, value)| {
                    gather(&format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), value);
                }),
                value => gather(&pointer, value),
            }
        }
    }
    if let Some(wrong @ Value::String(_)) = manifest.pointer("/metadata/labels") {
        gather("/metadata/labels", wrong);
    }
    changes
}

/// Many tenants, each as it is with the same changes, in their order; on all cores.
#[must_use]
pub fn changed_all(
    rows: &[Row],
    changes: &[Change],
    layers: &Layers,
    source: SourceRef,
) -> Vec<Result<Entry, Vec<Wrong>>> {
    /// With fewer for each, threads cost more than they bring.
    const WORTH_A_THREAD: usize = 256;
    let change = |rows: &[Row]| -> Vec<_> {
        rows.iter().map(|row| changed(&row.key, &row.canonical, changes, layers, source)).collect()
    };
    let size = rows.len().div_ceil(project::threads()).max(WORTH_A_THREAD);
    if rows.len() <= size {
        return change(rows);
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            rows.chunks(size).map(|rows| (rows, scope.spawn(move || change(rows)))).collect();
        // A thread that broke off leaves its part to this one, which then says why.
        threads
            .into_iter()
            .flat_map(|(rows, thread)| thread.join().unwrap_or_else(|_| change(rows)))
            .collect()
    })
}

/// A tenant as it is with some changes.
///
/// # Errors
/// Everything that is wrong with it then.
pub fn changed(
    key: &ResourceKey,
    canonical: &Value,
    changes: &[Change],
    layers: &Layers,
    source: SourceRef,
) -> Result<Entry, Vec<Wrong>> {
    let kind = key.kind;
    let mut manifest = write::literally(key, canonical);
    changes.iter().for_each(|change| change.make(&mut manifest));
    let found = validate::findings(schema::validator(kind), schema::cached(kind), &manifest, false);
    if !found.is_empty() {
        let wrong = |mut finding: validate::Finding| {
            if source.row.is_some() {
                rows::in_words_of_a_row(&mut finding);
            }
            Wrong { code: finding.code, target: finding.target, message: finding.message, help: finding.help }
        };
        return Err(found.into_iter().map(wrong).collect());
    }
    let mut wrong = lacks(key, canonical, &manifest, layers);
    let labels = manifest.pointer("/metadata/labels").and_then(Value::as_object).cloned().unwrap_or_default();
    let spec = manifest.get_mut("spec").map(Value::take).unwrap_or_default();
    let admitted = match (kind.admit)(spec) {
        Ok(admitted) if wrong.is_empty() => admitted,
        Ok(_) => return Err(wrong),
        Err(problems) => {
            wrong.extend(problems.into_iter().map(|problem| Wrong {
                code: problem.code,
                target: Target::Value(format!("/spec{}", problem.pointer)),
                message: problem.message,
                help: problem.help,
            }));
            return Err(wrong);
        }
    };
    let canonical = declared::canonical(labels, &admitted.canonical);
    if let Some(pointer) = nul_at(&canonical) {
        let target = Target::Value(format!("/metadata{pointer}"));
        return Err(vec![Wrong { code: "SX0304", target, message: NUL.to_owned(), help: None }]);
    }
    Ok(Entry {
        key: key.clone(),
        digest: Digest::of(canonical.as_bytes()),
        canonical: canonical.into_boxed_str(),
        protect: admitted.protect,
        source,
    })
}

/// What the template asks for and the tenant no longer has; or that there is no such template. What was so before stays.
fn lacks(key: &ResourceKey, canonical: &Value, after: &Value, layers: &Layers) -> Vec<Wrong> {
    let expanded = |manifest: &Value| {
        let mut spec = manifest.get("spec").and_then(Value::as_object).cloned().unwrap_or_default();
        layers.expand(&key.workspace, &mut spec, &mut Map::new())
    };
    if after.pointer("/spec/template").is_none() {
        return Vec::new();
    }
    let before = write::literally(key, canonical);
    let template = after.pointer("/spec/template").and_then(Value::as_str).unwrap_or_default();
    match (expanded(&before), expanded(after)) {
        (Err(old), Err(new)) if old == new => Vec::new(),
        (_, Err(name)) => {
            let help = match layers.near_template(&key.workspace, &name) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`synthex templates list` shows them".to_owned(),
            };
            let message = format!("there is no template `{name}`");
            vec![Wrong {
                code: "SX0205",
                target: Target::Value("/spec/template".to_owned()),
                message,
                help: Some(help),
            }]
        }
        (old, Ok(missing)) => {
            let old = old.unwrap_or_default();
            let wrong = |field: String| Wrong {
                code: "SX0206",
                target: Target::Value(format!("/spec/{}", field.replacen('.', "/", 1))),
                message: format!("template `{template}` requires `{field}`, which is not given"),
                help: Some(format!("give it with --set {field}=VALUE")),
            };
            missing.into_iter().filter(|field| !old.contains(field)).map(wrong).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(result: Result<Change, CliError>, what: &str) {
        let error = result.expect_err("refused");
        let said = format!("{} {}", error.what, error.help.unwrap_or_default());
        assert!(said.contains(what), "{said}");
    }

    #[test]
    fn fields_are_known_by_their_names_in_manifests_and_in_rows() {
        for (text, pointer) in [
            ("industry=Retail", "/spec/industry"),
            ("name=A", "/spec/displayName"),
            ("contact.email=a@b.example", "/spec/contact/email"),
            ("email=a@b.example", "/spec/contact/email"),
            ("labels.app/x=1", "/metadata/labels/app~1x"),
            ("metadata.a.b=c=d", "/spec/metadata/a.b"),
        ] {
            assert_eq!(Change::set(text).expect("a change").pointer, pointer);
        }
        assert_eq!(Change::set("employeeCount=5").expect("a change").value, Some(json!(5)));
        refused(Change::set("industri=x"), "did you mean `industry`?");
        refused(Change::set("industry"), "FIELD=VALUE");
        refused(Change::set("industry="), "--unset industry");
        refused(Change::set("employeeCount=many"), "a whole number");
        refused(Change::set("tenantId=x"), "no such field");
        refused(Change::unset("zzz"), "the fields are");
        let twice =
            [Change::set("labels.a=1").expect("a change"), Change::unset("labels").expect("a change")];
        assert!(must_be_apart(&twice).is_err() && must_be_apart(&twice[..1]).is_ok());
    }
}
