//! The memory of runs where no cgroup bounds it: a look at every process, ten times a second.
//!
//! A process of its own looks, because a run decides how long that takes: one with very many
//! mappings holds up whoever counts its pages, and must not hold up the keeper. A few threads of it look,
//! each at one run, so that none holds up the looks at all others.
//!
//! ```text
//!   keeper ── Look ──────────► watch: reads names and sizes of files on the host, and /proc
//!     │ lets the run make       │
//!     │ no process meanwhile    │
//!     │◄── Seen { over } ───────┘
//!     │ ends the run, or lets it go on
//! ```
//!
//! A run's processes are those of its PID namespace, however they came to be. Their resident sets
//! and page tables are summed, which is quick and never too low. Pages that several processes map
//! count in each there, so where that sum is over the limit, proportional sets are summed before
//! anything is ended. A run whose pages cannot be counted in time is over the limit, and so is one
//! of which a single process has more mapped than the whole run may use.
//!
//! A process that is found and then gone may have handed what it had on, to a child that it was making when the look
//! began. Then it is looked again; each that was making one can do so once. And nothing is ended for what was seen
//! once only: a sum over processes of which some end meanwhile counts what they shared too often.
//!
//! What is mapped nowhere is not seen so. What is in the run's files is told by its box. Shared
//! memory without a file is counted by its pieces, which the filter keeps small; the template has no
//! `/dev/zero`, of which there could be large ones. Nor are pages of files seen that only a pipe or a
//! socket still holds, so the filter lets none in there. What the kernel keeps for a process
//! otherwise (buffers of pipes and pairs of sockets) is not seen; the limit on descriptors bounds it.

mod files;
mod memory;
mod sandbox;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::process::{DumpableBehavior, Signal};
use wire::{Files, FromWatch, Limits, Members, Over, Run, Tier, ToWatch, UnitId, WireError};

use self::files::Sizes;
use self::memory::{Memory, counts_more, living_thread, shared_bytes};
use super::proc::{numbers, run_of};
use super::processes::Process;
use crate::gvisor::OVERHEAD_BYTES;
use crate::sys::{self, Side, SingleThread};
use crate::walls::{Doing, WallError, limits};

/// Pause before another look at the same run's processes: long enough for what a `vfork` makes to be a program of its
/// own, which some hosts do not let us tell from its parent.
const AGAIN_PAUSE: Duration = Duration::from_millis(3);
/// Longest time for one look. A run can make it wait for locks, which takes no processor time.
const LOOK_MAX: Duration = Duration::from_secs(2);
/// How many runs are looked at at once.
const LOOKERS: usize = 4;
/// Stack of a thread that looks. Bytes.
const LOOKER_STACK_BYTES: usize = 256 << 10;
/// Most that a process has mapped of what every run shares: the zygote's heap and its libraries.
/// Bytes; with every module that is imported it is half of this.
const COMMON_BYTES_MAX: u64 = 128 << 20;

/// The keeper's side: the process that looks.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) socket: OwnedFd,
    /// Runs that it is looking at, and since when.
    looks: BTreeMap<UnitId, Instant>,
    /// Runs that wait for their turn.
    due: VecDeque<UnitId>,
}

