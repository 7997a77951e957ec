//! `batch tenants create`: tenants from a file of rows.

use std::collections::HashSet;
use std::path::PathBuf;

use clap::Args;

use crate::cli::batching::{Batch, Failed};
use crate::cli::context::Context;
use crate::cli::desk::{Asked, Desk, OwnArgs, invalid};
use crate::cli::editing::{self, Manner, Way};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::outcome::interrupted;
use crate::cli::project;
use crate::cli::row_files::{self, RowFormat, Rows};
use crate::cli::signals::Signals;
use crate::cli::writing::{OnErrorArg, WriteArgs};
use crate::engine;
use crate::kinds::tenant;
use crate::manifest::{Catalog, Loaded, Origins};
use crate::model::diagnostic::has_errors;
use crate::model::{Diagnostic, Entry};
use crate::plan::planner::COMMAND_OWNER;

/// The command, as it is recorded.
const COMMAND: &str = "batch tenants create";

/// Create tenants from the rows of a CSV or JSON file, all or nothing
///
/// The header of a CSV file is `tenantId,name,type,market,region,shopifyShop,gmcMerchantId`, or more:
/// status,industry,website,email,phone,employeeCount,template,protect,businessId.country,businessId.number,labels and
/// columns labels.KEY and metadata.KEY. A JSON file is a list of objects with the same names. What a row leaves out comes
/// from its template and from the workspace. Every bad row is reported, with its line and column. A row that says what the
/// database has already is passed over.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex batch tenants create --from-csv clients.csv --dry-run\n  synthex batch tenants create --from-csv clients.csv --template shopify-smb-anz --yes\n  synthex batch tenants create --from-json clients.json --on-error continue --yes\n  generate | synthex batch tenants create --from-csv - --yes --format json"
)]
pub struct BatchCreateArgs {
    /// The rows as CSV; `-` for standard input
    #[arg(long, value_name = "FILE", required_unless_present = "from_json")]
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
    let signals = Signals::listen()?;
    let mut batch = Batch::new(COMMAND);
    let planned = tokio::select! {
        biased;
        () = engine::Interrupt::requested(&signals) => Err(interrupted(&signals)),
        planned = plan(context, args, &mut batch, &signals) => planned,
    };
    match planned {
        Ok(Way::Planned(planned)) => batch.perform(context, &args.write, &planned, &signals).await,
        Ok(Way::Written(done)) => Ok(done.status),
        Err(error) => Err(batch.dressed(error)),
    }
}

async fn plan(
    context: &Context,
    args: &BatchCreateArgs,
    batch: &mut Batch,
    signals: &Signals,
) -> Result<Way, CliError> {
    let (path, format) = match (&args.from_csv, &args.from_json) {
        (Some(path), _) => (path, RowFormat::Csv),
        (None, Some(path)) => (path, RowFormat::Json),
        (None, None) => return Err(CliError::usage("no file is named").help("add --from-csv FILE")),
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
    let Loaded { mut catalog, mut diagnostics } = rows.load(file, &beneath, desk.found.as_ref());
    let mut entries: Vec<Entry> = std::mem::take(&mut catalog.entries);
    let beneath_them: Vec<Entry> =
        entries.extract_if(.., |entry| entry.key.kind.rank != tenant::KIND.rank).collect();
    catalog.entries = beneath_them;
    diagnostics.extend(existing(&desk, &catalog, &entries));
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
    if tolerates && !args.own.force && !args.own.write {
        leave_out_claimed(&desk, batch, &mut entries)?;
    }
    let asked = Asked { entries, is_named: true, catalog: Some(&catalog), ..Asked::default() };
    let manner = Manner { command: COMMAND, own: &args.own, write: &args.write };
    editing::way(context, desk, asked, manner, signals).await
}

/// Rows of tenants that live already, and are not as the row says.
fn existing(desk: &Desk<'_>, catalog: &Catalog, entries: &[Entry]) -> Vec<Diagnostic> {
    let mut origins = Origins::new(catalog);
    let living = entries.iter().filter_map(|entry| {
        let head = desk.head(&entry.key).filter(|head| !head.deleted)?;
        let is_same = head.digest == Some(entry.digest)
            && !head.touched
            && head.owner.as_deref() == Some(COMMAND_OWNER);
        (!is_same).then_some((entry, head))
    });
    living
        .map(|(entry, head)| {
            let owner = match head.owner.as_deref() {
                Some(COMMAND_OWNER) => String::new(),
                Some(owner) => format!(", and belongs to project `{owner}`"),
                None => ", and belongs to nobody".to_owned(),
            };
            let message = format!("{} is there already{owner}", entry.key);
            let help =
                "to change it, leave the row out here and use `synthex batch tenants update --from-csv FILE`";
            let position = crate::model::Sources::declared_at(&mut origins, entry);
            Diagnostic::error("SX0407", message).help(help).at(position).about(entry.key.to_string())
        })
        .collect()
}

/// Takes out what manifests declare or projects own, where each row stands for itself.
fn leave_out_claimed(desk: &Desk<'_>, batch: &mut Batch, entries: &mut Vec<Entry>) -> Result<(), CliError> {
    let keys = entries.iter().map(|entry| entry.key.clone()).collect();
    let claimed = desk.claims(&keys)?.into_iter().map(|claim| {
        let item = claim.split(' ').next().unwrap_or_default().to_owned();
        Failed { item, error: claim }
    });
    let claimed: Vec<Failed> = claimed.collect();
    let named: HashSet<&str> = claimed.iter().map(|claim| claim.item.as_str()).collect();
    entries.retain(|entry| !named.contains(entry.key.to_string().as_str()));
    batch.asked.retain(|key| !named.contains(key.to_string().as_str()));
    batch.failed.extend(claimed);
    Ok(())
}
