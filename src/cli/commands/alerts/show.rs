//! `alerts show`: one alert in full.

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::{Value, json};

use crate::alerts::facts::ThresholdRow;
use crate::alerts::wording;
use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::outbox::Post;
use crate::report::clean::clean;
use crate::report::paint::{Paint, paint};
use crate::report::time::instant;
use crate::store::alerts::ListedAlert;

use super::shown;

/// Show an alert in full
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex alerts show 019ac3f0-7d2e-7c11-9a55-0d8f3b6a1c42\n  synthex alerts show 0d8f3b6a1c42 --format json"
)]
pub struct AlertsShowArgs {
    #[command(flatten)]
    pub alert: shown::IdArgs,
}

/// Runs `alerts show`.
///
/// # Errors
/// There is no such alert, or the database does not answer.
pub async fn show(context: &Context, args: &AlertsShowArgs) -> Result<ExitStatus, CliError> {
    let mut post = Post::open(context, "alerts show", context.global.workspace.as_deref()).await?;
    let mut found = shown::with_id(&mut post, args.alert.id()).await?;
    let listed = match found.len() {
        0 => return Err(shown::unknown(args.alert.id())),
        1 => found.remove(0),
        _ => return Err(shown::ambiguous(args.alert.id(), &found, context.clock.now())),
    };
    let thresholds = match (&listed.alert.rule, listed.alert.subject_id) {
        (Some(rule), Some(id)) => post.connection.crossed_thresholds(&listed.workspace, rule, id).await?,
        _ => Vec::new(),
    };
    post.connection.close().await;
    let now = context.clock.now();
    if context.global.format == Format::Json {
        let mut document = shown::listed_json(&listed, now);
        document["fingerprint"] = Value::from(listed.alert.fingerprint.to_hex());
        document["evidence"] = listed.alert.evidence.clone();
        document["transitions"] = json!(listed.alert.transitions);
        document["thresholds"] = thresholds
            .iter()
            .map(|row| {
                json!({"threshold": row.threshold, "state": if row.is_told { "told" } else { "superseded" },
                    "crossedAt": row.crossed_at, "generation": row.generation})
            })
            .collect();
        context.printer.json(&json!({"format_version": "1.0", "alert": document}));
    } else {
        context.printer.result(&text(context, &listed, &thresholds, now));
    }
    Ok(ExitStatus::Success)
}

fn text(context: &Context, listed: &ListedAlert, thresholds: &[ThresholdRow], now: DateTime<Utc>) -> String {
    let alert = &listed.alert;
    let time = |at: Option<DateTime<Utc>>| at.map(|at| instant(at, now));
    let labels: Vec<String> = alert.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let acknowledged = alert.acknowledged_at.map(|at| {
        let until =
            alert.ack_until.map_or_else(String::new, |until| format!(", until {}", instant(until, now)));
        let comment = alert.ack_comment.as_ref().map_or_else(String::new, |comment| format!(": {comment}"));
        format!(
            "by {}, {}{until}{comment}",
            alert.acknowledged_by.as_deref().unwrap_or("somebody"),
            instant(at, now)
        )
    });
    let crossed: Vec<String> = thresholds
        .iter()
        .filter(|row| Some(&row.generation) == alert.generation.as_ref())
        .map(|row| {
            let state = if row.is_told { "told" } else { "superseded" };
            format!("{} {state} {}", row.threshold, row.crossed_at.format("%Y-%m-%d %H:%M UTC"))
        })
        .collect();
    let expires_at = alert.expires_at;
    let expires = expires_at.map(|at| {
        let local = listed.region.as_deref().and_then(|region| wording::local(at, region));
        format!("{}{}", instant(at, now), local.map_or_else(String::new, |local| format!(", {local}")))
    });
    let item = wording::item(alert, &listed.workspace, None, now);
    let fields = [
        ("id", Some(alert.id.to_string())),
        ("status", Some(shown::status(alert, now))),
        ("severity", Some(alert.severity.code().to_owned())),
        ("type", Some(alert.type_code())),
        ("workspace", Some(listed.workspace.clone())),
        ("tenant", alert.tenant.clone()),
        ("service", alert.service.clone()),
        ("subject", (!alert.subject.is_empty()).then(|| alert.subject.clone())),
        ("rule", alert.rule.clone()),
        ("expires", expires),
        ("began", time(Some(alert.started_at))),
        ("raised", time(alert.fired_at)),
        ("last told", time(alert.notified_at)),
        ("reminders", (alert.reminders > 0).then(|| alert.reminders.to_string())),
        ("acknowledged", acknowledged),
        ("muted", time(alert.muted_since).map(|since| format!("by {}, {since}", alert.muted_by.join(", ")))),
        ("over", time(alert.resolved_at)),
        ("thresholds", (!crossed.is_empty()).then(|| crossed.join("; "))),
        ("why", item.why),
        ("labels", Some(labels.join(" "))),
        ("to do", item.remedy),
        ("command", item.command),
    ];
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let title = clean(&shown::title(alert, now)).to_string();
    let mut text = format!("{}\n", paint(&title, Paint::Strong, &context.printer.stdout));
    for (name, value) in fields {
        if let Some(value) = value {
            text.push_str(&format!("  {name:<width$}  {}\n", clean(&value)));
        }
    }
    text
}
