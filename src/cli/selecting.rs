//! Options that select resources: `--selector`, `--target`, `--exclude` and others, the same for every command.

use std::path::PathBuf;

use clap::Args;

use crate::files;
use crate::model::diagnostic::did_you_mean;
use crate::model::selector::Selector;
use crate::model::{Entry, KeyPattern, ResourceKey};
use crate::plan::{Chosen, Selection};

use super::error::CliError;

/// Options that select resources.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Selection")]
pub struct SelectArgs {
    /// Only resources with these labels, or with these fields where there is no such label: `market in (ANZ_SMB),tier!=gold`
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Only these resources, and what they need: KIND/WORKSPACE/NAME, KIND/NAME or NAME; `*` stands for any characters; repeatable
    #[arg(long, value_name = "PATTERN")]
    pub target: Vec<String>,
    /// Only the resources that a file names, a pattern on each line; `#` begins a comment
    #[arg(long, value_name = "FILE")]
    pub target_file: Option<PathBuf>,
    /// Not these resources; repeatable
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
}

impl SelectArgs {
    /// What is selected.
    ///
    /// # Errors
    /// A selector that cannot be read, or a file that is not there.
    pub fn selection(&self) -> Result<Selection, CliError> {
        let mut targets: Vec<KeyPattern> = patterns(&self.target, "--target")?;
        if let Some(path) = &self.target_file {
            let bytes = files::read_optional(path).ok_or_else(|| {
                CliError::usage(format!("{} cannot be read", path.display()))
                    .help("correct the path given with --target-file")
            })?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim().to_owned());
            let named: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
            if named.is_empty() {
                return Err(CliError::usage(format!("{} names no resource", path.display()))
                    .help("write a pattern on each line, such as tenant/anz-smb/SHOP_*"));
            }
            targets.extend(patterns(&named, "--target-file")?);
        }
        let labels = match &self.selector {
            None => None,
            Some(text) => Some(text.parse::<Selector>().map_err(|error| {
                CliError::usage(error.to_string())
                    .help("for example: -l 'tier=gold,market in (ANZ_SMB,UK_SMB),!legacy'")
            })?),
        };
        Ok(Selection {
            targets,
            excludes: patterns(&self.exclude, "--exclude")?,
            labels,
            among: None,
            exactly: None,
        })
    }
}

fn patterns(texts: &[String], option: &str) -> Result<Vec<KeyPattern>, CliError> {
    let pattern = |text: &String| {
        let parts = text.split('/').count();
        if text.is_empty() || parts > 3 {
            return Err(CliError::usage(format!("`{text}` names no resource"))
                .why(format!("{option} takes KIND/WORKSPACE/NAME, KIND/NAME or NAME"))
                .help("for example tenant/anz-smb/SHOP_1, or tenant/SHOP_*"));
        }
        Ok(KeyPattern::new(text))
    };
    texts.iter().map(pattern).collect()
}

/// Nothing of what is in the database is selected.
#[must_use]
pub fn nothing_live(selection: &Selection, keys: &[&ResourceKey]) -> CliError {
    let near = selection.targets.iter().find_map(|pattern| {
        let name = pattern.as_str().rsplit('/').next().unwrap_or_default();
        did_you_mean(name, keys.iter().map(|key| &*key.name)).map(str::to_owned)
    });
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`synthex export` prints every row with its labels".to_owned(),
    };
    CliError::usage("nothing that is in the database is selected").help(help)
}

/// Applies a selection to what is declared; `None` where all is selected.
#[must_use]
pub fn choose(selection: &Selection, entries: &[Entry]) -> Option<Chosen> {
    (!selection.is_all()).then(|| selection.clone().choose(entries))
}

/// What is said when a selection selects neither anything that is declared nor a row that may be deleted.
#[must_use]
pub fn nothing_selected(selection: &Selection, entries: &[Entry]) -> CliError {
    let keys: Vec<String> = entries.iter().map(|entry| entry.key.to_string()).collect();
    let near = selection.targets.iter().find_map(|pattern| {
        let text = pattern.as_str();
        let name = text.rsplit('/').next().unwrap_or_default();
        // The right name under a wrong kind or workspace; a whole key with a slip; a name with one.
        let same = entries.iter().position(|entry| *entry.key.name == *name).map(|at| keys[at].as_str());
        let names = || entries.iter().map(|entry| &*entry.key.name);
        same.or_else(|| did_you_mean(text, keys.iter().map(String::as_str)))
            .or_else(|| did_you_mean(name, names()))
            .map(str::to_owned)
    });
    let help = near.map_or_else(
        || "`synthex render` prints every declared resource with its labels".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    CliError::usage("no declared resource is selected")
        .why("nothing that is declared fits the selection")
        .help(help)
}
