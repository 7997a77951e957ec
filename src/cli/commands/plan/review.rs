//! How a plan is shown and where it is written: everything that changes the view of it and never what it does.

use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::files;
use crate::plan::{ActionKind, Plan};
use crate::report::only::Only;
use crate::report::plan_markdown::{self, LEAST_BYTES, MarkdownOptions, Preset};
use crate::report::plan_text::PlanOptions;
use crate::report::{self, PlanContext};

/// How annotations are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Annotations {
    /// Workflow commands of GitHub
    Github,
}

/// How the plan is shown, and where it is written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reviewing")]
pub struct ReviewArgs {
    /// One line for each resource, without values
    #[arg(long)]
    pub summary: bool,
    /// Show the fields that stay as they are, too, below those that change
    #[arg(long, conflicts_with = "summary")]
    pub context: bool,
    /// Show only these actions, separated by commas. The counts, and what apply does, stay those of the whole plan
    #[arg(long, value_name = "ACTIONS", value_delimiter = ',', value_parser = actions())]
    pub only: Vec<String>,
    /// Say where one resource, or one field of it, comes from and why it changes: tenant/acme#market
    #[arg(long, value_name = "KEY[#FIELD]", conflicts_with_all = ["summary", "only", "json_into", "markdown_into", "annotations"])]
    pub explain: Option<String>,
    /// Also write the plan as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub json_into: Option<PathBuf>,
    /// Also write the plan as Markdown to this file, or as plan.md into this folder (written with a / at its end, unless it is there)
    #[arg(long, value_name = "PATH")]
    pub markdown_into: Option<PathBuf>,
    /// Where the Markdown goes to: what fits there, and what is understood. Default: github
    #[arg(long, value_name = "PLACE", value_parser = places())]
    pub preset: Option<String>,
    /// The most bytes of Markdown, or of each part of it. Default: what fits into a comment of the place
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub max_bytes: Option<usize>,
    /// Write the whole plan as numbered parts (plan.1of3.md, ...), each of which fits
    #[arg(long, requires = "markdown_into")]
    pub split: bool,
    /// Point at refusals, deletions and drift beside the lines of a pull request, on standard error
    #[arg(long, value_enum, value_name = "PLACE")]
    pub annotations: Option<Annotations>,
}

fn actions() -> PossibleValuesParser {
    PossibleValuesParser::new(ActionKind::ALL.map(ActionKind::code))
}

fn places() -> PossibleValuesParser {
    PossibleValuesParser::new(Preset::ALL.map(Preset::code))
}

fn bytes(text: &str) -> Result<usize, String> {
    let bytes = text.parse().ok().filter(|bytes| *bytes >= LEAST_BYTES);
    bytes.ok_or(format!(
        "write a number of bytes, {LEAST_BYTES} or more: less would not hold what must be said"
    ))
}

impl ReviewArgs {
    /// Refuses options that would do nothing.
    ///
    /// # Errors
    /// Wrong usage.
    pub fn check(&self, format: Format) -> Result<(), CliError> {
        match format {
            Format::Human | Format::Json | Format::Markdown => {}
            Format::Sarif | Format::Github | Format::Junit | Format::Prometheus => {
                return Err(CliError::usage("this command has no such format")
                    .help("use --format human, json or markdown; or --annotations github"));
            }
        }
        let no_markdown = format != Format::Markdown && self.markdown_into.is_none();
        for (given, option) in
            [(self.max_bytes.is_some(), "--max-bytes"), (self.preset.is_some(), "--preset")]
        {
            if given && no_markdown {
                return Err(CliError::usage(format!("{option} is about Markdown, and none is written"))
                    .help("add --format markdown or --markdown-into FILE"));
            }
        }
        if format == Format::Json && !self.only.is_empty() {
            return Err(CliError::usage("JSON always has the whole plan, so --only does not go with it")
                .help("select with jq: '.changes[] | select(.action == \"delete\")'"));
        }
        if format == Format::Markdown && self.explain.is_some() {
            return Err(
                CliError::usage("--explain has no Markdown").help("use --format human or --format json")
            );
        }
        if self.json_into.is_some() && self.json_into == self.markdown_into {
            return Err(
                CliError::usage("--json-into and --markdown-into name the same file").help("name two")
            );
        }
        Ok(())
    }

