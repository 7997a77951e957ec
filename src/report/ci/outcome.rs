//! What came of an apply, as Markdown for the page of a run: what was done, what was left out, or why nothing was.

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::model::Diagnostic;
use crate::plan::{Action, Plan};
use crate::report::plan_markdown::entry;
use crate::report::plan_markdown::escape::{cell, code, counted, cut, prose};
use crate::report::plan_markdown::{frame, squeezed};
use crate::report::plan_text::sections;

/// The most bytes: what fits into a comment as well.
const MAX_BYTES: usize = 65_000;
/// Bytes kept for what stands below a list.
const KEPT: usize = 2_000;

/// An apply that ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// The environment, where one is named.
    pub environment: Option<&'a str>,
    /// The plan's digest, or that which was approved.
    pub digest: Option<&'a str>,
    /// The plan and the database, where it came that far.
    pub plan: Option<(&'a Plan, &'a str)>,
    /// The commit of the manifests.
    pub commit: Option<&'a str>,
    /// Where the run can be looked at.
    pub run_url: Option<&'a str>,
    /// What is wrong with manifests, where the others were applied all the same.
    pub set_aside: &'a [Diagnostic],
    /// What came of it.
    pub outcome: &'a Outcome<'a>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Outcome<'a> {
    /// All of it, or all but some.
    Applied {
        /// As which revision.
        revision: i64,
        /// What was left out.
        left_out: Vec<LeftOut<'a>>,
    },
    /// An earlier run did it.
    AlreadyApplied {
        /// As which revision.
        revision: i64,
    },
    /// There was nothing to do.
    NothingToDo,
    /// It failed; the words say whether anything was changed.
    Failed {
        /// What happened, why, and what to do.
        words: (&'a str, Option<&'a str>, Option<&'a str>),
        /// Further reasons, or other resources that failed.
        also: &'a [String],
        /// What is wrong with the manifests.
        diagnostics: &'a [Diagnostic],
    },
}

/// A change that was left out.
#[derive(Clone, Copy, Debug)]
pub struct LeftOut<'a> {
    /// Its place in the plan.
    pub index: usize,
    /// The change.
    pub action: &'a Action,
    /// Whether it failed itself, or something it needs.
    pub failed: bool,
    /// Why.
    pub why: &'a str,
}

/// The text.
#[must_use]
pub fn markdown(ended: &Ended<'_>) -> String {
    let Ended { environment, digest, plan, commit, run_url, set_aside, outcome } = ended;
    let mut text =
        format!("<!-- synthex:apply:{}:{} -->\n", frame::place(*environment), digest.unwrap_or("none"));
    let place = environment.map_or(String::new(), |name| format!(" to environment {}", code(name)));
    let title = match outcome {
        Outcome::Applied { revision, left_out } if left_out.is_empty() && set_aside.is_empty() => {
            format!("Applied{place} as revision {revision}")
        }
        Outcome::Applied { revision, .. } => format!("Partly applied{place} as revision {revision}"),
        Outcome::AlreadyApplied { revision } => format!("Already applied{place} as revision {revision}"),
        Outcome::NothingToDo => format!("Nothing to apply{place}"),
        Outcome::Failed { .. } => format!("The apply{place} failed"),
    };
    let _ = writeln!(text, "## {title}\n");
    if let Some((plan, database)) = plan {
        let _ = writeln!(text, "Project {} on {}", code(&plan.project), code(database));
    }
    for (word, value) in [("commit", commit), ("run", run_url), ("digest", digest)] {
        if let Some(value) = value {
            let _ = writeln!(text, "- {word}: {}", code(value));
        }
    }
    text.push('\n');
    match outcome {
        Outcome::Applied { left_out, .. } => {
            problems(&mut text, set_aside);
            table(&mut text, left_out);
            if let Some((plan, _)) = plan {
                done(&mut text, plan, left_out);
            }
        }
        Outcome::AlreadyApplied { .. } => {
            text.push_str("An earlier run applied this very plan, and nothing changed since.\n");
        }
        Outcome::NothingToDo if set_aside.is_empty() => text.push_str("The database is as declared.\n"),
        Outcome::NothingToDo => problems(&mut text, set_aside),
        Outcome::Failed { words, also, diagnostics } => failed(&mut text, *words, also, diagnostics),
    }
    squeezed(&text)
}

/// As many lines as fit; the others are counted.
fn listed(text: &mut String, lines: impl ExactSizeIterator<Item = String>, noun: &str) {
    let mut left = lines.len();
    for line in lines {
        if text.len() + line.len() > MAX_BYTES - KEPT {
            break;
        }
        text.push_str(&line);
        left -= 1;
    }
    if left > 0 {
        let _ = writeln!(
            text,
            "\n…and {}: see the record (`synthex history`).",
            counted(left, &format!("more {noun}"))
        );
    }
}

fn table(text: &mut String, left_out: &[LeftOut<'_>]) {
    if left_out.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "### Left out ({})\n\n| outcome | change | resource | why |\n| --- | --- | --- | --- |",
        left_out.len()
    );
    let line = |left: &LeftOut<'_>| {
        let outcome = if left.failed { "failed" } else { "skipped" };
        let key = cell(&left.action.key.to_string());
        format!("| {outcome} | {} | {key} | {} |\n", left.action.kind.code(), cell(&cut(left.why, 300)))
    };
    listed(text, left_out.iter().map(line), "change");
    text.push('\n');
}

fn done(text: &mut String, plan: &Plan, left_out: &[LeftOut<'_>]) {
    let left_out: HashSet<usize> = left_out.iter().map(|left| left.index).collect();
    let all = plan.actions.iter().enumerate();
    let done: Vec<&Action> =
        all.filter(|(index, _)| !left_out.contains(index)).map(|(_, action)| action).collect();
    let _ = writeln!(text, "### Applied ({})\n", done.len());
    listed(text, done.into_iter().map(entry::short), "change");
    let _ = writeln!(text, "\n{}", sections::last_line(plan));
}

fn failed(
    text: &mut String,
    (what, why, help): (&str, Option<&str>, Option<&str>),
    also: &[String],
    diagnostics: &[Diagnostic],
) {
    let _ = writeln!(text, "{}\n", prose(&cut(what, 600)));
    for (word, sentence) in [("why", why), ("help", help)] {
        if let Some(sentence) = sentence {
            let _ = writeln!(text, "- {word}: {}", prose(&cut(sentence, 600)));
        }
    }
    listed(text, also.iter().map(|sentence| format!("- also: {}\n", prose(&cut(sentence, 300)))), "line");
    problems(text, diagnostics);
}

/// What is wrong with manifests.
fn problems(text: &mut String, diagnostics: &[Diagnostic]) {
    if diagnostics.is_empty() {
        return;
    }
    let problem = |problem: &Diagnostic| {
        let place = problem
            .position
            .as_ref()
            .map_or(String::new(), |place| format!("{}: ", code(&place.to_string())));
        format!("- {place}**{}** {}\n", problem.code, prose(&cut(&problem.message, 300)))
    };
    let _ = writeln!(text, "\n### Problems of the manifests ({})\n", diagnostics.len());
    listed(text, diagnostics.iter().map(problem), "problem");
    text.push('\n');
}
