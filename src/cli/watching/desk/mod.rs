//! What the status page reads and writes, over the functions of the store that commands use too.

mod hall;
mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::alerts::life::Acknowledgement;
use crate::engine::StateError;
use crate::engine::watching::Realm;
use crate::model::Clock;
use crate::report::usage::{Period, Report};
use crate::store::alerts::{self, AlertFilter, Wish};
use crate::store::history::Wanted;
use crate::store::outbox::{NotificationWish, Which};
use crate::store::page::{LineWish, Stand, WorkspaceLine};
use crate::store::usage_report::{Durations, UsageScope, usage_figures};
use crate::store::{ConnectOptions, Connection};
use crate::watch::http::{
    Acknowledged, AlertRow, Asked, CredentialRow, Desk, HealthRow, NotificationRow, Operation, OperationRow,
    Overview, PAGE, Pause, Rows, Search, TenantRow, Usage, Vitals, WorkspaceStand,
};

use hall::Counter;

/// How many days the page on usage is of.
const DAYS: u32 = 30;

/// How many alerts are shown. There are more only where something is very wrong, and then the most urgent ones matter.
const ALERTS: i64 = 100;

/// The desk of the status page.
#[derive(Clone)]
pub struct PageDesk {
    counter: Counter,
    clock: Arc<dyn Clock>,
    realm: Arc<Realm>,
    actor: Arc<str>,
}

impl PageDesk {
    /// Of a project, on a machine. What people do on the page is recorded as done by `status page@HOST`.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn open(
        options: &ConnectOptions,
        realm: Realm,
        host: &str,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        Ok(Self {
            counter: Counter::open(options)?,
            clock,
            realm: Arc::new(realm),
            actor: format!("status page@{host}").into(),
        })
    }
}

/// Counts what metrics tell of the database. For a task to call now and then.
///
/// # Errors
/// Whatever the database reports.
pub async fn count(
    connection: &mut Connection,
    vitals: &Vitals,
    now: DateTime<Utc>,
) -> Result<(), StateError> {
    let counts = connection.counts(now).await?;
    vitals.set_counted(rows::counted(&counts));
    Ok(())
}

/// Times are kept to the microsecond, as the database does.
fn micros(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at)
}

/// How many rows a page has, as the database counts.
const PAGE_ROWS: i64 = 50;
const _: () = assert!(PAGE == 50, "both say how many rows a page has");

fn offset(search: &Search) -> i64 {
    i64::from(search.page.saturating_sub(1)) * PAGE_ROWS
}

fn lines(search: &Search, states: &[&str]) -> LineWish {
    let state = if states.contains(&search.only.as_str()) { search.only.clone() } else { String::new() };
    LineWish {
        text: search.text.clone(),
        workspace: search.workspace.clone(),
        state,
        offset: offset(search),
        limit: PAGE_ROWS,
    }
}

fn rows<L, R>((lines, total): (Vec<L>, i64), row: fn(L) -> R) -> Rows<R> {
    Rows { rows: lines.into_iter().map(row).collect(), total: rows::count(total) }
}

