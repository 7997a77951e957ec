//! `completions`: what a shell needs to complete the commands.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::args::Cli;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex completions bash > /etc/bash_completion.d/synthex\n  synthex completions zsh > ~/.zfunc/_synthex"
)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Runs `completions`.
///
/// # Errors
/// None.
pub fn completions(context: &Context, args: &CompletionsArgs) -> Result<ExitStatus, CliError> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "synthex", &mut text);
    context.printer.result(&String::from_utf8_lossy(&text));
    Ok(ExitStatus::Success)
}
