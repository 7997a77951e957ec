//! The short way must give exactly what the event parser gives, or give up.

use serde_json::Value;

use super::super::{Limits, parse_events, simple, split};

/// Compares the two readers on every document of a text; says how many the short way took.
#[track_caller]
fn compare(text: &str, limits: &Limits) -> usize {
    let mut taken = 0;
    for range in split(text) {
        let slice = &text[range.clone()];
        if let Some(simple) = simple::parse(slice, range.start, limits) {
            taken += 1;
            assert_eq!(Ok(simple), parse_events(slice, range.start, limits), "{slice:?}");
        }
    }
    taken
}

#[track_caller]
fn check_taken(text: &str) {
    assert_eq!(compare(text, &Limits::default()), 1, "the short way gives up on {text:?}");
}

#[track_caller]
fn check_not_taken(text: &str) {
    assert_eq!(compare(text, &Limits::default()), 0, "the short way takes {text:?}");
}

#[test]
fn manifests_take_the_short_way() {
    check_taken(
        "# head\n---\napiVersion: synthex.dev/v1\nkind: Tenant # what\nmetadata:\n  name: SMB_CLIENT_001          # id\n  labels: {tier: gold, n: 1.10}\n\
         spec:\n\n  displayName: Café Corp & Sons, Ltd\n  website: https://acme.example\n  businessId: {country: AU, number: \"51 824 753 556\"}\n  empty:\n  \
         metadata: {}\n  list:\n  - a\n  # c\n  - 'b'\n  - x: 1\n    y: [a, [b, 'c']]\n  protect: false\n  cron: 0 9 * * *\n",
    );
    check_taken("a: b");
    check_taken("a:\r\n  b: c\r\n  d:\r\n");
    check_taken("- a\n- b: c\n  d:\n  - e\n  - f:\n- g\n");
    check_taken("---   # c\n- a # b\n");
    check_taken("    a: 1\n    b: 2\n");
    check_taken("a: C:\\dir\nb: it's \"so\"\nc: a#b\nd: x:y\ne: 'back\\slash'\n");
    check_taken("a: -5\nb: -.5\nc: ~\nd: +5\n");
}

#[test]
fn what_is_not_certain_takes_the_long_way() {
    let texts = [
        "a: b\n  c",
        "a: b: c",
        "a: [b\n]",
        "a: &x b",
        "a: *x",
        "a: !!str b",
        "a: |\n  b",
        "a: \"x\\n\"",
        "a: 'x''y'",
        "? a\n: b",
        "\"a\": b",
        "a: b\na: c",
        "a: no",
        "a: 0123",
        "a:\tb",
        "\ta: b",
        "a: b\t",
        "a: b # x\ry: z",
        "a: \"b\"#c",
        "a: b\u{85}c",
        "a: \u{feff}b",
        "a: x\0",
        "# \u{1}\na: b",
        "a: {b: c}: d",
        "a: {b: c",
        "a: {b}",
        "a: [b: c]",
        "a: [b:]",
        "a: [b,]",
        "- - a",
        "-\n  a",
        "- \n",
        "-",
        "scalar",
        "a: b\n...\n",
        "%YAML 1.2\n---\na: b",
        "<<: b",
        "a:\n- b\n c: d",
        " a: b\nc: d",
        "a: b\n - c",
        "a: b\n- c",
        "a:b",
        "--- a: b",
        "--- x",
        "a: `x`",
        "a: @x",
        "a: %x",
        "a: ,x",
        "a: -x",
        "a: - x",
        "a: b:",
        "a: b: # c",
        "a: '\n'",
        "a: \"b\nc\"",
        "a: .inf",
        "k\u{e9}: v",
        "a: b\rc: d\r",
        "a: b\r",
    ];
    texts.into_iter().for_each(check_not_taken);
    check_not_taken(&format!("{}: v", "k".repeat(2000)));
}