    /// For people at a terminal.
    #[must_use]
    pub fn text_options(&self) -> PlanOptions {
        PlanOptions {
            summary_only: self.summary,
            only: self.shown(),
            unchanged_fields: self.context,
            ..PlanOptions::default()
        }
    }

    /// For reviewers of a pull request.
    #[must_use]
    pub fn markdown_options(&self) -> MarkdownOptions {
        let named = |preset: &Preset| self.preset.as_deref() == Some(preset.code());
        let preset = Preset::ALL.into_iter().find(named).unwrap_or_default();
        let mut options = MarkdownOptions::of(preset);
        options.only = self.shown();
        options.unchanged_fields = self.context;
        if let Some(bytes) = self.max_bytes {
            options.max_bytes = bytes;
        }
        if let Some(name) = self.json_into.as_deref().and_then(Path::file_name) {
            options.artifact = name.to_string_lossy().into_owned();
        }
        options
    }

    fn shown(&self) -> Only {
        let named = |kind: &ActionKind| self.only.iter().any(|word| word == kind.code());
        Only::kinds(&ActionKind::ALL.into_iter().filter(named).collect::<Vec<_>>())
    }

    /// Writes the files that were asked for, and the annotations.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, context: &Context, plan: &Plan, rendering: &PlanContext) -> Result<(), CliError> {
        if let Some(path) = &self.json_into {
            files::write_with(path, |mut out| report::plan_json::write_json(plan, rendering, &mut out))?;
        }
        let options = self.markdown_options();
        if self.split {
            self.write_markdown(context, &plan_markdown::parts(plan, rendering, &options))?;
        } else if self.markdown_into.is_some() {
            self.write_markdown(context, &[plan_markdown::markdown(plan, rendering, &options)])?;
        }
        if self.annotations.is_some() {
            context.printer.annotations(&report::annotations::github(plan, rendering));
        }
        Ok(())
    }

    /// Writes what stands in place of a plan, so that nobody takes the files of an earlier run for this one's.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write_failure(
        &self,
        context: &Context,
        error: &CliError,
        json: &serde_json::Value,
    ) -> Result<(), CliError> {
        if let Some(path) = &self.json_into {
            files::write_with(path, |mut out| report::json::write(json, &mut out))?;
        }
        if self.markdown_into.is_some() {
            self.write_markdown(context, &[self.failure(error)])?;
        }
        if self.annotations.is_some() {
            context.printer.annotations(&report::diagnostics::github(&error.diagnostics));
        }
        Ok(())
    }

    /// What stands in place of a plan in Markdown.
    #[must_use]
    pub fn failure(&self, error: &CliError) -> String {
        let words = (error.what.as_str(), error.why.as_deref(), error.help.as_deref());
        plan_markdown::failure(None, words, &error.diagnostics, &self.markdown_options())
    }

    fn write_markdown(&self, context: &Context, texts: &[String]) -> Result<(), CliError> {
        let Some(path) = &self.markdown_into else { return Ok(()) };
        let folder = files::is_folder(path) || path.as_os_str().as_encoded_bytes().ends_with(b"/");
        let path = if folder { path.join("plan.md") } else { path.clone() };
        for (index, text) in texts.iter().enumerate() {
            let path = if self.split { part(&path, index + 1, texts.len()) } else { path.clone() };
            files::write_atomically(&path, text.as_bytes())?;
            if self.split {
                context.printer.note(&format!("wrote {}", path.display()));
            }
        }
        Ok(())
    }
}

/// `out/plan.md` as `out/plan.1of3.md`.
fn part(path: &Path, number: usize, of: usize) -> PathBuf {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let extension = path.extension().map_or("md".into(), std::ffi::OsStr::to_string_lossy);
    path.with_file_name(format!("{stem}.{number}of{of}.{extension}"))
}
