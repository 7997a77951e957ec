//! `tenant credentials revoke` and `cleanup`: that a credential is not used any more is declared, so it goes through a plan
//! like every other change.

use std::collections::HashSet;
use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};

use crate::alerts::expiry::Standing;
use crate::cli::claimed;
use crate::cli::context::Context;
use crate::cli::desk::{Asked, Desk, OwnArgs, some};
use crate::cli::editing::{self, Manner};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::signals::Signals;
use crate::cli::writing::WriteArgs;
use crate::kinds;
use crate::model::ResourceKey;
use crate::model::usage::{Metric, Outcome};
use crate::plan::past;

use super::{Estate, Filter, FilterArgs};

/// Declare that credentials are not used any more
///
/// The row stays, with its history; from now on it is neither verified, nor renewed, nor counted as expiring. The token
/// itself goes on working until it is revoked at the provider: uninstall the app in Shopify, or remove the access at Google.
/// One that is revoked already stays so, which is said, and is no error.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant credentials revoke acme-shopify\n  synthex tenant credentials revoke acme-shopify acme-gmc --yes\n  synthex tenant credentials revoke acme-shopify --dry-run"
)]
pub struct RevokeArgs {
    /// The credentials
    #[arg(value_name = "NAME", required = true, num_args = 1..)]
    pub names: Vec<String>,
    #[command(flatten)]
    pub own: OwnArgs,
    #[command(flatten)]
    pub write: WriteArgs,
}

/// Revoke the credentials that have expired
///
/// Expired ones are revoked, and so hidden from lists; none is deleted. What renews itself is left alone as long as its
/// refresh token holds. What a manifest declares is left out and listed with its line; the exit status is then 7, and 5 where
/// nothing is left to do.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex tenant credentials cleanup --dry-run\n  synthex tenant credentials cleanup --service shopify --yes"
)]
pub struct CleanupArgs {
    #[command(flatten)]
    pub filter: FilterArgs,
    #[command(flatten)]
    pub own: OwnArgs,
    #[command(flatten)]
    pub write: WriteArgs,
}

/// Runs `tenant credentials revoke`.
///
/// # Errors
/// A credential is unknown or declared elsewhere, a guard refuses, or the database does not take it. Nothing was changed.
pub async fn revoke(context: &Context, args: &RevokeArgs) -> Result<ExitStatus, CliError> {
    let command = "tenant credentials revoke";
    let desk = Desk::open(context, command).await?;
    let keys = desk.find(&kinds::credential::KIND, &args.names)?;
    carry_out(context, command, desk, &keys, (&args.own, &args.write), Vec::new()).await
}

/// Runs `tenant credentials cleanup`.
///
/// # Errors
/// As [`revoke`].
pub async fn cleanup(context: &Context, args: &CleanupArgs) -> Result<ExitStatus, CliError> {
    let filter = Filter::new(&args.filter);
    clean(context, "tenant credentials cleanup", &filter, &args.own, &args.write).await
}

/// Revokes what has expired of what a filter selects.
///
/// # Errors
/// As [`revoke`].
pub async fn clean(
    context: &Context,
    command: &str,
    filter: &Filter<'_>,
    own: &OwnArgs,
    write: &WriteArgs,
) -> Result<ExitStatus, CliError> {
    let estate = Estate::open(context, command).await?;
    let items = estate.filtered(filter)?;
    let expired = items.iter().filter(|item| item.standing == Standing::Expired);
    let mut keys: Vec<ResourceKey> = expired.map(|item| item.row.key.clone()).collect();
    let mut notices = Vec::new();
    if keys.is_empty() {
        notices.push(match items.len() {
            0 => "no credential is selected".to_owned(),
            1 => "the one credential selected has not expired".to_owned(),
            count => format!("none of the {count} credentials selected has expired"),
        });
    }
    let desk = Desk::open(context, command).await?;
    let mut left_out = 0;
    if !own.force && !own.write {
        // What somebody else has a say in does not keep the others from being cleaned up.
        let claims = desk.claims(&keys.iter().cloned().collect())?;
        let claimed: HashSet<&str> = claims.iter().filter_map(|claim| claim.split(' ').next()).collect();
        keys.retain(|key| !claimed.contains(key.to_string().as_str()));
        if keys.is_empty() && !claims.is_empty() {
            return Err(claimed::claimed(claims));
        }
        left_out = claims.len();
        notices.extend(claims.iter().map(|claim| {
            format!("expired and left out: {claim}; set `status: revoked` there, or let --write do it")
        }));
    }
    let done = carry_out(context, command, desk, &keys, (own, write), notices).await?;
    let is_part = left_out > 0 && !write.dry_run && done == ExitStatus::Success;
    if is_part {
        let verb = if left_out == 1 { "credential is" } else { "credentials are" };
        context
            .printer
            .note(&format!("{left_out} expired {verb} declared elsewhere and left as they are; see above."));
    }
    Ok(if is_part { ExitStatus::Partly } else { done })
}

async fn carry_out(
    context: &Context,
    command: &str,
    mut desk: Desk<'_>,
    keys: &[ResourceKey],
    (own, write): (&OwnArgs, &WriteArgs),
    mut notices: Vec<String>,
) -> Result<ExitStatus, CliError> {
    let signals = Signals::listen()?;
    let (mut entries, mut already) = (Vec::new(), Vec::new());
    let rows = desk.rows(keys).await?;
    for mut row in rows.iter().cloned() {
        let Some(spec) = row.canonical.get_mut("spec").and_then(Value::as_object_mut) else { continue };
        if spec.insert("status".to_owned(), json!("revoked")) == Some(json!("revoked")) {
            already.push(row.key.name.to_string());
        } else {
            entries.push(past::entry(&row.key, &row.canonical));
        }
    }
    desk.remember(&rows, &entries);
    if !already.is_empty() {
        let verb = if already.len() == 1 { "is" } else { "are" };
        notices.push(format!("{} {verb} revoked already", some(already.iter())));
    }
    let count = entries.len();
    let asked = Asked { entries, is_named: true, ..Asked::default() };
    let manner = Manner { command, own, write };
    let began = Instant::now();
    let done = editing::carry_out(context, desk, asked, manner, notices, &signals).await?;
    if done.applied.is_some() {
        for row in rows.iter().filter(|row| row.canonical["spec"]["status"] != "revoked") {
            let service = row.canonical["spec"]["service"].as_str().unwrap_or_default();
            context.recorder.record(Metric::credential_op(
                service,
                "revoke",
                Outcome::Succeeded,
                began.elapsed(),
            ));
        }
    }
    if count > 0 && done.applied.is_some() {
        context.printer.note(
            "The tokens themselves work until they are revoked at the provider: uninstall the app, or remove the access there.",
        );
    }
    Ok(done.status)
}
