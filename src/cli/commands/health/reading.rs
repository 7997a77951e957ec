//! What is to be looked at: the tenants with their credentials, and what is declared of checks and windows, read in a handful of
//! statements.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::alerts::expiry::Standing;
use crate::cli::commands::credentials::{Estate, Filter, FilterArgs, Item};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::selecting;
use crate::engine::health::{AskTarget, CheckKey, ExpiryCounts, Labels, Scope, Settings, Target, Work};
use crate::engine::{StateError, StateReader as _};
use crate::kinds::credential::Service;
use crate::kinds::health_check::HealthCheckSpec;
use crate::kinds::{self};
use crate::model::health::CheckedService;
use crate::providers::shopify::API_VERSION;
use crate::store::{self, ConnectOptions, Connection, Listed};

use super::check::CheckArgs;
use super::maintenance::Windows;

/// What is to be looked at, and how.
#[derive(Default)]
pub struct Job {
    /// How services are looked at.
    pub settings: Settings,
    /// When results are muted.
    pub windows: Windows,
    /// What is to be looked at.
    pub targets: Vec<Target>,
    /// Whether it is all that there is.
    pub is_whole: bool,
    /// Whether tenants were chosen, and there is none such: what was meant was not looked at.
    pub is_of_nobody: bool,
}

/// What results can be of, in these workspaces: of all tenants and credentials, whichever are looked at now. Who only ever looks at
/// shops would keep a credential that is gone unhealthy for ever otherwise.
pub struct Remaining {
    /// The workspaces.
    pub workspaces: Vec<String>,
    /// The keys.
    pub keys: Vec<CheckKey>,
}

/// What was read.
pub struct Reading {
    /// How to connect.
    pub options: ConnectOptions,
    /// The project's folder, where there is one.
    pub folder: Option<std::path::PathBuf>,
    /// What is to be looked at, and how.
    pub job: Job,
    /// What there is, where all of it is known; what is kept of anything else is of no use any more.
    pub remaining: Option<Remaining>,
    /// Why results cannot be kept, where they cannot.
    pub unkept: Option<&'static str>,
    /// What the reader should know.
    pub notes: Vec<String>,
}

/// Reads it.
///
/// # Errors
/// The database does not answer, or a tenant that was named is unknown.
pub async fn read(
    context: &Context,
    args: &CheckArgs,
    scope: &Scope,
    host: &str,
) -> Result<Reading, CliError> {
    let selection = selecting::labels(args.selector.as_deref())?;
    let mut estate = Estate::open(context, "health check").await?;
    let tenants = std::mem::take(&mut estate.tenant_rows);
    let scopes = std::mem::take(&mut estate.scopes);
    let workspaces: Vec<String> = estate.workspaces.iter().cloned().collect();
    let options = estate.options.clone();
    let folder = estate.found.as_ref().map(|found| found.folder.clone());
    let is_installed = estate.is_installed;
    let filter = FilterArgs { tenant_ids: args.tenant_id.clone(), ..FilterArgs::default() };
    let items = estate.filtered(&Filter::new(&filter))?;
    let mut connection = options.connect().await?;
    let declared = declared(&mut connection, &scopes, is_installed).await;
    let unkept = unkept(&mut connection, is_installed).await;
    connection.close().await;
    let (checks, windows) = declared?;
    let settings = settings(&checks);
    let is_chosen = args.selector.is_some() || !args.tenant_id.is_empty();
    let chosen = |row: &&Listed| {
        let is_active = text(row, "status") == "active";
        let is_named = args.tenant_id.iter().any(|id| *id == *row.key.name);
        (is_named || args.tenant_id.is_empty() && is_active) && selection.matches_labels(&row.canonical)
    };
    let chosen: HashMap<(&str, &str), &Listed> =
        tenants.iter().filter(chosen).map(|row| ((&*row.key.workspace, &*row.key.name), row)).collect();
    let mut notes = Vec::new();
    if is_chosen && chosen.is_empty() {
        notes.push("No tenant is selected: no provider was asked.".to_owned());
    }
    let is_of_nobody = is_chosen && chosen.is_empty() && scope.needs_tenants();
    let mut targets = general(scope, host);
    targets.extend(asking(&items, &chosen, scope, &settings));
    if scope.has_expiry {
        targets.extend(expiring(&items, &chosen, &tenants, is_chosen));
    }
    let is_on = |key: &CheckKey| settings.of(&key.workspace, key.service).is_enabled;
    targets.retain(|target| target.keys.iter().any(is_on));
    let off = settings.switched_off().filter(|key| scope.shows(key.service)).collect();
    notes.extend(super::switched_off(&off));
    let knows_all = !is_chosen && scope.needs_tenants() && !workspaces.is_empty();
    let remaining = knows_all.then(|| Remaining { workspaces, keys: remaining(&items, &tenants, &settings) });
    let job = Job { settings, windows: Windows::new(&windows), targets, is_whole: !is_chosen, is_of_nobody };
    Ok(Reading { options, folder, job, remaining, unkept, notes })
}

