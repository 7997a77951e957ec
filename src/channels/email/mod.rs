//! E-mail, by a mail server, SendGrid or Resend: one mail for each recipient, so that one wrong address keeps nobody else's
//! mail back.
//!
//! A mail is the same for every attempt, and carries the id of the delivery: as Message-ID, as Idempotency-Key, or where
//! SendGrid knows neither, as an argument of its own (M-D9).

mod resend;
mod sendgrid;
pub mod smtp;

use lettre::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};

use crate::engine::delivery::Failure;
use crate::http::guarded::GuardedCall;
use crate::kinds::notification_channel::{EmailChannel, EmailTransport};
use crate::model::address::mail_problem;
use crate::model::secret::Redacted;
use crate::report::notice::{Words, html, text};

use super::endpoints::Endpoint;
use super::posting::Judge;
use super::{Attempt, Channels, Hidden, Post, Prepared, Surroundings, text_of};

pub(super) async fn prepare<S: Surroundings>(
    channels: &Channels<S>,
    attempt: &Attempt<'_>,
) -> Result<Prepared, Failure> {
    let Some(block) = &attempt.envelope.spec.email else {
        return Err(Failure::permanent("incomplete", "the channel has no block `email:`"));
    };
    let mail = Worded::new(block, attempt)?;
    match block.transport {
        EmailTransport::Smtp => smtp::prepare(channels, attempt, block, &mail).await,
        EmailTransport::Sendgrid => {
            let post =
                Service { endpoint: &channels.endpoints.sendgrid, path: "/v3/mail/send", name: "sendgrid" };
            let body = sendgrid::body(&mail);
            post.prepare(channels, attempt, block, body, Vec::new(), sendgrid::judge).await
        }
        EmailTransport::Resend => {
            let post = Service { endpoint: &channels.endpoints.resend, path: "/emails", name: "resend" };
            let headers = vec![("idempotency-key", Redacted::new(mail.delivery.clone()))];
            post.prepare(channels, attempt, block, resend::body(&mail), headers, resend::judge).await
        }
    }
}

/// A mail, before any form.
struct Worded {
    from: Address,
    to: Address,
    subject: String,
    text: String,
    html: String,
    delivery: String,
}

impl Worded {
    fn new(block: &EmailChannel, attempt: &Attempt<'_>) -> Result<Self, Failure> {
        let words: &Words<'_> = &attempt.words;
        Ok(Self {
            from: address(&block.from, "the sender's address (`email.from`)")?,
            to: address(attempt.envelope.target, "the recipient's address")?,
            subject: text::subject(words),
            text: text::body(words),
            html: html::page(words),
            delivery: attempt.envelope.delivery.to_string(),
        })
    }

    /// The mail as a mail server gets it, byte for byte the same for every attempt but for its date.
    fn message(&self, attempt: &Attempt<'_>) -> Result<Message, Failure> {
        let broken = |error: &dyn std::fmt::Display| {
            Failure::permanent("bad_message", format!("the mail cannot be written: {error}"))
        };
        let boundary = format!("synthex-{}", attempt.envelope.delivery.simple());
        let parts = MultiPart::alternative()
            .boundary(boundary)
            .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(self.text.clone()))
            .singlepart(SinglePart::builder().header(ContentType::TEXT_HTML).body(self.html.clone()));
        // Nobody's absence is announced to a machine (RFC 3834).
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .from(Mailbox::new(Some("synthex".to_owned()), self.from.clone()))
            .to(Mailbox::new(None, self.to.clone()))
            .subject(self.subject.clone())
            .date(attempt.envelope.now.into())
            .message_id(Some(format!("<{}@{}>", self.delivery, self.from.domain())))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .multipart(parts)
            .map_err(|error| broken(&error))
    }
}

fn address(text: &str, what: &str) -> Result<Address, Failure> {
    let wrong = |why: &str| Failure::permanent("bad_address", format!("{what} cannot be used: {why}"));
    if let Some(why) = mail_problem(text) {
        return Err(wrong(why));
    }
    text.parse().map_err(|_| wrong("it is no mail address"))
}

/// A mail service with an API.
struct Service<'c> {
    endpoint: &'c Endpoint,
    path: &'static str,
    name: &'static str,
}

impl Service<'_> {
    async fn prepare<S: Surroundings>(
        &self,
        channels: &Channels<S>,
        attempt: &Attempt<'_>,
        block: &EmailChannel,
        body: String,
        mut headers: Vec<(&'static str, Redacted<String>)>,
        judge: Judge,
    ) -> Result<Prepared, Failure> {
        let Some(reference) = &block.api_key else {
            return Err(Failure::permanent("incomplete", "the channel has no `email.apiKey`"));
        };
        let secret = channels.secret(reference).await?;
        let key = text_of(&secret, "api_key")?;
        let Some(url) = self.endpoint.url(self.path) else {
            return Err(Failure::permanent("client", format!("the address of {} cannot be used", self.name)));
        };
        headers.insert(0, ("content-type", Redacted::new("application/json".to_owned())));
        headers.push(("authorization", Redacted::new(format!("Bearer {key}"))));
        let call = GuardedCall {
            service: self.name,
            url: Redacted::new(url.clone()),
            rules: self.endpoint.rules.clone(),
            certificates: attempt.certificates.clone(),
            timeout: attempt.timeout,
            headers,
            body: Redacted::new(body.into_bytes()),
        };
        let hidden = Hidden::new([key]);
        Ok(Prepared::Post(Box::new(Post { call, hidden, shown_url: url.to_string(), judge })))
    }
}
