//! `moved` of the project file: which resources got another name.

use std::collections::HashMap;

use crate::kinds;
use crate::kinds::project::Moved;
use crate::model::key::is_name;
use crate::model::{ResourceKey, Scope, SourceRef};

use super::problem::{Problem, Target};

/// The renames, each from a former key to the key that is declared now. A chain is collapsed: with a → b and b → c, both
/// a and b become c; later steps come first. What `check` refuses is left out.
#[must_use]
pub fn moves(moved: &[Moved]) -> Vec<(ResourceKey, ResourceKey)> {
    let steps: Vec<(ResourceKey, ResourceKey)> =
        moved.iter().filter_map(|step| Some((key(&step.from).ok()?, key(&step.to).ok()?))).collect();
    let next: HashMap<&ResourceKey, &ResourceKey> = steps.iter().map(|(from, to)| (from, to)).collect();
    let mut found: Vec<(usize, ResourceKey, ResourceKey)> = Vec::new();
    for (from, to) in &steps {
        let (mut last, mut length) = (to, 1);
        while let Some(further) = next.get(last).filter(|_| length <= steps.len()) {
            last = further;
            length += 1;
        }
        if length <= steps.len() {
            found.push((length, from.clone(), last.clone()));
        }
    }
    found.sort_by(|left, right| (left.0, &left.1).cmp(&(right.0, &right.1)));
    found.into_iter().map(|(_, from, to)| (from, to)).collect()
}

/// Finds keys that cannot be renamed, names that are given up or taken twice, and circles.
pub(super) fn check(moved: &[Moved], source: SourceRef, problems: &mut Vec<Problem>) {
    let at = |index: usize, field: &str| Target::Value(format!("/spec/moved/{index}/{field}"));
    let mut steps: Vec<(usize, ResourceKey, ResourceKey)> = Vec::new();
    for (index, step) in moved.iter().enumerate() {
        let mut read = |field: &str, text: &str| {
            let wrong = |why: String| {
                Problem::error("SX0217", source, at(index, field), why)
                    .help("write KIND/WORKSPACE/NAME, such as tenant/anz-smb/ACME")
            };
            key(text).map_err(|why| problems.push(wrong(why))).ok()
        };
        let (Some(from), Some(to)) = (read("from", &step.from), read("to", &step.to)) else { continue };
        if from.kind.rank != to.kind.rank || from.workspace != to.workspace {
            let what = if from.kind.rank == to.kind.rank { "workspace" } else { "kind" };
            let message = format!("a rename keeps the {what}, and `{from}` and `{to}` have different ones");
            let problem = Problem::error("SX0217", source, at(index, "to"), message);
            problems.push(problem.help("delete the one and declare the other"));
            continue;
        }
        steps.push((index, from, to));
    }
    let mut told = false;
    for (field, other_field) in [("from", "gives up its name"), ("to", "is what is renamed")] {
        let mut seen: HashMap<&ResourceKey, usize> = HashMap::new();
        for (index, from, to) in &steps {
            let key = if field == "from" { from } else { to };
            if let Some(first) = seen.insert(key, *index) {
                told = true;
                let message = format!("`{key}` {other_field} twice");
                let problem = Problem::error("SX0218", source, at(*index, field), message)
                    .help("remove one of the two")
                    .related(source, at(first, field), "first here");
                problems.push(problem);
            }
        }
    }
    if !told {
        circles(&steps, source, problems);
    }
}

/// Each circle is told once, at its first step.
fn circles(steps: &[(usize, ResourceKey, ResourceKey)], source: SourceRef, problems: &mut Vec<Problem>) {
    let next: HashMap<&ResourceKey, (usize, &ResourceKey)> =
        steps.iter().map(|(index, from, to)| (from, (*index, to))).collect();
    let mut done = vec![false; steps.len()];
    for (position, (index, from, to)) in steps.iter().enumerate() {
        let mut path = vec![*index];
        let mut last = to;
        while let Some((index, further)) =
            next.get(last).filter(|_| last != from && path.len() <= steps.len())
        {
            path.push(*index);
            last = further;
        }
        if last != from || done[position] {
            continue;
        }
        for (other, step) in steps.iter().enumerate() {
            done[other] |= path.contains(&step.0);
        }
        let message = match path.len() {
            1 => format!("`{from}` is renamed to itself"),
            _ => format!("the renames lead back to `{from}`"),
        };
        let target = Target::Value(format!("/spec/moved/{index}/from"));
        let mut problem =
            Problem::error("SX0218", source, target, message).help("remove the step that is no longer true");
        for other in &path[1..] {
            let target = Target::Value(format!("/spec/moved/{other}/from"));
            problem = problem.related(source, target, "by way of this step");
        }
        problems.push(problem);
    }
}

