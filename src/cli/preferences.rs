//! What a person set for themselves: the active workspace and tenant. They are kept in the user's configuration, not in
//! the database, and only the operators' commands look at them: what a plan says never depends on who made it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::files;

use super::context::Context;
use super::error::CliError;

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Preferences {
    /// The workspace that a command means where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// The tenant that a command means where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// Where preferences are kept; `None` where the environment does not say where the user's configuration is.
#[must_use]
pub fn path(context: &Context) -> Option<PathBuf> {
    let home = || context.environment.get("HOME").map(|home| PathBuf::from(home).join(".config"));
    let folder = context.environment.get("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home)?;
    Some(folder.join("synthex").join("preferences.json"))
}

impl Preferences {
    /// Reads what is kept; nothing where nothing is.
    ///
    /// # Errors
    /// The file is there and is not what was written into it.
    pub fn read(context: &Context) -> Result<Self, CliError> {
        let Some(path) = path(context) else { return Ok(Self::default()) };
        let Some(bytes) = files::read_optional(&path) else { return Ok(Self::default()) };
        serde_json::from_slice(&bytes).map_err(|error| {
            CliError::usage(format!("{} cannot be read", path.display()))
                .why(error.to_string())
                .help("correct it, or remove it and choose again")
        })
    }

    /// Keeps them.
    ///
    /// # Errors
    /// There is no place for them, or it cannot be written to.
    pub fn write(&self, context: &Context) -> Result<PathBuf, CliError> {
        let Some(path) = path(context) else {
            return Err(CliError::usage("there is no place for preferences")
                .why("neither XDG_CONFIG_HOME nor HOME is set")
                .help("set one of them, or name the workspace with --workspace each time"));
        };
        if let Some(folder) = path.parent() {
            files::ensure_folder(folder)?;
        }
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| CliError::other("the preferences cannot be written", error.to_string()))?;
        text.push('\n');
        files::write_atomically(&path, text.as_bytes())?;
        Ok(path)
    }
}

/// What made a choice that stands on the command line.
pub const BY_OPTION: &str = "--workspace";

/// What made a choice that stands on the command line, and not as an option of all commands.
pub const BY_COMMAND: &str = "the command";

/// What made a choice that is kept.
pub const BY_PREFERENCE: &str = "your preferences";

/// A choice, and what made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What is chosen.
    pub name: String,
    /// The option, the variable or the file that says so.
    pub by: &'static str,
}

/// The active workspace: `--workspace`, or `SYNTHEX_WORKSPACE`, or the preferences.
///
/// # Errors
/// The preferences cannot be read.
pub fn workspace(context: &Context) -> Result<Option<Choice>, CliError> {
    let option = context.global.workspace.as_deref();
    let choice = choice(context, option, BY_OPTION, "SYNTHEX_WORKSPACE", |kept| kept.workspace)?;
    if let Some(choice) = &choice {
        context.recorder.means(&choice.name);
    }
    Ok(choice)
}

/// The active tenant: what the command names, or `SYNTHEX_TENANT`, or the preferences.
///
/// # Errors
/// The preferences cannot be read.
pub fn tenant(context: &Context, named: Option<&str>) -> Result<Option<Choice>, CliError> {
    choice(context, named, BY_COMMAND, "SYNTHEX_TENANT", |kept| kept.tenant)
}

fn choice(
    context: &Context,
    named: Option<&str>,
    by: &'static str,
    variable: &'static str,
    kept: impl Fn(Preferences) -> Option<String>,
) -> Result<Option<Choice>, CliError> {
    if let Some(name) = named {
        return Ok(Some(Choice { name: name.to_owned(), by }));
    }
    if let Some(name) = context.environment.get(variable) {
        return Ok(Some(Choice { name: name.to_owned(), by: variable }));
    }
    let kept = kept(Preferences::read(context)?);
    Ok(kept.map(|name| Choice { name, by: BY_PREFERENCE }))
}
