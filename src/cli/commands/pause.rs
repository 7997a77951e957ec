//! `pause`: has the controller leave workspaces alone for a while, and says which are.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::args::{self, Format, YesArgs};
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::pausing::{self, Known, Scene};
use crate::model::text::duration_seconds;
use crate::plan::pauses::PauseRow;
use crate::report::clean::clean;
use crate::report::{self, time};
use crate::store::{PauseEnd, Paused, Pausing};

/// The most characters of a reason.
const MOST_REASON: usize = 500;

/// Have `synthex watch` leave workspaces alone for a while
///
/// While a workspace is paused, controllers neither correct it nor tell of alerts in it. `plan` and `apply` work as ever, and
/// say that it is paused, by whom and why. It ends by itself at its time, or with `synthex resume`. Pausing a paused workspace
/// replaces the reason and the end. Who paused what is on record: `synthex history`.
///
/// A pause that is to be reviewed stands in the project file instead, as one of its `pauses`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex pause workspace/anz-smb --for 4h --reason \"INC-12\"\n  synthex pause anz-smb uk-smb --until 2026-12-31T09:00:00Z --reason \"stock-taking\"\n  synthex pause anz-smb --reason \"INC-12\" --dry-run\n  synthex pause --list\n  synthex resume workspace/anz-smb"
)]
pub struct PauseArgs {
    /// The workspaces: `workspace/anz-smb`, or only `anz-smb`. --workspace names one as well
    #[arg(value_name = "WORKSPACE", value_parser = pausing::workspace)]
    pub workspaces: Vec<String>,
    /// Why; needed, and shown to everybody who looks at the workspace
    #[arg(long, value_name = "TEXT", conflicts_with = "list")]
    pub reason: Option<String>,
    /// For how long: `30m`, `4h`, `2d`
    #[arg(long = "for", value_name = "TIME", value_parser = length, allow_hyphen_values = true, conflicts_with_all = ["until", "list"])]
    pub length: Option<Duration>,
    /// Until when, RFC 3339 or a date in UTC. With neither this nor --for, until somebody resumes it
    #[arg(long, value_name = "TIME", value_parser = args::moment, allow_hyphen_values = true, conflicts_with = "list")]
    pub until: Option<DateTime<Utc>>,
    /// List what is paused, also by the project file; with workspaces, only these
    #[arg(long)]
    pub list: bool,
    /// Say what would be done and stop
    #[arg(long, conflicts_with = "list")]
    pub dry_run: bool,
    #[command(flatten)]
    pub yes: YesArgs,
}

fn length(text: &str) -> Result<Duration, String> {
    let seconds = duration_seconds(text).and_then(|seconds| u64::try_from(seconds).ok());
    seconds.map(Duration::from_secs).ok_or("write how long from now: 30m, 4h or 2d".to_owned())
}

/// Runs `pause`.
///
/// # Errors
/// There is no reason, the end is over, a workspace is nowhere, or the database does not take it.
pub async fn pause(context: &Context, args: &PauseArgs) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    let workspaces = pausing::named(context, &args.workspaces)?;
    if args.list {
        return list(context, &workspaces).await;
    }
    if workspaces.is_empty() {
        return Err(CliError::usage("no workspace is named")
            .help("name one: synthex pause workspace/NAME --for 4h --reason TEXT; `synthex pause --list` shows those that are paused"));
    }
    let reason = reason(args, &workspaces)?;
    let scene = Scene::look(context, "pause", &workspaces, Known::All).await?;
    if let Some(until) = args.until.filter(|until| *until <= scene.now) {
        return Err(CliError::usage("the pause would be over before it begins")
            .why(format!("--until is {}, by the clock of the database", time::instant(until, scene.now)))
            .help("name a time to come, or how long from now: --for 4h"));
    }
    let end = match (args.length, args.until) {
        (Some(length), _) => PauseEnd::After(length),
        (None, Some(until)) => PauseEnd::At(until),
        (None, None) => PauseEnd::Never,
    };
    let asked = Pausing { workspaces: &workspaces, reason, end };
    if args.dry_run {
        let paused = foreseen(context, &scene, asked);
        show(context, &scene, &paused, true);
        return Ok(ExitStatus::Success);
    }
    let audit = scene.audit(context, "pause", &workspaces, Some(reason));
    let mut writer = scene.writer(context, "pause").await?;
    let paused = writer.pause(asked, &audit).await?;
    writer.close().await;
    show(context, &scene, &paused, false);
    Ok(ExitStatus::Success)
}

