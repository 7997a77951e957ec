//! The metrics of a replica in the formats of Prometheus and OpenMetrics.
//!
//! Labels come from closed sets: tasks, states, severities. None is of a tenant, and one is of a workspace only where that was
//! asked for.

use std::collections::BTreeMap;
use std::fmt::Error;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::engine::watching::{Condition, ConditionStatus, ConditionType};
use crate::files::{ProcessFigures, process_figures};
use crate::watch::board::TaskState;
use crate::watch::task::TaskCode;

use super::ready;
use super::vitals::{Role, Seen, Vitals};

/// What the classic format is called.
pub(super) const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What OpenMetrics is called.
pub(super) const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether something that is said may be so.
const STATUSES: [ConditionStatus; 3] =
    [ConditionStatus::True, ConditionStatus::False, ConditionStatus::Unknown];

/// All metrics as they are now; in OpenMetrics where that is asked for.
pub(super) fn metrics(
    vitals: &Vitals,
    tasks: BTreeMap<TaskCode, TaskState>,
    per_workspace: bool,
    open: bool,
) -> Result<String, Error> {
    let mut registry = Registry::with_prefix("synthex");
    registry.register(
        "reconcile_seconds",
        "How long cycles of reconciling took, be they complete or not",
        vitals.reconciled.clone(),
    );
    registry.register_collector(Box::new(Now {
        seen: vitals.seen(),
        tasks,
        per_workspace,
        version: vitals.about.version,
        mode: vitals.about.mode,
        up: vitals.started.elapsed(),
        started_at: vitals.about.started_at,
        interval: vitals.about.interval,
        now: Instant::now(),
        process: process_figures(),
    }));
    let mut written = String::new();
    if open {
        text::encode(&mut written, &registry)
    } else {
        prometheus_text::encode(&mut written, &registry)
    }?;
    Ok(written)
}

/// Everything that is told, at one moment.
#[derive(Debug)]
struct Now {
    seen: Seen,
    tasks: BTreeMap<TaskCode, TaskState>,
    per_workspace: bool,
    version: &'static str,
    mode: &'static str,
    up: Duration,
    started_at: DateTime<Utc>,
    interval: Duration,
    now: Instant,
    process: Option<ProcessFigures>,
}

/// One line of a metric: its labels and its number.
type Sample<'s> = (Vec<(&'static str, &'s str)>, f64);

/// Writes metrics.
struct Sheet<'e>(DescriptorEncoder<'e>);

impl Sheet<'_> {
    fn gauge(&mut self, name: &str, help: &str, samples: &[Sample<'_>]) -> Result<(), Error> {
        self.write(name, help, MetricType::Gauge, samples)
    }

    fn counter(&mut self, name: &str, help: &str, samples: &[Sample<'_>]) -> Result<(), Error> {
        self.write(name, help, MetricType::Counter, samples)
    }

    fn one(&mut self, name: &str, help: &str, value: Option<f64>) -> Result<(), Error> {
        let samples: Vec<Sample<'_>> = value.into_iter().map(|value| (Vec::new(), value)).collect();
        self.gauge(name, help, &samples)
    }

    fn write(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        samples: &[Sample<'_>],
    ) -> Result<(), Error> {
        if samples.is_empty() {
            return Ok(());
        }
        let is_counter = matches!(kind, MetricType::Counter);
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in samples {
            if labels.is_empty() {
                // There is no other one beside it.
                return if is_counter {
                    ConstCounter::new(*value).encode(family)
                } else {
                    ConstGauge::new(*value).encode(family)
                };
            }
            let one = family.encode_family(labels)?;
            if is_counter {
                ConstCounter::new(*value).encode(one)?;
            } else {
                ConstGauge::new(*value).encode(one)?;
            }
        }
        Ok(())
    }
}

/// Counts are far below 2^53.
fn float(count: u64) -> f64 {
    count as f64
}

fn seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp_millis() as f64 / 1000.0
}

impl Collector for Now {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut sheet = Sheet(encoder);
        self.replica(&mut sheet)?;
        self.of_tasks(&mut sheet)?;
        self.estate(&mut sheet)?;
        self.work(&mut sheet)?;
        self.process(&mut sheet)
    }
}

