//! `unmanaged`: what is in the database and in no manifest of the project, by owner, with what to do about it.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::database;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::exporting;
use crate::cli::project;
use crate::cli::selecting::{self, SelectArgs};
use crate::model::ResourceKey;
use crate::model::diagnostic::did_you_mean;
use crate::plan::Row;
use crate::plan::planner::COMMAND_OWNER;
use crate::report;

/// List what is in the database and in no manifest of this project, by owner, and what to do about it
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex unmanaged\n  synthex unmanaged --owner nobody --owner cli --detailed-exitcode\n  synthex unmanaged -l market=ANZ_SMB --format json"
)]
pub struct UnmanagedArgs {
    /// Exit with 2 when anything is listed
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Only rows of these owners: `nobody`, `cli`, or a project; repeatable
    #[arg(long, value_name = "OWNER")]
    pub owner: Vec<String>,
    #[command(flatten)]
    pub select: SelectArgs,
}

/// Whose a row is, as seen from the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Nobody,
    Commands,
    Own,
    Other,
}

impl Whose {
    fn of(row: &Row, project: &str) -> Self {
        match row.owner.as_deref() {
            None => Self::Nobody,
            Some(COMMAND_OWNER) => Self::Commands,
            Some(owner) if owner == project => Self::Own,
            Some(_) => Self::Other,
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Commands => "commands",
            Self::Own => "own",
            Self::Other => "other",
        }
    }

    const fn help(self) -> &'static str {
        match self {
            Self::Nobody | Self::Commands => {
                "`synthex adopt --write DIR` writes manifests for them and takes them over, without changing a field"
            }
            Self::Own => {
                "declare them again (`synthex export` writes the manifests), or delete them with `synthex apply --prune`"
            }
            Self::Other => "another project looks after them: nothing is to be done here",
        }
    }
}

/// Runs `unmanaged`.
///
/// # Errors
/// Problems of manifests, nothing is selected, or the database does not answer.
pub async fn unmanaged(context: &Context, args: &UnmanagedArgs) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    let selection = args.select.selection()?;
    let found = project::find(context)?;
    let (catalog, _) = project::load_valid(&found)?;
    let source = database::source(context, Some(&found.project), &found.folder)?;
    let options = database::open(context, &source, "unmanaged").await?;
    let mut connection = options.connect().await?;
    let rows = exporting::living(context, &mut connection, Some(&found)).await?.unwrap_or_default();
    connection.close().await;
    let keys: Vec<&ResourceKey> = rows.iter().map(|row| &row.key).collect();
    for notice in selecting::check_patterns(&selection, &keys)? {
        context.printer.note(&notice);
    }
    let selected = |row: &&Row| selection.matches_key(&row.key) && selection.matches_labels(&row.canonical);
    if !selection.is_all() && !rows.iter().any(|row| selected(&row)) {
        return Err(selecting::nothing_live(&selection, &keys));
    }
    let owners: BTreeSet<&str> = rows.iter().map(|row| row.owner.as_deref().unwrap_or("nobody")).collect();
    if let Some(unknown) = args.owner.iter().find(|wanted| !owners.contains(wanted.as_str())) {
        let error = CliError::usage(format!("nothing in the database is owned by `{unknown}`"));
        let owners: Vec<&str> = owners.into_iter().collect();
        return Err(match did_you_mean(unknown, owners.iter().copied()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("the owners are {}", owners.join(", "))),
        });
    }
    let project = found.project.name.as_str();
    let asked = |row: &&Row| {
        let owner = row.owner.as_deref().unwrap_or("nobody");
        args.owner.is_empty() || args.owner.iter().any(|wanted| wanted == owner)
    };
    let mut listed: Vec<(Whose, &Row)> = rows
        .iter()
        .filter(|row| catalog.find(&row.key).is_none() && catalog.broken.binary_search(&row.key).is_err())
        .filter(selected)
        .filter(asked)
        .map(|row| (Whose::of(row, project), row))
        .collect();
    listed.sort_by_key(|(whose, row)| (*whose, row.owner.as_deref()));
    if context.global.format == Format::Json {
        context.printer.json(&document(project, &listed));
    } else {
        context.printer.result(&text(&listed, &context.printer.stdout));
    }
    let any = args.detailed_exitcode && !listed.is_empty();
    Ok(if any { ExitStatus::Changes } else { ExitStatus::Success })
}

fn document(project: &str, listed: &[(Whose, &Row)]) -> Value {
    let count = |wanted| listed.iter().filter(|(whose, _)| *whose == wanted).count();
    let rows = listed.iter().map(|(whose, row)| {
        json!({
            "key": row.key.to_string(),
            "kind": row.key.kind.name,
            "workspace": &*row.key.workspace,
            "name": &*row.key.name,
            "owner": row.owner,
            "whose": whose.code(),
            "help": whose.help(),
        })
    });
    json!({
        "format_version": "1.0",
        "project": project,
        "summary": {
            "nobody": count(Whose::Nobody),
            "commands": count(Whose::Commands),
            "own": count(Whose::Own),
            "other": count(Whose::Other),
        },
        "unmanaged": rows.collect::<Vec<_>>(),
    })
}

fn text(listed: &[(Whose, &Row)], style: &report::Style) -> String {
    if listed.is_empty() {
        return "Everything in the database is declared.\n".to_owned();
    }
    let mut text = String::new();
    let mut current = None;
    for (whose, row) in listed {
        if current != Some((*whose, &row.owner)) {
            let owner = report::clean::clean(row.owner.as_deref().unwrap_or_default()).into_owned();
            let title = match whose {
                Whose::Nobody => "Made by hand: nobody owns these".to_owned(),
                Whose::Commands => "Made by commands (owner cli)".to_owned(),
                Whose::Own => format!("Of this project ({owner}), no longer declared"),
                Whose::Other => format!("Of project {owner}"),
            };
            text.push_str(if current.is_some() { "\n" } else { "" });
            text.push_str(&report::paint::paint(&title, report::paint::Paint::Strong, style));
            text.push_str(&format!("\n  {}\n", whose.help()));
            current = Some((*whose, &row.owner));
        }
        text.push_str(&format!("    {}\n", report::clean::clean(&row.key.to_string())));
    }
    let noun = if listed.len() == 1 { "resource is" } else { "resources are" };
    text.push_str(&format!(
        "\n{} {noun} in the database and in no manifest of this project.\n",
        listed.len()
    ));
    text
}
