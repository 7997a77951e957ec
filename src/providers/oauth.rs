//! Grants: Google's token endpoint, with a refresh token or a service account's key, and Shopify's refresh.
//!
//! Written by hand because ready-made clients log the tokens they handle. Google's access tokens are kept in memory until a
//! minute before they end, and concurrent callers share one exchange (M-H8).

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::engine::credentials::{Finding, Fresh, LAST_SECOND, Outcome, Secret, Subject};
use crate::http::{Request, Response};
use crate::model::secret::Redacted;

use super::{Providers, Sent, shopify, silent, strange, usual};

const SERVICE: &str = "Google's token endpoint";

/// How long before its end a token is not used any more.
const MARGIN: TimeDelta = TimeDelta::seconds(60);

type Kept = Arc<Mutex<Option<(Redacted<String>, DateTime<Utc>)>>>;

/// Access tokens that still hold, by what they were given for.
#[derive(Default)]
pub struct TokenCache {
    kept: Mutex<HashMap<String, Kept>>,
}

/// An access token of Google for what a secret grants: a service account's key, a refresh token, or a token itself.
///
/// # Errors
/// The grant does not hold, or Google cannot be asked.
pub async fn access_token(
    providers: &Providers,
    secret: &Secret,
    scope: &str,
    now: DateTime<Utc>,
) -> Result<Redacted<String>, Finding> {
    let is_grant = secret.is_service_account() || secret.field("refresh_token").is_some();
    if let (false, Some(token)) = (is_grant, secret.token()) {
        return Ok(Redacted::new(token.to_owned()));
    }
    let key = format!("{} {scope}", secret.fingerprint());
    let kept = Arc::clone(providers.tokens.kept.lock().await.entry(key).or_default());
    // Whoever comes second waits here for the token of the first.
    let mut kept = kept.lock().await;
    if let Some((token, until)) = kept.as_ref().filter(|(_, until)| *until - MARGIN > now) {
        let _ = until;
        return Ok(token.clone());
    }
    let fresh = google_exchange(providers, secret, scope, now).await?;
    *kept = fresh.expires_at.map(|at| (fresh.access_token.clone(), at));
    Ok(fresh.access_token)
}

/// Exchanges a grant for an access token of Google.
///
/// # Errors
/// The grant does not hold, or Google cannot be asked.
pub async fn google_exchange(
    providers: &Providers,
    secret: &Secret,
    scope: &str,
    now: DateTime<Utc>,
) -> Result<Fresh, Finding> {
    let url = providers
        .endpoints
        .google_oauth()
        .ok_or_else(|| Finding::new(Outcome::NothingToAsk, "there is no address to ask at"))?;
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    if secret.is_service_account() {
        let assertion = assertion(secret, scope, url.as_str(), now)?;
        form.append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
        form.append_pair("assertion", assertion.expose());
    } else {
        for (name, value) in needed(secret, ["client_id", "client_secret", "refresh_token"])? {
            form.append_pair(name, value);
        }
        form.append_pair("grant_type", "refresh_token");
    }
    let content_type = "application/x-www-form-urlencoded";
    // Asking twice gives two tokens that both work.
    let request = Request::post("google-oauth", url, content_type, form.finish()).repeatable();
    let response = providers.client.send(&request).await.map_err(|error| silent(SERVICE, &error))?;
    fresh(SERVICE, &response, &Sent::new(secret, &[]), now)
}

/// Spends a shop's refresh token for a new pair (M-H9). It is sent once: an answer that was lost is asked for again in the
/// next run, with the refresh token that is still there.
///
/// # Errors
/// The secret lacks something, the grant does not hold, or the shop cannot be asked.
pub async fn shopify_refresh(
    providers: &Providers,
    subject: &Subject,
    secret: &Secret,
    now: DateTime<Utc>,
) -> Result<Fresh, Finding> {
    let shop = subject.shop.as_deref().ok_or_else(|| {
        Finding::new(Outcome::NothingToAsk, format!("tenant {} has no shopifyShop", subject.tenant))
    })?;
    let mut body = json!({ "grant_type": "refresh_token" });
    for (name, value) in needed(secret, ["client_id", "client_secret", "refresh_token"])? {
        body[name] = Value::String(value.to_owned());
    }
    let url = providers
        .endpoints
        .shopify(shop, "/admin/oauth/access_token")
        .ok_or_else(|| shopify::no_address(shop))?;
    let request = Request::post("shopify", url, "application/json", body.to_string())
        .header("accept", "application/json");
    let response = providers.client.send(&request).await.map_err(|error| silent(shop, &error))?;
    match response.status {
        402 => Err(Finding::new(Outcome::ShopFrozen, format!("{shop}: the shop is frozen (402)"))),
        404 => Err(Finding::new(Outcome::ShopNotFound, format!("{shop}: there is no such shop (404)"))),
        423 => Err(Finding::new(Outcome::ShopLocked, format!("{shop}: the shop is locked (423)"))),
        430 => Err(Finding::new(Outcome::SecurityRejection, format!("{shop}: rejected by protection (430)"))),
        _ => {
            let fresh = fresh(shop, &response, &Sent::new(secret, &[]), now)?;
            if fresh.refresh_token.is_none() {
                return Err(Finding::new(
                    Outcome::BadAnswer,
                    format!("{shop} gave an access token and no refresh token, so nothing was saved"),
                ));
            }
            Ok(fresh)
        }
    }
}

