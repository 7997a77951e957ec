//! How pure code asks for files that only a manifest names.

use super::position::SourceFile;

/// Gives the files that tenant sets name.
pub trait RowFiles: Sync {
    /// Reads the file that `reference`, written in `manifest`, means.
    ///
    /// # Errors
    /// The file is not there, not readable, too large, or outside the project.
    fn read(&self, manifest: &str, reference: &str) -> Result<SourceFile, RowFileError>;
}

/// Why a file of rows could not be read.
#[derive(Clone, Debug)]
pub struct RowFileError {
    /// Rule code.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}
