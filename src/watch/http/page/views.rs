//! The pages that are no lists: the first one, operations, usage, and what is said where there is no page.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Deserialize;

use crate::engine::watching::{ConditionStatus, ConditionType};
use crate::watch::http::desk::{PAGE, WorkspaceStand};
use crate::watch::http::ready;
use crate::watch::http::vitals::Role;

use super::charts::{days, share};
use super::visit::{Leaf, Visit};

const OVERVIEW: Leaf = Leaf { template: "overview.html", title: "Overview", menu: "overview" };
const OPERATIONS: Leaf = Leaf { template: "operations.html", title: "Operations", menu: "operations" };
const USAGE: Leaf = Leaf { template: "usage.html", title: "Usage", menu: "usage" };
const NOWHERE: Leaf = Leaf { template: "said.html", title: "Not here", menu: "" };

const ICON: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#1d4f91"/><path d="M9 21l6-6-6-6M17 22h7" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/></svg>"##;

/// `/favicon.svg`.
pub(in crate::watch::http) async fn icon() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml")], ICON).into_response()
}

/// `/`.
pub(in crate::watch::http) async fn overview(visit: Visit) -> Response {
    let found = match visit.ask(OVERVIEW, visit.site.endpoints.desk.overview()).await {
        Ok(found) => found,
        Err(away) => return away,
    };
    let own = &visit.site.endpoints;
    let (seen, now) = (own.vitals.seen(), std::time::Instant::now());
    let checks = ready::checks(&own.vitals.about, &seen, now);
    let tasks: Vec<Value> = own
        .board
        .states()
        .iter()
        .map(|(code, state)| context! { name => code.code(), own => Value::from(Serde(state)) })
        .collect();
    // What is wrong with the manifests is said once, at the top.
    let is_said = found.source.as_ref().is_some_and(|source| source.problem.is_some());
    let workspaces: Vec<Value> = found.workspaces.iter().map(|own| workspace(own, is_said)).collect();
    let page = context! {
        overview => Value::from(Serde(&found)),
        workspaces => workspaces,
        tasks => tasks,
        is_ready => checks.iter().all(|check| check.ok),
        failing => Value::from(Serde(checks.into_iter().filter(|check| !check.ok).collect::<Vec<_>>())),
        drift => matches!(seen.role, Role::Leader | Role::Observer).then(|| seen.drift.values().sum::<u64>()),
        last_cycle => seen.cycle.map(|mark| mark.at.to_rfc3339()),
    };
    visit.show(StatusCode::OK, OVERVIEW, page)
}

/// A workspace in few words: what matters most of its conditions, and all that is not as it should be.
fn workspace(own: &WorkspaceStand, is_source_said: bool) -> Value {
    use ConditionStatus::{False, True, Unknown};
    use ConditionType::{Flapping, Healthy, Paused, Ready, Stalled, Synced};
    let of = |kind: ConditionType| own.conditions.iter().find(|condition| condition.of == kind);
    let said = [
        (Stalled, True, "Stalled", "bad"),
        (Flapping, True, "Flapping", "bad"),
        (Synced, False, "Not synced", "bad"),
        (Healthy, False, "Unhealthy", "bad"),
        (Paused, True, "Paused", "warn"),
        (Synced, Unknown, "Sync unknown", "warn"),
        (Healthy, Unknown, "Health unknown", "idle"),
        (Ready, False, "Not ready", "bad"),
        (Ready, Unknown, "Unknown", "idle"),
        (Ready, True, "Ready", "good"),
    ];
    let mut badges = Vec::new();
    let mut is_calm = true;
    for (kind, wanted, text, tone) in said {
        // Whether it is ready follows from the others: it is said where nothing else is amiss.
        let is_said = kind != Ready || is_calm;
        let Some(condition) = of(kind).filter(|condition| condition.status == wanted && is_said) else {
            continue;
        };
        let reason = condition.reason.as_str();
        let (text, tone) = match (kind, reason) {
            // That is what a pause is for.
            (Synced, "Paused") => continue,
            (Healthy, "Degraded") => ("Degraded", "warn"),
            _ => (text, tone),
        };
        let is_repeated = match kind {
            // The pause itself is shown.
            Paused => own.pause.is_some(),
            Stalled => of(Synced).is_some_and(|synced| synced.message.contains(&condition.message)),
            // The badge says it.
            _ => tone == "good" || reason == "NotChecked",
        };
        let is_of_source = matches!(reason, "InvalidManifest" | "SourceUnreachable" | "NoRevision");
        let message = match is_repeated {
            true => None,
            false if is_source_said && is_of_source => Some("it waits for manifests that can be used"),
            false => Some(condition.message.as_str()),
        };
        is_calm &= tone == "idle";
        badges.push(context! { text => text, tone => tone, message => message, reason => reason });
    }
    if badges.is_empty() {
        badges
            .push(context! { text => "Not seen yet", tone => "idle", message => None::<&str>, reason => "" });
    }
    let since = own.conditions.iter().map(|condition| condition.since).max();
    context! {
        name => own.name.as_str(),
        tenants => own.tenants,
        edited => own.edited,
        pause => Value::from(Serde(&own.pause)),
        badges => badges,
        since => since.map(|at| at.to_rfc3339()),
    }
}

