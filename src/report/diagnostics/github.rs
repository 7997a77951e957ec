//! Problems as workflow commands, which GitHub shows beside the line in a pull request.
//!
//! The form is that of <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>: a line feed would
//! end the command and begin another one, so everything that could is escaped.

use crate::model::{Diagnostic, Severity};
use crate::report::clean::clean;

/// One line for each problem.
#[must_use]
pub fn github(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(annotation).collect()
}

/// One problem as a line.
pub(in crate::report) fn annotation(diagnostic: &Diagnostic) -> String {
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let place = diagnostic.position.as_ref().map_or_else(String::new, |position| {
        format!("file={},line={},col={},", property(&position.file), position.line, position.column)
    });
    let mut message = data(&diagnostic.message);
    if let Some(help) = &diagnostic.help {
        message.push_str("%0Ahelp: ");
        message.push_str(&data(help));
    }
    format!("::{level} {place}title={}::{message}\n", property(diagnostic.code))
}

/// The text of a command.
pub(in crate::report) fn data(text: &str) -> String {
    clean(text).replace('%', "%25")
}

/// A property of a command, which ends at a comma or colon.
pub(in crate::report) fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
