//! Monitoring and alerts, from the manifests to the people: health checks ask real servers, rules say what is an alert, a test is
//! sent through every channel, and what is wrong is told by mail, chat and webhook, once, and once more when it is over.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::certificates::Authority;
use crate::support::cli::{Outcome, Synthex};
use crate::support::estate::Estate;
use crate::support::mail::{MailServer, Manners};
use crate::support::project::tenant_yaml;
use crate::support::services::{Asked, Reply, Services};

/// Where the people are: a mail server, a chat and a receiver of webhooks; and where the shops are.
struct Agency {
    estate: Estate,
    _authority: Authority,
    mail: MailServer,
    people: Services,
    shops: Services,
}

const SIGNING: &[u8] = b"0123456789abcdef0123456789abcdef";

impl Agency {
    fn new(hint: &str) -> Agency {
        let authority = Authority::new();
        let tls = Some(authority.server("DNS:localhost,IP:127.0.0.1"));
        let mail = MailServer::new(Manners { tls, ..Manners::default() });
        let certificate = authority.file();
        let (people, shops) = (Services::new(), Services::new());
        let agency = Agency { estate: Estate::new(hint), _authority: authority, mail, people, shops };
        for name in ["c1", "c2", "expiry", "muted", "chat", "log", "often"] {
            agency.estate.project.remove(&format!("manifests/{name}.yaml"));
        }
        let (mail, people) = (agency.mail.port, agency.people.port());
        let network = |port: u16| format!("allowCidrs: [127.0.0.0/8, '::1/128'], allowPorts: [{port}]");
        let declare = |name: &str, spec: &str| agency.estate.declare("NotificationChannel", name, spec);
        declare(
            "mail",
            &format!(
                "{{type: email, email: {{transport: smtp, from: ops@agency.example, to: [ana@agency.example, bo@agency.example], \
             host: localhost, port: {mail}, username: ops, password: {{env: MAIL_PASSWORD}}}}, network: {{{}, caFile: '{}'}}}}",
                network(mail),
                certificate.display()
            ),
        );
        declare(
            "chat",
            &format!(
                "{{type: slack, slack: {{webhookUrl: {{env: CHAT}}}}, network: {{{}, allowInsecure: true}}, fallback: box}}",
                network(people)
            ),
        );
        declare(
            "pager",
            &format!(
                "{{type: webhook, webhook: {{url: 'http://127.0.0.1:{people}/pager', signingSecret: {{env: SIGNING}}}}, \
             network: {{{}, allowInsecure: true}}}}",
                network(people)
            ),
        );
        declare("box", "{type: in-app, inApp: {recipients: [ana]}}");
        agency.estate.project.write(
            "manifests/Kauri.yaml",
            tenant_yaml("Kauri", "w").replace("name: Kauri,", "name: Kauri, labels: {tier: gold},"),
        );
        agency.estate.declare(
            "Credential",
            "kauri-shop",
            "{tenant: Kauri, service: shopify, secretRef: {env: KAURI}, expiresAt: 2026-11-23T00:00:00Z}",
        );
        agency.estate.declare(
            "AlertRule",
            "shops",
            "{when: {healthStatus: {checks: [shopify]}}, severity: critical, channels: [mail, chat, pager]}",
        );
        agency
            .people
            .scene("/services/", |_| Reply::text(200, "ok"))
            .scene("/pager", |_| Reply::text(204, ""));
        agency
    }

    fn synthex(&self, args: &[&str]) -> Synthex {
        self.shops
            .serve(self.estate.synthex(args))
            .env("COLUMNS", "200")
            .env("MAIL_PASSWORD", "canary-mail-password")
            .env("KAURI", "shpat_canary-shop")
            .env("CHAT", format!("http://127.0.0.1:{}/services/T0/B0/canaryHook", self.people.port()))
            .env("SIGNING", format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(SIGNING)))
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> Outcome {
        let outcome = self.synthex(args).run();
        outcome.nowhere("canary")
    }

    fn chats(&self) -> Vec<Asked> {
        self.people.asked("/services/")
    }

    fn pages(&self) -> Vec<Value> {
        let asked = self.people.asked("/pager");
        asked.iter().map(|asked| serde_json::from_str(&asked.body).unwrap()).collect()
    }

    /// The subjects of the mails to somebody, the oldest first.
    fn subjects(&self, to: &str) -> Vec<String> {
        let of = |mail: &String, name: &str| {
            let line = mail.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim().to_owned()
        };
        // Long headers are folded.
        let mails: Vec<String> = self.mail.mails().iter().map(|mail| mail.replace("\r\n ", " ")).collect();
        mails.iter().filter(|mail| of(mail, "To:") == to).map(|mail| of(mail, "Subject:")).collect()
    }
}

/// A shop that takes its token, and whose bucket is full.
fn well(asked: &Asked) -> Reply {
    let shop =
        json!({"myshopifyDomain": asked.shop(), "name": "Kauri", "plan": {"publicDisplayName": "Basic"}});
    let bucket = json!({"maximumAvailable": 2000.0, "currentlyAvailable": 1990.0, "restoreRate": 100.0});
    let cost = json!({"requestedQueryCost": 2, "actualQueryCost": 2, "throttleStatus": bucket});
    Reply::json(200, json!({"data": {"shop": shop}, "extensions": {"cost": cost}}))
        .header("X-Shopify-API-Version", "2026-10")
}

