//! The endpoints of `synthex watch --listen`: probes, metrics, status as JSON, and the status page (R70, M-H14).
//!
//! They run on a thread and a runtime of their own, so that they answer while the controller computes. Probes, metrics and
//! status read only what the tasks have told ([`Vitals`], [`Board`]), so they answer also while the database does not. Only the
//! status page asks the database, through a [`Desk`], and says so when it gets no answer.
//!
//! | module | what it does |
//! | --- | --- |
//! | `vitals` | what a replica knows, written by the tasks |
//! | `ready`, `metrics`, `status` | the probes, metrics and JSON made of it |
//! | `desk`, `record` | what the status page needs of the database |
//! | `page` | the status page |
//! | `door` | tokens, sessions and the proof of forms |
//! | `guard` | what every request must pass, and what every answer carries |
//! | `connections` | connections, and their limits |

mod connections;
mod desk;
mod door;
mod guard;
mod metrics;
mod page;
mod ready;
mod record;
mod status;
mod vitals;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use thiserror::Error;

use crate::model::Clock;
use crate::model::secret::Redacted;

use super::board::Board;
use super::stop::Stop;

use door::Door;
use page::Pages;

pub use desk::{
    Acknowledged, AlertRow, Asked, Beat, CredentialRow, DeliveryRow, Desk, HealthRow, NotificationRow,
    Overview, PAGE, Pause, Replica, Rows, Search, TenantRow, WorkspaceStand,
};
pub use door::LEAST_TOKEN;
pub use record::{FieldRow, ItemRow, Operation, OperationRow, Usage};
pub use vitals::{About, Alerts, Counted, Credentials, Deliveries, LeaseSeen, Role, Vitals};

/// How the endpoints are set.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What must be shown; needed where others than this machine can connect.
    pub token: Option<Redacted<String>>,
    /// Names by which this machine's endpoints may be called besides `localhost`, such as that of a proxy in front.
    pub hosts: Vec<String>,
    /// Whether metrics tell of each workspace.
    pub per_workspace: bool,
}

/// The endpoints cannot be served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Anybody could read the status page, and acknowledge alerts.
    #[error("the endpoints at {0} need a token: others than this machine can connect to it")]
    NeedsToken(SocketAddr),
    /// It could be guessed.
    #[error("the token of the endpoints is shorter than {LEAST_TOKEN} characters")]
    ShortToken,
    /// There are no random numbers.
    #[error("the system has no random numbers")]
    NoRandomNumbers,
    /// A template of the status page is wrong, which is a defect.
    #[error("the status page cannot be made")]
    Page(#[source] minijinja::Error),
    /// The operating system refuses.
    #[error("the endpoints cannot be served")]
    System(#[from] std::io::Error),
}

/// Everything that the endpoints need.
pub struct Endpoints {
    vitals: Arc<Vitals>,
    board: Arc<Board>,
    desk: Arc<dyn Desk>,
    clock: Box<dyn Clock>,
    settings: Settings,
    door: Door,
    pages: Pages,
}

impl Endpoints {
    /// Puts them together.
    ///
    /// # Errors
    /// The token is too short to be one.
    pub fn new(
        vitals: Arc<Vitals>,
        board: Arc<Board>,
        desk: Arc<dyn Desk>,
        clock: Box<dyn Clock>,
        settings: Settings,
    ) -> Result<Self, ServeError> {
        if settings.token.as_ref().is_some_and(|token| token.expose().chars().count() < LEAST_TOKEN) {
            return Err(ServeError::ShortToken);
        }
        let door = Door::new(settings.token.clone()).ok_or(ServeError::NoRandomNumbers)?;
        let pages = Pages::new().map_err(ServeError::Page)?;
        Ok(Self { vitals, board, desk, clock, settings, door, pages })
    }
}

/// The endpoints at their address.
struct Site {
    endpoints: Arc<Endpoints>,
    /// Whether only this machine can connect.
    is_loopback: bool,
    /// The cookie of sessions. Cookies know no ports, so two replicas on one machine need two names.
    cookie: String,
}

/// Serves on a thread of its own. Once stopped, it answers what was begun, for 5 s at most.
///
/// # Errors
/// As [`serve`], as far as it can be told at once.
pub fn spawn(
    listener: TcpListener,
    endpoints: Arc<Endpoints>,
    stop: Stop,
) -> Result<JoinHandle<Result<(), ServeError>>, ServeError> {
    may_serve(&listener, &endpoints)?;
    let work = move || serve(listener, endpoints, stop);
    Ok(std::thread::Builder::new().name("endpoints".to_owned()).spawn(work)?)
}

/// Whether these endpoints may be served there.
fn may_serve(listener: &TcpListener, endpoints: &Endpoints) -> Result<SocketAddr, ServeError> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() && !endpoints.door.asks() {
        return Err(ServeError::NeedsToken(address));
    }
    Ok(address)
}

/// Serves on this thread until it is asked to stop.
///
/// # Errors
/// There is no token where one is needed, or the operating system refuses.
pub fn serve(listener: TcpListener, endpoints: Arc<Endpoints>, stop: Stop) -> Result<(), ServeError> {
    let address = may_serve(&listener, &endpoints)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let site = Site {
        endpoints,
        is_loopback: address.ip().is_loopback(),
        cookie: format!("synthex-{}", address.port()),
    };
    listener.set_nonblocking(true)?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        connections::serve(listener, router(Arc::new(site)), stop).await;
        Ok(())
    })
}

fn router(site: Arc<Site>) -> Router {
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/healthz", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/favicon.svg", get(page::icon))
        .route("/login", get(page::login).post(page::log_in))
        .route("/logout", post(page::log_out))
        .route("/", get(page::overview))
        .route("/tenants", get(page::tenants))
        .route("/credentials", get(page::credentials))
        .route("/health", get(page::health))
        .route("/alerts", get(page::alerts))
        .route("/alerts/acknowledge", post(page::acknowledge))
        .route("/inbox", get(page::inbox))
        .route("/inbox/retry", post(page::retry))
        .route("/operations", get(page::operations))
        .route("/operations/{revision}", get(page::operation))
        .route("/usage", get(page::usage))
        .fallback(page::not_found)
        .method_not_allowed_fallback(page::not_allowed);
    guard::guarded(router, Arc::clone(&site)).with_state(site)
}

async fn livez(State(site): State<Arc<Site>>) -> Response {
    let check = ready::alive(&site.endpoints.vitals.seen(), std::time::Instant::now());
    let status = if check.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let said = if check.ok { "ok" } else { &check.why };
    (status, format!("{said}\n")).into_response()
}

async fn readyz(State(site): State<Arc<Site>>) -> Response {
    let vitals = &site.endpoints.vitals;
    let checks = ready::checks(&vitals.about, &vitals.seen(), std::time::Instant::now());
    let is_ready = checks.iter().all(|check| check.ok);
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"format_version": "1.0", "ready": is_ready, "checks": checks}))).into_response()
}

async fn metrics(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let open = accepted.contains("application/openmetrics-text");
    let own = &site.endpoints;
    match metrics::metrics(&own.vitals, own.board.states(), own.settings.per_workspace, open) {
        Ok(text) => {
            let kind = if open { metrics::OPEN } else { metrics::CLASSIC };
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n").into_response(),
    }
}

async fn status(State(site): State<Arc<Site>>) -> Response {
    Json(status::status(&site.endpoints.vitals, &site.endpoints.board)).into_response()
}
