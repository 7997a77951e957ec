//! A message in one line of a log, as words or as JSON (M-D16).

use super::{Words, line, webhook};

/// The most characters of a line.
const MOST_LINE: usize = 4_000;

/// The line, without its end.
#[must_use]
pub fn text(words: &Words<'_>) -> String {
    let mut parts = vec![words.title.clone()];
    if !words.text.is_empty() {
        parts.push(line(&words.text));
    }
    let listed: Vec<String> = words.items().iter().take(20).map(|item| line(&item.what)).collect();
    if !listed.is_empty() {
        parts.push(listed.join("; "));
    }
    parts.extend(words.cut_items(listed.len()));
    let line = format!("{} {}: {}", words.notice.workspace, words.notice.channel, parts.join(" | "));
    super::cut(&line, MOST_LINE)
}

/// The line as JSON: what a webhook is posted.
#[must_use]
pub fn json(words: &Words<'_>) -> String {
    webhook::body(words)
}
