//! The zygote's side of the fork: orders come in, units go out, deaths are reported.
//!
//! It runs inside the interpreter, called by `guest/zygote.py`: [`Zygote::become_unit`] returns in
//! the units only. Everything it reads comes from the keeper, its inits or the kernel; nothing from a run.

mod trial;

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal};
use rustix::thread::LinkNameSpaceType;
use wire::{Frame, FromZygote, Ground, Limits, Members, Tier, ToZygote, UnitId};

use self::trial::{Side, Trial};
use crate::confine::{self, Entry, Place, Walls};
use crate::sys::{self, Pins, SingleThread};
use crate::walls::landlock::Grant;
use crate::walls::seccomp::Filter;
use crate::walls::{Doing, WallError, verify_no_interface};

/// The descriptor number of the keeper's socket in a zygote.
pub const CONTROL: i32 = 3;

/// What a unit ends with whose walls do not stand.
const EXIT_WALL_NOT_RAISED: i32 = 72;

/// One zygote's state, between its forks.
#[derive(Debug)]
pub struct Zygote {
    /// Nothing of a caller's runs in a zygote, so that nothing starts a thread after this was seen.
    proof: SingleThread,
    control: BorrowedFd<'static>,
    stage: Stage,
    tier: Tier,
    walls: Walls,
    /// Units that live, by process number, with the descriptor that tells of their death.
    living: HashMap<i32, (UnitId, OwnedFd)>,
    /// For what the keeper says. A thread's own room is noted in the interpreter's heap.
    room: Vec<u8>,
}

/// How far it is.
#[derive(Debug)]
enum Stage {
    /// Its memory lies where it will. Where huge pages begin, in order.
    Settled { huge: Vec<usize> },
    /// This is a fork of it that plays a program on trial.
    OnTrial(Trial),
    /// It forks units. Without pins that costs more, and nothing else is different.
    Forking { _pins: Option<Pins> },
}

/// What a call of [`Zygote::become_unit`] returned in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// The zygote; the keeper is gone.
    Zygote,
    /// A unit, with every wall around it.
    Unit,
    /// A fork that is to play a program as units do, from [`confine::JOB`], and then to call [`Zygote::end_trial`].
    Trial,
}

/// Before anything is imported: lets the interpreter's memory be cheap to fork.
///
/// # Errors
///
/// The kernel's, for want of address space.
pub fn gather() -> Result<(), WallError> {
    sys::gather_arenas().doing("gather the interpreter's memory")
}

impl Zygote {
    /// Settles what was imported, and hears what its units stand on.
    ///
    /// # Errors
    ///
    /// If the keeper's socket is not there, or the interpreter started threads.
    pub fn new(limits: Limits, data_bytes_max: Option<u64>) -> Result<Self, WallError> {
        let proof = SingleThread::assert().doing("check that the zygote has one thread")?;
        let huge = sys::settle_memory(proof).doing("settle the interpreter's memory")?;
        let control = sys::inherited(CONTROL).doing("find the keeper's socket")?;
        let (tier, grants) = match hear_ground(control)? {
            Ground::Native => {
                let interfaces = std::fs::read_to_string("/proc/self/net/dev");
                verify_no_interface(&interfaces.doing("list interfaces")?)?;
                (Tier::Native, Vec::new())
            }
            Ground::Landlock {
                readable,
                executable,
            } => (Tier::Landlock, grants(&readable, &executable)?),
        };
        let filter = Filter::compile(tier, data_bytes_max.is_none())?;
        let walls = Walls {
            limits,
            data_bytes_max,
            filter,
            grants,
            zygote: rustix::process::getpid(),
        };
        Ok(Self {
            proof,
            control,
            stage: Stage::Settled { huge },
            tier,
            walls,
            living: HashMap::new(),
            room: vec![0; wire::FRAME_BYTES_MAX],
        })
    }

