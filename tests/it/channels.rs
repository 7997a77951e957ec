//! Channels that post, tried with the real binary against real servers: what is sent, what every bad answer means, where nothing
//! is sent at all, and that no secret is seen. Mail is in `channels_mail`.

mod codes;
mod forms;
mod guard;
mod https;
mod secrets;

use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::cli::{Outcome, Synthex};
use crate::support::estate::Estate;
use crate::support::services::{Reply, Services};

/// What is seen nowhere.
const HOOK_CANARY: &str = "canaryT0ken9Slack";
const KEY_CANARY: &str = "SG.canary-api-key-0123456789";

/// A signing secret that is made of a canary.
fn signing_secret(canary: &str) -> String {
    format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(format!("{canary:-<32}")))
}

/// A project with channels, its database, and receivers.
struct Receivers {
    estate: Estate,
    services: Services,
}

impl Receivers {
    fn new(hint: &str) -> Receivers {
        let estate = Estate::new(hint);
        estate.project.remove("manifests/chat.yaml");
        estate.project.remove("manifests/expiry.yaml");
        let receivers = Receivers { estate, services: Services::new() };
        receivers.declare("slack", "type: slack, slack: {webhookUrl: {env: HOOK}}");
        let url = format!("http://127.0.0.1:{}/hook", receivers.services.port());
        receivers.declare("hook", &format!("type: webhook, webhook: {{url: '{url}', signingSecret: {{env: SIGN}}, previousSecret: {{secret: {{env: OLD}}, until: 2126-01-01T00:00:00Z}}}}"));
        receivers.declare("sendgrid", "type: email, email: {transport: sendgrid, from: ops@agency.example, to: [ana@agency.example], apiKey: {env: KEY}}");
        receivers.declare("resend", "type: email, email: {transport: resend, from: ops@agency.example, to: [ana@agency.example, bo@agency.example], apiKey: {env: KEY}}");
        receivers.declare("inbox", "type: in-app, inApp: {recipients: [ana, bo]}");
        receivers.estate.apply().ok();
        receivers
    }

    /// A channel that may call the receivers, and waits a second for them.
    fn declare(&self, name: &str, spec: &str) {
        let network = format!(
            "network: {{allowCidrs: [127.0.0.0/8], allowPorts: [{}], allowInsecure: true}}",
            self.services.port()
        );
        self.estate.declare(
            "NotificationChannel",
            name,
            &format!("{{{spec}, {network}, delivery: {{timeout: 1s}}}}"),
        );
    }

    fn synthex(&self, args: &[&str]) -> Synthex {
        self.services
            .serve(self.estate.synthex(args))
            .env(
                "HOOK",
                format!("http://127.0.0.1:{}/services/T0AAAAAA/B0BBBBBB/{HOOK_CANARY}", self.services.port()),
            )
            .env("SIGN", signing_secret("canary-new"))
            .env("OLD", signing_secret("canary-old"))
            .env("KEY", KEY_CANARY)
            .env("COLUMNS", "200")
    }

    fn test(&self, name: &str, args: &[&str]) -> Outcome {
        let all: Vec<&str> = ["channels", "test", name].into_iter().chain(args.iter().copied()).collect();
        let outcome = self.synthex(&all).run();
        for secret in secrets() {
            assert!(
                !outcome.stdout.contains(&secret) && !outcome.stderr.contains(&secret),
                "{secret} is seen\n{outcome}"
            );
        }
        outcome
    }

    /// Tries a channel whose receiver answers like this, and says what came of it.
    #[track_caller]
    fn tried(&self, name: &str, reply: &Reply) -> Value {
        let reply = reply.clone();
        self.services.scene("", move |_| reply.clone());
        let outcome = self.test(name, &["--format", "json"]);
        let json = outcome.json();
        assert_eq!(json["ok"] == true, outcome.code == 0, "{outcome}");
        assert!(outcome.code == 0 || outcome.code == 8, "{outcome}");
        json["attempts"][0].clone()
    }

