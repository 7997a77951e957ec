//! `tenant credentials verify`: asks each provider whether it takes the credential.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::outcome::interrupted;
use crate::cli::providing::{self, SecretSources};
use crate::cli::signals::Signals;
use crate::engine::Interrupt as _;
use crate::engine::credentials::{Finding, Outcome, Provider as _, Secrets as _, Subject};
use crate::model::clock::{Clock as _, SystemClock};
use crate::model::usage::{self, Metric};
use crate::providers::Providers;
use crate::report;
use crate::report::paint::{Paint, paint};
use crate::store::ConnectOptions;

use super::{Estate, Filter, FilterArgs, Item};

/// Ask the providers whether they take the credentials
///
/// Each secret is read from where it is kept, the service is asked one harmless question, and what it says is kept as the
/// credential's status. Exits with 0 when all of them work, and with 8 otherwise. Nothing declared is changed.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant credentials verify --all\n  synthex tenant credentials verify acme-shopify\n  synthex tenant credentials verify --service google-merchant --format json"
)]
pub struct VerifyArgs {
    /// The credentials
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// All credentials that are not revoked
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    #[command(flatten)]
    pub filter: FilterArgs,
    /// How many are asked about at a time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub concurrency: u8,
}

/// How long those that are under way may take after a signal.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// How often it is said that we wait.
const SAID_EVERY: Duration = Duration::from_secs(5);

/// Refuses to mean everything by saying nothing.
pub(super) fn must_select(
    verb: &str,
    names: &[String],
    all: bool,
    filter: &FilterArgs,
) -> Result<(), CliError> {
    let FilterArgs { selector, status, service, tenant_ids } = filter;
    let is_filtered = selector.is_some() || status.is_some() || service.is_some() || !tenant_ids.is_empty();
    if all || is_filtered || !names.is_empty() {
        return Ok(());
    }
    Err(CliError::usage("which credentials are meant is not said").help(format!(
        "name some, filter them (-l, --service, --status, --tenant-ids), or give --all: synthex tenant credentials {verb} --all"
    )))
}

/// Runs `tenant credentials verify`.
///
/// # Errors
/// Wrong usage, or the database does not answer.
pub async fn verify(context: &Context, args: &VerifyArgs) -> Result<ExitStatus, CliError> {
    must_select("verify", &args.names, args.all, &args.filter)?;
    let providers = providing::providers(context)?;
    let signals = Signals::listen()?;
    let estate = Estate::open(context, "tenant credentials verify").await?;
    let options = estate.options.clone();
    let folder = estate.found.as_ref().map(|found| found.folder.clone());
    let mut items = estate.filtered(&Filter { names: &args.names, ..Filter::new(&args.filter) })?;
    if args.names.is_empty() && args.filter.status.as_deref() != Some("revoked") {
        items.retain(|item| item.standing != crate::alerts::expiry::Standing::Revoked);
    }
    let secrets = SecretSources::new(context, folder.as_deref(), &providers);
    let work = all(context, "verify", &items, args.concurrency, async |item| {
        one(&secrets, &providers, &signals, item).await
    });
    let findings = tokio::select! {
        findings = work => findings,
        () = async { signals.requested().await; tokio::time::sleep(GRACE).await } => return Err(interrupted(&signals)),
    };
    let found: Vec<(&Item, &Finding)> = items.iter().zip(&findings).collect();
    record(context, &options, &found).await;
    let failed = found.iter().filter(|(_, finding)| !finding.outcome.verdict().works()).count();
    show(context, &found, failed);
    if let Some(status) = signals.status() {
        return Ok(status);
    }
    Ok(if failed == 0 { ExitStatus::Success } else { ExitStatus::Unreachable })
}

/// Does it with each credential, so many at a time; one that hangs holds up nothing but its own place. What came of each is in
/// the order of the credentials.
pub(super) async fn all(
    context: &Context,
    operation: &str,
    items: &[Item],
    concurrency: u8,
    work: impl AsyncFn(&Item) -> Finding,
) -> Vec<Finding> {
    let work = &work;
    let began = Instant::now();
    let under_way: &Mutex<BTreeSet<usize>> = &Mutex::new(BTreeSet::new());
    let lock = || under_way.lock().unwrap_or_else(PoisonError::into_inner);
    let lock = &lock;
    let done = &AtomicUsize::new(0);
    let asking = futures_util::stream::iter(items.iter().enumerate())
        .map(|(index, item)| async move {
            let began = Instant::now();
            lock().insert(index);
            let finding = work(item).await;
            lock().remove(&index);
            done.fetch_add(1, Ordering::Relaxed);
            let ended = match finding.outcome {
                Outcome::Interrupted => usage::Outcome::Interrupted,
                outcome if outcome.verdict().works() => usage::Outcome::Succeeded,
                _ => usage::Outcome::Failed,
            };
            let metric = Metric::credential_op(item.service(), operation, ended, began.elapsed());
            context.recorder.record(metric.with_code(finding.outcome.code()));
            (index, finding)
        })
        .buffer_unordered(usize::from(concurrency))
        .collect::<Vec<(usize, Finding)>>();
    let mut asking = std::pin::pin!(asking);
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + SAID_EVERY, SAID_EVERY);
    let mut found = loop {
        tokio::select! {
            biased;
            found = &mut asking => break found,
            _ = ticks.tick() => {
                let names: Vec<String> =
                    lock().iter().filter_map(|index| items.get(*index)).map(|item| item.row.key.name.to_string()).collect();
                let (done, total) = (done.load(Ordering::Relaxed), items.len());
                context.printer.note(&format!(
                    "Waiting for {}: {done} of {total} done after {} s.",
                    crate::cli::desk::some(names.iter()),
                    began.elapsed().as_secs()
                ));
            }
        }
    };
    found.sort_unstable_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, finding)| finding).collect()
}

