//! Renewals: a pair is saved whole, each shop has one at a time, and whatever stops a run loses nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::Digest as _;

use super::{Shops, by_name};
use crate::support::services::Reply;

const PAIR: &str = r#"{"client_id":"id","client_secret":"cs","access_token":"access-0","refresh_token":"refresh-0","note":"kept"}"#;

/// A shop whose refresh token is in a file.
fn shop(hint: &str) -> Shops {
    let shops = Shops::new(hint);
    shops.secret("acme.json", PAIR);
    shops.declare("Acme", "secretRef: {file: secrets/acme.json}, renewal: shopify-refresh-token");
    shops.apply();
    shops
}

/// Gives pairs: 1, 2, ... each after so long.
fn rotates(shops: &Shops, delay: Duration) {
    let count = AtomicUsize::new(0);
    shops.services.scene("/admin/oauth/access_token", move |asked| {
        assert_eq!(asked.field("grant_type"), "refresh_token");
        assert_eq!((asked.field("client_id").as_str(), asked.field("client_secret").as_str()), ("id", "cs"));
        Reply::pair(count.fetch_add(1, Ordering::SeqCst) + 1).after(delay)
    });
}

fn saved(shops: &Shops) -> Value {
    serde_json::from_str(&shops.estate.project.read("secrets/acme.json")).unwrap()
}

fn spent(shops: &Shops) -> Vec<String> {
    shops.services.asked("/access_token").iter().map(|asked| asked.field("refresh_token")).collect()
}

const STATUS: &str = "select concat_ws(' ', renewal_outcome, renewal_failures, generation, last_renewal_error is null, \
    last_renewed_at is not null, observed_expires_at > now() + interval '89 days') from synthex.credential_status";

#[test]
fn the_new_pair_takes_the_place_of_the_old_one_with_its_mode() {
    let shops = shop("renew_pair");
    rotates(&shops, Duration::ZERO);
    let path = shops.estate.project.path().join("secrets/acme.json");
    let done = shops.credentials(&["renew", "Acme-cred"]).run().ok().nowhere("access-1").nowhere("refresh-");
    done.stdout_has("renewed").stdout_has("1 renewed, 0 failed");
    let pair = saved(&shops);
    assert_eq!((&pair["access_token"], &pair["refresh_token"]), (&json!("access-1"), &json!("refresh-1")));
    assert_eq!((&pair["client_secret"], &pair["note"]), (&json!("cs"), &json!("kept")));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    assert_eq!(shops.estate.value(STATUS).as_deref(), Some("renewed 0 1 t t t"));
    // For what renews itself the refresh token's end counts, not the hour of the access token.
    let list = shops.credentials(&["list", "--format", "json"]).run().ok().json();
    assert_eq!(
        (&list["credentials"][0]["status"], &list["credentials"][0]["daysUntilExpiry"]),
        (&json!("active"), &json!(90))
    );
    // Within a minute the pair is fresh, and none is asked for.
    shops.credentials(&["renew", "--all"]).run().ok().stdout_has("0 renewed, 1 fresh already, 0 failed");
    assert_eq!(spent(&shops), ["refresh-0"]);
    shops.estate.is_converged();
}

#[test]
fn two_processes_that_renew_one_shop_ask_once() {
    let shops = shop("renew_two");
    rotates(&shops, Duration::from_millis(700));
    let run = || shops.credentials(&["renew", "Acme-cred", "--format", "json"]).spawn();
    let (first, second) = (run(), run());
    let mut outcomes = [first.wait().ok().json(), second.wait().ok().json()]
        .map(|json| json["results"][0]["outcome"].as_str().unwrap().to_owned());
    outcomes.sort();
    assert_eq!(outcomes, ["fresh", "renewed"]);
    assert_eq!(spent(&shops), ["refresh-0"]);
    assert_eq!(saved(&shops)["refresh_token"], "refresh-1");
}

