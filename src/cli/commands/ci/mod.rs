//! `ci`: plan and apply as steps of a CI job, which leave their results where the CI system and later steps look for them.

mod apply;
mod plan;
mod surroundings;

use clap::{Args, Subcommand};

use crate::cli::again::Again;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::planning::Wishes;
use crate::cli::selecting::SelectArgs;
use crate::model::KeyPattern;

/// Plan and apply in CI: files, comment, step summary, outputs
///
/// Knows GitHub Actions and GitLab CI by their variables, and works from its options everywhere else.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  synthex ci plan\n  synthex ci apply --approved-comment comment.md\n\nWorkflows for GitHub: `synthex init` writes them."
)]
pub enum CiCommand {
    Plan(plan::CiPlanArgs),
    Apply(apply::CiApplyArgs),
}

/// What is planned. An apply needs the same as its plan, or it comes to another digest.
#[derive(Clone, Debug, Args)]
pub struct WishArgs {
    /// Delete what the project owns and no manifest declares any more, as `prune: true` in the project does
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
}

impl WishArgs {
    fn wishes(&self, tolerate: bool) -> Result<Wishes, CliError> {
        Ok(Wishes {
            changed_since: None,
            prune: self.prune,
            permanent: self.permanent,
            selection: self.select.selection()?,
            take_over: self.take_ownership.iter().map(|text| KeyPattern::new(text)).collect(),
            refuse_renames: self.guard.contains(&super::ExtraGuard::Rename),
            tolerate,
            migrates: false,
            // The comment says how a plan of CI is applied.
            again: Again::default(),
        })
    }
}

/// Runs `ci`.
///
/// # Errors
/// Whatever the command reports.
pub async fn ci(context: &Context, command: &CiCommand) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    match command {
        CiCommand::Plan(args) => plan::plan(context, args).await,
        CiCommand::Apply(args) => Box::pin(apply::apply(context, args)).await,
    }
}
