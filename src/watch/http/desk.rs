//! What the status page needs of the database, and what people do there: a trait, because the controller knows no SQL.
//!
//! Whoever implements it answers in bounded time and in bounded size: a page has so many rows and no more, however many
//! tenants there are.

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde::Serialize;
use uuid::Uuid;

use crate::engine::StateError;
use crate::engine::watching::{Condition, SourceRecord};

use super::record::{Operation, OperationRow, Usage};
use super::vitals::Counted;

/// How many rows a page has.
pub const PAGE: usize = 50;

/// An answer that takes a while.
pub type Asked<'d, T> = BoxFuture<'d, Result<T, StateError>>;

/// Which rows are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// With this text in a name; empty for all.
    pub text: String,
    /// Of this workspace; empty for all.
    pub workspace: String,
    /// A further choice that the page offers; empty for its usual one.
    pub only: String,
    /// Which page, from 1.
    pub page: u32,
}

/// Some rows of a list.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rows<T> {
    /// At most [`PAGE`] of them.
    pub rows: Vec<T>,
    /// How many there are in all.
    pub total: u64,
}

/// How everything stands, for the first page.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Overview {
    /// The workspaces, those that need somebody first; at most 200.
    pub workspaces: Vec<WorkspaceStand>,
    /// How many there are.
    pub workspace_count: u64,
    /// How many tenants there are.
    pub tenant_count: u64,
    /// The controllers that were heard of lately.
    pub replicas: Vec<Replica>,
    /// What is known of the manifests.
    pub source: Option<SourceRecord>,
    /// What is counted.
    pub counted: Counted,
}

/// How a workspace stands.
#[derive(Clone, Debug, Default, Serialize)]
pub struct WorkspaceStand {
    /// Its name.
    pub name: String,
    /// How many tenants it has.
    pub tenants: u64,
    /// How many rows were written by something other than synthex, and not set back yet.
    pub edited: u64,
    /// What is said of it.
    pub conditions: Vec<Condition>,
    /// Why it is left alone, if it is.
    pub pause: Option<Pause>,
}

/// A workspace is left alone for a while.
#[derive(Clone, Debug, Serialize)]
pub struct Pause {
    /// Why.
    pub reason: String,
    /// Who said so.
    pub actor: String,
    /// Until when; `None` until somebody resumes it.
    pub until: Option<DateTime<Utc>>,
}

/// A controller.
#[derive(Clone, Debug, Serialize)]
pub struct Replica {
    /// Its id.
    pub id: Uuid,
    /// The machine.
    pub host: String,
    /// Its process there.
    pub pid: i64,
    /// The version of the program.
    pub version: String,
    /// `observe` or `enforce`.
    pub mode: String,
    /// Where its endpoints are.
    pub listen: Option<String>,
    /// Whether it reconciles.
    pub is_leader: bool,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it was last heard of.
    pub seen_at: DateTime<Utc>,
    /// Whether that is too long ago.
    pub is_lost: bool,
}

/// A tenant.
#[derive(Clone, Debug, Serialize)]
pub struct TenantRow {
    /// Its workspace.
    pub workspace: String,
    /// Its id.
    pub name: String,
    /// What people call it.
    pub display_name: String,
    /// What it runs.
    pub kind: String,
    /// Its market.
    pub market: String,
    /// `active`, `inactive`, `suspended`.
    pub status: String,
    /// The template it was made from.
    pub template: Option<String>,
    /// The project, `cli`, or nobody.
    pub owner: Option<String>,
    /// When it was last written.
    pub updated_at: DateTime<Utc>,
    /// Who last wrote it past synthex.
    pub touched_by: Option<String>,
    /// The worst of its health checks.
    pub health: Option<String>,
    /// How many alerts of it fire.
    pub alerts: u64,
}

/// A credential.
#[derive(Clone, Debug, Serialize)]
pub struct CredentialRow {
    /// Its workspace.
    pub workspace: String,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub tenant: String,
    /// Of which service.
    pub service: String,
    /// Whether it is declared not to be used any more.
    pub is_revoked: bool,
    /// When it ends, as far as is known.
    pub ends_at: Option<DateTime<Utc>>,
    /// How it is renewed.
    pub renewal: String,
    /// What the provider said of it last.
    pub verdict: Option<String>,
    /// The same for people.
    pub message: Option<String>,
    /// When the provider was last asked.
    pub verified_at: Option<DateTime<Utc>>,
    /// When it was last renewed.
    pub renewed_at: Option<DateTime<Utc>>,
    /// How many renewals failed since one succeeded.
    pub renewal_failures: u64,
}

