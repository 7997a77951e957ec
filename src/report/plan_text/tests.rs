//! Plans as a person reads them.

use serde_json::{Value, json};

use super::*;
use crate::model::Origin;
use crate::plan::Reason;
use crate::report::clean::is_unsafe;
use crate::report::sample::{at, context, create, delete, everything, key, plan, time, update};

fn shown(plan: &Plan) -> String {
    human(plan, &context(), &Style::plain(), &PlanOptions::default())
}

fn updated(before: Value, after: Value) -> String {
    let action = update(key("Tenant", "w", "acme"), &json!({"spec": before}), &json!({"spec": after}));
    shown(&plan(vec![action]))
}

#[track_caller]
fn last_line(plan: &Plan, expected: &str) {
    let text = shown(plan);
    assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{text:?}");
    assert_eq!(text.lines().last(), Some(expected));
}

#[test]
fn one_of_everything() {
    let mut context = context();
    context.notices = vec!["synthex is not installed in this database yet".to_owned()];
    insta::assert_snapshot!(human(&everything(), &context, &Style::plain(), &PlanOptions::default()));
}

#[test]
fn one_of_everything_in_short() {
    let options = PlanOptions { summary_only: true, ..PlanOptions::default() };
    insta::assert_snapshot!(human(&everything(), &context(), &Style::plain(), &options));
}

