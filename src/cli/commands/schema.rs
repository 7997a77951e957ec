//! `schema`: the JSON Schemas of manifests and of the program's own JSON.

use std::path::PathBuf;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::files;
use crate::kinds;
use crate::manifest::schema;
use crate::model::diagnostic::did_you_mean;
use crate::report;

/// Print the JSON Schema of manifests, for editors and other tools
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex schema > manifest.schema.json\n  synthex schema --kind Tenant\n  synthex schema --dir schemas"
)]
pub struct SchemaArgs {
    /// Only the manifests of this kind; `Plan` for the JSON of `synthex plan`, `UsageReport` for that of `analytics report`
    #[arg(long, value_name = "KIND", conflicts_with = "dir")]
    pub kind: Option<String>,
    /// Write all schemas into this folder
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Runs `schema`.
///
/// # Errors
/// The kind is unknown, or a file cannot be written.
pub fn schema(context: &Context, args: &SchemaArgs) -> Result<ExitStatus, CliError> {
    if let Some(folder) = &args.dir {
        for (name, schema) in schema::all().into_iter().chain(report::schemas()) {
            files::write_atomically(&folder.join(&name), report::json::text(&schema).as_bytes())?;
            context.printer.result(&format!("{}\n", folder.join(name).display()));
        }
        return Ok(ExitStatus::Success);
    }
    let value = match args.kind.as_deref() {
        None => schema::of_any(),
        Some(word) if word.eq_ignore_ascii_case("plan") => report::plan_json::schema(),
        Some(word) if word.eq_ignore_ascii_case("usagereport") => report::usage::schema::schema(),
        Some(word) => match kinds::find_slug(word) {
            Some(kind) => schema::of_kind(kind),
            None => return Err(unknown_kind(word)),
        },
    };
    context.printer.json(&value);
    Ok(ExitStatus::Success)
}

/// An unknown kind on the command line.
#[must_use]
pub fn unknown_kind(word: &str) -> CliError {
    let names = schema::kind_names();
    let help = match did_you_mean(word, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the kinds are {}", names.join(", ")),
    };
    CliError::usage(format!("there is no kind `{word}`")).help(help)
}