fn key(text: &str) -> Result<ResourceKey, String> {
    let parts: Vec<&str> = text.split('/').collect();
    let [kind, workspace, name] = parts.as_slice() else {
        return Err(format!("`{text}` is not a key"));
    };
    let found = kinds::KINDS.iter().copied().find(|known| known.slug == *kind || known.name == *kind);
    let Some(kind) = found.filter(|kind| kind.table.is_some()) else {
        return Err(format!("`{kind}` is not a kind that is stored"));
    };
    if kind.scope == Scope::Global {
        return Err(format!("a {} cannot be renamed: everything in it has its name", kind.name));
    }
    match [workspace, name].into_iter().find(|part| !is_name(part)) {
        Some(part) => Err(format!("`{part}` is not a name")),
        None => Ok(ResourceKey::new(kind, (*workspace).into(), name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FileId;

    fn moved(steps: &[(&str, &str)]) -> Vec<Moved> {
        let full = |name: &str| if name.contains('/') { name.to_owned() } else { format!("tenant/w/{name}") };
        steps.iter().map(|(from, to)| Moved { from: full(from), to: full(to) }).collect()
    }

    #[track_caller]
    fn check_moves(steps: &[(&str, &str)], expected: &[(&str, &str)]) {
        let found = moves(&moved(steps));
        let shown: Vec<(&str, &str)> = found.iter().map(|(from, to)| (&*from.name, &*to.name)).collect();
        assert_eq!(shown, expected);
    }

    #[track_caller]
    fn check_problems(steps: &[(&str, &str)], expected: &[&str]) {
        let mut problems = Vec::new();
        let source = SourceRef { file: FileId(0), start: 0, end: 0, row: None };
        check(&moved(steps), source, &mut problems);
        let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(messages, expected);
    }

    #[test]
    fn a_chain_collapses_and_its_later_steps_come_first() {
        check_moves(&[("a", "b")], &[("a", "b")]);
        check_moves(&[("a", "b"), ("b", "c")], &[("b", "c"), ("a", "c")]);
        check_moves(&[("b", "c"), ("x", "y"), ("a", "b")], &[("b", "c"), ("x", "y"), ("a", "c")]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        check_problems(&[("a", "b"), ("b", "c")], &[]);
        check_problems(&[("a", "a")], &["`tenant/w/a` is renamed to itself"]);
        check_problems(&[("a", "b"), ("b", "a"), ("x", "a1")], &["the renames lead back to `tenant/w/a`"]);
        check_problems(&[("z", "a"), ("a", "b"), ("b", "c"), ("c", "a1")], &[]);
        check_problems(&[("a", "b"), ("a", "c")], &["`tenant/w/a` gives up its name twice"]);
        check_problems(&[("a", "c"), ("b", "c")], &["`tenant/w/c` is what is renamed twice"]);
        check_problems(
            &[("workspace/a/a", "workspace/a/b")],
            &[
                "a Workspace cannot be renamed: everything in it has its name",
                "a Workspace cannot be renamed: everything in it has its name",
            ],
        );
        check_problems(&[("tenant-set/w/a", "tenant/w/b")], &["`tenant-set` is not a kind that is stored"]);
        check_problems(
            &[("tenant/w/a", "tenant/x/a")],
            &["a rename keeps the workspace, and `tenant/w/a` and `tenant/x/a` have different ones"],
        );
        check_problems(
            &[("tenant/w/a", "credential/w/a")],
            &["a rename keeps the kind, and `tenant/w/a` and `credential/w/a` have different ones"],
        );
        check_problems(
            &[("tenant/w/a/b", "tenant/w/-")],
            &["`tenant/w/a/b` is not a key", "`-` is not a name"],
        );
    }

    #[test]
    fn moves_never_run_in_circles() {
        check_moves(&[("a", "b"), ("b", "a"), ("x", "y")], &[("x", "y")]);
    }
}
