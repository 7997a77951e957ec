//! A plan as Markdown, for the comment of a pull request: what deserves a look first, within the bytes that the place takes.
//!
//! Nothing is ever cut off in the middle: every text is complete Markdown, what does not fit is counted, and deletions come
//! before everything else. Names and values are foreign and stand in code, where they can open, close and mention nothing.
//! Like the other renderings it depends on nothing but the plan: the same plan gives the same bytes.

mod diff;
pub(super) mod entry;
pub(super) mod escape;
mod fit;
pub(super) mod frame;
mod line;
mod omitted;
mod preset;
mod split;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use crate::model::Diagnostic;
use crate::plan::{Action, Plan};

use super::PlanContext;
use super::only::Only;
use super::risk;
use line::Line;

pub use preset::Preset;

/// Fewer bytes than this could not hold what must be said in any case.
pub const LEAST_BYTES: usize = 8_000;

/// How a plan is written as Markdown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkdownOptions {
    /// The place that the text goes to.
    pub preset: Preset,
    /// The most bytes, not less than [`LEAST_BYTES`]. The number of characters is never larger, however it is counted.
    pub max_bytes: usize,
    /// The name of the JSON document that has everything, for the reader.
    pub artifact: String,
    /// Which actions are shown; the counts are of all.
    pub only: Only,
    /// Whether fields that stay as they are stand below those that change.
    pub unchanged_fields: bool,
}

impl MarkdownOptions {
    /// What suits a place.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        Self {
            preset,
            max_bytes: preset.max_bytes(),
            artifact: "plan.json".to_owned(),
            only: Only::default(),
            unchanged_fields: false,
        }
    }
}

/// The plan in one text of at most [`MarkdownOptions::max_bytes`] bytes.
#[must_use]
pub fn markdown(plan: &Plan, context: &PlanContext, options: &MarkdownOptions) -> String {
    fit::fit(&Document::new(plan, context, options))
}

/// The whole plan in as many texts as it takes, each valid alone and of at most [`MarkdownOptions::max_bytes`] bytes. Every
/// resource that changes is named in exactly one of them.
#[must_use]
pub fn parts(plan: &Plan, context: &PlanContext, options: &MarkdownOptions) -> Vec<String> {
    split::parts(&Document::new(plan, context, options))
}

/// What stands in place of a plan when none could be made. It starts like a plan's text, so that it replaces the last one.
#[must_use]
pub fn failure(
    environment: Option<&str>,
    (what, why, help): (&str, Option<&str>, Option<&str>),
    diagnostics: &[Diagnostic],
    options: &MarkdownOptions,
) -> String {
    let mut text = frame::marker(environment, "failed");
    text.push_str("## The plan could not be made\n\n");
    let _ = writeln!(text, "{}\n", escape::prose(&escape::cut(what, 600)));
    for (word, sentence) in [("why", why), ("help", help)] {
        if let Some(sentence) = sentence {
            let _ = writeln!(text, "- {word}: {}", escape::prose(&escape::cut(sentence, 600)));
        }
    }
    text.push('\n');
    let one = |problem: &Diagnostic| {
        let place = problem
            .position
            .as_ref()
            .map_or(String::new(), |place| format!("{}: ", escape::code(&place.to_string())));
        format!("- {place}**{}** {}\n", problem.code, escape::prose(&escape::cut(&problem.message, 300)))
    };
    let problems: Vec<String> = diagnostics.iter().map(one).collect();
    let room = options.max_bytes.saturating_sub(text.len());
    text.push_str(&frame::listed("Problems of the manifests", &problems, "problem", &options.artifact, room));
    squeezed(&text)
}

/// A text with at most one empty line in a row.
pub(in crate::report) fn squeezed(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    let mut breaks = 0;
    for character in text.chars() {
        breaks = if character == '\n' { breaks + 1 } else { 0 };
        if breaks <= 2 {
            squeezed.push(character);
        }
    }
    squeezed
}

/// A plan, what is said with it, and what is needed again and again.
struct Document<'a> {
    plan: &'a Plan,
    context: &'a PlanContext,
    options: &'a MarkdownOptions,
    digest: String,
    /// Safe everywhere.
    artifact: String,
}

impl<'a> Document<'a> {
    fn new(plan: &'a Plan, context: &'a PlanContext, options: &'a MarkdownOptions) -> Self {
        let artifact = escape::cut(&escape::defused(&options.artifact), 100);
        Self { plan, context, options, digest: plan.digest().to_string(), artifact }
    }

    /// What is shown, the closest look first.
    fn actions(&self) -> Vec<&'a Action> {
        let mut actions = risk::sorted(&self.plan.actions);
        actions.retain(|action| self.options.only.shows(action.kind));
        actions
    }

    /// A text below a title, folded away where the place can.
    fn folded(&self, title: &Line, body: &str) -> String {
        if self.options.preset.folds() {
            format!("\n<details><summary>{}</summary>\n\n{body}\n</details>\n\n", title.html())
        } else {
            format!("\n{}\n\n{body}\n", title.markdown())
        }
    }
}
