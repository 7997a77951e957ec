//! Which patches fit, what they do, and whose field is whose.

use serde_json::{Value, json};

use super::*;
use crate::manifest::variables::Variables;
use crate::model::{FileId, SourceFile};

fn overlays(texts: &[(u16, &str)]) -> Overlays {
    let mut all = Overlays::default();
    for (index, (overlay, text)) in texts.iter().enumerate() {
        let text = format!("apiVersion: synthex.dev/v1\nkind: Patch\nmetadata: {{name: p}}\nspec: {text}\n");
        let file = SourceFile::new("p.yaml".to_owned(), text.into_bytes());
        let mut problems = Vec::new();
        let id = FileId(u32::try_from(index).unwrap());
        let patches = read_file(id, &file, *overlay, &Variables::default(), &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        all.add(patches);
    }
    all
}

fn key(name: &str) -> ResourceKey {
    ResourceKey::new(crate::kinds::find("Tenant").unwrap(), "w".into(), name)
}

fn applied(overlays: &Overlays, name: &str, own: Option<u16>) -> (Value, Vec<u32>, usize) {
    let mut manifest = json!({"metadata": {"labels": {"tier": "gold"}}, "spec": {"a": 1, "m": {"x": 1}}});
    let mut clashes = Vec::new();
    let fitting = overlays.apply(&key(name), own, &mut manifest, &mut clashes);
    (manifest, fitting, clashes.len())
}

const BY_NAME: &str = "{target: {kind: Tenant, name: T1}, patch: {spec: {a: 2, m: {y: 2}}}}";
const BY_PATTERN: &str =
    "{target: {kind: Tenant, name: 'T*', selector: tier=gold}, patch: {labels: {tier: lead}}}";
const LATER: &str = "{target: {kind: Tenant, name: '*', selector: tier=lead}, patch: {spec: {a: null}}}";

#[test]
fn patches_are_applied_overlay_by_overlay() {
    let overlays = overlays(&[(1, LATER), (0, BY_NAME), (0, BY_PATTERN)]);
    let (manifest, fitting, clashes) = applied(&overlays, "T1", None);
    assert_eq!(fitting, [1, 2, 0]);
    assert_eq!(clashes, 0);
    assert_eq!(manifest, json!({"metadata": {"labels": {"tier": "lead"}}, "spec": {"m": {"x": 1, "y": 2}}}));
    assert_eq!(applied(&overlays, "T2", None).1, [2, 0]);
    assert_eq!(applied(&overlays, "X", None).1, [] as [u32; 0]);
    // Labels are looked at as they were before the overlay, and a resource of an overlay is not patched by earlier ones.
    assert_eq!(applied(&overlays, "T1", Some(1)).1, [] as [u32; 0]);
}

#[test]
fn two_patches_of_one_overlay_may_not_set_the_same_field_or_one_within_it() {
    let other = "{target: {kind: Tenant, name: '*'}, patch: {spec: {m: null}}}";
    assert_eq!(applied(&overlays(&[(0, BY_NAME), (0, other)]), "T1", None).2, 1);
    assert_eq!(applied(&overlays(&[(0, BY_NAME), (0, other)]), "T2", None).2, 0);
    assert_eq!(applied(&overlays(&[(0, BY_NAME), (1, other)]), "T1", None).2, 0);
}

#[test]
fn the_last_patch_owns_a_field() {
    let mut overlays =
        overlays(&[(0, BY_NAME), (1, "{target: {kind: Tenant, name: T1}, patch: {spec: {a: null}}}")]);
    overlays.note(vec![(key("T1"), vec![0, 1])]);
    assert_eq!(overlays.setter(&key("T1"), "/spec/a"), Some(Setter::Removes));
    assert!(
        matches!(overlays.setter(&key("T1"), "/spec/m/y"), Some(Setter::Sets(_, place)) if place == "/spec/patch/spec/m/y")
    );
    assert_eq!(overlays.setter(&key("T1"), "/spec/m/x"), None);
    assert_eq!(overlays.setter(&key("T2"), "/spec/a"), None);
}