#[test]
fn a_run_that_is_killed_while_the_shop_answers_loses_nothing() {
    let shops = shop("renew_killed");
    rotates(&shops, Duration::from_secs(2));
    let mut run = shops.credentials(&["renew", "Acme-cred"]).spawn();
    run.wait_until("the question", || !shops.services.asked("/access_token").is_empty());
    run.kill();
    run.wait().code(137);
    assert_eq!(saved(&shops)["refresh_token"], "refresh-0");
    // The turn went with the process, and the old refresh token is asked with once more.
    rotates(&shops, Duration::ZERO);
    shops.credentials(&["renew", "Acme-cred"]).run().ok();
    assert_eq!(spent(&shops), ["refresh-0", "refresh-0"]);
    assert_eq!(saved(&shops)["access_token"], "access-1");
}

#[test]
fn a_pair_that_was_received_and_not_saved_is_put_in_place() {
    let shops = shop("renew_pending");
    let from = hex::encode(sha2::Sha256::digest(PAIR.as_bytes()));
    let pending = json!({"client_id": "id", "client_secret": "cs", "access_token": "access-9",
        "refresh_token": "refresh-9", "renewed_from": from, "renewed_at": "2026-01-01T00:00:00Z"});
    let path = shops.secret(".acme.json.renewal", &pending.to_string());
    shops.credentials(&["renew", "--all"]).run().ok().stdout_has("an earlier run had received");
    assert_eq!(saved(&shops)["refresh_token"], "refresh-9");
    assert!(!path.exists());
    assert!(spent(&shops).is_empty(), "nothing was asked for");
}

#[test]
fn a_dead_grant_is_told_recorded_and_changes_nothing() {
    let shops = shop("renew_dead");
    shops.services.scene("/access_token", |_| {
        Reply::json(400, json!({"error": "invalid_grant", "error_description": "refresh-0 is dead"}))
    });
    for failures in 1..=2 {
        let failed = shops.credentials(&["renew", "Acme-cred", "-vvv"]).run().code(8);
        failed.nowhere("refresh-0").stdout_has("invalid_grant").stdout_has("authorise the app again");
        let status = format!("invalid_grant {failures} 0 f f");
        assert_eq!(shops.estate.value(STATUS).as_deref(), Some(status.as_str()));
    }
    assert_eq!(shops.estate.project.read("secrets/acme.json"), PAIR);
    assert_eq!(spent(&shops).len(), 2, "each run asks once: a refresh token is not spent on retries");
    let health = shops.credentials(&["health"]).run().ok();
    health.stdout_has("Could not be renewed (1): Acme-cred");
}

