//! `validate`: everything that can be checked with no database and no network.

use clap::Args;
use serde_json::json;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::project;
use crate::model::diagnostic;
use crate::report;

/// Check the manifests, with no database and no network
///
/// Reports all problems together, each with file, line, column, rule and what to do; with an error among them, exits with
/// 3. `synthex explain SX0156` says more about a rule.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex validate\n  synthex validate -f examples/quickstart\n  synthex validate --format github\n  synthex validate --format sarif > synthex.sarif"
)]
pub struct ValidateArgs {
    /// Report only the first problem
    #[arg(long)]
    pub fail_fast: bool,
}

/// Runs `validate`.
///
/// # Errors
/// The manifests have errors.
pub fn validate(context: &Context, args: &ValidateArgs) -> Result<ExitStatus, CliError> {
    if matches!(context.global.format, Format::Markdown | Format::Junit | Format::Prometheus) {
        return Err(CliError::usage("this command has no such format")
            .help("use --format human, json, sarif or github"));
    }
    let found = project::find(context)?;
    let loaded = project::load(&found).map_err(CliError::manifests)?;
    if diagnostic::has_errors(&loaded.diagnostics) {
        let error = CliError::manifests(loaded.diagnostics);
        return Err(if args.fail_fast { error.first_only() } else { error });
    }
    if !loaded.diagnostics.is_empty() && context.global.format == Format::Human {
        context.printer.diagnostics(&loaded.diagnostics);
    }
    let count = loaded.catalog.entries.len();
    let files = loaded.catalog.files.len();
    match context.global.format {
        Format::Human | Format::Markdown | Format::Junit | Format::Prometheus => {
            let plural = |count: usize| if count == 1 { "" } else { "s" };
            let text =
                format!("{count} resource{} in {files} file{}: valid.\n", plural(count), plural(files));
            context.printer.result(&text);
        }
        Format::Json => context.printer.json(&json!({
            "format_version": "1.0",
            "valid": true,
            "resources": count,
            "files": files,
            "digest": loaded.catalog.digest().to_string(),
            "diagnostics": report::diagnostics::json(&loaded.diagnostics),
        })),
        Format::Sarif => {
            context.printer.json(&report::diagnostics::sarif(&loaded.diagnostics, env!("CARGO_PKG_VERSION")));
        }
        Format::Github => context.printer.result(&report::diagnostics::github(&loaded.diagnostics)),
    }
    Ok(ExitStatus::Success)
}
