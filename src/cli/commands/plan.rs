//! `plan`: what would change in the database, and why.

mod explain;
mod review;

use std::path::PathBuf;

use clap::Args;

use crate::cli::again::Again;
use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::offline;
use crate::cli::planning::{self, Wishes};
use crate::cli::printer::error_json;
use crate::cli::project;
use crate::cli::saving;
use crate::cli::selecting::SelectArgs;
use crate::model::KeyPattern;
use crate::report::{self, PlanContext};

/// Show what apply would change in the database, and why
///
/// Reads the manifests and the database, writes nothing, takes no lock, and needs no more than the right to SELECT. Where
/// synthex was never installed, everything is a create. Exits with 5 when a guard refuses the plan.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex plan\n  synthex plan -f manifests/ --summary\n  synthex plan --only delete,update\n  synthex plan --explain tenant/acme#market\n  synthex plan --format json | jq .summary\n  synthex plan --format markdown --preset gitlab\n  synthex plan --json-into plan.json --markdown-into plan.md --annotations github\n  synthex plan --markdown-into parts/ --split\n  synthex plan --detailed-exitcode; [ $? -eq 2 ] && echo changes"
)]
pub struct PlanArgs {
    /// Exit with 2 when there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Plan to delete what the project owns and no manifest declares any more, as `prune: true` in the project does
    #[arg(long)]
    pub prune: bool,
    /// With --prune: remove for good, instead of marking as deleted
    #[arg(long)]
    pub permanent: bool,
    /// Refuse a plan that trips this guard as well
    #[arg(long, value_enum, value_name = "GUARD")]
    pub guard: Vec<super::ExtraGuard>,
    /// Take these over from another project; repeatable
    #[arg(long, value_name = "PATTERN")]
    pub take_ownership: Vec<String>,
    #[command(flatten)]
    pub select: SelectArgs,
    /// Only what is declared otherwise than in another commit, also through a template, and what that needs
    #[arg(long, value_name = "GITREF", help_heading = "Selection")]
    pub changed_since: Option<String>,
    /// Report only the first problem of the manifests
    #[arg(long)]
    pub fail_fast: bool,
    /// Plan against a snapshot of the state, which `synthex state snapshot` wrote; no database is asked
    #[arg(long, value_name = "FILE", conflicts_with_all = ["database_url", "embedded"])]
    pub state: Option<PathBuf>,
    /// Save the plan in a file, for `synthex apply FILE`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub review: review::ReviewArgs,
}

/// Runs `plan`.
///
/// # Errors
/// Problems of manifests, or of the database.
pub async fn plan(context: &Context, args: &PlanArgs) -> Result<ExitStatus, CliError> {
    let review = &args.review;
    review.check(context.global.format)?;
    let into = [&args.out, &review.json_into, &review.markdown_into];
    saving::refuse_manifests(
        context,
        &into.into_iter().filter_map(|path| path.as_deref()).collect::<Vec<_>>(),
    )?;
    let wishes = Wishes {
        prune: args.prune,
        permanent: args.permanent,
        selection: args.select.selection()?,
        changed_since: args.changed_since.clone(),
        take_over: args.take_ownership.iter().map(|text| KeyPattern::new(text)).collect(),
        refuse_renames: args.guard.contains(&super::ExtraGuard::Rename),
        tolerate: false,
        migrates: false,
        again: Again::of_plan(
            &context.global,
            (args.prune, args.permanent),
            &args.take_ownership,
            args.changed_since.as_deref(),
            &args.select,
        ),
    };
    let planned = match &args.state {
        None => planning::make(context, &wishes, "plan").await,
        Some(path) => offline::make(context, &wishes, path).await,
    };
    let planned = match planned {
        Err(error) => {
            let error = if args.fail_fast { error.first_only() } else { error };
            return failed(context, review, error);
        }
        Ok(planned) => planned,
    };
    if !planned.warnings.is_empty() {
        context.printer.diagnostics(&planned.warnings);
    }
    if let Some(wanted) = &review.explain {
        return explain::explain(context, &planned.plan, wanted);
    }
    let rendering = planned.context();
    review.write(context, &planned.plan, &rendering)?;
    match context.global.format {
        Format::Json => {
            context
                .printer
                .stream(|mut out| report::plan_json::write_json(&planned.plan, &rendering, &mut out));
        }
        Format::Markdown => {
            let options = review.markdown_options();
            context.printer.result(&report::plan_markdown::markdown(&planned.plan, &rendering, &options));
        }
        Format::Human | Format::Sarif | Format::Github | Format::Junit | Format::Prometheus => {
            let style = &context.printer.stdout;
            let text = report::plan_text::human(&planned.plan, &rendering, style, &review.text_options());
            context.printer.result(&text);
        }
    }
    if let Some(path) = &args.out {
        saving::save(context, &planned, path)?;
    }
    if !planned.plan.refusals.is_empty() {
        context.printer.failure(&CliError::refused(&planned.plan.refusals));
        return Ok(ExitStatus::Refused);
    }
    let changes = args.detailed_exitcode && !planned.plan.is_empty();
    Ok(if changes { ExitStatus::Changes } else { ExitStatus::Success })
}

/// What stands in place of a plan. In JSON it fits the plan's schema, so that a reader needs only one.
fn failed(context: &Context, review: &review::ReviewArgs, error: CliError) -> Result<ExitStatus, CliError> {
    let project = project::find(context).map(|found| found.project.name).unwrap_or_default();
    let rendering = PlanContext { project, diagnostics: error.diagnostics.clone(), ..PlanContext::default() };
    let why = error.diagnostics.is_empty().then(|| error_json(&error));
    let json = report::plan_json::failure(&rendering, why);
    review.write_failure(context, &error, &json)?;
    match context.global.format {
        Format::Json => context.printer.json(&json),
        Format::Markdown => context.printer.result(&review.failure(&error)),
        Format::Human | Format::Sarif | Format::Github | Format::Junit | Format::Prometheus => {
            return Err(error);
        }
    }
    context.recorder.fails_with(&error.code);
    context.printer.failure(&error);
    Ok(error.status)
}
