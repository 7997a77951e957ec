//! How everything stands: for people, as JSON with a schema, as JUnit for CI, and in Prometheus' text format (M-H12).

mod junit;
mod prometheus;
pub mod schema;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::model::health::{CheckedService, HealthStatus};
use crate::model::streak::Pending;

use super::paint::{Paint, paint};
use super::{Style, table, time};

pub use junit::junit;
pub use prometheus::prometheus;

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub struct Line {
    /// What was looked at.
    pub service: CheckedService,
    /// The workspace; empty for what belongs to none.
    pub workspace: String,
    /// Of what.
    pub subject: String,
    /// The tenant it is about.
    pub tenant: Option<String>,
    /// How it stands.
    pub status: HealthStatus,
    /// What the last result said.
    pub last_status: HealthStatus,
    /// How far it is on the way to another state.
    pub pending: Option<Pending>,
    /// Since when it stands like this, where that is known.
    pub since: Option<DateTime<Utc>>,
    /// What was found, as a stable word.
    pub code: String,
    /// The same for people.
    pub message: String,
    /// When it was last looked at.
    pub last_checked: DateTime<Utc>,
    /// How long that took, in milliseconds.
    pub response_ms: Option<i64>,
    /// Whether it fell into a maintenance window.
    pub maintenance: bool,
    /// Whether that is longer ago than two intervals.
    pub is_stale: bool,
    /// Results in the period that were good, and those that found out anything.
    pub availability: Option<(i64, i64)>,
    /// What shows it.
    pub evidence: Value,
}

impl Line {
    /// Its name: service, workspace and subject.
    #[must_use]
    pub fn name(&self) -> String {
        let parts = [self.service.code(), &self.workspace, &self.subject];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    }

    /// The share of results that were good; `None` where nothing was found out.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        ratio(self.availability?)
    }

    /// Whether the last result was bad, and worse than how it stands; unless nobody is to be told of it now.
    fn is_worse_at_last(&self) -> bool {
        !self.maintenance && self.last_status > HealthStatus::Unknown && self.last_status > self.status
    }

    /// How it stands, with what the last result said where that is something else.
    fn status_text(&self) -> String {
        let mut text = self.status.code().to_owned();
        if self.last_status != self.status {
            text.push_str(&format!(" (last: {})", self.last_status.code()));
        }
        if self.maintenance {
            text.push_str(" (maintenance)");
        }
        text
    }

    /// What was found, with how far it is on the way to another state.
    fn message_text(&self) -> String {
        self.pending.map_or_else(|| self.message.clone(), |pending| format!("{}; {pending}", self.message))
    }

    fn json(&self) -> Value {
        let mut value = json!({
            "name": self.name(),
            "service": self.service.code(),
            "workspaceId": self.workspace,
            "subject": self.subject,
            "tenantId": self.tenant,
            "status": self.status.code(),
            "lastStatus": self.last_status.code(),
            "code": self.code,
            "message": self.message,
            "lastChecked": self.last_checked,
            "responseTime": self.response_ms,
            "since": self.since,
            "maintenance": self.maintenance,
            "stale": self.is_stale,
            "metadata": self.evidence,
        });
        if let Some((good, known)) = self.availability {
            value["availability"] = json!({"good": good, "known": known, "ratio": self.ratio()});
        }
        value
    }
}

fn ratio((good, known): (i64, i64)) -> Option<f64> {
    let number = |value: i64| i32::try_from(value).map_or(f64::from(i32::MAX), f64::from);
    (known > 0).then(|| number(good) / number(known))
}

/// How everything stands.
#[derive(Clone, Debug)]
pub struct HealthReport {
    /// How all of it stands together.
    pub overall: HealthStatus,
    /// The time it was made at.
    pub timestamp: DateTime<Utc>,
    /// The period that availability is of; its end is not part of it.
    pub period: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Whether what fell into maintenance windows is left out of availability.
    pub excludes_maintenance: bool,
    /// Whether what was found is kept; `None` for a report on what is kept.
    pub is_recorded: Option<bool>,
    /// Only what stands like this is listed, where something is named; counts are of everything.
    pub only: Vec<HealthStatus>,
    /// Everything.
    pub lines: Vec<Line>,
}

/// The order of words in counts.
const STATUSES: [HealthStatus; 4] =
    [HealthStatus::Healthy, HealthStatus::Degraded, HealthStatus::Unhealthy, HealthStatus::Unknown];

