//! Every outcome, and what it says of the provider, of the credential and of the quota.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::*;
use crate::engine::credentials::Finding;
use crate::engine::health::{Bucket, QuotaGroup};
use crate::kinds::credential::Renewal;
use crate::model::ResourceKey;
use crate::model::secret::SecretRef;
use HealthStatus::{Degraded, Healthy, Unhealthy, Unknown};

fn at() -> DateTime<Utc> {
    "2026-11-01T00:00:00Z".parse().unwrap()
}

fn subject(name: &str, service: Service) -> Subject {
    Subject {
        key: ResourceKey::new(&crate::kinds::credential::KIND, "w".into(), name),
        id: Uuid::nil(),
        tenant: "T".to_owned(),
        service,
        renewal: Renewal::None,
        secret_ref: SecretRef::Env("X".to_owned()),
        shop: Some("t.myshopify.com".to_owned()),
        merchant: Some("123".to_owned()),
        is_revoked: false,
    }
}

fn target(service: Service, names: &[&str]) -> AskTarget {
    AskTarget {
        workspace: "w".to_owned(),
        tenant: "T".to_owned(),
        provider: service,
        credentials: names.iter().map(|name| subject(name, service)).collect(),
    }
}

fn judged(target: &AskTarget, answers: &[Answer]) -> Vec<Check> {
    let services = [target.service(), CheckedService::Credentials, CheckedService::Quotas];
    let keys: Vec<CheckKey> = services.iter().flat_map(|service| target.keys(*service)).collect();
    target.judge(answers, &keys, &Limits::default(), at())
}

fn answer(outcome: Outcome) -> Answer {
    Answer::of(Finding::new(outcome, "what was found"), Stage::Provider)
}

#[track_caller]
fn check(outcome: Outcome, reach: (HealthStatus, &str), credential: (HealthStatus, &str)) {
    let checks = judged(&target(Service::Shopify, &["c"]), &[answer(outcome)]);
    assert_eq!((checks[0].status, checks[0].code), reach, "{outcome:?}: the shop");
    assert_eq!((checks[1].status, checks[1].code), credential, "{outcome:?}: the credential");
    assert_eq!(checks[1].key.subject, "c");
    assert!(checks.iter().all(|check| check.tenant.as_deref() == Some("T")));
}

#[test]
fn what_shopify_says_of_the_shop_is_not_what_it_says_of_the_credential() {
    let ok = (Healthy, "ok");
    check(Outcome::Valid, ok, ok);
    check(Outcome::WrongShop, (Unhealthy, "wrong_shop"), (Unhealthy, "wrong_shop"));
    check(Outcome::Unauthorized, ok, (Unhealthy, "unauthorized"));
    check(Outcome::Forbidden, ok, (Unhealthy, "forbidden"));
    check(Outcome::ShopFrozen, (Unhealthy, "shop_frozen"), (Unknown, "shop_frozen"));
    check(Outcome::ShopLocked, (Unhealthy, "shop_locked"), (Unknown, "shop_locked"));
    check(Outcome::ShopNotFound, (Unhealthy, "shop_not_found"), (Unknown, "shop_not_found"));
    check(Outcome::PlanPaused, (Degraded, "plan_paused"), ok);
    check(Outcome::PlanInactive, (Degraded, "plan_inactive"), ok);
    check(Outcome::VersionFellForward, (Degraded, "version_fell_forward"), ok);
    check(Outcome::Throttled, (Degraded, "throttled"), (Unknown, "throttled"));
    check(Outcome::SecurityRejection, (Unknown, "security_rejection"), (Unknown, "security_rejection"));
}

#[test]
fn what_google_says_of_the_project_leaves_the_credential_valid() {
    let ok = (Healthy, "ok");
    check(Outcome::GcpNotRegistered, (Unhealthy, "gcp_not_registered"), ok);
    check(Outcome::ApiDisabled, (Unhealthy, "api_disabled"), ok);
    check(Outcome::NotLinked, (Unhealthy, "not_linked"), ok);
    check(Outcome::AccountNotFound, (Unhealthy, "account_not_found"), ok);
    check(Outcome::QuotaExceeded, (Degraded, "quota_exceeded"), ok);
}

#[test]
fn no_answer_is_unknown_and_counts_as_a_failure_of_the_provider_alone() {
    for outcome in [Outcome::Unreachable, Outcome::ProviderError, Outcome::BadAnswer] {
        let checks = judged(&target(Service::Shopify, &["c"]), &[answer(outcome)]);
        let failures: Vec<bool> = checks.iter().map(|check| check.is_failure).collect();
        assert_eq!(failures, [true, false, false], "{outcome:?}");
        assert!(checks.iter().all(|check| check.status == Unknown), "{checks:?}");
        assert_eq!(checks[0].evidence["reached"], false);
    }
    let late = Answer { is_late: true, ..answer(Outcome::Unreachable) };
    let checks = judged(&target(Service::Shopify, &["c"]), &[late]);
    assert_eq!((checks[0].code, checks[1].code), ("timeout", "timeout"));
}

