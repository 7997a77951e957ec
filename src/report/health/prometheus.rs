//! Prometheus' text format 0.0.4. Labels are of bounded sets: services, statuses and workspaces, never tenants or credentials,
//! of which there may be tens of thousands.

use std::collections::BTreeMap;

use crate::model::health::{CheckedService, HealthStatus};

use super::{HealthReport, Line, STATUSES, ratio};

/// The report in Prometheus' text format.
#[must_use]
pub fn prometheus(report: &HealthReport) -> String {
    let mut groups: BTreeMap<(usize, &str), Vec<&Line>> = BTreeMap::new();
    for line in &report.lines {
        let place = CheckedService::ALL.iter().position(|service| *service == line.service);
        groups.entry((place.unwrap_or_default(), &line.workspace)).or_default().push(line);
    }
    let labels = |lines: &[&Line]| {
        lines.first().map_or(String::new(), |line| {
            format!("service=\"{}\",workspace=\"{}\"", line.service.code(), escaped(&line.workspace))
        })
    };
    let mut text = String::new();
    let mut family = |name: &str, help: &str, samples: Vec<String>| {
        if !samples.is_empty() {
            text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
            samples.iter().for_each(|sample| text.push_str(&format!("{name}{sample}\n")));
        }
    };
    let overall = STATUSES
        .iter()
        .map(|status| format!("{{status=\"{}\"}} {}", status.code(), u8::from(report.overall == *status)));
    family("synthex_health_overall", "1 for how all of it stands together.", overall.collect());
    let counts = groups.values().flat_map(|lines| {
        let labels = labels(lines);
        STATUSES.iter().map(move |status| {
            let count = lines.iter().filter(|line| line.status == *status).count();
            format!("{{{labels},status=\"{}\"}} {count}", status.code())
        })
    });
    family("synthex_health_checks", "How many checks stand like this.", counts.collect());
    let muted = groups.values().map(|lines| {
        format!("{{{}}} {}", labels(lines), lines.iter().filter(|line| line.maintenance).count())
    });
    family(
        "synthex_health_maintenance_checks",
        "How many checks are in a maintenance window.",
        muted.collect(),
    );
    let stale = groups
        .values()
        .map(|lines| format!("{{{}}} {}", labels(lines), lines.iter().filter(|line| line.is_stale).count()));
    family(
        "synthex_health_stale_checks",
        "How many checks were not looked at for two intervals.",
        stale.collect(),
    );
    let oldest = groups.values().filter_map(|lines| {
        let oldest = lines.iter().map(|line| line.last_checked).min()?;
        Some(format!("{{{}}} {}", labels(lines), oldest.timestamp()))
    });
    let help = "When the check that was not looked at for the longest was.";
    family("synthex_health_oldest_check_timestamp_seconds", help, oldest.collect());
    let slowest = groups.values().filter_map(|lines| {
        let slowest = lines.iter().filter_map(|line| line.response_ms).max()?;
        Some(format!("{{{}}} {}.{:03}", labels(lines), slowest / 1000, slowest % 1000))
    });
    family("synthex_health_slowest_response_seconds", "How long the slowest check took.", slowest.collect());
    let available = groups.values().filter_map(|lines| {
        let sums = lines.iter().filter_map(|line| line.availability);
        let ratio = ratio(sums.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1)))?;
        Some(format!("{{{}}} {ratio:.6}", labels(lines)))
    });
    let help = "The share of results in the period that were healthy or degraded.";
    family("synthex_health_availability_ratio", help, available.collect());
    let unhealthy = report.count(HealthStatus::Unhealthy);
    family("synthex_health_unhealthy", "How many checks are unhealthy.", vec![format!(" {unhealthy}")]);
    text
}

/// A label's value: backslash, quote and line break are written with a backslash.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
