//! The channels: what each type sends, where to, and what the answers mean. One attempt at a time: when to try again, and how
//! often, is the business of `engine::delivery`.
//!
//! An attempt is first prepared, which needs no network, and then made; `channels test --dry-run` shows what was prepared, so
//! that what it shows is what is sent. Addresses come from manifests, so everything goes through the guard of `http`. What a
//! receiver says is kept without what is secret (`hidden`).

mod answers;
pub mod console;
pub mod email;
mod endpoints;
mod hidden;
mod posting;
pub mod signing;
pub mod slack;
pub mod webhook;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::alerts::Notice;
use crate::engine::credentials::{Finding, Secret};
use crate::engine::delivery::{Envelope, Failure, Sender, Sent};
use crate::http::guarded::Guard;
use crate::kinds::notification_channel::ChannelType;
use crate::model::address::Rules;
use crate::model::secret::SecretRef;
use crate::report::notice::Words;

pub use endpoints::{EndpointError, MailEndpoints};
pub use hidden::Hidden;
pub use posting::Post;

/// How long a secret that was read is used without being read again. Secret Manager would be asked for every message
/// otherwise; one that was replaced is noticed that late.
const SECRET_LASTS: Duration = Duration::from_secs(30);

/// What channels need of what is around them: secrets, files, an output.
pub trait Surroundings {
    /// Reads a secret from where it is kept.
    async fn secret(&self, reference: &SecretRef) -> Result<Secret, Finding>;

    /// Reads a secret that people may have chosen: any line.
    async fn password(&self, reference: &SecretRef) -> Result<Secret, Finding>;

    /// Reads a file of certificates; the error is one line.
    fn certificates(&self, path: &str) -> Result<Vec<u8>, String>;

    /// Writes a line to the console; the error is one line.
    fn write_line(&self, line: &str) -> Result<(), String>;

    /// Whether lines for the console are JSON.
    fn wants_json(&self) -> bool;

    /// The environment of the project, where it has some.
    fn environment(&self) -> Option<&str>;
}

/// All channels.
pub struct Channels<S> {
    surroundings: S,
    guard: Guard,
    endpoints: MailEndpoints,
    secrets: Mutex<HashMap<String, (Instant, Secret)>>,
}

/// An attempt that is ready to be made.
#[derive(Debug)]
pub enum Prepared {
    /// A request, and who judges its answer.
    Post(Box<Post>),
    /// A mail by SMTP.
    Mail(Box<email::smtp::Mail>),
    /// A line for the console.
    Line(String),
    /// A row of the inbox, which the store writes.
    Inbox,
}

/// What every channel is prepared with.
struct Attempt<'e> {
    envelope: &'e Envelope<'e>,
    words: Words<'e>,
    rules: Rules,
    certificates: Option<Arc<[u8]>>,
    timeout: Duration,
}

impl<S: Surroundings> Channels<S> {
    /// The channels, with what is around them.
    #[must_use]
    pub fn new(surroundings: S, guard: Guard, endpoints: MailEndpoints) -> Self {
        Self { surroundings, guard, endpoints, secrets: Mutex::default() }
    }

    /// Prepares an attempt: words it, reads its secrets, and judges its address as far as that needs no network.
    ///
    /// # Errors
    /// It cannot be made as things are.
    pub async fn prepare(&self, envelope: &Envelope<'_>) -> Result<Prepared, Failure> {
        let attempt = self.attempt(envelope)?;
        match envelope.spec.channel_type {
            ChannelType::Webhook => webhook::prepare(self, &attempt).await,
            ChannelType::Slack => slack::prepare(self, &attempt).await,
            ChannelType::Email => email::prepare(self, &attempt).await,
            ChannelType::Console => {
                Ok(Prepared::Line(console::line(&attempt.words, self.surroundings.wants_json())))
            }
            ChannelType::InApp => Ok(Prepared::Inbox),
        }
    }

    /// Makes an attempt that was prepared.
    ///
    /// # Errors
    /// It did not get through, as far as is known.
    pub async fn attempt_prepared(
        &self,
        prepared: &Prepared,
        envelope: &Envelope<'_>,
    ) -> Result<Sent, Failure> {
        match prepared {
            Prepared::Post(post) => post.send(&self.guard, envelope.now).await,
            Prepared::Mail(mail) => email::smtp::send(mail, &self.guard).await,
            Prepared::Line(line) => {
                self.surroundings.write_line(line).map(|()| Sent::default()).map_err(|why| {
                    Failure::transient("output", format!("the line could not be written: {why}"))
                })
            }
            // The store writes it, in the transaction that records the delivery.
            Prepared::Inbox => Ok(Sent::default()),
        }
    }

    fn attempt<'e>(&'e self, envelope: &'e Envelope<'e>) -> Result<Attempt<'e>, Failure> {
        let spec = envelope.spec;
        let network = spec.network.clone().unwrap_or_default();
        let rules = Rules::read(&network.allow_cidrs, &network.allow_ports, network.allow_insecure)
            .map_err(|refused| Failure::permanent("bad_network", format!("{refused}; {}", refused.help)))?;
        let certificates = match &network.ca_file {
            None => None,
            Some(path) => {
                let read = self.surroundings.certificates(path);
                let bytes = read.map_err(|why| Failure::transient("ca_file", why))?;
                Some(Arc::from(bytes))
            }
        };
        let notice = Notice {
            message: envelope.message,
            workspace: envelope.workspace,
            channel: envelope.channel,
            late_since: envelope.late_since,
            environment: self.surroundings.environment(),
        };
        let words = Words::new(notice, spec.template.as_ref());
        Ok(Attempt { envelope, words, rules, certificates, timeout: envelope.timeout })
    }

    /// Reads a secret, or remembers it for a moment.
    async fn secret(&self, reference: &SecretRef) -> Result<Secret, Failure> {
        self.remembered(reference.to_string(), async || self.surroundings.secret(reference).await).await
    }

    /// The same of a password, which need not be a token.
    async fn password(&self, reference: &SecretRef) -> Result<Secret, Failure> {
        let name = format!("password, {reference}");
        self.remembered(name, async || self.surroundings.password(reference).await).await
    }

    async fn remembered(
        &self,
        name: String,
        read: impl AsyncFnOnce() -> Result<Secret, Finding>,
    ) -> Result<Secret, Failure> {
        let lock = || self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(&name).filter(|(read, _)| read.elapsed() < SECRET_LASTS).cloned();
        if let Some((_, secret)) = known {
            return Ok(secret);
        }
        // It may be there a moment later: a secret that is being replaced, Secret Manager that does not answer.
        let secret = read().await.map_err(|finding| {
            let advice = finding.advice().map(|advice| format!("; {advice}")).unwrap_or_default();
            Failure::transient("secret", format!("{}{advice}", finding.message))
        })?;
        lock().insert(name, (Instant::now(), secret.clone()));
        Ok(secret)
    }
}

impl<S: Surroundings> Sender for Channels<S> {
    async fn send(&self, envelope: &Envelope<'_>) -> Result<Sent, Failure> {
        let prepared = self.prepare(envelope).await?;
        self.attempt_prepared(&prepared, envelope).await
    }
}

/// The text of a secret: the secret itself, or the field of that name where it is JSON.
fn text_of<'s>(secret: &'s Secret, field: &str) -> Result<&'s str, Failure> {
    secret.token().or_else(|| secret.field(field)).ok_or_else(|| {
        Failure::permanent("bad_secret", format!("the secret is JSON, and has no field `{field}`"))
    })
}
