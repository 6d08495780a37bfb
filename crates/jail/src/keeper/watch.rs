//! The memory of runs where no cgroup bounds it: a look at every process, ten times a second.
//!
//! A process of its own looks, because a run decides how long that takes: one with very many
//! mappings holds up whoever counts its pages, and must not hold up the keeper.
//!
//! ```text
//!   keeper ── Look { runs } ──► watch: reads /proc ── Seen { over } ──► keeper: kills, tells
//! ```
//!
//! A run's processes are those of its PID namespace, however they came to be. Their resident sets
//! and page tables are summed, which is quick and never too low. Pages that several processes map
//! count in each there, so where that sum is over the limit, proportional sets are summed before
//! anything is ended. A run whose pages cannot be counted in time is over the limit, and so is one
//! of which a single process has more mapped than the whole run may use.
//!
//! What is mapped nowhere is not seen so. What is in the run's files is told by its box. Shared
//! memory without a file is counted by its pieces, which the filter keeps small; the template has no
//! `/dev/zero`, of which there could be large ones. Nor are pages of files seen that only a pipe or a
//! socket still holds, so the filter lets none in there. What the kernel keeps for a process
//! otherwise (buffers of pipes and pairs of sockets) is not seen; the limit on descriptors bounds it.

mod files;
mod sandbox;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{DumpableBehavior, Signal};
use wire::{Files, FromWatch, Limits, Members, Over, Run, Tier, ToWatch, UnitId, WireError};

use super::processes::Process;
use crate::gvisor::OVERHEAD_BYTES;
use crate::sys::{self, Side, SingleThread};
use crate::walls::{Doing, WallError, limits, seccomp};

/// What the kernel calls a shared mapping without a file.
const SHARED_MAPPING: &str = "/dev/zero (deleted)";
/// Least time between two scans of all processes; looks in between are at those that were found.
const SCAN_PAUSE: Duration = Duration::from_millis(90);
/// Most processor time in which the pages of one run are counted.
const COUNT_MAX: Duration = Duration::from_millis(200);
/// Most processor time of one look after which no other run's pages are counted in it.
const LOOK_MAX: Duration = Duration::from_millis(100);
/// Most that a process has mapped of what every run shares: the zygote's heap and its libraries.
/// Bytes; with every module that is imported it is half of this.
const COMMON_BYTES_MAX: u64 = 128 << 20;
/// Most runs in one look, so that they fit into a frame.
const RUNS_MAX: usize = 500;

/// The keeper's side: the process that looks.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) socket: OwnedFd,
    /// Looks that were asked for and not answered yet.
    owed: usize,
}

impl Watch {
    /// Starts the process.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub(super) fn start(proof: SingleThread, limits: Limits) -> Result<Self, WallError> {
        let (socket, end) = wire::pair().doing("make the watch's socket")?;
        match sys::clone_process(proof, 0).doing("fork the watch")? {
            Side::Parent { .. } => Ok(Self { socket, owed: 0 }),
            Side::Child => {
                let ended = keep_only(&end).and_then(|socket| look_on(socket, limits));
                sys::exit_now(i32::from(ended.is_err()))
            }
        }
    }

    /// Asks for a look at these runs, unless the last one is still going on.
    pub(super) fn ask(&mut self, runs: &[Run]) -> Result<(), WireError> {
        if self.owed > 0 {
            return Ok(());
        }
        for runs in runs.chunks(RUNS_MAX) {
            wire::send_now(
                &self.socket,
                &ToWatch::Look {
                    runs: runs.to_vec(),
                },
                &[],
            )?;
            self.owed += 1;
        }
        Ok(())
    }

    /// The runs that were found to use too much, and of what; `None` when the process is gone.
    pub(super) fn hear(&mut self) -> Option<Vec<(UnitId, Over)>> {
        let FromWatch::Seen { over } = wire::receive(&self.socket).ok()??.message;
        self.owed = self.owed.saturating_sub(1);
        Some(over)
    }
}

/// In the new process: lets go of everything of the keeper's but the socket, and of the keeper
/// itself when that dies.
fn keep_only(socket: &OwnedFd) -> Result<BorrowedFd<'static>, WallError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .doing("die with the keeper")?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .doing("hide the watch's memory")?;
    rustix::thread::set_name(c"hognose-watch").doing("name the watch")?;
    sys::place_at(socket.as_fd(), 0).doing("keep the watch's socket")?;
    sys::close_from(1).doing("close the keeper's descriptors")?;
    sys::inherited(0).doing("find the watch's socket")
}

