//! Corners of looking after credentials: whose fault it is, what is said while it takes long, and what is left out.

use std::time::Duration;

use serde_json::{Value, json};

use super::{NOW, Shops, by_name, expiring, status};
use crate::support::services::{Reply, google_account};

#[test]
fn a_secret_that_says_nonsense_about_its_end_is_malformed_and_not_sent() {
    let shops = Shops::new("corner_times");
    for (name, end) in [("Milli", "1767225600000"), ("Never", "\"never\"")] {
        shops.secret(name, &format!("{{\"access_token\":\"shpat_1\",\"expires_at\":{end}}}"));
        shops.declare(name, &format!("secretRef: {{file: secrets/{name}}}"));
    }
    shops.secret("List", "[\"shpat_1\"]");
    shops.declare("List", "secretRef: {file: secrets/List}");
    shops.apply();
    let text = shops.credentials(&["verify", "--all"]).run().code(8).nowhere("shpat_1");
    text.stdout_has("expires_at in the secret is no time")
        .stdout_has("not milliseconds")
        .stdout_has("no object");
    assert!(shops.services.asked("").is_empty());
    let health = shops.credentials(&["health"]).run().ok().nowhere("Refused when last verified");
    health.stdout_has("The secret could not be read when last verified (3)");
}

#[test]
fn what_is_observed_is_observed_now() {
    let shops = Shops::new("corner_as_of");
    shops.declare("Acme", "secretRef: {env: TOKEN}");
    shops.apply();
    shops.services.scene("/graphql.json", |asked| Reply::shop(asked.shop()));
    shops.credentials(&["verify", "--all", "--as-of", "2031-01-01"]).env("TOKEN", "t").run().ok();
    let fresh = "select (last_verified_at between now() - interval '1 hour' and now() + interval '1 minute' \
        and last_valid_at = last_verified_at)::text from synthex.credential_status";
    assert_eq!(shops.estate.value(fresh).as_deref(), Some("true"));
}

#[test]
fn trouble_with_our_own_key_is_no_verdict_on_the_credential() {
    let shops = Shops::new("corner_own_key");
    shops.declare("Cloud", "secretRef: {gcpSecretManager: projects/p/secrets/s/versions/1}");
    shops.apply();
    shops.services.scene("/token", |_| Reply::json(400, json!({"error": "invalid_grant"})));
    let malformed = shops.secret("malformed.json", "{\"private_key\": ");
    let dead = shops.secret("dead.json", &google_account());
    let absent = dead.with_file_name("absent.json");
    for key in [&malformed, &dead, &absent] {
        let run = shops.credentials(&["verify", "--all", "--format", "json"]);
        let result =
            run.env("GOOGLE_APPLICATION_CREDENTIALS", key).run().code(8).json()["results"][0].clone();
        assert_eq!(
            (&result["outcome"], &result["verdict"]),
            (&json!("own_key_unusable"), &json!("unknown")),
            "{result}"
        );
        assert!(result["help"].as_str().unwrap().contains("GOOGLE_APPLICATION_CREDENTIALS"), "{result}");
    }
}

#[test]
fn another_account_than_the_one_asked_for_is_wrong() {
    let shops = Shops::new("corner_account");
    shops.declare("Acme", "service: google-merchant, secretRef: {env: TOKEN}");
    let tenant = shops.estate.project.read("manifests/t-Acme.yaml");
    let tenant = tenant.replace("type: shopify", "type: mixed") + "  gmcMerchantId: \"42\"\n";
    shops.estate.project.write("manifests/t-Acme.yaml", tenant);
    shops.apply();
    shops
        .services
        .scene("/accounts/42", |_| Reply::json(200, json!({"name": "accounts/42", "accountId": 43})));
    let wrong = shops.credentials(&["verify", "--all"]).env("TOKEN", "ya29").run().code(8);
    wrong.stdout_has("wrong_account").stdout_has("account 43 answered").stdout_has("gmcMerchantId");
}

#[test]
fn nobody_is_told_to_renew_what_is_renewed_by_hand() {
    let shops = expiring("corner_by_hand");
    let health = shops.credentials(&["health", "--as-of", NOW]).run().ok().nowhere("credentials renew");
    health.stdout_has("Expiring within 7 days, and renewed by hand (2)");
}

