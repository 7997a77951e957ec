//! Whatever names, values and messages are: they stay in their code.

use proptest::prelude::*;

use super::*;
use crate::report::sample::time;

fn nasty() -> impl Strategy<Value = String> {
    let fragment = prop::sample::select(vec![
        "`",
        "``",
        "```",
        "\n```\n",
        "````diff",
        "|",
        "\\|",
        "<script>alert(1)</script>",
        "</details>",
        "<details>",
        "</summary>",
        "</code>",
        "@team",
        " @org/team ",
        "#123",
        "GH-12",
        "org/repo#4",
        "<!--",
        "-->",
        "\r\n",
        "\n",
        "\n\n",
        "\n# title",
        "\n- x",
        "[a](https://b.c)",
        "![a](b)",
        "\u{1b}[31m",
        "\u{202e}",
        "\u{200b}",
        "\u{0}",
        "*",
        "**",
        "_",
        "~~~",
        "~~",
        "\\",
        "&#64;team",
        "https://a.b",
        "www.a.b",
        "$x$",
        ":tada:",
        "<!channel>",
        "<@U1>",
        "\n/close",
        "\n::error::x",
        "{",
        "}",
        "\"",
        "'",
        "é",
        "株式会社",
        "🛍️",
        "\t",
        " ",
        "a",
        "word",
        "1.",
        "true",
        "---",
        "===",
        "> ",
        "    ",
        "\u{2028}",
        "&lt;",
    ]);
    let short = prop::collection::vec(fragment, 0..8).prop_map(|parts| parts.concat());
    prop_oneof![9 => short.clone(), 1 => short.prop_map(|text| text.repeat(10_000 / text.len().max(1)))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_foreign_gets_out(texts in prop::collection::vec(nasty(), 12), max in 8_000_usize..30_000, folds: bool) {
        let text = |index: usize| texts[index].as_str();
        let spec = |value: &str| json!({
            "labels": {text(0): value},
            "spec": {"displayName": value, "metadata": {text(1): [value, {text(2): value}]}, text(3): format!("{value}\n{}\n{value}", text(4))},
        });
        let tenant = |name: &str| key("Tenant", text(5), name);
        let mut changed = update(tenant(text(6)), &spec(text(7)), &spec(text(8)));
        changed.reason = Reason::EditedAndDrift { actor: text(9).to_owned(), at: time("2026-01-02T03:04:05Z") };
        changed.position = Some(at(text(10), 1, 1));
        changed.changes.iter_mut().for_each(|change| change.origin = Origin::Template(text(11).to_owned()));
        let mut renamed = changed.clone();
        (renamed.kind, renamed.from) = (ActionKind::Rename, Some(text(1).into()));
        let mut removed = delete(tenant(text(9)), &spec(text(2)));
        (removed.protected, removed.permanent) = (true, true);
        let mut all = vec![create(tenant(text(0)), &spec(text(3))), changed.clone(), renamed, removed];
        all.extend((0..4).map(|number| { let mut same = changed.clone(); same.key.name = format!("{number}{}", text(4)).into(); same }));
        let mut plan = Plan { environment: Some(text(2).to_owned()), ..plan(all) };
        plan.refusals = vec![Refusal {
            code: "SX0501", key: None, message: text(3).to_owned(), help: text(5).to_owned(), position: Some(at(text(6), 1, 2)), can_be_acknowledged: true,
        }];
        plan.suspects = vec![Suspect { from: tenant(text(7)), to: tenant(text(8)), field: "shopifyShop", value: text(9).to_owned() }];
        plan.included = vec![tenant(text(10))];
        plan.undeclared = vec![tenant(text(11))];
        let context = PlanContext {
            project: text(0).to_owned(), database: text(1).to_owned(), git_commit: Some(text(2).to_owned()), notices: vec![text(3).to_owned()],
            state_revision: None,
            impact: None,
            diagnostics: vec![Diagnostic::warning("SX0153", text(4)).at(at(text(5), 1, 1))],
        };
        let preset = if folds { Preset::Github } else { Preset::Bitbucket };
        let options = MarkdownOptions { max_bytes: max, artifact: text(6).to_owned(), ..MarkdownOptions::of(preset) };
        sound(&markdown(&plan, &context, &options), max);
        for part in parts(&plan, &context, &options) {
            sound(&part, max);
        }
        let failed = failure(Some(text(7)), (text(8), Some(text(9)), Some(text(10))), &context.diagnostics, &options);
        prop_assert!(failed.len() <= max);
        let outside = skeleton(&failed);
        prop_assert!(!outside.contains('@') && !outside.contains("](") && !outside.contains("<script"), "{}", failed);
    }
}
