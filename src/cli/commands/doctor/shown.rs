//! How the findings are shown: a block for each group, and a last line that counts; or JSON.

use serde_json::{Map, Value, json};

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::report::Style;
use crate::report::clean::clean;
use crate::report::paint::{Paint, paint};

use super::Group;
use super::check::{Check, Status, counted};

/// Shows the findings.
pub fn show(context: &Context, groups: &[Group]) {
    if context.global.format == Format::Json {
        context.printer.json(&document(groups));
    } else {
        context.printer.result(&text(groups, &context.printer.stdout));
    }
}

fn count(groups: &[Group], status: Status) -> usize {
    groups.iter().flat_map(|group| &group.checks).filter(|check| check.status == status).count()
}

fn overall(groups: &[Group]) -> Status {
    let any = |status: &Status| count(groups, *status) > 0;
    [Status::Fail, Status::Warn].into_iter().find(any).unwrap_or(Status::Ok)
}

fn document(groups: &[Group]) -> Value {
    let counts: Map<String, Value> =
        Status::ALL.iter().map(|status| (status.code().to_owned(), count(groups, *status).into())).collect();
    let checks = groups.iter().flat_map(|group| {
        group.checks.iter().map(|check| {
            let Check { id, status, what, why, help } = check;
            json!({"id": id, "group": group.name, "status": status.code(), "what": what, "why": why, "help": help})
        })
    });
    json!({
        "format_version": "1.0",
        "status": overall(groups).code(),
        "summary": counts,
        "checks": checks.collect::<Vec<_>>(),
    })
}

fn text(groups: &[Group], style: &Style) -> String {
    let mut text = String::new();
    for group in groups {
        text.push_str(&format!("{}\n", paint(group.title, Paint::Strong, style)));
        for check in &group.checks {
            let mark = match check.status {
                Status::Ok => paint("ok  ", Paint::Added, style),
                Status::Info => paint("info", Paint::Dim, style),
                Status::Warn => paint("warn", Paint::Warning, style),
                Status::Fail => paint("FAIL", Paint::Error, style),
                Status::Skipped => paint("-   ", Paint::Dim, style),
            };
            text.push_str(&format!("  {mark}  {}\n", clean(&check.what)));
            if let Some(why) = &check.why {
                text.push_str(&format!("        why: {}\n", clean(why)));
            }
            if let Some(help) = &check.help {
                let label = paint("do:", Paint::Help, style);
                text.push_str(&format!("        {label}  {}\n", clean(help)));
            }
        }
        text.push('\n');
    }
    let parts = [
        (Status::Fail, "failed"),
        (Status::Warn, "to be looked at"),
        (Status::Ok, "ok"),
        (Status::Info, "to know"),
        (Status::Skipped, "not looked at"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .map(|(status, words)| (count(groups, status), words))
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
    let all = groups.iter().map(|group| group.checks.len()).sum();
    text.push_str(&format!("{}: {}.\n", counted(all, "check"), parts.join(", ")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_says_what_to_do_and_the_last_line_counts() {
        let checks = vec![
            Check::ok("a.a", "fine"),
            Check::warn("a.b", "not so \u{1b}[31mfine", "mend it").why("it is worn"),
            Check::fail("a.c", "broken", "replace it"),
        ];
        let groups = [Group { name: "a", title: "Things", checks }];
        assert_eq!(
            text(&groups, &Style::plain()),
            "Things\n  ok    fine\n  warn  not so \\u{1b}[31mfine\n        why: it is worn\n        do:  mend it\n  \
             FAIL  broken\n        do:  replace it\n\n3 checks: 1 failed, 1 to be looked at, 1 ok.\n"
        );
        let json = document(&groups);
        assert_eq!((&json["status"], &json["summary"]["warn"]), (&json!("fail"), &json!(1)));
        assert_eq!(
            json["checks"][2],
            json!({"id": "a.c", "group": "a", "status": "fail", "what": "broken", "why": null, "help": "replace it"})
        );
    }
}
