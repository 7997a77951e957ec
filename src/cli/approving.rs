//! `--auto-approve`: going on without anybody's approval, where the plan is harmless.

use clap::{Args, ValueEnum};

use crate::plan::{Plan, approval};

use super::error::{CliError, ExitStatus};

/// Options of commands that may go on without anybody's approval.
#[derive(Clone, Debug, Args)]
pub struct AutoApproveArgs {
    /// Do not ask where the plan is harmless, and refuse it where it is not
    #[arg(long, value_enum, value_name = "RISK")]
    pub auto_approve: Option<AutoApprove>,
    /// With --auto-approve: how many tenants the plan may touch
    #[arg(long, value_name = "NUMBER", default_value_t = 50, requires = "auto_approve")]
    pub auto_approve_max: usize,
}

/// What is harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AutoApprove {
    /// Only creates and updates, of nothing protected, no credential, and few tenants
    Safe,
}

impl AutoApproveArgs {
    /// How many tenants a plan may touch to need no approval; `None` where every plan needs one.
    #[must_use]
    pub fn max_tenants(&self) -> Option<usize> {
        self.auto_approve.map(|AutoApprove::Safe| self.auto_approve_max)
    }

    /// What is put on record, where nobody approved.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        self.max_tenants().map(|max| format!("approved by nobody: safe, and at most {max} tenants"))
    }
}

/// Refuses what only a person may approve; `None` where the plan is harmless.
#[must_use]
pub fn needs_approval(plan: &Plan, max_tenants: usize) -> Option<CliError> {
    let mut reasons = approval::needed(plan, max_tenants).into_iter();
    let first = reasons.next()?;
    let mut refused = CliError::new(
        ExitStatus::Refused,
        "needs-approval",
        "this plan is not harmless, so somebody must approve it",
    )
    .why(format!("{first}; nothing was changed"))
    .help("have the plan reviewed, and apply it with --expect-digest");
    refused.also = reasons.collect();
    Some(refused)
}
