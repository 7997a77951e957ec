//! Looks: asks providers with secrets that are read for it, the database through a connection of its own, and this machine.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use crate::cli::error::{CliError, ExitStatus};
use crate::cli::providing::SecretSources;
use crate::engine::credentials::{Secrets as _, Subject};
use crate::engine::health::{Answer, DatabaseFacts, Prober, Space, Stage};
use crate::engine::{StateError, StateErrorKind};
use crate::model::clock::{Clock as _, SystemClock};
use crate::providers::{self, Providers};
use crate::store::ConnectOptions;
use crate::store::health::database_facts;

/// How the database is asked; or why it could not even be opened.
pub enum Database {
    /// Through a connection of its own.
    At(ConnectOptions),
    /// It was tried already.
    Failed(Mutex<Option<StateError>>),
}

impl Database {
    /// A database that could not be opened.
    #[must_use]
    pub fn failed(error: CliError) -> Self {
        Self::Failed(Mutex::new(Some(state_error(error))))
    }
}

/// An error of the command line as one of the store, from which it came.
fn state_error(error: CliError) -> StateError {
    let all = [
        StateErrorKind::Refused,
        StateErrorKind::Incompatible,
        StateErrorKind::Other,
        StateErrorKind::Rejected,
    ];
    let kind = all.into_iter().find(|kind| kind.code() == error.code);
    let mut state = StateError::new(kind.unwrap_or(StateErrorKind::Unreachable), error.what);
    (state.why, state.help) = (error.why, error.help);
    state
}

/// Whether an error says that the database is not well, which is a result, and not that the command is wrong.
#[must_use]
pub fn is_of_database(error: &CliError) -> bool {
    error.status == ExitStatus::Unreachable
}

/// Looks.
pub struct Looking<'c> {
    /// Where secrets are.
    pub secrets: SecretSources<'c>,
    /// The providers.
    pub providers: &'c Providers,
    /// The database.
    pub database: Database,
    /// The folder whose disk is looked at.
    pub folder: PathBuf,
}

impl Prober for Looking<'_> {
    async fn ask(&self, subject: &Subject, wants_quota: bool, limit: Duration) -> Answer {
        let began = std::time::Instant::now();
        let reading = tokio::time::timeout(limit, self.secrets.read(&subject.secret_ref)).await;
        let answer = match reading {
            Err(_) => providers::late("what keeps the secret", Stage::Secret, limit),
            Ok(Err(finding)) => Answer::of(finding, Stage::Secret),
            // A token is good or not by the true time, whatever --as-of says.
            Ok(Ok(secret)) => {
                self.providers.look(subject, &secret, wants_quota, limit, SystemClock.now()).await
            }
        };
        tracing::info!(credential = %subject.key, outcome = answer.finding.outcome.code(), "looked at");
        Answer { latency: began.elapsed(), ..answer }
    }

    async fn database(&self, _: Duration) -> Result<DatabaseFacts, StateError> {
        match &self.database {
            Database::At(options) => database_facts(options).await,
            Database::Failed(error) => {
                let first = error.lock().ok().and_then(|mut error| error.take());
                Err(first.unwrap_or_else(|| {
                    StateError::new(StateErrorKind::Unreachable, "the database cannot be reached")
                }))
            }
        }
    }

    async fn disk(&self) -> Result<Space, String> {
        providers::host::disk(&self.folder)
    }

    async fn memory(&self) -> Result<Space, String> {
        providers::host::memory()
    }
}