impl Now {
    fn replica(&self, sheet: &mut Sheet<'_>) -> Result<(), Error> {
        let yes = |is: bool| if is { 1.0 } else { 0.0 };
        let labels = vec![("version", self.version), ("mode", self.mode)];
        sheet.gauge(
            "build_info",
            "The version that runs, and whether it corrects what it finds.",
            &[(labels, 1.0)],
        )?;
        sheet.one(
            "start_time_seconds",
            "When this replica began, in seconds since 1970.",
            Some(seconds(self.started_at)),
        )?;
        sheet.one(
            "uptime_seconds",
            "How long this replica has been running.",
            Some(self.up.as_secs_f64()),
        )?;
        let is_leader = self.seen.role == Role::Leader;
        sheet.one("leader", "Whether this replica is the one that reconciles.", Some(yes(is_leader)))?;
        let token = self.seen.lease.map(|lease| lease.token as f64);
        sheet.one("lease_token", "The fencing token of the lease that this replica holds.", token)?;
        let expires = self.seen.lease.map(|lease| seconds(lease.expires_at));
        sheet.one(
            "lease_expires_timestamp_seconds",
            "Until when the lease is held, unless it is prolonged.",
            expires,
        )?;
        let is_up = ready::is_up(&self.seen, self.now);
        sheet.one(
            "database_up",
            "Whether the database answered within the last 30 s, and takes what is written.",
            Some(yes(is_up)),
        )?;
        let answered = self.seen.answered.map(|mark| seconds(mark.at));
        sheet.one("database_last_answer_timestamp_seconds", "When the database last answered.", answered)?;
        let cycle = self.seen.cycle.map(|mark| seconds(mark.at));
        sheet.one("last_cycle_timestamp_seconds", "When a cycle was last complete.", cycle)?;
        sheet.one(
            "cycle_interval_seconds",
            "How long this replica waits between two cycles when nothing happens.",
            Some(self.interval.as_secs_f64()),
        )
    }

