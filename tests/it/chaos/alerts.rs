//! S4 and M-E6: PostgreSQL is killed again and again while hundreds of alerts come due and are told; and alerts are evaluated a
//! thousand times.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use serde_json::json;

use super::rig::{account, count};
use crate::support::database::TestDatabase;
use crate::support::estate::Estate;
use crate::support::eventually;
use crate::support::mail::{MailServer, Manners};
use crate::support::project::tenant_yaml;
use crate::support::server::{Durability, TestServer};
use crate::support::services::{Reply, Services};

/// How long PostgreSQL is away each time.
pub const AWAY: Duration = Duration::from_millis(1_900);

/// How often each id came.
fn times(ids: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for id in ids {
        *times.entry(id).or_insert(0) += 1;
    }
    times
}

/// Tenants with a credential each, none of which is due, and a rule with a message of its own for each of them.
pub fn declare(estate: &Estate, many: u32, services: &Services, mail: &MailServer) {
    for name in ["c1", "c2", "expiry", "muted", "chat", "log"] {
        estate.project.remove(&format!("manifests/{name}.yaml"));
    }
    let mut all = String::new();
    for number in 0..many {
        let name = format!("S{number:03}");
        all.push_str(&format!(
            "{}---\napiVersion: synthex.dev/v1\nkind: Credential\nmetadata: {{name: k{number:03}, workspace: w}}\n\
             spec: {{tenant: {name}, service: shopify, secretRef: {{env: K}}, expiresAt: 2131-01-01T00:00:00Z}}\n---\n",
            tenant_yaml(&name, "w")
        ));
    }
    estate.project.write("manifests/many.yaml", all.trim_end_matches("---\n"));
    let (port, mail) = (services.port(), mail.port);
    let network = |port: u16| {
        format!("network: {{allowCidrs: [127.0.0.0/8], allowPorts: [{port}], allowInsecure: true}}")
    };
    estate.declare(
        "NotificationChannel",
        "hook",
        &format!("{{type: webhook, webhook: {{url: 'http://127.0.0.1:{port}/hook'}}, {}}}", network(port)),
    );
    estate.declare(
        "NotificationChannel",
        "resend",
        "{type: email, email: {transport: resend, from: a@agency.example, to: [b@agency.example], apiKey: {env: KEY}}}",
    );
    estate.declare("NotificationChannel", "mail", &format!(
        "{{type: email, email: {{transport: smtp, from: a@agency.example, to: [b@agency.example], host: 127.0.0.1, port: {mail}, \
         encryption: none}}, {}}}",
        network(mail)
    ));
    estate.declare(
        "AlertRule",
        "expiry",
        "{when: {credentialExpiry: {}}, channels: [hook, resend, mail], grouping: {by: [tenant], wait: 1s}, schedule: '* * * * *'}",
    );
}

/// Waits until so many deliveries are sent; says whether that came.
pub fn all_are_sent(estate: &Estate, many: i64) -> bool {
    let sent = "select count(*) from synthex.notification_deliveries where state = 'sent'";
    eventually(Duration::from_secs(120), || estate.database.query_one_i64(sent) == many)
}

/// What became of deliveries, for a message.
pub fn deliveries(estate: &Estate) -> String {
    let sql = "select channel, state, last_code, count(*)::text from synthex.notification_deliveries group by 1, 2, 3";
    format!("{:?}", estate.database.query_strings(sql))
}

/// There is one alert for each of so many credentials, told of once.
#[track_caller]
pub fn are_told_once(estate: &Estate, all: i64) {
    for (what, sql) in [
        (
            "alerts",
            "select count(*) from synthex.alerts where status = 'firing' and kind = 'credential_expiry'",
        ),
        ("alerts of any sort", "select count(*) from synthex.alerts"),
        (
            "tenants that were told of",
            "select count(distinct ordering_key) from synthex.notification_deliveries where ordering_key like 'alerts/%'",
        ),
        ("messages", "select count(*) from synthex.notifications where event = 'firing'"),
        ("thresholds", "select count(*) from synthex.alert_thresholds where state = 'told'"),
    ] {
        assert_eq!(estate.database.query_one_i64(sql), all, "{what}");
    }
}

/// How many messages came again, each under the id that it had; of none was lost, and the webhook got some besides.
#[track_caller]
pub fn repeated(services: &Services, mail: &MailServer, all: i64, besides: i64) -> usize {
    let message_id = |mail: &String| {
        mail.lines().find(|line| line.starts_with("Message-ID:")).unwrap_or_default().to_owned()
    };
    let hooks = services.asked("/hook");
    let emails = services.asked("/emails");
    let mut repeated = 0;
    for (channel, times, besides) in [
        ("hook", times(hooks.iter().map(|asked| asked.header("webhook-id").to_owned())), besides),
        ("resend", times(emails.iter().map(|asked| asked.header("idempotency-key").to_owned())), 0),
        ("mail", times(mail.mails().iter().map(message_id)), 0),
    ] {
        assert_eq!(i64::try_from(times.len()).unwrap(), all + besides, "{channel}");
        repeated += times.values().sum::<usize>() - times.len();
    }
    repeated
}

