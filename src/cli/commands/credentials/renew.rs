//! `tenant credentials renew` and `batch credentials renew`: spends a refresh token for a new pair, once for each shop, and
//! saves the pair where the old one was.

use clap::Args;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::alerts::expiry::Standing;
use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::outcome::interrupted;
use crate::cli::providing::{self, SecretSources};
use crate::cli::signals::Signals;
use crate::engine::credentials::{self, Finding, Outcome};
use crate::engine::{Interrupt as _, StateErrorKind};
use crate::model::clock::{Clock as _, SystemClock};
use crate::providers::Providers;
use crate::store::RenewalTurns;

use super::verify::{GRACE, all, finding_json, findings_text, must_select};
use super::{Estate, Filter, FilterArgs, Item};

/// Renew credentials with their refresh tokens
///
/// For Shopify, the refresh token in the secret's file is spent for a new pair, which is saved in place of the old one in one
/// step. One process at a time renews a shop; one that comes second finds the new pair and asks for nothing. A run that is
/// killed loses nothing: run it again. A secret that comes from a variable or from Secret Manager cannot be saved there, so
/// nothing is asked for. For Google, an exchange shows that the grant still holds; nothing is stored.
///
/// Exits with 0 when all were renewed, with 8 when a provider refused or could not be asked, and with 5 when nothing failed
/// but some may not be renewed, or could not be saved.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant credentials renew acme-shopify\n  synthex tenant credentials renew --status expiring_soon\n  synthex tenant credentials renew --all --format json"
)]
pub struct RenewArgs {
    /// The credentials
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// All credentials that declare a renewal and are not revoked
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    #[command(flatten)]
    pub filter: FilterArgs,
    #[command(flatten)]
    pub pace: PaceArgs,
}

/// How a renewal goes about it.
#[derive(Clone, Copy, Debug, Args)]
pub struct PaceArgs {
    /// How many are renewed at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub concurrency: u8,
    /// Show what would be renewed, and ask nobody
    #[arg(long)]
    pub dry_run: bool,
}

/// Runs `tenant credentials renew`.
///
/// # Errors
/// Wrong usage, or the database does not answer.
pub async fn renew(context: &Context, args: &RenewArgs) -> Result<ExitStatus, CliError> {
    must_select("renew", &args.names, args.all, &args.filter)?;
    let filter = Filter { names: &args.names, ..Filter::new(&args.filter) };
    run(context, "tenant credentials renew", &filter, args.pace).await
}

/// Renews what a filter selects.
///
/// # Errors
/// Wrong usage, or the database does not answer.
pub async fn run(
    context: &Context,
    command: &str,
    filter: &Filter<'_>,
    pace: PaceArgs,
) -> Result<ExitStatus, CliError> {
    let start = std::time::Instant::now();
    let providers = providing::providers(context)?;
    let signals = Signals::listen()?;
    let estate = Estate::open(context, command).await?;
    let turns = RenewalTurns { options: estate.options.clone(), actor: context.actor() };
    let folder = estate.found.as_ref().map(|found| found.folder.clone());
    let mut items = estate.filtered(filter)?;
    if filter.names.is_empty() {
        items.retain(|item| {
            item.standing != Standing::Revoked && !matches!(item.text("renewal"), "" | "none")
        });
    }
    let secrets = SecretSources::new(context, folder.as_deref(), &providers);
    let findings = if pace.dry_run {
        futures_util::stream::iter(&items).then(|item| would(&secrets, item)).collect().await
    } else {
        let work = all(context, "renew", &items, pace.concurrency, async |item| {
            one(context, &turns, &secrets, &providers, &signals, item).await
        });
        tokio::select! {
            findings = work => findings,
            () = async { signals.requested().await; tokio::time::sleep(GRACE).await } => {
                return Err(interrupted(&signals).help(
                    "run it again: a pair that was under way is asked for once more, or put in place",
                ));
            }
        }
    };
    let found: Vec<(&Item, &Finding)> = items.iter().zip(&findings).collect();
    show(context, &found, pace.dry_run, start.elapsed());
    Ok(signals.status().unwrap_or_else(|| status(&findings)))
}

