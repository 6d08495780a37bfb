//! What a server holds: the processes below it, their memory, their descriptors.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::machine::kib;

/// Tells whether two processes, by number, have the same memory, not only equal. `false` where that is not known.
pub type ShareMemory = fn(u32, u32) -> bool;

/// A server's process and everything below it, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// Memory of all of them, each shared page counted once in parts (proportional set size), and what two
    /// processes have together, as threads have, once. KiB.
    pub pss_kib: u64,
    /// The sum of what the kernel tells of each process, where those two count twice. KiB.
    pub pss_by_process_kib: u64,
    /// Resident memory of the server's own process. KiB.
    pub server_rss_kib: u64,
    /// The most that was resident of it since the last [`forget_peak`]. KiB.
    pub server_peak_kib: u64,
    /// How many processes there are.
    pub processes: usize,
    /// Open descriptors of all of them.
    pub descriptors: usize,
    /// Processes that could not be looked into: their memory and descriptors are missing above.
    pub hidden: usize,
}

impl Holding {
    /// Looks at a process and all below it; `None` if it is not there. `share_memory` tells whether two
    /// processes have one memory.
    pub(crate) fn of(server: u32, share_memory: ShareMemory) -> Option<Self> {
        let folder = |pid: u32| Path::new("/proc").join(pid.to_string());
        let status = fs::read_to_string(folder(server).join("status")).ok()?;
        let parents = parents();
        let tree = below(server, &parents);
        let mut holding = Self {
            pss_kib: 0,
            pss_by_process_kib: 0,
            server_rss_kib: kib(&status, "VmRSS"),
            server_peak_kib: kib(&status, "VmHWM"),
            processes: tree.len(),
            descriptors: 0,
            hidden: 0,
        };
        for pid in tree {
            let memory = fs::read_to_string(folder(pid).join("smaps_rollup"));
            let descriptors = fs::read_dir(folder(pid).join("fd"));
            let (Ok(memory), Ok(descriptors)) = (memory, descriptors) else {
                // One that is ending has nothing any more.
                let stat = fs::read_to_string(folder(pid).join("stat"));
                holding.hidden += usize::from(stat.is_ok_and(|stat| lives(&stat)));
                continue;
            };
            let pss_kib = kib(&memory, "Pss");
            holding.pss_by_process_kib += pss_kib;
            let parent = parents.get(&pid).filter(|_| pid != server);
            if !parent.is_some_and(|parent| share_memory(*parent, pid)) {
                holding.pss_kib += pss_kib;
            }
            holding.descriptors += descriptors.count();
        }
        Some(holding)
    }
}

/// Makes the kernel forget the most that was resident of a process, to find the next peak.
pub(crate) fn forget_peak(pid: u32) -> bool {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").is_ok()
}

/// Every process on the machine with its parent.
fn parents() -> BTreeMap<u32, u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            Some((pid, parent(&stat)?))
        })
        .collect()
}

/// The parent in a line of `/proc/PID/stat`. The name before it may hold anything but its own end.
fn parent(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// Whether a line of `/proc/PID/stat` is of a process that runs or waits.
fn lives(stat: &str) -> bool {
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
    state.is_some_and(|state| !state.starts_with(['Z', 'X']))
}

/// A process and all below it.
fn below(top: u32, parents: &BTreeMap<u32, u32>) -> Vec<u32> {
    let mut found = vec![top];
    let mut looked_at = 0;
    while let Some(parent) = found.get(looked_at).copied() {
        let children = parents.iter().filter(|(_, p)| **p == parent);
        found.extend(children.map(|(child, _)| *child));
        looked_at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_hide_the_parent() {
        assert_eq!(parent("12 (a) S 3) R 7 12 12 0"), Some(7));
        assert_eq!(parent("12 (cut"), None);
        assert!(lives("12 (a) Z) S 3 12 12 0") && !lives("12 (a) S) Z 3 12 12 0"));
    }

    #[test]
    fn a_tree_is_everything_below_and_nothing_beside() {
        let parents = BTreeMap::from([(2, 1), (3, 2), (4, 3), (5, 1), (6, 3)]);
        let mut tree = below(2, &parents);
        tree.sort_unstable();
        assert_eq!(tree, [2, 3, 4, 6]);
    }

    #[test]
    fn this_process_holds_something() {
        let holding = Holding::of(std::process::id(), |_, _| false).unwrap();
        assert!(holding.pss_kib > 0 && holding.server_rss_kib > 0);
        assert!(holding.descriptors >= 3 && holding.processes >= 1);
        assert_eq!(holding.pss_kib, holding.pss_by_process_kib);
        assert_eq!(Holding::of(u32::MAX, |_, _| false), None);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "there must be a process below")]
    fn memory_that_two_processes_have_is_counted_once() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        // As if it had ours; the process looked at counts in any case.
        let holding = Holding::of(std::process::id(), |_, _| true);
        child.kill().unwrap();
        child.wait().unwrap();
        let holding = holding.unwrap();
        assert!(holding.pss_kib > 0 && holding.pss_kib < holding.pss_by_process_kib);
    }
}
