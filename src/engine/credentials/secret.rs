//! What a secret looks like: a token and nothing else, or a JSON object with a token and what renews it.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::model::secret::Redacted;

use super::{Finding, Fresh, Outcome};

/// The last second of the year 9999: later than that, a number is no time in seconds.
pub const LAST_SECOND: i64 = 253_402_300_799;

/// The fields that are times.
const TIMES: [&str; 3] = ["expires_at", "refresh_token_expires_at", "renewed_at"];

/// A secret that was read. Nothing shows what is in it.
#[derive(Clone, Debug)]
pub struct Secret {
    text: Redacted<String>,
    object: Option<Redacted<Map<String, Value>>>,
}

/// How a secret is read from the text that is kept.
pub type Reading = fn(String) -> Result<Secret, Finding>;

impl Secret {
    /// Reads one. What begins with a brace is JSON; anything else is a token: one line of visible ASCII.
    ///
    /// # Errors
    /// It is neither. The message does not repeat a part of it.
    pub fn read(text: String) -> Result<Self, Finding> {
        let secret = Self::read_line(text)?;
        if secret.object.is_some() {
            return Ok(secret);
        }
        let wrong = |what: String| Finding::new(Outcome::SecretMalformed, what);
        let token = secret.text.expose();
        if token.starts_with(['[', '"']) || matches!(token.as_str(), "null" | "true" | "false") {
            return Err(wrong("the secret is JSON, but no object and no bare token".to_owned()));
        }
        if let Some(at) = token.bytes().position(|byte| !byte.is_ascii_graphic()) {
            let what = format!(
                "the secret is no token: character {} is a space, a line break or no ASCII, and it is not a JSON object",
                at + 1
            );
            return Err(wrong(what));
        }
        Ok(secret)
    }

    /// Reads one that people may have chosen, such as the password of a mailbox: JSON as in [`Secret::read`], or any one line,
    /// with spaces and with letters of every language.
    ///
    /// # Errors
    /// It is neither. The message does not repeat a part of it.
    pub fn read_line(text: String) -> Result<Self, Finding> {
        let wrong = |what: String| Finding::new(Outcome::SecretMalformed, what);
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(wrong("the secret is empty".to_owned()));
        }
        if trimmed.starts_with('{') {
            // The parser's own message may repeat what it found.
            let object: Map<String, Value> = serde_json::from_str(trimmed).map_err(|error| {
                wrong(format!("the secret is not valid JSON, at {}:{}", error.line(), error.column()))
            })?;
            let strange = TIMES.iter().find(|name| {
                object.get(**name).is_some_and(|value| !value.is_null() && instant(value).is_none())
            });
            if let Some(name) = strange {
                let what = format!("{name} in the secret is no time");
                return Err(wrong(what).help(format!(
                    "write {name} as seconds since 1970 (not milliseconds), or as RFC 3339: 2026-12-31T00:00:00Z"
                )));
            }
            return Ok(Self { text: Redacted::new(text), object: Some(Redacted::new(object)) });
        }
        if let Some(at) = trimmed.chars().position(char::is_control) {
            let what = format!(
                "the secret is more than one line: character {} is a line break or another control character, and it is not a JSON object",
                at + 1
            );
            return Err(wrong(what));
        }
        Ok(Self { text: Redacted::new(trimmed.to_owned()), object: None })
    }

    /// The token to call with: the secret itself, or its `access_token`.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        match &self.object {
            None => Some(self.text.expose()),
            Some(_) => self.field("access_token"),
        }
    }

    /// A field of the JSON object that is a text, and not empty.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let object = self.object.as_ref()?.expose();
        object.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// A field that is an instant: RFC 3339, or seconds since 1970.
    #[must_use]
    pub fn time(&self, name: &str) -> Option<DateTime<Utc>> {
        instant(self.object.as_ref()?.expose().get(name)?)
    }

    /// Every text in it, however deep: what may be shown nowhere.
    #[must_use]
    pub fn parts(&self) -> Vec<&str> {
        fn collect<'v>(value: &'v Value, parts: &mut Vec<&'v str>) {
            match value {
                Value::String(text) => parts.push(text),
                Value::Array(values) => values.iter().for_each(|value| collect(value, parts)),
                Value::Object(fields) => fields.values().for_each(|value| collect(value, parts)),
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        let Some(object) = &self.object else { return vec![self.text.expose()] };
        let mut parts = Vec::new();
        object.expose().values().for_each(|value| collect(value, &mut parts));
        parts
    }

    /// Refuses a secret that lacks one of these fields, and names all of them.
    ///
    /// # Errors
    /// Some are not there.
    pub fn must_have(&self, names: &[&str]) -> Result<(), Finding> {
        let missing = self.missing(names);
        if missing.is_empty() {
            return Ok(());
        }
        let what = format!("the secret has no {}", missing.join(", no "));
        Err(Finding::new(Outcome::NoRefreshToken, what))
    }

    /// Whether it is a service account's key file.
    #[must_use]
    pub fn is_service_account(&self) -> bool {
        self.field("type") == Some("service_account") || self.field("private_key").is_some()
    }

    /// Which of these fields are not there.
    #[must_use]
    pub fn missing<'a>(&self, names: &[&'a str]) -> Vec<&'a str> {
        names.iter().copied().filter(|name| self.field(name).is_none()).collect()
    }

    /// Tells one secret from another.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex::encode(Sha256::digest(self.text.expose().trim().as_bytes()))
    }

    /// The secret with what a renewal brought, as it is saved: fields that synthex does not know stay.
    #[must_use]
    pub fn with(&self, fresh: &Fresh, now: DateTime<Utc>) -> Redacted<String> {
        let mut object = self.object.as_ref().map(|object| object.expose().clone()).unwrap_or_default();
        let mut set = |name: &str, value: Option<String>| match value {
            Some(value) => {
                object.insert(name.to_owned(), Value::String(value));
            }
            None => {
                object.shift_remove(name);
            }
        };
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        set("access_token", Some(fresh.access_token.expose().clone()));
        set("expires_at", fresh.expires_at.map(time));
        if let Some(refresh_token) = &fresh.refresh_token {
            set("refresh_token", Some(refresh_token.expose().clone()));
            set("refresh_token_expires_at", fresh.refresh_expires_at.map(time));
        }
        set("renewed_at", Some(time(now)));
        // By this a pair that was received, and not saved, is known to belong in place of this one and of no other.
        set("renewed_from", Some(self.fingerprint()));
        Redacted::new(format!("{:#}\n", Value::Object(object)))
    }
}

