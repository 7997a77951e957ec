//! Looks into the record: opens the database for reading, and finds out which resource a word on the command line means.

use clap::Args;

use crate::engine::StateReader as _;
use crate::kinds;
use crate::model::diagnostic::did_you_mean;
use crate::model::{KindRef, ResourceKey, Scope};
use crate::plan::record::{self, Trail};
use crate::store::{Connection, migration_state};

use super::commands::place;
use super::context::Context;
use super::database;
use super::error::CliError;
use super::project::{self, Found};

/// The resource that a command is about.
#[derive(Clone, Debug, Args)]
pub struct KeyArg {
    /// The resource: KIND/WORKSPACE/NAME, or KIND/NAME where that is enough, such as tenant/acme
    #[arg(value_name = "KEY")]
    pub key: String,
}

/// A database that is open for reading, in one transaction.
pub struct Records {
    /// The connection.
    pub connection: Connection,
    /// Whether synthex is installed there.
    pub installed: bool,
    /// The workspaces to look into one after the other; `None` stands for all of them at once.
    pub places: Vec<Option<String>>,
    /// The project, where there is one.
    pub found: Option<Found>,
}

impl Records {
    /// Opens the database that the options mean.
    ///
    /// # Errors
    /// It cannot be reached, or row-level security confines us and no workspace is known.
    pub async fn open(context: &Context, command: &str) -> Result<Self, CliError> {
        let (source, found) = place(context)?;
        let options = database::open(context, &source, command).await?;
        let mut connection = options.connect().await?;
        connection.begin_reading().await?;
        let installed = connection.is_installed().await?;
        let mut places = vec![context.global.workspace.clone()];
        if installed {
            migration_state(&mut connection).await?;
            if context.global.workspace.is_none() && connection.is_confined().await? {
                places = confined_places(found.as_ref())?;
            }
        }
        Ok(Self { connection, installed, places, found })
    }

    /// The resource that a word means.
    ///
    /// # Errors
    /// It names none, or several, or none that was ever there.
    pub async fn find(&mut self, context: &Context, word: &str) -> Result<ResourceKey, CliError> {
        let (kind, workspace, name) = parts(context, word)?;
        if !self.installed {
            return Err(CliError::usage(format!("nothing is known of {word}"))
                .why("nothing was applied to this database yet")
                .help("run `synthex apply` first"));
        }
        let mut workspaces = Vec::new();
        for place in self.places.clone() {
            let place = workspace.clone().or(place);
            if let Some(place) = &place {
                self.connection.enter(place).await?;
            }
            workspaces.append(&mut self.connection.workspaces_of(kind, &name).await?);
        }
        workspaces.sort_unstable();
        workspaces.dedup();
        workspaces.retain(|found| workspace.as_ref().is_none_or(|only| only == found));
        match workspaces.as_slice() {
            [one] => {
                self.connection.enter(one).await?;
                Ok(ResourceKey::new(kind, one.as_str().into(), &name))
            }
            [] => Err(self.nothing(kind, workspace.as_deref(), word, &name).await?),
            many => {
                let keys: Vec<String> = many.iter().map(|at| format!("{}/{at}/{name}", kind.slug)).collect();
                Err(CliError::usage(format!("{word} is in several workspaces"))
                    .why(keys.join(", "))
                    .help("name one of these, or the workspace with --workspace"))
            }
        }
    }

    async fn nothing(
        &mut self,
        kind: KindRef,
        workspace: Option<&str>,
        word: &str,
        name: &str,
    ) -> Result<CliError, CliError> {
        let mut names = Vec::new();
        for place in self.places.clone() {
            let place = workspace.map(str::to_owned).or(place);
            if let Some(place) = &place {
                self.connection.enter(place).await?;
            }
            names.append(&mut self.connection.names_of(kind, place.as_deref()).await?);
        }
        let place = workspace.map_or(String::new(), |name| format!(" in workspace `{name}`"));
        let help = match did_you_mean(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`synthex history` shows what was done, and --revision N to what".to_owned(),
        };
        Ok(CliError::usage(format!("there never was a {} `{name}`{place}", kind.slug))
            .why(format!("neither the record nor the database has {word}"))
            .help(help))
    }

    /// The life of a resource. The connection has entered its workspace.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn trail(&mut self, key: &ResourceKey) -> Result<Trail, CliError> {
        let items = self.connection.items_of(key).await?;
        let mut names = vec![key.name.to_string()];
        names.extend(items.iter().filter_map(|item| item.from.as_deref().map(str::to_owned)));
        names.sort_unstable();
        names.dedup();
        let edits = self.connection.hand_edits(key, &names).await?;
        Ok(record::trail(&key.name, items, edits))
    }
}

/// The workspaces that manifests declare: a role that row-level security confines is shown one at a time.
fn confined_places(found: Option<&Found>) -> Result<Vec<Option<String>>, CliError> {
    let declared = found.and_then(|found| project::load_valid(found).ok());
    let names = declared.map(|(catalog, _)| project::declared_workspaces(&catalog.entries));
    match names.filter(|names| !names.is_empty()) {
        Some(names) => Ok(names.into_iter().map(Some).collect()),
        None => Err(CliError::usage("no workspace is named")
            .why("this role sees one workspace at a time (row-level security), and no manifest says which there are")
            .help("name one with --workspace")),
    }
}

/// Kind, workspace and name of a key as it was typed.
fn parts(context: &Context, word: &str) -> Result<(KindRef, Option<String>, String), CliError> {
    let bad = |why: String| {
        CliError::usage(format!("`{word}` names no resource"))
            .why(why)
            .help("write KIND/WORKSPACE/NAME, or KIND/NAME where that is enough: tenant/acme")
    };
    let steps: Vec<&str> = word.split('/').collect();
    let (kind, rest) = steps.split_first().unwrap_or((&"", &[]));
    let stored = kinds::find_slug(kind).filter(|kind| kind.table.is_some());
    let Some(kind) = stored else {
        let slugs: Vec<&str> = kinds::stored().map(|kind| kind.slug).collect();
        return Err(bad(match rest {
            [] => "it has no kind".to_owned(),
            _ => format!("there is no kind `{kind}`; the kinds are {}", slugs.join(", ")),
        }));
    };
    let (workspace, name) = match (rest, kind.scope) {
        ([name], Scope::Global) => (Some((*name).to_owned()), *name),
        ([name], Scope::Workspace) => (context.global.workspace.clone(), *name),
        ([workspace, name], Scope::Workspace) => (Some((*workspace).to_owned()), *name),
        _ => return Err(bad(format!("a {} has not so many parts", kind.slug))),
    };
    if name.is_empty() {
        return Err(bad("it has no name".to_owned()));
    }
    if let (Some(asked), Some(only)) = (&workspace, &context.global.workspace)
        && asked != only
    {
        return Err(bad(format!("it is in workspace `{asked}`, and --workspace says `{only}`")));
    }
    Ok((kind, workspace, name.to_owned()))
}