/// Everything that there is to look at, for a machine that looks at itself too.
pub fn everything(items: &[Item], tenants: &[Listed], settings: &Settings, host: &str) -> Vec<Target> {
    let scope = Scope::named(&[]);
    let active = having(tenants, &["active"]);
    let mut targets = general(&scope, host);
    targets.extend(asking(items, &active, &scope, settings));
    targets.extend(expiring(items, &active, tenants, false));
    targets
        .retain(|target| target.keys.iter().any(|key| settings.of(&key.workspace, key.service).is_enabled));
    targets
}

/// The keys that results can be of. Of a tenant that is suspended the last results stay, so that alerts about it end with that
/// reason.
pub fn remaining(items: &[Item], tenants: &[Listed], settings: &Settings) -> Vec<CheckKey> {
    let kept = having(tenants, &["active", "suspended"]);
    let all = asking(items, &kept, &Scope::named(&[]), settings).into_iter();
    let all = all.chain(expiring(items, &having(tenants, &["active"]), tenants, false));
    let is_on = |key: &CheckKey| settings.of(&key.workspace, key.service).is_enabled;
    all.flat_map(|target| target.keys).filter(is_on).collect()
}

/// The tenants of some statuses.
fn having<'t>(tenants: &'t [Listed], statuses: &[&str]) -> HashMap<(&'t str, &'t str), &'t Listed> {
    let wanted = tenants.iter().filter(|row| statuses.contains(&text(row, "status")));
    wanted.map(|row| ((&*row.key.workspace, &*row.key.name), row)).collect()
}

/// How services are looked at, as it is declared.
pub fn settings(checks: &[Listed]) -> Settings {
    let specs: Vec<(String, HealthCheckSpec)> = checks.iter().filter_map(spec_of).collect();
    Settings::new(specs.iter().map(|(workspace, spec)| (workspace.as_str(), spec)))
}

/// Health checks and maintenance windows that are declared. A database of an older synthex has no tables for them.
pub async fn declared(
    connection: &mut Connection,
    scopes: &[Option<String>],
    is_installed: bool,
) -> Result<(Vec<Listed>, Vec<Listed>), StateError> {
    let (mut checks, mut windows) = (Vec::new(), Vec::new());
    if is_installed && has_place(connection).await? {
        for scope in scopes {
            checks.extend(store::list(connection, &kinds::health_check::KIND, scope.as_deref()).await?);
            windows
                .extend(store::list(connection, &kinds::maintenance_window::KIND, scope.as_deref()).await?);
        }
    }
    Ok((checks, windows))
}

async fn has_place(connection: &mut Connection) -> Result<bool, StateError> {
    connection.begin_reading().await?;
    let has_place = connection.has_place_for_health().await?;
    connection.rollback().await?;
    Ok(has_place)
}

/// Why results cannot be kept.
async fn unkept(connection: &mut Connection, is_installed: bool) -> Option<&'static str> {
    let work = async {
        connection.begin_reading().await?;
        let is_confined = is_installed && connection.is_confined().await?;
        let has_place = is_installed && connection.has_place_for_health().await?;
        let may = has_place && connection.may_keep_health().await?;
        connection.rollback().await?;
        Ok::<_, StateError>((is_confined, has_place, may))
    };
    match work.await {
        Ok((_, false, _)) => Some("the database has no place for them: run `synthex db migrate`"),
        Ok((true, ..)) => {
            Some("row-level security confines this role: connect as the one that owns the schema")
        }
        Ok((.., false)) => Some("this role may not write them, or the database takes no writes"),
        Ok(_) => None,
        Err(_) => Some("the database does not answer"),
    }
}