/// The time of the day, three days before the credential expires.
fn at(time: &str) -> String {
    format!("2026-11-20T{time}:00Z")
}

#[test]
fn from_health_checks_and_rules_to_a_message_that_was_delivered() {
    let agency = Agency::new("monitoring");
    agency.shops.scene("/graphql.json", well);

    // What a reviewer sees of a rule that is new.
    agency.run(&["apply", "--yes"]).ok();
    agency.estate.declare("AlertRule", "expiry", "{when: {credentialExpiry: {}}, channels: [mail, pager]}");
    agency.run(&["validate"]).ok();
    agency.run(&["plan", "--as-of", &at("08:00")]).ok().stdout_has(
        "would fire: rule/w/expiry, credential kauri-shop of Kauri, warning, through mail, pager",
    );
    agency
        .run(&[
            "alerts",
            "route",
            "--labels",
            "tenant=Kauri,check=shopify,kind=health_status",
            "--expect",
            "mail,chat,pager",
        ])
        .ok();
    agency.run(&["apply", "--yes"]).ok();

    // A test through every channel, by the code that delivers.
    for channel in ["mail", "chat", "pager", "box"] {
        agency
            .run(&["channels", "test", channel])
            .ok()
            .stderr_has(&format!("A test went through channel `{channel}`"));
    }
    assert_eq!((agency.mail.mails().len(), agency.chats().len(), agency.pages().len()), (2, 1, 1));
    assert!(agency.subjects("bo@agency.example")[0].starts_with("[TEST] "));
    assert_eq!(agency.pages()[0]["data"]["isTest"], true);

    // All is well, but a credential ends in three days.
    let args = ["health", "check", "--service", "shopify", "--format", "json"];
    let report = agency.run(&[&args[..], &["--as-of", &at("08:00")]].concat()).ok().json();
    assert_eq!(report["overallStatus"], "healthy", "{report:#}");
    agency.run(&["alerts", "check-now", "--yes", "--as-of", &at("09:00")]).ok().stdout_has("kauri-shop");
    agency.run(&["notify", "deliver", "--once", "--as-of", &at("09:00")]).ok();
    let expiring = agency.subjects("ana@agency.example")[1].clone();
    assert!(expiring.contains("expires in 3 days") && expiring.contains("Kauri"), "{expiring}");
    assert_eq!(agency.chats().len(), 1, "this rule does not tell the chat");

    // The shop is frozen. The third result in a row is an alert, and a question that is asked again says nothing new.
    agency.shops.scene("/graphql.json", |_| Reply::text(402, "frozen"));
    for (minute, told) in [("10:00", 0), ("10:15", 0), ("10:30", 1), ("10:45", 1)] {
        agency.run(&[&args[..], &["--as-of", &at(minute)]].concat()).code(2);
        agency.run(&["alerts", "check-now", "--yes", "--as-of", &at(minute), "--deliver"]).ok();
        assert_eq!(agency.chats().len(), 1 + told, "at {minute}");
    }
    let chat: Value = serde_json::from_str(&agency.chats()[1].body).unwrap();
    assert!(
        chat.to_string().contains("Kauri") && chat.to_string().contains("synthex "),
        "what and what to do: {chat:#}"
    );
    let page = agency.pages().pop().unwrap();
    assert_eq!(
        (&page["type"], &page["data"]["severity"]),
        (&json!("health_alert.firing"), &json!("critical")),
        "{page:#}"
    );

    // Somebody takes it on, and the shop comes back.
    let open =
        agency.run(&["alerts", "list", "--firing", "--format", "json", "--as-of", &at("10:50")]).ok().json();
    let alerts = open["alerts"].as_array().unwrap();
    assert_eq!(alerts.len(), 2, "{open:#}");
    let shop = alerts.iter().find(|alert| alert["rule"] == "shops").unwrap();
    let id = shop["id"].as_str().unwrap();
    agency.run(&["alerts", "acknowledge", "--alert-id", id, "--comment", "the bill is paid"]).ok();
    agency.shops.scene("/graphql.json", well);
    for minute in ["11:00", "11:15"] {
        agency.run(&[&args[..], &["--as-of", &at(minute)]].concat());
        agency.run(&["alerts", "check-now", "--yes", "--as-of", &at(minute), "--deliver"]).ok();
    }
    assert_eq!(agency.chats().len(), 3);
    assert_eq!(agency.pages().pop().unwrap()["type"], "health_alert.resolved");

    // Each was told once, to each of them, and every delivery is on record.
    let subjects = agency.subjects("ana@agency.example");
    assert_eq!(subjects, agency.subjects("bo@agency.example"));
    assert_eq!(subjects.len(), 4, "a test, the credential, the shop, its end: {subjects:#?}");
    let listed = agency.run(&["notify", "list", "--format", "json", "--limit", "50"]).ok().json();
    let states: Vec<&Value> = listed["notifications"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|one| one["deliveries"].as_array().unwrap())
        .map(|one| &one["state"])
        .collect();
    assert_eq!((states.len(), states.iter().all(|state| **state == "sent")), (11, true), "{listed:#}");
    let stored: String = agency.estate.database.query_strings("select d::text || a::text from synthex.notification_deliveries d join synthex.delivery_attempts a on a.delivery = d.id")
        .into_iter().flatten().flatten().collect();
    assert!(!stored.contains("canary"), "{stored}");
}
