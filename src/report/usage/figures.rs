//! From what the database says to what a report says.
//!
//! Percentiles are interpolated between the two nearest durations, as PostgreSQL's `percentile_cont` does it. Without a
//! single duration there is none, which is not the same as 0.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::{Map, Value, json};

use crate::model::usage::{Figures, Group, MetricType, Took};

use super::Period;

/// How often, and how often without success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// How often.
    pub count: u64,
    /// How often it failed.
    pub failed: u64,
}

impl Counted {
    fn add(&mut self, group: &Group) {
        self.count += group.count;
        if group.is_failed {
            self.failed += group.count;
        }
    }

    /// The share that failed; `None` of nothing.
    #[must_use]
    pub fn error_rate(&self) -> Option<f64> {
        (self.count > 0).then(|| float(self.failed) / float(self.count))
    }
}

/// How long something took, in milliseconds; nothing where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Statistics {
    /// How often it was measured.
    pub count: u64,
    /// The average.
    pub average: Option<f64>,
    /// Half of them took no longer.
    pub p50: Option<f64>,
    /// 95 of 100 took no longer.
    pub p95: Option<f64>,
    /// 99 of 100 took no longer.
    pub p99: Option<f64>,
    /// The shortest.
    pub shortest: Option<u64>,
    /// The longest.
    pub longest: Option<u64>,
}

impl Statistics {
    /// In the words of the JSON of a report.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "avgExecutionTime": self.average,
            "p50ExecutionTime": self.p50,
            "p95ExecutionTime": self.p95,
            "p99ExecutionTime": self.p99,
            "minExecutionTime": self.shortest,
            "maxExecutionTime": self.longest,
        })
    }
}

/// A count as a number that can be divided; beyond 2^53 it would be rounded, and nothing is counted that far.
fn float(count: u64) -> f64 {
    count as f64
}

/// The statistics of durations that rise.
#[must_use]
pub fn statistics<'a>(durations: impl Iterator<Item = &'a Took> + Clone) -> Statistics {
    let count: u64 = durations.clone().map(|took| took.count).sum();
    if count == 0 {
        return Statistics::default();
    }
    let sum: f64 = durations.clone().map(|took| float(took.milliseconds) * float(took.count)).sum();
    let percentile = |fraction: f64| {
        let row = fraction * float(count - 1);
        let (below, above) = (at(durations.clone(), row.floor()), at(durations.clone(), row.ceil()));
        let (below, above) = (float(below?), float(above?));
        Some(below + (row - row.floor()) * (above - below))
    };
    Statistics {
        count,
        average: Some(sum / float(count)),
        p50: percentile(0.5),
        p95: percentile(0.95),
        p99: percentile(0.99),
        shortest: at(durations.clone(), 0.0),
        longest: at(durations.clone(), float(count - 1)),
    }
}

/// The duration in a row, counted from 0.
fn at<'a>(mut durations: impl Iterator<Item = &'a Took>, row: f64) -> Option<u64> {
    let mut before = 0;
    durations
        .find(|took| {
            before += took.count;
            float(before) > row
        })
        .map(|took| took.milliseconds)
}

/// A command, how often it ran and how long it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// The command.
    pub name: String,
    /// How often.
    pub counted: Counted,
    /// How long.
    pub statistics: Statistics,
}

/// What each command did, the most used first.
#[must_use]
pub fn commands(figures: &Figures) -> Vec<Usage> {
    let mut counted: BTreeMap<&str, Counted> = BTreeMap::new();
    for group in figures.groups.iter().filter(|group| group.metric_type == MetricType::Command) {
        counted.entry(&group.name).or_default().add(group);
    }
    let mut usages: Vec<Usage> = counted
        .into_iter()
        .map(|(name, counted)| {
            let start = figures.durations.partition_point(|took| took.name.as_str() < name);
            let of_it = figures.durations[start..].iter().take_while(|took| took.name == name);
            Usage { name: name.to_owned(), counted, statistics: statistics(of_it) }
        })
        .collect();
    usages.sort_by(|left, right| {
        right.counted.count.cmp(&left.counted.count).then_with(|| left.name.cmp(&right.name))
    });
    usages
}

/// What was done in a period.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The period.
    pub period: Period,
    /// The workspace, where only one is reported on.
    pub workspace: Option<String>,
    /// Commands, and how many failed.
    pub commands: Counted,
    /// Calls of services.
    pub api_calls: Counted,
    /// Operations on credentials.
    pub credential_ops: Counted,
    /// Changes to tenants.
    pub tenant_ops: u64,
    /// Errors.
    pub errors: u64,
    /// Commands, the most used first.
    pub by_command: Vec<(String, Counted)>,
    /// Calls by service.
    pub by_service: Vec<(String, Counted)>,
    /// Commands by workspace; an empty name where none was meant.
    pub by_workspace: Vec<(String, Counted)>,
    /// Errors, the most frequent first: the word for it, where it came up, how often.
    pub top_errors: Vec<(String, u64)>,
    /// How long commands took.
    pub statistics: Statistics,
    /// Commands by day.
    pub by_day: Vec<(NaiveDate, Counted)>,
    /// How many days came from sums.
    pub summed_days: usize,
    /// Days that belong to the period in part, and of which nothing is counted: only the sum of the whole day is left.
    pub incomplete_days: Vec<NaiveDate>,
}

