//! `alerts silences`: silences are declared, so these commands make plans like all that change what is declared.

mod fitting;
mod list;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use crate::alerts::review;
use crate::cli::args::{self, Moment};
use crate::cli::context::Context;
use crate::cli::desk::{Asked, Desk, OwnArgs, some};
use crate::cli::editing::{self, Manner};
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::making::{self, Draft};
use crate::cli::signals::Signals;
use crate::cli::writing::WriteArgs;
use crate::kinds;
use crate::kinds::silence::SilenceSpec;
use crate::manifest::expand::Layers;
use crate::model::ResourceKey;
use crate::plan::past;

/// List, make and end silences
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  synthex alerts silences list\n  synthex alerts silences create --matcher tenant=SMB_CLIENT_001 --for 4h --comment \"new theme\"\n  synthex alerts silences expire new-theme"
)]
pub enum SilencesCommand {
    List(list::ListArgs),
    Create(CreateArgs),
    Expire(ExpireArgs),
}

/// Make a silence: alerts that nobody is told of for a while
///
/// It is said how many open alerts its conditions fit now, also with --dry-run. An end and a reason are required. What is muted is still shown by `synthex alerts list`. The silence belongs to no project;
/// `synthex adopt` makes a manifest of it.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("end").required(true).args(["lasting", "until", "until_resolved"]),
    after_help = "Examples:\n  synthex alerts silences create --matcher tenant=SMB_CLIENT_001 --for 4h --comment \"new theme\"\n  synthex alerts silences create --matcher 'tenant=~\"SMB_.*\"' --matcher severity!=critical \\\n      --until 2026-12-24T20:00:00Z --comment \"the office is closed\"\n  synthex alerts silences create --matcher check=disk --until-resolved --comment \"a larger disk is ordered\""
)]
pub struct CreateArgs {
    /// A condition on the labels of alerts; repeatable, all must hold: `tenant=acme`, `severity!=critical`, `service=~"shop.*"`
    #[arg(short, long = "matcher", value_name = "CONDITION", required = true)]
    pub matchers: Vec<String>,
    /// For how long: `30m`, `4h`, `7d`
    #[arg(long = "for", id = "lasting", value_name = "TIME")]
    pub lasting: Option<String>,
    /// Until when: `2026-12-24T20:00:00Z`, `2026-12-24`, or `4h` from now on
    #[arg(long, value_name = "TIME", value_parser = args::moment_or_length)]
    pub until: Option<Moment>,
    /// For each alert until it is over; its end is told
    #[arg(long)]
    pub until_resolved: bool,
    /// From when on: `2026-12-24T18:00:00Z`, `2026-12-24`, or `4h` from now on. Default: now
    #[arg(long, value_name = "TIME", value_parser = args::moment_or_length)]
    pub from: Option<Moment>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub comment: String,
    /// The silence's name. Default: the time at which it is made
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    #[command(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    pub own: OwnArgs,
}

/// End silences now
///
/// What is still wrong is told at the next evaluation, once. One that has not begun is deleted.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex alerts silences expire new-theme\n  synthex alerts silences expire new-theme --yes"
)]
pub struct ExpireArgs {
    /// The silences
    #[arg(value_name = "NAME", required = true, num_args = 1..)]
    pub names: Vec<String>,
    #[command(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    pub own: OwnArgs,
}

/// Runs `alerts silences`.
///
/// # Errors
/// Wrong usage, or the database does not answer.
pub async fn silences(context: &Context, command: &SilencesCommand) -> Result<ExitStatus, CliError> {
    match command {
        SilencesCommand::List(args) => list::list(context, args).await,
        SilencesCommand::Create(args) => create(context, args).await,
        SilencesCommand::Expire(args) => expire(context, args).await,
    }
}

