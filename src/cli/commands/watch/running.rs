//! `watch` itself: puts the tasks together, and runs them until it is told to stop.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::cli::context::{Context, host_name, new_id};
use crate::cli::database;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::outcome::interrupted;
use crate::cli::project::{self, Found};
use crate::cli::signals::Signals;
use crate::cli::watching::endpoints::pulse;
use crate::cli::watching::heartbeat::{Heartbeat, Outcome};
use crate::cli::watching::leading::{self, LOOK, LeadTask, Leadership};
use crate::cli::watching::reconcile::{Listens, ReconcileTask};
use crate::cli::watching::source::Source;
use crate::cli::watching::{
    AlertsTask, DeliveryTask, HealthTask, RenewalTask, Station, UpkeepTask, listening,
};
use crate::engine::{Interrupt as _, StateWriter as _};
use crate::files::Noticing;
use crate::kinds::project::Ages;
use crate::store::Writer;
use crate::watch::http::{About, Vitals};
use crate::watch::{self, Board, Entry, Stop, Stopper, Task, TaskCode};

use super::{Mode, WatchArgs, outcome};

/// How much the time between two looks varies, as a share.
const JITTER: f64 = 0.1;

/// How long it must be quiet after a signal.
const QUIET: Duration = Duration::from_millis(50);

/// How long it must be quiet after files changed: editors and rsync write in bursts.
const FILES_QUIET: Duration = Duration::from_millis(150);

/// Runs until it is told to stop; or once.
pub(super) async fn run(context: &Context, args: &WatchArgs) -> Result<ExitStatus, CliError> {
    if context.global.workspace.is_some() {
        return Err(CliError::usage("watch looks after a whole project, and --workspace names a part of it")
            .help("leave --workspace out; `synthex pause` has a workspace left alone"));
    }
    if context.global.as_of.is_some() {
        return Err(CliError::usage("watch goes by the clock: what it would do at another time, it would do now")
            .help("leave --as-of out; `synthex alerts check-now --dry-run --as-of TIME` shows what would be told then"));
    }
    let signals = Signals::listen()?;
    let heartbeat = Heartbeat::new(context, &args.heartbeat)?;
    let listener = if args.once { None } else { args.listen.bind()? };
    let (mut source, found) = tokio::select! {
        biased;
        () = signals.requested() => return Err(interrupted(&signals)),
        source = source(context, args) => source?,
    };
    let listen = listener.as_ref().and_then(|listener| listener.local_addr().ok());
    let station = tokio::select! {
        biased;
        () = signals.requested() => return Err(interrupted(&signals)),
        station = station(context, args, &found, listen) => station?,
    };
    source.expect(&station.project, &station.environment);
    let (stopper, stop) = Stopper::new();
    let intervals = intervals(args);
    let board = Arc::new(Board::new(intervals.iter().copied()));
    let mut noticing = if args.once || args.git.git.is_some() { None } else { noticing(&board) };
    let listens = Box::new(|paths: &[PathBuf]| {
        let Some(noticing) = noticing.as_mut() else { return false };
        noticing.listen_to(paths).unwrap_or_else(|why| {
            tracing::warn!(why, "changes of files are found by looking only");
            true
        })
    });
    let ages = found.project.spec.retention.ages();
    let entries = entries(&station, &board, source, listens, ages, &intervals, args.once)?;
    if args.once {
        tokio::select! {
            () = watch::once(entries, &board, &*context.clock, &stop) => {}
            () = relay(&signals, &stopper, &station, &board) => {}
        }
        leading::end(&station).await;
        ping(heartbeat.as_ref(), &board).await;
        return outcome::once(context, args, &board, &signals);
    }
    if let Some(heartbeat) = heartbeat.clone() {
        let read = Arc::downgrade(&board);
        board.tell(Box::new(move |code, _, has_failed| {
            // Who stands by completes nothing: somebody must lead for all to be well.
            let leads = || {
                let state = read.upgrade().and_then(|board| board.state(TaskCode::Reconcile));
                state.is_some_and(|state| state.status.get("role").is_some_and(|role| role == "leader"))
            };
            if code == TaskCode::Reconcile && (has_failed || leads()) {
                heartbeat.ping(if has_failed { Outcome::Failed } else { Outcome::Complete });
            }
        }));
    }
    // The endpoints answer until everything else has ended.
    let (closer, closed) = Stopper::new();
    let serving = match listener {
        Some(listener) => Some(args.listen.serve(listener, &station, &board, &closed)?),
        None => None,
    };
    tracing::info!(
        project = station.project,
        environment = station.environment,
        replica = %station.replica,
        mode = if station.only_observes { "observe" } else { "enforce" },
        listen = station.listen.as_deref().unwrap_or_default(),
        "watching"
    );
    let seed = station.replica.as_u128().to_le_bytes();
    let seed = u64::from_le_bytes(std::array::from_fn(|place| seed[place + 8]));
    let working = watch::run(entries, &board, &*context.clock, seed, &stop);
    let hearing = hear(args, &station, &board, &stop);
    tokio::select! {
        ((), ()) = futures_util::future::join(working, hearing) => {}
        () = relay(&signals, &stopper, &station, &board) => {}
        () = pulse(&station, &board, &stopper) => {}
    }
    leading::end(&station).await;
    if let Some(heartbeat) = &heartbeat {
        heartbeat.settled().await;
    }
    closer.stop();
    if let Some(serving) = serving {
        // It ends by itself within seconds, and nothing is lost with it.
        let _ = tokio::task::spawn_blocking(move || serving.join()).await;
    }
    tracing::info!("stopped");
    if let Some(error) = station.outdated.get() {
        return Err(CliError::from(error.again()));
    }
    Ok(signals.status().unwrap_or(ExitStatus::Success))
}

