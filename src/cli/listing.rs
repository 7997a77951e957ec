//! What lists read: one connection, and the workspaces to look in. Nothing is planned from here.

use chrono::{DateTime, Utc};

use crate::engine::StateReader as _;
use crate::kinds::workspace;
use crate::model::KindRef;
use crate::plan::pauses::Pauses;
use crate::store::summary::{CredentialGroup, LastApply, RuleGroup, TenantGroup};
use crate::store::{self, ConnectOptions, Connection, DoneStep, Listed};

use super::commands;
use super::context::Context;
use super::database;
use super::error::CliError;
use super::preferences::{self, Choice};
use super::project::{self, Found};

/// Said of lists of a database where synthex is not installed.
pub const NOTHING_APPLIED: &str = "Nothing was applied to this database yet: run `synthex apply`.";

/// A database to list from.
pub struct Listing {
    /// The project, where there is one.
    pub found: Option<Found>,
    /// Whether synthex is installed there.
    pub is_installed: bool,
    /// How to connect.
    pub options: ConnectOptions,
    /// The database, as shown.
    pub database: String,
    /// The connection, outside of a transaction.
    pub connection: Connection,
    /// Where to look, one after the other; `None` for all workspaces at once.
    pub scopes: Vec<Option<String>>,
}

/// Counts of what lives.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Tenants.
    pub tenants: Vec<TenantGroup>,
    /// Credentials.
    pub credentials: Vec<CredentialGroup>,
    /// Alert rules.
    pub rules: Vec<RuleGroup>,
    /// What last changed something.
    pub applies: Vec<LastApply>,
}

impl Listing {
    /// Opens the database that the options mean. With a workspace, nothing else is looked at, and it must be known.
    ///
    /// # Errors
    /// It cannot be reached, or no workspace is known where one must be.
    pub async fn open(context: &Context, command: &str, only: Option<&str>) -> Result<Self, CliError> {
        Self::open_at(context, command, only, true).await
    }

    /// [`Listing::open`] for a caller that says itself when the workspace is nowhere.
    ///
    /// # Errors
    /// As there.
    pub async fn open_anywhere(
        context: &Context,
        command: &str,
        only: Option<&str>,
    ) -> Result<Self, CliError> {
        Self::open_at(context, command, only, false).await
    }

    async fn open_at(
        context: &Context,
        command: &str,
        only: Option<&str>,
        must_know: bool,
    ) -> Result<Self, CliError> {
        let (source, found) = commands::place(context)?;
        let options = database::open(context, &source, command).await?;
        let mut connection = options.connect().await?;
        connection.begin_reading().await?;
        let is_installed = connection.is_installed().await?;
        let is_confined = is_installed && connection.is_confined().await?;
        if let (Some(only), true) = (only, is_installed && must_know) {
            let named = preferences::workspace(context)?.filter(|choice| choice.name == only);
            let choice =
                named.unwrap_or_else(|| Choice { name: only.to_owned(), by: preferences::BY_OPTION });
            project::must_know_choice(&mut connection, found.as_ref(), &choice).await?;
        }
        connection.rollback().await?;
        let scopes = match (only, is_confined) {
            (Some(only), _) => vec![Some(only.to_owned())],
            (None, false) => vec![None],
            // Row-level security shows this role one workspace at a time.
            (None, true) => {
                let found = found.as_ref().ok_or_else(project::no_workspace)?;
                project::visible_workspaces(found, None)?.into_iter().map(Some).collect()
            }
        };
        let database = database::shown(&source, &options);
        Ok(Self { found, is_installed, options, database, connection, scopes })
    }

