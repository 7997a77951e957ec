//! Credentials at work: whether the provider takes them, and how they are renewed. It knows neither HTTP, nor files, nor SQL:
//! those are behind the traits here.
//!
//! What is found is one of a closed set of outcomes, so that status, metrics and scripts can tell them apart.

mod outcome;
mod renew;
mod secret;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::kinds::credential::{Renewal, Service};
use crate::model::ResourceKey;
use crate::model::secret::{Redacted, SecretRef};

use super::state::StateError;

pub use outcome::{Outcome, Verdict};
pub use renew::{FRESH_FOR, foresee, renew};
pub use secret::{LAST_SECOND, Reading, Secret};

/// A credential, with what a provider must know of its tenant.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its key.
    pub key: ResourceKey,
    /// Its identity.
    pub id: Uuid,
    /// The tenant whose access it is.
    pub tenant: String,
    /// The service.
    pub service: Service,
    /// How it is renewed.
    pub renewal: Renewal,
    /// Where the secret is kept.
    pub secret_ref: SecretRef,
    /// The tenant's shop.
    pub shop: Option<String>,
    /// The tenant's Google Merchant Center account.
    pub merchant: Option<String>,
    /// Whether it is declared not to be used any more.
    pub is_revoked: bool,
}

impl Subject {
    /// What only one renewal at a time may be about: the shop, since a shop's refresh token rotates.
    #[must_use]
    pub fn turn(&self) -> String {
        match (self.service, &self.shop) {
            (Service::Shopify, Some(shop)) => format!("shopify/{shop}"),
            _ => format!("credential/{}", self.id),
        }
    }

    /// When the access that the secret gives ends by itself, and when somebody must do something: for what renews itself
    /// that is when the refresh token ends (M-E9).
    #[must_use]
    pub fn expiry_of(&self, secret: &Secret) -> Expiry {
        let access = secret.time("expires_at");
        let ends = match self.renewal {
            Renewal::None => access,
            Renewal::ShopifyRefreshToken | Renewal::GoogleOauth => secret.time("refresh_token_expires_at"),
        };
        Expiry { access, ends }
    }
}

/// What a secret says about its own end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    /// When the access token ends.
    pub access: Option<DateTime<Utc>>,
    /// When the credential ends unless a person does something.
    pub ends: Option<DateTime<Utc>>,
}

/// What was found out about a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub outcome: Outcome,
    /// In one line, for people; nothing secret in it.
    pub message: String,
    /// What to do, where that is more than the outcome's own advice.
    pub help: Option<String>,
    /// What the secret says about its end; `None` where it was not read.
    pub expiry: Option<Expiry>,
}

impl Finding {
    /// A finding.
    pub fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Self { outcome, message: message.into(), help: None, expiry: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What to do about it; `None` where nothing is to be done.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref().or_else(|| self.outcome.advice())
    }
}

/// What a renewal brought.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// The access token.
    pub access_token: Redacted<String>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// The next refresh token, where the provider gave one.
    pub refresh_token: Option<Redacted<String>>,
    /// When that ends.
    pub refresh_expires_at: Option<DateTime<Utc>>,
}

/// Asks a service.
pub trait Provider {
    /// Whether the service takes the secret.
    async fn verify(&self, subject: &Subject, secret: &Secret, now: DateTime<Utc>) -> Finding;

    /// Asks for a new access token. With Shopify this spends the refresh token.
    async fn renew(&self, subject: &Subject, secret: &Secret, now: DateTime<Utc>) -> Result<Fresh, Finding>;
}

/// Where secrets are kept.
pub trait Secrets {
    /// A place that a new secret can be saved in.
    type Slot: Slot;

    /// Reads one.
    async fn read(&self, reference: &SecretRef) -> Result<Secret, Finding>;

    /// Makes ready to save a new one in its place, so that what cannot be saved is known before anything is spent. A pair
    /// that an earlier run received, and was killed before it could save, is put in its place now.
    async fn slot(&self, reference: &SecretRef) -> Result<Self::Slot, Finding>;

    /// Whether a new one could be saved in its place, without a change to anything. Tells whether a pair that an earlier run
    /// received lies there.
    async fn could_save(&self, reference: &SecretRef) -> Result<bool, Finding>;
}

/// A place that a new secret can be saved in.
pub trait Slot {
    /// Whether a pair that an earlier run had received was put in its place.
    fn has_recovered(&self) -> bool;

    /// Saves it, whole or not at all.
    fn save(self, text: &Redacted<String>) -> Result<(), Finding>;
}

/// Lets one renewal at a time through, over all processes.
pub trait Turns {
    /// A turn that is held. Dropped, it is given back and nothing is recorded.
    type Turn: Turn;

    /// Waits for the turn.
    async fn take(&self, turn: &str) -> Result<Self::Turn, StateError>;
}

/// A turn that is held.
pub trait Turn {
    /// The time, by the clock that all processes share.
    fn now(&self) -> DateTime<Utc>;

    /// Records what came of it, and gives the turn back.
    async fn finish(self, subject: &Subject, finding: &Finding) -> Result<(), StateError>;
}