impl Watch {
    /// Starts the process.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub(super) fn start(proof: SingleThread, limits: Limits) -> Result<Self, WallError> {
        let socket = fork_to_look(proof, c"hognose-watch", |socket| live(socket, limits))?;
        Ok(Self {
            socket,
            looks: BTreeMap::new(),
            due: VecDeque::new(),
        })
    }

    /// This run is to be looked at when it is its turn, if it is not already.
    pub(super) fn is_due(&mut self, unit: UnitId) {
        if !self.looks.contains_key(&unit) && !self.due.contains(&unit) {
            self.due.push_back(unit);
        }
    }

    /// Whose turn it is, if somebody is free to look.
    pub(super) fn next(&mut self) -> Option<UnitId> {
        if self.looks.len() < LOOKERS {
            self.due.pop_front()
        } else {
            None
        }
    }

    /// Asks for a look at a run.
    pub(super) fn ask(&mut self, run: Run) -> Result<(), WireError> {
        let unit = run.unit;
        wire::send_now(&self.socket, &ToWatch::Look(run), &[])?;
        self.looks.insert(unit, Instant::now());
        Ok(())
    }

    /// What it has seen: of which run, and of what that uses more than it may. `None` when the process is gone.
    pub(super) fn hear(&mut self) -> Option<(UnitId, Option<Over>)> {
        let FromWatch::Seen { unit, over } = wire::receive(&self.socket).ok()??.message;
        self.looks.remove(&unit);
        Some((unit, over))
    }

    /// The runs that it is looking at for too long, each once.
    pub(super) fn take_overdue(&mut self) -> Vec<UnitId> {
        let is_overdue = |since: &Instant| since.elapsed() > LOOK_MAX;
        let overdue = self.looks.iter().filter(|(_, since)| is_overdue(since));
        let overdue: Vec<_> = overdue.map(|(unit, _)| *unit).collect();
        self.looks.retain(|_, since| !is_overdue(since));
        overdue
    }
}

/// Forks a process that looks at what the keeper must not wait for, and ends when that is done: the keeper's end of its socket.
///
/// # Errors
///
/// The kernel's.
pub(super) fn fork_to_look(
    proof: SingleThread,
    name: &CStr,
    live: impl FnOnce(BorrowedFd<'static>) -> Result<(), WallError>,
) -> Result<OwnedFd, WallError> {
    let (socket, end) = wire::pair().doing("make a socket for who looks")?;
    match sys::clone_process(proof, 0).doing("fork to look")? {
        Side::Parent { .. } => Ok(socket),
        Side::Child => {
            let ended = keep_only(&end, name).and_then(live);
            sys::exit_now(i32::from(ended.is_err()))
        }
    }
}

/// In a new process that looks: lets go of everything of the keeper's but the socket, and of the keeper
/// itself when that dies.
fn keep_only(socket: &OwnedFd, name: &CStr) -> Result<BorrowedFd<'static>, WallError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .doing("die with the keeper")?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .doing("hide its memory")?;
    rustix::thread::set_name(name).doing("name it")?;
    sys::place_at(socket.as_fd(), 0).doing("keep its socket")?;
    sys::close_from(1).doing("close the keeper's descriptors")?;
    sys::inherited(0).doing("find its socket")
}

/// Looks whenever it is asked to, until the keeper is gone or one that looks is: then all of it ends.
fn live(socket: BorrowedFd<'static>, limits: Limits) -> Result<(), WallError> {
    for _ in 1..LOOKERS {
        std::thread::Builder::new()
            .stack_size(LOOKER_STACK_BYTES)
            .spawn(move || {
                let _end = EndsAll;
                look_on(socket, limits)
            })
            .doing("start a thread of the watch")?;
    }
    look_on(socket, limits)
}

/// What ends the process when a thread of it does, in whatever way.
struct EndsAll;

impl Drop for EndsAll {
    fn drop(&mut self) {
        sys::exit_now(1)
    }
}

/// One thread. Each takes the next look that is asked for.
fn look_on(socket: BorrowedFd<'_>, limits: Limits) -> Result<(), WallError> {
    loop {
        let frame = wire::receive::<ToWatch>(socket).map_err(std::io::Error::other);
        let Some(frame) = frame.doing("hear the keeper")? else {
            return Ok(());
        };
        let ToWatch::Look(run) = frame.message;
        let unit = run.unit;
        let over = Look { run, limits }.over();
        let told = wire::send(socket, &FromWatch::Seen { unit, over }, &[]);
        told.map_err(std::io::Error::other)
            .doing("tell the keeper")?;
    }
}

/// One look at one run.
#[derive(Debug)]
struct Look {
    run: Run,
    limits: Limits,
}

