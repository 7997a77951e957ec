//! The driver, on a clock that stands still while nothing happens.

use std::cell::RefCell;
use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use serde_json::json;

use super::super::stop::Stopper;
use super::*;
use crate::model::clock::SystemClock;

type Work = Box<dyn FnMut(usize) -> Ran>;

struct Counted {
    runs: Rc<RefCell<Vec<Instant>>>,
    work: Work,
}

impl Task for Counted {
    fn run<'a>(&'a mut self, _: &'a Stop) -> LocalBoxFuture<'a, Ran> {
        Box::pin(async move {
            let count = self.runs.borrow().len();
            self.runs.borrow_mut().push(Instant::now());
            sleep(Duration::from_millis(10)).await;
            (self.work)(count)
        })
    }
}

fn counted(
    code: TaskCode,
    seconds: u64,
    work: impl FnMut(usize) -> Ran + 'static,
) -> (Entry<'static>, Rc<RefCell<Vec<Instant>>>) {
    let runs = Rc::<RefCell<Vec<Instant>>>::default();
    let task = Box::new(Counted { runs: Rc::clone(&runs), work: Box::new(work) });
    let interval = Duration::from_secs(seconds);
    (Entry { code, interval, jitter: 0.0, quiet: Duration::from_millis(100), task }, runs)
}

async fn for_seconds(
    seconds: u64,
    entries: Vec<Entry<'_>>,
    board: &Board,
    meanwhile: impl AsyncFnOnce(&Board),
) {
    let (stopper, stop) = Stopper::new();
    let ends = async {
        meanwhile(board).await;
        sleep(Duration::from_secs(seconds)).await;
        stopper.stop();
    };
    tokio::join!(run(entries, board, &SystemClock, 7, &stop), ends);
}

fn board(entries: &[Entry<'_>]) -> Board {
    Board::new(entries.iter().map(|entry| (entry.code, entry.interval)))
}

#[tokio::test(start_paused = true)]
async fn a_task_runs_by_its_timer_and_says_how_it_stands() {
    let (entry, runs) = counted(TaskCode::Health, 10, |count| Ran::done(json!({"count": count})));
    let entries = vec![entry];
    let board = board(&entries);
    for_seconds(35, entries, &board, async |_| {}).await;
    assert_eq!(runs.borrow().len(), 4, "at once, and every ten seconds");
    let state = board.state(TaskCode::Health).unwrap();
    assert_eq!((state.runs, state.failures, state.status), (4, 0, json!({"count": 3})));
    assert!(state.running_since.is_none() && state.succeeded_at.is_some() && state.next_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_signals_is_one_run() {
    let (entry, runs) = counted(TaskCode::Reconcile, 1000, |_| Ran::default());
    let entries = vec![entry];
    let board = board(&entries);
    for_seconds(5, entries, &board, async |board| {
        sleep(Duration::from_secs(1)).await;
        for _ in 0..5 {
            board.wake(TaskCode::Reconcile);
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(runs.borrow().len(), 2);
    assert_eq!(board.state(TaskCode::Reconcile).unwrap().cause, Some(Cause::Signal));
}

#[tokio::test(start_paused = true)]
async fn signals_that_never_end_hold_up_nothing_for_ever() {
    let (entry, runs) = counted(TaskCode::Reconcile, 1000, |_| Ran::default());
    let entries = vec![entry];
    let board = board(&entries);
    for_seconds(0, entries, &board, async |board| {
        for _ in 0..100 {
            board.wake(TaskCode::Reconcile);
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let count = runs.borrow().len();
    assert!((4..=7).contains(&count), "{count} runs in 5 seconds");
}

#[tokio::test(start_paused = true)]
async fn a_defect_is_a_failure_and_the_others_go_on() {
    let (broken, broke) = counted(TaskCode::Alerts, 60, |count| {
        assert!(count > 1, "it breaks twice");
        Ran::default()
    });
    let (sound, ran) = counted(TaskCode::Delivery, 60, |_| Ran::default());
    let entries = vec![broken, sound];
    let board = board(&entries);
    for_seconds(65, entries, &board, async |_| {}).await;
    let state = board.state(TaskCode::Alerts).unwrap();
    // At once and after 5 s in vain, after 10 s for good.
    assert_eq!((state.failures, state.failed_in_a_row, broke.borrow().len()), (2, 0, 3));
    assert_eq!(ran.borrow().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_wants_to_run_sooner_and_one_that_it_wakes() {
    let (first, ran) = counted(TaskCode::Reconcile, 600, |count| Ran {
        again: (count == 0).then_some(Duration::from_secs(2)),
        wakes: vec![TaskCode::Alerts, TaskCode::Upkeep],
        ..Ran::default()
    });
    let (second, woken) = counted(TaskCode::Alerts, 600, |_| Ran::default());
    let entries = vec![first, second];
    let board = board(&entries);
    for_seconds(30, entries, &board, async |_| {}).await;
    assert_eq!((ran.borrow().len(), woken.borrow().len()), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn once_runs_each_once_in_order() {
    let (first, ran) = counted(TaskCode::Reconcile, 600, |_| Ran::failed(TaskFailure::new("x", "no")));
    let (second, also) = counted(TaskCode::Alerts, 600, |_| Ran::default());
    let entries = vec![first, second];
    let board = board(&entries);
    let (_stopper, stop) = Stopper::new();
    once(entries, &board, &SystemClock, &stop).await;
    assert_eq!((ran.borrow().len(), also.borrow().len()), (1, 1));
    assert_eq!(board.state(TaskCode::Reconcile).unwrap().failure.unwrap().what, "no");
}

#[test]
fn jitter_stays_within_its_share_and_is_spread() {
    let times: Vec<Duration> =
        (0..1000).map(|number| varied(Duration::from_secs(100), 0.1, number)).collect();
    assert!(times.iter().all(|time| (90.0..=110.0).contains(&time.as_secs_f64())));
    let early = times.iter().filter(|time| time.as_secs_f64() < 95.0).count();
    assert!((200..300).contains(&early), "{early} of 1000 in the first quarter");
    assert_eq!(varied(Duration::from_secs(7), 0.0, 3), Duration::from_secs(7));
}
