//! What the status page shows of what was done: operations with their diffs, and how synthex was used.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

/// An operation.
#[derive(Clone, Debug, Serialize)]
pub struct OperationRow {
    /// Its number.
    pub revision: i64,
    /// The project.
    pub project: String,
    /// The command.
    pub command: String,
    /// Who ran it.
    pub actor: String,
    /// The machine.
    pub host: String,
    /// The commit of the manifests.
    pub commit: Option<String>,
    /// Where the run can be looked at: an `https` address.
    pub run_url: Option<String>,
    /// How it ended.
    pub status: String,
    /// How many rows of each sort of change, those with any.
    pub counts: Vec<(String, i64)>,
    /// Why it failed, or what a person said.
    pub note: Option<String>,
    /// When it was recorded.
    pub finished_at: DateTime<Utc>,
}

/// An operation, and what it did.
#[derive(Clone, Debug, Serialize)]
pub struct Operation {
    /// The operation.
    pub operation: OperationRow,
    /// Its items, in their order; at most so many as a page has.
    pub items: Vec<ItemRow>,
    /// The place of the next item, where there are more.
    pub next: Option<i32>,
}

/// What an operation did to a resource.
#[derive(Clone, Debug, Serialize)]
pub struct ItemRow {
    /// The resource: `tenant/w/T1`.
    pub key: String,
    /// What was done.
    pub action: String,
    /// `applied`, `failed`, `skipped`.
    pub outcome: String,
    /// Why.
    pub reason: String,
    /// Why it was not applied.
    pub error: Option<String>,
    /// `file:line:col` of the declaration.
    pub source: Option<String>,
    /// The fields that changed.
    pub fields: Vec<FieldRow>,
    /// How many more changed.
    pub more_fields: usize,
}

/// A field that changed.
#[derive(Clone, Debug, Serialize)]
pub struct FieldRow {
    /// Its path.
    pub path: String,
    /// What it was.
    pub before: Option<String>,
    /// What it is.
    pub after: Option<String>,
}

/// How synthex was used.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Usage {
    /// Of how many days.
    pub days: u32,
    /// Commands by day, the oldest first: how many, and how many failed.
    pub by_day: Vec<(NaiveDate, u64, u64)>,
    /// Commands by name, the most used first.
    pub by_command: Vec<(String, u64, u64)>,
    /// Calls by service.
    pub by_service: Vec<(String, u64, u64)>,
    /// Errors, the most frequent first.
    pub top_errors: Vec<(String, u64)>,
    /// Commands in all.
    pub commands: u64,
    /// Of these, those that failed.
    pub failed: u64,
    /// Calls of services in all.
    pub calls: u64,
    /// Changes to tenants in all.
    pub tenant_changes: u64,
    /// Half of the commands took no longer, in milliseconds.
    pub p50_ms: Option<f64>,
    /// 95 of 100 took no longer.
    pub p95_ms: Option<f64>,
}
