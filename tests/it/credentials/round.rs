//! The life of credentials from one end to the other, as an operator sees it.

use std::time::Duration;

use serde_json::json;

use super::{Shops, status};
use crate::support::services::{Asked, Reply, google_account};

/// A shop that knows the newest access token only.
fn shop_knows(token: &'static str) -> impl Fn(&Asked) -> Reply {
    move |asked| match asked.header("x-shopify-access-token") {
        known if known == token => Reply::shop(asked.shop()),
        _ => Reply::json(401, json!({"errors": "[API] Invalid API key or access token"})),
    }
}

#[test]
fn credential_management_from_declaring_to_cleaning_up() {
    let shops = Shops::new("cred_round");
    let pair =
        r#"{"client_id":"i","client_secret":"c","access_token":"access-0","refresh_token":"refresh-0"}"#;
    shops.secret("acme.json", pair);
    shops.declare("Acme", "secretRef: {file: secrets/acme.json}, renewal: shopify-refresh-token");
    shops.declare("Plain", "secretRef: {env: PLAIN}, expiresAt: 2026-03-05T00:00:00Z");
    shops.run(&["plan"]).run().ok().stdout_has("Acme-cred");
    shops.apply();
    shops.credentials(&["list"]).run().ok().stdout_has("Acme-cred").stdout_has("never");
    // The access token ran out an hour after it was given.
    shops.services.scene("/graphql.json", shop_knows("access-1"));
    shops.services.scene("/access_token", |_| Reply::pair(1).after(Duration::from_millis(20)));
    let verify = ["verify", "Acme-cred"];
    shops
        .credentials(&verify)
        .run()
        .code(8)
        .stdout_has("unauthorized")
        .stdout_has("authorises the app again");
    shops.credentials(&["health"]).run().ok().stdout_has("Refused when last verified (1): Acme-cred");
    shops.credentials(&["renew", "Acme-cred"]).run().ok().stdout_has("1 renewed");
    shops.credentials(&verify).run().ok().stdout_has("It works.");
    // What nobody renews is replaced by hand, or expires and is cleaned up.
    let at = |args: &[&str], time: &str| shops.credentials(&[args, &["--as-of", time]].concat()).run();
    at(&["expiring", "--within", "7d", "--detailed-exitcode"], "2026-03-01").code(2).stdout_has("in 4 days");
    at(&["expiring", "--within", "7d", "--detailed-exitcode"], "2026-02-01").code(0);
    shops.give_to_commands("Plain-cred");
    at(&["cleanup", "--yes"], "2026-03-05T00:00:00Z").ok().stdout_has("Plain-cred");
    assert_eq!([status(&shops, "Plain-cred"), status(&shops, "Acme-cred")], ["revoked", "active"]);
    shops.credentials(&["verify", "--all"]).run().ok();
    shops
        .credentials(&["renew", "Plain-cred"])
        .run()
        .code(5)
        .stdout_has("it is revoked, so it is not renewed");
}

#[test]
fn authentication_of_services_over_both_services() {
    let shops = Shops::new("cred_auth");
    shops.secret("account.json", &google_account());
    shops.declare("Acme", "secretRef: {env: TOKEN}");
    let tenant = shops.estate.project.read("manifests/t-Acme.yaml");
    shops.estate.project.write(
        "manifests/t-Acme.yaml",
        tenant.replace("type: shopify", "type: mixed") + "  gmcMerchantId: \"42\"\n",
    );
    let spec = "{tenant: Acme, service: google-merchant, secretRef: {file: secrets/account.json}, renewal: google-oauth}";
    shops.estate.declare("Credential", "Acme-gmc", spec);
    shops.apply();
    shops.services.scene("/graphql.json", shop_knows("shpat_1"));
    shops.services.scene("/token", |_| Reply::json(200, json!({"access_token": "ya29", "expires_in": 3600})));
    shops.services.scene("/accounts/v1/accounts/42", |_| Reply::json(200, json!({"name": "accounts/42"})));
    let verify =
        |args: &[&str]| shops.credentials(&[&["verify"], args].concat()).env("TOKEN", "shpat_1").run().ok();
    verify(&["--all"]).stdout_has("All 2 work.");
    verify(&["--service", "google-merchant"]).stdout_has("account 42 can be seen").nowhere("Acme-cred");
    let json = verify(&["--tenant-ids", "Acme", "--format", "json"]).json();
    assert_eq!((&json["total"], &json["working"], &json["failed"]), (&json!(2), &json!(2), &json!(0)));
    shops.credentials(&["list"]).run().ok().stdout_has("valid, ");
}