#[test]
fn postgres_goes_away_while_alerts_come_due() {
    let rounds = count(2, 20);
    let each = 25;
    let server = TestServer::dedicated(Durability::Synced);
    let estate = Estate::on(TestDatabase::on(&server, "chaos_alerts"));
    let (services, mail) = (Services::new(), MailServer::new(Manners::default()));
    declare(&estate, rounds * each, &services, &mail);
    let slow = Duration::from_millis(30);
    services.scene("/hook", move |_| Reply::text(204, "").after(slow));
    services.scene("/emails", move |_| Reply::json(200, json!({"id": "1"})).after(slow));
    estate.apply().ok();
    let run = |args: &[&str]| {
        services.serve(estate.synthex(args)).env("KEY", "re_1").limit(Duration::from_secs(600))
    };
    let mut worker = run(&["notify", "deliver"]).spawn();
    // It works once it has sent something.
    run(&["notify", "send", "--queue", "--title", "t", "--message", "m", "--channel", "hook", "-w", "w"])
        .run()
        .ok();
    worker.wait_until("it sends", || services.asked("/hook").len() == 1);
    let (mut done, mut undone) = (0, 0);
    for round in 0..rounds {
        let (first, last) = (round * each, (round + 1) * each - 1);
        estate.database.sql(&format!(
            "insert into synthex.credential_status (workspace, credential, observed_expires_at) \
             select workspace, id, now() + interval '3 days' from synthex.credentials where name between 'k{first:03}' and 'k{last:03}'"
        ));
        let evaluating = run(&["alerts", "check-now", "--yes"]).spawn();
        // From before the evaluation to the midst of the delivery.
        std::thread::sleep(Duration::from_millis(u64::from(round % 10) * 25));
        server.kill_all();
        std::thread::sleep(AWAY);
        server.start();
        let outcome = evaluating.wait();
        assert!([0, 8].contains(&outcome.code), "round {round}: {outcome}");
        if outcome.code == 0 {
            done += 1;
        } else {
            undone += 1;
        }
        // As the next ones of the schedule would; what is new waits a second for others of its tenant.
        run(&["alerts", "check-now", "--yes"]).run().ok();
        std::thread::sleep(Duration::from_millis(1_100));
        run(&["alerts", "check-now", "--yes"]).run().ok();
        assert!(worker.is_running(), "the worker does not wait for the database: {}", worker.wait());
    }
    let all = i64::from(rounds * each);
    let are_sent = all_are_sent(&estate, 3 * all + 1);
    worker.terminate();
    let worker = worker.wait();
    assert!(are_sent, "{}\n{worker}", deliveries(&estate));
    are_told_once(&estate, all);
    let repeated = repeated(&services, &mail, all, 1);
    assert!(repeated <= rounds as usize, "{repeated} repeated in {rounds} rounds");
    account(
        "S4 PostgreSQL killed while alerts come due",
        &[
            ("kills", &rounds),
            ("alerts", &all),
            ("deliveries", &(3 * all)),
            ("evaluations done", &done),
            ("undone", &undone),
            ("lost", &0),
            ("repeated", &repeated),
        ],
    );
}

#[test]
fn asking_a_thousand_times_tells_once() {
    let estate = Estate::new("chaos_thousand");
    for name in ["expiry", "muted", "chat", "log"] {
        estate.project.remove(&format!("manifests/{name}.yaml"));
    }
    estate.declare("NotificationChannel", "box", "{type: in-app}");
    estate.declare("AlertRule", "expiry", "{when: {credentialExpiry: {}}, channels: [box], reminder: never}");
    estate.apply().ok();
    let times = count(40, 1_000);
    // From 31 days before the expiry to a day after it, in steps of the same length.
    let end = "2031-07-01T00:00:00Z".parse::<chrono::DateTime<Utc>>().unwrap();
    let whole = TimeDelta::days(32);
    for number in 0..times {
        let before = whole / i32::try_from(times).unwrap() * i32::try_from(times - 1 - number).unwrap();
        let at = (end - before).to_rfc3339();
        estate.run(&["alerts", "check-now", "--yes", "--as-of", &at]).ok();
    }
    let told = estate.database.query_strings(
        "select threshold || ' ' || state || ' ' || count(*) from synthex.alert_thresholds group by threshold, state order by min(crossed_at)",
    );
    let told: Vec<String> = told.into_iter().flatten().flatten().collect();
    assert_eq!(told, ["30d told 1", "7d told 1", "1d told 1", "expired told 1"]);
    assert_eq!(estate.database.query_one_i64("select count(*) from synthex.notifications"), 4);
    account("M-E6 evaluations", &[("evaluations", &times), ("messages", &4)]);
}
