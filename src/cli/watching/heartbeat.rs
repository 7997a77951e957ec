//! The heartbeat: somebody outside who expects to hear from the controller, and raises the alarm when he does not (M-H14).
//!
//! It speaks as Healthchecks.io does (<https://healthchecks.io/docs/signaling_failures/>), which others understand too: a
//! POST without a body to the address after a cycle that was complete, and to the address with `/fail` behind its path after
//! one that was not. The address is a secret: whoever knows it can say that all is well. It is called by the same guard as
//! webhooks, so what is not public is called only where it was opened.
//!
//! A cycle neither waits for it nor fails because of it. One request at most is under way; what happens meanwhile is told
//! after it, as it stands then.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::sync::Notify;
use url::Url;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::http::guarded::{Guard, GuardedCall, SystemResolver};
use crate::model::address::{self, Rules};
use crate::model::secret::Redacted;

/// How long an answer is waited for.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Options of the heartbeat.
#[derive(Clone, Debug, Default, Args)]
pub struct HeartbeatArgs {
    /// Tell this address after each complete cycle, and the same with `/fail` behind its path after one that failed.
    /// Healthchecks.io and others raise the alarm when they hear nothing. Better given as `SYNTHEX_HEARTBEAT_URL`: it is a secret
    #[arg(long, value_name = "URL")]
    pub heartbeat_url: Option<String>,
    /// Allow the heartbeat into this subnet, which is not public, and without TLS; repeatable
    #[arg(long, value_name = "CIDR")]
    pub heartbeat_allow_cidr: Vec<String>,
}

/// How a cycle ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything was done.
    Complete,
    /// Something failed.
    Failed,
}

/// How the heartbeat stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeartbeatState {
    /// How often it got through.
    pub sent: u64,
    /// How often it did not.
    pub failures: u64,
    /// What it last said.
    pub last: Option<Outcome>,
    /// Why it last did not get through; `None` since it did.
    pub problem: Option<String>,
}

#[derive(Default)]
struct Inner {
    state: HeartbeatState,
    is_busy: bool,
    next: Option<Outcome>,
}

struct Shared {
    guard: Guard,
    complete: GuardedCall,
    failed: GuardedCall,
    inner: Mutex<Inner>,
    idle: Notify,
}

/// Tells somebody outside that the controller lives.
#[derive(Clone)]
pub struct Heartbeat(Arc<Shared>);

impl Heartbeat {
    /// The heartbeat that the options or the environment ask for; `None` where neither does.
    ///
    /// # Errors
    /// The address is none, or may not be called.
    pub fn new(context: &Context, args: &HeartbeatArgs) -> Result<Option<Self>, CliError> {
        let named = args.heartbeat_url.as_deref().map(|text| (text, "--heartbeat-url"));
        let variable = || Some((context.environment.get("SYNTHEX_HEARTBEAT_URL")?, "SYNTHEX_HEARTBEAT_URL"));
        let Some((text, by)) = named.or_else(variable) else {
            return Ok(None);
        };
        let refused = |refused: address::Refused| {
            let help = refused.help.replace("`network.allowCidrs`", "--heartbeat-allow-cidr");
            let help = help
                .replace("set `network.allowInsecure: true`", "open its subnet with --heartbeat-allow-cidr");
            CliError::usage(format!("{by} is no address for a heartbeat")).why(refused.what).help(help)
        };
        // The port is the operator's own choice, as the address is.
        let port = Url::parse(text).ok().and_then(|url| url.port()).map(i64::from);
        let ports: Vec<i64> = port.into_iter().collect();
        let cidrs = &args.heartbeat_allow_cidr;
        let rules = Rules::read(cidrs, &ports, !cidrs.is_empty()).map_err(refused)?;
        let url = address::check_url(text, &rules).map_err(refused)?;
        let mut fail = url.clone();
        fail.set_path(&format!("{}/fail", url.path().trim_end_matches('/')));
        let call = |url: Url| GuardedCall {
            service: "heartbeat",
            url: Redacted::new(url),
            rules: rules.clone(),
            certificates: None,
            timeout: TIMEOUT,
            headers: Vec::new(),
            body: Redacted::new(Vec::new()),
        };
        Ok(Some(Self(Arc::new(Shared {
            guard: Guard::new(Arc::new(SystemResolver), context.recorder.calls()),
            complete: call(url),
            failed: call(fail),
            inner: Mutex::default(),
            idle: Notify::new(),
        }))))
    }

    /// Says how a cycle ended, and returns at once.
    pub fn ping(&self, outcome: Outcome) {
        let mut inner = self.0.lock();
        inner.next = Some(outcome);
        if !std::mem::replace(&mut inner.is_busy, true) {
            tokio::spawn(send(Arc::clone(&self.0)));
        }
    }

    /// Returns once nothing is under way: before the process ends. That is soon, since every request has an end.
    pub async fn settled(&self) {
        loop {
            let idle = self.0.idle.notified();
            if !self.0.lock().is_busy {
                return;
            }
            idle.await;
        }
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> HeartbeatState {
        self.0.lock().state.clone()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be told next; where that is nothing, nobody is at it any more.
    fn take(&self) -> Option<Outcome> {
        let mut inner = self.lock();
        let next = inner.next.take();
        inner.is_busy = next.is_some();
        next
    }
}

/// Tells what is to be told, until there is nothing more.
async fn send(shared: Arc<Shared>) {
    while let Some(outcome) = shared.take() {
        let call = match outcome {
            Outcome::Complete => &shared.complete,
            Outcome::Failed => &shared.failed,
        };
        let problem = match shared.guard.post(call).await {
            Ok(answer) if (200..300).contains(&answer.status) => None,
            Ok(answer) => Some(format!("it answered with the status {}", answer.status)),
            Err(error) => Some(error.to_string()),
        };
        if let Some(problem) = &problem {
            tracing::warn!("the heartbeat did not get through: {problem}");
        }
        let mut inner = shared.lock();
        let state = &mut inner.state;
        state.last = Some(outcome);
        *if problem.is_none() { &mut state.sent } else { &mut state.failures } += 1;
        state.problem = problem;
    }
    shared.idle.notify_waiters();
}
