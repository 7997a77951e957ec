//! Problems for a person, in the form that `rustc` made familiar: code and message, place, the line with the part that is
//! meant, what to do.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::model::diagnostic::Excerpt;
use crate::model::{Diagnostic, Position, Severity};
use crate::report::Style;
use crate::report::clean::clean;
use crate::report::paint::{Paint, paint};

/// The problems in the order given, and a last line that counts them; empty when there are none. Of more than `limit`
/// problems the rest is only counted, by code.
#[must_use]
pub fn human(diagnostics: &[Diagnostic], style: &Style, limit: usize) -> String {
    if diagnostics.is_empty() {
        return String::new();
    }
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    let decor = if style.unicode { DecorStyle::Unicode } else { DecorStyle::Ascii };
    // The frame is ASCII in either case: `--> file:line:col` is what editors and terminals make clickable.
    let _ = decor;
    let renderer = renderer.term_width(style.width.max(40)).decor_style(DecorStyle::Ascii);
    let (shown, rest) = diagnostics.split_at(limit.min(diagnostics.len()));
    let mut text = String::new();
    for diagnostic in shown {
        text.push_str(&one(diagnostic, &renderer));
        text.push_str("\n\n");
    }
    if !rest.is_empty() {
        text.push_str(&left_out(rest, style));
    }
    text.push_str(&count(diagnostics, style));
    text
}

fn one(diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let message = clean(&diagnostic.message);
    let mut group = Group::with_title(level.primary_title(message).id(diagnostic.code));
    if let Some(position) = &diagnostic.position {
        // The place is given apart from the excerpt: the column of a CSV file counts fields, and long lines are cut.
        let path = clean(&position.file);
        group = group
            .element(Origin::path(path).line(position.line as usize).char_column(position.column as usize));
        if let Some(excerpt) = &diagnostic.excerpt {
            let (line, marked) = marked(excerpt, position);
            let mut snippet = Snippet::source(line).line_start(position.line as usize).fold(false);
            if let Some(marked) = marked {
                snippet = snippet.annotation(AnnotationKind::Primary.span(marked));
            }
            group = group.element(snippet);
        }
    }
    if let Some(resource) = &diagnostic.resource {
        group = group.element(Level::NOTE.message(format!("in {}", clean(resource))));
    }
    for (position, note) in &diagnostic.related {
        group =
            group.element(Level::NOTE.message(format!("{}: {}", clean(note), clean(&position.to_string()))));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(clean(help).into_owned()));
    }
    without_continuations(&renderer.render(&[group]))
}

/// Drops the `:::` lines: the renderer takes an excerpt that follows a place for one of another file.
fn without_continuations(rendered: &str) -> String {
    let is_continuation = |line: &&str| {
        let mut escape = false;
        let mut words = line.chars().filter(|character| {
            let shown = !escape && *character != '\u{1b}';
            escape = (escape || *character == '\u{1b}') && *character != 'm';
            shown && *character != ' '
        });
        words.by_ref().take(3).eq(":::".chars()) && words.next().is_none()
    };
    let lines: Vec<&str> = rendered.trim_end().lines().filter(|line| !is_continuation(line)).collect();
    lines.join("\n")
}

/// The excerpt's line, made safe, and the part of it that is marked.
fn marked(excerpt: &Excerpt, position: &Position) -> (String, Option<std::ops::Range<usize>>) {
    let line = excerpt.line.as_str();
    let range = if is_csv(&position.file) && excerpt.start == excerpt.end {
        field(line, excerpt.start, position.column)
    } else {
        Some(excerpt.start..excerpt.end)
    };
    let Some(range) = range.filter(|range| line.get(range.clone()).is_some()) else {
        return (clean(line).into_owned(), None);
    };
    let mut safe = clean(&line[..range.start]).into_owned();
    let start = safe.len();
    safe.push_str(&clean(&line[range.clone()]));
    let end = safe.len();
    safe.push_str(&clean(&line[range.end..]));
    (safe, Some(start..end))
}

/// The bytes of the field with this number, from 1, in a row that starts at `start`. `None` when the row has fewer, or goes
/// on in the next line before that.
fn field(line: &str, start: usize, number: u32) -> Option<std::ops::Range<usize>> {
    let row = line.get(start..)?;
    let mut current = 1;
    let mut from = 0;
    let mut quoted = false;
    for (at, byte) in row.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                if current == number {
                    return Some(start + from..start + at);
                }
                current += 1;
                from = at + 1;
            }
            _ => {}
        }
    }
    (current == number && !quoted).then_some(start + from..line.len())
}

/// Whether a position in this file counts fields instead of characters.
pub(super) fn is_csv(path: &str) -> bool {
    std::path::Path::new(path).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
}

fn left_out(rest: &[Diagnostic], style: &Style) -> String {
    const NAMED: usize = 5;
    let mut codes: Vec<(&str, usize)> = Vec::new();
    let mut sorted: Vec<&str> = rest.iter().map(|diagnostic| diagnostic.code).collect();
    sorted.sort_unstable();
    for code in sorted {
        match codes.last_mut() {
            Some((last, count)) if *last == code => *count += 1,
            _ => codes.push((code, 1)),
        }
    }
    codes.sort_by(|left, right| (right.1, left.0).cmp(&(left.1, right.0)));
    let mut named: Vec<String> =
        codes.iter().take(NAMED).map(|(code, count)| format!("{count} × {code}")).collect();
    if codes.len() > NAMED {
        named.push(format!("{} other codes", codes.len() - NAMED));
    }
    let named = if style.unicode { named.join(", ") } else { named.join(", ").replace('×', "x") };
    let noun = if rest.len() == 1 { "problem" } else { "problems" };
    format!("{} and {} more {noun} ({named})\n\n", style.ellipsis(), rest.len())
}

fn count(diagnostics: &[Diagnostic], style: &Style) -> String {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    let warnings = diagnostics.len() - errors;
    let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let line = format!("{}, {}", plural(errors, "error"), plural(warnings, "warning"));
    let color = if errors > 0 { Paint::Error } else { Paint::Warning };
    paint(&line, color, style) + "\n"
}
