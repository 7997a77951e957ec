//! `watch status`: how the controllers of a project are, and how each workspace stands, from what they keep in the database.

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::database;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::project;
use crate::engine::StateReader as _;
use crate::engine::watching::{Books, Condition, ConditionStatus, ConditionType, Realm, Replica};
use crate::report;
use crate::report::time::{coming, instant, relative};
use crate::store::migration_state;
use crate::watch::flapping::Corrections;

/// How the controllers are, and how each workspace stands
///
/// Reads what they keep in the database, so it works from any machine. A controller that has not said anything for a minute is
/// shown as silent.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex watch status\n  synthex watch status --all\n  synthex watch status --format json"
)]
pub struct StatusArgs {
    /// Show workspaces of which there is nothing to say, too
    #[arg(long)]
    pub all: bool,
    /// Exit with 2 when something needs looking at: a workspace is not ready, or no controller is heard
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// A controller that says nothing for so long may be gone.
const SILENT: TimeDelta = TimeDelta::seconds(60);

/// Runs `watch status`.
pub(super) async fn status(context: &Context, args: &StatusArgs) -> Result<ExitStatus, CliError> {
    let found = project::find(context)?;
    let source = database::source(context, Some(&found.project), &found.folder)?;
    // Nothing is started for it: a controller works with a database that runs.
    let Some(options) = database::running(context, &source, "watch status").await? else {
        return nothing(
            context,
            args,
            "The embedded PostgreSQL of this project does not run, so no controller does",
        );
    };
    let realm = Realm {
        project: found.project.name.clone(),
        environment: found.project.spec.environment.clone().unwrap_or_default(),
    };
    let mut connection = options.connect().await?;
    connection.begin_reading().await?;
    // Times in the books are those of the database.
    let now = connection.identity().await?.now;
    let is_there =
        connection.is_installed().await? && migration_state(&mut connection).await?.installed >= 10;
    connection.rollback().await?;
    if !is_there {
        connection.close().await;
        return nothing(context, args, "No controller ever ran here");
    }
    let mut books = connection.read_books(&realm, now - TimeDelta::hours(1)).await?;
    let workspaces: Vec<String> = books.conditions.iter().map(|own| own.workspace.clone()).collect();
    let gone = connection.gone(&workspaces).await?;
    books.conditions.retain(|own| !gone.contains(&own.workspace));
    books.backoff.retain(|own| !gone.iter().any(|name| **name == *own.key.workspace));
    let replicas = connection.replicas(&realm).await?;
    connection.close().await;
    let shown = Shown { context, args, books, replicas, now };
    shown.say()
}

fn nothing(context: &Context, args: &StatusArgs, why: &str) -> Result<ExitStatus, CliError> {
    if context.global.format == Format::Json {
        let nothing = json!({"format_version": "1.0", "controllers": [], "source": null, "conditions": [],
            "waiting": [], "flapping": []});
        context.printer.json(&nothing);
    } else {
        context.printer.note(&format!("{why}: start one with `synthex watch`."));
    }
    // No controller is heard.
    Ok(if args.detailed_exitcode { ExitStatus::Changes } else { ExitStatus::Success })
}

struct Shown<'a> {
    context: &'a Context,
    args: &'a StatusArgs,
    books: Books,
    replicas: Vec<Replica>,
    now: DateTime<Utc>,
}

