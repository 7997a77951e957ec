//! JSON for programs that people may also look at: two spaces of indent, and no character in it that a terminal acts on.
//!
//! What [`clean`](super::clean) does to text, this does to JSON without changing what it says: an unsafe character within a
//! string is written as `\u009b`.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};

use super::clean::is_unsafe;

/// Writes a value, pretty-printed, and a line break.
///
/// # Errors
/// What the writer returns.
pub fn write(value: &impl Serialize, out: &mut impl io::Write) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, Visible::default());
    value.serialize(&mut serializer).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// A value as [`write()`] would write it `depth` levels deep, without the blanks before it and the line break behind it.
#[must_use]
pub fn nested(value: &impl Serialize, depth: usize) -> Vec<u8> {
    let mut visible = Visible::default();
    for _ in 0..depth {
        // The formatter counts; what it writes stands elsewhere. Nothing here fails, nor does writing to memory.
        let _ = visible.begin_array(&mut io::sink());
    }
    let mut bytes = Vec::new();
    let _ = value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, visible));
    bytes
}

/// A value as text, pretty-printed, with a line break at the end.
#[must_use]
pub fn text(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    // Writing to memory does not fail, and every value given here has texts for keys.
    let _ = write(value, &mut bytes);
    String::from_utf8(bytes).unwrap_or_default()
}

#[derive(Default)]
struct Visible {
    pretty: PrettyFormatter<'static>,
    /// How deep the next value stands.
    depth: usize,
}

impl Visible {
    /// Text in JSON, which is nearly always plain and then not looked at character by character.
    fn text<W: io::Write + ?Sized>(writer: &mut W, text: &str) -> io::Result<()> {
        if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return writer.write_all(text.as_bytes());
        }
        let mut rest = text;
        while let Some(at) = rest.find(is_unsafe) {
            writer.write_all(&rest.as_bytes()[..at])?;
            let mut characters = rest[at..].chars();
            if let Some(character) = characters.next() {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn line<W: io::Write + ?Sized>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for Visible {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        Self::text(writer, fragment)
    }

    /// JSON that was written before, and without blanks: it gets its line breaks here.
    fn write_raw_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let bytes = fragment.as_bytes();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => {
                    let end = end_of_string(bytes, at);
                    Self::text(writer, &fragment[at..end])?;
                    at = end;
                    continue;
                }
                b'{' | b'[' if matches!(bytes.get(at + 1), Some(b'}' | b']')) => {
                    writer.write_all(&bytes[at..at + 2])?;
                    at += 1;
                }
                b'{' | b'[' => {
                    writer.write_all(&[*byte])?;
                    self.depth += 1;
                    self.line(writer)?;
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.line(writer)?;
                    writer.write_all(&[*byte])?;
                }
                b',' => {
                    writer.write_all(b",")?;
                    self.line(writer)?;
                }
                b':' => writer.write_all(b": ")?,
                b' ' | b'\t' | b'\n' | b'\r' => {}
                _ => writer.write_all(&[*byte])?,
            }
            at += 1;
        }
        Ok(())
    }

    fn begin_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        self.pretty.begin_array(writer)
    }
    fn end_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        self.pretty.end_array(writer)
    }
    fn begin_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.pretty.begin_array_value(writer, first)
    }
    fn end_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_array_value(writer)
    }
    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        self.pretty.begin_object(writer)
    }
    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        self.pretty.end_object(writer)
    }
    fn begin_object_key<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.pretty.begin_object_key(writer, first)
    }
    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_object_value(writer)
    }
    fn end_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_object_value(writer)
    }
}

/// One past the quotation mark that ends the string that begins here.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn what_a_terminal_would_act_on_is_escaped_and_means_the_same() {
        let value = json!({"\u{1b}[2J": ["a\u{9b}2J\u{202e}", "\u{e0041}é\n", {}], "n": {"m": []}});
        let text = text(&value);
        assert!(!text.chars().any(|character| character != '\n' && is_unsafe(character)), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn what_was_written_before_comes_out_as_if_it_were_written_now() {
        for value in [
            json!({"a": [1, -2.5e30, {"b": "c, {d}: [\"e\\\\\"]"}], "f": {}, "g": [], "h": [[]], "i": null}),
            json!({"\u{1b}[2J": "a\u{9b}2J\u{202e}é\u{e0041}\n\t\\"}),
            json!("\u{202e}"),
            json!(1),
            json!([]),
        ] {
            let raw = serde_json::value::RawValue::from_string(value.to_string()).unwrap();
            assert_eq!(text(&json!({"x": [value]})), text(&Outer { x: [&raw] }));
            let blank = serde_json::value::RawValue::from_string(text(&value).trim().to_owned()).unwrap();
            assert_eq!(text(&Outer { x: [&blank] }), text(&Outer { x: [&raw] }));
        }
    }

    #[derive(serde::Serialize)]
    struct Outer<'a> {
        x: [&'a serde_json::value::RawValue; 1],
    }

    #[test]
    fn it_is_indented_by_two_spaces() {
        assert_eq!(
            text(&json!({"a": [1, {"b": "c"}]})),
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"c\"\n    }\n  ]\n}\n"
        );
    }
}