    #[track_caller]
    fn fails(&self, name: &str, reply: &Reply, code: &str, is_permanent: bool) -> Value {
        let tried = self.tried(name, reply);
        assert_eq!((&tried["code"], &tried["permanent"]), (&json!(code), &json!(is_permanent)), "{tried:#}");
        tried
    }
}

/// Every form in which a secret could be seen.
fn secrets() -> Vec<String> {
    let engine = base64::engine::general_purpose::STANDARD;
    let mut all = Vec::new();
    for secret in [HOOK_CANARY, KEY_CANARY, &signing_secret("canary-new"), &signing_secret("canary-old")] {
        all.push(secret.to_owned());
        all.push(engine.encode(secret));
        all.push(secret.chars().take(8).collect());
    }
    // The first letters of a signing secret say nothing.
    all.retain(|secret| !"whsec_Y2".starts_with(secret.as_str()));
    all.push("canary-new".to_owned());
    all
}

#[test]
fn a_webhook_is_signed_by_both_secrets_over_the_bytes_that_are_sent() {
    let receivers = Receivers::new("channels_signed");
    receivers.services.scene("/hook", |_| Reply::text(204, ""));
    receivers.test("hook", &[]).ok().stderr_has("A test went through channel `hook` (204).");
    receivers.test("hook", &[]).ok();
    let asked = receivers.services.asked("/hook");
    let [first, second] = asked.as_slice() else { panic!("{asked:?}") };
    let id = first.header("webhook-id");
    assert!(!id.contains('.') && id != second.header("webhook-id"), "{id}");
    let signed = format!("{id}.{}.{}", first.header("webhook-timestamp"), first.body);
    let signature = |secret: &str| {
        let key =
            base64::engine::general_purpose::STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap();
        let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key), signed.as_bytes());
        format!("v1,{}", base64::engine::general_purpose::STANDARD.encode(tag))
    };
    let both =
        format!("{} {}", signature(&signing_secret("canary-new")), signature(&signing_secret("canary-old")));
    assert_eq!(first.header("webhook-signature"), both);
    let body: Value = serde_json::from_str(&first.body).unwrap();
    assert_eq!((&body["type"], &body["data"]["isTest"]), (&json!("credential_expiry.test"), &json!(true)));
    assert!(body["data"]["title"].as_str().unwrap().starts_with("[TEST] "));
    // Once the overlap is over, the old secret signs nothing.
    receivers.estate.edit("hook.yaml", "2126-01-01", "2026-01-01");
    receivers.estate.apply().ok();
    receivers.test("hook", &[]).ok();
    let last = receivers.services.asked("/hook").pop().unwrap();
    assert_eq!(last.header("webhook-signature").split(' ').count(), 1);
}

#[test]
fn every_bad_answer_of_a_webhook_has_its_meaning() {
    let receivers = Receivers::new("channels_statuses");
    for (status, code) in [
        (301, "redirect"),
        (307, "redirect"),
        (400, "bad_request"),
        (401, "unauthorized"),
        (402, "payment_required"),
        (403, "forbidden"),
        (404, "not_found"),
        (410, "gone"),
        (413, "too_large"),
        (422, "unprocessable"),
        (423, "locked"),
        (418, "client_error"),
    ] {
        let reply = Reply::text(status, "no").header("location", "http://127.0.0.1:1/");
        let tried = receivers.fails("hook", &reply, code, true);
        assert_eq!((&tried["status"], &tried["response"]), (&json!(status), &json!("no")), "{tried}");
        // What is gone for good is not asked again (M-D6).
        assert_eq!(tried["disablesChannel"], status == 410, "{tried}");
    }
    for (status, code) in [
        (408, "request_timeout"),
        (425, "too_early"),
        (429, "rate_limited"),
        (500, "server_error"),
        (503, "server_error"),
        (599, "server_error"),
    ] {
        let tried = receivers.fails("hook", &Reply::text(status, ""), code, false);
        assert_eq!(tried["pausesChannel"], status == 429, "{tried}");
    }
    // Nothing was followed, and nothing was sent twice.
    assert_eq!(receivers.services.asked("/hook").len(), 18);
    let wait =
        |reply: Reply| receivers.fails("hook", &reply, "rate_limited", false)["retryAfterSeconds"].clone();
    assert_eq!(wait(Reply::text(429, "")), Value::Null);
    assert_eq!(wait(Reply::text(429, "").header("retry-after", "7")), json!(7));
    let dated = Reply::text(429, "").header("date", "Wed, 21 Oct 2015 07:28:00 GMT");
    assert_eq!(wait(dated.header("retry-after", "Wed, 21 Oct 2015 07:30:00 GMT")), json!(120));
}

