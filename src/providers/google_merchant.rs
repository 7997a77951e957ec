//! Google's Merchant API (accounts/v1): whether a merchant account can be seen. Errors are told apart by the reason that
//! Google's `ErrorInfo` gives, never by a text, but for the one case that has no reason.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::engine::credentials::{Finding, Outcome, Secret, Subject};
use crate::http::{Request, Response};

use super::{Providers, Sent, oauth, silent, strange, usual};

/// What an access token must allow.
pub const SCOPE: &str = "https://www.googleapis.com/auth/content";

const SERVICE: &str = "Google Merchant";

/// Asks for the account, or for all accounts where the tenant names none.
///
/// # Errors
/// Whatever keeps the credential from working, as a finding.
pub async fn verify(
    providers: &Providers,
    subject: &Subject,
    secret: &Secret,
    now: DateTime<Utc>,
) -> Result<Finding, Finding> {
    let token = oauth::access_token(providers, secret, SCOPE, now).await?;
    let path = match &subject.merchant {
        Some(id) if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("/accounts/v1/accounts/{id}")
        }
        Some(id) => {
            return Err(Finding::new(Outcome::NothingToAsk, format!("`{id}` is no account's number")));
        }
        None => "/accounts/v1/accounts".to_owned(),
    };
    let url = providers
        .endpoints
        .merchant(&path)
        .ok_or_else(|| Finding::new(Outcome::NothingToAsk, "there is no address to ask at"))?;
    let request =
        Request::get("google-merchant", url).header("authorization", format!("Bearer {}", token.expose()));
    let response = providers.client.send(&request).await.map_err(|error| silent(SERVICE, &error))?;
    read(&response, subject.merchant.as_deref(), &Sent::new(secret, &[token.expose()]))
}

/// The reason of an error: the stable id of the Merchant API, or that of Google's infrastructure.
fn reasons(answer: &Value) -> Vec<&str> {
    let details =
        answer.pointer("/error/details").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let infos = details.iter().filter(|detail| {
        detail.get("@type").and_then(Value::as_str).is_some_and(|name| name.ends_with("google.rpc.ErrorInfo"))
    });
    infos
        .flat_map(|info| [info.pointer("/metadata/REASON"), info.get("reason")])
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// The numbers by which an account calls itself: in its name and in its id, which is a text or a number.
fn numbers(answer: &Value) -> Vec<String> {
    let name = answer.get("name").and_then(Value::as_str).and_then(|name| name.strip_prefix("accounts/"));
    let id = answer.get("accountId").and_then(|id| match id {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    name.map(str::to_owned).into_iter().chain(id).collect()
}

fn read(response: &Response, account: Option<&str>, sent: &Sent<'_>) -> Result<Finding, Finding> {
    let answer = response.json();
    let shown = account.map_or_else(|| "the accounts".to_owned(), |id| format!("account {id}"));
    if response.status == 200 {
        let Some(answer) = answer else { return Err(strange(SERVICE, response)) };
        return match account {
            Some(id) => match numbers(&answer).into_iter().find(|number| number != id) {
                Some(other) => {
                    let other = sent
                        .number(&other)
                        .map_or("another account".to_owned(), |id| format!("account {id}"));
                    let what = format!("{shown} was asked for, and {other} answered");
                    Err(Finding::new(Outcome::WrongAccount, what))
                }
                None if numbers(&answer).is_empty() => Err(strange(SERVICE, response)),
                None => Ok(Finding::new(Outcome::Valid, format!("{shown} can be seen"))),
            },
            None => match answer.get("accounts").and_then(Value::as_array).map_or(0, Vec::len) {
                0 => Err(Finding::new(
                    Outcome::NotLinked,
                    "the credential works, and sees no merchant account",
                )),
                count => Ok(Finding::new(Outcome::Valid, format!("{count} merchant accounts can be seen"))),
            },
        };
    }
    let answer = answer.unwrap_or_default();
    let reasons = reasons(&answer);
    let has = |wanted: &str| reasons.iter().any(|reason| reason.eq_ignore_ascii_case(wanted));
    let shown_reason = reasons.first().map_or(String::new(), |reason| format!(", {}", sent.reason(reason)));
    let status = response.status;
    let fail = |outcome, what: String| Err(Finding::new(outcome, format!("{what} ({status}{shown_reason})")));
    if has("SERVICE_DISABLED") {
        return fail(Outcome::ApiDisabled, "the Merchant API is not enabled".to_owned());
    }
    if reasons.iter().any(|reason| reason.contains("quota/") || reason.contains("RATE_LIMIT_EXCEEDED")) {
        return fail(Outcome::QuotaExceeded, "the quota is used up".to_owned());
    }
    match status {
        401 => {
            let message = answer.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
            if message.contains("not registered") || has("GCP_NOT_REGISTERED") {
                return fail(
                    Outcome::GcpNotRegistered,
                    "the Google Cloud project is not registered with the merchant account".to_owned(),
                );
            }
            fail(Outcome::Unauthorized, "Google does not take the access token".to_owned())
        }
        403 => fail(Outcome::Forbidden, format!("{shown} may not be seen")),
        404 => fail(Outcome::AccountNotFound, format!("there is no {shown}, or it may not be seen")),
        400 => fail(Outcome::AccountNotFound, format!("Google takes {shown} for no account")),
        _ => Err(usual(SERVICE, response).unwrap_or_else(|| strange(SERVICE, response))),
    }
}
