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
        pending: None,
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
        only: Vec::new(),
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
}

#[test]
fn junit_escapes_what_xml_cannot_have() {
    insta::assert_snapshot!(junit(&report()), @r#"
<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="synthex health" tests="5" failures="1" errors="0" skipped="2" time="5.210">
  <testsuite name="database" tests="1" failures="0" errors="0" skipped="0" time="1.042" timestamp="2026-11-01T12:00:00Z">
    <testcase classname="database" name="database" time="1.042"/>
  </testsuite>
  <testsuite name="shopify" tests="4" failures="1" errors="0" skipped="2" time="4.168" timestamp="2026-11-01T12:00:00Z">
    <testcase classname="shopify.anz-smb" name="B" time="1.042">
      <failure type="some_code" message="&lt;b&gt;&quot;&amp;&apos;�[2J�]]&gt;"/>
    </testcase>
    <testcase classname="shopify.anz-smb" name="D" time="1.042">
      <skipped message="in maintenance (some_code): muted"/>
    </testcase>
    <testcase classname="shopify.anz-smb" name="C" time="1.042">
      <system-out>degraded (some_code): paused</system-out>
    </testcase>
    <testcase classname="shopify.anz-smb" name="A" time="1.042">
      <skipped message="unknown (some_code): no answer"/>
    </testcase>
  </testsuite>
</testsuites>
"#);
}

#[test]
fn prometheus_has_only_labels_of_bounded_sets() {
    let text = prometheus(&report());
    assert!(!text.contains("\"B\"") && !text.contains("subject"), "{text}");
    insta::assert_snapshot!(text, @r#"
# HELP synthex_health_overall 1 for how all of it stands together.
# TYPE synthex_health_overall gauge
synthex_health_overall{status="healthy"} 0
synthex_health_overall{status="degraded"} 0
synthex_health_overall{status="unhealthy"} 1
synthex_health_overall{status="unknown"} 0
# HELP synthex_health_checks How many checks stand like this.
# TYPE synthex_health_checks gauge
synthex_health_checks{service="database",workspace="",status="healthy"} 1
synthex_health_checks{service="database",workspace="",status="degraded"} 0
synthex_health_checks{service="database",workspace="",status="unhealthy"} 0
synthex_health_checks{service="database",workspace="",status="unknown"} 0
synthex_health_checks{service="shopify",workspace="anz-smb",status="healthy"} 0
synthex_health_checks{service="shopify",workspace="anz-smb",status="degraded"} 1
synthex_health_checks{service="shopify",workspace="anz-smb",status="unhealthy"} 2
synthex_health_checks{service="shopify",workspace="anz-smb",status="unknown"} 1
# HELP synthex_health_maintenance_checks How many checks are in a maintenance window.
# TYPE synthex_health_maintenance_checks gauge
synthex_health_maintenance_checks{service="database",workspace=""} 0
synthex_health_maintenance_checks{service="shopify",workspace="anz-smb"} 1
# HELP synthex_health_stale_checks How many checks were not looked at for two intervals.
# TYPE synthex_health_stale_checks gauge
synthex_health_stale_checks{service="database",workspace=""} 0
synthex_health_stale_checks{service="shopify",workspace="anz-smb"} 0
# HELP synthex_health_oldest_check_timestamp_seconds When the check that was not looked at for the longest was.
# TYPE synthex_health_oldest_check_timestamp_seconds gauge
synthex_health_oldest_check_timestamp_seconds{service="database",workspace=""} 1793534340
synthex_health_oldest_check_timestamp_seconds{service="shopify",workspace="anz-smb"} 1793534340
# HELP synthex_health_slowest_response_seconds How long the slowest check took.
# TYPE synthex_health_slowest_response_seconds gauge
synthex_health_slowest_response_seconds{service="database",workspace=""} 1.042
synthex_health_slowest_response_seconds{service="shopify",workspace="anz-smb"} 1.042
# HELP synthex_health_availability_ratio The share of results in the period that were healthy or degraded.
# TYPE synthex_health_availability_ratio gauge
synthex_health_availability_ratio{service="database",workspace=""} 0.750000
synthex_health_availability_ratio{service="shopify",workspace="anz-smb"} 0.750000
# HELP synthex_health_unhealthy How many checks are unhealthy.
# TYPE synthex_health_unhealthy gauge
synthex_health_unhealthy 2
"#);
}

#[test]
fn people_read_the_worst_first_and_a_sum() {
    insta::assert_snapshot!(report().text(3, &Style::plain()), @r#"
CHECK              STATUS         CODE       AVAILABLE  LAST    TIME     WHAT WAS FOUND
                                                        LOOK
shopify/anz-smb/B  unhealthy      some_code  75.00 %    1       1042 ms  <b>"&'\u{1b}[2J\u{0}]]>
                                                        minute
                                                        ago
shopify/anz-smb/D  unhealthy      some_code  75.00 %    1       1042 ms  muted
                   (maintenance)                        minute
                                                        ago
shopify/anz-smb/C  degraded       some_code  75.00 %    1       1042 ms  paused
                                                        minute
                                                        ago

Overall unhealthy: 1 healthy, 1 degraded, 2 unhealthy, 1 unknown.
Available in the period: 75.00 %.
"#);
}

#[test]
fn what_is_worse_at_last_says_so_beside_how_it_stands() {
    let pending = Some(Pending { results: 2, needed: 3, what: "bad" });
    let frozen = Line {
        last_status: Unhealthy,
        pending,
        ..line(CheckedService::Shopify, "F", Healthy, "the shop is frozen")
    };
    let report = HealthReport { overall: Healthy, period: None, lines: vec![frozen], ..report() };
    let text = report.text(9, &Style { width: 200, ..Style::plain() });
    assert!(text.contains("healthy (last: unhealthy)"), "{text}");
    assert!(text.contains("the shop is frozen; 2 of 3 bad results in a row"), "{text}");
    assert!(text.contains("The last result of 1 was worse than that"), "{text}");
    assert!(junit(&report).contains("<system-out>healthy, and at last unhealthy (some_code)"));
}

#[test]
fn what_is_listed_changes_no_count() {
    let report = HealthReport { only: vec![Healthy], ..report() };
    let value = report.json(9);
    let names: Vec<&Value> = value["checks"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["database"]);
    assert_eq!((&value["overallStatus"], &value["total"]), (&json!("unhealthy"), &json!(5)));
    assert_eq!(value["counts"]["unhealthy"], 2);
    let text = report.text(9, &Style::plain());
    assert!(text.contains("Overall unhealthy: 1 healthy, 1 degraded, 2 unhealthy, 1 unknown."), "{text}");
    assert!(!text.contains("paused"), "{text}");
    let none = HealthReport { overall: Healthy, only: vec![Degraded], lines: Vec::new(), ..report };
    assert!(none.text(9, &Style::plain()).starts_with("Overall healthy"));
}
