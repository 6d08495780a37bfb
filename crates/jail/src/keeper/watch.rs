//! The memory of runs where no cgroup bounds it: a look at every process, ten times a second.
//!
//! A run's processes are those of its PID namespace, however they came to be. Their resident sets
//! and page tables are summed. Pages that a fork shares with its zygote count in full there, so
//! where that sum is over the limit, proportional sets are summed before anything is killed.
//!
//! Shared memory without a file is counted by its pieces, which the filter keeps small.
//!
//! What the kernel keeps for a process otherwise (buffers of pipes and pairs of sockets) is not
//! seen here; the limit on descriptors bounds it.

use std::collections::BTreeMap;
use std::fs;

use wire::UnitId;

use crate::sys;
use crate::walls::seccomp;

/// What the kernel calls a shared mapping without a file.
const SHARED_MAPPING: &str = "/dev/zero (deleted)";

/// What is known of one run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) unit: UnitId,
    /// Its PID namespace, by the kernel's number.
    pub(super) namespace: u64,
    /// Bytes of its files.
    pub(super) files: u64,
}

/// The runs that use more than `bytes_max`.
pub(super) fn over(runs: &[Run], bytes_max: u64) -> Vec<UnitId> {
    if runs.is_empty() {
        return Vec::new();
    }
    let mut members: BTreeMap<u64, Vec<i32>> = BTreeMap::new();
    for pid in numbers("/proc") {
        if let Some(namespace) = namespace_of(pid) {
            members.entry(namespace).or_default().push(pid);
        }
    }
    let uses_more = |run: &&Run| {
        let Some(members) = members.get(&run.namespace) else {
            return false;
        };
        let members = with_memory_of_their_own(members);
        let sum = |bytes: fn(i32) -> u64| members.iter().map(|pid| bytes(*pid)).sum::<u64>();
        let others = run.files + sum(shared_bytes);
        sum(resident_bytes) + others > bytes_max && sum(proportional_bytes) + others > bytes_max
    };
    runs.iter().filter(uses_more).map(|run| run.unit).collect()
}

/// One process for each memory: the one that holds a run's, and what `vfork` makes, share it.
fn with_memory_of_their_own(members: &[i32]) -> Vec<i32> {
    let mut own: Vec<i32> = Vec::new();
    for pid in members {
        if !own.iter().any(|known| sys::share_memory(*known, *pid)) {
            own.push(*pid);
        }
    }
    own
}

/// The PID namespace of a process, by the kernel's number.
pub(super) fn namespace_of(pid: i32) -> Option<u64> {
    let link = fs::read_link(format!("/proc/{pid}/ns/pid")).ok()?;
    link.to_str()?
        .strip_prefix("pid:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

fn numbers(folder: &str) -> impl Iterator<Item = i32> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Resident pages and page tables; an upper bound.
fn resident_bytes(pid: i32) -> u64 {
    of_a_living_thread(pid, |thread| {
        let status = fs::read_to_string(format!("{thread}/status")).ok()?;
        Some(kib(&status, "VmRSS:")? + kib(&status, "VmPTE:")?)
    })
}

/// The same, with pages that others have mapped as well divided among them.
fn proportional_bytes(pid: i32) -> u64 {
    of_a_living_thread(pid, |thread| {
        let rollup = fs::read_to_string(format!("{thread}/smaps_rollup")).ok()?;
        let status = fs::read_to_string(format!("{thread}/status")).ok()?;
        Some(kib(&rollup, "Pss:")? + kib(&status, "VmPTE:")?)
    })
}

/// The most that shared mappings without a file keep beside what is resident: their pages stay when
/// a process lets go of them, for as long as one mapping of a piece is left.
fn shared_bytes(pid: i32) -> u64 {
    of_a_living_thread(pid, |thread| {
        let maps = fs::read_to_string(format!("{thread}/maps")).ok()?;
        let pieces = maps.lines().filter(|line| line.ends_with(SHARED_MAPPING));
        let count = u64::try_from(pieces.count()).unwrap_or(u64::MAX);
        Some(count.saturating_mul(seccomp::SHARED_PIECE_BYTES_MAX.into()))
    })
}

/// A first thread that has ended shows no memory, though the others have it all.
fn of_a_living_thread(pid: i32, bytes: impl Fn(&str) -> Option<u64>) -> u64 {
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

    #[test]
    fn a_run_is_its_pid_namespace() {
        let own = i32::try_from(std::process::id()).unwrap();
        let namespace = namespace_of(own).unwrap();
        let run = |unit, namespace| Run {
            unit: UnitId(unit),
            namespace,
            files: 0,
        };
        assert_eq!(over(&[run(1, namespace), run(2, 1)], 1), [UnitId(1)]);
        assert_eq!(over(&[run(1, namespace)], u64::MAX), []);
    }
}
