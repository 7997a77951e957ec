//! A message as HTML, for mail: a table of items with light styles of its own, no picture, no script, nothing that is loaded.

use crate::alerts::Item;
use crate::kinds::alert_rule::AlertSeverity;

use super::fit::{Escaped, fit};
use super::text::MOST_LISTED;
use super::{Words, is_command, line};

/// From how many bytes on no more items are listed: some programs hide what is behind the first 100 KB of a mail, and with it
/// that there is more.
const MOST_BYTES: usize = 80 * 1024;

const FONT: &str = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const CELL: &str = "padding:8px 10px;border-bottom:1px solid #e5e7eb;vertical-align:top;text-align:left";

/// A text within an element or an attribute.
#[must_use]
pub fn escape(text: &str) -> String {
    fit(text, usize::MAX, |c| match c {
        '&' => Escaped::As("&amp;"),
        '<' => Escaped::As("&lt;"),
        '>' => Escaped::As("&gt;"),
        '"' => Escaped::As("&quot;"),
        '\'' => Escaped::As("&#39;"),
        c => Escaped::plain(c),
    })
}

/// The whole document.
#[must_use]
pub fn page(words: &Words<'_>) -> String {
    let message = words.notice.message;
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title></head>\n\
         <body style=\"margin:0;padding:16px;background:#ffffff;color:#111827;font-size:14px;line-height:1.5;{FONT}\">\n\
         <h1 style=\"font-size:18px;margin:0 0 12px;padding-left:10px;border-left:4px solid {color}\">{title}</h1>\n",
        title = escape(&words.title),
        color = color(message.severity),
    );
    for paragraph in words.lead.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        out.push_str(&format!(
            "<p style=\"margin:0 0 12px\">{}</p>\n",
            escape(paragraph).replace('\n', "<br>\n")
        ));
    }
    let mut listed = 0;
    if !words.items().is_empty() {
        out.push_str(
            "<table role=\"presentation\" style=\"border-collapse:collapse;width:100%;max-width:900px\">\n",
        );
        for item in words.items().iter().take(MOST_LISTED) {
            if out.len() > MOST_BYTES {
                break;
            }
            row(&mut out, words, item);
            listed += 1;
        }
        out.push_str("</table>\n");
    }
    if let Some(cut) = words.cut_items(listed) {
        out.push_str(&format!("<p style=\"margin:12px 0\">{}</p>\n", escape(&cut)));
    }
    out.push_str(&format!(
        "<p style=\"margin:16px 0 0;color:#6b7280;font-size:12px\">{}</p>\n</body>\n</html>\n",
        escape(&words.origin())
    ));
    out
}

fn row(out: &mut String, words: &Words<'_>, item: &Item) {
    out.push_str(&format!(
        "<tr><td style=\"{CELL};color:{};white-space:nowrap\"><strong>{}</strong></td><td style=\"{CELL}\"><strong>{}</strong>",
        color(item.severity),
        item.severity.code(),
        escape(&line(&item.what))
    ));
    for (name, value) in words.facts(item) {
        let value = escape(&value);
        let value = if is_command(name) {
            format!("<code style=\"background:#f3f4f6;padding:1px 4px\">{value}</code>")
        } else {
            value
        };
        out.push_str(&format!("<br>\n<span style=\"color:#6b7280\">{name}:</span> {value}"));
    }
    out.push_str("</td></tr>\n");
}

const fn color(severity: AlertSeverity) -> &'static str {
    match severity {
        AlertSeverity::Info => "#1d4ed8",
        AlertSeverity::Warning => "#b45309",
        AlertSeverity::Critical => "#b91c1c",
    }
}
