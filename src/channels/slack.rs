//! Slack, by an incoming webhook. Its address is a secret: whoever has it can post.
//!
//! Slack says what is wrong in the body, in one word, and a status alone does not tell whether a later attempt may succeed
//! (M-D7).

use chrono::{DateTime, Utc};
use url::Url;

use crate::engine::delivery::{Failure, Sent};
use crate::http::guarded::{Answer, GuardedCall};
use crate::model::address;
use crate::model::secret::Redacted;
use crate::report;

use super::answers::{by_status, unexpected};
use super::hidden::{DOTS, Hidden};
use super::{Attempt, Channels, Post, Prepared, Surroundings, text_of};

/// What Slack says for good: no later attempt succeeds.
const FINAL: [&str; 9] = [
    "invalid_payload",
    "channel_not_found",
    "channel_is_archived",
    "no_service",
    "action_prohibited",
    "invalid_token",
    "user_not_found",
    "no_text",
    "invalid_blocks",
];

pub(super) async fn prepare<S: Surroundings>(
    channels: &Channels<S>,
    attempt: &Attempt<'_>,
) -> Result<Prepared, Failure> {
    let Some(block) = &attempt.envelope.spec.slack else {
        return Err(Failure::permanent("incomplete", "the channel has no block `slack:`"));
    };
    let secret = channels.secret(&block.webhook_url).await?;
    let text = text_of(&secret, "webhook_url")?;
    let url = address::check_url(text, &attempt.rules)
        .map_err(|refused| Failure::permanent("refused_address", format!("{refused}; {}", refused.help)))?;
    let shown_url = format!("{}/{DOTS}", url.origin().ascii_serialization());
    let hidden = hidden(&url, text);
    let call = GuardedCall {
        service: "slack",
        url: Redacted::new(url),
        rules: attempt.rules.clone(),
        certificates: attempt.certificates.clone(),
        timeout: attempt.timeout,
        headers: vec![("content-type", Redacted::new("application/json; charset=utf-8".to_owned()))],
        body: Redacted::new(report::notice::slack::body(&attempt.words).into_bytes()),
    };
    Ok(Prepared::Post(Box::new(Post { call, hidden, shown_url, judge })))
}

/// The address, and the parts of it that are enough to post with.
fn hidden(url: &Url, text: &str) -> Hidden {
    let parts = url.path_segments().into_iter().flatten();
    Hidden::new([text, url.as_str(), url.path()].into_iter().chain(parts).chain(url.query()))
}

fn judge(answer: &Answer, hidden: &Hidden, now: DateTime<Utc>) -> Result<Sent, Failure> {
    let text = answer.text();
    let word = text.trim();
    if (200..=299).contains(&answer.status) {
        return match word {
            "ok" => Ok(Sent { status: Some(answer.status), response: Some("ok".to_owned()), wait: None }),
            _ => {
                Err(by_word(word, answer, hidden).unwrap_or_else(|| unexpected(answer, hidden, "with `ok`")))
            }
        };
    }
    if answer.status == 429 {
        return Err(by_status(answer, hidden, now));
    }
    Err(by_word(word, answer, hidden).unwrap_or_else(|| by_status(answer, hidden, now)))
}

/// What one of Slack's own words means.
fn by_word(word: &str, answer: &Answer, hidden: &Hidden) -> Option<Failure> {
    let known = |code: &'static str, is_permanent| Failure {
        is_permanent,
        status: Some(answer.status),
        response: hidden.of(answer),
        // The hook itself is gone, or may never be used again: only another one helps.
        disables_channel: matches!(code, "no_service" | "channel_is_archived" | "invalid_token"),
        ..Failure::transient(code, format!("Slack answered {}: {code}", answer.status))
    };
    if word == "rollup_error" {
        return Some(known("rollup_error", false));
    }
    FINAL.iter().find(|code| **code == word).map(|code| known(code, true))
}
