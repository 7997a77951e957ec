//! The endpoints of a controller from its options: where they are, what must be shown there, and what they tell.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use clap::Args;

use crate::cli::context::{Context, host_name};
use crate::cli::error::{CliError, ExitStatus};
use crate::files;
use crate::model::clock::SystemClock;
use crate::model::secret::Redacted;
use crate::watch::http::{self, About, Endpoints, LEAST_TOKEN, ServeError, Settings, Vitals};
use crate::watch::{Board, Stopper};

use super::Station;
use super::desk::PageDesk;

/// Where the endpoints are, and who may use them.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Endpoints")]
pub struct ListenArgs {
    /// Answer probes, metrics, status and the status page there: `127.0.0.1:8080`, `[::]:8080`
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// The variable with the token that must be shown; one is needed unless only this machine can connect
    #[arg(long, value_name = "NAME", requires = "listen", conflicts_with = "listen_token_file")]
    pub listen_token_env: Option<String>,
    /// The file with the token that must be shown
    #[arg(long, value_name = "PATH", requires = "listen")]
    pub listen_token_file: Option<PathBuf>,
    /// A name by which the endpoints on loopback may be called besides `localhost`, as by a proxy in front; repeatable
    #[arg(long, value_name = "NAME", requires = "listen")]
    pub listen_host: Vec<String>,
    /// Have metrics tell of each workspace; without it they tell of all together
    #[arg(long, requires = "listen")]
    pub metrics_per_workspace: bool,
}

/// An address that is taken, and nobody answers at it yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    /// The address.
    pub address: SocketAddr,
    settings: Settings,
}

impl ListenArgs {
    /// Takes the address, if there is one.
    ///
    /// # Errors
    /// It is none of this machine, or somebody else has it; the token is missing or too short.
    pub fn bind(&self, context: &Context) -> Result<Option<Bound>, CliError> {
        let Some(wanted) = &self.listen else { return Ok(None) };
        let settings = Settings {
            token: self.token(context)?,
            hosts: self.listen_host.clone(),
            per_workspace: self.metrics_per_workspace,
        };
        let failed = |error: std::io::Error| {
            CliError::new(ExitStatus::Error, "listen", format!("nobody can listen at {wanted}"))
                .why(files::io_words(&error))
                .help("name an address of this machine with a port that is free, such as 127.0.0.1:8080")
        };
        let listener = TcpListener::bind(wanted.as_str()).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        if !address.ip().is_loopback() && settings.token.is_none() {
            return Err(explain(&ServeError::NeedsToken(address)));
        }
        Ok(Some(Bound { listener, address, settings }))
    }

    fn token(&self, context: &Context) -> Result<Option<Redacted<String>>, CliError> {
        let token = match (&self.listen_token_env, &self.listen_token_file) {
            (Some(name), _) => {
                let value = context.environment.get(name).map(|value| value.trim().to_owned());
                value.ok_or_else(|| {
                    CliError::usage(format!("the variable {name} of --listen-token-env is not set"))
                        .help(format!("set it to at least {LEAST_TOKEN} random characters"))
                })?
            }
            (None, Some(path)) => {
                let secret = files::read_secret_file(&context.directory.join(path)).map_err(|finding| {
                    let error = CliError::usage("the token of --listen-token-file cannot be read");
                    let error = error.why(finding.message);
                    match finding.help {
                        Some(help) => error.help(help),
                        None => error,
                    }
                })?;
                let token = secret.token().map(str::to_owned);
                token.ok_or_else(|| {
                    CliError::usage("the file of --listen-token-file has no token on one line")
                })?
            }
            (None, None) => return Ok(None),
        };
        if token.chars().count() < LEAST_TOKEN {
            return Err(explain(&ServeError::ShortToken));
        }
        Ok(Some(Redacted::new(token)))
    }
}

/// What a controller tells its endpoints of itself. `interval` is that of reconciling; `None` where it has no part in that.
#[must_use]
pub fn vitals(station: &Station<'_>, interval: Option<Duration>) -> Vitals {
    Vitals::new(About {
        replica: station.replica,
        host: host_name(),
        version: env!("CARGO_PKG_VERSION"),
        project: station.project.clone(),
        environment: station.environment.clone(),
        mode: if station.only_observes { "observe" } else { "enforce" },
        interval,
        started_at: station.context.clock.now(),
    })
}

/// Endpoints that answer.
#[derive(Debug)]
pub struct Served {
    stopper: Stopper,
    thread: JoinHandle<Result<(), ServeError>>,
}

impl Bound {
    /// Answers from now on.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn serve(
        self,
        station: &Station<'_>,
        vitals: &Arc<Vitals>,
        board: &Arc<Board>,
    ) -> Result<Served, CliError> {
        let desk = PageDesk::open(&station.options, station.realm(), &host_name(), Arc::new(SystemClock))
            .map_err(|error| explain(&ServeError::System(error)))?;
        let (vitals, board) = (Arc::clone(vitals), Arc::clone(board));
        let endpoints = Endpoints::new(vitals, board, Arc::new(desk), Box::new(SystemClock), self.settings)
            .map_err(|error| explain(&error))?;
        let (stopper, stop) = Stopper::new();
        let thread =
            http::spawn(self.listener, Arc::new(endpoints), stop).map_err(|error| explain(&error))?;
        tracing::info!(address = %self.address, "the endpoints answer");
        Ok(Served { stopper, thread })
    }
}

impl Served {
    /// Ends; what was begun is answered, for 5 s at most.
    pub fn end(self) {
        self.stopper.stop();
        match self.thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the endpoints ended early"),
            Err(_) => tracing::warn!("the endpoints came to a stop"),
        }
    }
}

fn explain(error: &ServeError) -> CliError {
    let what = error.to_string();
    let token = format!(
        "name a token of at least {LEAST_TOKEN} random characters with --listen-token-env or --listen-token-file"
    );
    match error {
        ServeError::NeedsToken(_) => CliError::usage(what).help(format!("{token}, or listen at 127.0.0.1")),
        ServeError::ShortToken => CliError::usage(what).help(token),
        ServeError::NoRandomNumbers => CliError::other(what, "they are needed for sessions"),
        ServeError::Page(why) => CliError::other(what, why.to_string()),
        ServeError::System(why) => CliError::other(what, files::io_words(why)),
    }
}
