//! Calls to addresses that a manifest names. They are judged by `model::address` as they are written, and a name is judged
//! again by what it resolves to, each time something connects: a name that leads to a public address now may lead to this
//! machine a moment later (M-W5 to M-W9, S12).
//!
//! A literal address never reaches the resolver, so it is judged before. Nothing is followed, no proxy is asked, nothing is
//! sent twice, and a resolver that fails is a refusal, not a pass.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::model::address::{self, Refused, Rules};
use crate::model::secret::Redacted;

use super::certificates;
use super::{Call, HttpError, Meter, lowest, outcome_of};

/// The most that is read of an answer; what is behind it is not waited for.
pub const MOST_ANSWER: usize = 20 * 1024;

/// How long an answer is waited for where a channel says nothing.
pub const USUAL_TIMEOUT: Duration = Duration::from_secs(15);

/// The longest that an answer is waited for.
pub const MOST_TIMEOUT: Duration = Duration::from_secs(30);

/// How many different sets of rules keep their connections.
const MOST_CLIENTS: usize = 32;

/// The addresses of a name, while they are looked up.
pub type Resolution = Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>>;

/// Looks up names.
pub trait Resolver: Send + Sync + 'static {
    /// All addresses of a name.
    fn resolve(&self, name: &str) -> Resolution;
}

/// The resolver of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, name: &str) -> Resolution {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// A call to be.
#[derive(Clone, Debug)]
pub struct GuardedCall {
    /// The service, for the meter.
    pub service: &'static str,
    /// Where. It may be secret.
    pub url: Redacted<Url>,
    /// What is open besides the public internet.
    pub rules: Rules,
    /// Certificates (PEM) that are trusted besides those of the system.
    pub certificates: Option<Arc<[u8]>>,
    /// How long an answer is waited for, at most [`MOST_TIMEOUT`].
    pub timeout: Duration,
    /// Headers. Their values may be secret.
    pub headers: Vec<(&'static str, Redacted<String>)>,
    /// What is posted, byte for byte.
    pub body: Redacted<Vec<u8>>,
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The start of the body. It may repeat what was sent.
    pub body: Redacted<Vec<u8>>,
    /// Whether that is all of it.
    pub is_whole: bool,
}

impl Answer {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The body as text; what is none is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.body.expose()).into_owned()
    }
}

struct Kept {
    rules: Rules,
    certificates: Option<Arc<[u8]>>,
    client: reqwest::Client,
}

/// Calls addresses that a manifest names.
pub struct Guard {
    resolver: Arc<dyn Resolver>,
    meter: Arc<dyn Meter>,
    kept: Mutex<Vec<Kept>>,
}

impl Guard {
    /// A guard that looks up names there.
    #[must_use]
    pub fn new(resolver: Arc<dyn Resolver>, meter: Arc<dyn Meter>) -> Self {
        Self { resolver, meter, kept: Mutex::default() }
    }

    /// Posts once, and reads the start of the answer, whatever its status.
    ///
    /// # Errors
    /// There is no answer: `refused-address`, `unresolved`, `connect`, `bad-certificate`, `tls`, `timeout`, `broken`, `client`.
    pub async fn post(&self, call: &GuardedCall) -> Result<Answer, HttpError> {
        let start = Instant::now();
        let outcome = self.exchange(call).await;
        let heard = Call {
            service: call.service,
            outcome: match &outcome {
                Ok(answer) => outcome_of(answer.status),
                Err(error) => error.code,
            },
            duration: start.elapsed(),
        };
        let host = call.url.expose().host_str().unwrap_or_default();
        let status = outcome.as_ref().map_or(0, |answer| answer.status);
        tracing::debug!(
            service = heard.service,
            host,
            status,
            outcome = heard.outcome,
            milliseconds = heard.duration.as_millis(),
            "a request"
        );
        self.meter.heard(&heard);
        outcome
    }

    /// The addresses of a host that may be connected to by something else than HTTP. All of them may be: one that may not be
    /// refuses the whole name.
    ///
    /// # Errors
    /// The host is refused, or cannot be looked up.
    pub async fn resolve(&self, host: &Host, rules: &Rules) -> Result<Vec<IpAddr>, HttpError> {
        let name = match host {
            Host::Ipv4(address) => return admitted(rules, &host.to_string(), vec![IpAddr::V4(*address)]),
            Host::Ipv6(address) => return admitted(rules, &host.to_string(), vec![IpAddr::V6(*address)]),
            Host::Domain(name) => name,
        };
        let found = self.resolver.resolve(name).await.map_err(|error| unresolved(name, &error))?;
        admitted(rules, name, found)
    }