/// Where the manifests come from, and the project as it is there now.
async fn source<'c>(context: &'c Context, args: &'c WatchArgs) -> Result<(Source<'c>, Found), CliError> {
    let state = context.environment.raw("SYNTHEX_STATE_DIR").filter(|folder| !folder.is_empty());
    let cache = state.map_or_else(|| PathBuf::from(".synthex"), PathBuf::from).join("git");
    let Some(repository) = args.git.repository(context, &cache)? else {
        return Ok((Source::files(context), project::find(context)?));
    };
    let mut source = Source::git(context, &args.git, repository);
    let look = source.look(true).await;
    match (source.good(), source.project(), look.problem) {
        (Some(good), ..) => Ok((source, good.found.clone())),
        // The manifests have problems: the revision that was last good by the books is in force.
        (None, Some(found), _) => Ok((source, found)),
        (None, None, problem) => {
            let status = if look.is_unreachable { ExitStatus::Unreachable } else { ExitStatus::Usage };
            let code = if look.is_unreachable { "source-unreachable" } else { "invalid-manifest" };
            let what = format!("there is nothing to begin with in {}", source.shown());
            let help = if look.is_unreachable {
                "check --git, --ref, and what it is read with; then start it again"
            } else {
                "check --path, and correct the project file; then start it again"
            };
            Err(CliError::new(status, code, what).why(problem.unwrap_or_default()).help(help))
        }
    }
}

/// The tasks, in their order.
fn entries<'s>(
    station: &'s Station<'s>,
    board: &Arc<Board>,
    source: Source<'s>,
    listens: Listens<'s>,
    ages: Ages,
    intervals: &[(TaskCode, Duration)],
    is_once: bool,
) -> Result<Vec<Entry<'s>>, CliError> {
    let leadership = Rc::<RefCell<Leadership>>::default();
    let mut reconcile = Some(Box::new(ReconcileTask::new(station, source, Rc::clone(&leadership), listens)));
    let mut entries = Vec::new();
    for (code, interval) in intervals.iter().copied() {
        let task: Box<dyn Task + 's> = match code {
            TaskCode::Lead => Box::new(LeadTask::new(station, Arc::clone(board), Rc::clone(&leadership))),
            TaskCode::Reconcile => match reconcile.take() {
                Some(reconcile) => reconcile,
                None => continue,
            },
            TaskCode::Health => Box::new(HealthTask::new(station)?),
            TaskCode::Renewal if is_once => Box::new(RenewalTask::new(station)?.thorough()),
            TaskCode::Renewal => Box::new(RenewalTask::new(station)?),
            TaskCode::Alerts => Box::new(AlertsTask::new(station)),
            TaskCode::Delivery => Box::new(DeliveryTask::new(station)?),
            TaskCode::Upkeep => Box::new(UpkeepTask::new(station, ages)),
        };
        let quiet = if code == TaskCode::Reconcile { FILES_QUIET } else { QUIET };
        let jitter = if code == TaskCode::Lead { 0.0 } else { JITTER };
        entries.push(Entry { code, interval, jitter, quiet, task });
    }
    Ok(entries)
}

