//! The refusal to change what somebody else has a say in.

use super::error::{CliError, ExitStatus};

/// Refuses to change what somebody else has a say in.
#[must_use]
pub fn claimed(mut claims: Vec<String>) -> CliError {
    const MOST: usize = 20;
    let count = claims.len();
    let what = match claims.as_slice() {
        [one] => one.clone(),
        _ => format!("{count} of these are declared by manifests, or belong to a project"),
    };
    let mut error = CliError::new(ExitStatus::Refused, "declared", what)
        .why("a change made here would be taken back by the next apply; nothing was changed")
        .help("let the manifest be changed with --write, or change it and apply it; or add --force, which holds until the next apply");
    if count > 1 {
        claims.truncate(MOST);
        if count > MOST {
            claims.push(format!("and {} more", count - MOST));
        }
        error.also = claims;
    }
    error
}
