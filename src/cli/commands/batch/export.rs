//! `batch export`: tenants as a file of rows that `batch tenants create` reads.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::desk::Desk;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::exporting::refuse_existing;
use crate::cli::row_files::{self, Beneath, RowFormat, Rows};
use crate::files;
use crate::kinds::tenant;
use crate::manifest::write::{self, rows as writing};
use crate::model::selector::Selector;
use crate::model::{ResourceKey, Severity, SourceFile};
use crate::plan::diff::differences;
use crate::plan::{Row, Selection};
use crate::report::clean;

/// How many rows are warned about one by one.
const MOST_WARNINGS: usize = 20;

/// Write the tenants of a workspace as a file of rows
///
/// `batch tenants create` makes the same tenants of it again: what is written is read back and compared, and where CSV cannot say
/// what a tenant has, such as metadata that is no text, a warning tells; JSON can. A cell that a spreadsheet would run, one that
/// begins with `=`, `+`, `-` or `@`, is written with an apostrophe before it, which reading takes off. Deleted tenants are left
/// out.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex batch export csv --output clients.csv\n  synthex batch export json -l tier=gold --limit 100\n  synthex batch export csv -w anz-smb --output clients.csv --force"
)]
pub struct BatchExportArgs {
    /// How the rows are written
    #[arg(value_name = "FORMAT")]
    pub rows: RowFormat,
    /// The file to write; `-` or none is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Only tenants whose labels fit, or fields where there is no such label: `tier=gold,status!=inactive`
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Write at most so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Overwrite a file that is there
    #[arg(long, requires = "output")]
    pub force: bool,
}

/// Runs `batch export`.
///
/// # Errors
/// The file is there already, nothing is selected, or the database does not answer.
pub async fn export(context: &Context, args: &BatchExportArgs) -> Result<ExitStatus, CliError> {
    let selector = args.selector.as_deref().map(str::parse::<Selector>).transpose();
    let selector = selector.map_err(|error| {
        CliError::usage(error.to_string())
            .help("for example: -l 'tier=gold,market in (ANZ_SMB,UK_SMB),!legacy'")
    })?;
    let output = args.output.as_ref().filter(|output| output.as_os_str() != files::STANDARD_INPUT);
    if let Some(output) = output.filter(|output| !args.force && files::is_file(output)) {
        refuse_existing(
            &[(output.clone(), String::new())],
            "name another file, or overwrite it with --force",
        )?;
    }
    let mut desk = Desk::open(context, "batch export").await?;
    let workspace = desk.workspace()?;
    row_files::must_know_workspace(&desk, &workspace)?;
    let keys: Vec<ResourceKey> = desk
        .living(&tenant::KIND)
        .map(|head| head.key.clone())
        .filter(|key| *key.workspace == *workspace)
        .collect();
    let selection = Selection { labels: selector, ..Selection::default() };
    let mut rows = desk.rows(&keys).await?;
    rows.retain(|row| selection.matches_labels(&row.canonical));
    let beneath = row_files::beneath(&mut desk, &[&workspace]).await?;
    let matching = rows.len();
    rows.truncate(args.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX));
    let exporting = Exporting { format: args.rows, workspace: &workspace, beneath: &beneath, desk: &desk };
    let (text, warnings) = exporting.text(&rows);
    desk.connection.close().await;
    for warning in &warnings {
        context.printer.note(&format!("warning: {}", clean::clean(warning)));
    }
    let is_json = context.global.format == Format::Json;
    let mut value = json!({
        "format_version": "1.0", "workspace": workspace, "total": matching, "exported": rows.len(), "warnings": warnings,
    });
    match output {
        Some(output) => {
            files::write_atomically(output, text.as_bytes())?;
            value["written"] = json!(output);
            if is_json {
                context.printer.json(&value);
            } else {
                let words = if rows.len() == 1 { "tenant" } else { "tenants" };
                context.printer.result(&format!(
                    "wrote  {}\n{} {words} exported.\n",
                    output.display(),
                    rows.len()
                ));
            }
        }
        None if is_json => {
            value["content"] = match args.rows {
                RowFormat::Csv => json!(text),
                RowFormat::Json => serde_json::from_str(&text).unwrap_or_default(),
            };
            context.printer.json(&value);
        }
        None => context.printer.result(&text),
    }
    if rows.len() < matching {
        context.printer.note(&format!("{} of {matching} tenants exported.", rows.len()));
    } else if rows.is_empty() {
        context.printer.note(&format!("No tenant of workspace `{workspace}` is selected."));
    }
    Ok(ExitStatus::Success)
}

