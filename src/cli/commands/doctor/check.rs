//! What a check comes to: how it stands, what was found, why that is so, and what to do about it.

use std::time::Duration;

use crate::engine::StateError;

/// How a check stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// As it should be.
    Ok,
    /// Worth knowing, and nothing to mend.
    Info,
    /// It works, and not as well as it could; or something else will not.
    Warn,
    /// It does not work.
    Fail,
    /// It could not be looked at, because of something else.
    Skipped,
}

impl Status {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Info, Self::Warn, Self::Fail, Self::Skipped];

    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
        }
    }
}

/// What a check came to.
#[derive(Clone, Debug)]
pub struct Check {
    /// What was looked at, as a stable word. Several hosts have one check each under the same word.
    pub id: &'static str,
    /// How it stands.
    pub status: Status,
    /// What was found.
    pub what: String,
    /// Why.
    pub why: Option<String>,
    /// What to do.
    pub help: Option<String>,
}

impl Check {
    fn new(id: &'static str, status: Status, what: impl Into<String>) -> Self {
        Self { id, status, what: what.into(), why: None, help: None }
    }

    /// As it should be.
    pub fn ok(id: &'static str, what: impl Into<String>) -> Self {
        Self::new(id, Status::Ok, what)
    }

    /// Worth knowing.
    pub fn info(id: &'static str, what: impl Into<String>) -> Self {
        Self::new(id, Status::Info, what)
    }

    /// Not as it should be. There is always something to do about it.
    pub fn warn(id: &'static str, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(id, Status::Warn, what).help(help)
    }

    /// It does not work. There is always something to do about it.
    pub fn fail(id: &'static str, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(id, Status::Fail, what).help(help)
    }

    /// It was not looked at.
    pub fn skipped(id: &'static str, what: impl Into<String>) -> Self {
        Self::new(id, Status::Skipped, what)
    }

    /// Adds why.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What the database said instead of an answer.
    #[must_use]
    pub fn of_error(id: &'static str, status: Status, error: &StateError) -> Self {
        let help = error.help.clone().unwrap_or_else(|| "run it again with -v for the details".to_owned());
        let check = Self::new(id, status, error.what.clone()).help(help);
        match &error.why {
            Some(why) => check.why(why.replace(['\r', '\n'], " ")),
            None => check,
        }
    }
}

/// Waits for an answer, but not for ever.
pub async fn soon<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

/// `1 resource`, `2 resources`.
pub fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}
