//! The surroundings of the tests, tested: a fault that is not injected makes the test that relies on it pass for nothing.

use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Executor};

use crate::support::block_on;
use crate::support::database::{OWNER, TestDatabase};
use crate::support::pgbouncer::PgBouncer;
use crate::support::proxy::{Mode, Proxy};
use crate::support::server::{Durability, TestServer};

/// Enough for a slow machine; no test waits for it.
const LONG: Duration = Duration::from_secs(30);

/// Connects and runs one query; `Err` has the whole chain of what went wrong.
fn query_once(url: &str, limit: Duration) -> Result<(), String> {
    let work = async {
        // What a pooler in transaction mode asks of a client.
        let options: PgConnectOptions = url.parse()?;
        let options = options.extra_float_digits(None).statement_cache_capacity(0);
        let mut connection = PgConnection::connect_with(&options).await?;
        connection.execute("SELECT 1").await?;
        connection.close().await
    };
    match block_on(async { tokio::time::timeout(limit, work).await }) {
        Ok(result) => result.map_err(|error| format!("{error:?}")),
        Err(_elapsed) => Err("silence".to_owned()),
    }
}

#[track_caller]
fn fails_with(url: &str, text: &str) {
    let error = query_once(url, LONG).expect_err("it should fail");
    assert!(error.contains(text), "expected {text:?} in: {error}");
}

#[test]
fn each_database_is_fresh_and_read_as_text() {
    let (one, other) = (TestDatabase::new("one"), TestDatabase::new("the other: Größe"));
    one.sql("CREATE TABLE t (a int, b text[]); INSERT INTO t VALUES (1, '{x,y}'), (NULL, NULL)");
    assert_eq!(
        one.query_strings("SELECT a, b, true, '2030-01-01'::date FROM t ORDER BY a"),
        [
            vec![Some("1".into()), Some("{x,y}".into()), Some("t".into()), Some("2030-01-01".into())],
            vec![None, None, Some("t".into()), Some("2030-01-01".into())],
        ]
    );
    assert_eq!(other.query_one_i64("SELECT count(*) FROM pg_tables WHERE tablename = 't'"), 0);
    assert_eq!(
        one.query_one_i64("SELECT count(*) FROM pg_roles WHERE rolname = current_user AND rolsuper"),
        0
    );
}

#[test]
fn a_database_is_gone_after_its_test_even_if_someone_is_connected() {
    let database = TestDatabase::new("gone");
    let role = database.create_role("reader", "it's a secret");
    let name = database.name().to_owned();
    let url = database.url();
    let _connection = block_on(async { PgConnection::connect(&url).await }).expect("a connection");
    drop(database);
    let other = TestDatabase::new("other");
    assert_eq!(
        other.query_strings(&format!("SELECT datname FROM pg_database WHERE datname = '{name}'")).len(),
        0
    );
    assert_eq!(
        other.query_strings(&format!("SELECT rolname FROM pg_roles WHERE rolname = '{role}'")).len(),
        0
    );
}

#[test]
fn tcp_asks_for_the_password() {
    let database = TestDatabase::new("password");
    query_once(&database.tcp_url(), LONG).expect("the right password");
    fails_with(
        &database.tcp_url_at(database.tcp_address(), OWNER, "wrong"),
        "password authentication failed",
    );
    let role = database.create_role("auditor", "p@ss/w:rd?#'%");
    let url = database.tcp_url_at(database.tcp_address(), &role, "p@ss/w:rd?#'%");
    query_once(&url, LONG).expect("a password with every odd character");
    database.sql("CREATE TABLE secret (a int)");
    let refusal = database.try_sql_as(&role, "SELECT * FROM secret").expect_err("no right to read");
    assert!(refusal.to_string().contains("permission denied"), "{refusal}");
}

