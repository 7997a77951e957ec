//! `batch tenants create`: tenants from a file of rows.

use std::collections::HashSet;
use std::path::PathBuf;

use clap::Args;

use crate::cli::batching::Batch;
use crate::cli::context::Context;
use crate::cli::desk::{Asked, Desk, OwnArgs, invalid};
use crate::cli::editing::{self, Manner, Way};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::project;
use crate::cli::row_files::{self, RowFormat, Rows};
use crate::cli::signals::Signals;
use crate::cli::writing::{OnErrorArg, WriteArgs};
use crate::kinds::tenant;
use crate::manifest::{Catalog, Loaded, Origins};
use crate::model::diagnostic::has_errors;
use crate::model::{Diagnostic, Entry, ResourceKey};
use crate::plan::planner::COMMAND_OWNER;

use super::leaving_out::{claims, leave_out_claimed};

/// The command, as it is recorded.
const COMMAND: &str = "batch tenants create";

/// Create tenants from the rows of a CSV or JSON file, all or nothing
///
/// The header of a CSV file is `tenantId,name,type,market,region,shopifyShop,gmcMerchantId`, or more:
/// status,industry,website,email,phone,employeeCount,template,protect,businessId.country,businessId.number,labels and
/// columns labels.KEY and metadata.KEY. A JSON file is a list of objects with the same names. What a row leaves out comes
/// from its template and from the workspace. Every bad row is reported, with its line and column. A row that says what the
/// database has already is passed over. The option says how the file is written, whatever its ending; it may be a pipe.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex batch tenants create --from-csv clients.csv --dry-run\n  synthex batch tenants create --from-csv clients.csv --template shopify-smb-anz --yes\n  synthex batch tenants create --from-json clients.json --on-error continue --yes\n  generate | synthex batch tenants create --from-csv - --yes --format json"
)]
pub struct BatchCreateArgs {
    /// The rows as CSV; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub from_csv: Option<PathBuf>,
    /// The rows as JSON; `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "from_csv")]
    pub from_json: Option<PathBuf>,
    /// The template of rows that name none themselves
    #[arg(long, value_name = "TEMPLATE")]
    pub template: Option<String>,
    #[command(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    pub own: OwnArgs,
}

/// Runs `batch tenants create`.
///
/// # Errors
/// Rows are bad, a guard refuses, or the database does not take it. Nothing was changed.
pub async fn create(context: &Context, args: &BatchCreateArgs) -> Result<ExitStatus, CliError> {
    let batch = Batch::new(COMMAND);
    batch.run(context, &args.write, async |batch, signals| plan(context, args, batch, signals).await).await
}

