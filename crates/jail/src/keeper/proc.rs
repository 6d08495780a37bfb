//! What `/proc` tells of processes: which there are, of which run, in which words.

use std::fs;

use wire::{Members, Tier};

use crate::sys;

/// By what the run is found that a process is of, if it is of one.
pub(super) fn run_of(tier: Tier, pid: i32) -> Option<Members> {
    match tier {
        Tier::Native => namespace_of(pid).map(Members::Namespace),
        Tier::Gvisor => namespace_of(pid).map(Members::Sandbox),
        // Not read from `/proc`, which takes fifty times as long; a host may have very many processes.
        Tier::Landlock => sys::process_group(pid).map(Members::Group),
    }
}

/// The PID namespace of a process, by the kernel's number.
pub(super) fn namespace_of(pid: i32) -> Option<u64> {
    let number = |process: &str| {
        let link = fs::read_link(format!("{process}/ns/pid")).ok()?;
        let number = link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?;
        number.parse().ok()
    };
    // A first thread that has ended may not tell.
    number(&format!("/proc/{pid}")).or_else(|| of_a_living_thread(pid, number))
}

/// The numbers that the names in a folder of the kernel's are.
pub(super) fn numbers(folder: &str) -> impl Iterator<Item = i32> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// A file of the kernel's, in which names stand that a run has chosen: they need not be UTF-8.
pub(super) fn read(path: &str) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// What is told of a thread that has the memory of a process. A first thread that has ended shows none, though
/// the others have it all.
pub(super) fn of_a_living_thread<T>(pid: i32, told: impl Fn(&str) -> Option<T>) -> Option<T> {
    threads(pid).find_map(|thread| told(&thread))
}

/// Where the kernel tells of each thread of a process.
pub(super) fn threads(pid: i32) -> impl Iterator<Item = String> {
    let tasks = format!("/proc/{pid}/task");
    numbers(&tasks).map(move |thread| format!("{tasks}/{thread}"))
}

/// A size that a file of the kernel's tells by this name. Bytes.
pub(super) fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
