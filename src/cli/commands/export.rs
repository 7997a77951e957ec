//! `export`: what is in the database, as manifests.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::database;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::exporting::{self, MODELINE};
use crate::cli::selecting::{self, SelectArgs};
use crate::files;
use crate::kinds;
use crate::manifest::write::{Composer, Written};
use crate::model::{KindRef, ResourceKey};
use crate::plan::Row;

/// Print what is in the database as manifests
///
/// A plan on what is written shows no changes: every manifest is read back and compared with its row. Where no manifest can
/// say what a row says, a comment and a warning tell. Deleted rows are left out. Of secrets only the places are written.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex export\n  synthex export --workspace anz-smb --output manifests/anz-smb\n  synthex export --kind tenant -l market=ANZ_SMB --skip-defaults\n  synthex export --owned-by nobody"
)]
pub struct ExportArgs {
    /// Only these kinds; repeatable
    #[arg(long, value_name = "KIND", value_parser = kind)]
    pub kind: Vec<KindRef>,
    /// Only rows of this project; `cli` for those that commands made, `nobody` for those made by hand
    #[arg(long, value_name = "PROJECT")]
    pub owned_by: Option<String>,
    /// Leave out what is the default, or what template and workspace give anyway
    #[arg(long)]
    pub skip_defaults: bool,
    /// Write DIR/WORKSPACE/KIND.yaml instead of standard output
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Overwrite files that are there
    #[arg(long, requires = "output")]
    pub force: bool,
    #[command(flatten)]
    pub select: SelectArgs,
}

fn kind(word: &str) -> Result<KindRef, String> {
    kinds::find_slug(word).filter(|kind| kind.table.is_some()).ok_or_else(|| {
        let slugs: Vec<&str> = kinds::stored().map(|kind| kind.slug).collect();
        format!("the kinds are {}", slugs.join(", "))
    })
}

/// Runs `export`.
///
/// # Errors
/// Nothing is selected, a file is there already, or the database does not answer.
pub async fn export(context: &Context, args: &ExportArgs) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    let selection = args.select.selection()?;
    let (source, found) = super::place(context)?;
    let options = database::open(context, &source, "export").await?;
    let mut connection = options.connect().await?;
    let rows = exporting::living(context, &mut connection, found.as_ref()).await?.unwrap_or_default();
    connection.close().await;
    let keys: Vec<&ResourceKey> = rows.iter().map(|row| &row.key).collect();
    for notice in selecting::check_patterns(&selection, &keys)? {
        context.printer.note(&notice);
    }
    let wanted = |row: &&Row| {
        let owner = row.owner.as_deref().unwrap_or("nobody");
        (args.kind.is_empty() || args.kind.iter().any(|kind| kind.rank == row.key.kind.rank))
            && args.owned_by.as_deref().is_none_or(|wanted| wanted == owner)
    };
    let chosen: Vec<&Row> = rows
        .iter()
        .filter(wanted)
        .filter(|row| selection.matches_key(&row.key) && selection.matches_labels(&row.canonical))
        .collect();
    if chosen.is_empty() && !selection.is_all() {
        let keys: Vec<&ResourceKey> = rows.iter().filter(wanted).map(|row| &row.key).collect();
        return Err(selecting::nothing_live(&selection, &keys));
    }
    let usual = found.as_ref().and_then(|found| found.project.spec.workspace.clone());
    let layers = rows.iter().map(|row| (&row.key, &row.canonical));
    let composer = Composer::new(usual, layers, args.skip_defaults);
    let written: Vec<Written> = chosen.iter().map(|row| composer.compose(&row.key, &row.canonical)).collect();
    let remarks = exporting::remarks(&written);
    for remark in &remarks {
        context.printer.note(&format!("warning: {}", crate::report::clean::clean(remark)));
    }
    let json = context.global.format == Format::Json;
    let Some(dir) = &args.output else {
        if json {
            let all: Vec<&Value> = written.iter().map(|one| &one.manifest).collect();
            context.printer.json(&all);
        } else if !written.is_empty() {
            context.printer.stream(|out| {
                writeln!(out, "{MODELINE}../schemas/manifest.schema.json")?;
                for (index, one) in written.iter().enumerate() {
                    write!(out, "{}{}", if index > 0 { "---\n" } else { "" }, one.text())?;
                }
                Ok(())
            });
        }
        if written.is_empty() {
            context.printer.note("There is nothing to export.");
        }
        return Ok(ExitStatus::Success);
    };
    let files = exporting::files_of(context, found.as_ref(), dir, &written);
    if !args.force {
        exporting::refuse_existing(&files, "name another folder, or overwrite with --force")?;
    }
    for (path, text) in &files {
        files::write_atomically(path, text.as_bytes())?;
    }
    if json {
        let paths: Vec<&PathBuf> = files.iter().map(|(path, _)| path).collect();
        context.printer.json(&json!({
            "format_version": "1.0", "resources": written.len(), "written": paths, "warnings": remarks,
        }));
    } else {
        let lines: String = files.iter().map(|(path, _)| format!("wrote  {}\n", path.display())).collect();
        context.printer.result(&format!("{lines}{} resources exported.\n", written.len()));
    }
    Ok(ExitStatus::Success)
}
