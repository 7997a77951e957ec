//! Whether the product is at work: controllers and who leads them, pauses, leases that are held for long, messages that did not
//! get through, operations that failed.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::cli::context::Context;
use crate::engine::{LeaseEntry, StateError};
use crate::plan::pauses::Pauses;
use crate::report::{self, time};
use crate::store::checkup::{Askable, Controller, FailedOperation, Overdue, Undelivered};
use crate::store::{self, Connection};

use super::check::{Check, Status, counted};
use super::database::Reached;
use super::project::Looked;
use super::standing;

const REPLICAS: &str = "controllers.running";
const LEADER: &str = "controllers.leader";
const VERSIONS: &str = "controllers.versions";
const PAUSES: &str = "controllers.pauses";
const LEASES: &str = "leases.held";
const UNDELIVERED: &str = "messages.undelivered";
const OVERDUE: &str = "messages.overdue";
const FAILURES: &str = "operations.failed";

/// No apply takes that long.
const LONG: TimeDelta = TimeDelta::hours(1);

/// A message that is due is sent within seconds by whoever delivers.
const LATE: TimeDelta = TimeDelta::minutes(5);

/// At most so many of a sort are named.
const MOST: usize = 3;

/// Looks at what the product does. Without a database there is nothing to be seen of it.
pub async fn look(context: &Context, project: &Looked, reached: Option<Reached>) -> Vec<Check> {
    let Some(Reached { mut connection, is_confined }) = reached else {
        let what = "controllers, leases and messages are in the database, which cannot be looked at";
        return vec![Check::skipped(REPLICAS, what)];
    };
    if is_confined {
        connection.close().await;
        let what =
            "controllers, leases and messages are not this role's to see: row-level security confines it";
        return vec![Check::skipped(REPLICAS, what)];
    }
    let askable = match connection.askable().await {
        Ok(askable) => askable,
        Err(error) => return vec![Check::of_error(REPLICAS, Status::Warn, &error)],
    };
    let mut checks = controllers(&mut connection, project, askable).await;
    if askable.controllers {
        checks.extend(standing::look(&mut connection, project).await);
    }
    checks.push(pauses(context, &mut connection, project).await);
    checks.push(leases(&mut connection).await);
    checks.extend(messages(&mut connection, askable).await);
    if askable.operations {
        checks.push(match connection.last_failure().await {
            Ok(failure) => of_failure(failure.as_ref()),
            Err(error) => not_asked(FAILURES, &error),
        });
    }
    connection.close().await;
    checks
}

/// One question that fails is no reason not to ask the others.
fn not_asked(id: &'static str, error: &StateError) -> Check {
    Check::of_error(id, Status::Warn, error)
}

async fn controllers(connection: &mut Connection, project: &Looked, askable: Askable) -> Vec<Check> {
    if !askable.controllers {
        let what = "controllers are not known here: the schema is older, or this role may not read them";
        return vec![Check::skipped(REPLICAS, what)];
    }
    match connection.controllers().await {
        Ok(replicas) => of_replicas(&replicas, project),
        Err(error) => vec![not_asked(REPLICAS, &error)],
    }
}

fn of_replicas(replicas: &[Controller], project: &Looked) -> Vec<Check> {
    let found = project.found.as_ref().map(|found| &found.project);
    let own = found.map(|own| (own.name.as_str(), own.spec.environment.as_deref().unwrap_or_default()));
    let start =
        "to have drift corrected, health looked at and messages sent: run `synthex watch`, best as a service";
    let is_own = |replica: &&Controller| {
        own.is_none_or(|own| own == (replica.project.as_str(), replica.environment.as_str()))
    };
    if !replicas.iter().any(|replica| is_own(&replica)) {
        let whose = own.map_or(String::new(), |(name, _)| format!(" for project `{name}`"));
        let others = if replicas.is_empty() { "" } else { ", only for others" };
        let what = format!("no controller was heard of{whose} within the last minute{others}");
        return vec![Check::info(REPLICAS, what).help(start)];
    }
    let mut groups: BTreeMap<(&str, &str), Vec<&Controller>> = BTreeMap::new();
    for replica in replicas.iter().filter(is_own) {
        groups.entry((&replica.project, &replica.environment)).or_default().push(replica);
    }
    let mut checks = Vec::new();
    for ((name, environment), group) in groups {
        let environment =
            if environment.is_empty() { String::new() } else { format!(", environment `{environment}`") };
        let whose = format!("project `{name}`{environment}");
        let places: Vec<String> =
            group.iter().map(|one| format!("{} (pid {}, {})", one.host, one.pid, one.mode)).collect();
        let what = format!("{} of {whose}: {}", counted(group.len(), "controller"), places.join(", "));
        checks.push(Check::ok(REPLICAS, what));
        // There is one lease, so there is one who holds it, or nobody.
        checks.push(match group.iter().find(|one| one.is_leader) {
            Some(one) => Check::ok(LEADER, format!("{} (pid {}) reconciles {whose}", one.host, one.pid)),
            None => Check::warn(
                LEADER,
                match group.len() {
                    1 => format!("the controller of {whose} does not reconcile"),
                    _ => format!("none of the controllers of {whose} reconciles"),
                },
                "run it again in half a minute; then look at the log of the controllers, and at `synthex lease list`",
            )
            .why("the one that did has just gone, the lease of the leader is held by somebody else, or all run --without reconcile"),
        });
    }
    let own_version = env!("CARGO_PKG_VERSION");
    let other = replicas.iter().filter(is_own).find(|replica| replica.version != own_version);
    checks.push(match other {
        None => Check::ok(VERSIONS, format!("all of them are synthex {own_version}, as this one is")),
        Some(other) => Check::warn(
            VERSIONS,
            format!(
                "the controller on {} (pid {}) is synthex {}, and this is {own_version}",
                other.host, other.pid, other.version
            ),
            "bring them to the same version, the controllers first",
        ),
    });
    checks
}