/// Looks whenever it is asked to, until the keeper is gone.
fn look_on(socket: BorrowedFd<'_>, limits: Limits) -> Result<(), WallError> {
    let mut counter = Counter::new(limits);
    loop {
        let frame = wire::receive::<ToWatch>(socket).map_err(std::io::Error::other);
        let Some(frame) = frame.doing("hear the keeper")? else {
            return Ok(());
        };
        let ToWatch::Look { runs } = frame.message;
        let over = counter.over(&runs);
        let told = wire::send(socket, &FromWatch::Seen { over }, &[]);
        told.map_err(std::io::Error::other)
            .doing("tell the keeper")?;
    }
}

#[derive(Debug)]
struct Counter {
    limits: Limits,
    /// The run whose pages were counted last; the next is another's turn.
    last: UnitId,
    /// Whose processes are whose, as the last scan of all found, and when that was.
    members: BTreeMap<Members, Vec<i32>>,
    scanned_at: Option<Instant>,
}

impl Counter {
    const fn new(limits: Limits) -> Self {
        Self {
            limits,
            last: UnitId(0),
            members: BTreeMap::new(),
            scanned_at: None,
        }
    }

    /// The runs that use more than they may, as far as this look finds them.
    fn over(&mut self, runs: &[Run]) -> Vec<(UnitId, Over)> {
        let is_recent = |at: Instant| at.elapsed() < SCAN_PAUSE;
        if !self.scanned_at.is_some_and(is_recent) {
            self.members = members(runs);
            self.scanned_at = Some(Instant::now());
        }
        let mut over = Vec::new();
        let mut doubtful = Vec::new();
        for run in runs {
            let members = self.members.get(&run.members);
            let members = members.map_or(&[][..], Vec::as_slice);
            let own = with_memory_of_their_own(members);
            match self.at_first_sight(run, members, &own) {
                Sight::Fine => {}
                Sight::Over(what) => over.push((run.unit, what)),
                Sight::Doubtful { bytes_left } => doubtful.push((run.unit, own, bytes_left)),
            }
        }
        // Those behind the last one first, then the others.
        doubtful.sort_by_key(|(unit, ..)| (*unit <= self.last, *unit));
        let start = processor_time();
        for (unit, members, bytes_left) in doubtful {
            self.last = unit;
            if counts_more(&members, bytes_left) {
                over.push((unit, Over::Memory));
            }
            if processor_time().saturating_sub(start) > LOOK_MAX {
                break;
            }
        }
        over
    }

    /// What can be told of a run without looking at its page tables: of all its processes, and of one for
    /// each memory.
    fn at_first_sight(&self, run: &Run, all: &[i32], own: &[i32]) -> Sight {
        let file_bytes = match &run.files {
            Files::InMemory(bytes) => *bytes,
            Files::Below(folder) => {
                match self.on_the_host(folder, all) {
                    Some(over) => return Sight::Over(over),
                    // On a disk, or counted there as well as it can be.
                    None => 0,
                }
            }
        };
        let bytes_max = self.limits.memory_bytes_max;
        if let Members::Sandbox(_) = run.members {
            let bytes = sandbox::bytes(all).saturating_add(file_bytes);
            return match bytes > bytes_max.saturating_add(OVERHEAD_BYTES) {
                true => Sight::Over(Over::Memory),
                false => Sight::Fine,
            };
        }
        let start = processor_time();
        let mut resident = 0;
        // All of them first, since some may be gone in a moment, and what follows takes its time.
        for pid in own {
            let own = resident_bytes(*pid);
            if own > bytes_max.saturating_add(COMMON_BYTES_MAX) {
                return Sight::Over(Over::Memory);
            }
            resident += own;
        }
        let mut pieces = BTreeSet::new();
        for pid in own {
            note_shared_pieces(*pid, &mut pieces);
            if processor_time().saturating_sub(start) > COUNT_MAX {
                return Sight::Over(Over::Memory);
            }
        }
        let pieces = u64::try_from(pieces.len()).unwrap_or(u64::MAX);
        let elsewhere = pieces
            .saturating_mul(seccomp::SHARED_PIECE_BYTES_MAX.into())
            .saturating_add(file_bytes);
        match bytes_max.checked_sub(elsewhere) {
            None => Sight::Over(Over::Memory),
            Some(bytes_left) if resident > bytes_left => Sight::Doubtful { bytes_left },
            Some(_) => Sight::Fine,
        }
    }

