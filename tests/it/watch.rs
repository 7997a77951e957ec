//! `synthex watch`: the controller, as a real process on a real PostgreSQL, and what people see of it.

mod fights;
mod files;
mod git;
mod leading;
mod reconcile;
mod stopping;
mod trouble;
mod whole;

use std::time::Duration;

use serde_json::Value;

use crate::support::cli::Running;
use crate::support::estate::Estate;
use crate::support::eventually;

/// How long anything may take before a test gives up. Nothing here is a measurement.
const LIMIT: Duration = Duration::from_secs(40);

/// A controller of an estate, which looks every second.
pub fn start(estate: &Estate, args: &[&str]) -> Running {
    let all: Vec<&str> =
        ["watch", "--interval", "1s", "--tasks", "reconcile"].iter().chain(args).copied().collect();
    estate.synthex(&all).limit(Duration::from_secs(120)).spawn()
}

/// Waits for something in the database.
#[track_caller]
pub fn comes_true(what: &str, condition: impl FnMut() -> bool) {
    assert!(eventually(LIMIT, condition), "waited in vain for {what}");
}

/// One value of a query; `None` where the table is not there yet, or has no such row.
pub fn value(estate: &Estate, sql: &str) -> Option<String> {
    let rows = estate.database.try_sql_as("synthex", sql).ok()?;
    rows.into_iter().next()?.into_iter().next()?
}

/// A condition of the workspace `w`: `True Reconciled`.
pub fn condition(estate: &Estate, of: &str) -> String {
    let sql = format!(
        "select status || ' ' || reason from synthex.watch_conditions where workspace = 'w' and type = '{of}'"
    );
    value(estate, &sql).unwrap_or_default()
}

/// Waits until everything is as declared, and the controller says so.
#[track_caller]
pub fn is_ready(estate: &Estate) {
    comes_true("the workspace to be ready", || condition(estate, "Ready") == "True Reconciled");
}

/// `watch status` as JSON.
#[track_caller]
pub fn status(estate: &Estate) -> Value {
    estate.run(&["watch", "status", "--format", "json"]).json()
}

/// The display name of a tenant, as it is in its row.
pub fn display_name(estate: &Estate, tenant: &str) -> Option<String> {
    let sql =
        format!("select display_name from synthex.tenants where name = '{tenant}' and deleted_at is null");
    value(estate, &sql)
}
