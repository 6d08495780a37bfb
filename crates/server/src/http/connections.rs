//! Connections: accepted, bounded in number and in time, and closed in good order.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use super::crowd::Crowd;
use super::routes::Site;
use super::stall::Impatient;
use super::unread::{Unread, Worded};

/// How long accepting rests after it failed: the system is out of descriptors or memory, and trying
/// on at once would only burn the processor.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Largest head of a request. Bytes; hyper answers 431 beyond it.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Most that is read of what comes on a connection that is turned away. Bytes.
const UNREAD_BYTES_MAX: usize = 4096;

/// Serves connections until `stop`; then closes idle ones, and waits for the others up to `stop_max`.
///
/// What is not done by then is dropped, and with it the program that runs for it.
pub(super) async fn serve(
    listener: TcpListener,
    site: Arc<Site>,
    stop_max: Duration,
    stop: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(site.limits.connections_max));
    let crowd = Crowd::new(site.limits.connections_by_address_max);
    let (closing, closed) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let mut stop = pin!(stop);
    let mut refused = false;
    loop {
        let accepted = async {
            // The semaphore is never closed, so this waits for a place and nothing else.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut stop => break,
            accepted = accepted => accepted,
        };
        while tasks.try_join_next().is_some() {} // Forgets those that are done.
        match accepted {
            Ok((stream, peer)) => {
                if std::mem::take(&mut refused) {
                    info!("connections are accepted again");
                }
                // A proxy's connections are those of many.
                let is_one = !site.app.identity.trusts(peer.ip());
                let counted = is_one.then(|| crowd.enter(peer.ip()));
                if matches!(counted, Some(None)) {
                    turn_away(stream, &site);
                    continue;
                }
                let serving = connection(stream, peer.ip(), Arc::clone(&site), closed.clone());
                tasks.spawn(async move {
                    serving.await;
                    drop((place, counted));
                });
            }
            Err(error) => {
                // Once: it will be the same in a moment.
                if !std::mem::replace(&mut refused, true) {
                    let cause = crate::telemetry::chain(&error);
                    warn!(cause, "cannot accept connections ({cause}); they wait");
                }
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
    // In this order: whoever finds the door shut finds no slot either.
    site.app.slots.close();
    drop(listener);
    closing.send_replace(true);
    let finished = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(stop_max, finished).await.is_err() {
        warn!("some connections did not end in time and are dropped");
        tasks.shutdown().await;
    }
}

/// Says that this is one connection too many, as far as that goes without waiting, and closes it.
fn turn_away(stream: TcpStream, site: &Site) {
    let Ok(mut stream) = stream.into_std() else {
        return;
    };
    let answer = site.unread(Unread::TooMany);
    // What was read by nobody would have the kernel take back the answer. It blocks nowhere.
    let _read = stream.read(&mut [0; UNREAD_BYTES_MAX]);
    let _told = stream.write_all(&answer);
    let _closed = stream.shutdown(Shutdown::Write);
}

/// Serves one connection to its end.
async fn connection(
    stream: TcpStream,
    peer: IpAddr,
    site: Arc<Site>,
    mut closing: watch::Receiver<bool>,
) {
    // Without it, an answer in two writes could wait 40 ms for the client's acknowledgement. A
    // connection that refuses it still works.
    let _set = stream.set_nodelay(true);
    let limits = site.limits;
    let stream = Impatient::new(stream, limits.write_stall_max);
    let io = TokioIo::new(Worded::new(stream, |unread| site.unread(unread)));
    let service = service_fn(|request| {
        let site = Arc::clone(&site);
        async move { Ok::<_, std::convert::Infallible>(site.respond(peer, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_max)
        .max_header_size(HEAD_BYTES_MAX)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        // Told by the sender's change, or by its end.
        _ = closing.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(
            cause = crate::telemetry::chain(&error),
            "a connection broke"
        );
    }
}
