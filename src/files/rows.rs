//! Reads a file of rows that a command is given: from anywhere, also from standard input, within the limit of size.

use std::io::Read as _;
use std::path::Path;
use std::sync::Mutex;

use crate::model::files::{RowFileError, RowFiles};
use crate::model::{Diagnostic, Position, SourceFile};

use super::io_words;
use super::read::{read_one, too_large};

/// How standard input is named on a command line.
pub const STANDARD_INPUT: &str = "-";

/// Reads a file of rows; `-` is standard input, which is shown with the ending of what is expected.
///
/// # Errors
/// It is not there, larger than so many bytes, or cannot be read.
pub fn read_rows(path: &Path, ending: &str, max_size: u64) -> Result<SourceFile, Diagnostic> {
    if path.as_os_str() != STANDARD_INPUT {
        return read_one(path, max_size);
    }
    let shown = format!("stdin.{ending}");
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(max_size + 1).read_to_end(&mut bytes).map_err(|error| {
        Diagnostic::error("SX0112", format!("standard input cannot be read: {}", io_words(&error)))
            .help("look at what is led to it")
            .at(Position::start_of(&shown))
    })?;
    if bytes.len() as u64 > max_size {
        return Err(too_large(Path::new(&shown), max_size));
    }
    Ok(SourceFile::new(shown, bytes))
}

/// One file that was read before, whatever it is asked for as.
pub struct GivenRows(Mutex<Option<SourceFile>>);

impl GivenRows {
    /// Of this file.
    #[must_use]
    pub fn new(file: SourceFile) -> Self {
        Self(Mutex::new(Some(file)))
    }
}

impl RowFiles for GivenRows {
    fn read(&self, _: &str, reference: &str) -> Result<SourceFile, RowFileError> {
        let file = self.0.lock().ok().and_then(|mut file| file.take());
        file.ok_or_else(|| RowFileError {
            code: "SX0112",
            message: format!("`{reference}` was read before"),
            help: "name each file once".to_owned(),
        })
    }
}
