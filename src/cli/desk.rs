//! Where an operator's command says what it wants, and gets a plan: there is no second way to write.
//!
//! A command looks at rows, says what is to be as it says and what is to be gone, and the one planner makes a plan of that.
//! It is shown, agreed to and executed like every other. What these commands make belongs to the owner `cli`; what a
//! manifest declares they refuse, with its place, unless they are told to go ahead.

use std::cell::OnceCell;
use std::collections::HashSet;

use clap::Args;

use crate::engine::{self, StateReader as _};
use crate::kinds::{self, project::Guards};
use crate::manifest::edit::Change;
use crate::manifest::{Catalog, Origins};
use crate::model::selector::Selector;
use crate::model::{Diagnostic, Entry, KeyPattern, KindRef, ResourceKey, Sources};
use crate::plan::planner::COMMAND_OWNER;
use crate::plan::{self, Cause, Desired, Head, Row, Selection, guards, references};
use crate::store::{ConnectOptions, Connection, Identity, migration_state};

use super::claimed::claimed;
use super::commands;
use super::context::Context;
use super::database;
use super::environment::command_line;
use super::error::CliError;
use super::pausing;
use super::planning::Planned;
use super::preferences;
use super::project::{self, Found};
use super::reverting::FromTheRecord;
use super::signals::Signals;
use super::writing::{self, Done, Job, WriteArgs};

/// What is done about resources that a manifest declares.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Ownership")]
pub struct OwnArgs {
    /// Change also what a manifest declares; the next apply puts it back
    #[arg(long)]
    pub force: bool,
    /// Change the manifest that declares it instead of the database; needs a plan and an apply afterwards
    #[arg(long, conflicts_with = "force")]
    pub write: bool,
}

/// How a command lets go of what is protected.
const UNPROTECT: &str =
    "take the protection away first: synthex batch tenants update --tenant-ids TENANT --set protect=false";

/// What a command asks for.
#[derive(Default)]
pub struct Asked<'a> {
    /// What is to be as it says here.
    pub entries: Vec<Entry>,
    /// What is to be gone.
    pub gone: Vec<ResourceKey>,
    /// Whether it is removed for good.
    pub permanent: bool,
    /// Whether the user typed every name, so that no limit on how many there are counts.
    pub is_named: bool,
    /// Where the entries stand, if they were read from files.
    pub catalog: Option<&'a Catalog>,
    /// Rows that the desk has read already, of those that it is about.
    pub rows: Vec<Row>,
}

/// The database that a command works on, open in one reading transaction.
pub struct Desk<'c> {
    pub(super) context: &'c Context,
    /// The project, where there is one.
    pub found: Option<Found>,
    /// The connection.
    pub connection: Connection,
    /// Whether synthex is installed there.
    pub is_installed: bool,
    /// Every row, sorted by key; of one workspace, where one is named with `--workspace`.
    pub heads: Vec<Head>,
    /// What was changed of rows, in the words of the command.
    pub changes: Vec<Change>,
    /// What the manifests declare, once somebody asked; `None` where they cannot be read.
    declared: OnceCell<Option<Catalog>>,
    options: ConnectOptions,
    database: String,
    identity: Identity,
}

impl<'c> Desk<'c> {
    /// Opens the database that the options mean.
    ///
    /// # Errors
    /// It cannot be reached, or no workspace is named where one must be.
    pub async fn open(context: &'c Context, command: &str) -> Result<Self, CliError> {
        let (source, found) = commands::place(context)?;
        let options = database::open(context, &source, command).await?;
        let mut connection = options.connect().await?;
        connection.begin_reading().await?;
        let is_installed = connection.is_installed().await?;
        let mut heads = Vec::new();
        if is_installed {
            migration_state(&mut connection).await?;
            project::must_know_workspace(context, &mut connection, found.as_ref()).await?;
            let only = context.global.workspace.as_deref();
            let mut visible = Vec::new();
            if only.is_none() && connection.is_confined().await? {
                visible = match &found {
                    Some(found) => project::visible_workspaces(found, None)?,
                    None => return Err(project::no_workspace()),
                };
            }
            heads = engine::observe_heads(&mut connection, only, &visible).await?;
        }
        let identity = connection.identity().await?;
        let database = database::shown(&source, &options);
        Ok(Self {
            context,
            found,
            connection,
            is_installed,
            heads,
            changes: Vec::new(),
            declared: OnceCell::new(),
            options,
            database,
            identity,
        })
    }

