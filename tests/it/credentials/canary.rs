//! S14: what is secret shows nowhere, in no form: not in outputs, not in logs at their loudest, not in the database, not on
//! the command line.

use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use serde_json::json;

use super::Shops;
use crate::support::services::{Reply, google_account};

/// One for each place that a secret is kept in, and what providers give.
const CANARIES: [&str; 7] = [
    "shpat_Zk3vQ9wXenvCanary71",
    "Fq8-fileAccess/Canary+72",
    "Rt5-fileRefresh/Canary+73",
    "Cs6-clientSecret/Canary+74",
    "Sm2managerCanary75==",
    "Nw4-newAccess/Canary+76",
    "Nr7-newRefresh/Canary+77",
];

/// The forms in which a secret could show: as it is, encoded, or its beginning.
fn forms(secret: &str) -> Vec<String> {
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let base64 = base64::engine::general_purpose::STANDARD.encode(secret);
    let tail = secret.trim_start_matches("shpat_");
    vec![secret.to_owned(), encoded, base64.trim_end_matches('=').to_owned(), tail[..8].to_owned()]
}

#[track_caller]
fn clean(place: &str, text: &str) {
    for secret in CANARIES {
        for form in forms(secret) {
            assert!(!text.contains(&form), "{form} is in {place}:\n{text}");
        }
    }
    let key = include_str!("../../cases/keys/service-account.pem").lines().nth(1).unwrap();
    assert!(!text.contains(&key[..16]), "the private key is in {place}");
}

#[test]
fn nothing_secret_shows_anywhere() {
    let [env, access, refresh, client, manager, new_access, new_refresh] = CANARIES;
    let shops = Shops::new("canary");
    let account = shops.secret("account.json", &google_account());
    let pair =
        json!({"access_token": access, "refresh_token": refresh, "client_id": "id", "client_secret": client});
    shops.secret("pair.json", &pair.to_string());
    shops.secret("torn.json", &format!("{{\"access_token\": {access}"));
    shops.declare("Env", "secretRef: {env: CANARY}");
    shops.declare("File", "secretRef: {file: secrets/pair.json}, renewal: shopify-refresh-token");
    shops.declare("Torn", "secretRef: {file: secrets/torn.json}");
    shops.declare("Cloud", "secretRef: {gcpSecretManager: projects/p/secrets/s/versions/7}");
    // Providers that repeat what they are sent, in the unkindest way.
    shops.services.scene("/graphql.json", |asked| {
        let token = asked.header("x-shopify-access-token").to_owned();
        Reply::json(401, json!({"errors": token, "error": token})).after(Duration::from_millis(400))
    });
    shops.services.scene("/token", |asked| {
        let assertion = asked.field("assertion");
        Reply::json(200, json!({"access_token": "ya29", "expires_in": 3600, "echo": assertion}))
    });
    shops.services.scene(":access", move |_| Reply::secret(manager));
    shops.services.scene("/access_token", move |_| {
        Reply::json(
            200,
            json!({"access_token": new_access, "refresh_token": new_refresh, "expires_in": 3600}),
        )
    });
    let run = |args: &[&str], log: &str| {
        let run = shops.run(args).env("CANARY", env).env("GOOGLE_APPLICATION_CREDENTIALS", &account);
        if log.is_empty() { run } else { run.env("RUST_LOG", log) }
    };
    let mut outputs = Vec::new();
    for (args, log) in [
        (&["plan", "--format", "json", "-vvv"][..], ""),
        (&["apply", "--yes", "-vvv"], ""),
        (&["tenant", "credentials", "verify", "--all", "-vvv", "--format", "json"], ""),
        (&["tenant", "credentials", "verify", "--all"], "trace"),
        (&["tenant", "credentials", "renew", "--all", "-vvv"], "trace"),
        (
            &["tenant", "credentials", "renew", "--all", "-vvv", "--format", "json", "--log-format", "json"],
            "",
        ),
        (&["tenant", "credentials", "list", "--all", "--format", "json", "-vvv"], ""),
        (&["tenant", "credentials", "health", "-vvv"], ""),
        (&["export", "--dir", "exported"], ""),
        (&["history", "--format", "json"], ""),
    ] {
        let outcome = run(args, log).run();
        clean(&format!("the output of {args:?}"), &format!("{}{}", outcome.stdout, outcome.stderr));
        outputs.push(format!("{args:?} {}", outcome.stdout));
    }
    assert!(outputs[2].contains("unauthorized") && outputs[4].contains("1 renewed"), "{outputs:#?}");
    assert!(
        shops.estate.project.read("secrets/pair.json").contains("Nr7-newRefresh"),
        "it was renewed indeed"
    );
    // While it asks: the command line, and what the database sees of us.
    let mut running = run(&["tenant", "credentials", "verify", "Env-cred"], "").spawn();
    let before = shops.services.asked("/graphql.json").len();
    running.wait_until("a question", || shops.services.asked("/graphql.json").len() > before);
    let line = std::fs::read(format!("/proc/{}/cmdline", running.pid().as_raw_nonzero())).unwrap();
    clean("the command line", &String::from_utf8_lossy(&line));
    let activity = "select string_agg(concat_ws(' ', application_name, query), E'\\n') from pg_stat_activity";
    clean("pg_stat_activity", &shops.estate.value(activity).unwrap());
    running.wait().code(8);
    let dump = Command::new("pg_dump").arg(shops.estate.database.url()).output().expect("pg_dump can be run");
    let dump = String::from_utf8_lossy(&dump.stdout).into_owned();
    assert!(dump.contains("unauthorized") && dump.contains("Env-cred"), "a dump:\n{dump}");
    clean("the database", &dump);
}

