//! `render --diff`: what differs between the resources of another commit and those of the working tree.

use std::cmp::Ordering;

use serde_json::{Value, json};
use similar::TextDiff;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::project::{self, Found};
use crate::manifest::Catalog;
use crate::manifest::write::yaml;
use crate::model::Entry;

use super::render::{RenderArgs, manifest_of, selects};

/// Prints a unified diff for each resource that differs.
///
/// # Errors
/// The commit cannot be read, or its manifests have errors.
pub fn render(
    context: &Context,
    args: &RenderArgs,
    found: &Found,
    catalog: &Catalog,
    reference: &str,
) -> Result<ExitStatus, CliError> {
    if found.partial {
        return Err(CliError::usage("--diff compares whole projects, and --file names a part of one")
            .help("name resources instead: synthex render --diff GITREF KEY"));
    }
    let base = project::load_at(found, reference)?;
    let differing: Vec<(Option<&Entry>, Option<&Entry>)> = pairs(&base.entries, &catalog.entries)
        .into_iter()
        .filter(|(before, after)| after.or(*before).is_some_and(|entry| selects(context, args, entry)))
        .collect();
    if context.global.format == Format::Json {
        let shown = |entry: Option<&Entry>| entry.map_or(Value::Null, manifest_of);
        let key = |before: Option<&Entry>, after: Option<&Entry>| {
            after.or(before).map(|entry| entry.key.to_string())
        };
        let all: Vec<Value> = differing
            .iter()
            .map(|(before, after)| json!({"key": key(*before, *after), "before": shown(*before), "after": shown(*after)}))
            .collect();
        context.printer.json(&Value::Array(all));
    } else {
        let text: String =
            differing.iter().map(|(before, after)| unified(reference, *before, *after)).collect();
        context.printer.result(&text);
    }
    let changes = args.detailed_exitcode && !differing.is_empty();
    Ok(if changes { ExitStatus::Changes } else { ExitStatus::Success })
}

/// What differs, by key. Both sides are sorted.
fn pairs<'a>(before: &'a [Entry], after: &'a [Entry]) -> Vec<(Option<&'a Entry>, Option<&'a Entry>)> {
    let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
    let mut found = Vec::new();
    loop {
        let side = match (before.peek(), after.peek()) {
            (Some(left), Some(right)) => left.key.cmp(&right.key),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return found,
        };
        match side {
            Ordering::Less => found.push((before.next(), None)),
            Ordering::Greater => found.push((None, after.next())),
            Ordering::Equal => {
                let pair = (before.next(), after.next());
                if pair.0.map(|entry| entry.digest) != pair.1.map(|entry| entry.digest) {
                    found.push(pair);
                }
            }
        }
    }
}

fn unified(reference: &str, before: Option<&Entry>, after: Option<&Entry>) -> String {
    let text =
        |entry: Option<&Entry>| entry.map_or_else(String::new, |entry| yaml::document(&manifest_of(entry)));
    let name = |entry: Option<&Entry>, side: &str| match entry {
        Some(entry) => format!("{} ({side})", entry.key),
        None => "/dev/null".to_owned(),
    };
    let (old, new) = (text(before), text(after));
    let diff = TextDiff::from_lines(&old, &new);
    diff.unified_diff().context_radius(3).header(&name(before, reference), &name(after, "now")).to_string()
}
