//! `channels test`: sends a message that says that it is a test, by the very code that delivers, and says what came of it.

use clap::Args;
use serde_json::{Value, json};

use crate::alerts::notice::sample;
use crate::alerts::{Event, Message, Notice};
use crate::channels::Prepared;
use crate::cli::args::Format;
use crate::cli::context::{Context, new_id};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::sending;
use crate::cli::signals::Signals;
use crate::engine::Interrupt as _;
use crate::engine::delivery::channel::{targets, timeout};
use crate::engine::delivery::{Envelope, Failure, Sent};
use crate::http::certificates::UNTRUSTED;
use crate::kinds::notification_channel::NotificationChannelSpec;
use crate::model::clock::{Clock as _, SystemClock};
use crate::report::notice::{Words, text};
use crate::store::trying::TestItem;

use super::{Channel, Known};

/// Send a message that is marked as a test through a channel
///
/// It takes the way of every message: the same words, signature, guard, timeout and TLS. Exits with 0 when the receiver took it,
/// and with 8 otherwise, with what the receiver said and what to do. A channel that is switched off is tried all the same.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex channels test ops-slack\n  synthex channels test ops-mail --dry-run\n  synthex channels test hooks --workspace anz-smb --format json"
)]
pub struct ChannelsTestArgs {
    /// The channel
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Show what would be sent, byte for byte but for secrets, and send nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What came of it for one target.
struct Tried {
    target: String,
    outcome: Result<Sent, Failure>,
}

/// Runs `channels test`.
pub(super) async fn test(context: &Context, args: &ChannelsTestArgs) -> Result<ExitStatus, CliError> {
    let signals = Signals::listen()?;
    let known = Known::read_one(context, "channels test").await?;
    let channel = known.one(&args.name)?;
    let spec = channel.spec.as_ref().map_err(|why| {
        CliError::usage(format!("channel `{}` cannot be used", args.name))
            .why(format!("what the database has of it says nothing sensible: {why}"))
            .help("apply its manifest again")
    })?;
    let workspace = channel.row.key.workspace.to_string();
    // What is sent is sent now, whatever --as-of says.
    let now = SystemClock.now();
    let message = Message { workspace: workspace.clone(), ..sample(Event::Test, now) };
    let sender = sending::sender(context, known.found.as_ref())?;
    let mut tried = Vec::new();
    let mut shown = Vec::new();
    for target in targets(spec) {
        let envelope = Envelope {
            delivery: new_id(),
            workspace: &workspace,
            channel: &args.name,
            spec,
            target: &target,
            message: &message,
            late_since: None,
            timeout: timeout(spec),
            now,
        };
        let prepared = match sender.prepare(&envelope).await {
            Ok(prepared) if args.dry_run => {
                shown.push((target.clone(), show(&prepared, &envelope)));
                continue;
            }
            Ok(prepared) => prepared,
            Err(failure) => {
                tried.push(Tried { target: target.clone(), outcome: Err(failure) });
                continue;
            }
        };
        let outcome = match &prepared {
            Prepared::Inbox => put(&known, &envelope).await?,
            _ => tokio::select! {
                outcome = sender.attempt_prepared(&prepared, &envelope) => outcome,
                () = signals.requested() => return Err(broken_off(&signals)),
            },
        };
        tried.push(Tried { target: target.clone(), outcome });
    }
    if args.dry_run && tried.is_empty() {
        say_shown(context, channel, &shown);
        return Ok(ExitStatus::Success);
    }
    say(context, channel, spec, &tried, args.dry_run)
}

/// The user stopped the test while it was under way.
fn broken_off(signals: &Signals) -> CliError {
    let status = signals.status().unwrap_or(ExitStatus::Interrupted);
    CliError::new(status, "interrupted", "stopped while the test was under way; the receiver may have it")
}

/// The row of the inbox that stands for a test. It is read like any other.
async fn put(known: &Known, envelope: &Envelope<'_>) -> Result<Result<Sent, Failure>, CliError> {
    let words = words(envelope);
    let body = text::body(&words);
    let item = TestItem {
        id: envelope.delivery,
        workspace: envelope.workspace,
        channel: envelope.channel,
        recipient: envelope.target,
        severity: envelope.message.severity.code(),
        title: &words.title,
        body: &body,
    };
    let mut connection = known.options.connect().await?;
    let written = connection.put_into_inbox(&item, envelope.now).await;
    connection.close().await;
    written?;
    Ok(Ok(Sent::default()))
}

fn words<'e>(envelope: &'e Envelope<'_>) -> Words<'e> {
    let notice = Notice {
        message: envelope.message,
        workspace: envelope.workspace,
        channel: envelope.channel,
        late_since: envelope.late_since,
        environment: None,
    };
    Words::new(notice, envelope.spec.template.as_ref())
}

fn show(prepared: &Prepared, envelope: &Envelope<'_>) -> String {
    match prepared {
        Prepared::Post(post) => post.shown(),
        Prepared::Mail(mail) => mail.shown(),
        Prepared::Line(line) => format!("{line}\n"),
        Prepared::Inbox => {
            let words = words(envelope);
            format!("Inbox of {}\n{}", named(envelope.target), text::body(&words))
        }
    }
}

fn named(target: &str) -> &str {
    if target.is_empty() { "everybody" } else { target }
}

fn say_shown(context: &Context, channel: &Channel, shown: &[(String, String)]) {
    if context.global.format == Format::Json {
        let attempts: Vec<Value> =
            shown.iter().map(|(target, text)| json!({"target": target, "wouldSend": text})).collect();
        context.printer.json(&json!({
            "format_version": "1.0",
            "channel": &*channel.row.key.name,
            "workspaceId": &*channel.row.key.workspace,
            "dryRun": true,
            "attempts": attempts,
        }));
        return;
    }
    let texts: Vec<&str> = shown.iter().map(|(_, text)| text.as_str()).collect();
    context.printer.result(&texts.join("\n"));
    context.printer.note("Nothing was sent.");
}

fn say(
    context: &Context,
    channel: &Channel,
    spec: &NotificationChannelSpec,
    tried: &[Tried],
    dry_run: bool,
) -> Result<ExitStatus, CliError> {
    let name = &*channel.row.key.name;
    let failed = tried.iter().find_map(|tried| tried.outcome.as_ref().err());
    let status = if failed.is_some() { ExitStatus::Unreachable } else { ExitStatus::Success };
    if context.global.format == Format::Json {
        let attempts: Vec<Value> = tried.iter().map(tried_json).collect();
        context.printer.json(&json!({
            "format_version": "1.0",
            "channel": name,
            "workspaceId": &*channel.row.key.workspace,
            "dryRun": dry_run,
            "type": channel.type_code(),
            "enabled": spec.enabled,
            "ok": failed.is_none(),
            "attempts": attempts,
        }));
    }
    for Tried { target, outcome } in tried {
        let to = if target.is_empty() { String::new() } else { format!(" to {target}") };
        match outcome {
            Ok(sent) => {
                let status = sent.status.map(|status| format!(" ({status})")).unwrap_or_default();
                context.printer.note(&format!("A test went through channel `{name}`{to}{status}."));
            }
            Err(failure) => {
                let mut error = CliError::new(
                    ExitStatus::Unreachable,
                    failure.code,
                    match dry_run {
                        true => format!("no test can be made for channel `{name}`{to}: {}", failure.code),
                        false => {
                            format!("the test did not get through channel `{name}`{to}: {}", failure.code)
                        }
                    },
                )
                .why(failure.what.clone())
                .help(advice(failure));
                error.also.extend(failure.response.iter().map(|text| format!("the receiver said: {text}")));
                context.printer.failure(&error);
            }
        }
    }
    if !spec.enabled {
        context.printer.note("The channel is switched off: nothing but a test goes through it.");
    }
    Ok(status)
}

fn tried_json(tried: &Tried) -> Value {
    match &tried.outcome {
        Ok(sent) => json!({
            "target": tried.target, "ok": true, "status": sent.status, "response": sent.response,
        }),
        Err(failure) => json!({
            "target": tried.target,
            "ok": false,
            "code": failure.code,
            "why": failure.what,
            "help": advice(failure),
            "permanent": failure.is_permanent,
            "status": failure.status,
            "response": failure.response,
            "retryAfterSeconds": failure.retry_after.map(|wait| wait.as_secs()),
            "pausesChannel": failure.pauses_channel,
            "disablesChannel": failure.disables_channel,
        }),
    }
}

/// What to do about a failure.
fn advice(failure: &Failure) -> &'static str {
    match failure.code {
        "refused_address" | "bad_network" => {
            "see `network:` of the channel in docs/channels.md for what may be called"
        }
        "unresolved" | "connect" => "look at the name, the port, and whether a firewall is between",
        "timeout" => {
            "look whether the receiver is slow or a firewall is between, or wait longer: `delivery.timeout`, at most 30s"
        }
        "bad_certificate" if failure.what.contains(UNTRUSTED) => {
            "name the authority that signed it in `network.caFile` if it is to be trusted, and see that the receiver sends its whole chain"
        }
        "bad_certificate" => {
            "call the receiver by the name in its certificate, or have it get a new one; `network.caFile` does not help"
        }
        "tls" => "look whether the receiver speaks TLS at this port, and which versions of it",
        "unknown_outcome" => {
            "look whether it arrived; a message that is queued is sent again with the same Message-ID"
        }
        "ca_file" => "correct `network.caFile`, or put the file there",
        "no_starttls" | "no_encryption" => "set `encryption:` to what the mail server offers",
        "auth_failed" | "no_auth" => "correct `username`, and the password where it is kept",
        "secret" | "bad_secret" => "correct the secret where it is kept",
        "rate_limited" | "daily_quota_exceeded" | "monthly_quota_exceeded" => {
            "wait, and set `rateLimitPerMinute` so that fewer messages are sent"
        }
        "unauthorized" | "forbidden" | "missing_api_key" | "invalid_api_key" | "restricted_api_key" => {
            "issue a new key that may send, and store it where the old one is"
        }
        "gone" | "no_service" | "channel_is_archived" | "invalid_token" | "channel_not_found" => {
            "make a new webhook at the receiver, and store its address where the old one is"
        }
        "redirect" => "write the address that it leads to in the channel, if that is the receiver",
        "bad_address" | "mailbox_unavailable" | "validation_error" => {
            "correct the sender's and the recipient's address"
        }
        _ if failure.is_permanent => "look at what the receiver said, and correct the channel",
        _ => {
            "try again later; a test is sent once, and other messages are tried again by `synthex notify deliver`"
        }
    }
}
