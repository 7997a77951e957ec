//! The program: parses the arguments, runs the command, returns the exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    synthex::cli::main().into()
}
