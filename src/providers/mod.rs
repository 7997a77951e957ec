//! The services that credentials are for, and Google Secret Manager: what each is asked, and what its answers mean.
//!
//! Whatever a service says is told as one of the outcomes of [`crate::engine::credentials`]. Texts of a service are not
//! repeated: they are not ours to vouch for, and could hold what we sent. Its codes are, as far as [`codes`] knows them.

pub mod codes;
pub mod crc32c;
pub mod endpoints;
pub mod google_merchant;
pub mod oauth;
pub mod secret_manager;
pub mod shopify;

use chrono::{DateTime, Utc};

use crate::engine::credentials::{Finding, Fresh, Outcome, Provider, Secret, Subject};
use crate::http::{Client, HttpError, Response};
use crate::kinds::credential::Service;

pub use codes::Sent;
pub use endpoints::Endpoints;
pub use oauth::TokenCache;

/// All services, behind one client.
pub struct Providers {
    /// Sends the requests.
    pub client: Client,
    /// Where they go.
    pub endpoints: Endpoints,
    /// Access tokens of Google that still hold.
    pub tokens: TokenCache,
}

impl Providers {
    /// Over this client, to these addresses.
    #[must_use]
    pub fn new(client: Client, endpoints: Endpoints) -> Self {
        Self { client, endpoints, tokens: TokenCache::default() }
    }
}

impl Provider for Providers {
    async fn verify(&self, subject: &Subject, secret: &Secret, now: DateTime<Utc>) -> Finding {
        let finding = match subject.service {
            Service::Shopify => shopify::verify(self, subject, secret).await,
            Service::GoogleMerchant => google_merchant::verify(self, subject, secret, now).await,
        };
        let finding = finding.unwrap_or_else(|finding| finding);
        Finding { expiry: Some(subject.expiry_of(secret)), ..finding }
    }

    async fn renew(&self, subject: &Subject, secret: &Secret, now: DateTime<Utc>) -> Result<Fresh, Finding> {
        match subject.service {
            Service::Shopify => oauth::shopify_refresh(self, subject, secret, now).await,
            Service::GoogleMerchant => {
                oauth::google_exchange(self, secret, google_merchant::SCOPE, now).await
            }
        }
    }
}

/// What it means that there is no answer.
fn silent(service: &str, error: &HttpError) -> Finding {
    let outcome = match error.code {
        "too-large" => Outcome::BadAnswer,
        _ => Outcome::Unreachable,
    };
    Finding::new(outcome, format!("{service}: {error}"))
}

/// What a status means that is the same everywhere; `None` for those that each service has its own meaning for.
fn usual(service: &str, response: &Response) -> Option<Finding> {
    let status = response.status;
    Some(match status {
        429 => Finding::new(Outcome::Throttled, format!("{service} asks to slow down ({status})")),
        500..=599 => Finding::new(Outcome::ProviderError, format!("{service} failed ({status})")),
        300..=399 => Finding::new(
            Outcome::BadAnswer,
            format!("{service} sent us elsewhere ({status}), and redirects are not followed"),
        ),
        _ => return None,
    })
}

/// Any other answer.
fn strange(service: &str, response: &Response) -> Finding {
    Finding::new(Outcome::BadAnswer, format!("the answer of {service} makes no sense ({})", response.status))
}
