//! The one way in which a command changes declared state: show the plan, ask, execute, report.

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde_json::Value;
use uuid::Uuid;

use crate::engine::{
    self, Applied, ApplyError, ApplyRequest, Holder, OnError, Operation, OperationStatus, StateWriter as _,
};
use crate::model::Digest;
use crate::plan::{Refusal, guards};
use crate::report;
use crate::report::plan_text::PlanOptions;
use crate::store::Writer;

use super::approving::needs_approval;
use super::args::{self, Format};
use super::context::{Context, new_id};
use super::error::{CliError, ExitStatus};
use super::outcome::{
    Whole, failure, interrupted, outcome_head, outcome_text, unusable_words, withheld_words,
};
use super::planning::Planned;
use super::progress::{Display, ProgressMode};
use super::prompt;
use super::signals::Signals;

/// Options of every command that changes declared state.
#[derive(Clone, Debug, Args)]
pub struct WriteArgs {
    /// Do not ask; needed where there is no terminal to ask on
    #[arg(short, long)]
    pub yes: bool,
    /// Show the plan and stop, also where --yes is given
    #[arg(long)]
    pub dry_run: bool,
    /// Apply only the plan with this digest, as `synthex plan` printed it
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    pub expect_digest: Option<Digest>,
    /// Say that so many deletions are meant, so that guards on their number let them pass
    #[arg(long, value_name = "NUMBER", requires = "expect_digest")]
    pub ack_deletes: Option<usize>,
    /// Say that so many updates are meant, so that the guard on their number lets them pass
    #[arg(long, value_name = "NUMBER", requires = "expect_digest")]
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
}

/// What happens when one change cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnErrorArg {
    /// Nothing is changed
    Stop,
    /// Each tenant, with what depends on it, stands or falls alone
    Continue,
}

/// Reads a digest.
///
/// # Errors
/// It is none.
pub fn digest(text: &str) -> Result<Digest, String> {
    Digest::from_hex(text)
        .ok_or("write sha256: and 64 hexadecimal digits, as `synthex plan` prints it".to_owned())
}

/// What is written, and as what.
pub struct Job<'a> {
    /// The command, as it is recorded.
    pub command: &'a str,
    /// The options.
    pub args: &'a WriteArgs,
    /// The plan.
    pub planned: &'a Planned,
    /// What a person said about it.
    pub note: Option<String>,
    /// Whether the plan was shown and agreed to before.
    pub is_agreed: bool,
    /// Whether another plan may take the place of this one, when the database changed in between.
    pub may_plan_again: bool,
    /// Whether changes that were not allowed make the run a partial one.
    pub is_strict: bool,
    /// How many tenants a harmless plan may touch, where that takes the place of an approval.
    pub auto_approve: Option<usize>,
}

impl<'a> Job<'a> {
    /// A plan that a command made, and nothing in particular said about it.
    #[must_use]
    pub fn new(command: &'a str, args: &'a WriteArgs, planned: &'a Planned) -> Self {
        Self {
            command,
            args,
            planned,
            note: None,
            is_agreed: false,
            may_plan_again: false,
            is_strict: false,
            auto_approve: None,
        }
    }
}

/// What came of a plan.
#[derive(Clone, Debug)]
pub struct Done {
    /// The exit status.
    pub status: ExitStatus,
    /// What was applied; `None` where nothing was to be done.
    pub applied: Option<Applied>,
}

/// Adds to the JSON of an outcome what a command has to say besides: what was applied, under which identity.
pub type Dress<'a> = &'a dyn Fn(&mut Value, Option<(&Applied, Uuid)>);

/// Shows the plan, asks, executes it and says what came of it.
///
/// # Errors
/// Guards refuse, the user declines, or the database does not take it. Nothing was changed.
pub async fn carry_out(context: &Context, job: &Job<'_>, signals: &Signals) -> Result<ExitStatus, CliError> {
    perform(context, job, signals).await.map(|done| done.status)
}

/// [`carry_out`], for those who have more to say of what came of it.
///
/// # Errors
/// As there.
pub async fn perform(context: &Context, job: &Job<'_>, signals: &Signals) -> Result<Done, CliError> {
    perform_with(context, job, signals, &|_, _| {}).await
}

