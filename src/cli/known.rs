//! Workspaces that are named must be known: what is looked for in one that is nowhere would never be found.

use crate::engine::StateReader as _;
use crate::kinds;
use crate::model::diagnostic::did_you_mean;
use crate::store::Connection;

use super::context::Context;
use super::desk::some;
use super::error::CliError;
use super::preferences::{self, Choice};
use super::project::{Found, declared_workspaces, load};

/// Refuses a workspace of which nothing is known: what is looked for in it would never be found.
///
/// # Errors
/// Neither the database nor its record has the workspace that the options name, nor does a manifest.
pub async fn must_know_workspace(
    context: &Context,
    connection: &mut Connection,
    found: Option<&Found>,
) -> Result<(), CliError> {
    let Some(name) = context.global.workspace.clone() else { return Ok(()) };
    must_know_choice(connection, found, &Choice { name, by: preferences::BY_OPTION }).await
}

/// [`must_know_workspace`], whatever names the workspace. The connection is in a transaction.
///
/// # Errors
/// As there.
pub async fn must_know_choice(
    connection: &mut Connection,
    found: Option<&Found>,
    choice: &Choice,
) -> Result<(), CliError> {
    let only = choice.name.as_str();
    let kind = &kinds::workspace::KIND;
    let is_confined = connection.is_confined().await?;
    if is_confined {
        connection.enter(only).await?;
    }
    let names = connection.names_of(kind, is_confined.then_some(only)).await?;
    must_be_among(names, found, choice)
}

/// Refuses a workspace that is not among the names, and that no manifest declares.
///
/// # Errors
/// It is not.
pub fn must_be_among(mut names: Vec<String>, found: Option<&Found>, choice: &Choice) -> Result<(), CliError> {
    let only = choice.name.as_str();
    if names.iter().any(|name| name == only) {
        return Ok(());
    }
    let declared = found.and_then(|found| load(found).ok());
    names.extend(declared.iter().flat_map(|loaded| declared_workspaces(&loaded.catalog.entries)));
    if names.iter().any(|name| name == only) {
        return Ok(());
    }
    names.sort_unstable();
    names.dedup();
    let error = CliError::usage(format!("there is no workspace `{only}`"));
    let near = match did_you_mean(only, names.iter().map(String::as_str)) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if names.is_empty() => None,
        None => Some(format!("the workspaces are {}", some(names.iter()))),
    };
    let clear = match choice.by {
        preferences::BY_OPTION | preferences::BY_COMMAND => None,
        preferences::BY_PREFERENCE => Some("to forget it: synthex tenant workspace clear-active".to_owned()),
        variable => Some(format!("to forget it: unset {variable}")),
    };
    let error =
        error.why(format!("it is named by {}, and neither the database nor a manifest has it", choice.by));
    Err(match (near, clear) {
        (Some(near), Some(clear)) => error.help(format!("{near}; {clear}")),
        (Some(help), None) | (None, Some(help)) => error.help(help),
        (None, None) => error,
    })
}
