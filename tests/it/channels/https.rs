//! Webhooks over TLS: which certificates are trusted, and that nothing is said to a server whose certificate is not.

use std::sync::Arc;

use rustls::ServerConfig;

use super::*;
use crate::support::certificates::Authority;

/// What came of a test of the channel `hook` at a server with this certificate, and what the server was asked.
fn tried(receivers: &Receivers, config: Arc<ServerConfig>, trusted: &str) -> (Value, usize) {
    let server = Services::secure(config);
    server.scene("/hook", |_| Reply::text(204, ""));
    let port = server.port();
    let network = format!("network: {{allowCidrs: [127.0.0.0/8, '::1/128'], allowPorts: [{port}]{trusted}}}");
    let spec = format!(
        "{{type: webhook, webhook: {{url: 'https://localhost:{port}/hook', signingSecret: {{env: SIGN}}}}, {network}, delivery: {{timeout: 2s}}}}"
    );
    receivers.estate.declare("NotificationChannel", "hook", &spec);
    receivers.estate.apply().ok();
    let outcome = receivers.test("hook", &["--format", "json"]);
    let json = outcome.json();
    assert_eq!(outcome.code, if json["ok"] == true { 0 } else { 8 }, "{outcome}");
    (json["attempts"][0].clone(), server.asked("").len())
}

#[test]
fn only_a_certificate_that_is_trusted_and_current_and_of_that_name_is_spoken_to() {
    let receivers = Receivers::new("channels_https");
    let authority = Authority::new();
    // Beside the manifest's project, as the documentation has it.
    let ca = std::fs::read(authority.file()).unwrap();
    receivers.estate.project.write("certs/own-ca.pem", String::from_utf8(ca).unwrap());
    let trusted = ", caFile: certs/own-ca.pem";
    let (good, asked) = tried(&receivers, authority.server("DNS:localhost"), trusted);
    assert_eq!((&good["ok"], &good["status"], asked), (&json!(true), &json!(204), 1), "{good:#}");
    let nobody = "nobody who is trusted here has signed its certificate";
    let other = "its certificate is of another name: other.example";
    for (what, config, trusted, why, help) in [
        (
            "an authority that nobody named",
            authority.server("DNS:localhost"),
            "",
            nobody,
            "name the authority",
        ),
        (
            "another authority",
            Authority::new().server("DNS:localhost"),
            trusted,
            nobody,
            "name the authority",
        ),
        ("another name", authority.server("DNS:other.example"), trusted, other, "does not help"),
        ("over", authority.expired("DNS:localhost"), trusted, "its certificate has expired", "does not help"),
    ] {
        let (bad, asked) = tried(&receivers, config, trusted);
        assert_eq!(
            (&bad["code"], &bad["permanent"], asked),
            (&json!("bad_certificate"), &json!(false), 0),
            "{what}: {bad:#}"
        );
        assert!(
            bad["why"].as_str().unwrap().starts_with(&format!("no secure connection to localhost: {why}"))
                && bad["help"].as_str().unwrap().contains(help),
            "{what}: {bad:#}"
        );
    }
}

#[test]
fn a_file_of_certificates_that_cannot_be_used_is_said_to_be_that() {
    let receivers = Receivers::new("channels_ca_file");
    let authority = Authority::new();
    let server = || authority.server("DNS:localhost");
    let (missing, asked) = tried(&receivers, server(), ", caFile: certs/none.pem");
    assert_eq!((&missing["code"], asked), (&json!("ca_file"), 0), "{missing:#}");
    assert!(missing["why"].as_str().unwrap().contains("certs/none.pem"), "{missing:#}");
    receivers.estate.project.write("certs/empty.pem", "no certificate");
    let (empty, asked) = tried(&receivers, server(), ", caFile: certs/empty.pem");
    assert_eq!(asked, 0);
    assert!(empty["why"].as_str().unwrap().contains("`network.caFile`"), "{empty:#}");
}