    async fn exchange(&self, call: &GuardedCall) -> Result<Answer, HttpError> {
        let url = call.url.expose();
        // A literal address is never looked up: it is judged here.
        let url = address::check_url(url.as_str(), &call.rules).map_err(|refused| refusal(&refused))?;
        let client = self.client_for(call)?;
        let timeout = call.timeout.min(MOST_TIMEOUT);
        let deadline = tokio::time::Instant::now() + timeout;
        let mut builder = client.post(url.clone()).timeout(timeout).body(call.body.expose().clone());
        for (name, value) in &call.headers {
            let mut value = reqwest::header::HeaderValue::from_str(value.expose()).map_err(|_| {
                HttpError::new("client", format!("what is to be sent as {name} is no header"))
            })?;
            value.set_sensitive(true);
            builder = builder.header(*name, value);
        }
        let host = url.host_str().unwrap_or_default();
        let mut answer = tokio::time::timeout_at(deadline, builder.send())
            .await
            .map_err(|_| HttpError::new("timeout", format!("{host} did not answer in time")))?
            .map_err(|error| failed(host, &error))?;
        let headers = answer
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let status = answer.status().as_u16();
        // What the status says is said: a body that breaks off does not take it back.
        let (mut body, mut is_whole) = (Vec::new(), false);
        while body.len() < MOST_ANSWER {
            match tokio::time::timeout_at(deadline, answer.chunk()).await {
                Ok(Ok(Some(piece))) => body.extend_from_slice(&piece),
                Ok(Ok(None)) => {
                    is_whole = true;
                    break;
                }
                Ok(Err(_)) | Err(_) => break,
            }
        }
        body.truncate(MOST_ANSWER);
        Ok(Answer { status, headers, body: Redacted::new(body), is_whole })
    }

    fn client_for(&self, call: &GuardedCall) -> Result<reqwest::Client, HttpError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |one: &&Kept| one.rules == call.rules && one.certificates == call.certificates;
        if let Some(one) = kept.iter().find(fits) {
            return Ok(one.client.clone());
        }
        let client = build(call, Arc::clone(&self.resolver))?;
        if kept.len() >= MOST_CLIENTS {
            kept.remove(0);
        }
        kept.push(Kept {
            rules: call.rules.clone(),
            certificates: call.certificates.clone(),
            client: client.clone(),
        });
        Ok(client)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one home of HTTP clients")]
fn build(call: &GuardedCall, resolver: Arc<dyn Resolver>) -> Result<reqwest::Client, HttpError> {
    // A second time it fails, and the first provider stays: both are ring.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let broken = |what: &str| HttpError::new("client", what.to_owned());
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("synthex/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        // A proxy would look up the name itself, and connect wherever it leads.
        .no_proxy()
        .pool_idle_timeout(Duration::from_secs(20))
        .dns_resolver(Guarding { rules: call.rules.clone(), resolver });
    if let Some(pem) = &call.certificates {
        let wrong = "the file of certificates (`network.caFile`) has none that can be read";
        let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(|_| broken(wrong))?;
        if certificates.is_empty() {
            return Err(broken(wrong));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| {
        tracing::debug!(%error, "the HTTP client could not be made");
        broken("no secure connection can be made: the certificates of this system cannot be read")
    })
}

/// Looks up a name for something that is about to connect, and hands on nothing that must not be connected to.
struct Guarding {
    rules: Rules,
    resolver: Arc<dyn Resolver>,
}

impl Resolve for Guarding {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = self.rules.clone();
        let found = self.resolver.resolve(name.as_str());
        Box::pin(async move {
            let found = found.await.map_err(|error| Stopped(unresolved(name.as_str(), &error)))?;
            let admitted = admitted(&rules, name.as_str(), found).map_err(Stopped)?;
            let addresses: Addrs = Box::new(admitted.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// Carries an error of ours through the layers of the client.
#[derive(Debug)]
struct Stopped(HttpError);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Stopped {}

/// All of a name's addresses, or none of them: a name that leads to a public and to a private address is not one to trust.
fn admitted(rules: &Rules, name: &str, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, HttpError> {
    if found.is_empty() {
        return Err(HttpError::new("unresolved", format!("{name} has no address")));
    }
    for address in &found {
        if let Err(refused) = rules.admit(*address) {
            let what = format!("{name} is not called: {refused}; {}", refused.help);
            return Err(HttpError::new("refused-address", what));
        }
    }
    Ok(found)
}

fn unresolved(name: &str, error: &std::io::Error) -> HttpError {
    tracing::debug!(name, %error, "a name could not be looked up");
    HttpError::new("unresolved", format!("{name} cannot be looked up, so it is not called"))
}

fn refusal(refused: &Refused) -> HttpError {
    HttpError::new("refused-address", format!("{refused}; {}", refused.help))
}

fn failed(host: &str, error: &reqwest::Error) -> HttpError {
    let mut layer: Option<&dyn std::error::Error> = Some(error);
    while let Some(own) = layer {
        if let Some(Stopped(stopped)) = own.downcast_ref() {
            return HttpError::new(stopped.code, stopped.what.clone());
        }
        if let Some(tls) = own.downcast_ref::<rustls::Error>() {
            let no = format!("no secure connection to {host}");
            return match tls {
                rustls::Error::InvalidCertificate(wrong) => {
                    HttpError::new("bad-certificate", format!("{no}: {}", certificates::words(wrong)))
                }
                other => HttpError::new("tls", format!("{no}: {other}")),
            };
        }
        // An error of the operating system may carry one of TLS, and does not name it as its source.
        let inner = own.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        layer = match inner {
            Some(inner) => Some(inner),
            None => own.source(),
        };
    }
    if error.is_timeout() {
        HttpError::new("timeout", format!("{host} did not answer in time"))
    } else if error.is_connect() {
        HttpError::new("connect", format!("{host} cannot be reached: {}", lowest(error)))
    } else {
        HttpError::new("broken", format!("the connection to {host} broke: {}", lowest(error)))
    }
}

#[cfg(test)]
mod tests;
