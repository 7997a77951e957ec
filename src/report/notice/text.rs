//! A message as plain text: the body of a mail for those who read no HTML, and the form that people see first of all.

use super::{Words, line};

/// The most items that a mail lists.
pub const MOST_LISTED: usize = 100;

/// A subject: the title, on one line. What a header must not hold is not in it.
#[must_use]
pub fn subject(words: &Words<'_>) -> String {
    line(&words.title)
}

/// The body.
#[must_use]
pub fn body(words: &Words<'_>) -> String {
    let mut out = format!("{}\n", words.title);
    if !words.lead.is_empty() {
        out.push_str(&format!("\n{}\n", words.lead));
    }
    let listed = words.items().len().min(MOST_LISTED);
    for (index, item) in words.items().iter().take(listed).enumerate() {
        out.push_str(&format!("\n{}. [{}] {}\n", index + 1, item.severity.code(), line(&item.what)));
        for (name, value) in words.facts(item) {
            out.push_str(&format!("   {:<13}{value}\n", format!("{name}:")));
        }
    }
    if let Some(cut) = words.cut_items(listed) {
        out.push_str(&format!("\n{cut}\n"));
    }
    out.push_str(&format!("\n-- \n{}\n", words.origin()));
    out
}
