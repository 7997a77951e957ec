//! From names that were typed to the resources that are meant, or to an error that says which of them are not there, and why.

use std::collections::{HashMap, HashSet};

use crate::model::diagnostic::did_you_mean;
use crate::model::{KindRef, ResourceKey, Scope, Sources as _};

use super::desk::{Desk, some};
use super::error::CliError;
use super::preferences::{self, Choice};
use super::project;
use crate::manifest::Origins;

impl Desk<'_> {
    /// The living resources with these names; of the active workspace alone, where one is.
    ///
    /// # Errors
    /// Some are not there: all of them are named. Or a name is in several workspaces.
    pub fn find(&self, kind: KindRef, names: &[String]) -> Result<Vec<ResourceKey>, CliError> {
        self.look_for(kind, names, false)
    }

    /// [`Desk::find`], also among what is softly deleted.
    ///
    /// # Errors
    /// As there.
    pub fn find_any(&self, kind: KindRef, names: &[String]) -> Result<Vec<ResourceKey>, CliError> {
        self.look_for(kind, names, true)
    }

    fn look_for(&self, kind: KindRef, names: &[String], any: bool) -> Result<Vec<ResourceKey>, CliError> {
        let active = preferences::workspace(self.context)?.filter(|_| kind.scope == Scope::Workspace);
        let is_here = |key: &ResourceKey| active.as_ref().is_none_or(|choice| *choice.name == *key.workspace);
        let mut known: HashMap<&str, Vec<&ResourceKey>> = HashMap::new();
        let of_kind = self.heads.iter().filter(|head| head.key.kind.rank == kind.rank);
        for head in of_kind.filter(|head| (any || !head.deleted) && is_here(&head.key)) {
            known.entry(&head.key.name).or_default().push(&head.key);
        }
        let (mut found, mut unknown, mut several) = (Vec::new(), Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        for name in names.iter().filter(|name| seen.insert(name.as_str())) {
            match known.get(name.as_str()).map(Vec::as_slice).unwrap_or_default() {
                [one] => found.push((*one).clone()),
                [] => unknown.push(name.as_str()),
                many => {
                    // What commands make where no workspace is named, they find there again.
                    let usual = self.usual_workspace(kind);
                    if let Some(key) = many.iter().find(|key| usual == Some(&*key.workspace)) {
                        found.push((*key).clone());
                        continue;
                    }
                    let places = some(many.iter().map(|key| &*key.workspace));
                    several.push(format!("`{name}` is in {places}"));
                }
            }
        }
        if !unknown.is_empty() {
            return Err(self.not_there(kind, &unknown, active.as_ref(), known.keys().copied()));
        }
        if !several.is_empty() {
            let word = kind.slug.replace('-', " ");
            let mut error = CliError::usage(format!("which {word} is meant is not clear"))
                .help("name the workspace with --workspace");
            error.also = several;
            return Err(error);
        }
        found.sort_unstable();
        Ok(found)
    }

    /// The project's default workspace, for kinds that commands make in it. A tenant is looked for in all of them.
    fn usual_workspace(&self, kind: KindRef) -> Option<&str> {
        let found = self.found.as_ref().filter(|_| matches!(kind.name, "AlertRule" | "Silence"))?;
        found.project.spec.workspace.as_deref()
    }

    /// Some are not there: which, and why, as far as the first of them says.
    fn not_there<'n>(
        &self,
        kind: KindRef,
        unknown: &[&str],
        active: Option<&Choice>,
        known: impl Iterator<Item = &'n str>,
    ) -> CliError {
        let word = kind.slug.replace('-', " ");
        let place = active.map_or(String::new(), |choice| format!(" in workspace `{}`", choice.name));
        let what = match unknown {
            [one] => format!("there is no {word} `{one}`{place}"),
            many => {
                format!("there are no {word}s {}{place}", some(many.iter().map(|name| format!("`{name}`"))))
            }
        };
        let error = CliError::usage(what).why("nothing was changed");
        let Some(first) = unknown.first().copied() else { return error };
        if !self.is_installed {
            return error
                .why("nothing was applied to this database yet")
                .help("run `synthex apply`, or make a workspace and tenants with commands");
        }
        let of_name = |key: &ResourceKey| key.kind.rank == kind.rank && *key.name == *first;
        let mut heads = self.heads.iter().filter(|head| of_name(&head.key));
        let is_here = |key: &ResourceKey| active.is_none_or(|choice| *choice.name == *key.workspace);
        if let Some(head) = heads.clone().find(|head| head.deleted && is_here(&head.key)) {
            return error
                .why(format!("`{first}` is deleted; nothing was changed"))
                .help(format!("bring it back: synthex restore {}", head.key));
        }
        if let (Some(head), Some(choice)) = (heads.find(|head| !head.deleted), active) {
            return error
                .why(format!(
                    "`{first}` is in workspace `{}`, and {} says `{}`; nothing was changed",
                    head.key.workspace, choice.by, choice.name
                ))
                .help(format!("name its workspace: --workspace {}", head.key.workspace));
        }
        if let Some(place) = self.declared(&of_name) {
            return error
                .why(format!(
                    "`{first}` is declared at {place}, and was not applied yet; nothing was changed"
                ))
                .help("change the manifest, or run `synthex apply` first");
        }
        let list = match kind.name {
            "Tenant" => "synthex tenant tenants list",
            "TenantTemplate" => "synthex templates list",
            "Workspace" => "synthex tenant workspace list",
            "Credential" => "synthex tenant credentials list",
            "AlertRule" => "synthex alerts rules list",
            "Silence" => "synthex alerts silences list",
            _ => "synthex unmanaged",
        };
        match did_you_mean(first, known) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("look at what is there: {list}")),
        }
    }

    /// Where a manifest declares it.
    fn declared(&self, is_meant: &impl Fn(&ResourceKey) -> bool) -> Option<String> {
        let loaded = project::load(self.found.as_ref()?).ok()?;
        let entry = loaded.catalog.entries.iter().find(|entry| is_meant(&entry.key))?;
        Some(Origins::new(&loaded.catalog).declared_at(entry).to_string())
    }
}