fn spec_of(row: &Listed) -> Option<(String, HealthCheckSpec)> {
    let spec = row.canonical.get("spec").cloned()?;
    Some((row.key.workspace.to_string(), serde_json::from_value(spec).ok()?))
}

fn text<'r>(row: &'r Listed, field: &str) -> &'r str {
    row.canonical.get("spec").and_then(|spec| spec.get(field)).and_then(Value::as_str).unwrap_or_default()
}

/// What is of no tenant.
pub fn general(scope: &Scope, host: &str) -> Vec<Target> {
    let mut targets = Vec::new();
    if scope.has(CheckedService::Database) {
        targets.push(Target::of(CheckKey::new("", CheckedService::Database, ""), Work::Database));
    }
    if scope.has(CheckedService::Disk) {
        targets.push(Target::of(CheckKey::new("", CheckedService::Disk, host), Work::Disk));
    }
    if scope.has(CheckedService::Memory) {
        targets.push(Target::of(CheckKey::new("", CheckedService::Memory, host), Work::Memory));
    }
    if scope.has(CheckedService::Shopify) {
        targets.push(Target::version(API_VERSION));
    }
    targets
}

/// The tenants that have a credential of a provider that is asked.
fn asking(
    items: &[Item],
    chosen: &HashMap<(&str, &str), &Listed>,
    scope: &Scope,
    settings: &Settings,
) -> Vec<Target> {
    let mut asked: BTreeMap<(&str, &str, Service), AskTarget> = BTreeMap::new();
    for item in items.iter().filter(|item| item.standing != Standing::Revoked) {
        let Ok(subject) = &item.subject else { continue };
        let workspace: &str = &item.row.key.workspace;
        if !chosen.contains_key(&(workspace, subject.tenant.as_str())) {
            continue;
        }
        let key = (workspace, subject.tenant.as_str(), subject.service);
        let target = asked.entry(key).or_insert_with(|| AskTarget {
            workspace: workspace.to_owned(),
            tenant: subject.tenant.clone(),
            provider: subject.service,
            credentials: Vec::new(),
        });
        target.credentials.push(subject.clone());
    }
    asked
        .into_iter()
        .filter_map(|((workspace, tenant, _), target)| {
            let labels = chosen.get(&(workspace, tenant)).map_or_else(Labels::new, |row| labels_of(row));
            Target::ask(target, scope, settings, labels)
        })
        .collect()
}

/// What a tenant adds to the labels of its results.
fn labels_of(row: &Listed) -> Labels {
    let mut labels = Labels::new();
    for field in ["market", "region"] {
        labels.insert(field.to_owned(), text(row, field).to_owned());
    }
    for (name, value) in row.canonical.get("labels").and_then(Value::as_object).into_iter().flatten() {
        let value = value.as_str().unwrap_or_default().to_owned();
        labels.insert(format!("{}{name}", crate::model::matcher::OWN_LABEL), value);
    }
    labels
}

/// The expiry of the credentials of each workspace; of tenants that were chosen, only where some were.
fn expiring(
    items: &[Item],
    chosen: &HashMap<(&str, &str), &Listed>,
    tenants: &[Listed],
    is_chosen: bool,
) -> Vec<Target> {
    // A sum over some tenants is not the state of the workspace.
    if is_chosen {
        return Vec::new();
    }
    let mut counts: BTreeMap<&str, ExpiryCounts> =
        tenants.iter().map(|row| (&*row.key.workspace, ExpiryCounts::default())).collect();
    for item in items.iter().filter(|item| item.standing != Standing::Revoked) {
        if !chosen.contains_key(&(&*item.row.key.workspace, item.tenant())) {
            continue;
        }
        let own = counts.entry(&item.row.key.workspace).or_default();
        own.total += 1;
        own.expired += usize::from(item.standing == Standing::Expired);
        own.expiring += usize::from(item.standing == Standing::ExpiringSoon);
        own.without_expiry += usize::from(item.expires_at.is_none());
        own.unverified += usize::from(item.status.last_verified_at.is_none());
    }
    counts
        .into_iter()
        .map(|(workspace, counts)| {
            Target::of(CheckKey::new(workspace, CheckedService::Credentials, ""), Work::Expiry(counts))
        })
        .collect()
}
