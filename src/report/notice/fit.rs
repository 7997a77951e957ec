//! Cutting: by characters, never within one, and never within what stands for one once it is escaped.

/// What stands where something was cut.
const CUT: char = '\u{2026}';

/// At most so many characters; where some are cut, the last one says so.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    fit(text, most, Escaped::plain)
}

/// A text, escaped, in at most so many UTF-16 units: the strictest way in which receivers count characters.
pub fn fit(text: &str, most: usize, escape: impl Fn(char) -> Escaped) -> String {
    let units = |text: &str| text.chars().map(char::len_utf16).sum::<usize>();
    let (mut whole, mut length, mut fitting) = (String::new(), 0, 0);
    for c in text.chars() {
        let escaped = escape(c);
        length += units(escaped.as_str());
        // Up to here there is still room for the mark.
        if length < most {
            fitting = whole.len() + escaped.as_str().len();
        }
        whole.push_str(escaped.as_str());
        if length > most {
            whole.truncate(fitting);
            if most > 0 {
                whole.push(CUT);
            }
            return whole;
        }
    }
    whole
}

/// One character as it is written.
pub enum Escaped {
    /// As it is.
    Plain(char, [u8; 4]),
    /// As something else.
    As(&'static str),
}

impl Escaped {
    /// The character as it is.
    pub fn plain(c: char) -> Self {
        let mut bytes = [0; 4];
        c.encode_utf8(&mut bytes);
        Self::Plain(c, bytes)
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Plain(c, bytes) => std::str::from_utf8(&bytes[..c.len_utf8()]).unwrap_or_default(),
            Self::As(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str, most: usize) -> String {
        fit(text, most, |c| if c == '&' { Escaped::As("&amp;") } else { Escaped::plain(c) })
    }

    #[test]
    fn nothing_is_cut_in_half() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab\u{2026}");
        assert_eq!(cut("abcd", 0), "");
        assert_eq!(cut("\u{1f600}\u{1f600}", 3), "\u{1f600}\u{2026}");
        assert_eq!(escaped("a&b", 7), "a&amp;b");
        assert_eq!(escaped("a&b", 6), "a\u{2026}");
        assert_eq!(escaped("&&", 6), "&amp;\u{2026}");
    }
}
