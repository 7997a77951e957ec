//! Resend. It remembers for a day which Idempotency-Key it took, so an attempt that is repeated makes no second mail. It says in
//! each answer how much of its rate limit is left, which differs from team to team.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::channels::Hidden;
use crate::channels::answers::{by_status, unexpected};
use crate::engine::delivery::{Failure, Sent};
use crate::http::guarded::Answer;

use super::Worded;

pub(super) fn body(mail: &Worded) -> String {
    json!({
        "from": format!("synthex <{}>", mail.from),
        "to": [mail.to.to_string()],
        "subject": mail.subject,
        "text": mail.text,
        "html": mail.html,
    })
    .to_string()
}

pub(super) fn judge(answer: &Answer, hidden: &Hidden, now: DateTime<Utc>) -> Result<Sent, Failure> {
    let json: Value = serde_json::from_slice(answer.body.expose()).unwrap_or_default();
    if answer.status == 200 {
        if json["id"].is_string() {
            return Ok(Sent { status: Some(200), response: hidden.of(answer), wait: wait(answer) });
        }
        return Err(unexpected(answer, hidden, "with the id of a mail"));
    }
    if (200..=299).contains(&answer.status) {
        return Err(unexpected(answer, hidden, "200, with which it takes a mail"));
    }
    let usual = by_status(answer, hidden, now);
    let named = |code: &'static str, why: &str| Failure {
        code,
        what: format!("Resend answered {}: {why}", answer.status),
        ..usual.clone()
    };
    Err(match json["name"].as_str().unwrap_or_default() {
        "concurrent_idempotent_requests" => Failure {
            is_permanent: false,
            ..named("concurrent_idempotent_requests", "the same mail is being taken at this moment")
        },
        "invalid_idempotent_request" => named(
            "invalid_idempotent_request",
            "it took a mail of this delivery before, in other words; look there before you send it again",
        ),
        "invalid_idempotency_key" => {
            named("invalid_idempotency_key", "it does not take the id of the delivery as a key")
        }
        "missing_api_key" => named("missing_api_key", "it was sent no key"),
        "restricted_api_key" => named("restricted_api_key", "the key may not send mail"),
        "invalid_api_key" => named("invalid_api_key", "it does not know the key"),
        "validation_error" => named("validation_error", "it does not let this sender or recipient through"),
        "daily_quota_exceeded" => named("daily_quota_exceeded", "the mails of the day are used up"),
        "monthly_quota_exceeded" => named("monthly_quota_exceeded", "the mails of the month are used up"),
        _ => usual,
    })
}

/// How long there is nothing left of the rate limit.
fn wait(answer: &Answer) -> Option<Duration> {
    let number = |name: &str| answer.header(name)?.trim().parse::<f64>().ok();
    if number("ratelimit-remaining")? >= 1.0 {
        return None;
    }
    Duration::try_from_secs_f64(number("ratelimit-reset")?).ok().map(|wait| wait.min(Duration::from_secs(60)))
}