impl Report {
    /// Adds up.
    #[must_use]
    pub fn new(
        period: Period,
        workspace: Option<&str>,
        figures: &Figures,
        incomplete_days: &[NaiveDate],
    ) -> Self {
        let mut report = Self {
            period,
            workspace: workspace.map(str::to_owned),
            commands: Counted::default(),
            api_calls: Counted::default(),
            credential_ops: Counted::default(),
            tenant_ops: 0,
            errors: 0,
            by_command: Vec::new(),
            by_service: Vec::new(),
            by_workspace: Vec::new(),
            top_errors: Vec::new(),
            statistics: statistics(figures.durations.iter()),
            by_day: Vec::new(),
            summed_days: figures.summed_days,
            incomplete_days: incomplete_days.to_vec(),
        };
        let mut commands: BTreeMap<&str, Counted> = BTreeMap::new();
        let mut services: BTreeMap<&str, Counted> = BTreeMap::new();
        let mut workspaces: BTreeMap<&str, Counted> = BTreeMap::new();
        let mut errors: BTreeMap<&str, u64> = BTreeMap::new();
        let mut days: BTreeMap<NaiveDate, Counted> = BTreeMap::new();
        for group in &figures.groups {
            match group.metric_type {
                MetricType::Command => {
                    report.commands.add(group);
                    commands.entry(&group.name).or_default().add(group);
                    workspaces.entry(&group.workspace).or_default().add(group);
                    days.entry(group.day).or_default().add(group);
                }
                MetricType::ApiCall => {
                    report.api_calls.add(group);
                    services.entry(&group.service).or_default().add(group);
                }
                // What it asks of a service is counted as calls of the service.
                MetricType::CredentialOp => report.credential_ops.add(group),
                MetricType::TenantOp => report.tenant_ops += group.value,
                MetricType::Error => {
                    report.errors += group.value;
                    *errors.entry(&group.code).or_default() += group.value;
                }
            }
        }
        report.by_command = sorted(commands);
        report.by_service = sorted(services);
        report.by_workspace = sorted(workspaces);
        report.top_errors = errors.into_iter().map(|(code, count)| (code.to_owned(), count)).collect();
        report.top_errors.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
        report.by_day = days.into_iter().collect();
        report
    }

    /// Whether nothing was recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commands.count + self.api_calls.count + self.credential_ops.count + self.tenant_ops + self.errors
            == 0
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "format_version": "1.0",
            "period": self.period.json(),
            "workspaceId": self.workspace,
            "totalCommands": self.commands.count,
            "totalApiCalls": self.api_calls.count,
            "totalCredentialOps": self.credential_ops.count,
            "totalTenantOps": self.tenant_ops,
            "totalErrors": self.errors,
            "failedCommands": self.commands.failed,
            "errorRate": self.commands.error_rate(),
            "byCommand": counts(&self.by_command),
            "byService": counts(&self.by_service),
            "byWorkspace": counts(&self.by_workspace),
            "topErrors": self.errors_json(10),
            "performanceMetrics": self.statistics.json(),
            "byDay": self.by_day.iter().map(|(day, counted)| {
                json!({"date": day, "commands": counted.count, "failed": counted.failed})
            }).collect::<Vec<_>>(),
            "summedDays": self.summed_days,
            "incompleteDays": self.incomplete_days,
        })
    }

    /// The most frequent errors, as JSON.
    #[must_use]
    pub fn errors_json(&self, most: usize) -> Value {
        let one = |(error, count): &(String, u64)| json!({"error": error, "count": count});
        self.top_errors.iter().take(most).map(one).collect()
    }
}

fn sorted(counted: BTreeMap<&str, Counted>) -> Vec<(String, Counted)> {
    let mut sorted: Vec<_> = counted.into_iter().map(|(name, counted)| (name.to_owned(), counted)).collect();
    // The names rise already, and stay so among equals.
    sorted.sort_by_key(|(_, counted)| std::cmp::Reverse(counted.count));
    sorted
}

/// Name to number; what has no name is `(none)`, which no name can be.
fn counts(counted: &[(String, Counted)]) -> Value {
    let name = |name: &str| if name.is_empty() { "(none)".to_owned() } else { name.to_owned() };
    Value::Object(
        counted.iter().map(|(key, counted)| (name(key), json!(counted.count))).collect::<Map<_, _>>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(pairs: &[(u64, u64)]) -> Vec<Took> {
        let one = |(milliseconds, count): &(u64, u64)| Took {
            name: String::new(),
            milliseconds: *milliseconds,
            count: *count,
        };
        pairs.iter().map(one).collect()
    }

    #[track_caller]
    fn check(pairs: &[(u64, u64)], expected: [Option<f64>; 4]) {
        let found = statistics(took(pairs).iter());
        assert_eq!([found.average, found.p50, found.p95, found.p99], expected, "{pairs:?}");
    }

    #[test]
    fn percentiles_are_interpolated_and_nothing_has_none() {
        check(&[], [None; 4]);
        check(&[(7, 1)], [Some(7.0); 4]);
        check(&[(10, 1), (20, 1)], [Some(15.0), Some(15.0), Some(19.5), Some(19.9)]);
        check(&[(10, 2)], [Some(10.0); 4]);
        // 1 to 100: row 49.5 is between 50 and 51, row 94.05 between 95 and 96.
        let hundred: Vec<(u64, u64)> = (1..=100).map(|number| (number, 1)).collect();
        let found = statistics(took(&hundred).iter());
        assert_eq!((found.average, found.p50), (Some(50.5), Some(50.5)));
        assert!((found.p95.unwrap() - 95.05).abs() < 1e-9, "{found:?}");
        assert!((found.p99.unwrap() - 99.01).abs() < 1e-9, "{found:?}");
        assert_eq!((found.shortest, found.longest), (Some(1), Some(100)));
        // How often counts.
        let found = statistics(took(&[(1, 99), (1_000, 1)]).iter());
        assert_eq!((found.average, found.p50, found.p95), (Some(10.99), Some(1.0), Some(1.0)));
        assert!((found.p99.unwrap() - 10.99).abs() < 1e-9, "{found:?}");
    }
}