impl Look {
    /// What the run has too much of.
    fn over(&self) -> Option<Over> {
        let named = match &self.run.files {
            Files::InMemory(_) => Sizes::new(),
            Files::Below(folder) => {
                let (files, bytes) = (
                    self.limits.workspace_files_max,
                    self.limits.workspace_bytes_max,
                );
                let Some(sizes) = files::below(folder, files, bytes) else {
                    return Some(Over::Disk);
                };
                sizes
            }
        };
        let mut without_memory = BTreeSet::new();
        let mut was_over = false;
        loop {
            let members = self.members();
            let (over, left) = match self.run.members {
                Members::Sandbox(_) => (self.of_a_sandbox(&members), BTreeSet::new()),
                Members::Namespace(_) | Members::Group(_) => self.of_processes(&members, &named),
            };
            // Of those that were without memory before, none has given it to anybody since.
            let is_left_by_new = !left.is_subset(&without_memory);
            match over {
                Some(over) if was_over => return Some(over),
                None if !is_left_by_new => return None,
                _ => {}
            }
            was_over = over.is_some();
            without_memory.extend(left);
            std::thread::sleep(AGAIN_PAUSE);
        }
    }

    /// Its processes, as they are now.
    fn members(&self) -> Vec<i32> {
        if let Some(program) = self.run.alone {
            return vec![program];
        }
        let tier = match self.run.members {
            Members::Namespace(_) => Tier::Native,
            Members::Sandbox(_) => Tier::Gvisor,
            Members::Group(_) => Tier::Landlock,
        };
        let is_member = |pid: &i32| run_of(tier, *pid) == Some(self.run.members);
        numbers("/proc").filter(is_member).collect()
    }

    const fn has_files_on_the_host(&self) -> bool {
        matches!(self.run.files, Files::Below(_))
    }

    /// Its files, where they are in memory. Bytes.
    const fn file_bytes(&self) -> u64 {
        match &self.run.files {
            Files::InMemory(bytes) => *bytes,
            // On a disk, or counted there as well as it can be.
            Files::Below(_) => 0,
        }
    }

    fn of_a_sandbox(&self, members: &[i32]) -> Option<Over> {
        let bytes = sandbox::bytes(members).saturating_add(self.file_bytes());
        let bytes_max = self.limits.memory_bytes_max.saturating_add(OVERHEAD_BYTES);
        (bytes > bytes_max).then_some(Over::Memory)
    }

    /// What these processes have too much of, and those of them that have no memory any more.
    fn of_processes(&self, members: &[i32], named: &Sizes) -> (Option<Over>, BTreeSet<i32>) {
        // All of them first, since some may be gone in a moment, and what follows takes its time.
        let memories = Memory::of(members);
        let living: BTreeSet<i32> = memories
            .iter()
            .flat_map(|m| &m.processes)
            .copied()
            .collect();
        let mut left: BTreeSet<i32> = members.iter().copied().collect();
        left.retain(|pid| !living.contains(pid));
        if self.has_files_on_the_host() {
            if self.has_too_many(members) {
                return (Some(Over::Processes), left);
            }
            if self.has_too_much_without_name(members, named, &mut left) {
                return (Some(Over::Disk), left);
            }
        }
        let bytes_max = self.limits.memory_bytes_max;
        let one_max = bytes_max.saturating_add(COMMON_BYTES_MAX);
        if memories
            .iter()
            .any(|memory| memory.resident_bytes > one_max)
        {
            return (Some(Over::Memory), left);
        }
        let Some(shared_bytes) = shared_bytes(&memories, &mut left) else {
            return (Some(Over::Memory), left);
        };
        let Some(bytes_left) =
            bytes_max.checked_sub(shared_bytes.saturating_add(self.file_bytes()))
        else {
            return (Some(Over::Memory), left);
        };
        let resident: u64 = memories.iter().map(|memory| memory.resident_bytes).sum();
        let is_over = resident > bytes_left && counts_more(&memories, bytes_left, &mut left);
        (is_over.then_some(Over::Memory), left)
    }

