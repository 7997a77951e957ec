//! The one place that builds an HTTP client: timeouts, bounded answers, no redirects, retries only where asking twice does
//! no harm, and a meter that hears of every request.
//!
//! What is sent and what comes back may be secret, so neither is ever logged, nor part of an error. A log line has the
//! service, the method, the host, the status and the duration.

pub mod certificates;
pub mod guarded;
mod message;
#[cfg(feature = "otel")]
pub mod traces;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable as _};
use thiserror::Error;
use url::{Host, Url};

use crate::model::secret::Redacted;

pub use message::{Method, Request, Response};

/// The most that is read of an answer.
pub const MOST_BYTES: usize = 1 << 20;

/// The longest that a server may have us wait before we ask again; longer than that, its answer is handed on.
pub const MOST_PATIENCE: Duration = Duration::from_secs(10);

/// How long we wait at least where a server asks us to slow down, and does not say for how long.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

/// How often one request is sent at most.
const MOST_ATTEMPTS: usize = 3;

/// Hears of every request that is sent, also of those that are sent again. It must neither wait nor fail.
pub trait Meter: Send + Sync {
    /// One request is over.
    fn heard(&self, call: &Call);
}

/// One request that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The service, of a bounded set: `shopify`, `google-merchant`, `google-oauth`, `secret-manager`.
    pub service: &'static str,
    /// How it ended, of a bounded set: see [`outcome_of`] and [`HttpError::code`].
    pub outcome: &'static str,
    /// How long it took.
    pub duration: Duration,
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMeter;

impl Meter for NoMeter {
    fn heard(&self, _: &Call) {}
}

/// The word for an answer's status.
#[must_use]
pub const fn outcome_of(status: u16) -> &'static str {
    match status {
        200..=299 => "ok",
        300..=399 => "redirect",
        401 | 403 => "refused",
        429 => "throttled",
        400..=499 => "client-error",
        _ => "server-error",
    }
}

/// There is no answer. Messages hold neither the address's query nor anything that was sent.
#[derive(Debug, Error)]
#[error("{what}")]
pub struct HttpError {
    /// A stable word: `not-allowed`, `refused-address`, `unresolved`, `connect`, `tls`, `timeout`, `too-large`, `broken`,
    /// `client`.
    pub code: &'static str,
    /// What happened, in one line.
    pub what: String,
    /// Whether the request cannot have reached the server.
    pub is_unsent: bool,
}

impl HttpError {
    fn new(code: &'static str, what: impl Into<String>) -> Self {
        let is_unsent =
            matches!(code, "not-allowed" | "refused-address" | "unresolved" | "connect" | "tls" | "client");
        Self { code, what: what.into(), is_unsent }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.code, "unresolved" | "connect" | "tls" | "timeout" | "broken")
    }
}

/// Sends requests.
pub struct Client {
    outside: OnceLock<reqwest::Client>,
    loopback: OnceLock<reqwest::Client>,
    timeout: Duration,
    meter: Arc<dyn Meter>,
}

impl Client {
    /// A client that waits so long for an answer.
    #[must_use]
    pub fn new(timeout: Duration, meter: Arc<dyn Meter>) -> Self {
        Self { outside: OnceLock::new(), loopback: OnceLock::new(), timeout, meter }
    }

    /// Sends a request and reads the answer, whatever its status. What failed for the moment is sent again, where that does
    /// no harm, and where nothing can have arrived.
    ///
    /// # Errors
    /// There is no answer, or it is too long, or the address is not one that secrets may be sent to.
    pub async fn send(&self, request: &Request) -> Result<Response, HttpError> {
        let client = self.client_for(&request.url)?;
        let schedule = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(3))
            .with_max_times(MOST_ATTEMPTS - 1)
            .with_jitter();
        let outcome = (|| async {
            match self.once(client, request).await {
                Ok(response) if response.is_transient() => Err(Failed::Answered(response)),
                Ok(response) => Ok(response),
                Err(error) => Err(Failed::Silent(error)),
            }
        })
        .retry(schedule)
        .when(|failed| match failed {
            Failed::Answered(_) => request.may_repeat,
            Failed::Silent(error) => error.is_transient() && (request.may_repeat || error.is_unsent),
        })
        .adjust(|failed, delay| match (failed, delay) {
            (Failed::Answered(response), Some(delay)) => {
                let least = if response.status == 429 { LEAST_PATIENCE } else { delay };
                let wished = response.retry_after().unwrap_or(least);
                (wished <= MOST_PATIENCE).then(|| wished.max(delay))
            }
            (_, delay) => delay,
        })
        .await;
        match outcome {
            Ok(response) | Err(Failed::Answered(response)) => Ok(response),
            Err(Failed::Silent(error)) => Err(error),
        }
    }

    async fn once(&self, client: &reqwest::Client, request: &Request) -> Result<Response, HttpError> {
        let start = Instant::now();
        let outcome = exchange(client, request).await;
        let call = Call {
            service: request.service,
            outcome: match &outcome {
                Ok(response) => outcome_of(response.status),
                Err(error) => error.code,
            },
            duration: start.elapsed(),
        };
        let host = request.url.host_str().unwrap_or_default();
        let status = outcome.as_ref().map_or(0, |response| response.status);
        tracing::debug!(
            service = call.service, method = ?request.method, host, status, outcome = call.outcome,
            milliseconds = call.duration.as_millis(), "a request"
        );
        self.meter.heard(&call);
        outcome
    }

    fn client_for(&self, url: &Url) -> Result<&reqwest::Client, HttpError> {
        let is_loopback = check(url)?;
        let home = if is_loopback { &self.loopback } else { &self.outside };
        if let Some(client) = home.get() {
            return Ok(client);
        }
        let built = made(builder(self.timeout, is_loopback))?;
        Ok(home.get_or_init(|| built))
    }
}