    /// Finds out what units use, gives up every call that forking does not need, tells the keeper that it waits,
    /// and forks a unit whenever the keeper wants one, reporting deaths meanwhile.
    ///
    /// Returns in one of these forks, or in the zygote when the keeper is gone. In between the zygote runs nothing
    /// of the interpreter's: what that writes after a fork, the kernel has to copy, and breaks the huge page
    /// around it.
    ///
    /// # Errors
    ///
    /// Where the zygote can go on no longer.
    pub fn become_unit(&mut self) -> Result<Process, WallError> {
        if let Stage::Settled { huge } = &self.stage {
            self.stage = lay_out_by_trial(self.proof, self.tier, huge);
            if let Stage::OnTrial(_) = self.stage {
                return Ok(Process::Trial);
            }
            // Not before: pages are pinned and data is filed away through calls that it refuses.
            self.walls.filter.raise_in_zygote()?;
            self.tell(&FromZygote::Waiting)?;
        }
        while let Some((unit, entry)) = self.wait()? {
            match sys::fork(self.proof) {
                Ok(Some(pid)) => self.forked(unit, pid, entry.place)?,
                Ok(None) => {
                    if self.enter(entry).is_err() {
                        // The keeper knows which wall it was.
                        sys::exit_now(EXIT_WALL_NOT_RAISED);
                    }
                    return Ok(Process::Unit);
                }
                Err(error) => self.tell(&FromZygote::Failed {
                    unit,
                    reason: format!("cannot fork: {error}"),
                })?,
            }
        }
        Ok(Process::Zygote)
    }

    /// Ends a fork on trial, whose program has ended with this status.
    pub fn end_trial(&mut self, status: i32) -> ! {
        if let Stage::OnTrial(trial) = &mut self.stage {
            trial.end(status);
        }
        // It is no such fork.
        sys::exit_now(EXIT_WALL_NOT_RAISED)
    }

