//! An error in three lines: what happened, why, what to do.

use serde_json::{Value, json};

use super::Style;
use super::clean::clean;
use super::paint::{Paint, paint};

/// The lines for a person, each ended by a line break: `error: ...`, `  why: ...`, `  help: ...`. Control characters within
/// a line are made visible, so each part stays on its line.
#[must_use]
pub fn human(what: &str, why: Option<&str>, help: Option<&str>, style: &Style) -> String {
    let mut text = format!("{} {}\n", paint("error:", Paint::Error, style), clean(what.trim_end()));
    if let Some(why) = why {
        text.push_str(&format!("  {} {}\n", paint("why:", Paint::Strong, style), clean(why.trim_end())));
    }
    if let Some(help) = help {
        text.push_str(&format!("  {} {}\n", paint("help:", Paint::Help, style), clean(help.trim_end())));
    }
    text
}

/// The same for a program. `code` is a stable word, such as `database-unreachable`.
#[must_use]
pub fn json(code: &str, what: &str, why: Option<&str>, help: Option<&str>) -> Value {
    json!({"code": code, "what": what, "why": why, "help": help})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_one_line() {
        let text =
            human("cannot connect", Some("refused\nby \u{1b}[2Jhost"), Some("start it"), &Style::plain());
        assert_eq!(text, "error: cannot connect\n  why: refused\\nby \\u{1b}[2Jhost\n  help: start it\n");
    }

    #[test]
    fn parts_that_are_not_known_are_left_out() {
        assert_eq!(human("it broke\n", None, None, &Style::plain()), "error: it broke\n");
        assert_eq!(json("c", "w", None, None), json!({"code": "c", "what": "w", "why": null, "help": null}));
    }
}
