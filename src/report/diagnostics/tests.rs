//! Problems as people and programs see them, and that nothing in a manifest can reach a terminal or a workflow command.

use serde_json::json;

use super::*;
use crate::model::diagnostic::Excerpt;
use crate::model::{Diagnostic, Position};
use crate::report::Style;
use crate::report::clean::is_unsafe;

fn at(file: &str, line: u32, column: u32) -> Position {
    Position { file: file.into(), line, column }
}

fn wrong_enum() -> Diagnostic {
    let mut diagnostic = Diagnostic::error("SX0156", "`market` cannot be \"anz\"")
        .at(at("manifests/acme.yaml", 12, 11))
        .about("tenant/anz-smb/acme")
        .help("did you mean `ANZ_SMB`?");
    diagnostic.pointer = Some("/spec/market".to_owned());
    diagnostic.excerpt = Some(Excerpt { line: "  market: anz".to_owned(), start: 10, end: 13 });
    diagnostic
}

fn duplicate() -> Diagnostic {
    let mut diagnostic = Diagnostic::warning("SX0201", "tenant/anz-smb/acme is declared twice")
        .at(at("b.yaml", 3, 9))
        .related(at("a.yaml", 7, 9), "first declared here");
    diagnostic.excerpt = Some(Excerpt { line: "  name: acme".to_owned(), start: 8, end: 12 });
    diagnostic
}

fn bad_cell() -> Diagnostic {
    let mut diagnostic = Diagnostic::error("SX0156", "`region` cannot be \"AU-SE9\"")
        .at(at("tenants.csv", 37, 5))
        .help("use AU-SE1");
    let line = "A1,\"Acme, Inc\",shopify,ANZ_SMB,AU-SE9,acme.myshopify.com".to_owned();
    diagnostic.excerpt = Some(Excerpt { line, start: 0, end: 0 });
    diagnostic
}

/// Everything a manifest could bring into a diagnostic, full of escapes.
fn attack() -> Diagnostic {
    let evil = "\u{1b}[2J\u{9b}31m\u{202e}\r\n::set-env name=PATH::/evil%0A::error::\u{7}";
    let mut diagnostic = Diagnostic::error("SX0153", format!("unknown field {evil}"))
        .at(at(&format!("a,b:{evil}.yaml"), 1, 3))
        .about(evil)
        .help(evil)
        .related(at(evil, 1, 1), evil);
    diagnostic.pointer = Some(evil.to_owned());
    diagnostic.excerpt = Some(Excerpt { line: evil.replace('\n', ""), start: 4, end: 6 });
    diagnostic
}

#[test]
fn a_problem_shows_its_place_its_line_and_what_to_do() {
    insta::assert_snapshot!(human(&[wrong_enum(), duplicate()], &Style::plain(), 10));
}

#[test]
fn a_cell_of_a_table_is_marked_and_its_place_counts_fields() {
    let text = human(&[bad_cell()], &Style::plain(), 10);
    insta::assert_snapshot!(text);
    assert!(text.contains("--> tenants.csv:37:5\n"));
}

#[test]
fn a_place_is_always_the_diagnostics_own() {
    let mut shortened = wrong_enum();
    shortened.position = Some(at("wide.yaml", 1, 4711));
    shortened.excerpt = Some(Excerpt { line: "…some: anz…".to_owned(), start: 9, end: 12 });
    assert!(human(&[shortened], &Style::plain(), 1).contains("--> wide.yaml:1:4711\n"));
    let mut bare = wrong_enum();
    bare.excerpt = None;
    assert!(human(&[bare], &Style::plain(), 1).contains("--> manifests/acme.yaml:12:11"));
    let mut empty = wrong_enum();
    empty.position = Some(at("empty.yaml", 1, 1));
    empty.excerpt = Some(Excerpt { line: String::new(), start: 0, end: 0 });
    assert!(human(&[empty], &Style::plain(), 1).contains("--> empty.yaml:1:1"));
    let mut broken = wrong_enum();
    broken.excerpt = Some(Excerpt { line: "é".to_owned(), start: 1, end: 99 });
    assert!(human(&[broken], &Style::plain(), 1).contains("--> manifests/acme.yaml:12:11"));
}

#[test]
fn without_a_place_there_is_only_the_message() {
    let text = human(
        &[Diagnostic::error("SX0209", "there is no synthex.yaml").help("run init")],
        &Style::plain(),
        9,
    );
    assert_eq!(
        text,
        "error[SX0209]: there is no synthex.yaml\n |\n = help: run init\n\n1 error, 0 warnings\n"
    );
}

