//! A question on the terminal. The terminal stays as it is: whatever ends the program while it waits, nothing has to be
//! put back.

use std::io::BufRead as _;

use crate::engine;

use super::context::Context;
use super::error::CliError;
use super::outcome::interrupted;
use super::printer::write_stderr;
use super::signals::Signals;

/// Asks whether what a command has shown is to be done.
///
/// # Errors
/// There is no terminal to ask on, or the user stops it.
pub async fn agree(context: &Context, command: &str, signals: &Signals) -> Result<bool, CliError> {
    if !context.environment.is_interactive() {
        let what = format!("{command} would change the database, and there is no terminal to ask on");
        return Err(CliError::usage(what)
            .why("standard input or standard error is no terminal, and --yes was not given")
            .help("review the plan, then add --yes"));
    }
    tokio::select! {
        biased;
        () = engine::Interrupt::requested(signals) => {
            // The terminal shows `^C` behind the question.
            write_stderr("\n");
            Err(interrupted(signals))
        }
        answer = confirm("Apply these changes?") => answer,
    }
}

/// Asks on standard error and reads a line; anything but yes is no, and so is the end of the input.
///
/// # Errors
/// The answer cannot be read.
pub async fn confirm(question: &str) -> Result<bool, CliError> {
    // What was typed before the question was seen is no answer to it.
    #[cfg(unix)]
    let _ = rustix::termios::tcflush(std::io::stdin(), rustix::termios::QueueSelector::IFlush);
    write_stderr(&format!("{question} [y/N] "));
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|length| (length > 0).then_some(line))
    });
    let failed = |why: String| {
        CliError::other("the answer could not be read, so nothing was changed", why)
            .help("answer y or n and press Enter, or use --yes")
    };
    let line =
        read.await.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
    if line.is_none() {
        write_stderr("\n");
    }
    Ok(line.is_some_and(|line| is_yes(&line)))
}

fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for (line, expected) in [
            ("y\n", true),
            (" Yes \r\n", true),
            ("\n", false),
            ("n\n", false),
            ("yn\n", false),
            ("ye", false),
        ] {
            assert_eq!(is_yes(line), expected, "{line:?}");
        }
    }
}
