//! A webhook: JSON, signed as Standard Webhooks has it.
//!
//! The id is that of the delivery, the same for every attempt, so that a receiver that got it twice can tell; the time is that
//! of the attempt (M-W4).

use chrono::{DateTime, Utc};

use crate::engine::delivery::{Failure, Sent};
use crate::http::guarded::{Answer, GuardedCall};
use crate::kinds::notification_channel::WebhookChannel;
use crate::model::address;
use crate::model::secret::Redacted;
use crate::report;

use super::answers::by_status;
use super::hidden::Hidden;
use super::signing::{Key, signatures};
use super::{Attempt, Channels, Post, Prepared, Surroundings, text_of};

pub(super) async fn prepare<S: Surroundings>(
    channels: &Channels<S>,
    attempt: &Attempt<'_>,
) -> Result<Prepared, Failure> {
    let Some(block) = &attempt.envelope.spec.webhook else {
        return Err(Failure::permanent("incomplete", "the channel has no block `webhook:`"));
    };
    let url = address::check_url(&block.url, &attempt.rules)
        .map_err(|refused| Failure::permanent("refused_address", format!("{refused}; {}", refused.help)))?;
    let (keys, hidden) = keys(channels, block, attempt.envelope.now).await?;
    let body = report::notice::webhook::body(&attempt.words).into_bytes();
    // A UUID has no dot in it, which the signed text is separated by.
    let id = attempt.envelope.delivery.to_string();
    let timestamp = attempt.envelope.now.timestamp();
    let mut headers = vec![
        ("content-type", Redacted::new("application/json".to_owned())),
        ("webhook-id", Redacted::new(id.clone())),
        ("webhook-timestamp", Redacted::new(timestamp.to_string())),
    ];
    if !keys.is_empty() {
        headers.push(("webhook-signature", Redacted::new(signatures(&keys, &id, timestamp, &body))));
    }
    // The query of an address is where some receivers have their key.
    let mut shown = url.clone();
    let hidden_query = url.query().map(|_| super::hidden::DOTS);
    shown.set_query(None);
    let shown_url = hidden_query.map_or_else(|| shown.to_string(), |dots| format!("{shown}?{dots}"));
    let call = GuardedCall {
        service: "webhook",
        url: Redacted::new(url),
        rules: attempt.rules.clone(),
        certificates: attempt.certificates.clone(),
        timeout: attempt.timeout,
        headers,
        body: Redacted::new(body),
    };
    Ok(Prepared::Post(Box::new(Post { call, hidden, shown_url, judge })))
}

/// The keys to sign with, the newest first, and what must not be seen of them.
async fn keys<S: Surroundings>(
    channels: &Channels<S>,
    block: &WebhookChannel,
    now: DateTime<Utc>,
) -> Result<(Vec<Key>, Hidden), Failure> {
    let previous = block.previous_secret.as_ref().filter(|previous| now < previous.until);
    let references = block.signing_secret.iter().chain(previous.map(|previous| &previous.secret));
    let (mut keys, mut texts) = (Vec::new(), Vec::new());
    for reference in references {
        let secret = channels.secret(reference).await?;
        let text = text_of(&secret, "signing_secret")?.to_owned();
        keys.push(Key::read(&text)?);
        texts.push(text.trim_start_matches("whsec_").to_owned());
        texts.push(text);
    }
    let query: Vec<&str> = block.url.split_once('?').map(|(_, query)| query).into_iter().collect();
    Ok((keys, Hidden::new(texts.iter().map(String::as_str).chain(query))))
}

fn judge(answer: &Answer, hidden: &Hidden, now: DateTime<Utc>) -> Result<Sent, Failure> {
    match answer.status {
        200..=299 => Ok(Sent { status: Some(answer.status), response: hidden.of(answer), wait: None }),
        _ => Err(by_status(answer, hidden, now)),
    }
}