#[test]
fn more_than_the_limit_are_counted_by_code() {
    let mut many = vec![wrong_enum(); 5];
    many.extend(vec![duplicate(); 2]);
    let text = human(&many, &Style::plain(), 1);
    assert_eq!(text.matches("error[SX0156]").count(), 1);
    assert!(
        text.ends_with("\n\n… and 6 more problems (4 × SX0156, 2 × SX0201)\n\n5 errors, 2 warnings\n"),
        "{text}"
    );
    let ascii = Style { unicode: false, ..Style::plain() };
    assert!(human(&many, &ascii, 6).contains("... and 1 more problem (1 x SX0201)\n"));
    assert_eq!(human(&[], &Style::plain(), 1), "");
}

#[test]
fn nothing_in_a_manifest_reaches_the_terminal() {
    for color in [false, true] {
        let style = Style { color, ..Style::plain() };
        let text = human(&[attack()], &style, 10);
        let ours = anstream_free(&text);
        assert!(!ours.chars().any(|character| character != '\n' && is_unsafe(character)), "{ours:?}");
        assert!(!text.contains("\u{1b}[2J") && !text.contains("\u{1b}]8"), "{text:?}");
        assert!(text.contains("\\u{1b}[2J"), "{text}");
    }
}

/// The text without the colour codes that a report writes itself: `ESC [ digits and semicolons m`.
fn anstream_free(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("\u{1b}[") {
        plain.push_str(&rest[..at]);
        let codes = &rest[at + 2..];
        let end = codes
            .find(|character: char| !character.is_ascii_digit() && character != ';')
            .unwrap_or(codes.len());
        if codes[end..].starts_with('m') {
            rest = &codes[end + 1..];
        } else {
            plain.push('\u{1b}');
            rest = codes;
        }
    }
    plain + rest
}

#[test]
fn workflow_commands_have_a_line_each_and_cannot_be_broken_out_of() {
    assert_eq!(
        github(&[wrong_enum(), Diagnostic::warning("SX0209", "50% of it")]),
        "::error file=manifests/acme.yaml,line=12,col=11,title=SX0156::`market` cannot be \"anz\"%0Ahelp: did you mean `ANZ_SMB`?\n\
         ::warning title=SX0209::50%25 of it\n"
    );
    let text = github(&[attack()]);
    assert_eq!(text.lines().count(), 1);
    assert!(text.starts_with("::error file=a%2Cb%3A\\u{1b}[2J"), "{text}");
    assert!(text.contains("%250A") && text.ends_with('\n'));
    assert!(!text.trim_end().chars().any(is_unsafe));
}

#[test]
fn json_has_every_member_always() {
    let expected = json!([
        {
            "severity": "error", "code": "SX0156", "message": "`market` cannot be \"anz\"",
            "resource": "tenant/anz-smb/acme", "pointer": "/spec/market",
            "file": "manifests/acme.yaml", "line": 12, "column": 11,
            "help": "did you mean `ANZ_SMB`?", "related": []
        },
        {
            "severity": "warning", "code": "SX0201", "message": "tenant/anz-smb/acme is declared twice",
            "resource": null, "pointer": null, "file": "b.yaml", "line": 3, "column": 9, "help": null,
            "related": [{"file": "a.yaml", "line": 7, "column": 9, "note": "first declared here"}]
        }
    ]);
    assert_eq!(json(&[wrong_enum(), duplicate()]), expected);
    assert_eq!(json(&[]), json!([]));
    let bare = json(&[Diagnostic::error("SX0209", "m")]);
    assert_eq!((&bare[0]["file"], &bare[0]["line"]), (&json!(null), &json!(null)));
}

#[test]
fn sarif_names_rules_once_and_places_as_uris() {
    let log = sarif(&[wrong_enum(), bad_cell(), duplicate()], "1.2.3");
    let run = &log["runs"][0];
    assert_eq!(log["version"], "2.1.0");
    assert_eq!(run["tool"]["driver"]["version"], "1.2.3");
    let rules: Vec<_> =
        run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| &rule["id"]).collect();
    assert_eq!(rules, ["SX0156", "SX0201"]);
    assert_eq!(run["results"][2]["ruleIndex"], 1);
    assert_eq!(run["results"][2]["level"], "warning");
    let place = &run["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["region"], json!({"startLine": 12, "startColumn": 11}));
    assert_eq!(run["results"][1]["locations"][0]["physicalLocation"]["region"], json!({"startLine": 37}));
    let related = &run["results"][2]["relatedLocations"][0];
    assert_eq!(related["message"]["text"], "first declared here");
    let uri = sarif(&[attack()], "1")["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
        ["uri"]
        .clone();
    assert!(uri.as_str().unwrap().starts_with("a,b%3A%1B%5B2J"), "{uri}");
}
