//! What every request must pass before anybody looks at it, and what every answer carries.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};

use super::Site;
use super::door::{LIFE, Session, host_name, is_own_page};
use super::page;

/// How many bytes a form may have.
const BODY: usize = 16 * 1024;

/// How long an answer may take, with the form that it is an answer to. The database is given up before.
const ANSWER: Duration = Duration::from_secs(20);

/// Answers that need no token: probes come from those who have none, and the rest is how one gets in.
const OPEN: [&str; 5] = ["/livez", "/healthz", "/readyz", "/login", "/favicon.svg"];

/// Answers for programs: who may not have them is told so, and is not sent to a page.
const FOR_PROGRAMS: [&str; 5] = ["/livez", "/healthz", "/readyz", "/metrics", "/status"];

/// Lays all of it around the routes.
pub(super) fn guarded(router: Router<Arc<Site>>, site: Arc<Site>) -> Router<Arc<Site>> {
    router.layer(DefaultBodyLimit::max(BODY)).layer(from_fn_with_state(site, guard))
}

async fn guard(State(site): State<Arc<Site>>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let is_for_programs = FOR_PROGRAMS.contains(&path.as_str());
    let session = match admit(&site, &request) {
        Ok(session) => session,
        Err(refusal) => return finished(&site, refusal, None),
    };
    if let Some(session) = &session {
        request.extensions_mut().insert(session.clone());
    }
    let answer = tokio::time::timeout(ANSWER, next.run(request)).await;
    let answer =
        answer.unwrap_or_else(|_| (StatusCode::REQUEST_TIMEOUT, "that took too long\n").into_response());
    let cookie = session.filter(|session| session.is_new && !is_for_programs).map(|session| session.value);
    finished(&site, answer, cookie)
}

/// The session of a request that may be answered; or what is answered in its place. `None` where the system has no random
/// numbers for one, so that nothing can be changed.
fn admit(site: &Site, request: &Request) -> Result<Option<Session>, Response> {
    let (headers, path) = (request.headers(), request.uri().path());
    let door = &site.endpoints.door;
    let host = text(headers, &header::HOST).unwrap_or_default();
    if site.is_loopback && !is_ours(site, host) {
        // A name of somebody else that leads here: the page of that name must not read ours.
        let said = "this is not a name of these endpoints; allowed are localhost, 127.0.0.1, [::1], and what was configured\n";
        return Err((StatusCode::MISDIRECTED_REQUEST, said).into_response());
    }
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    let site_header = HeaderName::from_static("sec-fetch-site");
    if !is_safe && !is_own_page(host, text(headers, &header::ORIGIN), text(headers, &site_header)) {
        return Err((StatusCode::FORBIDDEN, "this form does not come from the status page\n").into_response());
    }
    let is_authorized = door.is_authorized(text(headers, &header::AUTHORIZATION));
    let session =
        cookie(site, headers).and_then(|value| door.session(value)).or_else(|| door.open(is_authorized));
    let is_known = is_authorized || session.as_ref().is_some_and(|session| session.is_known);
    if is_known || OPEN.contains(&path) {
        return Ok(session);
    }
    if FOR_PROGRAMS.contains(&path) || !is_safe {
        let realm = [(header::WWW_AUTHENTICATE, "Bearer realm=\"synthex\"")];
        return Err((StatusCode::UNAUTHORIZED, realm, "a token is needed\n").into_response());
    }
    let wanted = request.uri().path_and_query().map_or("/", |wanted| wanted.as_str());
    let next: String = url::form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
    Err(Redirect::to(&format!("/login?next={next}")).into_response())
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn is_ours(site: &Site, host: &str) -> bool {
    let Some(name) = host_name(host) else { return false };
    matches!(name.as_str(), "localhost" | "127.0.0.1" | "[::1]")
        || site.endpoints.settings.hosts.iter().any(|own| own.eq_ignore_ascii_case(&name))
}

/// What our cookie holds.
fn cookie<'h>(site: &Site, headers: &'h HeaderMap) -> Option<&'h str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(site.cookie.as_str())?.strip_prefix('='))
}

/// The `Set-Cookie` of a session; of none, which ends it.
pub(super) fn set_cookie(site: &Site, value: Option<&str>) -> Option<HeaderValue> {
    let age = value.map_or(0, |_| LIFE.as_secs());
    let (name, value) = (&site.cookie, value.unwrap_or_default());
    HeaderValue::from_str(&format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict")).ok()
}

/// Adds what every answer carries.
fn finished(site: &Site, mut answer: Response, session: Option<String>) -> Response {
    let headers = answer.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::CACHE_CONTROL, "no-store");
    set(header::X_FRAME_OPTIONS, "DENY");
    // With `no-referrer` browsers send `Origin: null` with a form, which says nothing of where it comes from.
    set(header::REFERRER_POLICY, "same-origin");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    if let Ok(policy) = HeaderValue::from_str(&page::content_security_policy(&site.endpoints.pages)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if let Some(cookie) = session.and_then(|value| set_cookie(site, Some(&value)))
        && !headers.contains_key(header::SET_COOKIE)
    {
        headers.insert(header::SET_COOKIE, cookie);
    }
    answer
}