enum Failed {
    Answered(Response),
    Silent(HttpError),
}

/// Whether secrets may be sent there.
///
/// # Errors
/// It is not https, and not on this machine, or has a user in it.
pub fn may_call(url: &Url) -> Result<(), HttpError> {
    check(url).map(drop)
}

/// Whether secrets may be sent there, and whether it is this machine, without encryption.
fn check(url: &Url) -> Result<bool, HttpError> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(HttpError::new(
            "not-allowed",
            "an address with a user or a password in it is not called",
        ));
    }
    match url.scheme() {
        "https" => Ok(false),
        "http" if is_loopback(url) => Ok(true),
        _ => Err(HttpError::new(
            "not-allowed",
            format!("{} is not called: only https, or http on this machine", url.host_str().unwrap_or("it")),
        )),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one home of the HTTP client")]
fn builder(timeout: Duration, is_loopback: bool) -> reqwest::ClientBuilder {
    // A second time it fails, and the first provider stays: both are ring.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .user_agent(concat!("synthex/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(timeout.min(Duration::from_secs(10)))
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false);
    if is_loopback {
        // Nothing leaves the machine: no proxy sees it, and no certificate is looked at.
        return builder.no_proxy().tls_certs_only([]);
    }
    builder
}

fn made(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, HttpError> {
    builder.build().map_err(|error| {
        tracing::debug!(%error, "the HTTP client could not be made");
        HttpError::new(
            "client",
            "no secure connection can be made: the certificates of this system cannot be read",
        )
    })
}

async fn exchange(client: &reqwest::Client, request: &Request) -> Result<Response, HttpError> {
    let mut builder = match request.method {
        Method::Get => client.get(request.url.clone()),
        Method::Post => client.post(request.url.clone()),
    };
    for (name, value) in &request.headers {
        let mut value = reqwest::header::HeaderValue::from_str(value.expose())
            .map_err(|_| HttpError::new("client", format!("what is to be sent as {name} is no header")))?;
        value.set_sensitive(true);
        builder = builder.header(*name, value);
    }
    if let Some(body) = &request.body {
        builder = builder.body(body.expose().clone());
    }
    let host = request.url.host_str().unwrap_or_default();
    let failed = |error: &reqwest::Error| {
        if error.is_timeout() {
            let code = if error.is_connect() { "connect" } else { "timeout" };
            HttpError::new(code, format!("{host} did not answer in time"))
        } else if error.is_connect() {
            HttpError::new("connect", format!("{host} cannot be reached: {}", lowest(error)))
        } else {
            HttpError::new("broken", format!("the connection to {host} broke: {}", lowest(error)))
        }
    };
    let mut answer = builder.send().await.map_err(|error| failed(&error))?;
    let headers = answer
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| failed(&error))? {
        if body.len() + piece.len() > MOST_BYTES {
            return Err(HttpError::new("too-large", format!("the answer of {host} is larger than 1 MiB")));
        }
        body.extend_from_slice(&piece);
    }
    Ok(Response { status, headers, body: Redacted::new(body) })
}

/// What the system says, without the layers above it, which name the address.
fn lowest(error: &reqwest::Error) -> String {
    let mut lowest: &dyn std::error::Error = error;
    while let Some(source) = lowest.source() {
        lowest = source;
    }
    let text = lowest.to_string().replace(['\r', '\n'], " ");
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_sent_only_over_https_or_within_the_machine() {
        let is_loopback = |text: &str| check(&Url::parse(text).unwrap()).ok();
        assert_eq!(is_loopback("https://acme.myshopify.com/admin"), Some(false));
        assert_eq!(is_loopback("http://127.0.0.1:1/x"), Some(true));
        assert_eq!(is_loopback("http://[::1]:1/x"), Some(true));
        assert_eq!(is_loopback("http://localhost/x"), Some(true));
        for bad in ["http://acme.myshopify.com/", "http://127.0.0.1.example.com/", "ftp://127.0.0.1/"] {
            assert_eq!(is_loopback(bad), None, "{bad}");
        }
        assert_eq!(is_loopback("https://user:pw@example.com/"), None);
    }

    #[test]
    fn nothing_secret_is_in_the_debug_form_of_a_request() {
        let url = Url::parse("https://example.com/").unwrap();
        let request =
            Request::post("test", url, "text/plain", "canary-body".to_owned()).header("x-token", "canary");
        assert!(!format!("{request:?}").contains("canary"), "{request:?}");
    }
}
