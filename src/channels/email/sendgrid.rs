//! SendGrid. It takes a mail with 202 and nothing else, and knows no key by which a mail that is sent twice is recognised: after
//! a timeout a second mail may follow the first.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::channels::Hidden;
use crate::channels::answers::{by_status, unexpected};
use crate::engine::delivery::{Failure, Sent};
use crate::http::guarded::Answer;

use super::Worded;

pub(super) fn body(mail: &Worded) -> String {
    json!({
        "personalizations": [{"to": [{"email": mail.to.to_string()}], "custom_args": {"synthex_delivery": mail.delivery}}],
        "from": {"email": mail.from.to_string(), "name": "synthex"},
        "subject": mail.subject,
        // Plain text comes first, or it is refused.
        "content": [{"type": "text/plain", "value": mail.text}, {"type": "text/html", "value": mail.html}],
    })
    .to_string()
}

pub(super) fn judge(answer: &Answer, hidden: &Hidden, now: DateTime<Utc>) -> Result<Sent, Failure> {
    match answer.status {
        202 => Ok(Sent { status: Some(202), response: hidden.of(answer), wait: None }),
        200..=299 => Err(unexpected(answer, hidden, "202, with which it takes a mail")),
        _ => Err(by_status(answer, hidden, now)),
    }
}
