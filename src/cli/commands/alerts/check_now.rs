//! `alerts check-now`: evaluates rules at once.

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::alerts::facts::{Change, Happening, Outcome, Scope};
use crate::cli::args::Format;
use crate::cli::context::{Context, new_id};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::outbox::{self, Post, Round};
use crate::cli::signals::Signals;
use crate::engine::alerting::{self, Evaluated, Untold};
use crate::model::clock::{Clock as _, SystemClock};
use crate::report;
use crate::report::clean::clean;
use crate::report::time::instant;

use super::shown;

/// Evaluate the alert rules now
///
/// Looks for what the rules raise, whatever their schedules say, ends what is over, and queues what is to be told. Each threshold
/// is told once, however often this runs. `notify deliver`, or --deliver, sends what is queued. Exits with 0 whether
/// something fires or not, and with 7 where --deliver could not deliver all that was due, or a channel takes nothing.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex alerts check-now --dry-run\n  synthex alerts check-now --deliver\n  synthex alerts check-now --rule credentials-expire --as-of 2026-12-24T09:00:00Z --dry-run --format json"
)]
pub struct CheckNowArgs {
    /// Only this rule and its alerts
    #[arg(long, value_name = "NAME", conflicts_with = "due")]
    pub rule: Option<String>,
    /// Only rules whose schedule has come since they were last evaluated; alerts that are open are looked after in any case
    #[arg(long)]
    pub due: bool,
    /// Send what is due: what this queues, and what waits from before
    #[arg(long, conflicts_with = "dry_run")]
    pub deliver: bool,
    /// Say what would happen and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Write also as of a time to come (`--as-of`): from then on, what is told counts as told
    #[arg(short, long)]
    pub yes: bool,
}

/// Runs `alerts check-now`.
///
/// # Errors
/// There is no such rule, or the database does not answer.
pub async fn check_now(context: &Context, args: &CheckNowArgs) -> Result<ExitStatus, CliError> {
    let now = context.clock.now();
    if !args.dry_run && !args.yes {
        must_have_come(now)?;
    }
    let signals = Signals::listen()?;
    let mut post = Post::open(context, "alerts check-now", context.global.workspace.as_deref()).await?;
    let scope = match &args.rule {
        Some(rule) => Scope::Only(rule.clone()),
        None if args.due => Scope::Due,
        None => Scope::All,
    };
    let only: Option<Vec<String>> = post.scopes.iter().cloned().collect();
    let found = alerting::evaluate(&mut post.connection, only, &scope, now, args.dry_run, new_id).await?;
    if let Some(rule) = &args.rule {
        must_know(rule, &found)?;
    }
    let mut document = json(context, args, &found);
    let (mut missed, mut undelivered) = (0, None);
    let mut said = String::new();
    if args.deliver {
        let delivered = outbox::work(context, &post, &Round::default(), &signals).await?;
        missed = delivered.counts.missed();
        document["delivered"] = outbox::counts_json(&delivered.counts);
        let counts = outbox::counts_text(&delivered.counts);
        said = if counts.is_empty() { String::new() } else { format!("\nDelivery: {counts}.\n") };
        undelivered = delivered.error;
    }
    post.connection.close().await;
    let untold: Vec<&Untold> = found.iter().flat_map(|evaluated| &evaluated.untold).collect();
    missed += say_untold(context, &untold);
    let untold = untold.iter().map(|own| {
        json!({"workspaceId": own.workspace, "channel": own.channel, "why": own.why, "messages": own.messages})
    });
    document["untold"] = untold.collect();
    if context.global.format != Format::Json {
        let mut text = text(context, args, &found);
        text.push_str(&said);
        context.printer.result(&text);
    }
    let failed = found
        .into_iter()
        .find_map(|evaluated| evaluated.outcome.err().map(|error| (evaluated.workspace, error)));
    if let Some((workspace, error)) = failed {
        let mut error = CliError::from(error);
        error.what = format!("the alerts of workspace `{workspace}` could not be evaluated: {}", error.what);
        return Err(with_outcome(error, document));
    }
    if let Some(error) = undelivered {
        return Err(with_outcome(error.into(), document));
    }
    if context.global.format == Format::Json {
        context.printer.json(&document);
    }
    if let Some(status) = signals.status() {
        return Ok(status);
    }
    Ok(if missed == 0 || !args.deliver { ExitStatus::Success } else { ExitStatus::Partly })
}