/// [`perform`], with more in its JSON.
///
/// # Errors
/// As there.
pub async fn perform_with(
    context: &Context,
    job: &Job<'_>,
    signals: &Signals,
    dress: Dress<'_>,
) -> Result<Done, CliError> {
    let Job { args, planned, .. } = *job;
    let json = context.global.format == Format::Json;
    if !planned.warnings.is_empty() {
        context.printer.diagnostics(&planned.warnings);
    }
    if !json {
        show(context, planned);
    }
    if let Some(words) = withheld_words(&planned.plan) {
        context.printer.note(&words);
    }
    if let Some(expected) = &args.expect_digest {
        check_digest(planned, expected)?;
    }
    let acknowledged = match acknowledged(args, planned) {
        Ok(acknowledged) => acknowledged,
        Err(refused) => {
            if !args.dry_run {
                note(context, job, OperationStatus::Refused, &refused.what).await;
            }
            return Err(refused);
        }
    };
    let lets_pass = |refusal: &&Refusal| !acknowledged.lets_pass(refusal);
    let refusals: Vec<_> = planned.plan.refusals.iter().filter(lets_pass).cloned().collect();
    if !refusals.is_empty() {
        let refused = CliError::refused(&refusals);
        if !args.dry_run {
            note(context, job, OperationStatus::Refused, &refused.what).await;
        }
        return Err(refused);
    }
    if let Some(refused) = job.auto_approve.and_then(|max| needs_approval(&planned.plan, max)) {
        if !args.dry_run {
            note(context, job, OperationStatus::Refused, &refused.what).await;
        }
        return Err(refused);
    }
    let withheld = usize::from(job.is_strict && !planned.plan.withheld.is_empty());
    if planned.plan.is_empty() || args.dry_run {
        if json {
            let mut head = outcome_head(&planned.plan, None, Some(planned));
            dress(&mut head, None);
            context.printer.json(&Whole { head: &head, plan: &planned.plan, applied: None });
        }
        let partly = !args.dry_run && (planned.has_problems() || withheld > 0);
        if planned.has_problems() {
            context.printer.note(&unusable_words(planned));
        }
        let status = if partly { ExitStatus::Partly } else { ExitStatus::Success };
        return Ok(Done { status, applied: None });
    }
    // What could not be shown is not applied.
    context.printer.check().map_err(|mut error| {
        "the plan could not be shown, so nothing was changed".clone_into(&mut error.what);
        error.help("look at where standard output leads to")
    })?;
    let is_agreed = args.yes || job.is_agreed || job.auto_approve.is_some();
    if !is_agreed && !prompt::agree(context, job.command, signals).await? {
        return Err(CliError::new(ExitStatus::Error, "declined", "declined; nothing was changed"));
    }
    let (applied, id) = execute(context, job, &acknowledged, signals).await?;
    if json {
        let mut head = outcome_head(&planned.plan, Some(&applied), Some(planned));
        dress(&mut head, Some((&applied, id)));
        context.printer.json(&Whole { head: &head, plan: &planned.plan, applied: Some(&applied) });
    } else {
        context.printer.result(&outcome_text(planned, &applied, job.command));
    }
    // With `--on-error continue` manifests may have problems, known to be a resource's or not.
    let partly = !applied.left_out.is_empty() || planned.has_problems() || withheld > 0;
    let status = if partly { ExitStatus::Partly } else { ExitStatus::Success };
    Ok(Done { status, applied: Some(applied) })
}

fn show(context: &Context, planned: &Planned) {
    let style = &context.printer.stdout;
    let text = report::plan_text::human(&planned.plan, &planned.context(), style, &PlanOptions::default());
    context.printer.result(&text);
}

/// The numbers that the user named, where a guard asks for them.
#[derive(Clone, Copy, Debug, Default)]
struct Acknowledged {
    deletes: Option<usize>,
    updates: Option<usize>,
}

impl Acknowledged {
    fn lets_pass(&self, refusal: &Refusal) -> bool {
        let named = if refusal.code == guards::too_much::UPDATES { self.updates } else { self.deletes };
        refusal.can_be_acknowledged && named.is_some()
    }
}

/// What is acknowledged, of what guards refuse.
fn acknowledged(args: &WriteArgs, planned: &Planned) -> Result<Acknowledged, CliError> {
    let mut acknowledged = Acknowledged::default();
    let summary = planned.plan.summary();
    let asked = |is_about_updates: bool| {
        let asks = |refusal: &&Refusal| (refusal.code == guards::too_much::UPDATES) == is_about_updates;
        planned.plan.refusals.iter().filter(asks).any(|refusal| refusal.can_be_acknowledged)
    };
    for (option, verb, named, actual, is_about_updates) in [
        ("--ack-deletes", "deletes", args.ack_deletes, summary.delete, false),
        ("--ack-updates", "updates", args.ack_updates, summary.update, true),
    ] {
        let Some(named) = named.filter(|_| asked(is_about_updates)) else { continue };
        if named != actual {
            let what = format!("{option} {named} was given, and the plan {verb} {actual}");
            return Err(CliError::new(ExitStatus::Refused, "refused", what)
                .why("the number that is acknowledged must be the plan's; nothing was changed")
                .help("read the plan again, and name the number that is meant"));
        }
        if is_about_updates {
            acknowledged.updates = Some(named);
        } else {
            acknowledged.deletes = Some(named);
        }
    }
    Ok(acknowledged)
}

