//! One rule as a page for the terminal.

use crate::report::Style;
use crate::report::clean::width;
use crate::report::paint::{Paint, paint};

use super::Rule;

/// The rule's code and title, then its text, broken to the terminal's width; examples stay as they are.
#[must_use]
pub fn human(rule: &Rule, style: &Style) -> String {
    let title = format!("{}: {}", rule.code, rule.title);
    let mut page = format!("{}\n\n", paint(&title, Paint::Strong, style));
    let mut paragraph = String::new();
    for line in rule.text.lines() {
        let stays = line.starts_with("    ") || line.ends_with(':') && !line.contains(' ') || line.is_empty();
        if !stays {
            paragraph.push_str(line);
            paragraph.push(' ');
            continue;
        }
        wrap(&mut page, &paragraph, style.width.clamp(40, 100));
        paragraph.clear();
        page.push_str(line);
        page.push('\n');
    }
    wrap(&mut page, &paragraph, style.width.clamp(40, 100));
    page
}

fn wrap(page: &mut String, paragraph: &str, room: usize) {
    let mut taken = 0;
    for word in paragraph.split_whitespace() {
        if taken > 0 && taken + 1 + width(word) > room {
            page.push('\n');
            taken = 0;
        } else if taken > 0 {
            page.push(' ');
            taken += 1;
        }
        page.push_str(word);
        taken += width(word);
    }
    if taken > 0 {
        page.push('\n');
    }
}
