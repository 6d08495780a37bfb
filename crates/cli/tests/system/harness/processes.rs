//! Processes as `/proc` shows them.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use super::User;

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

    /// What it calls itself.
    pub(crate) fn name(self) -> String {
        let name = fs::read_to_string(format!("/proc/{}/comm", self.pid)).unwrap_or_default();
        name.trim_end().to_owned()
    }

    /// Processor time it has used, without its children.
    pub(crate) fn processor_time(self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let fields = stat
            .rsplit_once(") ")
            .map_or("", |(_, rest)| rest)
            .split(' ');
        let ticks: u64 = fields
            .skip(11)
            .take(2)
            .filter_map(|t| t.parse::<u64>().ok())
            .sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }

    /// Bounds what it may have, softly, as the user that it runs as: [`Limited`] gives it back.
    #[track_caller]
    pub(crate) fn limit(self, user: User, resource: &'static str, to: u64) -> Limited {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.pid)).expect("it lives");
        let name = match resource {
            "--nofile" => "Max open files",
            "--nproc" => "Max processes",
            other => panic!("nobody limits {other}"),
        };
        let line = limits.lines().find_map(|line| line.strip_prefix(name));
        let mut words = line.expect("the kernel tells it").split_whitespace();
        let before = words.next().expect("the kernel tells it").to_owned();
        let limited = Limited {
            process: self,
            user,
            resource,
            before,
        };
        assert!(
            limited.set(&to.to_string()),
            "prlimit (of util-linux) failed"
        );
        limited
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

    /// Sends a signal to it, which a test started, unless it is gone.
    pub(crate) fn try_signal(self, signal: Signal) {
        let pid = Pid::from_raw(self.pid).expect("it is a process's number");
        if self.lives() {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Sends a signal to it, which a test started.
    pub(crate) fn signal(self, signal: Signal) {
        let pid = Pid::from_raw(self.pid).expect("it is a process's number");
        if self.lives() {
            rustix::process::kill_process(pid, signal).expect("it is ours");
        }
    }
}

/// A process with less than it had; dropping this gives it back.
#[derive(Debug)]
pub(crate) struct Limited {
    process: Process,
    user: User,
    resource: &'static str,
    before: String,
}

impl Limited {
    fn set(&self, soft: &str) -> bool {
        let mut command = self.user.command("prlimit");
        command.arg("--pid").arg(self.process.pid.to_string());
        command.arg(format!("{}={soft}:", self.resource));
        command.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        // A process that is gone needs nothing.
        if self.process.lives() {
            self.set(&self.before);
        }
    }
}

/// The processes behind a server, by what they are.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) outer_keeper: Process,
    pub(crate) inner_keeper: Process,
    pub(crate) zygotes: Vec<Process>,
    /// Where no cgroup bounds memory.
    pub(crate) watch: Option<Process>,
    /// One a unit, waiting or running.
    pub(crate) inits: Vec<Process>,
    /// The programs' first processes: what zygotes forked.
    pub(crate) units: Vec<Process>,
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
            words.iter().any(|word| word.ends_with("/main.py"))
        };
        let (zygotes, others): (Vec<Process>, Vec<Process>) = below
            .iter()
            .filter(child_of(*inner))
            .partition(|process| is_zygote(process));
        let called = |name: &'static str| move |process: &Process| process.name() == name;
        let is_unit = |process: &&Process| zygotes.iter().any(|z| z.pid == process.parent);
        Some(Self {
            outer_keeper: *outer,
            inner_keeper: *inner,
            watch: others.iter().copied().find(called("hognose-watch")),
            inits: others
                .iter()
                .copied()
                .filter(called("hognose-init"))
                .collect(),
            units: below.iter().filter(is_unit).copied().collect(),
            zygotes,
        })
    }
}
