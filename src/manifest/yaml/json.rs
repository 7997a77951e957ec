//! Strict JSON (RFC 8259) with the same positions and the same rules for keys and numbers as YAML.
//!
//! JSON is nearly YAML, but not quite to a YAML parser: keys longer than 1,024 characters, tabs as indentation and lone
//! surrogates differ, and YAML would accept trailing commas and comments that other JSON tools refuse.

use std::borrow::Cow;

use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::document::{NO_KEY, Node};
use super::error::{duplicate_key, too_deep, too_many_nodes};
use super::{BOM, Document, Limits, MAX_PROBLEMS, Span, YamlError, YamlErrorKind, scalar};

/// Reads a JSON file: exactly one value. A byte order mark before it is skipped.
///
/// # Errors
/// Every duplicate key and every number that is too large, and the first syntax error, which is the last in the list.
pub fn parse_json(text: &str, limits: &Limits) -> Result<Document, Vec<YamlError>> {
    if u32::try_from(text.len()).is_err() {
        return Err(vec![super::too_large()]);
    }
    let at = if text.starts_with(BOM) { BOM.len() } else { 0 };
    let mut reader =
        Reader { text, at, limits, nodes: Vec::with_capacity(text.len() / 20 + 1), problems: Vec::new() };
    let value = reader.value(NO_KEY, 0).and_then(|value| {
        reader.skip_space();
        if reader.at == text.len() {
            Ok(value)
        } else {
            Err(reader.unexpected("nothing may follow the value"))
        }
    });
    match value {
        Ok(value) if reader.problems.is_empty() => {
            Ok(Document { value, nodes: reader.nodes, targets: Vec::new() })
        }
        Ok(_) => Err(reader.problems),
        Err(error) => {
            reader.problems.push(error);
            Err(reader.problems)
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    limits: &'t Limits,
    nodes: Vec<Node>,
    /// What does not stop reading.
    problems: Vec<YamlError>,
}

impl<'t> Reader<'t> {
    /// Recursion is bounded by the depth limit.
    fn value(&mut self, key: Span, depth: usize) -> Result<Value, YamlError> {
        self.skip_space();
        let start = self.at;
        let node = self.nodes.len();
        let opening = self.here();
        if node >= self.limits.max_nodes {
            return Err(too_many_nodes(self.limits.max_nodes, opening));
        }
        self.nodes.push(Node::leaf(key, opening));
        let value = match self.peek() {
            Some(b'{' | b'[') if depth >= self.limits.max_depth => {
                return Err(too_deep(self.limits.max_depth, opening));
            }
            Some(b'{') => self.object(node, depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Value::String(self.string()?.into_owned()),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        let count = self.nodes.len() - node;
        if let Some(node) = self.nodes.get_mut(node) {
            node.value = Span::new(start, self.at);
            node.count = u32::try_from(count).unwrap_or(u32::MAX);
        }
        Ok(value)
    }

    fn object(&mut self, parent: usize, depth: usize) -> Result<Value, YamlError> {
        let open = self.here();
        self.at += 1;
        let mut map = Map::new();
        self.skip_space();
        if self.eat(b'}') {
            return Ok(Value::Object(map));
        }
        loop {
            self.skip_space();
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self
                    .unexpected(if map.is_empty() {
                        "a key in double quotes or `}` is expected"
                    } else {
                        "a key in double quotes is expected"
                    })
                    .with_related(open, "in this object"));
            }
            let key = self.string()?.into_owned();
            let span = Span::new(start, self.at);
            self.skip_space();
            if !self.eat(b':') {
                return Err(self.unexpected("a `:` is expected"));
            }
            let node = self.nodes.len();
            let value = self.value(span, depth + 1)?;
            match map.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(value);
                }
                Entry::Occupied(entry) => {
                    let key = entry.key().clone();
                    self.nodes.truncate(node);
                    let index = map.keys().position(|other| *other == key).unwrap_or_default();
                    let error = duplicate_key(&key, span, self.child_key(parent, index));
                    if self.problems.len() + 1 >= MAX_PROBLEMS {
                        return Err(error);
                    }
                    self.problems.push(error);
                }
            }
            self.skip_space();
            if self.eat(b'}') {
                return Ok(Value::Object(map));
            }
            if !self.eat(b',') {
                return Err(self.unexpected("a `,` or `}` is expected").with_related(open, "in this object"));
            }
        }
    }

    fn child_key(&self, parent: usize, index: usize) -> Span {
        let mut child = parent + 1;
        for _ in 0..index {
            child += self.nodes.get(child).map_or(1, |node| node.count as usize);
        }
        self.nodes.get(child).map_or(Span::default(), |node| node.key)
    }

    fn array(&mut self, depth: usize) -> Result<Value, YamlError> {
        let open = self.here();
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.eat(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(NO_KEY, depth + 1)?);
            self.skip_space();
            if self.eat(b']') {
                return Ok(Value::Array(items));
            }
            if !self.eat(b',') {
                return Err(self.unexpected("a `,` or `]` is expected").with_related(open, "in this array"));
            }
        }
    }

    /// The text between the quotes, which `self.at` stands before.
    fn string(&mut self) -> Result<Cow<'t, str>, YamlError> {
        let open = self.here();
        self.at += 1;
        let mut decoded = String::new();
        let mut run = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let rest = self.text.get(run..self.at).unwrap_or_default();
                    self.at += 1;
                    if decoded.is_empty() {
                        return Ok(Cow::Borrowed(rest));
                    }
                    decoded.push_str(rest);
                    return Ok(Cow::Owned(decoded));
                }
                Some(b'\\') => {
                    decoded.push_str(self.text.get(run..self.at).unwrap_or_default());
                    decoded.push(self.escape()?);
                    run = self.at;
                }
                Some(byte) if byte < 0x20 => {
                    let error = YamlError::new(
                        YamlErrorKind::Control,
                        self.here(),
                        format!("the control character U+{byte:04X} must be escaped in a string"),
                    );
                    return Err(error.with_related(open, "the string begins here"));
                }
                Some(_) => self.at += 1,
                None => {
                    return Err(YamlError::new(YamlErrorKind::Syntax, open, "this quote is not closed"));
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, YamlError> {
        let start = self.at;
        self.at += 1;
        let decoded = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode(start);
            }
            _ => return Err(self.unexpected("this escape does not exist in JSON")),
        };
        self.at += 1;
        Ok(decoded)
    }

    /// The rest of an escape that began at `start`; `self.at` stands after `\u`.
    fn unicode(&mut self, start: usize) -> Result<char, YamlError> {
        let first = self.hex(start)?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        let lone = |reader: &Self| {
            YamlError::new(
                YamlErrorKind::Syntax,
                Span::new(start, reader.at),
                "half of a surrogate pair stands alone",
            )
        };
        if first >= 0xdc00 || !self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            return Err(lone(self));
        }
        self.at += 2;
        let second = self.hex(start)?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(lone(self));
        }
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or_else(|| lone(self))
    }

    fn hex(&mut self, start: usize) -> Result<u32, YamlError> {
        let digits = self
            .text
            .as_bytes()
            .get(self.at..self.at + 4)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let value = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let Some(value) = value else {
            return Err(YamlError::new(
                YamlErrorKind::Syntax,
                Span::new(start, self.at),
                "four hexadecimal digits are expected after `\\u`",
            ));
        };
        self.at += 4;
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, YamlError> {
        let start = self.at;
        self.eat(b'-');
        let zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if zero && whole > 1 {
            let error = YamlError::new(
                YamlErrorKind::Syntax,
                Span::new(start, self.at),
                "a number cannot begin with 0",
            );
            return Err(error.with_help("quote it if the zeros matter"));
        }
        let mut is_float = false;
        let mut complete = whole > 0;
        if complete && self.eat(b'.') {
            is_float = true;
            complete = self.digits() > 0;
        }
        if complete && (self.eat(b'e') || self.eat(b'E')) {
            is_float = true;
            let _ = self.eat(b'+') || self.eat(b'-');
            complete = self.digits() > 0;
        }
        if !complete {
            return Err(self.unexpected("a digit is expected"));
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        let value = if is_float { scalar::float(text) } else { scalar::integer(text) };
        value.or_else(|kind| {
            let error = scalar::problem(kind, text, Span::new(start, self.at));
            if self.problems.len() + 1 >= MAX_PROBLEMS {
                return Err(error);
            }
            self.problems.push(error);
            Ok(Value::Null)
        })
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn word(&mut self) -> Result<Value, YamlError> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let value = match &rest[..length] {
            b"null" => Value::Null,
            b"true" => Value::Bool(true),
            b"false" => Value::Bool(false),
            _ => {
                return Err(self
                    .unexpected("a value is expected")
                    .with_help("text is written in double quotes"));
            }
        };
        self.at += length;
        Ok(value)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// The character at hand.
    fn here(&self) -> Span {
        let width = self.text.get(self.at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        Span::new(self.at, self.at + width)
    }

    fn unexpected(&self, message: &str) -> YamlError {
        let ended = if self.at >= self.text.len() { ", but the file ends here" } else { "" };
        YamlError::new(YamlErrorKind::Syntax, self.here(), format!("{message}{ended}"))
    }
}
