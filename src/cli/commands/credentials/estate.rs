//! The living credentials, with their tenants and what was observed of them: read in a handful of statements, however many
//! there are.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::alerts::expiry::{self, Standing};
use crate::cli::commands;
use crate::cli::context::Context;
use crate::cli::database;
use crate::cli::desk::some;
use crate::cli::error::CliError;
use crate::cli::preferences;
use crate::cli::project::{self, Found};
use crate::cli::selecting;
use crate::engine::credentials::Subject;
use crate::engine::{StateError, StateReader as _};
use crate::kinds;
use crate::kinds::credential::{CredentialSpec, CredentialStatus as Declared};
use crate::model::diagnostic::did_you_mean;
use crate::store::{self, Chosen, ConnectOptions, Connection, CredentialStatus, Listed, migration_state};

use super::FilterArgs;

/// One credential.
pub struct Item {
    /// The row.
    pub row: Listed,
    /// What a provider must know; why not, where the row was written by hand and says nothing sensible.
    pub subject: Result<Subject, String>,
    /// What was observed.
    pub status: CredentialStatus,
    /// The expiry that is declared.
    pub declared_expires_at: Option<DateTime<Utc>>,
    /// When it stops working, as far as is known: what was observed wins.
    pub expires_at: Option<DateTime<Utc>>,
    /// How it stands.
    pub standing: Standing,
}

/// All of them.
pub struct Estate {
    /// The project, where there is one.
    pub found: Option<Found>,
    /// How to connect again.
    pub options: ConnectOptions,
    /// Whether synthex is installed there.
    pub is_installed: bool,
    /// The credentials, sorted by key.
    pub items: Vec<Item>,
    /// The tenants, of every workspace that was read.
    pub tenant_rows: Vec<Listed>,
    /// The workspaces that were read, one after the other; `None` for all at once.
    pub scopes: Vec<Option<String>>,
    /// The names of the tenants.
    tenants: BTreeSet<String>,
    /// The names of the workspaces.
    pub workspaces: BTreeSet<String>,
}

impl Estate {
    /// Reads what the database has; of the active workspace, where one is.
    ///
    /// # Errors
    /// The database does not answer, or no workspace is named where one must be.
    pub async fn open(context: &Context, command: &str) -> Result<Self, CliError> {
        let (source, found) = commands::place(context)?;
        let options = database::open(context, &source, command).await?;
        let mut connection = options.connect().await?;
        connection.begin_reading().await?;
        let is_installed = connection.is_installed().await?;
        let mut only = vec![None];
        if is_installed {
            migration_state(&mut connection).await?;
            let active = preferences::workspace(context)?;
            if let Some(choice) = &active {
                project::must_know_choice(&mut connection, found.as_ref(), choice).await?;
            }
            let active = active.map(|choice| choice.name);
            only = if active.is_some() {
                vec![active]
            } else if connection.is_confined().await? {
                let names = match &found {
                    Some(found) => project::visible_workspaces(found, None)?,
                    None => return Err(project::no_workspace()),
                };
                names.into_iter().map(Some).collect()
            } else {
                only
            };
        }
        connection.rollback().await?;
        let now = context.clock.now();
        let mut estate = Self {
            found,
            options,
            is_installed,
            items: Vec::new(),
            tenant_rows: Vec::new(),
            scopes: only.clone(),
            tenants: BTreeSet::new(),
            workspaces: BTreeSet::new(),
        };
        if is_installed {
            for workspace in only {
                estate.read(&mut connection, workspace.as_deref(), now).await?;
            }
        }
        estate.items.sort_by(|left, right| left.row.key.cmp(&right.row.key));
        connection.close().await;
        Ok(estate)
    }

    async fn read(
        &mut self,
        connection: &mut Connection,
        workspace: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), CliError> {
        let Stock { workspaces, tenants, items } = Stock::read(connection, workspace, now).await?;
        self.workspaces.extend(workspaces);
        self.tenants.extend(tenants.iter().map(|row| row.key.name.to_string()));
        self.items.extend(items);
        self.tenant_rows.extend(tenants);
        Ok(())
    }

