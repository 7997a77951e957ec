//! The program: parses the arguments, runs the command, returns the exit status.

use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    synthex::cli::main().into()
}