fn status(findings: &[Finding]) -> ExitStatus {
    let failed = |finding: &&Finding| !finding.outcome.verdict().works();
    let is_ours = |finding: &Finding| {
        matches!(
            finding.outcome,
            Outcome::CannotSave
                | Outcome::NotSaved
                | Outcome::NotRenewable
                | Outcome::Revoked
                | Outcome::DatabaseRefused
        )
    };
    let mut failures = findings.iter().filter(failed).peekable();
    if failures.peek().is_none() {
        return ExitStatus::Success;
    }
    if failures.all(is_ours) { ExitStatus::Refused } else { ExitStatus::Unreachable }
}

/// What would happen.
async fn would(secrets: &SecretSources<'_>, item: &Item) -> Finding {
    match &item.subject {
        Ok(subject) => credentials::foresee(secrets, subject, SystemClock.now()).await,
        Err(why) => Finding::new(Outcome::NotRenewable, why.clone()),
    }
}

async fn one(
    context: &Context,
    turns: &RenewalTurns,
    secrets: &SecretSources<'_>,
    providers: &Providers,
    signals: &Signals,
    item: &Item,
) -> Finding {
    let subject = match &item.subject {
        Ok(subject) => subject,
        Err(why) => return Finding::new(Outcome::NotRenewable, why.clone()).help("apply its manifest again"),
    };
    if signals.status().is_some() {
        return Finding::new(Outcome::Interrupted, "stopped before its turn");
    }
    match credentials::renew(turns, secrets, providers, subject).await {
        Ok((finding, unrecorded)) => {
            tracing::info!(credential = %subject.key, outcome = finding.outcome.code(), "a renewal");
            if let Some(error) = unrecorded {
                context.printer.note(&format!("What came of {} is not recorded: {error}.", subject.key));
            }
            finding
        }
        Err(error) if error.kind == StateErrorKind::Refused => {
            tracing::debug!(%error, why = error.why.as_deref().unwrap_or_default(), "no turn");
            let what = format!("{}; nothing was asked for", error.what);
            let finding = Finding::new(Outcome::DatabaseRefused, what);
            match error.help {
                Some(help) => finding.help(help),
                None => finding,
            }
        }
        Err(error) => {
            let why = error.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
            Finding::new(Outcome::Unreachable, format!("its turn could not be taken; {error}{why}"))
                .help("look at the database; nothing was asked for")
        }
    }
}

fn show(context: &Context, found: &[(&Item, &Finding)], is_dry: bool, duration: std::time::Duration) {
    let works = |finding: &Finding| finding.outcome.verdict().works();
    let failed = found.iter().filter(|(_, finding)| !works(finding)).count();
    if context.global.format == Format::Json {
        let name = |item: &Item| item.row.key.name.to_string();
        let successful: Vec<String> =
            found.iter().filter(|(_, finding)| works(finding)).map(|(item, _)| name(item)).collect();
        let failures: Vec<Value> = found
            .iter()
            .filter(|(_, finding)| !works(finding))
            .map(|(item, finding)| json!({"item": name(item), "error": finding.message}))
            .collect();
        let results: Vec<Value> = found.iter().map(|(item, finding)| finding_json(item, finding)).collect();
        context.printer.json(&json!({
            "format_version": "1.0",
            "dryRun": is_dry,
            "successful": successful,
            "failed": failures,
            "total": found.len(),
            "successCount": found.len() - failed,
            "failureCount": failed,
            "duration": u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            "results": results,
        }));
        return;
    }
    if found.is_empty() {
        context.printer.note("No credential that can be renewed is selected.");
        return;
    }
    let mut text = findings_text(context, found);
    let fresh = found.iter().filter(|(_, finding)| finding.outcome == Outcome::Fresh).count();
    let renewed = found.iter().filter(|(_, finding)| finding.outcome == Outcome::Renewed).count();
    text.push_str(&if is_dry {
        "\nNobody was asked.\n".to_owned()
    } else {
        let fresh = if fresh > 0 { format!(", {fresh} fresh already") } else { String::new() };
        format!("\n{renewed} renewed{fresh}, {failed} failed.\n")
    });
    context.printer.result(&text);
}
