//! `watch`: the controller that runs for ever, and `watch status`, which says how the controllers of a project are.

mod outcome;
mod running;
mod status;

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::args;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::watching::GitArgs;
use crate::cli::watching::endpoints::ListenArgs;
use crate::cli::watching::heartbeat::HeartbeatArgs;
use crate::watch::TaskCode;

/// Keep the database as declared, for ever
///
/// Looks at the manifests and at the database whenever something changes, and at least every --interval; corrects what is not as
/// declared; looks at shops, accounts and credentials; renews credentials ahead of their expiry; evaluates alert rules; delivers
/// notifications; and removes what is old. Several may run at once on one database: one of them reconciles, the others share the
/// rest of the work, and take over when it ends.
///
/// SIGTERM and Ctrl-C stop it: what it is at is finished or given back. SIGHUP has everything read anew. A revision of the
/// manifests that has problems changes nothing: the last good one stays in force, and `watch status` says why.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  synthex watch\n  synthex watch --mode observe\n  synthex watch --once\n  synthex watch --listen 127.0.0.1:8080\n  synthex watch --git https://git.example/shops.git --ref main --path manifests --git-token-env GIT_TOKEN\n  synthex watch --without renewal,upkeep\n  synthex watch status"
)]
pub struct WatchArgs {
    #[command(subcommand)]
    pub command: Option<WatchCommand>,
    /// Whether what is not as declared is corrected, or only said
    #[arg(long, value_enum, default_value_t = Mode::Enforce, value_name = "MODE")]
    pub mode: Mode,
    /// Do everything once, and end
    #[arg(long)]
    pub once: bool,
    /// Exit with 2 when something is not as declared; with --once
    #[arg(long, requires = "once")]
    pub detailed_exitcode: bool,
    /// How long to wait between two looks when nothing happens: `30s`, `5m`
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = interval, allow_hyphen_values = true)]
    pub interval: Duration,
    /// Only these tasks
    #[arg(long, value_enum, value_name = "TASKS", value_delimiter = ',', conflicts_with = "without")]
    pub tasks: Vec<TaskArg>,
    /// All tasks but these
    #[arg(long, value_enum, value_name = "TASKS", value_delimiter = ',')]
    pub without: Vec<TaskArg>,
    /// Do not listen to what the database calls out, and find changes by looking only; for a transaction pooler
    #[arg(long)]
    pub no_notify: bool,
    #[command(flatten)]
    pub listen: ListenArgs,
    #[command(flatten)]
    pub git: GitArgs,
    #[command(flatten)]
    pub heartbeat: HeartbeatArgs,
}

/// The commands of `watch`.
#[derive(Debug, Subcommand)]
pub enum WatchCommand {
    Status(status::StatusArgs),
}

/// Whether what is not as declared is corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// It is only said
    Observe,
    /// It is corrected
    Enforce,
}

/// A task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TaskArg {
    /// Bring the database to what is declared
    Reconcile,
    /// Look at shops, accounts, credentials and the machine
    Health,
    /// Renew credentials ahead of their expiry
    Renewal,
    /// Evaluate alert rules
    Alerts,
    /// Deliver notifications
    Delivery,
    /// Sum what was recorded, and remove what is old
    Upkeep,
}

impl TaskArg {
    const fn code(self) -> TaskCode {
        match self {
            Self::Reconcile => TaskCode::Reconcile,
            Self::Health => TaskCode::Health,
            Self::Renewal => TaskCode::Renewal,
            Self::Alerts => TaskCode::Alerts,
            Self::Delivery => TaskCode::Delivery,
            Self::Upkeep => TaskCode::Upkeep,
        }
    }
}

impl WatchArgs {
    /// Whether a task runs. Who reconciles must lead.
    fn wants(&self, code: TaskCode) -> bool {
        let named = |all: &[TaskArg], code| all.iter().any(|own| own.code() == code);
        let code = if code == TaskCode::Lead { TaskCode::Reconcile } else { code };
        (self.tasks.is_empty() || named(&self.tasks, code)) && !named(&self.without, code)
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let time = args::waiting_time(text).ok().filter(|time| !time.is_zero());
    time.ok_or_else(|| "write a time from 1s to 24h, such as 30s or 5m".to_owned())
}

/// Runs `watch`.
///
/// # Errors
/// Wrong usage, manifests of no use at the start, or a database that cannot be reached then.
pub async fn watch(context: &Context, args: &WatchArgs) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    match &args.command {
        Some(WatchCommand::Status(own)) => status::status(context, own).await,
        None => Box::pin(running::run(context, args)).await,
    }
}
