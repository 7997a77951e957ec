//! Two long values beside each other: lines that differ with two lines around them, or the part of one line that differs.
//!
//! All of it is bounded, whatever the values are: of very long texts only so much is compared as a person would read, and
//! what is left out is counted. No deadline is used, because then the same plan could be shown in two ways.

use similar::{ChangeTag, TextDiff};

use crate::report::Style;
use crate::report::clean::clean;
use crate::report::paint::{Paint, push};

/// Lines around a difference.
const CONTEXT: usize = 2;
/// Differing stretches with more lines than this on a side are not compared line by line.
const COMPARED: usize = 300;
/// Longer stretches are not compared word by word.
const WORD_BYTES: usize = 8 * 1024;
/// Lines shown of one field.
const SHOWN: usize = 80;
/// Characters shown of one line.
const LINE: usize = 400;
/// Characters shown of a part of a line that does not change.
const QUIET: usize = 60;

/// The lines that differ between two texts.
pub(in crate::report) fn lines(text: &mut String, before: &str, after: &str, indent: &str, style: &Style) {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let same_start = old.iter().zip(&new).take_while(|(left, right)| left == right).count();
    let most = old.len().min(new.len()) - same_start;
    let ends = old.iter().rev().zip(new.iter().rev());
    let same_end = ends.take(most).take_while(|(left, right)| left == right).count();
    let skipped = same_start.saturating_sub(CONTEXT);
    let old_middle = &old[skipped..(old.len() - same_end + CONTEXT).min(old.len())];
    let new_middle = &new[skipped..(new.len() - same_end + CONTEXT).min(new.len())];
    let mut page =
        Page { text, indent, style, written: 0, left_out: 0, differ_at_end: ends_differ(before, after) };
    page.skipped(skipped);
    if old_middle.len() > COMPARED || new_middle.len() > COMPARED {
        old_middle.iter().take(SHOWN / 2).for_each(|line| page.line(ChangeTag::Delete, &[(false, line)]));
        page.left_out += old_middle.len().saturating_sub(SHOWN / 2);
        new_middle.iter().take(SHOWN / 2).for_each(|line| page.line(ChangeTag::Insert, &[(false, line)]));
        page.left_out += new_middle.len().saturating_sub(SHOWN / 2);
    } else {
        let bytes: usize = old_middle.iter().chain(new_middle).map(|line| line.len()).sum();
        let diff = TextDiff::from_slices(old_middle, new_middle);
        for (index, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
            if index > 0 {
                page.gap();
            }
            for op in group {
                if bytes <= WORD_BYTES {
                    for change in diff.iter_inline_changes_deadline(op, None) {
                        page.line(change.tag(), change.values());
                    }
                } else {
                    diff.iter_changes(op)
                        .for_each(|change| page.line(change.tag(), &[(false, change.value())]));
                }
            }
        }
    }
    page.end();
}

/// The lines of one text.
pub(in crate::report) fn listing(
    text: &mut String,
    content: &str,
    paint: Paint,
    indent: &str,
    style: &Style,
) {
    let mut count = 0;
    for line in content.split_inclusive('\n') {
        count += 1;
        if count <= SHOWN {
            text.push_str(indent);
            let line = line.strip_suffix('\n').unwrap_or(line);
            push(text, &cut(&clean(line), LINE, style), paint, style);
            text.push('\n');
        }
    }
    if count > SHOWN {
        push(
            text,
            &format!("{indent}{} and {} more lines\n", style.ellipsis(), count - SHOWN),
            Paint::Dim,
            style,
        );
    }
}

fn ends_differ(before: &str, after: &str) -> bool {
    !before.is_empty() && !after.is_empty() && before.ends_with('\n') != after.ends_with('\n')
}

struct Page<'a> {
    text: &'a mut String,
    indent: &'a str,
    style: &'a Style,
    written: usize,
    left_out: usize,
    differ_at_end: bool,
}

