//! `health`: whether what synthex depends on works, and how it stood.

mod check;
mod choosing;
mod list;
pub mod maintenance;
pub mod probing;
pub mod reading;
mod report;
mod showing;

use std::collections::BTreeSet;

use chrono::TimeDelta;
use clap::{Subcommand, ValueEnum};

use crate::cli::context::Context;
use crate::cli::desk::some;
use crate::cli::error::{CliError, ExitStatus};
use crate::engine::health::CheckKey;
use crate::model::health::{CheckedService, HealthStatus};

/// How long nothing is heard of a machine before it counts as gone for good.
pub const GONE_AFTER: TimeDelta = TimeDelta::days(1);

/// See whether shops, merchant accounts, credentials, quotas, the database and this machine are well
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  synthex health check\n  synthex health check --service shopify --tenant-id SMB_CLIENT_001\n  synthex health report --period 30d --exclude-maintenance\n  synthex health list --status unhealthy\n  synthex health history --service database --limit 20"
)]
pub enum HealthCommand {
    Check(check::CheckArgs),
    Report(report::ReportArgs),
    List(list::ListArgs),
    History(list::HistoryArgs),
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ServiceArg {
    /// The shops, and whether they take their credentials
    Shopify,
    /// The merchant accounts, and whether they take their credentials
    GoogleMerchant,
    /// PostgreSQL
    Database,
    /// Whether credentials are taken, and when they expire
    Credentials,
    /// What is left of the quotas of the services
    Quotas,
    /// Free disk space of this machine
    Disk,
    /// Free memory of this machine
    Memory,
}

impl From<ServiceArg> for CheckedService {
    fn from(service: ServiceArg) -> Self {
        match service {
            ServiceArg::Shopify => Self::Shopify,
            ServiceArg::GoogleMerchant => Self::GoogleMerchant,
            ServiceArg::Database => Self::Database,
            ServiceArg::Credentials => Self::Credentials,
            ServiceArg::Quotas => Self::Quotas,
            ServiceArg::Disk => Self::Disk,
            ServiceArg::Memory => Self::Memory,
        }
    }
}

/// The words for how something stands.
const STATUSES: [&str; 4] = ["healthy", "degraded", "unhealthy", "unknown"];

fn statuses(words: &[String]) -> Vec<HealthStatus> {
    words.iter().filter_map(|word| HealthStatus::from_code(word)).collect()
}

/// That services are switched off, where some are.
fn switched_off(keys: &BTreeSet<CheckKey>) -> Option<String> {
    let names = some(keys.iter().map(ToString::to_string).collect::<Vec<_>>().iter());
    (!keys.is_empty()).then(|| format!("Switched off by a HealthCheck manifest (enabled: false): {names}."))
}

/// Runs `health`.
///
/// # Errors
/// Wrong usage, or the database does not answer where it must.
pub async fn health(context: &Context, command: &HealthCommand) -> Result<ExitStatus, CliError> {
    match command {
        HealthCommand::Check(args) => Box::pin(check::check(context, args)).await,
        HealthCommand::Report(args) => report::report(context, args).await,
        HealthCommand::List(args) => list::list(context, args).await,
        HealthCommand::History(args) => list::history(context, args).await,
    }
}
