//! Connections: made with a deadline, and in a form that a transaction pooler lets through.

use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor};

use crate::engine::{StateError, StateErrorKind};
use crate::model::secret::Redacted;

use super::error::within;

/// For so long after it answered, a connection is taken for one that works.
const FRESH: Duration = Duration::from_millis(250);

/// Where the database is and how patient to be.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    url: Redacted<String>,
    /// How long any one answer may take.
    pub timeout: Duration,
    /// The command, for `application_name`.
    pub command: String,
    /// What named the URL, for a reader who wonders where it comes from.
    named_by: Option<String>,
    /// Where a connection is left by a command that is done with it.
    pub(super) parking: Option<Parking>,
}

/// Holds the connection that a command is done with, so that what is recorded of the command can be stored without another
/// one. It holds one at most, and none while another is opened.
#[derive(Clone, Debug, Default)]
pub struct Parking(Arc<Mutex<Option<Connection>>>);

impl Parking {
    /// Takes the connection out.
    #[must_use]
    pub fn take(&self) -> Option<Connection> {
        self.0.lock().ok()?.take()
    }

    /// Puts a connection in, and gives back the one that was there.
    fn swap(&self, connection: Connection) -> Option<Connection> {
        match self.0.lock() {
            Ok(mut place) => place.replace(connection),
            Err(_) => Some(connection),
        }
    }
}

impl ConnectOptions {
    /// Options for a URL.
    #[must_use]
    pub fn new(url: String, timeout: Duration, command: &str) -> Self {
        Self { url: Redacted::new(url), timeout, command: command.to_owned(), named_by: None, parking: None }
    }

    /// Adds what named the URL: an option, a variable, a file.
    #[must_use]
    pub fn named_by(mut self, by: &str) -> Self {
        self.named_by = Some(by.to_owned());
        self
    }

    /// Adds where connections are left.
    #[must_use]
    pub fn left_in(mut self, parking: Option<Parking>) -> Self {
        self.parking = parking;
        self
    }

    /// The URL with its password, for the driver and for `db url`.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.expose()
    }

    /// The database as people may see it: user, host and name, no password.
    #[must_use]
    pub fn shown(&self) -> String {
        match url::Url::parse(&with_host(self.url())) {
            Ok(url) if !url.cannot_be_a_base() => {
                let query = |name: &str| {
                    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
                };
                let host = query("host").or_else(|| url.host_str().map(str::to_owned));
                let port = url.port().map_or(String::new(), |port| format!(":{port}"));
                let user =
                    if url.username().is_empty() { String::new() } else { format!("{}@", url.username()) };
                format!("{user}{}{port}{}", host.unwrap_or_default(), url.path())
            }
            _ => "the database".to_owned(),
        }
    }

    /// Who named the URL, for messages.
    fn by(&self) -> String {
        self.named_by.as_ref().map_or(String::new(), |by| format!(" (named by {by})"))
    }

    /// What the driver connects with.
    ///
    /// # Errors
    /// The URL is not one.
    pub(super) fn driver(&self) -> Result<PgConnectOptions, StateError> {
        let by = self.by();
        let invalid = |why: &str| {
            StateError::new(StateErrorKind::Refused, format!("the database's URL is not valid{by}"))
                .why(why)
                .help("write postgresql://USER@HOST:PORT/DATABASE; special characters in the password as %XX")
        };
        let scheme = self.url().split_once("://").unwrap_or_default().0;
        if scheme != "postgres" && scheme != "postgresql" {
            return Err(invalid("it does not start with postgresql://"));
        }
        let url = with_host(self.url());
        // The driver's own message may repeat parts of the URL, and with them the password; this one is a fixed text.
        url::Url::parse(&url).map_err(|error| invalid(&error.to_string()))?;
        let options = PgConnectOptions::from_str(&url)
            .map_err(|_| invalid("one of its parameters, behind the `?`, has a value that is not allowed"))?;
        Ok(options
            // A pooler refuses startup parameters it does not know, and this is one the driver adds.
            .extra_float_digits(None)
            .statement_cache_capacity(0)
            .application_name(&format!("synthex {}", self.command))
            .disable_statement_logging())
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// The URL is not one, or the database is not reachable, or refuses us.
    pub async fn connect(&self) -> Result<Connection, StateError> {
        if let Some(left) = self.parking.as_ref().and_then(Parking::take) {
            left.close().await;
        }
        let options = self.driver()?;
        let doing = format!("connecting to {}{}", self.shown(), self.by());
        let limit = self.timeout.min(Duration::from_secs(15));
        let inner = within(limit, &doing, PgConnection::connect_with(&options)).await?;
        Ok(Connection {
            inner,
            timeout: self.timeout,
            answered_at: Instant::now(),
            confined: None,
            installation: None,
            reads_pauses: None,
            parking: self.parking.clone(),
        })
    }
}

