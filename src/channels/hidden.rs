//! What must not be seen: secrets that a receiver may repeat in its answer, in any of the ways in which they may be written.
//! This is the one place where a text is searched for secrets; everywhere else they are hidden by their type.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::http::guarded::Answer;
use crate::model::secret::Redacted;

/// What stands in the place of a secret.
pub const DOTS: &str = "\u{2022}\u{2022}\u{2022}";

/// The most bytes of an answer that are kept (M-D3).
const MOST_KEPT: usize = 2_048;

/// Shorter than that, a text is no secret but a word.
const LEAST: usize = 6;

/// How many characters of a secret's start are enough to be hidden where the rest is missing.
const START: usize = 8;

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
            for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
                forms.extend((0..3).map(|before| within(engine, before, secret)));
            }
        }
        forms.retain(|form| form.len() >= LEAST);
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
        // A receiver may cut what it repeats.
        for form in self.0.expose().iter().filter(|form| !form.starts_with("http")) {
            let Some((start, rest)) = form.split_at_checked(form.ceil_char_boundary(START)) else { continue };
            if start.len() < START || !clean.contains(start) {
                continue;
            }
            let mut kept = String::with_capacity(clean.len());
            for (place, part) in clean.split(start).enumerate() {
                let same = part.char_indices().zip(rest.chars()).find(|((_, own), other)| own != other);
                let alike = same.map_or(part.len().min(rest.len()), |((at, _), _)| at);
                kept.push_str(if place == 0 { part } else { DOTS });
                kept.push_str(if place == 0 { "" } else { part.get(alike..).unwrap_or_default() });
            }
            clean = kept;
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

/// What base64 makes of a text behind others, in all characters that depend on nothing but it: `AUTH PLAIN` has the user in
/// front of the password.
fn within(engine: &GeneralPurpose, before: usize, text: &str) -> String {
    let bytes: Vec<u8> = std::iter::repeat_n(0, before).chain(text.bytes()).collect();
    let encoded = engine.encode(&bytes);
    let (start, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    encoded.get(start..end).unwrap_or_default().to_owned()
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
    fn a_secret_in_any_language_is_found_where_it_was_cut() {
        // A letter of two bytes lies across the place from which on a part is known.
        let hidden = Hidden::new(["passwor\u{e4}d-canary"]);
        let kept = hidden.start("535 what is passwor\u{e4}d-can?").unwrap();
        assert!(!kept.contains("passwor"), "{kept}");
    }

    #[test]
    fn a_secret_is_found_behind_others_in_base64_and_where_it_was_cut() {
        let secret = "Zx9pass-w0rd.canary";
        let hidden = Hidden::new([secret]);
        for user in ["", "a", "ab", "abc", "mailer@shop.example"] {
            for behind in ["", "!", "!!"] {
                let echoed = STANDARD.encode(format!("\0{user}\0{secret}{behind}"));
                let kept = hidden.start(&format!("502 what is AUTH PLAIN {echoed}")).unwrap();
                let left = kept.replace(DOTS, "");
                let rest = left.trim_start_matches("502 what is AUTH PLAIN ");
                // What is left is the user and what is behind, and at most a few bits of the secret.
                assert!(rest.len() <= STANDARD.encode(format!("\0{user}\0")).len() + 5, "{user}: {rest}");
                let place = (user.len() + 2) * 4 / 3 + 2;
                assert!(!kept.contains(&echoed[place..place + 8]), "{user}: {kept}");
            }
        }
        assert_eq!(hidden.clean("no: Zx9pass-w0rd"), format!("no: {DOTS}"));
        assert_eq!(hidden.clean("no: Zx9pass-w1rd, Zx9pass"), format!("no: {DOTS}1rd, Zx9pass"));
    }

    #[test]
    fn what_is_kept_is_short_and_whole() {
        let kept = Hidden::default().start(&"\u{1f600}".repeat(1_000)).unwrap();
        assert_eq!(kept.len(), MOST_KEPT);
        assert_eq!(Hidden::default().start(" \r\n "), None);
    }
}
