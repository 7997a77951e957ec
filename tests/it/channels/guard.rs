//! Where nothing connects: the binary, a listener that counts, and addresses that lead to it (S12, M-W5 to M-W8).

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::Receivers;

/// A port on which every connection is counted.
fn counted() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let shared = Arc::clone(&count);
    std::thread::spawn(move || {
        for _ in listener.incoming() {
            shared.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, count)
}

#[test]
fn what_is_not_public_is_refused_before_anything_connects() {
    let receivers = Receivers::new("channels_guard");
    let (port, count) = counted();
    let ports = format!("allowPorts: [{port}]");
    // Slack's address is a secret, so it can be anything.
    receivers.estate.declare(
        "NotificationChannel",
        "any",
        &format!("{{type: slack, slack: {{webhookUrl: {{env: ANY}}}}, network: {{{ports}, allowInsecure: true}}, delivery: {{timeout: 2s}}}}"),
    );
    receivers.estate.apply().ok();
    let hosts = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "localhost",
        "localhost.",
        "x.localhost",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "user@127.0.0.1",
        "example.com@127.0.0.1",
    ];
    let proxied = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"];
    for host in hosts {
        let mut run = receivers.synthex(&["channels", "test", "any", "--format", "json"]);
        run = run.env("ANY", format!("http://{host}:{port}/services/x"));
        for name in proxied {
            run = run.env(name, format!("http://127.0.0.1:{port}"));
        }
        let outcome = run.run();
        let json = outcome.json();
        assert_eq!(json["attempts"][0]["code"], json!("refused_address"), "{host}: {outcome}");
        assert_eq!(json["attempts"][0]["permanent"], true);
        outcome.code(8);
    }
    // No proxy is asked for what may be called either: the name itself is looked up, and is not there.
    let run = receivers.synthex(&["channels", "test", "any", "--format", "json"]);
    let run = run
        .env("ANY", format!("http://no-such-host.invalid:{port}/x"))
        .env("HTTP_PROXY", format!("http://127.0.0.1:{port}"));
    let code = run.run().code(8).json()["attempts"][0]["code"].clone();
    // Where there is no name server, looking up takes longer than the channel waits.
    assert!(code == "unresolved" || code == "timeout", "{code}");
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn https_the_usual_ports_and_the_listed_subnets() {
    let receivers = Receivers::new("channels_rules");
    let (port, count) = counted();
    let declare = |network: &str| {
        receivers.estate.declare(
            "NotificationChannel",
            "any",
            &format!("{{type: slack, slack: {{webhookUrl: {{env: ANY}}}}, network: {{{network}}}, delivery: {{timeout: 1s}}}}"),
        );
        receivers.estate.apply().ok();
    };
    let tried = |url: &str| {
        let run = receivers.synthex(&["channels", "test", "any", "--format", "json"]).env("ANY", url);
        run.run().code(8).json()["attempts"][0]["code"].as_str().unwrap().to_owned()
    };
    declare(&format!("allowCidrs: [127.0.0.0/8], allowPorts: [{port}]"));
    assert_eq!(tried(&format!("http://127.0.0.1:{port}/")), "refused_address");
    declare("allowCidrs: [127.0.0.0/8], allowInsecure: true");
    assert_eq!(tried(&format!("http://127.0.0.1:{port}/")), "refused_address");
    declare(&format!("allowCidrs: [127.0.0.2/32], allowPorts: [{port}], allowInsecure: true"));
    assert_eq!(tried(&format!("http://127.0.0.1:{port}/")), "refused_address");
    assert_eq!(count.load(Ordering::SeqCst), 0);
    // Exactly what is listed is open: somebody connects, and hears nothing.
    declare(&format!("allowCidrs: [127.0.0.1/32], allowPorts: [{port}], allowInsecure: true"));
    assert_ne!(tried(&format!("http://127.0.0.1:{port}/")), "refused_address");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}
