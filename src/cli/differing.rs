//! What changes in a file, as a reader is shown it.

use similar::TextDiff;

use crate::manifest::edit::Edited;
use crate::report::paint::{Paint, paint};
use crate::report::{self, Style};

/// What changes in a file, as a unified diff.
#[must_use]
pub fn diff(file: &Edited) -> String {
    let new = file.new.as_deref().unwrap_or_default();
    let name = if file.new.is_some() { file.path.as_str() } else { "/dev/null" };
    let diff = TextDiff::from_lines(file.old.as_str(), new);
    diff.unified_diff().context_radius(3).header(&file.path, name).to_string()
}

/// A diff for a terminal: coloured, and without what a terminal would obey.
#[must_use]
pub fn painted(diff: &str, style: &Style) -> String {
    let mut out = String::with_capacity(diff.len());
    for line in diff.split_terminator('\n') {
        let line = report::clean::clean(line.trim_end_matches('\r'));
        let color = match line.as_bytes().first() {
            _ if line.starts_with("--- ") || line.starts_with("+++ ") => Some(Paint::Strong),
            Some(b'+') => Some(Paint::Added),
            Some(b'-') => Some(Paint::Removed),
            Some(b'@') => Some(Paint::Dim),
            _ => None,
        };
        match color {
            Some(color) => out.push_str(&paint(&line, color, style)),
            None => out.push_str(&line),
        }
        out.push('\n');
    }
    out
}
