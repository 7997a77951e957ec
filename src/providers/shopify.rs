//! Shopify's Admin API: whether a shop takes a token, and what is left of its bucket of points. One GraphQL query, whose API
//! version is pinned and looked at in the answer: Shopify answers for a retired version with the oldest that it still has.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::credentials::{Finding, Outcome, Secret, Subject};
use crate::engine::health::{Answer, Bucket, Stage};
use crate::http::{MOST_PATIENCE, Request, Response};

use super::{Providers, Sent, silent, strange, usual};

/// The version of the Admin API that is asked for.
pub const API_VERSION: &str = "2026-10";

const SERVICE: &str = "Shopify";

const QUERY: &str = "{ shop { id name myshopifyDomain plan { publicDisplayName } } }";

/// Asks the shop who it is.
pub async fn ask(providers: &Providers, subject: &Subject, secret: &Secret) -> Answer {
    let (shop, response) = match send(providers, subject, secret).await {
        Ok(answered) => answered,
        Err((finding, stage)) => return Answer::of(finding, stage),
    };
    let sent = Sent::new(secret, &[]);
    let finding = read(&response, shop, &sent).unwrap_or_else(|finding| finding);
    let version = response.header("x-shopify-api-version").and_then(|version| sent.version(version));
    Answer {
        status: Some(response.status),
        version: version.map(str::to_owned),
        bucket: bucket(&response),
        ..Answer::of(finding, Stage::Provider)
    }
}

/// Sends the question, a second time where the bucket of points was empty.
async fn send<'s>(
    providers: &Providers,
    subject: &'s Subject,
    secret: &Secret,
) -> Result<(&'s str, Response), (Finding, Stage)> {
    let unasked = |finding: Finding| (finding, Stage::Secret);
    let shop = subject.shop.as_deref().ok_or_else(|| {
        // That nothing can be asked is a fact of the tenant, and no state of its secret.
        (
            Finding::new(Outcome::NothingToAsk, format!("tenant {} has no shopifyShop", subject.tenant)),
            Stage::Provider,
        )
    })?;
    let token = secret.token().ok_or_else(|| {
        unasked(
            Finding::new(Outcome::SecretMalformed, "the secret has no access_token")
                .help("renew it, which brings one, or store the token alone"),
        )
    })?;
    let path = format!("/admin/api/{API_VERSION}/graphql.json");
    let url = providers.endpoints.shopify(shop, &path).ok_or_else(|| (no_address(shop), Stage::Provider))?;
    let body = json!({ "query": QUERY }).to_string();
    let request = Request::post("shopify", url, "application/json", body)
        .header("accept", "application/json")
        .header("x-shopify-access-token", token)
        .repeatable();
    let send = || async {
        providers.client.send(&request).await.map_err(|error| (silent(SERVICE, &error), Stage::Provider))
    };
    let mut response = send().await?;
    // The bucket of points fills again within seconds.
    if let Some(wait) = throttled(&response).filter(|wait| *wait <= MOST_PATIENCE) {
        tokio::time::sleep(wait).await;
        response = send().await?;
    }
    Ok((shop, response))
}

/// What the answer tells of the bucket; `None` where it tells nothing, or nothing sensible.
fn bucket(response: &Response) -> Option<Bucket> {
    let answer = response.json()?;
    let number = |name: &str| {
        let value = answer.pointer(&format!("/extensions/cost/throttleStatus/{name}"))?.as_f64()?;
        Some(value).filter(|value| (0.0..=1e9).contains(value))
    };
    let maximum = number("maximumAvailable").filter(|maximum| *maximum > 0.0)?;
    let available = number("currentlyAvailable")?;
    Some(Bucket { maximum, available, restore_rate: number("restoreRate").unwrap_or_default() })
}

pub(super) fn no_address(shop: &str) -> Finding {
    Finding::new(Outcome::NothingToAsk, format!("`{shop}` is no shop's domain"))
}