    /// The credentials that a filter lets through. All unknown tenants and workspaces are named.
    ///
    /// # Errors
    /// The selector cannot be read, or a tenant or workspace is unknown.
    pub fn filtered(self, filter: &Filter<'_>) -> Result<Vec<Item>, CliError> {
        let selection = selecting::labels(filter.args.selector.as_deref())?;
        self.know("tenant", &filter.args.tenant_ids, &self.tenants)?;
        self.know("workspace", filter.workspaces, &self.workspaces)?;
        let names: BTreeSet<String> = self.items.iter().map(|item| item.row.key.name.to_string()).collect();
        self.know("credential", filter.names, &names)?;
        let among = |wanted: &[String], name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
        let mut items = self.items;
        items.retain(|item| {
            among(filter.names, &item.row.key.name)
                && among(&filter.args.tenant_ids, item.tenant())
                && among(filter.workspaces, &item.row.key.workspace)
                && selection.matches_labels(&item.row.canonical)
                && filter.args.service.as_deref().is_none_or(|service| item.service() == service)
                && filter.args.status.as_deref().is_none_or(|status| item.standing.code() == status)
        });
        Ok(items)
    }

    fn know(&self, word: &str, wanted: &[String], known: &BTreeSet<String>) -> Result<(), CliError> {
        let list = match word {
            "tenant" => "synthex tenant tenants list",
            "workspace" => "synthex tenant workspace list",
            _ => "synthex tenant credentials list --all",
        };
        if wanted.iter().any(|name| name.trim().is_empty()) {
            return Err(CliError::usage(format!("a {word} without a name was given"))
                .why("between two commas, or in the whole list, there is nothing; nothing was done")
                .help(format!("give names, separated by commas; look at what is there: {list}")));
        }
        let unknown: Vec<&String> = wanted.iter().filter(|name| !known.contains(*name)).collect();
        let Some(first) = unknown.first() else { return Ok(()) };
        let what = match unknown.as_slice() {
            [one] => format!("there is no {word} `{one}`"),
            many => format!("there are no {word}s {}", some(many.iter().map(|name| format!("`{name}`")))),
        };
        let error = CliError::usage(what).why("nothing was done");
        Err(match did_you_mean(first, known.iter().map(String::as_str)) {
            _ if !self.is_installed => {
                error.why("nothing was applied to this database yet").help("run `synthex apply` first")
            }
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("look at what is there: {list}")),
        })
    }
}

/// What there is in some workspaces.
#[derive(Default)]
pub struct Stock {
    /// The names of the workspaces.
    pub workspaces: Vec<String>,
    /// The tenants.
    pub tenants: Vec<Listed>,
    /// The credentials.
    pub items: Vec<Item>,
}

impl Stock {
    /// Reads what lives; of one workspace, where one is named.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn read(
        connection: &mut Connection,
        workspace: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Self, StateError> {
        let workspaces = store::list(connection, &kinds::workspace::KIND, workspace).await?;
        let tenants = store::list(connection, &kinds::tenant::KIND, workspace).await?;
        let rows = store::list(connection, &kinds::credential::KIND, workspace).await?;
        connection.begin_reading().await?;
        if let Some(name) = workspace {
            connection.enter(name).await?;
        }
        let statuses = connection.credential_statuses(workspace, None).await?;
        connection.rollback().await?;
        let workspaces = workspaces.iter().map(|row| row.key.name.to_string()).collect();
        Ok(Self { workspaces, ..Self::of(tenants, rows, statuses, now) })
    }

    /// Reads some tenants, each by its workspace and name, and all of some workspaces.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn read_some(
        connection: &mut Connection,
        tenants: &[(&str, &str)],
        whole: &[&str],
        now: DateTime<Utc>,
    ) -> Result<Self, StateError> {
        let (workspaces, words): (Vec<&str>, Vec<&str>) = tenants.iter().copied().unzip();
        let mut chosen = Chosen { column: "name", workspaces: &workspaces, words: &words, whole };
        let tenants = store::list_chosen(connection, &kinds::tenant::KIND, &chosen).await?;
        chosen.column = "tenant";
        let rows = store::list_chosen(connection, &kinds::credential::KIND, &chosen).await?;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        connection.begin_reading().await?;
        let statuses = connection.credential_statuses(None, Some(&ids)).await?;
        connection.rollback().await?;
        Ok(Self::of(tenants, rows, statuses, now))
    }

    fn of(
        tenants: Vec<Listed>,
        rows: Vec<Listed>,
        mut statuses: HashMap<Uuid, CredentialStatus>,
        now: DateTime<Utc>,
    ) -> Self {
        let by_name: HashMap<(&str, &str), &Value> =
            tenants.iter().map(|row| ((&*row.key.workspace, &*row.key.name), &row.canonical)).collect();
        let item = |row: Listed| {
            let status = statuses.remove(&row.id).unwrap_or_default();
            Item::new(row, status, &by_name, now)
        };
        let items = rows.into_iter().map(item).collect();
        Self { workspaces: Vec::new(), tenants, items }
    }
}

