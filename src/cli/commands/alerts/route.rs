//! `alerts route`.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::{Value, json};

use crate::alerts::AlertLabels;
use crate::alerts::declared::Declared;
use crate::alerts::route::{self, Hop, Routed};
use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::desk::some;
use crate::cli::error::{CliError, ExitStatus};
use crate::model::diagnostic::did_you_mean;

use super::declared::Estate;

/// Show the channels that an alert with some labels would reach
///
/// Reads the manifests, and asks neither a database nor a network; with --applied, what was applied to the database. Silences
/// and maintenance windows count as they are at this moment, or at --as-of. With --expect, exits with 1 where the channels
/// that are reached are others.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex alerts route --labels tenant=SMB_CLIENT_001,severity=critical\n  synthex alerts route --labels check=disk --expect pager,ops-mail\n  synthex alerts route --labels kind=credential_expiry,label.tier=gold --as-of 2026-12-24T20:00:00Z --format json"
)]
pub struct RouteArgs {
    /// The labels of the alert: `tenant=SMB_CLIENT_001,severity=critical`
    #[arg(long, value_name = "LABELS")]
    pub labels: String,
    /// The channels it must reach, and no others: names, separated by commas; an empty text for none
    #[arg(long, value_name = "CHANNELS")]
    pub expect: Option<String>,
    /// Look at what was applied to the database instead of the manifests
    #[arg(long)]
    pub applied: bool,
}

/// Runs `alerts route`.
///
/// # Errors
/// The labels cannot be read or name what is not there, or the manifests or the database cannot be read.
pub async fn route(context: &Context, args: &RouteArgs) -> Result<ExitStatus, CliError> {
    let labels = route::labels(&args.labels)
        .map_err(|(what, help)| CliError::usage(format!("--labels: {what}")).help(help))?;
    let estate = if args.applied {
        Estate::of_database(context, "alerts route").await?
    } else {
        Estate::of_manifests(context)?
    };
    let named = labels.get("workspace").map(String::as_str).or(context.global.workspace.as_deref());
    let (workspace, declared) = estate.workspace(named)?;
    must_be_known(context, args, &estate, &labels)?;
    let routed = route::route(declared, workspace, &labels, context.clock.now());
    let reached: BTreeSet<&str> = routed.iter().flat_map(Routed::reached).collect();
    let names = |text: &str| -> BTreeSet<String> {
        text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let expected = args.expect.as_deref().map(names);
    let fits = expected.as_ref().is_none_or(|expected| {
        expected.len() == reached.len() && expected.iter().all(|name| reached.contains(name.as_str()))
    });
    if context.global.format == Format::Json {
        let rules: Vec<Value> = routed.iter().map(as_json).collect();
        context.printer.json(&json!({
            "format_version": "1.0", "workspace": workspace, "labels": labels, "rules": rules, "channels": reached,
            "expected": expected, "as_expected": fits,
        }));
    } else {
        context.printer.result(&shown(&routed, &reached));
    }
    if fits {
        return Ok(ExitStatus::Success);
    }
    let list = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let expected = expected.unwrap_or_default();
    context.printer.note(&format!(
        "Expected {}, and it reaches {}.",
        list(expected.iter().map(String::as_str).collect()),
        list(reached.into_iter().collect())
    ));
    Ok(ExitStatus::Error)
}

/// Refuses a rule that is not there, and a tenant of which something is expected: the answer would be that of a slip.
fn must_be_known(
    context: &Context,
    args: &RouteArgs,
    estate: &Estate,
    labels: &AlertLabels,
) -> Result<(), CliError> {
    let named = labels.get("workspace").map(String::as_str).or(context.global.workspace.as_deref());
    let (workspace, declared) = estate.workspace(named)?;
    let unknown = |what: &str, name: &str, known: Vec<&str>, others: Vec<&str>| {
        let help = match (did_you_mean(name, known.iter().copied()), others.first()) {
            (_, Some(other)) => format!("it is in workspace `{other}`: add -w {other}"),
            (Some(near), None) => format!("did you mean `{near}`?"),
            (None, None) if known.is_empty() => format!("the workspace has no {what}"),
            (None, None) => format!("the {what}s are {}", some(known.iter())),
        };
        CliError::usage(format!("workspace `{workspace}` has no {what} `{name}`")).help(help)
    };
    let elsewhere = |has: &dyn Fn(&Declared) -> bool| -> Vec<&str> {
        estate.workspaces.iter().filter(|(_, own)| has(own)).map(|(name, _)| name.as_str()).collect()
    };
    if let Some(rule) = labels.get("rule").filter(|name| !declared.rules.contains_key(*name)) {
        let known = declared.rules.keys().map(String::as_str).collect();
        return Err(unknown("rule", rule, known, elsewhere(&|own| own.rules.contains_key(rule))));
    }
    if let Some(tenant) = labels.get("tenant").filter(|name| !declared.tenants.contains_key(*name)) {
        let known = declared.tenants.keys().map(String::as_str).collect();
        let error = unknown("tenant", tenant, known, elsewhere(&|own| own.tenants.contains_key(tenant)));
        if args.expect.is_some() {
            return Err(error);
        }
        let help = error.help.as_deref().unwrap_or_default();
        context.printer.note(&format!("{}: nothing is known of it but the labels given; {help}", error.what));
    }
    Ok(())
}

fn shown(routed: &[Routed], reached: &BTreeSet<&str>) -> String {
    let mut text = String::new();
    for one in routed {
        text.push_str(&format!("rule {}", one.rule));
        if !one.muted_by.is_empty() {
            text.push_str(&format!(", muted by {}", one.muted_by.join(", ")));
        }
        text.push('\n');
        for Hop { channel, is_enabled, fallbacks } in &one.channels {
            text.push_str(&format!("  {channel}"));
            if !is_enabled {
                text.push_str(" (switched off)");
            }
            if !fallbacks.is_empty() {
                text.push_str(&format!(", then {}", fallbacks.join(", then ")));
            }
            text.push('\n');
        }
    }
    if routed.is_empty() {
        text.push_str("No rule raises such an alert: it would be recorded as unrouted, and nobody told.\n");
    } else if reached.is_empty() {
        text.push_str("It reaches nobody now.\n");
    } else {
        text.push_str(&format!("It reaches {}.\n", reached.iter().copied().collect::<Vec<_>>().join(", ")));
    }
    text
}

fn as_json(routed: &Routed) -> Value {
    let channels: Vec<Value> = routed
        .channels
        .iter()
        .map(|hop| json!({"channel": hop.channel, "enabled": hop.is_enabled, "fallbacks": hop.fallbacks}))
        .collect();
    json!({"rule": routed.rule, "channels": channels, "muted_by": routed.muted_by})
}