struct Exporting<'a> {
    format: RowFormat,
    workspace: &'a str,
    beneath: &'a Beneath,
    desk: &'a Desk<'a>,
}

impl Exporting<'_> {
    /// The file, and what it cannot say.
    fn text(&self, rows: &[Row]) -> (String, Vec<String>) {
        let mut written: Vec<Map<String, Value>> =
            rows.iter().map(|row| writing::row_of(&write::literally(&row.key, &row.canonical))).collect();
        let mut text = self.written(&written);
        if rows.is_empty() {
            return (text, Vec::new());
        }
        let mut amiss = self.read_back(rows, &text);
        // What the layers would give is denied where the format can say no.
        if self.format == RowFormat::Json && deny(&mut written, &amiss) {
            text = self.written(&written);
            amiss = self.read_back(rows, &text);
        }
        let count = amiss.len();
        let mut warnings: Vec<String> = amiss
            .into_iter()
            .take(MOST_WARNINGS)
            .map(|(index, what)| format!("{}: {}", rows[index].key, what.words()))
            .collect();
        if count > MOST_WARNINGS {
            warnings.push(format!("and {} more that would come back otherwise", count - MOST_WARNINGS));
        }
        if count > 0 && self.format == RowFormat::Csv {
            warnings.push("a cell of CSV is a text; `synthex batch export json` can say more".to_owned());
        }
        (text, warnings)
    }

    fn written(&self, rows: &[Map<String, Value>]) -> String {
        match self.format {
            RowFormat::Csv => writing::csv(rows),
            RowFormat::Json => {
                serde_json::to_string_pretty(rows).map(|text| format!("{text}\n")).unwrap_or_default()
            }
        }
    }

    /// The rows that would not come back as they are.
    fn read_back(&self, rows: &[Row], text: &str) -> Vec<(usize, Amiss)> {
        let reading = Rows { format: self.format, workspace: self.workspace, template: None };
        let file = SourceFile::new(format!("export.{}", self.format.ending()), text.as_bytes().to_vec());
        let loaded = reading.load(file, self.beneath, self.desk.found.as_ref());
        let mut amiss = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let Some(entry) = loaded.catalog.find(&row.key) else {
                let key = row.key.to_string();
                let errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error);
                let of_row = errors.clone().find(|found| found.resource.as_deref() == Some(&key));
                let why =
                    of_row.or(errors.clone().next()).map_or_else(String::new, |found| found.message.clone());
                amiss.push((index, Amiss::Refused(why)));
                continue;
            };
            let back: Value = serde_json::from_str(&entry.canonical).unwrap_or_default();
            let fields = differences(&row.canonical, &back);
            if !fields.is_empty() {
                let given = fields
                    .iter()
                    .filter(|(_, before, _)| before.is_none())
                    .map(|(path, _, _)| path.clone())
                    .collect();
                let all = fields.into_iter().map(|(path, _, _)| path.join(".")).collect();
                amiss.push((index, Amiss::Differs { all, given }));
            }
        }
        amiss
    }
}

/// Why a row would not come back as it is.
enum Amiss {
    /// Today's rules refuse it.
    Refused(String),
    /// Fields that differ, and of these those that the row does not have.
    Differs { all: Vec<String>, given: Vec<Vec<String>> },
}

impl Amiss {
    fn words(&self) -> String {
        match self {
            Self::Refused(why) => format!("would be refused: {why}"),
            Self::Differs { all, .. } => format!("would come back with another {}", all.join(", ")),
        }
    }
}

/// Says no to metadata that a tenant does not have and its template or workspace would give.
fn deny(rows: &mut [Map<String, Value>], amiss: &[(usize, Amiss)]) -> bool {
    let mut denied = false;
    for (index, what) in amiss {
        let Amiss::Differs { given, .. } = what else { continue };
        for path in given {
            let [first, key, ..] = path.as_slice() else { continue };
            let has =
                |row: &Map<String, Value>| row.get("metadata").is_some_and(|own| own.get(key).is_some());
            if first == "metadata"
                && !has(&rows[*index])
                && let Value::Object(metadata) = rows[*index].entry("metadata").or_insert_with(|| json!({}))
            {
                metadata.insert(key.clone(), Value::Null);
                denied = true;
            }
        }
    }
    denied
}