fn reason<'a>(args: &'a PauseArgs, workspaces: &[String]) -> Result<&'a str, CliError> {
    let reason = args.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
    let Some(reason) = reason else {
        return Err(CliError::usage("a pause needs a reason")
            .why("whoever finds the workspace left alone has to know why, and whether that still holds")
            .help(format!(
                "add it: synthex pause workspace/{} --reason \"INC-12\"",
                workspaces.join(" workspace/")
            )));
    };
    if reason.chars().count() > MOST_REASON || reason.contains('\0') {
        return Err(CliError::usage("this is no reason that can be kept")
            .why(format!("it has more than {MOST_REASON} characters, or a NUL"))
            .help("name the incident, and write the rest there"));
    }
    Ok(reason)
}

/// What would come of it, as far as that is known before.
fn foreseen(context: &Context, scene: &Scene, asked: Pausing<'_>) -> Vec<Paused> {
    let until = match asked.end {
        PauseEnd::Never => None,
        PauseEnd::After(length) => {
            chrono::TimeDelta::from_std(length).ok().and_then(|length| scene.now.checked_add_signed(length))
        }
        PauseEnd::At(at) => Some(at),
    };
    let one = |workspace: &String| Paused {
        pause: PauseRow {
            workspace: workspace.clone(),
            reason: asked.reason.to_owned(),
            actor: context.actor(),
            since: scene.now,
            until,
        },
        replaced: scene.rows.iter().find(|row| row.workspace == *workspace).cloned(),
    };
    asked.workspaces.iter().map(one).collect()
}

fn show(context: &Context, scene: &Scene, paused: &[Paused], is_dry: bool) {
    let file = scene.of_the_file();
    if context.global.format == Format::Json {
        let pauses: Vec<Value> = paused
            .iter()
            .map(|Paused { pause, replaced }| {
                let mut value = pausing::row_json(pause);
                value["replaced"] = json!(replaced.as_ref().map(pausing::row_json));
                value
            })
            .collect();
        context.printer.json(&json!({"format_version": "1.0", "paused": !is_dry, "pauses": pauses}));
    }
    let mut text = String::new();
    for Paused { pause, replaced } in paused {
        let begin = if is_dry { "Would pause" } else { "Paused" };
        let ending = report::pauses::ending(pause.until, Some(pause.since));
        let reason = clean(&pause.reason);
        text.push_str(&format!("{begin} workspace `{}` {ending}: {reason}.\n", pause.workspace));
        if let Some(before) = replaced {
            let ending = report::pauses::ending(before.until, Some(pause.since));
            text.push_str(&format!(
                "  In place of a pause by {}, {ending}: {}.\n",
                clean(&before.actor),
                clean(&before.reason)
            ));
        }
        if let Some(declared) = file.get(&pause.workspace) {
            let words = report::pauses::words(declared, Some(pause.since));
            text.push_str(&format!("  It is also {words}. Of the two, the one that lasts longer counts.\n"));
        }
    }
    if context.global.format != Format::Json {
        context.printer.result(&text);
    }
    if let Some(Paused { pause, .. }) = paused.iter().find(|paused| paused.pause.until.is_none()) {
        context.printer.note(&format!(
            "warning: no end was given (--for, --until): nothing corrects this workspace until somebody runs `synthex resume workspace/{}`",
            pause.workspace
        ));
    }
}

async fn list(context: &Context, workspaces: &[String]) -> Result<ExitStatus, CliError> {
    let scene = Scene::look(context, "pause --list", workspaces, Known::All).await?;
    let pauses = scene.pauses();
    let is_meant = |name: &str| workspaces.is_empty() || workspaces.iter().any(|one| one == name);
    let pauses: Vec<_> = pauses.iter().filter(|(name, _)| is_meant(name)).collect();
    if context.global.format == Format::Json {
        let values: Vec<Value> =
            pauses.iter().map(|(name, pause)| pausing::pause_json(name, pause)).collect();
        context
            .printer
            .json(&json!({"format_version": "1.0", "installed": scene.is_installed, "pauses": values}));
        return Ok(ExitStatus::Success);
    }
    if pauses.is_empty() {
        context.printer.note(&match workspaces {
            [] => "No workspace is paused.".to_owned(),
            names => format!("Not paused: {}.", names.join(", ")),
        });
        return Ok(ExitStatus::Success);
    }
    let cells = pauses.iter().map(|(name, pause)| {
        vec![
            (*name).to_owned(),
            pause.who.clone(),
            pause.since.map_or_else(|| "-".to_owned(), |at| time::instant(at, scene.now)),
            pause.until.map_or_else(|| "somebody resumes it".to_owned(), |at| time::until(at, scene.now)),
            pause.reason.clone(),
        ]
    });
    let headers = ["WORKSPACE", "PAUSED BY", "SINCE", "UNTIL", "REASON"];
    context.printer.result(&report::table::table(&headers, cells.collect(), &context.printer.stdout));
    Ok(ExitStatus::Success)
}