impl Page<'_> {
    fn skipped(&mut self, count: usize) {
        match count {
            0 => {}
            1 => self.dim("(1 line as before)"),
            _ => self.dim(&format!("({count} lines as before)")),
        }
    }

    fn gap(&mut self) {
        if self.written < SHOWN {
            let mark = self.style.ellipsis();
            self.dim(mark);
        }
    }

    fn dim(&mut self, words: &str) {
        self.text.push_str(self.indent);
        push(self.text, words, Paint::Dim, self.style);
        self.text.push('\n');
    }

    fn line(&mut self, tag: ChangeTag, parts: &[(bool, &str)]) {
        if self.written >= SHOWN {
            self.left_out += usize::from(tag != ChangeTag::Equal);
            return;
        }
        self.written += 1;
        let (sign, quiet, loud) = match tag {
            ChangeTag::Equal => ("  ", None, None),
            ChangeTag::Delete => ("- ", Some(Paint::Removed), Some(Paint::RemovedPart)),
            ChangeTag::Insert => ("+ ", Some(Paint::Added), Some(Paint::AddedPart)),
        };
        self.text.push_str(self.indent);
        let mut put = |words: &str, paint: Option<Paint>| match paint {
            Some(paint) => push(self.text, words, paint, self.style),
            None => self.text.push_str(words),
        };
        put(sign, quiet);
        let by_parts = parts.iter().any(|(emphasised, _)| *emphasised);
        let mut ended = false;
        for (emphasised, part) in parts {
            let inner = part.strip_suffix('\n');
            ended = inner.is_some();
            let inner = clean(inner.unwrap_or(part));
            match (by_parts, *emphasised) {
                (true, true) => put(&cut(&inner, LINE, self.style), loud),
                (true, false) => put(&cut_middle(&inner, QUIET, self.style), quiet),
                (false, _) => put(&cut(&inner, LINE, self.style), quiet),
            }
        }
        if !ended && self.differ_at_end && tag != ChangeTag::Equal {
            put(" (no line break at the end)", Some(Paint::Dim));
        }
        self.text.push('\n');
    }

    fn end(mut self) {
        match self.left_out {
            0 => {}
            1 => self.dim(&format!("{} and 1 more line that differs", self.style.ellipsis())),
            count => self.dim(&format!("{} and {count} more lines that differ", self.style.ellipsis())),
        }
    }
}

/// Two lines, cut so that the part that differs stays and each has at most `room` characters.
pub(in crate::report) fn around(before: &str, after: &str, room: usize, style: &Style) -> (String, String) {
    let old: Vec<char> = before.chars().collect();
    let new: Vec<char> = after.chars().collect();
    if old.len() <= room && new.len() <= room {
        return (before.to_owned(), after.to_owned());
    }
    let same_start = old.iter().zip(&new).take_while(|(left, right)| left == right).count();
    let start = same_start.saturating_sub(room / 3);
    let window = |all: &[char]| {
        let mark = style.ellipsis();
        let marks = mark.chars().count();
        let head = if start > 0 { marks } else { 0 };
        let rest = all.len().saturating_sub(start);
        let fits = rest + head <= room;
        let end = if fits { all.len() } else { (start + room.saturating_sub(head + marks)).min(all.len()) };
        let mut shown = String::new();
        if start > 0 {
            shown.push_str(mark);
        }
        shown.extend(&all[start.min(end)..end]);
        if !fits {
            shown.push_str(mark);
        }
        shown
    };
    (window(&old), window(&new))
}

/// A line of at most `room` characters; what is left out is counted.
pub(in crate::report) fn cut(line: &str, room: usize, style: &Style) -> String {
    let count = line.chars().count();
    if count <= room {
        return line.to_owned();
    }
    let kept: String = line.chars().take(room.saturating_sub(30)).collect();
    format!("{kept}{} ({} more characters)", style.ellipsis(), count - kept.chars().count())
}

/// A stretch between two differences, with its middle left out.
fn cut_middle(part: &str, room: usize, style: &Style) -> String {
    let count = part.chars().count();
    if count <= room {
        return part.to_owned();
    }
    let side = room / 2;
    let head: String = part.chars().take(side).collect();
    let tail: String = part.chars().skip(count - side).collect();
    format!("{head}{}{tail}", style.ellipsis())
}
