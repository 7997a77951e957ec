//! Google Secret Manager: one version of a secret, by REST. What arrives counts only when its checksum is right (M-H10).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::engine::credentials::{Finding, Outcome, Secret};
use crate::http::{Request, Response};

use super::crc32c::crc32c;
use super::{Providers, oauth, silent, strange, usual};

/// What an access token must allow.
pub const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

const SERVICE: &str = "Secret Manager";

/// Reads a version: `projects/PROJECT/secrets/NAME/versions/VERSION`, as the service account whose key is given.
///
/// # Errors
/// It is not there, disabled, destroyed, not ours to read, or did not arrive whole.
pub async fn access(
    providers: &Providers,
    name: &str,
    account: &Secret,
    now: DateTime<Utc>,
) -> Result<Secret, Finding> {
    let token = oauth::access_token(providers, account, SCOPE, now).await.map_err(of_own_key)?;
    let is_plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b':'));
    let url = is_plain
        .then(|| providers.endpoints.secret_manager(&format!("/v1/{name}:access")))
        .flatten()
        .ok_or_else(|| {
        Finding::new(Outcome::SecretMissing, format!("`{name}` is no name of a secret's version"))
    })?;
    let request =
        Request::get("secret-manager", url).header("authorization", format!("Bearer {}", token.expose()));
    let response = providers.client.send(&request).await.map_err(|error| silent(SERVICE, &error))?;
    read(&response, name)
}

/// What is wrong with our own key, told as such: it is no word on the credential.
#[must_use]
pub fn of_own_key(finding: Finding) -> Finding {
    let message = format!("Secret Manager cannot be asked: {}", finding.message);
    let mend = match finding.outcome {
        Outcome::Unreachable | Outcome::Throttled | Outcome::ProviderError | Outcome::BadAnswer => {
            return Finding { message, ..finding };
        }
        Outcome::SecretMissing => "let it name a file that is there",
        Outcome::SecretUnreadable => "make the file readable for the user that runs synthex, and no other",
        Outcome::SecretOpen => "keep other users out of the file: chmod 600",
        Outcome::SecretMalformed => "let it name a service account's key, as Google gave it",
        _ => "Google does not take this key: make a new one for the service account, and store it there",
    };
    Finding::new(Outcome::OwnKey, message).help(format!("GOOGLE_APPLICATION_CREDENTIALS: {mend}"))
}

fn read(response: &Response, name: &str) -> Result<Secret, Finding> {
    let fail = |outcome, what: String| Err(Finding::new(outcome, what));
    // What a status says alone it says with any body: whoever refuses us may stand in between, and write a page.
    match response.status {
        200 | 400 => {}
        401 => {
            return fail(Outcome::SecretForbidden, "Secret Manager does not take our token (401)".to_owned());
        }
        403 => return fail(Outcome::SecretForbidden, format!("{name} may not be read (403)")),
        404 => return fail(Outcome::SecretMissing, format!("there is no {name} (404)")),
        _ => return Err(usual(SERVICE, response).unwrap_or_else(|| strange(SERVICE, response))),
    }
    let answer = response.json().ok_or_else(|| strange(SERVICE, response))?;
    if response.status == 400 {
        let message = answer.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
        return if message.contains("DESTROYED") {
            fail(Outcome::SecretDestroyed, format!("{name} is destroyed"))
        } else if message.contains("DISABLED") {
            fail(Outcome::SecretDisabled, format!("{name} is disabled"))
        } else {
            Err(strange(SERVICE, response))
        };
    }
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str);
    let corrupt = |why: &str| Finding::new(Outcome::CorruptSecret, format!("{name} is not used: {why}"));
    let data = text("/payload/data").ok_or_else(|| corrupt("there is no payload"))?;
    let data = STANDARD.decode(data).map_err(|_| corrupt("its payload is no base64"))?;
    // A number of 64 bits is a text in Google's JSON.
    let sent = answer
        .pointer("/payload/dataCrc32c")
        .and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()))
        .ok_or_else(|| corrupt("it came without its checksum (crc32c)"))?;
    if sent != u64::from(crc32c(&data)) {
        return Err(corrupt("its checksum (crc32c) is not that of what arrived"));
    }
    let data = String::from_utf8(data)
        .map_err(|_| Finding::new(Outcome::SecretMalformed, format!("{name} is no text")))?;
    Secret::read(data)
}
