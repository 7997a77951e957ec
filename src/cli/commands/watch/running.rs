//! `watch` itself: puts the tasks together, and runs them until it is told to stop.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::cli::context::{Context, new_id};
use crate::cli::database;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::project;
use crate::cli::signals::Signals;
use crate::cli::watching::leading::{self, LOOK, LeadTask, Leadership};
use crate::cli::watching::reconcile::ReconcileTask;
use crate::cli::watching::source::Source;
use crate::cli::watching::{Station, listening};
use crate::engine::{Interrupt as _, StateWriter as _};
use crate::files::Noticing;
use crate::store::Writer;
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
    if context.global.as_of.is_some() && !args.once {
        return Err(CliError::usage("a clock that stands still is of no use to watch")
            .help("leave --as-of out, or add --once"));
    }
    let signals = Signals::listen()?;
    let found = project::find(context)?;
    let station = station(context, args, &found).await?;
    let (stopper, stop) = Stopper::new();
    let leadership = Rc::<RefCell<Leadership>>::default();
    let intervals = intervals(args);
    let board = Arc::new(Board::new(intervals.iter().copied()));
    let mut noticing = if args.once { None } else { noticing(&board) };
    let listens = Box::new(|paths: &[PathBuf]| {
        let Some(noticing) = noticing.as_mut() else { return };
        if let Err(why) = noticing.listen_to(paths) {
            tracing::warn!(why, "changes of files are found by looking only");
        }
    });
    let source = Source::files(context);
    let mut entries = Vec::new();
    let mut listens = Some(listens as Box<dyn FnMut(&[PathBuf])>);
    let mut source = Some(source);
    for (code, interval) in intervals {
        let task: Box<dyn Task> = match code {
            TaskCode::Lead => Box::new(LeadTask::new(&station, Arc::clone(&board), Rc::clone(&leadership))),
            TaskCode::Reconcile => match (source.take(), listens.take()) {
                (Some(source), Some(listens)) => {
                    Box::new(ReconcileTask::new(&station, source, Rc::clone(&leadership), listens))
                }
                _ => continue,
            },
            _ => continue,
        };
        let quiet = if code == TaskCode::Reconcile { FILES_QUIET } else { QUIET };
        let jitter = if code == TaskCode::Lead { 0.0 } else { JITTER };
        entries.push(Entry { code, interval, jitter, quiet, task });
    }
    if args.once {
        tokio::select! {
            () = watch::once(entries, &board, &*context.clock, &stop) => {}
            () = relay(&signals, &stopper, &station, &board) => {}
        }
        leading::end(&station).await;
        return outcome::once(context, args, &board, &signals);
    }
    let seed = station.replica.as_u128().to_le_bytes();
    let seed = u64::from_le_bytes(std::array::from_fn(|place| seed[place + 8]));
    tracing::info!(
        project = station.project,
        environment = station.environment,
        replica = %station.replica,
        mode = if station.only_observes { "observe" } else { "enforce" },
        "watching"
    );
    let working = async {
        watch::run(entries, &board, &*context.clock, seed, &stop).await;
    };
    let hearing = hear(args, &station, &board, &stop);
    tokio::select! {
        ((), ()) = futures_util::future::join(working, hearing) => {}
        () = relay(&signals, &stopper, &station, &board) => {}
    }
    leading::end(&station).await;
    tracing::info!("stopped");
    Ok(signals.status().unwrap_or(ExitStatus::Success))
}

/// What every task gets. The schema is installed or upgraded here.
async fn station<'c>(
    context: &'c Context,
    args: &WatchArgs,
    found: &project::Found,
) -> Result<Station<'c>, CliError> {
    let source = database::source(context, Some(&found.project), &found.folder)?;
    let options = database::open(context, &source, "watch").await?.left_in(None);
    let mut writer = Writer::open(options.clone()).await?;
    let installed = writer.migrate().await?;
    writer.close().await;
    if installed > 0 {
        tracing::info!(installed, "migrations of the schema were installed");
    }
    Ok(Station {
        context,
        options,
        folder: found.folder.clone(),
        replica: new_id(),
        project: found.project.name.clone(),
        environment: found.project.spec.environment.clone().unwrap_or_default(),
        only_observes: args.mode == Mode::Observe,
        listen: None,
        reload: AtomicBool::new(false),
    })
}

/// Which tasks run, and how often they look.
fn intervals(args: &WatchArgs) -> Vec<(TaskCode, Duration)> {
    let interval = |code| match code {
        TaskCode::Lead => LOOK,
        TaskCode::Reconcile => args.interval,
        TaskCode::Health | TaskCode::Renewal => Duration::from_secs(60),
        TaskCode::Alerts => Duration::from_secs(30),
        TaskCode::Delivery => Duration::from_secs(5),
        TaskCode::Upkeep => Duration::from_secs(300),
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
        stopper.stop();
        std::future::pending::<()>().await;
    };
    futures_util::future::join(reloads, stops).await;
}
