//! How the controllers of a project say that they and its workspaces are: what `watch status` shows, in two findings.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::engine::StateError;
use crate::engine::watching::{Condition, ConditionStatus, ConditionType, Realm, Replica};
use crate::store::Connection;

use super::check::{Check, Status, counted};
use super::project::Looked;

const TASKS: &str = "controllers.tasks";
const WORKSPACES: &str = "controllers.workspaces";

/// At most so many of a sort are named.
const MOST: usize = 3;

/// Looks at what the controllers wrote down. Without a project nobody knows whose books to open.
pub async fn look(connection: &mut Connection, project: &Looked) -> Vec<Check> {
    let Some(found) = &project.found else { return Vec::new() };
    let realm = Realm {
        project: found.project.name.clone(),
        environment: found.project.spec.environment.clone().unwrap_or_default(),
    };
    match read(connection, &realm).await {
        Ok((now, replicas, conditions)) => {
            [of_tasks(&replicas, now), of_workspaces(&conditions)].into_iter().flatten().collect()
        }
        Err(error) => vec![Check::of_error(WORKSPACES, Status::Warn, &error)],
    }
}

async fn read(
    connection: &mut Connection,
    realm: &Realm,
) -> Result<(DateTime<Utc>, Vec<Replica>, Vec<Condition>), StateError> {
    connection.begin_reading().await?;
    let now = connection.identity().await?.now;
    connection.rollback().await?;
    let replicas = connection.replicas(realm).await?;
    let mut conditions = connection.read_books(realm, now).await?.conditions;
    conditions.retain(|own| own.of == ConditionType::Ready);
    let names: Vec<String> = conditions.iter().map(|own| own.workspace.clone()).collect();
    let gone = connection.gone(&names).await?;
    conditions.retain(|own| !gone.contains(&own.workspace));
    Ok((now, replicas, conditions))
}

/// What fails in those controllers that were heard of lately; `None` where there are none.
fn of_tasks(replicas: &[Replica], now: DateTime<Utc>) -> Option<Check> {
    let heard = replicas.iter().filter(|own| now - own.seen_at < TimeDelta::minutes(1));
    let mut words = Vec::new();
    let mut help = None;
    let mut count = 0;
    for own in heard {
        count += 1;
        for (task, state) in own.tasks.as_object().into_iter().flatten() {
            let Some(failure) = state.get("failure").filter(|failure| !failure.is_null()) else { continue };
            let text = |name: &str| failure.get(name).and_then(Value::as_str);
            let why = text("why").map_or(String::new(), |why| format!(": {why}"));
            let what = text("what").unwrap_or("it failed");
            words.push(format!("`{task}` on {} (pid {}): {what}{why}", own.host, own.pid));
            help = help.or_else(|| text("help").map(str::to_owned));
        }
    }
    if count == 0 {
        return None;
    }
    if words.is_empty() {
        return Some(Check::ok(TASKS, "no task of theirs failed when it ran last"));
    }
    let what = format!("{} of theirs failed when it ran last", counted(words.len(), "task"));
    let help =
        help.unwrap_or_else(|| "it is tried again by itself; the log of the controller says more".to_owned());
    words.truncate(MOST);
    Some(Check::warn(TASKS, what, help).why(words.join("; ")))
}

/// Which workspaces are not as they should be. Of those that are paused it is said elsewhere. `None` where none was looked at.
fn of_workspaces(ready: &[Condition]) -> Option<Check> {
    let is_bad = |own: &&Condition| own.status == ConditionStatus::False && own.reason != "Paused";
    let bad: Vec<&Condition> = ready.iter().filter(is_bad).collect();
    let all = counted(ready.len(), "workspace");
    if ready.is_empty() {
        return None;
    }
    if bad.is_empty() {
        return Some(Check::ok(WORKSPACES, format!("{all}, none of which needs somebody")));
    }
    let verb = if bad.len() == 1 { "is" } else { "are" };
    let what = format!("{} of {all} {verb} not ready", bad.len());
    let words =
        bad.iter().take(MOST).map(|own| format!("`{}`: {} ({})", own.workspace, own.message, own.reason));
    let words = words.collect::<Vec<_>>().join("; ");
    Some(Check::warn(WORKSPACES, what, "`synthex watch status` shows them all, and since when").why(words))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ready(workspace: &str, status: ConditionStatus, reason: &str) -> Condition {
        Condition {
            workspace: workspace.to_owned(),
            of: ConditionType::Ready,
            status,
            reason: reason.to_owned(),
            message: "1 resource is not as declared".to_owned(),
            revision: None,
            since: DateTime::<Utc>::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_needs_somebody_is_named() {
        use ConditionStatus::{False, True};
        assert!(of_workspaces(&[]).is_none());
        let well = [ready("a", True, "Reconciled"), ready("b", False, "Paused")];
        assert_eq!(of_workspaces(&well).unwrap().what, "2 workspaces, none of which needs somebody");
        let bad = of_workspaces(&[ready("a", True, "Reconciled"), ready("b", False, "Refused")]).unwrap();
        assert_eq!((bad.status, bad.what.as_str()), (Status::Warn, "1 of 2 workspaces is not ready"));
        assert_eq!(bad.why.unwrap(), "`b`: 1 resource is not as declared (Refused)");
    }

    #[test]
    fn what_fails_is_said_with_where_and_what_to_do() {
        let now = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::hours(1);
        let replica = |seconds, tasks| Replica {
            id: uuid::Uuid::nil(),
            host: "box".to_owned(),
            pid: 7,
            version: "1".to_owned(),
            mode: "enforce".to_owned(),
            listen: None,
            is_leader: true,
            started_at: now,
            seen_at: now - TimeDelta::seconds(seconds),
            tasks,
        };
        assert!(of_tasks(&[replica(90, json!({}))], now).is_none(), "nobody was heard of");
        assert_eq!(
            of_tasks(&[replica(9, json!({"lead": {"failure": null}}))], now).unwrap().status,
            Status::Ok
        );
        let failing =
            json!({"reconcile": {"failure": {"what": "it cannot", "why": "no", "help": "mend it"}}});
        let check = of_tasks(&[replica(9, failing)], now).unwrap();
        assert_eq!(check.what, "1 task of theirs failed when it ran last");
        assert_eq!(check.why.unwrap(), "`reconcile` on box (pid 7): it cannot: no");
        assert_eq!(check.help.unwrap(), "mend it");
    }
}