impl HealthReport {
    /// How many lines have a status.
    #[must_use]
    pub fn count(&self, status: HealthStatus) -> usize {
        self.lines.iter().filter(|line| line.status == status).count()
    }

    /// The lines that are listed.
    pub fn listed(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| self.only.is_empty() || self.only.contains(&line.status))
    }

    /// Results in the period that were good, and those that found out anything, of all lines together.
    #[must_use]
    pub fn availability(&self) -> (i64, i64) {
        let all = self.lines.iter().filter_map(|line| line.availability);
        all.fold((0, 0), |(good, known), (more, of)| (good + more, known + of))
    }

    /// As JSON, with at most so many checks. The schema is in `schemas/health_report.schema.json`.
    #[must_use]
    pub fn json(&self, limit: usize) -> Value {
        let counts: Value =
            STATUSES.iter().map(|status| (status.code().to_owned(), json!(self.count(*status)))).collect();
        let mut value = json!({
            "format_version": "1.0",
            "overallStatus": self.overall.code(),
            "timestamp": self.timestamp,
            "counts": counts,
            "muted": self.lines.iter().filter(|line| line.maintenance).count(),
            "total": self.lines.len(),
            "checks": self.listed().take(limit).map(Line::json).collect::<Vec<_>>(),
        });
        if let Some(is_recorded) = self.is_recorded {
            value["recorded"] = json!(is_recorded);
        }
        if let Some((start, end)) = self.period {
            let (good, known) = self.availability();
            value["period"] = json!({"start": start, "end": end, "timeZone": "UTC"});
            value["availability"] = json!({"good": good, "known": known, "ratio": ratio((good, known)),
                "excludesMaintenance": self.excludes_maintenance});
        }
        value
    }

    /// For people: the worst first, with at most so many lines, and a sum below.
    #[must_use]
    pub fn text(&self, limit: usize, style: &Style) -> String {
        let with_availability = self.period.is_some();
        let mut headers = vec!["CHECK", "STATUS", "CODE", "LAST LOOK", "TIME", "WHAT WAS FOUND"];
        if with_availability {
            headers.insert(3, "AVAILABLE");
        }
        let rows = self.listed().take(limit).map(|line| {
            let stale = if line.is_stale { " (old)" } else { "" };
            let mut cells = vec![
                line.name(),
                line.status_text(),
                line.code.clone(),
                format!("{}{stale}", time::relative(line.last_checked, self.timestamp)),
                line.response_ms.map_or("-".to_owned(), |took| format!("{took} ms")),
                line.message_text(),
            ];
            if with_availability {
                let percent = line.ratio().map_or("-".to_owned(), |ratio| format!("{:.2} %", ratio * 100.0));
                cells.insert(3, percent);
            }
            cells
        });
        let rows: Vec<Vec<String>> = rows.collect();
        let mut text = String::new();
        if !rows.is_empty() {
            text = table::table(&headers, rows, style);
            text.push('\n');
        }
        let counts: Vec<String> = STATUSES
            .iter()
            .filter(|status| self.count(**status) > 0)
            .map(|status| format!("{} {}", self.count(*status), status.code()))
            .collect();
        let word = match self.overall {
            HealthStatus::Healthy => Paint::Added,
            HealthStatus::Degraded | HealthStatus::Unknown => Paint::Warning,
            HealthStatus::Unhealthy => Paint::Error,
        };
        text.push_str(&format!(
            "Overall {}: {}.\n",
            paint(self.overall.code(), word, style),
            counts.join(", ")
        ));
        let worse = self.lines.iter().filter(|line| line.is_worse_at_last()).count();
        if worse > 0 {
            text.push_str(&format!(
                "The last result of {worse} was worse than that: how something stands changes after several in a row.\n"
            ));
        }
        if let (true, Some(ratio)) = (with_availability, ratio(self.availability())) {
            let without = if self.excludes_maintenance { ", maintenance left out" } else { "" };
            text.push_str(&format!("Available in the period: {:.2} %{without}.\n", ratio * 100.0));
        }
        text
    }
}

/// Sorts lines: the worst first, what is alike by service, workspace and subject.
pub fn sort(lines: &mut [Line]) {
    let place = |service| CheckedService::ALL.iter().position(|own| *own == service);
    lines.sort_by(|left, right| {
        let key = |line: &Line| (std::cmp::Reverse(line.status), place(line.service));
        (key(left), &left.workspace, &left.subject).cmp(&(key(right), &right.workspace, &right.subject))
    });
}

#[cfg(test)]
mod tests;
