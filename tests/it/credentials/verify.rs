//! What providers say, and what is made of it: each answer of `api-facts` told apart.

use serde_json::{Value, json};

use super::{Shops, by_name};
use crate::support::services::{Asked, GOOGLE_KEY, Reply, google_account};

/// The answer of a shop that is named after what it is to say.
fn shopify(asked: &Asked) -> Reply {
    assert_eq!(asked.header("x-shopify-access-token"), "shpat_1");
    assert!(asked.body.contains("myshopifyDomain"), "{}", asked.body);
    let shop = asked.shop();
    let name = shop.split('.').next().unwrap();
    if let Some(status) = name.strip_prefix('s').and_then(|status| status.parse().ok()) {
        return Reply::text(status, "shpat_1 was refused");
    }
    let errors = |code: &str| {
        let cost = json!({"requestedQueryCost": 10, "throttleStatus":
            {"maximumAvailable": 1000, "currentlyAvailable": 0, "restoreRate": 100}});
        Reply::json(
            200,
            json!({"errors": [{"message": "shpat_1", "extensions": {"code": code}}], "extensions": {"cost": cost}}),
        )
    };
    match name {
        "ok" => Reply::shop(shop),
        "wrong" => Reply::shop("other.myshopify.com"),
        "paused" => Reply::shop_on(shop, "Paused"),
        "inactive" => Reply::shop_on(shop, "Inactive"),
        "forward" => {
            let data = json!({"shop": {"myshopifyDomain": shop, "plan": {"publicDisplayName": "Plus"}}});
            Reply::json(200, json!({"data": data})).header("X-Shopify-API-Version", "2027-01")
        }
        "busy" => errors("THROTTLED"),
        "scope" => errors("ACCESS_DENIED"),
        "odd" => errors("SOMETHING_NEW"),
        "html" => Reply::text(200, "<html>shpat_1</html>"),
        "moved" => Reply::text(301, "").header("location", "http://127.0.0.1:1/steal"),
        other => panic!("no scene for {other}"),
    }
}

