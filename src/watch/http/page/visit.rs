//! One visit of a page: who comes, what is shown to them, and what is said when the database does not answer.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use minijinja::context;
use minijinja::value::Value;
use url::form_urlencoded::{Serializer, parse};

use crate::engine::{StateError, StateErrorKind};
use crate::watch::http::Site;
use crate::watch::http::desk::Asked;
use crate::watch::http::door::Session;

/// How long a page waits for the database.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who comes, and to which page.
pub(in crate::watch::http) struct Visit {
    pub(super) site: Arc<Site>,
    /// `None` where the system has no random numbers: then nothing can be changed.
    pub(super) session: Option<Session>,
    uri: Uri,
}

impl FromRequestParts<Arc<Site>> for Visit {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Self::Rejection> {
        let session = parts.extensions.get::<Session>().cloned();
        Ok(Self { site: Arc::clone(site), session, uri: parts.uri.clone() })
    }
}

/// What a page is called, and where it stands in the menu.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf {
    pub template: &'static str,
    pub title: &'static str,
    pub menu: &'static str,
}

impl Visit {
    /// This page with other words behind the `?`: those that are given in the place of those there, an empty one for none.
    pub(super) fn link(&self, changed: &[(&str, &str)]) -> String {
        let mut words = Serializer::new(String::new());
        for (name, value) in parse(self.uri.query().unwrap_or_default().as_bytes()) {
            if name != "done" && !changed.iter().any(|(own, _)| *own == name) {
                words.append_pair(&name, &value);
            }
        }
        for (name, value) in changed.iter().filter(|(_, value)| !value.is_empty()) {
            words.append_pair(name, value);
        }
        let words = words.finish();
        let path = self.uri.path();
        if words.is_empty() { path.to_owned() } else { format!("{path}?{words}") }
    }

    fn word(&self, name: &str) -> Option<String> {
        let mut words = parse(self.uri.query().unwrap_or_default().as_bytes());
        words.find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
    }

    /// A page.
    pub(super) fn show(&self, status: StatusCode, leaf: Leaf, page: Value) -> Response {
        let own = &self.site.endpoints;
        let about = &own.vitals.about;
        let form_token =
            self.session.as_ref().map(|session| own.door.form_token(session)).unwrap_or_default();
        let refresh = self
            .word("refresh")
            .and_then(|text| text.parse::<u32>().ok())
            .filter(|seconds| (5..=3600).contains(seconds));
        let done = self.word("done").and_then(|word| said_of(&word));
        let context = context! {
            title => leaf.title,
            menu => leaf.menu,
            now => own.clock.now().to_rfc3339(),
            project => about.project.as_str(),
            environment => about.environment.as_str(),
            host => about.host.as_str(),
            version => about.version,
            mode => about.mode,
            role => own.vitals.seen().role.code(),
            csrf => form_token,
            can_leave => own.door.asks() && self.session.as_ref().is_some_and(|session| session.is_known),
            refresh => refresh,
            refresh_link => self.link(&[("refresh", if refresh.is_some() { "" } else { "30" })]),
            here => self.link(&[]),
            done => done,
            page => page,
        };
        match own.pages.render(leaf.template, context) {
            Ok(text) => (status, Html(text)).into_response(),
            Err(error) => {
                tracing::error!(page = leaf.template, why = %error, "a page cannot be made");
                (StatusCode::INTERNAL_SERVER_ERROR, "this page cannot be made; the log says why\n")
                    .into_response()
            }
        }
    }

    /// What was asked of the database, or the page that says why there is nothing.
    pub(super) async fn ask<T>(&self, leaf: Leaf, asked: Asked<'_, T>) -> Result<T, Response> {
        let outcome = tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| {
            let what = "the database did not answer in time";
            Err(StateError::new(StateErrorKind::Unreachable, what)
                .why(format!("there was no answer for {} s", PATIENCE.as_secs()))
                .help("check the database and the network in between"))
        });
        outcome.map_err(|error| self.away(leaf, &error))
    }

    fn away(&self, leaf: Leaf, error: &StateError) -> Response {
        let status = match error.kind {
            StateErrorKind::Unreachable | StateErrorKind::Refused | StateErrorKind::Incompatible => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let what = capital(&error.what);
        self.say(status, leaf, &what, error.why.as_deref(), error.help.as_deref())
    }

    /// A page that says one thing.
    pub(super) fn say(
        &self,
        status: StatusCode,
        leaf: Leaf,
        what: &str,
        why: Option<&str>,
        help: Option<&str>,
    ) -> Response {
        let page = context! {
            what => what,
            why => why,
            help => help,
            number => status.as_u16(),
            is_away => status.is_server_error(),
        };
        self.show(status, Leaf { template: "said.html", ..leaf }, page)
    }

    /// What was asked for cannot be understood.
    pub(super) fn bad_request(&self, leaf: Leaf, why: &str) -> Response {
        let help = "go back, correct the address or the form, and try again";
        self.say(StatusCode::BAD_REQUEST, leaf, "This cannot be understood", Some(why), Some(help))
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What is said of something that was done, with how good that is. The word comes from the address, so that only these can be
/// said.
fn said_of(word: &str) -> Option<Value> {
    let (tone, text) = match word {
        "acknowledged" => ("good", "Acknowledged: no reminders are sent of it until it is over."),
        "acknowledged-before" => ("info", "It was acknowledged before."),
        "not-acknowledged" => ("warn", "It cannot be acknowledged: it is over, or nobody is told of it."),
        "no-alert" => ("warn", "There is no such alert any more."),
        "retried" => ("good", "It is tried again now."),
        "not-retried" => ("info", "There is nothing to try again: it got through, or is on its way."),
        _ => return None,
    };
    Some(context! { tone => tone, text => text })
}
