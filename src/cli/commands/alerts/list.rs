//! `alerts list`.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::alerts::{Alert, AlertStatus};
use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::listing::{active, note_active};
use crate::cli::outbox::Post;
use crate::model::matcher::OWN_LABEL;
use crate::model::selector::Selector;
use crate::report;
use crate::report::clean::clean;
use crate::report::time::relative;
use crate::store::alerts::{AlertFilter, ListedAlert};

use super::shown;

/// List alerts, the most urgent first
///
/// Without a status, those that are not over. Muted ones are among them, with what mutes them. What a message says of days
/// is worked out anew, whenever it was sent.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex alerts list\n  synthex alerts list --unacknowledged --severity critical\n  synthex alerts list -l tenant=SMB_CLIENT_001 --resolved --limit 20\n  synthex alerts list --format json | jq '.alerts[] | {tenantId, type, daysUntilExpiry}'"
)]
pub struct AlertsListArgs {
    #[command(flatten)]
    pub status: StatusArgs,
    /// Only those of these severities, separated by commas
    #[arg(long, value_name = "SEVERITIES", value_delimiter = ',', value_parser = ["info", "warning", "critical"])]
    pub severity: Vec<String>,
    /// Only those of this rule
    #[arg(long, value_name = "NAME")]
    pub rule: Option<String>,
    /// Only those whose labels fit: `tenant=SMB_CLIENT_001,service!=shopify`; labels of the tenant too, such as `tier=gold`
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Those of all workspaces, also where one is active
    #[arg(long)]
    pub all_workspaces: bool,
    /// Show at most this many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

/// Which statuses are meant; more than one may be.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Statuses")]
pub struct StatusArgs {
    /// Raised, and nobody said that they know
    #[arg(long)]
    pub firing: bool,
    /// Raised, and somebody said that they know
    #[arg(long)]
    pub acknowledged: bool,
    /// Raised, or about to be, and nobody said that they know
    #[arg(long, conflicts_with = "acknowledged")]
    pub unacknowledged: bool,
    /// Over
    #[arg(long)]
    pub resolved: bool,
    /// Covered by no rule: nobody is told
    #[arg(long)]
    pub unrouted: bool,
}

impl StatusArgs {
    fn codes(self) -> Vec<&'static str> {
        let mut statuses = Vec::new();
        let mut add = |is_meant: bool, own: &[AlertStatus]| {
            if is_meant {
                statuses.extend(own.iter().map(|status| status.code()));
            }
        };
        add(self.firing, &[AlertStatus::Firing]);
        add(self.acknowledged, &[AlertStatus::Acknowledged]);
        add(self.unacknowledged, &[AlertStatus::Firing, AlertStatus::Pending]);
        add(self.resolved, &[AlertStatus::Resolved]);
        add(self.unrouted, &[AlertStatus::Unrouted]);
        statuses
    }
}

/// Runs `alerts list`.
///
/// # Errors
/// Wrong usage, or the database does not answer.
pub async fn list(context: &Context, args: &AlertsListArgs) -> Result<ExitStatus, CliError> {
    let selector = args.selector.as_deref().map(str::parse::<Selector>).transpose();
    let selector = selector.map_err(|error| CliError::usage(error.to_string()))?;
    let active = active(context, args.all_workspaces)?;
    let only = active.as_ref().map(|choice| choice.name.as_str());
    let mut post = Post::open(context, "alerts list", only).await?;
    let severity = |code: &String| ["info", "warning", "critical"].into_iter().find(|own| own == code);
    let (mut found, mut total) = (Vec::new(), 0);
    for workspace in post.scopes.clone() {
        let filter = AlertFilter {
            workspace,
            statuses: args.status.codes(),
            severities: args.severity.iter().filter_map(severity).collect(),
            rule: args.rule.clone(),
            // Labels are looked at here, so what is cut is cut afterwards.
            limit: args.limit.filter(|_| selector.is_none()).map(i64::from),
            ..AlertFilter::default()
        };
        let (mut own, count) = post.connection.alerts(&filter).await?;
        found.append(&mut own);
        total += count;
    }
    post.connection.close().await;
    if let Some(selector) = &selector {
        found.retain(|listed| selector.matches(&labels(&listed.alert)));
        total = i64::try_from(found.len()).unwrap_or(i64::MAX);
    }
    found.sort_by(|left, right| order(left).cmp(&order(right)));
    found.truncate(args.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX));
    show(context, &found, total);
    note_active(context, active.as_ref());
    Ok(ExitStatus::Success)
}

type Order<'a> = (
    std::cmp::Reverse<crate::kinds::alert_rule::AlertSeverity>,
    std::cmp::Reverse<chrono::DateTime<chrono::Utc>>,
    &'a str,
    uuid::Uuid,
);

fn order(listed: &ListedAlert) -> Order<'_> {
    let ListedAlert { workspace, alert, .. } = listed;
    (std::cmp::Reverse(alert.severity), std::cmp::Reverse(alert.changed_at), workspace, alert.id)
}

/// The labels of an alert, and those of its tenant by their own names where no other has them.
#[must_use]
pub fn labels(alert: &Alert) -> Map<String, Value> {
    let mut labels: Map<String, Value> =
        alert.labels.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
    for (key, value) in &alert.labels {
        if let Some(own) = key.strip_prefix(OWN_LABEL) {
            labels.entry(own).or_insert_with(|| Value::from(value.as_str()));
        }
    }
    labels
}

fn show(context: &Context, found: &[ListedAlert], total: i64) {
    let now = context.clock.now();
    if context.global.format == Format::Json {
        let alerts: Vec<Value> = found.iter().map(|listed| shown::listed_json(listed, now)).collect();
        context.printer.json(&json!({"format_version": "1.0", "total": total, "alerts": alerts}));
        return;
    }
    if found.is_empty() {
        context.printer.note("There is no such alert.");
        return;
    }
    let headers = ["WHAT", "SEVERITY", "STATUS", "SINCE", "WORKSPACE", "RULE", "ID"];
    let rows = found.iter().map(|listed| {
        let alert = &listed.alert;
        vec![
            clean(&shown::title(alert, now)).to_string(),
            alert.severity.code().to_owned(),
            shown::status(alert, now),
            relative(alert.fired_at.unwrap_or(alert.started_at), now),
            listed.workspace.clone(),
            alert.rule.clone().unwrap_or_else(|| "-".to_owned()),
            alert.id.to_string(),
        ]
    });
    context.printer.result(&report::table::fitting(
        &headers,
        rows.collect(),
        &[5, 4, 3],
        &context.printer.stdout,
    ));
    if i64::try_from(found.len()).is_ok_and(|shown| shown < total) {
        context.printer.note(&format!("{} of {total} alerts shown.", found.len()));
    }
}
