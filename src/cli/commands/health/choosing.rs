//! `-l` of lists: what is about tenants whose labels fit.

use std::collections::BTreeSet;

use crate::cli::error::CliError;
use crate::cli::selecting;
use crate::kinds;
use crate::plan::Selection;
use crate::store::{self, Connection};

/// Tenants that were chosen by their labels.
#[derive(Debug, Default)]
pub struct ChosenTenants(BTreeSet<(String, String)>);

/// The selection, where there is one.
///
/// # Errors
/// The selector cannot be read.
pub fn selection(selector: Option<&str>) -> Result<Option<Selection>, CliError> {
    selector.map(|selector| selecting::labels(Some(selector))).transpose()
}

impl ChosenTenants {
    /// Those of a workspace, or of all, that fit. Outside of a transaction.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn read(
        connection: &mut Connection,
        workspace: Option<&str>,
        selection: &Selection,
    ) -> Result<Self, CliError> {
        let rows = store::list(connection, &kinds::tenant::KIND, workspace).await?;
        let fitting = rows.iter().filter(|row| selection.matches_labels(&row.canonical));
        Ok(Self(fitting.map(|row| (row.key.workspace.to_string(), row.key.name.to_string())).collect()))
    }

    /// Whether something is about one of them.
    #[must_use]
    pub fn has(&self, workspace: &str, tenant: Option<&str>) -> bool {
        tenant.is_some_and(|tenant| self.0.contains(&(workspace.to_owned(), tenant.to_owned())))
    }

    /// The workspaces and names, as columns.
    #[must_use]
    pub fn columns(&self) -> (Vec<&str>, Vec<&str>) {
        self.0.iter().map(|(workspace, name)| (workspace.as_str(), name.as_str())).unzip()
    }
}