/// What is asked for.
#[derive(Clone, Copy)]
pub struct Filter<'a> {
    /// The options.
    pub args: &'a FilterArgs,
    /// Names of credentials; none for all.
    pub names: &'a [String],
    /// Names of workspaces; none for all.
    pub workspaces: &'a [String],
}

impl<'a> Filter<'a> {
    /// By options alone.
    #[must_use]
    pub const fn new(args: &'a FilterArgs) -> Self {
        Self { args, names: &[], workspaces: &[] }
    }
}

impl Item {
    fn new(
        row: Listed,
        status: CredentialStatus,
        tenants: &HashMap<(&str, &str), &Value>,
        now: DateTime<Utc>,
    ) -> Self {
        let spec = row.canonical.get("spec").cloned().unwrap_or_default();
        let spec: Result<CredentialSpec, _> = serde_json::from_value(spec);
        let (declared_expires_at, is_revoked) = match &spec {
            Ok(spec) => (spec.expires_at, spec.status == Declared::Revoked),
            Err(_) => (None, row.canonical.pointer("/spec/status") == Some(&json!("revoked"))),
        };
        let subject = spec
            .map(|spec| {
                let tenant = tenants.get(&(&*row.key.workspace, spec.tenant.0.as_str())).copied();
                let text = |field: &str| {
                    tenant.and_then(|tenant| tenant.get("spec")?.get(field)?.as_str()).map(str::to_owned)
                };
                Subject {
                    key: row.key.clone(),
                    id: row.id,
                    tenant: spec.tenant.0,
                    service: spec.service,
                    renewal: spec.renewal,
                    secret_ref: spec.secret_ref,
                    shop: text("shopifyShop"),
                    merchant: text("gmcMerchantId"),
                    is_revoked,
                }
            })
            .map_err(|_| format!("{} was written by hand, and is no valid credential", row.key));
        let expires_at = status.observed_expires_at.or(declared_expires_at);
        let standing = Standing::of(is_revoked, expires_at, now);
        Self { row, subject, status, declared_expires_at, expires_at, standing }
    }

    /// A field of the spec that is a text.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.row
            .canonical
            .get("spec")
            .and_then(|spec| spec.get(field))
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &str {
        self.text("tenant")
    }

    /// The service.
    #[must_use]
    pub fn service(&self) -> &str {
        self.text("service")
    }

    /// The days that are left.
    #[must_use]
    pub fn days(&self, now: DateTime<Utc>) -> Option<i64> {
        self.expires_at.map(|at| expiry::days_left(at, now))
    }

    /// A credential in the shape that the commands have always had, and what is known besides.
    #[must_use]
    pub fn json(&self, now: DateTime<Utc>) -> Value {
        let spec = |field: &str| self.row.canonical.get("spec").and_then(|spec| spec.get(field)).cloned();
        json!({
            "id": self.row.id,
            "name": &*self.row.key.name,
            "workspaceId": &*self.row.key.workspace,
            "tenantId": self.tenant(),
            "service": self.service(),
            "status": self.standing.code(),
            "expiresAt": self.expires_at,
            "daysUntilExpiry": self.days(now),
            "declaredExpiresAt": self.declared_expires_at,
            "observedExpiresAt": self.status.observed_expires_at,
            "accessExpiresAt": self.status.access_expires_at,
            "renewal": spec("renewal"),
            "secretRef": spec("secretRef"),
            "labels": self.row.canonical.get("labels"),
            "owner": self.row.owner,
            "lastVerifiedAt": self.status.last_verified_at,
            "verifyOutcome": self.status.verify_outcome,
            "verifyVerdict": self.status.verify_verdict,
            "verifyMessage": self.status.verify_message,
            "lastValidAt": self.status.last_valid_at,
            "lastRenewedAt": self.status.last_renewed_at,
            "renewalOutcome": self.status.renewal_outcome,
            "lastRenewalError": self.status.last_renewal_error,
            "renewalFailures": self.status.renewal_failures,
        })
    }
}