#[test]
fn a_receiver_that_hangs_breaks_off_or_never_ends_is_not_waited_for() {
    let receivers = Receivers::new("channels_hangs");
    let begin = Instant::now();
    receivers.fails("hook", &Reply::text(200, "").after(Duration::from_secs(5)), "timeout", false);
    assert!(begin.elapsed() < Duration::from_secs(4));
    // What the status says is said.
    assert_eq!(receivers.tried("hook", &Reply::truncated(200, "{\"a\":"))["ok"], true);
    let begin = Instant::now();
    let huge = receivers
        .tried("hook", &Reply::text(200, &"x".repeat(100 << 20)).header("content-type", "image/png"));
    assert_eq!(huge["response"].as_str().unwrap().len(), 2_048);
    assert!(begin.elapsed() < Duration::from_secs(10));
    receivers.fails("slack", &Reply::truncated(200, "o"), "broken", false);
    receivers.fails("slack", &Reply::text(200, &"x".repeat(100 << 20)), "broken", false);
}

#[test]
fn slack_says_in_one_word_what_is_wrong() {
    let receivers = Receivers::new("channels_slack");
    assert_eq!(receivers.tried("slack", &Reply::text(200, " ok\n"))["ok"], true);
    let asked = receivers.services.asked("/services/");
    let body: Value = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!(body["blocks"][0]["type"], "header");
    for (status, word) in [
        (400, "invalid_payload"),
        (403, "action_prohibited"),
        (403, "invalid_token"),
        (404, "channel_not_found"),
        (404, "no_service"),
        (410, "channel_is_archived"),
        (200, "invalid_payload"),
        (200, "no_service"),
    ] {
        receivers.fails("slack", &Reply::text(status, word), word, true);
    }
    receivers.fails("slack", &Reply::text(500, "rollup_error"), "rollup_error", false);
    receivers.fails("slack", &Reply::text(500, "<html>oops"), "server_error", false);
    receivers.fails("slack", &Reply::text(200, ""), "unexpected_answer", false);
    receivers.fails("slack", &Reply::text(200, "<html>Please log in"), "unexpected_answer", false);
    let limited = Reply::json(429, json!({"retry_after": 1, "ok": false, "error": "rate_limited"}))
        .header("retry-after", "1");
    assert_eq!(receivers.fails("slack", &limited, "rate_limited", false)["retryAfterSeconds"], 1);
}

