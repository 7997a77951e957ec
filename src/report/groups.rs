//! Resources that change in the same way are one thing to review: after a template is bumped, 312 tenants have one change.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::model::Origin;
use crate::plan::{Action, ActionKind};

/// Fewer than this are shown one by one.
const WORTH_GROUPING: usize = 3;

/// Actions that differ in nothing but the resource. The first stands for all.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// Never empty; more than one only where the change is the same.
    pub actions: Vec<&'a Action>,
}

impl<'a> Group<'a> {
    /// The action that stands for all.
    #[must_use]
    pub fn sample(&self) -> &'a Action {
        self.actions[0]
    }
}

/// Puts actions together whose kind, reason and fields, from the same layer, are the same. The order is that of each
/// group's first action. Creates, deletes and renames stay alone: each is a decision of its own.
#[must_use]
pub fn groups<'a>(actions: &[&'a Action]) -> Vec<Group<'a>> {
    let mut sizes: HashMap<String, usize> = HashMap::new();
    let sames: Vec<Option<String>> = actions.iter().map(|action| same(action)).collect();
    for same in sames.iter().flatten() {
        *sizes.entry(same.clone()).or_default() += 1;
    }
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (action, same) in actions.iter().zip(sames) {
        let same = same.filter(|same| sizes.get(same).is_some_and(|size| *size >= WORTH_GROUPING));
        match same.as_ref().and_then(|same| places.get(same)) {
            Some(place) => groups[*place].actions.push(action),
            None => {
                if let Some(same) = same {
                    places.insert(same, groups.len());
                }
                groups.push(Group { actions: vec![action] });
            }
        }
    }
    groups
}

/// What must be equal for two actions to be the same change; `None` for what stays alone.
fn same(action: &Action) -> Option<String> {
    match action.kind {
        ActionKind::Create | ActionKind::Delete | ActionKind::Rename => return None,
        ActionKind::Update | ActionKind::Restore | ActionKind::Adopt => {}
    }
    let actor = action.reason.actor().map(|(actor, _)| actor);
    let mut same = format!("{}\0{}\0", action.kind.code(), action.key.kind.name);
    // Writing to a string does not fail.
    let _ = write!(same, "{}\0{actor:?}\0{}", action.reason.code(), action.protected);
    for change in &action.changes {
        let layer = match &change.origin {
            Origin::Manifest(_) => ("manifest", ""),
            Origin::Overlay(_) => ("overlay", ""),
            Origin::Template(name) => ("template", name.as_str()),
            Origin::Workspace(name) => ("workspace", name.as_str()),
            Origin::Default => ("default", ""),
        };
        let text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
        let _ =
            write!(same, "\0{:?}{layer:?}{:?}{:?}", change.path, text(&change.before), text(&change.after));
    }
    Some(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{create, delete, drift, key, update};
    use serde_json::json;

    fn changed(name: &str, after: &str) -> Action {
        update(key("Tenant", "w", name), &json!({"spec": {"a": "x"}}), &json!({"spec": {"a": after}}))
    }

    #[track_caller]
    fn check(actions: &[Action], expected: &[usize]) {
        let all: Vec<&Action> = actions.iter().collect();
        let sizes: Vec<usize> = groups(&all).iter().map(|group| group.actions.len()).collect();
        assert_eq!(sizes, expected);
    }

    #[test]
    fn the_same_change_in_three_resources_is_one_group() {
        check(&[changed("a", "y"), changed("b", "z"), changed("c", "y"), changed("d", "y")], &[3, 1]);
        check(&[changed("a", "y"), changed("b", "y")], &[1, 1]);
    }

    #[test]
    fn what_a_reviewer_would_judge_apart_stays_apart() {
        let with = |name: &str, edit: &dyn Fn(&mut Action)| {
            let mut action = changed(name, "y");
            edit(&mut action);
            action
        };
        let same = || vec![changed("a", "y"), changed("b", "y")];
        for edit in [
            &(|action: &mut Action| action.reason = drift()) as &dyn Fn(&mut Action),
            &|action| action.protected = true,
            &|action| action.kind = ActionKind::Adopt,
            &|action| action.changes[0].origin = Origin::Template("t".to_owned()),
            &|action| action.changes[0].before = None,
        ] {
            let mut actions = same();
            actions.push(with("c", edit));
            check(&actions, &[1, 1, 1]);
        }
        let spec = json!({"spec": {}});
        let creates: Vec<_> = ["a", "b", "c"].map(|name| create(key("Tenant", "w", name), &spec)).into();
        check(&creates, &[1, 1, 1]);
        let deletes: Vec<_> = ["a", "b", "c"].map(|name| delete(key("Tenant", "w", name), &spec)).into();
        check(&deletes, &[1, 1, 1]);
    }
}
