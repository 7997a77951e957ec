//! Who may come in: the token, the sessions of browsers, and the proof that a form came from one of our pages.
//!
//! A session is a random value with its end, signed with a key that lives as long as the process: nothing is kept of it, so
//! nobody can fill the memory with sessions, and none outlives a restart. The token itself is never in a cookie.

use std::time::{Duration, Instant};

use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::model::secret::Redacted;

/// How long a session lasts: a shift.
pub(super) const LIFE: Duration = Duration::from_secs(12 * 3600);

/// A shorter token could be guessed.
pub const LEAST_TOKEN: usize = 16;

const PAYLOAD: usize = 1 + 8 + 16;
const SIGNED: usize = PAYLOAD + 32;

/// Decides who may come in.
pub(super) struct Door {
    token: Option<Redacted<String>>,
    key: hmac::Key,
    random: SystemRandom,
    began: Instant,
}

/// A session of a browser.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// What its cookie holds.
    pub value: String,
    /// Whether the token was shown in it, or none is needed.
    pub is_known: bool,
    /// Whether the browser does not have it yet.
    pub is_new: bool,
}

impl Door {
    /// With that token; without one everybody may come in. `None` where the system has no random numbers.
    pub fn new(token: Option<Redacted<String>>) -> Option<Self> {
        let random = SystemRandom::new();
        let mut secret = [0; 32];
        random.fill(&mut secret).ok()?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        Some(Self { token, key, random, began: Instant::now() })
    }

    /// Whether a token is needed.
    pub fn asks(&self) -> bool {
        self.token.is_some()
    }

    /// Whether this is the token. How long it takes says nothing of the token, nor of its length.
    pub fn is_token(&self, given: &str) -> bool {
        let Some(token) = &self.token else { return true };
        let expected = hmac::sign(&self.key, token.expose().as_bytes());
        hmac::verify(&self.key, given.as_bytes(), expected.as_ref()).is_ok()
    }

