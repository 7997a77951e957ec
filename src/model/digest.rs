//! Canonical JSON and its SHA-256, the one way in which two specs are said to be equal.
//!
//! Canonical means: object keys sorted, no insignificant white space, and numbers written the way PostgreSQL's
//! `jsonb` gives them back (`1e15` and `1000000000000000` are one number), so that a value read from the database
//! compares equal to the value that was written.

use std::fmt;

use serde_json::{Map, Number, Value};
use sha2::{Digest as _, Sha256};

/// SHA-256 of a canonical form.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Takes the 32 bytes a database column holds; `None` for any other length.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Reads what [`Digest::to_hex`] or `Display` wrote: 64 hexadecimal characters, with or without `sha256:`.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = hex::decode(text.strip_prefix("sha256:").unwrap_or(text)).ok()?;
        Self::from_slice(&bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The whole digest, 64 lower-case hexadecimal characters.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", hex::encode(&self.0[..6]))
    }
}

/// Feeds a digest piece by piece.
#[derive(Default)]
pub struct DigestWriter(Sha256);

impl DigestWriter {
    /// Adds one field, with its length, so that `("ab", "c")` and `("a", "bc")` differ.
    pub fn field(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// The digest of all fields added.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// Brings a value into canonical form in place: sorted keys, normal numbers, at every depth.
pub fn canonicalize(value: &mut Value) {
    match value {
        Value::Object(map) => {
            canonicalize_map(map);
        }
        Value::Array(items) => items.iter_mut().for_each(canonicalize),
        Value::Number(number) => {
            if let Some(normal) = normal_number(number) {
                *number = normal;
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// [`canonicalize`] for a map.
pub fn canonicalize_map(map: &mut Map<String, Value>) {
    map.values_mut().for_each(canonicalize);
    if !map.keys().is_sorted() {
        map.sort_keys();
    }
}

/// A float that is a whole number becomes an integer when no precision is lost; anything else stays.
fn normal_number(number: &Number) -> Option<Number> {
    /// Beyond 2^53 a float no longer names one integer.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if !number.is_f64() {
        return None;
    }
    let float = number.as_f64()?;
    if float.fract() == 0.0 && float.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53, checked above")]
        return Some(Number::from(float as i64));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(mut input: Value, expected: &str) {
        canonicalize(&mut input);
        assert_eq!(input.to_string(), expected);
    }

    #[test]
    fn keys_are_sorted_at_every_depth() {
        check(
            json!({"b": {"z": 1, "a": [{"y": 1, "x": 2}]}, "a": 0}),
            r#"{"a":0,"b":{"a":[{"x":2,"y":1}],"z":1}}"#,
        );
    }

    #[test]
    fn numbers_take_the_form_that_jsonb_returns() {
        check(json!([1.0, 1e15, -0.0, 0.1, 1e300]), "[1,1000000000000000,0,0.1,1e+300]");
    }

    #[test]
    fn fields_of_a_digest_do_not_run_together() {
        let mut left = DigestWriter::default();
        left.field(b"ab").field(b"c");
        let mut right = DigestWriter::default();
        right.field(b"a").field(b"bc");
        assert_ne!(left.finish(), right.finish());
    }
}
