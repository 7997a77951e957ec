//! `adopt`: writes manifests for rows that no project owns, and makes them the project's, without changing a field.
//!
//! The files come first, and are taken back when the apply fails. The other order has a moment in which rows are the
//! project's and no manifest declares them: a run that died there would leave them to the next one that prunes. In this
//! order a run that dies leaves manifests that say what the rows say, and the next plan adopts them.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::context::Context;
use crate::cli::database;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::exporting;
use crate::cli::planning::Planned;
use crate::cli::project::{self, Found};
use crate::cli::selecting::{self, SelectArgs};
use crate::cli::signals::Signals;
use crate::cli::writing::{self, Job, WriteArgs};
use crate::engine;
use crate::files::{self, ProjectRows};
use crate::kinds;
use crate::manifest::write::{Composer, Written};
use crate::manifest::{self, Catalog, Loaded, Origins};
use crate::model::{KeyPattern, ResourceKey, SourceFile, diagnostic};
use crate::plan::planner::COMMAND_OWNER;
use crate::plan::{self, ActionKind, Desired, Row, Selection, references};
use crate::store::Connection;

/// Write manifests for rows that were made by hand or by commands, and make them the project's
///
/// No field changes: the plan shows `=` for each row, and the plan afterwards shows no changes. What a row needs (its
/// workspace, its tenant) is adopted with it. Rows of other projects are refused. No file is overwritten.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex adopt --write manifests/adopted --dry-run\n  synthex adopt -l market=ANZ_SMB --write manifests/anz\n  synthex adopt --target tenant/anz-smb/ACME --write manifests/acme --yes"
)]
pub struct AdoptArgs {
    /// The folder for the manifests: DIR/WORKSPACE/KIND.yaml
    #[arg(long = "write", value_name = "DIR", id = "dir")]
    pub dir: PathBuf,
    /// Take these over from another project; repeatable
    #[arg(long, value_name = "PATTERN")]
    pub take_ownership: Vec<String>,
    #[command(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    pub select: SelectArgs,
}

/// Runs `adopt`.
///
/// # Errors
/// Rows belong to another project or cannot be declared as they are, a file is there already, or the database does not
/// take it. Then no row was changed and no file is left.
pub async fn adopt(context: &Context, args: &AdoptArgs) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    let signals = Signals::listen()?;
    let adopting = Adopting::new(context, args)?;
    let Some((planned, files)) = adopting.plan().await? else {
        context.printer.note("There is nothing to adopt: everything is declared, or another project's.");
        return Ok(ExitStatus::Success);
    };
    let is_refused = !planned.plan.refusals.is_empty();
    if !is_refused {
        exporting::refuse_existing(&files, "name another folder with --write")?;
    }
    if !exporting::is_read(context, &adopting.found, &args.dir) {
        context.printer.note(&format!(
            "warning: {} is not among the project's manifests ({}), so what is written there is not read",
            args.dir.display(),
            adopting.found.project.spec.manifests.join(", "),
        ));
    }
    let job = Job {
        command: "adopt",
        args: &args.write,
        planned: &planned,
        note: None,
        is_agreed: false,
        may_plan_again: false,
        is_strict: false,
        auto_approve: None,
    };
    if args.write.dry_run || is_refused {
        let status = writing::carry_out(context, &job, &signals).await?;
        for (path, _) in &files {
            context.printer.note(&format!("would write  {}", path.display()));
        }
        return Ok(status);
    }
    let new_folders = new_folders(&files);
    let mut written = Vec::new();
    for (path, text) in &files {
        match files::write_atomically(path, text.as_bytes()) {
            Ok(()) => written.push(path.clone()),
            Err(error) => {
                files::take_back(&written, &new_folders);
                return Err(error.into());
            }
        }
    }
    match writing::carry_out(context, &job, &signals).await {
        Ok(status) => {
            for path in &written {
                context.printer.note(&format!("wrote  {}", path.display()));
            }
            Ok(status)
        }
        // It may have taken place: without the files, the next run that prunes would delete the rows.
        Err(error) if error.what.contains(engine::BROKEN_COMMIT) => {
            context
                .printer
                .note("the manifests were kept: `synthex plan` shows whether the rows are adopted");
            Err(error)
        }
        Err(error) => {
            files::take_back(&written, &new_folders);
            Err(error)
        }
    }
}