    /// What a run has too much of that its own namespaces and file system would bound, where it has none.
    fn on_the_host(&self, folder: &Path, members: &[i32]) -> Option<Over> {
        let tasks = members.iter().filter_map(|pid| Process::of(*pid));
        let tasks: u32 = tasks.map(|process| process.threads).sum();
        // The keeper, which is asked for each, refuses the first that is too many. This is for what it
        // may have been wrong about, on a machine that is busy beyond measure.
        if tasks
            > self
                .limits
                .processes_max
                .saturating_add(1)
                .saturating_mul(2)
        {
            return Some(Over::Processes);
        }
        let bytes_left = self.limits.workspace_bytes_max;
        let bytes_left = files::below(folder, self.limits.workspace_files_max, bytes_left);
        let bytes_left = bytes_left.and_then(|left| {
            files::without_name(members, limits::file_bytes_max(&self.limits), left)
        });
        bytes_left.is_none().then_some(Over::Disk)
    }
}

/// What a first look at a run tells.
#[derive(Debug)]
enum Sight {
    /// It is below its limit.
    Fine,
    /// It is over one, or nobody can tell in time.
    Over(Over),
    /// It is over it if its processes share nothing.
    Doubtful {
        /// What its pages may be.
        bytes_left: u64,
    },
}

/// Whether the pages of these processes together are more, or too many to count.
fn counts_more(members: &[i32], bytes_max: u64) -> bool {
    let start = processor_time();
    let mut sum = 0;
    for pid in members {
        sum += proportional_bytes(*pid);
        if sum > bytes_max || processor_time().saturating_sub(start) > COUNT_MAX {
            return true;
        }
    }
    false
}

/// What this process has used so far: a busy machine makes nobody's pages uncountable.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Every process that can be seen, by what those of these runs are found by.
fn members(runs: &[Run]) -> BTreeMap<Members, Vec<i32>> {
    let mut members: BTreeMap<Members, Vec<i32>> = BTreeMap::new();
    let Some(first) = runs.first() else {
        return members;
    };
    let tier = match first.members {
        Members::Namespace(_) => Tier::Native,
        Members::Sandbox(_) => Tier::Gvisor,
        Members::Group(_) => Tier::Landlock,
    };
    for pid in numbers("/proc") {
        if let Some(run) = run_of(tier, pid) {
            members.entry(run).or_default().push(pid);
        }
    }
    members
}

/// By what the run is found that a process is of, if it is of one.
pub(super) fn run_of(tier: Tier, pid: i32) -> Option<Members> {
    match tier {
        Tier::Native => namespace_of(pid).map(Members::Namespace),
        Tier::Gvisor => namespace_of(pid).map(Members::Sandbox),
        Tier::Landlock => Process::of(pid).map(|process| Members::Group(process.group)),
    }
}

/// One process for each memory: the one that holds a run's, and what `vfork` makes, share it. Those
/// that have none any more are left out.
fn with_memory_of_their_own(members: &[i32]) -> Vec<i32> {
    let mut own: Vec<(i32, i32)> = Vec::new();
    for pid in members {
        // By a living thread's number: of two first threads that have ended the kernel says that both
        // have the same memory, which is none.
        let Some(thread) = thread_with_memory(*pid) else {
            continue;
        };
        if !own
            .iter()
            .any(|(_, known)| sys::share_memory(*known, thread))
        {
            own.push((*pid, thread));
        }
    }
    own.into_iter().map(|(pid, _)| pid).collect()
}

fn thread_with_memory(pid: i32) -> Option<i32> {
    let tasks = format!("/proc/{pid}/task");
    let has_memory = |thread: &i32| {
        let status = read(&format!("{tasks}/{thread}/status"));
        status.is_some_and(|status| kib(&status, "VmRSS:").is_some())
    };
    numbers(&tasks).find(has_memory)
}

/// The PID namespace of a process, by the kernel's number.
pub(super) fn namespace_of(pid: i32) -> Option<u64> {
    let number = |process: &str| {
        let link = fs::read_link(format!("{process}/ns/pid")).ok()?;
        let number = link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?;
        number.parse().ok()
    };
    // A first thread that has ended may not tell.
    number(&format!("/proc/{pid}")).or_else(|| {
        let tasks = format!("/proc/{pid}/task");
        numbers(&tasks).find_map(|thread| number(&format!("{tasks}/{thread}")))
    })
}

/// A file of the kernel's, in which names stand that a run has chosen: they need not be UTF-8.
fn read(path: &str) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

pub(super) fn numbers(folder: &str) -> impl Iterator<Item = i32> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Resident pages and page tables; an upper bound.
fn resident_bytes(pid: i32) -> u64 {
    of_a_living_thread(pid, |thread| {
        let status = read(&format!("{thread}/status"))?;
        Some(kib(&status, "VmRSS:")? + kib(&status, "VmPTE:")?)
    })
}