async fn pauses(context: &Context, connection: &mut Connection, project: &Looked) -> Check {
    let reading = async {
        connection.begin_reading().await?;
        let rows = connection.pauses(None).await;
        connection.rollback().await?;
        rows
    };
    let rows = match reading.await {
        Ok(rows) => rows,
        Err(error) => return not_asked(PAUSES, &error),
    };
    let now = context.clock.now();
    let declared = project.found.as_ref().map_or(&[][..], |found| &found.project.spec.pauses);
    let pauses = Pauses::of(rows, declared, now);
    let words: Vec<String> = pauses
        .iter()
        .take(MOST)
        .map(|(name, pause)| format!("`{name}` is {}", report::pauses::words(pause, Some(now))))
        .collect();
    let count = pauses.iter().count();
    if count == 0 {
        return Check::ok(PAUSES, "no workspace is paused");
    }
    let what = format!(
        "{} paused, so nothing corrects {}",
        counted(count, "workspace"),
        if count == 1 { "it" } else { "them" }
    );
    let check = match pauses.iter().find(|(_, pause)| pause.until.is_none()) {
        Some((name, _)) => {
            Check::warn(PAUSES, what, format!("when the reason is gone: synthex resume workspace/{name}"))
        }
        None => Check::info(PAUSES, what),
    };
    check.why(words.join("; "))
}

async fn leases(connection: &mut Connection) -> Check {
    let entries = match store::leases(connection, None).await {
        Ok(entries) => entries.unwrap_or_default(),
        Err(error) => return not_asked(LEASES, &error),
    };
    // The one that reconciles holds his lease for as long as he runs, and is told of above.
    let is_of_controller = |entry: &&LeaseEntry| entry.workspace.starts_with("watch:");
    let held: Vec<_> = entries
        .iter()
        .filter(|entry| !is_of_controller(entry))
        .filter_map(|entry| entry.held.as_ref())
        .collect();
    let long: Vec<String> = held
        .iter()
        .filter(|lease| lease.now - lease.since > LONG)
        .map(|lease| format!("`{}`: {}", lease.workspace, lease.described()))
        .collect();
    match long.as_slice() {
        [] if held.is_empty() => Check::ok(LEASES, "no lease is held"),
        [] => Check::ok(LEASES, format!("{} held, none for long", counted(held.len(), "lease"))),
        long => {
            let what = format!("{} held for more than an hour", counted(long.len(), "lease"));
            let some = long.iter().take(MOST).cloned().collect::<Vec<_>>().join("; ");
            Check::warn(
                LEASES,
                what,
                "`synthex lease list` shows them; `synthex lease release -w NAME` ends one",
            )
            .why(some)
        }
    }
}

async fn messages(connection: &mut Connection, askable: Askable) -> Vec<Check> {
    if !askable.deliveries {
        let what = "messages are not known here: the schema is older, or this role may not read them";
        return vec![Check::skipped(UNDELIVERED, what)];
    }
    let undelivered = match connection.undelivered().await {
        Ok(undelivered) => of_undelivered(&undelivered),
        Err(error) => not_asked(UNDELIVERED, &error),
    };
    let overdue = match connection.overdue().await {
        Ok(overdue) => of_overdue(overdue),
        Err(error) => not_asked(OVERDUE, &error),
    };
    vec![undelivered, overdue]
}