    /// Waits until a unit is wanted; `None` when the keeper is gone.
    ///
    /// Leaves the process so that its next fork is in the PID namespace of the unit's run.
    fn wait(&mut self) -> Result<Option<(UnitId, Entry)>, WallError> {
        loop {
            if !self.wait_for_something()? {
                continue;
            }
            let frame = match wire::receive_into::<ToZygote>(&mut self.room, self.control) {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(None),
                Err(error) => return Err(std::io::Error::other(error)).doing("hear the keeper"),
            };
            let Frame {
                message,
                descriptors,
            } = frame;
            let (unit, user, doors) = match message {
                ToZygote::Fork { unit, user, doors } => (unit, user, doors),
                ToZygote::Ping => {
                    self.tell(&FromZygote::Pong)?;
                    continue;
                }
                ToZygote::Ground(_) => continue, // It was told before.
            };
            match self.prepare(user, doors, descriptors) {
                Ok(entry) => return Ok(Some((unit, entry))),
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

    fn prepare(&self, user: u32, doors: u8, descriptors: Vec<OwnedFd>) -> Result<Entry, WallError> {
        let mut descriptors = descriptors.into_iter();
        let mut take = || {
            descriptors
                .next()
                .ok_or_else(|| std::io::Error::other("a descriptor is missing"))
                .doing("take the unit's descriptors")
        };
        let place = match self.tier {
            Tier::Native | Tier::Gvisor => {
                let processes = take()?;
                rustix::thread::move_into_link_name_space(
                    processes.as_fd(),
                    Some(LinkNameSpaceType::ProcessID),
                )
                .doing("aim the fork at the run's PID namespace")?;
                // The kernel numbers namespaces as files.
                let number = rustix::fs::fstat(processes).doing("number the PID namespace")?;
                Place::Namespaces(number.st_ino)
            }
            Tier::Landlock => Place::Host,
        };
        let own_box = take()?;
        let job = take()?;
        let streams = [take()?, take()?, take()?];
        let doors = (0..doors).map(|_| take()).collect::<Result<_, _>>()?;
        Ok(Entry {
            place,
            own_box,
            job,
            streams,
            doors,
            user,
        })
    }

    /// In the zygote, after the fork: remembers the unit and tells the keeper.
    fn forked(&mut self, unit: UnitId, pid: i32, place: Place) -> Result<(), WallError> {
        // Our own child, not reaped yet: the number can be no other process's.
        let number = Pid::from_raw(pid)
            .ok_or_else(|| std::io::Error::other("it has no number"))
            .doing("name the unit's process")?;
        let pidfd = rustix::process::pidfd_open(number, PidfdFlags::empty())
            .doing("watch the unit's process")?;
        let (members, beside) = match place {
            Place::Namespaces(number) => (Members::Namespace(number), None),
            // The keeper has no other handle on it.
            Place::Host => (Members::Group(pid), Some(pidfd.as_fd())),
        };
        let forked = FromZygote::Forked { unit, pid, members };
        let told = self.tell_with(&forked, beside.as_slice());
        self.living.insert(pid, (unit, pidfd));
        told
    }

    /// In the unit, after the fork: raises every wall, then says that it is ready, or which wall
    /// does not stand.
    fn enter(&self, entry: Entry) -> Result<(), WallError> {
        let job = entry.job.try_clone().doing("copy the job's socket")?;
        let entered = confine::enter(entry, &self.walls);
        let said = match &entered {
            Ok(()) => vec![wire::job::READY],
            Err(error) => wire::job::failed(error),
        };
        // It was closed with all others if the walls stand, and may have been if not.
        let told = entered.is_err() && rustix::io::write(&job, &said).is_ok();
        let _number = job.into_raw_fd();
        if !told {
            let job = sys::inherited(confine::JOB).doing("find the job's socket")?;
            rustix::io::write(job, &said).doing("say how the walls stand")?;
        }
        entered
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
        let ready = polled.iter().skip(1).map(|unit| !unit.revents().is_empty());
        let dead: Vec<i32> = std::iter::zip(self.living.keys(), ready)
            .filter_map(|(pid, is_dead)| is_dead.then_some(*pid))
            .collect();
        for pid in dead {
            self.bury(pid)?;
        }
        Ok(spoken)
    }

    /// Tells how a dead unit ended, and reaps it.
    fn bury(&mut self, pid: i32) -> Result<(), WallError> {
        if self.tier == Tier::Landlock
            && let Some(group) = Pid::from_raw(pid)
        {
            // What it leaves behind. Until it is reaped, its number and that of its group are nobody
            // else's; there is no such group if it died before it made one.
            let _none_left = rustix::process::kill_process_group(group, Signal::KILL);
        }
        let Some(exit) = sys::peek_exit(pid).doing("hear how a unit ended")? else {
            return Ok(());
        };
        if let Some((unit, _)) = self.living.remove(&pid) {
            // Before it is reaped: a request waits for it, and the kernel takes its time over what a process had.
            self.tell(&FromZygote::Exited { unit, exit })?;
        }
        sys::reap(pid).doing("reap a unit")
    }

    fn tell(&self, message: &FromZygote) -> Result<(), WallError> {
        self.tell_with(message, &[])
    }

    fn tell_with(
        &self,
        message: &FromZygote,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), WallError> {
        match wire::send(self.control, message, descriptors) {
            // It ended before its units did, as at every stop; the next wait reads that.
            Err(error) if error.is_gone() => Ok(()),
            told => told.map_err(std::io::Error::other).doing("tell the keeper"),
        }
    }
}

/// Finds out what a unit uses, and lays the memory out for that, as far as the host allows: the stage after that, in the
/// zygote and in its fork on trial.
fn lay_out_by_trial(proof: SingleThread, tier: Tier, huge: &[usize]) -> Stage {
    let pins = Pins::open();
    // Among the host's files a run is held to account for each that has no name.
    let may_file = tier != Tier::Landlock;
    if pins.is_none() && !may_file {
        return Stage::Forking { _pins: None };
    }
    let used = match trial::begin(proof) {
        Ok(Side::Trial(trial)) => return Stage::OnTrial(trial),
        Ok(Side::Zygote(used)) => used,
        Err(_) => return Stage::Forking { _pins: None },
    };
    if may_file {
        // Where that is not possible, forks cost what they did.
        let _filed = sys::file_away(proof, &used);
    }
    let pins = pins.filter(|pins| pins.pin(proof, &used, huge).is_ok());
    Stage::Forking { _pins: pins }
}

/// What the keeper says first.
fn hear_ground(control: BorrowedFd<'_>) -> Result<Ground, WallError> {
    match wire::receive::<ToZygote>(control) {
        Ok(Some(Frame {
            message: ToZygote::Ground(ground),
            ..
        })) => Ok(ground),
        _ => Err(std::io::Error::other("it said something else")).doing("hear the keeper first"),
    }
}

fn grants(readable: &[PathBuf], executable: &[PathBuf]) -> Result<Vec<Grant>, WallError> {
    let all = readable.iter().map(|path| (path, false));
    let all = all.chain(executable.iter().map(|path| (path, true)));
    all.map(|(path, and_execute)| Grant::to_read(path, and_execute))
        .collect::<std::io::Result<_>>()
        .doing("note what units may read")
}