#[test]
fn the_short_way_keeps_the_limits() {
    let limits = Limits { max_depth: 2, max_nodes: 4, ..Limits::default() };
    for (text, taken) in [
        ("a: {b: c}", 1),
        ("a: {b: [c]}", 0),
        ("a:\n  b:\n    c: d\n", 0),
        ("- 1\n- 2\n- 3", 1),
        ("- 1\n- 2\n- 3\n- 4", 0),
        ("- [1, 2, 3]", 0),
    ] {
        assert_eq!(compare(text, &limits), taken, "{text:?}");
        assert_eq!(taken == 1, parse_events(text, 0, &limits).is_ok(), "{text:?}");
    }
}

#[test]
fn both_ways_agree_on_the_yaml_test_suite() {
    let mut taken = 0;
    for line in include_str!("../../../../tests/cases/yaml-test-suite/cases.jsonl").lines() {
        let case: Value = serde_json::from_str(line).expect("a case is JSON");
        let text = case["yaml"].as_str().expect("a case has text");
        taken += compare(text, &Limits::default());
        taken += compare(&text.replace('\n', "\r\n"), &Limits::default());
    }
    assert!(taken > 40, "only {taken}");
}

#[test]
fn both_ways_agree_on_generated_text() {
    const ROUNDS: u32 = 20_000;
    let mut random = Random(0x5eed);
    let taken: usize = (0..ROUNDS).map(|_| compare(&random.text(), &Limits::default())).sum();
    assert!(taken > ROUNDS as usize / 20, "only {taken} of {ROUNDS}");
}

/// A linear congruential generator: the same texts on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// A few lines that are often nearly right.
    #[expect(clippy::too_many_lines, reason = "a list of shapes, one a line")]
    fn text(&mut self) -> String {
        const KEYS: &[&str] =
            &["a:", "b:", "c:", "dd:", "e-f:", "k/x.y:", "true:", "a", "\"q\":", "a :", "1:", "_x:", "<<:"];
        const VALUES: &[&str] = &[
            "",
            "",
            "x",
            "y z",
            "1",
            "1.10",
            "true",
            "~",
            "\"q\"",
            "'s'",
            "{}",
            "[]",
            "{a: b}",
            "[a, 1]",
            "{a: [x, {b: c}], d: \"e\"}",
            "[ a , b ]",
            "x:y",
            "http://x/y?z=1",
            "x #y",
            "x#y",
            "x # y",
            "é",
            "- x",
            "-1",
            "no",
            "012",
            "x:",
            "x: y",
            "[a",
            "]",
            "{a:b}",
            "{a: }",
            "{a: b:c}",
            "[a#b, c #d]",
            "|",
            "> ",
            "&a x",
            "*a",
            "!t x",
            "'it''s'",
            "\"\\n\"",
            "\"a\" b",
            "'",
            "\"",
            ",",
            "x,y",
            "[x:y, ::]",
            "[1,2]",
            "{a: 1,b: 2}",
            "{ a: 'x' , b: \"y\"}",
            "[-1, ~, .5, +2]",
            "12:30",
            "a\tb",
            "(x)",
            "$x",
            "0x1f",
            "1e3",
            "2026-11-22",
            "...",
            "---",
            "a\\b",
        ];
        const ENDS: &[&str] = &[
            "\n",
            "\n",
            "\n",
            "\n",
            "\n",
            " \n",
            " # c\n",
            "\r\n",
            "\n\n",
            "\n# c\n",
            "\n  # c\n",
            "#c\n",
            "\t\n",
            "\r",
            "",
        ];
        const INDENTS: &[&str] =
            &["", "", "", "  ", "  ", "    ", " ", "   ", "- ", "- ", "  - ", "-   ", "- - ", "    - ", "\t"];
        let mut text = self
            .pick(&[
                "",
                "",
                "",
                "---\n",
                "# c\n",
                "--- \n",
                "\n",
                "%YAML 1.2\n---\n",
                "--- # c\n",
                "\u{feff}",
            ])
            .to_owned();
        for _ in 0..=self.below(6) {
            text.push_str(self.pick(INDENTS));
            if self.below(5) > 0 {
                text.push_str(self.pick(KEYS));
                text.push_str(self.pick(&[" ", " ", " ", " ", "  ", "", "\t"]));
            }
            let (values, ends) = if self.below(4) > 0 { (&VALUES[..26], &ENDS[..9]) } else { (VALUES, ENDS) };
            text.push_str(self.pick(values));
            text.push_str(self.pick(ends));
        }
        text
    }
}