#[test]
fn a_secret_or_token_that_is_not_there_says_nothing_of_the_provider() {
    let of = |outcome, stage| {
        let answer = Answer::of(Finding::new(outcome, "found"), stage);
        let checks = judged(&target(Service::GoogleMerchant, &["c"]), &[answer]);
        assert_eq!((checks[0].status, checks[0].code, checks[0].is_failure), (Unknown, "not_asked", false));
        (checks[1].status, checks[1].code)
    };
    assert_eq!(of(Outcome::CorruptSecret, Stage::Secret), (Unhealthy, "corrupt_secret"));
    assert_eq!(of(Outcome::SecretDisabled, Stage::Secret), (Unhealthy, "secret_disabled"));
    assert_eq!(of(Outcome::SecretDestroyed, Stage::Secret), (Unhealthy, "secret_destroyed"));
    assert_eq!(of(Outcome::SecretForbidden, Stage::Secret), (Unknown, "secret_forbidden"));
    assert_eq!(of(Outcome::SecretMissing, Stage::Secret), (Unknown, "secret_missing"));
    assert_eq!(of(Outcome::Unreachable, Stage::Secret), (Unknown, "unreachable"));
    assert_eq!(of(Outcome::InvalidGrant, Stage::Token), (Unhealthy, "invalid_grant"));
    assert_eq!(of(Outcome::InvalidClient, Stage::Token), (Unhealthy, "invalid_client"));
    assert_eq!(of(Outcome::Throttled, Stage::Token), (Unknown, "throttled"));
}

#[test]
fn who_gives_no_token_for_he_does_not_answer_is_the_provider() {
    for outcome in [Outcome::Unreachable, Outcome::ProviderError, Outcome::BadAnswer] {
        let answer = Answer::of(Finding::new(outcome, "found"), Stage::Token);
        let checks = judged(&target(Service::GoogleMerchant, &["c"]), &[answer]);
        let told: Vec<_> = checks.iter().map(|check| (check.status, check.code, check.is_failure)).collect();
        let code = outcome.code();
        assert_eq!(told, [(Unknown, code, true), (Unknown, code, false), (Unknown, "not_asked", false)]);
        assert_eq!(checks[0].evidence["reached"], false);
    }
    let late =
        Answer { is_late: true, ..Answer::of(Finding::new(Outcome::Unreachable, "late"), Stage::Token) };
    let checks = judged(&target(Service::GoogleMerchant, &["c"]), &[late]);
    assert_eq!((checks[0].code, checks[0].is_failure, checks[1].code), ("timeout", true, "timeout"));
}

#[test]
fn every_outcome_has_a_meaning_and_no_answer_is_ever_taken_for_good_news() {
    for outcome in Outcome::ALL {
        let (status, code, is_failure) = reach(*outcome, false);
        assert!(!code.is_empty() && (status == Unknown || !is_failure), "{outcome:?}");
        if matches!(outcome.verdict(), Verdict::Unknown) {
            assert_ne!(status, Healthy, "{outcome:?}");
        }
    }
}

#[test]
fn quotas_are_told_from_the_numbers_of_the_answer() {
    let of = |answer: Answer, service| {
        let checks = judged(&target(service, &["c"]), &[answer]);
        (checks[2].status, checks[2].code)
    };
    let bucket = |available| Answer {
        bucket: Some(Bucket { maximum: 1000.0, available, restore_rate: 50.0 }),
        ..answer(Outcome::Valid)
    };
    assert_eq!(of(bucket(900.0), Service::Shopify), (Healthy, "ok"));
    assert_eq!(of(bucket(100.0), Service::Shopify), (Degraded, "quota_low"));
    assert_eq!(of(answer(Outcome::Valid), Service::Shopify), (Unknown, "not_told"));
    assert_eq!(of(answer(Outcome::Throttled), Service::Shopify), (Degraded, "throttled"));
    assert_eq!(of(answer(Outcome::Unauthorized), Service::Shopify), (Unknown, "not_asked"));
    let groups = |usage| Answer {
        quotas: Some(Ok(vec![QuotaGroup { name: "g".to_owned(), usage, limit: 100, per_minute: 10 }])),
        ..answer(Outcome::Valid)
    };
    assert_eq!(of(groups(96), Service::GoogleMerchant), (Unhealthy, "quota_critical"));
    let over = Answer {
        quotas: Some(Err(Finding::new(Outcome::QuotaExceeded, "used up"))),
        ..answer(Outcome::Valid)
    };
    assert_eq!(of(over, Service::GoogleMerchant), (Unhealthy, "quota_exceeded"));
}

#[test]
fn of_two_credentials_the_better_one_tells_of_the_shop_and_the_emptier_bucket_counts() {
    let bucket = |available| Answer {
        bucket: Some(Bucket { maximum: 1000.0, available, restore_rate: 50.0 }),
        ..answer(Outcome::Valid)
    };
    let target = target(Service::Shopify, &["a", "b"]);
    let checks = judged(&target, &[answer(Outcome::Unreachable), bucket(50.0)]);
    let told: Vec<(&str, &str)> =
        checks.iter().map(|check| (check.key.subject.as_str(), check.code)).collect();
    assert_eq!(told, [("T", "ok"), ("a", "unreachable"), ("b", "ok"), ("shopify/T", "quota_low")]);
}
