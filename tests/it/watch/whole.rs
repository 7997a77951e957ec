//! All tasks at once: from a credential that comes close to its expiry to a message that was delivered; endpoints; a stop.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::estate::Estate;
use crate::support::eventually;
use crate::support::services::{Reply, Services};

use super::{comes_true, value};

/// What an endpoint answers: its head and its body.
fn get(address: &str, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(address) else { return String::new() };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    if stream.write_all(request.as_bytes()).is_ok() {
        let _ended = stream.read_to_string(&mut answer);
    }
    answer
}

#[test]
fn from_a_saved_manifest_to_a_delivered_message() {
    let estate = Estate::new("watch_whole");
    estate.declare("NotificationChannel", "box", "{type: in-app}");
    estate.declare(
        "AlertRule",
        "soon",
        "{when: {credentialExpiry: {thresholds: [7d]}}, schedule: '* * * * *', channels: [box]}",
    );
    estate.declare(
        "AlertRule",
        "in-force",
        "{when: {healthStatus: {checks: [sync], statuses: [unhealthy]}}, schedule: '* * * * *', channels: [box]}",
    );
    let mut controller = estate
        .synthex(&["watch", "--interval", "1s", "--listen", "127.0.0.1:0"])
        .env("C1", "shpat_1")
        .limit(Duration::from_secs(240))
        .spawn();
    controller.wait_for_stderr("listen=");
    comes_true("the endpoint", || value(&estate, "select listen from synthex.watch_replicas").is_some());
    let address = value(&estate, "select listen from synthex.watch_replicas").expect("an address");
    comes_true("that it is ready", || get(&address, "/readyz").starts_with("HTTP/1.1 200"));
    assert!(get(&address, "/livez").starts_with("HTTP/1.1 200"));
    assert!(get(&address, "/metrics").contains("synthex_leader 1"));
    assert!(get(&address, "/status").contains("\"role\":\"leader\""));
    assert!(get(&address, "/").contains("<html"));
    // A credential comes close to its expiry, by a file that is saved.
    let soon = "to_char(now() at time zone 'UTC' + interval '3 days', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
    let soon = value(&estate, &format!("select {soon}")).expect("a time");
    estate.edit("c1.yaml", "expiresAt: 2031-06-30T00:00:00Z", &format!("expiresAt: {soon}"));
    let told = "select count(*)::text from synthex.inbox_items where title ilike '%expires%' or body ilike '%expires%'";
    // A rule that goes by the minute may just have missed one.
    let is_told = eventually(Duration::from_secs(100), || value(&estate, told).as_deref() == Some("1"));
    assert!(is_told, "waited in vain for the message");
    // Something that a person must mend is told too, and its end.
    estate.edit("T1.yaml", "market: ANZ_SMB", "market: MARS");
    let sync = "select string_agg(title, ' | ' order by created_at) from synthex.inbox_items where body ilike '%MARS%' or title ilike '%sync%'";
    comes_true("that the manifests are bad", || {
        value(&estate, sync).is_some_and(|text| !text.contains("RESOLVED"))
    });
    estate.edit("T1.yaml", "market: MARS", "market: ANZ_SMB");
    comes_true("the end of it", || {
        value(&estate, "select count(*)::text from synthex.inbox_items where title like '%RESOLVED%'")
            .as_deref()
            == Some("1")
    });
    controller.terminate();
    controller.wait().code(143);
    assert_eq!(value(&estate, told).as_deref(), Some("1"), "told once");
    let left = "select count(*)::text from synthex.notification_deliveries where state = 'sending'";
    assert_eq!(value(&estate, left).as_deref(), Some("0"));
}

#[test]
fn an_address_for_others_needs_a_token() {
    let estate = Estate::applied("watch_token");
    let open = ["watch", "--listen", "0.0.0.0:0"];
    estate.run(&open).code(3).stderr_has("need a token").stderr_has("--listen-token-file");
    let short: Vec<&str> = open.iter().chain(&["--listen-token-env", "TOKEN"]).copied().collect();
    estate.synthex(&short).env("TOKEN", "abc").run().code(3).stderr_has("shorter than");
    estate.run(&short).code(3).stderr_has("TOKEN");
}

#[test]
fn a_heartbeat_is_heard_and_a_failure_too() {
    let estate = Estate::new("watch_heartbeat");
    let services = Services::new();
    services.scene("/ping/", |_| Reply::text(200, "OK"));
    let once = ["watch", "--once", "--tasks", "reconcile", "--heartbeat-allow-cidr", "127.0.0.0/8"];
    let url = format!("http://127.0.0.1:{}/ping/secret", services.port());
    estate.synthex(&once).env("SYNTHEX_HEARTBEAT_URL", &url).run().ok();
    estate.edit("T1.yaml", "market: ANZ_SMB", "market: MARS");
    let failed = estate.synthex(&once).env("SYNTHEX_HEARTBEAT_URL", &url).run().code(3);
    assert!(!failed.stderr.contains("ping/secret"), "{failed}");
    let paths: Vec<String> = services.asked("/ping/").into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths, ["/ping/secret", "/ping/secret/fail"]);
}
