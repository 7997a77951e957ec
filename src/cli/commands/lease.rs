//! `lease`: who writes which workspace, and holding applies off by hand.

mod list;

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::args::{self, Format};
use crate::cli::context::{Context, new_id};
use crate::cli::database;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::printer::write_stderr;
use crate::cli::prompt;
use crate::cli::signals::Signals;
use crate::engine::{self, HeldLease, Holder, LeaseNews, StateReader as _, StateWriter as _};
use crate::model::diagnostic::did_you_mean;
use crate::model::text::duration_seconds;
use crate::report;
use crate::store::{self, Audit, ConnectOptions, Writer};

/// See who writes which workspace, and hold applies off by hand
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  synthex lease list\n  synthex lease take -w anz-smb --reason \"repair of the billing import\" --ttl 30m\n  synthex lease release -w anz-smb"
)]
pub enum LeaseCommand {
    List(ListArgs),
    Take(TakeArgs),
    Release(ReleaseArgs),
}

/// List the leases that are held, and who waits for them
///
/// An apply holds the lease of each workspace it writes, for 15 seconds at a time, and renews it while it works.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex lease list\n  synthex lease list -w anz-smb\n  synthex lease list --format json"
)]
pub struct ListArgs {}

/// Take the lease of a workspace by hand, so that applies are held off
///
/// For repairs in the database. Applies to the workspace end with exit code 4 and say who, why and until when; with
/// --lock-timeout they wait. The lease runs out by itself; taking it again changes the time and the reason.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex lease take -w anz-smb --reason \"repair of the billing import\" --ttl 30m\n  synthex lease take -w anz-smb --reason repair --ttl 2h --yes\n  synthex lease take -w anz-smb --reason repair --lock-timeout 5m --yes"
)]
pub struct TakeArgs {
    /// Why; others are shown it
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
    /// For how long: `90s`, `30m`, `8h`, `2d`; at most a week
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = ttl)]
    pub ttl: Duration,
    /// How long to wait in line for a lease that another run holds: `60`, `60s`, `5m`
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = args::waiting_time)]
    pub lock_timeout: Duration,
    /// Do not ask; needed where there is no terminal to ask on
    #[arg(short, long)]
    pub yes: bool,
    /// Say what would be done and stop
    #[arg(long)]
    pub dry_run: bool,
}

/// Release the lease of a workspace
///
/// One that you took by hand is given back. Of anybody else it is taken away, with --force: what that run is writing is
/// rolled back. There is no need to when a run has died: its lease runs out within 15 seconds.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex lease release -w anz-smb\n  synthex lease release -w anz-smb --holder runner-7 --force --reason \"the job hangs\""
)]
pub struct ReleaseArgs {
    /// Only if this is who holds it: a host, `user@host`, or the id in `lease list --format json`
    #[arg(long, value_name = "HOLDER")]
    pub holder: Option<String>,
    /// Take it away from a run that is alive, or from another person
    #[arg(long)]
    pub force: bool,
    /// Why; it is recorded
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: Option<String>,
    /// Do not ask; needed for --force where there is no terminal to ask on
    #[arg(short, long)]
    pub yes: bool,
    /// Say what would be done and stop
    #[arg(long)]
    pub dry_run: bool,
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    let fits = (1..=200).contains(&text.chars().count());
    if fits { Ok(text.to_owned()) } else { Err("write a reason of at most 200 characters".to_owned()) }
}

fn ttl(text: &str) -> Result<Duration, String> {
    let seconds = duration_seconds(text).filter(|seconds| *seconds <= 7 * 86_400);
    let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
    seconds.map(Duration::from_secs).ok_or("write a time such as 90s, 30m, 8h or 2d; at most 7d".to_owned())
}

/// Runs `lease`.
///
/// # Errors
/// Problems of the project file or of the database; somebody else holds the lease.
pub async fn lease(context: &Context, command: &LeaseCommand) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    match command {
        LeaseCommand::List(_) => list::list(context).await,
        LeaseCommand::Take(args) => take(context, args).await,
        LeaseCommand::Release(args) => release(context, args).await,
    }
}

/// A workspace whose lease can be taken or released, and where it is.
struct Target {
    options: ConnectOptions,
    workspace: String,
    project: String,
    /// Who holds it at this moment.
    held: Option<HeldLease>,
}

