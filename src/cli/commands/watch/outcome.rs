//! What comes of `watch --once`: each task with what it did, and an exit status that says the worst of it.

use serde_json::json;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::signals::Signals;
use crate::report;
use crate::watch::{Board, TaskCode, TaskFailure, TaskState};

use super::WatchArgs;

/// Says what each task did.
pub(super) fn once(
    context: &Context,
    args: &WatchArgs,
    board: &Board,
    signals: &Signals,
) -> Result<ExitStatus, CliError> {
    let states = board.states();
    let failure = states.values().filter_map(|state| state.failure.as_ref()).next();
    let held = states
        .get(&TaskCode::Lead)
        .filter(|state| state.failure.is_none())
        .and_then(|state| state.status.get("leader"))
        .and_then(serde_json::Value::as_str);
    if context.global.format == Format::Json {
        context.printer.json(&json!({"format_version": "1.0", "tasks": states}));
    } else {
        let rows = states.iter().map(|(code, state)| row(*code, state)).collect();
        context.printer.result(&report::table::table(&["TASK", "", "WHAT"], rows, &context.printer.stdout));
    }
    if let Some(status) = signals.status() {
        return Ok(status);
    }
    if let Some(failure) = failure {
        return say(context, failure);
    }
    if let Some(who) = held {
        context
            .printer
            .note(&format!("Another controller reconciles this project, so this one did not: {who}."));
        return Ok(ExitStatus::LeaseHeld);
    }
    let reconciled = states.get(&TaskCode::Reconcile).map(|state| &state.status);
    if reconciled.is_some_and(|status| status.get("refused").is_some_and(|refused| refused == true)) {
        context
            .printer
            .note("Guards refuse what would be done, so nothing was: `synthex plan` shows what and why.");
        return Ok(ExitStatus::Refused);
    }
    let failing = reconciled.and_then(|status| status.get("failing")).and_then(serde_json::Value::as_u64);
    if failing.is_some_and(|failing| failing > 0) {
        context.printer.note(
            "Some resources could not be brought to what is declared: `synthex watch status` says why.",
        );
        return Ok(ExitStatus::Partly);
    }
    let pending = states
        .get(&TaskCode::Reconcile)
        .and_then(|state| state.status.get("pending"))
        .and_then(serde_json::Value::as_u64);
    let differs = pending.is_some_and(|pending| pending > 0);
    Ok(if differs && args.detailed_exitcode { ExitStatus::Changes } else { ExitStatus::Success })
}

fn say(context: &Context, failure: &TaskFailure) -> Result<ExitStatus, CliError> {
    let status = match failure.code.as_str() {
        "invalid-manifest" => ExitStatus::Usage,
        "lease-held" | "lease-lost" => ExitStatus::LeaseHeld,
        "database-unreachable" | "database-refused" | "incompatible-database" => ExitStatus::Unreachable,
        "stale-plan" => ExitStatus::Stale,
        _ => ExitStatus::Error,
    };
    let mut error = CliError::new(status, &failure.code, failure.what.clone());
    error.why.clone_from(&failure.why);
    error.help.clone_from(&failure.help);
    if context.global.format == Format::Json {
        // The result was printed, with the failure in it.
        context.printer.failure(&error);
        return Ok(status);
    }
    Err(error)
}

fn row(code: TaskCode, state: &TaskState) -> Vec<String> {
    let (mark, what) = match &state.failure {
        Some(failure) => {
            let why = failure.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
            ("failed", format!("{}{why}", failure.what))
        }
        None if state.runs == 0 => ("skipped", String::new()),
        None => ("done", words(&state.status)),
    };
    vec![code.code().to_owned(), mark.to_owned(), report::clean::clean(&what).into_owned()]
}

/// The simple parts of a status, in its order. When it would look again is of no use once it has ended.
fn words(status: &serde_json::Value) -> String {
    let parts = status.as_object().into_iter().flatten();
    let parts = parts.filter(|(name, _)| !name.starts_with("next")).filter_map(|(name, value)| match value {
        serde_json::Value::String(text) => Some(format!("{} {text}", spaced(name))),
        serde_json::Value::Number(number) if number.as_f64() != Some(0.0) => {
            Some(format!("{} {number}", spaced(name)))
        }
        serde_json::Value::Bool(true) => Some(spaced(name)),
        _ => None,
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// `onlyObserves` as people write it: `only observes`.
fn spaced(name: &str) -> String {
    name.chars().fold(String::new(), |mut words, letter| {
        if letter.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
        words
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::words;

    #[test]
    fn a_status_is_told_in_words() {
        let status = json!({"checked": 8, "failed": 0, "nextAt": "2026-11-30T21:50:31Z", "onlyObserves": true,
            "role": "leader", "byStatus": {"healthy": 8}, "leftOut": 2});
        assert_eq!(words(&status), "checked 8, only observes, role leader, left out 2");
    }
}
