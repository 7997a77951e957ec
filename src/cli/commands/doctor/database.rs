//! Where the database is, whether it answers, what it is, what this role may do there, and what stands in between.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use crate::cli::context::{Context, new_id};
#[cfg(unix)]
use crate::cli::database::embedded_config;
use crate::cli::database::{self, Source};
use crate::engine::{StateErrorKind, StateReader as _};
use crate::model::Clock as _;
use crate::model::clock::SystemClock;
use crate::store::checkup::{Rights, Server};
#[cfg(unix)]
use crate::store::embedded;
use crate::store::passage::{hears_calls, is_direct};
use crate::store::{ConnectOptions, Connection, migration_state};

use super::check::{Check, Status, counted};
use super::project::Looked;

const SOURCE: &str = "database.source";
const REACH: &str = "database.reach";
const SERVER: &str = "database.server";
const CONNECTIONS: &str = "database.connections";
const CLOCK: &str = "database.clock";
const MIGRATIONS: &str = "database.migrations";
const ROLE: &str = "database.role";
const POOLER: &str = "database.pooler";
const CALLS: &str = "database.calls";

/// The longest that any one answer is waited for here.
const LIMIT: Duration = Duration::from_secs(10);

/// How long a call is waited for.
const CALL: Duration = Duration::from_secs(2);

/// From here on a question takes so long that plans and applies are slow for it alone.
const SLOW: Duration = Duration::from_millis(250);

/// PostgreSQL 14.
const OLDEST_SERVER: i32 = 140_000;

/// How far two clocks may be apart before people wonder about times.
const MOST_SKEW: TimeDelta = TimeDelta::seconds(5);

/// A database that answers.
pub struct Reached {
    /// The connection, outside of a transaction.
    pub connection: Connection,
    /// Whether row-level security shows this role one workspace at a time.
    pub is_confined: bool,
}

/// Looks at the database. It comes back where it answers and synthex is installed there.
pub async fn look(context: &Context, project: &Looked) -> (Vec<Check>, Option<Reached>) {
    let mut checks = Vec::new();
    let Some(options) = located(context, project, &mut checks).await else { return (checks, None) };
    let began = Instant::now();
    let mut connection = match options.connect().await {
        Ok(connection) => connection,
        Err(error) => {
            checks.push(Check::of_error(REACH, Status::Fail, &error));
            return (checks, None);
        }
    };
    let connected = began.elapsed();
    let before = SystemClock.now();
    let asked = Instant::now();
    let server = match connection.server().await {
        Ok(server) => server,
        Err(error) => {
            checks.push(Check::of_error(REACH, Status::Fail, &error));
            return (checks, None);
        }
    };
    let took = asked.elapsed();
    checks.push(reach(connected, took));
    checks.extend(of_server(&server));
    checks.push(clock(before, took, server.now));
    let (installed, is_confined) = schema(&mut connection, &server, &mut checks).await;
    checks.extend(passage(&options).await);
    let reached = installed.then_some(Reached { connection, is_confined });
    (checks, reached)
}

/// Which database is meant; nothing is started for it.
async fn located(context: &Context, project: &Looked, checks: &mut Vec<Check>) -> Option<ConnectOptions> {
    let found = project.found.as_ref();
    let folder = found.map_or(context.directory.as_path(), |found| found.folder.as_path());
    let source = match database::source(context, found.map(|found| &found.project), folder) {
        Ok(Source::Embedded { .. }) if found.is_none() && !context.global.embedded => {
            let help = "set SYNTHEX_DATABASE_URL, or run it where the project is";
            checks.push(Check::fail(SOURCE, "no database is named, and there is no project", help));
            return None;
        }
        Ok(source) => source,
        Err(error) => {
            let help = error.help.unwrap_or_else(|| "name a database with --database-url".to_owned());
            let check = Check::fail(SOURCE, error.what, help);
            checks.push(error.why.into_iter().fold(check, Check::why));
            return None;
        }
    };
    let limit = context.database_timeout().min(LIMIT);
    match source {
        Source::Named { url, by } => {
            let options = ConnectOptions::new(url, limit, "doctor").named_by(&by);
            checks.push(Check::ok(SOURCE, format!("{}, named by {by}", options.shown())));
            Some(options)
        }
        Source::Embedded { root } => {
            let (check, url) = of_embedded(context, &root).await;
            checks.push(check);
            url.map(|url| ConnectOptions::new(url, limit, "doctor"))
        }
    }
}

#[cfg(unix)]
async fn of_embedded(context: &Context, root: &std::path::Path) -> (Check, Option<String>) {
    use embedded::State;
    let status = embedded::status(&embedded_config(context, root)).await;
    let place = status.data_dir.display();
    match status.state {
        State::Running { endpoint, .. } => {
            let check = Check::ok(SOURCE, format!("the embedded PostgreSQL in {place}, running"));
            (check, Some(endpoint.url()))
        }
        State::Busy { message, .. } => {
            let help = format!("wait a moment; its log is {}", status.log_file.display());
            let check =
                Check::warn(SOURCE, format!("the embedded PostgreSQL in {place} starts or stops"), help);
            (message.into_iter().fold(check, Check::why), None)
        }
        State::Stopped => {
            let what = format!("the embedded PostgreSQL in {place}, stopped");
            (
                Check::info(SOURCE, what).help("the next command that needs it starts it: synthex db start"),
                None,
            )
        }
        State::NotInitialised => {
            let what = format!("an embedded PostgreSQL in {place}, which is not created yet");
            (Check::info(SOURCE, what).help("the first command that needs it creates it: synthex plan"), None)
        }
    }
}

