//! The keeper as the pool sees it: a process, and a socket with a task on either way.

use std::io;
use std::os::unix::net::UnixDatagram as StdSocket;
use std::process::Stdio;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::process::Child;
use tokio::sync::mpsc;
use wire::{Frame, FromKeeper, Setup, ToKeeper, WireError};

use crate::Fault;

/// What the pool tells a keeper. Sending never waits; a keeper that is gone hears nothing.
#[derive(Debug, Clone)]
pub(crate) struct Orders(mpsc::UnboundedSender<ToKeeper>);

impl Orders {
    pub(crate) fn send(&self, order: ToKeeper) {
        // If the keeper is gone its units are too, and the pool is told by the other half.
        let _unheard = self.0.send(order);
    }
}

/// What a keeper tells the pool.
///
/// The runtime has no type for sequenced packets; to it the socket is a datagram socket, which
/// behaves alike where readiness is concerned.
#[derive(Debug)]
pub(crate) struct News(Arc<UnixDatagram>);

/// A started keeper.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) orders: Orders,
    pub(crate) news: News,
    pub(crate) process: Child,
}

impl Keeper {
    /// Executes this program once more as the keeper, with an empty environment and nothing open
    /// but its socket and standard error.
    pub(crate) fn start(setup: Setup) -> Result<Self, Fault> {
        let cannot = |error: &dyn std::fmt::Display| Fault::KeeperStart {
            reason: format!("cannot execute the keeper: {error}"),
        };
        let (ours, theirs) = wire::pair().map_err(|e| cannot(&e))?;
        #[expect(
            clippy::disallowed_methods,
            reason = "the sandbox starts its one process here"
        )]
        let process = tokio::process::Command::new("/proc/self/exe")
            .arg("keeper")
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()
            .map_err(|e| cannot(&e))?;
        let ours = StdSocket::from(ours);
        ours.set_nonblocking(true).map_err(|e| cannot(&e))?;
        let socket = Arc::new(UnixDatagram::from_std(ours).map_err(|e| cannot(&e))?);
        let (sender, receiver) = mpsc::unbounded_channel();
        let orders = Orders(sender);
        orders.send(ToKeeper::Setup(Box::new(setup)));
        tokio::spawn(write(Arc::clone(&socket), receiver));
        Ok(Self {
            orders,
            news: News(socket),
            process,
        })
    }
}

/// Ends when the keeper is gone, or when every [`Orders`] is dropped, which closes our half.
async fn write(socket: Arc<UnixDatagram>, mut orders: mpsc::UnboundedReceiver<ToKeeper>) {
    while let Some(order) = orders.recv().await {
        let sent = socket.async_io(Interest::WRITABLE, || {
            wire::send_now(&*socket, &order, &[]).map_err(into_io)
        });
        if sent.await.is_err() {
            return;
        }
    }
    // Nobody will give orders again: the keeper reads the end, and ends.
    drop(socket.shutdown(std::net::Shutdown::Write));
}

impl News {
    /// Hangs up. The keeper reads the end, and ends everything with itself.
    pub(crate) fn hang_up(&self) {
        drop(self.0.shutdown(std::net::Shutdown::Both));
    }

    /// The next thing the keeper says; `None` when it is gone, or says what is no message.
    pub(crate) async fn next(&mut self) -> Option<Frame<FromKeeper>> {
        let heard = self.0.async_io(Interest::READABLE, || {
            wire::receive_now(&*self.0).map_err(into_io)
        });
        heard.await.unwrap_or_else(|error| {
            tracing::error!(%error, "the keeper's socket failed");
            None
        })
    }
}

/// The runtime must see `WouldBlock` as what it is.
fn into_io(error: WireError) -> io::Error {
    match error {
        WireError::Socket(error) => error,
        other => io::Error::other(other),
    }
}
