//! A fresh database for one test, in the shared server, dropped at its end.
//!
//! It is owned by the ordinary role `synthex`, as on a managed PostgreSQL: a test that passes only for a superuser proves
//! nothing, since row-level security and privileges do not apply to one.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, ValueRef};

use super::host::is_dead;
use super::server::TestServer;
use super::{block_on, percent_encoded};

/// The role that owns the test databases, and as which synthex connects.
pub const OWNER: &str = "synthex";
/// Asked for over TCP. Long and odd enough to be searched for in everything that is printed.
pub const OWNER_PASSWORD: &str = "canary-7d1f-owner-password";

/// Rows of columns as text, `None` for NULL.
pub type Rows = Vec<Vec<Option<String>>>;

/// A database of one test.
pub struct TestDatabase {
    address: Address,
    name: String,
    /// What makes the name, and those of its roles, unlike all others in the server.
    suffix: String,
    roles: Mutex<Vec<String>>,
}

impl TestDatabase {
    /// A new database in the shared server; `hint` becomes part of its name.
    pub fn new(hint: &str) -> TestDatabase {
        TestDatabase::on(TestServer::shared(), hint)
    }

    /// A new database in that server.
    #[track_caller]
    pub fn on(server: &TestServer, hint: &str) -> TestDatabase {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let hint: String = hint
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
            .collect();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // A process id that came round again may find what an earlier process left, hence the time.
        let time = std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_micros() % 1_000_000);
        let suffix = format!("{time}_p{}_{number}", std::process::id());
        let name = format!("t_{}_{suffix}", &hint[..hint.len().min(24)]);
        let address = server.address().clone();
        expect_rows(address.admin("postgres"), &format!("CREATE DATABASE {name} OWNER {OWNER}"));
        TestDatabase { address, name, suffix, roles: Mutex::default() }
    }

    /// Its name in the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL through the Unix socket, as the owner, with no password.
    pub fn url(&self) -> String {
        self.url_as(OWNER)
    }

    /// The URL through the Unix socket as another role, with no password.
    pub fn url_as(&self, role: &str) -> String {
        let folder = percent_encoded(&self.address.socket_folder.to_string_lossy());
        format!(
            "postgres://{}@localhost:{}/{}?host={folder}",
            percent_encoded(role),
            self.address.port,
            self.name
        )
    }

    /// The URL over TCP, as the owner, with the password in it.
    pub fn tcp_url(&self) -> String {
        self.tcp_url_at(self.tcp_address(), OWNER, OWNER_PASSWORD)
    }

    /// The URL over TCP as any role with any password, right or wrong, through anything that leads to the server.
    pub fn tcp_url_at(&self, address: SocketAddr, role: &str, password: &str) -> String {
        format!("postgres://{}:{}@{address}/{}", percent_encoded(role), percent_encoded(password), self.name)
    }

    /// Where the server listens for TCP: what a proxy leads to.
    pub fn tcp_address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.address.port))
    }

    pub(super) fn server_address(&self) -> &Address {
        &self.address
    }

    /// Executes statements as the owner.
    #[track_caller]
    pub fn sql(&self, sql: &str) {
        self.sql_as(OWNER, sql);
    }

    /// Executes statements as another role, for instance one that edits by hand what synthex declared.
    #[track_caller]
    pub fn sql_as(&self, role: &str, sql: &str) {
        expect_rows(self.address.options(role, &self.name), sql);
    }

    /// Executes statements as the superuser.
    #[track_caller]
    pub fn admin_sql(&self, sql: &str) {
        expect_rows(self.address.admin(&self.name), sql);
    }

    /// Executes statements as that role and returns the rows, or the server's refusal.
    pub fn try_sql_as(&self, role: &str, sql: &str) -> Result<Rows, sqlx::Error> {
        query(self.address.options(role, &self.name), sql)
    }

    /// The rows of a query, each column as PostgreSQL writes it as text, whatever its type.
    #[track_caller]
    pub fn query_strings(&self, sql: &str) -> Rows {
        expect_rows(self.address.options(OWNER, &self.name), sql)
    }

    /// The one number that the query returns.
    #[track_caller]
    pub fn query_one_i64(&self, sql: &str) -> i64 {
        match self.query_strings(sql).as_slice() {
            [row] => match row.as_slice() {
                [Some(value)] => value.parse().unwrap_or_else(|_| panic!("{value:?} is not a number: {sql}")),
                other => panic!("{other:?} is not one value: {sql}"),
            },
            rows => panic!("{} rows, not one: {sql}", rows.len()),
        }
    }

    /// Makes a role that may log in and nothing else, and returns its full name, which is of this database alone:
    /// roles are shared by all databases of a server. It is dropped with the database.
    #[track_caller]
    pub fn create_role(&self, name: &str, password: &str) -> String {
        let role = format!("{name}_{}", self.suffix);
        let password = password.replace('\'', "''");
        self.admin_sql(&format!("CREATE ROLE \"{role}\" LOGIN PASSWORD '{password}'"));
        self.roles.lock().unwrap().push(role.clone());
        role
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let admin = || self.address.admin("postgres");
        let _best_effort = query(admin(), &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        for role in self.roles.get_mut().map(std::mem::take).unwrap_or_default() {
            let _best_effort = query(admin(), &format!("DROP ROLE IF EXISTS \"{role}\""));
        }
    }
}

