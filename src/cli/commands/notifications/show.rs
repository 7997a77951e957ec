//! `notify show`: one notification, with every delivery and every attempt.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::outbox::Post;
use crate::report::clean::clean;
use crate::report::paint::{Paint, paint};
use crate::report::time::instant;
use crate::store::outbox::{ListedAttempt, ListedNotification};

use super::naming::{self, IdStart};
use super::shown;

/// Show a notification with its deliveries and their attempts
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex notify show 019ac3f0-7d2e-7c11-9a55-0d8f3b6a1c42\n  synthex notify show 019ac3f0-7d2e-7c11-9a55-0d8f3b6a1c42 --format json"
)]
pub struct ShowArgs {
    /// The notification, or one of its deliveries
    ///
    /// The first characters of its id are enough, where no other begins with them.
    #[arg(value_name = "ID", value_parser = naming::id)]
    pub id: IdStart,
}

/// Runs `notify show`.
///
/// # Errors
/// There is no such notification, or the database does not answer.
pub async fn show(context: &Context, args: &ShowArgs) -> Result<ExitStatus, CliError> {
    let mut post = Post::open(context, "notify show", context.global.workspace.as_deref()).await?;
    let (notification, _) = naming::either(&mut post, &args.id).await?;
    let mut attempts = Vec::new();
    for scope in post.scopes.clone() {
        attempts.append(&mut post.connection.attempts(scope.as_deref(), &[notification.id]).await?);
    }
    post.connection.close().await;
    if context.global.format == Format::Json {
        let mut document = shown::notification_json(&notification);
        let deliveries: Vec<Value> = notification
            .deliveries
            .iter()
            .map(|delivery| {
                let mut value = shown::delivery_json(delivery);
                let own = attempts.iter().filter(|attempt| attempt.delivery == delivery.id);
                value["tried"] = own.map(shown::attempt_json).collect();
                value
            })
            .collect();
        document["deliveries"] = json!(deliveries);
        context.printer.json(&json!({"format_version": "1.0", "notification": document}));
    } else {
        context.printer.result(&text(context, &notification, &attempts));
    }
    Ok(ExitStatus::Success)
}

fn text(context: &Context, notification: &ListedNotification, attempts: &[ListedAttempt]) -> String {
    let style = &context.printer.stdout;
    let now = context.clock.now();
    let mut text = format!("{}\n", paint(&clean(&notification.title), Paint::Strong, style));
    for line in notification.message.lines() {
        text.push_str(&format!("  {}\n", clean(line)));
    }
    let what = match (clean(&notification.topic), clean(&notification.event)) {
        (topic, event) if topic == event => topic.into_owned(),
        (topic, event) => format!("{topic} {event}"),
    };
    text.push_str(&format!(
        "\n{what} in {}, {}, written by {} at {}\n",
        clean(&notification.workspace),
        notification.severity,
        clean(&notification.created_by),
        instant(notification.created_at, now)
    ));
    if let Some(of) = notification.replay_of {
        text.push_str(&format!("repeats {of}\n"));
    }
    for delivery in &notification.deliveries {
        let stands_in = if delivery.is_fallback { " (stands in for another channel)" } else { "" };
        text.push_str(&format!(
            "\n{}{stands_in}: {}\n  delivery {}\n",
            paint(&clean(&shown::way(delivery)), Paint::Strong, style),
            clean(&shown::standing(delivery, now)),
            delivery.id
        ));
        if let (Some(at), Some(by)) = (delivery.retried_at, &delivery.retried_by) {
            text.push_str(&format!("  had tried again by {} at {}\n", clean(by), instant(at, now)));
        }
        for attempt in attempts.iter().filter(|attempt| attempt.delivery == delivery.id) {
            let status = attempt.status.map_or(String::new(), |status| format!(" {status}"));
            let took = attempt.latency_ms;
            let took = took.map_or("for how long is not known".to_owned(), |took| format!("{took} ms"));
            let said = attempt.response.as_deref().filter(|said| !said.is_empty());
            let said = said.map_or(String::new(), |said| {
                format!(": {}", clean(&said.chars().take(200).collect::<String>()))
            });
            text.push_str(&format!(
                "  {}. {} {}{status}, {took}{said}\n",
                attempt.attempt,
                attempt.began_at.format("%Y-%m-%d %H:%M:%S UTC"),
                clean(&attempt.code)
            ));
        }
    }
    text
}
