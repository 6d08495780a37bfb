//! The keeper as the pool sees it: a process, and a socket.

use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixDatagram as StdSocket;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::process::Child;
use tokio::runtime::Handle;
use wire::{Frame, FromKeeper, Setup, ToKeeper, WireError};

use crate::Fault;

/// What the pool tells a keeper. Sending never waits; a keeper that is gone hears nothing, and the pool is told by
/// the other half.
#[derive(Debug, Clone)]
pub(crate) struct Orders(Arc<Line>);

/// The way to the keeper. When nobody can give orders any more our half is closed: the keeper reads the end, and
/// ends.
#[derive(Debug)]
struct Line {
    socket: Arc<UnixDatagram>,
    /// Orders for which the socket had no room. While there are any, others come behind them.
    waiting: Mutex<VecDeque<ToKeeper>>,
    runtime: Handle,
}

impl Orders {
    /// Sends an order in the caller's own time: a task would have to be woken, up to three times a run.
    pub(crate) fn send(&self, order: ToKeeper) {
        let mut waiting = self.0.waiting();
        if waiting.is_empty() && self.0.try_send(&order) {
            return;
        }
        waiting.push_back(order);
        if waiting.len() == 1 {
            self.0.runtime.spawn(send_the_rest(Arc::clone(&self.0)));
        }
    }
}

impl Line {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<ToKeeper>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an order; `false` where there is no room yet. If it cannot be sent at all, hangs up.
    fn try_send(&self, order: &ToKeeper) -> bool {
        match wire::send_now(&*self.socket, order, &[]).map_err(into_io) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            // One that is lost must not be followed by others: the keeper ends, if it is not gone already.
            Err(_) => {
                drop(self.socket.shutdown(Shutdown::Both));
                true
            }
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        drop(self.socket.shutdown(Shutdown::Write));
    }
}

/// Sends what waits, in order, as room comes to be.
async fn send_the_rest(line: Arc<Line>) {
    let sent = line.socket.async_io(Interest::WRITABLE, || {
        let mut waiting = line.waiting();
        while let Some(next) = waiting.front() {
            if !line.try_send(next) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            waiting.pop_front();
        }
        Ok(())
    });
    // It fails with the runtime only.
    let _at_the_end = sent.await;
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
    /// but its socket and standard error. It is killed when it is dropped.
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
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| cannot(&e))?;
        let ours = StdSocket::from(ours);
        ours.set_nonblocking(true).map_err(|e| cannot(&e))?;
        let socket = Arc::new(UnixDatagram::from_std(ours).map_err(|e| cannot(&e))?);
        let orders = Orders(Arc::new(Line {
            socket: Arc::clone(&socket),
            waiting: Mutex::default(),
            runtime: Handle::current(),
        }));
        // The first one, and the only one that may be too long to be sent.
        wire::send_now(&*socket, &ToKeeper::Setup(Box::new(setup)), &[]).map_err(|e| cannot(&e))?;
        Ok(Self {
            orders,
            news: News(socket),
            process,
        })
    }
}

impl News {
    /// Hangs up. The keeper reads the end, and ends everything with itself.
    pub(crate) fn hang_up(&self) {
        drop(self.0.shutdown(Shutdown::Both));
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

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use wire::UnitId;

    use super::*;

    impl Orders {
        /// And the end where they can be heard.
        pub(crate) fn to_a_test() -> (Self, OwnedFd) {
            let (ours, theirs) = wire::pair().unwrap();
            let ours = StdSocket::from(ours);
            ours.set_nonblocking(true).unwrap();
            let orders = Self(Arc::new(Line {
                socket: Arc::new(UnixDatagram::from_std(ours).unwrap()),
                waiting: Mutex::default(),
                runtime: Handle::current(),
            }));
            (orders, theirs)
        }
    }

    /// More than any socket has room for.
    const MANY: u64 = 20_000;

    #[tokio::test]
    async fn orders_that_find_no_room_come_later_and_in_order() {
        let (orders, theirs) = Orders::to_a_test();
        for unit in (0..MANY).map(UnitId) {
            orders.send(ToKeeper::End { unit });
        }
        assert!(!orders.0.waiting().is_empty());
        // When nobody can give orders any more, what waits is sent before the end is.
        drop(orders);
        let read = tokio::task::spawn_blocking(move || {
            for unit in (0..MANY).map(UnitId) {
                let frame = wire::receive::<ToKeeper>(&theirs).unwrap().unwrap();
                assert_eq!(frame.message, ToKeeper::End { unit });
            }
            wire::receive::<ToKeeper>(&theirs).unwrap().is_none()
        });
        assert!(read.await.unwrap());
    }
}
