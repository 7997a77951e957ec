//! The commands for tenants, workspaces, templates and checklists, as an operator types them: the real binary, a real
//! database, and preferences that stay from one command to the next.

mod bad_input;
mod checklists;
mod checks;
mod choices;
mod end_to_end;
mod lists;
mod refusals;
mod shapes;
mod templates;
mod tenants;
mod whereabouts;

use std::path::PathBuf;

use crate::support::cli::{Outcome, Synthex};
use crate::support::database::TestDatabase;
use crate::support::estate::Estate;
use crate::support::project::{Project, workspace_yaml};

/// An operator at a terminal: a folder, a database, a configuration of their own.
pub(crate) struct Operator {
    pub estate: Estate,
}

impl Operator {
    /// With a project file that declares nothing, and an empty database.
    pub fn new(hint: &str) -> Operator {
        let project = Project::new();
        Operator { estate: Estate { project, database: TestDatabase::new(hint) } }
    }

    /// With the workspace `w` made by a command.
    pub fn with_workspace(hint: &str) -> Operator {
        let operator = Operator::new(hint);
        operator.make_workspace("w");
        operator
    }

    /// With the workspace `w` and the tenants of [`Estate`] declared by manifests and applied.
    pub fn declared(hint: &str) -> Operator {
        Operator { estate: Estate::applied(hint) }
    }

    pub fn make_workspace(&self, name: &str) {
        let args = ["tenant", "workspace", "create", "--market", "ANZ_SMB", "--region", "AU-SE1", "--yes"];
        self.run(&[&args[..], &["--workspace-id", name]].concat()).ok();
    }

    /// Makes a Shopify tenant of the workspace that is meant.
    pub fn make_tenant(&self, name: &str, more: &[&str]) {
        let shop = format!("{}.myshopify.com", name.to_ascii_lowercase().replace('_', "-"));
        let args = [
            "tenant",
            "tenants",
            "create",
            "--tenant-id",
            name,
            "--name",
            name,
            "--type",
            "shopify",
            "--shopify-shop",
            &shop,
            "--yes",
        ];
        self.run(&[&args[..], more].concat()).ok();
    }

    pub fn synthex(&self, args: &[&str]) -> Synthex {
        self.estate.synthex(args).env("XDG_CONFIG_HOME", self.configuration())
    }

    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Outcome {
        self.synthex(args).run()
    }

    /// The folder of the operator's configuration.
    pub fn configuration(&self) -> PathBuf {
        self.estate.project.path().join("configuration")
    }

    /// The one value of a query, as text.
    #[track_caller]
    pub fn value(&self, sql: &str) -> String {
        self.estate.value(sql).unwrap_or_default()
    }

    /// A run that must change nothing, end with this code, say these things on standard error, and be JSON where asked.
    #[track_caller]
    pub fn refused(&self, code: i32, args: &[&str], says: &[&str]) -> Outcome {
        let state = self.estate.state();
        let mut outcome = self.run(args).code(code).nowhere("panicked");
        for text in says {
            outcome = outcome.stderr_has(text);
        }
        let as_json = self.run(&[args, &["--format", "json"]].concat()).code(code).json();
        assert_eq!(as_json["error"]["exit_code"], code, "{args:?}: {as_json:#}");
        assert_eq!(self.estate.state(), state, "{args:?}: something was written");
        outcome
    }
}

/// A manifest of a workspace, for those who need one.
pub(crate) fn declare_workspace(operator: &Operator, name: &str) {
    operator.estate.project.write(&format!("manifests/{name}.yaml"), workspace_yaml(name));
}