#[test]
fn what_a_receiver_repeats_of_a_secret_is_not_kept() {
    let receivers = Receivers::new("channels_echo");
    let engine = base64::engine::general_purpose::STANDARD;
    let echo = format!(
        "no hook {HOOK_CANARY} key {KEY_CANARY} signed by {} {}",
        signing_secret("canary-new"),
        engine.encode(KEY_CANARY)
    );
    for name in ["slack", "hook", "sendgrid", "resend"] {
        let words = echo.clone();
        receivers.services.scene("", move |asked| {
            // A receiver sees its own secrets only.
            let own = match asked.path.as_str() {
                path if path.starts_with("/services") => HOOK_CANARY.to_owned(),
                "/hook" => signing_secret("canary-new"),
                _ => KEY_CANARY.to_owned(),
            };
            assert!(words.contains(&own));
            Reply::text(400, &format!("bad: {own} {}", asked.path))
        });
        // All that there is to see: results, errors, and the most talkative log.
        receivers.test(name, &["-vvv"]).code(8).stderr_has("\u{2022}\u{2022}\u{2022}");
        receivers.test(name, &["--format", "json", "-vvv"]).code(8);
        receivers.test(name, &["--dry-run"]).ok();
    }
    let stored = receivers.estate.database.query_strings(
        "select coalesce(c::text, '') from synthex.notification_channels c union all select coalesce(i::text, '') from synthex.batch_operation_items i",
    );
    for secret in secrets() {
        assert!(!format!("{stored:?}").contains(&secret), "{secret} is stored");
    }
}

#[test]
fn the_mail_services_take_a_mail_in_their_own_way() {
    let receivers = Receivers::new("channels_services");
    assert_eq!(receivers.tried("sendgrid", &Reply::text(202, ""))["ok"], true);
    let asked = receivers.services.asked("/v3/mail/send");
    assert_eq!(asked[0].header("authorization"), format!("Bearer {KEY_CANARY}"));
    let body: Value = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!(body["personalizations"][0]["to"], json!([{"email": "ana@agency.example"}]));
    assert_eq!(body["content"][0]["type"], "text/plain");
    assert!(body["subject"].as_str().unwrap().starts_with("[TEST] "));
    receivers.fails("sendgrid", &Reply::text(200, ""), "unexpected_answer", false);
    let errors = json!({"errors": [{"message": "The from address does not match a verified Sender Identity.", "field": "from"}]});
    receivers.fails("sendgrid", &Reply::json(403, errors), "forbidden", true);
    receivers.fails("sendgrid", &Reply::text(413, ""), "too_large", true);
    receivers.fails("sendgrid", &Reply::text(429, "").header("retry-after", "3"), "rate_limited", false);

    assert_eq!(
        receivers.tried(
            "resend",
            &Reply::json(200, json!({"id": "49a3"}))
                .header("ratelimit-remaining", "0")
                .header("ratelimit-reset", "1")
        )["ok"],
        true
    );
    let asked = receivers.services.asked("/emails");
    // One for each recipient, each with a key of its own.
    let keys: Vec<&str> = asked.iter().map(|asked| asked.header("idempotency-key")).collect();
    assert!(keys.len() == 2 && keys[0] != keys[1] && keys[0].len() == 36, "{keys:?}");
    let named =
        |status, name: &str| Reply::json(status, json!({"statusCode": status, "name": name, "message": "x"}));
    receivers.fails("resend", &named(200, ""), "unexpected_answer", false);
    receivers.fails(
        "resend",
        &named(409, "concurrent_idempotent_requests"),
        "concurrent_idempotent_requests",
        false,
    );
    receivers.fails("resend", &named(409, "invalid_idempotent_request"), "invalid_idempotent_request", true);
    receivers.fails("resend", &named(401, "missing_api_key"), "missing_api_key", true);
    receivers.fails("resend", &named(403, "invalid_api_key"), "invalid_api_key", true);
    receivers.fails("resend", &named(422, "validation_error"), "validation_error", true);
    receivers.fails("resend", &named(429, "daily_quota_exceeded"), "daily_quota_exceeded", false);
    let full = Reply::json(200, json!({"id": "49a4"}))
        .header("ratelimit-remaining", "0")
        .header("ratelimit-reset", "40");
    receivers.services.scene("/emails", move |_| full.clone());
    let send = ["notify", "send", "--title", "t", "--message", "m", "--channel", "resend", "-w", "w"];
    receivers.synthex(&send).run().ok();
    let waits = "select (next_slot_at - last_sent_at between interval '35 s' and interval '45 s')::text \
         from synthex.channel_status where channel = 'resend'";
    assert_eq!(receivers.estate.value(waits).as_deref(), Some("true"));
}