#[cfg(not(unix))]
async fn of_embedded(_: &Context, _: &std::path::Path) -> (Check, Option<String>) {
    let help = "name a database with --database-url or SYNTHEX_DATABASE_URL";
    (
        Check::fail(SOURCE, "no database is named, and there is no embedded PostgreSQL on this system", help),
        None,
    )
}

fn reach(connected: Duration, took: Duration) -> Check {
    let what = format!(
        "it answers: {} ms to connect, {} ms for a question",
        connected.as_millis(),
        took.as_millis()
    );
    if took < SLOW {
        return Check::ok(REACH, what);
    }
    Check::warn(REACH, what, "run synthex near the database, and look at how busy the server is")
        .why("a plan asks some twenty questions, one after the other")
}

fn of_server(server: &Server) -> Vec<Check> {
    let version = format!("PostgreSQL {}", server.version);
    let mut checks = vec![if server.version_number < OLDEST_SERVER {
        Check::fail(
            SERVER,
            format!("{version}, which is too old"),
            "upgrade the server to PostgreSQL 14 or newer",
        )
    } else if server.is_standby {
        let help = "name the primary server; here only `plan` and what else only reads works";
        Check::warn(SERVER, format!("{version}, a standby that takes no writes"), help)
    } else if server.is_read_only {
        let help =
            "take default_transaction_read_only from the role or the database, or use another role to apply";
        Check::warn(SERVER, format!("{version}, where this role only reads"), help)
    } else {
        Check::ok(SERVER, version)
    }];
    let Server { connections, most_connections, .. } = server;
    let verb = if *connections == 1 { "is" } else { "are" };
    let what = format!("{connections} of {most_connections} connections {verb} used");
    checks.push(if connections.saturating_mul(100) < most_connections.saturating_mul(80) {
        Check::ok(CONNECTIONS, what)
    } else {
        Check::warn(CONNECTIONS, what, "raise max_connections, or put a pooler in front of the database")
    });
    checks
}

/// The moment that is compared lies in the middle of the question.
fn clock(before: DateTime<Utc>, took: Duration, database: DateTime<Utc>) -> Check {
    let half = TimeDelta::from_std(took / 2).unwrap_or_default();
    let skew = (database - (before + half)).abs();
    let shown = if skew < TimeDelta::seconds(1) {
        format!("{} ms", skew.num_milliseconds())
    } else {
        format!("{} s", skew.num_seconds())
    };
    let what = format!("the clocks of this machine and of the database are {shown} apart");
    if skew <= MOST_SKEW {
        return Check::ok(CLOCK, what);
    }
    Check::warn(
        CLOCK,
        what,
        "have both set their clocks by the network: `timedatectl` shows whether this one does",
    )
    .why("leases and pauses go by the clock of the database, schedules and tokens by that of this machine")
}

/// What is installed, and what this role may do with it. Returns whether synthex is installed, and whether the role is confined.
async fn schema(connection: &mut Connection, server: &Server, checks: &mut Vec<Check>) -> (bool, bool) {
    let looking = async {
        connection.begin_reading().await?;
        let installed = connection.is_installed().await?;
        let state = if installed { migration_state(connection).await.map(Some) } else { Ok(None) };
        connection.rollback().await?;
        state
    };
    let state = match looking.await {
        Ok(state) => state,
        Err(error) => {
            let _ = connection.rollback().await;
            checks.push(Check::of_error(MIGRATIONS, Status::Fail, &error));
            // A schema that is newer than this program is there all the same, and not to be asked about.
            if error.kind == StateErrorKind::Incompatible {
                checks.push(Check::skipped(ROLE, "what this role may do in a newer schema is not known"));
            }
            return (false, false);
        }
    };
    let Some(state) = state else {
        checks.push(
            Check::info(MIGRATIONS, "synthex is not installed in this database yet")
                .help("`synthex apply` installs it, and so does `synthex db migrate`"),
        );
        checks.push(if server.may_create {
            Check::ok(ROLE, format!("role {} may install it", server.role))
        } else {
            let help = format!(
                "grant create on the database to {}, or have its owner run `synthex db migrate`",
                server.role
            );
            Check::warn(ROLE, format!("role {} may not install it", server.role), help)
        });
        return (false, false);
    };
    checks.push(match state.pending.as_slice() {
        [] => Check::ok(MIGRATIONS, format!("the schema is up to date: migration {}", state.installed)),
        pending => {
            let verb = if pending.len() == 1 { "is" } else { "are" };
            let what = format!(
                "the schema is at migration {}, and {} {verb} not installed",
                state.installed,
                counted(pending.len(), "migration")
            );
            Check::warn(MIGRATIONS, what, "`synthex db migrate` installs them, and so does the next apply")
                .why(pending.join(", "))
        }
    });
    match connection.rights().await {
        Ok(rights) => {
            checks.push(role(server, &rights));
            (true, rights.is_confined)
        }
        Err(error) => {
            let _ = connection.rollback().await;
            checks.push(Check::of_error(ROLE, Status::Warn, &error));
            (false, false)
        }
    }
}

