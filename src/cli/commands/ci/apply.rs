//! `ci apply`: applies the plan that was approved in a pull request, and no other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::DateTime;
use clap::{ArgGroup, Args};
use serde_json::json;

use crate::cli::approving::AutoApproveArgs;
use crate::cli::args::{self, Format};
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::outcome::{interrupted, outcome_json};
use crate::cli::planning::{self, Planned, Wishes};
use crate::cli::progress::ProgressMode;
use crate::cli::project;
use crate::cli::signals::Signals;
use crate::cli::writing::{self, Done, Job, OnErrorArg, WriteArgs};
use crate::engine::{self, Applied, StateReader as _};
use crate::files;
use crate::model::{Diagnostic, Digest, Severity};
use crate::report;
use crate::report::ci::approval::{self, Unapproved};
use crate::report::ci::outcome::{Ended, LeftOut, Outcome};

use super::WishArgs;
use super::surroundings::Surroundings;

const RESULT: &str = "result.md";
const REPLAN: &str =
    "re-plan: run `synthex ci plan` on the base branch as it is now, and have that plan approved";

/// Apply what was approved, and nothing else
///
/// Plans anew and applies only when the plan has the approved digest; never asks. The digest is given, or read from the
/// comment that `synthex ci plan` wrote. A job that is run again after it applied says so and succeeds. Give the same plan options
/// (--prune, selection, ...) as to `synthex ci plan`. What came of it is written to result.md in --dir and, on GitHub, to
/// the step summary; outputs are applied, revision, digest and result-file.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("approval").args(["expect_digest", "approved_comment", "auto_approve"]).required(true),
    after_help = "Examples:\n  synthex ci apply --approved-comment comment.md\n  synthex ci apply --expect-digest sha256:... --ack-deletes 12\n  synthex ci apply --auto-approve safe --auto-approve-max 10"
)]
pub struct CiApplyArgs {
    /// Apply only the plan with this digest
    #[arg(long, value_name = "DIGEST", value_parser = writing::digest)]
    pub expect_digest: Option<Digest>,
    /// Apply only the plan that this comment shows, as `synthex ci plan` wrote it for this environment
    #[arg(long, value_name = "FILE")]
    pub approved_comment: Option<PathBuf>,
    #[command(flatten)]
    pub auto_approve: AutoApproveArgs,
    /// Say that so many deletions are meant, so that guards on their number let them pass
    #[arg(long, value_name = "NUMBER", conflicts_with = "auto_approve")]
    pub ack_deletes: Option<usize>,
    /// Say that so many updates are meant, so that the guard on their number lets them pass
    #[arg(long, value_name = "NUMBER", conflicts_with = "auto_approve")]
    pub ack_updates: Option<usize>,
    /// What happens when one change cannot be made
    #[arg(long, value_enum, default_value_t = OnErrorArg::Stop, value_name = "WHAT")]
    pub on_error: OnErrorArg,
    /// How long to wait in line for a lease that another run holds: `60`, `60s`, `5m`
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = args::waiting_time)]
    pub lock_timeout: Duration,
    /// How progress is shown on standard error
    #[arg(long, value_enum, default_value_t = ProgressMode::Auto, value_name = "MODE")]
    pub progress: ProgressMode,
    /// The folder for the results; created where it is missing
    #[arg(long, value_name = "DIR", default_value = "synthex-ci")]
    pub dir: PathBuf,
    #[command(flatten)]
    pub wish: WishArgs,
}

/// How far a run came, for the report about it.
#[derive(Default)]
struct Progress {
    environment: Option<String>,
    approved: Option<Digest>,
    planned: Option<Planned>,
}

/// What came of a run.
enum Came {
    Done(Done),
    /// An earlier run did it, as this revision.
    Already(i64),
}

