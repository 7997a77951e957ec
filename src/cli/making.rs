//! From options to what is to be: every check that a manifest goes through, with the option in place of the line.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::kinds::{tenant_template, workspace};
use crate::manifest::admit::{self, Output};
use crate::manifest::expand::{Layers, TemplateLayer, WorkspaceLayer};
use crate::manifest::problem::{Problem, Target};
use crate::manifest::schema::API_VERSION;
use crate::manifest::variables::Variables;
use crate::model::diagnostic::did_you_mean;
use crate::model::{Diagnostic, Entry, FileId, KindRef, ResourceKey, Scope, SourceRef};

use super::claimed::claimed;
use super::desk::{self, Desk, OwnArgs};
use super::error::CliError;
use super::preferences;

/// What a command was given stands in no file.
const NOWHERE: SourceRef = SourceRef { file: FileId(0), start: 0, end: 0, row: None };

/// A resource that a command describes.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Kind, workspace, name.
    pub key: ResourceKey,
    /// Its labels.
    pub labels: Map<String, Value>,
    /// Its spec.
    pub spec: Map<String, Value>,
}

impl Draft {
    /// An empty one.
    #[must_use]
    pub fn new(key: ResourceKey) -> Self {
        Self { key, labels: Map::new(), spec: Map::new() }
    }

    /// What a row says.
    #[must_use]
    pub fn of_row(key: ResourceKey, canonical: &Value) -> Self {
        let map = |name: &str| canonical.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        Self { key, labels: map("labels"), spec: map("spec") }
    }

    fn manifest(&self) -> Value {
        let mut metadata = json!({"name": &*self.key.name});
        if self.key.kind.scope == Scope::Workspace {
            metadata["workspace"] = json!(&*self.key.workspace);
        }
        if !self.labels.is_empty() {
            metadata["labels"] = Value::Object(self.labels.clone());
        }
        json!({"apiVersion": API_VERSION, "kind": self.key.kind.name, "metadata": metadata, "spec": self.spec})
    }

    /// Lays templates and workspace defaults under it, and checks it. `option` says which option gives a field.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn finish(self, layers: Layers, option: impl Fn(&str) -> Option<String>) -> Result<Entry, CliError> {
        let (mut missing, mut unsaid) = (Vec::new(), Vec::new());
        if self.key.kind.name == "Tenant" {
            let (mut spec, mut labels) = (self.spec.clone(), self.labels.clone());
            // An unknown template is among the other problems, and might have given the rest.
            if let Ok(required) = layers.expand(&self.key.workspace, &mut spec, &mut labels) {
                missing = required;
                unsaid.extend(
                    ["type", "market", "region"].into_iter().filter(|field| !spec.contains_key(*field)),
                );
            }
        }
        let context = admit::Context { layers, variables: Variables::off(), ..admit::Context::default() };
        let mut out = Output::default();
        context.admit(self.key.kind, self.manifest(), NOWHERE, &mut out);
        // These are told in any case, also where something else is wrong.
        out.problems.retain(|problem| !matches!(problem.code, "SX0206" | "SX0305"));
        let template = self.spec.get("template").and_then(Value::as_str).unwrap_or_default();
        let mut diagnostics: Vec<Diagnostic> =
            out.problems.into_iter().map(|problem| diagnostic(problem, &option)).collect();
        diagnostics.extend(missing.iter().map(|field| {
            let message = format!("template `{template}` requires `{field}`, which is not given");
            let problem = Diagnostic::error("SX0206", message).about(self.key.to_string());
            problem.help(add(field, &option))
        }));
        diagnostics.extend(unsaid.iter().map(|field| {
            let message = format!("no `{field}`: neither options nor template nor workspace give one");
            let problem = Diagnostic::error("SX0305", message).about(self.key.to_string());
            problem.help(add(field, &option))
        }));
        match out.entries.pop() {
            Some(entry) if diagnostics.is_empty() => Ok(entry),
            _ => Err(desk::invalid(diagnostics)),
        }
    }
}

fn add(field: &str, option: &impl Fn(&str) -> Option<String>) -> String {
    option(field).map_or_else(|| format!("give `{field}`"), |option| format!("add {option}"))
}

/// Says a problem of a manifest in terms of options.
fn diagnostic(problem: Problem, option: &impl Fn(&str) -> Option<String>) -> Diagnostic {
    let (Target::Value(pointer) | Target::Key(pointer)) = &problem.target else {
        return Diagnostic::error(problem.code, problem.message);
    };
    let mut diagnostic = Diagnostic::error(problem.code, problem.message.clone());
    diagnostic.resource = problem.resource;
    diagnostic.help = problem.help;
    if problem.code == "SX0154" {
        // The message names the field that nothing gives.
        let named = problem.message.split('`').nth(1).unwrap_or_default();
        diagnostic.message = format!("`{named}` is not given");
        diagnostic.help = Some(add(named, option));
        return diagnostic;
    }
    let field = match pointer.strip_prefix("/metadata/") {
        Some("name") => "metadata.name".to_owned(),
        Some(rest) => rest.replace('/', "."),
        None => pointer.strip_prefix("/spec/").unwrap_or_default().replace('/', "."),
    };
    let field = field.replace("~1", "/").replace("~0", "~");
    if let Some(option) = option(&field) {
        let name = option.split(' ').next().unwrap_or_default();
        diagnostic.message = format!("{name}: {}", problem.message);
    }
    diagnostic
}