/// What stands behind the `?` of `/operations`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::watch::http) struct Before {
    before: Option<i64>,
}

/// `/operations`.
pub(in crate::watch::http) async fn operations(
    visit: Visit,
    words: Result<Query<Before>, QueryRejection>,
) -> Response {
    let Ok(Query(Before { before })) = words else {
        return visit.bad_request(OPERATIONS, "`before` is the number of an operation");
    };
    match visit.ask(OPERATIONS, visit.site.endpoints.desk.operations(before)).await {
        Err(away) => away,
        Ok(rows) => {
            let last = rows.last().map(|row| row.revision).filter(|last| rows.len() >= PAGE && *last > 1);
            let page = context! {
                rows => Value::from(Serde(&rows)),
                older => last.map(|last| visit.link(&[("before", last.to_string().as_str())])),
                newest => before.map(|_| visit.link(&[("before", "")])),
            };
            visit.show(StatusCode::OK, OPERATIONS, page)
        }
    }
}

/// What stands behind the `?` of `/operations/REVISION`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::watch::http) struct From {
    from: i32,
}

/// `/operations/REVISION`.
pub(in crate::watch::http) async fn operation(
    visit: Visit,
    revision: Result<Path<i64>, PathRejection>,
    words: Result<Query<From>, QueryRejection>,
) -> Response {
    let leaf = Leaf { template: "operation.html", title: "Operation", ..OPERATIONS };
    let (Ok(Path(revision)), Ok(Query(From { from }))) = (revision, words) else {
        return visit.bad_request(leaf, "an operation is named by its number: /operations/42");
    };
    match visit.ask(leaf, visit.site.endpoints.desk.operation(revision, from)).await {
        Err(away) => away,
        Ok(None) => {
            let what = format!("There is no operation {revision}");
            let help = "the list of operations shows those that are on record";
            visit.say(StatusCode::NOT_FOUND, leaf, &what, None, Some(help))
        }
        Ok(Some(found)) => {
            let next = found.next.map(|next| visit.link(&[("from", next.to_string().as_str())]));
            let page = context! { own => Value::from(Serde(&found)), next => next, is_first => from <= 0 };
            visit.show(StatusCode::OK, leaf, page)
        }
    }
}

/// `/usage`.
pub(in crate::watch::http) async fn usage(visit: Visit) -> Response {
    match visit.ask(USAGE, visit.site.endpoints.desk.usage()).await {
        Err(away) => away,
        Ok(found) => {
            let bars = |rows: &[(String, u64, u64)]| -> Vec<Value> {
                let most = rows.iter().map(|(_, count, _)| *count).max().unwrap_or_default();
                let one = |(name, count, failed): &(String, u64, u64)| {
                    context! { name => name, count => count, failed => failed, share => share(*count, most),
                    failed_share => share(*failed, most) }
                };
                rows.iter().map(one).collect()
            };
            let page = context! {
                own => Value::from(Serde(&found)),
                days => Value::from(Serde(days(&found.by_day))),
                commands => bars(&found.by_command),
                services => bars(&found.by_service),
            };
            visit.show(StatusCode::OK, USAGE, page)
        }
    }
}

