//! `batch tenants update`: the same change to many tenants, or to each the change that its row says.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::Value;

use crate::cli::batching::Batch;
use crate::cli::context::Context;
use crate::cli::desk::{Asked, Desk, OwnArgs, invalid};
use crate::cli::editing::{self, Manner, Way};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::row_files::{self, RowFormat};
use crate::cli::signals::Signals;
use crate::cli::writing::{OnErrorArg, WriteArgs};
use crate::manifest::csv;
use crate::manifest::load::resolve;
use crate::manifest::problem::{Problem, Target};
use crate::model::diagnostic::did_you_mean;
use crate::model::{Diagnostic, Entry, FileId, ResourceKey, SourceFile, SourceRef};
use crate::plan::Row;

use super::changes::{Change, Wrong, changed, changed_all, in_manifests, must_be_apart, of_row};
use super::leaving_out::leave_out_claimed;
use super::targets::{self, TargetArgs};

/// The command, as it is recorded.
const COMMAND: &str = "batch tenants update";

/// Where nothing stands in a file.
const NOWHERE: SourceRef = SourceRef { file: FileId(0), start: 0, end: 0, row: None };

/// Looking for a near name compares with every name there is; nobody reads more suggestions than this.
const MOST_SUGGESTIONS: usize = 100;

/// Change many tenants in one operation, all or nothing
///
/// Fields are those of a manifest, dotted, such as `contact.email`, or `labels.KEY` and `metadata.KEY`; `synthex explain Tenant`
/// shows them. With --from-csv each row says what changes about its tenant: `tenantId` and the columns that are to change; an
/// empty cell changes nothing.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex batch tenants update --tenant-ids SMB_1,SMB_2 --status suspended --dry-run\n  synthex batch tenants update -l tier=gold,market=UK_SMB \\\n      --set labels.tier=silver --unset metadata.trial\n  synthex batch tenants update --from-csv changes.csv --yes"
)]
pub struct BatchUpdateArgs {
    #[command(flatten)]
    pub targets: TargetArgs,
    /// Change each tenant as its row says; `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["tenant_ids", "selector"])]
    pub from_csv: Option<PathBuf>,
    /// The status
    #[arg(long, value_name = "STATUS", value_parser = ["active", "inactive", "suspended"])]
    pub status: Option<String>,
    /// The name people know the tenant by
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Give a field a value; repeatable
    #[arg(long, value_name = "FIELD=VALUE")]
    pub set: Vec<String>,
    /// Take a field away; repeatable
    #[arg(long, value_name = "FIELD")]
    pub unset: Vec<String>,
    #[command(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    pub own: OwnArgs,
}

impl BatchUpdateArgs {
    fn changes(&self) -> Result<Vec<Change>, CliError> {
        let mut changes = Vec::new();
        changes.extend(self.status.as_deref().map(|status| Change::of("status", status)));
        changes.extend(self.name.as_deref().map(|name| Change::of("displayName", name)));
        for text in &self.set {
            changes.push(Change::set(text)?);
        }
        for word in &self.unset {
            changes.push(Change::unset(word)?);
        }
        must_be_apart(&changes)?;
        Ok(changes)
    }
}

/// Runs `batch tenants update`.
///
/// # Errors
/// Some tenants are not there, a value is none for its field, a guard refuses, or the database does not take it. Nothing was
/// changed.
pub async fn update(context: &Context, args: &BatchUpdateArgs) -> Result<ExitStatus, CliError> {
    let batch = Batch::new(COMMAND);
    batch.run(context, &args.write, async |batch, signals| plan(context, args, batch, signals).await).await
}

async fn plan(
    context: &Context,
    args: &BatchUpdateArgs,
    batch: &mut Batch,
    signals: &Signals,
) -> Result<Way, CliError> {
    let changes = args.changes()?;
    if changes.is_empty() && args.from_csv.is_none() {
        return Err(CliError::usage("no change is named")
            .help("say what is to change: --status suspended, --name NAME, --set FIELD=VALUE, --unset FIELD, or --from-csv FILE"));
    }
    let mut desk = Desk::open(context, COMMAND).await?;
    let (rows, (mut entries, diagnostics)) = match &args.from_csv {
        Some(path) => {
            let file = row_files::read(path, RowFormat::Csv, desk.found.as_ref())?;
            from_rows(&mut desk, file, &changes, args.own.write).await?
        }
        None => {
            let rows = args.targets.rows(context, &mut desk, false).await?;
            let changed = from_options(&mut desk, &rows, &changes).await?;
            if args.own.write {
                desk.changes.extend(rows.iter().map(|row| in_manifests(&row.key, &changes)));
            }
            (rows, changed)
        }
    };
    batch.asked = entries.iter().map(|entry| entry.key.clone()).collect();
    if !diagnostics.is_empty() {
        if args.write.on_error == OnErrorArg::Stop || entries.is_empty() {
            return Err(invalid(diagnostics));
        }
        batch.leave_out(diagnostics);
    }
    if args.write.on_error == OnErrorArg::Continue && !args.own.force && !args.own.write {
        let keys: Vec<ResourceKey> = entries.iter().map(|entry| entry.key.clone()).collect();
        let claimed = leave_out_claimed(&desk, batch, &keys)?;
        entries.retain(|entry| !claimed.contains(&entry.key));
    }
    let is_named = args.targets.is_named();
    let asked = Asked { entries, is_named, rows, ..Asked::default() };
    let manner = Manner { command: COMMAND, own: &args.own, write: &args.write };
    editing::way(context, desk, asked, manner, signals).await
}

type Changed = (Vec<Entry>, Vec<Diagnostic>);

