//! `alerts test`.

use clap::Args;
use serde_json::{Value, json};

use crate::alerts::trial::{self, Verdict};
use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::desk::some;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::project;
use crate::kinds::alert_test::AlertTestSpec;
use crate::manifest::Catalog;

use super::declared::Estate;

/// Run the tests of alert rules that the manifests declare, with no database and no network
///
/// Each AlertTest says what is so and which alerts there are then, through which channels they are told, and what mutes them.
/// Exits with 1 where one is not as expected, and shows what is missing and what is there instead.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex alerts test\n  synthex alerts test -f examples/quickstart\n  synthex alerts test --workspace anz --format json"
)]
pub struct TestArgs {
    /// Only tests whose name, or whose AlertTest's, has this text in it
    #[arg(value_name = "TEXT")]
    pub filter: Option<String>,
}

struct Ran {
    key: String,
    name: String,
    verdict: Verdict,
}

/// Runs `alerts test`.
///
/// # Errors
/// The manifests have errors.
pub fn test(context: &Context, args: &TestArgs) -> Result<ExitStatus, CliError> {
    let found = project::find(context)?;
    let (catalog, _) = project::load_valid(&found)?;
    let estate = Estate::of_catalog(&catalog);
    let mut ran = Vec::new();
    for entry in &catalog.tests {
        if context.global.workspace.as_deref().is_some_and(|only| *only != *entry.key.workspace) {
            continue;
        }
        let canonical: Value = serde_json::from_str(&entry.canonical).unwrap_or_default();
        let spec: AlertTestSpec = serde_json::from_value(canonical["spec"].clone())
            .map_err(|error| CliError::other("a test cannot be read", error.to_string()))?;
        let (workspace, declared) = estate.workspace(Some(&entry.key.workspace))?;
        for one in &spec.tests {
            let has = |text: &str| args.filter.as_deref().is_none_or(|filter| text.contains(filter));
            if has(&one.name) || has(&entry.key.name) {
                let verdict = trial::run(declared, workspace, one, spec.at);
                ran.push(Ran { key: entry.key.to_string(), name: one.name.clone(), verdict });
            }
        }
    }
    if ran.is_empty() {
        // A slip in the selection of a CI job would be green for ever.
        if let Some(error) = nothing_selected(context, args, &catalog) {
            return Err(error);
        }
        context.printer.note("No AlertTest is declared: nothing was tested.");
    }
    let failed = ran.iter().filter(|ran| !ran.verdict.is_passed()).count();
    if context.global.format == Format::Json {
        let tests: Vec<Value> = ran.iter().map(as_json).collect();
        context
            .printer
            .json(&json!({"format_version": "1.0", "total": ran.len(), "failed": failed, "tests": tests}));
    } else {
        context.printer.result(&shown(&ran, failed));
    }
    Ok(if failed == 0 { ExitStatus::Success } else { ExitStatus::Error })
}

/// Why nothing was tested, where tests are declared or some were asked for.
fn nothing_selected(context: &Context, args: &TestArgs, catalog: &Catalog) -> Option<CliError> {
    let workspace = context.global.workspace.as_deref();
    if args.filter.is_none() && (workspace.is_none() || catalog.tests.is_empty()) {
        return None;
    }
    let place = workspace.map_or_else(String::new, |name| format!(" of workspace `{name}`"));
    let what = args.filter.as_ref().map_or_else(String::new, |text| format!(" with `{text}` in its name"));
    let keys: Vec<String> = catalog.tests.iter().map(|entry| entry.key.to_string()).collect();
    let help = if keys.is_empty() {
        "no AlertTest is declared: declare one, or correct --file".to_owned()
    } else {
        format!("the tests are those of {}", some(keys.iter()))
    };
    Some(CliError::usage(format!("there is no test{place}{what}")).why("nothing was tested").help(help))
}

fn shown(ran: &[Ran], failed: usize) -> String {
    let mut text = String::new();
    for Ran { key, name, verdict } in ran {
        text.push_str(&format!("{}  {key}: {name}\n", if verdict.is_passed() { "ok    " } else { "FAILED" }));
        for line in &verdict.unknown {
            text.push_str(&format!("        ! unknown   {line}\n"));
        }
        for line in &verdict.missing {
            text.push_str(&format!("        - expected  {line}\n"));
        }
        for line in &verdict.unexpected {
            text.push_str(&format!("        + found     {line}\n"));
        }
    }
    if !ran.is_empty() {
        text.push_str(&format!("{} passed, {failed} failed.\n", ran.len() - failed));
    }
    text
}

fn as_json(ran: &Ran) -> Value {
    json!({
        "test": ran.key, "name": ran.name, "passed": ran.verdict.is_passed(), "missing": ran.verdict.missing,
        "unexpected": ran.verdict.unexpected, "unknown": ran.verdict.unknown,
    })
}
