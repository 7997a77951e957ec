//! The heartbeat: somebody outside hears of each cycle, and no cycle waits for him.

use std::time::Duration;

use synthex::cli::error::{CliError, ExitStatus};
use synthex::cli::watching::heartbeat::{Heartbeat, HeartbeatArgs, Outcome};

use crate::support::project::Project;
use crate::support::services::{Reply, Services};
use crate::support::watching::context;

const SECRET: &str = "5d0cbd3e-secret";

struct Outside {
    services: Services,
    project: Project,
}

impl Outside {
    fn new() -> Outside {
        let services = Services::new();
        services.scene("/ping/", |_| Reply::text(200, "OK"));
        Outside { services, project: Project::empty() }
    }

    fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}/ping/{SECRET}", self.services.port())
    }

    fn of(
        &self,
        url: &str,
        open: &[&str],
        variables: &[(&str, String)],
    ) -> Result<Option<Heartbeat>, CliError> {
        let args = HeartbeatArgs {
            heartbeat_url: (!url.is_empty()).then(|| url.to_owned()),
            heartbeat_allow_cidr: open.iter().map(|text| (*text).to_owned()).collect(),
        };
        Heartbeat::new(&context(self.project.path(), &[], variables), &args)
    }

    fn opened(&self) -> Heartbeat {
        self.of(&self.url("http"), &["127.0.0.0/8"], &[]).unwrap().unwrap()
    }

    /// What was said, in order.
    fn heard(&self) -> Vec<String> {
        let asked = self.services.asked("/ping/");
        asked.iter().map(|asked| format!("{} {}{}", asked.method, asked.path, asked.body)).collect()
    }
}

#[tokio::test]
async fn a_complete_cycle_and_one_that_failed_are_told_apart() {
    let outside = Outside::new();
    let heartbeat = outside.opened();
    heartbeat.ping(Outcome::Complete);
    heartbeat.settled().await;
    heartbeat.ping(Outcome::Failed);
    heartbeat.settled().await;
    assert_eq!(outside.heard(), [format!("POST /ping/{SECRET}"), format!("POST /ping/{SECRET}/fail")]);
    let state = heartbeat.state();
    assert_eq!((state.sent, state.failures, state.last), (2, 0, Some(Outcome::Failed)));
}

#[tokio::test]
async fn what_stands_behind_the_path_stays_behind_it() {
    let outside = Outside::new();
    let url = format!("{}/?create=1", outside.url("http"));
    let heartbeat = outside.of("", &["127.0.0.0/8"], &[("SYNTHEX_HEARTBEAT_URL", url)]).unwrap().unwrap();
    heartbeat.ping(Outcome::Failed);
    heartbeat.settled().await;
    assert_eq!(outside.heard(), [format!("POST /ping/{SECRET}/fail?create=1")]);
    assert!(outside.of("", &[], &[]).unwrap().is_none(), "nobody asked for one");
}

#[tokio::test]
async fn what_is_not_public_is_called_only_where_it_was_opened() {
    let outside = Outside::new();
    let refused = |url: &str, open: &[&str], why: &str| {
        let Err(error) = outside.of(url, open, &[]) else { panic!("{url} is called") };
        assert_eq!(error.status, ExitStatus::Usage);
        let text = format!("{:?} {:?} {:?}", error.what, error.why, error.help);
        assert!(text.contains(why), "{text}");
        assert!(!text.contains("network.") && !text.contains(SECRET), "{text}");
    };
    refused(&outside.url("https"), &[], "--heartbeat-allow-cidr");
    refused(&outside.url("http"), &[], "--heartbeat-allow-cidr");
    refused(&outside.url("https"), &["10.0.0.0/8"], "--heartbeat-allow-cidr");
    refused("https://user@example.com/ping", &[], "a user or a password");
    refused("not an address", &[], "--heartbeat-url");
    // A name is judged when it is called, by what it leads to.
    let url = format!("https://localhost:{}/ping/{SECRET}", outside.services.port());
    refused(&url, &[], "this machine");
    assert!(outside.heard().is_empty());
}

#[tokio::test]
async fn nobody_waits_and_what_happens_meanwhile_is_told_as_it_stands() {
    let outside = Outside::new();
    outside.services.scene("/ping/", |_| Reply::text(200, "OK").after(Duration::from_millis(500)));
    let heartbeat = outside.opened();
    for outcome in [Outcome::Complete, Outcome::Failed, Outcome::Failed, Outcome::Complete] {
        heartbeat.ping(outcome);
        // The first one begins before the others come.
        tokio::task::yield_now().await;
    }
    assert_eq!(heartbeat.state().sent, 0, "nobody waited for an answer");
    heartbeat.settled().await;
    assert_eq!(outside.heard(), [format!("POST /ping/{SECRET}"), format!("POST /ping/{SECRET}")]);
    assert_eq!((heartbeat.state().sent, heartbeat.state().last), (2, Some(Outcome::Complete)));
}

#[tokio::test]
async fn one_that_does_not_get_through_fails_nothing_and_shows_no_secret() {
    let outside = Outside::new();
    outside.services.scene("/ping/", |_| Reply::text(404, "no such check"));
    let heartbeat = outside.opened();
    heartbeat.ping(Outcome::Complete);
    heartbeat.settled().await;
    let state = heartbeat.state();
    assert_eq!((state.sent, state.failures), (0, 1));
    assert_eq!(state.problem.as_deref(), Some("it answered with the status 404"));
    // A server that is gone.
    let gone = outside.of(&format!("http://127.0.0.1:1/ping/{SECRET}"), &["127.0.0.0/8"], &[]);
    let gone = gone.unwrap().unwrap();
    gone.ping(Outcome::Complete);
    gone.settled().await;
    let shown = serde_json::to_string(&gone.state()).unwrap();
    assert!(shown.contains("127.0.0.1") && !shown.contains(SECRET), "{shown}");
    outside.services.scene("/ping/", |_| Reply::text(200, "OK"));
    heartbeat.ping(Outcome::Complete);
    heartbeat.settled().await;
    assert_eq!(heartbeat.state().problem, None);
}
