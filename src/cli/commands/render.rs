//! `render`: the resources as they are planned: templates, tenant sets and defaults expanded.

use clap::Args;
use serde_json::Value;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::project;
use crate::manifest::write;
use crate::model::Entry;

use super::render_diff;

/// Print the resources as they are planned: templates, tenant sets and defaults expanded
///
/// Asks no database. What is printed are manifests again, and declares exactly the same.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex render\n  synthex render Tenant/SMB_CLIENT_001\n  synthex render --workspace anz-smb --format json\n  synthex render -e prod --diff origin/main"
)]
pub struct RenderArgs {
    /// Only these: KIND/WORKSPACE/NAME, KIND/NAME or NAME; `*` stands for any characters
    #[arg(value_name = "KEY")]
    pub keys: Vec<String>,
    /// Print what differs from another commit: a branch, a tag or a commit of the git repository that the project is in
    #[arg(long, value_name = "GITREF", allow_hyphen_values = true)]
    pub diff: Option<String>,
    /// Exit with 2 when something differs
    #[arg(long, requires = "diff")]
    pub detailed_exitcode: bool,
}

/// Runs `render`.
///
/// # Errors
/// The manifests have errors, or nothing is selected.
pub fn render(context: &Context, args: &RenderArgs) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    let found = project::find(context)?;
    let (catalog, warnings) = project::load_valid(&found)?;
    if !warnings.is_empty() {
        context.printer.diagnostics(&warnings);
    }
    let workspace = context.global.workspace.as_deref();
    if let Some(reference) = &args.diff {
        return render_diff::render(context, args, &found, &catalog, reference);
    }
    let selected: Vec<&Entry> =
        catalog.entries.iter().filter(|entry| selects(context, args, entry)).collect();
    if selected.is_empty() && (!args.keys.is_empty() || workspace.is_some()) {
        return Err(
            CliError::usage("no declared resource is selected").help("`synthex render` prints all of them")
        );
    }
    if context.global.format == Format::Json {
        let all: Vec<Value> = selected.iter().map(|entry| manifest_of(entry)).collect();
        context.printer.json(&Value::Array(all));
        return Ok(ExitStatus::Success);
    }
    context.printer.stream(|out| {
        for (index, entry) in selected.iter().enumerate() {
            let text = write::yaml::document(&manifest_of(entry));
            write!(out, "{}{text}", if index > 0 { "---\n" } else { "" })?;
        }
        Ok(())
    });
    Ok(ExitStatus::Success)
}

/// Whether the options mean an entry.
pub(super) fn selects(context: &Context, args: &RenderArgs, entry: &Entry) -> bool {
    let workspace = context.global.workspace.as_deref();
    workspace.is_none_or(|workspace| *entry.key.workspace == *workspace)
        && (args.keys.is_empty() || args.keys.iter().any(|key| matches(key, entry)))
}

/// The manifest that declares exactly what an entry is.
pub fn manifest_of(entry: &Entry) -> Value {
    write::manifest_of(&entry.key, &serde_json::from_str(&entry.canonical).unwrap_or_default())
}

/// Whether a key or pattern, in either case, names an entry.
pub(super) fn matches(pattern: &str, entry: &Entry) -> bool {
    let key = entry.key.to_string();
    let named = format!("{}/{}", entry.key.kind.slug, entry.key.name);
    let lower = pattern.to_lowercase();
    glob(pattern, &key)
        || glob(pattern, &entry.key.name)
        || glob(&lower, &key.to_lowercase())
        || glob(&lower, &named.to_lowercase())
}

/// Whether a text fits a pattern in which `*` stands for any characters.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    let mut rest = rest;
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, expected) in [
            ("acme", "acme", true),
            ("acme", "acme2", false),
            ("tenant/*/SHOP_*", "tenant/w/SHOP_1", true),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
