//! What must not be seen: secrets that a receiver may repeat in its answer, in any of the ways in which they may be written.
//! This is the one place where a text is searched for secrets; everywhere else they are hidden by their type.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::http::guarded::Answer;
use crate::model::secret::Redacted;

/// What stands in the place of a secret.
pub const DOTS: &str = "\u{2022}\u{2022}\u{2022}";

/// The most bytes of an answer that are kept (M-D3).
const MOST_KEPT: usize = 2_048;

/// Shorter than that, a text is no secret but a word.
const LEAST: usize = 6;

/// Secrets of one attempt.
#[derive(Clone, Debug)]
pub struct Hidden(Redacted<Vec<String>>);

impl Default for Hidden {
    fn default() -> Self {
        Self(Redacted::new(Vec::new()))
    }
}

impl Hidden {
    /// These secrets, in every form.
    #[must_use]
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let mut forms = Vec::new();
        for secret in secrets.into_iter().filter(|secret| secret.len() >= LEAST) {
            forms.push(secret.to_owned());
            forms.push(secret.replace('/', "\\/"));
            forms.push(url::form_urlencoded::byte_serialize(secret.as_bytes()).collect());
            forms.extend([&STANDARD, &STANDARD_NO_PAD, &URL_SAFE_NO_PAD].map(|engine| engine.encode(secret)));
        }
        // The longest first: what is left of one that holds another would be seen.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms.dedup();
        Self(Redacted::new(forms))
    }

    /// A text without them.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for form in self.0.expose() {
            if clean.contains(form.as_str()) {
                clean = clean.replace(form.as_str(), DOTS);
            }
        }
        clean
    }

    /// The start of a text, as it is kept: without secrets, on one line, at most 2 KiB.
    #[must_use]
    pub fn start(&self, text: &str) -> Option<String> {
        let clean = self.clean(text);
        let mut kept = String::new();
        for c in clean.trim().chars() {
            let c = if c.is_control() { ' ' } else { c };
            if kept.len() + c.len_utf8() > MOST_KEPT {
                break;
            }
            kept.push(c);
        }
        (!kept.is_empty()).then_some(kept)
    }

    /// The start of an answer, as it is kept.
    #[must_use]
    pub fn of(&self, answer: &Answer) -> Option<String> {
        self.start(&answer.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_form() {
        let secret = "T0/B0/canary+secret==";
        let hidden = Hidden::new([secret, "ok"]);
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for form in [secret.to_owned(), encoded, STANDARD.encode(secret), secret.replace('/', "\\/")] {
            let kept = hidden.start(&format!("no such hook: {form}, ok?\r\n")).unwrap();
            assert_eq!(kept, format!("no such hook: {DOTS}, ok?"));
        }
        assert!(!format!("{hidden:?}").contains("canary"));
    }

    #[test]
    fn what_is_kept_is_short_and_whole() {
        let kept = Hidden::default().start(&"\u{1f600}".repeat(1_000)).unwrap();
        assert_eq!(kept.len(), MOST_KEPT);
        assert_eq!(Hidden::default().start(" \r\n "), None);
    }
}