impl Desk for PageDesk {
    fn overview(&self) -> Asked<'_, Overview> {
        let (realm, now) = (Arc::clone(&self.realm), self.clock.now());
        self.counter.ask(async move |connection| Ok(overview(connection.stand(&realm, now).await?)))
    }

    fn tenants(&self, search: Search) -> Asked<'_, Rows<TenantRow>> {
        self.counter.ask(async move |connection| {
            let wish = lines(&search, &["active", "inactive", "suspended"]);
            Ok(rows(connection.tenant_lines(&wish).await?, rows::tenant))
        })
    }

    fn credentials(&self, search: Search) -> Asked<'_, Rows<CredentialRow>> {
        self.counter.ask(async move |connection| {
            Ok(rows(connection.credential_lines(&lines(&search, &[])).await?, rows::credential))
        })
    }

    fn health(&self, search: Search) -> Asked<'_, Rows<HealthRow>> {
        self.counter.ask(async move |connection| {
            let wish = lines(&search, &["healthy", "degraded", "unhealthy", "unknown"]);
            Ok(rows(connection.health_lines(&wish).await?, rows::health))
        })
    }

    fn alerts(&self, search: Search) -> Asked<'_, Rows<AlertRow>> {
        let now = self.clock.now();
        self.counter.ask(async move |connection| {
            let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            let statuses = if search.only == "resolved" { vec!["resolved"] } else { Vec::new() };
            let filter = AlertFilter {
                workspace: some(&search.workspace),
                tenant: some(&search.text),
                statuses,
                now,
                limit: Some(ALERTS),
                ..AlertFilter::default()
            };
            let (found, total) = connection.alerts(&filter).await?;
            Ok(Rows {
                rows: found.into_iter().map(|listed| rows::alert(listed, now)).collect(),
                total: rows::count(total),
            })
        })
    }

    fn acknowledge(&self, workspace: String, id: Uuid, comment: Option<String>) -> Asked<'_, Acknowledged> {
        let (now, by) = (micros(self.clock.now()), self.actor.to_string());
        self.counter.ask(async move |connection| {
            let wish = Wish { workspace: &workspace, id, is_dry: false };
            let said = Acknowledgement { by: by.clone(), comment: comment.clone(), until: None };
            Ok(match alerts::acknowledge(connection, &wish, &said, now).await? {
                alerts::Acknowledged::Done(_) => Acknowledged::Done,
                alerts::Acknowledged::Already(_) => Acknowledged::Already,
                alerts::Acknowledged::Refused(..) => Acknowledged::Refused,
                alerts::Acknowledged::NoSuch => Acknowledged::NoSuch,
            })
        })
    }

    fn inbox(&self, search: Search) -> Asked<'_, Rows<NotificationRow>> {
        self.counter.ask(async move |connection| {
            let states =
                (search.only != "all").then(|| ["failed", "dead", "retrying"].map(str::to_owned).to_vec());
            let wish = NotificationWish {
                workspace: Some(search.workspace.clone()).filter(|name| !name.is_empty()),
                states,
                limit: Some(PAGE_ROWS + 1),
                offset: offset(&search),
                ..NotificationWish::default()
            };
            let mut found = connection.notifications(None, &wish).await?;
            // Nobody counts what was ever sent; that there is one more is enough for the way to the next page.
            let total = rows::count(offset(&search)) + found.len() as u64;
            found.truncate(PAGE);
            Ok(Rows { rows: found.into_iter().map(rows::notification).collect(), total })
        })
    }

    fn retry(&self, delivery: Uuid) -> Asked<'_, u64> {
        let (now, actor) = (self.clock.now(), Arc::clone(&self.actor));
        self.counter.ask(async move |connection| {
            let found = connection.repeatable(None, &Which::Delivery(delivery), false).await?;
            let ids: Vec<Uuid> = found.iter().map(|own| own.id).collect();
            if ids.is_empty() {
                return Ok(0);
            }
            connection.try_again(None, &ids, &actor, now).await
        })
    }

    fn operations(&self, before: Option<i64>) -> Asked<'_, Vec<OperationRow>> {
        self.counter.ask(async move |connection| {
            let wanted = Wanted { before, limit: Some(PAGE_ROWS), ..Wanted::default() };
            connection.begin_reading().await?;
            let found = connection.operations(&wanted).await?;
            connection.rollback().await?;
            Ok(found.iter().map(rows::operation).collect())
        })
    }

    fn operation(&self, revision: i64, from: i32) -> Asked<'_, Option<Operation>> {
        self.counter.ask(async move |connection| {
            let wanted = Wanted { revision: Some(revision), ..Wanted::default() };
            connection.begin_reading().await?;
            let found = connection.operations(&wanted).await?;
            let mut items = connection.items_from(revision, from, PAGE_ROWS + 1).await?;
            connection.rollback().await?;
            let Some(operation) = found.first() else { return Ok(None) };
            let next = items.get(PAGE).map(|item| item.seq);
            items.truncate(PAGE);
            let items = items.iter().map(rows::item).collect();
            Ok(Some(Operation { operation: rows::operation(operation), items, next }))
        })
    }

    fn usage(&self) -> Asked<'_, Usage> {
        let now = self.clock.now();
        self.counter.ask(async move |connection| {
            let start = now - TimeDelta::days(i64::from(DAYS));
            let scope = UsageScope {
                start,
                end: now,
                workspace: None,
                command: None,
                durations: Durations::Together,
            };
            let found = usage_figures(connection, &scope).await?.unwrap_or_default();
            let period = Period { start, end: now };
            Ok(rows::usage(DAYS, &Report::new(period, None, &found.figures, &found.incomplete_days)))
        })
    }
}

fn overview(stand: Stand) -> Overview {
    let mut conditions: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for condition in stand.conditions {
        conditions.entry(condition.workspace.clone()).or_default().push(condition);
    }
    let workspace = |line: WorkspaceLine| WorkspaceStand {
        conditions: conditions.remove(&line.name).unwrap_or_default(),
        tenants: rows::count(line.tenants),
        edited: rows::count(line.edited),
        pause: line.pause.map(|(reason, actor, until)| Pause { reason, actor, until }),
        name: line.name,
    };
    Overview {
        workspaces: stand.workspaces.into_iter().map(workspace).collect(),
        workspace_count: rows::count(stand.workspace_count),
        tenant_count: rows::count(stand.tenant_count),
        replicas: stand.replicas.into_iter().map(rows::replica).collect(),
        source: stand.source,
        counted: rows::counted(&stand.counts),
    }
}