/// There is no such page.
pub(in crate::watch::http) async fn not_found(visit: Visit) -> Response {
    let help = "the menu leads to all pages";
    visit.say(StatusCode::NOT_FOUND, NOWHERE, "There is no such page", None, Some(help))
}

/// The page is there, but not for this.
pub(in crate::watch::http) async fn not_allowed(visit: Visit) -> Response {
    let what = "This address does not take such a request";
    visit.say(StatusCode::METHOD_NOT_ALLOWED, NOWHERE, what, None, Some("the menu leads to all pages"))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::engine::watching::Condition;
    use crate::watch::http::desk::Pause;

    fn said(of: ConditionType, status: ConditionStatus, reason: &str, message: &str) -> Condition {
        Condition {
            workspace: "w".to_owned(),
            of,
            status,
            reason: reason.to_owned(),
            message: message.to_owned(),
            revision: None,
            since: DateTime::<Utc>::UNIX_EPOCH,
        }
    }

    #[track_caller]
    fn check(conditions: Vec<Condition>, pause: Option<Pause>, is_source_said: bool, expect: &str) {
        let stand = WorkspaceStand { conditions, pause, ..WorkspaceStand::default() };
        let shown = workspace(&stand, is_source_said).get_attr("badges").unwrap();
        let one = |badge: Value| {
            let text = badge.get_attr("text").unwrap().to_string();
            let message = badge.get_attr("message").unwrap();
            if message.is_none() { text } else { format!("{text} ({message})") }
        };
        let shown: Vec<String> = shown.try_iter().unwrap().map(one).collect();
        assert_eq!(shown.join(", "), expect);
    }

    #[test]
    fn what_matters_is_said_once() {
        use ConditionStatus::{False, True, Unknown};
        use ConditionType::{Healthy, Paused, Ready, Stalled, Synced};
        check(Vec::new(), None, false, "Not seen yet");
        let well = vec![
            said(Ready, True, "Reconciled", "all"),
            said(Synced, True, "Synced", "all"),
            said(Healthy, Unknown, "NotChecked", "nothing is looked at yet"),
        ];
        check(well, None, false, "Health unknown, Ready");
        let degraded =
            vec![said(Ready, True, "Reconciled", "all"), said(Healthy, False, "Degraded", "1 of 3 degraded")];
        check(degraded, None, false, "Degraded (1 of 3 degraded)");
        let failing = vec![
            said(Ready, False, "ApplyFailed", "2 are not as declared: no"),
            said(Synced, False, "ApplyFailed", "2 are not as declared: no"),
            said(Stalled, True, "FailsAgainAndAgain", "no"),
        ];
        check(failing, None, false, "Stalled, Not synced (2 are not as declared: no)");
        let paused = || {
            vec![
                said(Ready, False, "Paused", "1 is not as declared"),
                said(Synced, False, "Paused", "1 is not as declared"),
                said(Paused, True, "Paused", "paused by eva"),
            ]
        };
        let pause = Pause { reason: "INC-12".to_owned(), actor: "eva".to_owned(), until: None };
        check(paused(), Some(pause), false, "Paused");
        check(paused(), None, false, "Paused (paused by eva)");
        let invalid = || {
            vec![
                said(Ready, False, "InvalidManifest", "T1.yaml:3:1: no"),
                said(Stalled, True, "InvalidManifest", "T1.yaml:3:1: no"),
            ]
        };
        check(invalid(), None, false, "Stalled (T1.yaml:3:1: no)");
        check(invalid(), None, true, "Stalled (it waits for manifests that can be used)");
    }
}
