//! Takes connections, and lets none of them be a burden: each has a time for its head, an end, and a place of a few.
//!
//! Where all places are taken, the oldest connection that nothing is being answered on makes room. Whoever opens many and
//! says nothing only pushes out his own; one that asks at once is answered.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::engine::Interrupt as _;
use crate::watch::stop::Stop;

/// How many connections there may be.
const MOST: usize = 64;

/// And no more than one of so many files that the process may open: the tasks need the others for the database, and for what they
/// look at.
const SHARE: u64 = 4;

/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(10);

/// How many bytes it may have.
const HEAD_SIZE: usize = 16 * 1024;

/// How long a connection may be kept, be it used or not.
const LIFE: Duration = Duration::from_secs(120);

/// How long what was begun may take once the end has come.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A connection that is open.
#[derive(Debug, Default)]
struct Place {
    /// How many requests are being answered on it.
    busy: AtomicU32,
    is_over: AtomicBool,
    leave: Notify,
}

/// The connections that are open, the oldest first.
#[derive(Clone, Debug)]
struct Places {
    most: usize,
    open: Arc<Mutex<VecDeque<Arc<Place>>>>,
}

impl Places {
    fn new(most: usize) -> Self {
        Self { most, open: Arc::default() }
    }

    /// A place for a new one. Where there is none, the oldest idle one is sent away; without an idle one there is none.
    fn take(&self) -> Option<Arc<Place>> {
        let mut places = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|place| !place.is_over.load(Ordering::Relaxed));
        if places.len() >= self.most {
            let idle = places.iter().position(|place| place.busy.load(Ordering::Relaxed) == 0)?;
            places.remove(idle)?.leave.notify_one();
        }
        let place = Arc::new(Place::default());
        places.push_back(Arc::clone(&place));
        Some(place)
    }
}

/// How many connections there may be where the process may open so many files; `None` for any number.
fn most(files: Option<u64>) -> usize {
    files.and_then(|files| usize::try_from(files / SHARE).ok()).map_or(MOST, |share| share.clamp(1, MOST))
}

/// How many files the process may open.
fn files() -> Option<u64> {
    #[cfg(unix)]
    return rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    None
}

/// Serves until it is asked to stop, and what was begun by then is answered.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: Stop) {
    let places = Places::new(most(files()));
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.requested() => break,
            Some(_) = open.join_next(), if !open.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                // Too many at once: whoever comes now is turned away, and may come again.
                if let Some(place) = places.take() {
                    open.spawn(talk(stream, router.clone(), place, stop.clone()));
                }
                // Whoever was sent away for it goes first, so that of many who come at once no more are here than may be.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                // No file is left to open, for instance. That passes, and must not be tried a million times until then.
                tracing::warn!(%error, "a connection to the endpoints could not be taken");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    let _ = timeout(LAST_WORDS, async { while open.join_next().await.is_some() {} }).await;
}

async fn talk(stream: TcpStream, router: Router, place: Arc<Place>, stop: Stop) {
    let _ = stream.set_nodelay(true);
    let service = Counting { router, place: Arc::clone(&place) };
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_header_size(HEAD_SIZE).max_headers(64);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let is_done = tokio::select! {
        _ = connection.as_mut() => true,
        () = stop.requested() => false,
        () = sleep(LIFE) => false,
        // Nobody is waiting for an answer on it.
        () = place.leave.notified() => true,
    };
    if !is_done {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(LAST_WORDS, connection).await;
    }
    place.is_over.store(true, Ordering::Relaxed);
}

/// Counts what is being answered on a connection.
struct Counting {
    router: Router,
    place: Arc<Place>,
}

/// One thing that is being answered; it is not any more once this is gone, whatever the reason.
struct Busy(Arc<Place>);

impl Busy {
    fn new(place: &Arc<Place>) -> Self {
        place.busy.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(place))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl hyper::service::Service<hyper::Request<Incoming>> for Counting {
    type Response = axum::response::Response;
    type Error = std::convert::Infallible;
    type Future = futures_util::future::BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let busy = Busy::new(&self.place);
        let inner = TowerToHyperService::new(self.router.clone());
        Box::pin(async move {
            let answer = hyper::service::Service::call(&inner, request.map(Body::new)).await;
            drop(busy);
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_files_are_shared_with_the_tasks() {
        assert_eq!([Some(1_024), Some(64), Some(32), Some(2), None].map(most), [64, 16, 8, 1, 64]);
    }
}
