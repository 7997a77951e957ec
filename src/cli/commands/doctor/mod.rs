//! `doctor`: checks the set-up from end to end, and says what to do about each finding. One file for each group of checks.
//!
//! Nothing is changed, nothing is started, nobody is called who was not asked for, and each look has an end: where one thing does
//! not work, the others are looked at all the same.

mod check;
mod database;
mod machine;
mod online;
mod product;
mod project;
mod secrets;
mod shown;
mod standing;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};

use check::{Check, Status};

/// Check the set-up from end to end, and say what to do about each finding
///
/// Looks at the project and its manifests, the secrets that are declared, the database with what this role may do and what
/// stands in between, the controllers and what they left undone, and this machine. Changes nothing, starts nothing, shows
/// no secret, and calls no provider and no receiver; with --online it connects to each of them once, and sends nothing.
///
/// Exits with 0 when nothing failed, and with 1 when something did; warnings do not fail, unless --strict is given.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex doctor\n  synthex doctor --online\n  synthex doctor --strict --format json | jq '.checks[] | select(.status == \"warn\" or .status == \"fail\")'"
)]
pub struct DoctorArgs {
    /// Look up and connect to the hosts of providers and channels too; nothing is sent to them
    #[arg(long)]
    pub online: bool,
    /// Let warnings fail as well
    #[arg(long)]
    pub strict: bool,
}

/// Checks that belong together.
pub struct Group {
    /// The word for it.
    pub name: &'static str,
    /// The same for people.
    pub title: &'static str,
    /// The checks, in their order.
    pub checks: Vec<Check>,
}

/// Runs `doctor`.
///
/// # Errors
/// The format is not one of this command's. What is found is no error.
pub async fn doctor(context: &Context, args: &DoctorArgs) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    let mut groups = Vec::new();
    let mut add = |name, title, checks: Vec<Check>| {
        if !checks.is_empty() {
            groups.push(Group { name, title, checks });
        }
    };
    let mut project = project::look(context).await;
    add("project", "Project", std::mem::take(&mut project.checks));
    add("secrets", "Secrets", secrets::look(context, &project).await);
    let (checks, reached) = database::look(context, &project).await;
    add("database", "Database", checks);
    add("product", "Controllers and messages", product::look(context, &project, reached).await);
    add("machine", "This machine", machine::look(context, &project).await);
    if args.online {
        add("online", "Services", online::look(context, &project).await);
    }
    shown::show(context, &groups);
    let worst = |status| groups.iter().flat_map(|group| &group.checks).any(|check| check.status == status);
    let has_failed = worst(Status::Fail) || args.strict && worst(Status::Warn);
    Ok(if has_failed { ExitStatus::Error } else { ExitStatus::Success })
}