/// The folders that have to be made for the files, the innermost first.
fn new_folders(files: &Files) -> Vec<PathBuf> {
    let folders = files.iter().flat_map(|(path, _)| path.ancestors().skip(1).map(Path::to_path_buf));
    let mut new: Vec<PathBuf> =
        folders.filter(|folder| !folder.as_os_str().is_empty() && !files::is_there(folder)).collect();
    new.sort_by_key(|folder| std::cmp::Reverse(folder.components().count()));
    new.dedup();
    new
}

struct Adopting<'a> {
    context: &'a Context,
    args: &'a AdoptArgs,
    found: Found,
    selection: Selection,
    take_over: Vec<KeyPattern>,
}

type Files = Vec<(PathBuf, String)>;

impl<'a> Adopting<'a> {
    fn new(context: &'a Context, args: &'a AdoptArgs) -> Result<Self, CliError> {
        let found = project::find(context)?;
        if found.partial {
            return Err(CliError::usage("adopt needs all manifests of the project")
                .why("what is declared in a part that is not read would be declared twice")
                .help("run it without --file, or name the project with it"));
        }
        let take_over = args.take_ownership.iter().map(|text| KeyPattern::new(text)).collect();
        Ok(Self { context, args, found, selection: args.select.selection()?, take_over })
    }

    /// The plan and the files; `None` when there is nothing to adopt.
    async fn plan(&self) -> Result<Option<(Planned, Files)>, CliError> {
        let Self { context, found, .. } = self;
        let declared = self.load(Vec::new())?.catalog;
        let source = database::source(context, Some(&found.project), &found.folder)?;
        let commit = context.commit(&found.folder).await;
        let options = database::open(context, &source, "adopt").await?;
        let mut connection = options.connect().await?;
        let Some(rows) = exporting::living(context, &mut connection, Some(found)).await? else {
            return Ok(None);
        };
        let rows: BTreeMap<&ResourceKey, &Row> = rows.iter().map(|row| (&row.key, row)).collect();
        let keys: Vec<&ResourceKey> = rows.keys().copied().collect();
        for notice in selecting::check_patterns(&self.selection, &keys)? {
            context.printer.note(&notice);
        }
        let chosen = self.choose(&declared, &rows)?;
        if chosen.is_empty() {
            connection.close().await;
            return Ok(None);
        }
        let written = self.compose(&declared, &chosen);
        let files = exporting::files_of(context, Some(found), &self.args.dir, &written);
        let sources = files.iter().map(|(path, text)| {
            SourceFile::new(path.to_string_lossy().into_owned(), text.clone().into_bytes())
        });
        let Loaded { catalog, diagnostics } = self.load(sources.collect())?;
        if diagnostic::has_errors(&diagnostics) {
            let mut error = CliError::manifests(diagnostics);
            "the rows cannot be declared as they are; nothing was changed".clone_into(&mut error.what);
            return Err(error);
        }
        let keys: HashSet<ResourceKey> = chosen.iter().map(|row| row.key.clone()).collect();
        let plan = self.planned(&mut connection, &catalog, keys).await?;
        let identity = connection.identity().await?;
        connection.close().await;
        let database = database::shown(&source, &options);
        let planned = Planned {
            digest: plan.digest(),
            plan,
            options,
            database,
            warnings: Vec::new(),
            notices: exporting::remarks(&written),
            commit,
            identity,
            unusable: Vec::new(),
            is_incomplete: false,
            impact: None,
        };
        Ok(Some((planned, files)))
    }

    /// The manifests of the project, with more beside them.
    fn load(&self, more: Vec<SourceFile>) -> Result<Loaded, CliError> {
        let found = &self.found;
        let alone = more.is_empty();
        let mut sources = match files::read_manifests(&found.roots) {
            Ok(sources) => sources,
            // A project that declares nothing yet may begin by adopting: nothing is ever deleted here.
            Err(problems) if problems.iter().all(|problem| problem.code == "SX0116") => Vec::new(),
            Err(problems) => return Err(CliError::manifests(problems)),
        };
        sources.extend(more);
        let rows =
            ProjectRows { confine: found.roots.confine.clone(), max_file_size: found.roots.max_file_size };
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let loaded = manifest::load(found.project.clone(), sources, &rows, threads);
        if alone && diagnostic::has_errors(&loaded.diagnostics) {
            return Err(CliError::manifests(loaded.diagnostics));
        }
        Ok(loaded)
    }

