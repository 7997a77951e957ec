//! `templates steps`.

use clap::Args;
use serde_json::json;

use crate::cli::args::Format;
use crate::cli::checklist::Checklist;
use crate::cli::commands::tenant::shown;
use crate::cli::commands::tenant::shown::checklist;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::listing::Listing;
use crate::model::ResourceKey;
use crate::store::{Listed, StepChange, mark_steps};

/// Show the setup steps of a tenant's template, and tick them off
///
/// A step that is moved or added in the template leaves the others as they are; one whose words change is a new one. What is
/// done is no declared state: it is written at once, and no plan shows it. Where no tenant is named, the active one is meant.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex templates steps --tenant-id SMB_CLIENT_001\n  synthex templates steps --tenant-id SMB_CLIENT_001 --done 1 --done 2\n  synthex templates steps --tenant-id SMB_CLIENT_001 --undone 2\n  synthex templates steps --tenant-id SMB_CLIENT_001 --done all --format json"
)]
pub struct StepsArgs {
    /// The tenant's id
    #[arg(long, value_name = "TENANT")]
    pub tenant_id: Option<String>,
    /// Mark a step as done, by its number, or `all`; repeatable, or with commas
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = number)]
    pub done: Vec<Step>,
    /// Mark a step as not done after all; repeatable, or with commas
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = number)]
    pub undone: Vec<Step>,
    /// Show what would be marked, and stop
    #[arg(long)]
    pub dry_run: bool,
}

/// A step, by its number from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// One.
    Number(usize),
    /// All of them.
    All,
}

fn number(text: &str) -> Result<Step, String> {
    if text == "all" {
        return Ok(Step::All);
    }
    let number = text.parse().ok().filter(|number| *number > 0);
    number.map(Step::Number).ok_or("write the number of a step, from 1, or all".to_owned())
}

/// Shows and marks.
///
/// # Errors
/// There is no such tenant or step, or the database does not take it. Nothing was changed.
pub async fn steps(context: &Context, args: &StepsArgs) -> Result<ExitStatus, CliError> {
    let choice = shown::meant(context, args.tenant_id.as_deref())?;
    let only = context.global.workspace.as_deref();
    let mut listing = Listing::open(context, "templates steps", only).await?;
    let row = shown::find(context, &mut listing, &choice).await?;
    let list = checklist(&mut listing, &row).await?;
    let done = texts(&list, &row, &args.done)?;
    let undone = texts(&list, &row, &args.undone)?;
    if let Some(both) = done.iter().find(|step| undone.contains(step)) {
        return Err(CliError::usage(format!("a step is both done and undone: {both}"))
            .why("nothing was changed")
            .help("name it with --done or with --undone"));
    }
    let is_asked = !done.is_empty() || !undone.is_empty();
    if args.dry_run || !is_asked {
        listing.close().await;
        show(context, &row, &list);
        if is_asked {
            let name = |steps: &[String]| steps.iter().map(|step| format!("\n  {step}")).collect::<String>();
            for (word, steps) in [("done", &done), ("not done", &undone)] {
                if !steps.is_empty() {
                    context.printer.note(&format!("would be marked as {word}:{}", name(steps)));
                }
            }
        }
        return Ok(ExitStatus::Success);
    }
    let actor = context.actor();
    let change = StepChange {
        workspace: &row.key.workspace,
        tenant: row.id,
        done: &done,
        undone: &undone,
        actor: &actor,
    };
    mark_steps(listing.options.clone(), &change).await?;
    let list = checklist(&mut listing, &row).await?;
    listing.close().await;
    show(context, &row, &list);
    Ok(ExitStatus::Success)
}

/// The steps that are named.
fn texts(list: &Checklist, row: &Listed, named: &[Step]) -> Result<Vec<String>, CliError> {
    if named.contains(&Step::All) {
        return Ok(list.steps.iter().map(|(text, _)| text.clone()).collect());
    }
    let number = |step: &Step| match step {
        Step::Number(number) => *number,
        Step::All => 0,
    };
    let count = list.steps.len();
    let unknown: Vec<String> =
        named.iter().map(number).filter(|number| *number > count).map(|number| number.to_string()).collect();
    if !unknown.is_empty() {
        let name = &row.key.name;
        let what = match unknown.as_slice() {
            [one] => format!("tenant `{name}` has no setup step {one}"),
            many => format!("tenant `{name}` has no setup steps {}", many.join(", ")),
        };
        let why = match (count, &list.template) {
            (0, None) => "it was made from no template".to_owned(),
            (0, Some(template)) if list.is_orphan => format!("its template `{template}` is deleted"),
            (0, Some(template)) => format!("its template `{template}` has none"),
            (1, _) => "there is one step".to_owned(),
            (count, _) => format!("there are {count}"),
        };
        return Err(CliError::usage(what)
            .why(format!("{why}; nothing was changed"))
            .help(format!("synthex templates steps --tenant-id {name} shows them")));
    }
    let mut texts: Vec<String> = named
        .iter()
        .filter_map(|step| list.steps.get(number(step).checked_sub(1)?).map(|(text, _)| text.clone()))
        .collect();
    texts.sort_unstable();
    texts.dedup();
    Ok(texts)
}

fn show(context: &Context, row: &Listed, list: &Checklist) {
    if context.global.format == Format::Json {
        let mut document = json!({
            "format_version": "1.0",
            "workspaceId": &*row.key.workspace,
            "tenantId": &*row.key.name,
        });
        if let (Some(document), Some(list)) = (document.as_object_mut(), list.json().as_object()) {
            document.extend(list.clone());
        }
        context.printer.json(&document);
        return;
    }
    let text = list.text(context.clock.now());
    if text.is_empty() {
        context.printer.note(&match &list.template {
            None => format!("Tenant `{}` was made from no template, so it has no setup steps.", row.key.name),
            Some(template) => format!("Template `{template}` has no setup steps."),
        });
        return;
    }
    context.printer.result(&text);
}

/// The checklist of a tenant that was just made, as text.
///
/// # Errors
/// The database cannot be read.
pub async fn of_tenant(context: &Context, key: &ResourceKey) -> Result<String, CliError> {
    let mut listing = Listing::open(context, "templates steps", Some(&key.workspace)).await?;
    let all = listing.rows(key.kind).await?;
    let text = match all.iter().find(|row| row.key == *key) {
        Some(row) => checklist(&mut listing, row).await?.text(context.clock.now()),
        None => String::new(),
    };
    listing.close().await;
    Ok(text)
}