#[test]
fn every_answer_of_a_shop_is_told_apart() {
    let shops = Shops::new("verify_shopify");
    let expected = [
        ("ok", "valid"),
        ("wrong", "wrong_shop"),
        ("paused", "plan_paused"),
        ("inactive", "plan_inactive"),
        ("forward", "version_fell_forward"),
        ("busy", "throttled"),
        ("scope", "forbidden"),
        ("odd", "bad_answer"),
        ("html", "bad_answer"),
        ("moved", "bad_answer"),
        ("s401", "unauthorized"),
        ("s402", "shop_frozen"),
        ("s403", "forbidden"),
        ("s404", "shop_not_found"),
        ("s423", "shop_locked"),
        ("s429", "throttled"),
        ("s430", "security_rejection"),
        ("s503", "provider_error"),
        ("s418", "bad_answer"),
    ];
    for (name, _) in expected {
        shops.declare(name, "secretRef: {env: TOKEN}");
    }
    shops.apply();
    shops.services.scene("/admin/api/2026-10/graphql.json", shopify);
    let args = ["verify", "--all", "--concurrency", "20", "--format", "json", "-vvv"];
    let outcome = shops.credentials(&args).env("TOKEN", "shpat_1").run().code(8).nowhere("shpat_1");
    let found = outcome.json();
    let wanted: Value = expected
        .iter()
        .map(|(name, code)| (format!("{name}-cred"), json!(code)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let actual = by_name(&found["results"], "credential", "outcome");
    for (name, code) in wanted.as_object().unwrap() {
        assert_eq!(actual[name], *code, "{name}");
    }
    assert_eq!((&found["working"], &found["failed"]), (&json!(4), &json!(15)));
    // What failed for the moment was asked again; what is final was not; nothing was followed elsewhere.
    assert_eq!(shops.services.asked("/s503.").len(), 3);
    assert_eq!(shops.services.asked("/s401.").len(), 1);
    assert_eq!(shops.services.asked("/busy.").len(), 2);
    assert!(shops.services.asked("steal").is_empty());
    let kept = shops.estate.database.query_strings(
        "select c.name, s.verify_outcome from synthex.credential_status s join synthex.credentials c on c.id = s.credential",
    );
    for row in kept {
        let [Some(name), Some(outcome)] = row.as_slice() else { panic!("{row:?}") };
        assert_eq!(actual[name], json!(outcome), "{name}");
    }
}

fn merchant(asked: &Asked) -> Reply {
    assert_eq!(asked.header("authorization"), "Bearer ya29.token");
    match asked.path.rsplit('/').next().unwrap() {
        "accounts" => Reply::json(200, json!({})),
        "1" => Reply::json(200, json!({"name": "accounts/1", "accountId": "1"})),
        "2" => Reply::google(401, "GCP project with id 7 is not registered with the merchant account", ""),
        "3" => Reply::google(401, "Request had invalid authentication credentials", ""),
        "4" => Reply::google(403, "Merchant API has not been used in project 7", "SERVICE_DISABLED"),
        "5" => Reply::google(403, "no", "PERMISSION_DENIED_ACCOUNTS"),
        "6" => Reply::google(404, "no", "NOT_FOUND"),
        "7" => Reply::google(429, "slow", "quota/request_rate_too_high"),
        other => panic!("no scene for {other}"),
    }
}

fn declare_accounts(shops: &Shops, secret: &str) {
    for id in 0..8 {
        let account = if id == 0 { String::new() } else { format!("  gmcMerchantId: \"{id}\"\n") };
        shops.estate.project.write(
            &format!("manifests/g{id}.yaml"),
            format!(
                "apiVersion: synthex.dev/v1\nkind: Tenant\nmetadata: {{name: G{id}, workspace: w}}\nspec:\n  displayName: G\n  \
                 type: mixed\n  market: ANZ_SMB\n  region: AU-SE1\n  shopifyShop: g{id}.myshopify.com\n{account}"
            ),
        );
        let spec = format!("{{tenant: G{id}, service: google-merchant, secretRef: {{file: {secret}}}}}");
        shops.estate.declare("Credential", &format!("G{id}-cred"), &spec);
    }
}

#[test]
fn every_answer_of_google_is_told_apart_and_one_token_serves_all() {
    let shops = Shops::new("verify_google");
    shops.secret("account.json", &google_account());
    declare_accounts(&shops, "secrets/account.json");
    shops.apply();
    shops.services.scene("/accounts/v1/accounts", merchant);
    shops.services.scene("/token", |asked| {
        assert_eq!(asked.field("grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
        Reply::json(200, json!({"access_token": "ya29.token", "token_type": "Bearer", "expires_in": 3599}))
    });
    let found = shops.credentials(&["verify", "--all", "--format", "json"]).run().code(8).json();
    assert_eq!(
        by_name(&found["results"], "credential", "outcome"),
        json!({"G0-cred": "not_linked", "G1-cred": "valid", "G2-cred": "gcp_not_registered", "G3-cred": "unauthorized",
            "G4-cred": "api_disabled", "G5-cred": "forbidden", "G6-cred": "account_not_found",
            "G7-cred": "quota_exceeded"})
    );
    let asked = shops.services.asked("/token");
    assert_eq!(asked.len(), 1, "concurrent callers share one exchange");
    check_assertion(&asked[0].field("assertion"));
}

/// The signature is right, and the claims are those that Google asks for.
fn check_assertion(assertion: &str) {
    use base64::Engine as _;
    use rustls::pki_types::pem::PemObject as _;
    let parts: Vec<&str> = assertion.split('.').collect();
    let decode = |part: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
    let header: Value = serde_json::from_slice(&decode(parts[0])).unwrap();
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT"}));
    let claims: Value = serde_json::from_slice(&decode(parts[1])).unwrap();
    assert_eq!(claims["iss"], "robot@project.example");
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/content");
    assert!(claims["aud"].as_str().unwrap().ends_with("/token"));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    let der = rustls::pki_types::PrivatePkcs8KeyDer::from_pem_slice(GOOGLE_KEY.as_bytes()).unwrap();
    let pair = ring::signature::RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    let key = ring::signature::UnparsedPublicKey::new(
        &ring::signature::RSA_PKCS1_2048_8192_SHA256,
        pair.public().as_ref().to_vec(),
    );
    key.verify(format!("{}.{}", parts[0], parts[1]).as_bytes(), &decode(parts[2])).unwrap();
}

#[test]
fn secret_manager_is_read_only_where_the_checksum_is_right() {
    let shops = Shops::new("verify_sm");
    let key = shops.secret("account.json", &google_account());
    let names = ["good", "flipped", "unsummed", "disabled", "destroyed", "denied", "none"];
    for name in names {
        shops.declare(
            name,
            &format!("secretRef: {{gcpSecretManager: projects/p/secrets/{name}/versions/latest}}"),
        );
    }
    shops.apply();
    shops.services.scene("/graphql.json", |asked| {
        assert_eq!(asked.header("x-shopify-access-token"), "s3cr3t-token");
        Reply::shop(asked.shop())
    });
    shops.services.scene("/token", |_| Reply::json(200, json!({"access_token": "t", "expires_in": 3600})));
    shops.services.scene(":access", |asked| {
        let state = |state: &str| Reply::google(400, &format!("The version is in {state} state."), "");
        match asked.path.split('/').nth(5).unwrap() {
            "good" => {
                Reply::json(200, json!({"payload": {"data": "czNjcjN0LXRva2Vu", "dataCrc32c": "359550452"}}))
            }
            "flipped" => {
                Reply::json(200, json!({"payload": {"data": "czNjcjN0LXRva2Vv", "dataCrc32c": "359550452"}}))
            }
            "unsummed" => Reply::json(200, json!({"payload": {"data": "czNjcjN0LXRva2Vu"}})),
            "disabled" => state("DISABLED"),
            "destroyed" => state("DESTROYED"),
            "denied" => Reply::google(403, "no", "IAM_PERMISSION_DENIED"),
            _ => Reply::google(404, "no", ""),
        }
    });
    let verify = || shops.credentials(&["verify", "--all", "--format", "json"]);
    let found = verify().env("GOOGLE_APPLICATION_CREDENTIALS", &key).run().code(8).json();
    assert_eq!(
        by_name(&found["results"], "credential", "outcome"),
        json!({"good-cred": "valid", "flipped-cred": "corrupt_secret", "unsummed-cred": "corrupt_secret",
            "disabled-cred": "secret_disabled", "destroyed-cred": "secret_destroyed", "denied-cred": "secret_forbidden",
            "none-cred": "secret_missing"})
    );
    assert_eq!(shops.services.asked("/graphql.json").len(), 1, "what is corrupt is never used");
    let unset = verify().run().code(8).json();
    let message = unset["results"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("GOOGLE_APPLICATION_CREDENTIALS is not set"), "{message}");
}

#[test]
fn a_secret_that_cannot_be_read_says_why_and_how_to_mend_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let shops = Shops::new("verify_files");
    let open = shops.secret("open", "shpat_1");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    shops.secret("broken", "{\"access_token\": shpat_1}");
    shops.secret("lines", "shpat_1\nshpat_1");
    shops.secret("empty", "\n");
    shops.secret("large", &"x".repeat(70_000));
    for name in ["open", "broken", "lines", "empty", "large", "absent", "."] {
        let tenant = if name == "." { "folder" } else { name };
        shops.declare(tenant, &format!("secretRef: {{file: secrets/{name}}}"));
    }
    shops.declare("unset", "secretRef: {env: NOT_SET}");
    shops.apply();
    let found =
        shops.credentials(&["verify", "--all", "--format", "json"]).run().code(8).nowhere("shpat_1").json();
    assert_eq!(
        by_name(&found["results"], "credential", "outcome"),
        json!({"open-cred": "secret_open_to_others", "broken-cred": "secret_malformed", "lines-cred": "secret_malformed",
            "empty-cred": "secret_malformed", "large-cred": "secret_malformed", "absent-cred": "secret_missing",
            "folder-cred": "secret_unreadable", "unset-cred": "secret_missing"})
    );
    let text = shops.credentials(&["verify", "open-cred", "unset-cred"]).run().code(8);
    text.stdout_has("chmod 600")
        .stdout_has("the variable NOT_SET is not set")
        .stdout_has("0 of 2 work, 2 do not");
    assert!(shops.services.asked("").is_empty());
}

#[test]
fn a_provider_that_is_down_is_no_verdict_on_the_credential() {
    let shops = Shops::new("verify_down");
    shops.declare("Acme", "secretRef: {env: TOKEN}");
    shops.apply();
    let down = |url: &str| {
        let run = shops.credentials(&["verify", "--all", "--format", "json"]).env("TOKEN", "shpat_1");
        let found =
            run.env("SYNTHEX_SHOPIFY_BASE_URL", url).env("SYNTHEX_HTTP_TIMEOUT", "1").run().code(8).json();
        let result = &found["results"][0];
        assert_eq!((&result["outcome"], &result["verdict"]), (&json!("unreachable"), &json!("unknown")));
        result["message"].as_str().unwrap().to_owned()
    };
    let message = down("http://127.0.0.1:1/{shop}");
    assert!(message.contains("127.0.0.1 cannot be reached: Connection refused"), "{message}");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let message = down(&format!("http://{}/{{shop}}", silent.local_addr().unwrap()));
    assert!(message.contains("did not answer in time"), "{message}");
}