async fn one(secrets: &SecretSources<'_>, providers: &Providers, signals: &Signals, item: &Item) -> Finding {
    let subject = match &item.subject {
        Ok(subject) => subject,
        Err(why) => {
            return Finding::new(Outcome::SecretMissing, why.clone()).help("apply its manifest again");
        }
    };
    if signals.status().is_some() {
        return Finding::new(Outcome::Interrupted, "stopped before its turn");
    }
    if subject.is_revoked {
        return Finding::new(Outcome::Revoked, "it is revoked, so nobody was asked");
    }
    // What is observed is observed now, whatever --as-of says.
    let now = SystemClock.now();
    let finding = match secrets.read(&subject.secret_ref).await {
        Ok(secret) => providers.verify(subject, &secret, now).await,
        Err(finding) => finding,
    };
    tracing::info!(credential = %subject.key, outcome = finding.outcome.code(), "verified");
    finding
}

/// Keeps what was found. That it cannot be kept is said, and changes nothing of it.
async fn record(context: &Context, options: &ConnectOptions, found: &[(&Item, &Finding)]) {
    let subjects: Vec<(&Subject, &Finding)> = found
        .iter()
        .filter(|(_, finding)| !matches!(finding.outcome, Outcome::Interrupted | Outcome::Revoked))
        .filter_map(|(item, finding)| Some((item.subject.as_ref().ok()?, *finding)))
        .collect();
    if subjects.is_empty() {
        return;
    }
    let work = async {
        let mut connection = options.connect().await?;
        let outcome = connection.record_verified(&subjects, SystemClock.now()).await;
        connection.close().await;
        outcome
    };
    if let Err(error) = work.await {
        context.printer.note(&format!("What was found is not kept: {error}."));
    }
}

/// A finding with its credential, for JSON.
pub(super) fn finding_json(item: &Item, finding: &Finding) -> Value {
    let expiry = finding.expiry.unwrap_or_default();
    json!({
        "credential": &*item.row.key.name,
        "workspaceId": &*item.row.key.workspace,
        "tenantId": item.tenant(),
        "service": item.service(),
        "ok": finding.outcome.verdict().works(),
        "verdict": finding.outcome.verdict().code(),
        "outcome": finding.outcome.code(),
        "message": finding.message,
        "help": finding.advice(),
        "accessExpiresAt": expiry.access,
        "expiresAt": expiry.ends.or(item.declared_expires_at),
    })
}

/// A table of findings, and below it what to do about those that did not go well: each advice once.
pub(super) fn findings_text(context: &Context, found: &[(&Item, &Finding)]) -> String {
    let style = &context.printer.stdout;
    let headers = ["CREDENTIAL", "WORKSPACE", "SERVICE", "OUTCOME", "WHAT WAS FOUND"];
    let rows = found.iter().map(|(item, finding)| {
        vec![
            item.row.key.name.to_string(),
            item.row.key.workspace.to_string(),
            item.service().to_owned(),
            finding.outcome.code().to_owned(),
            finding.message.clone(),
        ]
    });
    let mut text = report::table::table(&headers, rows.collect(), style);
    let mut advice: Vec<(&str, Vec<&str>)> = Vec::new();
    for (item, finding) in found {
        let Some(help) = finding.advice() else { continue };
        match advice.iter_mut().find(|(own, _)| *own == help) {
            Some((_, names)) => names.push(&item.row.key.name),
            None => advice.push((help, vec![&item.row.key.name])),
        }
    }
    for (help, names) in advice {
        let names = crate::cli::desk::some(names.into_iter());
        text.push_str(&format!("\n{} {help}\n", paint(&format!("{names}:"), Paint::Strong, style)));
    }
    text
}

fn show(context: &Context, found: &[(&Item, &Finding)], failed: usize) {
    let total = found.len();
    if context.global.format == Format::Json {
        let results: Vec<Value> = found.iter().map(|(item, finding)| finding_json(item, finding)).collect();
        context.printer.json(&json!({
            "format_version": "1.0",
            "timestamp": context.clock.now(),
            "total": total,
            "working": total - failed,
            "failed": failed,
            "results": results,
        }));
        return;
    }
    if found.is_empty() {
        context.printer.note("No credential is selected: nobody was asked.");
        return;
    }
    let mut text = findings_text(context, found);
    text.push_str(&match (total, failed) {
        (1, 0) => "\nIt works.\n".to_owned(),
        (total, 0) => format!("\nAll {total} work.\n"),
        (total, failed) => format!("\n{} of {total} work, {failed} do not.\n", total - failed),
    });
    context.printer.result(&text);
}
