//! S14: what is secret shows nowhere, not in results, not in reports, not in the database; and what keeps secrets is told apart
//! from what they are for (M-H10).

use std::process::Command;

use base64::Engine as _;
use serde_json::json;

use super::{Shops, said};
use crate::support::services::{Reply, google_account};

#[test]
fn secret_manager_has_codes_of_its_own_and_shops_are_not_asked() {
    let shops = Shops::new("health_sm");
    let key = shops.secret("account.json", &google_account());
    for name in ["good", "flipped", "disabled", "destroyed", "denied", "shut", "absent"] {
        let secret = format!("secretRef: {{gcpSecretManager: projects/p/secrets/{name}/versions/latest}}");
        shops.declare_with(name, &secret);
    }
    shops.estate.apply().ok();
    shops.services.scene("/graphql.json", |asked| Reply::shop(asked.shop()));
    shops.services.scene("/token", |_| Reply::json(200, json!({"access_token": "t", "expires_in": 3600})));
    shops.services.scene(":access", |asked| {
        let state = |state: &str| Reply::google(400, &format!("The version is in {state} state."), "");
        match asked.path.split('/').nth(5).unwrap() {
            "good" => Reply::secret("s3cr3t-token"),
            "flipped" => {
                Reply::json(200, json!({"payload": {"data": "czNjcjN0LXRva2Vv", "dataCrc32c": "359550452"}}))
            }
            "disabled" => state("DISABLED"),
            "destroyed" => state("DESTROYED"),
            // Whoever stands in between writes pages, and no JSON.
            "shut" => Reply::text(403, "<html>no</html>"),
            "absent" => Reply::text(404, ""),
            _ => Reply::google(403, "no", "IAM_PERMISSION_DENIED"),
        }
    });
    let args = ["health", "check", "--service", "shopify", "--format", "json", "-vvv"];
    let outcome = shops.run(&args).env("GOOGLE_APPLICATION_CREDENTIALS", &key).run().code(2);
    let report = outcome.nowhere("s3cr3t-token").json();
    for (name, credential) in [
        ("good", "healthy ok"),
        ("flipped", "unhealthy corrupt_secret"),
        ("disabled", "unhealthy secret_disabled"),
        ("destroyed", "unhealthy secret_destroyed"),
        ("denied", "unknown secret_forbidden"),
        ("shut", "unknown secret_forbidden"),
        ("absent", "unknown secret_missing"),
    ] {
        assert_eq!(said(&report, &format!("credentials/w/{name}-cred")), credential);
        let shop = if name == "good" { "healthy ok" } else { "unknown not_asked" };
        assert_eq!(said(&report, &format!("shopify/w/{name}")), shop);
    }
    assert_eq!(shops.services.asked("/graphql.json").len(), 1);
}

const CANARIES: [&str; 3] = ["shpat_Zk3vQ9wXenvCanary71", "Rt5fileRefreshCanary73", "Nw4newAccessCanary76"];

#[track_caller]
fn clean(place: &str, text: &str) {
    for secret in CANARIES {
        let encoded = base64::engine::general_purpose::STANDARD.encode(secret);
        let start = &secret.trim_start_matches("shpat_")[..8];
        for form in [secret, encoded.trim_end_matches('='), start] {
            assert!(!text.contains(form), "{form} is in {place}:\n{text}");
        }
    }
}

#[test]
fn nothing_secret_shows_in_results_reports_or_tables() {
    let [env, refresh, access] = CANARIES;
    let shops = Shops::new("health_canary");
    let grant = json!({"refresh_token": refresh, "client_id": "i", "client_secret": refresh});
    shops.secret("grant.json", &grant.to_string());
    shops.declare_with("Env", "secretRef: {env: CANARY}");
    shops.declare_with("Plan", "secretRef: {env: CANARY}");
    shops.declare_account("1", "{file: secrets/grant.json}");
    shops.estate.apply().ok();
    // Services that repeat what they are sent, wherever something of theirs is shown.
    shops.services.scene("/graphql.json", |asked| {
        let token = asked.header("x-shopify-access-token").to_owned();
        if asked.shop().starts_with("env") {
            return Reply::json(200, json!({"errors": [{"message": token, "extensions": {"code": token}}]}));
        }
        let shop =
            json!({"myshopifyDomain": asked.shop(), "name": token, "plan": {"publicDisplayName": token}});
        Reply::json(200, json!({"data": {"shop": shop}})).header("X-Shopify-API-Version", &token)
    });
    shops
        .services
        .scene("/token", move |_| Reply::json(200, json!({"access_token": access, "expires_in": 3600})));
    shops
        .services
        .scene("/accounts/v1/", |_| Reply::json(200, json!({"name": "accounts/1", "accountId": "1"})));
    shops.services.scene("/quota/v1/", |asked| {
        let token = asked.header("authorization").trim_start_matches("Bearer ").to_owned();
        Reply::json(200, json!({"quotaGroups": [{"name": token, "quotaUsage": "99", "quotaLimit": "100"}]}))
    });
    for args in [
        &["health", "check", "-vvv", "--format", "json"][..],
        &["health", "check", "-vvv"],
        &["health", "report", "--format", "json"],
        &["health", "report", "--format", "junit"],
        &["health", "report", "--format", "prometheus"],
        &["health", "list", "-vvv"],
        &["health", "history", "--format", "json"],
    ] {
        let run = shops.run(args).env("CANARY", env);
        let run = if args.contains(&"check") { run.env("RUST_LOG", "trace") } else { run };
        let outcome = run.run();
        assert!(outcome.code <= 3, "{outcome}");
        clean(&format!("the output of {args:?}"), &format!("{}{}", outcome.stdout, outcome.stderr));
    }
    let dump = Command::new("pg_dump").arg(shops.estate.database.url()).output().expect("pg_dump can be run");
    let dump = String::from_utf8_lossy(&dump.stdout).into_owned();
    assert!(dump.contains("quota_critical") && dump.contains("version_fell_forward"), "{dump}");
    clean("the database", &dump);
}