/// Something that is looked at.
#[derive(Clone, Debug, Serialize)]
pub struct HealthRow {
    /// Its workspace; empty for what belongs to none.
    pub workspace: String,
    /// What is looked at.
    pub service: String,
    /// Of what.
    pub subject: String,
    /// The tenant.
    pub tenant: Option<String>,
    /// How it stands.
    pub status: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// What was found last, as a stable word.
    pub code: String,
    /// The same for people.
    pub message: String,
    /// How long that took, in milliseconds.
    pub latency_ms: Option<i64>,
    /// When it was last looked at.
    pub checked_at: DateTime<Utc>,
    /// What the last results were, the oldest first.
    pub history: Vec<Beat>,
}

/// A result of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Beat {
    /// What was found.
    pub status: String,
    /// How long it took, in milliseconds.
    pub latency_ms: Option<i64>,
}

/// An alert.
#[derive(Clone, Debug, Serialize)]
pub struct AlertRow {
    /// Its id.
    pub id: Uuid,
    /// Its workspace.
    pub workspace: String,
    /// The tenant it is about.
    pub tenant: Option<String>,
    /// How urgent it is.
    pub severity: String,
    /// Where it is in its life.
    pub status: String,
    /// What is wrong, in one line.
    pub title: String,
    /// What is wrong, and what to do.
    pub message: String,
    /// The rule.
    pub rule: Option<String>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When it was over.
    pub resolved_at: Option<DateTime<Utc>>,
    /// What keeps it from being told.
    pub muted_by: Vec<String>,
    /// Who said that they know.
    pub acknowledged_by: Option<String>,
    /// What they said.
    pub comment: Option<String>,
    /// Whether it can be acknowledged.
    pub can_be_acknowledged: bool,
}

/// What came of an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// It is now.
    Done,
    /// It was before.
    Already,
    /// It cannot be: it is over, or nobody is told of it.
    Refused,
    /// There is no such alert.
    NoSuch,
}

/// A notification.
#[derive(Clone, Debug, Serialize)]
pub struct NotificationRow {
    /// Its id.
    pub id: Uuid,
    /// Its workspace.
    pub workspace: String,
    /// How urgent it is.
    pub severity: String,
    /// What happened: `firing`, `resolved`.
    pub event: String,
    /// What it says, in one line.
    pub title: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// Its deliveries.
    pub deliveries: Vec<DeliveryRow>,
}

/// A delivery.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryRow {
    /// Its id.
    pub id: Uuid,
    /// Through which channel.
    pub channel: String,
    /// Where it is.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// Why it failed, or was not sent.
    pub error: Option<String>,
    /// When it came to an end, or is tried next.
    pub at: Option<DateTime<Utc>>,
    /// Whether it can be tried again.
    pub can_be_retried: bool,
}

/// What the status page reads and writes. Errors are what the database said, without secrets.
pub trait Desk: Send + Sync {
    /// How everything stands.
    fn overview(&self) -> Asked<'_, Overview>;
    /// Tenants by name; `only` is a status of tenants.
    fn tenants(&self, search: Search) -> Asked<'_, Rows<TenantRow>>;
    /// Credentials by the time that is left.
    fn credentials(&self, search: Search) -> Asked<'_, Rows<CredentialRow>>;
    /// What is looked at, the worst first; `only` is a status of health.
    fn health(&self, search: Search) -> Asked<'_, Rows<HealthRow>>;
    /// Alerts, the most urgent first; those that are over where `only` is `resolved`.
    fn alerts(&self, search: Search) -> Asked<'_, Rows<AlertRow>>;
    /// Says that somebody knows of an alert.
    fn acknowledge(&self, workspace: String, id: Uuid, comment: Option<String>) -> Asked<'_, Acknowledged>;
    /// Notifications, the newest first; only those with a delivery that did not get through unless `only` is `all`.
    fn inbox(&self, search: Search) -> Asked<'_, Rows<NotificationRow>>;
    /// Has a delivery tried again. How many it was: 0 or 1.
    fn retry(&self, delivery: Uuid) -> Asked<'_, u64>;
    /// Operations before that number, the newest first; at most [`PAGE`].
    fn operations(&self, before: Option<i64>) -> Asked<'_, Vec<OperationRow>>;
    /// What an operation did, from that item on; `None` where there is no such operation.
    fn operation(&self, revision: i64, from: i32) -> Asked<'_, Option<Operation>>;
    /// How synthex was used lately.
    fn usage(&self) -> Asked<'_, Usage>;
}
