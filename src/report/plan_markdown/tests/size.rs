//! What fits, what is left out, and in which order.

use std::collections::BTreeMap;

use super::*;

/// 20,000 changes: 18,000 creates, 1,900 updates of two sorts, 100 deletes of which some are protected.
fn large() -> Plan {
    let place = |number: usize| format!("ws-{:03}", number % 40);
    let mut actions: Vec<Action> =
        (0..18_000).map(|number| tenant(&place(number), &format!("new-{number:05}"))).collect();
    actions.extend((0..1_000).map(|number| bumped(&place(number), &format!("bumped-{number:05}"))));
    actions.extend((0..900).map(|number| {
        let spec = |value: usize| json!({"spec": {"displayName": format!("name {value}"), "notes": "x".repeat(100)}});
        update(key("Tenant", &place(number), &format!("own-{number:05}")), &spec(number), &spec(number + 1))
    }));
    actions.extend((0..100).map(|number| {
        let mut action = gone(&place(number), &format!("gone-{number:05}"));
        action.protected = number % 10 == 0;
        action
    }));
    plan(actions)
}

#[test]
fn of_twenty_thousand_changes_the_risky_come_first_and_the_others_are_counted() {
    let plan = large();
    let text = markdown(&plan, &context(), &github(65_000));
    sound(&text, 65_000);
    assert!(text.len() > 55_000, "the room is used: {}", text.len());
    let named = named(std::slice::from_ref(&text));
    let deletes: Vec<String> = plan
        .actions
        .iter()
        .filter(|one| one.kind == ActionKind::Delete)
        .map(|one| one.key.to_string())
        .collect();
    assert!(deletes.iter().all(|key| named.get(key) == Some(&1)));
    assert!(named.values().all(|times| *times == 1));
    let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words} is not in {text}"));
    assert!(place("**protected**") < place("- **delete** `tenant/ws-001/gone-00001`\n"));
    assert!(place("### Deletes (100)") < place("### Changes (1,900)"));
    assert!(place("### Changes (1,900)") < place("### Not shown here"));
    assert!(text.contains("the same 2-line change in 1,000 tenants"), "{text}");
    // What is shown and what is counted is everything.
    let counted: usize = text
        .lines()
        .filter_map(|line| {
            line.strip_prefix("- …and ")?.split(' ').next()?.replace(',', "").parse::<usize>().ok()
        })
        .sum();
    assert_eq!(named.len() + counted, 20_000, "{counted}");
    assert!(text.contains("more creates, see artifact `plan.json`: 4"), "{text}");
    assert_eq!(markdown(&large(), &context(), &github(65_000)), text);
}

#[test]
fn the_counts_of_what_is_left_out_are_right_in_each_place() {
    let mut actions: Vec<Action> = (0..5_000).map(|number| tenant("a", &format!("n-{number:04}"))).collect();
    actions.extend((0..300).map(|number| tenant("b", &format!("n-{number:04}"))));
    let text = markdown(&plan(actions), &context(), &github(20_000));
    sound(&text, 20_000);
    let shown = named(std::slice::from_ref(&text)).len();
    assert!(shown > 200 && shown < 5_000, "{shown}");
    let line = text.lines().find(|line| line.starts_with("- …and")).expect("a count");
    let number = escape::number;
    assert_eq!(
        line,
        format!(
            "- …and {} more creates, see artifact `plan.json`: {} tenants in `a`, 300 tenants in `b`",
            number(5_300 - shown),
            number(5_000 - shown)
        )
    );
}

#[test]
fn deletions_that_do_not_fit_as_lines_are_named_and_those_that_do_not_fit_at_all_are_announced() {
    let deletes = |count: usize| -> Vec<Action> {
        (0..count)
            .map(|number| {
                let mut action = gone(if number % 2 == 0 { "a" } else { "b" }, &format!("gone-{number:05}"));
                action.protected = number == 7;
                action
            })
            .collect()
    };
    let mut some = deletes(3_000);
    some.extend((0..500).map(|number| bumped("a", &format!("bumped-{number:05}"))));
    let text = markdown(&plan(some), &context(), &github(40_000));
    sound(&text, 40_000);
    assert!((0..3_000).all(|number| text.contains(&format!("\ngone-{number:05}\n"))), "all are named");
    assert!(
        text.contains("**delete** **protected** 1 tenant in `b`:") && !text.contains("WARNING"),
        "{text}"
    );

    let text = markdown(&plan(deletes(20_000)), &context(), &github(65_000));
    sound(&text, 65_000);
    let shown = text.lines().filter(|line| line.starts_with("gone-")).count();
    assert!(shown > 4_500, "{shown}");
    let missing = escape::number(20_000 - shown);
    assert!(
        text.contains(&format!(
            "> **WARNING: 20,000 resources are deleted, and {missing} of them are not named here"
        )),
        "{text}"
    );
    assert!(
        text.contains("> - **delete** 10,000 tenants in `a`\n> - **delete** 9,999 tenants in `b`\n"),
        "{text}"
    );
}

#[test]
fn everything_else_makes_room_for_deletions() {
    let gone: Vec<Action> = (0..3_000).map(|number| gone("a", &format!("gone-{number:05}"))).collect();
    let mut plan = plan(gone);
    let sample = everything().refusals[0].clone();
    plan.refusals = (0..200).map(|_| Refusal { message: "word ".repeat(60), ..sample.clone() }).collect();
    plan.suspects = (0..200).map(|_| one_of_all().suspects[0].clone()).collect();
    let text = markdown(&plan, &context(), &github(40_000));
    sound(&text, 40_000);
    assert!(
        (0..3_000).all(|number| text.contains(&format!("\ngone-{number:05}\n"))) && !text.contains("WARNING"),
        "{text}"
    );
    assert!(
        text.contains("more refusals, see artifact") && text.contains("likely renames, see artifact"),
        "{text}"
    );
}

#[test]
fn parts_name_everything_exactly_once_and_are_valid_alone() {
    let mut plan = large();
    plan.refusals = everything().refusals;
    plan.suspects = one_of_all().suspects;
    for max_bytes in [8_000, 65_000] {
        let parts = parts(&plan, &full_context(), &github(max_bytes));
        assert!(parts.len() > 20, "{}", parts.len());
        for (index, part) in parts.iter().enumerate() {
            sound(part, max_bytes);
            assert!(
                part.contains(&format!("<!-- synthex:part:{}of{} -->\n", index + 1, parts.len())),
                "{part}"
            );
            assert!(part.contains(&format!("(part {} of {})", index + 1, parts.len())), "{part}");
        }
        let named = named(&parts);
        let expected: BTreeMap<String, usize> =
            plan.actions.iter().map(|action| (action.key.to_string(), 1)).collect();
        assert!(named == expected, "{} named, {} expected", named.len(), expected.len());
    }
    assert_eq!(parts(&one_of_all(), &full_context(), &github(65_000)).len(), 1);
}
