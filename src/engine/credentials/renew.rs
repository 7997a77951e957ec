//! One renewal, from the turn to the record of it.
//!
//! The order makes a crash harmless. Whether the pair can be saved is known before the provider is asked. The pair is saved
//! before it is used, and before the turn is given back. A run that is killed after the answer leaves either the old refresh
//! token, which the provider takes once more, or the new pair beside it, which the next run puts in place (M-H9).

use chrono::{DateTime, TimeDelta, Utc};

use crate::kinds::credential::{Renewal, Service};
use crate::model::secret::SecretRef;

use super::{Finding, Outcome, Provider, Secret, Secrets, Slot as _, Subject, Turn as _, Turns};
use crate::engine::state::StateError;

/// For how long a pair counts as fresh: whoever asks again within that time gets what is there.
pub const FRESH_FOR: TimeDelta = TimeDelta::seconds(60);

/// Renews one credential, and records what came of it.
///
/// # Errors
/// The turn could not be taken: nothing was asked for. Or what came of it could not be recorded: it holds all the same, so
/// the finding comes back with the error.
pub async fn renew<T: Turns>(
    turns: &T,
    secrets: &impl Secrets,
    provider: &impl Provider,
    subject: &Subject,
) -> Result<(Finding, Option<StateError>), StateError> {
    if let Some(finding) = never(subject) {
        return Ok((finding, None));
    }
    let turn = turns.take(&subject.turn()).await?;
    let finding = in_turn(secrets, provider, subject, turn.now()).await.unwrap_or_else(|finding| finding);
    let unrecorded = turn.finish(subject, &finding).await.err();
    Ok((finding, unrecorded))
}

/// What [`renew`] would come to, as far as that can be known without asking anybody and without a change to anything.
pub async fn foresee(secrets: &impl Secrets, subject: &Subject, now: DateTime<Utc>) -> Finding {
    foreseen(secrets, subject, now).await.unwrap_or_else(|finding| finding)
}

async fn foreseen(secrets: &impl Secrets, subject: &Subject, now: DateTime<Utc>) -> Result<Finding, Finding> {
    if let Some(finding) = never(subject) {
        return Err(finding);
    }
    let needs = ["client_id", "client_secret", "refresh_token"];
    let word = match subject.renewal {
        Renewal::None => "none",
        Renewal::ShopifyRefreshToken => "shopify-refresh-token",
        Renewal::GoogleOauth => "google-oauth",
    };
    let would = || {
        let what = format!("would be renewed ({word}), from {}", subject.secret_ref);
        Finding::new(Outcome::WouldRenew, what)
    };
    let is_rotating = subject.service == Service::Shopify;
    let waits = is_rotating && secrets.could_save(&subject.secret_ref).await?;
    if matches!(subject.secret_ref, SecretRef::GcpSecretManager(_)) {
        // What is in there is known only by asking.
        return Ok(would());
    }
    let secret = secrets.read(&subject.secret_ref).await?;
    let seen = |finding: Finding| Finding { expiry: Some(subject.expiry_of(&secret)), ..finding };
    if waits {
        let what = "a pair that an earlier run had received would be saved";
        return Ok(seen(Finding::new(Outcome::WouldRenew, what)));
    }
    if let Some(finding) = just_renewed(subject, &secret, now) {
        return Ok(seen(finding));
    }
    if is_rotating || !secret.is_service_account() {
        secret.must_have(&needs).map_err(seen)?;
    }
    Ok(seen(would()))
}

/// Why a credential is never renewed.
fn never(subject: &Subject) -> Option<Finding> {
    if subject.is_revoked {
        return Some(Finding::new(Outcome::Revoked, "it is revoked, so it is not renewed"));
    }
    let by_hand = subject.renewal == Renewal::None;
    by_hand.then(|| Finding::new(Outcome::NotRenewable, "it is declared to be renewed by hand"))
}

/// A pair of a shop that was given a moment ago.
fn just_renewed(subject: &Subject, secret: &Secret, now: DateTime<Utc>) -> Option<Finding> {
    if subject.service != Service::Shopify {
        return None;
    }
    let at = secret.time("renewed_at").filter(|at| (*at - now).abs() < FRESH_FOR)?;
    Some(Finding::new(Outcome::Fresh, format!("it was renewed at {} already", at.format("%H:%M:%S UTC"))))
}

async fn in_turn(
    secrets: &impl Secrets,
    provider: &impl Provider,
    subject: &Subject,
    now: DateTime<Utc>,
) -> Result<Finding, Finding> {
    if subject.service == Service::GoogleMerchant {
        return exchange(secrets, provider, subject, now).await;
    }
    let slot = secrets.slot(&subject.secret_ref).await?;
    let secret = secrets.read(&subject.secret_ref).await?;
    let seen =
        |finding: Finding, secret: &Secret| Finding { expiry: Some(subject.expiry_of(secret)), ..finding };
    if slot.has_recovered() {
        let message = "a pair that an earlier run had received was saved now";
        return Ok(seen(Finding::new(Outcome::Renewed, message), &secret));
    }
    if let Some(finding) = just_renewed(subject, &secret, now) {
        return Ok(seen(finding, &secret));
    }
    let fresh = provider.renew(subject, &secret, now).await.map_err(|finding| seen(finding, &secret))?;
    let text = secret.with(&fresh, now);
    slot.save(&text)?;
    let secret = Secret::read(text.expose().clone())?;
    let finding = Finding::new(Outcome::Renewed, until("the new pair is saved", fresh.expires_at));
    Ok(seen(finding, &secret))
}

/// Google's grants do not rotate: an exchange shows that the grant lives, and what it gives is kept nowhere.
async fn exchange(
    secrets: &impl Secrets,
    provider: &impl Provider,
    subject: &Subject,
    now: DateTime<Utc>,
) -> Result<Finding, Finding> {
    let secret = secrets.read(&subject.secret_ref).await?;
    let expiry = subject.expiry_of(&secret);
    let fresh = provider
        .renew(subject, &secret, now)
        .await
        .map_err(|finding| Finding { expiry: Some(expiry), ..finding })?;
    // It says what the secret is to become; as a rule that is what it is.
    let next =
        fresh.refresh_token.as_ref().filter(|token| secret.field("refresh_token") != Some(token.expose()));
    let mut message = until("the grant is good: it gave an access token", fresh.expires_at);
    if next.is_some() {
        let saved = match secrets.slot(&subject.secret_ref).await {
            Ok(slot) => slot.save(&secret.with(&fresh, now)),
            Err(finding) => Err(finding),
        };
        if let Err(finding) = saved {
            message = format!(
                "{message}; another refresh token came with it and was not saved: {}",
                finding.message
            );
        }
    }
    let ends = expiry.ends.or(fresh.refresh_expires_at);
    let expiry = super::Expiry { access: fresh.expires_at, ends };
    Ok(Finding { expiry: Some(expiry), ..Finding::new(Outcome::Renewed, message) })
}

fn until(what: &str, expires_at: Option<DateTime<Utc>>) -> String {
    match expires_at {
        Some(at) => format!("{what}, good until {}", at.format("%Y-%m-%d %H:%M:%S UTC")),
        None => what.to_owned(),
    }
}
