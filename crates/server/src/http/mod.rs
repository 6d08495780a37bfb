//! On the wire: connections, bodies, routes, and the headers every answer has.
//!
//! Connections are served by hand, for the deadlines that a plain `axum::serve` does not set: on the
//! head of a request, on its body, and on an answer left unread.

mod asset;
mod body;
mod connections;
mod crowd;
mod descriptors;
mod docs;
mod page;
mod patience;
mod room;
mod routes;
mod stall;
#[cfg(test)]
mod tests;
mod unread;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sandbox::Runtime;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::app::{App, StartError};
use crate::config::Config;
use crate::store::Store;
use crate::telemetry;
use routes::Site;

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It could not start.
    #[error("cannot start")]
    Start(#[from] StartError),
    /// Nobody could reach it.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It could not be told to stop.
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
}

/// How much longer than the longest run the server waits for connections when it stops.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or SIGINT; then lets running programs finish and ends everything.
///
/// Ready as soon as the line "listening on" is logged: the walls are verified by then, and a unit of
/// each kind waits.
///
/// # Errors
///
/// [`ServeError`] where the server cannot start. Once it runs, it runs until told to stop.
pub async fn serve(mut config: Config, runtime: Runtime) -> Result<(), ServeError> {
    for remark in &config.remarks {
        warn!("{remark}");
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    let store = Store::open(&config.data_dir).map_err(StartError::from)?;
    let listen = |source| ServeError::Listen {
        address: config.listen,
        source,
    };
    let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
    config.listen = listener.local_addr().map_err(listen)?;

    // Before the keeper is started, which inherits the limit and needs more of it than we do.
    let waiting = config.pool.core + config.pool.numpy + config.pool.full;
    let units = config
        .concurrent_max
        .saturating_add(waiting)
        .saturating_mul(2);
    config.http.connections_max = descriptors::room(config.http.connections_max, units);
    let app = App::start(&config, runtime, store).await?;
    telemetry::tell_ready(&config, app.isolation());
    let stopped = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("stopping: running programs may finish");
    };
    let stop_max = config.public.wall_max.max(config.admin.wall_max) + STOP_GRACE;
    let site = Arc::new(Site::new(app, &config));
    connections::serve(listener, Arc::clone(&site), stop_max, stopped).await;
    site.app.close().await;
    info!("stopped");
    Ok(())
}
