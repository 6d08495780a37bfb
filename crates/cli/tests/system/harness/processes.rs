//! Processes as `/proc` shows them.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::{Pid, Signal};

/// One process, and not another one that has its number later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    started: u64,
    dead: bool,
}

impl Process {
    /// The process with this number, if there is one.
    pub(crate) fn find(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold anything, parentheses and spaces too.
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        let started = fields.nth(17)?.parse().ok()?;
        Some(Self {
            pid,
            parent,
            started,
            dead: matches!(state, "Z" | "X"),
        })
    }

    /// Every process of the machine.
    pub(crate) fn all() -> Vec<Self> {
        let entries = fs::read_dir("/proc").expect("/proc is mounted");
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names
            .filter_map(|name| Self::find(name.parse().ok()?))
            .collect()
    }

    /// All that descend from this process, without it.
    pub(crate) fn descendants(self) -> Vec<Self> {
        let all = Self::all();
        let mut known = BTreeSet::from([self.pid]);
        let mut found = Vec::new();
        loop {
            let new: Vec<_> = all
                .iter()
                .filter(|process| known.contains(&process.parent) && !known.contains(&process.pid))
                .copied()
                .collect();
            if new.is_empty() {
                return found;
            }
            known.extend(new.iter().map(|process| process.pid));
            found.extend(new);
        }
    }

    /// Whether it still runs. One that is dead and was not fetched by its parent does not.
    pub(crate) fn lives(self) -> bool {
        Self::find(self.pid).is_some_and(|now| now.started == self.started && !now.dead)
    }

    pub(crate) fn arguments(self) -> Vec<String> {
        let bytes = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let words = bytes.split(|byte| *byte == 0);
        words
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect()
    }

    /// The user it runs as.
    pub(crate) fn user(self) -> Option<u32> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Open descriptors; nothing where we may not look.
    pub(crate) fn descriptors(self) -> Option<usize> {
        Some(fs::read_dir(format!("/proc/{}/fd", self.pid)).ok()?.count())
    }

    /// Memory that it has in use. Bytes.
    pub(crate) fn resident_bytes(self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    }

    /// Sends a signal to it, which a test started.
    pub(crate) fn signal(self, signal: Signal) {
        let pid = Pid::from_raw(self.pid).expect("it is a process's number");
        if self.lives() {
            rustix::process::kill_process(pid, signal).expect("it is ours");
        }
    }
}

/// The processes behind a server, by what they are.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) outer_keeper: Process,
    pub(crate) inner_keeper: Process,
    pub(crate) zygotes: Vec<Process>,
}

impl Parts {
    /// Finds them below a server; nothing while one is missing.
    pub(crate) fn of(server: Process) -> Option<Self> {
        let below = server.descendants();
        let is_keeper = |process: &&Process| {
            let word = process.arguments().into_iter().nth(1);
            word.is_some_and(|word| word == "keeper")
        };
        let child_of = |parent: Process| move |process: &&Process| process.parent == parent.pid;
        let outer = below.iter().filter(child_of(server)).find(is_keeper)?;
        let inner = below.iter().filter(child_of(*outer)).find(is_keeper)?;
        let is_zygote = |process: &&Process| {
            let words = process.arguments();
            words.iter().any(|word| word.ends_with("/hognose/main.py"))
        };
        let zygotes = below.iter().filter(child_of(*inner)).filter(is_zygote);
        Some(Self {
            outer_keeper: *outer,
            inner_keeper: *inner,
            zygotes: zygotes.copied().collect(),
        })
    }
}
