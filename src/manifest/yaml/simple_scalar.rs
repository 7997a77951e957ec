//! Keys and scalars of one line, for the short way.

use serde_json::Value;

use super::Span;
use super::document::Node;
use super::scalar::resolve;
use super::simple::Simple;

/// Bytes that end a run of harmless text: controls, the two that may begin a `: ` or ` #`, brackets and commas (which matter
/// inside of flow collections only), quotes and backslashes, and the lead bytes of characters that need a closer look (C1
/// controls, U+2028, byte order marks).
const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    let others = b":#,[]{}\"'\\\x7f\xc2\xe2\xef";
    let mut index = 0;
    while index < others.len() {
        table[others[index] as usize] = true;
        index += 1;
    }
    table
};

/// The longest key that is read here; the event parser allows 1,024 characters.
const LONGEST_KEY: usize = 256;

impl Simple<'_> {
    /// The length of the plain key that begins here and has its colon, with a space or the line's end behind it.
    pub fn key_length(&self) -> Option<usize> {
        let bytes = &self.bytes[self.at..];
        if !bytes.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_') {
            return None;
        }
        let length = bytes
            .iter()
            .take(LONGEST_KEY)
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/'))
            .count();
        let ends = bytes.get(length) == Some(&b':')
            && matches!(bytes.get(length + 1), None | Some(b' ' | b'\n' | b'\r'));
        ends.then_some(length)
    }

    /// A plain scalar that is already measured.
    pub fn scalar(&mut self, start: usize, end: usize, key: Span) -> Option<Value> {
        let value = resolve(self.text.get(start..end)?).ok()?;
        self.leaf(start, end, key)?;
        Some(value)
    }

    /// The end of the plain scalar that begins here, without the spaces behind it; leaves `self.at` after those.
    pub fn plain_end(&mut self, in_flow: bool) -> Option<usize> {
        let start = self.at;
        match self.bytes.get(start..)? {
            [b'-', b'0'..=b'9' | b'.', ..] => {}
            [first, ..]
                if first.is_ascii_alphanumeric()
                    || matches!(first, b'_' | b'/' | b'+' | b'.' | b'$' | b'(' | b'~') => {}
            [first, ..] if *first >= 0xc3 && !SPECIAL[*first as usize] => {}
            _ => return None,
        }
        let mut at = start;
        while let Some(byte) = self.bytes.get(at) {
            if !SPECIAL[*byte as usize] {
                at += 1;
                continue;
            }
            match byte {
                b'\n' => break,
                b'\r' if matches!(self.bytes.get(at + 1), Some(b'\n')) => break,
                b'#' if self.bytes[at - 1] == b' ' => break,
                b':' if matches!(
                    self.bytes.get(at + 1),
                    None | Some(b' ' | b'\n' | b'\r' | b',' | b'[' | b']' | b'{' | b'}')
                ) =>
                {
                    return None;
                }
                b',' | b']' | b'}' if in_flow => break,
                b'[' | b'{' if in_flow => return None,
                b'#' | b':' | b',' | b'[' | b']' | b'{' | b'}' | b'"' | b'\'' | b'\\' => at += 1,
                _ => return None,
            }
        }
        self.at = at;
        let trailing = self.bytes[start..at].iter().rev().take_while(|byte| **byte == b' ').count();
        Some(at - trailing)
    }

    /// A quoted scalar on one line with nothing to decode in it.
    pub fn quoted(&mut self, quote: u8, key: Span) -> Option<Value> {
        let start = self.at;
        let mut at = start + 1;
        loop {
            let byte = *self.bytes.get(at)?;
            if byte == quote {
                break;
            }
            let harmless = !SPECIAL[byte as usize]
                || matches!(byte, b'#' | b':' | b',' | b'[' | b']' | b'{' | b'}' | b'"' | b'\'');
            // In single quotes a backslash is just that.
            if !(harmless || byte == b'\\' && quote == b'\'') {
                return None;
            }
            at += 1;
        }
        self.at = at + 1;
        if quote == b'\'' && self.peek() == Some(b'\'') {
            return None;
        }
        let value = Value::String(self.text.get(start + 1..at)?.to_owned());
        self.leaf(start, at + 1, key)?;
        Some(value)
    }

    fn leaf(&mut self, start: usize, end: usize, key: Span) -> Option<()> {
        let span = self.span(start, end);
        self.push_node(Node::leaf(key, span))
    }
}
