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

/// Reads a file of rows, also from a pipe; `-` is standard input. What has not the ending of what is expected is shown with it
/// added, since the ending tells how places in it are counted.
///
/// # Errors
/// It is not there, larger than so many bytes, or cannot be read.
pub fn read_rows(path: &Path, ending: &str, max_size: u64) -> Result<SourceFile, Diagnostic> {
    if path.as_os_str() == STANDARD_INPUT {
        return read_stream(std::io::stdin().lock(), "standard input", format!("stdin.{ending}"), max_size);
    }
    let has_ending = path.extension().is_some_and(|have| have.eq_ignore_ascii_case(ending));
    let name = path.to_string_lossy().into_owned();
    let shown = if has_ending { name.clone() } else { format!("{name}.{ending}") };
    let is_pipe = std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
    if is_pipe && let Ok(pipe) = std::fs::File::open(path) {
        return read_stream(pipe, &name, shown, max_size);
    }
    let file = read_one(path, max_size)?;
    Ok(if has_ending { file } else { SourceFile::new(shown, file.bytes().to_vec()) })
}

fn read_stream(
    stream: impl std::io::Read,
    name: &str,
    shown: String,
    max_size: u64,
) -> Result<SourceFile, Diagnostic> {
    let mut bytes = Vec::new();
    stream.take(max_size + 1).read_to_end(&mut bytes).map_err(|error| {
        Diagnostic::error("SX0112", format!("{name} cannot be read: {}", io_words(&error)))
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