#[test]
fn one_of_everything_in_ascii_and_narrow() {
    let style = Style { width: 50, unicode: false, color: false };
    let text = human(&everything(), &context(), &style, &PlanOptions::default());
    assert!(text.is_ascii(), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn nothing_to_do_is_said_in_one_word() {
    assert_eq!(shown(&plan(vec![])), "3 resources are as declared.\nNo changes.\n");
    let mut one = plan(vec![]);
    one.unchanged = 1;
    assert_eq!(shown(&one), "1 resource is as declared.\nNo changes.\n");
    one.unchanged = 0;
    assert_eq!(shown(&one), "No changes.\n");
}

#[test]
fn the_last_line_counts_restores_as_creates_and_adoptions_as_updates() {
    last_line(&everything(), "Plan: 3 to create, 2 to update, 1 to delete, 0 to rename, 3 unchanged.");
    assert!(
        shown(&everything()).contains("\nOf these, 1 restores a deleted row, 1 adopts an existing row.\n")
    );
    let one = plan(vec![create(key("Tenant", "w", "a"), &json!({"spec": {}}))]);
    last_line(&one, "Plan: 1 to create, 0 to update, 0 to delete, 0 to rename, 3 unchanged.");
    assert!(!shown(&one).contains("Of these"));
    assert!(shown(&one).contains(&format!("\nDigest: {}\n", one.digest())));
}

#[test]
fn a_refusal_without_a_change_is_not_called_no_changes() {
    let mut refused = everything();
    refused.actions.clear();
    refused.undeclared.clear();
    let text = shown(&refused);
    assert!(text.starts_with("Refused: nothing of this plan will be applied, for 1 reason:\n"), "{text}");
    last_line(&refused, "Plan: 0 to create, 0 to update, 0 to delete, 0 to rename, 3 unchanged.");
}

#[test]
fn what_is_no_longer_declared_is_named_up_to_ten() {
    let mut some = plan(vec![]);
    some.undeclared = vec![key("Tenant", "w", "a")];
    assert_eq!(
        shown(&some),
        "note: 1 resource is in the database and no longer declared; it stays (add --prune, or prune: true, to delete it):\n  \
         tenant/w/a\n\n3 resources are as declared.\nNo changes.\n"
    );
    assert!(shown(&everything()).contains("  tenant/anz-smb/gone-10\n  … and 2 more\n"));
}

#[test]
fn a_limit_hides_anything_but_deletions() {
    let options = PlanOptions { max_resources: Some(1), ..PlanOptions::default() };
    let text = human(&everything(), &context(), &Style::plain(), &options);
    assert!(text.contains("~ tenant/anz-smb/acme"), "{text}");
    assert!(text.contains("- tenant/anz-smb/old"), "{text}");
    assert!(!text.contains("acme-shopify"), "{text}");
    assert!(text.contains("\n… and 4 more resources: 2 to create, 1 to restore, 1 to adopt\n"), "{text}");
}

#[test]
fn references_to_secrets_are_one_field() {
    let key = || key("NotificationChannel", "w", "mail");
    let before = json!({"spec": {"type": "email", "email": {"password": {"env": "OLD"}, "host": "a"}}});
    let after = json!({"spec": {"type": "email", "email": {"password": {"file": "/run/p"}, "host": "b"}}});
    let text = shown(&plan(vec![update(key(), &before, &after)]));
    assert!(
        text.contains("      email.host      a       → b\n      email.password  env OLD → file /run/p\n"),
        "{text}"
    );
    let gcp =
        json!({"spec": {"slack": {"webhookUrl": {"gcpSecretManager": "projects/p/secrets/s/versions/1"}}}});
    let text = shown(&plan(vec![create(key(), &gcp)]));
    assert!(text.contains("slack.webhookUrl  Secret Manager projects/p/secrets/s/versions/1\n"), "{text}");
    let tenant = json!({"spec": {"metadata": {"env": "prod"}}});
    let text = shown(&plan(vec![create(super::super::sample::key("Tenant", "w", "a"), &tenant)]));
    assert!(text.contains("metadata.env  prod\n"), "{text}");
}

#[test]
fn texts_of_several_lines_are_compared_line_by_line() {
    let long: Vec<String> = (1..=40).map(|number| format!("line {number}")).collect();
    let before = long.join("\n") + "\n";
    let after = before.replace("line 20\n", "line twenty\nand a half\n");
    insta::assert_snapshot!(updated(
        json!({"metadata": {"notes": before, "x": 1}}),
        json!({"metadata": {"notes": after, "x": 2}})
    ));
}

#[test]
fn a_line_break_at_the_end_is_a_difference_that_is_seen() {
    let text = updated(json!({"metadata": {"n": "a\nb"}}), json!({"metadata": {"n": "a\nb\n"}}));
    assert!(text.contains("        - b (no line break at the end)\n        + b\n"), "{text}");
    let text = updated(json!({"metadata": {"n": "a\nb\n"}}), json!({"metadata": {"n": "a\r\nb\n"}}));
    assert!(text.contains("        - a\n        + a\\r\n"), "{text}");
}

#[test]
fn long_lists_are_compared_item_by_item() {
    let items: Vec<String> = (1..=20).map(|number| format!("user{number}@example.com")).collect();
    let mut more = items.clone();
    more[9] = "new@example.com".to_owned();
    let text = updated(json!({"to": items, "short": ["a"]}), json!({"to": more, "short": ["a", "b"]}));
    assert!(text.contains("        - user10@example.com\n        + new@example.com\n"), "{text}");
    assert!(text.contains("      short  [a] → [a, b]\n"), "{text}");
    assert!(!text.contains("user1@"), "{text}");
}

#[test]
fn long_values_are_cut_around_what_differs() {
    let before = format!("{}OLD{}", "x".repeat(300), "y".repeat(300));
    let after = format!("{}NEW{}", "x".repeat(300), "y".repeat(300));
    let text = updated(json!({"website": before}), json!({"website": after}));
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(text.contains("- …xxx") && text.contains("xOLDy") && text.contains("xNEWy"), "{text}");
}

#[test]
fn huge_texts_are_bounded() {
    let lines = |tag: &str| (0..5000).map(|number| format!("{tag} {number}\n")).collect::<String>();
    let text = updated(json!({"metadata": {"n": lines("a")}}), json!({"metadata": {"n": lines("b")}}));
    assert!(text.lines().count() < 120, "{}", text.lines().count());
    assert!(text.contains("… and 9920 more lines that differ\n"), "{text}");
    let wide = |tag: &str| format!("{}\n{}\n", "w".repeat(100_000), tag.repeat(50_000));
    let text = updated(json!({"metadata": {"n": wide("a")}}), json!({"metadata": {"n": wide("b")}}));
    assert!(text.len() < 6_000, "{}", text.len());
    assert!(text.contains("more characters)"), "{text}");
    let whole = shown(&plan(vec![create(key("Tenant", "w", "a"), &json!({"spec": {"n": lines("c")}}))]));
    assert!(whole.contains("… and 4920 more lines\n"), "{whole}");
}

#[test]
fn origins_are_given_only_for_values_that_are_set() {
    let mut action = update(
        key("Tenant", "w", "a"),
        &json!({"spec": {"region": "AU-SE1", "status": "active"}}),
        &json!({"spec": {"status": "suspended"}}),
    );
    action.changes.iter_mut().for_each(|change| change.origin = Origin::Default);
    let text = shown(&plan(vec![action]));
    assert!(text.contains("region  AU-SE1 → (none)\n"), "{text}");
    assert!(text.contains("status  active → suspended  (default)\n"), "{text}");
}

#[test]
fn every_reason_that_the_symbol_does_not_say_is_written() {
    let actor = || "role\u{1b}[2J".to_owned();
    let when = || time("2026-01-02T03:04:05Z");
    for (reason, expected) in [
        (
            Reason::Removed { actor: actor(), at: when() },
            "removed from the database by role role\\u{1b}[2J at 2026-01-02 03:04:05 UTC\n",
        ),
        (Reason::Drift { actor: actor(), at: when() }, "drift: changed in the database by role"),
        (Reason::EditedAndDrift { actor: actor(), at: when() }, "the declaration changed, and drift: "),
        (Reason::DeclaredAgain, "declared again after it was deleted; its fields are as declared\n"),
        (Reason::Unowned, "owned by nobody; its fields are as declared, only its owner changes\n"),
        (Reason::OwnedByCommands, "made by a command; "),
        (Reason::Undeclared, "no longer declared\n"),
    ] {
        let mut action = update(key("Tenant", "w", "a"), &json!({"spec": {}}), &json!({"spec": {}}));
        action.reason = reason;
        let text = shown(&plan(vec![action]));
        assert!(text.contains(expected), "{text}");
    }
    let mut unread = delete(key("Tenant", "w", "a"), &json!({}));
    unread.before = None;
    assert!(shown(&plan(vec![unread])).contains("no longer declared; its fields were not read\n"));
}

#[test]
fn nothing_in_a_plan_reaches_the_terminal() {
    let evil = "\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\rPlan: 0 to create";
    let spec = |more: &str| json!({"labels": {evil: more}, "spec": {"displayName": format!("{evil}{more}"), evil: [evil, {evil: evil}], "lines": format!("{evil}\n{more}\n{evil}")}});
    let mut changed = update(key("Tenant", evil, evil), &spec("a"), &spec("b"));
    changed.position = Some(at(evil, 1, 1));
    changed.changes.iter_mut().for_each(|change| change.origin = Origin::Template(evil.to_owned()));
    let mut all = plan(vec![
        changed,
        create(key("Tenant", evil, "b"), &spec("c")),
        delete(key("Tenant", evil, "c"), &spec("d")),
    ]);
    all.undeclared = vec![key("Tenant", evil, evil)];
    all.refusals = everything().refusals;
    for refusal in &mut all.refusals {
        (refusal.message, refusal.help) = (evil.to_owned(), evil.to_owned());
        refusal.position = Some(at(evil, 1, 1));
    }
    let mut context = context();
    context.notices = vec![evil.to_owned()];
    (context.database, context.project) = (evil.to_owned(), evil.to_owned());
    for summary_only in [false, true] {
        let options = PlanOptions { summary_only, ..PlanOptions::default() };
        let text = human(&all, &context, &Style::plain(), &options);
        assert!(!text.chars().any(|character| character != '\n' && is_unsafe(character)), "{text:?}");
        assert!(text.contains("\\u{1b}]0;owned\\u{7}"), "{text}");
    }
}

#[test]
fn colour_adds_nothing_but_colour() {
    let color = Style { color: true, ..Style::plain() };
    let painted = human(&everything(), &context(), &color, &PlanOptions::default());
    assert!(painted.contains("\u{1b}[32m+\u{1b}[0m"));
    let mut plain = String::new();
    for (index, part) in painted.split('\u{1b}').enumerate() {
        plain.push_str(if index == 0 { part } else { part.split_once('m').map_or("", |(_, rest)| rest) });
    }
    assert_eq!(plain, shown(&everything()));
}

#[test]
fn a_hundred_thousand_creates_are_shown_in_a_moment() {
    let spec = json!({"labels": {"tier": "gold"}, "spec": {"displayName": "Acme", "market": "ANZ_SMB", "status": "active"}});
    let one = create(key("Tenant", "w", "a"), &spec);
    let actions = (0..100_000).map(|number| {
        let mut action = one.clone();
        action.key.name = format!("tenant-{number:06}").into();
        action
    });
    let text = shown(&plan(actions.collect()));
    assert_eq!(text.matches("  + tenant/w/tenant-").count(), 100_000);
}

/// A plan with everything that is said besides changes.
fn remarkable() -> Plan {
    let spec =
        |market: &str| json!({"spec": {"displayName": "A", "market": market, "contact": {"email": "a@b.c"}}});
    let mut renamed = update(key("Tenant", "w", "b"), &spec("UK_SMB"), &spec("ANZ_SMB"));
    (renamed.kind, renamed.from, renamed.reason) =
        (ActionKind::Rename, Some("a".into()), Reason::Moved { from: "a".into() });
    let mut for_good = delete(key("Workspace", "w", "w"), &json!({}));
    for_good.permanent = true;
    let kind = |name| crate::kinds::find(name).unwrap();
    for_good.dependents = vec![(kind("Tenant"), 14), (kind("Credential"), 1)];
    let mut actions = vec![renamed, for_good];
    actions.extend(
        (1..=4).map(|number| {
            update(key("Tenant", "w", &format!("t{number}")), &spec("UK_SMB"), &spec("US_SMB"))
        }),
    );
    let mut all = plan(actions);
    all.suspects = vec![crate::plan::Suspect {
        from: key("Tenant", "w", "gone"),
        to: key("Tenant", "w", "new"),
        field: "shopifyShop",
        value: "a.myshopify.com".to_owned(),
    }];
    all.included = vec![key("Workspace", "w", "w")];
    all.withheld = vec![(ActionKind::Update, 2), (ActionKind::Delete, 1)];
    all.refusals = everything().refusals;
    all.refusals[0].key = None;
    all.refusals[0].message = "9 of 9 rows would be deleted in all workspaces".to_owned();
    all.refusals[0].position = None;
    all
}

#[test]
fn what_a_plan_says_besides_its_changes() {
    insta::assert_snapshot!(shown(&remarkable()));
    let options = PlanOptions { summary_only: true, ..PlanOptions::default() };
    let text = human(&remarkable(), &context(), &Style::plain(), &options);
    assert!(text.contains("\n> tenant/w/b (renamed from a) market\n"), "{text}");
    assert!(text.contains("\n- workspace/w (for good)\n"), "{text}");
    assert!(text.contains("\n~ tenant/w/t1 market\n") && text.contains("\n~ tenant/w/t4 market\n"), "{text}");
    assert!(text.contains("\nsame: 4 tenants change alike: market\n"), "{text}");
    assert!(!text.contains("US_SMB"), "no values: {text}");
}

#[test]
fn only_some_actions_are_shown_and_all_are_counted() {
    let options = PlanOptions { only: Only::kinds(&[ActionKind::Delete]), ..PlanOptions::default() };
    let text = human(&everything(), &context(), &Style::plain(), &options);
    assert!(text.contains("- tenant/anz-smb/old") && !text.contains("acme"), "{text}");
    let said = "note: 2 creates, 1 update, 1 restore and 1 adopt are not shown because of `--only delete`; the counts are of everything\n";
    assert!(text.contains(said), "{text}");
    assert!(
        text.ends_with("Plan: 3 to create, 2 to update, 1 to delete, 0 to rename, 3 unchanged.\n"),
        "{text}"
    );
}

#[test]
fn fields_that_stay_are_shown_when_asked_for() {
    let options = PlanOptions { unchanged_fields: true, ..PlanOptions::default() };
    let text = human(&remarkable(), &context(), &Style::plain(), &options);
    let block = "      market         UK_SMB → ANZ_SMB\n      displayName    A\n      contact.email  a@b.c\n";
    assert!(text.contains(block), "{text}");
    assert!(!shown(&remarkable()).contains("displayName"));
}