    fn of_tasks(&self, sheet: &mut Sheet<'_>) -> Result<(), Error> {
        let each = |value: &dyn Fn(&TaskState) -> Option<f64>| -> Vec<Sample<'static>> {
            let one =
                |(code, state): (&TaskCode, &TaskState)| Some((vec![("task", code.code())], value(state)?));
            self.tasks.iter().filter_map(one).collect()
        };
        sheet.counter("task_runs", "How often a task ran.", &each(&|state| Some(float(state.runs))))?;
        sheet.counter(
            "task_failures",
            "How often a task failed.",
            &each(&|state| Some(float(state.failures))),
        )?;
        sheet.gauge(
            "task_failed_in_a_row",
            "How often a task failed since it last did not.",
            &each(&|state| Some(f64::from(state.failed_in_a_row))),
        )?;
        sheet.gauge(
            "task_last_success_timestamp_seconds",
            "When a task was last done without a failure.",
            &each(&|state| state.succeeded_at.map(seconds)),
        )?;
        sheet.gauge(
            "task_last_run_seconds",
            "How long the last run of a task took.",
            &each(&|state| state.took_ms.map(|took| took / 1000.0)),
        )?;
        sheet.gauge(
            "task_interval_seconds",
            "How long a task waits between two runs when nothing happens.",
            &each(&|state| Some(state.interval_s)),
        )
    }

    fn estate(&self, sheet: &mut Sheet<'_>) -> Result<(), Error> {
        let objects: u64 = self.seen.drift.values().sum();
        let name = "drift_objects";
        let help = "How many resources are not as they are declared, as this replica last saw it.";
        if self.per_workspace {
            let one = |(workspace, objects): (&'_ String, &u64)| (workspace.clone(), float(*objects));
            let rows: Vec<(String, f64)> = self.seen.drift.iter().map(one).collect();
            let samples: Vec<Sample<'_>> = rows
                .iter()
                .map(|(workspace, objects)| (vec![("workspace", workspace.as_str())], *objects))
                .collect();
            sheet.gauge(name, help, &samples)?;
        } else {
            sheet.one(name, help, Some(float(objects)))?;
        }
        let mut samples = Vec::new();
        for of in ConditionType::ALL {
            for status in STATUSES {
                let is_it = |own: &&Condition| own.of == of && own.status == status;
                let count = self.seen.conditions.iter().filter(is_it).count();
                samples.push((vec![("type", of.code()), ("status", status.code())], float(count as u64)));
            }
        }
        sheet.gauge("conditions", "Of how many workspaces a condition has a status.", &samples)?;
        if self.per_workspace {
            let one = |own| {
                let Condition { workspace, of, status, .. }: &Condition = own;
                let value = match status {
                    ConditionStatus::True => 1.0,
                    ConditionStatus::False => 0.0,
                    ConditionStatus::Unknown => -1.0,
                };
                (vec![("workspace", workspace.as_str()), ("type", of.code())], value)
            };
            let samples: Vec<Sample<'_>> = self.seen.conditions.iter().map(one).collect();
            let help = "Whether a condition of a workspace is so: 1 yes, 0 no, -1 unknown.";
            sheet.gauge("workspace_condition", help, &samples)?;
        }
        let source = self.seen.source.as_ref();
        let usable = source.map(|source| if source.problem.is_none() { 1.0 } else { 0.0 });
        sheet.one(
            "source_usable",
            "Whether the revision of the manifests that was last seen can be used.",
            usable,
        )?;
        let applied =
            source.map(|own| if own.observed.is_some() && own.observed == own.applied { 1.0 } else { 0.0 });
        sheet.one(
            "source_applied",
            "Whether the revision of the manifests that was last seen is in force.",
            applied,
        )
    }

    fn work(&self, sheet: &mut Sheet<'_>) -> Result<(), Error> {
        let rows = |name: &'static str, rows: &[(&'static str, u64)]| -> Vec<Sample<'static>> {
            rows.iter().map(|(value, count)| (vec![(name, *value)], float(*count))).collect()
        };
        if let Some(counted) = &self.seen.counted {
            let own = counted.deliveries;
            let states = [
                ("pending", own.pending),
                ("sending", own.sending),
                ("retrying", own.retrying),
                ("failed", own.failed),
                ("dead", own.dead),
            ];
            sheet.gauge("deliveries", "Deliveries of notifications by state.", &rows("state", &states))?;
            let own = counted.credentials;
            let left = [
                ("expired", own.expired),
                ("1d", own.day),
                ("7d", own.week),
                ("30d", own.month),
                ("more", own.later),
                ("unknown", own.unknown),
            ];
            let help = "Credentials that are used, by the time until they end: less than that, and not less than the next one.";
            sheet.gauge("credentials", help, &rows("left", &left))?;
            let own = counted.alerts;
            let severities = [("critical", own.critical), ("warning", own.warning), ("info", own.info)];
            let help = "Alerts that fire, that are not muted and that nobody acknowledged, by severity.";
            sheet.gauge("alerts_firing", help, &rows("severity", &severities))?;
        }
        let own = self.seen.delivered;
        let outcomes = [
            ("sent", own.sent),
            ("retrying", own.retrying),
            ("failed", own.failed),
            ("dead", own.dead),
            ("suppressed", own.suppressed),
            ("released", own.released),
            ("lost", own.lost),
        ];
        sheet.counter(
            "delivery_outcomes",
            "What came of deliveries that this replica took.",
            &rows("outcome", &outcomes),
        )
    }

    fn process(&self, sheet: &mut Sheet<'_>) -> Result<(), Error> {
        let Some(process) = self.process else { return Ok(()) };
        sheet.counter(
            "process_cpu_seconds",
            "Seconds of processor time that this process has used.",
            &[(Vec::new(), process.cpu_seconds)],
        )?;
        let resident = Some(float(process.resident_bytes));
        sheet.one("process_resident_memory_bytes", "Bytes of this process that are in memory.", resident)?;
        sheet.one(
            "process_open_fds",
            "Open files and connections of this process.",
            Some(float(process.open_files)),
        )
    }
}
