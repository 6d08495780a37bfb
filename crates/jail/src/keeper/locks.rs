//! Locks: what the kernel keeps of them is in no count of memory, a cgroup's neither.
//!
//! A run could have half a gigabyte of record locks in eight seconds, and of `flock` as many as it can map
//! files. So the kernel's own list is looked at ten times a second, and a run with very many is ended. The
//! filter sees to it that each record lock has an owner there: no locks of open file descriptions, and no
//! descriptors shared by processes, whose locks stay when their owner has gone. A `flock` whose owner has
//! gone is not in the list.
//!
//! Whoever reads the list waits for a grace period of the kernel's, 4 to 8 ms on a machine that does
//! little else, so that a process of its own reads it: the keeper has ends of programs to tell meanwhile. And it does so only
//! for runs that have gone on for a while, which most never do.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use wire::{LocksSeen, Members, Tier};

use super::proc::run_of;
use super::watch;
use crate::sys::SingleThread;
use crate::walls::{Doing, WallError};

/// Most locks of a run; a database of sqlite3 has some ten.
const LOCKS_MAX: usize = 512;
/// Fewest for which a run has to make room where there are more than are read: it is one of those that
/// fill the list, and not one whose few stand beside them.
const LOCKS_MANY: usize = 64;
/// Most that is read of the kernel's list. Bytes; a line has about sixty.
const LIST_BYTES_MAX: u64 = 1 << 20;

/// Longest time for one look; then the keeper looks itself.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// The keeper's side of a process that looks once.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) socket: OwnedFd,
    pub(super) began: Instant,
}

impl Look {
    /// Starts the process.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub(super) fn begin(proof: SingleThread, tier: Tier) -> Result<Self, WallError> {
        let socket = watch::fork_to_look(proof, c"hognose-locks", |socket| {
            let over = runs_with_too_many(tier);
            wire::send(socket, &LocksSeen { over }, &[])
                .map_err(io::Error::other)
                .doing("tell the keeper")
        })?;
        Ok(Self {
            socket,
            began: Instant::now(),
        })
    }

    /// Which runs have too many; `None` if it ended without a word.
    pub(super) fn hear(&self) -> Option<Vec<Members>> {
        let seen: LocksSeen = wire::receive_now(&self.socket).ok()??.message;
        Some(seen.over)
    }

    pub(super) fn is_overdue(&self) -> bool {
        self.began.elapsed() > LOOK_MAX
    }
}

/// The runs that have too many locks, as a tier knows them. Waits for the kernel.
pub(super) fn runs_with_too_many(tier: Tier) -> Vec<Members> {
    let (counts, is_cut) = by_process();
    let mut sums: BTreeMap<Members, usize> = BTreeMap::new();
    for (pid, count) in counts {
        if let Some(run) = run_of(tier, pid) {
            *sums.entry(run).or_default() += count;
        }
    }
    // Where there are more than can be read, whoever has most makes room.
    let most = sums.values().max().copied();
    let most = most.filter(|most| is_cut && *most >= LOCKS_MANY);
    let too_many = |sum: usize| sum > LOCKS_MAX || Some(sum) == most;
    sums.into_iter()
        .filter(|(_, sum)| too_many(*sum))
        .map(|(run, _)| run)
        .collect()
}

/// How many locks each process has, of those that can be seen from here, and whether there are
/// more than are read.
fn by_process() -> (BTreeMap<i32, usize>, bool) {
    let mut list = Vec::new();
    if let Ok(file) = File::open("/proc/locks") {
        // What was read before a failure counts.
        drop(file.take(LIST_BYTES_MAX).read_to_end(&mut list));
    }
    let is_cut = u64::try_from(list.len()).is_ok_and(|bytes| bytes >= LIST_BYTES_MAX);
    (count(&String::from_utf8_lossy(&list)), is_cut)
}

/// `1: POSIX  ADVISORY  WRITE 708 fd:00:1234 0 EOF`, and `-> ` after the number for one that waits.
fn count(list: &str) -> BTreeMap<i32, usize> {
    let mut counts = BTreeMap::new();
    for line in list.lines() {
        let mut words = line.split_whitespace().skip(1).filter(|word| *word != "->");
        if !matches!(words.next(), Some("POSIX" | "FLOCK")) {
            continue;
        }
        if let Some(Ok(pid)) = words.nth(2).map(str::parse) {
            *counts.entry(pid).or_default() += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    #[test]
    fn locks_are_counted_by_their_owner() {
        let list = "1: POSIX  ADVISORY  WRITE 708 fd:00:1234 0 EOF\n\
                    1: -> POSIX  ADVISORY  WRITE 709 fd:00:1234 0 EOF\n\
                    2: FLOCK  ADVISORY  WRITE 708 00:19:1 0 EOF\n\
                    3: OFDLCK ADVISORY  READ -1 fd:00:12 0 EOF\n\
                    4: POSIX  ADVISORY  READ 708 fd:00:12 5 9\n\
                    5: POS";
        assert_eq!(super::count(list), [(708, 3), (709, 1)].into());
    }
}