    /// The living rows of a kind, sorted by key.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn rows(&mut self, kind: KindRef) -> Result<Vec<Listed>, CliError> {
        let mut rows = Vec::new();
        if self.is_installed {
            for scope in &self.scopes {
                rows.append(&mut store::list(&mut self.connection, kind, scope.as_deref()).await?);
            }
        }
        Ok(rows)
    }

    /// The living rows of a kind in a workspace, wherever else is looked.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn rows_of(&mut self, kind: KindRef, workspace: &str) -> Result<Vec<Listed>, CliError> {
        if !self.is_installed {
            return Ok(Vec::new());
        }
        Ok(store::list(&mut self.connection, kind, Some(workspace)).await?)
    }

    /// How many alerts each silence and window mutes.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn mutings(&mut self) -> Result<Vec<store::mutings::Muting>, CliError> {
        let mut all = Vec::new();
        if self.is_installed {
            for scope in &self.scopes {
                all.append(&mut store::mutings::mutings(&mut self.connection, scope.as_deref()).await?);
            }
        }
        Ok(all)
    }

    /// When each rule was last evaluated.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn evaluations(&mut self) -> Result<Vec<store::mutings::Evaluation>, CliError> {
        let mut all = Vec::new();
        if self.is_installed {
            for scope in &self.scopes {
                all.append(&mut store::mutings::evaluations(&mut self.connection, scope.as_deref()).await?);
            }
        }
        Ok(all)
    }

    /// The names of all workspaces that the role may see, wherever else is looked.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn workspaces(&mut self) -> Result<Vec<String>, CliError> {
        let all = store::list(&mut self.connection, &workspace::KIND, None).await?;
        Ok(all.iter().map(|row| row.key.name.to_string()).collect())
    }

    /// The living tenants, counted by what they have in common.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn tenant_groups(&mut self) -> Result<Vec<TenantGroup>, CliError> {
        Ok(self.counts_of(false).await?.tenants)
    }

    /// Everything that is counted.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn counts(&mut self) -> Result<Counts, CliError> {
        self.counts_of(true).await
    }

    async fn counts_of(&mut self, all: bool) -> Result<Counts, CliError> {
        let mut counts = Counts::default();
        if !self.is_installed {
            return Ok(counts);
        }
        self.connection.begin_reading().await?;
        for scope in self.scopes.clone() {
            let only = scope.as_deref();
            if let Some(only) = only {
                self.connection.enter(only).await?;
            }
            counts.tenants.append(&mut self.connection.tenant_groups(only).await?);
            if all {
                counts.credentials.append(&mut self.connection.credential_groups(only).await?);
                counts.rules.append(&mut self.connection.rule_groups(only).await?);
                counts.applies.append(&mut self.connection.last_applies(only).await?);
            }
        }
        self.connection.rollback().await?;
        Ok(counts)
    }

    /// The workspaces that are paused, of those that are looked at.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn pauses(&mut self, now: DateTime<Utc>) -> Result<Pauses, CliError> {
        let mut rows = Vec::new();
        if self.is_installed {
            let names: Vec<&str> = self.scopes.iter().filter_map(Option::as_deref).collect();
            self.connection.begin_reading().await?;
            rows = self.connection.pauses((!names.is_empty()).then_some(&names)).await?;
            self.connection.rollback().await?;
        }
        let declared = self.found.as_ref().map_or(&[][..], |found| &found.project.spec.pauses);
        Ok(Pauses::of(rows, declared, now))
    }

    /// What is done of a tenant's setup steps.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn done_steps(&mut self, tenant: &Listed) -> Result<Vec<DoneStep>, CliError> {
        self.connection.begin_reading().await?;
        self.connection.enter(&tenant.key.workspace).await?;
        let done = self.connection.done_steps(&tenant.key.workspace, tenant.id).await?;
        self.connection.rollback().await?;
        Ok(done)
    }

    /// Says goodbye.
    pub async fn close(self) {
        self.connection.close().await;
    }
}

/// The workspace that a list is of: the active one, unless all are wanted. What was not said on the command line is said
/// to the reader.
///
/// # Errors
/// The preferences cannot be read.
pub fn active(context: &Context, all: bool) -> Result<Option<Choice>, CliError> {
    if all {
        if context.global.workspace.is_some() {
            return Err(CliError::usage("--workspace names one workspace, and --all-workspaces means all")
                .help("leave one of the two out"));
        }
        return Ok(None);
    }
    preferences::workspace(context)
}

/// Says which workspace is looked at, where the command line does not say it.
pub fn note_active(context: &Context, active: Option<&Choice>) {
    if let Some(Choice { name, by }) = active.filter(|choice| choice.by != preferences::BY_OPTION) {
        context
            .printer
            .note(&format!("Of workspace `{name}` ({by}); --all-workspaces shows those of all workspaces."));
    }
}