/// Says what is told to nobody, and how many messages that are.
fn say_untold(context: &Context, untold: &[&Untold]) -> u64 {
    for Untold { workspace, channel, why, messages } in untold {
        let what =
            if *messages == 1 { "1 message is".to_owned() } else { format!("{messages} messages are") };
        context
            .printer
            .note(&format!("{what} not told through channel `{channel}` of `{workspace}`: {why}."));
    }
    untold.iter().map(|own| own.messages).sum()
}

/// A time to come is for looking: what is written then is told now, and never again when its time comes.
fn must_have_come(now: DateTime<Utc>) -> Result<(), CliError> {
    if now <= SystemClock.now() + TimeDelta::hours(1) {
        return Ok(());
    }
    let what = format!(
        "{} is to come, and what is told as of then is not told again",
        now.format("%Y-%m-%d %H:%M UTC")
    );
    Err(CliError::usage(what)
        .help("add --dry-run to see what would be told, or --yes to tell it all the same"))
}

fn with_outcome(mut error: CliError, document: Value) -> CliError {
    error.outcome = Some(Box::new(document));
    error
}

fn outcomes(found: &[Evaluated]) -> impl Iterator<Item = &Outcome> {
    found.iter().filter_map(|evaluated| evaluated.outcome.as_ref().ok())
}

fn must_know(rule: &str, found: &[Evaluated]) -> Result<(), CliError> {
    let mut known: Vec<String> = found.iter().flat_map(|evaluated| evaluated.rules.clone()).collect();
    // Workspaces may have rules of one name.
    known.sort_unstable();
    known.dedup();
    // What could not be read is said by its own error.
    if known.iter().any(|own| own == rule) || found.iter().any(|evaluated| evaluated.outcome.is_err()) {
        return Ok(());
    }
    Err(shown::unknown_rule(rule, &known))
}

/// How often each thing happened.
fn counts(found: &[Evaluated]) -> Vec<(Happening, usize)> {
    let of = |happening: Happening| {
        outcomes(found)
            .flat_map(|outcome| &outcome.changes)
            .filter(|change| change.happening == happening)
            .count()
    };
    [
        Happening::Fired,
        Happening::Told,
        Happening::Worsened,
        Happening::Resolved,
        Happening::Reminded,
        Happening::Flapping,
        Happening::Muted,
        Happening::Unmuted,
        Happening::Waiting,
        Happening::Pending,
        Happening::Superseded,
        Happening::Unrouted,
    ]
    .into_iter()
    .map(|happening| (happening, of(happening)))
    .collect()
}

fn change_json(context: &Context, workspace: &str, change: &Change) -> Value {
    let region = change.alert.labels.get("region").map(String::as_str);
    json!({
        "happening": change.happening.code(),
        "channels": change.channels,
        "threshold": change.threshold,
        "until": change.until,
        "alert": shown::alert_json(workspace, region, &change.alert, context.clock.now()),
    })
}

fn json(context: &Context, args: &CheckNowArgs, found: &[Evaluated]) -> Value {
    let summary: Map<String, Value> = counts(found)
        .into_iter()
        .map(|(happening, count)| (happening.code().to_owned(), Value::from(count)))
        .collect();
    let pairs = || {
        found
            .iter()
            .filter_map(|evaluated| Some((evaluated.workspace.as_str(), evaluated.outcome.as_ref().ok()?)))
    };
    let changes: Vec<Value> = pairs()
        .flat_map(|(workspace, outcome)| outcome.changes.iter().map(move |change| (workspace, change)))
        .map(|(workspace, change)| change_json(context, workspace, change))
        .collect();
    let messages: Vec<Value> = pairs()
        .flat_map(|(workspace, outcome)| outcome.tellings.iter().map(move |telling| (workspace, telling)))
        .map(|(workspace, telling)| {
            let message = &telling.message;
            json!({"id": telling.id, "workspaceId": workspace, "event": message.event.code(), "rule": message.rule,
                "severity": message.severity.code(), "title": message.title, "channels": telling.channels,
                "alerts": telling.alerts})
        })
        .collect();
    let failed = found.iter().filter_map(|evaluated| {
        let error = evaluated.outcome.as_ref().err()?;
        Some(json!({"workspaceId": evaluated.workspace, "error": error.what}))
    });
    let unreadable = found.iter().flat_map(|evaluated| {
        evaluated.unreadable.iter().map(|what| json!({"workspaceId": evaluated.workspace, "what": what}))
    });
    json!({
        "format_version": "1.0",
        "timestamp": context.clock.now(),
        "dryRun": args.dry_run,
        "workspaces": found.len(),
        "summary": summary,
        "unroutedTotal": outcomes(found).map(|outcome| outcome.unrouted).sum::<usize>(),
        "changes": changes,
        "messages": messages,
        "unreadable": unreadable.collect::<Vec<Value>>(),
        "failed": failed.collect::<Vec<Value>>(),
    })
}