/// Like codes, letters alone: by its looks it could not be told from one.
const LETTERS: &str = "CANARYOFLETTERS_ALONE";

#[test]
fn a_service_that_answers_with_the_secret_itself_is_not_repeated() {
    let shops = Shops::new("canary_echo");
    let domain = "canary-of-letters";
    for (name, token) in [("Code", LETTERS), ("Domain", domain), ("Version", LETTERS)] {
        let pair = json!({"access_token": token, "refresh_token": LETTERS, "client_id": "id", "client_secret": "cs"});
        shops.secret(name, &pair.to_string());
        shops.declare(name, &format!("secretRef: {{file: secrets/{name}}}, renewal: shopify-refresh-token"));
    }
    shops.secret("Reason", LETTERS);
    shops.declare("Reason", "service: google-merchant, secretRef: {file: secrets/Reason}");
    let grant = json!({"refresh_token": LETTERS, "client_id": "id", "client_secret": "cs"});
    shops.secret("Grant", &grant.to_string());
    shops.declare(
        "Grant",
        "service: google-merchant, secretRef: {file: secrets/Grant}, renewal: google-oauth",
    );
    shops.apply();
    shops.services.scene("/graphql.json", |asked| {
        let token = asked.header("x-shopify-access-token");
        match asked.shop().split('.').next().unwrap() {
            "code" => Reply::json(200, json!({"errors": [{"extensions": {"code": token}}]})),
            "domain" => Reply::shop(&format!("{token}.myshopify.com")),
            _ => {
                let shop = json!({"myshopifyDomain": asked.shop()});
                Reply::json(200, json!({"data": {"shop": shop}})).header("X-Shopify-API-Version", token)
            }
        }
    });
    let error = |asked: &crate::support::services::Asked| {
        Reply::json(400, json!({"error": asked.field("refresh_token")}))
    };
    shops.services.scene("/token", error);
    shops.services.scene("/access_token", error);
    shops.services.scene("/accounts", |asked| {
        let token = asked.header("authorization").trim_start_matches("Bearer ");
        Reply::google(403, token, token)
    });
    for verb in ["verify", "renew"] {
        for format in ["human", "json"] {
            let args = ["tenant", "credentials", verb, "--all", "-vvv", "--format", format];
            let told = shops.run(&args).run().code(8).nowhere(LETTERS).nowhere(domain);
            assert!(told.stdout.contains("an unknown error"), "{}", told.stdout);
        }
    }
    let kept = "select string_agg(concat_ws(' ', s), ' ') from synthex.credential_status as s";
    let kept = shops.estate.value(kept).unwrap();
    assert!(kept.contains("an unknown error") && !kept.contains(LETTERS) && !kept.contains(domain), "{kept}");
}
