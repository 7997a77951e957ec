//! What a status means for any channel that posts (M-D5, M-D6), and how long a receiver asks us to wait.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::engine::delivery::Failure;
use crate::http::HttpError;
use crate::http::guarded::Answer;

use super::Hidden;

/// The failure that a status means which is not 2xx.
pub fn by_status(answer: &Answer, hidden: &Hidden, now: DateTime<Utc>) -> Failure {
    let status = answer.status;
    let (code, why) = match status {
        300..=399 => ("redirect", "it sent us elsewhere, which is never followed"),
        400 => ("bad_request", "it could not read what was sent"),
        401 => ("unauthorized", "it does not take the secret, or wants one"),
        402 => ("payment_required", "it wants to be paid first"),
        403 => ("forbidden", "it does not let us do this"),
        404 => ("not_found", "there is nothing at this address"),
        408 => ("request_timeout", "it waited too long for what was sent"),
        410 => ("gone", "what was at this address is gone for good"),
        413 => ("too_large", "what was sent is too large for it"),
        422 => ("unprocessable", "it does not understand what was sent"),
        423 => ("locked", "what is at this address is locked"),
        425 => ("too_early", "it is not ready for this yet"),
        429 => ("rate_limited", "it gets too many messages"),
        other if (400..500).contains(&other) => ("client_error", "it refused what was sent"),
        500..=599 => ("server_error", "something is wrong with it"),
        _ => ("unexpected_status", "this is no status that it should answer with"),
    };
    let why = match (status, elsewhere(answer, hidden)) {
        (300..=399, Some(place)) => format!("it sent us to {place}, which is never followed"),
        _ => why.to_owned(),
    };
    let is_transient = matches!(status, 408 | 425 | 429 | 500..=599);
    Failure {
        code,
        what: format!("the receiver answered {status}: {why}"),
        is_permanent: !is_transient,
        status: Some(status),
        response: hidden.of(answer),
        retry_after: if is_transient { retry_after(answer, now) } else { None },
        pauses_channel: status == 429,
        disables_channel: status == 410,
    }
}

/// Where a receiver sends us, without what may be secret of it: what is behind a question mark.
fn elsewhere(answer: &Answer, hidden: &Hidden) -> Option<String> {
    const MOST: usize = 300;
    let place = answer.header("location")?.split(['?', '#']).next()?;
    hidden.start(place).map(|place| place.chars().take(MOST).collect())
}

/// The failure that no answer means.
pub fn by_error(error: &HttpError, hidden: &Hidden) -> Failure {
    let what = hidden.clean(&error.what);
    match error.code {
        "unresolved" => Failure::transient("unresolved", what),
        "connect" => Failure::transient("connect", what),
        // Certificates are renewed: M-D6 has what is wrong with TLS tried again.
        "tls" => Failure::transient("tls", what),
        "bad-certificate" => Failure::transient("bad_certificate", what),
        "timeout" => Failure::transient("timeout", what),
        "broken" => Failure::transient("broken", what),
        "refused-address" | "not-allowed" => Failure::permanent("refused_address", what),
        _ => Failure::permanent("client", what),
    }
}

/// The failure of an answer that says that all is well, and does not look like it.
pub fn unexpected(answer: &Answer, hidden: &Hidden, wanted: &str) -> Failure {
    let code = if answer.is_whole { "unexpected_answer" } else { "broken" };
    Failure {
        status: Some(answer.status),
        response: hidden.of(answer),
        ..Failure::transient(code, format!("the receiver answered {}, but not {wanted}", answer.status))
    }
}

/// What a receiver asks for in seconds, or as a date: by its own clock, where it says what that shows.
pub fn retry_after(answer: &Answer, now: DateTime<Utc>) -> Option<Duration> {
    let text = answer.header("retry-after")?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = |text: &str| DateTime::parse_from_rfc2822(text.trim()).ok().map(|at| at.with_timezone(&Utc));
    let now = answer.header("date").and_then(date).unwrap_or(now);
    // One that is over is no reason to wait.
    Some(date(text)?.signed_duration_since(now).to_std().unwrap_or(Duration::ZERO))
}