    /// The rows to adopt: those that are selected, and what they need.
    fn choose<'r>(
        &self,
        declared: &Catalog,
        rows: &BTreeMap<&ResourceKey, &'r Row>,
    ) -> Result<Vec<&'r Row>, CliError> {
        let Self { selection, found, .. } = self;
        let project = found.project.name.as_str();
        let is_foreign =
            |row: &Row| row.owner.as_deref().is_some_and(|owner| owner != COMMAND_OWNER && owner != project);
        let is_free = |row: &Row| row.owner.as_deref().is_none_or(|owner| owner == COMMAND_OWNER);
        let taken = |row: &Row| self.take_over.iter().any(|pattern| pattern.matches(&row.key));
        let mut any = false;
        let mut open = Vec::new();
        for row in rows.values().copied() {
            if !selection.matches_key(&row.key) || !selection.matches_labels(&row.canonical) {
                continue;
            }
            any = true;
            // Rows of others are refused where they are meant, and passed over where everything is.
            let wanted = is_free(row) || is_foreign(row) && (!selection.is_all() || taken(row));
            if wanted && declared.find(&row.key).is_none() {
                open.push(row);
            }
        }
        if !any && !selection.is_all() {
            let keys: Vec<&ResourceKey> = rows.keys().copied().collect();
            return Err(selecting::nothing_live(selection, &keys));
        }
        let mut chosen: BTreeMap<&ResourceKey, &Row> = BTreeMap::new();
        while let Some(row) = open.pop() {
            if chosen.insert(&row.key, row).is_some() {
                continue;
            }
            let mut needed = references::of_value(&row.key, &row.canonical);
            needed.extend(self.template_of(row));
            let undeclared = needed.iter().filter(|key| declared.find(key).is_none());
            open.extend(undeclared.filter_map(|key| rows.get(key).copied()));
        }
        Ok(chosen.into_values().collect())
    }

    /// Where a tenant's template may be.
    fn template_of(&self, row: &Row) -> Vec<ResourceKey> {
        let name = row.canonical.pointer("/spec/template").and_then(serde_json::Value::as_str);
        let (Some(name), Some(kind)) = (name, kinds::find("TenantTemplate")) else { return Vec::new() };
        let usual = self.found.project.spec.workspace.as_deref().map(Into::into);
        let places = [Some(row.key.workspace.clone()), usual];
        places.into_iter().flatten().map(|place| ResourceKey::new(kind, place, name)).collect()
    }

    fn compose(&self, declared: &Catalog, chosen: &[&Row]) -> Vec<Written> {
        let layers = declared
            .entries
            .iter()
            .filter(|entry| matches!(entry.key.kind.name, "Workspace" | "TenantTemplate"));
        let layers: Vec<_> = layers
            .map(|entry| (&entry.key, serde_json::from_str(&entry.canonical).unwrap_or_default()))
            .collect();
        let all = layers.iter().map(|(key, canonical)| (*key, canonical));
        let all = all.chain(chosen.iter().map(|row| (&row.key, &row.canonical)));
        let composer = Composer::new(self.found.project.spec.workspace.clone(), all, false);
        chosen.iter().map(|row| composer.compose(&row.key, &row.canonical)).collect()
    }

    async fn planned(
        &self,
        connection: &mut Connection,
        catalog: &Catalog,
        keys: HashSet<ResourceKey>,
    ) -> Result<plan::Plan, CliError> {
        let declared = project::declared_workspaces(&catalog.entries);
        let workspace = self.context.global.workspace.as_deref();
        let heads = engine::observe_heads(connection, workspace, &declared).await?;
        let exactly = Selection { exactly: Some(keys), ..Selection::default() };
        let chosen = selecting::choose(&exactly, &catalog.entries);
        let desired = Desired {
            environment: self.found.project.spec.environment.as_deref(),
            chosen: chosen.as_ref(),
            take_over: &self.take_over,
            workspace,
            ..Desired::new(&self.found.project.name, &catalog.entries)
        };
        let observed = engine::observe_rows(connection, &desired, heads).await?;
        let plan = plan::plan(&desired, &observed, &mut Origins::new(catalog));
        let changed: Vec<String> = plan
            .actions
            .iter()
            .filter(|action| action.kind != ActionKind::Adopt || !action.changes.is_empty())
            .map(|action| {
                let fields: Vec<String> = action.changes.iter().map(plan::FieldChange::field).collect();
                format!("{}: {}", action.key, fields.join(", "))
            })
            .collect();
        if changed.is_empty() {
            return Ok(plan);
        }
        let what = "some rows cannot be adopted without a change; nothing was changed";
        let mut error = CliError::new(ExitStatus::Refused, "refused", what)
            .why("no manifest can say what is in them, beside the templates and workspaces that are declared")
            .help("leave them out with --exclude, or declare them by hand and review the plan");
        error.also = changed;
        Err(error)
    }
}
