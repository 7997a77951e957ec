//! Checks across documents: no resource twice, no dangling mention, no channel that falls back to itself.

use std::collections::{HashMap, HashSet};

use crate::kinds;
use crate::model::diagnostic::did_you_mean;
use crate::model::{Entry, FileId, ResourceKey, Scope, SourceRef};

use super::admit::Mention;
use super::problem::{Problem, Target};

/// Finds resources that are declared twice. `entries` are sorted by key; the second and later ones are dropped.
pub fn duplicates(entries: &mut Vec<Entry>, problems: &mut Vec<Problem>) {
    entries.dedup_by(|second, first| {
        if first.key != second.key {
            return false;
        }
        let name = Target::Value("/metadata/name".into());
        problems.push(
            Problem::error(
                "SX0201",
                second.source,
                name.clone(),
                format!("{} is declared twice", second.key),
            )
            .help("remove one of the two, or give it another name")
            .about(&second.key)
            .related(first.source, name, "first declared here"),
        );
        true
    });
}

/// What is known to be declared, also where it has problems of its own.
pub struct Known<'a> {
    /// Sorted by key.
    pub entries: &'a [Entry],
    /// Keys of resources that have problems; sorted.
    pub broken: &'a [(ResourceKey, SourceRef)],
    /// The words of documents and files that could not be read: what they may declare is not called unknown.
    pub unread: &'a HashSet<String>,
    /// Whether the rows of some tenant set are not known: then no tenant is called unknown.
    pub sets_failed: bool,
}

impl Known<'_> {
    fn has(&self, key: &ResourceKey) -> bool {
        self.entries.binary_search_by(|entry| entry.key.cmp(key)).is_ok()
            || self.broken.binary_search_by(|(broken, _)| broken.cmp(key)).is_ok()
            || self.unread.contains(&*key.name)
            || (self.sets_failed && key.kind.name == "Tenant")
    }
}

/// Finds workspaces that are named and not declared. Rows of a set share its workspace, so the set is told, once.
pub fn unknown_workspaces(known: &Known<'_>, problems: &mut Vec<Problem>) {
    let Some(workspace_kind) = kinds::find("Workspace") else {
        return;
    };
    let names: Vec<&str> = known
        .entries
        .iter()
        .filter(|entry| entry.key.kind.rank == workspace_kind.rank)
        .map(|entry| &*entry.key.name)
        .collect();
    let mut helps: HashMap<&str, Option<String>> = HashMap::new();
    let mut told: HashSet<(FileId, u32)> = HashSet::new();
    let declared = known.entries.iter().map(|entry| (&entry.key, entry.source));
    let all = declared.chain(known.broken.iter().map(|(key, source)| (key, *source)));
    for (key, source) in all.filter(|(key, _)| key.kind.scope == Scope::Workspace) {
        let workspace: &str = &key.workspace;
        let help = helps.entry(workspace).or_insert_with(|| {
            let own = ResourceKey::new(workspace_kind, key.workspace.clone(), workspace);
            (!known.has(&own)).then(|| match did_you_mean(workspace, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "declare a Workspace of that name".to_owned(),
            })
        });
        let Some(help) = help else { continue };
        let of_a_set = source.row.is_some();
        let source = SourceRef { row: None, ..source };
        if of_a_set && !told.insert((source.file, source.start)) {
            continue;
        }
        let target = Target::Value("/metadata/workspace".into());
        let message = format!("there is no workspace `{workspace}`");
        let problem = Problem::error("SX0202", source, target, message).help(help.as_str());
        problems.push(if of_a_set { problem } else { problem.about(key) });
    }
}

/// Finds resources that are mentioned and not declared. `mentions` are sorted.
pub fn dangling(known: &Known<'_>, mentions: &[Mention], problems: &mut Vec<Problem>) {
    // Looking for a near name compares with every name there is; nobody reads more suggestions than this.
    const MOST_SUGGESTIONS: usize = 200;
    let by_name: HashMap<(u8, &str), &Entry> =
        known.entries.iter().map(|entry| ((entry.key.kind.rank, &*entry.key.name), entry)).collect();
    let missing = mentions.iter().filter(|mention| !known.has(&mention.to));
    for (index, mention) in missing.enumerate() {
        let to = &mention.to;
        let here = known
            .entries
            .iter()
            .filter(|entry| entry.key.kind.rank == to.kind.rank && entry.key.workspace == to.workspace);
        let near = (index < MOST_SUGGESTIONS)
            .then(|| did_you_mean(&to.name, here.map(|entry| &*entry.key.name)))
            .flatten();
        let help = match (near, by_name.get(&(to.kind.rank, &*to.name))) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, Some(entry)) => format!(
                "there is one in workspace `{}`; resources mention only those of their own workspace",
                entry.key.workspace
            ),
            (None, None) => {
                format!("declare a {} of that name in workspace `{}`", to.kind.name, to.workspace)
            }
        };
        let message = format!("there is no {} `{}` in workspace `{}`", to.kind.name, to.name, to.workspace);
        let target = Target::Value(mention.pointer.clone());
        problems
            .push(Problem::error("SX0203", mention.source, target, message).help(help).about(&mention.from));
    }
}

/// Finds resources that mention each other in a circle. Each circle is reported once, at its least key.
pub fn cycles(mentions: &[Mention], problems: &mut Vec<Problem>) {
    let own_kind = |mention: &&Mention| mention.from.kind.rank == mention.to.kind.rank;
    let next: HashMap<&ResourceKey, &Mention> =
        mentions.iter().filter(own_kind).map(|mention| (&mention.from, mention)).collect();
    let mut starts: Vec<&ResourceKey> = next.keys().copied().collect();
    starts.sort_unstable();
    for start in starts {
        let mut path = vec![start];
        let mut current = start;
        while let Some(mention) = next.get(current) {
            current = &mention.to;
            if current == start || path.len() > next.len() {
                break;
            }
            path.push(current);
        }
        if current != start || path.iter().any(|key| *key < start) {
            continue;
        }
        let Some(mention) = next.get(start) else { continue };
        let names: Vec<&str> = path.iter().chain([&start]).map(|key| &*key.name).collect();
        let message = match path.as_slice() {
            [only] => format!("`{}` refers to itself", only.name),
            _ => format!("these resources refer to each other in a circle: {}", names.join(" → ")),
        };
        let mut problem =
            Problem::error("SX0204", mention.source, Target::Value(mention.pointer.clone()), message)
                .help("remove one of the references")
                .about(start);
        for key in &path[1..] {
            if let Some(other) = next.get(key) {
                problem = problem.related(
                    other.source,
                    Target::Value(other.pointer.clone()),
                    "and is referred to from here",
                );
            }
        }
        problems.push(problem);
    }
}
