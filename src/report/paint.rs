//! The few colours that reports use, by what they mean. Without colour each of these returns the text as it is.

use anstyle::{AnsiColor, Style as Ansi};

use super::Style;

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// New, or the value afterwards.
    Added,
    /// Going away, or the value before.
    Removed,
    /// The part of a new line that differs from the old one.
    AddedPart,
    /// The part of an old line that differs from the new one.
    RemovedPart,
    /// Changed.
    Changed,
    /// Made the project's own, or alive again.
    Adopted,
    /// A heading or a name.
    Strong,
    /// Places, origins, hints.
    Dim,
    /// What went wrong.
    Error,
    /// What is worth a look.
    Warning,
    /// What to do.
    Help,
}

impl Paint {
    const fn ansi(self) -> Ansi {
        match self {
            Self::Added => AnsiColor::Green.on_default(),
            Self::Removed => AnsiColor::Red.on_default(),
            Self::AddedPart => AnsiColor::Green.on_default().bold().underline(),
            Self::RemovedPart => AnsiColor::Red.on_default().bold().underline(),
            Self::Changed => AnsiColor::Yellow.on_default(),
            Self::Adopted => AnsiColor::Cyan.on_default(),
            Self::Strong => Ansi::new().bold(),
            Self::Dim => Ansi::new().dimmed(),
            Self::Error => AnsiColor::Red.on_default().bold(),
            Self::Warning => AnsiColor::Yellow.on_default().bold(),
            Self::Help => AnsiColor::Cyan.on_default().bold(),
        }
    }
}

/// A text in its colour.
#[must_use]
pub fn paint(text: &str, paint: Paint, style: &Style) -> String {
    let mut painted = String::with_capacity(text.len() + 12);
    push(&mut painted, text, paint, style);
    painted
}

/// Adds a text in its colour to a longer one.
pub fn push(out: &mut String, text: &str, paint: Paint, style: &Style) {
    if !style.color || text.is_empty() {
        out.push_str(text);
        return;
    }
    let ansi = paint.ansi();
    out.push_str(&ansi.render().to_string());
    out.push_str(text);
    out.push_str(&ansi.render_reset().to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_the_text_is_as_it_is() {
        assert_eq!(paint("a", Paint::Added, &Style::plain()), "a");
        let color = Style { color: true, ..Style::plain() };
        assert_eq!(paint("a", Paint::Added, &color), "\u{1b}[32ma\u{1b}[0m");
        assert_eq!(paint("", Paint::Added, &color), "");
    }
}