async fn from_options(desk: &mut Desk<'_>, rows: &[Row], changes: &[Change]) -> Result<Changed, CliError> {
    let layers = layers(desk, rows).await?;
    let mut entries = Vec::with_capacity(rows.len());
    // What is wrong with a value is wrong with it for all tenants, and said once.
    let mut said: BTreeMap<(&'static str, String), Same<'_>> = BTreeMap::new();
    for (row, changed) in rows.iter().zip(changed_all(rows, changes, &layers, NOWHERE)) {
        match changed {
            Ok(entry) => entries.push(entry),
            Err(found) => {
                for Wrong { code, message, help, .. } in found {
                    let same =
                        said.entry((code, message)).or_insert(Same { help, first: &row.key, count: 0 });
                    same.count += 1;
                }
            }
        }
    }
    let diagnostics = said.into_iter().map(|((code, message), Same { help, first, count })| {
        let message = match count {
            1 => message,
            many => format!("{message} ({many} tenants, the first {first})"),
        };
        let help = help.map(|help| {
            match help.strip_prefix("add `").and_then(|rest| rest.strip_suffix(":` to the spec")) {
                Some(field) => format!("keep `{field}`, or give it another value: --set {field}=VALUE"),
                None => help,
            }
        });
        Diagnostic { help, ..Diagnostic::error(code, message).about(first.to_string()) }
    });
    Ok((entries, diagnostics.collect()))
}

/// What is wrong with several tenants alike.
struct Same<'a> {
    help: Option<String>,
    first: &'a ResourceKey,
    count: usize,
}

async fn layers(desk: &mut Desk<'_>, rows: &[Row]) -> Result<crate::manifest::expand::Layers, CliError> {
    let mut workspaces: Vec<&str> = rows.iter().map(|row| &*row.key.workspace).collect();
    workspaces.dedup();
    let beneath = row_files::beneath(desk, &workspaces).await?;
    Ok(row_files::layers(&beneath, desk.found.as_ref()))
}

async fn from_rows(
    desk: &mut Desk<'_>,
    file: SourceFile,
    others: &[Change],
    remember: bool,
) -> Result<(Vec<Row>, Changed), CliError> {
    let files = [Arc::new(file)];
    let (raw, mut problems) = csv::read_with(&files[0], FileId(0), NOWHERE, &["tenantId"])
        .map_err(|problems| invalid(row_files::said_of_rows(resolve(&files, problems))))?;
    let header = csv::header_of(&files, FileId(0));
    if header.len() == 1 && others.is_empty() {
        return Err(CliError::usage("the file has no column besides `tenantId`")
            .why("its rows say nothing that is to change; nothing was changed")
            .help("add the columns that are to change, such as status, or say what changes with --set"));
    }
    let at = |row| SourceRef { row: Some(row), ..NOWHERE };
    let name = || Target::Value("/metadata/name".to_owned());
    let living: Vec<String> =
        desk.living(&crate::kinds::tenant::KIND).map(|head| head.key.name.to_string()).collect();
    let names: HashSet<&str> = living.iter().map(String::as_str).collect();
    let raw: Vec<_> = raw.into_iter().map(|(place, cells)| (place, cells.row())).collect();
    let known: Vec<String> = raw
        .iter()
        .filter_map(|(_, row)| row.get("tenantId")?.as_str())
        .filter(|id| names.contains(id))
        .map(str::to_owned)
        .collect();
    let keys = targets::find(desk, &known, false)?;
    let rows = desk.rows(&keys).await?;
    let layers = layers(desk, &rows).await?;
    let by_name: HashMap<&str, &Row> = rows.iter().map(|row| (&*row.key.name, row)).collect();
    let mut seen = HashMap::new();
    let mut entries = Vec::new();
    for (place, row) in raw {
        let source = at(place);
        let Some(id) = row.get("tenantId").and_then(Value::as_str).map(str::to_owned) else {
            let problem = Problem::error("SX0154", source, name(), "the cell `tenantId` is empty");
            problems.push(problem.help("every row needs one"));
            continue;
        };
        let Some(tenant) = by_name.get(id.as_str()) else {
            let names = living.iter().map(String::as_str);
            let near = if problems.len() < MOST_SUGGESTIONS { did_you_mean(&id, names) } else { None };
            let help = near.map_or("`synthex tenant tenants list` shows them".to_owned(), |near| {
                format!("did you mean `{near}`?")
            });
            problems.push(
                Problem::error("SX0408", source, name(), format!("there is no tenant `{id}`")).help(help),
            );
            continue;
        };
        if let Some(first) = seen.insert(id.clone(), source) {
            let message = format!("the tenant `{id}` is there twice");
            let problem =
                Problem::error("SX0201", source, name(), message).help("leave one row for each tenant");
            problems.push(problem.about(&tenant.key).related(first, name(), "first here"));
            continue;
        }
        let mut changes = of_row(row);
        changes.extend(others.iter().cloned());
        if remember {
            desk.changes.push(in_manifests(&tenant.key, &changes));
        }
        match changed(&tenant.key, &tenant.canonical, &changes, &layers, source) {
            Ok(entry) => entries.push(entry),
            Err(found) => problems.extend(found.into_iter().map(|wrong| {
                let mut problem =
                    Problem::error(wrong.code, source, wrong.target, wrong.message).about(&tenant.key);
                problem.help = wrong.help;
                problem
            })),
        }
    }
    let named: HashSet<&str> = problems.iter().filter_map(|problem| problem.resource.as_deref()).collect();
    entries.retain(|entry| !named.contains(entry.key.to_string().as_str()));
    let diagnostics = row_files::said_of_rows(resolve(&files, problems));
    Ok((rows, (entries, diagnostics)))
}
