//! What a resource mentions, found from its canonical spec, and what becomes of mentions when a plan is executed.
//!
//! Which fields name other resources is said once, at the columns of the kinds: the store asks the database by the same
//! columns, inside the transaction that writes.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::kinds;
use crate::model::{KindRef, ResourceKey, Scope, SqlType};

use super::action::{Action, ActionKind};

/// The resources that one mentions: its workspace, and those that its spec names.
#[must_use]
pub fn of(key: &ResourceKey, canonical: &str) -> Vec<ResourceKey> {
    let mut found: Vec<ResourceKey> = workspace_of(key).into_iter().collect();
    named(key, canonical, &mut found);
    found
}

/// [`of`], for a spec that was parsed already.
#[must_use]
pub fn of_value(key: &ResourceKey, canonical: &Value) -> Vec<ResourceKey> {
    let mut found: Vec<ResourceKey> = workspace_of(key).into_iter().collect();
    named_in(key, canonical, &mut found);
    found
}

fn named(key: &ResourceKey, canonical: &str, found: &mut Vec<ResourceKey>) {
    // Most kinds name nothing, and their specs need not be read.
    if !key.kind.mentions.is_empty() {
        named_in(key, &serde_json::from_str(canonical).unwrap_or_default(), found);
    }
}

/// Takes every text in a field that names resources for a name, also where the field is not as it should be, which only a
/// row written by hand is: to delete too little is the smaller harm.
fn named_in(key: &ResourceKey, canonical: &Value, found: &mut Vec<ResourceKey>) {
    for column in key.kind.columns() {
        let Some(kind) = column.names.and_then(kinds::find) else { continue };
        let spec = canonical.get("spec");
        let field = column.path.split('.').try_fold(spec, |value, step| Some(value?.get(step)));
        let mut names = Vec::new();
        field.flatten().into_iter().for_each(|field| texts(field, &mut names));
        found.extend(names.iter().map(|name| ResourceKey::new(kind, key.workspace.clone(), name)));
    }
}

fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(map) => map.values().for_each(|item| texts(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The workspace of a resource that is in one.
#[must_use]
pub fn workspace_of(key: &ResourceKey) -> Option<ResourceKey> {
    let kind = kinds::find("Workspace").filter(|_| key.kind.scope == Scope::Workspace)?;
    Some(ResourceKey::new(kind, key.workspace.clone(), &key.workspace))
}

/// Whether a row's mentions of a kind follow when what is mentioned gets another name: a foreign key carries a single name
/// along, and nothing a list of names.
#[must_use]
pub fn follow_renames(by: KindRef, what: KindRef) -> bool {
    let mut naming = by.columns().iter().filter(|column| column.names == Some(what.name)).peekable();
    naming.peek().is_some() && naming.all(|column| column.sql == SqlType::Text)
}

/// What the rows that actions leave behind mention and that none of the actions brings to life: each once, in no order.
#[must_use]
pub fn needed<'a>(actions: impl Iterator<Item = &'a Action> + Clone) -> HashSet<ResourceKey> {
    let mut needed = HashSet::new();
    let mut found = Vec::new();
    // The actions in a workspace stand together, and there may be thousands of them.
    let mut last: Option<&str> = None;
    for action in actions.clone() {
        let Some(after) = action.written() else { continue };
        if action.key.kind.scope == Scope::Workspace && last != Some(&*action.key.workspace) {
            needed.extend(workspace_of(&action.key));
            last = Some(&action.key.workspace);
        }
        named(&action.key, &after, &mut found);
        needed.extend(found.drain(..));
    }
    for action in actions.filter(|action| brings_to_life(action.kind)) {
        if needed.is_empty() {
            break;
        }
        needed.remove(&action.key);
    }
    needed
}

/// Whether the key of an action is there only when the action is done.
#[must_use]
pub const fn brings_to_life(kind: ActionKind) -> bool {
    matches!(kind, ActionKind::Create | ActionKind::Restore | ActionKind::Rename)
}

/// The keys that are no longer there when actions are done: of what is deleted, and the former ones of what is renamed,
/// unless something else is given that name.
#[derive(Debug, Default)]
pub struct Going<'a>(HashMap<ResourceKey, &'a Action>);

impl<'a> Going<'a> {
    /// Of these actions.
    #[must_use]
    pub fn of(actions: impl Iterator<Item = &'a Action> + Clone) -> Self {
        let goes = |action: &&Action| matches!(action.kind, ActionKind::Delete | ActionKind::Rename);
        let mut going: HashMap<ResourceKey, &Action> =
            actions.clone().filter(goes).map(|action| (action.old_key(), action)).collect();
        if !going.is_empty() {
            for action in actions.filter(|action| action.kind != ActionKind::Delete) {
                going.remove(&action.key);
            }
        }
        Self(going)
    }

    /// Whether nothing goes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys, sorted.
    #[must_use]
    pub fn keys(&self) -> Vec<ResourceKey> {
        let mut keys: Vec<ResourceKey> = self.0.keys().cloned().collect();
        keys.sort_unstable();
        keys
    }