fn needed<'s, const N: usize>(
    secret: &'s Secret,
    names: [&'static str; N],
) -> Result<Vec<(&'static str, &'s str)>, Finding> {
    secret.must_have(&names)?;
    Ok(names.into_iter().filter_map(|name| Some((name, secret.field(name)?))).collect())
}

/// What a token endpoint answers.
fn fresh(service: &str, response: &Response, sent: &Sent<'_>, now: DateTime<Utc>) -> Result<Fresh, Finding> {
    let answer = response.json();
    if response.status != 200 {
        let error = answer.as_ref().and_then(|answer| answer.get("error")).and_then(Value::as_str);
        let status = response.status;
        let fail = |outcome, what: String| Err(Finding::new(outcome, what));
        return match error {
            Some("invalid_grant") => {
                fail(Outcome::InvalidGrant, format!("{service} says that the grant is dead (invalid_grant)"))
            }
            Some("invalid_client" | "unauthorized_client") => {
                fail(Outcome::InvalidClient, format!("{service} does not know the app (invalid_client)"))
            }
            Some("invalid_scope" | "access_denied") => {
                fail(Outcome::Forbidden, format!("{service} does not give that access ({status})"))
            }
            _ if matches!(status, 401 | 403) => {
                fail(Outcome::Unauthorized, format!("{service} refuses us ({status})"))
            }
            other => Err(usual(service, response).unwrap_or_else(|| match other {
                Some(code) => {
                    let code = sent.oauth(Some(code));
                    Finding::new(Outcome::BadAnswer, format!("{service} refuses ({status}, {code})"))
                }
                None => strange(service, response),
            })),
        };
    }
    let Some(answer) = answer else { return Err(strange(service, response)) };
    let bad = |name: &str, why: &str| {
        let what = format!("{service} gave {name} that {why}, so nothing of its answer is used");
        Finding::new(Outcome::BadAnswer, what)
    };
    let text = |name: &str| {
        let Some(text) = answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        if text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Some(Redacted::new(text.to_owned())))
        } else {
            Err(bad(name, "has white space, a control character or no ASCII in it"))
        }
    };
    let after = |name: &str| {
        let Some(value) = answer.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
        // Some servers write the number as a text.
        let seconds = value.as_i64().or_else(|| value.as_str()?.parse().ok());
        let at = seconds
            .filter(|seconds| *seconds > 0)
            .and_then(|seconds| now.checked_add_signed(TimeDelta::try_seconds(seconds)?))
            .filter(|at| at.timestamp() <= LAST_SECOND);
        at.map(Some).ok_or_else(|| bad(name, "is no time to come"))
    };
    let Some(access_token) = text("access_token")? else { return Err(strange(service, response)) };
    Ok(Fresh {
        access_token,
        expires_at: after("expires_in")?,
        refresh_token: text("refresh_token")?,
        refresh_expires_at: after("refresh_token_expires_in")?,
    })
}

/// A service account's signed word that it is itself: a JWT, RS256, good for an hour.
fn assertion(
    secret: &Secret,
    scope: &str,
    audience: &str,
    now: DateTime<Utc>,
) -> Result<Redacted<String>, Finding> {
    let wrong = |what: &str| Finding::new(Outcome::SecretMalformed, what);
    let email =
        secret.field("client_email").ok_or_else(|| wrong("the service account's key has no client_email"))?;
    let pem =
        secret.field("private_key").ok_or_else(|| wrong("the service account's key has no private_key"))?;
    let header = json!({ "alg": "RS256", "typ": "JWT" });
    let claims = json!({
        "iss": email, "scope": scope, "aud": audience,
        "iat": now.timestamp(), "exp": now.timestamp() + 3_600,
    });
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let bad = |_| wrong("the service account's private_key is no RSA key in PKCS #8 PEM");
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| bad(()))?;
    let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| bad(()))?;
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| bad(()))?;
    Ok(Redacted::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
}
