//! The pages that are lists: what is looked for, the rows, and the way to the next ones.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::{Deserialize, Serialize};

use crate::report::time::relative;
use crate::watch::http::desk::{CredentialRow, HealthRow, PAGE, Rows, Search};

use super::charts::{BEATS, spark};
use super::visit::{Leaf, Visit};

const TENANTS: Leaf = Leaf { template: "tenants.html", title: "Tenants", menu: "tenants" };
const CREDENTIALS: Leaf = Leaf { template: "credentials.html", title: "Credentials", menu: "credentials" };
const HEALTH: Leaf = Leaf { template: "health.html", title: "Health", menu: "health" };
pub(super) const ALERTS: Leaf = Leaf { template: "alerts.html", title: "Alerts", menu: "alerts" };
pub(super) const INBOX: Leaf = Leaf { template: "inbox.html", title: "Notifications", menu: "inbox" };

/// The last page that can be asked for: nobody reads further, and the database counts its way there.
const LAST: u32 = 2_000;

/// What stands behind the `?`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::watch::http) struct Words {
    q: String,
    workspace: String,
    only: String,
    page: Option<u32>,
}

type Asked = Result<Query<Words>, QueryRejection>;

/// What is looked for; or the page that says what is wrong with it.
fn search(visit: &Visit, leaf: Leaf, words: Asked) -> Result<Search, Response> {
    let Query(words) = words
        .map_err(|_| visit.bad_request(leaf, "a word behind the `?` has a value that it cannot have"))?;
    let Words { q, workspace, only, page } = words;
    let page = page.unwrap_or(1);
    if [&q, &workspace, &only].iter().any(|text| text.chars().count() > 200 || text.contains('\0')) {
        return Err(visit.bad_request(leaf, "a text to look for has at most 200 characters"));
    }
    if !(1..=LAST).contains(&page) {
        return Err(visit.bad_request(leaf, "pages are numbered from 1 to 2000"));
    }
    Ok(Search { text: q.trim().to_owned(), workspace, only, page })
}

/// What every list has beside its rows.
fn list(visit: &Visit, search: &Search, rows: Value, shown: usize, total: u64) -> Value {
    let before = u64::from(search.page - 1) * PAGE as u64;
    let is_last = before + shown as u64 >= total;
    let to = |page: u32| {
        visit.link(&[("page", if page == 1 { String::new() } else { page.to_string() }.as_str())])
    };
    let only = |value: &str| visit.link(&[("only", value), ("page", "")]);
    context! {
        rows => rows,
        total => total,
        first => if shown == 0 { 0 } else { before + 1 },
        last => before + shown as u64,
        previous => (search.page > 1).then(|| to(search.page - 1)),
        next => (!is_last && search.page < LAST).then(|| to(search.page + 1)),
        q => search.text.as_str(),
        workspace => search.workspace.as_str(),
        only => search.only.as_str(),
        everywhere => visit.link(&[("workspace", ""), ("page", "")]),
        is_filtered => !(search.text.is_empty() && search.workspace.is_empty() && search.only.is_empty()),
        usual => only(""),
        all => only("all"),
        resolved => only("resolved"),
        unhealthy => only("unhealthy"),
        degraded => only("degraded"),
        unknown => only("unknown"),
        healthy => only("healthy"),
        active => only("active"),
        inactive => only("inactive"),
        suspended => only("suspended"),
    }
}

/// Shows rows that were asked for.
fn shown<T: Serialize>(visit: &Visit, leaf: Leaf, search: &Search, found: &Rows<T>) -> Response {
    let rows = Value::from(Serde(&found.rows));
    visit.show(StatusCode::OK, leaf, list(visit, search, rows, found.rows.len(), found.total))
}

/// Makes a page of a list from what asks for its rows.
macro_rules! page {
    ($(#[$doc:meta])* $name:ident, $leaf:expr, $ask:ident) => {
        $(#[$doc])*
        pub(in crate::watch::http) async fn $name(visit: Visit, words: Asked) -> Response {
            let search = match search(&visit, $leaf, words) {
                Ok(search) => search,
                Err(refusal) => return refusal,
            };
            match visit.ask($leaf, visit.site.endpoints.desk.$ask(search.clone())).await {
                Ok(found) => shown(&visit, $leaf, &search, &found),
                Err(away) => away,
            }
        }
    };
}

page!(
    /// `/tenants`.
    tenants, TENANTS, tenants
);
page!(
    /// `/alerts`.
    alerts, ALERTS, alerts
);
page!(
    /// `/inbox`.
    inbox, INBOX, inbox
);

/// `/health`.
pub(in crate::watch::http) async fn health(visit: Visit, words: Asked) -> Response {
    let search = match search(&visit, HEALTH, words) {
        Ok(search) => search,
        Err(refusal) => return refusal,
    };
    let found = match visit.ask(HEALTH, visit.site.endpoints.desk.health(search.clone())).await {
        Ok(found) => found,
        Err(away) => return away,
    };
    let row = |row: &HealthRow| context! { own => Value::from(Serde(row)), spark => Value::from(Serde(spark(&row.history))), width => BEATS * 4 };
    let rows: Vec<Value> = found.rows.iter().map(row).collect();
    let page = list(&visit, &search, Value::from(rows), found.rows.len(), found.total);
    visit.show(StatusCode::OK, HEALTH, page)
}

/// `/credentials`.
pub(in crate::watch::http) async fn credentials(visit: Visit, words: Asked) -> Response {
    let search = match search(&visit, CREDENTIALS, words) {
        Ok(search) => search,
        Err(refusal) => return refusal,
    };
    let own = &visit.site.endpoints;
    let found = match visit.ask(CREDENTIALS, own.desk.credentials(search.clone())).await {
        Ok(found) => found,
        Err(away) => return away,
    };
    let now = own.clock.now();
    let row = |row: &CredentialRow| {
        let (word, tone) = left(row, now);
        context! { own => Value::from(Serde(row)), word => word, tone => tone }
    };
    let rows: Vec<Value> = found.rows.iter().map(row).collect();
    let page = list(&visit, &search, Value::from(rows), found.rows.len(), found.total);
    visit.show(StatusCode::OK, CREDENTIALS, page)
}

/// How long a credential still works, and how urgent that is.
fn left(row: &CredentialRow, now: DateTime<Utc>) -> (String, &'static str) {
    let Some(ends) = row.ends_at else { return ("not known".to_owned(), "idle") };
    if row.is_revoked {
        return ("not used any more".to_owned(), "idle");
    }
    let tone = match ends - now {
        left if left <= TimeDelta::zero() => return ("expired".to_owned(), "bad"),
        left if left < TimeDelta::days(1) => "bad",
        left if left < TimeDelta::days(30) => "warn",
        _ => "good",
    };
    (relative(ends, now), tone)
}
