//! `--listen`: opens the endpoints of a controller, and keeps what they tell up to date.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use clap::Args;

use crate::cli::context::{Context, host_name};
use crate::cli::error::CliError;
use crate::engine::credentials::Secret;
use crate::engine::{StateError, StateErrorKind};
use crate::files;
use crate::model::Clock;
use crate::model::clock::SystemClock;
use crate::model::secret::Redacted;
use crate::store::migration_state;
use crate::watch::http::{Endpoints, LEAST_TOKEN, Role, ServeError, Settings, spawn};
use crate::watch::{Board, Stop, Stopper, TaskCode};

use super::desk::{PageDesk, count};
use super::{Line, Station};

/// How often the schema is looked at, and what metrics tell of the database is counted.
const COUNTING: Duration = Duration::from_secs(15);

/// The endpoints of a controller.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Endpoints")]
pub struct ListenArgs {
    /// Serve /livez, /readyz, /metrics, /status and a status page at this address: `127.0.0.1:8080`
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub listen: Option<SocketAddr>,
    /// The environment variable with the token that everything but /livez and /readyz asks for; needed where others than this
    /// machine can connect
    #[arg(long, value_name = "NAME", requires = "listen", conflicts_with = "listen_token_file")]
    pub listen_token_env: Option<String>,
    /// The file with that token; other users must be kept out of it
    #[arg(long, value_name = "PATH", requires = "listen")]
    pub listen_token_file: Option<PathBuf>,
    /// A name besides `localhost` by which the endpoints are called, such as that of a proxy in front; repeatable
    #[arg(long, value_name = "NAME", requires = "listen")]
    pub listen_host: Vec<String>,
    /// Let metrics tell of each workspace; by default they tell of all together
    #[arg(long, requires = "listen")]
    pub metrics_per_workspace: bool,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.replacen("localhost:", "127.0.0.1:", 1);
    text.parse()
        .map_err(|_| "write an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080".to_owned())
}

impl ListenArgs {
    fn token(&self, context: &Context) -> Result<Option<Redacted<String>>, CliError> {
        let (from, secret) = match (&self.listen_token_env, &self.listen_token_file) {
            (Some(name), _) => {
                let text = context.environment.get(name).unwrap_or_default();
                (format!("the variable {name}"), Secret::read_line(text.to_owned()))
            }
            (None, Some(path)) => {
                let secret = files::read_secret_file_as(&context.directory.join(path), Secret::read_line);
                (path.display().to_string(), secret)
            }
            (None, None) => return Ok(None),
        };
        let what = format!("the token of the endpoints cannot be had from {from}");
        let secret = secret.map_err(|finding| {
            CliError::usage(what.clone()).why(finding.message.clone()).help("put the token there, alone")
        })?;
        let token = secret.token().ok_or_else(|| CliError::usage(what).help("put the token there, alone"))?;
        Ok(Some(Redacted::new(token.to_owned())))
    }

    /// Takes the address; `None` where none is named.
    ///
    /// # Errors
    /// Somebody else has it, or it is not this machine's.
    pub fn bind(&self) -> Result<Option<TcpListener>, CliError> {
        let Some(address) = self.listen else { return Ok(None) };
        let listener = TcpListener::bind(address).map_err(|error| {
            CliError::other(format!("nothing can be served at {address}"), files::io_words(&error))
                .help("name another address with --listen; port 0 takes one that is free")
        })?;
        Ok(Some(listener))
    }

    /// Serves the endpoints on a thread of their own.
    ///
    /// # Errors
    /// A token is needed and there is none, or it is too short.
    pub fn serve(
        &self,
        listener: TcpListener,
        station: &Station<'_>,
        board: &Arc<Board>,
        stop: &Stop,
    ) -> Result<JoinHandle<Result<(), ServeError>>, CliError> {
        let settings = Settings {
            token: self.token(station.context)?,
            hosts: self.listen_host.clone(),
            per_workspace: self.metrics_per_workspace,
        };
        let failed = |error: ServeError| {
            let help = match &error {
                ServeError::NeedsToken(_) => {
                    "give a token with --listen-token-env or --listen-token-file, or listen on 127.0.0.1"
                        .to_owned()
                }
                ServeError::ShortToken => format!("take one of {LEAST_TOKEN} characters or more"),
                _ => "run it again with -vv to see more".to_owned(),
            };
            CliError::usage(error.to_string()).help(help)
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let desk = PageDesk::open(&station.options, station.realm(), &host_name(), clock)
            .map_err(|error| failed(ServeError::System(error)))?;
        let endpoints = Endpoints::new(
            Arc::clone(&station.vitals),
            Arc::clone(board),
            Arc::new(desk),
            Box::new(SystemClock),
            settings,
        )
        .map_err(failed)?;
        spawn(listener, Arc::new(endpoints), stop.clone()).map_err(failed)
    }
}

/// Says every second that the controller's thread is alive; looks now and then whether the schema is still one that this program
/// knows, and stops everything once it is not; and counts what metrics tell of the database. Never returns.
pub async fn pulse(station: &Station<'_>, board: &Board, stopper: &Stopper) {
    let beats = async {
        loop {
            station.vitals.beat();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let looks = async {
        let mut line = Line::new(&station.options);
        // Who does not reconcile has no lease to look after: that the database answers is all that makes it ready.
        let is_helper = board.state(TaskCode::Reconcile).is_none();
        loop {
            let now = station.context.clock.now();
            match look(station, &mut line).await {
                Ok(()) => {
                    station.vitals.database_answered(now);
                    if is_helper {
                        station.vitals.set_role(Role::Standby);
                        station.vitals.cycle_done(now);
                    }
                }
                Err(error) if error.kind == StateErrorKind::Incompatible => {
                    tracing::error!(why = error.why.as_deref().unwrap_or_default(), "{}", error.what);
                    station.vitals.ending(format!("it ends: {}", error.what));
                    let _ = station.outdated.set(error);
                    stopper.stop();
                    return std::future::pending::<()>().await;
                }
                Err(error) => station.vitals.database_failed(error.what.clone(), now),
            }
            tokio::time::sleep(COUNTING).await;
        }
    };
    futures_util::future::join(beats, looks).await;
}

async fn look(station: &Station<'_>, line: &mut Line) -> Result<(), StateError> {
    let now = station.context.clock.now();
    let connection = line.connection().await?;
    let work = async {
        connection.begin_reading().await?;
        migration_state(connection).await?;
        connection.rollback().await?;
        if station.listen.is_some() {
            count(connection, &station.vitals, now).await?;
        }
        Ok(())
    };
    let looked = work.await;
    line.used(looked)
}
