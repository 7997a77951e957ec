//! Options that select resources: `--selector`, `--target`, `--exclude` and others, the same for every command.

use std::path::PathBuf;

use clap::Args;

use crate::files;
use crate::kinds;
use crate::model::diagnostic::did_you_mean;
use crate::model::selector::Selector;
use crate::model::{Entry, KeyPattern, ResourceKey};
use crate::plan::{Chosen, Selection};

use super::again::Again;
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
    /// Adds the options as they were typed.
    pub fn put_into(&self, again: &mut Again) {
        again.option("--selector", self.selector.as_deref());
        for pattern in &self.target {
            again.option("--target", Some(pattern));
        }
        again.option(
            "--target-file",
            self.target_file.as_deref().map(|path| path.to_string_lossy()).as_deref(),
        );
        for pattern in &self.exclude {
            again.option("--exclude", Some(pattern));
        }
    }

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
            let lines = text
                .trim_start_matches('\u{feff}')
                .lines()
                .map(|line| line.split('#').next().unwrap_or_default().trim().to_owned());
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

/// A selection by labels alone, or by fields where there is no such label; of everything, where nothing is given.
///
/// # Errors
/// The selector cannot be read.
pub fn labels(selector: Option<&str>) -> Result<Selection, CliError> {
    SelectArgs { selector: selector.map(str::to_owned), ..SelectArgs::default() }.selection()
}

/// Refuses patterns of which nothing is known: a slip in one of several would leave out what was meant. For what was to be
/// excluded and is not there, returns what the reader should know.
///
/// # Errors
/// A pattern of what is selected fits nothing, and another one does.
pub fn check_patterns(selection: &Selection, known: &[&ResourceKey]) -> Result<Vec<String>, CliError> {
    let fits = |pattern: &&KeyPattern| known.iter().any(|key| pattern.matches(key));
    let (fitting, unknown): (Vec<&KeyPattern>, Vec<&KeyPattern>) = selection.targets.iter().partition(fits);
    if let (Some(first), false) = (unknown.first(), fitting.is_empty()) {
        let name = first.as_str().rsplit('/').next().unwrap_or_default();
        let what = match unknown.as_slice() {
            [one] => format!("nothing fits `{}`", one.as_str()),
            many => {
                format!("nothing fits {} of what is selected, the first `{}`", many.len(), first.as_str())
            }
        };
        let help = match did_you_mean(name, known.iter().map(|key| &*key.name)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "leave it out, or correct it".to_owned(),
        };
        let mut error = CliError::usage(what).why("neither a manifest nor the database has it").help(help);
        error.also =
            unknown.iter().skip(1).take(20).map(|pattern| format!("`{}`", pattern.as_str())).collect();
        return Err(error);
    }
    let idle = selection.excludes.iter().filter(|pattern| !fits(pattern));
    Ok(idle.map(|pattern| format!("nothing fits --exclude `{}`", pattern.as_str())).collect())
}

fn patterns(texts: &[String], option: &str) -> Result<Vec<KeyPattern>, CliError> {
    let pattern = |text: &String| {
        let parts = text.split('/').count();
        let kind = text.split('/').next().filter(|_| parts > 1).unwrap_or_default();
        if !kind.is_empty() && !kind.contains('*') && kinds::find_slug(&kind.to_lowercase()).is_none() {
            let slugs: Vec<&str> = kinds::stored().map(|kind| kind.slug).collect();
            let help = match did_you_mean(kind, slugs.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the kinds are {}", slugs.join(", ")),
            };
            return Err(CliError::usage(format!("`{text}` names no resource"))
                .why(format!("there is no kind `{kind}`"))
                .help(help));
        }
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