/// Which templates and workspace defaults are laid under a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Under {
    /// All of them: it is made.
    Everything,
    /// What its template gives: it is changed, and gets another template.
    Template,
    /// Nothing: it is changed, and has what it was given when it was made.
    Nothing,
}

/// The layers of a workspace, as the database has them.
///
/// # Errors
/// There is no such workspace, or whatever the database reports.
pub async fn layers(
    desk: &mut Desk<'_>,
    workspace: &str,
    template: Option<&str>,
    under: Under,
) -> Result<Layers, CliError> {
    let usual = desk.found.as_ref().and_then(|found| found.project.spec.workspace.clone());
    let mut layers = Layers::new(usual.clone());
    let of_templates = |key: &ResourceKey| (key.workspace.to_string(), key.name.to_string());
    // The names are for suggestions.
    let known: Vec<_> = desk.living(&tenant_template::KIND).map(|head| of_templates(&head.key)).collect();
    layers.templates.extend(known.into_iter().map(|name| (name, TemplateLayer::default())));
    let mut keys = vec![workspace_key(workspace)];
    for place in [Some(workspace), usual.as_deref()].into_iter().flatten() {
        keys.extend(template.map(|name| ResourceKey::new(&tenant_template::KIND, place.into(), name)));
    }
    keys.sort_unstable();
    keys.dedup();
    for row in desk.rows(&keys).await?.into_iter().filter(|row| !row.deleted) {
        let spec = row.canonical.get("spec").cloned().unwrap_or_default();
        if row.key.kind.rank == workspace::KIND.rank {
            let layer = match under {
                Under::Everything => WorkspaceLayer::new(&spec),
                Under::Template | Under::Nothing => WorkspaceLayer::default(),
            };
            layers.workspaces.insert(row.key.name.to_string(), layer);
        } else {
            layers.templates.insert(of_templates(&row.key), TemplateLayer::new(&spec));
        }
    }
    if !layers.workspaces.contains_key(workspace) {
        return Err(no_workspace(desk, workspace));
    }
    Ok(layers)
}

/// The key of a workspace.
#[must_use]
pub fn workspace_key(name: &str) -> ResourceKey {
    ResourceKey::new(&workspace::KIND, name.into(), name)
}

fn no_workspace(desk: &Desk<'_>, name: &str) -> CliError {
    let names: Vec<&str> = desk.living(&workspace::KIND).map(|head| &*head.key.name).collect();
    let error = CliError::usage(format!("there is no workspace `{name}` in the database"));
    match did_you_mean(name, names.iter().copied()) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help(format!(
            "make it: synthex tenant workspace create --workspace-id {name} --market MARKET --region REGION; or, where a manifest declares it: synthex apply"
        )),
    }
}

/// The workspace of what is made, which must be there.
///
/// # Errors
/// None is known, or it is not there.
pub fn workspace_of(desk: &Desk<'_>, context: &super::context::Context) -> Result<String, CliError> {
    let name = desk.workspace()?;
    let is_there = desk.head(&workspace_key(&name)).is_some_and(|head| !head.deleted);
    if is_there {
        return Ok(name);
    }
    let mut error = no_workspace(desk, &name);
    if let Some(choice) = preferences::workspace(context)? {
        error = error.why(format!("it is named by {}", choice.by));
    } else {
        error = error.why("it is the project's default workspace");
    }
    Err(error)
}

/// Refuses to make what is there already.
///
/// # Errors
/// It is there, or was deleted and can come back.
pub fn must_be_new(desk: &Desk<'_>, key: &ResourceKey, update: &str) -> Result<(), CliError> {
    let Some(head) = desk.head(key) else { return Ok(()) };
    let kind = word(key.kind);
    Err(if head.deleted {
        CliError::usage(format!("{kind} `{}` was there, and was deleted", key.name))
            .why("a deleted one keeps its name until it is removed for good; nothing was changed")
            .help(format!("bring it back: synthex restore {key}"))
    } else {
        CliError::usage(format!("{kind} `{}` is there already", key.name))
            .why(format!("it is {key}; nothing was changed"))
            .help(format!("change it: {update}"))
    })
}

/// What is to be said instead of an error, where a manifest or a project has a say in what was to be made: who that is.
/// Whatever else is wrong with it could be corrected, and would then be refused.
#[must_use]
pub fn or_claimed(desk: &Desk<'_>, key: &ResourceKey, own: &OwnArgs, error: CliError) -> CliError {
    if own.force || own.write {
        return error;
    }
    let is_deleted = desk.head(key).is_some_and(|head| head.deleted);
    let mut claims = desk.claims(&HashSet::from([key.clone()])).unwrap_or_default();
    // Nobody's manifest has what was deleted, unless one declares it again.
    claims.retain(|claim| !is_deleted || claim.contains(" is declared"));
    if claims.is_empty() {
        return error;
    }
    claimed(claims).help("change the manifest that declares it, and run `synthex apply`")
}

/// Refuses `--write` for what is made: there is no manifest to be changed.
///
/// # Errors
/// It is given.
pub fn no_write(own: &OwnArgs) -> Result<(), CliError> {
    if !own.write {
        return Ok(());
    }
    Err(CliError::usage("--write changes what a manifest declares, and this is new")
        .why("nothing was changed")
        .help("leave it out; `synthex adopt --write DIR` makes manifests of what commands made"))
}

/// A kind as people say it.
#[must_use]
pub fn word(kind: KindRef) -> String {
    kind.slug.replace('-', " ")
}