/// Where a server listens: `.s.PGSQL.<port>` in the folder, and 127.0.0.1:port.
#[derive(Clone, Debug)]
pub struct Address {
    pub socket_folder: PathBuf,
    pub port: u16,
}

impl Address {
    pub(super) fn socket(&self) -> PathBuf {
        self.socket_folder.join(format!(".s.PGSQL.{}", self.port))
    }

    pub(super) fn admin(&self, database: &str) -> PgConnectOptions {
        self.options("admin", database)
    }

    fn options(&self, role: &str, database: &str) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass().socket(&self.socket_folder).port(self.port);
        options.username(role).password("").database(database).application_name("synthex-tests")
    }
}

/// Executes statements on a connection of their own, by the simple protocol, and returns the rows of all of them.
pub(super) fn query(options: PgConnectOptions, sql: &str) -> Result<Rows, sqlx::Error> {
    let work = async {
        let mut connection = options.disable_statement_logging().connect().await?;
        let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await;
        let rows = rows?.iter().map(as_text).collect();
        connection.close().await?;
        Ok(rows)
    };
    block_on(async { tokio::time::timeout(Duration::from_secs(60), work).await })
        .unwrap_or_else(|_| Err(sqlx::Error::Protocol(format!("no answer within 60 s: {sql}"))))
}

/// Executes statements through any URL, such as a pooler's.
pub fn execute(url: &str, sql: &str) -> Result<Rows, sqlx::Error> {
    // What a pooler in transaction mode asks of a client.
    let options = url.parse::<PgConnectOptions>()?.extra_float_digits(None).statement_cache_capacity(0);
    query(options, sql)
}

#[track_caller]
fn expect_rows(options: PgConnectOptions, sql: &str) -> Rows {
    query(options, sql).unwrap_or_else(|error| panic!("{error}\nin: {sql}"))
}

/// The simple protocol sends every value as text, so no type needs to be known.
fn as_text(row: &PgRow) -> Vec<Option<String>> {
    let text = |index| {
        let value = row.try_get_raw(index).expect("a column");
        (!value.is_null()).then(|| value.as_str().expect("text").to_owned())
    };
    (0..row.len()).map(text).collect()
}

/// Drops, at most once an hour, what tests left that were killed: databases and roles of processes that are no more.
pub(super) fn remove_leftovers(address: &Address, swept: &Path) {
    let fresh =
        |meta: fs::Metadata| meta.modified().ok()?.elapsed().ok().map(|age| age < Duration::from_secs(3_600));
    if fs::metadata(swept).ok().and_then(fresh).unwrap_or(false) || fs::write(swept, "").is_err() {
        return;
    }
    let dead = |name: &String| {
        let pid = name.rsplit_once("_p").and_then(|(_, tail)| tail.split('_').next()?.parse().ok());
        pid.is_some_and(is_dead)
    };
    for (names, drop) in [
        ("SELECT datname FROM pg_database WHERE datname ~ '_p[0-9]+_[0-9]+$'", "DROP DATABASE IF EXISTS"),
        ("SELECT rolname FROM pg_roles WHERE rolname ~ '_p[0-9]+_[0-9]+$'", "DROP ROLE IF EXISTS"),
    ] {
        let rows = query(address.admin("postgres"), names).unwrap_or_default();
        for name in rows.into_iter().flatten().flatten().filter(dead) {
            let _best_effort = query(address.admin("postgres"), &format!("{drop} \"{name}\""));
        }
    }
}
