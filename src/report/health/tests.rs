//! Each form of a report, of lines that have everything in them that must be escaped.

use super::*;
use HealthStatus::{Degraded, Healthy, Unhealthy, Unknown};

fn line(service: CheckedService, subject: &str, status: HealthStatus, message: &str) -> Line {
    Line {
        service,
        workspace: if service == CheckedService::Database { String::new() } else { "anz-smb".to_owned() },
        subject: subject.to_owned(),
        tenant: None,
        status,
        last_status: status,
        since: None,
        code: "some_code".to_owned(),
        message: message.to_owned(),
        last_checked: "2026-11-01T11:59:00Z".parse().unwrap(),
        response_ms: Some(1042),
        maintenance: false,
        is_stale: false,
        availability: Some((3, 4)),
        evidence: json!({"a": 1}),
    }
}

fn report() -> HealthReport {
    let timestamp: DateTime<Utc> = "2026-11-01T12:00:00Z".parse().unwrap();
    let muted = Line { maintenance: true, ..line(CheckedService::Shopify, "D", Unhealthy, "muted") };
    let mut lines = vec![
        line(CheckedService::Database, "", Healthy, "it answers"),
        line(CheckedService::Shopify, "B", Unhealthy, "<b>\"&'\u{1b}[2J\u{0}]]>"),
        line(CheckedService::Shopify, "C", Degraded, "paused"),
        line(CheckedService::Shopify, "A", Unknown, "no answer"),
        muted,
    ];
    sort(&mut lines);
    HealthReport {
        overall: Unhealthy,
        timestamp,
        period: Some((timestamp - chrono::TimeDelta::days(7), timestamp)),
        excludes_maintenance: false,
        is_recorded: None,
        lines,
    }
}

#[test]
fn the_worst_come_first_and_json_has_the_promised_shape() {
    let value = report().json(2);
    let names: Vec<&str> =
        value["checks"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["shopify/anz-smb/B", "shopify/anz-smb/D"]);
    assert_eq!(value["counts"], json!({"healthy": 1, "degraded": 1, "unhealthy": 2, "unknown": 1}));
    assert_eq!((&value["total"], &value["muted"]), (&json!(5), &json!(1)));
    assert_eq!(value["availability"]["ratio"], json!(0.75));
    let validator = jsonschema::options().offline().build(&schema::schema()).unwrap();
    let problems: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(problems.is_empty(), "{problems:?}");
    jsonschema::meta::validate(&schema::schema()).unwrap();
}

#[test]
fn junit_escapes_what_xml_cannot_have() {
    insta::assert_snapshot!(junit(&report()), @"");
}

#[test]
fn prometheus_has_only_labels_of_bounded_sets() {
    let text = prometheus(&report());
    assert!(!text.contains("\"B\"") && !text.contains("subject"), "{text}");
    insta::assert_snapshot!(text, @"");
}

#[test]
fn people_read_the_worst_first_and_a_sum() {
    insta::assert_snapshot!(report().text(3, &Style::plain()), @"");
}
