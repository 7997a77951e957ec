//! `alerts list`.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::alerts::{Alert, AlertStatus};
use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::listing::{NOTHING_APPLIED, active, note_active};
use crate::cli::outbox::Post;
use crate::model::diagnostic::did_you_mean;
use crate::model::matcher::{LABELS, OWN_LABEL, unknown_value};
use crate::model::selector::Selector;
use crate::report;
use crate::report::clean::clean;
use crate::report::time::relative;
use crate::store::alerts::{AlertFilter, ListedAlert};

use super::shown;

/// How many alerts people are shown who do not say how many.
const USUAL_LIMIT: u32 = 50;

/// List alerts, the most urgent first
///
/// Of the same severity, what expires first comes first, then what was raised last; muted ones, with what mutes them, follow
/// those that are told. Without a status, those that are not over. What a message says of days
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
    #[arg(long, visible_alias = "all")]
    pub all_workspaces: bool,
    /// Show at most this many. Default: 50, and all with --format json
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
    let Some(mut post) = Post::open_installed(context, "alerts list", only).await? else {
        match context.global.format {
            Format::Json => show(context, &[], 0),
            _ => context.printer.note(NOTHING_APPLIED),
        }
        return Ok(ExitStatus::Success);
    };
    must_be_known(&mut post, args, selector.as_ref()).await?;
    let limit = args.limit.or((context.global.format != Format::Json).then_some(USUAL_LIMIT));
    let severity = |code: &String| ["info", "warning", "critical"].into_iter().find(|own| own == code);
    let (mut found, mut total) = (Vec::new(), 0);
    for workspace in post.scopes.clone() {
        let filter = AlertFilter {
            workspace,
            statuses: args.status.codes(),
            severities: args.severity.iter().filter_map(severity).collect(),
            rule: args.rule.clone(),
            now: context.clock.now(),
            // Labels are looked at here, so what is cut is cut afterwards.
            limit: limit.filter(|_| selector.is_none()).map(i64::from),
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
    found.sort_by_cached_key(order);
    found.truncate(limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX));
    show(context, &found, total);
    note_active(context, active.as_ref());
    Ok(ExitStatus::Success)
}

/// The order of the database, for alerts of several workspaces.
fn order(listed: &ListedAlert) -> impl Ord + use<> {
    let ListedAlert { workspace, alert, .. } = listed;
    let is_over = alert.status == AlertStatus::Resolved;
    let since = if is_over { alert.resolved_at } else { alert.fired_at };
    (
        Reverse(alert.severity),
        !is_over && !alert.muted_by.is_empty(),
        alert.expires_at.filter(|_| !is_over).unwrap_or(DateTime::<Utc>::MAX_UTC),
        Reverse(since.unwrap_or(alert.started_at)),
        workspace.clone(),
        alert.id,
    )
}

/// Refuses a rule and labels that no alert could have: that there is no such alert would sound as if all were well.
async fn must_be_known(
    post: &mut Post,
    args: &AlertsListArgs,
    selector: Option<&Selector>,
) -> Result<(), CliError> {
    let of_tenants = |key: &&str| !LABELS.contains(key) && !key.starts_with(OWN_LABEL);
    let asked: Vec<(&str, &[String])> = selector.into_iter().flat_map(Selector::asked).collect();
    for (key, values) in &asked {
        let wrong =
            values.iter().filter(|value| !value.is_empty()).find_map(|value| unknown_value(key, value));
        if let Some((what, help)) = wrong {
            return Err(CliError::usage(what).help(help));
        }
    }
    let keys: Vec<String> = asked.iter().map(|(key, _)| *key).filter(of_tenants).map(str::to_owned).collect();
    let (mut rules, mut known) = (Vec::new(), Vec::new());
    for scope in post.scopes.clone() {
        if args.rule.is_some() {
            rules.append(&mut post.connection.alerting_rules(scope.as_deref()).await?);
        }
        if !keys.is_empty() {
            known.append(&mut post.connection.known_labels(scope.as_deref(), &keys).await?);
        }
    }
    if let Some(rule) = args.rule.as_ref().filter(|rule| !rules.contains(rule)) {
        rules.sort_unstable();
        rules.dedup();
        return Err(shown::unknown_rule(rule, &rules));
    }
    match keys.iter().find(|key| !known.contains(key)) {
        None => Ok(()),
        Some(key) => {
            let help = did_you_mean(key, LABELS).map_or_else(
                || format!("alerts have {}, and the labels of their tenant", LABELS.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            Err(CliError::usage(format!("no alert and no tenant has a label `{key}`")).help(help))
        }
    }
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
            shown::short_id(alert),
        ]
    });
    context.printer.result(&report::table::fitting(
        &headers,
        rows.collect(),
        &[5, 4, 3],
        &context.printer.stdout,
    ));
    let shown = i64::try_from(found.len()).unwrap_or(i64::MAX);
    let plural = if total == 1 { "" } else { "s" };
    context.printer.note(&if shown < total {
        format!("{total} alert{plural}, {} more than are shown: --limit {total} shows all.", total - shown)
    } else {
        format!("{total} alert{plural}.")
    });
}
