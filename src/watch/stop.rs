//! The request to stop: asked for once, heard everywhere.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::engine::Interrupt;

/// Asks to stop.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<watch::Sender<bool>>);

/// Hears of it.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stopper {
    /// Nobody has asked yet.
    #[must_use]
    pub fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Self(Arc::new(sender)), Stop(receiver))
    }

    /// Asks everybody to finish what he is at, or to give it back.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Whether it was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// What a piece of work comes to, unless a stop is asked for first: then the work is dropped where it is.
    pub async fn or<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.requested() => None,
            done = work => Some(done),
        }
    }

    /// What a piece of work comes to, unless it still goes on so long after a stop was asked for.
    pub async fn or_after<T>(&self, grace: Duration, work: impl Future<Output = T>) -> Option<T> {
        let overdue = async {
            self.requested().await;
            tokio::time::sleep(grace).await;
        };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = overdue => None,
        }
    }
}

impl Interrupt for Stop {
    async fn requested(&self) {
        let mut receiver = self.0.clone();
        // Whoever could ask is gone: then nobody does.
        if receiver.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
