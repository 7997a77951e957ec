//! The status page: made on the server, without a script, readable on a phone and at night.
//!
//! Whatever comes from the database is escaped by the templates, and what no reader could see is made visible first. The one
//! stylesheet stands in the page and is allowed by its digest; nothing else may be loaded.

mod charts;
mod forms;
mod lists;
mod views;
mod visit;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use minijinja::value::Value;
use minijinja::{Environment, Error, UndefinedBehavior, escape_formatter};
use sha2::{Digest as _, Sha256};

use crate::report::clean::clean;
use crate::report::time::{coming, relative};

pub(super) use forms::{acknowledge, log_in, log_out, login, retry};
pub(super) use lists::{alerts, credentials, health, inbox, tenants};
pub(super) use views::{icon, not_allowed, not_found, operation, operations, overview, usage};

const STYLE: &str = include_str!("style.css");

/// The templates by name.
const TEMPLATES: [(&str, &str); 13] = [
    ("frame.html", include_str!("frame.html")),
    ("parts.html", include_str!("parts.html")),
    ("overview.html", include_str!("overview.html")),
    ("tenants.html", include_str!("tenants.html")),
    ("credentials.html", include_str!("credentials.html")),
    ("health.html", include_str!("health.html")),
    ("alerts.html", include_str!("alerts.html")),
    ("inbox.html", include_str!("inbox.html")),
    ("operations.html", include_str!("operations.html")),
    ("operation.html", include_str!("operation.html")),
    ("usage.html", include_str!("usage.html")),
    ("login.html", include_str!("login.html")),
    ("said.html", include_str!("said.html")),
];

/// The templates, ready to be used.
pub(super) struct Pages {
    environment: Environment<'static>,
    policy: String,
}

impl Pages {
    /// Reads them.
    ///
    /// # Errors
    /// One of them is wrong.
    pub(super) fn new() -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_formatter(|out, state, value| match value.as_str() {
            Some(text) if !value.is_safe() => {
                escape_formatter(out, state, &Value::from(clean(text).into_owned()))
            }
            _ => escape_formatter(out, state, value),
        });
        environment.add_filter("ago", |at: String, now: String| match (instant(&at), instant(&now)) {
            (Some(at), Some(now)) => relative(at, now),
            _ => at,
        });
        environment.add_filter("coming", |at: String, now: String| match (instant(&at), instant(&now)) {
            (Some(at), Some(now)) => coming(at, now),
            _ => at,
        });
        environment.add_filter("utc", |at: String| {
            instant(&at).map_or(at, |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string())
        });
        environment.add_filter("minute", |at: String| {
            instant(&at).map_or(at, |at| at.format("%Y-%m-%d %H:%M UTC").to_string())
        });
        environment.add_filter("urlencode", |text: String| {
            url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
        });
        environment.add_filter("tone", |word: String| tone(&word));
        environment.add_filter("grouped", grouped);
        environment.add_filter("short", |text: String| text.chars().take(10).collect::<String>());
        environment.add_global("style", Value::from_safe_string(STYLE.to_owned()));
        for (name, source) in TEMPLATES {
            environment.add_template(name, source)?;
        }
        let digest = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{digest}'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; \
             base-uri 'none'"
        );
        Ok(Self { environment, policy })
    }

    fn render(&self, name: &str, context: Value) -> Result<String, Error> {
        self.environment.get_template(name)?.render(context)
    }
}

/// What browsers may load and do.
pub(super) fn content_security_policy(pages: &Pages) -> String {
    pages.policy.clone()
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc())
}

/// How good or bad a word is. It colours a badge; the word itself stands there too.
fn tone(word: &str) -> &'static str {
    match word {
        "healthy" | "active" | "applied" | "sent" | "valid" | "leader" | "resolved" | "good" => "good",
        "degraded" | "warning" | "retrying" | "suspended" | "partly-applied" | "skipped" | "suppressed"
        | "released" | "soon" | "warn" => "warn",
        "unhealthy" | "critical" | "firing" | "failed" | "dead" | "invalid" | "unusable" | "expired"
        | "refused" | "bad" => "bad",
        "info" | "acknowledged" | "pending" | "sending" | "standby" => "info",
        _ => "idle",
    }
}

/// A number with its thousands apart.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        shown.push('-');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, shown) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (-25_000, "-25,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), shown);
        }
    }

    #[test]
    fn templates_are_valid_and_escape_what_they_are_given() {
        let pages = Pages::new().unwrap();
        let context = minijinja::context! { text => "<script>\u{202e}x\u{7}\"'" };
        let mut environment = pages.environment.clone();
        environment.add_template("x.html", "{{ text }}").unwrap();
        let shown = environment.get_template("x.html").unwrap().render(context).unwrap();
        assert_eq!(shown, "&lt;script&gt;\\u{202e}x\\u{7}&quot;&#x27;");
        assert!(!STYLE.contains("</"), "it stands in the page as it is");
    }
}
