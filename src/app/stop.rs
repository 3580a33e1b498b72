//! Stopping without failing anybody: first everybody is served on and told that this server stops, then newcomers are
//! turned away, then what is under way is finished. How newcomers are turned away is in [`crate::port`].

use std::future::Future;
use std::io;
use std::time::Duration;

use actix_web::dev::Server;

use crate::config::ServerSettings;
use crate::http::public::{Lifecycle, Phase};
use crate::port::Port;

/// How long a server that stops waits for the first requests of those who have just come.
const LAST_REQUESTS: Duration = Duration::from_millis(250);

/// Serves until it is told to stop. Then every answer ends its connection, while everybody is served on until `drained`;
/// after that no connection is left whose request nobody has read, and what is under way is finished.
pub(super) async fn serve_until(
    server: Server,
    lifecycle: &Lifecycle,
    stop: impl Future<Output = ()>,
    drained: impl Future<Output = ()>,
) -> io::Result<()> {
    let handle = server.handle();
    let mut server = std::pin::pin!(server);
    tokio::select! {
        ended = &mut server => return ended,
        () = stop => {}
    }
    lifecycle.enter(Phase::Draining);
    tokio::select! {
        ended = &mut server => return ended,
        () = drained => {}
    }
    let (ended, ()) = tokio::join!(server, handle.stop(true));
    ended
}

/// How long a server that was told to stop goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drain {
    /// With everybody, so that who asks whether it is ready hears of it in time.
    everybody: Duration,
    /// With those who are connected.
    connected: Duration,
}

impl Drain {
    pub(super) fn of(settings: &ServerSettings) -> Self {
        let patience = Duration::from_secs(settings.shutdown_seconds);
        Self { everybody: Duration::from_secs(settings.drain_seconds), connected: LAST_REQUESTS.min(patience) }
    }

    pub(super) async fn wait(self, port: Port) {
        if !self.everybody.is_zero() {
            log::info!(
                "serving on for {} s, so that whoever asks hears that this server stops",
                self.everybody.as_secs()
            );
            tokio::time::sleep(self.everybody).await;
        }
        if self.connected.is_zero() {
            return;
        }
        if let Err(error) = port.turn_newcomers_away() {
            log::warn!("who connects at this very moment may be cut off: {error}");
        }
        tokio::time::sleep(self.connected).await;
    }
}