impl ConnectOptions {
    /// A connection that was kept from an earlier use, outside of a transaction, or another one in its place where the other end
    /// has closed it meanwhile: the server was started again, or a network in between forgot it. Nothing that is asked for is
    /// sent to find out.
    ///
    /// # Errors
    /// The database does not answer, is not reachable, or refuses us.
    pub async fn reuse(&self, kept: Option<Connection>) -> Result<Connection, StateError> {
        if let Some(mut connection) = kept {
            if connection.answered_at.elapsed() < FRESH || connection.answers().await? {
                return Ok(connection);
            }
            tracing::debug!("a connection that broke while nothing was sent is replaced");
        }
        self.connect().await
    }
}

/// libpq allows `user@/database?host=/folder`; the driver's URL parser wants a host in its place, which `host` then overrides.
fn with_host(url: &str) -> String {
    url.replacen("@/", "@localhost/", 1)
}

/// Runs statements in a transaction of their own. Behind a transaction pooler even a single statement with parameters
/// needs one: it is sent in parts, and outside of a transaction they may reach different servers.
///
/// # Errors
/// Whatever the database reports; nothing was written.
pub(super) async fn in_transaction<T>(
    connection: &mut PgConnection,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    connection.execute("begin").await?;
    match work(connection).await {
        Ok(value) => {
            connection.execute("commit").await?;
            Ok(value)
        }
        Err(error) => {
            // The first error is the one that says what is wrong.
            let _ = connection.execute("rollback").await;
            Err(error)
        }
    }
}

/// One connection to PostgreSQL, with a limit on how long an answer may take.
#[derive(Debug)]
pub struct Connection {
    pub(super) inner: PgConnection,
    pub(super) timeout: Duration,
    /// When the other end was last known to be there.
    answered_at: Instant,
    /// Whether row-level security confines us, once it was asked.
    pub(super) confined: Option<bool>,
    /// Which installation this is, once it was asked.
    pub(super) installation: Option<uuid::Uuid>,
    /// Whether we may read pauses, once it was asked.
    pub(super) reads_pauses: Option<bool>,
    /// Where it is left in place of being closed.
    pub(super) parking: Option<Parking>,
}

impl Connection {
    /// Whether the other end is still there. What is sent is no statement (a `Sync` of the protocol).
    ///
    /// # Errors
    /// There is no answer at all.
    async fn answers(&mut self) -> Result<bool, StateError> {
        let limit = self.timeout.min(Duration::from_secs(10));
        let asking = async { Ok(self.inner.ping().await.is_ok()) };
        let answers = within(limit, "looking whether the connection still works", asking).await?;
        self.answered_at = Instant::now();
        Ok(answers)
    }

    /// Runs statements without parameters.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub(super) async fn run(&mut self, sql: &'static str, doing: &str) -> Result<(), StateError> {
        within(self.timeout, doing, self.inner.execute(sqlx::raw_sql(sql))).await.map(|_| ())
    }

    /// Begins a transaction that reads one snapshot and writes nothing.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn begin_reading(&mut self) -> Result<(), StateError> {
        self.run("begin isolation level repeatable read read only", "beginning to read").await
    }

    /// Ends the transaction.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn rollback(&mut self) -> Result<(), StateError> {
        self.run("rollback", "ending a transaction").await
    }

    /// The server's version, for people. Within a transaction.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn server_version(&mut self) -> Result<String, StateError> {
        let query = sqlx::query_scalar("select current_setting('server_version')").persistent(false);
        within(self.timeout, "asking for the version", query.fetch_one(&mut self.inner)).await
    }

    /// Which installation of synthex this is, where it was asked before.
    #[must_use]
    pub fn installation(&self) -> Option<uuid::Uuid> {
        self.installation
    }

    /// Says goodbye; or leaves the connection to whoever needs one last word with the database.
    pub async fn close(mut self) {
        let unwanted = match self.parking.take() {
            Some(parking) => parking.swap(self),
            None => Some(self),
        };
        if let Some(connection) = unwanted {
            connection.end().await;
        }
    }

    async fn end(self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.inner.close()).await;
    }
}