/// Runs `ci apply`.
///
/// # Errors
/// Nothing is approved, or something else; problems of manifests or of the database. Nothing was changed.
pub async fn apply(context: &Context, args: &CiApplyArgs) -> Result<ExitStatus, CliError> {
    let signals = Signals::listen()?;
    let around = Surroundings::new(context, &args.dir)?;
    around.remove(&[RESULT])?;
    let mut progress = Progress::default();
    let came = attempt(context, args, &around, &signals, &mut progress).await;
    let reported = tell(context, &around, &progress, &came);
    match came {
        Err(error) => {
            if let Err(unwritten) = reported {
                context.printer.failure(&unwritten);
            }
            Err(error)
        }
        Ok(came) => {
            reported.map_err(|error| {
                error.help("what was applied stays applied; look at the record: synthex history")
            })?;
            Ok(match came {
                Came::Done(done) => done.status,
                Came::Already(_) => ExitStatus::Success,
            })
        }
    }
}

async fn attempt(
    context: &Context,
    args: &CiApplyArgs,
    around: &Surroundings<'_>,
    signals: &Signals,
    progress: &mut Progress,
) -> Result<Came, CliError> {
    progress.environment = project::find(context)?.project.spec.environment;
    let expected = match &args.approved_comment {
        None => args.expect_digest,
        Some(path) => Some(approved(path, progress.environment.as_deref())?),
    };
    progress.approved = expected;
    let tolerate = args.on_error == OnErrorArg::Continue;
    let wishes = Wishes { migrates: true, ..args.wish.wishes(tolerate)? };
    let planned = tokio::select! {
        biased;
        () = engine::Interrupt::requested(signals) => return Err(interrupted(signals)),
        planned = planning::make(context, &wishes, "apply") => planned?,
    };
    let planned = progress.planned.insert(planned);
    if let Some(expected) = expected.filter(|expected| *expected != planned.digest)
        && planned.plan.is_empty()
        && let Some(revision) = applied_before(planned, &expected).await?
    {
        if context.global.format == Format::Json {
            let mut outcome = outcome_json(&planned.plan, None, None);
            outcome["already_applied"] = json!(revision);
            context.printer.json(&outcome);
        } else {
            context
                .printer
                .result(&format!("This plan was already applied, as revision {revision}.\nNo changes.\n"));
        }
        return Ok(Came::Already(revision));
    }
    let write = WriteArgs {
        yes: true,
        dry_run: false,
        expect_digest: expected,
        ack_deletes: args.ack_deletes,
        ack_updates: args.ack_updates,
        on_error: args.on_error,
        lock_timeout: args.lock_timeout,
        progress: args.progress,
    };
    let job = Job {
        command: "apply",
        args: &write,
        planned,
        note: args.auto_approve.note(),
        is_agreed: true,
        may_plan_again: false,
        is_strict: false,
        auto_approve: args.auto_approve.max_tenants(),
    };
    let token = around.suspend();
    let done = writing::perform(context, &job, signals).await;
    around.resume(token);
    done.map(Came::Done).map_err(|error| match error.status {
        ExitStatus::Stale => error.help(REPLAN),
        _ => error,
    })
}

/// The digest that a comment stands for.
fn approved(path: &Path, environment: Option<&str>) -> Result<Digest, CliError> {
    let shown = path.display();
    let bytes = files::read_bytes(path).map_err(|error| {
        CliError::usage(format!("the comment {shown} cannot be read"))
            .why(files::io_words(&error))
            .help("name the file that `synthex ci plan` wrote as comment.md, or the text of the comment")
    })?;
    approval::digest(&String::from_utf8_lossy(&bytes), environment).map_err(|error| {
        let what = format!("the comment {shown} approves nothing here");
        let failure = match error {
            Unapproved::Elsewhere { .. } => CliError::new(ExitStatus::Stale, "plan-mismatch", what),
            _ => CliError::usage(what),
        };
        failure
            .why(format!("{error}; nothing was changed"))
            .help("name the comment of this environment, whole and alone, as `synthex ci plan` wrote it")
    })
}