/// What RFC 3339 or seconds since 1970 mean.
fn instant(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::String(text) => DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc)),
        Value::Number(number) => {
            let seconds = number.as_i64().filter(|seconds| (0..=LAST_SECOND).contains(seconds))?;
            DateTime::from_timestamp(seconds, 0)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str) -> String {
        Secret::read(text.to_owned()).unwrap_err().message
    }

    #[test]
    fn a_token_stands_alone_and_json_is_an_object() {
        assert_eq!(Secret::read("shpat_1\n".to_owned()).unwrap().token(), Some("shpat_1"));
        let pair = r#"{"access_token": "a", "expires_at": "2026-01-01T00:00:00Z", "n": 1700000000}"#;
        let pair = Secret::read(pair.to_owned()).unwrap();
        assert_eq!(pair.token(), Some("a"));
        assert_eq!(pair.time("expires_at").unwrap().to_string(), "2026-01-01 00:00:00 UTC");
        assert_eq!(pair.time("n").unwrap().timestamp(), 1_700_000_000);
        assert_eq!(pair.missing(&["access_token", "refresh_token"]), ["refresh_token"]);
    }

    #[test]
    fn a_password_is_any_line() {
        for text in ["abcd efgh ijkl mnop", "pässwörd", "\"quoted", "[x", "null"] {
            assert_eq!(Secret::read_line(format!("{text}\n")).unwrap().token(), Some(text));
            assert!(Secret::read(text.to_owned()).is_err(), "{text}");
        }
        for text in ["canary\ncanary", "{\"a\": canary}", " "] {
            let message = Secret::read_line(text.to_owned()).unwrap_err().message;
            assert!(!message.contains("canary"), "{message}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_a_part_of_it() {
        for text in ["canary\ncanary", "{\"a\": canary}", "[\"canary\"] x", "canary é", ""] {
            let message = refused(text);
            assert!(!message.contains("canary"), "{message}");
        }
        assert!(!format!("{:?}", Secret::read("canary".to_owned()).unwrap()).contains("canary"));
    }

    #[test]
    fn what_is_no_time_and_what_is_no_object_is_malformed() {
        for value in [
            "1767225600000",
            "253402300800",
            "-1",
            "17e30",
            "1.5",
            "\"\"",
            "\"soon\"",
            "\"1767225600\"",
            "true",
            "[]",
        ] {
            let finding =
                Secret::read(format!("{{\"access_token\":\"a\",\"expires_at\":{value}}}")).unwrap_err();
            assert_eq!(finding.outcome, Outcome::SecretMalformed, "{value}");
            assert!(finding.advice().unwrap().contains("seconds since 1970"), "{finding:?}");
        }
        assert!(Secret::read("{\"expires_at\":null,\"refresh_token_expires_at\":0}".to_owned()).is_ok());
        for text in ["[\"canary\"]", "\"canary\"", "null"] {
            assert!(refused(text).contains("no object"), "{text}");
        }
    }

    #[test]
    fn a_renewed_secret_keeps_what_is_not_ours() {
        let old = Secret::read(r#"{"client_id":"i","refresh_token":"r1","note":"n"}"#.to_owned()).unwrap();
        let fresh = Fresh {
            access_token: Redacted::new("a2".to_owned()),
            expires_at: DateTime::from_timestamp(1_700_003_600, 0),
            refresh_token: Some(Redacted::new("r2".to_owned())),
            refresh_expires_at: None,
        };
        let text = old.with(&fresh, DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let new = Secret::read(text.expose().clone()).unwrap();
        assert_eq!(new.field("note"), Some("n"));
        assert_eq!(new.field("refresh_token"), Some("r2"));
        assert_eq!(new.field("renewed_from"), Some(old.fingerprint().as_str()));
        assert_eq!(new.time("renewed_at").unwrap().timestamp(), 1_700_000_000);
    }
}
