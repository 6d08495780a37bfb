//! What processes have in memory: quickly and never too little, or shared pages divided among those that have them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::proc::{kib, numbers, of_a_living_thread, read};
use crate::sys;
use crate::walls::seccomp;

/// What the kernel calls a shared mapping without a file.
const SHARED_MAPPING: &str = "/dev/zero (deleted)";
/// Most processor time in which the pages of one run are counted.
const COUNT_MAX: Duration = Duration::from_millis(200);

/// One memory, and the processes that have it: the one that holds a run's, and what `vfork` makes, share it.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) processes: Vec<i32>,
    /// A thread of the first of them. Of two first threads that have ended the kernel says that both have the
    /// same memory, which is none.
    thread: i32,
    /// Resident pages and page tables; an upper bound.
    pub(super) resident_bytes: u64,
}

impl Memory {
    /// Those of these processes. Who has none any more is left out.
    pub(super) fn of(processes: &[i32]) -> Vec<Self> {
        let mut memories: Vec<Self> = Vec::new();
        for pid in processes {
            let Some((thread, resident_bytes)) = living_thread(*pid) else {
                continue;
            };
            let same = |memory: &&mut Self| sys::share_memory(memory.thread, thread);
            if let Some(memory) = memories.iter_mut().find(same) {
                memory.processes.push(*pid);
            } else {
                memories.push(Self {
                    processes: vec![*pid],
                    thread,
                    resident_bytes,
                });
            }
        }
        memories
    }

    /// What is told of the first of its processes that still has it.
    fn first_told<T>(&self, told: impl Fn(i32) -> Option<T>) -> Option<T> {
        self.processes.iter().find_map(|pid| told(*pid))
    }
}

/// A thread of a process that has its memory, which the first one has no more when it has ended; and what is
/// resident of it.
pub(super) fn living_thread(pid: i32) -> Option<(i32, u64)> {
    let tasks = format!("/proc/{pid}/task");
    numbers(&tasks).find_map(|thread| Some((thread, resident_bytes(&format!("{tasks}/{thread}"))?)))
}

/// Resident and swapped pages, and page tables. Bytes; nothing where there is no memory any more.
fn resident_bytes(thread: &str) -> Option<u64> {
    let status = read(&format!("{thread}/status"))?;
    let swapped = kib(&status, "VmSwap:").unwrap_or(0);
    Some(kib(&status, "VmRSS:")? + kib(&status, "VmPTE:")? + swapped)
}

/// What is in shared memory without a file, as its pieces tell; nothing if they cannot be counted in time. Notes
/// the processes of memories that are gone meanwhile.
pub(super) fn shared_bytes(memories: &[Memory], gone: &mut BTreeSet<i32>) -> Option<u64> {
    let start = processor_time();
    let mut pieces = BTreeSet::new();
    for memory in memories {
        match memory.first_told(shared_pieces) {
            Some(of_one) => pieces.extend(of_one),
            None => gone.extend(&memory.processes),
        }
        if processor_time().saturating_sub(start) > COUNT_MAX {
            return None;
        }
    }
    let pieces = u64::try_from(pieces.len()).unwrap_or(u64::MAX);
    Some(pieces.saturating_mul(seccomp::SHARED_PIECE_BYTES_MAX.into()))
}

/// Whether the pages of all these are more, or too many to count. Notes the processes of those that are gone
/// meanwhile.
pub(super) fn counts_more(memories: &[Memory], bytes_max: u64, gone: &mut BTreeSet<i32>) -> bool {
    let start = processor_time();
    let mut sum = 0;
    for memory in memories {
        match memory.first_told(proportional_bytes) {
            Some(bytes) => sum += bytes,
            None => gone.extend(&memory.processes),
        }
        if sum > bytes_max || processor_time().saturating_sub(start) > COUNT_MAX {
            return true;
        }
    }
    false
}

/// What this thread has used so far: a busy machine makes nobody's pages uncountable.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Pages and page tables of a process, with pages that others have mapped as well divided among them; where that is not
/// shown to us, as of what may not be read, they all count.
fn proportional_bytes(pid: i32) -> Option<u64> {
    of_a_living_thread(pid, |thread| {
        let status = read(&format!("{thread}/status"))?;
        let rollup = read(&format!("{thread}/smaps_rollup"));
        let shared =
            rollup.and_then(|rollup| Some(kib(&rollup, "Pss:")? + kib(&rollup, "SwapPss:")?));
        let tables = kib(&status, "VmPTE:")?;
        shared.map_or_else(|| resident_bytes(thread), |pages| Some(pages + tables))
    })
}

/// The pieces of shared memory without a file that a process has mapped, in whole or in part, by the kernel's
/// numbers. Their pages stay when it lets go of them, for as long as one mapping of the piece is left.
fn shared_pieces(pid: i32) -> Option<Vec<u64>> {
    of_a_living_thread(pid, |thread| {
        let maps = read(&format!("{thread}/maps")).filter(|maps| !maps.is_empty())?;
        let lines = maps.lines().filter(|line| line.ends_with(SHARED_MAPPING));
        // Range, rights, offset, device, inode.
        let pieces = lines.filter_map(|line| line.split(' ').nth(4)?.parse().ok());
        Some(pieces.collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> i32 {
        i32::try_from(std::process::id()).unwrap()
    }

    #[test]
    fn the_watch_reads_real_processes() {
        let memories = Memory::of(&[own()]);
        let [memory] = memories.as_slice() else {
            panic!("{memories:?}");
        };
        let (most, proportional) = (memory.resident_bytes, proportional_bytes(own()).unwrap());
        assert!(most > 100_000, "{most}");
        assert!(
            proportional > 0 && proportional <= most * 2,
            "{proportional}"
        );
    }

    #[test]
    fn who_has_gone_is_noted() {
        let mut gone = BTreeSet::new();
        let memory = Memory {
            processes: vec![i32::MAX],
            thread: i32::MAX,
            resident_bytes: 1,
        };
        assert!(!counts_more(&[memory], 1 << 50, &mut gone));
        assert_eq!(gone, [i32::MAX].into());
    }
}