impl Shown<'_> {
    fn say(&self) -> Result<ExitStatus, CliError> {
        if self.context.global.format == Format::Json {
            self.context.printer.json(&self.json());
        } else {
            self.context.printer.result(&self.text());
        }
        let is_well = self.is_heard() && !self.books.conditions.iter().any(is_bad);
        Ok(if self.args.detailed_exitcode && !is_well { ExitStatus::Changes } else { ExitStatus::Success })
    }

    fn is_heard(&self) -> bool {
        self.replicas.iter().any(|own| self.now - own.seen_at < SILENT)
    }

    fn json(&self) -> Value {
        let flapping = Corrections::new(self.books.corrections.clone()).flaps(self.now);
        let flapping: Vec<_> = flapping
            .iter()
            .map(|own| {
                json!({"resource": own.key.to_string(), "field": own.field, "times": own.times,
                    "writers": own.actors, "leftUntil": own.left_until})
            })
            .collect();
        let waiting: Vec<_> = self
            .books
            .backoff
            .iter()
            .map(|own| {
                json!({"resource": own.key.to_string(), "failures": own.failures, "error": own.error,
                    "failedAt": own.failed_at, "nextAt": own.next_at})
            })
            .collect();
        json!({
            "format_version": "1.0",
            "controllers": self.replicas,
            "source": self.books.source,
            "conditions": self.books.conditions,
            "waiting": waiting,
            "flapping": flapping,
        })
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let style = &self.context.printer.stdout;
        if self.replicas.is_empty() {
            text.push_str("No controller runs: start one with `synthex watch`.\n");
        } else {
            let rows = self.replicas.iter().map(|own| self.replica(own)).collect();
            let headers = ["CONTROLLER", "ROLE", "MODE", "STARTED", "HEARD", "FAILING"];
            text.push_str(&report::table::table(&headers, rows, style));
            if self.is_heard() && !self.replicas.iter().any(|own| own.is_leader) {
                text.push_str(
                    "None of them reconciles: the one that did has just ended, or all leave it out.\n",
                );
            }
            text.extend(self.replicas.iter().flat_map(|own| self.failures(own)));
        }
        if let Some(source) = &self.books.source {
            let revision = |name: &str, revision: &Option<String>, at: Option<DateTime<Utc>>| {
                let (Some(revision), Some(at)) = (revision, at) else { return String::new() };
                format!("  {name:<9} {revision}, since {}\n", instant(at, self.now))
            };
            text.push_str(&format!("\nManifests: {}\n", report::clean::clean(&source.source)));
            text.push_str(&revision("newest", &source.observed, source.observed_at));
            if let Some(problem) = &source.problem {
                text.push_str(&format!("  problem   {}\n", report::clean::clean(problem)));
            }
            text.push_str(&revision("last good", &source.good, source.good_at));
            text.push_str(&revision("in force", &source.applied, source.applied_at));
            if let (Some(held), Some(by)) = (&source.held, source.held_by) {
                text.push_str(&format!("  held      {held}: operation {by} rolled it back\n"));
            }
        }
        text.push_str(&self.conditions());
        for own in &self.books.backoff {
            let times = if own.failures == 1 { "once".to_owned() } else { format!("{} times", own.failures) };
            text.push_str(&format!(
                "waits: {} failed {times}, next try {}: {}\n",
                own.key,
                coming(own.next_at, self.now),
                report::clean::clean(&own.error)
            ));
        }
        text
    }

    fn replica(&self, own: &Replica) -> Vec<String> {
        let is_silent = self.now - own.seen_at >= SILENT;
        let role = match (is_silent, own.is_leader) {
            (true, _) => "silent",
            (false, true) => "reconciles",
            (false, false) => "stands by",
        };
        let failing: Vec<&str> = failing(own).map(|(name, _)| name).collect();
        vec![
            format!("{} (pid {})", own.host, own.pid),
            role.to_owned(),
            own.mode.clone(),
            relative(own.started_at, self.now),
            relative(own.seen_at, self.now),
            failing.join(", "),
        ]
    }

    /// Why tasks of a controller fail. What is wrong with the manifests is said beside them.
    fn failures(&self, own: &Replica) -> Vec<String> {
        if self.now - own.seen_at >= SILENT {
            return Vec::new();
        }
        let line = |(name, failure): (&str, &Value)| {
            let text = |member: &str| failure.get(member).and_then(Value::as_str);
            if matches!(text("code"), Some("invalid-manifest" | "source-unreachable")) {
                return None;
            }
            let why = text("why").map_or(String::new(), |why| format!(": {why}"));
            let what = format!("{}{why}", text("what").unwrap_or_default());
            Some(format!(
                "fails: {name} on {} (pid {}): {}\n",
                own.host,
                own.pid,
                report::clean::clean(&what)
            ))
        };
        failing(own).filter_map(line).collect()
    }

    fn conditions(&self) -> String {
        let conditions = &self.books.conditions;
        let ready = |workspace: &str| {
            conditions.iter().find(|own| own.of == ConditionType::Ready && own.workspace == workspace)
        };
        let says_more = |own: &Condition| ready(&own.workspace).is_none_or(|ready| own.says_more_than(ready));
        let is_paused = |own: &Condition| {
            own.of == ConditionType::Paused && own.status == ConditionStatus::True && says_more(own)
        };
        let is_shown = |own: &&Condition| (is_bad(own) && says_more(own)) || is_paused(own);
        let shown: Vec<&Condition> = conditions.iter().filter(|own| self.args.all || is_shown(own)).collect();
        let mut workspaces: Vec<&str> = conditions.iter().map(|own| own.workspace.as_str()).collect();
        workspaces.dedup();
        let count = conditions
            .iter()
            .filter(|own| own.of == ConditionType::Ready && own.status == ConditionStatus::True)
            .count();
        let mut text = String::from("\n");
        if !self.is_heard() && !workspaces.is_empty() {
            text.push_str("Nobody looks now. When a controller last did:\n");
        }
        text.push_str(&match (count, workspaces.len()) {
            (_, 0) => "No workspace was looked at yet.\n".to_owned(),
            (1, 1) => "The one workspace is ready.\n".to_owned(),
            (_, 1) => "The one workspace is not ready.\n".to_owned(),
            (1, all) => format!("1 of {all} workspaces is ready.\n"),
            (ready, all) => format!("{ready} of {all} workspaces are ready.\n"),
        });
        if !shown.is_empty() {
            let is_said = |own: &Condition| {
                let ready =
                    ready(&own.workspace).filter(|ready| own.of != ConditionType::Ready && is_bad(ready));
                ready.is_some_and(|ready| ready.message.contains(&own.message))
            };
            let row = |own: &&Condition| {
                let message = report::clean::clean(&own.message).into_owned();
                vec![
                    own.workspace.clone(),
                    own.of.code().to_owned(),
                    own.status.code().to_owned(),
                    own.reason.clone(),
                    relative(own.since, self.now),
                    if is_said(own) { "see Ready".to_owned() } else { message },
                ]
            };
            let headers = ["WORKSPACE", "CONDITION", "", "REASON", "SINCE", "MESSAGE"];
            let rows = shown.iter().map(row).collect();
            text.push_str(&report::table::table(&headers, rows, &self.context.printer.stdout));
        }
        text
    }
}

/// The tasks of a controller that failed when they ran last, and how.
fn failing(own: &Replica) -> impl Iterator<Item = (&str, &Value)> {
    let tasks = own.tasks.as_object().into_iter().flatten();
    tasks
        .filter_map(|(name, state)| Some((name.as_str(), state.get("failure").filter(|own| !own.is_null())?)))
}

/// Whether something needs looking at.
fn is_bad(condition: &Condition) -> bool {
    let wants = match condition.of {
        ConditionType::Ready | ConditionType::Synced | ConditionType::Healthy => ConditionStatus::False,
        ConditionType::Flapping | ConditionType::Stalled => ConditionStatus::True,
        ConditionType::Paused => return false,
    };
    condition.status == wants
}
