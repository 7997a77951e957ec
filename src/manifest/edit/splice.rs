//! Pieces of a text that are replaced, and the lines they stand in. Everything else stays as it is, byte for byte.

use std::ops::Range;

use super::Refusal;

/// Replacements in one text, to be made all at once.
#[derive(Debug, Default)]
pub(super) struct Splices(Vec<(Range<usize>, String)>);

impl Splices {
    pub fn replace(&mut self, range: Range<usize>, text: impl Into<String>) {
        self.0.push((range, text.into()));
    }

    pub fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.0.push((at..at, text.into()));
    }

    pub fn remove(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.0.push((range, String::new()));
        }
    }

    /// Lines that would be put in behind a line that goes come behind the one before it.
    fn settle(&mut self, text: &str) {
        let is_removal = |(range, with): &&(Range<usize>, String)| with.is_empty() && !range.is_empty();
        let mut removed: Vec<Range<usize>> =
            self.0.iter().filter(is_removal).map(|(range, _)| range.clone()).collect();
        removed.sort_by_key(|range| range.start);
        for (range, with) in &mut self.0 {
            while range.start == range.end && with.starts_with(['\n', '\r']) {
                let before = removed.partition_point(|removed| removed.start < range.start);
                let around = before.checked_sub(1).and_then(|index| removed.get(index));
                let Some(around) = around.filter(|removed| range.start < removed.end) else { break };
                let kept = without_break(&text[..around.start]).len();
                if kept == around.start {
                    break;
                }
                *range = kept..kept;
            }
        }
    }

    /// The text with everything replaced.
    pub fn apply(mut self, text: &str) -> Result<String, Refusal> {
        self.settle(text);
        // What is put in comes before what is taken out at the same place.
        self.0.sort_by_key(|(range, _)| (range.start, range.end));
        let mut out = String::with_capacity(text.len() + 64);
        let mut at = 0;
        for (range, with) in &self.0 {
            let kept = text.get(at..range.start).ok_or_else(|| {
                Refusal::new(
                    range.start,
                    "two changes would touch the same characters; make them one after the other",
                )
            })?;
            out.push_str(kept);
            out.push_str(with);
            at = range.end;
        }
        out.push_str(text.get(at..).unwrap_or_default());
        Ok(out)
    }
}

/// The lines of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines<'t> {
    pub text: &'t str,
    /// How its first line ends.
    pub newline: &'static str,
}

const BOM: &str = "\u{feff}";

impl<'t> Lines<'t> {
    pub fn new(text: &'t str) -> Self {
        let newline = match text.find(['\n', '\r']) {
            Some(at) if text[at..].starts_with("\r\n") => "\r\n",
            Some(at) if text[at..].starts_with('\r') => "\r",
            _ => "\n",
        };
        Self { text, newline }
    }

    /// The first byte of the line; a byte order mark is in none.
    pub fn start(&self, at: usize) -> usize {
        let before = &self.text[..at];
        let start = before.rfind(['\n', '\r']).map_or(0, |found| found + 1);
        if start == 0 && before.starts_with(BOM) { BOM.len() } else { start }
    }

    /// Where the line's text ends, before its line break.
    pub fn end(&self, at: usize) -> usize {
        self.text[at..].find(['\n', '\r']).map_or(self.text.len(), |found| at + found)
    }

    /// The first byte of the next line.
    pub fn after(&self, at: usize) -> usize {
        let end = self.end(at);
        let rest = &self.text[end..];
        if rest.starts_with("\r\n") { end + 2 } else { (end + 1).min(self.text.len()) }
    }

    /// How many characters stand before `at` in its line.
    pub fn column(&self, at: usize) -> usize {
        self.text[self.start(at)..at].chars().count()
    }

    /// Whether only spaces stand before `at` in its line.
    pub fn begins(&self, at: usize) -> bool {
        self.text[self.start(at)..at].bytes().all(|byte| byte == b' ')
    }

    /// Whether only blanks, or a comment, stand behind `at` in its line.
    pub fn is_done(&self, at: usize) -> bool {
        let rest = &self.text[at..self.end(at)];
        let words = rest.trim_start_matches([' ', '\t']);
        words.is_empty() || words.starts_with('#') && (words.len() < rest.len() || at == self.start(at))
    }

    /// The lines from one place to another, line breaks included. The last line of a text that has no line break at its end
    /// takes the one before it along, so that there is still none.
    pub fn whole(&self, from: usize, to: usize) -> Range<usize> {
        let start = self.start(from);
        if self.end(to) < self.text.len() {
            return start..self.after(to);
        }
        let before = &self.text[..start];
        without_break(before).len()..self.text.len()
    }
}

/// A text without the line break at its end.
fn without_break(text: &str) -> &str {
    text.strip_suffix("\r\n").or_else(|| text.strip_suffix(['\n', '\r'])).unwrap_or(text)
}
