//! The words of services that are shown to people. A service may say anything, also what was sent to it: only codes that are
//! known, or of a strict form, are repeated, and never one that has to do with a secret.

use crate::engine::credentials::Secret;

/// Stands in the place of whatever else a service says.
pub const UNKNOWN: &str = "an unknown error";

/// Of RFC 6749, and those that Google documents besides.
const OAUTH: [&str; 17] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "access_denied",
    "unsupported_response_type",
    "server_error",
    "temporarily_unavailable",
    "admin_policy_enforced",
    "deleted_client",
    "disallowed_useragent",
    "org_internal",
    "redirect_uri_mismatch",
    "internal_failure",
    "rate_limit_exceeded",
];

/// Of Shopify's Admin API.
const SHOPIFY: [&str; 9] = [
    "THROTTLED",
    "ACCESS_DENIED",
    "SHOP_INACTIVE",
    "INTERNAL_SERVER_ERROR",
    "MAX_COST_EXCEEDED",
    "BAD_REQUEST",
    "undefinedField",
    "parse_error",
    "missingRequiredArguments",
];

/// How many characters in a row make a part of a secret.
const PART: usize = 8;

/// What was sent, or is kept with it: nothing of it may be shown.
pub struct Sent<'s> {
    parts: Vec<&'s str>,
}

impl<'s> Sent<'s> {
    /// A secret, and tokens that it was exchanged for.
    #[must_use]
    pub fn new(secret: &'s Secret, others: &[&'s str]) -> Self {
        let mut parts = secret.parts();
        parts.extend(others);
        Self { parts }
    }

    /// Whether a text is a part of what was sent, has one in it, or shares some characters in a row with it.
    fn touches(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        self.parts.iter().filter(|part| !part.is_empty()).any(|part| {
            let part = part.to_ascii_lowercase();
            let mut windows = text.as_bytes().windows(PART);
            text == part || windows.any(|own| part.as_bytes().windows(PART).any(|other| own == other))
        })
    }

    /// A text that may be shown; `None` where it has to do with what was sent.
    fn pass<'t>(&self, text: &'t str) -> Option<&'t str> {
        (!self.touches(text)).then_some(text)
    }

    /// A token endpoint's error.
    #[must_use]
    pub fn oauth(&self, text: Option<&str>) -> &'static str {
        self.among(&OAUTH, text)
    }

    /// A code of Shopify's.
    #[must_use]
    pub fn shopify(&self, text: Option<&str>) -> &'static str {
        self.among(&SHOPIFY, text)
    }

    fn among(&self, known: &[&'static str], text: Option<&str>) -> &'static str {
        let found = known.iter().copied().find(|code| Some(*code) == text);
        found.and_then(|code| self.pass(code)).unwrap_or(UNKNOWN)
    }

    /// A reason of Google's: `UPPER_CASE`, or `quota/lower_case`.
    #[must_use]
    pub fn reason<'t>(&self, text: &'t str) -> &'t str {
        let words = |text: &str, is_letter: fn(&u8) -> bool| {
            text.len() <= 48
                && text
                    .split('_')
                    .all(|word| (1..=20).contains(&word.len()) && word.as_bytes().iter().all(is_letter))
        };
        let fits = match text.strip_prefix("quota/") {
            Some(rest) => words(rest, u8::is_ascii_lowercase),
            None => words(text, u8::is_ascii_uppercase),
        };
        if fits { self.pass(text).unwrap_or(UNKNOWN) } else { UNKNOWN }
    }

    /// A shop's domain.
    #[must_use]
    pub fn domain<'t>(&self, text: &'t str) -> Option<&'t str> {
        let name = text.strip_suffix(".myshopify.com")?;
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = (1..=60).contains(&name.len()) && name.bytes().all(is_letter) && !name.starts_with('-');
        (fits && self.pass(name).is_some()).then_some(text)
    }

    /// A version of Shopify's API: `2026-10`.
    #[must_use]
    pub fn version<'t>(&self, text: &'t str) -> Option<&'t str> {
        let fits = text.len() == 7
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if fits || text == "unstable" { self.pass(text) } else { None }
    }

    /// The name of a group of quotas: `accounts/123/groups/PRODUCTS_READ`.
    #[must_use]
    pub fn group<'t>(&self, text: &'t str) -> Option<&'t str> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.');
        let fits = (1..=100).contains(&text.len()) && text.bytes().all(is_plain);
        if fits { self.pass(text) } else { None }
    }

    /// The number of an account.
    #[must_use]
    pub fn number<'t>(&self, text: &'t str) -> Option<&'t str> {
        let fits = (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if fits { self.pass(text) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::read(text.to_owned()).unwrap()
    }

    #[test]
    fn only_known_codes_are_repeated() {
        let secret = secret("shpat_token");
        let sent = Sent::new(&secret, &[]);
        assert_eq!(sent.oauth(Some("invalid_scope")), "invalid_scope");
        assert_eq!(sent.oauth(Some("abcdefgh")), UNKNOWN);
        assert_eq!(sent.shopify(Some("THROTTLED")), "THROTTLED");
        assert_eq!(sent.shopify(None), UNKNOWN);
        assert_eq!(sent.reason("SERVICE_DISABLED"), "SERVICE_DISABLED");
        assert_eq!(sent.reason("quota/request_rate_too_high"), "quota/request_rate_too_high");
        for bad in ["service", "A1", "", "_", "quota/", "Abc", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"] {
            assert_eq!(sent.reason(bad), UNKNOWN, "{bad}");
        }
        assert_eq!(sent.domain("other-1.myshopify.com"), Some("other-1.myshopify.com"));
        assert_eq!(sent.domain("o\u{1b}.myshopify.com"), None);
        assert_eq!((sent.version("2026-10"), sent.version("shpat_1")), (Some("2026-10"), None));
        assert_eq!(sent.group("accounts/1/groups/A_b-c"), Some("accounts/1/groups/A_b-c"));
        assert_eq!((sent.group("a b"), sent.group("x-shpat_token")), (None, None));
    }

    #[test]
    fn nothing_that_has_to_do_with_a_secret_is_repeated() {
        let secret = secret(
            r#"{"refresh_token":"invalid_scope","note":{"deep":["QUOTA_OF_MINE"]},"client_secret":"xx-abcdefghij"}"#,
        );
        let sent = Sent::new(&secret, &["12345678901"]);
        assert_eq!(sent.oauth(Some("invalid_scope")), UNKNOWN);
        assert_eq!(sent.reason("QUOTA_OF_MINE"), UNKNOWN);
        assert_eq!(sent.reason("ABCDEFGH"), UNKNOWN);
        assert_eq!(sent.domain("abcdefghi.myshopify.com"), None);
        assert_eq!((sent.number("345678901"), sent.number("42")), (None, Some("42")));
    }
}
