//! What ends a command from outside: Ctrl-C, a terminal that goes, `kill`.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::error::CliError;

/// SIGINT, SIGTERM and SIGHUP.
pub(super) struct Signals([Signal; 3]);

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system does not allow it.
    pub(super) fn listen() -> Result<Self, CliError> {
        let one = |kind| signal(kind).map_err(|error| CliError::Surroundings(format!("signals: {error}")));
        Ok(Self([one(SignalKind::interrupt())?, one(SignalKind::terminate())?, one(SignalKind::hangup())?]))
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// The first signal cancels it.
///
/// # Errors
/// As `Signals::listen`.
pub(super) fn cancels(stop: &CancellationToken) -> Result<(), CliError> {
    let (mut signals, stop) = (Signals::listen()?, stop.clone());
    tokio::spawn(async move {
        signals.next().await;
        stop.cancel();
    });
    Ok(())
}
