//! What people do on the status page: log in and out, acknowledge an alert, have a delivery tried again.
//!
//! Each form carries a proof that it came from a page of this session, beside what the browser says of where it comes from. Each
//! ends in a redirection, so that reloading does nothing twice.

use axum::Form;
use axum::extract::Query;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use minijinja::context;
use serde::Deserialize;
use uuid::Uuid;

use crate::watch::http::desk::Acknowledged;
use crate::watch::http::door::safe_next;
use crate::watch::http::guard::set_cookie;
use crate::watch::task::TaskCode;

use super::lists::{ALERTS, INBOX};
use super::visit::{Leaf, Visit};

const LOGIN: Leaf = Leaf { template: "login.html", title: "Log in", menu: "" };

/// How long a wrong token is thought about.
const WRONG: std::time::Duration = std::time::Duration::from_millis(500);

/// Where somebody wants to go.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::watch::http) struct Next {
    next: String,
}

/// The form of the login.
#[derive(Deserialize)]
pub(in crate::watch::http) struct LogIn {
    csrf: String,
    token: String,
    #[serde(default)]
    next: String,
}

/// The form of an acknowledgement.
#[derive(Debug, Deserialize)]
pub(in crate::watch::http) struct AcknowledgeForm {
    csrf: String,
    workspace: String,
    id: Uuid,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    back: String,
}

/// The form of a retry.
#[derive(Debug, Deserialize)]
pub(in crate::watch::http) struct RetryForm {
    csrf: String,
    delivery: Uuid,
    #[serde(default)]
    back: String,
}

/// A form with nothing in it but its proof.
#[derive(Debug, Deserialize)]
pub(in crate::watch::http) struct Bare {
    csrf: String,
}

/// What a form says, if it came from a page of this session.
fn read<T>(
    visit: &Visit,
    leaf: Leaf,
    form: Result<Form<T>, FormRejection>,
    proof: impl Fn(&T) -> &str,
) -> Result<T, Response> {
    let Form(form) = form.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let help = "write less than 16 KiB";
            visit.say(StatusCode::PAYLOAD_TOO_LARGE, leaf, "The form is too long", None, Some(help))
        }
        _ => visit.bad_request(leaf, "a field of the form is missing, or cannot have this value"),
    })?;
    let door = &visit.site.endpoints.door;
    let is_ours = visit.session.as_ref().is_some_and(|session| door.is_form_token(session, proof(&form)));
    if is_ours {
        return Ok(form);
    }
    let why =
        "it was opened before the controller was started anew, or more than 12 hours ago, or without cookies";
    let what = "The form is not valid any more";
    Err(visit.say(
        StatusCode::FORBIDDEN,
        leaf,
        what,
        Some(why),
        Some("open the page again, and then send the form"),
    ))
}

/// Back to the list that a form stood on, with what came of it.
fn back(home: &str, wanted: &str, done: &str) -> Response {
    let wanted = safe_next(wanted);
    let place = match wanted.strip_prefix(home) {
        Some(rest) if rest.is_empty() || rest.starts_with('?') => wanted,
        _ => home,
    };
    let join = if place.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{place}{join}done={done}")).into_response()
}

/// `GET /login`.
pub(in crate::watch::http) async fn login(
    visit: Visit,
    words: Result<Query<Next>, QueryRejection>,
) -> Response {
    let next = words.map(|Query(words)| words.next).unwrap_or_default();
    let is_known = visit.session.as_ref().is_some_and(|session| session.is_known);
    if is_known {
        Redirect::to(safe_next(&next)).into_response()
    } else {
        visit.show(StatusCode::OK, LOGIN, context! { next => safe_next(&next), is_wrong => false })
    }
}

/// `POST /login`.
pub(in crate::watch::http) async fn log_in(
    visit: Visit,
    form: Result<Form<LogIn>, FormRejection>,
) -> Response {
    let form = match read(&visit, LOGIN, form, |form| &form.csrf) {
        Ok(form) => form,
        Err(refusal) => return refusal,
    };
    let door = &visit.site.endpoints.door;
    let next = safe_next(&form.next);
    if !door.is_token(form.token.trim()) {
        tracing::warn!("somebody tried to log in to the status page with a wrong token");
        tokio::time::sleep(WRONG).await;
        return visit.show(StatusCode::FORBIDDEN, LOGIN, context! { next => next, is_wrong => true });
    }
    let mut answer = Redirect::to(next).into_response();
    let cookie = door.open(true).and_then(|session| set_cookie(&visit.site, Some(&session.value)));
    if let Some(cookie) = cookie {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}

/// `POST /logout`.
pub(in crate::watch::http) async fn log_out(
    visit: Visit,
    form: Result<Form<Bare>, FormRejection>,
) -> Response {
    if let Err(refusal) = read(&visit, LOGIN, form, |form| &form.csrf) {
        return refusal;
    }
    let mut answer = Redirect::to("/login").into_response();
    if let Some(cookie) = set_cookie(&visit.site, None) {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}

/// `POST /alerts/acknowledge`.
pub(in crate::watch::http) async fn acknowledge(
    visit: Visit,
    form: Result<Form<AcknowledgeForm>, FormRejection>,
) -> Response {
    let form = match read(&visit, ALERTS, form, |form| &form.csrf) {
        Ok(form) => form,
        Err(refusal) => return refusal,
    };
    let AcknowledgeForm { workspace, id, comment, back: place, .. } = form;
    let comment = comment.trim().to_owned();
    if comment.chars().count() > 2_000 || comment.contains('\0') || workspace.contains('\0') {
        return visit.bad_request(ALERTS, "a comment has at most 2000 characters");
    }
    let comment = Some(comment).filter(|comment| !comment.is_empty());
    let asked = visit.site.endpoints.desk.acknowledge(workspace, id, comment);
    match visit.ask(ALERTS, asked).await {
        Err(away) => away,
        Ok(outcome) => back(
            "/alerts",
            &place,
            match outcome {
                Acknowledged::Done => "acknowledged",
                Acknowledged::Already => "acknowledged-before",
                Acknowledged::Refused => "not-acknowledged",
                Acknowledged::NoSuch => "no-alert",
            },
        ),
    }
}

/// `POST /inbox/retry`.
pub(in crate::watch::http) async fn retry(
    visit: Visit,
    form: Result<Form<RetryForm>, FormRejection>,
) -> Response {
    let form = match read(&visit, INBOX, form, |form| &form.csrf) {
        Ok(form) => form,
        Err(refusal) => return refusal,
    };
    match visit.ask(INBOX, visit.site.endpoints.desk.retry(form.delivery)).await {
        Err(away) => away,
        Ok(count) => {
            visit.site.endpoints.board.wake(TaskCode::Delivery);
            back("/inbox", &form.back, if count > 0 { "retried" } else { "not-retried" })
        }
    }
}
