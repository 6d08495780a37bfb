//! The processes of this host as the kernel lists them, for the tier that has no PID namespaces.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions};

/// Pause between two looks at what is left.
const LOOK_PAUSE: Duration = Duration::from_millis(1);

/// What the kernel tells of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) number: i32,
    pub(super) parent: i32,
    /// Its process group.
    pub(super) group: i32,
    pub(super) threads: u32,
    /// Processor time that it used, with the children that it has reaped. Microseconds; in steps of 10 ms.
    pub(super) cpu_us: u64,
}

/// One of the steps in which the kernel tells processor time here. Microseconds.
const TICK_US: u64 = 10_000;

impl Process {
    /// Looks at one process; nothing if it is gone.
    pub(super) fn of(number: i32) -> Option<Self> {
        // Its name, which it chooses itself, need not be UTF-8.
        let stat = fs::read(format!("/proc/{number}/stat")).ok()?;
        Self::parse(number, &String::from_utf8_lossy(&stat))
    }

    /// `708 (name) S 1 708 …`; the name may hold anything, brackets too.
    fn parse(number: i32, stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace().skip(1);
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        // User and system time, and those of dead children.
        let mut ticks = 0;
        for field in fields.by_ref().skip(8).take(4) {
            ticks += field.parse::<u64>().ok()?;
        }
        let threads = fields.nth(2)?.parse().ok()?;
        Some(Self {
            number,
            parent,
            group,
            threads,
            cpu_us: ticks * TICK_US,
        })
    }
}

/// Every process that can be seen.
pub(super) fn all() -> impl Iterator<Item = Process> {
    super::proc::numbers("/proc").filter_map(Process::of)
}

/// All processes at one moment, looked at once somebody wants to know.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    processes: Option<Vec<Process>>,
    /// What looking took.
    pub(super) cost: Duration,
}

impl Snapshot {
    /// Processes and threads of a process group.
    pub(super) fn tasks_of(&mut self, group: i32) -> u32 {
        let started = Instant::now();
        let cost = &mut self.cost;
        let processes = self.processes.get_or_insert_with(|| {
            let seen = all().collect();
            *cost = started.elapsed();
            seen
        });
        let members = processes.iter().filter(|process| process.group == group);
        members.map(|process| process.threads.max(1)).sum()
    }
}

/// Ends every descendant of this process, which must be their reaper, and waits for their ends.
///
/// `false` if some are still there after so long: they wait inside the kernel.
pub(super) fn end_descendants(patience: Duration) -> bool {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let own_group = rustix::process::getpgrp().as_raw_nonzero().get();
    let started = Instant::now();
    while started.elapsed() < patience {
        for process in all().filter(|process| process.parent == own) {
            // A child of ours that nobody reaps meanwhile: neither number is anybody else's.
            if process.group == own_group {
                signal(process.number, rustix::process::kill_process);
            } else {
                signal(process.group, rustix::process::kill_process_group);
            }
        }
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => break,
                // No children are left; those of a child that died were ours before we reaped it.
                Err(_) => return true,
            }
        }
        std::thread::sleep(LOOK_PAUSE);
    }
    false
}

fn signal(number: i32, send: fn(Pid, Signal) -> rustix::io::Result<()>) {
    if let Some(number) = Pid::from_raw(number) {
        // It may have ended.
        let _ended = send(number, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_hides_nothing() {
        let stat = "7 (a) S 1 1) R 5 6 6 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 3 0 100 1 2";
        // 5, 6, 7 and 8 steps of processor time; 3 threads.
        let expected = Process {
            number: 7,
            parent: 5,
            group: 6,
            threads: 3,
            cpu_us: 260_000,
        };
        assert_eq!(Process::parse(7, stat), Some(expected));
        assert_eq!(Process::parse(7, "7 (a) S 1"), None);
    }

    #[test]
    fn this_process_is_among_all() {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let group = rustix::process::getpgrp().as_raw_nonzero().get();
        let found = all().find(|process| process.number == own).unwrap();
        assert_eq!(found.group, group);
        assert!(Snapshot::default().tasks_of(group) >= found.threads);
    }
}
