//! Google's Merchant API: whether a merchant account can be seen (accounts/v1), and how much of its quotas is used (quota/v1).
//! Errors are told apart by the reason that Google's `ErrorInfo` gives, never by a text, but for the one case that has no reason.

use std::collections::HashSet;

use serde_json::Value;

use crate::engine::credentials::{Finding, Outcome, Secret, Subject};
use crate::engine::health::{Answer, QuotaGroup, Stage};
use crate::http::{Request, Response};
use crate::model::secret::Redacted;

use super::{Providers, Sent, silent, strange, usual};

/// What an access token must allow.
pub const SCOPE: &str = "https://www.googleapis.com/auth/content";

const SERVICE: &str = "Google Merchant";

/// How many pages of quotas are read at most.
const MOST_PAGES: usize = 20;

/// Asks for the account, or for all accounts where the tenant names none.
pub async fn ask(
    providers: &Providers,
    subject: &Subject,
    secret: &Secret,
    token: &Redacted<String>,
) -> Answer {
    let path = match account(subject) {
        Ok(Some(id)) => format!("/accounts/v1/accounts/{id}"),
        Ok(None) => "/accounts/v1/accounts".to_owned(),
        Err(finding) => return Answer::of(finding, Stage::Provider),
    };
    match get(providers, &path, &[], token).await {
        Ok(response) => {
            let sent = Sent::new(secret, &[token.expose()]);
            let finding = read(&response, subject.merchant.as_deref(), &sent);
            let answer = Answer::of(finding.unwrap_or_else(|finding| finding), Stage::Provider);
            Answer { status: Some(response.status), ..answer }
        }
        Err(finding) => Answer::of(finding, Stage::Provider),
    }
}

/// The account's number; `None` where the tenant names none.
fn account(subject: &Subject) -> Result<Option<&str>, Finding> {
    match subject.merchant.as_deref() {
        Some(id) if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(id)),
        Some(id) => Err(Finding::new(Outcome::NothingToAsk, format!("`{id}` is no account's number"))),
        None => Ok(None),
    }
}

async fn get(
    providers: &Providers,
    path: &str,
    query: &[(&str, &str)],
    token: &Redacted<String>,
) -> Result<Response, Finding> {
    let mut url = providers
        .endpoints
        .merchant(path)
        .ok_or_else(|| Finding::new(Outcome::NothingToAsk, "there is no address to ask at"))?;
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    let request =
        Request::get("google-merchant", url).header("authorization", format!("Bearer {}", token.expose()));
    providers.client.send(&request).await.map_err(|error| silent(SERVICE, &error))
}

/// The daily quotas of an account, all pages of them (M-H7).
///
/// # Errors
/// They cannot be read, as a finding.
pub async fn quotas(
    providers: &Providers,
    subject: &Subject,
    secret: &Secret,
    token: &Redacted<String>,
) -> Result<Vec<QuotaGroup>, Finding> {
    let Some(id) = account(subject)? else {
        let what = format!("tenant {} has no gmcMerchantId", subject.tenant);
        return Err(Finding::new(Outcome::NothingToAsk, what));
    };
    let path = format!("/quota/v1/accounts/{id}/quotas");
    let sent = Sent::new(secret, &[token.expose()]);
    let (mut groups, mut seen, mut page) = (Vec::new(), HashSet::new(), None::<String>);
    for _ in 0..MOST_PAGES {
        let mut query = vec![("pageSize", "1000")];
        query.extend(page.as_deref().map(|page| ("pageToken", page)));
        let response = get(providers, &path, &query, token).await?;
        if response.status != 200 {
            return Err(refusal(&response, &format!("account {id}"), &sent));
        }
        let answer = response.json().filter(Value::is_object).ok_or_else(|| strange(SERVICE, &response))?;
        for group in answer.get("quotaGroups").and_then(Value::as_array).into_iter().flatten() {
            groups.push(quota_group(group, &sent).ok_or_else(|| strange(SERVICE, &response))?);
        }
        page = answer
            .get("nextPageToken")
            .and_then(Value::as_str)
            .filter(|next| !next.is_empty())
            .map(str::to_owned);
        match &page {
            None => return Ok(groups),
            // A page that leads to itself would be read for ever.
            Some(next) if !seen.insert(next.clone()) => break,
            Some(_) => {}
        }
    }
    Err(Finding::new(Outcome::BadAnswer, format!("the pages of quotas of {SERVICE} do not end")))
}

/// One group. Numbers of 64 bits are texts in Google's JSON; one that is missing is 0. `None` where one is no number.
fn quota_group(group: &Value, sent: &Sent<'_>) -> Option<QuotaGroup> {
    let number = |name: &str| match group.get(name) {
        None | Some(Value::Null) => Some(0),
        Some(value) => value.as_i64().or_else(|| value.as_str()?.parse().ok()).filter(|value| *value >= 0),
    };
    let name = group.get("name").and_then(Value::as_str).and_then(|name| sent.group(name));
    Some(QuotaGroup {
        name: name.unwrap_or("a group").to_owned(),
        usage: number("quotaUsage")?,
        limit: number("quotaLimit")?,
        per_minute: number("quotaMinuteLimit")?,
    })
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
    Err(refusal(response, &shown, sent))
}

/// What an answer other than 200 means.
fn refusal(response: &Response, shown: &str, sent: &Sent<'_>) -> Finding {
    let answer = response.json().unwrap_or_default();
    let reasons = reasons(&answer);
    let has = |wanted: &str| reasons.iter().any(|reason| reason.eq_ignore_ascii_case(wanted));
    let shown_reason = reasons.first().map_or(String::new(), |reason| format!(", {}", sent.reason(reason)));
    let status = response.status;
    let fail = |outcome, what: String| Finding::new(outcome, format!("{what} ({status}{shown_reason})"));
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
        _ => usual(SERVICE, response).unwrap_or_else(|| strange(SERVICE, response)),
    }
}