    /// The row's head, also of one that is softly deleted.
    #[must_use]
    pub fn head(&self, key: &ResourceKey) -> Option<&Head> {
        self.heads.binary_search_by(|head| head.key.cmp(key)).ok().map(|index| &self.heads[index])
    }

    /// The living rows' heads of a kind.
    pub fn living(&self, kind: KindRef) -> impl Iterator<Item = &Head> {
        self.heads.iter().filter(move |head| head.key.kind.rank == kind.rank && !head.deleted)
    }

    /// The workspace of what is made: the active one, or the project's default, or the only one there is.
    ///
    /// # Errors
    /// None of these is known.
    pub fn workspace(&self) -> Result<String, CliError> {
        if let Some(choice) = preferences::workspace(self.context)? {
            return Ok(choice.name);
        }
        if let Some(name) = self.found.as_ref().and_then(|found| found.project.spec.workspace.clone()) {
            return Ok(name);
        }
        let names: Vec<&str> = self.living(&kinds::workspace::KIND).map(|head| &*head.key.name).collect();
        match names.as_slice() {
            [one] => Ok((*one).to_owned()),
            [] => Err(CliError::usage("there is no workspace yet").help(
                "make one: synthex tenant workspace create --workspace-id NAME --market ANZ_SMB --region AU-SE1",
            )),
            many => Err(CliError::usage("no workspace is named")
                .why(format!("there are {}", some(many.iter().copied())))
                .help("name one with --workspace, or choose one: synthex tenant workspace set-active NAME")),
        }
    }

