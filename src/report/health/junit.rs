//! JUnit's XML, for a CI system that shows tests: each check is a test, a suite for each service. What is unhealthy failed;
//! what is unknown was skipped; what is degraded passed, and says what is the matter.

use crate::model::health::{CheckedService, HealthStatus};

use super::{HealthReport, Line};

/// The report as JUnit's XML.
#[must_use]
pub fn junit(report: &HealthReport) -> String {
    let of = |service: CheckedService| report.lines.iter().filter(move |line| line.service == service);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"synthex health\" {} time=\"{}\">\n",
        numbers(report.lines.iter()),
        seconds(report.lines.iter())
    );
    for service in CheckedService::ALL.into_iter().filter(|service| of(*service).next().is_some()) {
        text.push_str(&format!(
            "  <testsuite name=\"{}\" {} time=\"{}\" timestamp=\"{}\">\n",
            service.code(),
            numbers(of(service)),
            seconds(of(service)),
            report.timestamp.format("%Y-%m-%dT%H:%M:%SZ")
        ));
        of(service).for_each(|line| text.push_str(&case(line)));
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn case(line: &Line) -> String {
    let class = [line.service.code(), &line.workspace].into_iter().filter(|part| !part.is_empty());
    let class = class.collect::<Vec<_>>().join(".");
    let name = if line.subject.is_empty() { line.service.code() } else { &line.subject };
    let (code, message) = (escaped(&line.code), escaped(&line.message_text()));
    let inner = match line.status {
        HealthStatus::Healthy if line.is_worse_at_last() => {
            let last = line.last_status.code();
            Some(format!("<system-out>healthy, and at last {last} ({code}): {message}</system-out>"))
        }
        HealthStatus::Healthy => None,
        HealthStatus::Degraded => Some(format!("<system-out>degraded ({code}): {message}</system-out>")),
        // What is muted is no failure.
        HealthStatus::Unhealthy if line.maintenance => {
            Some(format!("<skipped message=\"in maintenance ({code}): {message}\"/>"))
        }
        HealthStatus::Unhealthy => Some(format!("<failure type=\"{code}\" message=\"{message}\"/>")),
        HealthStatus::Unknown => Some(format!("<skipped message=\"unknown ({code}): {message}\"/>")),
    };
    let head = format!(
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{}\"",
        escaped(&class),
        escaped(name),
        seconds([line].into_iter())
    );
    match inner {
        None => format!("{head}/>\n"),
        Some(inner) => format!("{head}>\n      {inner}\n    </testcase>\n"),
    }
}

fn numbers<'l>(lines: impl Iterator<Item = &'l Line> + Clone) -> String {
    let failed = |line: &&Line| line.status == HealthStatus::Unhealthy && !line.maintenance;
    let skipped = |line: &&Line| {
        line.status == HealthStatus::Unknown || line.status == HealthStatus::Unhealthy && line.maintenance
    };
    format!(
        "tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\"",
        lines.clone().count(),
        lines.clone().filter(failed).count(),
        lines.filter(skipped).count()
    )
}

fn seconds<'l>(lines: impl Iterator<Item = &'l Line>) -> String {
    let sum: i64 = lines.filter_map(|line| line.response_ms).sum();
    format!("{}.{:03}", sum / 1000, sum % 1000)
}

/// Text that may stand in an attribute or between tags. Characters that XML 1.0 cannot have are replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' | '\r' | '\t' => out.push(' '),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other if crate::report::clean::is_unsafe(other) => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}