/// Refuses another plan than the one that was reviewed.
///
/// # Errors
/// The digests differ.
pub fn check_digest(planned: &Planned, expected: &Digest) -> Result<(), CliError> {
    let actual = planned.digest;
    if actual == *expected {
        return Ok(());
    }
    let why = if planned.plan.is_empty() {
        "there is nothing to do: the manifests or the database changed since, or it was applied already"
            .to_owned()
    } else {
        format!("the plan now has the digest {actual}: the manifests or the database changed since")
    };
    Err(CliError::new(ExitStatus::Stale, "digest-mismatch", "this is not the plan that was reviewed")
        .why(format!("{why}; nothing was changed"))
        .help("review the new plan, and apply with its digest"))
}

/// The operation as it is recorded.
fn operation(context: &Context, job: &Job<'_>, status: OperationStatus) -> (Holder, Operation) {
    let planned = job.planned;
    let holder = Holder { commit: planned.commit.clone(), ..context.holder(job.command) };
    let operation = Operation {
        id: new_id(),
        project: planned.plan.project.clone(),
        command: job.command.to_owned(),
        actor: context.actor(),
        host: holder.host.clone(),
        commit: planned.commit.clone(),
        run_url: holder.run_url.clone(),
        environment: planned.plan.environment.clone(),
        // Of what is executed: what was withheld may still be applied, from the same file.
        digest: Some(planned.plan.digest()),
        status,
        summary: if status == OperationStatus::Applied {
            planned.plan.summary()
        } else {
            crate::plan::Summary::default()
        },
        note: job.note.clone(),
        acknowledged: None,
        started_at: context.clock.now(),
    };
    (holder, operation)
}

async fn execute(
    context: &Context,
    job: &Job<'_>,
    acknowledged: &Acknowledged,
    signals: &Signals,
) -> Result<(Applied, Uuid), CliError> {
    let Job { args, planned, .. } = *job;
    let (holder, operation) = operation(context, job, OperationStatus::Applied);
    let note = match acknowledged.updates {
        Some(updates) => {
            let words = format!("{updates} updates were acknowledged");
            Some(operation.note.map_or(words.clone(), |note| format!("{note}; {words}")))
        }
        None => operation.note,
    };
    let request = ApplyRequest {
        plan: &planned.plan,
        holder,
        operation: Operation { acknowledged: acknowledged.deletes, note, ..operation },
        lock_timeout: args.lock_timeout,
        on_error: match args.on_error {
            OnErrorArg::Stop => OnError::Stop,
            OnErrorArg::Continue => OnError::Continue,
        },
        unusable: planned.unusable.iter().cloned().collect(),
        under: None,
    };
    let mut writer = tokio::select! {
        biased;
        () = engine::Interrupt::requested(signals) => return Err(interrupted(signals)),
        writer = Writer::open(planned.options.clone()) => writer?,
    };
    let mut display = Display::new(context, args.progress, planned.plan.actions.len());
    let began = Instant::now();
    let outcome = engine::apply(&mut writer, &request, &mut display, signals).await;
    display.finish(outcome.is_ok());
    context.recorder.tenants(job.command, &planned.plan, outcome.as_ref().ok(), began.elapsed());
    match outcome {
        Ok(applied) => {
            writer.close().await;
            Ok((applied, request.operation.id))
        }
        Err(error) => {
            let status = match &error {
                ApplyError::Interrupted => OperationStatus::Interrupted,
                _ => OperationStatus::Failed,
            };
            // A run that never began is not on record, and nothing false is: it may have been committed.
            let is_silent = matches!(&error, ApplyError::OutcomeUnknown(_))
                || matches!(&error, ApplyError::State(state) if state.kind == engine::StateErrorKind::LeaseHeld);
            let failure = failure(error, planned, signals);
            if !is_silent {
                let operation = Operation {
                    id: new_id(),
                    status,
                    summary: crate::plan::Summary::default(),
                    note: Some(failure.what.clone()),
                    ..request.operation
                };
                record(&mut writer, &operation).await;
            }
            Err(failure)
        }
    }
}

/// Records what changed nothing. That it cannot be recorded does not matter to the run: nothing was changed.
async fn note(context: &Context, job: &Job<'_>, status: OperationStatus, why: &str) {
    let Ok(mut writer) = Writer::open(job.planned.options.clone()).await else { return };
    let (_, operation) = operation(context, job, status);
    record(&mut writer, &Operation { note: Some(why.to_owned()), ..operation }).await;
}

async fn record(writer: &mut Writer, operation: &Operation) {
    if let Err(error) = writer.note(operation).await {
        tracing::debug!(error = %error, "an operation that changed nothing was not recorded");
    }
}