fn text(context: &Context, args: &CheckNowArgs, found: &[Evaluated]) -> String {
    let now = context.clock.now();
    let mut rows = Vec::new();
    for evaluated in found {
        let changes = evaluated.outcome.iter().flat_map(|outcome| &outcome.changes);
        // What a tighter threshold tells is counted below, and there may be thousands of it.
        for change in changes.filter(|change| change.happening != Happening::Superseded) {
            rows.push(row(&evaluated.workspace, change, now));
        }
    }
    let mut text = String::new();
    if !rows.is_empty() {
        let headers = ["HAPPENED", "SEVERITY", "WORKSPACE", "WHAT", "RULE", "TOLD THROUGH"];
        text = report::table::table(&headers, rows, &context.printer.stdout);
        text.push('\n');
    }
    let parts: Vec<String> = counts(found)
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(happening, count)| format!("{count} {}", happening.code()))
        .collect();
    let messages: usize = outcomes(found).map(|outcome| outcome.tellings.len()).sum();
    let would = if args.dry_run { "would be queued; nothing was written" } else { "queued" };
    let plural = if messages == 1 { "" } else { "s" };
    text.push_str(&match parts.as_slice() {
        [] if args.due && outcomes(found).all(|outcome| outcome.evaluations.is_empty()) => {
            "No rule was due, and nothing changed: `synthex alerts rules list` shows when each is.\n"
                .to_owned()
        }
        [] => "Nothing new.\n".to_owned(),
        parts => format!("{}; {messages} message{plural} {would}.\n", parts.join(", ")),
    });
    let unrouted: usize = outcomes(found).map(|outcome| outcome.unrouted).sum();
    if unrouted > 0 {
        text.push_str(&format!(
            "{unrouted} covered by no rule, so nobody is told: `synthex alerts list --unrouted` shows them.\n"
        ));
    }
    for evaluated in found {
        for what in &evaluated.unreadable {
            context.printer.note(&format!(
                "In workspace {}, {what} says what no manifest could, so it is left out: apply its manifest again.",
                evaluated.workspace
            ));
        }
    }
    text
}

fn row(workspace: &str, change: &Change, now: chrono::DateTime<chrono::Utc>) -> Vec<String> {
    let alert = &change.alert;
    let happened = match (change.happening, &change.threshold, change.until) {
        (happening, Some(threshold), _) => format!("{} ({threshold})", happening.code()),
        (happening, _, Some(until)) => format!("{} until {}", happening.code(), instant(until, now)),
        (Happening::Muted, ..) => format!("muted by {}", alert.muted_by.join(", ")),
        (Happening::Resolved, ..) => shown::status(alert, now),
        (happening, ..) => happening.code().to_owned(),
    };
    vec![
        happened,
        alert.severity.code().to_owned(),
        workspace.to_owned(),
        clean(&shown::title(alert, now)).to_string(),
        alert.rule.clone().unwrap_or_else(|| "-".to_owned()),
        match (change.happening, change.channels.is_empty()) {
            (_, true) => "-".to_owned(),
            // The outbox knows where; the rule may say something else by now.
            (Happening::Resolved, _) => "where it was told".to_owned(),
            _ => change.channels.join(", "),
        },
    ]
}
