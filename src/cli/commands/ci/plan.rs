//! `ci plan`: the plan of a pull request, in all the forms that its reviewers and the later apply need, from one state read.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::offline;
use crate::cli::planning::{self, Planned};
use crate::cli::printer::error_json;
use crate::cli::project;
use crate::cli::saving;
use crate::files;
use crate::report::plan_text::PlanOptions;
use crate::report::{self, PlanContext, plan_markdown};

use super::WishArgs;
use super::surroundings::Surroundings;

const PLAN: &str = "plan.json";
const REPORT: &str = "plan-report.json";
const COMMENT: &str = "comment.md";
const DIGEST: &str = "digest.txt";

/// Plan a pull request: saved plan, report, comment, digest, outputs
///
/// Writes into --dir: plan.json, the plan for `synthex apply FILE`; plan-report.json, the same for programs to read;
/// comment.md, Markdown that fits into a comment, where problems of manifests and refusals show as well; and digest.txt.
/// On GitHub adds the Markdown to the step summary, points at problems beside their lines, and sets the outputs digest, changes,
/// refused, environment, summary and comment-file. On GitLab writes them to synthex.env, as SYNTHEX_DIGEST and so on. Exits
/// with 0 also when there are changes, with 3 when manifests are wrong, with 5 when a guard refuses.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex ci plan\n  synthex ci plan --prune --environment prod --dir out/prod\n  synthex ci plan --state state.json"
)]
pub struct CiPlanArgs {
    /// The folder for the results; created where it is missing
    #[arg(long, value_name = "DIR", default_value = "synthex-ci")]
    pub dir: PathBuf,
    /// Plan against a snapshot of the state, which `synthex state snapshot` wrote; no database is asked
    #[arg(long, value_name = "FILE", conflicts_with_all = ["database_url", "embedded"])]
    pub state: Option<PathBuf>,
    #[command(flatten)]
    pub wish: WishArgs,
}

/// Runs `ci plan`.
///
/// # Errors
/// Problems of manifests, of the database, or of the files to write.
pub async fn plan(context: &Context, args: &CiPlanArgs) -> Result<ExitStatus, CliError> {
    let around = Surroundings::new(context, &args.dir)?;
    // Whatever happens from here on: nobody takes an earlier run's results for this one's.
    around.remove(&[PLAN, REPORT, COMMENT, DIGEST])?;
    match planned(context, args).await {
        Ok(planned) => show(context, &around, &planned),
        Err(error) => {
            // That it cannot be told everywhere must not hide what is wrong.
            if let Err(unwritten) = fail(context, &around, &error) {
                context.printer.failure(&unwritten);
            }
            Err(error)
        }
    }
}

async fn planned(context: &Context, args: &CiPlanArgs) -> Result<Planned, CliError> {
    let wishes = args.wish.wishes(false)?;
    match &args.state {
        None => planning::make(context, &wishes, "plan").await,
        Some(path) => offline::make(context, &wishes, path).await,
    }
}

fn show(context: &Context, around: &Surroundings<'_>, planned: &Planned) -> Result<ExitStatus, CliError> {
    let Planned { plan, digest, warnings, .. } = planned;
    let rendering = planned.context();
    saving::save(context, planned, &around.path(PLAN))?;
    files::write_with(&around.path(REPORT), |mut out| {
        report::plan_json::write_json(plan, &rendering, &mut out)
    })?;
    let comment = |bytes| report::ci::comment(plan, &rendering, bytes);
    around.write(COMMENT, &comment(report::ci::options().max_bytes))?;
    around.write(DIGEST, &format!("{digest}\n"))?;
    around.summarize(comment)?;
    let refused = !plan.refusals.is_empty();
    let shown = |name: &str| around.path(name).display().to_string();
    let environment = plan.environment.clone().unwrap_or_default();
    around.output(&[
        ("digest", digest.to_string()),
        ("changes", (!plan.is_empty()).to_string()),
        ("refused", refused.to_string()),
        ("environment", environment),
        ("summary", report::ci::summary(plan)),
        ("comment_file", around.shown(COMMENT)),
    ])?;
    if context.global.format == Format::Json {
        let summary = plan.summary();
        context.printer.json(&json!({
            "format_version": "1.0",
            "environment": plan.environment,
            "digest": digest.to_string(),
            "changes": !plan.is_empty(),
            "refused": refused,
            "summary": {
                "create": summary.create, "update": summary.update, "delete": summary.delete,
                "restore": summary.restore, "adopt": summary.adopt, "rename": summary.rename,
                "unchanged": summary.unchanged,
            },
            "files": {"plan": shown(PLAN), "report": shown(REPORT), "comment": shown(COMMENT), "digest": shown(DIGEST)},
        }));
    } else {
        around.annotate(&report::annotations::github(plan, &rendering));
        let token = around.suspend();
        let style = &context.printer.stdout;
        if plan.is_empty() {
            // A plan with changes shows its digest itself.
            context.printer.result(&format!("Digest: {digest}\n"));
        }
        context.printer.result(&report::plan_text::human(plan, &rendering, style, &PlanOptions::default()));
        around.resume(token);
    }
    if !warnings.is_empty() && !around.is_github() {
        context.printer.diagnostics(warnings);
    }
    if refused {
        context.printer.failure(&CliError::refused(&plan.refusals));
        return Ok(ExitStatus::Refused);
    }
    Ok(ExitStatus::Success)
}

/// What stands in place of the plan, so that the pull request shows what is wrong.
fn fail(context: &Context, around: &Surroundings<'_>, error: &CliError) -> Result<(), CliError> {
    let found = project::find(context).ok();
    let environment = match &found {
        Some(found) => found.project.spec.environment.clone(),
        None => context.global.environment.clone().filter(|name| !name.is_empty()),
    };
    let project = found.map(|found| found.project.name).unwrap_or_default();
    let rendering = PlanContext { project, diagnostics: error.diagnostics.clone(), ..PlanContext::default() };
    let why = error.diagnostics.is_empty().then(|| error_json(error));
    let document = report::plan_json::failure(&rendering, why);
    files::write_with(&around.path(REPORT), |mut out| report::json::write(&document, &mut out))?;
    let words = (error.what.as_str(), error.why.as_deref(), error.help.as_deref());
    let options = report::ci::options();
    let comment = plan_markdown::failure(environment.as_deref(), words, &error.diagnostics, &options);
    around.write(COMMENT, &comment)?;
    around.summarize(|_| comment)?;
    around.output(&[
        ("digest", String::new()),
        ("changes", "false".to_owned()),
        ("refused", "false".to_owned()),
        ("environment", environment.unwrap_or_default()),
        ("summary", format!("The plan could not be made: {}", error.what)),
        ("comment_file", around.shown(COMMENT)),
    ])?;
    if error.diagnostics.is_empty() {
        around.annotate(&report::ci::annotation(words));
    } else {
        around.annotate(&report::annotations::problems(&error.diagnostics));
    }
    Ok(())
}
