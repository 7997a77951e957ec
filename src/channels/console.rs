//! The console: one line, as words or as JSON, to the standard output of whatever delivers (M-D16).

use crate::report::notice::{Words, console};

/// The line, without its end.
#[must_use]
pub fn line(words: &Words<'_>, as_json: bool) -> String {
    if as_json { console::json(words) } else { console::text(words) }
}
