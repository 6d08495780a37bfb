//! The machine a figure was measured on: without it a time means nothing.

use std::fs;
use std::thread;

use serde::Serialize;

/// The machine, as results name it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Processors that this process may use.
    pub cores: usize,
    /// The kernel's release.
    pub kernel: String,
    /// Memory in all. MiB.
    pub memory_mib: u64,
    /// Version of the Python that the floor and the peer ran, if one did.
    pub python: Option<String>,
    /// Programs that were running or waiting for a processor, on average of the last minute, before
    /// anything was measured. On an idle machine near 0; else read all figures as proportions.
    pub load_before: f64,
}

impl Machine {
    /// Looks at this machine.
    pub(crate) fn look() -> Self {
        // What can't be read is left empty: the figures count nevertheless.
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let (cpus, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let load = read("/proc/loadavg");
        let load = load.split_whitespace().next().map(str::parse);
        Self {
            cpu: field(&cpus, "model name").unwrap_or("unknown").to_owned(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            memory_mib: kib(&memory, "MemTotal") >> 10,
            python: None,
            load_before: load.and_then(Result::ok).unwrap_or_default(),
        }
    }
}

/// The value of a line `name : value`.
pub(crate) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// The value of a line `name: number kB`; 0 if there is none.
pub(crate) fn kib(text: &str, name: &str) -> u64 {
    let number = field(text, name).and_then(|value| value.split_whitespace().next()?.parse().ok());
    number.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "Pss_Dirty:  1 kB\nPss:             2044 kB\nmodel name\t: A: B\n";
        assert_eq!(kib(text, "Pss"), 2044);
        assert_eq!(field(text, "model name"), Some("A: B"));
        assert_eq!(kib(text, "Rss"), 0);
    }

    #[test]
    fn this_machine_has_a_core() {
        assert!(Machine::look().cores >= 1);
    }
}