impl Target {
    async fn find(context: &Context, command: &str) -> Result<Self, CliError> {
        let Some(workspace) = context.global.workspace.clone() else {
            return Err(CliError::usage("no workspace is named")
                .help("add --workspace NAME; `synthex lease list` shows the leases that are held"));
        };
        let (source, found) = super::place(context)?;
        let nowhere = || {
            CliError::usage("synthex is not installed in this database, so there are no leases")
                .help("run `synthex apply` first; `synthex db status` shows which database is meant")
        };
        let options = database::existing(context, &source, command).await?.ok_or_else(nowhere)?;
        let mut connection = options.connect().await?;
        let known = store::known_workspaces(&mut connection).await?.ok_or_else(nowhere)?;
        if !connection.is_confined().await? {
            is_known(&workspace, &known)?;
        }
        let entries = store::leases(&mut connection, Some(&workspace)).await?.unwrap_or_default();
        connection.close().await;
        let project = found.map_or_else(|| "-".to_owned(), |found| found.project.name);
        let held = entries.into_iter().find_map(|entry| entry.held);
        Ok(Self { options, workspace, project, held })
    }

    fn audit(&self, context: &Context, holder: &Holder, reason: Option<&str>) -> Audit {
        let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
        Audit {
            id: new_id(),
            project: self.project.clone(),
            command: holder.command.clone(),
            actor: context.actor(),
            host: holder.host.clone(),
            run_url: context.run_url(),
            note: format!("workspace {}{reason}", self.workspace),
        }
    }
}

fn is_known(workspace: &str, known: &[String]) -> Result<(), CliError> {
    if known.iter().any(|name| name == workspace) {
        return Ok(());
    }
    // Controllers have leases of their own, which are no workspaces.
    let names: Vec<&str> =
        known.iter().map(String::as_str).filter(|name| !name.starts_with("watch:")).collect();
    let help = match did_you_mean(workspace, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "no workspace was applied to this database yet".to_owned(),
        None => format!("the workspaces are {}", names.join(", ")),
    };
    Err(CliError::usage(format!("there is no workspace `{workspace}` in the database")).help(help))
}

async fn take(context: &Context, args: &TakeArgs) -> Result<ExitStatus, CliError> {
    let signals = Signals::listen()?;
    let target = Target::find(context, "lease take").await?;
    let workspace = &target.workspace;
    let holder = Holder { reason: Some(args.reason.clone()), ..context.holder("lease take") };
    if args.dry_run {
        let now = target.held.as_ref().map_or(String::new(), |held| format!(" Now: {}.", held.described()));
        let text =
            format!("Would take the lease of workspace `{workspace}` for {} s.{now}", args.ttl.as_secs());
        show(context, &json!({"taken": false, "workspace": workspace, "held_by": target.held}), &text);
        return Ok(ExitStatus::Success);
    }
    let question = format!("Hold off all applies to workspace `{workspace}`?");
    if !args.yes && !confirm(context, &signals, "lease take", &question).await? {
        return Err(declined());
    }
    let audit = target.audit(context, &holder, Some(&args.reason));
    let mut writer = Writer::open(target.options.clone()).await?;
    let mut evicted = Vec::new();
    let mut hear = |news: LeaseNews| {
        context.printer.note(&report::clean::clean(&news.sentence()));
        if let LeaseNews::Evicted(lease) = news {
            evicted.push(lease);
        }
    };
    let taking = async {
        writer.migrate().await?;
        writer.take_by_hand(&holder, workspace, args.ttl, args.lock_timeout, &audit, &mut hear).await
    };
    let taken = tokio::select! {
        biased;
        () = engine::Interrupt::requested(&signals) => Err(interrupted(&signals)),
        taken = taking => taken.map_err(CliError::from),
    };
    let until = match taken {
        Ok(until) => until,
        Err(error) => {
            if let Err(release) = writer.release(&holder).await {
                tracing::debug!(error = %release, "the place in the line was not given up");
            }
            return Err(error);
        }
    };
    let time = until.format("%Y-%m-%d %H:%M:%S UTC");
    let text = format!("`{}` holds the lease of workspace `{workspace}` until {time}.", holder.actor);
    let value = json!({
        "taken": true, "workspace": workspace, "holder": holder.id, "actor": holder.actor, "reason": args.reason,
        "expires_at": until, "evicted": evicted,
    });
    show(context, &value, &text);
    Ok(ExitStatus::Success)
}