    /// Whether an `Authorization` header shows the token.
    pub fn is_authorized(&self, header: Option<&str>) -> bool {
        let given = header.and_then(|header| {
            let (scheme, token) = header.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        !self.asks() || given.is_some_and(|given| self.is_token(given))
    }

    /// A new session. `None` where the system has no random numbers left.
    pub fn open(&self, is_known: bool) -> Option<Session> {
        let mut bytes = Vec::with_capacity(SIGNED);
        bytes.push(u8::from(is_known));
        let ends = (self.began.elapsed() + LIFE).as_secs();
        bytes.extend_from_slice(&ends.to_be_bytes());
        let mut random = [0; 16];
        self.random.fill(&mut random).ok()?;
        bytes.extend_from_slice(&random);
        let signature = hmac::sign(&self.key, &bytes);
        bytes.extend_from_slice(signature.as_ref());
        Some(Session { value: hex::encode(bytes), is_known: is_known || !self.asks(), is_new: true })
    }

    /// The session that a cookie holds, if it is one of ours and not over.
    pub fn session(&self, value: &str) -> Option<Session> {
        self.session_at(value, self.began.elapsed())
    }

    fn session_at(&self, value: &str, elapsed: Duration) -> Option<Session> {
        let bytes = hex::decode(value).ok().filter(|bytes| bytes.len() == SIGNED)?;
        let (payload, signature) = bytes.split_at(PAYLOAD);
        hmac::verify(&self.key, payload, signature).ok()?;
        let ends = u64::from_be_bytes(payload.get(1..9)?.try_into().ok()?);
        let is_known = payload.first() == Some(&1) || !self.asks();
        (elapsed.as_secs() < ends).then(|| Session { value: value.to_owned(), is_known, is_new: false })
    }

    /// What a form of this session carries.
    pub fn form_token(&self, session: &Session) -> String {
        hex::encode(hmac::sign(&self.key, form(session).as_bytes()).as_ref())
    }

    /// Whether a form that carries this came from a page of this session.
    pub fn is_form_token(&self, session: &Session, given: &str) -> bool {
        let given = hex::decode(given).unwrap_or_default();
        hmac::verify(&self.key, form(session).as_bytes(), &given).is_ok()
    }
}

fn form(session: &Session) -> String {
    format!("form {}", session.value)
}

/// The name in a `Host` header, in lower case and without its port; `None` where it is no name.
pub(super) fn host_name(header: &str) -> Option<String> {
    let name = match header.strip_prefix('[') {
        Some(rest) => {
            let (inner, port) = rest.split_once(']')?;
            if !port.is_empty() && !port.starts_with(':') {
                return None;
            }
            format!("[{inner}]")
        }
        None => header.split(':').next().unwrap_or_default().to_owned(),
    };
    (!name.is_empty()).then(|| name.to_ascii_lowercase())
}

/// Whether a request that changes something comes from one of our own pages, as far as the browser says it. One that says
/// nothing at all is no browser of today, and is not believed.
pub(super) fn is_own_page(host: &str, origin: Option<&str>, site: Option<&str>) -> bool {
    let is_own = |origin: &str| {
        origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"))
            .is_some_and(|own| own == host)
    };
    match (origin, site) {
        (None, None) => false,
        (origin, site) => origin.is_none_or(is_own) && site.is_none_or(|site| site == "same-origin"),
    }
}

/// A place of ours to go to after the login; the first page for anything else.
pub(super) fn safe_next(next: &str) -> &str {
    let is_safe = next.starts_with('/')
        && !next.starts_with("//")
        && next.len() <= 500
        && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_safe { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(token: Option<&str>) -> Door {
        Door::new(token.map(|token| Redacted::new(token.to_owned()))).unwrap()
    }

    #[test]
    fn only_the_token_opens() {
        let door = door(Some("correct horse battery"));
        assert!(door.is_authorized(Some("Bearer correct horse battery")));
        for wrong in [
            "Bearer correct horse batter",
            "Bearer ",
            "Basic correct horse battery",
            "correct horse battery",
            "",
        ] {
            assert!(!door.is_authorized(Some(wrong)), "{wrong}");
        }
        assert!(!door.is_authorized(None));
        assert!(super::tests::door(None).is_authorized(None));
    }

    #[test]
    fn sessions_cannot_be_made_up_and_end() {
        let door = door(Some("correct horse battery"));
        let (known, unknown) = (door.open(true).unwrap(), door.open(false).unwrap());
        assert!(door.session(&known.value).unwrap().is_known);
        assert!(!door.session(&unknown.value).unwrap().is_known);
        assert!(door.session_at(&known.value, LIFE - Duration::from_secs(5)).is_some());
        assert!(door.session_at(&known.value, LIFE + Duration::from_secs(5)).is_none());
        // One that does not know the token does not become one that does.
        let forged = format!("01{}", &unknown.value[2..]);
        assert!(door.session(&forged).is_none());
        assert!(door.session("").is_none() && door.session("zz").is_none());
        assert!(
            super::tests::door(Some("correct horse battery")).session(&known.value).is_none(),
            "another process"
        );
    }

    #[test]
    fn a_form_belongs_to_its_session() {
        let door = door(None);
        let (one, other) = (door.open(false).unwrap(), door.open(false).unwrap());
        let token = door.form_token(&one);
        assert!(door.is_form_token(&one, &token));
        assert!(
            !door.is_form_token(&other, &token)
                && !door.is_form_token(&one, "")
                && !door.is_form_token(&one, "x")
        );
    }

    #[test]
    fn pages_of_others_are_not_ours() {
        let host = "localhost:9090";
        assert!(is_own_page(host, Some("http://localhost:9090"), Some("same-origin")));
        assert!(is_own_page(host, Some("https://localhost:9090"), None));
        assert!(is_own_page(host, None, Some("same-origin")));
        for (origin, site) in [
            (Some("http://evil.example"), None),
            (Some("http://localhost:9091"), Some("same-site")),
            (Some("null"), None),
            (None, Some("cross-site")),
            (None, Some("none")),
            (None, None),
        ] {
            assert!(!is_own_page(host, origin, site), "{origin:?} {site:?}");
        }
    }

    #[test]
    fn hosts_and_places_are_read() {
        assert_eq!(host_name("LocalHost:80").as_deref(), Some("localhost"));
        assert_eq!(host_name("[::1]:80").as_deref(), Some("[::1]"));
        assert_eq!(host_name("[::1]evil").as_deref(), None);
        assert_eq!(host_name("").as_deref(), None);
        assert_eq!(safe_next("/alerts?show=all"), "/alerts?show=all");
        for wrong in ["//evil.example", "http://evil.example", "/\\evil", "", "/a b", "/\r\nx"] {
            assert_eq!(safe_next(wrong), "/", "{wrong}");
        }
    }
}
