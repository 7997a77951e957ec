//! Foreign text in Markdown: names, values, paths and messages, none of which may open or close anything.
//!
//! Backslashes and entities are not enough: `\@team` and `&#64;team` still ping the team, because places look for mentions
//! in what was rendered. What they leave alone is code. So all that is foreign stands in code, and whatever could end
//! code, or be taken for HTML by a careless reader, is written as a visible escape: `\u{60}`.

use crate::report::clean::clean;

/// Longer names and paths are cut. Names that manifests can declare are shorter.
const LONGEST: usize = 300;

/// A text for a fence: without line breaks and control characters, runs of three backticks and starts of HTML.
pub(in crate::report) fn defused(text: &str) -> String {
    let text = clean(text);
    let mut safe = String::with_capacity(text.len() + 8);
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '`' => {
                let run = text[at..].bytes().take_while(|byte| *byte == b'`').count();
                let shown = if run < 3 { "`" } else { "\\u{60}" };
                safe.push_str(&shown.repeat(run));
                for _ in 1..run {
                    characters.next();
                }
            }
            // `<@U1>` and `<!channel>` are how Slack writes mentions.
            '<' if characters
                .peek()
                .is_some_and(|(_, next)| next.is_ascii_alphabetic() || "/!?@#".contains(*next)) =>
            {
                safe.push_str("\\u{3c}");
            }
            _ => safe.push(character),
        }
    }
    safe
}

/// A text as inline code.
pub(in crate::report) fn code(text: &str) -> String {
    let inner = cut(&defused(text), LONGEST).replace('`', "\\u{60}");
    if inner.is_empty() { "`\"\"`".to_owned() } else { format!("`{inner}`") }
}

/// A text as inline code in a cell of a table.
pub(in crate::report) fn cell(text: &str) -> String {
    code(text).replace('|', "\\u{7c}")
}

/// A text as code in HTML.
pub(in crate::report) fn html_code(text: &str) -> String {
    format!("<code>{}</code>", html(&cut(&defused(text), LONGEST)))
}

/// A text in HTML, where it is not foreign.
pub(in crate::report) fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('`', "&#96;")
}

/// A sentence that has foreign words in it: plain words stay, everything else stands in code. What stands between backticks
/// already is code as it is.
pub(in crate::report) fn prose(text: &str) -> String {
    let mut line = String::new();
    if !text.matches('`').count().is_multiple_of(2) || text.contains("``") {
        words(&mut line, text);
        return line;
    }
    for (index, part) in text.split('`').enumerate() {
        let glued = line.ends_with('`') && !part.starts_with(' ');
        let before = line.len();
        if index % 2 == 1 {
            push_word(&mut line, &code(part));
            // A bracket stays where it was.
            if text_ends_open(&line[..before]) {
                line.remove(before);
            }
        } else if let (true, Some(end)) = (glued, part.find(' ').or(Some(part.len()))) {
            // A comma or bracket right behind code stays there.
            let (tail, rest) = part.split_at(end);
            if tail.chars().all(is_closing) {
                line.push_str(tail);
            } else {
                words(&mut line, tail);
            }
            words(&mut line, rest);
        } else {
            words(&mut line, part);
        }
    }
    line
}

fn text_ends_open(text: &str) -> bool {
    text.ends_with('(')
}

const fn is_closing(character: char) -> bool {
    matches!(character, ',' | '.' | ';' | ':' | ')' | '?')
}

fn words(line: &mut String, text: &str) {
    let mut odd: Vec<&str> = Vec::new();
    let flush = |line: &mut String, odd: &mut Vec<&str>| {
        if !odd.is_empty() {
            let joined = odd.join(" ");
            let core = joined.trim_end_matches(is_closing);
            let opened = core.strip_prefix('(').filter(|_| joined[core.len()..].contains(')'));
            let inner = opened.unwrap_or(core);
            if inner.is_empty() {
                push_word(line, &code(&joined));
            } else {
                let open = if opened.is_some() { "(" } else { "" };
                push_word(line, &format!("{open}{}{}", code(inner), &joined[core.len()..]));
            }
            odd.clear();
        }
    };
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if is_plain(word) || word == "(" {
            flush(line, &mut odd);
            push_word(line, word);
        } else {
            odd.push(word);
        }
    }
    flush(line, &mut odd);
}

fn push_word(line: &mut String, word: &str) {
    if !line.is_empty() {
        line.push(' ');
    }
    line.push_str(word);
}

/// Letters or digits with the punctuation of a sentence: nothing that any place gives a meaning to.
fn is_plain(word: &str) -> bool {
    let core = word.strip_prefix('(').unwrap_or(word).trim_end_matches([',', '.', ';', ':', ')', '?']);
    let letters = core.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'\'');
    !core.is_empty() && (letters || core.bytes().all(|byte| byte.is_ascii_digit()))
}

/// At most so many bytes; what is missing is marked.
pub(in crate::report) fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let mut end = bytes.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// `18,412`.
pub(in crate::report) fn number(count: usize) -> String {
    let digits = count.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `18,412 creates`, `1 create`.
pub(in crate::report) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", number(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_foreign_ends_code() {
        for (given, expected) in [
            ("acme", "`acme`"),
            ("a`b", "`a\\u{60}b`"),
            ("```", "`\\u{60}\\u{60}\\u{60}`"),
            ("a\r\n# b", "`a\\r\\n# b`"),
            ("<script>alert(1)</script>", "`\\u{3c}script>alert(1)\\u{3c}/script>`"),
            ("<!-- x -->", "`\\u{3c}!-- x -->`"),
            ("1 < 2", "`1 < 2`"),
            ("\u{202e}x", "`\\u{202e}x`"),
            ("", "`\"\"`"),
        ] {
            assert_eq!(code(given), expected);
        }
        assert_eq!(cell("a|b"), "`a\\u{7c}b`");
        assert_eq!(html_code("a`<b>&\""), "<code>a&#96;\\u{3c}b&gt;&amp;&quot;</code>");
        assert!(code(&"é".repeat(5_000)).len() <= LONGEST + 2);
    }

    #[test]
    fn in_a_sentence_only_plain_words_stand_outside_of_code() {
        for (given, expected) in [
            ("it is protected, and would be deleted (5).", "it is protected, and would be deleted (5)."),
            ("ask @team or see #123 or GH-1", "ask `@team` or see `#123` or `GH-1`"),
            ("apply it with `protect: false`", "apply it with `protect: false`"),
            ("plan anew: run `synthex ci plan` here", "plan anew: run `synthex ci plan` here"),
            ("connecting to big (named by `URL`): no", "connecting to big (named by `URL`): no"),
            ("set `URL`, or add --embedded", "set `URL`, or add `--embedded`"),
            ("the digest sha256:9a: it changed", "the digest `sha256:9a`: it changed"),
            ("see (a/b), then", "see (`a/b`), then"),
            ("`a`@team `b` - item", "`a` `@team` `b` `-` item"),
            ("(`a`)", "(`a`)"),
            (":", "`:`"),
            ("[a](https://b) ![x](y) www.c.d", "`[a](https://b) ![x](y) www.c.d`"),
            ("end ` here", "end `\\u{60}` here"),
            ("at 2026-01-02 03:04:05 UTC", "at `2026-01-02 03:04:05` UTC"),
        ] {
            assert_eq!(prose(given), expected);
        }
    }

    #[test]
    fn numbers_have_commas() {
        for (count, expected) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (18_412, "18,412"), (1_234_567, "1,234,567")]
        {
            assert_eq!(number(count), expected);
        }
    }
}
