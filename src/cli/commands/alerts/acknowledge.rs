//! `alerts acknowledge`: somebody says that they know.

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::json;

use crate::alerts::Alert;
use crate::alerts::life::{Acknowledgement, NotAcknowledged};
use crate::cli::args::{self, Format, Moment, YesArgs};
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::outbox::Post;
use crate::report::time::instant;
use crate::store::alerts::{self, Acknowledged, Wish};

use super::shown;

/// Say that you know of an alert
///
/// No reminders are sent of it until it is over, or until the time that --until names. That it is over is told; so is a tighter
/// threshold, and where it becomes more urgent, it is to be acknowledged anew. Doing it twice changes nothing.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex alerts acknowledge --alert-id 019ac3f0-7d2e-7c11-9a55-0d8f3b6a1c42\n  synthex alerts acknowledge 0d8f3b6a1c42 --comment \"the merchant is called\" --until 4h\n  synthex alerts acknowledge 0d8f3b6a1c42 --until 2026-12-24T18:00:00Z --dry-run"
)]
pub struct AcknowledgeArgs {
    #[command(flatten)]
    pub alert: shown::IdArgs,
    /// What you do about it
    #[arg(long, value_name = "TEXT", value_parser = comment)]
    pub comment: Option<String>,
    /// For how long, or until when: `4h`, `2026-12-24T18:00:00Z`, `2026-12-24`; left out, until it is over
    #[arg(long, value_name = "TIME", value_parser = args::moment_or_length)]
    pub until: Option<Moment>,
    /// Say what would happen and stop
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub yes: YesArgs,
}

fn comment(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if length == 0 || length > 2_000 || text.contains('\0') {
        return Err("write 1 to 2000 characters".to_owned());
    }
    Ok(text.to_owned())
}

/// Runs `alerts acknowledge`.
///
/// # Errors
/// There is no such alert, it is not raised, or the database does not answer.
pub async fn acknowledge(context: &Context, args: &AcknowledgeArgs) -> Result<ExitStatus, CliError> {
    let now = context.clock.now();
    let until = args.until.map(|until| until.after(now));
    if until.is_some_and(|until| until <= now) {
        return Err(CliError::usage("--until names a time that has passed")
            .help("name one that is to come, or write 4h"));
    }
    let micros = |at: DateTime<Utc>| DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at);
    let said =
        Acknowledgement { by: context.actor(), comment: args.comment.clone(), until: until.map(micros) };
    let mut post = Post::open(context, "alerts acknowledge", context.global.workspace.as_deref()).await?;
    let id = args.alert.id();
    let found = match shown::with_id(&mut post, id).await?.as_slice() {
        [] => Acknowledged::NoSuch,
        [one] => {
            let wish = Wish { workspace: &one.workspace, id: one.alert.id, is_dry: args.dry_run };
            alerts::acknowledge(&mut post.connection, &wish, &said, micros(now)).await?
        }
        several => return Err(shown::ambiguous(id, several, now)),
    };
    post.connection.close().await;
    let (alert, is_new) = match found {
        Acknowledged::NoSuch => return Err(shown::unknown(id)),
        Acknowledged::Refused(alert, why) => return Err(refused(&alert, why, now)),
        Acknowledged::Already(alert) => (alert, false),
        Acknowledged::Done(alert) => (alert, true),
    };
    say(context, args, &alert, is_new, now);
    Ok(ExitStatus::Success)
}

fn refused(alert: &Alert, why: NotAcknowledged, now: DateTime<Utc>) -> CliError {
    let error = |what: String| CliError::new(ExitStatus::Refused, "not-acknowledged", what);
    match why {
        NotAcknowledged::Over => {
            let at = alert.resolved_at.map_or_else(String::new, |at| format!(" since {}", instant(at, now)));
            let reason = alert.resolve_reason.map_or("recovered", crate::alerts::ResolveReason::code);
            error("the alert is over, so there is nothing to acknowledge".to_owned())
                .why(format!("it is resolved{at}: {reason}"))
                .help("`synthex alerts list --firing` shows those that are not")
        }
        NotAcknowledged::Pending => error("the alert is not raised yet".to_owned())
            .why("there are signs of it, but not for as long, or as often, as its rule wants")
            .help("wait until it fires; nobody is told before"),
        NotAcknowledged::Unrouted => error("no rule covers the alert, so nobody is told of it".to_owned())
            .why("there is nothing that an acknowledgement would hold back")
            .help("declare an AlertRule that covers it"),
    }
}

fn say(context: &Context, args: &AcknowledgeArgs, alert: &Alert, is_new: bool, now: DateTime<Utc>) {
    if context.global.format == Format::Json {
        let workspace = alert.labels.get("workspace").map(String::as_str).unwrap_or_default();
        let region = alert.labels.get("region").map(String::as_str);
        context.printer.json(&json!({
            "format_version": "1.0",
            "dryRun": args.dry_run,
            "changed": is_new && !args.dry_run,
            "alert": shown::alert_json(workspace, region, alert, now),
        }));
        return;
    }
    let by = alert.acknowledged_by.as_deref().unwrap_or("somebody");
    let until = alert.ack_until.map_or_else(|| "it is over".to_owned(), |until| instant(until, now));
    let what = crate::report::clean::clean(&shown::title(alert, now)).to_string();
    context.printer.result(&if is_new && args.dry_run {
        format!("It would be acknowledged by {by} until {until}; nothing was written: {what}\n")
    } else if is_new {
        format!("Acknowledged by {by} until {until}: {what}\n")
    } else {
        format!("It was acknowledged by {by} before, until {until}: {what}\n")
    });
}
