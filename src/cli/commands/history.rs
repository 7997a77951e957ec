//! `history`: what was done, by whom and when.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use clap::Args;
use serde_json::Value;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::records::Records;
use crate::plan::record::{Event, Recorded};
use crate::report::{history as text, history_json as json};
use crate::store::history::Wanted;

/// Show what was done, by whom and when
///
/// Without a KEY: the operations, newest first, also those that failed or were refused. With one: the life of that
/// resource, field by field, through renames, with what people did to its row by hand in between. The record outlives what
/// it is about.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex history\n  synthex history tenant/acme --field market\n  synthex history --actor octocat --since 7d\n  synthex history --revision 41\n  synthex history tenant/anz-smb/acme --format json | jq '.events[].actor'"
)]
pub struct HistoryArgs {
    /// The resource: KIND/WORKSPACE/NAME, or KIND/NAME where that is enough, such as tenant/acme
    #[arg(value_name = "KEY", conflicts_with = "revision")]
    pub key: Option<String>,
    /// With a KEY: only what changed this field, or something below it, such as `market` or `contact`
    #[arg(long, value_name = "FIELD", requires = "key")]
    pub field: Option<String>,
    /// Only what this actor did: the name in the record, or with a KEY also a database role
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,
    /// Only what was done since: a time ago such as 7d, or a day or time in UTC such as 2026-11-01
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only this project's operations
    #[arg(long, value_name = "NAME", conflicts_with_all = ["key", "revision"])]
    pub project: Option<String>,
    /// Show one operation in full
    #[arg(long, value_name = "N", conflicts_with_all = ["actor", "since", "limit"])]
    pub revision: Option<i64>,
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

/// Runs `history`.
///
/// # Errors
/// Nothing is known of the resource or revision; or problems of the database.
pub async fn history(context: &Context, args: &HistoryArgs) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    let since = args.since.as_deref().map(|text| instant(text, context.clock.now())).transpose()?;
    let mut records = Records::open(context, "history").await?;
    let (value, text) = match (&args.key, args.revision) {
        (Some(word), _) => trail(context, &mut records, args, word, since).await?,
        (None, Some(revision)) => operation(context, &mut records, revision).await?,
        (None, None) => operations(context, &mut records, args, since).await?,
    };
    records.connection.close().await;
    if context.global.format == Format::Json {
        context.printer.json(&value);
    } else {
        context.printer.result(&text);
    }
    Ok(ExitStatus::Success)
}

async fn operations(
    context: &Context,
    records: &mut Records,
    args: &HistoryArgs,
    since: Option<DateTime<Utc>>,
) -> Result<(Value, String), CliError> {
    let mut found: Vec<Recorded> = Vec::new();
    for place in records.places.iter().filter(|_| records.installed) {
        if let Some(place) = place {
            records.connection.enter(place).await?;
        }
        let wanted = Wanted {
            project: args.project.clone(),
            actor: args.actor.clone(),
            since,
            workspace: place.clone(),
            limit: Some(i64::from(args.limit) + 1),
            ..Wanted::default()
        };
        found.append(&mut records.connection.operations(&wanted).await?);
    }
    found.sort_by_key(|operation| std::cmp::Reverse(operation.revision));
    found.dedup_by_key(|operation| operation.revision);
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    let value = json::operations(&found);
    if found.is_empty() {
        let all = args.project.is_none() && args.actor.is_none() && since.is_none();
        context.printer.note(match all && context.global.workspace.is_none() {
            true => "Nothing was applied to this database yet: run `synthex plan`, then `synthex apply`.",
            false => "No operation is as asked for.",
        });
        return Ok((value, String::new()));
    }
    let shown = text::operations(&found, context.clock.now(), &context.printer.stdout);
    if more {
        context.printer.note(&format!("The newest {limit} are shown; --limit shows more."));
    }
    Ok((value, shown))
}

async fn operation(
    context: &Context,
    records: &mut Records,
    revision: i64,
) -> Result<(Value, String), CliError> {
    let mut operation = None;
    let mut items = Vec::new();
    for place in records.places.iter().filter(|_| records.installed) {
        if let Some(place) = place {
            records.connection.enter(place).await?;
        }
        let wanted = Wanted { revision: Some(revision), ..Wanted::default() };
        let found = records.connection.operations(&wanted).await?.into_iter().next();
        operation = found.or(operation);
        items.append(&mut records.connection.items(revision, place.as_deref()).await?);
    }
    let Some(operation) = operation else {
        return Err(CliError::usage(format!("there is no revision {revision}"))
            .help("`synthex history` shows the newest ones"));
    };
    items.sort_by_key(|item| item.seq);
    let shown = text::operation(&operation, &items, context.clock.now(), &context.printer.stdout);
    Ok((json::operation(&operation, &items), shown))
}

async fn trail(
    context: &Context,
    records: &mut Records,
    args: &HistoryArgs,
    word: &str,
    since: Option<DateTime<Utc>>,
) -> Result<(Value, String), CliError> {
    let key = records.find(context, word).await?;
    let trail = records.trail(&key).await?;
    let mut shown: Vec<Event> = trail
        .events
        .iter()
        .filter(|event| since.is_none_or(|since| event.at() >= since))
        .filter(|event| args.actor.as_deref().is_none_or(|actor| event.who() == actor))
        .cloned()
        .collect();
    if let Some(field) = &args.field {
        shown.retain_mut(|event| event.keep_field(field));
    }
    let matching = shown.len();
    shown.truncate(usize::try_from(args.limit).unwrap_or(usize::MAX));
    if let Some((name, revision)) = &trail.renamed_to {
        context.printer.note(&format!("{key} is named {name} since revision {revision}."));
    }
    if matching == 0 && !trail.events.is_empty() {
        context.printer.note(&format!("None of the {} events of {key} is as asked for.", trail.events.len()));
    } else if shown.len() < matching {
        context.printer.note(&format!("{} of {matching} events are shown; --limit shows more.", shown.len()));
    }
    let text = text::trail(&key, &trail, &shown, context.clock.now(), &context.printer.stdout);
    Ok((json::trail(&key, &trail, &shown), text))
}

/// `7d`, `2026-11-01`, `2026-11-01T09:00:00Z`.
fn instant(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, CliError> {
    let ago = crate::model::text::duration_seconds(text).and_then(TimeDelta::try_seconds);
    let day = || text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|at| at.and_utc());
    let exact = || DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc));
    ago.and_then(|ago| now.checked_sub_signed(ago)).or_else(day).or_else(exact).ok_or_else(|| {
        CliError::usage(format!("`{text}` is no time"))
            .why("--since takes a time ago, such as 7d or 12h, or a day or time in UTC")
            .help("for example --since 2026-11-01, or --since 2026-11-01T09:00:00Z")
    })
}
