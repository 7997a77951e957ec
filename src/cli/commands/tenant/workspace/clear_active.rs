//! `tenant workspace clear-active`.

use clap::Args;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::preferences::{self, Preferences};
use crate::files;

/// Forget the active workspace and tenant
///
/// Only your own preferences are changed, and nothing in the database.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant workspace clear-active\n  synthex tenant workspace clear-active --tenant-only"
)]
pub struct ClearActiveArgs {
    /// Forget the tenant, and keep the workspace
    #[arg(long)]
    pub tenant_only: bool,
}

/// Forgets it.
///
/// # Errors
/// The preferences cannot be written.
pub fn clear_active(context: &Context, args: &ClearActiveArgs) -> Result<ExitStatus, CliError> {
    // All of it can also be forgotten where it cannot be read.
    let kept = match args.tenant_only {
        true => Preferences { tenant: None, ..Preferences::read(context)? },
        false => Preferences::default(),
    };
    let is_there = preferences::path(context).is_some_and(|path| files::is_there(&path));
    if is_there {
        kept.write(context)?;
    }
    if context.global.format == Format::Json {
        context.printer.json(&super::kept_json(context, &kept));
    } else {
        context.printer.result(match (&kept.workspace, is_there) {
            (_, false) => "Nothing was active.\n",
            (None, true) => "No workspace and no tenant is active any more.\n",
            (Some(_), true) => "No tenant is active any more.\n",
        });
    }
    super::note_variables(context);
    Ok(ExitStatus::Success)
}