/// Says how it went to whoever waits for the heartbeat.
async fn ping(heartbeat: Option<&Heartbeat>, board: &Board) {
    let Some(heartbeat) = heartbeat else { return };
    let has_failed = board.states().values().any(|state| state.failure.is_some());
    heartbeat.ping(if has_failed { Outcome::Failed } else { Outcome::Complete });
    heartbeat.settled().await;
}

/// What every task gets. The schema is installed or upgraded here.
async fn station<'c>(
    context: &'c Context,
    args: &WatchArgs,
    found: &Found,
    listen: Option<SocketAddr>,
) -> Result<Station<'c>, CliError> {
    let source = database::source(context, Some(&found.project), &found.folder)?;
    let options = database::open(context, &source, "watch").await?.left_in(None);
    let mut writer = Writer::open(options.clone()).await?;
    let installed = writer.migrate().await?;
    writer.close().await;
    if installed > 0 {
        tracing::info!(installed, "migrations of the schema were installed");
    }
    let replica = new_id();
    let project = found.project.name.clone();
    let environment = found.project.spec.environment.clone().unwrap_or_default();
    let only_observes = args.mode == Mode::Observe;
    let about = About {
        replica,
        host: host_name(),
        version: env!("CARGO_PKG_VERSION"),
        project: project.clone(),
        environment: environment.clone(),
        mode: if only_observes { "observe" } else { "enforce" },
        interval: args.interval,
        started_at: context.clock.now(),
    };
    Ok(Station {
        context,
        options,
        folder: found.folder.clone(),
        replica,
        project,
        environment,
        only_observes,
        listen: listen.map(|address| address.to_string()),
        vitals: Arc::new(Vitals::new(about)),
        outdated: OnceLock::new(),
        reload: AtomicBool::new(false),
    })
}

/// Which tasks run, and how often they look.
fn intervals(args: &WatchArgs) -> Vec<(TaskCode, Duration)> {
    let interval = |code| match code {
        TaskCode::Lead => LOOK,
        // A branch that moves is not noticed otherwise.
        TaskCode::Reconcile if args.git.git.is_some() => args.interval.min(args.git.git_every),
        TaskCode::Reconcile => args.interval,
        TaskCode::Health => Duration::from_secs(60),
        TaskCode::Alerts => Duration::from_secs(30),
        TaskCode::Delivery => Duration::from_secs(5),
        // Both know when something is due next.
        TaskCode::Renewal | TaskCode::Upkeep => Duration::from_secs(300),
    };
    let all = TaskCode::ALL.into_iter().filter(|code| args.wants(*code));
    all.map(|code| (code, interval(code))).collect()
}

fn noticing(board: &Arc<Board>) -> Option<Noticing> {
    let board = Arc::clone(board);
    match Noticing::new(move || board.wake(TaskCode::Reconcile)) {
        Ok(noticing) => Some(noticing),
        Err(why) => {
            tracing::warn!(why, "changes of files are found by looking only");
            None
        }
    }
}

async fn hear(args: &WatchArgs, station: &Station<'_>, board: &Board, stop: &Stop) {
    if args.no_notify {
        stop.requested().await;
    } else {
        listening::listen(&station.options, board, stop).await;
    }
}

/// Passes signals on: one that ends the program asks all tasks to stop, and never returns; SIGHUP has everything read anew.
async fn relay(signals: &Signals, stopper: &Stopper, station: &Station<'_>, board: &Board) {
    let reloads = async {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let Ok(mut hangup) = signal(SignalKind::hangup()) else { return std::future::pending().await };
            while hangup.recv().await.is_some() {
                tracing::info!("everything is read anew");
                station.reload.store(true, Ordering::Relaxed);
                TaskCode::ALL.into_iter().for_each(|code| board.wake(code));
            }
        }
        std::future::pending::<()>().await;
    };
    let stops = async {
        signals.requested().await;
        tracing::info!("stopping");
        station.vitals.ending("it was asked to stop, and finishes what it is at");
        stopper.stop();
        std::future::pending::<()>().await;
    };
    futures_util::future::join(reloads, stops).await;
}