#[test]
fn what_cannot_be_saved_is_not_asked_for() {
    let shops = shop("renew_unsaved");
    shops.declare("Env", "secretRef: {env: PAIR}, renewal: shopify-refresh-token");
    let name = "projects/p/secrets/s/versions/1";
    shops.declare(
        "Cloud",
        &format!("secretRef: {{gcpSecretManager: {name}}}, renewal: shopify-refresh-token"),
    );
    shops.secret("half.json", r#"{"refresh_token":"r"}"#);
    shops.declare("Half", "secretRef: {file: secrets/half.json}, renewal: shopify-refresh-token");
    shops.secret("token", "shpat_1");
    shops.declare("Hand", "secretRef: {file: secrets/token}");
    shops.apply();
    let names = ["Env-cred", "Cloud-cred"];
    let refused = shops.credentials(&[&["renew"], names.as_slice()].concat()).env("PAIR", PAIR).run().code(5);
    refused.stdout_has("the variable PAIR, where a new pair cannot be saved").stdout_has("cannot_save");
    shops.credentials(&["renew", "Hand-cred"]).run().code(5).stdout_has("renewed by hand");
    let half = shops.credentials(&["renew", "Half-cred"]).run().code(8);
    half.stdout_has("the secret has no client_id, no client_secret");
    assert!(shops.services.asked("").is_empty());
}

#[test]
fn google_grants_are_exchanged_and_nothing_is_stored() {
    let shops = Shops::new("renew_google");
    let grant = json!({"client_id": "id", "client_secret": "cs", "refresh_token": "1//grant"}).to_string();
    shops.declare("Acme", "service: google-merchant, secretRef: {env: GRANT}, renewal: google-oauth");
    shops.declare("Dead", "service: google-merchant, secretRef: {env: DEAD}, renewal: google-oauth");
    shops.apply();
    shops.services.scene("/token", |asked| match asked.field("refresh_token").as_str() {
        "1//grant" => {
            Reply::json(200, json!({"access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer"}))
        }
        _ => Reply::json(
            400,
            json!({"error": "invalid_grant", "error_description": "Token has been expired or revoked."}),
        ),
    });
    let args = ["batch", "credentials", "renew", "--workspace-ids", "w", "--format", "json"];
    let run = shops.run(&args).env("GRANT", &grant).env("DEAD", grant.replace("grant", "dead"));
    let done = run.run().code(8).nowhere("1//grant").nowhere("ya29").json();
    assert_eq!(
        by_name(&done["results"], "credential", "outcome"),
        json!({"Acme-cred": "renewed", "Dead-cred": "invalid_grant"})
    );
    assert_eq!(
        (&done["total"], &done["successCount"], &done["failureCount"]),
        (&json!(2), &json!(1), &json!(1))
    );
    assert_eq!(done["failed"][0]["item"], "Dead-cred");
    assert_eq!(done["successful"], json!(["Acme-cred"]));
}

#[test]
fn renewal_of_tenants_and_a_dry_run() {
    let shops = shop("renew_tenants");
    shops.declare("Other", "secretRef: {file: secrets/none}, renewal: shopify-refresh-token");
    shops.apply();
    rotates(&shops, Duration::ZERO);
    let args = ["batch", "credentials", "renew", "--tenant-ids", "Acme"];
    shops
        .run(&[&args[..], &["--dry-run"]].concat())
        .run()
        .ok()
        .stdout_has("would be renewed")
        .nowhere("Other-cred");
    assert!(shops.services.asked("").is_empty());
    shops.run(&args).run().ok().stdout_has("1 renewed").nowhere("Other-cred");
    shops.run(&["batch", "credentials", "renew"]).run().code(3).stderr_has("--workspace-ids");
    shops.run(&["batch", "credentials", "renew", "--tenant-ids", "Acne"]).run().code(3).stderr_has("`Acme`");
}

#[test]
fn ctrl_c_lets_the_renewal_that_is_under_way_end_and_begins_no_other() {
    let shops = shop("renew_interrupt");
    shops.secret("zeta.json", PAIR);
    shops.declare("Zeta", "secretRef: {file: secrets/zeta.json}, renewal: shopify-refresh-token");
    shops.apply();
    rotates(&shops, Duration::from_millis(800));
    let mut run = shops.credentials(&["renew", "--all", "--concurrency", "1"]).spawn();
    run.wait_until("the question", || !shops.services.asked("/access_token").is_empty());
    run.interrupt();
    run.wait().code(130).stdout_has("stopped before its turn").stdout_has("1 renewed");
    assert_eq!(spent(&shops), ["refresh-0"]);
    assert_eq!(saved(&shops)["refresh_token"], "refresh-1");
}

#[test]
fn an_answer_that_cannot_be_right_overwrites_nothing() {
    let shops = shop("renew_bad_answer");
    for bad in [
        json!({"expires_in": 0}),
        json!({"expires_in": -3600}),
        json!({"expires_in": "soon"}),
        json!({"refresh_token_expires_in": 0}),
        json!({"access_token": "access 1"}),
        json!({"refresh_token": "refresh-1\n"}),
    ] {
        let mut answer =
            json!({"access_token": "access-1", "refresh_token": "refresh-1", "expires_in": 3600});
        answer.as_object_mut().unwrap().extend(bad.as_object().unwrap().clone());
        shops.services.scene("/access_token", move |_| Reply::json(200, answer.clone()));
        let told = shops.credentials(&["renew", "Acme-cred"]).run().code(8).nowhere("access-1");
        told.stdout_has("bad_answer");
        assert_eq!(shops.estate.project.read("secrets/acme.json"), PAIR, "{bad}");
    }
}