fn role(server: &Server, rights: &Rights) -> Check {
    let Server { role, .. } = server;
    let Rights { is_owner, is_confined, unreadable, unwritable } = rights;
    if !unreadable.is_empty() {
        let what = format!("role {role} may not read {} tables of synthex", unreadable.len());
        let help = format!("grant usage on schema synthex, and select on all tables in it, to {role}");
        return Check::fail(ROLE, what, help).why(unreadable.join(", "));
    }
    if *is_confined {
        let what = format!("role {role} sees one workspace at a time: it may plan, and not apply or watch");
        return Check::info(ROLE, what)
            .help("to apply or watch, connect as the role that owns the schema synthex");
    }
    if !unwritable.is_empty() {
        let what =
            format!("role {role} may read everything and not write: it may plan, and not apply or watch");
        return Check::info(ROLE, what)
            .help("to apply or watch, connect as the role that owns the schema synthex");
    }
    if !is_owner {
        let help = "connect as the role that owns the schema synthex";
        return Check::warn(ROLE, format!("role {role} may write, and does not own the schema"), help)
            .why("what it writes counts as drift, so `apply` and `watch` refuse to run as it");
    }
    let more = if server.is_superuser {
        ", as a superuser; an ordinary role that owns the schema is enough"
    } else {
        ""
    };
    Check::ok(ROLE, format!("role {role} may plan, apply and watch{more}"))
}

/// What stands in between.
async fn passage(options: &ConnectOptions) -> Vec<Check> {
    let mut checks = Vec::new();
    let direct = is_direct(options).await;
    checks.push(match &direct {
        Ok(true) => Check::ok(POOLER, "it is PostgreSQL itself that is connected to, and no pooler"),
        Ok(false) => {
            Check::info(POOLER, "a pooler stands in front of the database; synthex works through one")
        }
        Err(error) => Check::of_error(POOLER, Status::Info, error),
    });
    checks.push(match hears_calls(options, &new_id().to_string(), CALL).await {
        Ok(true) => Check::ok(CALLS, "calls (LISTEN, NOTIFY) get through, so `watch` hears of changes at once"),
        Ok(false) => {
            let why = match direct {
                Ok(false) => "probably the pooler in front of the database shares connections (transaction mode)",
                _ => "probably a pooler in transaction mode, or a database that has no such calls",
            };
            let help = "nothing is lost: `watch` works by its intervals; for reactions within seconds give it a URL that leads to PostgreSQL itself";
            Check::warn(CALLS, "calls (LISTEN, NOTIFY) do not get through", help).why(why)
        }
        Err(error) => Check::of_error(CALLS, Status::Info, &error),
    });
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_wrong_from_five_seconds_on() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let check =
            |database: &str| clock(at("2026-11-30T12:00:00Z"), Duration::from_millis(200), at(database));
        assert_eq!(check("2026-11-30T12:00:00.100Z").status, Status::Ok);
        assert_eq!(check("2026-11-30T12:00:05Z").status, Status::Ok);
        assert_eq!(check("2026-11-30T11:59:55.100Z").status, Status::Ok);
        let behind = check("2026-11-30T11:59:40Z");
        assert_eq!((behind.status, behind.what.contains("20 s apart")), (Status::Warn, true), "{behind:?}");
        assert_eq!(check("2026-11-30T12:01:00Z").status, Status::Warn);
    }

    #[test]
    fn what_a_role_may_do_follows_from_its_rights() {
        let server = Server {
            version: "16.4".to_owned(),
            version_number: 160_004,
            role: "ci".to_owned(),
            is_superuser: false,
            is_standby: false,
            is_read_only: false,
            may_create: false,
            now: DateTime::<Utc>::UNIX_EPOCH,
            connections: 5,
            most_connections: 100,
        };
        let owner = Rights { is_owner: true, ..Rights::default() };
        assert_eq!(role(&server, &owner).status, Status::Ok);
        let tables = || vec!["tenants".to_owned()];
        assert_eq!(role(&server, &Rights { unreadable: tables(), ..owner.clone() }).status, Status::Fail);
        assert_eq!(role(&server, &Rights { unwritable: tables(), ..owner.clone() }).status, Status::Info);
        assert_eq!(role(&server, &Rights { is_confined: true, ..owner }).status, Status::Info);
        assert_eq!(role(&server, &Rights::default()).status, Status::Warn);
        let old = of_server(&Server { version_number: 130_012, connections: 80, ..server });
        assert_eq!((old[0].status, old[1].status), (Status::Fail, Status::Warn));
    }
}
