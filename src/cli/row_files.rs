//! Files of rows that a command is given: read as a tenant set is read, on top of the workspaces and templates of the
//! database instead of those of manifests.

use std::path::Path;

use serde_json::{Value, json};

use crate::files::{self, GivenRows, STANDARD_INPUT};
use crate::kinds::project::ProjectSpec;
use crate::kinds::{tenant_template, workspace};
use crate::manifest::expand::{Layers, TemplateLayer, WorkspaceLayer};
use crate::manifest::schema::API_VERSION;
use crate::manifest::{self, Loaded, Project, write};
use crate::model::diagnostic::did_you_mean;
use crate::model::{Diagnostic, ResourceKey, SourceFile};
use crate::plan::planner::COMMAND_OWNER;

use super::desk::{Desk, invalid};
use super::error::CliError;
use super::project::{self, Found};

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RowFormat {
    /// A header and a line for each tenant
    Csv,
    /// A list with an object for each tenant
    Json,
}

impl RowFormat {
    /// The ending of its files, which is also its name in a tenant set.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

/// Reads the file. The option that names it says how it is written, whatever its ending.
///
/// # Errors
/// It is not there, or too large.
pub fn read(path: &Path, format: RowFormat, found: Option<&Found>) -> Result<SourceFile, CliError> {
    let limit = found
        .map_or_else(|| ProjectSpec::default().max_file_size(), |found| found.project.spec.max_file_size());
    files::read_rows(path, format.ending(), limit).map_err(|problem| invalid(vec![problem]))
}

/// Refuses a file that a tenant set could not name.
///
/// # Errors
/// It has another ending.
pub fn must_have_ending(path: &Path, format: RowFormat) -> Result<(), CliError> {
    let ending = format.ending();
    let has = path.extension().is_some_and(|have| have.eq_ignore_ascii_case(ending));
    if has || path.as_os_str() == STANDARD_INPUT || files::is_folder(path) {
        return Ok(());
    }
    Err(CliError::usage(format!("{} does not end in .{ending}", path.display()))
        .why("a file of rows is known by its ending")
        .help(format!("rename it, or lead it to standard input: - < {}", path.display())))
}

/// Problems of rows that a command is given, without the advice that is of manifests.
#[must_use]
pub fn said_of_rows(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    for diagnostic in &mut diagnostics {
        let Some(help) = &diagnostic.help else { continue };
        if diagnostic.code == "SX0403" {
            let help =
                "write a row for each tenant into it; to take tenants away: synthex batch tenants delete";
            diagnostic.help = Some(help.to_owned());
        } else if let Some(field) =
            help.strip_prefix("add `").and_then(|rest| rest.strip_suffix(":` to the spec"))
        {
            diagnostic.help = Some(format!("give the row its `{field}`, or a `template` that has one"));
        }
    }
    diagnostics
}

/// The workspaces and templates that count for rows of a workspace: keys and canonical specs.
pub type Beneath = Vec<(ResourceKey, Value)>;

/// What lies beneath the tenants of some workspaces in the database: these workspaces, their templates, and those of the
/// project's usual workspace, which every workspace may use.
///
/// # Errors
/// Whatever the database reports.
pub async fn beneath(desk: &mut Desk<'_>, workspaces: &[&str]) -> Result<Beneath, CliError> {
    let usual = usual_workspace(desk.found.as_ref());
    let counts = |key: &ResourceKey| {
        workspaces.contains(&&*key.workspace) || usual.as_deref() == Some(&*key.workspace)
    };
    let kinds = [&workspace::KIND, &tenant_template::KIND];
    let keys: Vec<ResourceKey> = kinds
        .into_iter()
        .flat_map(|kind| desk.living(kind))
        .map(|head| head.key.clone())
        .filter(counts)
        .collect();
    Ok(desk.rows(&keys).await?.into_iter().map(|row| (row.key, row.canonical)).collect())
}

fn usual_workspace(found: Option<&Found>) -> Option<String> {
    found.and_then(|found| found.project.spec.workspace.clone())
}

/// The same as layers.
#[must_use]
pub fn layers(beneath: &Beneath, found: Option<&Found>) -> Layers {
    let mut layers = Layers::new(usual_workspace(found));
    for (key, canonical) in beneath {
        let spec = canonical.get("spec").unwrap_or(&Value::Null);
        if key.kind.rank == workspace::KIND.rank {
            layers.workspaces.insert(key.name.to_string(), WorkspaceLayer::new(spec));
        } else {
            layers
                .templates
                .insert((key.workspace.to_string(), key.name.to_string()), TemplateLayer::new(spec));
        }
    }
    layers
}

/// Refuses a template that a tenant of the workspace cannot name.
///
/// # Errors
/// There is none of that name.
pub fn must_know_template(layers: &Layers, workspace: &str, name: &str) -> Result<(), CliError> {
    if layers.template(workspace, name).is_some() {
        return Ok(());
    }
    let error = CliError::usage(format!("there is no template `{name}`"))
        .why(format!("neither workspace `{workspace}` has it, nor is it built in; nothing was changed"));
    Err(match layers.near_template(workspace, name) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help("`synthex templates list` shows them"),
    })
}

/// Refuses a workspace that is not in the database.
///
/// # Errors
/// It is not there, or deleted.
pub fn must_know_workspace(desk: &Desk<'_>, name: &str) -> Result<(), CliError> {
    let names: Vec<&str> = desk.living(&workspace::KIND).map(|head| &*head.key.name).collect();
    if names.contains(&name) {
        return Ok(());
    }
    let error = CliError::usage(format!("there is no workspace `{name}` in the database"));
    Err(match did_you_mean(name, names.iter().copied()) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help(format!(
            "apply the manifest that declares it, or make it: synthex tenant workspace create --workspace-id {name} --market ANZ_SMB --region AU-SE1"
        )),
    })
}

/// Rows that are to be read, and for what.
pub struct Rows<'a> {
    /// How they are written.
    pub format: RowFormat,
    /// The workspace of the tenants.
    pub workspace: &'a str,
    /// The template of rows that name none.
    pub template: Option<&'a str>,
}

impl Rows<'_> {
    /// The tenant set that stands for the file.
    #[must_use]
    pub fn set(&self) -> Value {
        let mut spec = json!({"from": {(self.format.ending()): format!("rows.{}", self.format.ending())}});
        if let Some(template) = self.template {
            spec["template"] = json!(template);
        }
        let metadata = json!({"name": "rows", "workspace": self.workspace});
        json!({"apiVersion": API_VERSION, "kind": "TenantSet", "metadata": metadata, "spec": spec})
    }

    /// Reads rows on top of what is in the database, with every check that a manifest goes through. The catalog has the
    /// tenants, and beneath them the workspaces and templates.
    #[must_use]
    pub fn load(&self, file: SourceFile, beneath: &Beneath, found: Option<&Found>) -> Loaded {
        let project = Project {
            name: COMMAND_OWNER.to_owned(),
            file: String::new(),
            spec: ProjectSpec { workspace: usual_workspace(found), ..ProjectSpec::default() },
        };
        let mut sources: Vec<SourceFile> = beneath
            .iter()
            .map(|(key, canonical)| {
                let text = write::literally(key, canonical).to_string();
                SourceFile::new(format!("database/{key}.json"), text.into_bytes())
            })
            .collect();
        sources.push(SourceFile::new("rows.json".to_owned(), self.set().to_string().into_bytes()));
        manifest::load_literally(project, sources, &GivenRows::new(file), project::threads())
    }
}
