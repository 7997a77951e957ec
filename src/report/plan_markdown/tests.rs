//! Markdown as a reviewer gets it: what is in it, what is left out, and that nothing foreign gets out of its code.

mod foreign;
mod size;

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::model::{Diagnostic, Origin};
use crate::plan::{ActionKind, Reason, Refusal, Suspect};
use crate::report::clean::is_unsafe;
use crate::report::sample::{at, context, create, delete, drift, everything, key, plan, update};

fn github(max_bytes: usize) -> MarkdownOptions {
    MarkdownOptions { max_bytes, ..MarkdownOptions::of(Preset::Github) }
}

fn tenant(workspace: &str, name: &str) -> Action {
    let spec = json!({"labels": {"tier": "gold"}, "spec": {"displayName": name, "market": "ANZ_SMB", "status": "active"}});
    create(key("Tenant", workspace, name), &spec)
}

fn gone(workspace: &str, name: &str) -> Action {
    delete(key("Tenant", workspace, name), &json!({"spec": {"displayName": name}}))
}

fn bumped(workspace: &str, name: &str) -> Action {
    let spec = |market: &str| json!({"spec": {"displayName": name, "market": market}});
    let mut action = update(key("Tenant", workspace, name), &spec("UK_SMB"), &spec("ANZ_SMB"));
    action.changes[0].origin = Origin::Template("shopify-smb-anz".to_owned());
    action
}

/// The text with everything that stands in code taken out. Fails where code or a fold is left open.
#[track_caller]
fn skeleton(text: &str) -> String {
    assert!(text.matches("```").count().is_multiple_of(2), "a fence is open:\n{text}");
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count(), "{text}");
    let mut outside = String::new();
    let mut fenced = false;
    let mut depth = 0;
    for line in text.lines() {
        assert!(!line.chars().any(is_unsafe), "{line:?}");
        if line.starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if fenced {
            continue;
        }
        assert!(!line.contains("```"), "{line}");
        let mut rest = line;
        while let Some((before, after)) = rest.split_once('`') {
            outside.push_str(before);
            outside.push('C');
            rest = after.split_once('`').unwrap_or_else(|| panic!("code is open: {line}")).1;
        }
        while let Some((before, after)) = rest.split_once("<code>") {
            outside.push_str(before);
            outside.push('C');
            rest = after.split_once("</code>").unwrap_or_else(|| panic!("code is open: {line}")).1;
        }
        outside.push_str(rest);
        outside.push('\n');
        depth += i32::from(line.starts_with("<details>")) - i32::from(line.starts_with("</details>"));
        assert!((0..=1).contains(&depth), "folds are within folds: {line}");
    }
    assert!(!fenced && depth == 0);
    outside
}

/// Within the limit, valid alone, and with nothing outside of code but words of our own.
#[track_caller]
fn sound(text: &str, max_bytes: usize) {
    assert!(text.len() <= max_bytes, "{} of {max_bytes} bytes", text.len());
    assert!(text.encode_utf16().count() <= max_bytes);
    assert!(text.starts_with("<!-- synthex:plan:"), "{text}");
    assert!(text.ends_with(".\n") && !text.ends_with("\n\n"), "{text}");
    let rows: Vec<usize> =
        text.lines().filter(|line| line.starts_with("| ")).map(|line| line.matches('|').count()).collect();
    assert!(rows.windows(2).all(|pair| pair[0] == pair[1]), "a cell is not one: {text}");
    let outside = skeleton(text);
    for line in outside.lines() {
        let line = ["<details>", "<summary>", "</summary>", "</details>", "<b>", "</b>"]
            .iter()
            .fold(line.to_owned(), |line, tag| line.replace(tag, ""));
        if line.starts_with("<!-- synthex:") {
            assert_eq!(line.matches("-->").count(), 1, "{line}");
            continue;
        }
        let title = line.trim_start_matches("> ").trim_start_matches('#');
        for forbidden in ["@", "#", "[", "]", "<", "\\", "\u{1b}", "http", "www", "~", "_", "$", "&#"] {
            assert!(!title.contains(forbidden), "{forbidden} in {line}\nof {text}");
        }
        if line.contains('|') {
            assert!(line.starts_with("| ") && line.ends_with('|'), "{line}");
        }
    }
}

/// Every key that an entry names, and how often.
fn named(texts: &[String]) -> BTreeMap<String, usize> {
    let mut named = BTreeMap::new();
    for text in texts {
        let mut keys = false;
        for line in text.lines() {
            if line.starts_with("```") {
                keys = line == "```text";
                continue;
            }
            let in_title =
                line.strip_prefix("<details><summary>").filter(|title| !title.contains("-line change in"));
            let key = match in_title.and_then(|title| title.split_once("<code>")) {
                Some((_, rest)) => rest.split_once("</code>").map(|(key, _)| key),
                None if keys => Some(line.split(' ').next().unwrap_or_default()),
                None => line.strip_prefix("- **").and_then(|line| line.split_once("** `")).and_then(
                    |(verb, rest)| {
                        ActionKind::ALL
                            .iter()
                            .any(|kind| kind.code() == verb)
                            .then(|| rest.split('`').next())?
                    },
                ),
            };
            if let Some(key) = key.filter(|key| key.contains('/')) {
                *named.entry(key.to_owned()).or_default() += 1;
            }
        }
    }
    named
}