#[test]
fn cleanup_leaves_out_what_is_declared_and_does_the_rest() {
    let shops = expiring("corner_cleanup");
    shops.give_to_commands("Gone-cred");
    let args = ["cleanup", "--as-of", NOW];
    let dry = shops.credentials(&[&args[..], &["--dry-run"]].concat()).run().ok();
    dry.stdout_has("Gone-cred").stdout_has("Now-cred.yaml:1").stdout_has("status: revoked");
    let part = shops.credentials(&[&args[..], &["--yes"]].concat()).run().code(7);
    part.stdout_has("Now-cred.yaml:1").stderr_has("1 expired credential is declared elsewhere");
    assert_eq!([status(&shops, "Gone-cred"), status(&shops, "Now-cred")], ["revoked", "active"]);
    shops.credentials(&[&args[..], &["--yes"]].concat()).run().code(5).stderr_has("Now-cred.yaml:1");
}

#[test]
fn lists_are_named_where_names_are_wrong() {
    let shops = expiring("corner_names");
    let batch = |option: &str, value: &str| {
        shops.run(&["batch", "credentials", "renew", option, value]).run().code(3)
    };
    batch("--workspace-ids", "zzzz").stderr_has("synthex tenant workspace list");
    batch("--tenant-ids", "zzzzzzzz").stderr_has("synthex tenant tenants list");
    batch("--workspace-ids", ",,").stderr_has("a workspace without a name");
    let cleanup = ["batch", "credentials", "cleanup", "--workspace-ids", ",,", "--yes"];
    shops.run(&cleanup).run().code(3).stderr_has("a workspace without a name");
}

#[test]
fn while_a_provider_hangs_it_is_said() {
    let shops = Shops::new("corner_wait");
    shops.declare("Acme", "secretRef: {env: TOKEN}");
    shops.apply();
    shops
        .services
        .scene("/graphql.json", |asked| Reply::shop(asked.shop()).after(Duration::from_millis(5_500)));
    let run =
        |args: &[&str]| shops.credentials(&[&["verify", "--all"], args].concat()).env("TOKEN", "t").spawn();
    let (loud, quiet) = (run(&[]), run(&["-q"]));
    loud.wait().ok().stderr_has("Waiting for Acme-cred: 0 of 1 done after 5 s.");
    quiet.wait().ok().nowhere("Waiting for");
}

#[test]
fn a_dry_run_of_renewals_says_what_the_run_would_come_to() {
    let shops = Shops::new("corner_dry");
    let pair = json!({"client_id": "i", "client_secret": "c", "refresh_token": "r", "access_token": "a"});
    let mut fresh = pair.clone();
    fresh["renewed_at"] = json!(chrono_now());
    shops.secret("would", &pair.to_string());
    shops.secret("fresh", &fresh.to_string());
    shops.secret("half", r#"{"refresh_token": "r"}"#);
    for name in ["would", "fresh", "half", "absent"] {
        shops.declare(name, &format!("secretRef: {{file: secrets/{name}}}, renewal: shopify-refresh-token"));
    }
    shops.declare("env", "secretRef: {env: PAIR}, renewal: shopify-refresh-token");
    shops.declare("hand", "secretRef: {file: secrets/would}");
    shops.apply();
    let names = ["would-cred", "fresh-cred", "half-cred", "absent-cred", "env-cred", "hand-cred"];
    let args = [&["renew", "--dry-run", "--format", "json"], names.as_slice()].concat();
    let found = shops.credentials(&args).run().code(8).json();
    assert_eq!(
        by_name(&found["results"], "credential", "outcome"),
        json!({"would-cred": "would_renew", "fresh-cred": "fresh", "half-cred": "no_refresh_token",
            "absent-cred": "secret_missing", "env-cred": "cannot_save", "hand-cred": "not_renewable"})
    );
    assert_eq!(found["failureCount"], json!(4));
    assert!(shops.services.asked("").is_empty());
    let left: Vec<Value> = std::fs::read_dir(shops.estate.project.path().join("secrets"))
        .unwrap()
        .map(|entry| json!(entry.unwrap().file_name().to_string_lossy()))
        .collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

/// The time of the machine, as a secret has it.
fn chrono_now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn a_role_that_may_only_read_is_refused_by_the_database() {
    let shops = Shops::new("corner_reader");
    shops.secret("pair", r#"{"client_id": "i", "client_secret": "c", "refresh_token": "r"}"#);
    shops.declare("Acme", "secretRef: {file: secrets/pair}, renewal: shopify-refresh-token");
    shops.apply();
    let role = shops.estate.database.create_role("reader", "secret");
    shops.estate.database.sql(&format!(
        "grant usage on schema synthex to \"{role}\"; grant select on all tables in schema synthex to \"{role}\""
    ));
    let args = ["tenant", "credentials", "renew", "--all"];
    let run = shops.estate.synthex_at(&shops.estate.database.url_as(&role), &args).env("COLUMNS", "200");
    let refused = shops.services.serve(run).run().code(5).nowhere("permission denied");
    refused.stdout_has("database_refused").stdout_has("grant the role what it lacks");
    assert!(shops.services.asked("").is_empty());
}
