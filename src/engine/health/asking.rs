//! What a provider's answers mean: whether it can be reached, whether it takes the credential and what is left of its quota are
//! results of their own (M-H3 to M-H8, M-H10).

use chrono::{DateTime, Utc};

use crate::engine::credentials::{Outcome, Subject, Verdict};
use crate::kinds::credential::Service;
use crate::kinds::health_check::Limits;
use crate::model::health::{CheckedService, HealthStatus};

use super::{Answer, Check, CheckKey, Stage, quota};

/// The evidence, and the code, of a provider of which nothing could be reached (M-S9).
pub const PROVIDER_UNREACHABLE: &str = "provider_unreachable";

/// A tenant whose provider is asked, with each of its credentials.
#[derive(Clone, Debug)]
pub struct AskTarget {
    /// The workspace.
    pub workspace: String,
    /// The tenant.
    pub tenant: String,
    /// The provider.
    pub provider: Service,
    /// The credentials, none of them revoked.
    pub credentials: Vec<Subject>,
}

/// A status, its code, and whether an unknown one counts as a failure.
type Said = (HealthStatus, &'static str, bool);

impl AskTarget {
    /// The service whose reachability it shows.
    #[must_use]
    pub const fn service(&self) -> CheckedService {
        service(self.provider)
    }

    /// The keys of one sort of result.
    pub(super) fn keys(&self, wanted: CheckedService) -> Vec<CheckKey> {
        let key = |subject: String| CheckKey::new(&*self.workspace, wanted, subject);
        match wanted {
            CheckedService::Credentials => {
                self.credentials.iter().map(|subject| key(subject.key.name.to_string())).collect()
            }
            CheckedService::Quotas if self.has_quota() => {
                vec![key(format!("{}/{}", self.service().code(), self.tenant))]
            }
            CheckedService::Quotas => Vec::new(),
            own if own == self.service() => vec![key(self.tenant.clone())],
            _ => Vec::new(),
        }
    }

    /// A merchant account that is not named has no quotas that could be asked for.
    fn has_quota(&self) -> bool {
        self.provider == Service::Shopify || self.credentials.iter().any(|subject| subject.merchant.is_some())
    }

    /// What the answers mean, one for each credential, for those keys that are wanted.
    pub(super) fn judge(
        &self,
        answers: &[Answer],
        keys: &[CheckKey],
        limits: &Limits,
        at: DateTime<Utc>,
    ) -> Vec<Check> {
        let mut checks = Vec::new();
        for key in keys {
            let check = match key.service {
                CheckedService::Credentials => self
                    .credentials
                    .iter()
                    .position(|subject| *subject.key.name == *key.subject)
                    .and_then(|index| answers.get(index))
                    .map(|answer| of_credential(key.clone(), answer, at)),
                CheckedService::Quotas => {
                    // Each app has a bucket of its own: the emptiest counts.
                    let all = answers.iter().map(|answer| of_quota(key.clone(), answer, limits, at));
                    all.reduce(|left, right| if rank(&right) > rank(&left) { right } else { left })
                }
                _ => {
                    // A shop that can be reached with one of its credentials can be reached.
                    let all = answers.iter().map(|answer| of_reach(key.clone(), self.provider, answer, at));
                    all.reduce(|left, right| if unreached(&right) < unreached(&left) { right } else { left })
                }
            };
            checks.extend(check.map(|check| Check { tenant: Some(self.tenant.clone()), ..check }));
        }
        checks
    }
}

/// The service of a provider.
pub(super) const fn service(provider: Service) -> CheckedService {
    match provider {
        Service::Shopify => CheckedService::Shopify,
        Service::GoogleMerchant => CheckedService::GoogleMerchant,
    }
}

/// Worse is more; what is not known is least.
fn rank(check: &Check) -> u8 {
    match check.status {
        HealthStatus::Unknown => 0,
        HealthStatus::Healthy => 1,
        HealthStatus::Degraded => 2,
        HealthStatus::Unhealthy => 3,
    }
}

/// Better is less; that nobody was asked is most.
fn unreached(check: &Check) -> u8 {
    match (check.status, check.is_failure) {
        (HealthStatus::Unknown, false) => 4,
        (HealthStatus::Unknown, true) => 3,
        _ => rank(check),
    }
}

/// Whether the provider answers, and the shop or account can be worked with.
fn of_reach(key: CheckKey, provider: Service, answer: &Answer, at: DateTime<Utc>) -> Check {
    let finding = &answer.finding;
    if answer.stage < Stage::Provider && !is_cut_off(answer) {
        let what = format!("nobody was asked: {}", finding.message);
        let check = Check::new(key, HealthStatus::Unknown, "not_asked", what, at);
        return answer.evidence(check).with("outcome", finding.outcome.code());
    }
    let (status, code, is_failure) = reach(finding.outcome, answer.is_late);
    let check = Check { is_failure, ..Check::new(key, status, code, finding.message.clone(), at) };
    let check =
        answer.evidence(check).with("provider", service(provider).code()).with("reached", !is_failure);
    match finding.advice() {
        Some(advice) if status != HealthStatus::Healthy => check.with("advice", advice),
        _ => check,
    }
}

/// Whether who gives access tokens does not answer. He belongs to the provider: without him nothing of it can be reached. What
/// keeps the secret does not, and a grant that is refused is a matter of the credential.
fn is_cut_off(answer: &Answer) -> bool {
    answer.stage == Stage::Token
        && matches!(
            answer.finding.outcome,
            Outcome::Unreachable | Outcome::ProviderError | Outcome::BadAnswer
        )
}

/// What an outcome says of the provider, and of the shop or account there.
const fn reach(outcome: Outcome, is_late: bool) -> Said {
    use HealthStatus::{Degraded, Healthy, Unhealthy, Unknown};
    match outcome {
        // It answered and knows the shop; whether it takes the credential is another matter.
        Outcome::Valid | Outcome::Unauthorized | Outcome::Forbidden => (Healthy, "ok", false),
        Outcome::PlanPaused
        | Outcome::PlanInactive
        | Outcome::VersionFellForward
        | Outcome::Throttled
        | Outcome::QuotaExceeded => (Degraded, outcome.code(), false),
        Outcome::WrongShop
        | Outcome::WrongAccount
        | Outcome::ShopFrozen
        | Outcome::ShopLocked
        | Outcome::ShopNotFound
        | Outcome::GcpNotRegistered
        | Outcome::ApiDisabled
        | Outcome::NotLinked
        | Outcome::AccountNotFound
        | Outcome::NothingToAsk => (Unhealthy, outcome.code(), false),
        Outcome::Unreachable if is_late => (Unknown, "timeout", true),
        Outcome::Unreachable | Outcome::ProviderError | Outcome::BadAnswer => (Unknown, outcome.code(), true),
        _ => (Unknown, outcome.code(), false),
    }
}

/// Whether the credential is taken.
fn of_credential(key: CheckKey, answer: &Answer, at: DateTime<Utc>) -> Check {
    let finding = &answer.finding;
    let (status, code) = taken(finding.outcome, answer.is_late);
    let check = Check::new(key, status, code, finding.message.clone(), at);
    let check = answer.evidence(check).with("verdict", finding.outcome.verdict().code());
    match finding.advice() {
        Some(advice) if status != HealthStatus::Healthy => check.with("advice", advice),
        _ => check,
    }
}

/// What an outcome says of the credential.
fn taken(outcome: Outcome, is_late: bool) -> (HealthStatus, &'static str) {
    use HealthStatus::{Healthy, Unhealthy, Unknown};
    match outcome {
        // A bill that is not paid, or a shop that is gone, is no word on the credential.
        Outcome::ShopFrozen | Outcome::ShopLocked | Outcome::ShopNotFound | Outcome::NothingToAsk => {
            (Unknown, outcome.code())
        }
        // A value that did not arrive whole is not used, so the credential cannot be (M-H10).
        Outcome::CorruptSecret => (Unhealthy, outcome.code()),
        Outcome::Unreachable if is_late => (Unknown, "timeout"),
        Outcome::QuotaExceeded => (Healthy, "ok"),
        _ => match outcome.verdict() {
            Verdict::Valid | Verdict::Degraded | Verdict::Unusable => (Healthy, "ok"),
            Verdict::Unknown => (Unknown, outcome.code()),
            Verdict::Invalid => (Unhealthy, outcome.code()),
        },
    }
}

/// What is left of the quota.
fn of_quota(key: CheckKey, answer: &Answer, limits: &Limits, at: DateTime<Utc>) -> Check {
    let outcome = answer.finding.outcome;
    let check = match (&answer.bucket, &answer.quotas) {
        (Some(bucket), _) => quota::of_bucket(key, *bucket, limits, at),
        (_, Some(Ok(groups))) => quota::of_groups(key, groups, limits, at),
        (_, Some(Err(finding))) if finding.outcome == Outcome::QuotaExceeded => {
            Check::new(key, HealthStatus::Unhealthy, "quota_exceeded", finding.message.clone(), at)
        }
        (_, Some(Err(finding))) => {
            Check::new(key, HealthStatus::Unknown, finding.outcome.code(), finding.message.clone(), at)
        }
        (None, None) if outcome == Outcome::QuotaExceeded => {
            Check::new(key, HealthStatus::Unhealthy, "quota_exceeded", answer.finding.message.clone(), at)
        }
        (None, None) if outcome == Outcome::Throttled => {
            Check::new(key, HealthStatus::Degraded, "throttled", answer.finding.message.clone(), at)
        }
        (None, None) if answer.stage == Stage::Provider && outcome.verdict().works() => {
            Check::new(key, HealthStatus::Unknown, "not_told", "the answer does not tell what is left", at)
        }
        (None, None) => {
            let what = format!("nobody could be asked: {}", answer.finding.message);
            Check::new(key, HealthStatus::Unknown, "not_asked", what, at)
        }
    };
    check.took(answer.latency)
}

#[cfg(test)]
mod tests;
