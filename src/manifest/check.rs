//! Checks across documents: no resource twice, no dangling mention, no channel that falls back to itself.

use std::collections::HashMap;

use crate::kinds;
use crate::model::diagnostic::did_you_mean;
use crate::model::{Entry, ResourceKey, Scope};

use super::admit::Mention;
use super::problem::{Problem, Target};

/// Finds resources that are declared twice. `entries` are sorted by key; the second and later ones are dropped.
pub fn duplicates(entries: &mut Vec<Entry>, problems: &mut Vec<Problem>) {
    let mut index = 1;
    while index < entries.len() {
        if entries[index - 1].key != entries[index].key {
            index += 1;
            continue;
        }
        let second = entries.remove(index);
        let first = &entries[index - 1];
        let name = Target::Value("/metadata/name".into());
        problems.push(
            Problem::error("SX0201", second.source, name.clone(), format!("{} is declared twice", second.key))
                .help("remove one of the two, or give it another name")
                .about(&second.key)
                .related(first.source, name, "first declared here"),
        );
    }
}

/// Finds workspaces and other resources that are mentioned and not declared. `broken` are the keys of resources that
/// have problems of their own.
pub fn dangling(entries: &[Entry], mentions: &[Mention], broken: &mut [ResourceKey], problems: &mut Vec<Problem>) {
    broken.sort_unstable();
    let known = |key: &ResourceKey| {
        entries.binary_search_by(|entry| entry.key.cmp(key)).is_ok() || broken.binary_search(key).is_ok()
    };
    let Some(workspace_kind) = kinds::find("Workspace") else { return };
    let mut checked: HashMap<&str, bool> = HashMap::new();
    for entry in entries.iter().filter(|entry| entry.key.kind.scope == Scope::Workspace) {
        let workspace: &str = &entry.key.workspace;
        let declared = *checked.entry(workspace).or_insert_with(|| {
            known(&ResourceKey::new(workspace_kind, entry.key.workspace.clone(), workspace))
        });
        if !declared {
            let all = entries.iter().filter(|other| other.key.kind.name == "Workspace").map(|other| &*other.key.name);
            let help = match did_you_mean(workspace, all) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "declare a Workspace of that name".to_owned(),
            };
            let target = Target::Value("/metadata/workspace".into());
            let message = format!("there is no workspace `{workspace}`");
            problems.push(Problem::error("SX0202", entry.source, target, message).help(help).about(&entry.key));
        }
    }
    for mention in mentions.iter().filter(|mention| !known(&mention.to)) {
        let to = &mention.to;
        let same_kind = |entry: &&Entry| entry.key.kind.rank == to.kind.rank;
        let here = entries.iter().filter(same_kind).filter(|entry| entry.key.workspace == to.workspace);
        let elsewhere = entries.iter().filter(same_kind).find(|entry| entry.key.name == to.name);
        let help = match (did_you_mean(&to.name, here.map(|entry| &*entry.key.name)), elsewhere) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, Some(entry)) => format!(
                "there is one in workspace `{}`; resources mention only those of their own workspace",
                entry.key.workspace
            ),
            (None, None) => format!("declare a {} of that name in workspace `{}`", to.kind.name, to.workspace),
        };
        let message = format!("there is no {} `{}` in workspace `{}`", to.kind.name, to.name, to.workspace);
        let target = Target::Value(mention.pointer.clone());
        problems.push(Problem::error("SX0203", mention.source, target, message).help(help).about(&mention.from));
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
        let message = format!("these resources refer to each other in a circle: {}", names.join(" → "));
        let mut problem =
            Problem::error("SX0204", mention.source, Target::Value(mention.pointer.clone()), message)
                .help("remove one of the references")
                .about(start);
        for key in &path[1..] {
            if let Some(other) = next.get(key) {
                problem =
                    problem.related(other.source, Target::Value(other.pointer.clone()), "and is referred to from here");
            }
        }
        problems.push(problem);
    }
}
