//! Ctrl-C and SIGTERM, turned into a request to stop.

use tokio::sync::watch;

use crate::engine::Interrupt;

use super::error::{CliError, ExitStatus};

/// Listens for signals from the moment it is made. The first one counts; stopping takes no longer than a few seconds, so
/// further ones change nothing.
pub struct Signals {
    received: watch::Receiver<Option<ExitStatus>>,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// The system does not let us.
    pub fn listen() -> Result<Self, CliError> {
        let (sender, received) = watch::channel(None);
        let failed =
            |error: std::io::Error| CliError::other("signals cannot be listened for", error.to_string());
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
            let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
            tokio::spawn(async move {
                loop {
                    let status = tokio::select! {
                        _ = interrupt.recv() => ExitStatus::Interrupted,
                        _ = terminate.recv() => ExitStatus::Terminated,
                    };
                    sender.send_modify(|first| {
                        first.get_or_insert(status);
                    });
                }
            });
        }
        #[cfg(not(unix))]
        {
            tokio::spawn(async move {
                if tokio::signal::ctrl_c().await.is_ok() {
                    sender.send_replace(Some(ExitStatus::Interrupted));
                }
                std::future::pending::<()>().await;
            });
            let _ = failed;
        }
        Ok(Self { received })
    }

    /// The status that the first signal asks for.
    #[must_use]
    pub fn status(&self) -> Option<ExitStatus> {
        *self.received.borrow()
    }
}

impl Interrupt for Signals {
    async fn requested(&self) {
        let mut received = self.received.clone();
        if received.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