async fn create(context: &Context, args: &CreateArgs) -> Result<ExitStatus, CliError> {
    let signals = Signals::listen()?;
    making::no_write(&args.own)?;
    let mut desk = Desk::open(context, "alerts silences create").await?;
    let workspace = making::workspace_of(&desk, context)?;
    let now = context.clock.now();
    let name = args.name.clone().unwrap_or_else(|| free_name(&desk, &workspace, now));
    let key = ResourceKey::new(&kinds::silence::KIND, workspace.as_str().into(), name.as_str());
    let at =
        |moment: Moment| if moment.is_exact() { moment.after(now) } else { whole_second(moment.after(now)) };
    let starts = args.from.map_or_else(|| whole_second(now), at);
    let until = args.until.map(at);
    if until.is_some_and(|until| until <= now) {
        return Err(CliError::usage("--until: that time is past").help("give a time that is to come"));
    }
    let mut draft = Draft::new(key.clone());
    let mut add = |field: &str, value: Value| draft.spec.insert(field.to_owned(), value);
    add("matchers", json!(args.matchers));
    add("startsAt", json!(starts));
    add("createdBy", json!(context.actor()));
    add("comment", json!(args.comment));
    match (&args.lasting, until) {
        (Some(lasting), _) => add("duration", json!(lasting)),
        (None, Some(until)) => add("endsAt", json!(until)),
        (None, None) => add("untilResolved", json!(true)),
    };
    // What is wrong with the conditions is said first: another name would not mend it.
    let entry = draft.finish(Layers::new(Some(workspace.clone())), option)?;
    making::must_be_new(&desk, &key, "give another --name")
        .map_err(|error| making::or_claimed(&desk, &key, &args.own, error))?;
    let mut notices = Vec::new();
    let canonical: Value = serde_json::from_str(&entry.canonical).unwrap_or_default();
    let spec = serde_json::from_value::<SilenceSpec>(canonical["spec"].clone());
    if let Ok(spec) = spec {
        if review::mutes_all_critical(&spec.matchers, &workspace) {
            notices.push(format!("this mutes every critical alert of workspace `{workspace}`"));
        }
        notices.extend(unknown_tenants(&desk, &workspace, &spec.matchers));
        notices.push(fitting::notice(&mut desk, &workspace, &spec.matchers).await?);
    }
    let asked = Asked { entries: vec![entry], is_named: true, ..Asked::default() };
    let manner = Manner { command: "alerts silences create", own: &args.own, write: &args.write };
    let done = editing::carry_out(context, desk, asked, manner, notices, &signals).await?;
    Ok(done.status)
}

/// Conditions that ask for a tenant which the workspace has not.
fn unknown_tenants(desk: &Desk<'_>, workspace: &str, matchers: &[String]) -> Vec<String> {
    let of_kind = desk.living(&kinds::tenant::KIND);
    let tenants: Vec<&str> =
        of_kind.filter(|head| *head.key.workspace == *workspace).map(|head| &*head.key.name).collect();
    let unknown = |text: &String| review::unknown_tenant(&text.parse().ok()?, &tenants);
    matchers.iter().filter_map(unknown).map(|(what, help)| format!("{what}: {help}")).collect()
}

/// A name that is free: the time, and a number where several silences are made in one second.
fn free_name(desk: &Desk<'_>, workspace: &str, now: DateTime<Utc>) -> String {
    let usual = now.format("silence-%Y%m%d-%H%M%S").to_string();
    let is_free = |name: &String| {
        let key = ResourceKey::new(&kinds::silence::KIND, workspace.into(), name.as_str());
        desk.head(&key).is_none()
    };
    let numbered = (2..10_000).map(|number| format!("{usual}-{number}"));
    std::iter::once(usual.clone()).chain(numbered).find(is_free).unwrap_or(usual)
}

/// A time that reads well; nothing happens within less than a second.
fn whole_second(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp(at.timestamp(), 0).unwrap_or(at)
}

/// The option that gives a field of a silence.
fn option(field: &str) -> Option<String> {
    let option = match field.split('.').next().unwrap_or_default() {
        "metadata" => "--name NAME",
        "matchers" => "--matcher CONDITION",
        "duration" => "--for TIME",
        "endsAt" => "--until TIME",
        "startsAt" => "--from TIME",
        "comment" => "--comment TEXT",
        _ => return None,
    };
    Some(option.to_owned())
}

async fn expire(context: &Context, args: &ExpireArgs) -> Result<ExitStatus, CliError> {
    let signals = Signals::listen()?;
    let mut desk = Desk::open(context, "alerts silences expire").await?;
    let keys = desk.find(&kinds::silence::KIND, &args.names)?;
    let now = whole_second(context.clock.now());
    let rows = desk.rows(&keys).await?;
    let (mut entries, mut gone, mut over, mut pending) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for mut row in rows.iter().cloned() {
        let Ok(spec) = serde_json::from_value::<SilenceSpec>(row.canonical["spec"].clone()) else { continue };
        if spec.ends().is_some_and(|ends| ends <= now) {
            over.push(row.key.name.to_string());
        } else if spec.starts_at > now {
            pending.push(row.key.name.to_string());
            gone.push(row.key.clone());
        } else if let Some(fields) = row.canonical.get_mut("spec").and_then(Value::as_object_mut) {
            fields.remove("duration");
            fields.remove("untilResolved");
            let ends = now.max(spec.starts_at + TimeDelta::seconds(1));
            fields.insert("endsAt".to_owned(), json!(ends));
            entries.push(past::entry(&row.key, &row.canonical));
        }
    }
    desk.remember(&rows, &entries);
    let mut notices = Vec::new();
    let is = |names: &[String]| if names.len() == 1 { "has" } else { "have" };
    if !over.is_empty() {
        notices.push(format!("{} {} ended already", some(over.iter()), is(&over)));
    }
    if !pending.is_empty() {
        notices.push(format!("{} {} not begun, and goes", some(pending.iter()), is(&pending)));
    }
    let asked = Asked { entries, gone, is_named: true, ..Asked::default() };
    let manner = Manner { command: "alerts silences expire", own: &args.own, write: &args.write };
    let done = editing::carry_out(context, desk, asked, manner, notices, &signals).await?;
    Ok(done.status)
}