/// The same, with pages that others have mapped as well divided among them; where that is not shown to
/// us, as of what may not be read, they all count.
fn proportional_bytes(pid: i32) -> u64 {
    of_a_living_thread(pid, |thread| {
        let status = read(&format!("{thread}/status"))?;
        let rollup = read(&format!("{thread}/smaps_rollup"));
        let pages = rollup.and_then(|rollup| kib(&rollup, "Pss:"));
        Some(pages.or_else(|| kib(&status, "VmRSS:"))? + kib(&status, "VmPTE:")?)
    })
}

/// Notes the pieces of shared memory without a file that a process has mapped, in whole or in part.
/// Their pages stay when it lets go of them, for as long as one mapping of the piece is left.
fn note_shared_pieces(pid: i32, pieces: &mut BTreeSet<u64>) {
    let note = |thread: &str| {
        let maps = read(&format!("{thread}/maps"))?;
        let lines = maps.lines().filter(|line| line.ends_with(SHARED_MAPPING));
        // Range, rights, offset, device, inode.
        pieces.extend(lines.filter_map(|line| line.split(' ').nth(4)?.parse::<u64>().ok()));
        Some(0)
    };
    of_a_living_thread(pid, note);
}

/// A first thread that has ended shows no memory, though the others have it all.
fn of_a_living_thread(pid: i32, mut bytes: impl FnMut(&str) -> Option<u64>) -> u64 {
    let tasks = format!("/proc/{pid}/task");
    numbers(&tasks)
        .find_map(|thread| bytes(&format!("{tasks}/{thread}")))
        .unwrap_or(0)
}

fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watch_reads_real_processes() {
        let own = i32::try_from(std::process::id()).unwrap();
        let (most, proportional) = (resident_bytes(own), proportional_bytes(own));
        assert!(most > 100_000, "{most}");
        assert!(
            proportional > 0 && proportional <= most * 2,
            "{proportional}"
        );
    }

    fn limits(memory_bytes_max: u64) -> Limits {
        Limits {
            memory_bytes_max,
            processes_max: 1000,
            workspace_bytes_max: 1 << 20,
            workspace_files_max: 10,
            cpu_seconds_max: 1,
        }
    }

    fn counter(memory_bytes_max: u64, last: u64) -> Counter {
        Counter {
            last: UnitId(last),
            ..Counter::new(limits(memory_bytes_max))
        }
    }

    fn own() -> i32 {
        i32::try_from(std::process::id()).unwrap()
    }

    #[test]
    fn a_run_is_its_pid_namespace_or_its_process_group() {
        for tier in Tier::ALL {
            // What a sandbox may have for itself.
            let file_bytes = match tier {
                Tier::Gvisor => OVERHEAD_BYTES,
                Tier::Native | Tier::Landlock => 0,
            };
            let run = |unit, members| Run {
                unit: UnitId(unit),
                members,
                files: Files::InMemory(file_bytes),
            };
            let nobody = match tier {
                Tier::Native => Members::Namespace(1),
                Tier::Gvisor => Members::Sandbox(1),
                Tier::Landlock => Members::Group(i32::MAX),
            };
            let runs = [run(1, run_of(tier, own()).unwrap()), run(2, nobody)];
            let over = |bytes_max| counter(bytes_max, 0).over(&runs);
            assert_eq!(over(1), [(UnitId(1), Over::Memory)], "{tier:?}");
            assert_eq!(over(1 << 50), [], "{tier:?}");
        }
    }

    #[test]
    fn the_next_look_counts_for_whoever_was_not_counted_last() {
        // Its files are all that it may have, so that its own pages are in doubt.
        let own = run_of(Tier::Native, own()).unwrap();
        let run = |unit| Run {
            unit: UnitId(unit),
            members: own,
            files: Files::InMemory(1 << 50),
        };
        let over = counter(1 << 50, 1).over(&[run(1), run(2), run(3)]);
        let order: Vec<u64> = over.iter().map(|(unit, _)| unit.0).collect();
        assert_eq!(order, [2, 3, 1]);
    }

    #[test]
    fn on_a_host_a_run_has_files_and_processes_to_be_counted() {
        let folder = tempfile::tempdir().unwrap();
        let run = [Run {
            unit: UnitId(1),
            members: run_of(Tier::Landlock, own()).unwrap(),
            files: Files::Below(folder.path().to_owned()),
        }];
        let over = |limits| Counter::new(limits).over(&run);
        assert_eq!(over(limits(1 << 50)), []);
        let none = Limits {
            processes_max: 0,
            ..limits(1 << 50)
        };
        assert_eq!(over(none), [(UnitId(1), Over::Processes)]);
        fs::write(folder.path().join("file"), vec![1; 2 << 20]).unwrap();
        assert_eq!(over(limits(1 << 50)), [(UnitId(1), Over::Disk)]);
    }
}
