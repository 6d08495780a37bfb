//! The zygote's side of the fork: orders come in, units go out, deaths are reported.
//!
//! It runs inside the interpreter, called by `guest/zygote.py`: [`Zygote::wait`] blocks until a
//! unit is wanted, Python forks, and then either [`Zygote::forked`] (in the zygote) or
//! [`Zygote::enter`] (in the unit) takes over. Everything it reads comes from the keeper or the
//! kernel; nothing from a run.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags};
use rustix::thread::LinkNameSpaceType;
use wire::{Frame, FromZygote, Limits, ToZygote, UnitId};

use crate::confine::{self, Entry, Walls};
use crate::sys;
use crate::walls::seccomp::Filter;
use crate::walls::{Doing, WallError, verify};

/// The descriptor number of the keeper's socket in a zygote.
pub const CONTROL: i32 = 3;

/// One zygote's state, between its forks.
#[derive(Debug)]
pub struct Zygote {
    control: BorrowedFd<'static>,
    walls: Walls,
    wanted: Option<(UnitId, Entry)>,
    /// Units that live, by process number, with the descriptor that tells of their death.
    living: HashMap<i32, (UnitId, OwnedFd)>,
}

impl Zygote {
    /// Tells the keeper that everything is imported.
    ///
    /// # Errors
    ///
    /// If the keeper's socket is not there, or the interpreter started threads.
    pub fn new(limits: Limits, data_bytes_max: Option<u64>) -> Result<Self, WallError> {
        sys::SingleThread::assert().doing("check that the zygote has one thread")?;
        let interfaces = std::fs::read_to_string("/proc/self/net/dev").doing("list interfaces")?;
        let others = interfaces
            .lines()
            .skip(2)
            .filter(|line| !line.trim_start().starts_with("lo:"));
        verify(others.count() == 0, "that there is no network interface")?;
        let control = sys::inherited(CONTROL).doing("find the keeper's socket")?;
        let filter = Filter::compile()?;
        let walls = Walls {
            limits,
            data_bytes_max,
            filter,
        };
        let zygote = Self {
            control,
            walls,
            wanted: None,
            living: HashMap::new(),
        };
        zygote.tell(&FromZygote::Waiting)?;
        Ok(zygote)
    }

    /// Waits until a unit is wanted, reporting deaths meanwhile. `false` when the keeper is gone.
    ///
    /// Leaves the process so that its next fork is in the PID namespace of the unit's run.
    ///
    /// # Errors
    ///
    /// Where the zygote can go on no longer.
    pub fn wait(&mut self) -> Result<bool, WallError> {
        loop {
            if !self.wait_for_something()? {
                continue;
            }
            let frame = match wire::receive::<ToZygote>(self.control) {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(false),
                Err(error) => return Err(std::io::Error::other(error)).doing("hear the keeper"),
            };
            let Frame {
                message: ToZygote::Fork { unit, user },
                descriptors,
            } = frame;
            match Self::prepare(user, descriptors) {
                Ok(entry) => {
                    self.wanted = Some((unit, entry));
                    return Ok(true);
                }
                // The init may have been killed meanwhile; the next unit has its own.
                Err(error) => {
                    self.tell(&FromZygote::Failed {
                        unit,
                        reason: error.to_string(),
                    })?;
                }
            }
        }
    }

    fn prepare(user: u32, descriptors: Vec<OwnedFd>) -> Result<Entry, WallError> {
        let mut descriptors = descriptors.into_iter();
        let mut take = || {
            descriptors
                .next()
                .ok_or_else(|| std::io::Error::other("a descriptor is missing"))
                .doing("take the unit's descriptors")
        };
        let processes = take()?;
        let namespaces = [take()?, take()?, take()?];
        let job = take()?;
        let streams = [take()?, take()?, take()?];
        rustix::thread::move_into_link_name_space(
            processes.as_fd(),
            Some(LinkNameSpaceType::ProcessID),
        )
        .doing("aim the fork at the run's PID namespace")?;
        Ok(Entry {
            namespaces,
            job,
            streams,
            doors: descriptors.collect(),
            user,
        })
    }

    /// In the zygote, after the fork: remembers the unit and tells the keeper.
    ///
    /// # Errors
    ///
    /// Where the zygote can go on no longer.
    pub fn forked(&mut self, pid: i32) -> Result<(), WallError> {
        let Some((unit, _entry)) = self.wanted.take() else {
            return Err(std::io::Error::other("no unit was wanted")).doing("fork");
        };
        let Some(number) = Pid::from_raw(pid).filter(|_| pid > 0) else {
            return self.tell(&FromZygote::Failed {
                unit,
                reason: "cannot fork".to_owned(),
            });
        };
        // Our own child, not reaped yet: the number can be no other process's.
        let pidfd = rustix::process::pidfd_open(number, PidfdFlags::empty())
            .doing("watch the unit's process")?;
        self.living.insert(pid, (unit, pidfd));
        self.tell(&FromZygote::Forked { unit, pid })
    }

    /// In the unit, after the fork: raises every wall, then says that it is ready.
    ///
    /// # Errors
    ///
    /// The wall that does not stand; the keeper was told, and the process must end.
    pub fn enter(&mut self) -> Result<(), WallError> {
        let Some((_, entry)) = self.wanted.take() else {
            return Err(std::io::Error::other("no unit was wanted")).doing("enter");
        };
        let job = entry.job.try_clone().doing("copy the job's socket")?;
        match confine::enter(entry, &self.walls) {
            Ok(()) => {
                // It was closed with all others.
                let _number = job.into_raw_fd();
                let job = sys::inherited(confine::JOB).doing("find the job's socket")?;
                rustix::io::write(job, &[wire::job::READY]).doing("say that the walls stand")?;
                Ok(())
            }
            Err(error) => {
                let text = format!("{}{error}", char::from(wire::job::FAILED));
                let told = rustix::io::write(&job, text.as_bytes());
                // The process ends next; whether this one is still open depends on the wall.
                let _number = job.into_raw_fd();
                if told.is_err() {
                    let job = sys::inherited(confine::JOB).doing("find the job's socket")?;
                    let _ = rustix::io::write(job, text.as_bytes());
                }
                Err(error)
            }
        }
    }

    /// Blocks until the keeper speaks (`true`) or a unit died, which is reported.
    fn wait_for_something(&mut self) -> Result<bool, WallError> {
        let mut polled = vec![PollFd::from_borrowed_fd(self.control, PollFlags::IN)];
        polled.extend(
            self.living
                .values()
                .map(|(_, pidfd)| PollFd::new(pidfd, PollFlags::IN)),
        );
        match rustix::event::poll(&mut polled, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).doing("wait for orders"),
        }
        let spoken = polled
            .first()
            .is_some_and(|control| !control.revents().is_empty());
        while let Some((pid, exit)) = sys::reap().doing("reap a unit")? {
            if let Some((unit, _)) = self.living.remove(&pid) {
                self.tell(&FromZygote::Exited { unit, exit })?;
            }
        }
        Ok(spoken)
    }

    fn tell(&self, message: &FromZygote) -> Result<(), WallError> {
        match wire::send(self.control, message, &[]) {
            // It ended before its units did, as at every stop; the next wait reads that.
            Err(error) if error.is_gone() => Ok(()),
            told => told.map_err(std::io::Error::other).doing("tell the keeper"),
        }
    }
}