/// The revision under which the approved plan is on record.
async fn applied_before(planned: &Planned, digest: &Digest) -> Result<Option<i64>, CliError> {
    let mut connection = planned.options.connect().await?;
    let revision = if connection.is_installed().await? {
        connection.applied_as(digest, &planned.plan.project, DateTime::UNIX_EPOCH).await?
    } else {
        None
    };
    connection.close().await;
    // Where it was applied in part, something else did the rest: nothing is left to do.
    Ok(revision.map(|(revision, _)| revision))
}

/// Leaves behind what came of the run.
fn tell(
    context: &Context,
    around: &Surroundings<'_>,
    progress: &Progress,
    came: &Result<Came, CliError>,
) -> Result<(), CliError> {
    let planned = progress.planned.as_ref();
    let outcome = match came {
        Ok(Came::Already(revision)) => Outcome::AlreadyApplied { revision: *revision },
        Ok(Came::Done(Done { applied: None, .. })) => Outcome::NothingToDo,
        Ok(Came::Done(Done { applied: Some(applied), .. })) => {
            Outcome::Applied { revision: applied.revision, left_out: left_out(planned, applied) }
        }
        Err(error) => Outcome::Failed {
            words: (&error.what, error.why.as_deref(), error.help.as_deref()),
            also: &error.also,
            diagnostics: &error.diagnostics,
        },
    };
    let digest = progress.approved.or_else(|| planned.map(|planned| planned.digest));
    let digest = digest.map(|digest| digest.to_string());
    let run_url = context.run_url();
    let of_error = |problem: &&Diagnostic| problem.severity == Severity::Error;
    let set_aside: Vec<Diagnostic> =
        planned.into_iter().flat_map(|planned| &planned.warnings).filter(of_error).cloned().collect();
    let text = report::ci::outcome::markdown(&Ended {
        environment: progress.environment.as_deref(),
        digest: digest.as_deref(),
        plan: planned.map(|planned| (&planned.plan, planned.database.as_str())),
        commit: planned.and_then(|planned| planned.commit.as_deref()),
        run_url: run_url.as_deref(),
        set_aside: &set_aside,
        outcome: &outcome,
    });
    let revision = match &outcome {
        Outcome::Applied { revision, .. } | Outcome::AlreadyApplied { revision } => revision.to_string(),
        Outcome::NothingToDo | Outcome::Failed { .. } => String::new(),
    };
    around.write(RESULT, &text)?;
    around.output(&[
        ("applied", matches!(outcome, Outcome::Applied { .. }).to_string()),
        ("revision", revision),
        ("digest", digest.unwrap_or_default()),
        ("environment", progress.environment.clone().unwrap_or_default()),
        ("result_file", around.shown(RESULT)),
    ])?;
    around.summarize(|_| text)?;
    if let Err(error) = came {
        if error.diagnostics.is_empty() {
            let words = (error.what.as_str(), error.why.as_deref(), error.help.as_deref());
            around.annotate(&report::ci::annotation(words));
        } else {
            around.annotate(&report::annotations::problems(&error.diagnostics));
        }
    }
    Ok(())
}

/// In the plan's order, what failed before what was skipped.
fn left_out<'a>(planned: Option<&'a Planned>, applied: &'a Applied) -> Vec<LeftOut<'a>> {
    let actions = planned.map(|planned| planned.plan.actions.as_slice()).unwrap_or_default();
    let one = |(index, left): (&usize, &'a engine::LeftOut)| {
        let (failed, why) = match left {
            engine::LeftOut::Failed(why) => (true, why),
            engine::LeftOut::Skipped(why) => (false, why),
        };
        Some(LeftOut { index: *index, action: actions.get(*index)?, failed, why })
    };
    let mut all: Vec<LeftOut<'a>> = applied.left_out.iter().filter_map(one).collect();
    all.sort_unstable_by_key(|left| (!left.failed, left.index));
    all
}