    /// The action that takes a key away.
    #[must_use]
    pub fn get(&self, key: &ResourceKey) -> Option<&'a Action> {
        self.0.get(key).copied()
    }

    /// The action that takes a key away from under a row that mentions it and is not written itself.
    #[must_use]
    pub fn from_under(&self, by: &ResourceKey, what: &ResourceKey) -> Option<&'a Action> {
        self.get(what)
            .filter(|action| action.kind == ActionKind::Delete || !follow_renames(by.kind, what.kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Reason;

    fn key(kind: &str, name: &str) -> ResourceKey {
        ResourceKey::new(kinds::find(kind).unwrap(), "w".into(), name)
    }

    fn names(kind: &str, canonical: &str) -> Vec<String> {
        of(&key(kind, "it"), canonical).iter().map(ToString::to_string).collect()
    }

    fn action(kind: ActionKind, of: &str, name: &str, spec: &str) -> Action {
        let written =
            (kind != ActionKind::Delete).then(|| format!(r#"{{"labels":{{}},"spec":{spec}}}"#).into());
        Action {
            kind,
            key: key(of, name),
            reason: Reason::Edited,
            position: None,
            revision: None,
            before: None,
            after: written,
            digest: None,
            protected: false,
            changes: Vec::new(),
            from: None,
            permanent: false,
            dependents: Vec::new(),
            left: Vec::new(),
        }
    }

    fn renamed(of: &str, from: &str, to: &str) -> Action {
        Action { from: Some(from.into()), ..action(ActionKind::Rename, of, to, "{}") }
    }

    fn texts(keys: impl IntoIterator<Item = ResourceKey>) -> Vec<String> {
        let mut texts: Vec<String> = keys.into_iter().map(|key| key.to_string()).collect();
        texts.sort_unstable();
        texts
    }

    #[test]
    fn thousands_of_tenants_need_their_workspace_once_and_nothing_where_that_is_new() {
        let tenant = |number: usize| action(ActionKind::Create, "Tenant", &format!("T{number}"), "{}");
        let mut actions: Vec<Action> = (0..2000).map(tenant).collect();
        assert_eq!(texts(needed(actions.iter())), ["workspace/w"]);
        actions.insert(0, action(ActionKind::Create, "Workspace", "w", "{}"));
        assert!(needed(actions.iter()).is_empty());
    }

    #[test]
    fn what_is_only_changed_is_needed_still_and_what_goes_away_needs_nothing() {
        let rule = |kind| action(kind, "AlertRule", "r", r#"{"channels":["new","kept","back","other"]}"#);
        let others = [
            action(ActionKind::Create, "NotificationChannel", "new", "{}"),
            action(ActionKind::Update, "NotificationChannel", "kept", "{}"),
            action(ActionKind::Restore, "NotificationChannel", "back", "{}"),
        ];
        let expected = ["channel/w/kept", "channel/w/other", "workspace/w"];
        assert_eq!(texts(needed(others.iter().chain([&rule(ActionKind::Update)]))), expected);
        assert!(needed([&rule(ActionKind::Delete)].into_iter()).is_empty());
    }

    #[test]
    fn a_name_that_is_given_up_goes_unless_it_is_taken_again() {
        let going = |actions: &[Action]| texts(Going::of(actions.iter()).keys());
        let deleted = action(ActionKind::Delete, "Tenant", "T", "{}");
        assert_eq!(going(&[deleted, action(ActionKind::Update, "Tenant", "U", "{}")]), ["tenant/w/T"]);
        let first = renamed("NotificationChannel", "b", "c");
        assert_eq!(going(std::slice::from_ref(&first)), ["channel/w/b"]);
        assert_eq!(going(&[first, renamed("NotificationChannel", "a", "b")]), ["channel/w/a"]);
    }

    #[test]
    fn what_a_kind_mentions_is_what_its_columns_name() {
        for kind in kinds::KINDS {
            let mut named: Vec<&str> = kind.columns().iter().filter_map(|column| column.names).collect();
            named.dedup();
            assert_eq!(named, kind.mentions, "{}", kind.name);
        }
    }

    #[test]
    fn columns_name_what_a_spec_says_it_refers_to() {
        for (kind, spec) in [
            ("Credential", r#"{"tenant": "A", "service": "shopify", "secretRef": {"env": "X"}}"#),
            ("NotificationChannel", r#"{"type": "console", "fallback": "b"}"#),
            ("NotificationChannel", r#"{"type": "console"}"#),
            ("AlertRule", r#"{"when": {"credentialExpiry": {}}, "channels": ["c", "d"]}"#),
        ] {
            let kind = kinds::find(kind).unwrap();
            let admitted = (kind.admit)(serde_json::from_str(spec).unwrap()).unwrap();
            let said = admitted.references.iter().map(|reference| {
                ResourceKey::new(kinds::find(reference.kind).unwrap(), "w".into(), &reference.name)
            });
            let canonical = format!(r#"{{"labels":{{}},"spec":{}}}"#, admitted.canonical);
            let found = of(&key(kind.name, "it"), &canonical);
            assert_eq!(found[0], key("Workspace", "w"));
            assert_eq!(found[1..], said.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_spec_that_cannot_be_read_mentions_what_it_seems_to() {
        let expected = ["workspace/w", "channel/w/a", "channel/w/b"];
        assert_eq!(
            names("AlertRule", r#"{"spec": {"when": {}, "channels": ["a", {"x": ["b", 1]}]}}"#),
            expected
        );
        assert_eq!(names("AlertRule", "{"), expected[..1]);
        assert_eq!(names("Tenant", r#"{"spec": {"template": "t"}}"#), expected[..1]);
    }

    #[test]
    fn a_single_name_follows_a_rename_and_a_list_does_not() {
        let kind = |name: &str| kinds::find(name).unwrap();
        assert!(follow_renames(kind("Credential"), kind("Tenant")));
        assert!(follow_renames(kind("NotificationChannel"), kind("NotificationChannel")));
        assert!(!follow_renames(kind("AlertRule"), kind("NotificationChannel")));
        assert!(!follow_renames(kind("Tenant"), kind("Workspace")));
    }
}
