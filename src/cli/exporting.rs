//! Rows as files of manifests: what `export` and `adopt` have in common.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::engine::StateReader as _;
use crate::files;
use crate::manifest::write::Written;
use crate::plan::Row;
use crate::store::{Connection, migration_state};

use super::context::Context;
use super::error::CliError;
use super::project::{self, Found};

/// Files of manifests stay below this, so that they can be read again.
const LARGEST: usize = 8 * 1024 * 1024;

/// The first line of every file that is written, before the schema's path.
pub const MODELINE: &str = "# yaml-language-server: $schema=";

/// The living rows, read in the transaction that is begun here; `None` where synthex is not installed.
///
/// # Errors
/// Whatever the database reports; or a role that sees one workspace at a time, and no workspace is named.
pub async fn living(
    context: &Context,
    connection: &mut Connection,
    found: Option<&Found>,
) -> Result<Option<Vec<Row>>, CliError> {
    connection.begin_reading().await?;
    if !connection.is_installed().await? {
        return Ok(None);
    }
    migration_state(connection).await?;
    project::must_know_workspace(context, connection, found).await?;
    let only = context.global.workspace.clone();
    let workspaces = match (only, found) {
        (Some(only), _) => Some(vec![only]),
        (None, _) if !connection.is_confined().await? => None,
        (None, Some(found)) => Some(project::visible_workspaces(found, None)?),
        (None, None) => return Err(project::no_workspace()),
    };
    Ok(Some(connection.living(workspaces.as_deref()).await?))
}

/// The files below a folder, one for each workspace and kind; more where one would be too large.
#[must_use]
pub fn files_of(
    context: &Context,
    found: Option<&Found>,
    dir: &Path,
    all: &[Written],
) -> Vec<(PathBuf, String)> {
    let head = format!("{MODELINE}{}\n", schema_path(context, found, dir, 1));
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    let mut open: BTreeMap<(&str, u8), (usize, usize)> = BTreeMap::new();
    for written in all {
        let key = &written.key;
        let text = written.text();
        let path = |part: usize| {
            let part = if part > 1 { format!("-{part}") } else { String::new() };
            dir.join(&*key.workspace).join(format!("{}{part}.yaml", key.kind.slug))
        };
        let entry = open.entry((&key.workspace, key.kind.rank));
        let (file, part) = entry.or_insert_with(|| {
            files.push((path(1), head.clone()));
            (files.len() - 1, 1)
        });
        if files[*file].1.len() > head.len() {
            if files[*file].1.len() + text.len() > LARGEST {
                *part += 1;
                files.push((path(*part), head.clone()));
                *file = files.len() - 1;
            } else {
                files[*file].1.push_str("---\n");
            }
        }
        files[*file].1.push_str(&text);
    }
    files.sort();
    files
}

/// The way from a file that lies so many folders below one to the schema that `init` wrote.
#[must_use]
pub fn schema_path(context: &Context, found: Option<&Found>, dir: &Path, below: usize) -> String {
    let root = found.map(|found| context.directory.join(&found.folder));
    let root = root.map(|root| files::canonical(&root).unwrap_or(root));
    let here = files::canonical(&context.directory).unwrap_or_else(|_| context.directory.clone());
    let dir = tidy(&here.join(dir));
    let depth = root.and_then(|root| dir.strip_prefix(root).ok().map(|below| below.components().count()));
    format!("{}schemas/manifest.schema.json", "../".repeat(depth.unwrap_or(1) + below))
}

fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// Whether files in a folder would be read as manifests of a project.
#[must_use]
pub fn is_read(context: &Context, found: &Found, dir: &Path) -> bool {
    let absolute = |path: &Path| {
        let path = tidy(&context.directory.join(path));
        files::canonical(&path).unwrap_or(path)
    };
    let dir = absolute(dir);
    found.roots.paths.iter().any(|root| dir.starts_with(absolute(root)))
}

/// Refuses to overwrite.
///
/// # Errors
/// One of the files is there.
pub fn refuse_existing(files: &[(PathBuf, String)], help: &str) -> Result<(), CliError> {
    let there: Vec<&PathBuf> =
        files.iter().map(|(path, _)| path).filter(|path| files::is_there(path)).collect();
    let Some(first) = there.first() else { return Ok(()) };
    let more = if there.len() > 1 { format!(", and {} more are", there.len() - 1) } else { String::new() };
    Err(CliError::usage(format!("{} is there already{more}", first.display()))
        .why("no file is overwritten; nothing was written")
        .help(help))
}

/// What a reader should know about what was written, one line each.
#[must_use]
pub fn remarks(all: &[Written]) -> Vec<String> {
    let of = |written: &Written| {
        let key = written.key.to_string();
        written.notes.iter().map(move |note| format!("{key}: {note}")).collect::<Vec<_>>()
    };
    all.iter().flat_map(of).collect()
}
