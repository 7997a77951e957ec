//! A message in one line of a log, as words or as JSON (M-D16).

use super::{Words, line, webhook};

/// The most characters of a line.
const MOST_LINE: usize = 4_000;

/// The most items that a line tells of.
const MOST_LISTED: usize = 20;

/// The line, without its end.
#[must_use]
pub fn text(words: &Words<'_>) -> String {
    let mut parts = vec![words.title.clone()];
    parts.extend(words.lead.split("\n\n").map(line).filter(|paragraph| !paragraph.is_empty()));
    let items = words.items();
    if let [one] = items {
        parts.extend((line(&one.what) != line(&words.notice.message.title)).then(|| line(&one.what)));
        parts.extend(words.facts(one).iter().map(|(name, value)| format!("{name}: {value}")));
    } else if !items.is_empty() {
        let listed: Vec<String> = items.iter().take(MOST_LISTED).map(|item| line(&item.what)).collect();
        parts.push(listed.join("; "));
    }
    parts.extend(words.cut_items(items.len().min(MOST_LISTED)));
    let line = format!("{} {}: {}", words.notice.workspace, words.notice.channel, parts.join(" | "));
    super::cut(&line, MOST_LINE)
}

/// The line as JSON: what a webhook is posted.
#[must_use]
pub fn json(words: &Words<'_>) -> String {
    webhook::body(words)
}