fn full_context() -> PlanContext {
    PlanContext {
        git_commit: Some("0123abc".to_owned()),
        notices: vec!["the role may see only some workspaces".to_owned()],
        diagnostics: vec![Diagnostic::warning("SX0153", "`a` stands in two places").at(at(
            "manifests/a.yaml",
            3,
            4,
        ))],
        ..context()
    }
}

fn one_of_all() -> Plan {
    let mut plan = everything();
    let mut renamed = bumped("anz-smb", "new-name");
    (renamed.kind, renamed.from, renamed.reason) =
        (ActionKind::Rename, Some("old-name".into()), Reason::Moved { from: "old-name".into() });
    let mut for_good = gone("anz-smb", "never-again");
    for_good.permanent = true;
    for_good.dependents = vec![(crate::kinds::find("Credential").unwrap(), 31)];
    plan.actions.extend([renamed, for_good]);
    plan.actions.extend((1..=4).map(|number| bumped("anz-smb", &format!("shop-{number}"))));
    plan.environment = Some("prod".to_owned());
    plan.suspects = vec![Suspect {
        from: key("Tenant", "anz-smb", "old"),
        to: key("Tenant", "anz-smb", "fresh"),
        field: "shopifyShop",
        value: "old.myshopify.com".to_owned(),
    }];
    plan.included = vec![key("Workspace", "anz-smb", "anz-smb")];
    plan.withheld = vec![(ActionKind::Delete, 3)];
    plan
}

#[test]
fn one_of_everything() {
    let text = markdown(&one_of_all(), &full_context(), &github(65_000));
    sound(&text, 65_000);
    insta::assert_snapshot!(text);
}

#[test]
fn one_of_everything_where_nothing_folds() {
    let options = MarkdownOptions { unchanged_fields: true, ..MarkdownOptions::of(Preset::Slack) };
    let text = markdown(&one_of_all(), &full_context(), &options);
    sound(&text, 11_900);
    assert!(!text.contains("<details>") && !text.contains("| "), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn nothing_to_do_is_said_in_one_word() {
    let text = markdown(&plan(vec![]), &PlanContext::default(), &github(65_000));
    let digest = plan(vec![]).digest();
    assert_eq!(
        text,
        format!("<!-- synthex:plan:default:{digest} -->\n## Plan for `agency`\n\nNo changes.\n")
    );
    sound(&text, 65_000);
}

#[test]
fn only_some_actions_are_shown_and_all_are_counted() {
    let options = MarkdownOptions { only: Only::kinds(&[ActionKind::Delete]), ..github(65_000) };
    let text = markdown(&everything(), &context(), &options);
    sound(&text, 65_000);
    assert!(!text.contains("acme") && text.contains("tenant/anz-smb/old"), "{text}");
    assert!(
        text.contains("2 creates, 1 update, 1 restore and 1 adopt are not shown because of `--only delete`"),
        "{text}"
    );
    assert!(
        text.ends_with("Plan: 3 to create, 2 to update, 1 to delete, 0 to rename, 3 unchanged.\n"),
        "{text}"
    );
}

#[test]
fn drift_is_marked_with_the_role_where_it_is_folded_too() {
    let mut actions: Vec<Action> = (0..5).map(|number| bumped("w", &format!("t{number}"))).collect();
    actions.iter_mut().for_each(|action| action.reason = drift());
    let text = markdown(&plan(actions), &context(), &github(65_000));
    assert!(
        text.contains(
            "<summary><b>update</b> the same 2-line change in 5 tenants: <code>market</code> · drift by role <code>bob</code></summary>"
        ),
        "{text}"
    );
    assert!(text.contains("\ntenant/w/t3  2026-03-04 05:06:07 UTC\n"), "{text}");
}

#[test]
fn what_stands_in_place_of_a_plan_starts_like_one() {
    let problems: Vec<Diagnostic> = (0..2_000)
        .map(|number| {
            Diagnostic::error("SX0102", format!("`x{number}` is @not a [field](y)")).at(at(
                "m/a.yaml",
                number + 1,
                1,
            ))
        })
        .collect();
    let text = failure(
        Some("prod"),
        ("the manifests have problems", None, Some("mend `them`")),
        &problems,
        &github(10_000),
    );
    assert!(text.starts_with("<!-- synthex:plan:prod:failed -->\n## The plan could not be made\n"), "{text}");
    assert!(text.len() <= 10_000 && text.contains("more problems, see artifact"), "{text}");
    assert!(!skeleton(&text).contains(['@', '[']), "{text}");
}