    /// Reads whole rows, sorted by key.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn rows(&mut self, keys: &[ResourceKey]) -> Result<Vec<Row>, CliError> {
        let mut rows = if keys.is_empty() { Vec::new() } else { self.connection.rows(keys).await? };
        rows.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        Ok(rows)
    }

    /// All living rows of a kind whose labels, or fields where there is no such label, fit.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn selected(&mut self, kind: KindRef, selector: &Selector) -> Result<Vec<Row>, CliError> {
        let keys: Vec<ResourceKey> = self.living(kind).map(|head| head.key.clone()).collect();
        let selection = Selection { labels: Some(selector.clone()), ..Selection::default() };
        let mut rows = self.rows(&keys).await?;
        rows.retain(|row| selection.matches_labels(&row.canonical));
        Ok(rows)
    }

    /// What stands and falls with some resources: the credentials of tenants.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn parts_of(&mut self, keys: &[ResourceKey], any: bool) -> Result<Vec<ResourceKey>, CliError> {
        let whole: HashSet<&ResourceKey> = keys.iter().collect();
        let mut parts = Vec::new();
        for kind in kinds::stored().filter(|kind| kind.part_of.is_some()) {
            let of_kind = self.heads.iter().filter(|head| head.key.kind.rank == kind.rank);
            let wanted: Vec<ResourceKey> =
                of_kind.filter(|head| any || !head.deleted).map(|head| head.key.clone()).collect();
            for row in self.rows(&wanted).await? {
                let needed = references::of_value(&row.key, &row.canonical);
                if needed.iter().any(|key| Some(key.kind.name) == kind.part_of && whole.contains(key)) {
                    parts.push(row.key);
                }
            }
        }
        Ok(parts)
    }

    /// Makes the plan.
    ///
    /// # Errors
    /// Something belongs to somebody else, or whatever the database reports.
    pub async fn plan(mut self, asked: Asked<'_>, own: &OwnArgs) -> Result<Planned, CliError> {
        let Asked { mut entries, gone, permanent, is_named, catalog, rows } = asked;
        entries.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        entries.dedup_by(|left, right| left.key == right.key);
        let keys: HashSet<ResourceKey> =
            entries.iter().map(|entry| entry.key.clone()).chain(gone.iter().cloned()).collect();
        let mut notices = Vec::new();
        let claims = self.claims(&keys)?;
        if own.force {
            notices.extend(claims.iter().map(|claim| format!("{claim}: the next apply puts it back")));
        } else if !claims.is_empty() {
            return Err(claimed(claims));
        }
        let take_over = if own.force { vec![KeyPattern::new("*")] } else { Vec::new() };
        let chosen = Selection { exactly: Some(keys), ..Selection::default() }.choose(&entries);
        let spec = self.found.as_ref().map(|found| &found.project.spec);
        let mut guards = Guards {
            max_delete_percent: 100,
            max_update_percent: None,
            rename: false,
            ..spec.map(|spec| spec.guards.clone()).unwrap_or_default()
        };
        if is_named {
            guards.max_deletes = u32::MAX;
        }
        let desired = Desired {
            environment: spec.and_then(|spec| spec.environment.as_deref()),
            prune: !gone.is_empty(),
            permanent,
            chosen: Some(&chosen),
            guards: &guards,
            take_over: &take_over,
            cause: Cause::Command,
            threads: project::threads(),
            ..Desired::new(COMMAND_OWNER, &entries)
        };
        let heads = std::mem::take(&mut self.heads);
        let observed = engine::observe_other_rows(&mut self.connection, &desired, heads, rows).await?;
        let mut origins = catalog.map(Origins::new);
        let sources: &mut dyn Sources = match &mut origins {
            Some(origins) => origins,
            None => &mut FromTheRecord,
        };
        let mut plan = plan::plan(&desired, &observed, sources);
        if catalog.is_none() {
            plan.actions.iter_mut().for_each(|action| action.position = None);
            plan.refusals.iter_mut().for_each(|refusal| refusal.position = None);
        }
        plan.undeclared.clear();
        plan.suspects.clear();
        let again = command_line();
        for refusal in &mut plan.refusals {
            refusal.help = match refusal.code {
                guards::protected::CODE => UNPROTECT.to_owned(),
                _ => refusal.help.replace("synthex apply", &again),
            };
        }
        Box::pin(pausing::note(self.context, &mut self.connection, &plan, spec, &mut notices)).await;
        self.connection.close().await;
        Ok(Planned {
            digest: plan.digest(),
            plan,
            options: self.options,
            database: self.database,
            warnings: Vec::new(),
            notices,
            commit: None,
            identity: self.identity,
            unusable: Vec::new(),
            is_incomplete: false,
            impact: None,
        })
    }

    /// What the manifests declare; `None` where they cannot be read, or there are none.
    pub fn catalog(&self) -> Option<&Catalog> {
        let load = || Some(project::load(self.found.as_ref()?).ok()?.catalog);
        self.declared.get_or_init(load).as_ref()
    }

    /// Who else has a say in these resources, a line each: manifests that declare them, and projects that own them.
    pub fn claims(&self, keys: &HashSet<ResourceKey>) -> Result<Vec<String>, CliError> {
        // What cannot be read may declare anything; the owners of the rows still count.
        let catalog = self.catalog();
        let mut origins = catalog.map(Origins::new);
        let mut claims = Vec::new();
        let mut keys: Vec<&ResourceKey> = keys.iter().collect();
        keys.sort_unstable();
        for key in keys {
            let declared = catalog.and_then(|catalog| catalog.find(key));
            if let (Some(entry), Some(origins)) = (declared, &mut origins) {
                claims.push(format!("{key} is declared at {}", origins.declared_at(entry)));
            } else if catalog.is_some_and(|catalog| catalog.broken.binary_search(key).is_ok()) {
                claims.push(format!("{key} is declared, with problems"));
            } else if let Some(owner) =
                self.head(key).and_then(|head| head.owner.as_deref()).filter(|owner| *owner != COMMAND_OWNER)
            {
                claims.push(format!("{key} belongs to project `{owner}`"));
            }
        }
        Ok(claims)
    }
}

/// Shows a plan, asks, executes it and says what came of it.
///
/// # Errors
/// Guards refuse, the user declines, or the database does not take it. Nothing was changed.
pub async fn carry_out(
    context: &Context,
    command: &str,
    write: &WriteArgs,
    planned: &Planned,
    signals: &Signals,
) -> Result<Done, CliError> {
    writing::perform(context, &Job::new(command, write, planned), signals).await
}

/// The first few of some names.
pub fn some<S: AsRef<str>>(names: impl ExactSizeIterator<Item = S>) -> String {
    const MOST: usize = 20;
    let count = names.len();
    let mut shown: Vec<String> = names.take(MOST).map(|name| name.as_ref().to_owned()).collect();
    if count > MOST {
        shown.push(format!("{} more", count - MOST));
    }
    shown.join(", ")
}

/// Problems of what a command was given, as its error.
#[must_use]
pub fn invalid(diagnostics: Vec<Diagnostic>) -> CliError {
    let mut error = CliError::manifests(diagnostics);
    "what was given has problems; nothing was changed".clone_into(&mut error.what);
    error
}
