//! One confined process that waits for one job.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use wire::{Exit, Kind, Tally, ToKeeper, UnitId};

use crate::keeper::Orders;

/// How a unit's program ended, or why that is not known.
pub(crate) type Ended = Result<ProgramEnd, String>;

/// How a unit's program ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProgramEnd {
    pub(crate) exit: Exit,
    pub(crate) tally: Tally,
    /// Its files are read-only for whatever of the run may still live.
    pub(crate) read_only: bool,
}

/// A unit whose walls stand, in the pool or in a run. Dropping it kills everything in it.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) id: UnitId,
    pub(crate) kind: Kind,
    /// Not blocking. The runtime hears of it only where a job is too long to be written at once.
    pub(crate) job: UnixStream,
    /// Likewise, where there is input; until it is closed.
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) stdout: pipe::Receiver,
    pub(crate) stderr: pipe::Receiver,
    /// Its own file system, whose folder `work` is the workspace.
    pub(crate) own_box: OwnedFd,
    /// Who owns its files, if not we.
    pub(crate) owner: Option<u32>,
    /// When its walls stood.
    pub(crate) ready_at: Instant,
    pub(crate) ended: oneshot::Receiver<Ended>,
    pub(crate) gone: oneshot::Receiver<()>,
    pub(crate) orders: Orders,
}

/// The descriptors of a unit, as they come from the keeper.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) job: UnixStream,
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: pipe::Receiver,
    pub(crate) stderr: pipe::Receiver,
    pub(crate) own_box: OwnedFd,
}

impl Ends {
    /// Takes the five descriptors in the wire's order; `None` if they are not those.
    pub(crate) fn take(descriptors: Vec<OwnedFd>) -> Option<Self> {
        let [job, stdin, stdout, stderr, own_box] = <[OwnedFd; 5]>::try_from(descriptors).ok()?;
        let job = UnixStream::from(job);
        job.set_nonblocking(true).ok()?;
        Some(Self {
            job,
            stdin,
            stdout: pipe::Receiver::from_owned_fd(stdout).ok()?,
            stderr: pipe::Receiver::from_owned_fd(stderr).ok()?,
            own_box,
        })
    }
}

impl Unit {
    /// Has everything of the unit killed. If it has ended already, nothing more happens.
    pub(crate) fn end(&self) {
        self.orders.send(ToKeeper::End { unit: self.id });
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        // Without this the run would go on until its wall-clock limit, with nobody listening.
        self.end();
    }
}