async fn release(context: &Context, args: &ReleaseArgs) -> Result<ExitStatus, CliError> {
    let signals = Signals::listen()?;
    let target = Target::find(context, "lease release").await?;
    let workspace = &target.workspace;
    let Some(held) = &target.held else {
        let text = format!("Nobody holds the lease of workspace `{workspace}`.");
        show(context, &json!({"released": false, "workspace": workspace, "held_by": null}), &text);
        return Ok(ExitStatus::Success);
    };
    let own = held.reason.is_some() && held.actor.as_deref() == Some(&context.actor());
    may_release(args, held, own)?;
    if args.dry_run {
        let text = format!("Would release the lease of workspace `{workspace}`: {}.", held.described());
        show(context, &json!({"released": false, "workspace": workspace, "held_by": held}), &text);
        return Ok(ExitStatus::Success);
    }
    if !own && !args.yes {
        let question = format!("Take the lease of workspace `{workspace}` away from {}?", held.who());
        if !confirm(context, &signals, "lease release --force", &question).await? {
            return Err(declined());
        }
    }
    Writer::open(target.options.clone()).await?.migrate().await?;
    let mut connection = target.options.connect().await?;
    let audit = target.audit(context, &context.holder("lease release"), args.reason.as_deref());
    let released = store::release_by_hand(&mut connection, workspace, held.holder, &audit).await?;
    connection.close().await;
    let Some(held) = released else {
        return Err(CliError::new(ExitStatus::Stale, "stale-lease", "the lease has changed hands meanwhile")
            .why("it was released, ran out, or was taken by somebody else while this command looked at it")
            .help("`synthex lease list` shows who holds it now"));
    };
    let text = format!("Released the lease of workspace `{workspace}`; it was held by {}.", held.who());
    show(context, &json!({"released": true, "workspace": workspace, "held_by": held}), &text);
    Ok(ExitStatus::Success)
}

/// Nobody loses a lease by mistake.
fn may_release(args: &ReleaseArgs, held: &HeldLease, own: bool) -> Result<(), CliError> {
    let refused = |what: String| CliError::new(ExitStatus::Refused, "refused", what).why(held.described());
    if let Some(word) = args.holder.as_deref().filter(|word| !held.is_meant_by(word)) {
        let what = format!("the lease of workspace `{}` is not held by `{word}`", held.workspace);
        return Err(refused(what).help("name its host, its user@host or its id, or leave --holder out"));
    }
    if own || args.force {
        return Ok(());
    }
    let what = format!("the lease of workspace `{}` is held by {}", held.workspace, held.who());
    let help = match held.reason {
        Some(_) => "ask them, or add --force",
        None => {
            "wait for it, or end its process; --force takes the lease away, and what it is writing is rolled back"
        }
    };
    Err(refused(what).help(help))
}

async fn confirm(
    context: &Context,
    signals: &Signals,
    command: &str,
    question: &str,
) -> Result<bool, CliError> {
    if !context.environment.is_interactive() {
        return Err(CliError::usage(format!(
            "{command} holds up others, and there is no terminal to ask on"
        ))
        .why("standard input or standard error is no terminal, and --yes was not given")
        .help("look at --dry-run, then add --yes"));
    }
    tokio::select! {
        biased;
        () = engine::Interrupt::requested(signals) => {
            write_stderr("\n");
            Err(interrupted(signals))
        }
        answer = prompt::confirm(question) => answer,
    }
}

fn declined() -> CliError {
    CliError::new(ExitStatus::Error, "declined", "declined; nothing was changed")
}

fn interrupted(signals: &Signals) -> CliError {
    let status = signals.status().unwrap_or(ExitStatus::Interrupted);
    CliError::new(status, "interrupted", "stopped; nothing was changed")
}

fn show(context: &Context, value: &serde_json::Value, text: &str) {
    match context.global.format {
        Format::Json => {
            let mut value = value.clone();
            value["format_version"] = json!("1.0");
            context.printer.json(&value);
        }
        // What a holder is called was written by somebody else.
        _ => context.printer.result(&format!("{}\n", report::clean::clean(text))),
    }
}