/// For an answer that says THROTTLED, how long to wait before the next question: as long as the missing points take.
fn throttled(response: &Response) -> Option<Duration> {
    if response.status != 200 {
        return None;
    }
    let answer = response.json()?;
    if code(&answer) != Some("THROTTLED") {
        return None;
    }
    let number = |pointer: &str| answer.pointer(pointer).and_then(Value::as_f64);
    let cost = |name: &str| number(&format!("/extensions/cost/throttleStatus/{name}"));
    let missing = number("/extensions/cost/requestedQueryCost").unwrap_or_default()
        - cost("currentlyAvailable").unwrap_or_default();
    let seconds = missing / cost("restoreRate").filter(|rate| *rate > 0.0).unwrap_or(50.0);
    let wait = Duration::try_from_secs_f64(seconds.max(1.0)).unwrap_or(Duration::MAX);
    Some(response.retry_after().map_or(wait, |asked| asked.max(wait)))
}

/// The code of the first error in an answer with status 200.
fn code(answer: &Value) -> Option<&str> {
    answer.pointer("/errors/0/extensions/code")?.as_str()
}

/// What the answer means.
fn read(response: &Response, shop: &str, sent: &Sent<'_>) -> Result<Finding, Finding> {
    let fail = |outcome, what: &str| Err(Finding::new(outcome, format!("{shop}: {what}")));
    match response.status {
        200 => {}
        401 => return fail(Outcome::Unauthorized, "the shop does not know the token (401)"),
        402 => return fail(Outcome::ShopFrozen, "the shop is frozen: a bill is not paid (402)"),
        403 => return fail(Outcome::Forbidden, "the token may not ask for the shop (403)"),
        404 => return fail(Outcome::ShopNotFound, "there is no such shop (404)"),
        423 => return fail(Outcome::ShopLocked, "the shop is locked (423)"),
        430 => return fail(Outcome::SecurityRejection, "Shopify's protection rejected the request (430)"),
        _ => return Err(usual(SERVICE, response).unwrap_or_else(|| strange(SERVICE, response))),
    }
    let Some(answer) = response.json() else { return Err(strange(SERVICE, response)) };
    let errors = answer.get("errors").is_some_and(|errors| !errors.is_null());
    match code(&answer) {
        Some("THROTTLED") => return fail(Outcome::Throttled, "the app asked this shop too much"),
        Some("ACCESS_DENIED") => return fail(Outcome::Forbidden, "the token lacks a scope (ACCESS_DENIED)"),
        Some("SHOP_INACTIVE") => return fail(Outcome::ShopLocked, "the shop is not active (SHOP_INACTIVE)"),
        Some("INTERNAL_SERVER_ERROR") => return fail(Outcome::ProviderError, "Shopify failed (in a 200)"),
        other if errors => {
            let code = other.map_or("no code", |_| sent.shopify(other));
            return fail(Outcome::BadAnswer, &format!("the query was refused ({code})"));
        }
        _ => {}
    }
    let Some(domain) = answer.pointer("/data/shop/myshopifyDomain").and_then(Value::as_str) else {
        return Err(strange(SERVICE, response));
    };
    if !domain.eq_ignore_ascii_case(shop) {
        let domain = domain.to_ascii_lowercase();
        let other = sent.domain(&domain).unwrap_or("another shop");
        return fail(Outcome::WrongShop, &format!("the token belongs to {other}"));
    }
    let plan =
        answer.pointer("/data/shop/plan/publicDisplayName").and_then(Value::as_str).unwrap_or_default();
    let remark = |outcome, what: String| Ok(Finding::new(outcome, format!("{shop}: {what}")));
    if plan.eq_ignore_ascii_case("paused") {
        return remark(Outcome::PlanPaused, "the token works; the shop's plan is paused".to_owned());
    }
    if plan.eq_ignore_ascii_case("inactive") {
        return remark(Outcome::PlanInactive, "the token works; the shop's plan is inactive".to_owned());
    }
    let served = response.header("x-shopify-api-version").unwrap_or(API_VERSION);
    if served != API_VERSION {
        let served = sent.version(served).unwrap_or("another one");
        let what = format!("the token works; API version {API_VERSION} was asked for, and {served} answered");
        return remark(Outcome::VersionFellForward, what);
    }
    remark(Outcome::Valid, "the shop takes the token".to_owned())
}
