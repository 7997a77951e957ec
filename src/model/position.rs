//! Where a value came from: which file, which line and column, which row of a CSV file.

use std::fmt;
use std::sync::Arc;

/// Index of a [`SourceFile`] among the files of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A file that was read: its name as shown to people, and what was in it.
#[derive(Debug)]
pub struct SourceFile {
    /// The path as shown: relative to the working directory where that is shorter.
    pub path: String,
    /// The overlay that it belongs to, by number; `None` for what is declared for all environments.
    pub overlay: Option<u16>,
    content: Result<String, Vec<u8>>,
}

impl SourceFile {
    /// Takes the bytes of a file. That they are UTF-8 is found out once, here.
    #[must_use]
    pub fn new(path: String, bytes: Vec<u8>) -> Self {
        let content = String::from_utf8(bytes).map_err(std::string::FromUtf8Error::into_bytes);
        Self { path, overlay: None, content }
    }

    /// The same file as part of an overlay.
    #[must_use]
    pub fn in_overlay(mut self, overlay: u16) -> Self {
        self.overlay = Some(overlay);
        self
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.content {
            Ok(text) => text.as_bytes(),
            Err(bytes) => bytes,
        }
    }

    /// The text up to the first byte that is not UTF-8: all of it, as a rule.
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.content {
            Ok(text) => text,
            Err(bytes) => {
                let valid = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
                std::str::from_utf8(&bytes[..valid]).unwrap_or_default()
            }
        }
    }
}

/// A place in a file, as people count: from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The file's shown path.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Position {
    /// The first character of a file.
    #[must_use]
    pub fn start_of(file: &str) -> Self {
        Self { file: file.into(), line: 1, column: 1 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Where a resource was declared, small enough to keep a hundred thousand of: the document's byte range, and the
/// row when one document declares many. Positions of single fields are found again from the text when asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceRef {
    /// The manifest.
    pub file: FileId,
    /// First byte of the document.
    pub start: u32,
    /// One past the last byte of the document.
    pub end: u32,
    /// What within the document, for resources made from rows.
    pub row: Option<RowRef>,
}

/// A row that became a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowRef {
    /// The file that holds the row: a CSV or JSON file, or the manifest itself for inline rows.
    pub file: FileId,
    /// The row's number from 0, header not counted.
    pub index: u32,
    /// First byte of the row.
    pub start: u32,
}
