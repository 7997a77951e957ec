//! A project folder for one test, and the smallest manifests that are valid.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::cli::Synthex;

/// A folder with a project in it, removed at the end.
pub struct Project {
    folder: TempDir,
}

impl Project {
    /// With the smallest project file there is.
    pub fn new() -> Project {
        let project = Project::empty();
        project.write("synthex.yaml", project_yaml("test"));
        project
    }

    /// With nothing in it.
    pub fn empty() -> Project {
        Project { folder: TempDir::with_prefix("synthex-project-").expect("a project folder") }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, and the folders it is in.
    #[track_caller]
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders can be made");
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    #[track_caller]
    pub fn remove(&self, path: &str) {
        fs::remove_file(self.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// A run of synthex in this folder.
    pub fn synthex(&self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Synthex {
        Synthex::new(self.path()).args(args.into_iter().map(Into::into))
    }
}

/// The smallest project file.
pub fn project_yaml(name: &str) -> String {
    format!("apiVersion: synthex.dev/v1\nkind: Project\nmetadata:\n  name: {name}\nspec: {{}}\n")
}

/// A workspace of small Australian and New Zealand merchants.
pub fn workspace_yaml(name: &str) -> String {
    let spec = "spec:\n  market: ANZ_SMB\n  region: AU-SE1\n";
    format!("apiVersion: synthex.dev/v1\nkind: Workspace\nmetadata:\n  name: {name}\n{spec}")
}

/// A Shopify tenant in that workspace.
pub fn tenant_yaml(name: &str, workspace: &str) -> String {
    let shop = name.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    format!(
        "apiVersion: synthex.dev/v1\nkind: Tenant\nmetadata:\n  name: {name}\n  workspace: {workspace}\n\
         spec:\n  displayName: {name}\n  type: shopify\n  market: ANZ_SMB\n  region: AU-SE1\n  status: active\n  \
         shopifyShop: {shop}.myshopify.com\n"
    )
}