async fn plan(
    context: &Context,
    args: &BatchCreateArgs,
    batch: &mut Batch,
    signals: &Signals,
) -> Result<Way, CliError> {
    if args.own.write {
        return Err(CliError::usage("--write changes what a manifest declares, and these are new")
            .why("nothing was changed")
            .help("leave --write out; to write rows as manifests: synthex import csv FILE --to FILE"));
    }
    let (path, format) = match (&args.from_csv, &args.from_json) {
        (Some(path), _) => (path, RowFormat::Csv),
        (None, Some(path)) => (path, RowFormat::Json),
        (None, None) => {
            return Err(CliError::usage("no file of rows is named")
                .help("name one with --from-csv FILE or --from-json FILE; `-` is standard input"));
        }
    };
    let tolerates = args.write.on_error == OnErrorArg::Continue;
    // What is wrong with the file needs no database to be found out.
    let has_project =
        !context.global.files.is_empty() || crate::files::find_project(std::path::Path::new(".")).is_some();
    let found = if has_project { Some(project::find(context)?) } else { None };
    let file = row_files::read(path, format, found.as_ref())?;
    let mut desk = Desk::open(context, COMMAND).await?;
    let workspace = desk.workspace()?;
    row_files::must_know_workspace(&desk, &workspace)?;
    let beneath = row_files::beneath(&mut desk, &[&workspace]).await?;
    let template = args.template.as_deref();
    if let Some(template) = template {
        let layers = row_files::layers(&beneath, desk.found.as_ref());
        row_files::must_know_template(&layers, &workspace, template)?;
    }
    let rows = Rows { format, workspace: &workspace, template };
    let Loaded { mut catalog, diagnostics } = rows.load(file, &beneath, desk.found.as_ref());
    let mut diagnostics = row_files::said_of_rows(diagnostics);
    let mut entries: Vec<Entry> = std::mem::take(&mut catalog.entries);
    let beneath_them: Vec<Entry> =
        entries.extract_if(.., |entry| entry.key.kind.rank != tenant::KIND.rank).collect();
    catalog.entries = beneath_them;
    let Existing { same, others, foreign } = existing(&desk, &catalog, &entries);
    diagnostics.extend(others);
    // What belongs to somebody else is refused with its claim, and listed here where other rows are bad.
    if args.own.force || !tolerates && has_errors(&diagnostics) {
        diagnostics.extend(foreign);
    }
    crate::model::diagnostic::sort(&mut diagnostics);
    batch.asked = entries.iter().map(|entry| entry.key.clone()).collect();
    if has_errors(&diagnostics) {
        let named: HashSet<&str> = diagnostics.iter().filter_map(|found| found.resource.as_deref()).collect();
        entries.retain(|entry| !named.contains(entry.key.to_string().as_str()));
        if !tolerates || entries.is_empty() {
            batch.asked = entries.iter().map(|entry| entry.key.clone()).collect();
            return Err(invalid(diagnostics));
        }
        batch.asked = entries.iter().map(|entry| entry.key.clone()).collect();
        batch.leave_out(diagnostics);
    } else if !diagnostics.is_empty() {
        context.printer.diagnostics(&diagnostics);
    }
    // What is as its row says is passed over, whoever owns it.
    if !same.is_empty() {
        let claimed = claims(&desk, &same)?;
        let is_ours = |key| desk.head(key).is_some_and(|head| head.owner.as_deref() == Some(COMMAND_OWNER));
        let passed: HashSet<&ResourceKey> =
            same.iter().filter(|key| claimed.contains_key(key) || !is_ours(key)).collect();
        entries.retain(|entry| !passed.contains(&entry.key));
    }
    if tolerates && !args.own.force {
        let keys: Vec<ResourceKey> = entries.iter().map(|entry| entry.key.clone()).collect();
        let claimed = leave_out_claimed(&desk, batch, &keys)?;
        entries.retain(|entry| !claimed.contains(&entry.key));
    }
    let asked = Asked { entries, is_named: true, catalog: Some(&catalog), ..Asked::default() };
    let manner = Manner { command: COMMAND, own: &args.own, write: &args.write };
    editing::way(context, desk, asked, manner, signals).await
}

/// Rows of tenants that live already.
#[derive(Default)]
struct Existing {
    /// As the row says.
    same: Vec<ResourceKey>,
    /// Otherwise.
    others: Vec<Diagnostic>,
    /// Otherwise, and somebody else's.
    foreign: Vec<Diagnostic>,
}

fn existing(desk: &Desk<'_>, catalog: &Catalog, entries: &[Entry]) -> Existing {
    let mut origins = Origins::new(catalog);
    let mut found = Existing::default();
    for entry in entries {
        let Some(head) = desk.head(&entry.key).filter(|head| !head.deleted) else { continue };
        if head.digest == Some(entry.digest) && !head.touched {
            found.same.push(entry.key.clone());
            continue;
        }
        let (owner, list) = match head.owner.as_deref() {
            Some(COMMAND_OWNER) => (String::new(), &mut found.others),
            Some(owner) => (format!(", and belongs to project `{owner}`"), &mut found.foreign),
            None => (", and belongs to nobody".to_owned(), &mut found.others),
        };
        let message = format!("{} is there already{owner}", entry.key);
        let help =
            "to change it, leave the row out here and use `synthex batch tenants update --from-csv FILE`";
        let position = crate::model::Sources::declared_at(&mut origins, entry);
        list.push(Diagnostic::error("SX0407", message).help(help).at(position).about(entry.key.to_string()));
    }
    found
}