    /// Whether there are more processes and threads than a run may have, where it has no namespace that
    /// bounds them.
    fn has_too_many(&self, members: &[i32]) -> bool {
        let tasks = members.iter().filter_map(|pid| Process::of(*pid));
        let tasks: u32 = tasks.map(|process| process.threads).sum();
        // The keeper, which is asked for each, refuses the first that is too many. This is for what it
        // may have been wrong about, on a machine that is busy beyond measure.
        let tasks_max = self.limits.processes_max.saturating_add(1);
        tasks > tasks_max.saturating_mul(2)
    }

    /// Whether its files, with those that have no name but are held by these processes, are too much. Notes who is
    /// gone meanwhile: what it held may be in other hands.
    fn has_too_much_without_name(
        &self,
        members: &[i32],
        named: &Sizes,
        gone: &mut BTreeSet<i32>,
    ) -> bool {
        let unseen_bytes = limits::file_bytes_max(&self.limits);
        let mut sizes = named.clone();
        for pid in members {
            files::add_those_without_name(*pid, unseen_bytes, &mut sizes);
            // A process that ends lets go of its memory before its files.
            if living_thread(*pid).is_none() {
                gone.insert(*pid);
            }
        }
        sizes.into_values().sum::<u64>() > self.limits.workspace_bytes_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(memory_bytes_max: u64) -> Limits {
        Limits {
            memory_bytes_max,
            processes_max: 1000,
            workspace_bytes_max: 1 << 20,
            workspace_files_max: 10,
            cpu_seconds_max: 1,
        }
    }

    fn own() -> i32 {
        i32::try_from(std::process::id()).unwrap()
    }

    fn run(members: Members, files: Files) -> Run {
        Run {
            unit: UnitId(1),
            members,
            alone: None,
            files,
        }
    }

    /// What a run is found to have too much of.
    fn over(run: &Run, limits: Limits) -> Option<Over> {
        let run = run.clone();
        Look { run, limits }.over()
    }

    #[test]
    fn a_run_is_its_pid_namespace_or_its_process_group() {
        for tier in Tier::ALL {
            // What a sandbox may have for itself.
            let file_bytes = match tier {
                Tier::Gvisor => OVERHEAD_BYTES,
                Tier::Native | Tier::Landlock => 0,
            };
            let nobody = match tier {
                Tier::Native => Members::Namespace(1),
                Tier::Gvisor => Members::Sandbox(1),
                Tier::Landlock => Members::Group(i32::MAX),
            };
            let files = Files::InMemory(file_bytes);
            let of_ours = run(run_of(tier, own()).unwrap(), files.clone());
            assert_eq!(over(&of_ours, limits(1)), Some(Over::Memory), "{tier:?}");
            assert_eq!(over(&of_ours, limits(1 << 50)), None, "{tier:?}");
            assert_eq!(over(&run(nobody, files), limits(1)), None, "{tier:?}");
        }
    }

    #[test]
    fn who_is_alone_is_not_looked_for() {
        let nobody = run(Members::Namespace(1), Files::InMemory(0));
        let alone = Run {
            alone: Some(own()),
            ..nobody
        };
        assert_eq!(over(&alone, limits(1)), Some(Over::Memory));
        assert_eq!(over(&alone, limits(1 << 50)), None);
    }

    #[test]
    fn on_a_host_a_run_has_files_and_processes_to_be_counted() {
        let folder = tempfile::tempdir().unwrap();
        let members = run_of(Tier::Landlock, own()).unwrap();
        let run = run(members, Files::Below(folder.path().to_owned()));
        assert_eq!(over(&run, limits(1 << 50)), None);
        let none = Limits {
            processes_max: 0,
            ..limits(1 << 50)
        };
        assert_eq!(over(&run, none), Some(Over::Processes));
        std::fs::write(folder.path().join("file"), vec![1; 2 << 20]).unwrap();
        assert_eq!(over(&run, limits(1 << 50)), Some(Over::Disk));
    }
}
