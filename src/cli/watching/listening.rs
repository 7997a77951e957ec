//! Hears of changes sooner: what the database calls out, and what the operating system says of files, wakes tasks.

use std::time::Duration;

use crate::engine::Interrupt as _;
use crate::store::passage::is_direct;
use crate::store::{ConnectOptions, Listener};
use crate::watch::{Board, Stop, TaskCode};

/// How long to wait before listening again after the connection broke.
const AGAIN: Duration = Duration::from_secs(5);

/// How often it is asked whether the other end is still there.
const ALIVE: Duration = Duration::from_secs(30);

/// Wakes tasks by what the database calls out, until it is to stop.
pub async fn listen(options: &ConnectOptions, board: &Board, stop: &Stop) {
    let mut was_said = false;
    while !stop.is_requested() {
        let listening = async {
            // A pooler hands one connection to many: LISTEN would stay on it, and its calls reach clients that expect none.
            if !is_direct(options).await? {
                tracing::info!("a pooler stands before the database: changes are found by looking");
                return std::future::pending().await;
            }
            let mut listener = Listener::open(options).await?;
            tracing::debug!("listening to the database");
            // What was called out before nobody heard.
            TaskCode::ALL.into_iter().for_each(|code| board.wake(code));
            loop {
                tokio::select! {
                    heard = listener.heard() => wake(board, &heard?),
                    () = tokio::time::sleep(ALIVE) => listener.is_alive().await?,
                }
            }
        };
        let outcome: Result<(), crate::engine::StateError> = tokio::select! {
            biased;
            () = stop.requested() => return,
            outcome = listening => outcome,
        };
        if let Err(error) = outcome {
            if was_said {
                tracing::debug!(%error, "not listening to the database");
            } else {
                tracing::info!(%error, "not listening to the database: changes are found by looking");
            }
            was_said = true;
        }
        tokio::select! {
            biased;
            () = stop.requested() => return,
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

/// Wakes who has something to look at.
fn wake(board: &Board, what: &str) {
    let tasks: &[TaskCode] = match what {
        "drift" => &[TaskCode::Reconcile, TaskCode::Alerts],
        "operation" => &[TaskCode::Reconcile, TaskCode::Alerts, TaskCode::Health],
        "delivery" => &[TaskCode::Delivery],
        "health" => &[TaskCode::Alerts, TaskCode::Reconcile],
        "pause" => &[TaskCode::Reconcile],
        _ => &[],
    };
    tasks.iter().for_each(|code| board.wake(*code));
}
