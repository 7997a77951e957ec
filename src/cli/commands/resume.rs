//! `resume`: has the controller look after workspaces again.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::args::{Format, YesArgs};
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::pausing::{self, Known, Scene};
use crate::plan::pauses::PauseRow;
use crate::report;
use crate::report::clean::clean;

/// Have `synthex watch` look after paused workspaces again
///
/// Ends what `synthex pause` began, before its time. A pause in the project file ends at its time, or when it is taken out of
/// the file. A workspace that is not paused is left as it is. Who resumed what is on record.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex resume workspace/anz-smb\n  synthex resume anz-smb uk-smb\n  synthex resume anz-smb --dry-run"
)]
pub struct ResumeArgs {
    /// The workspaces: `workspace/anz-smb`, or only `anz-smb`. --workspace names one as well
    #[arg(value_name = "WORKSPACE", value_parser = pausing::workspace)]
    pub workspaces: Vec<String>,
    /// Why; it is recorded
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Say what would be done and stop
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub yes: YesArgs,
}

/// Runs `resume`.
///
/// # Errors
/// A workspace is nowhere, it is the project file that pauses it, or the database does not take it.
pub async fn resume(context: &Context, args: &ResumeArgs) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    let workspaces = pausing::named(context, &args.workspaces)?;
    if workspaces.is_empty() {
        return Err(CliError::usage("no workspace is named").help(
            "name one: synthex resume workspace/NAME; `synthex pause --list` shows those that are paused",
        ));
    }
    let scene = Scene::look(context, "resume", &workspaces, Known::Unpaused).await?;
    let file = scene.of_the_file();
    let is_paused = |name: &&String| scene.rows.iter().any(|row| row.workspace == **name);
    let of_the_file =
        workspaces.iter().filter(|name| !is_paused(name)).find_map(|name| Some((name, file.get(name)?)));
    if let Some((name, pause)) = of_the_file {
        return Err(CliError::usage(format!("workspace `{name}` is paused by {}", scene.file()))
            .why(format!("it is {}", report::pauses::words(pause, Some(scene.now))))
            .help(format!("take it out of `pauses` in {}; nothing was changed", scene.file())));
    }
    let resumed = match args.dry_run || scene.rows.is_empty() {
        true => scene.rows.clone(),
        false => {
            let reason = args.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
            let audit = scene.audit(context, "resume", &workspaces, reason);
            let mut writer = scene.writer(context, "resume").await?;
            let resumed = writer.resume(&workspaces, &audit).await?;
            writer.close().await;
            resumed
        }
    };
    show(context, &scene, &workspaces, &resumed, args.dry_run);
    Ok(ExitStatus::Success)
}

fn show(context: &Context, scene: &Scene, workspaces: &[String], resumed: &[PauseRow], is_dry: bool) {
    if context.global.format == Format::Json {
        let pauses: Vec<Value> = resumed.iter().map(pausing::row_json).collect();
        let is_done = !is_dry && !resumed.is_empty();
        context.printer.json(&json!({"format_version": "1.0", "resumed": is_done, "pauses": pauses}));
        return;
    }
    let mut text = String::new();
    for name in workspaces {
        let Some(row) = resumed.iter().find(|row| row.workspace == *name) else {
            text.push_str(&format!("Workspace `{name}` is not paused.\n"));
            continue;
        };
        let begin = if is_dry { "Would resume" } else { "Resumed" };
        let ending = report::pauses::ending(row.until, Some(scene.now));
        text.push_str(&format!(
            "{begin} workspace `{name}`; it was paused by {} {ending}: {}.\n",
            clean(&row.actor),
            clean(&row.reason)
        ));
        if let Some(pause) = scene.of_the_file().get(name) {
            text.push_str(&format!("  It is still {}.\n", report::pauses::words(pause, Some(scene.now))));
        }
    }
    context.printer.result(&text);
}
