//! S14: secrets of channels that come from files and from Secret Manager show nowhere, whatever their receivers repeat of them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::*;
use crate::support::services::{Asked, google_account};

const HOOK: &str = "Hk4fileHookCanary81";
const KEY: &str = "SG.Km7managerKeyCanary82";
const PASSWORD: &str = "Pw2filePasswordCanary83";
const SIGNING: &str = "Sg9managerSignCanary84";

/// The forms in which they could be seen.
fn forms() -> Vec<String> {
    let engine = base64::engine::general_purpose::STANDARD;
    let mut all = Vec::new();
    for secret in [HOOK, KEY, PASSWORD, SIGNING, &signing_secret(SIGNING)] {
        all.push(secret.to_owned());
        all.push(engine.encode(secret).trim_end_matches('=').to_owned());
        all.push(url::form_urlencoded::byte_serialize(secret.as_bytes()).collect());
    }
    all.extend([HOOK, KEY, PASSWORD, SIGNING].map(|secret| secret.chars().take(8).collect()));
    all
}

#[track_caller]
fn clean(place: &str, text: &str) {
    for form in forms() {
        assert!(!text.contains(&form), "{form} is in {place}:\n{text}");
    }
}

#[test]
fn what_files_and_secret_manager_keep_shows_nowhere() {
    let receivers = Receivers::new("channels_canary");
    let (estate, services) = (&receivers.estate, &receivers.services);
    let secret = |name: &str, text: &str| {
        let path = estate.project.write(&format!("secrets/{name}"), text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let hook = format!("http://127.0.0.1:{}/services/T0/B0/{HOOK}", services.port());
    secret("hook", &hook);
    secret("password", PASSWORD);
    let account = secret("account.json", &google_account());
    let manager = |name: &str| format!("{{gcpSecretManager: projects/p/secrets/{name}/versions/latest}}");
    receivers.declare("slack", "type: slack, slack: {webhookUrl: {file: secrets/hook}}");
    let url = format!("http://127.0.0.1:{}/hook", services.port());
    receivers.declare(
        "hook",
        &format!("type: webhook, webhook: {{url: '{url}', signingSecret: {}}}", manager("sign")),
    );
    for (name, transport) in [("sendgrid", "sendgrid"), ("resend", "resend")] {
        receivers.declare(name, &format!(
            "type: email, email: {{transport: {transport}, from: ops@agency.example, to: [ana@agency.example], apiKey: {}}}",
            manager("key")
        ));
    }
    // A server that says it speaks TLS and does not: nothing is sent, and something is said of it.
    let mail = crate::support::mail::MailServer::new(crate::support::mail::Manners::default());
    estate.declare("NotificationChannel", "mail", &format!(
        "{{type: email, email: {{transport: smtp, from: ops@agency.example, to: [ana@agency.example], host: 127.0.0.1, \
         port: {port}, username: ops, password: {{file: secrets/password}}}}, \
         network: {{allowCidrs: [127.0.0.0/8], allowPorts: [{port}]}}}}",
        port = mail.port
    ));
    estate.apply().ok();
    services.scene("/token", |_| Reply::json(200, json!({"access_token": "t", "expires_in": 3600})));
    services.scene(":access", |asked| match asked.path.contains("/key/") {
        true => Reply::secret(KEY),
        false => Reply::secret(&signing_secret(SIGNING)),
    });
    // Everybody repeats what they know, whole and cut.
    let repeat = |known: String| {
        move |asked: &Asked| {
            let known = format!("{known} {} {}", asked.path, asked.header("authorization"));
            let known = format!("{known} {}", known.chars().take(12).collect::<String>());
            Reply::text(400, &known).header("x-debug", &known)
        }
    };
    services.scene("/services/", repeat(HOOK.to_owned())).scene("/hook", repeat(signing_secret(SIGNING)));
    services.scene("/v3/", repeat(KEY.to_owned())).scene("/emails", repeat(KEY.to_owned()));
    let names = ["slack", "hook", "sendgrid", "resend", "mail"];
    let run = |args: &[&str]| {
        let run = services.serve(estate.synthex(args)).env("GOOGLE_APPLICATION_CREDENTIALS", &account);
        let outcome = run.env("RUST_LOG", "trace").env("COLUMNS", "200").run();
        clean(&format!("the output of {args:?}"), &format!("{}{}", outcome.stdout, outcome.stderr));
        outcome
    };
    for name in names {
        run(&["channels", "test", name, "-vvv"]).code(8);
        run(&["channels", "test", name, "--format", "json"]).code(8);
        run(&["channels", "test", name, "--dry-run"]).ok();
    }
    // They were used: a receiver saw each of them.
    assert!(services.asked(&format!("/services/T0/B0/{HOOK}")).len() >= 2);
    assert!(
        services
            .asked("/emails")
            .iter()
            .all(|asked| asked.header("authorization") == format!("Bearer {KEY}"))
    );
    assert!(services.asked("/hook").iter().all(|asked| asked.header("webhook-signature").starts_with("v1,")));
    run(&[
        "notify",
        "send",
        "--title",
        "t",
        "--message",
        "m",
        "--channel",
        &names.join(","),
        "-w",
        "w",
        "-vvv",
    ]);
    run(&["notify", "list", "--format", "json"]).ok();
    let listed = run(&["notify", "list", "--format", "json"]).json();
    let id = listed["notifications"][0]["id"].as_str().unwrap();
    run(&["notify", "show", id, "--format", "json"]).ok().stdout_has("bad_request");
    run(&["channels", "list", "--format", "json"]).ok();
    run(&["plan", "--format", "json"]).ok();
    let dump = Command::new("pg_dump").arg(estate.database.url()).output().expect("pg_dump can be run");
    let dump = String::from_utf8_lossy(&dump.stdout).into_owned();
    assert!(dump.contains("bad_request") && dump.contains("no_starttls"), "{dump}");
    clean("the database", &dump);
}
