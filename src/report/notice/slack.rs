//! A message as Slack's Block Kit. Slack refuses a message with more than 50 blocks, with more than 3,000 characters in a
//! section, and one whose texts come to more than about 13,000; so there are fewer of each, and what is left out is counted.
//!
//! In the texts `&`, `<` and `>` are the only characters that Slack acts on: escaped, a `<!channel>` in a tenant's name is
//! seen, and pings nobody.

use serde_json::{Value, json};

use crate::alerts::{Event, Item};
use crate::kinds::alert_rule::AlertSeverity;

use super::fit::{Escaped, fit};
use super::{Words, is_command, line};

/// The most blocks.
const MOST_BLOCKS: usize = 50;
/// The most characters of a section.
const MOST_SECTION: usize = 2_900;
/// The most characters of a header.
const MOST_HEADER: usize = 150;
/// The most characters of all blocks together.
const MOST_TOTAL: usize = 12_000;
/// The most characters of one item, so that a few items do not take all the room.
const MOST_ITEM: usize = 1_500;

/// A text as mrkdwn that shows it.
#[must_use]
pub fn escape(text: &str, most: usize) -> String {
    fit(text, most, |c| match c {
        '&' => Escaped::As("&amp;"),
        '<' => Escaped::As("&lt;"),
        '>' => Escaped::As("&gt;"),
        c => Escaped::plain(c),
    })
}

/// The message as JSON.
#[must_use]
pub fn payload(words: &Words<'_>) -> Value {
    let header = super::cut(&words.title, MOST_HEADER);
    let mut blocks =
        vec![json!({"type": "header", "text": {"type": "plain_text", "text": header, "emoji": false}})];
    let mut total = header.chars().count();
    if !words.lead.is_empty() {
        let text = escape(&words.lead, MOST_SECTION);
        total += text.chars().count();
        blocks.push(section(text));
    }
    let origin = escape(&words.origin(), 500);
    // Room for what was cut, and for where it comes from.
    total += origin.chars().count() + 300;
    let mut listed = 0;
    for item in words.items() {
        let text = item_text(words, item);
        let length = text.chars().map(char::len_utf16).sum::<usize>();
        if blocks.len() + 2 >= MOST_BLOCKS || total + length > MOST_TOTAL {
            break;
        }
        total += length;
        blocks.push(section(text));
        listed += 1;
    }
    if let Some(cut) = words.cut_items(listed) {
        blocks.push(section(escape(&cut, 300)));
    }
    blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": origin}]}));
    // Shown where blocks are not: in notifications, and by screen readers.
    json!({"text": escape(&words.title, MOST_SECTION), "blocks": blocks})
}

/// The same as it is posted.
#[must_use]
pub fn body(words: &Words<'_>) -> String {
    payload(words).to_string()
}

fn section(text: String) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text}})
}

fn item_text(words: &Words<'_>, item: &Item) -> String {
    let sign = match words.notice.message.event {
        Event::Resolved | Event::FiredAndResolved => ":white_check_mark:",
        _ => sign(item.severity),
    };
    let mut text = format!("{sign} *{}*", bold(&escape(&line(&item.what), 500)));
    for (name, value) in words.facts(item) {
        let room = MOST_ITEM.saturating_sub(text.chars().map(char::len_utf16).sum());
        if room < 40 {
            break;
        }
        let value = escape(&value, room - 20);
        let value = if is_command(name) { format!("`{}`", value.replace('`', "'")) } else { value };
        text.push_str(&format!("\n{name}: {value}"));
    }
    text
}

/// A star within would end what is bold.
fn bold(text: &str) -> String {
    text.replace('*', "\u{2217}")
}

const fn sign(severity: AlertSeverity) -> &'static str {
    match severity {
        AlertSeverity::Info => ":information_source:",
        AlertSeverity::Warning => ":warning:",
        AlertSeverity::Critical => ":rotating_light:",
    }
}
