//! An attempt that is a request: the bytes, the headers, and who judges the answer.

use chrono::{DateTime, Utc};

use crate::engine::delivery::{Failure, Sent};
use crate::http::guarded::{Answer, Guard, GuardedCall};
use crate::model::secret::Redacted;

use super::answers::by_error;
use super::hidden::{DOTS, Hidden};

/// Judges an answer, whatever its status.
pub type Judge = fn(&Answer, &Hidden, DateTime<Utc>) -> Result<Sent, Failure>;

/// A request that is ready to be sent.
#[derive(Debug)]
pub struct Post {
    /// What is posted, where to.
    pub call: GuardedCall,
    /// What must not be seen.
    pub hidden: Hidden,
    /// How the address is shown.
    pub shown_url: String,
    /// Judges the answer.
    pub judge: Judge,
}

impl Post {
    /// Sends it, once.
    pub(super) async fn send(&self, guard: &Guard, now: DateTime<Utc>) -> Result<Sent, Failure> {
        let answer = guard.post(&self.call).await.map_err(|error| by_error(&error, &self.hidden))?;
        (self.judge)(&answer, &self.hidden, now)
    }

    /// What is sent, byte for byte but for what is secret.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut shown = format!("POST {}\n", self.shown_url);
        let url = self.call.url.expose();
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        // What the client adds to every request.
        let own = [
            ("accept", "*/*".to_owned()),
            ("user-agent", concat!("synthex/", env!("CARGO_PKG_VERSION")).to_owned()),
            ("host", format!("{}{port}", url.host_str().unwrap_or_default())),
        ]
        .map(|(name, value)| (name, Redacted::new(value)));
        for (name, value) in self.call.headers.iter().chain(&own) {
            let value = match *name {
                "authorization" => format!("Bearer {DOTS}"),
                _ => self.hidden.clean(value.expose()),
            };
            shown.push_str(&format!("{name}: {value}\n"));
        }
        let body = self.call.body.expose();
        shown.push_str(&format!("content-length: {}\n\n", body.len()));
        shown.push_str(&self.hidden.clean(&String::from_utf8_lossy(body)));
        shown.push('\n');
        shown
    }
}
