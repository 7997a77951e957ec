//! What is declared of monitoring, from manifests or from the database.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::alerts::declared::{Declared, is_of_monitoring};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::listing::Listing;
use crate::cli::project;
use crate::kinds;
use crate::manifest::Catalog;

/// What each workspace declares, and the workspace that is meant where none is named.
pub(super) struct Estate {
    pub(super) workspaces: BTreeMap<String, Declared>,
    usual: Option<String>,
}

impl Estate {
    /// Reads the manifests, with no database and no network.
    pub(super) fn of_manifests(context: &Context) -> Result<Self, CliError> {
        let found = project::find(context)?;
        let (catalog, _) = project::load_valid(&found)?;
        Ok(Self::of_catalog(&catalog))
    }

    /// What manifests that were read declare.
    pub(super) fn of_catalog(catalog: &Catalog) -> Self {
        let mut workspaces: BTreeMap<String, Declared> = BTreeMap::new();
        for name in project::declared_workspaces(&catalog.entries) {
            workspaces.entry(name).or_default();
        }
        // What an alert is made of counts for tests; how something is looked at is no alert's business otherwise.
        let is_read = |kind: &str| is_of_monitoring(kind) || kind == kinds::health_check::KIND.name;
        for entry in catalog.entries.iter().filter(|entry| is_read(entry.key.kind.name)) {
            let canonical: Value = serde_json::from_str(&entry.canonical).unwrap_or_default();
            let own = workspaces.entry(entry.key.workspace.to_string()).or_default();
            own.add(entry.key.kind.name, &entry.key.name, &canonical);
        }
        Self { workspaces, usual: catalog.project.spec.workspace.clone() }
    }

    /// Reads what was applied.
    pub(super) async fn of_database(context: &Context, command: &str) -> Result<Self, CliError> {
        let only = context.global.workspace.as_deref();
        let mut listing = Listing::open(context, command, only).await?;
        let mut workspaces: BTreeMap<String, Declared> = BTreeMap::new();
        for name in listing.workspaces().await? {
            workspaces.entry(name).or_default();
        }
        for kind in kinds::stored().filter(|kind| is_of_monitoring(kind.name)) {
            for row in listing.rows(kind).await? {
                let own = workspaces.entry(row.key.workspace.to_string()).or_default();
                own.add(kind.name, &row.key.name, &row.canonical);
            }
        }
        let usual = listing.found.as_ref().and_then(|found| found.project.spec.workspace.clone());
        listing.close().await;
        Ok(Self { workspaces, usual })
    }

    /// The workspace that is meant: the one that is named, the project's default, or the only one there is.
    pub(super) fn workspace(&self, named: Option<&str>) -> Result<(&str, &Declared), CliError> {
        let only = match self.workspaces.len() {
            1 => self.workspaces.keys().next().map(String::as_str),
            _ => None,
        };
        let Some(name) = named.or(self.usual.as_deref()).or(only) else {
            return Err(CliError::usage("no workspace is named").help("name one with --workspace"));
        };
        let found = self.workspaces.get_key_value(name).map(|(name, declared)| (name.as_str(), declared));
        found.ok_or_else(|| {
            let names: Vec<&str> = self.workspaces.keys().map(String::as_str).collect();
            let error = CliError::usage(format!("there is no workspace `{name}`"));
            error.help(if names.is_empty() {
                "no workspace is there yet: declare one and run `synthex apply`".to_owned()
            } else {
                format!("the workspaces are {}", names.join(", "))
            })
        })
    }
}