#[test]
fn a_proxy_passes_cuts_hangs_refuses_and_heals() {
    let database = TestDatabase::new("proxy");
    let proxy = Proxy::before(&database, Mode::Pass);
    let url = proxy.url(&database);
    query_once(&url, LONG).expect("a connection that passes");
    let all = proxy.client_bytes();
    assert!(all > 100 && proxy.server_bytes() > 100 && proxy.connections() == 1, "{all}");

    for limit in [0, 1, 40, all / 2] {
        proxy.set(Mode::CutAfterClientBytes(limit));
        let before = proxy.client_bytes();
        query_once(&url, LONG).expect_err("cut");
        assert_eq!(proxy.client_bytes() - before, limit);
    }
    proxy.set(Mode::CutAfterServerBytes(20));
    fails_with(&url, "ConnectionReset");
    proxy.set(Mode::Blackhole);
    assert_eq!(query_once(&url, Duration::from_secs(1)), Err("silence".to_owned()));
    proxy.set(Mode::Refuse);
    fails_with(&url, "ConnectionRefused");
    proxy.set(Mode::Pass);
    query_once(&url, LONG).expect("healed");
}

#[test]
fn a_proxy_changes_what_is_open_too() {
    let database = TestDatabase::new("proxy_open");
    let proxy = Proxy::before(&database, Mode::Pass);
    let url = proxy.url(&database);
    block_on(async {
        let mut connection = PgConnection::connect(&url).await.expect("a connection");
        proxy.set(Mode::Blackhole);
        let start = Instant::now();
        let heal = async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            proxy.set(Mode::Pass);
        };
        let (answer, ()) = tokio::join!(connection.execute("SELECT 1"), heal);
        answer.expect("an answer, late");
        assert!(start.elapsed() >= Duration::from_millis(400), "nothing passed meanwhile");
        proxy.set(Mode::Refuse);
        let error = connection.execute("SELECT 1").await.expect_err("reset");
        assert!(format!("{error:?}").contains("ConnectionReset"), "{error:?}");
    });
}

#[test]
fn pgbouncer_shares_one_server_connection_among_clients() {
    let database = TestDatabase::new("pooler");
    let pooler = PgBouncer::with_pool_size(&database, 1);
    let url = pooler.url(&database);
    query_once(&url, LONG).unwrap_or_else(|error| panic!("{error}\n{}", pooler.log()));
    fails_with(&pooler.url_as(&database, "nobody-of-this-name"), "authentication failed");

    // The trap it is here for: a lock of the session does not exclude.
    let options: PgConnectOptions = url.parse().expect("a URL");
    let options = options.extra_float_digits(None).statement_cache_capacity(0);
    let locks = block_on(async {
        let mut got = 0;
        let mut open = Vec::new();
        for _client in 0..2 {
            let mut connection = PgConnection::connect_with(&options).await.expect("a connection");
            let lock = sqlx::query_scalar::<_, bool>("SELECT pg_try_advisory_lock(42)").persistent(false);
            got += i32::from(lock.fetch_one(&mut connection).await.expect("an answer"));
            open.push(connection);
        }
        got
    });
    assert_eq!(locks, 2, "both clients hold the same session lock");
    // And what sqlx sends unless it is told not to.
    let error = block_on(PgConnection::connect(&url)).expect_err("refused");
    assert!(error.to_string().contains("unsupported startup parameter: extra_float_digits"), "{error}");
}

#[test]
fn a_dedicated_server_can_be_killed_and_comes_back_on_its_port() {
    let server = TestServer::dedicated(Durability::Synced);
    let database = TestDatabase::on(&server, "crash");
    database.sql("CREATE TABLE t AS SELECT generate_series(1, 100) AS a");
    for crash in [TestServer::kill, TestServer::stop] {
        crash(&server);
        fails_with(&database.tcp_url(), "ConnectionRefused");
        server.start();
        assert_eq!(database.query_one_i64("SELECT count(*) FROM t"), 100);
    }
    assert_eq!(database.query_strings("SHOW fsync"), [[Some("on".to_owned())]]);
}