fn of_undelivered(channels: &[Undelivered]) -> Check {
    let Some(worst) = channels.first() else {
        return Check::ok(UNDELIVERED, "every message of the last week got through, or still may");
    };
    let count: i64 = channels.iter().map(|channel| channel.count).sum();
    let words = channels.iter().take(MOST).map(|one| {
        let since = time::instant(one.oldest, one.now);
        format!("{} through channel {}/{}, the oldest of {since}", one.count, one.workspace, one.channel)
    });
    let since = (worst.now - worst.oldest).num_hours() + 1;
    let help = format!(
        "`synthex notify list --status dead,failed` says why; when that is mended: synthex notify retry -w {} --channel {} --since {since}h",
        worst.workspace, worst.channel
    );
    let verb = if count == 1 { "message" } else { "messages" };
    Check::warn(UNDELIVERED, format!("{count} {verb} of the last week did not get through"), help)
        .why(words.collect::<Vec<_>>().join("; "))
}

fn of_overdue(overdue: Overdue) -> Check {
    let Overdue { count, since, now } = overdue;
    let Some(since) = since.filter(|since| now - *since > LATE) else {
        let what = match count {
            0 => "no message waits to be sent".to_owned(),
            1 => "1 message waits to be sent, and is not late".to_owned(),
            count => format!("{count} messages wait to be sent, none late"),
        };
        return Check::ok(OVERDUE, what);
    };
    let messages = usize::try_from(count)
        .map_or_else(|_| format!("{count} messages"), |count| counted(count, "message"));
    let what = format!("{messages} to be sent, the oldest due since {}", time::instant(since, now));
    Check::warn(OVERDUE, what, "start `synthex watch`, or run `synthex notify deliver`")
        .why("nobody delivers, or all who do are busy with a receiver that hangs")
}

fn of_failure(failure: Option<&FailedOperation>) -> Check {
    let Some(FailedOperation { revision, project, command, at, count, now }) = failure else {
        return Check::ok(FAILURES, "no operation failed within the last day");
    };
    let what = match count {
        1 => "1 operation of the last day failed, or was done in part".to_owned(),
        count => format!("{count} operations of the last day failed, or were done in part"),
    };
    Check::warn(FAILURES, what, format!("synthex history --revision {revision} says why"))
        .why(format!("the last: `{command}` of project `{project}`, {}", time::instant(*at, *now)))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;

    fn replica(host: &str, is_leader: bool, version: &str) -> Controller {
        Controller {
            project: "shop".to_owned(),
            environment: String::new(),
            host: host.to_owned(),
            pid: 7,
            version: version.to_owned(),
            mode: "enforce".to_owned(),
            is_leader,
        }
    }

    #[track_caller]
    fn check(replicas: &[Controller], expected: &[Status]) {
        let checks = of_replicas(replicas, &Looked::default());
        let found: Vec<Status> = checks.iter().map(|check| check.status).collect();
        assert_eq!(found, expected, "{checks:?}");
    }

    #[test]
    fn one_controller_leads_and_all_are_of_one_version() {
        let version = env!("CARGO_PKG_VERSION");
        check(&[], &[Status::Info]);
        check(&[replica("a", true, version)], &[Status::Ok, Status::Ok, Status::Ok]);
        check(&[replica("a", false, version)], &[Status::Ok, Status::Warn, Status::Ok]);
        let both = [replica("a", false, version), replica("b", false, "0.0.0")];
        check(&both, &[Status::Ok, Status::Warn, Status::Warn]);
    }

    #[test]
    fn a_message_is_late_after_a_while() {
        let now: DateTime<Utc> = "2026-11-30T12:00:00Z".parse().unwrap();
        let late = |minutes| Overdue { count: 2, since: Some(now - TimeDelta::minutes(minutes)), now };
        assert_eq!(of_overdue(late(4)).status, Status::Ok);
        let check = of_overdue(late(6));
        assert_eq!((check.status, check.what.contains("6 minutes ago")), (Status::Warn, true), "{check:?}");
        assert_eq!(of_overdue(Overdue { count: 0, since: None, now }).status, Status::Ok);
    }

    #[test]
    fn what_did_not_get_through_comes_with_the_command_that_tries_again() {
        let now: DateTime<Utc> = "2026-11-30T12:00:00Z".parse().unwrap();
        let one = Undelivered {
            workspace: "w".to_owned(),
            channel: "chat".to_owned(),
            count: 3,
            oldest: now - TimeDelta::minutes(90),
            now,
        };
        let check = of_undelivered(&[one]);
        let help = check.help.unwrap();
        assert!(help.ends_with("synthex notify retry -w w --channel chat --since 2h"), "{help}");
    }
}
