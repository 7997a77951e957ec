//! A thread that does what the status page asks of the database.
//!
//! It has a few connections and a short queue, apart from those of the tasks: a page that hangs on a database that does not
//! answer keeps neither a task nor a probe waiting, and a hundred visitors are no more work than three.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::engine::{StateError, StateErrorKind};
use crate::store::error::is_shutdown;
use crate::store::{ConnectOptions, Connection};
use crate::watch::http::Asked;

/// How many connections there are at most.
const MOST: usize = 3;

/// How many questions may wait.
const QUEUE: usize = 64;

/// How long the database may take, however patient the rest of the controller is.
const PATIENCE: Duration = Duration::from_secs(8);

type Job = Box<dyn FnOnce(Rc<Hall>) -> LocalBoxFuture<'static, ()> + Send>;

/// Where questions are handed in.
#[derive(Clone, Debug)]
pub(super) struct Counter(mpsc::Sender<Job>);

/// The connections.
struct Hall {
    options: ConnectOptions,
    idle: RefCell<Vec<Connection>>,
    places: Semaphore,
}

impl Counter {
    /// Opens it. Nothing is connected before somebody asks.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn open(options: &ConnectOptions) -> std::io::Result<Self> {
        let mut options = options.clone().left_in(None);
        options.timeout = options.timeout.min(PATIENCE);
        let (sender, jobs) = mpsc::channel(QUEUE);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = move || {
            let local = tokio::task::LocalSet::new();
            runtime.block_on(local.run_until(answer(options, jobs)));
        };
        std::thread::Builder::new().name("status page".to_owned()).spawn(work)?;
        Ok(Self(sender))
    }

    /// Asks something. Where the connection turns out to be broken since it was last used, it is asked once more on another
    /// one: what is asked must bear that.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        work: impl AsyncFn(&mut Connection) -> Result<T, StateError> + Send + 'static,
    ) -> Asked<'static, T> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |hall| {
            Box::pin(async move {
                if !reply.is_closed() {
                    // Whoever asked may have gone meanwhile.
                    let _ = reply.send(hall.with(work).await);
                }
            })
        });
        let is_taken = self.0.try_send(job).is_ok();
        Box::pin(async move {
            if !is_taken {
                let what = "too many pages are being asked for at once";
                return Err(
                    StateError::new(StateErrorKind::Unreachable, what).help("wait a moment, and reload")
                );
            }
            let gone =
                |_| Err(StateError::new(StateErrorKind::Unreachable, "the controller is about to end"));
            answer.await.unwrap_or_else(gone)
        })
    }
}

async fn answer(options: ConnectOptions, mut jobs: mpsc::Receiver<Job>) {
    let hall = Rc::new(Hall { options, idle: RefCell::default(), places: Semaphore::new(MOST) });
    while let Some(job) = jobs.recv().await {
        tokio::task::spawn_local(job(Rc::clone(&hall)));
    }
    let idle = hall.idle.take();
    for connection in idle {
        connection.close().await;
    }
}

impl Hall {
    async fn with<T>(
        &self,
        work: impl AsyncFn(&mut Connection) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let _place = self.places.acquire().await;
        let used = self.idle.borrow_mut().pop();
        if let Some(mut connection) = used {
            let outcome = work(&mut connection).await;
            match &outcome {
                Err(error) if is_broken(error) => {}
                _ => {
                    self.keep(connection, &outcome);
                    return outcome;
                }
            }
        }
        let mut connection = self.options.connect().await?;
        let outcome = work(&mut connection).await;
        self.keep(connection, &outcome);
        outcome
    }

    /// After an error that may have left it in the middle of something, a connection is not used again.
    fn keep<T>(&self, connection: Connection, outcome: &Result<T, StateError>) {
        if outcome.is_ok() {
            self.idle.borrow_mut().push(connection);
        }
    }
}

/// Whether a connection broke, or was ended by the server; one that only got no answer is not tried a second time.
fn is_broken(error: &StateError) -> bool {
    let is_late = error.source.is_none();
    error.kind == StateErrorKind::Unreachable && !is_late || is_shutdown(error)
}
