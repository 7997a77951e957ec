//! The services that credentials are for, and Google Secret Manager: what each is asked, and what its answers mean.
//!
//! Whatever a service says is told as one of the outcomes of [`crate::engine::credentials`]. Texts of a service are not
//! repeated: they are not ours to vouch for, and could hold what we sent. Its codes are, as far as [`codes`] knows them.

pub mod codes;
pub mod crc32c;
pub mod endpoints;
pub mod google_merchant;
pub mod host;
pub mod oauth;
pub mod secret_manager;
pub mod shopify;

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::{Instant, timeout_at};

use crate::engine::credentials::{Finding, Fresh, Outcome, Provider, Secret, Subject};
use crate::engine::health::{Answer, Stage};
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

impl Providers {
    /// Asks the service with a secret, and for its quotas where they are wanted. The access token, the question and the quotas
    /// have `limit` together, so that the one that hangs is known (M-H8).
    pub async fn look(
        &self,
        subject: &Subject,
        secret: &Secret,
        wants_quota: bool,
        limit: Duration,
        now: DateTime<Utc>,
    ) -> Answer {
        let deadline = Instant::now() + limit;
        match subject.service {
            Service::Shopify => {
                let asked = timeout_at(deadline, shopify::ask(self, subject, secret)).await;
                asked.unwrap_or_else(|_| late("the shop", Stage::Provider, limit))
            }
            Service::GoogleMerchant => {
                let token = oauth::access_token(self, secret, google_merchant::SCOPE, now);
                let token = match timeout_at(deadline, token).await {
                    Ok(Ok(token)) => token,
                    Ok(Err(finding)) => return Answer::of(finding, Stage::Token),
                    Err(_) => return late("Google's token endpoint", Stage::Token, limit),
                };
                let asked = timeout_at(deadline, google_merchant::ask(self, subject, secret, &token)).await;
                let mut answer = asked.unwrap_or_else(|_| late("the Merchant API", Stage::Provider, limit));
                // A first answer is a result of its own, whatever becomes of the second.
                if wants_quota && answer.finding.outcome.verdict().works() {
                    let quotas = google_merchant::quotas(self, subject, secret, &token);
                    let quotas = tokio::time::timeout(limit, quotas).await;
                    answer.quotas = Some(quotas.unwrap_or_else(|_| {
                        Err(late("the quotas of the Merchant API", Stage::Provider, limit).finding)
                    }));
                }
                answer
            }
        }
    }
}

/// There was no answer in time.
#[must_use]
pub fn late(who: &str, stage: Stage, limit: Duration) -> Answer {
    let what = format!("{who} did not answer within {} s", limit.as_secs());
    Answer { is_late: true, ..Answer::of(Finding::new(Outcome::Unreachable, what), stage) }
}

impl Provider for Providers {
    async fn verify(&self, subject: &Subject, secret: &Secret, now: DateTime<Utc>) -> Finding {
        let finding = match subject.service {
            Service::Shopify => shopify::ask(self, subject, secret).await.finding,
            Service::GoogleMerchant => {
                match oauth::access_token(self, secret, google_merchant::SCOPE, now).await {
                    Ok(token) => google_merchant::ask(self, subject, secret, &token).await.finding,
                    Err(finding) => finding,
                }
            }
        };
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
