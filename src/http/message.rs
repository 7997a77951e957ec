//! A request to be, and an answer. What may be secret in them is hidden from every output by its type.

use std::time::Duration;

use url::Url;

use crate::model::secret::Redacted;

/// How a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
}

/// A request to be.
#[derive(Clone, Debug)]
pub struct Request {
    /// The service, for the meter.
    pub service: &'static str,
    /// How.
    pub method: Method,
    /// Where.
    pub url: Url,
    /// Headers. Their values may be secret.
    pub headers: Vec<(&'static str, Redacted<String>)>,
    /// What is sent. It may be secret.
    pub body: Option<Redacted<String>>,
    /// Whether asking twice does no harm: then a request that failed for the moment is sent again.
    pub may_repeat: bool,
}

impl Request {
    /// A request that only asks.
    #[must_use]
    pub const fn get(service: &'static str, url: Url) -> Self {
        Self { service, method: Method::Get, url, headers: Vec::new(), body: None, may_repeat: true }
    }

    /// A request that sends something, and is not sent twice.
    #[must_use]
    pub fn post(service: &'static str, url: Url, content_type: &str, body: String) -> Self {
        let headers = vec![("content-type", Redacted::new(content_type.to_owned()))];
        let body = Some(Redacted::new(body));
        Self { service, method: Method::Post, url, headers, body, may_repeat: false }
    }

    /// The same, with a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, Redacted::new(value.into())));
        self
    }

    /// The same, which may be sent again.
    #[must_use]
    pub const fn repeatable(mut self) -> Self {
        self.may_repeat = true;
        self
    }
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, names in small letters; those that are no text are left out.
    pub(super) headers: Vec<(String, String)>,
    /// The body. It may hold secrets.
    pub body: Redacted<Vec<u8>>,
}

impl Response {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `None` where it is none.
    #[must_use]
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(self.body.expose()).ok()
    }

    /// How long the server asks us to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds: f64 = self.header("retry-after")?.trim().parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self.status, 408 | 425 | 429 | 500..=599)
    }
}
